// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the child is cloned into its namespaces and goes through sandbox_steps[] in order, or through
 * sandbox_first_stage[] with in_stages; the first failure goes to the parent as a struct err over the report
 * socket, which execve closes. A child in_stages waits on that socket until we have mapped its ids.
 *
 * Invariants:
 *  1. Every step that needs privilege comes before sandbox_drop(); after it nothing can be regained, and there is
 *     nothing left but the capabilities that were asked for. With
 *     in_stages privilege ends at the child's own user namespace from the first step on.
 *  2. Only the numbered descriptors are open after execve.
 *  3. The host's mounts are never touched: propagation is cut before the first mount.
 */
#include "sys/sandbox.h"
#include "base/mem.h"
#include "sys/caps.h"
#include "sys/idmap.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SANDBOX_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* Where the new root is mounted before it becomes the root: a folder that no shown file comes from.
 */
#define SANDBOX_ROOT "/proc"

const char *const sandbox_system_paths[] = {
	"/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", NULL,
};

/* Libraries and programs take it for granted. */
static const struct sandbox_file sandbox_null = { "/dev/null", "dev/null", 1 };

struct sandbox_child {
	const struct sandbox_spec *spec;
	int by_user; /* who started it is not root */
	int report;
	int program; /* where spec->program is once the descriptors are in place */
	int null;
	int root; /* of the new root file system, once there is one */
};

static int sandbox_begin(struct sandbox_child *child, struct err *err)
{
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		return err_errno(err, -errno, "cannot reset signals");
	if (setsid() < 0)
		return err_errno(err, -errno, "cannot make a session");
	child->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (child->null < 0)
		return err_errno(err, -errno, "cannot open /dev/null");
	return 0;
}

static int sandbox_prepare(struct sandbox_child *child, struct err *err)
{
	return child->spec->prepare ? child->spec->prepare(child->spec->ctx, err) : 0;
}

static int sandbox_limits(struct sandbox_child *child, struct err *err)
{
	for (size_t i = 0; i < child->spec->n_limits; i++) {
		struct rlimit limit;

		if (getrlimit((__rlimit_resource_t)child->spec->limits[i].resource, &limit) < 0)
			return err_errno(err, -errno, "cannot read a limit");
		if (limit.rlim_max > child->spec->limits[i].max)
			limit.rlim_max = child->spec->limits[i].max;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit((__rlimit_resource_t)child->spec->limits[i].resource, &limit) < 0)
			return err_errno(err, -errno, "cannot set a limit");
	}
	return 0;
}

/* A new tmpfs, mounted where it can become the root. */
static int sandbox_mount_root(int *ret_root, struct err *err)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), root = -EBADF;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_errno(err, -errno, "cannot make a tmpfs");
	root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (root < 0 ||
	    syscall(SYS_move_mount, root, "", AT_FDCWD, SANDBOX_ROOT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, -errno, "cannot mount a tmpfs");
	*ret_root = take_fd(&root);
	return 0;
}

static int sandbox_make_private(struct sandbox_child *child _unused_, struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, -errno, "cannot make the mounts private");
	return 0;
}

static int sandbox_new_root(struct sandbox_child *child, struct err *err)
{
	return sandbox_mount_root(&child->root, err);
}

