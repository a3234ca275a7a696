// SPDX-License-Identifier: GPL-2.0-or-later
/* What an instance sees of the host, changed while it is there, running or not. */
#include "base/mem.h"
#include "cli/home.h"
#include "cli/recipe.h"
#include "instance/settings.h"

#include <stdio.h>

struct attach_options {
	int force;
};

static int attach_change(const struct cli_context *cli, const char *name, const char *key,
			 const char *value, struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_free_ char *assignment = mem_printf("%s=%s", key, value);
	char *assignments[] = { assignment, NULL };
	int r = settings_change(&home, name, assignments, err);

	if (r == 0)
		puts(name);
	return r;
}

static int attach_volume(const struct cli_context *cli, const void *values _unused_, char **args,
			 struct err *err)
{
	_cleanup_free_ char *share = NULL;
	int r = recipe_make_share(args[0], &share, err);

	return r < 0 ? r : attach_change(cli, args[1], SETTINGS_ATTACH, share, err);
}

static int attach_detach_volume(const struct cli_context *cli, const void *values, char **args,
				struct err *err)
{
	const struct attach_options *options = values;

	return attach_change(cli, args[1], options->force ? SETTINGS_SEVER : SETTINGS_DETACH,
			     args[0], err);
}

static const struct option attach_detach_table[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "also while it is in use inside",
	  offsetof(struct attach_options, force) },
	OPTION_END,
};

const struct verb cli_attach_verbs[] = {
	{
		.noun = "volume",
		.name = "attach",
		.group = "Volumes",
		.args = "SOURCE:PATH[:OPTION,...] INSTANCE",
		.summary = "Show an instance a volume, or a folder of the host's",
		.description =
			"As -v of 'run' does, at once if the instance runs, and at each start from "
			"then on. SOURCE is the name of a volume, which is made if there is none, "
			"or "
			"a path on the host; it is seen inside at PATH, which is made as well. A "
			"VM "
			"has to be stopped for it.",
		.examples =
			(const char *const[]){ "brig volume attach media:/srv/media:ro web",
					       "the container web sees the volume media", NULL },
		.min_args = 2,
		.max_args = 2,
		.complete = "volume instance",
		.run = attach_volume,
	},
	{
		.noun = "volume",
		.name = "detach",
		.group = "Volumes",
		.args = "PATH INSTANCE",
		.summary = "Take from an instance what it sees of the host",
		.description =
			"Ends what -v or 'attach' began, at once if the instance runs. PATH is "
			"where "
			"it is seen inside; the volume's name or the path on the host does as "
			"well, "
			"if it is seen but once. What is in it stays, and so does the empty PATH. "
			"While a process inside has a file of it open, or works in it, that is "
			"refused; with --force it is gone for all others, and that process goes on "
			"with what it has open. A VM has to be stopped for it.",
		.options = attach_detach_table,
		.values_size = sizeof(struct attach_options),
		.min_args = 2,
		.max_args = 2,
		.complete = "volume instance",
		.run = attach_detach_volume,
	},
	{ .name = NULL },
};
