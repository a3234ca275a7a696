/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TREE_STAGE_H
#define TREE_STAGE_H

#include "proto/tree.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <cmocka.h>

/* Two folders, from/ and to/, and a stream between them in memory. */
struct stage {
	char path[64];
	int from, to, stream;
	struct err err;
};

static inline int setup(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	int fd;

	memcpy(stage->path, "/var/tmp/brig-test-XXXXXX", 26);
	assert_non_null(mkdtemp(stage->path));
	fd = open(stage->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "from", 0755), 0);
	assert_int_equal(mkdirat(fd, "to", 0755), 0);
	stage->from = openat(fd, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage->to = openat(fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage->stream = memfd_create("stream", MFD_CLOEXEC);
	close(fd);
	*state = stage;
	return 0;
}

static inline int teardown(void **state)
{
	struct stage *stage = *state;

	close(stage->from);
	close(stage->to);
	close(stage->stream);
	assert_int_equal(file_remove_tree(AT_FDCWD, stage->path), 0);
	free(stage);
	return 0;
}

static inline void put(int dirfd, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline void link_to(const char *target, int dirfd, const char *name)
{
	assert_int_equal(symlinkat(target, dirfd, name), 0);
}

static inline void hard_link(int olddir, const char *old, int newdir, const char *name)
{
	assert_int_equal(linkat(olddir, old, newdir, name, 0), 0);
}

static inline void assert_text(int dirfd, const char *name, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_read(dirfd, name, 1 << 20, &text, NULL), 0);
	assert_string_equal(text, expected);
}

static inline struct stat stat_of(int dirfd, const char *name)
{
	struct stat st = { 0 };

	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static inline int is_there(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline int send_tree(struct stage *stage, const char *path, unsigned int flags)
{
	stage->err = ERR_INIT;
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_send(stage->from, path, flags, stage->stream, &stage->err);
}

static inline int receive_tree(struct stage *stage, const char *path, unsigned int flags)
{
	stage->err = ERR_INIT;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_receive(stage->to, path, flags, stage->stream, &stage->err);
}

static inline void copy(struct stage *stage, const char *from, unsigned int send_flags,
			const char *to, unsigned int receive_flags)
{
	assert_int_equal(send_tree(stage, from, send_flags), 0);
	if (receive_tree(stage, to, receive_flags) < 0)
		fail_msg("%s", stage->err.msg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
