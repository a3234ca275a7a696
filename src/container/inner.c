// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: inner_steps[] in order; the first that fails is told to the keeper and ends the process,
 * and with it every namespace and mount of the container. Nothing has to be undone.
 *
 * Invariants:
 *  1. Until the root is ours (mnt_enter_root) every path of the image goes by the root's descriptor, resolved
 *     inside it (sys/inroot.h); no path is looked up twice.
 *  2. From inner_begin() on, only descriptors that the steps need are open; before the workload's
 *     working directory and program are looked up there is none but the socket and stdio.
 *  3. The process is not dumpable until execve: nobody inside can look into what it shares with its keeper. While
 *     nobody else is inside, a user's is: who makes its interfaces finds its namespaces in /proc, which takes that.
 */
#include "container/inner.h"
#include "base/file.h"
#include "base/mem.h"
#include "container/privilege.h"
#include "container/dev.h"
#include "container/gate.h"
#include "container/label.h"
#include "container/mounts.h"
#include "container/reaper.h"
#include "container/rootfs.h"
#include "container/sysctl.h"
#include "sys/inroot.h"
#include "sys/mnt.h"
#include "sys/netif.h"
#include "sys/procfs.h"
#include "sys/pty.h"
#include "sys/selfexec.h"
#include "sys/spawn.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct inner {
	const struct inner_input *in;
	struct fds done; /* closed by inner_identify() with all others */
	const struct spec *spec;
	int sock; /* to whoever wants to know */
	int detached;
	int proc; /* see sys/procfs.h; until the workload's own paths are looked up */
	int root;
	int terminal; /* the slave */
	struct process_identity identity;
};

static int inner_send(const struct inner *inner, enum inner_kind kind, int fd)
{
	struct inner_report report = { .kind = kind };

	return spawn_send(inner->sock, &report, sizeof(report), fd);
}

static int inner_lost(struct err *err)
{
	return err_set(err, -EPIPE, "the container's keeper went away");
}

/* The keeper's next word. */
static int inner_receive_any(const struct inner *inner, int *ret_fd, struct err *err)
{
	struct inner_report report = { 0 };

	if (spawn_receive(inner->sock, &report, sizeof(report), ret_fd, 0) !=
	    (ssize_t)sizeof(report))
		return inner_lost(err);
	return (int)report.kind;
}

/* Waits for this word; *ret_fd may be NULL. */
static int inner_receive(const struct inner *inner, enum inner_kind kind, int *ret_fd,
			 struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r = inner_receive_any(inner, &fd, err);

	if (r < 0)
		return r;
	if (r != (int)kind || (ret_fd && fd < 0))
		return inner_lost(err);
	if (ret_fd)
		*ret_fd = take_fd(&fd);
	return 0;
}

static int inner_close_others(struct inner *inner)
{
	const struct inner_input *in = inner->in;
	size_t n = 0, max = in->cgroup->n + inner->spec->n_mounts + NAMESPACES_MAX + 3;
	_cleanup_free_ int *keep = mem_zalloc(max * sizeof(*keep));

	for (size_t i = 0; i < in->cgroup->n; i++)
		keep[n++] = in->cgroup->fds[i];
	for (size_t i = 0; i < inner->spec->n_mounts; i++)
		keep[n++] = in->mounts[i];
	n += namespaces_keep(in->joins, keep + n);
	keep[n++] = in->root;
	keep[n++] = in->sock;
	keep[n++] = in->gate;
	return spawn_close_others(3 + inner->spec->preserve_fds, keep, n);
}

