// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "image/ext4_layer.h"
#include "image/ext4_reader.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

static void write_layer(int image, int out, const char *folder)
{
	const struct ext4_layer_source source = { .image = image, .folder = folder };
	struct err err = ERR_INIT;
	struct ext4_layer_found found;

	if ((ext4_layer_write(&source, out, &found, &err) < 0) != err_is_set(&err))
		abort();
	(void)ext4_layer_has_system(&source);
}

/* Whatever a disk holds, reading it ends, with a stream or a layer, or an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int image = memfd_create("image", MFD_CLOEXEC),
			    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	int absent = 0;

	if (file_write_all(image, data, size) < 0)
		abort();
	if ((ext4_reader_send(image, "upper", out, &absent, &err) < 0) != err_is_set(&err))
		abort();
	write_layer(image, out, "upper");
	write_layer(image, out, NULL);
	return 0;
}
