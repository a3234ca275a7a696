/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_PARCEL_H
#define IMAGE_PARCEL_H

#include <stddef.h>

#include "base/err.h"
#include "image/digest.h"

/*
 * What `brig export` writes: documents, one exact tree stream (proto/tree.h), and a checksum of them all; compressed with
 * zstd or not. The format is in parcel.c.
 */
#define PARCEL_DOCUMENTS 2
/* As a record on the disk may be, see base/record.c. */
#define PARCEL_DOCUMENT_MAX ((size_t)4 << 20)

enum parcel_compression { PARCEL_ZSTD, PARCEL_PLAIN };
extern const char *const parcel_compressions[]; /* "zstd", "none" */

/* Writing: the documents, then the tree in pieces of any size, then the end. err is what all of them set. */
struct parcel;

struct parcel *parcel_new(int fd, enum parcel_compression compression, struct err *err);
void parcel_free(struct parcel *parcel);
int parcel_document(struct parcel *parcel, const char *text, struct err *err);
int parcel_tree(struct parcel *parcel, const void *data, size_t len, struct err *err);
int parcel_end(struct parcel *parcel, struct err *err);

static inline void parcel_freep(struct parcel **parcel)
{
	parcel_free(*parcel);
}
#define _cleanup_parcel_ _cleanup_(parcel_freep)

/*
 * Reading is work for a confined process (sys/confine.h): what is in the file goes to `out` as it comes, each document
 * behind its length in 32 bits, then the bytes of the tree. Nothing of it is to be believed before this has returned 0,
 * for the checksum is the last: -EBADMSG with what is wrong. With 0, that checksum is in `checksum`.
 */
int parcel_read(int in, int out, char checksum[DIGEST_HEX_SIZE], struct err *err);
extern const char *const parcel_syscalls[]; /* that it takes; NULL-terminated */

/* What parcel_read() writes, at the other end: a document, and after the last one the tree. Caller frees. -EPIPE: it is cut. */
int parcel_receive_document(int fd, char **ret, struct err *err);

#endif
