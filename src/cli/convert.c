// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/convert.h"
#include "base/log.h"
#include "cli/home.h"
#include "cli/progress.h"

#include <stdio.h>

struct convert_values {
	int vm, container;
};

static int convert_run(const struct cli_context *cli, const void *values, char **args,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct convert_values *v = values;
	int kind = v->vm ? INSTANCE_VM : INSTANCE_CONTAINER, changed = 0, r;

	if (v->vm == v->container)
		return err_set(err, -EINVAL, "say one of --vm and --container");
	r = convert_instance(&home, args[0], kind, progress_show, NULL, &changed, err);
	progress_end();
	if (r < 0)
		return r;
	if (!changed)
		log_notice("'%s' is a %s already", args[0], instance_kind_names[kind]);
	puts(args[0]);
	return 0;
}

static const struct option convert_options[] = {
	{ "vm", 0, OPTION_FLAG, NULL, "make it a virtual machine",
	  offsetof(struct convert_values, vm) },
	{ "container", 0, OPTION_FLAG, NULL, "make it a container",
	  offsetof(struct convert_values, container) },
	OPTION_END,
};

static const char *const convert_examples[] = {
	"brig convert web --vm",
	"give it a kernel of its own",
	"brig convert web --container",
	"and take it away again",
	NULL,
};

const struct verb cli_convert_verbs[] = {
	{ .name = "convert",
	  .group = "Run",
	  .args = "NAME",
	  .summary = "Make a container a virtual machine, or the other way round",
	  .description =
		  "An instance that does not run gets the other kind and keeps its name, all files "
		  "that it has written, with their owners, modes, times, attributes, links, holes "
		  "and devices, and everything that it was made with. If it is interrupted the "
		  "instance is whole in one of its two kinds. What was made with an option that "
		  "the "
		  "other kind does not have is refused; so is --nesting where containers inside "
		  "have stored something, until it is removed.\n\n"
		  "Both forms are on the disk until it is done, so it takes as much room again. A "
		  "virtual machine's --disk-size holds again when it is one again; 'brig set' "
		  "bounds "
		  "the container. A virtual machine that was killed has its "
		  "disk repaired first, in a copy. Left behind are labels of security modules, "
		  "flags (see chattr(1)), and times of access. A user's container "
		  "has no devices that its virtual machine has made: it is refused where "
		  "there are any.",
	  .examples = convert_examples,
	  .options = convert_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct convert_values),
	  .complete = "instance",
	  .run = convert_run },
	{ .name = NULL },
};
