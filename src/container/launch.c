// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: launch_steps[] in order, in the keeper; before the clone what needs no namespace, after it
 * what needs the user namespace that came with the clone. Meanwhile the clone goes through inner_steps[]
 * (container/inner.c) and waits for us twice: for its id maps and for its root. What a failed step leaves is
 * undone by launch_release().
 */
#include "container/launch.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/mem.h"
#include "container/dev.h"
#include "container/inner.h"
#include "container/mounts.h"
#include "container/namespaces.h"
#include "container/resources.h"
#include "container/rootfs.h"
#include "container/seccomp_profile.h"
#include "sys/procfs.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* How long the container's processes may take to die; only the kernel can hold one up. */
#define LAUNCH_KILL_MS 5000

struct launch_parts {
	const struct spec *spec;
	const char *cache_dir;
	int gate;
	struct launch *launch;
	struct cgroup_entry entry;
	struct namespaces joins;
	struct filter filter;
	int *mounts;
	int root;     /* where there is no need of the container's user namespace to make it */
	int sock;     /* the inner end */
	int stdio[3]; /* the inner ends */
};

static void launch_parts_release(struct launch_parts *parts)
{
	cgroup_entry_release(&parts->entry);
	filter_release(&parts->filter);
	namespaces_release(&parts->joins);
	if (parts->mounts)
		fds_close(parts->mounts, parts->spec->n_mounts);
	free(parts->mounts);
	fd_close(parts->root);
	fd_close(parts->sock);
	fds_close(parts->stdio, 3);
}

/* Most hosts let a user make none; that matters if there is something that only a group can do. */
static int launch_without_cgroup(const struct spec *spec, const struct err *reason, struct err *err)
{
	log_debug("no cgroup: %s", reason->msg);
	if (spec->limit && spec->limit(spec->limit_ctx, 0, reason->msg, err) < 0)
		return err->code;
	if (spec->cgroup_delegate)
		return err_set(err, -EOPNOTSUPP,
			       "a whole system needs a control group, and user %u can make none "
			       "here: %s; 'brig doctor' tells more",
			       geteuid(), reason->msg);
	return spec->resources ? resources_apply(NULL, spec->resources, err) : 0;
}

static int launch_try_cgroup(struct launch_parts *parts, unsigned int also, struct err *err)
{
	const struct spec *spec = parts->spec;
	struct launch *launch = parts->launch;
	struct err reason = ERR_INIT;
	int r = cgroup_create(spec->cgroup_path, also, &launch->cgroup, &reason);

	if (r < 0)
		return launch_without_cgroup(spec, &reason, err);
	/* its parents are who delegated it */
	cgroup_keep_parents(launch->cgroup);
	if (spec->limit)
		r = spec->limit(spec->limit_ctx, 1, NULL, err);
	if (r == 0 && spec->resources)
		r = resources_apply(launch->cgroup, spec->resources, err);
	if (r == 0 && spec->cgroup_delegate)
		r = cgroup_delegate(launch->cgroup, idmap_uid(&spec->idmap, 0),
				    idmap_gid(&spec->idmap, 0), err);
	return r < 0 ? r : cgroup_entry_open(launch->cgroup, &parts->entry, err);
}

static int launch_make_cgroup(struct launch_parts *parts, struct err *err)
{
	const struct spec *spec = parts->spec;
	unsigned int also = spec->cgroup_also | (spec->limit_devices ? CGROUP_DEVICES : 0);
	struct launch *launch = parts->launch;
	int r;

	if (!spec->cgroup_path)
		return 0;
	if (spec->cgroup_optional && !spec->cgroup_made)
		return launch_try_cgroup(parts, also, err);
	r = spec->cgroup_made ? cgroup_adopt(spec->cgroup_path, also, &launch->cgroup, err)
			      : cgroup_create(spec->cgroup_path, also, &launch->cgroup, err);
	if (r == 0 && spec->limit)
		r = spec->limit(spec->limit_ctx, 1, NULL, err);
	if (r == 0 && spec->resources)
		cgroup_keep_parents(launch->cgroup);
	if (r == 0 && spec->resources)
		r = resources_apply(launch->cgroup, spec->resources, err);
	if (r == 0 && spec->cgroup_delegate)
		r = cgroup_delegate(launch->cgroup, idmap_uid(&spec->idmap, 0),
				    idmap_gid(&spec->idmap, 0), err);
	return r < 0 ? r : cgroup_entry_open(launch->cgroup, &parts->entry, err);
}

