/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_MODULES_H
#define IMAGE_MODULES_H

#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

/*
 * Which modules of a kernel a VM needs until its root file system and the agent work, from the
 * indexes that depmod and the kernel's build leave in lib/modules/RELEASE. All of it is hostile: an
 * image may bring its own.
 */

enum modules_file {
	MODULES_DEP,	 /* "PATH: PATH..." */
	MODULES_BUILTIN, /* a path per line */
	MODULES_SOFTDEP, /* "softdep NAME pre: NAME... post: NAME..." */
	MODULES_ALIAS,	 /* "alias ALIAS NAME" */
	MODULES_FILES,
};

/* The texts of the indexes; one that is not there is "". */
struct modules_index {
	char *text[MODULES_FILES];
};

void modules_index_release(struct modules_index *index);
#define _cleanup_modules_index_ _cleanup_(modules_index_release)

/* Reads the indexes of the folder lib/modules/RELEASE behind fd, and writes them into another. */
int modules_read(int fd, struct modules_index *ret, struct err *err);
int modules_write(int fd, const struct modules_index *index, struct err *err);

/*
 * Paths of the modules to load below lib/modules/RELEASE, each after those that it needs, and each once.
 * The paths are relative, have no ".." in them and end in .ko or that and a compression's suffix.
 */
struct modules_list {
	char **first;  /* before the root is mounted */
	char **later;  /* what may wait until the workload runs */
	char **shares; /* before folders of the host's are mounted, if there are any */
	char **nets;   /* before network cards are set up, if there are any */
};

#define MODULES_LIST_INIT ((struct modules_list){ NULL })

void modules_list_release(struct modules_list *list);
#define _cleanup_modules_list_ _cleanup_(modules_list_release)

/* What is built in is left out. Something that root cannot do without and that is nowhere is an error. */
int modules_select(const struct modules_index *index, struct modules_list *ret, struct err *err);

/* Opens a file below the folder, never through a symlink or out of it; a regular file, or -ELOOP,
 * -EXDEV, -EINVAL... */
int modules_open(int fd, const char *path);

#endif
