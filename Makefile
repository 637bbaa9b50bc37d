# SPDX-License-Identifier: BSD-2-Clause
#
# What people type; meson does the work. `make help` lists it.

B      ?= build
PREFIX ?= /usr/local
# Warnings are errors here, in the developers' way in; packagers call meson.
MESON_FLAGS ?= -Dwerror=true

SETUP = [ -f $(1)/build.ninja ] || \
	meson setup --prefix $(PREFIX) $(MESON_FLAGS) $(2) $(1)

.PHONY: all deps setup dest check check-fast lab demo bench coverage format \
	install clean help

all: setup                 # build everything, into build/
	@ninja -C $(B)

deps:                      # install what is missing from Debian's packages
	@tools/deps

setup: deps
	@$(call SETUP,$(B))

# What the lab boots with: the build as it would be installed.
dest: all
	@rm -rf $(B)/lab/dest
	@meson install -C $(B) --no-rebuild --quiet --destdir lab/dest

check: dest                # every test, the real Xen in QEMU included
	@tools/check $(B) tidy unit unit-asan abi lab

check-fast: all            # the tests that take seconds
	@tools/check $(B) tidy unit abi

lab: dest                  # build the images of the lab
	@lab/lab image

demo: dest                 # see it work, on the real Xen in QEMU
	@lab/lab run lab/scenarios/demo.sh

bench: dest                # measure beside the kernel, in the lab
	@bench/run

coverage: deps             # branches of core/ and scsi/ that unit tests take
	@tools/coverage build-coverage

format: deps               # bring C sources into the form that tidy asks for
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

install: all               # into PREFIX, below DESTDIR
	@meson install -C $(B) --no-rebuild

clean:                     # remove all that was built
	rm -rf build build-*

help:                      # this list
	@sed -n 's/^\([a-z-]*\):[^#]*# */\1\t/p' Makefile | expand -t 12
