// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the container's cgroup is made as for a start; then CRIU is called in a mount namespace of its own,
 * where all that the container shows of the host is mounted below one folder, as container/checkpoint_binds.h has
 * it, with the new root among it. That namespace ends with CRIU.
 *
 * CRIU tells of its steps, and each is a turn of ours:
 *
 *   "setup-namespaces"    the first process is there, in its namespaces: who keeps the container hears of it, and
 *                         hooks of the creation run
 *   "orphan-pts-master"   the terminal's master comes along
 *   "post-restore"        all is made and nothing runs yet: who keeps the container hears of that
 */
#include "container/checkpoint-internal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/checkpoint_binds.h"
#include "container/mounts.h"
#include "container/rootfs.h"
#include "sys/inroot.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#define CHECKPOINT_DESCRIPTORS_MAX ((size_t)64 * 1024)
#define CHECKPOINT_PAGEMAP_MAX	   ((size_t)256 << 20)
#define CHECKPOINT_PARENTS_MAX	   64
#define CHECKPOINT_STREAM_FD	   10 /* beyond those that programs think to be standard ones */

struct checkpoint_restore {
	struct checkpoint base;
	const struct checkpoint_place *place;
	struct launch *launch;
	int terminal;
	int *fds; /* that CRIU inherits */
	size_t n_fds;
};

static void checkpoint_restore_release(struct checkpoint_restore *restore)
{
	for (size_t i = 0; i < restore->n_fds; i++)
		fd_close(restore->fds[i]);
	free(restore->fds);
	fd_close(restore->terminal);
	checkpoint_release(&restore->base);
}

static void checkpoint_inherit(struct checkpoint_restore *restore, const char *key, int fd)
{
	restore->fds = mem_realloc(restore->fds, restore->n_fds + 1, sizeof(*restore->fds));
	restore->fds[restore->n_fds++] = fd;
	criu_wire_put_numbered(&restore->base.request, CRIU_INHERIT_FD, key, (uint64_t)fd);
}

static int checkpoint_check_pagemap(int images, const char *name, const char *path, struct err *err)
{
	_cleanup_free_ char *data = NULL, *pages_name = NULL;
	uint64_t id = 0, pages = 0;
	struct stat st;
	size_t len = 0;

	/* what is wrong with it otherwise, CRIU finds out */
	if (file_read(images, name, CHECKPOINT_PAGEMAP_MAX, &data, &len) < 0 ||
	    criu_wire_count_pages(data, len, &id, &pages) < 0 || !pages)
		return 0;
	pages_name = mem_printf("pages-%llu.img", (unsigned long long)id);
	if (fstatat(images, pages_name, &st, 0) < 0)
		return err_errno(err, -errno, "%s/%s", path, pages_name);
	if ((uint64_t)st.st_size / (uint64_t)sysconf(_SC_PAGESIZE) < pages)
		return err_set(err, -EBADMSG, "%s/%s: it is not whole: %llu pages belong there",
			       path, pages_name, (unsigned long long)pages);
	return 0;
}

/* CRIU waits for ever for memory that is not there (seen of 4.2). */
static int checkpoint_check_pages(int images, const char *path, struct err *err)
{
	int fd = openat(images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = err_errno(err, -errno, "cannot read the folder %s", path);
		fd_close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "pagemap-", strlen("pagemap-")))
			r = checkpoint_check_pagemap(images, entry->d_name, path, err);
	}
	return r;
}

