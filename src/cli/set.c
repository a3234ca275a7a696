// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/strv.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "instance/settings.h"

#include <stdio.h>

static int set_run(const struct cli_context *cli, const void *values _unused_, char **args,
		   struct err *err)
{
	const struct instance_home home = home_of(cli);
	int r = settings_change(&home, args[0], args + 1, err);

	if (r == 0)
		puts(args[0]);
	return r;
}

static const char *const set_examples[] = {
	"brig set web disk=20g",
	"let it write more",
	"brig set web snapshots.schedule=1d snapshots.expiry=30d",
	"a snapshot a day, for a month (see 'brig snapshot run')",
	"brig set web ports=80:8080,443:8443",
	"publish these two ports, and no other",
	NULL,
};

const struct verb cli_set_verbs[] = {
	{ .name = "set",
	  .group = "Run",
	  .args = "NAME KEY=VALUE...",
	  .summary = "Change the settings of an instance that is there",
	  .description =
		  "'disk' is how much it can write, as --disk-size. Of a container it holds at "
		  "once, unless it runs and had no bound so far; it may be less than before, or "
		  "than what is there, and then no more can be written; 'none' ends it. A VM's "
		  "disk only grows, and its file system with it: at once, or where QEMU runs it "
		  "at its next start.\n\n"
		  "'snapshots.schedule' and 'snapshots.expiry' are a time such as 6h or 30d, or "
		  "'none', as --snapshot-every and --snapshot-expiry.\n\n"
		  "'autostart' is whether it starts with the host: 'yes', 'no', or 'policy', as "
		  "--restart has it. 'order' is when, the lower the earlier, and at shutdown the "
		  "later; 'delay' is how long the next one waits after it. See 'brig autostart "
		  "start'.\n\n"
		  "'ports' is what is published instead of what was, as of --publish with commas "
		  "between them, or 'none'. It holds at once.",
	  .examples = set_examples,
	  .min_args = 2,
	  .max_args = -1,
	  .complete = "instance setting",
	  .run = set_run },
	{ .name = NULL },
};
