/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BACKUP_READER_H
#define INSTANCE_BACKUP_READER_H

#include "image/digest.h"
#include "instance/backup-internal.h"
#include "sys/confine.h"

/*
 * A backup as a confined process reads it. What comes from `in` (image/parcel.h) is trusted no more than the file: it is
 * bounded and checked by who takes it, and is a backup once backup_reader_end() has said so.
 */
struct backup_reader {
	struct confine_child child;
	int in;
};

#define BACKUP_READER_INIT ((struct backup_reader){ .child = CONFINE_CHILD_INIT, .in = -EBADF })

/* jail: the new folder in dirfd that the process is in; the caller removes it. */
int backup_reader_start(struct backup_reader *reader, int file, int dirfd, const char *jail,
			struct err *err);
/* The next of the two documents, as a record of the table. */
int backup_reader_document(int in, const struct record_table *table, void *record, struct err *err);
/* Both of them, of which only the first is wanted. */
int backup_reader_head(int in, struct backup *ret, struct err *err);
/*
 * received_r and *received are how taking it ended. The one that failed by itself has the reason: what breaks off here
 * does so since the reader has ended. Who fails here does not wait for the reader, which is killed.
 */
int backup_reader_end(struct backup_reader *reader, int received_r, const struct err *received,
		      char checksum[DIGEST_HEX_SIZE], struct err *err);
void backup_reader_release(struct backup_reader *reader);

#endif