/* Those of the folder, and of the earlier ones that it leads to. */
static int checkpoint_check_images(struct checkpoint_restore *restore, struct err *err)
{
	const char *path = restore->base.options->images;
	_cleanup_close_ int images = fcntl(restore->base.images, F_DUPFD_CLOEXEC, 3);
	int r = 0;

	/* or it comes from elsewhere */
	if (restore->base.options->lazy_pages)
		return 0;
	for (int i = 0; i < CHECKPOINT_PARENTS_MAX && images >= 0 && r == 0; i++) {
		int parent;

		r = checkpoint_check_pages(images, path, err);
		parent = openat(images, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd_close(images);
		images = parent;
	}
	return r;
}

/* Pipes of the standard streams lead to who has made the container; now that is somebody else. */
static int checkpoint_inherit_streams(struct checkpoint_restore *restore, struct err *err)
{
	_cleanup_json_ struct json *streams = NULL;
	const char *seen[3] = { NULL };
	int r = json_read_file(restore->base.images, CHECKPOINT_DESCRIPTORS,
			       CHECKPOINT_DESCRIPTORS_MAX, &streams, err);

	if (r < 0)
		return err_wrap(err, "%s", restore->base.options->images);
	for (size_t i = 0; i < 3; i++) {
		const char *name = checkpoint_stream(streams, i);
		int fd;

		if (!name || (seen[0] && !strcmp(seen[0], name)) ||
		    (seen[1] && !strcmp(seen[1], name)))
			continue;
		seen[i] = name;
		fd = fcntl(restore->place->stdio[i], F_DUPFD_CLOEXEC, CHECKPOINT_STREAM_FD);
		if (fd < 0)
			return err_errno(err, -errno, "cannot pass the standard streams on");
		checkpoint_inherit(restore, name, fd);
	}
	return 0;
}

static const struct checkpoint_external *checkpoint_find_external(uint64_t type)
{
	for (size_t i = 0; i < CHECKPOINT_EXTERNALS; i++) {
		if (checkpoint_externals[i].type == type)
			return &checkpoint_externals[i];
	}
	return NULL;
}

static const char *checkpoint_join_name(uint64_t type)
{
	return type == CLONE_NEWIPC ? "ipc" : type == CLONE_NEWUTS ? "uts" : NULL;
}

static int checkpoint_join_namespaces(struct checkpoint_restore *restore, struct err *err)
{
	const struct spec *spec = restore->base.spec;

	for (size_t i = 0; i < spec->n_joins; i++) {
		const struct spec_join *join = &spec->joins[i];
		const struct checkpoint_external *external = checkpoint_find_external(join->type);
		const char *name = checkpoint_join_name(join->type);
		int fd;

		if (name) {
			criu_wire_put_pair(&restore->base.request, CRIU_JOIN_NS, name, join->path);
			continue;
		}
		if (!external)
			return err_set(err, -EOPNOTSUPP,
				       "linux.namespaces: a restored container can join others' "
				       "network, pid, ipc and uts namespaces, but not %s",
				       join->path);
		fd = open(join->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			return err_errno(err, -errno,
					 "linux.namespaces: cannot open the namespace %s",
					 join->path);
		checkpoint_inherit(restore, external->key, fd);
	}
	return 0;
}

static int checkpoint_give_mounts(struct checkpoint_restore *restore, struct err *err)
{
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_mountinfo_ struct mountinfo host = { 0 };
	const char *scratch = restore->place->scratch;
	_cleanup_strv_ char **seen = NULL;
	int r = mountinfo_read(0, &host, err);

	if (r < 0)
		return r;
	checkpoint_binds_of(restore->base.spec, &host, &binds);
	for (size_t i = 0; i < binds.n; i++) {
		const struct checkpoint_bind *bind = &binds.list[i];
		_cleanup_free_ char *source = *bind->source == '/'
						      ? mem_strdup(bind->source)
						      : mem_printf("%s/%s", scratch, bind->source);

		if (strv_has(seen, bind->name))
			continue;
		strv_add(&seen, bind->name);
		criu_wire_put_pair(&restore->base.request, CRIU_EXT_MOUNT, bind->name, source);
	}
	return 0;
}

static int checkpoint_put_restore(struct checkpoint_restore *restore, struct err *err)
{
	const struct spec *spec = restore->base.spec;
	struct buf *request = &restore->base.request;
	_cleanup_free_ char *root = mem_printf("%s/" CHECKPOINT_ROOT, restore->place->scratch);
	int r;

	criu_wire_put_string(request, CRIU_ROOT, root);
	criu_wire_put_number(request, CRIU_RESTORE_SIBLING, 1);
	if (restore->launch->cgroup) {
		_cleanup_buf_ struct buf group = BUF_INIT;

		criu_wire_put_string(&group, 2, spec->cgroup_path);
		criu_wire_put_message(request, CRIU_CGROUP_ROOT, &group);
	}
	r = checkpoint_inherit_streams(restore, err);
	if (r == 0)
		r = checkpoint_join_namespaces(restore, err);
	return r < 0 ? r : checkpoint_give_mounts(restore, err);
}

/* A place below the folder for a mount, and the mount there. */
static int checkpoint_attach(int scratch, const char *name, int fd, struct err *err)
{
	_cleanup_close_ int at = -EBADF;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at a mount");
	at = S_ISDIR(st.st_mode) ? inroot_make_dir(scratch, name, 0700)
				 : inroot_make_file(scratch, name, 0600);
	if (at < 0)
		return err_errno(err, at, "cannot make a place for a mount");
	return mnt_attach(fd, at, err);
}

static int checkpoint_mount_root(const struct spec *spec, int scratch, struct err *err)
{
	_cleanup_close_ int userns = -EBADF, root = -EBADF;
	int r = 0;

	if (!spec->root_path && spec->idmap.n_uids) {
		userns = idmap_make_userns(&spec->idmap, err);
		r = userns < 0 ? userns : 0;
	}
	if (r == 0)
		r = rootfs_mount(spec, userns, &root, err);
	return r < 0 ? r : checkpoint_attach(scratch, CHECKPOINT_ROOT, root, err);
}

/* A mount of the container's has its place in its root; a new root may not have it yet. */
static int checkpoint_make_place(const struct spec *spec, size_t i, int root, int is_folder,
				 struct err *err)
{
	const char *place = spec->mounts[i].destination;
	int fd;

	for (size_t above = 0; above < spec->n_mounts; above++) {
		if (mountinfo_below(place, spec->mounts[above].destination))
			return 0;
	}
	fd = is_folder ? inroot_make_dir(root, place, 0755) : inroot_make_file(root, place, 0644);
	if (fd < 0)
		return err_errno(err, fd, "cannot make %s in the root", place);
	fd_close(fd);
	return 0;
}

static int checkpoint_mount_one(const struct spec *spec, size_t i, int fd, int scratch, int root,
				struct err *err)
{
	const struct spec_mount *mount = &spec->mounts[i];
	struct stat st = { .st_mode = S_IFDIR };
	char name[24];
	int r;

	if (fd >= 0 && fstat(fd, &st) < 0)
		return err_errno(err, -errno, "mount %s", mount->destination);
	if (!mount->if_exists && !mount->is_store && (fd >= 0 || !mount->if_source)) {
		r = checkpoint_make_place(spec, i, root, S_ISDIR(st.st_mode), err);
		if (r < 0)
			return r;
	}
	snprintf(name, sizeof(name), "%zu", i);
	return fd < 0 ? 0 : checkpoint_attach(scratch, name, fd, err);
}

static int checkpoint_mount_all(const struct spec *spec, int *fds, int scratch, struct err *err)
{
	_cleanup_close_ int root = -EBADF;
	int r = mounts_make_outside(spec, fds, err);

	if (r == 0)
		r = checkpoint_mount_root(spec, scratch, err);
	if (r < 0)
		return r;
	root = openat(scratch, CHECKPOINT_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(err, -errno, "cannot open the root");
	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		r = checkpoint_mount_one(spec, i, fds[i], scratch, root, err);
	return r;
}

/* In the namespace that ends with CRIU. */
static int checkpoint_prepare(void *ctx, struct err *err)
{
	const struct checkpoint_restore *restore = ctx;
	const struct spec *spec = restore->base.spec;
	const char *path = restore->place->scratch;
	_cleanup_free_ int *fds = mem_zalloc((spec->n_mounts + 1) * sizeof(*fds));
	_cleanup_close_ int scratch = -EBADF;

	if (mount("tmpfs", path, "tmpfs", MS_NOSUID, "mode=700") < 0)
		return err_errno(err, -errno, "cannot mount %s", path);
	scratch = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scratch < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	for (size_t i = 0; i < spec->n_mounts; i++)
		fds[i] = -EBADF;
	/* they are closed with the rest at the program's start */
	return checkpoint_mount_all(spec, fds, scratch, err);
}

static int checkpoint_take_process(struct checkpoint_restore *restore, pid_t pid, int ready,
				   struct err *err)
{
	const struct checkpoint_place *place = restore->place;
	struct launch *launch = restore->launch;

	if (!launch->pid) {
		launch->pidfd = pid > 0 ? pidfd_open(pid, 0) : -ESRCH;
		if (launch->pidfd < 0)
			return err_set(err, -ESRCH, "the restored process is gone");
		launch->pid = pid;
	}
	return place->found(place->ctx, launch, ready, err);
}

static int checkpoint_run_hooks(struct checkpoint_restore *restore, pid_t pid, struct err *err)
{
	const struct spec *spec = restore->base.spec;
	int r;

	r = checkpoint_take_process(restore, pid, 0, err);
	if (r < 0)
		return r;
	restore->launch->hooked = 1;
	r = spec_hooks_run(spec, CONFIG_HOOK_PRESTART, "creating", pid, err);
	return r < 0 ? r
		     : spec_hooks_run(spec, CONFIG_HOOK_CREATE_RUNTIME, "creating", pid, err);
}

static int checkpoint_on_step(void *ctx, const char *script, pid_t pid, int fd, struct err *err)
{
	struct checkpoint_restore *restore = ctx;

	if (!strcmp(script, "setup-namespaces"))
		return checkpoint_run_hooks(restore, pid, err);
	if (!strcmp(script, "orphan-pts-master") && fd >= 0 && restore->terminal < 0) {
		restore->terminal = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return restore->terminal < 0 ? err_errno(err, -errno, "cannot take the terminal")
					     : 0;
	}
	return strcmp(script, "post-restore") ? 0 : checkpoint_take_process(restore, pid, 1, err);
}

int checkpoint_restore(const struct spec *spec, const struct checkpoint_options *options,
		       const struct checkpoint_place *place, struct launch *ret, int *ret_terminal,
		       struct err *err)
{
	_cleanup_(checkpoint_restore_release) struct checkpoint_restore restore = {
		.base = { .images = -EBADF, .work = -EBADF },
		.place = place,
		.launch = ret,
		.terminal = -EBADF,
	};
	struct criu_call *call = &restore.base.call;
	struct criu_answer answer = { 0 };
	int r;

	*ret = LAUNCH_INIT;
	*ret_terminal = -EBADF;
	r = checkpoint_begin(&restore.base, spec, options, 0, err);
	if (r == 0)
		r = checkpoint_check_images(&restore, err);
	if (r == 0)
		r = launch_make_group(spec, ret, err);
	if (r == 0)
		r = checkpoint_put_restore(&restore, err);
	if (r < 0)
		return r;
	call->type = CRIU_RESTORE;
	call->log = CHECKPOINT_RESTORE_LOG;
	call->fds = restore.fds;
	call->n_fds = restore.n_fds;
	call->prepare = checkpoint_prepare;
	call->notify = checkpoint_on_step;
	call->ctx = &restore;
	r = criu_run(call, &answer, err);
	if (r == 0 && !ret->pid)
		r = err_set(err, -EPROTO, "criu has not told of the restored process");
	*ret_terminal = r < 0 ? -EBADF : take_fd(&restore.terminal);
	return r;
}
