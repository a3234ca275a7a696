// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the container's cgroup is made as for a start; then CRIU is called in a mount namespace of its own,
 * where all that the container shows of the host is mounted below one folder, as container/checkpoint_binds.h has
 * it, with the new root among it. That namespace ends with CRIU.
 *
 * CRIU tells of its steps, and each is a turn of ours:
 *
 *   "pre-restore"         nothing is there yet
 *   "setup-namespaces"    the first process is there, in its namespaces: who keeps the container hears of it, and
 *                         makes its interfaces, before CRIU makes sockets of their addresses; hooks of the creation run
 *   "orphan-pts-master"   the terminal's master comes along
 *   "post-restore"        all is made and nothing runs yet: who keeps the container hears of that, and the kernel's
 *                         settings that CRIU does not save are made
 */
#include "container/checkpoint-internal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/checkpoint_binds.h"
#include "container/inner.h"
#include "container/mounts.h"
#include "container/rootfs.h"
#include "container/sysctl.h"
#include "sys/inroot.h"
#include "sys/mnt.h"
#include "sys/netif.h"
#include "sys/procfs.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CHECKPOINT_DESCRIPTORS_MAX ((size_t)64 * 1024)
/* What is mounted is mounted below it: a folder that every host has, and everybody can get to. CRIU's own temporary
 * folders come there as well, and go with it. */
#define CHECKPOINT_SCRATCH     "/tmp"
#define CHECKPOINT_PAGEMAP_MAX ((size_t)256 << 20)
#define CHECKPOINT_PARENTS_MAX 64
#define CHECKPOINT_STREAM_FD   10 /* beyond those that programs think to be standard ones */

struct checkpoint_restore {
	struct checkpoint base;
	struct checkpoint_options options;
	struct checkpoint_place place;
	struct launch *launch;
	struct criu *criu;
	int terminal;
	int begun; /* there may be a first process by now */
	int cancelled;
	int *fds; /* that CRIU inherits */
	size_t n_fds;
};

static void checkpoint_close_fds(struct checkpoint_restore *restore)
{
	for (size_t i = 0; i < restore->n_fds; i++)
		fd_close(restore->fds[i]);
	restore->n_fds = 0;
}

struct checkpoint_restore *checkpoint_restore_free(struct checkpoint_restore *restore)
{
	if (!restore)
		return NULL;
	restore->criu = criu_free(restore->criu);
	checkpoint_close_fds(restore);
	free(restore->fds);
	fd_close(restore->terminal);
	checkpoint_release(&restore->base);
	free(restore);
	return NULL;
}

