// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/confine.h"
#include "sys/idmap.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * How a child is confined, in this order, each step needing what the next ones take away:
 *   1. every descriptor but the kept ones is closed; stdin and stdout are /dev/null (stderr stays,
 * for the last words of a process out of memory);
 *   2. who is not root becomes root of a user namespace with his ids (sys/userns.h), and gets a mount
 * namespace, which is what makes him root enough for the rest;
 *   3. the folder is cloned as a detached mount (nodev, nosuid, noexec) and becomes the root; a mount that is detached already does as it is;
 *   4. limits, capabilities, no_new_privs, the system call filter.
 * The detached mount is in no mount namespace, so nothing has to be unmounted, and root's child needs
 * no namespace of its own: without descriptors, chroot(2) and mount(2) there is no way out of the
 * root.
 */

/* What a child sends: progress, any number of times, then one final report. Atomic on a pipe. */
struct confine_report {
	int is_final;
	int64_t done;
	struct err err;
	char result[CONFINE_RESULT_MAX];
};

_Static_assert(sizeof(struct confine_report) <= 4096, "a report must fit PIPE_BUF");

static void confine_send(int fd, const struct confine_report *report)
{
	ssize_t n;

	do {
		n = write(fd, report, sizeof(*report));
	} while (n < 0 && errno == EINTR);
}

void confine_progress(int report_fd, int64_t done)
{
	const struct confine_report report = { .done = done };

	confine_send(report_fd, &report);
}

static int confine_compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes everything above stderr that is not in keep, which gets sorted. */
static int confine_close_others(int *keep, size_t n)
{
	unsigned int from = STDERR_FILENO + 1;

	qsort(keep, n, sizeof(*keep), confine_compare_fds);
	for (size_t i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)keep[i];

		if (keep[i] < 0 || fd < from)
			continue;
		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) < 0)
			return -errno;
		from = fd + 1;
	}
	return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

static int confine_descriptors(const struct confine_spec *spec, int report_fd, int userns)
{
	int keep[] = { spec->root_fd, report_fd, spec->keep_fds[0], spec->keep_fds[1], userns };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		if (keep[i] >= 0 && keep[i] <= STDERR_FILENO)
			return -EINVAL;
	}
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	return confine_close_others(keep, ARRAY_SIZE(keep));
}

