/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_SHARE_H
#define PROTO_SHARE_H

#include "base/err.h"

/*
 * A folder or file of the host, or a volume, that an instance sees at a path of its own: one of the record's
 * `volumes`, SOURCE:TARGET[:OPTION,...].
 *
 * SOURCE is a whole path on the host, or the name of a volume, which is ROOT/volumes/NAME/data. Neither it nor TARGET
 * holds a colon. Files have the same owners on both sides, whatever ids the instance has outside, unless the options
 * say noidmap.
 */
struct share {
	char *source, *target;
	int is_volume;
	char **options; /* words of mount(8); without those of ours below */
	int noidmap;	/* owners as the host has them */
	int nocopy;	/* an empty volume stays so, instead of getting what the image has there */
};

void share_release(struct share *share);
#define _cleanup_share_ _cleanup_(share_release)

/* Checks the text; what it names need not be there. */
int share_parse(const char *text, struct share *ret, struct err *err);

/* Refuses what means nothing between the two kernels of a host and a machine. */
int share_check_vm(const struct share *share, struct err *err);

/* All of a record's, parsed: one whose target is below another's comes after it, else they are as given. */
struct share_list {
	struct share *items;
	size_t n;
};

int share_list_parse(char *const *texts, struct share_list *ret, struct err *err);
void share_list_release(struct share_list *list);
#define _cleanup_share_list_ _cleanup_(share_list_release)

/* Where its files are on the host, and a volume's; caller frees. */
char *share_path(const struct share *share, const char *root);
char *share_volume_path(const char *root, const char *volume);

/* A place that an instance can have something mounted at: a whole path, below / and without "..". */
int share_is_target(const char *path);

#endif
