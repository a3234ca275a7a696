// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files are in a tmpfs that is nowhere but where each of them is bound over the image's. So the image keeps its
 * own, and the workload can write to them.
 */
#include "guest/etc.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define ETC_OPTIONS "mode=755,size=1m,nr_inodes=16"

struct etc_file {
	const char *name, *text; /* "": not shown */
	int make;		 /* also where the image has none */
	int keep_link;		 /* not over a symlink */
};

static int etc_write(const char *aside, const struct etc_file *file, char **ret_path)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", aside, file->name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : file_write_all(fd, file->text, strlen(file->text));

	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	*ret_path = r == 0 ? take_ptr(path) : NULL;
	return r;
}

/* A link may lead to where nothing is yet. */
static int etc_make(const char *path)
{
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	char target[PATH_MAX] = "";

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : 0;
	if (readlink(path, target, sizeof(target) - 1) > 0) {
		_cleanup_free_ char *full =
			mem_printf("%s%s", *target == '/' ? "" : "/etc/", target);

		*strrchr(full, '/') = '\0';
		if (file_mkdir_p(full, 0755) < 0)
			return -ENOENT;
		fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	}
	return fd < 0 ? -errno : 0;
}

static int etc_bind(const char *from, const char *path)
{
	if (mount(from, path, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) <
		    0)
		return -errno;
	return 0;
}

static int etc_show_one(const char *aside, const struct etc_file *file, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("/etc/%s", file->name), *from = NULL;
	struct stat st;
	int r;

	if (!*file->text || (file->keep_link && lstat(path, &st) == 0 && S_ISLNK(st.st_mode)))
		return 0;
	if (!file->make && access(path, F_OK) < 0)
		return 0;
	r = etc_write(aside, file, &from);
	if (r == 0 && mkdir("/etc", 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = etc_make(path);
	if (r == 0)
		r = etc_bind(from, path);
	return r < 0 ? err_errno(err, r, "cannot show %s of the machine", path) : 0;
}

int etc_show(const struct guest_config *config, const char *aside, struct err *err)
{
	_cleanup_free_ char *hostname =
		*config->hostname ? mem_printf("%s\n", config->hostname) : mem_strdup("");
	int networks = config->nics != NULL, r = 0;
	const struct etc_file files[] = {
		{ "hostname", hostname, networks, 0 },
		{ "hosts", config->hosts, networks, 0 },
		/* a whole system that has a link there has a resolver that writes it */
		{ "resolv.conf", config->resolv_conf, 1, config->system },
	};

	if (mount("tmpfs", aside, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ETC_OPTIONS) < 0)
		return err_errno(err, -errno, "cannot mount a tmpfs at %s", aside);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
		r = etc_show_one(aside, &files[i], err);
	if (umount2(aside, MNT_DETACH) < 0 && r == 0)
		r = err_errno(err, -errno, "cannot unmount %s", aside);
	return r;
}
