/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CRIU_WIRE_H
#define CONTAINER_CRIU_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * The messages of CRIU's RPC (criu.org/RPC; numbers from its images/rpc.proto), as protocol buffers have them on
 * the wire: what we ask is written, what it answers is read.
 */

enum criu_type {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_CHECK = 3,
	CRIU_PRE_DUMP = 4,
	CRIU_NOTIFY = 6,
};

/* Fields of criu_opts. */
enum criu_option {
	CRIU_IMAGES_DIR_FD = 1, /* of the caller's, as are all descriptors but those to inherit */
	CRIU_PID = 2,
	CRIU_LEAVE_RUNNING = 3,
	CRIU_EXT_UNIX_SK = 4,
	CRIU_TCP_ESTABLISHED = 5,
	CRIU_SHELL_JOB = 7,
	CRIU_FILE_LOCKS = 8,
	CRIU_LOG_LEVEL = 9,
	CRIU_LOG_FILE = 10,
	CRIU_PAGE_SERVER = 11, /* a message: address 1, port 2 */
	CRIU_NOTIFY_SCRIPTS = 12,
	CRIU_ROOT = 13,
	CRIU_PARENT_IMAGES = 14,
	CRIU_TRACK_MEMORY = 15,
	CRIU_AUTO_DEDUP = 16,
	CRIU_WORK_DIR_FD = 17,
	CRIU_LINK_REMAP = 18,
	CRIU_EXT_MOUNT = 23,   /* a pair: at a dump place and name, at a restore name and source */
	CRIU_CGROUP_ROOT = 25, /* a pair: a hierarchy as in /proc/PID/cgroup, and path */
	CRIU_RESTORE_SIBLING = 26,
	CRIU_INHERIT_FD = 27, /* a message: key 1, descriptor 2 */
	CRIU_CGROUPS_MODE = 34,
	CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NS = 38,
	CRIU_JOIN_NS = 39, /* a pair: type, path */
	CRIU_FREEZE_CGROUP = 44,
	CRIU_TCP_SKIP_IN_FLIGHT = 46,
	CRIU_LAZY_PAGES = 48,
	CRIU_STATUS_FD = 49,
	CRIU_ORPHAN_PTS_MASTER = 50,
	CRIU_TCP_CLOSE = 52,
	CRIU_LSM_PROFILE = 53,
	CRIU_LSM_MOUNT_CONTEXT = 63,
	CRIU_NETWORK_LOCK = 64,
};

/* Of enum criu_network_lock_method. */
#define CRIU_LOCK_NFTABLES 2

/* How they are written into a message; a number below 0 is not to be had. */
void criu_wire_put_number(struct buf *out, unsigned int field, uint64_t value);
void criu_wire_put_string(struct buf *out, unsigned int field, const char *value);
void criu_wire_put_message(struct buf *out, unsigned int field, const struct buf *message);
/* A message of two strings, 1 and 2. */
void criu_wire_put_pair(struct buf *out, unsigned int field, const char *first, const char *second);
/* A message of a string, 1, and a number, 2. */
void criu_wire_put_numbered(struct buf *out, unsigned int field, const char *first,
			    uint64_t second);

/* A request with its options (NULL: none), and the answer to a notification. */
void criu_wire_put_request(struct buf *out, enum criu_type type, const struct buf *options);
void criu_wire_put_notified(struct buf *out, int success);

/* A criu_resp. Strings are cut to what fits, and have no control characters. */
#define CRIU_ANSWER_MAX ((size_t)64 * 1024)
struct criu_answer {
	enum criu_type type;
	int success;
	int code; /* errno of the cause; 0: not told */
	char message[256];
	int32_t pid;	 /* of what was restored, or is spoken of; 0: none */
	char script[32]; /* of a notification */
};
/* 0 or -EBADMSG. */
int criu_wire_get_answer(const void *data, size_t len, struct criu_answer *ret);

/*
 * Of an image pagemap-N.img, which says what of a process's memory is in pages-ID.img: ID, and how many pages that
 * has to hold at least. -EBADMSG: it is no such image.
 */
int criu_wire_count_pages(const void *data, size_t len, uint64_t *ret_id, uint64_t *ret_pages);

/*
 * What a log of CRIU's says about why it failed, in one line without control characters: its last errors, but for
 * those that say no more than that it has. Caller frees; NULL: nothing.
 */
char *criu_wire_log_reason(const char *log);

#endif
