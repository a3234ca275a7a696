// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the caller clones a child, which joins the container through a pidfd of its first process and
 * tells over a socket how far it came (container/inner.h). The child is in the container's pid namespace
 * from birth, since joining one counts only for children.
 *
 * Invariants:
 *  1. run->pid is only a number: before it is trusted, a pidfd is taken, and the process seen in the
 *     container's cgroup, or of a user's, who may have none, as a child of its keeper, while that pidfd lives.
 *  2. The child is not dumpable before execve, and holds no descriptor but the socket and stdio when it
 *     looks at anything that the container wrote; nothing of the container's /proc is believed.
 *  3. The child has a session of its own, so a terminal of the caller's among its streams is never its
 *     controlling one, and takes no input from it (TIOCSTI).
 */
#include "container/attach.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/privilege.h"
#include "container/dev.h"
#include "container/inner.h"
#include "container/label.h"
#include "container/launch.h"
#include "container/mounts.h"
#include "container/rootfs.h"
#include "container/seccomp_profile.h"
#include "sys/caps.h"
#include "sys/cgroup_own.h"
#include "sys/inroot.h"
#include "sys/mnt.h"
#include "sys/procfs.h"
#include "sys/procstat.h"
#include "sys/pty.h"
#include "sys/selfexec.h"
#include "sys/spawn.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ATTACH_CANNOT_RUN 125

struct attach {
	const struct driver_target *target; /* NULL: not an instance */
	const struct spec *spec;
	struct spec own_spec; /* of an instance */
	int *mounts;	      /* of a stopped one: what it shares, see container/mounts.h */
	int stdio[3];
	int death_signal;
	struct cgroup *cgroup;
	struct cgroup_entry entry;
	struct filter own_filter;
	const struct filter *filter; /* NULL: none */
	int init;		     /* pidfd of the container's first process */
	struct listener listener;
	int proc; /* in the child: see sys/procfs.h */
	int sock, inner_sock;
	int terminal; /* in the child: the slave */
	struct process_identity identity;
};

#define ATTACH_INIT                                  \
	((struct attach){                            \
		.stdio = { -EBADF, -EBADF, -EBADF }, \
		.entry = CGROUP_ENTRY_INIT,          \
		.init = -EBADF,                      \
		.listener = LISTENER_INIT,           \
		.proc = -EBADF,                      \
		.sock = -EBADF,                      \
		.inner_sock = -EBADF,                \
		.terminal = -EBADF,                  \
	})

static void attach_release(struct attach *attach)
{
	for (size_t i = 0; attach->mounts && i < attach->spec->n_mounts; i++)
		fd_close(attach->mounts[i]);
	free(attach->mounts);
	spec_release(&attach->own_spec);
	cgroup_free(attach->cgroup);
	cgroup_entry_release(&attach->entry);
	filter_release(&attach->own_filter);
	fd_close(attach->init);
	listener_release(&attach->listener);
	fd_close(attach->sock);
	fd_close(attach->inner_sock);
}

static int attach_not_running(const struct attach *attach, struct err *err)
{
	return err_set(err, -ESRCH, "'%s' is not running", attach->target->instance->name);
}

static int attach_is_init(const struct instance_run *run)
{
	struct procstat stat;

	if (run->cgroup && cgroup_has_process(run->cgroup, (pid_t)run->pid) > 0)
		return 1;
	return geteuid() && procstat_read((pid_t)run->pid, &stat) == 0 &&
	       stat.parent == run->keeper_pid;
}

/* Invariant 1 */
static int attach_open_init(struct attach *attach, struct err *err)
{
	const struct instance_run *run = attach->target->run;
	struct pollfd poller = { .events = POLLIN };

	if (!run || run->pid <= 0)
		return attach_not_running(attach, err);
	attach->init = pidfd_open((pid_t)run->pid, 0);
	if (attach->init < 0 || !attach_is_init(run))
		return attach_not_running(attach, err);
	poller.fd = attach->init;
	return poll(&poller, 1, 0) == 0 ? 0 : attach_not_running(attach, err);
}

