# SPDX-License-Identifier: BSD-2-Clause
#
# What people type; meson does the work. `make help` lists it.

B      ?= build
PREFIX ?= /usr/local
# Warnings are errors here, in the developers' way in; packagers call meson.
MESON_FLAGS ?= -Dwerror=true
# What tools/deps is to install; a demo needs no tests.
DEPS   ?= all
NICE   ?=
# of `make fuzz`; TIME is in seconds for each target
TARGET ?= all
TIME   ?= 60

# Only from the command line: some shells have a HOST of their own.
ifneq ($(origin HOST),command line)
HOST := xen
endif
ifeq ($(filter $(HOST),xen local),)
$(error HOST=$(HOST): use HOST=xen or HOST=local)
endif

SETUP = [ -f $(1)/build.ninja ] || \
	meson setup --prefix $(PREFIX) $(MESON_FLAGS) $(2) $(1)

.PHONY: all deps setup dest check check-fast lab images-early demo demo-xen demo-local \
	bench-xen bench-local \
	bench soak mutate coverage \
	fuzz fuzz-coverage sim-coverage format install clean help

all: setup                 # build everything, into build/
	@$(NICE) ninja -C $(B)

deps:                      # install what is missing from Debian's packages
	@tools/deps $(DEPS)

# A folder that was made for a demo learns of the tests later.
setup: deps
	@$(call SETUP,$(B))
	@[ $(DEPS) != all ] || [ -d $(B)/tests ] || meson setup --reconfigure -Dtests=enabled $(B)

# What the lab boots with: the build as it would be installed.
dest: all
	@rm -rf $(B)/lab/dest
	@meson install -C $(B) --no-rebuild --quiet --strip --destdir lab/dest # guests get it over a console

check: dest                # every test, the real Xen in QEMU included
	@tools/check $(B) tidy unit corpus unit-asan corpus-asan fuzz abi local \
		local-asan sim sim-asan lab

check-fast: all            # the tests that take seconds
	@tools/check $(B) tidy unit corpus abi local sim

lab: deps                  # build the images of the lab
	@lab/lab image

images-early:
	@lab/lab image disk
	@tools/deps $(DEPS)
	@lab/lab image

demo: demo-$(HOST)         # see it work, on the real Xen in QEMU; HOST=local: without Xen

# The images take longest: they're begun first, and what is compiled gives way.
demo-xen:
	@tools/deps image
	@$(MAKE) --no-print-directory -j2 DEPS=programs NICE=nice dest images-early
	@lab/lab run lab/scenarios/demo.sh

demo-local: all
	@XENPV_BUILD=$(B) bash tests/local/demo.sh

bench: bench-$(HOST)       # measure beside the kernel, in the lab; HOST=local: natively

bench-xen: dest
	@bench/run

bench-local: dest
	@bench/local $(B)

soak: all                  # seeds of the simulator, until ^C or TIME seconds
	@tools/soak $(B) $(if $(TIME),--time $(TIME))

mutate: all                # break the engines on purpose: who notices?
	@tests/mutate/run --table doc/mutations.md $(NAME)

coverage: deps             # branches of core/ and scsi/ that unit tests take
	@tools/coverage build-coverage unit

fuzz: deps                 # search for inputs that break something: TARGET= TIME=
	@tools/fuzz build-fuzz $(TARGET) $(TIME)

sim-coverage: deps         # branches that the simulator takes
	@tools/coverage build-coverage sim

fuzz-coverage: deps        # branches that the corpora of the fuzzers take
	@tools/coverage build-coverage corpus

format: deps               # bring C sources into the form that tidy asks for
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

install: all               # into PREFIX, below DESTDIR
	@meson install -C $(B) --no-rebuild

clean:                     # remove all that was built
	rm -rf build build-*

help:                      # this list
	@sed -n 's/^\([a-z-]*\):[^#]*# */\1\t/p' Makefile | expand -t 12
