// SPDX-License-Identifier: GPL-2.0-or-later
#include "image_fixture.h"

#include "base/file.h"
#include "base/take.h"

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

void fixture_folder(char folder[64], int real)
{
	int memory = !real && access("/dev/shm", W_OK) == 0;

	snprintf(folder, 64, "%s/brig-disk-XXXXXX", memory ? "/dev/shm" : "/var/tmp");
	assert_non_null(mkdtemp(folder));
}

void fixture_remove(const char *folder)
{
	assert_int_equal(file_remove_tree(AT_FDCWD, folder), 0);
}

int fixture_open(const char *folder, const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

int fixture_file(const char *folder, const char *name, uint64_t size)
{
	int fd = fixture_open(folder, name, O_RDWR | O_CREAT | O_TRUNC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void fixture_put(int fd, uint64_t offset, uint64_t value, size_t bytes)
{
	uint64_t be = htobe64(value << (8 * (8 - bytes)));

	assert_int_equal(pwrite(fd, &be, bytes, (off_t)offset), bytes);
}

/* Clusters: header, refcount table, one refcount block, then the L1 table. */
int fixture_qcow2(const char *folder, const char *name, const struct fixture_shape *shape)
{
	uint64_t cluster = UINT64_C(1) << shape->cluster_bits, span = cluster * cluster / 8;
	uint64_t entries = (shape->size + span - 1) / span;
	uint64_t used = 3 + (entries * 8 + cluster - 1) / cluster;
	unsigned int bits = 1u << shape->refcount_order;
	int fd = fixture_file(folder, name, used * cluster);

	assert_true(used <= cluster * 8 / bits);
	fixture_put(fd, 0, 0x514649fb, 4);
	fixture_put(fd, 4, shape->version, 4);
	if (shape->backing) {
		fixture_put(fd, 8, 400, 8);
		fixture_put(fd, 16, 6, 4);
		assert_int_equal(pwrite(fd, "base.i", 6, 400), 6);
	}
	fixture_put(fd, 20, shape->cluster_bits, 4);
	fixture_put(fd, 24, shape->size, 8);
	fixture_put(fd, 36, entries, 4);
	fixture_put(fd, 40, 3 * cluster, 8);
	fixture_put(fd, 48, cluster, 8);
	fixture_put(fd, 56, 1, 4);
	if (shape->version >= 3) {
		fixture_put(fd, 96, shape->refcount_order, 4);
		fixture_put(fd, 100, 104, 4);
	}
	fixture_put(fd, cluster, 2 * cluster, 8);
	for (uint64_t i = 0; i < used; i++) {
		uint8_t old = 0;

		if (bits >= 8) {
			fixture_put(fd, 2 * cluster + i * bits / 8, 1, bits / 8);
			continue;
		}
		assert_int_equal(pread(fd, &old, 1, (off_t)(2 * cluster + i * bits / 8)), 1);
		fixture_put(fd, 2 * cluster + i * bits / 8, old | 1u << (i * bits % 8), 1);
	}
	return fd;
}

int fixture_qemu_img(const char *folder, const char *const *args)
{
	const char *argv[24] = { "env", "-C", folder, "qemu-img" };
	posix_spawn_file_actions_t actions;
	size_t n = 4;
	int status = -1, r;
	pid_t pid;

	for (; *args; args++)
		argv[n++] = *args;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, "env", &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

int fixture_has_qemu_img(void)
{
	static int known = -1;

	if (known < 0)
		known = fixture_qemu_img("/", (const char *const[]){ "--version", NULL }) == 0;
	return known;
}

int fixture_check(const char *folder, const char *name)
{
	return fixture_qemu_img(folder,
				(const char *const[]){ "check", "-f", "qcow2", name, NULL });
}

void fixture_copy(const char *folder, const char *from, const char *to)
{
	_cleanup_close_ int in = fixture_open(folder, from, O_RDONLY);
	_cleanup_close_ int out = fixture_open(folder, to, O_RDWR | O_CREAT | O_TRUNC);

	assert_int_equal(file_copy_sparse(in, out), 0);
}

uint64_t fixture_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void fixture_fill(uint64_t *state, void *data, size_t len)
{
	uint64_t block[512];

	for (size_t done = 0; done < len; done += sizeof(block)) {
		size_t piece = len - done < sizeof(block) ? len - done : sizeof(block);

		for (size_t i = 0; i < ARRAY_SIZE(block); i++)
			block[i] = fixture_random(state);
		memcpy((char *)data + done, block, piece);
	}
}