static int attach_make_spec(struct attach *attach, const struct process *process, struct err *err)
{
	const struct driver_target *target = attach->target;
	struct spec *spec = &attach->own_spec;
	int r = spec_of_instance(target->instance, process, target->layer_paths, target->state_dir,
				 "", NULL, spec, err);

	attach->spec = spec;
	/* what an init system is given besides is not for this one */
	strv_free(spec->process.env);
	spec->process = *process;
	spec->process.env = strv_dup(process->env);
	if (r == 0 && process->privileged) {
		spec_set_caps(spec, CAPS_ALL);
		spec->no_new_privs = spec->seccomp = 0;
	}
	return r;
}

static int attach_make_socket(struct attach *attach, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	attach->sock = pair[0];
	attach->inner_sock = pair[1];
	return 0;
}

/*
 * With every capability it could take "nodev" from the root and open an image's device nodes, which the host's root
 * may use; so the container is held to its devices from here on.
 */
static int attach_limit_devices(struct attach *attach, struct err *err)
{
	struct cgroup_device rules[DEV_RULES_MAX];
	size_t n = 0;
	int r;

	if (attach->spec->limit_devices || attach->spec->unprivileged ||
	    !(attach->spec->namespaces & CLONE_NEWUSER))
		return 0;
	r = dev_rules(attach->spec, rules, &n, err);
	return r < 0 ? r : cgroup_set_devices(attach->cgroup, rules, n, err);
}

static int attach_open_cgroup(struct attach *attach, struct err *err)
{
	const struct instance_run *run = attach->target->run;

	if (!run->cgroup && attach->spec->cgroup_optional)
		return 0;
	if (!run->cgroup || cgroup_open(run->cgroup, &attach->cgroup) < 0)
		return attach_not_running(attach, err);
	/* root of a container has all groups there as his own */
	if (attach->spec->unprivileged && geteuid() && cgroup_own_join(run->cgroup, err) < 0)
		return err->code;
	return cgroup_entry_open_beside(attach->cgroup, (pid_t)run->pid, &attach->entry, err);
}

static int attach_prepare(struct attach *attach, const struct process *process, struct err *err)
{
	const struct driver_target *target = attach->target;
	/* ROOT/cache beside ROOT/instances/NAME */
	_cleanup_free_ char *cache = mem_printf("%s/../../cache", target->state_dir);
	int r = attach_open_init(attach, err);

	if (r == 0)
		r = attach_make_spec(attach, process, err);
	if (r == 0)
		r = attach_open_cgroup(attach, err);
	if (r == 0 && attach->spec->seccomp) {
		seccomp_profile_get(cache, spec_profile(attach->spec), &attach->own_filter);
		attach->filter = &attach->own_filter;
	}
	if (r == 0 && process->privileged)
		r = attach_limit_devices(attach, err);
	return r < 0 ? r : attach_make_socket(attach, err);
}

static int attach_send(const struct attach *attach, enum inner_kind kind, int fd)
{
	struct inner_report report = { .kind = kind };

	return spawn_send(attach->inner_sock, &report, sizeof(report), fd);
}

/* Everything that dies with the caller dies now if it has died already. */
static int attach_tie(int number, int sock, struct err *err)
{
	struct pollfd poller = { .fd = sock, .events = POLLIN };

	if (prctl(PR_SET_PDEATHSIG, number) < 0)
		return err_errno(err, -errno, "cannot set the parent-death signal");
	if (poll(&poller, 1, 0) > 0 && (poller.revents & POLLHUP))
		return err_set(err, -EPIPE, "the caller went away");
	return 0;
}

static int attach_begin(struct attach *attach, struct err *err)
{
	int keep[CGROUP_HIERARCHIES_MAX + 2];
	size_t n = 0;

	spawn_reset_signals();
	umask(022);
	selfexec_leave();
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, -errno, "cannot protect the process");
	for (int i = 0; i < 3; i++) {
		if (attach->stdio[i] >= 0 && attach->stdio[i] != i && dup2(attach->stdio[i], i) < 0)
			return err_errno(err, -errno, "cannot set up the standard streams");
	}
	for (size_t i = 0; i < attach->entry.n; i++)
		keep[n++] = attach->entry.fds[i];
	keep[n++] = attach->init;
	keep[n++] = attach->inner_sock;
	if (spawn_close_others(3 + attach->spec->preserve_fds, keep, n) < 0 || setsid() < 0)
		return err_errno(err, -errno, "cannot make a session");
	return attach_tie(SIGKILL, attach->inner_sock, err);
}

