// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/load.h"

#include <sys/stat.h>

int load_size(int fd, uint64_t *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at it");
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "it is no regular file");
	*ret = (uint64_t)st.st_size;
	return 0;
}

int load_read(int fd, uint64_t offset, void *data, size_t len)
{
	uint8_t *to = data;

	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int load_copy(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len)
{
	void *to;

	if (!len)
		return 0;
	to = ram_at(ram, gpa, len);
	return to ? load_read(fd, offset, to, len) : -EFAULT;
}

/* The pages between two ragged ends. */
static int load_map(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len)
{
	uint64_t head = -gpa % LOAD_PAGE, pages;
	int r;

	if (ram_fd(ram) >= 0 || (gpa - offset) % LOAD_PAGE || len < head + LOAD_PAGE)
		return load_copy(ram, gpa, fd, offset, len);
	pages = (len - head) & ~(LOAD_PAGE - 1);
	r = ram_map_file(ram, gpa + head, fd, offset + head, pages);
	if (r == -EINVAL) /* huge pages */
		return load_copy(ram, gpa, fd, offset, len);
	if (r == 0)
		r = load_copy(ram, gpa, fd, offset, head);
	if (r == 0)
		r = load_copy(ram, gpa + head + pages, fd, offset + head + pages,
			      len - head - pages);
	return r;
}

int load_file(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
	      enum load_how how, struct err *err)
{
	int r;

	if (!len)
		return 0;
	if (!ram_at(ram, gpa, len))
		return err_set(err, -EFAULT, "it does not fit into the machine's memory");
	r = how == LOAD_MAP ? load_map(ram, gpa, fd, offset, len)
			    : load_copy(ram, gpa, fd, offset, len);
	return r < 0 ? err_errno(err, r, "cannot load it") : 0;
}
