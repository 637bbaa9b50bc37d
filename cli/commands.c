/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of commands, and what is made from it: see commands.h. */
#include "cli/commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "wire/port.h"

const struct cli_option global_options[] = {
	[GLOBAL_HELP] = {"help", 'h', NULL,
			 "show this list, or a command's help"},
	[GLOBAL_HOST] = {"host", 0, "HOST",
			 "xen, or local:DIR, which needs no Xen"},
	[GLOBAL_VERBOSE] = {"verbose", 'v', NULL,
			    "say on stderr what is being done"},
	[GLOBAL_VERSION] = {"version", 'V', NULL, "show the version"},
	{0},
};

static const struct cli_option attach_options[] = {
	[ATTACH_NO_WAIT] = {"no-wait", 0, NULL,
			    "do not wait until the guest has the device"},
	[ATTACH_TIMEOUT] = {"timeout", 't', "SECONDS",
			    "how long to wait (30); then all is taken back"},
	{0},
};

static const struct cli_option detach_options[] = {
	[DETACH_NO_WAIT] = {"no-wait", 0, NULL,
			    "ask the guest, and do not wait for it"},
	[DETACH_TIMEOUT] = {"timeout", 't', "SECONDS",
			    "how long to wait (30); then the guest keeps it"},
	[DETACH_FORCE] = {"force", 'f', NULL,
			  "take it from a guest that does not answer"},
	{0},
};

static const struct cli_option medium_options[] = {
	[MEDIUM_EJECT] = {"eject", 'e', NULL, "no other medium"},
	[MEDIUM_FORCE] = {"force", 'f', NULL,
			  "also a medium that the guest has locked"},
	[MEDIUM_TIMEOUT] = {"timeout", 't', "SECONDS", "how long to wait (30)"},
	{0},
};

static const struct cli_option config_options[] = {
	[CONFIG_AUTO] = {"auto", 0, NULL,
			 "as xenpvd asks for it: wait for no guest, and say "
			 "nothing if there is nothing"},
	[CONFIG_DIRS] = {"dirs", 0, "DIR[:DIR...]",
			 "where guests' files are (/etc/xen:/etc/xen/auto)"},
	[CONFIG_TIMEOUT] = {"timeout", 't', "SECONDS",
			    "how long to wait for each device (30)"},
	{0},
};

static const struct cli_option create_options[] = {
	[CREATE_PAUSED] = {"paused", 'p', NULL, "leave the guest paused"},
	[CREATE_CONSOLE] = {"console", 'c', NULL, "connect to its console"},
	[CREATE_QUIET] = {"quiet", 'q', NULL, "do not say what is done"},
	[CREATE_DRYRUN] = {"dryrun", 'n', NULL,
			   "check all, create nothing; see xl(1)"},
	[CREATE_DEFCONFIG] = {"defconfig", 'f', "FILE", "the guest's file"},
	[CREATE_NO_MONITOR] = {"no-monitor", 'e', NULL,
			       "no xl that waits for the guest's end"},
	[CREATE_DEBUG] = {"debug", 'd', NULL, "xl's debug messages"},
	[CREATE_IGNORE_AFFINITY] = {"ignore-global-affinity-masks", 'i', NULL,
				    "see xl(1)"},
	[CREATE_VNCVIEWER] = {"vncviewer", 'V', NULL, "start a vncviewer"},
	[CREATE_VNC_AUTOPASS] = {"vncviewer-autopass", 'A', NULL,
				 "the same, with the password"},
	{0},
};

static const struct cli_option migrate_options[] = {
	[MIGRATE_SSH] = {"ssh", 's', "COMMAND",
			 "how to reach HOST (ssh); words for the shell"},
	[MIGRATE_PAUSED] = {"paused", 'p', NULL,
			    "leave the guest paused over there"},
	[MIGRATE_CHECK] = {"check", 0, NULL,
			   "only ask whether HOST could have the guest"},
	{0},
};