/* The host's, which shows this process, too, and nobody inside has written. */
static int attach_open_proc(struct attach *attach, struct err *err)
{
	return spec_needs_proc(attach->spec) ? procfs_open(&attach->proc, err) : 0;
}

static int attach_join_cgroup(struct attach *attach, struct err *err)
{
	int r = tuning_apply(&attach->spec->tuning, TUNING_JOINING, 0, attach->proc, err);

	if (r == 0)
		r = cgroup_join(&attach->entry, 1);
	if (r < 0)
		return err_is_set(err) ? r
				       : err_errno(err, r, "cannot join the container's cgroup");
	return tuning_apply(&attach->spec->tuning, TUNING_JOINED, 0, attach->proc, err);
}

static int attach_become_root(const struct attach *attach, struct err *err)
{
	int r = userns_become_root(attach->spec->unprivileged);

	return r < 0 ? err_errno(err, r, "cannot become root of the user namespace") : 0;
}

static int attach_join(struct attach *attach, int namespaces, struct err *err)
{
	int has_userns = spec_has_userns(attach->spec);

	namespaces &= ~CLONE_NEWUSER;
	if (has_userns && !attach->spec->unprivileged)
		namespaces |= CLONE_NEWUSER;
	/* an instance's may be another one's, or that of who started it */
	if (attach->target && !attach->spec->unprivileged)
		namespaces |= CLONE_NEWNET;
	if (setns(attach->init, namespaces) < 0)
		return err_errno(err, -errno, "cannot join the container");
	return has_userns ? attach_become_root(attach, err) : 0;
}

/* As the host's root, who may set more than the container's; and then there is no way back to the host's /proc. */
static int attach_tune(struct attach *attach, struct err *err)
{
	const struct spec *spec = attach->spec;
	int r = tuning_apply(&spec->tuning, TUNING_PRIVILEGED, 0, attach->proc, err);

	if (r == 0)
		r = tuning_apply(&spec->tuning, TUNING_READY, 0, attach->proc, err);
	if (r == 0 && spec->labels)
		r = label_apply(spec->labels, attach->proc, err);
	attach->proc = fd_close(attach->proc);
	return r;
}

static int attach_join_namespaces(struct attach *attach, struct err *err)
{
	/* in the pid namespace it was born */
	return attach_join(attach, (int)(spec_namespaces(attach->spec) & ~(uint64_t)CLONE_NEWPID),
			   err);
}

static int attach_open_terminal(struct attach *attach, struct err *err)
{
	_cleanup_close_ int root = -EBADF, devpts = -EBADF, master = -EBADF;
	int r;

	if (!attach->spec->process.tty)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	devpts = inroot_open(root, "/dev/pts", O_RDONLY | O_DIRECTORY);
	if (devpts < 0)
		return err_errno(err, devpts, "cannot open the container's /dev/pts");
	r = pty_open(devpts, &master, &attach->terminal, err);
	if (r < 0)
		return r;
	if (attach->spec->process.rows || attach->spec->process.columns)
		(void)pty_resize(master, attach->spec->process.rows, attach->spec->process.columns);
	return attach_send(attach, INNER_TERMINAL, master) < 0
		       ? err_set(err, -EPIPE, "the caller went away")
		       : 0;
}

static int attach_set_limits(struct attach *attach, struct err *err)
{
	return spec_apply_rlimits(attach->spec, err);
}

static int attach_identify(struct attach *attach, struct err *err)
{
	int keep[] = { attach->inner_sock, attach->terminal };
	int r;

	if (spawn_close_others(3 + attach->spec->preserve_fds, keep, ARRAY_SIZE(keep)) < 0)
		return err_errno(err, -errno, "cannot close files");
	r = spec_identify(attach->spec, &attach->identity, err);
	if (r == 0 && attach->terminal >= 0 &&
	    fchown(attach->terminal, attach->identity.uid, (gid_t)-1) < 0)
		return err_errno(err, -errno, "cannot give the terminal to the user");
	return r;
}

