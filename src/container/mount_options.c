// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/mount_options.h"
#include "base/strv.h"

#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>

enum mount_options_kind {
	MOUNT_OPTIONS_SET,	 /* value becomes an attribute, mask the ones that it replaces */
	MOUNT_OPTIONS_SET_ALL,	 /* below it, too */
	MOUNT_OPTIONS_PROPAGATE, /* value */
	MOUNT_OPTIONS_PROPAGATE_ALL,
	MOUNT_OPTIONS_BIND,
	MOUNT_OPTIONS_RBIND,
	MOUNT_OPTIONS_IDMAP, /* value */
	MOUNT_OPTIONS_COPY_UP,
	MOUNT_OPTIONS_NOTHING, /* the kernel's default, or without a meaning here */
};

/* Time stamps are one choice of several; "relatime" is 0. */
#define ATIME MOUNT_ATTR__ATIME

/* An attribute that is set or cleared, by itself and with r in front. */
#define PAIR(on, off, bit)                                                                \
	{ on, MOUNT_OPTIONS_SET, bit, bit }, { "r" on, MOUNT_OPTIONS_SET_ALL, bit, bit }, \
		{ off, MOUNT_OPTIONS_SET, 0, bit },                                       \
	{                                                                                 \
		"r" off, MOUNT_OPTIONS_SET_ALL, 0, bit                                    \
	}
#define TIME(name, value)                                     \
	{ name, MOUNT_OPTIONS_SET, value, ATIME },            \
	{                                                     \
		"r" name, MOUNT_OPTIONS_SET_ALL, value, ATIME \
	}
#define PROPAGATE(name, value)                                  \
	{ name, MOUNT_OPTIONS_PROPAGATE, value, 0 },            \
	{                                                       \
		"r" name, MOUNT_OPTIONS_PROPAGATE_ALL, value, 0 \
	}

static const struct mount_options_row {
	const char *name;
	enum mount_options_kind kind;
	uint64_t value, mask;
} mount_options_rows[] = {
	PAIR("ro", "rw", MOUNT_ATTR_RDONLY),
	PAIR("nosuid", "suid", MOUNT_ATTR_NOSUID),
	PAIR("nodev", "dev", MOUNT_ATTR_NODEV),
	PAIR("noexec", "exec", MOUNT_ATTR_NOEXEC),
	PAIR("nodiratime", "diratime", MOUNT_ATTR_NODIRATIME),
	PAIR("nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW),
	TIME("noatime", MOUNT_ATTR_NOATIME),
	TIME("strictatime", MOUNT_ATTR_STRICTATIME),
	TIME("relatime", 0),
	TIME("atime", 0),
	TIME("norelatime", 0),
	TIME("nostrictatime", 0),
	PROPAGATE("shared", MS_SHARED),
	PROPAGATE("slave", MS_SLAVE),
	PROPAGATE("private", MS_PRIVATE),
	PROPAGATE("unbindable", MS_UNBINDABLE),
	{ "bind", MOUNT_OPTIONS_BIND, 0, 0 },
	{ "rbind", MOUNT_OPTIONS_RBIND, 0, 0 },
	{ "idmap", MOUNT_OPTIONS_IDMAP, 1, 0 },
	{ "ridmap", MOUNT_OPTIONS_IDMAP, 2, 0 },
	{ "tmpcopyup", MOUNT_OPTIONS_COPY_UP, 0, 0 },
	{ "defaults", MOUNT_OPTIONS_NOTHING, 0, 0 },
	{ "remount", MOUNT_OPTIONS_NOTHING, 0, 0 },
	{ "silent", MOUNT_OPTIONS_NOTHING, 0, 0 },
	{ "loud", MOUNT_OPTIONS_NOTHING, 0, 0 },
	{ "noiversion", MOUNT_OPTIONS_NOTHING, 0, 0 },
	{ NULL, MOUNT_OPTIONS_NOTHING, 0, 0 },
};

/* For `features`: these are the file system's, and yet have a meaning everywhere. */
static const char *const mount_options_of_all[] = {
	"async", "dirsync", "iversion", "lazytime", "mand", "nolazytime", "nomand", "sync", NULL,
};

static void mount_options_change(uint64_t *set, uint64_t *clear,
				 const struct mount_options_row *row)
{
	*set = (*set & ~row->mask) | row->value;
	*clear = (*clear | row->mask) & ~(row->mask == ATIME ? 0 : row->value);
}

static void mount_options_apply(struct mount_options *options, const struct mount_options_row *row)
{
	switch (row->kind) {
	case MOUNT_OPTIONS_SET:
		mount_options_change(&options->set, &options->clear, row);
		break;
	case MOUNT_OPTIONS_SET_ALL:
		mount_options_change(&options->set_all, &options->clear_all, row);
		break;
	case MOUNT_OPTIONS_PROPAGATE:
		options->propagation = row->value;
		break;
	case MOUNT_OPTIONS_PROPAGATE_ALL:
		options->propagation_all = row->value;
		break;
	case MOUNT_OPTIONS_RBIND:
		options->recursive = 1;
		options->bind = 1;
		break;
	case MOUNT_OPTIONS_BIND:
		options->bind = 1;
		break;
	case MOUNT_OPTIONS_IDMAP:
		options->idmap = (int)row->value;
		break;
	case MOUNT_OPTIONS_COPY_UP:
		options->copy_up = 1;
		break;
	case MOUNT_OPTIONS_NOTHING:
		break;
	}
}

void mount_options_parse(char *const *options, struct mount_options *ret)
{
	*ret = (struct mount_options){ 0 };
	strv_for_each(option, options) {
		const struct mount_options_row *row = mount_options_rows;

		while (row->name && strcmp(row->name, *option) != 0)
			row++;
		if (row->name)
			mount_options_apply(ret, row);
		else
			strv_add(&ret->data, *option);
	}
}

void mount_options_release(struct mount_options *options)
{
	options->data = strv_free(options->data);
}

const char *mount_options_name(unsigned int i)
{
	const size_t n = ARRAY_SIZE(mount_options_rows) - 1;

	if (i < n)
		return mount_options_rows[i].name;
	return i - n < ARRAY_SIZE(mount_options_of_all) ? mount_options_of_all[i - n] : NULL;
}
