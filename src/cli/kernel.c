// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/kernel.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/listing.h"
#include "cli/progress.h"
#include "cli/verb.h"

#include <stdio.h>
#include <string.h>

static int kernel_print_name(char *name)
{
	progress_end();
	puts(name);
	free(name);
	return 0;
}

static int kernel_add(const struct cli_context *cli, const void *values _unused_, char **args,
		      struct err *err)
{
	char *name = NULL;

	if (strcmp(args[0], "debian"))
		return err_set(
			err, -EINVAL,
			"'%.64s' is no distribution that brig can fetch a kernel from: there is "
			"'debian', and 'brig kernel import' for any other",
			args[0]);
	if (kernel_add_debian(cli->root, progress_show, NULL, &name, err) < 0)
		return err->code;
	return kernel_print_name(name);
}

struct kernel_import_options {
	char *name, *modules;
};

static int kernel_import_file(const struct cli_context *cli, const void *values, char **args,
			      struct err *err)
{
	const struct kernel_import_options *options = values;
	char *name = NULL;

	if (kernel_import(cli->root, options->name, args[0], options->modules, &name, err) < 0)
		return err->code;
	return kernel_print_name(name);
}

static int kernel_rm(const struct cli_context *cli, const void *values _unused_, char **args,
		     struct err *err)
{
	strv_for_each(name, args) {
		if (kernel_remove(cli->root, *name, err) < 0)
			return err->code;
		puts(*name);
	}
	return 0;
}

static int kernel_default(const struct cli_context *cli, const void *values _unused_, char **args,
			  struct err *err)
{
	if (kernel_set_default(cli->root, args[0], err) < 0)
		return err->code;
	puts(args[0]);
	return 0;
}

static const char *kernel_ls_name(const void *item)
{
	return ((const struct kernel *)item)->name;
}

static struct json *kernel_ls_json(const void *item)
{
	const struct kernel *kernel = item;
	struct json *object = json_new_object();
	char added[UNITS_TEXT_MAX];

	json_object_add(object, "name", json_new_string(kernel->name));
	json_object_add(object, "release", json_new_string(kernel->release));
	json_object_add(object, "default", json_new_bool(kernel->is_default));
	json_object_add(object, "size", json_new_int(kernel->size));
	json_object_add(object, "added", json_new_string(units_format_time(kernel->added, added)));
	json_object_add(object, "source", json_new_string(kernel->source));
	return object;
}

static void kernel_ls_row(const void *item, struct table *table)
{
	const struct kernel *kernel = item;
	char size[UNITS_TEXT_MAX], age[UNITS_TEXT_MAX];
	_cleanup_free_ char *added =
		mem_printf("%s ago", units_format_age(units_now() - kernel->added, age));
	const char *const cells[] = {
		kernel->name,
		kernel->release,
		kernel->is_default ? "yes" : NULL,
		units_format_size(kernel->size, size),
		kernel->added ? added : NULL,
		kernel->source,
	};

	table_add(table, (char *const *)cells);
}

static const char *const kernel_ls_headings[] = { "NAME",  "RELEASE", "DEFAULT", "SIZE",
						  "ADDED", "SOURCE",  NULL };

static const struct listing_kind kernel_ls_kind = {
	.headings = kernel_ls_headings,
	.name = kernel_ls_name,
	.row = kernel_ls_row,
	.json = kernel_ls_json,
};

static int kernel_ls_each(const struct kernel *kernel, void *ctx)
{
	listing_add(ctx, kernel);
	return 0;
}

static int kernel_list(const struct cli_context *cli, const void *values, char **args _unused_,
		       struct err *err)
{
	_cleanup_listing_ struct listing listing = { NULL };

	listing_init(&listing, &kernel_ls_kind, values);
	if (kernel_each(cli->root, kernel_ls_each, &listing, err) < 0)
		return err->code;
	listing_print(&listing);
	return 0;
}

static const struct option kernel_import_table[] = {
	{ "modules", 'm', OPTION_STRING, "DIR",
	  "the kernel's modules: a folder lib/modules/RELEASE, or one that has it below",
	  offsetof(struct kernel_import_options, modules), .complete = "file" },
	{ "name", 'n', OPTION_STRING, "NAME", "the kernel's name, by default its release",
	  offsetof(struct kernel_import_options, name) },
	OPTION_END,
};

const struct verb cli_kernel_verbs[] = {
	{
		.noun = "kernel",
		.name = "add",
		.group = "Kernels",
		.args = "debian",
		.summary = "Fetch a distribution's kernel for VMs",
		.description = "Fetches Debian's kernel for virtual machines (the package "
			       "linux-image-cloud-amd64) with apt from this machine's own package "
			       "sources, "
			       "unpacks it and prints the name it is kept under. Nothing is "
			       "installed on this "
			       "machine.\n\n"
			       "The first kernel becomes the default one, which VMs run unless "
			       "--kernel says "
			       "otherwise. A kernel that is there already is replaced if apt has a "
			       "newer build "
			       "of it.",
		.examples = (const char *const[]){ "brig kernel add debian",
						   "fetch Debian's newest kernel", NULL },
		.min_args = 1,
		.max_args = 1,
		.complete = "none",
		.run = kernel_add,
	},
	{
		.noun = "kernel",
		.name = "import",
		.group = "Kernels",
		.args = "VMLINUZ",
		.summary = "Take a kernel from files",
		.description =
			"Takes a kernel from a file, a bzImage as distributions ship it in /boot "
			"or an "
			"uncompressed vmlinux, and prints the name it is kept under. It must have "
			"been "
			"built with CONFIG_PVH=y, as distributions do.\n\n"
			"The modules are copied from the folder given by --modules. Without it, "
			"all "
			"that a VM needs (virtio devices, erofs, overlay, ext4) must be built in.",
		.examples = (const char *const[]){ "brig kernel import /boot/vmlinuz-$(uname -r) "
						   "--modules /lib/modules/$(uname -r)",
						   "run VMs on the kernel of this machine", NULL },
		.options = kernel_import_table,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct kernel_import_options),
		.complete = "file",
		.run = kernel_import_file,
	},
	{
		.noun = "kernel",
		.name = "ls",
		.alias = "list",
		.group = "Kernels",
		.summary = "List the kernels for VMs",
		.description =
			"Lists the kernels that VMs can run. Those named image-... came with "
			"images, by --kernel image.",
		.options = listing_options_table,
		.values_size = sizeof(struct listing_options),
		.run = kernel_list,
	},
	{
		.noun = "kernel",
		.name = "rm",
		.group = "Kernels",
		.args = "NAME...",
		.summary = "Remove kernels",
		.description =
			"Removes kernels and prints their names. VMs that run are not disturbed; "
			"one "
			"that was made for such a kernel cannot start again. If the default kernel "
			"goes, the one added last takes its place.",
		.min_args = 1,
		.max_args = -1,
		.complete = "kernel",
		.run = kernel_rm,
	},
	{
		.noun = "kernel",
		.name = "default",
		.group = "Kernels",
		.args = "NAME",
		.summary = "Choose the kernel that VMs run",
		.description =
			"Makes the kernel the one that VMs run unless --kernel says otherwise.",
		.min_args = 1,
		.max_args = 1,
		.complete = "kernel",
		.run = kernel_default,
	},
	{ .name = NULL },
};