static int attach_take_terminal(struct attach *attach, struct err *err)
{
	int r = attach->terminal < 0 ? 0 : pty_take(attach->terminal);

	for (int i = 0; i < 3 && r == 0 && attach->terminal >= 0; i++)
		r = dup2(attach->terminal, i) < 0 ? -errno : 0;
	attach->terminal = fd_close(attach->terminal);
	return r < 0 ? err_errno(err, r, "cannot take the terminal") : 0;
}

static int attach_run(struct attach *attach, struct err *err)
{
	_cleanup_process_program_ struct process_program program = { 0 };
	struct privilege privilege;
	int r;

	spec_privilege(attach->spec, attach->filter, attach->death_signal, &privilege);
	if (attach->spec->notifies)
		privilege.listener_to = attach->inner_sock;
	r = privilege_become(&privilege, &attach->identity, err);
	if (r == 0 && attach->death_signal)
		r = attach_tie(attach->death_signal, attach->inner_sock, err);
	if (r == 0)
		r = process_prepare(&attach->spec->process, &attach->identity, &program, err);
	if (r < 0)
		return r;
	umask(attach->spec->umask);
	(void)attach_send(attach, INNER_READY, -EBADF);
	r = privilege_finish(&privilege, &attach->identity, err);
	return r < 0 ? r : process_run(&attach->spec->process, &program, err);
}

static int (*const attach_steps[])(struct attach *attach, struct err *err) = {
	attach_begin,		attach_open_proc,     attach_join_cgroup, attach_tune,
	attach_join_namespaces, attach_open_terminal, attach_set_limits,  attach_identify,
	attach_take_terminal,	attach_run,
};

static _noreturn_ void attach_fail(const struct attach *attach, const struct err *err)
{
	struct inner_report report = { .kind = INNER_FAILED, .err = *err };

	(void)spawn_send(attach->inner_sock, &report, sizeof(report), -EBADF);
	_exit(ATTACH_CANNOT_RUN);
}

static void attach_main(void *ctx)
{
	struct attach *attach = ctx;
	struct err err = ERR_INIT;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attach_steps) && r == 0; i++)
		r = attach_steps[i](attach, &err);
	if (!err_is_set(&err))
		err_set(&err, -EIO, "the process could not be set up");
	attach_fail(attach, &err);
}

/*
 * The child may share our memory up to execve where it is as much the host's root as we are, whatever bytes of the
 * container's it reads; and where we are not needed to pass on a filter's descriptor meanwhile.
 */
static int attach_shares_memory(const struct spec *spec)
{
	return !spec->notifies &&
	       !(spec_namespaces(spec) & (uint64_t)(CLONE_NEWUSER | CLONE_NEWTIME));
}

/* Clones into the container's pid namespace, by being in it for our children for a moment. */
static pid_t attach_clone(struct attach *attach, int *ret_pidfd, struct err *err)
{
	_cleanup_close_ int ours = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	int joins = (int)(spec_namespaces(attach->spec) & CLONE_NEWPID);
	pid_t pid;

	spec_raise_rlimits(attach->spec);
	/* who is not root enters by the user namespace, which was his to make, and stays in there */
	if (attach->spec->unprivileged && spec_has_userns(attach->spec))
		joins |= CLONE_NEWUSER;
	if (ours < 0 || (joins && setns(attach->init, joins) < 0))
		return err_errno(err, -errno, "cannot join the container's processes");
	pid = attach_shares_memory(attach->spec)
		      ? spawn_call(0, attach->entry.into, attach_main, attach, ret_pidfd)
		      : spawn_clone(0, attach->entry.into, ret_pidfd);
	if (!pid)
		attach_main(attach);
	if (joins == CLONE_NEWPID)
		(void)setns(ours, CLONE_NEWPID);
	if (pid < 0)
		return err_errno(err, pid,
				 pid == -ENOMEM ? "the container is ending"
						: "cannot start a process in the container");
	return pid;
}

