// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "image/tar_reader.h"
#include "image/unpack.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Whatever a tar holds, nothing of it appears beside the folder that it is unpacked to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unpack_options options = { .bytes_max = 1 << 20, .entries_max = 64 };
	char path[] = "/dev/shm/fuzz-unpack-XXXXXX";
	_cleanup_close_ int tar = memfd_create("tar", MFD_CLOEXEC), base = -EBADF, folder = -EBADF;
	struct unpack_result result;
	struct err err = ERR_INIT;

	if (!mkdtemp(path) || file_write_all(tar, data, size) < 0 || lseek(tar, 0, SEEK_SET) < 0)
		abort();
	base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(base, "in", 0755) < 0)
		abort();
	folder = openat(base, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	options.plain_files = size && data[size - 1] & 1;
	options.for_user = options.one_owner = size && data[size - 1] & 2;
	if (unpack_archive(tar, folder, &options, &result, &err) < 0 && !err_is_set(&err))
		abort();
	if (file_remove_tree(base, "in") < 0 || rmdir(path) < 0) /* fails if there is more */
		abort();
	return 0;
}