static int launch_get_filter(struct launch_parts *parts, struct err *err)
{
	(void)err;
	if (parts->spec->seccomp)
		seccomp_profile_get(parts->cache_dir, spec_profile(parts->spec), &parts->filter);
	return 0;
}

static int launch_limit_group(const struct spec *spec, const struct launch *launch, struct err *err)
{
	struct cgroup_device rules[DEV_RULES_MAX];
	struct err reason = ERR_INIT;
	size_t n = 0;
	int r;

	if (!spec->limit_devices || !launch->cgroup)
		return 0;
	if (spec->n_device_rules)
		r = cgroup_set_devices(launch->cgroup, spec->device_rules, spec->n_device_rules,
				       &reason);
	else
		r = dev_rules(spec, rules, &n, &reason) < 0
			    ? reason.code
			    : cgroup_set_devices(launch->cgroup, rules, n, &reason);
	/* to a user no rule is granted, nor any node that it would be about */
	if (r == -EPERM && spec->cgroup_optional)
		return 0;
	if (r < 0)
		*err = reason;
	return r;
}

static int launch_limit_devices(struct launch_parts *parts, struct err *err)
{
	return launch_limit_group(parts->spec, parts->launch, err);
}

int launch_make_group(const struct spec *spec, struct launch *launch, struct err *err)
{
	struct launch_parts parts = {
		.spec = spec,
		.launch = launch,
		.entry = CGROUP_ENTRY_INIT,
	};
	int r = launch_make_cgroup(&parts, err);

	cgroup_entry_release(&parts.entry);
	return r < 0 ? r : launch_limit_group(spec, launch, err);
}

static int launch_open_joins(struct launch_parts *parts, struct err *err)
{
	return namespaces_open(parts->spec, &parts->joins, err);
}

static int launch_make_mounts(struct launch_parts *parts, struct err *err)
{
	size_t n = parts->spec->n_mounts;

	parts->mounts = mem_zalloc((n + 1) * sizeof(*parts->mounts));
	for (size_t i = 0; i < n; i++)
		parts->mounts[i] = -EBADF;
	return parts->spec->unprivileged ? 0 : mounts_make_outside(parts->spec, parts->mounts, err);
}

/* One stream; the container's root may open its end again by /dev/stdout, so it becomes the owner. */
static int launch_make_pipe(struct launch_parts *parts, int i)
{
	const struct idmap *map = &parts->spec->idmap;
	int ends[2], ours = i == 0, theirs = !ours;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	parts->launch->stdio[i] = ends[ours];
	parts->stdio[i] = ends[theirs];
	if (fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0 ||
	    fchown(ends[theirs], idmap_uid(map, 0), idmap_gid(map, 0)) < 0)
		return -errno;
	return 0;
}

int launch_make_pipes(const struct spec *spec, struct launch *launch, int theirs[3],
		      struct err *err)
{
	struct launch_parts parts = {
		.spec = spec,
		.launch = launch,
		.stdio = { -EBADF, -EBADF, -EBADF },
	};
	int r = 0;

	for (int i = spec->process.interactive ? 0 : 1; i < 3 && r == 0; i++)
		r = launch_make_pipe(&parts, i);
	memcpy(theirs, parts.stdio, sizeof(parts.stdio));
	return r < 0 ? err_errno(err, r, "cannot make the container's streams") : 0;
}

