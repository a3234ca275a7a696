/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_MEM_RAM_H
#define VMM_MEM_RAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The guest's memory, and the only place where a guest-physical address becomes a pointer: always with a
 * length, and only if all of it is memory. The guest changes what is there at any moment: copy once, check
 * the copy, use the copy.
 */
struct ram;

/* One range on each side of the hole below 4 GiB (vmm/layout.h). */
#define RAM_REGIONS_MAX 2

struct ram_region {
	uint64_t gpa, size; /* bytes */
	void *host;
};

enum ram_pages {
	RAM_PAGES_DEFAULT,     /* 4 KiB, and whatever the host makes of them */
	RAM_PAGES_TRANSPARENT, /* advises the host to use huge ones */
	RAM_PAGES_HUGE,	       /* from the host's pool of 2 MiB pages, reserved at once */
};

struct ram_options {
	uint64_t size; /* bytes, a multiple of 2 MiB */
	enum ram_pages pages;
	int shared; /* in a memfd that other processes can map, else private */
};

/* Nothing is touched yet, so nothing is paid for. */
int ram_new(const struct ram_options *options, struct ram **ret, struct err *err);
struct ram *ram_free(struct ram *ram); /* returns NULL */

size_t ram_regions(const struct ram *ram, const struct ram_region **ret);
uint64_t ram_size(const struct ram *ram);
/* The descriptor behind all regions, in order, where shared; else -EBADF. It stays the ram's. */
int ram_fd(const struct ram *ram);

/* len bytes at gpa, or NULL unless all of them lie in one region. len 0 is NULL. */
void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len);

/* Copy; -EFAULT, and nothing was copied, unless all of it is memory. */
int ram_read(const struct ram *ram, uint64_t gpa, void *data, size_t len);
int ram_write(const struct ram *ram, uint64_t gpa, const void *data, size_t len);

/*
 * Maps a part of a file privately over memory that was not touched yet: its pages are shared with the
 * host's page cache until the guest writes to them. gpa, offset and len are multiples of 4 KiB.
 * -EFAULT if that is not all memory, -EINVAL if not aligned or the pages are huge: copy then.
 */
int ram_map_file(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len);

/* Gives pages back to the host; they read as zeroes afterwards. Both multiples of 4 KiB, else -EINVAL. */
int ram_discard(struct ram *ram, uint64_t gpa, uint64_t len);

#endif