static int inner_begin(struct inner *inner, struct err *err)
{
	spawn_reset_signals();
	umask(022);
	/* a keeper that is not root could not write the id maps of what is not dumpable */
	if ((!inner->spec->unprivileged && prctl(PR_SET_DUMPABLE, 0) < 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(err, -errno, "cannot tie the container to its keeper");
	for (int i = 0; i < 3; i++) {
		if (inner->in->stdio[i] >= 0 && dup2(inner->in->stdio[i], i) < 0)
			return err_errno(err, -errno, "cannot set up the standard streams");
	}
	selfexec_leave();
	if (inner_close_others(inner) < 0)
		return err_errno(err, -errno, "cannot close the keeper's files");
	/* these are to be seen for longer than a moment */
	if (inner->spec->init || inner->in->gate >= 0)
		spawn_hide_arguments();
	/* a reaper stays as it is, and its child gets a session of its own */
	if (!inner->spec->init && setsid() < 0)
		return err_errno(err, -errno, "cannot make a session");
	return 0;
}

static int inner_join_cgroup(struct inner *inner, struct err *err)
{
	int r = cgroup_join(inner->in->cgroup, inner->in->born_in_cgroup);

	return r < 0 ? err_errno(err, r, "cannot join the cgroup") : 0;
}

/*
 * The user and pid namespaces came with the clone; these are made here, while the keeper does its part, and by
 * the container's root, who then owns what is in them from the start.
 */
static int inner_unshare(struct inner *inner, struct err *err)
{
	uint64_t flags = inner->spec->namespaces & ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWPID);
	int r = namespaces_join(inner->in->joins, CLONE_NEWNS, err);

	if (r < 0)
		return r;
	if (unshare((int)flags) < 0)
		return err_errno(err, -errno, "cannot make the container's namespaces");
	if ((flags & CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, -errno, "cannot make the mounts private");
	if (inner->spec->wired && inner_send(inner, INNER_UNSHARED, -EBADF) < 0)
		return inner_lost(err);
	return 0;
}

int inner_awaits_maps(const struct spec *spec)
{
	const struct tuning *tuning = &spec->tuning;

	return (spec->namespaces & CLONE_NEWUSER) || tuning->has_oom_score_adj ||
	       tuning->has_io_priority || tuning->has_scheduler;
}

static int inner_become_root(struct inner *inner, struct err *err)
{
	int r = inner_awaits_maps(inner->spec) ? inner_receive(inner, INNER_MAPPED, NULL, err) : 0;

	if (r == 0)
		r = namespaces_join(inner->in->joins, CLONE_NEWUSER, err);
	if (r < 0 || !spec_has_userns(inner->spec))
		return r;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, -errno, "cannot protect the process");
	r = userns_become_root(inner->spec->unprivileged);
	if (r == 0 && inner->spec->unprivileged && inner->spec->wired &&
	    prctl(PR_SET_DUMPABLE, 1) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot become root of the user namespace") : 0;
}

/*
 * A process is in a new time namespace from its execve() on; so that what runs before, and the kernels that want
 * more than that, see the same clocks, it is entered now.
 */
static int inner_set_clocks(struct inner *inner, struct err *err)
{
	const struct config_time_offset *monotonic = &inner->spec->monotonic;
	const struct config_time_offset *boottime = &inner->spec->boottime;
	_cleanup_close_ int namespace = -EBADF;
	char text[160];
	int r;

	if (!(inner->spec->namespaces & CLONE_NEWTIME))
		return 0;
	snprintf(text, sizeof(text), "monotonic %lld %llu\nboottime %lld %llu\n",
		 (long long)monotonic->seconds, (unsigned long long)monotonic->nanoseconds,
		 (long long)boottime->seconds, (unsigned long long)boottime->nanoseconds);
	r = file_write_value(AT_FDCWD, "/proc/self/timens_offsets", text);
	if (r < 0)
		return err_errno(err, r, "linux.timeOffsets: the kernel does not take them");
	namespace = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || setns(namespace, CLONE_NEWTIME) < 0)
		return err_errno(err, -errno, "cannot enter the container's time namespace");
	return 0;
}

/* While the host's /proc is still to be seen: the kernel gives a new one only to who could see all of one. */
static int inner_open_proc(struct inner *inner, struct err *err)
{
	return spec_needs_proc(inner->spec) ? procfs_open(&inner->proc, err) : 0;
}

static int inner_make_mounts(struct inner *inner, struct err *err)
{
	int r = inner->spec->unprivileged ? mounts_make_outside(inner->spec, inner->in->mounts, err)
					  : 0;

	return r < 0 ? r
		     : mounts_make_inside(inner->spec, inner->in->cgroup->into >= 0,
					  inner->in->mounts, &inner->done, err);
}

/*
 * Hooks look for the root where the bundle has it. Else /proc is as good as any folder to attach it to for a
 * moment: the host must have it.
 */
static int inner_attach_root(struct inner *inner, struct err *err)
{
	const char *path = inner->spec->hooks.times ? inner->spec->root_path : "/proc";
	int r = 0;

	if (inner->spec->unprivileged)
		r = rootfs_mount(inner->spec, -EBADF, &inner->root, err);
	else if (inner->root < 0)
		r = inner_receive(inner, INNER_ROOT, &inner->root, err);
	return r < 0 ? r : mnt_attach_path(inner->root, path, err);
}

static int inner_enter_root(struct inner *inner, struct err *err)
{
	return mnt_enter_root(inner->root, err);
}

static int inner_attach_mounts(struct inner *inner, struct err *err)
{
	return mounts_attach(inner->spec, inner->in->mounts, inner->root, err);
}

/* Those of the host run outside, while they see the mounts of this process; then the container's own. */
static int inner_run_hooks(struct inner *inner, struct err *err)
{
	int r;

	if (!inner->spec->hooks.times && !inner->spec->n_net_devices)
		return 0;
	if (inner_send(inner, INNER_MOUNTED, -EBADF) < 0)
		return inner_lost(err);
	r = inner_receive(inner, INNER_HOOKED, NULL, err);
	return r < 0 ? r
		     : spec_hooks_run(inner->spec, CONFIG_HOOK_CREATE_CONTAINER, "creating",
				      getpid(), err);
}

static int inner_finish_mounts(struct inner *inner, struct err *err)
{
	return mounts_finish(inner->spec, inner->in->mounts, err);
}

static int inner_place_devices(struct inner *inner, struct err *err)
{
	return dev_place_others(inner->spec, inner->in->mounts, inner->root, err);
}

static int inner_open_terminal(struct inner *inner, struct err *err)
{
	const struct process *process = &inner->spec->process;
	_cleanup_close_ int devpts = -EBADF, master = -EBADF;
	int r;

	if (!process->tty)
		return 0;
	devpts = inroot_open(inner->root, "/dev/pts", O_RDONLY | O_DIRECTORY);
	if (devpts < 0)
		return err_errno(err, devpts, "cannot open the container's /dev/pts");
	r = pty_open(devpts, &master, &inner->terminal, err);
	if (r == 0)
		r = dev_add_console(inner->root, inner->terminal, err);
	if (r < 0)
		return r;
	if (process->rows || process->columns)
		(void)pty_resize(master, process->rows, process->columns);
	return inner_send(inner, INNER_TERMINAL, master) < 0 ? inner_lost(err) : 0;
}

/* Without -i stdin is the container's own /dev/null. */
static int inner_open_stdin(struct inner *inner, struct err *err)
{
	_cleanup_close_ int null = -EBADF;

	if (inner->terminal >= 0 || inner->in->stdio[0] >= 0 || inner->spec->inherit_stdio)
		return 0;
	null = inroot_open(inner->root, "/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return err_errno(err, -errno, "cannot open /dev/null");
	return 0;
}

/* The host's null device, as engines give it, is of a mount that the container does not have; its own does as well,
 * and can be told by path, which a checkpoint wants. */
static int inner_reopen_null(struct inner *inner, struct err *err)
{
	_cleanup_close_ int null = -EBADF;
	struct err ignored = ERR_INIT;
	struct stat st;

	if (!inner->spec->inherit_stdio)
		return 0;
	for (int fd = 0; fd < 3; fd++) {
		_cleanup_close_ int again = -EBADF;

		if (fstat(fd, &st) < 0 || !dev_is_null(&st))
			continue;
		if (null < 0)
			null = dev_open_null(inner->root, &ignored);
		if (null < 0)
			return 0;
		again = inroot_open(inner->root, "/dev/null", fcntl(fd, F_GETFL) & O_ACCMODE);
		if (again >= 0 && dup2(again, fd) < 0)
			return err_errno(err, -errno, "cannot set up the standard streams");
	}
	return 0;
}

const struct record_pair inner_open_network[INNER_OPEN_NETWORK] = {
	{ (char *)(uintptr_t) "net/ipv4/ip_unprivileged_port_start", (char *)(uintptr_t) "0" },
	{ (char *)(uintptr_t) "net/ipv4/ping_group_range", (char *)(uintptr_t) "0 65535" },
};

static int inner_set_up_network(struct inner *inner, struct err *err)
{
	int proc = inner->spec->open_network ? mounts_find(inner->spec, "/proc") : -1;

	if (!(inner->spec->namespaces & CLONE_NEWNET))
		return 0;
	for (size_t i = 0; proc >= 0 && i < INNER_OPEN_NETWORK; i++) {
		char path[64];

		snprintf(path, sizeof(path), "sys/%s", inner_open_network[i].key);
		(void)file_write_value(inner->in->mounts[proc], path, inner_open_network[i].value);
	}
	return netif_loopback_up(err);
}

static int inner_set_hostname(struct inner *inner, struct err *err)
{
	const char *name = inner->spec->hostname, *domain = inner->spec->domainname;

	if (name && sethostname(name, strlen(name)) < 0)
		return err_errno(err, -errno, "cannot set the host name '%s'", name);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return err_errno(err, -errno, "cannot set the domain name '%s'", domain);
	return 0;
}

static int inner_mask(struct inner *inner, struct err *err)
{
	int r = mounts_mask(inner->spec, inner->root, err);

	if (r == 0 && inner->spec->read_only)
		r = mnt_set_attributes(inner->root, MOUNT_ATTR_RDONLY, 0, 0);
	if (r == 0 && inner->spec->root_propagation)
		r = mnt_set_propagation(inner->root, inner->spec->root_propagation, 1);
	return r < 0 && !err_is_set(err) ? err_errno(err, r, "cannot protect the root") : r;
}

/* As late as can be, since they are made meanwhile; but before anybody sets or reads something of them. */
static int inner_await_wires(struct inner *inner, struct err *err)
{
	int r = inner->spec->wired ? inner_receive(inner, INNER_WIRED, NULL, err) : 0;

	if (r == 0 && inner->spec->wired && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_errno(err, -errno, "cannot protect the process");
	return r;
}

/* What the container's namespaces have of /proc/sys. */
static int inner_set_sysctl(struct inner *inner, struct err *err)
{
	const struct spec *spec = inner->spec;

	if (!spec->n_sysctl)
		return 0;
	return sysctl_apply(inner->proc, spec->sysctl, spec->n_sysctl, err);
}

static int inner_set_limits(struct inner *inner, struct err *err)
{
	return spec_apply_rlimits(inner->spec, err);
}

/* So that it can open /dev/stdout, /dev/tty and the like again. Pipes of others may not be ours to give. */
static int inner_give_streams(const struct inner *inner, struct err *err)
{
	const struct process_identity *identity = &inner->identity;
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    fchown(fd, identity->uid, identity->gid) < 0 && !inner->spec->inherit_stdio)
			return err_errno(err, -errno, "cannot give the streams to the user");
	}
	if (inner->terminal >= 0 && fchown(inner->terminal, identity->uid, (gid_t)-1) < 0)
		return err_errno(err, -errno, "cannot give the terminal to the user");
	return 0;
}

static int inner_identify(struct inner *inner, struct err *err)
{
	int keep[] = { inner->sock, inner->in->gate, inner->terminal, inner->proc };
	int r;

	/* a path of the image could lead through /proc to what is open here */
	if (spawn_close_others(3 + inner->spec->preserve_fds, keep, ARRAY_SIZE(keep)) < 0)
		return err_errno(err, -errno, "cannot close files");
	r = spec_identify(inner->spec, &inner->identity, err);
	return r < 0 ? r : inner_give_streams(inner, err);
}

/* Whoever creates the container hears already that its program is not there; and root makes the folder. */
static int inner_check_program(struct inner *inner, struct err *err)
{
	_cleanup_process_program_ struct process_program program = { 0 };

	if (!inner->spec->gated)
		return 0;
	return process_prepare(&inner->spec->process, &inner->identity, &program, err);
}

/* From here on nobody's death is ours; what we say goes to who comes to the gate. */
static int inner_detach(struct inner *inner, struct err *err)
{
	if (inner->in->gate < 0 || prctl(PR_SET_PDEATHSIG, 0) < 0 ||
	    inner_send(inner, INNER_DETACHED, -EBADF) < 0)
		return inner_lost(err);
	inner->detached = 1;
	fd_close(inner->sock);
	inner->sock = gate_accept(inner->in->gate, err);
	return inner->sock < 0 ? inner->sock : 0;
}

/* In a session leader without a terminal. */
static int inner_take_terminal(struct inner *inner, struct err *err)
{
	int r = pty_take(inner->terminal);

	for (int i = 0; i < 3 && r == 0; i++)
		r = dup2(inner->terminal, i) < 0 ? -errno : 0;
	inner->terminal = fd_close(inner->terminal);
	return r < 0 ? err_errno(err, r, "cannot take the terminal") : 0;
}

static int inner_wait_start(struct inner *inner, struct err *err)
{
	int fd = -EBADF, r;

	if (!inner->spec->gated)
		return 0;
	/* Who made us waits until nobody has the streams that it gave. */
	r = inner->terminal >= 0 ? inner_take_terminal(inner, err) : 0;
	if (r < 0)
		return r;
	if (inner_send(inner, INNER_CREATED, -EBADF) < 0)
		return inner_lost(err);
	r = inner_receive_any(inner, &fd, err);
	fd_close(fd);
	if (r == INNER_DETACH)
		r = inner_detach(inner, err);
	else if (r >= 0 && r != INNER_START)
		r = inner_lost(err);
	return r < 0 ? r : 0;
}

/* A keeper that died before PDEATHSIG was set did not kill us; then nobody has the socket's other end. */
static int inner_report_ready(struct inner *inner, struct err *err)
{
	return inner_send(inner, INNER_READY, -EBADF) < 0 && !inner->detached ? inner_lost(err) : 0;
}

/* Becomes the program; returns only on failure. */
static int inner_exec(struct inner *inner, int death_signal, struct err *err)
{
	_cleanup_process_program_ struct process_program program = { 0 };
	const struct spec *spec = inner->spec;
	struct privilege privilege;
	int r = inner->terminal >= 0 ? inner_take_terminal(inner, err) : 0;

	spec_privilege(spec, inner->in->filter, death_signal, &privilege);
	if (spec->notifies)
		privilege.listener_to = inner->sock;
	if (r == 0)
		r = privilege_become(&privilege, &inner->identity, err);
	if (r == 0)
		r = process_prepare(&spec->process, &inner->identity, &program, err);
	umask(spec->umask);
	if (r == 0)
		r = inner_report_ready(inner, err);
	if (r == 0)
		r = privilege_finish(&privilege, &inner->identity, err);
	return r < 0 ? r : process_run(&spec->process, &program, err);
}

static _noreturn_ void inner_fail(const struct inner *inner, const struct err *err)
{
	struct inner_report report = { .kind = INNER_FAILED, .err = *err };

	(void)spawn_send(inner->sock, &report, sizeof(report), -EBADF);
	_exit(err->exit_status);
}

/* The last of /proc: a hook would have taken over a label. */
static int inner_apply_proc(struct inner *inner, struct err *err)
{
	int r = spec_hooks_run(inner->spec, CONFIG_HOOK_START_CONTAINER, "created", getpid(), err);

	if (r == 0)
		r = tuning_apply(&inner->spec->tuning, TUNING_READY, 0, inner->proc, err);
	if (r == 0 && inner->spec->labels)
		r = label_apply(inner->spec->labels, inner->proc, err);
	inner->proc = fd_close(inner->proc);
	return r;
}

/* With a reaper as the first process, the workload is its child. */
static int inner_run(struct inner *inner, struct err *err)
{
	int death_signal = inner->detached ? 0 : SIGKILL;
	struct privilege privilege;
	pid_t pid;

	if (!inner->spec->init)
		return inner_exec(inner, death_signal, err);
	spec_privilege(inner->spec, inner->in->filter, death_signal, &privilege);
	pid = reaper_fork(err);
	if (pid < 0)
		return pid;
	if (pid > 0)
		reaper_run(pid, inner->sock, &privilege);
	if (setsid() < 0)
		return err_errno(err, -errno, "cannot make a session");
	return inner_exec(inner, 0, err);
}

static int (*const inner_steps[])(struct inner *inner, struct err *err) = {
	inner_begin,	      inner_join_cgroup,   inner_become_root, inner_unshare,
	inner_set_clocks,     inner_open_proc,	   inner_make_mounts, inner_attach_root,
	inner_attach_mounts,  inner_place_devices, inner_run_hooks,   inner_enter_root,
	inner_finish_mounts,  inner_open_terminal, inner_open_stdin,  inner_reopen_null,
	inner_set_up_network, inner_set_hostname,  inner_mask,	      inner_await_wires,
	inner_set_sysctl,     inner_set_limits,	   inner_identify,    inner_check_program,
	inner_wait_start,     inner_apply_proc,	   inner_run,
};

void inner_main(const struct inner_input *input)
{
	struct inner inner = {
		.in = input,
		.done = FDS_INIT,
		.spec = input->spec,
		.sock = input->sock,
		.proc = -EBADF,
		.root = input->root,
		.terminal = -EBADF,
	};
	struct err err = ERR_INIT;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(inner_steps) && r == 0; i++)
		r = inner_steps[i](&inner, &err);
	if (!err_is_set(&err))
		err_set(&err, -EIO, "the container could not be set up");
	inner_fail(&inner, &err);
}