static const struct cli_option receive_options[] = {
	[RECEIVE_CHECK] = {"check", 0, NULL,
			   "could the devices on standard input be given?"},
	[RECEIVE_FINISH] = {"finish", 0, NULL,
			    "give them to the guest, which has arrived"},
	[RECEIVE_PAUSED] = {"paused", 'p', NULL, "leave the guest paused"},
	{0},
};

static const struct cli_option restore_options[] = {
	[RESTORE_PAUSED] = {"paused", 'p', NULL, "leave the guest paused"},
	[RESTORE_CONSOLE] = {"console", 'c', NULL, "connect to its console"},
	[RESTORE_NO_MONITOR] = {"no-monitor", 'e', NULL,
				"no xl that waits for the guest's end"},
	[RESTORE_DEBUG] = {"debug", 'd', NULL, "xl's debug messages"},
	{0},
};

static const struct cli_option guest_options[] = {
	[GUEST_ATTACH] =
		{"attach", 'a', "PDEV,VDEV[,OPTION...]",
		 "local host: scsi-attach this first; may be repeated"},
	[GUEST_COMMAND] = {"command", 'c', "COMMAND",
			   "run this; may be repeated; else standard input"},
	[GUEST_KEEP_GOING] = {"keep-going", 'k', NULL,
			      "go on after a command that fails"},
	[GUEST_PROTOCOL] = {"protocol", 0, "ABI",
			    "of block devices: x86_64-abi, x86_32-abi"},
	[GUEST_QUEUES] = {"queues", 0, "N",
			  "of block devices, if backends have as many: 1 to 4"},
	{0},
};

static const struct cli_option list_options[] = {
	[LIST_JSON] = {"json", 'j', NULL, "print JSON, for programs"},
	{0},
};

static const struct cli_option resize_options[] = {
	[RESIZE_TIMEOUT] = {"timeout", 't', "SECONDS", "how long to wait (30)"},
	{0},
};

static const struct cli_option status_options[] = {
	[STATUS_JSON] = {"json", 'j', NULL, "print JSON, for programs"},
	{0},
};

static const struct cli_option top_options[] = {
	[TOP_DELAY] = {"delay", 'd', "SECONDS", "between two looks (2)"},
	[TOP_COUNT] = {"count", 'n', "N", "so many times, then end"},
	[TOP_JSON] = {"json", 'j', NULL,
		      "print JSON, a line each time, for programs"},
	{0},
};

static const struct cli_option metrics_options[] = {
	[METRICS_HTTP] = {"http", 0, NULL,
			  "answer the HTTP request on standard input"},
	{0},
};

static const struct cli_option conform_options[] = {
	[CONFORM_JSON] = {"json", 'j', NULL, "print JSON, for programs"},
	[CONFORM_LIST] = {"list", 'l', NULL,
			  "only list the cases, and what each checks"},
	[CONFORM_ONLY] = {"only", 'o', "PATTERN",
			  "only cases whose names match, as 'ring.*'"},
	[CONFORM_NAME] = {"name", 0, "NAME",
			  "name of the guest to be, on a local host"},
	[CONFORM_PROTOCOL] = {"protocol", 0, "ABI",
			      "blk-backend: x86_64-abi, x86_32-abi"},
	[CONFORM_WITH_DANGEROUS] =
		{"dangerous", 0, NULL,
		 "also cases that may crash the peer's host"},
	[CONFORM_WITH_STRICT] = {"strict", 0, NULL,
				 "want what xenpv's own peers promise"},
	[CONFORM_HOTPLUG] = {"hotplug", 0, "CMD",
			     "'CMD add' adds a LUN, 'CMD remove' removes it"},
	[CONFORM_STIMULUS] = {"stimulus", 0, "CMD",
			      "makes the frontend use its LUNs"},
	[CONFORM_CHECK] = {"check", 0, "CMD",
			   "succeeds while the peer's domain is well"},
	[CONFORM_TIME] = {"time", 't', "SECONDS", "of requests at random (20)"},
	[CONFORM_SEED] = {"seed", 0, "NUMBER", "of these; else of the clock"},
	{0},
};