/* A mount namespace has mounts of its own, so the folder is looked up again in there; it must be the same. */
static int confine_find_again(int root_fd)
{
	_cleanup_close_ int fd = -EBADF;
	char link[64], path[PATH_MAX];
	struct stat before, now;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", root_fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &now) < 0 || fstat(root_fd, &before) < 0)
		return -errno;
	if (now.st_dev != before.st_dev || now.st_ino != before.st_ino)
		return -ESTALE;
	return dup3(fd, root_fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static int confine_become_root(int userns, int root_fd)
{
	int r;

	if (userns < 0)
		return 0;
	r = userns_enter(userns);
	if (r == 0 && unshare(CLONE_NEWNS) < 0)
		r = -errno;
	return r < 0 ? r : confine_find_again(root_fd);
}

static int confine_root(int root_fd, int is_mount)
{
	struct mount_attr attr = { .attr_set = CONFINE_ATTRIBUTES };
	_cleanup_close_ int tree = -EBADF;

	/* Kernels before 6.15 clone no detached mount, and there is no need. */
	if (is_mount)
		return fchdir(root_fd) < 0 || chroot(".") < 0 ? -errno : 0;
	tree = open_tree(root_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	/* The caller's root_fd must lead to the same mount, for fn to work on it. */
	if (dup3(tree, root_fd, O_CLOEXEC) < 0)
		return -errno;
	return fchdir(tree) < 0 || chroot(".") < 0 ? -errno : 0;
}

static int confine_capabilities(uint64_t capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)capabilities, .permitted = (uint32_t)capabilities },
		{ .effective = (uint32_t)(capabilities >> 32),
		  .permitted = (uint32_t)(capabilities >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* The sanitizers' shadow memory takes terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_BOUNDS_MEMORY 0
#elif defined(__has_feature)
#define CONFINE_BOUNDS_MEMORY (!__has_feature(address_sanitizer))
#else
#define CONFINE_BOUNDS_MEMORY 1
#endif

static int confine_limits(const struct confine_spec *spec)
{
	const struct rlimit none = { 0, 0 };
	const struct rlimit memory = { spec->memory_max, spec->memory_max };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	if (CONFINE_BOUNDS_MEMORY && spec->memory_max && setrlimit(RLIMIT_AS, &memory) < 0)
		return -errno;
	return 0;
}

static void confine_seccomp_freep(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int confine_syscalls(const char *const *names)
{
	_cleanup_(confine_seccomp_freep) scmp_filter_ctx filter =
		seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	for (; *names; names++) {
		int number = seccomp_syscall_resolve_name(*names);

		if (number == __NR_SCMP_ERROR)
			continue; /* newer than this libseccomp, which then knows no filter for it
				   */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (r < 0)
			return r;
	}
	return seccomp_load(filter);
}

static int confine_enter(const struct confine_spec *spec, int report_fd, int userns, pid_t parent)
{
	int r;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	umask(0);
	r = confine_descriptors(spec, report_fd, userns);
	if (r == 0)
		r = confine_become_root(userns, spec->root_fd);
	fd_close(userns);
	if (r == 0)
		r = confine_root(spec->root_fd, spec->root_is_mount);
	if (r == 0)
		r = confine_limits(spec);
	if (r == 0)
		r = confine_capabilities(spec->capabilities);
	if (r < 0)
		return r;
	/* After the change of capabilities, which could clear it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (getppid() != parent)
		return -ECHILD;
	return confine_syscalls(spec->syscalls);
}

static _noreturn_ void confine_child_main(const struct confine_spec *spec, int report_fd,
					  int userns, pid_t parent)
{
	struct confine_report report = { .is_final = 1 };
	int r = confine_enter(spec, report_fd, userns, parent);

	if (r < 0)
		err_errno(&report.err, r,
			  "cannot confine the reader of outside files; 'brig doctor' tells more");
	else
		spec->fn(spec->ctx, report_fd, report.result, &report.err);
	confine_send(report_fd, &report);
	_exit(0);
}

int confine_start(const struct confine_spec *spec, struct confine_child *ret, struct err *err)
{
	int outsider = !idmap_is_host_root();
	_cleanup_close_ int userns = outsider ? userns_open(err) : -EBADF;
	pid_t parent = getpid(), pid;
	int fds[2];

	if (outsider && userns < 0)
		return userns;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	pid = fork();
	if (!pid)
		confine_child_main(spec, fds[1], userns, parent);
	fd_close(fds[1]);
	if (pid < 0) {
		int code = -errno;

		fd_close(fds[0]);
		return err_errno(err, code, "cannot start a process");
	}
	*ret = (struct confine_child){ .pid = pid, .fd = fds[0] };
	return 0;
}

static int confine_reap(struct confine_child *child)
{
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	child->pid = -1;
	child->fd = fd_close(child->fd);
	return status;
}

void confine_release(struct confine_child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		confine_reap(child);
	}
}

static int confine_died(struct confine_child *child, struct err *err)
{
	int status = confine_reap(child);

	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "the process that reads it was killed by signal %d",
			       WTERMSIG(status));
	return err_set(err, -EIO, "the process that reads it ended early with status %d",
		       WEXITSTATUS(status));
}

int confine_read(struct confine_child *child, int64_t *ret_done, void *result, size_t size,
		 struct err *err)
{
	struct confine_report report;
	ssize_t n;

	do {
		n = read(child->fd, &report, sizeof(report));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(report) || size > sizeof(report.result)) {
		if (n)
			kill(child->pid, SIGKILL);
		return confine_died(child, err);
	}
	if (!report.is_final) {
		*ret_done = report.done;
		return 1;
	}
	confine_reap(child);
	if (err_is_set(&report.err)) {
		report.err.msg[sizeof(report.err.msg) - 1] = '\0';
		return err_set(err, report.err.code < 0 ? report.err.code : -EIO, "%s",
			       report.err.msg);
	}
	memcpy(result, report.result, size);
	return 0;
}
