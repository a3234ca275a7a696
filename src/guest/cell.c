// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the workload is born in namespaces of its own and in the cgroup CELL_CGROUP; it makes
 * the overlay its root by the way that initramfs programs take (move it over /, chroot), mounts the
 * rest from inside, so that every path is resolved below that root, and so does whatever the image
 * holds in their place. Later processes are born in its PID namespace and cgroup and join the others.
 */
#include "guest/cell.h"
#include "base/copy_up.h"
#include "base/file.h"
#include "base/mem.h"
#include "guest/disk.h"
#include "guest/etc.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CELL_CGROUPS "/sys/fs/cgroup"
#define CELL_CGROUP  CELL_CGROUPS "/instance"
#define CELL_ASIDE   "/dev/shm" /* a place that is always there */

enum { CELL_APP = 1, CELL_SYSTEM = 2, CELL_BOTH = 3 };

struct cell_mount {
	const char *type, *target;
	unsigned long flags;
	const char *options;
	int kinds;
	int optional; /* a kernel may be without it */
};

/*
 * An application sees what it would see in a container. An init system gets the machine's own devices,
 * since udev counts on them, and an empty /run.
 */
static const struct cell_mount cell_mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL, CELL_BOTH, 0 },
	{ "sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL, CELL_BOTH, 0 },
	{ "cgroup2", CELL_CGROUPS, MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL, CELL_BOTH, 0 },
	{ "tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k", CELL_APP, 0 },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=755", CELL_SYSTEM, 0 },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,gid=5,mode=620,ptmxmode=666",
	  CELL_BOTH, 0 },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777", CELL_BOTH, 0 },
	{ "mqueue", "/dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL, CELL_APP, 1 },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755", CELL_SYSTEM, 0 },
};

struct cell_node {
	const char *path;
	unsigned int major, minor;
};

/* Documentation/admin-guide/devices.txt; the ones that OCI asks for */
static const struct cell_node cell_nodes[] = {
	{ "/dev/null", 1, 3 },	 { "/dev/zero", 1, 5 },	   { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const char *const cell_links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },	      { "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" },
	{ "pts/ptmx", "/dev/ptmx" },	      { "/proc/kcore", "/dev/core" },
};

struct cell_flag {
	const char *name;
	unsigned long set, clear;
};

/* mount(8)'s options of a tmpfs that are flags to mount(2) */
static const struct cell_flag cell_flags[] = {
	{ "rw", 0, MS_RDONLY },	       { "ro", MS_RDONLY, 0 },	   { "suid", 0, MS_NOSUID },
	{ "nosuid", MS_NOSUID, 0 },    { "dev", 0, MS_NODEV },	   { "nodev", MS_NODEV, 0 },
	{ "exec", 0, MS_NOEXEC },      { "noexec", MS_NOEXEC, 0 }, { "async", 0, MS_SYNCHRONOUS },
	{ "sync", MS_SYNCHRONOUS, 0 }, { "atime", 0, MS_NOATIME }, { "noatime", MS_NOATIME, 0 },
};

static int cell_mount_at(const char *type, const char *target, unsigned long flags,
			 const char *options, struct err *err)
{
	int r = file_mkdir_p(target, 0755);

	if (r == 0 && mount(type, target, type, flags, options) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot mount a %s at %.200s", type, target) : 0;
}

static int cell_mount_all(int kind, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(cell_mounts); i++) {
		const struct cell_mount *m = &cell_mounts[i];
		int r = 0;

		if (m->kinds & kind)
			r = cell_mount_at(m->type, m->target, m->flags, m->options, err);
		if (r < 0 && !(r == -ENODEV && m->optional))
			return r;
	}
	return 0;
}

/* What is there already, by the options alone. */
static int cell_restrict(const char *path, unsigned long flags, struct err *err)
{
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		return err_errno(err, -errno, "cannot restrict %.200s", path);
	return 0;
}

static void cell_take_option(const char *option, unsigned long *flags, char ***rest);

/* A tmpfs has the mode of what it covers, unless one is given; with "tmpcopyup", also what is in that. */
static int cell_mount_like(const char *path, unsigned long flags, char *const *options,
			   struct err *err)
{
	_cleanup_close_ int from = -EBADF, to = -EBADF;
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **rest = NULL;
	int has_mode = 0, r = file_mkdir_p(path, 0755);
	struct stat st;