static void attach_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static int attach_start(struct attach *attach, const int stdio[3], pid_t *ret_pid, int *ret_pty,
			struct err *err)
{
	_cleanup_close_ int pidfd = -EBADF, pty = -EBADF;
	pid_t pid;
	int r;

	if (!attach->spec->process.tty)
		memcpy(attach->stdio, stdio, sizeof(attach->stdio));
	pid = attach_clone(attach, &pidfd, err);
	if (pid < 0)
		return pid;
	attach->inner_sock = fd_close(attach->inner_sock);
	r = launch_wait_exec(attach->sock, pid, &attach->listener, &pty, err);
	if (r < 0) {
		attach_reap(pid);
		return r;
	}
	*ret_pid = pid;
	*ret_pty = take_fd(&pty);
	return 0;
}

int attach_exec(const struct driver_target *target, const struct process *process,
		const int stdio[3], pid_t *ret_pid, int *ret_pty, struct err *err)
{
	_cleanup_(attach_release) struct attach attach = ATTACH_INIT;
	int r;

	attach.target = target;
	/* as a terminal's hang-up: who asked for it is gone */
	attach.death_signal = SIGHUP;
	r = attach_prepare(&attach, process, err);
	return r < 0 ? r : attach_start(&attach, stdio, ret_pid, ret_pty, err);
}

int attach_process(const struct attach_request *request, const int stdio[3], pid_t *ret_pid,
		   int *ret_pty, struct err *err)
{
	_cleanup_(attach_release) struct attach attach = ATTACH_INIT;
	int r;

	attach.spec = request->spec;
	attach.filter = request->spec->filter.n ? &request->spec->filter : NULL;
	attach.death_signal = request->death_signal;
	attach.init = fcntl(request->init, F_DUPFD_CLOEXEC, 3);
	if (attach.init < 0)
		return err_errno(err, -errno, "cannot hold on to the container");
	if (request->cgroup) {
		r = cgroup_entry_open_beside(request->cgroup, request->pid, &attach.entry, err);
		if (r < 0)
			return r;
	}
	r = listener_open(attach.spec, request->status, request->pid, &attach.listener, err);
	if (r == 0)
		r = attach_make_socket(&attach, err);
	return r < 0 ? r : attach_start(&attach, stdio, ret_pid, ret_pty, err);
}

/* In enter's child: whose root is the container's from here on. */
static int attach_enter_running(struct attach *attach, struct err *err)
{
	if (!attach->spec->unprivileged)
		return attach_join(attach, CLONE_NEWNS, err);
	if (setns(attach->init, CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_errno(err, -errno, "cannot join the container");
	return attach_become_root(attach, err);
}

/* What is gone of the host keeps nobody from the rest of the files. */
static int attach_prepare_shares(struct attach *attach, struct err *err)
{
	const struct driver_target *target = attach->target;
	struct spec *spec = &attach->own_spec;
	int r;

	spec_drop_mounts(spec);
	r = spec_add_shares(spec, target->instance->volumes, target->root, err);
	attach->mounts = mem_zalloc((spec->n_mounts + 1) * sizeof(*attach->mounts));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		spec->mounts[i].if_source = 1;
		attach->mounts[i] = -EBADF;
	}
	return r < 0 || spec->unprivileged ? r : mounts_make_outside(spec, attach->mounts, err);
}

static int attach_mount_shares(const struct attach *attach, int root, struct err *err)
{
	int r = attach->spec->unprivileged ? mounts_make_outside(attach->spec, attach->mounts, err)
					   : 0;

	if (r == 0)
		r = mounts_attach(attach->spec, attach->mounts, root, err);
	return r < 0 ? r : mounts_finish(attach->spec, attach->mounts, err);
}

static int attach_enter_stopped(struct attach *attach, struct err *err)
{
	_cleanup_close_ int root = -EBADF, at = -EBADF;
	struct inner_report report = { 0 };
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, -errno, "cannot get a mount namespace");
	if (spawn_receive(attach->inner_sock, &report, sizeof(report), &root, 0) <= 0 ||
	    (root < 0 && !attach->spec->unprivileged))
		return err_set(err, -EPIPE, "the caller went away");
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, -errno, "cannot protect the process");
	if (spec_has_userns(attach->spec))
		r = attach_become_root(attach, err);
	if (r == 0 && attach->spec->unprivileged)
		r = rootfs_mount(attach->spec, -EBADF, &root, err);
	at = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && at < 0)
		r = err_errno(err, -errno, "cannot open /proc");
	if (r == 0)
		r = mnt_attach(root, at, err);
	if (r == 0)
		r = attach_mount_shares(attach, root, err);
	return r < 0 ? r : mnt_enter_root(root, err);
}

