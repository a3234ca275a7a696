// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "image/reroot.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Whatever an archive holds, what comes of it is an archive or an error, and the folder has settings alone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "/tmp/brig-fuzz-XXXXXX";
	static int folder = -EBADF;
	_cleanup_close_ int in = memfd_create("in", MFD_CLOEXEC),
			    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct reroot_found found;
	struct err err = ERR_INIT;

	if (folder < 0) {
		if (!mkdtemp(path))
			abort();
		folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (file_write_all(in, data, size) < 0 || lseek(in, 0, SEEK_SET) < 0)
		abort();
	if ((reroot_archive(in, out, folder, NULL, NULL, &found, &err) < 0) != err_is_set(&err))
		abort();
	(void)unlinkat(folder, REROOT_METADATA, 0);
	(void)unlinkat(folder, REROOT_INDEX, 0);
	(void)unlinkat(folder, REROOT_CONFIG, 0);
	return 0;
}