	strv_for_each(option, options) {
		has_mode |= !strncmp(*option, "mode=", 5);
		if (strcmp(*option, "tmpcopyup") != 0)
			strv_add(&rest, *option);
	}
	text = strv_join(rest, ",");
	if (r == 0)
		from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return err_errno(err, r < 0 ? r : -errno, "cannot mount a tmpfs at %.200s", path);
	r = cell_mount_at("tmpfs", path, flags & ~(unsigned long)MS_RDONLY, text, err);
	if (r < 0)
		return r;
	to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0 || (!has_mode && fchmod(to, st.st_mode & 07777) < 0))
		r = -errno;
	if (r == 0 && strv_has(options, "tmpcopyup"))
		r = copy_up(from, to);
	if (r == 0 && (flags & MS_RDONLY) &&
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot fill the tmpfs at %.200s", path) : 0;
}

/* TYPE:PATH:OPTIONS */
static int cell_mount_one(const char *text, struct err *err)
{
	_cleanup_strv_ char **parts = strv_split(text, ":"), **words = NULL, **rest = NULL;
	_cleanup_free_ char *options = NULL;
	unsigned long flags = 0;

	if (strv_len(parts) < 2 || *parts[1] != '/')
		return err_set(err, -EINVAL, "'%.200s' says no mount", text);
	words = strv_split(parts[2] ? parts[2] : "", ",");
	strv_for_each(word, words)
		cell_take_option(*word, &flags, &rest);
	if (!strcmp(parts[0], "bind"))
		return cell_restrict(parts[1], flags | MS_NODEV, err);
	if (!strcmp(parts[0], "tmpfs"))
		return cell_mount_like(parts[1], flags, rest, err);
	options = strv_join(rest, ",");
	return cell_mount_at(parts[0], parts[1], flags, options, err);
}

/* Those that the host has named, or else those of every machine. */
static int cell_mount_kinds(const struct guest_config *config, struct err *err)
{
	int r = 0;

	if (!config->folder_root)
		return cell_mount_all(config->system ? CELL_SYSTEM : CELL_APP, err);
	strv_for_each(text, config->mounts) {
		if (r == 0)
			r = cell_mount_one(*text, err);
	}
	return r;
}

static int cell_make_devices(struct err *err)
{
	mode_t mask = umask(0);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(cell_nodes); i++) {
		const struct cell_node *node = &cell_nodes[i];

		if (mknod(node->path, S_IFCHR | 0666, makedev(node->major, node->minor)) < 0)
			r = err_errno(err, -errno, "cannot make %s", node->path);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(cell_links); i++) {
		if (symlink(cell_links[i][0], cell_links[i][1]) < 0)
			r = err_errno(err, -errno, "cannot make %s", cell_links[i][1]);
	}
	umask(mask);
	return r;
}

/* Sorts an option into the flags, or else appends it to the file system's own. */
static void cell_take_option(const char *option, unsigned long *flags, char ***rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(cell_flags); i++) {
		if (!strcmp(cell_flags[i].name, option)) {
			*flags = (*flags & ~cell_flags[i].clear) | cell_flags[i].set;
			return;
		}
	}
	strv_add(rest, option);
}

/* PATH[:OPTIONS], with docker's defaults */
static int cell_mount_tmpfs(const char *text, struct err *err)
{
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *path = mem_strndup(text, len), *options = NULL;
	_cleanup_strv_ char **words = strv_split(text + len, ":,"), **rest = NULL;
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (*path != '/')
		return err_set(err, -EINVAL, "'%.200s' is no absolute path for a tmpfs", text);
	strv_for_each(word, words)
		cell_take_option(*word, &flags, &rest);
	options = strv_join(rest, ",");
	return cell_mount_at("tmpfs", path, flags, options, err);
}

/* An empty volume gets what the image has there. */
static int cell_fill_share(int from, const char *path)
{
	_cleanup_close_ int to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return to < 0 ? -errno : copy_up_fill(from, to);
}

