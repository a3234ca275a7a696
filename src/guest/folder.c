// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a kernel does not say which device a virtio-fs tag is of (before 6.9), and to let go of one its place on the
 * bus must be known. Those of the start are in the order of the configuration, of others at most one is new at a time. So
 * the agent's root has a folder of links, FOLDER_NOTES, each by the tag of a path and to a PCI device in sysfs, which is
 * made when the first one comes or goes.
 */
#include "guest/folder.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/uevent.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FOLDER_NOTES   "/shares"
#define FOLDER_DEVICES "/sys/bus/virtio/devices"
#define FOLDER_TYPE    "0x001a\n" /* VIRTIO_ID_FS */
#define FOLDER_TEXT    64

static void folder_tag(const char *text, char ret[GUEST_TAG_MAX])
{
	_cleanup_free_ char *path = mem_strndup(text, strcspn(text, ":"));

	guest_share_tag(path, ret);
}

/* The PCI devices of that kind, in their order on the bus. */
static char **folder_devices(void)
{
	_cleanup_closedir_ DIR *dir = opendir(FOLDER_DEVICES);
	char **devices = NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *link = mem_printf(FOLDER_DEVICES "/%s", entry->d_name);
		_cleanup_free_ char *file = mem_printf("%s/device", link), *type = NULL;
		char *path, *slash;

		if (*entry->d_name == '.' ||
		    file_read(AT_FDCWD, file, FOLDER_TEXT, &type, NULL) < 0 ||
		    strcmp(type, FOLDER_TYPE) != 0)
			continue;
		path = realpath(link, NULL);
		slash = path ? strrchr(path, '/') : NULL;
		if (slash)
			*slash = '\0';
		if (path)
			strv_add_take(&devices, path);
	}
	strv_sort(devices);
	return devices;
}

int folder_prepare(const struct cell *cell, struct err *err)
{
	_cleanup_strv_ char **devices = folder_devices();
	char *const *shares = cell->config->shares;

	if (mkdir(FOLDER_NOTES, 0700) < 0)
		return errno == EEXIST ? 0 : err_errno(err, -errno, "cannot make " FOLDER_NOTES);
	for (size_t i = 0; i < strv_len(shares) && i < strv_len(devices); i++) {
		_cleanup_free_ char *note = NULL;
		char tag[GUEST_TAG_MAX];

		folder_tag(shares[i], tag);
		note = mem_printf(FOLDER_NOTES "/%s", tag);
		if (symlink(devices[i], note) < 0)
			return err_errno(err, -errno, "cannot make %s", note);
	}
	return 0;
}

static int folder_is_noted(const char *device)
{
	_cleanup_closedir_ DIR *dir = opendir(FOLDER_NOTES);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char text[PATH_MAX];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, text, sizeof(text) - 1);

		if (n > 0 && (text[n] = '\0', !strcmp(text, device)))
			return 1;
	}
	return 0;
}

/* What a child works with once it sees the instance's files instead of the agent's. */
struct folder {
	const char *text;
	char tag[GUEST_TAG_MAX];
	int notes, device; /* folders, of the latter the PCI device's in sysfs */
};

static void folder_release(struct folder *folder)
{
	fd_close(folder->notes);
	fd_close(folder->device);
}

