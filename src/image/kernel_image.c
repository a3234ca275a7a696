// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/take.h"
#include "image/kernel-internal.h"
#include "image/kernel_elf.h"

#include <sys/stat.h>

#define KERNEL_IMAGE_MAX (256U << 20) /* packed 14 MiB, unpacked 51 MiB in Debian */

int kernel_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *data = NULL;
	size_t done = 0, size;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return -EFBIG;
	size = (size_t)st.st_size;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	while (done < size) {
		ssize_t n = pread(fd, data + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	data[size] = '\0';
	*ret = take_ptr(data);
	*ret_len = size;
	return 0;
}

void kernel_image_release(struct kernel_image *image)
{
	free(take_ptr(image->data));
}

int kernel_image_read(int fd, const char *what, struct kernel_image *ret, struct err *err)
{
	_cleanup_kernel_image_ struct kernel_image image = { .data = NULL };
	int r = kernel_read_fd(fd, KERNEL_IMAGE_MAX, &image.data, &image.len);

	if (r == -EINVAL)
		return err_set(err, r, "cannot use %s as a kernel: it is no regular file", what);
	if (r < 0)
		return err_errno(err, r, "cannot read the kernel %s", what);
	if (!kernel_elf_is(image.data, image.len))
		r = bzimage_release(image.data, image.len, image.release, err);
	if (r == 0 && !image.release[0] && kernel_elf_is(image.data, image.len))
		r = kernel_elf_release(image.data, image.len, image.release, err);
	if (r < 0)
		return err_wrap(err, "cannot use %s as a kernel", what);
	digest_of(image.data, image.len, image.digest);
	*ret = image;
	image.data = NULL;
	return 0;
}