/* A new one is empty; what is there already is not followed. */
static int cell_make_file(const char *path)
{
	_cleanup_free_ char *folder = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
	int r = *folder ? file_mkdir_p(folder, 0755) : 0;

	if (r == 0 && mknod(path, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
		r = -errno;
	return r;
}

/* The folder that it is in lies on CELL_ASIDE for a moment, and is nowhere then. */
static int cell_mount_file(const char *tag, const char *path, unsigned long flags, struct err *err)
{
	int r = cell_make_file(path);

	if (r < 0)
		return err_errno(err, r, "cannot make %.200s in the image's file system", path);
	if (file_mkdir_p(CELL_ASIDE, 01777) < 0 ||
	    mount(tag, CELL_ASIDE, "virtiofs", MS_NODEV, NULL) < 0)
		return err_errno(err, -errno, "cannot mount a file of the host's");
	if (mount(CELL_ASIDE "/" GUEST_FILE, path, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		r = err_errno(err, -errno, "cannot mount a file of the host's at %.200s", path);
	if (umount2(CELL_ASIDE, MNT_DETACH) < 0 && r == 0)
		r = err_errno(err, -errno, "cannot unmount %s", CELL_ASIDE);
	return r;
}

/* PATH[:OPTIONS], the virtio-fs of that tag */
int cell_mount_share(const char *text, const char *tag, struct err *err)
{
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *path = mem_strndup(text, len);
	_cleanup_strv_ char **words = strv_split(text + len, ":,"), **rest = NULL;
	_cleanup_close_ int below = -EBADF;
	unsigned long flags = MS_NODEV;
	int r;

	if (*path != '/')
		return err_set(err, -EINVAL, "'%.200s' is no absolute path for a share", text);
	strv_for_each(word, words)
		cell_take_option(*word, &flags, &rest);
	if (strv_has(rest, GUEST_FILE))
		return cell_mount_file(tag, path, flags, err);
	r = file_mkdir_p(path, 0755);
	if (r < 0)
		return err_errno(err, r, "cannot make %.200s in the image's file system", path);
	below = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (below < 0 || mount(tag, path, "virtiofs", flags, NULL) < 0)
		return err_errno(err, -errno, "cannot mount a folder of the host's at %.200s",
				 path);
	r = strv_has(rest, GUEST_FILL) && !(flags & MS_RDONLY) ? cell_fill_share(below, path) : 0;
	return r < 0 ? err_errno(err, r, "cannot fill the volume at %.200s", path) : 0;
}

static int cell_mount_shares(char *const *shares, struct err *err)
{
	size_t n = strv_len(shares);

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *tag = mem_printf(GUEST_SHARE "%zu", i);
		int r = cell_mount_share(shares[i], tag, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The way in of the main workload, in namespaces of its own. */
static int cell_enter_new(void *ctx, struct err *err)
{
	const struct guest_config *config = ((struct cell *)ctx)->config;
	int r;

	/* By now we are in the cgroup that is to be the root. */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_errno(err, -errno, "cannot make a cgroup namespace");
	(void)umount2(DISK_DATA, MNT_DETACH);
	if (chdir(DISK_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return err_errno(err, -errno, "cannot make the image the root");
	r = cell_mount_kinds(config, err);
	if (r == 0 && !config->system)
		r = cell_make_devices(err);
	/* what is in a folder of the host's is the host's affair */
	if (r == 0 && !config->folder_root)
		r = disk_show(err);
	if (r == 0 && !config->folder_root)
		r = etc_show(config, CELL_ASIDE, err);
	if (r < 0)
		return r;
	strv_for_each(text, config->tmpfs) {
		r = cell_mount_tmpfs(*text, err);
		if (r < 0)
			return r;
	}
	r = cell_mount_shares(config->shares, err);
	if (r < 0)
		return r;
	if (config->read_only && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return err_errno(err, -errno, "cannot make the root read-only");
	return 0;
}

int cell_join_files(const struct cell *cell, struct err *err)
{
	_cleanup_close_ int pidfd = -EBADF;

	if (!cell->pid)
		return err_set(err, -ESRCH, "the instance's workload does not run");
	pidfd = (int)syscall(SYS_pidfd_open, cell->pid, 0); /* a child has lost the agent's */
	if (pidfd < 0 || setns(pidfd, CLONE_NEWNS) < 0)
		return err_errno(err, -errno, "cannot join the instance");
	return 0;
}

/* The way in of every other process. */
static int cell_enter_existing(void *ctx, struct err *err)
{
	struct cell *cell = ctx;

	if (setns(cell->pidfd, CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
		return err_errno(err, -errno, "cannot join the instance");
	return 0;
}

/* All controllers are passed on to an init system; a process limit needs its own. */
static int cell_enable_controllers(int all, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **names = NULL;
	int r = file_read(AT_FDCWD, CELL_CGROUPS "/cgroup.controllers", 4096, &text, NULL);

	if (r < 0)
		return err_errno(err, r, "cannot read the cgroup controllers");
	names = strv_split(text, " \n");
	strv_for_each(name, names) {
		_cleanup_free_ char *enable = mem_printf("+%s", *name);

		if (!all && strcmp(*name, "pids"))
			continue;
		r = file_write_value(AT_FDCWD, CELL_CGROUPS "/cgroup.subtree_control", enable);
		if (r < 0)
			return err_errno(err, r, "cannot enable the cgroup controller %s", *name);
	}
	return 0;
}

int cell_limit_processes(struct cell *cell, uint64_t limit, struct err *err)
{
	char text[24] = "max";
	int r = 0;

	if (limit && !cell->limits_processes)
		r = cell_enable_controllers(0, err);
	if (r < 0 || (!limit && !cell->limits_processes))
		return r;
	cell->limits_processes = 1;
	if (limit)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
	r = file_write_value(AT_FDCWD, CELL_CGROUP "/pids.max", text);
	return r < 0 ? err_errno(err, r, "cannot limit the number of processes") : 0;
}

int cell_init(struct cell *cell, const struct guest_config *config, struct err *err)
{
	int r;

	*cell = (struct cell){ .config = config, .cgroup = -EBADF, .pidfd = -EBADF };
	r = limits_parse(config, &cell->limits, err);
	if (r == 0 && config->system)
		r = cell_enable_controllers(1, err);
	if (r < 0)
		return r;
	if (mkdir(CELL_CGROUP, 0755) < 0)
		return err_errno(err, -errno, "cannot make the instance's cgroup");
	cell->cgroup = open(CELL_CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (cell->cgroup < 0)
		return err_errno(err, -errno, "cannot open the instance's cgroup");
	return cell_limit_processes(cell, config->pids_limit, err);
}

int cell_run(struct cell *cell, const struct process *process, struct launch *ret, struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;
	int r;

	spec.process = process;
	spec.enter = cell_enter_new;
	spec.enter_ctx = cell;
	spec.namespaces = CLONE_NEWPID | CLONE_NEWNS;
	spec.cgroup = cell->cgroup;
	spec.init = cell->config->init;
	spec.console = 1;
	spec.limits = &cell->limits;
	r = launch_start(&spec, ret, err);
	if (r < 0)
		return r;
	cell->pid = ret->pid;
	cell->pidfd = take_fd(&ret->pidfd);
	return 0;
}

/*
 * The cgroup of PID 1 and not the instance's topmost one: where an init system has passed controllers on,
 * no process may be in that.
 */
static int cell_open_cgroup(const struct cell *cell)
{
	_cleanup_free_ char *text = NULL, *path = NULL;
	char file[32];
	int fd, r;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", cell->pid);
	r = file_read(AT_FDCWD, file, 8192, &text, NULL);
	if (r < 0)
		return r;
	if (strncmp(text, "0::", 3))
		return -ENODATA;
	text[strcspn(text, "\n")] = '\0';
	path = mem_printf(CELL_CGROUPS "%s", text + 3);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int cell_join(struct cell *cell, struct launch_spec *spec, struct launch *ret,
		     struct err *err)
{
	_cleanup_close_ int cgroup = -EBADF;

	if (!cell->pid)
		return err_set(err, -ESRCH, "the instance's workload does not run");
	cgroup = cell_open_cgroup(cell);
	if (cgroup < 0)
		return err_errno(err, cgroup, "cannot find the instance's cgroup");
	spec->enter = cell_enter_existing;
	spec->enter_ctx = cell;
	spec->pid_namespace = cell->pidfd;
	spec->cgroup = cgroup;
	spec->limits = &cell->limits;
	return launch_start(spec, ret, err);
}

int cell_exec(struct cell *cell, const struct process *process, struct launch *ret, struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.process = process;
	return cell_join(cell, &spec, ret, err);
}

int cell_work(struct cell *cell, int (*fn)(void *ctx, struct err *err), void *ctx,
	      struct launch *ret, struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.work = fn;
	spec.work_ctx = ctx;
	return cell_join(cell, &spec, ret, err);
}

int cell_ended(struct cell *cell, int status)
{
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	cell->pid = 0;
	cell->pidfd = fd_close(cell->pidfd);
	return number ? 128 + number : WEXITSTATUS(status);
}
