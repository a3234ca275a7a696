/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LAYER_PACK_H
#define IMAGE_LAYER_PACK_H

#include <sys/types.h>

#include "base/err.h"
#include "image/work.h"

/* Packing what was unpacked of a layer, in a process beside us that dies with us. */

struct layer_pack_spec {
	const struct work *work;
	const char *folder; /* in the work folder: the tree, or where its scratch is attached */
	int scratch;	    /* image/layer_scratch.h; negative: the tree is in the folder */
	const char *diff_id;
	int compressed;
};

struct layer_pack {
	pid_t pid;
	int fd; /* readable when it is done, for poll() */
};

#define LAYER_PACK_INIT ((struct layer_pack){ .pid = -1, .fd = -EBADF })

/* Makes WORK/layers/DIFF_ID.erofs. The spec is needed no more when it returns. */
int layer_pack_start(const struct layer_pack_spec *spec, struct layer_pack *ret, struct err *err);
/* Waits for its end. */
int layer_pack_end(struct layer_pack *pack, struct err *err);
/* Kills it, and the tool that it runs, if it still runs: nothing is written any more when this returns. */
void layer_pack_release(struct layer_pack *pack);

/* Makes the erofs image `to` of the folder `from`. how: in what way mkfs.erofs is started, but for argv; NULL: as any tool. */
struct child_spec;
int layer_pack_erofs(const char *from, const char *to, const char *diff_id, int compressed,
		     const struct child_spec *how, struct err *err);

#endif