static void checkpoint_restore_freep(struct checkpoint_restore **restore)
{
	checkpoint_restore_free(*restore);
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

/*
 * What CRIU still reads in a user namespace, it reads first as the host's root without any capability, then as that
 * namespace's root: so the images are the latter's, and the former's by their group. Nobody else gets to them.
 */
static int checkpoint_give(const struct spec *spec, int dir, const char *name, mode_t mode)
{
	if (!spec->idmap.n_uids)
		return 0;
	if (fchownat(dir, name, idmap_uid(&spec->idmap, 0), 0, 0) < 0 ||
	    fchmodat(dir, name, mode, 0) < 0)
		return -errno;
	return 0;
}

/* CRIU waits for ever for memory that is not there (seen of 4.2). */
static int checkpoint_ready_image(const struct spec *spec, int images, const char *name,
				  const char *path, struct err *err)
{
	struct stat st;
	int r = 0;

	if (fstatat(images, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		r = checkpoint_give(spec, images, name, 0640);
	if (r < 0)
		return err_errno(err, r, "cannot give %s/%s to the container's root", path, name);
	if (strncmp(name, "pagemap-", strlen("pagemap-")) != 0)
		return 0;
	return checkpoint_check_pagemap(images, name, path, err);
}

static int checkpoint_ready_folder(const struct spec *spec, int images, const char *path,
				   struct err *err)
{
	int fd = openat(images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = err_errno(err, -errno, "cannot read the folder %s", path);
		fd_close(fd);
		return r;
	}
	r = checkpoint_give(spec, fd, ".", 0750);
	if (r < 0)
		return err_errno(err, r, "cannot give the folder %s to the container's root", path);
	while (r == 0 && (entry = readdir(dir)))
		r = checkpoint_ready_image(spec, images, entry->d_name, path, err);
	return r;
}

/* Those of the folder, and of the earlier ones that it leads to. */
static int checkpoint_ready_images(struct checkpoint_restore *restore, struct err *err)
{
	const struct checkpoint *base = &restore->base;
	_cleanup_close_ int images = fcntl(base->images, F_DUPFD_CLOEXEC, 3);
	int r = 0;

	/* or memory comes from elsewhere */
	if (base->options->lazy_pages)
		return 0;
	for (int i = 0; i < CHECKPOINT_PARENTS_MAX && images >= 0 && r == 0; i++) {
		int parent;

		r = checkpoint_ready_folder(base->spec, images, base->options->images, err);
		parent = openat(images, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd_close(images);
		images = parent;
	}
	return r;
}

/* CRIU opens a pipe again, as the root of the user namespace. */
static int checkpoint_give_stream(const struct spec *spec, int fd)
{
	struct stat st;

	if (!spec->idmap.n_uids || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return 0;
	return fchown(fd, idmap_uid(&spec->idmap, 0), idmap_gid(&spec->idmap, 0));
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

		if (!name || restore->place.stdio[i] < 0 || (seen[0] && !strcmp(seen[0], name)) ||
		    (seen[1] && !strcmp(seen[1], name)))
			continue;
		seen[i] = name;
		fd = fcntl(restore->place.stdio[i], F_DUPFD_CLOEXEC, CHECKPOINT_STREAM_FD);
		if (fd < 0 || checkpoint_give_stream(restore->base.spec, fd) < 0) {
			int code = -errno;

			fd_close(fd);
			return err_errno(err, code, "cannot pass the standard streams on");
		}
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
	_cleanup_strv_ char **seen = NULL;
	int r = mountinfo_read(0, &host, err);

	if (r < 0)
		return r;
	checkpoint_binds_of(restore->base.spec, &host, &binds);
	for (size_t i = 0; i < binds.n; i++) {
		const struct checkpoint_bind *bind = &binds.list[i];
		_cleanup_free_ char *source =
			*bind->source == '/' ? mem_strdup(bind->source)
					     : mem_printf(CHECKPOINT_SCRATCH "/%s", bind->source);

		if (strv_has(seen, bind->name))
			continue;
		strv_add(&seen, bind->name);
		criu_wire_put_pair(&restore->base.request, CRIU_EXT_MOUNT, bind->name, source);
	}
	return 0;
}

/* Its new group takes the place of the old one, in the hierarchies that it is in. */
static void checkpoint_put_groups(struct checkpoint_restore *restore)
{
	const struct cgroup *cgroup = restore->launch->cgroup;
	_cleanup_strv_ char **names = cgroup ? cgroup_host_hierarchies(cgroup) : NULL;

	strv_for_each(name, names)
		criu_wire_put_pair(&restore->base.request, CRIU_CGROUP_ROOT, *name,
				   restore->base.spec->cgroup_path);
}

static int checkpoint_put_restore(struct checkpoint_restore *restore, struct err *err)
{
	struct buf *request = &restore->base.request;
	int r;

	criu_wire_put_string(request, CRIU_ROOT, CHECKPOINT_SCRATCH "/" CHECKPOINT_ROOT);
	criu_wire_put_number(request, CRIU_RESTORE_SIBLING, 1);
	checkpoint_put_groups(restore);
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

static int checkpoint_make_root(const struct spec *spec, int *ret_fd, struct err *err)
{
	_cleanup_close_ int userns = -EBADF;

	if (!spec->root_path && spec->idmap.n_uids) {
		userns = idmap_make_userns(&spec->idmap, err);
		if (userns < 0)
			return userns;
	}
	return rootfs_mount(spec, userns, ret_fd, err);
}

/* A mount of the container's has its place in its root; a new root may not have it yet. */
static int checkpoint_make_place(const struct spec *spec, size_t i, const int *fds, int root,
				 int is_folder, struct err *err)
{
	const char *place = spec->mounts[i].destination;
	int fd;

	for (size_t above = 0; above < spec->n_mounts; above++) {
		const char *rest = mountinfo_below(place, spec->mounts[above].destination);

		if (!rest)
			continue;
		if (!checkpoint_binds_is_nodes(spec, above))
			return 0;
		root = fds[above];
		place = rest;
		break;
	}
	fd = is_folder ? inroot_make_dir(root, place, 0755) : inroot_make_file(root, place, 0644);
	if (fd < 0)
		return err_errno(err, fd, "cannot make %s in the root", place);
	fd_close(fd);
	return 0;
}

/* The place of the terminal, which is a mount that no configuration has. */
static int checkpoint_make_console(const struct spec *spec, const int *fds, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int fd = checkpoint_binds_is_nodes(spec, i)
				 ? inroot_make_file(fds[i], "console", 0666)
				 : -EBADF;

		if (fd < 0 && fd != -EBADF)
			return err_errno(err, fd, "cannot make /dev/console");
		fd_close(fd);
	}
	return 0;
}

static int checkpoint_make_places(const struct spec *spec, const int *fds, int root,
				  struct err *err)
{
	int r = spec->process.tty ? checkpoint_make_console(spec, fds, err) : 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		struct stat st = { .st_mode = S_IFDIR };

		if (mount->if_exists || mount->is_store || (fds[i] < 0 && mount->if_source))
			continue;
		if (fds[i] >= 0 && fstat(fds[i], &st) < 0)
			return err_errno(err, -errno, "mount %s", mount->destination);
		r = checkpoint_make_place(spec, i, fds, root, S_ISDIR(st.st_mode), err);
	}
	return r;
}

static int checkpoint_attach_all(const struct spec *spec, const int *fds, int root, struct err *err)
{
	_cleanup_close_ int scratch = -EBADF;
	int r;

	/* the container's root, which is not the host's, has to get there, and makes files there */
	if (mount("tmpfs", CHECKPOINT_SCRATCH, "tmpfs", MS_NOSUID, "mode=1777") < 0)
		return err_errno(err, -errno, "cannot mount " CHECKPOINT_SCRATCH);
	scratch = open(CHECKPOINT_SCRATCH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scratch < 0)
		return err_errno(err, -errno, "cannot open " CHECKPOINT_SCRATCH);
	r = checkpoint_attach(scratch, CHECKPOINT_ROOT, root, err);
	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%zu", i);
		r = fds[i] < 0 ? 0 : checkpoint_attach(scratch, name, fds[i], err);
	}
	return r;
}

/* In the namespace that ends with CRIU, and in the process that becomes CRIU, which closes what is open here. */
static int checkpoint_prepare(void *ctx, struct err *err)
{
	const struct checkpoint_restore *restore = ctx;
	const struct spec *spec = restore->base.spec;
	_cleanup_free_ int *fds = mem_zalloc((spec->n_mounts + 1) * sizeof(*fds));
	_cleanup_close_ int root = -EBADF;
	int r;

	for (size_t i = 0; i < spec->n_mounts; i++)
		fds[i] = -EBADF;
	r = mounts_make_outside(spec, fds, err);
	if (r == 0)
		r = checkpoint_make_root(spec, &root, err);
	if (r == 0)
		r = checkpoint_make_places(spec, fds, root, err);
	/* making the root may have taken us to another mount namespace */
	if (r == 0)
		r = criu_reopen_folders(&restore->base.call, err);
	return r < 0 ? r : checkpoint_attach_all(spec, fds, root, err);
}

static int checkpoint_take_process(struct checkpoint_restore *restore, pid_t pid, int ready,
				   struct err *err)
{
	const struct checkpoint_place *place = &restore->place;
	struct launch *launch = restore->launch;

	if (!launch->pid) {
		launch->pidfd = pid > 0 ? pidfd_open(pid, 0) : -ESRCH;
		if (launch->pidfd < 0)
			return err_set(err, -ESRCH, "the restored process is gone");
		launch->pid = pid;
	}
	return place->found ? place->found(place->ctx, launch, ready, err) : 0;
}

/* By a child that joins them: what of it CRIU does not save, it would have lost. proc: of the host. */
static int checkpoint_child_sysctl(const struct checkpoint_restore *restore, int proc,
				   struct err *err)
{
	const uint64_t kinds = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	const struct spec *spec = restore->base.spec;
	struct err ignored = ERR_INIT;

	if (setns(restore->launch->pidfd, (int)(spec_namespaces(spec) & kinds)) < 0)
		return err_errno(err, -errno, "cannot enter the restored namespaces");
	if (spec->open_network && (spec->namespaces & CLONE_NEWNET))
		(void)sysctl_apply(proc, inner_open_network, INNER_OPEN_NETWORK, &ignored);
	return sysctl_apply(proc, spec->sysctl, spec->n_sysctl, err);
}

/* In a network namespace that CRIU leaves empty. */
static int checkpoint_child_loopback(const struct checkpoint_restore *restore, int proc _unused_,
				     struct err *err)
{
	if (setns(restore->launch->pidfd, CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "cannot enter the restored network namespace");
	return netif_loopback_up(err);
}

/* What is done from inside is a child's work. */
static int checkpoint_by_child(const struct checkpoint_restore *restore, int proc,
			       int (*fn)(const struct checkpoint_restore *restore, int proc,
					 struct err *err),
			       struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF, fd = -EBADF;
	struct err said = ERR_INIT;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = spawn_clone(0, -EBADF, &pidfd);
	if (pid < 0)
		return err_errno(err, (int)pid, "cannot start a process");
	if (!pid) {
		(void)fn(restore, proc, &said);
		(void)spawn_send(theirs, &said, sizeof(said), -EBADF);
		_exit(0);
	}
	theirs = fd_close(theirs);
	if (spawn_receive(ours, &said, sizeof(said), &fd, 0) != (ssize_t)sizeof(said))
		err_set(&said, -ECHILD, "who was to set up the network was killed");
	(void)spawn_wait(pidfd);
	if (said.code)
		*err = said;
	return said.code;
}

/* Settings of the container's namespaces (linux.sysctl). */
static int checkpoint_set_sysctl(const struct checkpoint_restore *restore, struct err *err)
{
	const struct spec *spec = restore->base.spec;
	_cleanup_close_ int proc = -EBADF;
	int r;

	if (!spec->n_sysctl && !spec->open_network)
		return 0;
	r = procfs_open(&proc, err);
	return r < 0 ? r : checkpoint_by_child(restore, proc, checkpoint_child_sysctl, err);
}

static int checkpoint_finish(struct checkpoint_restore *restore, pid_t pid, struct err *err)
{
	int r = checkpoint_take_process(restore, pid, 1, err);

	return r < 0 ? r : checkpoint_set_sysctl(restore, err);
}

static int checkpoint_run_hooks(struct checkpoint_restore *restore, pid_t pid, struct err *err)
{
	const struct spec *spec = restore->base.spec;
	int r;

	r = checkpoint_take_process(restore, pid, 0, err);
	if (r == 0 && spec->wired)
		r = checkpoint_by_child(restore, -EBADF, checkpoint_child_loopback, err);
	if (r < 0)
		return r;
	restore->launch->hooked = 1;
	r = spec_hooks_run(spec, CONFIG_HOOK_PRESTART, "creating", pid, err);
	return r < 0 ? r : spec_hooks_run(spec, CONFIG_HOOK_CREATE_RUNTIME, "creating", pid, err);
}

static int checkpoint_on_step(void *ctx, const char *script, pid_t pid, int fd, struct err *err)
{
	struct checkpoint_restore *restore = ctx;

	if (restore->cancelled)
		return err_set(err, -ECANCELED, "the restore was ended");
	restore->begun = 1;
	if (!strcmp(script, "setup-namespaces"))
		return checkpoint_run_hooks(restore, pid, err);
	if (!strcmp(script, "orphan-pts-master") && fd >= 0 && restore->terminal < 0) {
		restore->terminal = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return restore->terminal < 0 ? err_errno(err, -errno, "cannot take the terminal")
					     : 0;
	}
	return strcmp(script, "post-restore") ? 0 : checkpoint_finish(restore, pid, err);
}

int checkpoint_restore_begin(const struct spec *spec, const struct checkpoint_options *options,
			     const struct checkpoint_place *place, struct launch *launch,
			     struct checkpoint_restore **ret, struct err *err)
{
	_cleanup_(checkpoint_restore_freep) struct checkpoint_restore *restore =
		mem_zalloc(sizeof(*restore));
	struct criu_call *call = &restore->base.call;
	int r;

	*restore = (struct checkpoint_restore){
		.base = { .images = -EBADF, .work = -EBADF },
		.options = *options,
		.place = *place,
		.launch = launch,
		.terminal = -EBADF,
	};
	r = checkpoint_begin(&restore->base, spec, &restore->options, 0, err);
	if (r == 0)
		r = checkpoint_ready_images(restore, err);
	if (r == 0)
		r = launch_make_group(spec, launch, err);
	if (r == 0)
		r = checkpoint_put_restore(restore, err);
	if (r < 0)
		return r;
	call->type = CRIU_RESTORE;
	call->log = CHECKPOINT_RESTORE_LOG;
	call->fds = restore->fds;
	call->n_fds = restore->n_fds;
	call->prepare = checkpoint_prepare;
	call->notify = checkpoint_on_step;
	call->ctx = restore;
	r = criu_begin(call, &restore->criu, err);
	/* a stream ends when nobody inside has it any more */
	checkpoint_close_fds(restore);
	if (r == 0)
		*ret = take_ptr(restore);
	return r;
}

int checkpoint_restore_fd(const struct checkpoint_restore *restore)
{
	return criu_fd(restore->criu);
}

int checkpoint_restore_step(struct checkpoint_restore *restore, int *ret_terminal, struct err *err)
{
	struct criu_answer answer = { 0 };
	int r = criu_step(restore->criu, &answer, err);

	*ret_terminal = -EBADF;
	if (r == 0 && !restore->launch->pid)
		r = err_set(err, -EPROTO, "criu has not told of the restored process");
	if (r == 0)
		*ret_terminal = take_fd(&restore->terminal);
	return r;
}

/* While the first process may be there and is not known nobody else could end it: then CRIU does, at its next word. */
void checkpoint_restore_cancel(struct checkpoint_restore *restore)
{
	restore->cancelled = 1;
	if (restore->launch->pid > 0 || !restore->begun)
		criu_kill(restore->criu);
}

int checkpoint_restore(const struct spec *spec, const struct checkpoint_options *options,
		       const struct checkpoint_place *place, struct launch *launch,
		       int *ret_terminal, struct err *err)
{
	_cleanup_(checkpoint_restore_freep) struct checkpoint_restore *restore = NULL;
	int r = checkpoint_restore_begin(spec, options, place, launch, &restore, err);

	*ret_terminal = -EBADF;
	if (r == 0) {
		do
			r = checkpoint_restore_step(restore, ret_terminal, err);
		while (r > 0);
	}
	return r;
}