const struct cli_option vtl_options[] = {
	[VTL_DRIVES] = {"drives", 0, "N", "create: drives, 1 to 8 (2)"},
	[VTL_SLOTS] = {"slots", 0, "N", "create: slots, 1 to 200 (24)"},
	[VTL_TAPES] = {"tapes", 0, "N",
		       "create: cartridges (five sixths of the slots)"},
	[VTL_WORM] = {"worm", 0, "N", "create: so many of them are WORM (0)"},
	[VTL_CAPACITY] = {"capacity", 0, "SIZE",
			  "create: of a cartridge, as 100G (2500G)"},
	[VTL_JSON] = {"json", 'j', NULL, "list: print JSON, for programs"},
	{0},
};

static const struct cli_option no_options[] = {{0}};

const struct command commands[] = {
	{
		.name = "scsi-attach",
		.args = "GUEST PDEV VDEV[,OPTION...]",
		.summary = "give a guest a SCSI device",
		.details =
			"GUEST   name or number, see 'xl list'\n"
			"PDEV    regular file, block device, or null:SIZE;\n"
			"        a CD: FILE.iso or cdrom:FILE;\n"
			"        of a tape library: vtl:DIR:changer, "
			"vtl:DIR:driveN;\n"
			"        a real device: /dev/nst0, /dev/sch0, "
			"/dev/sr0, /dev/sg3,\n"
			"        H:C:T:L, naa.WWN:LUN, see 'xenpv "
			"scsi-devices';\n"
			"        host:N, all of an adapter\n"
			"VDEV    H:C:T:L, where the guest sees it: controller, "
			"0, target, LUN\n"
			"OPTION  ro rw shared feature-host serial=TEXT "
			"product=TEXT naa=HEX\n"
			"        blocksize=512|4096 direct=auto|on|off "
			"backend=xenpv|kernel|DOMAIN\n"
			"\n"
			"Example: xenpv scsi-attach web /dev/vg0/web 0:0:1:0\n",
		.args_min = 3,
		.args_max = 3,
		.option = attach_options,
		.run = scsi_attach,
	},
	{
		.name = "scsi-detach",
		.args = "GUEST VDEV",
		.summary = "take a SCSI device from a guest",
		.details = "The last device of a controller takes the "
			   "controller with it.\n"
			   "\n"
			   "Example: xenpv scsi-detach web 0:0:1:0\n",
		.args_min = 2,
		.args_max = 2,
		.option = detach_options,
		.run = scsi_detach,
	},
	{
		.name = "scsi-change-medium",
		.args = "GUEST VDEV [FILE]",
		.summary = "put another medium into a guest's CD drive",
		.details = "FILE  an image of a CD or DVD; with --eject, none\n"
			   "\n"
			   "Example: xenpv scsi-change-medium web 0:0:3:0 "
			   "/srv/disc2.iso\n",
		.args_min = 2,
		.args_max = 3,
		.option = medium_options,
		.run = scsi_change_medium,
	},
	{
		.name = "scsi-list",
		.args = "[GUEST...]",
		.summary = "list the SCSI devices of guests",
		.details = "Without GUEST: of all guests. The kernel's backend "
			   "is listed too.\n",
		.args_min = 0,
		.args_max = -1,
		.option = list_options,
		.run = scsi_list,
	},
	{
		.name = "scsi-devices",
		.args = "",
		.summary = "list the host's SCSI devices",
		.details = "What can be given to a guest, by which name, and "
			   "who uses it.\n",
		.args_min = 0,
		.args_max = 0,
		.option = list_options,
		.run = scsi_devices,
	},
	{
		.name = "block-attach",
		.args = "GUEST DISK-SPEC...",
		.summary = "give a guest a disk",
		.details =
			"GUEST      name or number, see 'xl list'\n"
			"DISK-SPEC  as xl's: TARGET,FORMAT,VDEV,ACCESS, or "
			"key=value, see xl-disk-configuration(5)\n"
			"TARGET     regular file, block device, or null:SIZE\n"
			"FORMAT     raw (or nothing), qcow2, vhd, vhdx, vmdk\n"
			"VDEV       where the guest sees it: xvda, xvdb, ... "
			"sda, hda, d0p0\n"
			"ACCESS     rw, ro\n"
			"others     cdrom shared no-discard "
			"blocksize=512|4096 direct=auto|on|off\n"
			"           queues=N persistent=N iops=N bps=N iops-burst=N "
			"bps-burst=N\n"
			"           on-enospc=fail|pause backend=DOMAIN\n"
			"\n"
			"Example: xenpv block-attach web "
			"/dev/vg0/web,raw,xvdb,rw\n",
		.args_min = 2,
		.args_max = -1,
		.option = attach_options,
		.run = block_attach,
	},
	{
		.name = "block-detach",
		.args = "GUEST VDEV",
		.summary = "take a disk from a guest",
		.details = "Example: xenpv block-detach web xvdb\n",
		.args_min = 2,
		.args_max = 2,
		.option = detach_options,
		.run = block_detach,
	},
	{
		.name = "block-list",
		.args = "[GUEST...]",
		.summary = "list the disks of guests",
		.details =
			"Without GUEST: of all guests. Those of the kernel's "
			"backend and of QEMU are listed too.\n",
		.args_min = 0,
		.args_max = -1,
		.option = list_options,
		.run = block_list,
	},
	{
		.name = "block-resize",
		.args = "GUEST VDEV",
		.summary = "tell a guest that its disk has another size",
		.details = "After truncate, lvextend and the like. The guest's "
			   "file systems stay as they are.\n"
			   "\n"
			   "Example: xenpv block-resize web xvdb\n",
		.args_min = 2,
		.args_max = 2,
		.option = resize_options,
		.run = block_resize,
	},
	{
		.name = "block-set",
		.args = "GUEST VDEV SETTING...",
		.summary = "change the limits of a disk that is in use",
		.details =
			"SETTING  iops=N bps=N iops-burst=N bps-burst=N; a second, "
			"0 for none; bytes as in 100M\n"
			"\n"
			"Example: xenpv block-set web xvdb iops=2000 bps=50M\n",
		.args_min = 3,
		.args_max = -1,
		.option = no_options,
		.run = block_set,
	},
	{
		.name = "create",
		.args = "FILE [KEY=VALUE...]",
		.summary = "create a guest with the devices its file lists",
		.details =
			"FILE is what xl create reads, with vscsi= and "
			"xenpv_disk= in it. All that can be\n"
			"checked is checked first: nothing is created when a "
			"device is missing or in use.\n",
		.args_min = 0,
		.args_max = -1,
		.option = create_options,
		.run = create_guest,
	},
	{
		.name = "config-attach",
		.args = "GUEST [FILE]",
		.summary = "give a running guest what its file lists",
		.details = "Without FILE: the list that the guest was created "
			   "with, or the file with its name.\n"
			   "Devices that it has stay as they are.\n",
		.args_min = 1,
		.args_max = 2,
		.option = config_options,
		.run = config_attach,
	},
	{
		.name = "save",
		.args = "GUEST FILE",
		.summary = "save a guest, with the list of its devices",
		.args_min = 2,
		.args_max = 2,
		.option = no_options,
		.run = save_guest,
	},
	{
		.name = "restore",
		.args = "[CONFIG] FILE",
		.summary = "restore a guest, and give it its devices",
		.args_min = 1,
		.args_max = 2,
		.option = restore_options,
		.run = restore_guest,
	},
	{
		.name = "migrate",
		.args = "GUEST HOST",
		.summary = "move a guest to another host that has its devices",
		.details = "HOST is asked before anything happens. xenpv and "
			   "xenpvd must be there, too.\n",
		.args_min = 2,
		.args_max = 2,
		.option = migrate_options,
		.run = migrate_guest,
	},
	{
		.name = "migrate-receive",
		.args = "UUID",
		.summary = "the far end of migrate, which runs it",
		.args_min = 1,
		.args_max = 1,
		.option = receive_options,
		.run = migrate_receive,
	},
	{
		.name = "libvirt-attach",
		.args = "GUEST FILE",
		.summary = "give a guest the device of libvirt's XML",
		.details =
			"FILE    one <hostdev mode='subsystem' type='scsi'>, as "
			"for\n"
			"        'virsh attach-device'; - is standard input\n"
			"\n"
			"Example: xenpv libvirt-attach web tape.xml\n",
		.args_min = 2,
		.args_max = 2,
		.option = attach_options,
		.run = libvirt_attach,
	},
	{
		.name = "libvirt-detach",
		.args = "GUEST FILE",
		.summary = "take the device of libvirt's XML from a guest",
		.details = "Example: xenpv libvirt-detach web tape.xml\n",
		.args_min = 2,
		.args_max = 2,
		.option = detach_options,
		.run = libvirt_detach,
	},
	{
		.name = "libvirt-hook",
		.args = "DOMAIN OPERATION SUBOPERATION EXTRA",
		.summary = "what libvirt runs when a domain starts or stops",
		.details = "As /etc/libvirt/hooks/libxl, see xenpv(1); the "
			   "domain's XML on standard input.\n",
		.args_min = 4,
		.args_max = 4,
		.option = no_options,
		.run = libvirt_hook,
	},
	{
		.name = "domxml-to-vscsi",
		.args = "FILE",
		.summary = "print SCSI devices of libvirt's XML as xl's vscsi=",
		.details =
			"FILE    a domain, or one device; - is standard input\n"
			"\n"
			"Example: virsh dumpxml web | xenpv domxml-to-vscsi -\n",
		.args_min = 1,
		.args_max = 1,
		.option = no_options,
		.run = domxml_to_vscsi,
	},
	{
		.name = "guest",
		.args = "[NAME]",
		.summary = "be a guest, and use its SCSI devices",
		.details =
			"NAME    the new guest of a local host; on Xen it is "
			"the domain this runs in\n"
			"COMMAND wait list inquiry read write verify bench cdb "
			"reset abort timeout echo sleep help;\n"
			"        'xenpv guest -c help' explains them\n"
			"\n"
			"Example: xenpv --host local:/tmp/h guest web \\\n"
			"           -a disk.img,0:0:0:0 -c 'verify 0:0:0:0 16M' "
			"-c 'bench 0:0:0:0'\n",
		.args_min = 0,
		.args_max = 1,
		.option = guest_options,
		.run = guest_command,
	},
	{
		.name = "status",
		.args = "",
		.summary = "show what xenpvd is serving",
		.args_min = 0,
		.args_max = 0,
		.option = status_options,
		.run = status_show,
	},
	{
		.name = "top",
		.args = "",
		.summary = "show what goes on at the guests' devices",
		.details = "Requests, bytes and errors a second; how long half "
			   "of the requests, and 99 of\n"
			   "100, took at most in xenpvd's worker. Until ^C.\n",
		.args_min = 0,
		.args_max = 0,
		.option = top_options,
		.run = top_show,
	},
	{
		.name = "metrics",
		.args = "",
		.summary = "print all counters as OpenMetrics",
		.details = "For Prometheus: xenpv-metrics.socket has systemd "
			   "run it for each request.\n",
		.args_min = 0,
		.args_max = 0,
		.option = metrics_options,
		.run = metrics_show,
	},
	{
		.name = "vtl",
		.args = "create|list|verify|protect|import|export DIR "
			"[ARG...]",
		.summary = "virtual tape libraries",
		.details =
			"create DIR                  a new library\n"
			"list DIR                    which cartridge is where\n"
			"verify DIR                  read all, and check it\n"
			"protect DIR BARCODE on|off  the switch of a "
			"cartridge\n"
			"import DIR BARCODE FILE     a new cartridge of a tape "
			"image (SIMH)\n"
			"export DIR BARCODE FILE     the other way round\n"
			"\n"
			"Example: xenpv vtl create /srv/tapes --drives 2 "
			"--slots 24\n"
			"         xenpv scsi-attach web vtl:/srv/tapes:changer "
			"0:0:0:0\n"
			"         xenpv scsi-attach web vtl:/srv/tapes:drive0 "
			"0:0:0:1\n",
		.args_min = 2,
		.args_max = 4,
		.option = vtl_options,
		.run = vtl_run,
	},
	{
		.name = "upgrade",
		.args = "",
		.summary = "put the installed xenpvd in the place of what runs",
		.details = "xenpvd starts itself again; each worker finishes "
			   "what it has begun, and a new\n"
			   "one goes on. Guests keep their devices.\n",
		.args_min = 0,
		.args_max = 0,
		.option = no_options,
		.run = upgrade_run,
	},
	{
		.name = "conform",
		.args = "vscsi-backend [CONTROLLER] | vscsi-frontend GUEST "
			"[CONTROLLER] | blk-backend [DISK] | blk-frontend GUEST "
			"[DISK]",
		.summary = "run the conformance suite against a peer",
		.details =
			"vscsi-backend   we are the frontend, in the guest: of "
			"controller\n"
			"                CONTROLLER (0), which no driver may be "
			"using.\n"
			"                What is on its LUNs is lost.\n"
			"vscsi-frontend  we are the backend, of controllers "
			"from CONTROLLER (100)\n"
			"                on that GUEST gets for a moment "
			"each.\n"
			"blk-backend     we are the frontend of the block "
			"device DISK (xvda).\n"
			"                What is on it is lost.\n"
			"blk-frontend    we are the backend, of block devices "
			"from DISK on that\n"
			"                GUEST gets for a moment each.\n"
			"\n"
			"Status 1 if a case fails. With -v, each result at "
			"once on stderr.\n",
		.args_min = 1,
		.args_max = 3,
		.option = conform_options,
		.run = conform_command_run,
	},
	{
		.name = "help",
		.args = "[COMMAND]",
		.summary = "show the commands, or one command's help",
		.args_min = 0,
		.args_max = 1,
		.option = no_options,
		.run = help_show,
	},
	{0},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

void command_usage(const struct command *command, FILE *f)
{
	fprintf(f, "xenpv %s%s%s%s\n", command->name,
		command->option->name ? " [options]" : "",
		*command->args ? " " : "", command->args);
}

static void options_help(const struct cli_option *option, FILE *f)
{
	char left[64];

	for (; option->name; option++) {
		if (option->letter)
			snprintf(left, sizeof(left), "-%c, --%s%s%s",
				 option->letter, option->name,
				 option->arg ? " " : "",
				 option->arg ? option->arg : "");
		else
			snprintf(left, sizeof(left), "    --%s%s%s",
				 option->name, option->arg ? " " : "",
				 option->arg ? option->arg : "");
		fprintf(f, "  %-24s  %s\n", left, option->help);
	}
}

void command_help(const struct command *command, FILE *f)
{
	static const struct cli_option help[] = {
		{"help", 'h', NULL, "show this"},
		{0},
	};

	fputs("Usage: ", f);
	command_usage(command, f);
	fprintf(f, "\n%c%s.\n\n", command->summary[0] - 'a' + 'A',
		command->summary + 1);
	if (command->details)
		fprintf(f, "%s\n", command->details);
	fputs("Options:\n", f);
	options_help(command->option, f);
	options_help(help, f);
}

void commands_help(FILE *f)
{
	fputs("Usage: xenpv [--host HOST] [-v] COMMAND [options] "
	      "[arguments]\n\n",
	      f);
	fputs("SCSI devices and disks for Xen guests. Commands:\n\n", f);
	for (const struct command *c = commands; c->name; c++)
		fprintf(f, "  %-18s  %s\n", c->name, c->summary);
	fputs("\nOptions:\n", f);
	options_help(global_options, f);
	fputs("\n'xenpv help COMMAND' shows a command's options; see also "
	      "xenpv(1).\n",
	      f);
}

static int usage_error(const struct command *command, const char *what,
		       const char *name)
{
	text_error("%s: %s%s%s: see 'xenpv help %s'", command->name, what,
		   *name ? " " : "", name, command->name);
	return -EINVAL;
}

static int check_count(const struct command *command, int n)
{
	char usage[160];

	if (n >= command->args_min &&
	    (command->args_max < 0 || n <= command->args_max))
		return 0;
	snprintf(usage, sizeof(usage), "xenpv %s%s%s", command->name,
		 *command->args ? " " : "", command->args);
	text_error("%s: %s arguments: use '%s', see 'xenpv help %s'",
		   command->name,
		   n < command->args_min ? "too few" : "too many", usage,
		   command->name);
	return -EINVAL;
}

/* The option that the word ARG is, and its argument if that is in ARG too. */
static const struct cli_option *global_find(const char *arg, const char **value)
{
	size_t len = strcspn(arg, "=");

	*value = NULL;
	for (const struct cli_option *o = global_options; o->name; o++) {
		if (o->letter && arg[1] == o->letter && !arg[2])
			return o;
		if (arg[1] != '-' || strlen(o->name) + 2 != len ||
		    strncmp(arg + 2, o->name, len - 2))
			continue;
		if (arg[len] && !o->arg)
			return NULL;
		*value = arg[len] ? arg + len + 1 : NULL;
		return o;
	}
	return NULL;
}

int global_args(int argc, char **argv, const char **option)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		const char *value;
		const struct cli_option *o = global_find(argv[i], &value);

		if (!o) {
			text_error("unknown option %s: see 'xenpv --help'",
				   argv[i]);
			return -EINVAL;
		}
		if (o->arg && !value) {
			if (++i == argc) {
				text_error("--%s needs a value: --%s %s",
					   o->name, o->name, o->arg);
				return -EINVAL;
			}
			value = argv[i];
		}
		option[o - global_options] = value ? value : "";
	}
	return i;
}