/* Makes the folders of path below the new root, and an empty file or folder at its end. */
static int sandbox_make_target(int root, const char *path, int is_folder)
{
	_cleanup_free_ char *copy = mem_strdup(path);
	_cleanup_close_ int fd = -EBADF;

	for (char *p = copy; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(root, copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (is_folder)
		return mkdirat(root, copy, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(root, copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

/* A symlink (as /lib is one on a merged system) is made anew: what it points to is there or not. */
static int sandbox_copy_link(int root, const char *path)
{
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, root, path + 1) < 0 ? -errno : 0;
}

static int sandbox_bind(int root, const struct sandbox_file *file)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };
	const char *name = file->name ? file->name : file->path + 1;
	_cleanup_close_ int tree = -EBADF;
	struct stat st;
	int r;

	if (lstat(file->path, &st) < 0)
		return errno == ENOENT && !file->name ? 0 : -errno;
	if (!file->name && S_ISLNK(st.st_mode))
		return sandbox_copy_link(root, file->path);
	if (file->device)
		attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	if (file->writable)
		attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, file->path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
				sizeof(attr)) < 0)
		return -errno;
	r = sandbox_make_target(root, name, S_ISDIR(st.st_mode));
	if (r < 0)
		return r;
	return syscall(SYS_move_mount, tree, "", root, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
											  : 0;
}

static int sandbox_fill_root(struct sandbox_child *child, struct err *err)
{
	int r;

	for (const char *const *path = sandbox_system_paths; *path; path++) {
		r = sandbox_bind(child->root, &(struct sandbox_file){ .path = *path });
		if (r < 0)
			return err_errno(err, r, "cannot show %s to the sandbox", *path);
	}
	r = sandbox_bind(child->root, &sandbox_null);
	if (r < 0)
		return err_errno(err, r, "cannot show /dev/null to the sandbox");
	for (size_t i = 0; i < child->spec->n_files; i++) {
		r = sandbox_bind(child->root, &child->spec->files[i]);
		if (r < 0)
			return err_errno(err, r, "cannot show %s to the sandbox",
					 child->spec->files[i].path);
	}
	return 0;
}

static int sandbox_pivot(int root, uint64_t attributes, struct err *err)
{
	struct mount_attr attr = { .attr_set = attributes };

	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(err, -errno, "cannot enter the sandbox's root");
	if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
		return err_errno(err, -errno, "cannot make the sandbox's root read-only");
	return 0;
}

static int sandbox_enter_root(struct sandbox_child *child, struct err *err)
{
	return sandbox_pivot(child->root, MOUNT_ATTR_RDONLY, err);
}

int sandbox_empty_root(struct err *err)
{
	_cleanup_close_ int root = -EBADF;
	int r = sandbox_mount_root(&root, err);

	return r < 0 ? r : sandbox_pivot(root, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, err);
}

/*
 * Descriptors are first moved above all targets, so that no dup2 overwrites one that is still to
 * come. The report socket ends as the first descriptor behind the numbered ones, the program as the second.
 */
static int sandbox_descriptors(struct sandbox_child *child, struct err *err)
{
	const struct sandbox_spec *spec = child->spec;
	int n = (int)spec->n_fds < 3 ? 3 : (int)spec->n_fds;
	_cleanup_free_ int *moved = mem_zalloc((size_t)n * sizeof(int));
	int report = fcntl(child->report, F_DUPFD_CLOEXEC, n + 2);
	int null = fcntl(child->null, F_DUPFD_CLOEXEC, n + 2);
	int program = spec->program ? fcntl(*spec->program, F_DUPFD_CLOEXEC, n + 2) : report;

	for (int i = 0; i < n; i++) {
		moved[i] = -1;
		if (i < (int)spec->n_fds && spec->fds[i] >= 0)
			moved[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, n + 2);
		else if (i < 3)
			moved[i] = null;
	}
	for (int i = 0; i < n; i++) {
		if (moved[i] < 0)
			fd_close(i);
		else if (dup2(moved[i], i) < 0)
			return err_errno(err, -errno, "cannot hand over a descriptor");
	}
	if (report < 0 || program < 0 || dup3(report, n, O_CLOEXEC) < 0 ||
	    dup3(program, n + 1, O_CLOEXEC) < 0 || syscall(SYS_close_range, n + 2, ~0U, 0) < 0)
		return err_errno(err, -errno, "cannot close the other descriptors");
	child->report = n;
	child->program = n + 1;
	return 0;
}

/* What execve could give: with the bounding set empty, nothing. */
static int sandbox_drop_bounding(struct err *err)
{
	int has;

	for (unsigned long cap = 0; (has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++) {
		if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_errno(err, -errno, "cannot drop capabilities");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, -errno, "cannot set no_new_privs");
	return 0;
}

int sandbox_drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0 } };
	int r = sandbox_drop_bounding(err);

	if (r == 0 && syscall(SYS_capset, &header, none) < 0)
		return err_errno(err, -errno, "cannot drop capabilities");
	return r;
}

