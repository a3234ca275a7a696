// SPDX-License-Identifier: GPL-2.0-or-later
/* Instances as files. */
#include "instance/backup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "cli/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct backup_values {
	char *snapshot, *since;
	int snapshots, compression;
};

struct backup_import_values {
	char **since;
};

static const struct option backup_export_table[] = {
	{ "snapshot", 0, OPTION_STRING, "SNAP", "as it was then, instead of as it is",
	  offsetof(struct backup_values, snapshot) },
	{ "snapshots", 0, OPTION_FLAG, NULL, "with all of its snapshots",
	  offsetof(struct backup_values, snapshots) },
	{ "compression", 0, OPTION_CHOICE, "HOW", "zstd (the default) or none",
	  offsetof(struct backup_values, compression), .choices = parcel_compressions },
	{ "since", 0, OPTION_STRING, "OLD", "only what changed since that backup of it",
	  offsetof(struct backup_values, since), .complete = "file" },
	OPTION_END,
};

static const struct option backup_import_table[] = {
	{ "since", 0, OPTION_STRV, "OLD", "a backup that FILE builds on, the oldest first",
	  offsetof(struct backup_import_values, since), .complete = "file" },
	OPTION_END,
};

/* The new file takes the old one's place, which would be needed. */
static int backup_check_since(int since, const char *since_path, const char *path, struct err *err)
{
	struct stat old, new;

	if (fstat(since, &old) < 0)
		return err_errno(err, -errno, "cannot read %s", since_path);
	if (stat(path, &new) == 0 && new.st_dev == old.st_dev &&new.st_ino == old.st_ino)
		return err_set(err, -EINVAL,
			       "%s is the earlier backup itself, which an increment does not "
			       "replace: give another file",
			       path);
	return 0;
}

static int backup_export_run(const struct cli_context *cli, const void *values, char **args,
			     struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct backup_values *v = values;
	_cleanup_close_ int since = v->since ? open(v->since, O_RDONLY | O_CLOEXEC) : -EBADF;
	const struct backup_file earlier = { .path = v->since, .fd = since };
	const struct backup_options options = { .snapshot = v->snapshot,
						.snapshots = v->snapshots,
						.compression =
							(enum parcel_compression)v->compression,
						.since = v->since ? &earlier : NULL,
						.progress = progress_show };
	_cleanup_output_ struct output output = OUTPUT_INIT;
	int to_stdout = !strcmp(args[1], "-"), r = 0;

	if (v->snapshot && v->snapshots)
		return err_set(err, -EINVAL, "--snapshot and --snapshots exclude each other");
	if (to_stdout && isatty(STDOUT_FILENO))
		return err_set(err, -EINVAL,
			       "a backup is nothing for a terminal: give a file, or a pipe");
	if (v->since && since < 0)
		return err_errno(err, -errno, "cannot open %s", v->since);
	if (v->since)
		r = backup_check_since(since, v->since, to_stdout ? "/dev/stdout" : args[1], err);
	if (r == 0 && !to_stdout)
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

struct backup_opened {
	struct backup_file *files;
	size_t n;
};

static void backup_opened_release(struct backup_opened *opened)
{
	for (size_t i = 0; i < opened->n; i++)
		fd_close(opened->files[i].fd);
	free(opened->files);
}

static int backup_open_all(char **paths, struct backup_opened *ret, struct err *err)
{
	strv_for_each(path, paths) {
		int fd = open(*path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_errno(err, -errno, "cannot open %s", *path);
		ret->files = mem_realloc(ret->files, ret->n + 1, sizeof(*ret->files));
		ret->files[ret->n++] = (struct backup_file){ .path = *path, .fd = fd };
	}
	return 0;
}

static int backup_import_run(const struct cli_context *cli, const void *values, char **args,
			     struct err *err)
{
	const struct backup_import_values *v = values;
	_cleanup_(backup_opened_release) struct backup_opened opened = { 0 };
	struct backup_bases bases;
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
	r = backup_open_all(v->since, &opened, err);
	bases = (struct backup_bases){ .files = opened.files, .n = opened.n };
	if (r == 0)
		r = backup_import(&home, args[1], file, &bases, progress_show, NULL, &imported,
				  err);
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
	"brig export --since web.brig web web.1",
	"only what changed since web.brig",
	NULL,
};

static const char *const backup_import_examples[] = {
	"brig import web.brig",
	"make it again under its name",
	"brig import web.brig web2",
	"or under another one",
	"brig import --since web.brig --since web.1 web.2",
	"an increment on an increment",
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
			"With --since it is an increment: what OLD, an earlier backup of the "
			"instance, has of its files in the same place is left out. OLD is read "
			"for that, and may be an increment itself. All that FILE builds on has to "
			"be kept: 'brig import' needs it.\n\n"
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
			"An increment needs what it builds on: --since once for each, the whole "
			"one first. What is missing, or is not exactly that, is refused with the "
			"time and checksum of the one that is needed.\n\n"
			"A backup says what its instance may do: what it has of --privileged, "
			"--cap-add, --device and folders of the host's is shown.\n\n"
			"'brig image import' makes images of archives and root file systems.",
		.examples = backup_import_examples,
		.options = backup_import_table,
		.values_size = sizeof(struct backup_import_values),
		.min_args = 1,
		.max_args = 2,
		.complete = "file none",
		.run = backup_import_run,
	},
	{ .name = NULL },
};
