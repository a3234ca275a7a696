// SPDX-License-Identifier: GPL-2.0-or-later
/* Instances as files. */
#include "instance/backup.h"
#include "base/log.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "cli/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct backup_values {
	char *snapshot;
	int snapshots, compression;
};

static const struct option backup_export_table[] = {
	{ "snapshot", 0, OPTION_STRING, "SNAP", "as it was then, instead of as it is",
	  offsetof(struct backup_values, snapshot) },
	{ "snapshots", 0, OPTION_FLAG, NULL, "with all of its snapshots",
	  offsetof(struct backup_values, snapshots) },
	{ "compression", 0, OPTION_CHOICE, "HOW", "zstd (the default) or none",
	  offsetof(struct backup_values, compression), .choices = parcel_compressions },
	OPTION_END,
};

static int backup_export_run(const struct cli_context *cli, const void *values, char **args,
			     struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct backup_values *v = values;
	const struct backup_options options = { .snapshot = v->snapshot,
						.snapshots = v->snapshots,
						.compression =
							(enum parcel_compression)v->compression,
						.progress = progress_show };
	_cleanup_output_ struct output output = OUTPUT_INIT;
	int to_stdout = !strcmp(args[1], "-"), r = 0;

	if (v->snapshot && v->snapshots)
		return err_set(err, -EINVAL, "--snapshot and --snapshots exclude each other");
	if (to_stdout && isatty(STDOUT_FILENO))
		return err_set(err, -EINVAL,
			       "a backup is nothing for a terminal: give a file, or a pipe");
	if (!to_stdout)
		r = output_open(args[1], &output, err);
	if (r == 0)
		r = backup_export(&home, args[0], &options, to_stdout ? STDOUT_FILENO : output.fd,
				  err);
	if (r == 0 && !to_stdout)
		r = output_publish(&output, err);
	progress_end();
	if (r == 0 && !to_stdout)
		puts(args[1]);
	return r;
}

static void backup_tell(const struct backup_imported *imported)
{
	_cleanup_free_ char *rights = strv_join(imported->rights, " ");
	_cleanup_free_ char *volumes = strv_join(imported->volumes, " ");

	if (imported->rights)
		log_notice("'%s' was made with %s; see 'brig inspect %s' before it is started",
			   imported->name, rights, imported->name);
	if (imported->volumes)
		log_notice("the backup has nothing of the volumes of '%s': %s", imported->name,
			   volumes);
}

static int backup_import_run(const struct cli_context *cli, const void *values _unused_,
			     char **args, struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_backup_imported_ struct backup_imported imported = { NULL };
	int from_stdin = !strcmp(args[0], "-"), r;
	_cleanup_close_ int file = from_stdin
					   ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
					   : open(args[0], O_RDONLY | O_CLOEXEC);

	if (from_stdin && isatty(STDIN_FILENO))
		return err_set(err, -EINVAL,
			       "a backup does not come from a terminal: give a file, or a pipe");
	if (file < 0)
		return err_errno(err, -errno, "cannot open %s", args[0]);
	r = backup_import(&home, args[1], file, progress_show, NULL, &imported, err);
	progress_end();
	if (r < 0)
		return r;
	backup_tell(&imported);
	puts(imported.name);
	return 0;
}

static const char *const backup_export_examples[] = {
	"brig export web web.brig",
	"keep it in a file",
	"brig export web - | ssh other brig import -",
	"bring it to another host",
	"brig export --snapshot snap0 db db.brig",
	"as it was then",
	NULL,
};

static const char *const backup_import_examples[] = {
	"brig import web.brig",
	"make it again under its name",
	"brig import web.brig web2",
	"or under another one",
	NULL,
};

const struct verb cli_backup_verbs[] = {
	{
		.name = "export",
		.group = "Snapshots",
		.args = "NAME FILE|-",
		.summary = "Write an instance to a file",
		.description =
			"Writes an instance's settings and all files that it has written to FILE, "
			"or to stdout for '-', compressed and with a checksum; 'brig import' makes "
			"an instance of it again. FILE is there when it is whole, and is replaced "
			"then if there was one. The image is no part of it: the backup names it, "
			"and 'brig save' writes it. Neither are volumes and folders of the host's, "
			"nor how the instance last ended. Left behind are labels of security "
			"modules, flags (see chattr(1)), and times of access.\n\n"
			"What runs is cloned first, as for 'brig snapshot create'. What a "
			"checkpoint has stopped is refused, unless a snapshot is meant. The "
			"instance does not start, and is not removed, while it is written.",
		.examples = backup_export_examples,
		.options = backup_export_table,
		.min_args = 2,
		.max_args = 2,
		.values_size = sizeof(struct backup_values),
		.complete = "instance file",
		.run = backup_export_run,
	},
	{
		.name = "import",
		.group = "Snapshots",
		.args = "FILE|- [NAME]",
		.summary = "Make an instance of what 'brig export' wrote",
		.description =
			"Makes a new instance, not started, of a backup, under its old name or "
			"NAME, and prints that. It has its settings and files, and its snapshots "
			"if the backup has them; it has not run yet. Volumes that it names and "
			"that are not there are made, empty. The image has to be in the store, "
			"exactly that one. What is cut short, altered, or followed by anything is "
			"refused, and nothing of it stays; if it is interrupted, the next command "
			"that makes an instance removes what was there of it.\n\n"
			"A backup says what its instance may do: what it has of --privileged, "
			"--cap-add, --device and folders of the host's is shown.\n\n"
			"'brig image import' makes images of archives and root file systems.",
		.examples = backup_import_examples,
		.min_args = 1,
		.max_args = 2,
		.complete = "file none",
		.run = backup_import_run,
	},
	{ .name = NULL },
};
