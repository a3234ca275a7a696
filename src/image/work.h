/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_WORK_H
#define IMAGE_WORK_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "image/digest.h"

/*
 * A folder ROOT/tmp/import.XXXXXX where one writer makes what will be moved into the store:
 *   blobs/HEX         blobs whose digest was checked
 *   layers/HEX.erofs  layers, by diff id (of a user layers/HEX, see image/layer.h)
 *   and what it needs on the way
 * It goes with its owner: by work_close(), or when the owner is killed by its janitor, a process
 * that waits for just that, or when that was killed too by the next work_open() on the same root.
 */
struct work {
	char *path;
	int fd;	     /* of the folder; holds its lock */
	int janitor; /* write end of a pipe whose end the janitor waits for */
	pid_t janitor_pid;
};

#define WORK_INIT ((struct work){ .fd = -EBADF, .janitor = -EBADF, .janitor_pid = -1 })

int work_open(const char *root, struct work *ret, struct err *err);
/* Removes the folder with all in it. */
void work_close(struct work *work);
#define _cleanup_work_ _cleanup_(work_close)

/* A blob in the folder. */
struct blob {
	char hex[DIGEST_HEX_SIZE];
	int64_t size;
};

/* How the bytes of a blob get there, and what to say of it. */
struct work_input {
	int fd;		       /* read from where it stands to its end */
	int is_ours;	       /* fd is a file in the work folder: link it instead of copying */
	const char *expected;  /* hex of the digest that it must have; NULL: any */
	int64_t expected_size; /* negative: any */
	const char *what;      /* for messages and progress */
	progress_fn progress;  /* may be NULL */
	void *progress_ctx;
};

int work_add_blob(const struct work *work, const struct work_input *input, struct blob *ret,
		  struct err *err);
/* The same from memory. */
int work_add_text(const struct work *work, const char *text, struct blob *ret, struct err *err);
/* The text of a small blob, at most max bytes; caller frees. */
int work_read_blob(const struct work *work, const char *hex, size_t max, char **ret,
		   size_t *ret_len, struct err *err);
/* Opens a blob of the folder for reading. */
int work_open_blob(const struct work *work, const char *hex, struct err *err);
/* The same of one that is no blob of an image: it is renamed to `source` in the folder. */
int work_take_blob(const struct work *work, const char *hex, struct err *err);

#endif
