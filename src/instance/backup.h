/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BACKUP_H
#define INSTANCE_BACKUP_H

#include "base/progress.h"
#include "image/parcel.h"
#include "instance/instance.h"

/*
 * A backup is one file (image/parcel.h) with an instance's record, its writable data, and its snapshots if they are
 * wanted. It names the image, which the store that takes it has to have; volumes and folders of the host's are no part.
 */
struct backup_file {
	const char *path; /* for messages */
	int fd;
};

struct backup_options {
	const char *snapshot; /* as the instance was then; NULL: as it is */
	int snapshots;	      /* with all of its snapshots */
	enum parcel_compression compression;
	const struct backup_file *since; /* an increment on this one; NULL: whole */
	progress_fn progress;		 /* may be NULL */
	void *ctx;
};

/*
 * Writes a backup to fd. The instance is locked for as long, and does not start or go meanwhile; a running container
 * stands still while its data are cloned, and a running VM is refused, unless a snapshot is meant.
 */
int backup_export(const struct instance_home *home, const char *name,
		  const struct backup_options *options, int fd, struct err *err);

/* Earlier backups that an increment builds on, the oldest, which is whole, first. */
struct backup_bases {
	const struct backup_file *files;
	size_t n;
};

struct backup_imported {
	char *name;
	char **rights;	/* what it may do beyond its own walls, as options of `brig run` */
	char **volumes; /* that it names, and that the backup has nothing of */
};

void backup_imported_release(struct backup_imported *imported);
#define _cleanup_backup_imported_ _cleanup_(backup_imported_release)

/*
 * Makes a new instance, not started, of the backup that fd brings; name NULL: its old one. An
 * increment needs exactly those it builds on. The file is not trusted: it is
 * read by a confined process, and the instance is there once all of it was read and found whole, or not at all.
 */
int backup_import(const struct instance_home *home, const char *name, int fd,
		  const struct backup_bases *bases, progress_fn progress, void *ctx,
		  struct backup_imported *ret, struct err *err);

#endif
