// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/help.h"
#include "base/verb_help.h"
#include "instance/limits.h"

#include <string.h>

static const char help_short[] =
	"brig runs Linux containers and virtual machines from the same images with the same "
	"commands.\n"
	"\n"
	"Where to begin:\n"
	"  brig doctor                               what this machine can do, and what it lacks\n"
	"  brig image bootstrap debian:bookworm      make an image from this machine's apt "
	"sources\n"
	"  brig run -it debian:bookworm bash         a container of it, on this terminal\n"
	"  brig kernel add debian                    a kernel for virtual machines\n"
	"  brig run -it --vm debian:bookworm bash    the same image as a virtual machine\n"
	"  brig ps -a                                every instance there is\n"
	"\n"
	"'brig help' lists all commands, 'brig help run' explains one.\n";

void help_show_short(FILE *out)
{
	fputs(help_short, out);
}

void help_show_version(void)
{
	printf("brig %s\n", BRIG_VERSION);
}

/* What it means to either kind, below what it is. */
static int help_show_limits(void)
{
	puts("Limits of an instance: options of 'run' and 'create', and keys for 'set'.\n");
	for (const struct limits_row *row = limits_table; row->name; row++) {
		printf("  %s%s%s\n      %s\n", row->name, row->metavar ? " " : "",
		       row->metavar ? row->metavar : "", row->help);
		for (int kind = INSTANCE_CONTAINER; kind <= INSTANCE_VM; kind++)
			printf("      %-10s %s%s\n", instance_kind_names[kind],
			       row->means[kind] ? "" : "no: ",
			       row->means[kind] ? row->means[kind] : row->why);
	}
	puts("\n'none' ends a limit. What the host has no control group for is refused, or with "
	     "--best-effort left out.");
	return 0;
}

static int help_run(const struct cli_context *cli _unused_, const void *values, char **args,
		    struct err *err)
{
	if (args[0] && !strcmp(args[0], "limits") && !args[1])
		return help_show_limits();
	return verb_help_run(&cli_program, values, args, err);
}

static int help_version(const struct cli_context *cli _unused_, const void *values _unused_,
			char **args _unused_, struct err *err _unused_)
{
	help_show_version();
	return 0;
}

static const char *const help_examples[] = {
	"brig help run",
	"explain 'brig run', its options, with examples",
	"eval \"$(brig help --completion bash)\"",
	"completion in this shell; installed packages bring it",
	NULL,
};

const struct verb cli_help_verbs[] = {
	{ .name = "help",
	  .group = "Help",
	  .args = "[COMMAND...]",
	  .summary = "List the commands, or explain one",
	  .description =
		  "Without an argument, lists every command. With one, explains it: what it does, "
		  "its options, examples. The same comes from --help after a command. 'brig help "
		  "limits' "
		  "lists the limits that an instance can have, and what each means to which kind.",
	  .examples = help_examples,
	  .options = verb_help_options,
	  .max_args = 2,
	  .values_size = sizeof(struct verb_help_values),
	  .defaults = &verb_help_defaults,
	  .complete = "verb",
	  .run = help_run },
	{ .name = "version",
	  .group = "Help",
	  .args = "",
	  .summary = "Show brig's version",
	  .run = help_version },
	{ .name = NULL },
};
