// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"
#include "base/strv.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "instance/settings.h"

#include <stdio.h>
#include <string.h>

/* Of what was set just now and is not so. */
static void set_warn(const struct instance_home *home, const char *name, char *const *assignments)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct err ignored = ERR_INIT;

	if (instance_view(home, name, &view, &ignored) < 0 || !view.alive)
		return;
	strv_for_each(text, view.run.unmet) {
		strv_for_each(assignment, assignments) {
			size_t len = strcspn(*assignment, "=");

			if (!strncmp(*text, *assignment, len) && (*text)[len] == ':')
				log_notice("%s", *text);
		}
	}
}

static int set_run(const struct cli_context *cli, const void *values _unused_, char **args,
		   struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_strv_ char **pending = NULL;
	int r = settings_change(&home, args[0], args + 1, &pending, err);

	if (r == 0)
		set_warn(&home, args[0], args + 1);
	strv_for_each(assignment, pending)
		log_notice("%s cannot change while '%s' runs, and is kept for its next start",
			   *assignment, args[0]);
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
	"brig set web cpus=1.5 memory=512m io-weight=50",
	"other limits, while it runs",
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
		  "between them, or 'none'. It holds at once.\n\n"
		  "Every limit can be set by the name of its option to 'run' and 'create', as "
		  "cpus, "
		  "memory or io-weight ('brig help limits' lists them), or to 'none'; of those "
		  "that "
		  "are lists, what is given with commas between them is instead of what was. They "
		  "hold at once. A container is reclaimed from before it gets less memory, and if "
		  "that does not suffice the change is refused. A VM gives memory to the host as "
		  "its "
		  "guest can, and can have it back up to what it was started with; what it cannot "
		  "get while it runs is kept for its next start, which 'inspect' shows as "
		  "'pending' "
		  "and 'ps' by a '*'.\n\n"
		  "'best-effort' is yes or no, as --best-effort: whether it goes without limits "
		  "that "
		  "this host cannot keep; 'inspect' shows those of one that runs as 'unmet'. "
		  "'overcommit' is so too, as --overcommit.",
	  .examples = set_examples,
	  .min_args = 2,
	  .max_args = -1,
	  .complete = "instance setting",
	  .run = set_run },
	{ .name = NULL },
};
