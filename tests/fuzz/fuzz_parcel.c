// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/take.h"
#include "image/parcel.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

/* Whatever is in the file, it is a backup or an error; and what was passed on has documents of bounded size in front. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int in = memfd_create("in", MFD_CLOEXEC);
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
	char checksum[DIGEST_HEX_SIZE];
	struct err err = ERR_INIT;
	int r;

	if (file_write_all(in, data, size) < 0 || lseek(in, 0, SEEK_SET) < 0)
		abort();
	r = parcel_read(in, out, checksum, &err);
	if ((r < 0) != err_is_set(&err) || lseek(out, 0, SEEK_SET) < 0)
		abort();
	for (int i = 0; i < PARCEL_DOCUMENTS; i++) {
		_cleanup_free_ char *text = NULL;
		struct err cut = ERR_INIT;

		/* a whole one has both; of another one any part is passed on */
		if (parcel_receive_document(out, &text, &cut) < 0 && (r == 0 || cut.code != -EPIPE))
			abort();
	}
	return 0;
}