/* As ambient ones, which a program gets without being told of them; no_new_privs leaves them. */
static int sandbox_keep_capabilities(uint64_t keep, struct err *err)
{
	const struct caps_sets sets = {
		.effective = keep, .permitted = keep, .inheritable = keep, .ambient = keep
	};

	return caps_set(&sets, err);
}

static int sandbox_drop(struct sandbox_child *child, struct err *err)
{
	const struct sandbox_spec *spec = child->spec;
	uint64_t keep = child->by_user ? 0 : spec->capabilities;
	size_t n = spec->group == (gid_t)-1 ? 0 : 1;
	int r = caps_limit(keep, err);

	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0))
		return err_errno(err, -errno, "cannot set no_new_privs");
	/* root of a namespace with no other user in it */
	if (child->by_user)
		return sandbox_drop_capabilities(err);
	if (setgroups(n, &spec->group) < 0 || setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
	    setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return err_errno(err, -errno, "cannot become user %u", spec->uid);
	return keep ? sandbox_keep_capabilities(keep, err) : 0;
}

/* Root of its own user namespace, once we have said who that is outside. The cgroup namespace begins at the
 * group that was joined before. */
static int sandbox_become_root(struct sandbox_child *child, struct err *err)
{
	char mapped;
	int r;

	if (recv(child->report, &mapped, 1, 0) != 1)
		_exit(127);
	r = userns_become_root(child->by_user);
	if (r < 0)
		return err_errno(err, r, "cannot become root of the user namespace");
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_errno(err, -errno, "cannot make a cgroup namespace");
	return 0;
}

/* After the change of user, which clears it. A parent that died before has closed its end. */
static int sandbox_bind_life(struct sandbox_child *child, struct err *err)
{
	struct pollfd parent = { .fd = child->report };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(err, -errno, "cannot bind the life of the sandbox to ours");
	if (poll(&parent, 1, 0) < 0 || parent.revents)
		_exit(127);
	return 0;
}

typedef int (*sandbox_step)(struct sandbox_child *child, struct err *err);

static const sandbox_step sandbox_steps[] = {
	sandbox_begin,
	sandbox_prepare,
	sandbox_make_private,
	sandbox_new_root,
	sandbox_fill_root,
	sandbox_enter_root,
	sandbox_descriptors,
	sandbox_limits,
	sandbox_drop,
	sandbox_bind_life,
	NULL,
};

static const sandbox_step sandbox_first_stage[] = {
	sandbox_begin,	     sandbox_prepare, sandbox_become_root, sandbox_make_private,
	sandbox_descriptors, sandbox_limits,  sandbox_bind_life,   NULL,
};

/* The same, by way of a user namespace. */
static const sandbox_step sandbox_steps_of_user[] = {
	sandbox_begin,	  sandbox_prepare,   sandbox_become_root, sandbox_make_private,
	sandbox_new_root, sandbox_fill_root, sandbox_enter_root,  sandbox_descriptors,
	sandbox_limits,	  sandbox_drop,	     sandbox_bind_life,	  NULL,
};

static const sandbox_step *sandbox_find_steps(const struct sandbox_child *child)
{
	if (child->spec->in_stages)
		return sandbox_first_stage;
	return child->by_user ? sandbox_steps_of_user : sandbox_steps;
}

