/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_OCI_ROOT_H
#define TESTS_OCI_ROOT_H

#include "base/file.h"
#include "base/mem.h"
#include "oci/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* A --root of the test's own, as state of the test; it is not there yet. */
struct root {
	char folder[32], path[40];
};

static inline int root_setup(void **state)
{
	struct root *root = mem_zalloc(sizeof(*root));

	snprintf(root->folder, sizeof(root->folder), "/tmp/test-oci-XXXXXX");
	assert_non_null(mkdtemp(root->folder));
	snprintf(root->path, sizeof(root->path), "%s/root", root->folder);
	*state = root;
	return 0;
}

static inline int root_teardown(void **state)
{
	struct root *root = *state;

	assert_int_equal(file_remove_tree(AT_FDCWD, root->folder), 0);
	free(root);
	return 0;
}

/* A container whose init is the process (0: none), saved. */
static inline void root_make(const struct root *root, const char *id, pid_t pid,
			     struct store_container *ret)
{
	struct err err = ERR_INIT;

	if (store_create(root->path, id, ret, &err) < 0)
		fail_msg("%s", err.msg);
	ret->oci_version = mem_strdup("1.3.0");
	ret->bundle = mem_strdup("/bundle");
	ret->rootfs = mem_strdup("/bundle/rootfs");
	if (pid)
		assert_int_equal(store_set_pid(ret, pid), 0);
	assert_int_equal(store_save(ret, &err), 0);
}

static inline void root_write(const struct root *root, const char *id, const char *name,
			      const char *text)
{
	_cleanup_free_ char *path = mem_printf("%s/%s/%s", root->path, id, name);

	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0600, 0), 0);
}

#endif