int command_args(const struct command *command, int argc, char **argv,
		 struct cli_args *args, bool *help)
{
	struct option longopt[CLI_OPTIONS_MAX + 2] = {0};
	char letters[2 * CLI_OPTIONS_MAX + 3] = ":h";
	size_t n, at = 2;
	int ch;

	*help = false;
	for (n = 0; command->option[n].name; n++) {
		const struct cli_option *o = &command->option[n];

		XPV_ASSERT(n < CLI_OPTIONS_MAX);
		longopt[n] = (struct option){
			o->name, o->arg ? required_argument : no_argument, NULL,
			256 + (int)n};
		if (o->letter)
			letters[at++] = o->letter;
		if (o->letter && o->arg)
			letters[at++] = ':';
	}
	longopt[n] = (struct option){"help", no_argument, NULL, 'h'};

	optind = 0; /* glibc: begin again, with this table */
	while ((ch = getopt_long(argc, argv, letters, longopt, NULL)) != -1) {
		if (ch == 'h') {
			*help = true;
			return 0;
		}
		if (ch == ':')
			return usage_error(command, "an argument is missing to",
					   argv[optind - 1]);
		if (ch == '?')
			return usage_error(command, "unknown option",
					   argv[optind - 1]);
		if (args->ngiven == CLI_GIVEN_MAX)
			return usage_error(command, "too many options", "");
		for (size_t i = 0; i < n; i++) {
			if (ch != 256 + (int)i &&
			    ch != command->option[i].letter)
				continue;
			args->option[i] = optarg ? optarg : "";
			args->given[args->ngiven].option = (int)i;
			args->given[args->ngiven++].value = args->option[i];
		}
	}
	args->arg = argv + optind;
	args->n = argc - optind;
	return check_count(command, args->n);
}

int help_show(const struct command *command, const struct cli_args *args)
{
	const struct command *which;

	(void)command;
	if (!args->n) {
		commands_help(stdout);
		return 0;
	}
	which = command_find(args->arg[0]);
	if (!which) {
		text_error("there is no command '%s': see 'xenpv --help'",
			   args->arg[0]);
		return 1;
	}
	command_help(which, stdout);
	return 0;
}