static int folder_look_for_new(void *ctx, struct err *err)
{
	struct folder *folder = ctx;
	_cleanup_strv_ char **devices = folder_devices();

	strv_for_each(device, devices) {
		if (folder_is_noted(*device))
			continue;
		(void)unlinkat(folder->notes, folder->tag, 0);
		folder->device = open(*device, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (folder->device < 0 || symlinkat(*device, folder->notes, folder->tag) < 0)
			return err_errno(err, -errno, "cannot use %s", *device);
		return 1;
	}
	return 0;
}

static int folder_open(const char *text, struct folder *ret, struct err *err)
{
	*ret = (struct folder){ .text = text, .device = -EBADF };
	folder_tag(text, ret->tag);
	ret->notes = open(FOLDER_NOTES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ret->notes < 0 ? err_errno(err, -errno, "cannot open " FOLDER_NOTES) : 0;
}

static int folder_let_go(const struct folder *folder, struct err *err)
{
	int r = file_write_value(folder->device, "remove", "1");

	if (r < 0 && r != -ENOENT)
		return err_errno(err, r, "cannot let go of the device of a folder");
	(void)unlinkat(folder->notes, folder->tag, 0);
	return 0;
}

/* Its driver may not have come to it yet. */
static int folder_try(void *ctx, struct err *err)
{
	const struct folder *folder = ctx;
	struct err failure = ERR_INIT;
	int r = cell_mount_share(folder->text, folder->tag, &failure);

	if (r == -EINVAL)
		return 0;
	if (r < 0)
		*err = failure;
	return r < 0 ? r : 1;
}

static int folder_find_and_mount(const struct cell *cell, struct folder *folder, int uevents,
				 int64_t timeout_ms, struct err *err)
{
	int r = uevent_wait(uevents, timeout_ms, folder_look_for_new, folder, err);

	if (r == 0)
		return err_set(err, -ENODEV, "the guest's kernel finds no device for a folder");
	if (r > 0)
		r = cell_join_files(cell, err);
	if (r == 0)
		r = uevent_wait(uevents, timeout_ms, folder_try, folder, err);
	if (r == 0)
		r = err_set(err, -ENODEV, "the guest's kernel has no driver for folders");
	return r < 0 ? r : 0;
}

struct folder_root {
	const char *path;
	char tag[GUEST_TAG_MAX];
};

/* Its driver may not have come to it yet. A device node in it would be the host's, by number. */
static int folder_try_root(void *ctx, struct err *err)
{
	const struct folder_root *root = ctx;

	if (mount(root->tag, root->path, "virtiofs", MS_NODEV, NULL) == 0)
		return 1;
	return errno == EINVAL ? 0 : err_errno(err, -errno, "cannot mount the root");
}

int folder_mount_root(const struct guest_config *config, const char *path, int uevents,
		      int64_t timeout_ms, struct err *err)
{
	struct folder_root root = { .path = path };
	int r;

	snprintf(root.tag, sizeof(root.tag), GUEST_SHARE "%zu", strv_len(config->shares));
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make %s", path);
	r = uevent_wait(uevents, timeout_ms, folder_try_root, &root, err);
	if (r == 0)
		return err_set(err, -ENODEV, "the machine has no device for its root");
	return r < 0 ? r : 0;
}

int folder_attach(const struct cell *cell, const char *text, int uevents, int64_t timeout_ms,
		  struct err *err)
{
	_cleanup_(folder_release) struct folder folder;
	struct err ignored = ERR_INIT;
	int r = folder_open(text, &folder, err);

	if (r == 0)
		r = folder_find_and_mount(cell, &folder, uevents, timeout_ms, err);
	if (r < 0 && folder.device >= 0)
		(void)folder_let_go(&folder, &ignored);
	return r;
}

/* What the guest has unmounted itself is gone, too. */
static int folder_unmount(const char *path, int forced, struct err *err)
{
	if (umount2(path, forced ? MNT_DETACH : 0) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;
	if (errno == EBUSY)
		return err_set(err, -EBUSY,
			       "%.200s is in use in the guest: a process has a file of it open or "
			       "works in it, or something is mounted below it; end that first, or "
			       "add --force",
			       path);
	return err_errno(err, -errno, "the guest cannot unmount %.200s", path);
}

int folder_detach(const struct cell *cell, const char *text, struct err *err)
{
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *path = mem_strndup(text, len);
	_cleanup_(folder_release) struct folder folder;
	char device[PATH_MAX];
	int r = folder_open(text, &folder, err);
	ssize_t n = r < 0 ? 0 : readlinkat(folder.notes, folder.tag, device, sizeof(device) - 1);

	if (r < 0)
		return r;
	if (n > 0) {
		device[n] = '\0';
		folder.device = open(device, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	r = cell_join_files(cell, err);
	if (r == 0)
		r = folder_unmount(path, text[len] != '\0', err);
	return r < 0 || folder.device < 0 ? r : folder_let_go(&folder, err);
}
