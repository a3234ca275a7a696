/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BACKUP_INTERNAL_H
#define INSTANCE_BACKUP_INTERNAL_H

#include <stdint.h>

#include "base/record.h"

/*
 * The first document of a backup; the second one is the instance's record. Behind them, a tree: a folder with the data as
 * they are in the instance's folder and, with snapshots, a folder SNAPSHOT_FOLDER as it is there.
 */
struct backup {
	char *name;
	int kind;	   /* enum instance_kind */
	int64_t created;   /* ns since the epoch */
	int running;	   /* it ran then: the files are as a power cut would have left them */
	int owners;	   /* enum data_owners */
	char *snapshot;	   /* that it is of; NULL: of the instance */
	int64_t snapshots; /* how many it has */
	char *image, *image_digest;
	char *since; /* an increment: the checksum of the backup that it builds on; NULL: whole */
	int64_t since_created; /* when that was made */
	int64_t bytes;	       /* that its files take on the disk, about; for progress */
};

extern const struct record_table backup_table;

static inline void backup_release(struct backup *backup)
{
	record_release(&backup_table, backup);
}
#define _cleanup_backup_ _cleanup_(backup_release)

#endif
