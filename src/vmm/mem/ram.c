// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem/ram.h"
#include "base/mem.h"
#include "vmm/layout.h"

#include <string.h>
#include <sys/mman.h>

#define RAM_HUGE_PAGE ((uint64_t)2 << 20)
#define RAM_PAGE      ((uint64_t)4096)

struct ram {
	struct ram_region regions[RAM_REGIONS_MAX];
	size_t n_regions;
	uint64_t size;
	enum ram_pages pages;
	int fd;
	uint64_t file_start, file_end; /* around all that ram_map_file() has mapped */
};

/* Huge pages need host addresses that are as aligned as the guest's: what stands over is given back. */
static void *ram_reserve(uint64_t size)
{
	uint8_t *start = mmap(NULL, size + RAM_HUGE_PAGE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (start == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)start & (RAM_HUGE_PAGE - 1);
	if (before)
		(void)munmap(start, before);
	(void)munmap(start + before + size, RAM_HUGE_PAGE - before);
	return start + before;
}

static int ram_map(struct ram *ram, struct ram_region *region, uint64_t offset, struct err *err)
{
	int flags = MAP_FIXED | (ram->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	void *host = ram_reserve(region->size);

	if (!host)
		return err_errno(err, -errno, "cannot reserve %ju MiB for the guest's memory",
				 (uintmax_t)(region->size >> 20));
	region->host = host;
	flags |= ram->pages == RAM_PAGES_HUGE ? 0 : MAP_NORESERVE;
	if (ram->pages == RAM_PAGES_HUGE && ram->fd < 0)
		flags |= MAP_HUGETLB;
	if (mmap(host, region->size, PROT_READ | PROT_WRITE, flags, ram->fd < 0 ? -1 : ram->fd,
		 (off_t)offset) == MAP_FAILED) {
		if (ram->pages == RAM_PAGES_HUGE)
			return err_set(err, -errno,
				       "the host has not enough free huge pages for %ju MiB: see "
				       "/proc/sys/vm/nr_hugepages",
				       (uintmax_t)(region->size >> 20));
		return err_errno(err, -errno, "cannot map the guest's memory");
	}
	/* advice: a host that does not take it just serves small pages, or dumps more */
	(void)madvise(host, region->size, MADV_DONTDUMP);
	if (ram->pages == RAM_PAGES_TRANSPARENT)
		(void)madvise(host, region->size, MADV_HUGEPAGE);
	return 0;
}

static int ram_make_file(struct ram *ram, struct err *err)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	if (ram->pages == RAM_PAGES_HUGE)
		flags |= MFD_HUGETLB;
	ram->fd = memfd_create("guest-memory", flags);
	if (ram->fd < 0 || ftruncate(ram->fd, (off_t)ram->size) < 0)
		return err_errno(err, -errno, "cannot make a file for the guest's memory");
	return 0;
}

int ram_new(const struct ram_options *options, struct ram **ret, struct err *err)
{
	uint64_t low = options->size < LAYOUT_LOW_END ? options->size : LAYOUT_LOW_END;
	struct ram *ram;
	uint64_t offset = 0;
	int r = 0;

	if (!options->size || options->size % RAM_HUGE_PAGE)
		return err_set(err, -EINVAL, "a machine's memory is a multiple of 2 MiB");
	ram = mem_zalloc(sizeof(*ram));
	*ram = (struct ram){ .size = options->size, .pages = options->pages, .fd = -EBADF };
	ram->regions[ram->n_regions++] = (struct ram_region){ .size = low };
	if (options->size > low)
		ram->regions[ram->n_regions++] = (struct ram_region){ .gpa = LAYOUT_HIGH_START,
								      .size = options->size - low };
	if (options->shared)
		r = ram_make_file(ram, err);
	for (size_t i = 0; r == 0 && i < ram->n_regions; i++) {
		r = ram_map(ram, &ram->regions[i], offset, err);
		offset += ram->regions[i].size;
	}
	if (r < 0) {
		ram_free(ram);
		return r;
	}
	*ret = ram;
	return 0;
}

struct ram *ram_free(struct ram *ram)
{
	if (!ram)
		return NULL;
	for (size_t i = 0; i < ram->n_regions; i++) {
		if (ram->regions[i].host)
			(void)munmap(ram->regions[i].host, ram->regions[i].size);
	}
	fd_close(ram->fd);
	free(ram);
	return NULL;
}

size_t ram_regions(const struct ram *ram, const struct ram_region **ret)
{
	*ret = ram->regions;
	return ram->n_regions;
}

uint64_t ram_size(const struct ram *ram)
{
	return ram->size;
}

int ram_fd(const struct ram *ram)
{
	return ram->fd;
}

void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
	for (size_t i = 0; i < ram->n_regions; i++) {
		const struct ram_region *region = &ram->regions[i];
		uint64_t offset = gpa - region->gpa;

		if (gpa >= region->gpa && offset < region->size)
			return len && len <= region->size - offset
				       ? (uint8_t *)region->host + offset
				       : NULL;
	}
	return NULL;
}

int ram_read(const struct ram *ram, uint64_t gpa, void *data, size_t len)
{
	const void *from = ram_at(ram, gpa, len);

	if (!from)
		return -EFAULT;
	memcpy(data, from, len);
	return 0;
}

int ram_write(const struct ram *ram, uint64_t gpa, const void *data, size_t len)
{
	void *to = ram_at(ram, gpa, len);

	if (!to)
		return -EFAULT;
	memcpy(to, data, len);
	return 0;
}

int ram_map_file(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len)
{
	void *host = ram_at(ram, gpa, len);

	if (!host)
		return -EFAULT;
	if (ram->pages == RAM_PAGES_HUGE || (gpa | offset | len) % RAM_PAGE)
		return -EINVAL;
	if (mmap(host, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) == MAP_FAILED)
		return -errno;
	if (ram->file_end == 0 || gpa < ram->file_start)
		ram->file_start = gpa;
	if (gpa + len > ram->file_end)
		ram->file_end = gpa + len;
	return 0;
}

/*
 * A private mapping's page comes back zeroed from MADV_DONTNEED only where no file lies under it, so a
 * range that may have one is mapped anew.
 */
int ram_discard(struct ram *ram, uint64_t gpa, uint64_t len)
{
	void *host = ram_at(ram, gpa, len);
	uint64_t page = ram->pages == RAM_PAGES_HUGE ? RAM_HUGE_PAGE : RAM_PAGE;

	if (!host)
		return -EFAULT;
	if ((gpa | len) % page)
		return -EINVAL;
	if (ram->fd >= 0)
		return madvise(host, len, MADV_REMOVE) < 0 ? -errno : 0;
	if (ram->pages == RAM_PAGES_HUGE)
		return madvise(host, len, MADV_DONTNEED) < 0 ? -errno : 0;
	if (gpa < ram->file_end && gpa + len > ram->file_start)
		return mmap(host, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			    0) == MAP_FAILED
			       ? -errno
			       : 0;
	return madvise(host, len, MADV_DONTNEED) < 0 ? -errno : 0;
}
