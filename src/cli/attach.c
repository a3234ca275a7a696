// SPDX-License-Identifier: GPL-2.0-or-later
/* What an instance sees of the host, changed while it is there, running or not. */
#include "base/mem.h"
#include "cli/home.h"
#include "cli/recipe.h"
#include "instance/settings.h"
#include "proto/drive.h"

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

	return settings_change(&home, name, assignments, NULL, err);
}

static int attach_volume(const struct cli_context *cli, const void *values _unused_, char **args,
			 struct err *err)
{
	_cleanup_free_ char *share = NULL;
	int r = recipe_make_share(args[0], &share, err);

	if (r == 0)
		r = attach_change(cli, args[1], SETTINGS_ATTACH, share, err);
	if (r == 0)
		puts(args[1]);
	return r;
}

static int attach_detach_volume(const struct cli_context *cli, const void *values, char **args,
				struct err *err)
{
	const struct attach_options *options = values;

	int r = attach_change(cli, args[1], options->force ? SETTINGS_SEVER : SETTINGS_DETACH,
			      args[0], err);

	if (r == 0)
		puts(args[1]);
	return r;
}

/* Where the guest has it: by its serial number, which the record has now. */
static int attach_print_drive(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_drive_ struct drive drive = { 0 };
	int r = instance_load(home, name, &record, err);
	size_t n = strv_len(record.drives);

	if (r == 0 && n)
		r = drive_parse(record.drives[n - 1], n - 1, &drive, err);
	if (r == 0)
		printf("/dev/disk/by-id/virtio-%s\n", drive.serial);
	return r;
}

static int attach_drive(const struct cli_context *cli, const void *values _unused_, char **args,
			struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_free_ char *drive = NULL;
	int r = recipe_make_drive(args[0], 0, &drive, err);

	if (r == 0)
		r = attach_change(cli, args[1], SETTINGS_ADD, drive, err);
	return r < 0 ? r : attach_print_drive(&home, args[1], err);
}

static int attach_detach_drive(const struct cli_context *cli, const void *values, char **args,
			       struct err *err)
{
	const struct attach_options *options = values;
	int r = attach_change(cli, args[1], options->force ? SETTINGS_RIP : SETTINGS_REMOVE,
			      args[0], err);

	if (r == 0)
		puts(args[1]);
	return r;
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
			"As -v of 'run' does, at once if the instance runs, and at each start "
			"from then on. SOURCE is the name of a volume, which is made if there is "
			"none, or a path on the host; it is seen inside at PATH, which is made as "
			"well. Of VMs, those that were started with a -v on the engine 'kvm' take "
			"it while they run; others have to be stopped for it.",
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
			"where it is seen inside; the volume's name or the path on the host does "
			"as well, if it is seen but once. What is in it stays, and so does the "
			"empty PATH. While a process inside has a file of it open, or works in "
			"it, that is refused; with --force it is gone for all others, and that "
			"process of a container's goes on with what it has open. A VM on the "
			"engine 'qemu' has to be stopped for it.",
		.options = attach_detach_table,
		.values_size = sizeof(struct attach_options),
		.min_args = 2,
		.max_args = 2,
		.complete = "volume instance",
		.run = attach_detach_volume,
	},
	{
		.noun = "disk",
		.name = "attach",
		.group = "Volumes",
		.args = "SOURCE[:OPTION,...] INSTANCE",
		.summary = "Give a VM one more disk",
		.description =
			"As --disk of 'run' does, at once if the VM runs, and at each start from "
			"then "
			"on. SOURCE is a file or a block device of the host's, or a volume with a "
			"size. Printed is where the guest has it: by its serial number, which is "
			"disk0, disk1 and so on unless serial= says another. A VM on the engine "
			"'qemu' has to be stopped for it.",
		.examples =
			(const char *const[]){ "brig volume create --size 100g store",
					       "make a disk", "brig disk attach store db",
					       "the VM db has it as /dev/disk/by-id/virtio-disk0",
					       NULL },
		.min_args = 2,
		.max_args = 2,
		.complete = "volume instance",
		.run = attach_drive,
	},
	{
		.noun = "disk",
		.name = "detach",
		.group = "Volumes",
		.args = "SERIAL INSTANCE",
		.summary = "Take a disk from a VM",
		.description =
			"Ends what --disk or 'attach' began, at once if the VM runs. SERIAL is its "
			"serial number, as 'attach' prints it after 'virtio-'; its SOURCE does as "
			"well. Its guest is asked first, which writes out what there is, and keeps "
			"a "
			"disk that is mounted or swapped to; with --force it loses that all the "
			"same, "
			"and what it has not written. What is on the disk stays. A VM on the "
			"engine "
			"'qemu' has to be stopped for it.",
		.options = attach_detach_table,
		.values_size = sizeof(struct attach_options),
		.min_args = 2,
		.max_args = 2,
		.complete = "volume instance",
		.run = attach_detach_drive,
	},
	{ .name = NULL },
};
