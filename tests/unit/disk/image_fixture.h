/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DISK_IMAGE_FIXTURE_H
#define TESTS_UNIT_DISK_IMAGE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

/* Images for tests, in a folder that fixture_folder() makes and fixture_remove() removes: in memory, where
 * an fdatasync is quick, or on a real disk. */

struct fixture_shape {
	unsigned int version, cluster_bits, refcount_order;
	uint64_t size;
	int backing; /* the header names a backing file */
};

void fixture_folder(char folder[64], int real);
void fixture_remove(const char *folder);

/* A new file of size bytes, all hole; returns a descriptor to read and write. */
int fixture_file(const char *folder, const char *name, uint64_t size);
/* An empty qcow2 image. */
int fixture_qcow2(const char *folder, const char *name, const struct fixture_shape *shape);
int fixture_open(const char *folder, const char *name, int flags);

/* Runs qemu-img in the folder; its exit status, or -1 if there is none. */
int fixture_qemu_img(const char *folder, const char *const *args);
int fixture_has_qemu_img(void);
/* What `qemu-img check` says: 0 sound, 3 only leaks, 2 corrupt. */
int fixture_check(const char *folder, const char *name);
void fixture_copy(const char *folder, const char *from, const char *to);

/* Numbers that look random and are the same in each run. */
uint64_t fixture_random(uint64_t *state);
void fixture_fill(uint64_t *state, void *data, size_t len);

#endif