static _noreturn_ void attach_enter_main(struct attach *attach, int (*fn)(void *ctx), void *ctx)
{
	struct err err = ERR_INIT;
	int r;

	/* a caller who is not root could not write the id maps of what is not dumpable */
	if (!attach->spec->unprivileged || attach->init >= 0)
		(void)prctl(PR_SET_DUMPABLE, 0);
	attach->sock = fd_close(attach->sock);
	r = attach->init >= 0 ? attach_enter_running(attach, &err)
			      : attach_enter_stopped(attach, &err);
	/* changing ids has cleared it */
	if (r == 0)
		r = attach_tie(SIGKILL, attach->inner_sock, &err);
	if (r == 0 && chdir("/") < 0)
		r = err_errno(&err, -errno, "cannot enter the root");
	if (r < 0)
		attach_fail(attach, &err);
	(void)attach_send(attach, INNER_READY, -EBADF);
	attach->inner_sock = fd_close(attach->inner_sock);
	_exit(fn(ctx));
}

static int attach_open_userns(pid_t pid, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "cannot open a user namespace") : fd;
}

/* What the child of a stopped container waits for: its ids and its root. */
static int attach_give_root(struct attach *attach, pid_t pid, struct err *err)
{
	struct inner_report report = { .kind = INNER_ROOT };
	_cleanup_close_ int userns = -EBADF, root = -EBADF;
	int r = 0;

	if (attach->spec->namespaces & CLONE_NEWUSER) {
		r = idmap_write(pid, &attach->spec->idmap, err);
		if (r == 0 && !attach->spec->unprivileged)
			r = userns = attach_open_userns(pid, err);
	}
	if (r >= 0 && !attach->spec->unprivileged)
		r = rootfs_mount(attach->spec, userns, &root, err);
	if (r < 0)
		return r;
	(void)spawn_send(attach->sock, &report, sizeof(report), root);
	return 0;
}

static int attach_prepare_enter(struct attach *attach, struct err *err)
{
	static const struct process none;
	int r = attach->target->run ? attach_open_init(attach, err) : 0;

	if (r == 0)
		r = attach_make_spec(attach, &none, err);
	if (r == 0 && attach->init < 0)
		r = attach_prepare_shares(attach, err);
	return r < 0 ? r : attach_make_socket(attach, err);
}

int attach_enter(const struct driver_target *target, int (*fn)(void *ctx), void *ctx,
		 pid_t *ret_pid, struct err *err)
{
	_cleanup_(attach_release) struct attach attach = ATTACH_INIT;
	_cleanup_close_ int pidfd = -EBADF, pty = -EBADF;
	uint64_t flags;
	pid_t pid;
	int r;

	attach.target = target;
	r = attach_prepare_enter(&attach, err);
	if (r < 0)
		return r;
	flags = attach.init >= 0 ? 0 : attach.spec->namespaces & CLONE_NEWUSER;
	pid = spawn_clone(flags, -EBADF, &pidfd);
	if (pid < 0)
		return err_errno(err, pid, "cannot start a process");
	if (!pid)
		attach_enter_main(&attach, fn, ctx);
	attach.inner_sock = fd_close(attach.inner_sock);
	r = attach.init >= 0 ? 0 : attach_give_root(&attach, pid, err);
	if (r == 0)
		r = launch_wait_exec(attach.sock, pid, NULL, &pty, err);
	if (r < 0)
		attach_reap(pid);
	else
		*ret_pid = pid;
	return r;
}