static int launch_make_streams(struct launch_parts *parts, struct err *err)
{
	const struct process *process = &parts->spec->process;
	int first = process->interactive ? 0 : 1;
	int pair[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	parts->launch->sock = pair[0];
	parts->sock = pair[1];
	if (process->tty || parts->spec->inherit_stdio)
		first = 3;
	for (int i = first; i < 3 && r == 0; i++)
		r = launch_make_pipe(parts, i);
	return r < 0 ? err_errno(err, r, "cannot make the container's streams") : 0;
}

/* The mounts' descriptors that it opens are none of ours, even if their list is in memory that we share. */
static int *launch_copy_mounts(const struct launch_parts *parts)
{
	size_t n = parts->spec->n_mounts;
	int *copy = mem_zalloc((n + 1) * sizeof(*copy));

	memcpy(copy, parts->mounts, n * sizeof(*copy));
	return copy;
}

static void launch_become_inner(void *ctx)
{
	const struct launch_parts *parts = ctx;
	const struct inner_input input = {
		.spec = parts->spec,
		.cgroup = &parts->entry,
		.born_in_cgroup = 1,
		.filter = parts->spec->filter.n ? &parts->spec->filter
			  : parts->filter.n	? &parts->filter
						: NULL,
		.mounts = launch_copy_mounts(parts),
		.joins = &parts->joins,
		.root = parts->root,
		.sock = parts->sock,
		.gate = parts->gate,
		.stdio = { parts->stdio[0], parts->stdio[1], parts->stdio[2] },
	};

	inner_main(&input);
}

/* What the middle process below says. */
struct launch_middle {
	pid_t pid;
	struct err err;
};

/*
 * A pid namespace belongs to the user namespace that its maker is in, and only the root of that one can mount its
 * /proc. So if the user namespace is another's, a process in the middle joins it and makes the container's
 * first process, as our child and not its own. It is not dumpable before it can be seen from in there.
 */
static _noreturn_ void launch_be_middle(struct launch_parts *parts, uint64_t flags, int sock)
{
	struct launch_middle said = { 0 };
	int pidfd = -EBADF;

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		err_errno(&said.err, -errno, "cannot close up");
	else if (namespaces_join(&parts->joins, CLONE_NEWUSER, &said.err) == 0)
		said.pid = spawn_clone(flags | CLONE_PARENT, parts->entry.into, &pidfd);
	if (!said.pid && !said.err.code) {
		namespaces_forget(&parts->joins, CLONE_NEWUSER);
		fd_close(sock);
		launch_become_inner(parts);
	}
	(void)spawn_send(sock, &said, sizeof(said), pidfd);
	_exit(0);
}

static pid_t launch_clone_by_middle(struct launch_parts *parts, uint64_t flags, struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF;
	struct launch_middle said = { 0 };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = spawn_clone(0, -EBADF, &pidfd);
	if (pid == 0)
		launch_be_middle(parts, flags, theirs);
	if (pid < 0)
		return err_errno(err, pid, "cannot start the container's first process");
	theirs = fd_close(theirs);
	if (spawn_receive(ours, &said, sizeof(said), &parts->launch->pidfd, 0) !=
	    (ssize_t)sizeof(said))
		err_set(&said.err, -ECHILD, "the process was killed before it had started");
	(void)spawn_wait(pidfd);
	if (said.err.code) {
		*err = said.err;
		return said.err.code;
	}
	return said.pid;
}

static pid_t launch_clone_entered(struct launch_parts *parts, struct err *err)
{
	uint64_t flags = parts->spec->namespaces & (uint64_t)(CLONE_NEWUSER | CLONE_NEWPID);
	pid_t pid;

	if ((flags & CLONE_NEWPID) && namespaces_has(&parts->joins, CLONE_NEWUSER))
		pid = launch_clone_by_middle(parts, flags, err);
	else if (parts->spec->at_once)
		pid = spawn_call(flags, parts->entry.into, launch_become_inner, parts,
				 &parts->launch->pidfd);
	else
		pid = spawn_clone(flags, parts->entry.into, &parts->launch->pidfd);
	if (pid < 0 && !err_is_set(err))
		return err_errno(err, pid, "cannot start the container's first process");
	if (!pid)
		launch_become_inner(parts);
	return pid;
}

static int launch_make_sysfs(struct launch_parts *parts, struct err *err)
{
	const struct spec *spec = parts->spec;

	if (spec->unprivileged || !(spec->namespaces & CLONE_NEWUSER) ||
	    (spec->namespaces & CLONE_NEWNET))
		return 0;
	return mounts_make_sysfs(spec, parts->mounts, err);
}

static int launch_clone(struct launch_parts *parts, struct err *err)
{
	struct err lost = ERR_INIT;
	int r;

	spec_raise_rlimits(parts->spec);
	r = namespaces_enter(&parts->joins, err);
	if (r == 0)
		r = launch_make_sysfs(parts, err);
	if (r == 0)
		r = launch_clone_entered(parts, err);
	if (r > 0)
		parts->launch->pid = (pid_t)r;
	if (namespaces_leave(&parts->joins, &lost) < 0 && r >= 0) {
		*err = lost;
		return lost.code;
	}
	parts->sock = fd_close(parts->sock);
	return r < 0 ? r : 0;
}

static int launch_tell(struct launch_parts *parts, enum inner_kind kind, int fd)
{
	struct inner_report report = { .kind = kind };

	/* If it is gone, it has told why, and that is waiting in the socket. */
	(void)spawn_send(parts->launch->sock, &report, sizeof(report), fd);
	return 0;
}

static int launch_map_ids(struct launch_parts *parts, struct err *err)
{
	const struct spec *spec = parts->spec;
	int r = 0;

	if (!inner_awaits_maps(spec))
		return 0;
	if (spec->namespaces & CLONE_NEWUSER)
		r = idmap_write(parts->launch->pid, &spec->idmap, err);
	return r < 0 ? r : launch_tell(parts, INNER_MAPPED, -EBADF);
}

/* From outside: the capabilities of a user namespace do not count for it. */
static int launch_tune(struct launch_parts *parts, struct err *err)
{
	const struct tuning *tuning = &parts->spec->tuning;
	_cleanup_close_ int proc = -EBADF;
	int r = tuning->has_oom_score_adj ? procfs_open(&proc, err) : 0;

	if (r < 0)
		return r;
	return tuning_apply(tuning, TUNING_PRIVILEGED, parts->launch->pid, proc, err);
}

static int launch_open_userns(struct launch_parts *parts, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", parts->launch->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "cannot open the container's user namespace") : fd;
}

/* The ids of an instance's files are the user namespace's, which comes with the clone. */
static int launch_root_waits(const struct spec *spec)
{
	return !spec->root_path && (spec->namespaces & CLONE_NEWUSER);
}

static int launch_mount_root(struct launch_parts *parts, struct err *err)
{
	if (parts->spec->unprivileged || launch_root_waits(parts->spec))
		return 0;
	return rootfs_mount(parts->spec, -EBADF, &parts->root, err);
}

static int launch_mount_mapped_root(struct launch_parts *parts, struct err *err)
{
	_cleanup_close_ int userns = -EBADF, root = -EBADF;
	int r;

	if (parts->spec->unprivileged || !launch_root_waits(parts->spec))
		return 0;
	userns = launch_open_userns(parts, err);
	if (userns < 0)
		return userns;
	r = rootfs_mount(parts->spec, userns, &root, err);
	return r < 0 ? r : launch_tell(parts, INNER_ROOT, root);
}

static int (*const launch_steps[])(struct launch_parts *parts, struct err *err) = {
	launch_make_cgroup, launch_get_filter, launch_limit_devices,	 launch_open_joins,
	launch_make_mounts, launch_mount_root, launch_make_streams,	 launch_clone,
	launch_tune,	    launch_map_ids,    launch_mount_mapped_root,
};

int launch_can_go_at_once(const struct spec *spec)
{
	uint64_t apart = spec_namespaces(spec) & (uint64_t)(CLONE_NEWUSER | CLONE_NEWTIME);

	return !apart && !spec->unprivileged && !spec->init && !spec->wired && !spec->notifies &&
	       !spec->hooks.times && !spec->n_net_devices && !inner_awaits_maps(spec);
}

int launch_first_reason(struct launch *launch, struct err *err)
{
	struct inner_report report = { 0 };

	while (launch->sock >= 0 && report.kind != INNER_FAILED) {
		_cleanup_close_ int fd = -EBADF;

		if (spawn_receive(launch->sock, &report, sizeof(report), &fd, MSG_DONTWAIT) !=
		    (ssize_t)sizeof(report))
			break;
	}
	if (report.kind == INNER_FAILED) {
		report.err.msg[sizeof(report.err.msg) - 1] = '\0';
		*err = report.err;
	}
	return err->code;
}

int launch_run(const struct spec *spec, const char *cache_dir, int gate, struct launch *ret,
	       struct err *err)
{
	struct launch launch = LAUNCH_INIT;
	_cleanup_(launch_parts_release) struct launch_parts parts = {
		.spec = spec,
		.cache_dir = cache_dir,
		.gate = gate,
		.launch = &launch,
		.entry = CGROUP_ENTRY_INIT,
		.root = -EBADF,
		.sock = -EBADF,
		.stdio = { -EBADF, -EBADF, -EBADF },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(launch_steps) && r == 0; i++)
		r = launch_steps[i](&parts, err);
	if (r < 0) {
		r = launch_first_reason(&launch, err);
		launch_release(&launch);
		return r;
	}
	*ret = launch;
	return 0;
}

static int launch_failed(struct inner_report *report, struct err *err)
{
	report->err.msg[sizeof(report->err.msg) - 1] = '\0';
	*err = report->err;
	return err->code < 0 ? err->code : err_set(err, -EIO, "the container could not be set up");
}

/* The next report, or why there is none; a failure of its is ours. */
static int launch_receive(int sock, int *ret_fd, struct err *err)
{
	struct inner_report report = { 0 };

	if (spawn_receive(sock, &report, sizeof(report), ret_fd, 0) != (ssize_t)sizeof(report))
		return err_set(err, -ECHILD, "the process was killed before it had started");
	if (report.kind == INNER_FAILED)
		return launch_failed(&report, err);
	return (int)report.kind;
}

/* What is done from outside while all is there that the container has; then the container goes on. */
static int launch_work_outside(struct launch *launch, const struct spec *spec, struct err *err)
{
	struct inner_report report = { .kind = INNER_HOOKED };
	int r = net_devices_move(spec->net_devices, spec->n_net_devices, launch->pid,
				 &launch->net_devices, err);

	launch->hooked = 1;
	if (r == 0)
		r = spec_hooks_run(spec, CONFIG_HOOK_PRESTART, "creating", launch->pid, err);
	if (r == 0)
		r = spec_hooks_run(spec, CONFIG_HOOK_CREATE_RUNTIME, "creating", launch->pid, err);
	if (r == 0)
		(void)spawn_send(launch->sock, &report, sizeof(report), -EBADF);
	return r;
}

int launch_wait(struct launch *launch, const struct spec *spec, int *ret_terminal, struct err *err)
{
	_cleanup_close_ int terminal = -EBADF;
	int r = 0;

	while (r >= 0 && r != INNER_CREATED) {
		_cleanup_close_ int fd = -EBADF;

		r = launch_receive(launch->sock, &fd, err);
		if (r == INNER_TERMINAL && terminal < 0)
			terminal = take_fd(&fd);
		else if (r == INNER_MOUNTED)
			r = launch_work_outside(launch, spec, err);
	}
	if (r < 0)
		return r;
	*ret_terminal = take_fd(&terminal);
	return 0;
}

int launch_wait_exec(int sock, pid_t pid, struct listener *listener, int *ret_terminal,
		     struct err *err)
{
	int ready = 0, r = 0;

	while (r == 0) {
		struct inner_report report = { 0 };
		_cleanup_close_ int fd = -EBADF;
		ssize_t n = spawn_receive(sock, &report, sizeof(report), &fd, 0);

		if (n != (ssize_t)sizeof(report))
			break;
		if (report.kind == INNER_FAILED)
			return launch_failed(&report, err);
		if (report.kind == INNER_TERMINAL && ret_terminal && *ret_terminal < 0)
			*ret_terminal = take_fd(&fd);
		if (report.kind == INNER_LISTENER && listener)
			r = listener_send(listener, pid, fd, err);
		ready |= report.kind == INNER_READY;
	}
	if (r < 0)
		return r;
	return ready ? 0 : err_set(err, -ECHILD, "the process was killed before it had started");
}

int launch_start(struct launch *launch, const struct spec *spec, struct err *err)
{
	struct inner_report report = { .kind = INNER_START };
	_cleanup_listener_ struct listener listener = LISTENER_INIT;
	int r = listener_open(spec, "created", launch->pid, &listener, err);

	if (r < 0)
		return r;
	(void)spawn_send(launch->sock, &report, sizeof(report), -EBADF);
	return launch_wait_exec(launch->sock, launch->pid, &listener, NULL, err);
}

int launch_detach(struct launch *launch, struct err *err)
{
	struct inner_report report = { .kind = INNER_DETACH };
	int fd = -EBADF, r;

	(void)spawn_send(launch->sock, &report, sizeof(report), -EBADF);
	r = launch_receive(launch->sock, &fd, err);
	fd_close(fd);
	if (r < 0)
		return r;
	if (r != INNER_DETACHED)
		return err_set(err, -EPROTO, "the container's first process said something else");
	launch_let_go(launch);
	return 0;
}

void launch_let_go(struct launch *launch)
{
	launch->pid = 0;
	launch->cgroup = cgroup_free(launch->cgroup);
}

void launch_release(struct launch *launch)
{
	struct err ignored = ERR_INIT;

	if (launch->pid > 0) {
		net_devices_return(&launch->net_devices);
		(void)kill(launch->pid, SIGKILL);
		(void)spawn_wait(launch->pidfd);
	}
	if (launch->cgroup)
		(void)cgroup_destroy(launch->cgroup, LAUNCH_KILL_MS, &ignored);
	launch->cgroup = cgroup_free(launch->cgroup);
	net_devices_release(&launch->net_devices);
	fd_close(launch->pidfd);
	fd_close(launch->sock);
	for (int i = 0; i < 3; i++)
		fd_close(launch->stdio[i]);
	*launch = LAUNCH_INIT;
}