static void sandbox_exec(const struct sandbox_child *child, struct err *err)
{
	const struct sandbox_spec *spec = child->spec;

	if (spec->program)
		execveat(child->program, "", spec->argv, spec->env, AT_EMPTY_PATH);
	else
		execve(spec->argv[0], spec->argv, spec->env);
	err_errno(err, -errno, "cannot run %s", spec->argv[0]);
}

static _noreturn_ void sandbox_child(struct sandbox_child *child)
{
	const sandbox_step *step = sandbox_find_steps(child);
	struct err err = ERR_INIT;

	for (; *step && !err_is_set(&err); step++)
		(void)(*step)(child, &err);
	if (!err_is_set(&err))
		sandbox_exec(child, &err);
	if (write(child->report, &err, sizeof(err)) < 0)
		_exit(127);
	_exit(127);
}

static int sandbox_has_userns(const struct sandbox_spec *spec)
{
	return spec->in_stages || geteuid();
}

static int sandbox_clone(const struct sandbox_spec *spec, const int reports[2], struct sandbox *ret,
			 struct err *err)
{
	int pidfd = -EBADF, by_user = geteuid() != 0;
	struct clone_args args = { .flags = SANDBOX_NAMESPACES | CLONE_PIDFD,
				   .pidfd = (uint64_t)(uintptr_t)&pidfd,
				   .exit_signal = SIGCHLD };
	pid_t pid;

	if (sandbox_has_userns(spec))
		args.flags |= CLONE_NEWUSER;
	if (spec->keep_net)
		args.flags &= ~(uint64_t)CLONE_NEWNET;
	if (spec->into_cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)spec->into_cgroup;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return err_errno(err, -errno, "cannot make namespaces for %s", spec->argv[0]);
	if (!pid) {
		fd_close(reports[0]);
		sandbox_child(&(struct sandbox_child){ .spec = spec,
						       .by_user = by_user,
						       .report = reports[1],
						       .null = -EBADF,
						       .root = -EBADF });
	}
	ret->pid = pid;
	ret->pidfd = pidfd;
	return 0;
}

static int sandbox_map(const struct sandbox_spec *spec, const struct sandbox *sandbox,
		       struct err *err)
{
	int by_user = geteuid() != 0;
	struct idmap_range uid = { .outside = by_user ? geteuid() : spec->uid, .count = 1 };
	struct idmap_range gid = { .outside = by_user ? getegid() : spec->gid, .count = 1 };
	const struct idmap map = { .uids = &uid, .n_uids = 1, .gids = &gid, .n_gids = 1 };
	int r = idmap_write(sandbox->pid, &map, err);

	/* one that has died meanwhile has said why */
	if (r == 0)
		(void)send(sandbox->report, "", 1, MSG_NOSIGNAL);
	return r;
}

int sandbox_start(const struct sandbox_spec *spec, struct sandbox *ret, struct err *err)
{
	struct sandbox sandbox = SANDBOX_INIT;
	int reports[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reports) < 0)
		return err_errno(err, -errno, "cannot make a socket");
	sandbox.report = reports[0];
	r = sandbox_clone(spec, reports, &sandbox, err);
	fd_close(reports[1]);
	if (r == 0 && sandbox_has_userns(spec))
		r = sandbox_map(spec, &sandbox, err);
	if (r < 0) {
		sandbox_release(&sandbox);
		return r;
	}
	*ret = sandbox;
	return 0;
}

int sandbox_failure(const struct sandbox *sandbox, struct err *err)
{
	struct err told = ERR_INIT;

	if (sandbox->report < 0 || read(sandbox->report, &told, sizeof(told)) != sizeof(told))
		return 0;
	*err = told;
	return err->code;
}

void sandbox_release(struct sandbox *sandbox)
{
	if (sandbox->pid > 0) {
		(void)kill(sandbox->pid, SIGKILL);
		while (waitpid(sandbox->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	fd_close(sandbox->pidfd);
	fd_close(sandbox->report);
	*sandbox = SANDBOX_INIT;
}
