// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the keeper makes the mount, detached, as it does for a start, and forks a child that joins the container's
 * user and mount namespaces. The child attaches it below the container's root, or unmounts it there, and says over a
 * socket how that went. A user's keeper may mount nothing, so his child makes the mount, in the container's user namespace
 * and a copy of the host's mounts, and joins the container's mounts after that.
 *
 * Everything that the child looks at there is the container's, which changes it meanwhile. Invariants:
 *  1. Before it joins, the child has no descriptor left but what it works with, is not dumpable, and has no capability
 *     that this work does not take; it is in none of the container's other namespaces, so nobody inside sees it.
 *  2. Paths are resolved by sys/inroot.h. Nothing is unmounted that is not the very file or folder that the share names:
 *     the name is looked at in its folder, which is held, and no link is followed from there.
 *  3. The child dies with the keeper, as the container does.
 */
#include "container/binding.h"
#include "base/mem.h"
#include "container/inner.h"
#include "container/mounts.h"
#include "proto/share.h"
#include "sys/caps.h"
#include "sys/inroot.h"
#include "sys/procfs.h"
#include "sys/spawn.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct binding {
	struct loop_source *source;
	int sock, pidfd;
	void (*done)(void *ctx, const struct err *err);
	void *ctx;
};

/* What the child works with. */
struct binding_work {
	const struct binding_spec *how;
	struct spec spec; /* with the one mount */
	struct share share;
	int mount;	    /* detached; -EBADF: the child makes it */
	struct stat source; /* of one that goes */
	int sock, proc;
};

/* Joining, mounting, and copying to a new volume what the image has there. */
#define BINDING_CAPS                                                                   \
	(CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_SETUID) |   \
	 CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) |     \
	 CAPS_BIT(CAP_DAC_READ_SEARCH) | CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_FSETID) | \
	 CAPS_BIT(CAP_MKNOD))

static void binding_work_release(struct binding_work *work)
{
	fd_close(work->mount);
	fd_close(work->sock);
	share_release(&work->share);
	spec_release(&work->spec);
}

static int binding_look_at_source(struct binding_work *work, const struct driver_host *host,
				  struct err *err)
{
	_cleanup_free_ char *path = share_path(&work->share, host->root);

	if (stat(path, &work->source) < 0)
		return err_errno(err, -errno, "cannot tell what is %.200s inside, without %.200s",
				 work->share.target, path);
	return 0;
}

static int binding_prepare(struct binding_work *work, const struct driver_host *host,
			   struct err *err)
{
	char *const shares[] = { (char *)(uintptr_t)work->how->share, NULL };
	int r = share_parse(work->how->share, &work->share, err);

	if (r == 0)
		r = spec_of_instance(host->instance, &host->process, host->layer_paths,
				     host->state_dir, "", NULL, &work->spec, err);
	if (r < 0)
		return r;
	spec_drop_mounts(&work->spec);
	if (!work->how->comes)
		return binding_look_at_source(work, host, err);
	r = spec_add_shares(&work->spec, shares, host->root, err);
	if (r == 0 && !work->spec.unprivileged)
		r = mounts_make_outside(&work->spec, &work->mount, err);
	return r;
}

/* Invariant 1 */
static int binding_begin(struct binding_work *work, struct err *err)
{
	const struct caps_sets caps = { .effective = BINDING_CAPS, .permitted = BINDING_CAPS };
	int keep[] = { work->how->init, work->mount, work->sock, work->proc };
	int r = 0;

	spawn_reset_signals();
	umask(022);
	for (size_t i = 1; i < ARRAY_SIZE(keep); i++) {
		for (size_t j = i; j && keep[j - 1] > keep[j]; j--) {
			int other = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = other;
		}
	}
	if (spawn_close_others(3, keep, ARRAY_SIZE(keep)) < 0 || setsid() < 0)
		return err_errno(err, -errno, "cannot make a session");
	if (!work->spec.unprivileged)
		r = caps_set(&caps, err);
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_errno(err, -errno, "cannot protect the process");
	return r;
}

/* Its capabilities there are all that a user namespace gives to who joins it. */
static int binding_become_root(const struct binding_work *work, struct err *err)
{
	int r = spec_has_userns(&work->spec) ? userns_become_root(work->spec.unprivileged) : 0;

	return r < 0 ? err_errno(err, r, "cannot become root of the user namespace") : 0;
}

static int binding_join_as_user(struct binding_work *work, struct err *err)
{
	int r;

	if (setns(work->how->init, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
		return err_errno(err, -errno, "cannot join the container");
	r = binding_become_root(work, err);
	if (r == 0 && work->how->comes)
		r = mounts_make_outside(&work->spec, &work->mount, err);
	if (r == 0 && setns(work->how->init, CLONE_NEWNS) < 0)
		r = err_errno(err, -errno, "cannot join the container");
	return r;
}

static int binding_join(struct binding_work *work, struct err *err)
{
	int namespaces = CLONE_NEWNS | (spec_has_userns(&work->spec) ? CLONE_NEWUSER : 0);

	if (work->spec.unprivileged)
		return binding_join_as_user(work, err);
	if (setns(work->how->init, namespaces) < 0)
		return err_errno(err, -errno, "cannot join the container");
	return binding_become_root(work, err);
}

static int binding_attach(struct binding_work *work, int root, struct err *err)
{
	int r = mounts_attach(&work->spec, &work->mount, root, err);

	return r < 0 ? r : mounts_finish(&work->spec, &work->mount, err);
}

static int binding_is_source(const struct binding_work *work, const struct stat *st)
{
	return st->st_dev == work->source.st_dev && st->st_ino == work->source.st_ino;
}

static int binding_lost(const struct binding_work *work, struct err *err)
{
	return err_set(err, -ESTALE,
		       "what is at %.200s inside is not %.200s: something lies over it, or the "
		       "container has moved or unmounted it itself; it goes when the instance is "
		       "stopped first",
		       work->share.target, work->share.source);
}

/* Where the target really is, seen from the root. What is not found may still be seen somewhere else. */
static int binding_find(const struct binding_work *work, int root, char ret[PATH_MAX],
			struct err *err)
{
	_cleanup_close_ int target = inroot_open(root, work->share.target, O_PATH);
	struct stat st;
	char name[32];
	ssize_t n;

	if (target == -ENOENT || target == -ENOTDIR)
		return binding_lost(work, err);
	if (target < 0 || fstat(target, &st) < 0)
		return err_errno(err, target < 0 ? target : -errno, "cannot open %.200s inside",
				 work->share.target);
	if (!binding_is_source(work, &st))
		return binding_lost(work, err);
	snprintf(name, sizeof(name), "self/fd/%d", target);
	n = readlinkat(work->proc, name, ret, PATH_MAX - 1);
	if (n <= 0 || *ret != '/')
		return err_errno(err, n < 0 ? -errno : -ENOENT, "cannot find %.200s inside",
				 work->share.target);
	ret[n] = '\0';
	return 0;
}

static int binding_unmount(const struct binding_work *work, const char *name, struct err *err)
{
	int flags = UMOUNT_NOFOLLOW | (work->how->forced ? MNT_DETACH : 0);

	if (umount2(name, flags) == 0)
		return 0;
	if (errno == EBUSY)
		return err_set(err, -EBUSY,
			       "%.200s is in use inside: a process has a file of it open or works "
			       "in it, or something is mounted below it; end that first, or add "
			       "--force",
			       work->share.target);
	return err_errno(err, -errno, "cannot unmount %.200s inside", work->share.target);
}

/* Invariant 2 */
static int binding_detach(struct binding_work *work, int root, struct err *err)
{
	_cleanup_close_ int folder = -EBADF;
	char path[PATH_MAX], *slash;
	struct stat st;
	int r = binding_find(work, root, path, err);

	if (r < 0)
		return r;
	slash = strrchr(path, '/');
	*slash = '\0';
	folder = inroot_open(root, path, O_PATH | O_DIRECTORY);
	if (folder < 0 || fchdir(folder) < 0 ||
	    fstatat(folder, slash + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !binding_is_source(work, &st))
		return err_set(err, -ESTALE, "%.200s was moved inside meanwhile; try again",
			       work->share.target);
	return binding_unmount(work, slash + 1, err);
}

static int binding_do(struct binding_work *work, struct err *err)
{
	_cleanup_close_ int root = -EBADF;
	int r = procfs_open(&work->proc, err);

	if (r == 0)
		r = binding_begin(work, err);
	if (r == 0)
		r = binding_join(work, err);
	/* changing ids has cleared it */
	if (r == 0 && (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
		r = err_errno(err, -errno, "cannot protect the process");
	if (r < 0)
		return r;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(err, -errno, "cannot open the container's root");
	return work->how->comes ? binding_attach(work, root, err) : binding_detach(work, root, err);
}

static _noreturn_ void binding_main(struct binding_work *work)
{
	struct inner_report report = { .kind = INNER_READY };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (binding_do(work, &report.err) < 0)
		report.kind = INNER_FAILED;
	(void)spawn_send(work->sock, &report, sizeof(report), -EBADF);
	_exit(0);
}

/* The child has said how it went, or has ended without a word. */
static void binding_on_word(void *ctx, uint32_t events _unused_)
{
	struct binding *binding = ctx;
	struct inner_report report = { 0 };
	int fd = -EBADF;
	ssize_t n = spawn_receive(binding->sock, &report, sizeof(report), &fd, MSG_DONTWAIT);

	fd_close(fd);
	if (n == -EAGAIN)
		return;
	report.err.msg[sizeof(report.err.msg) - 1] = '\0';
	if (n != (ssize_t)sizeof(report))
		err_set(&report.err, -EIO, "the process that mounts in the container was killed");
	binding->source = loop_source_free(binding->source);
	binding->done(binding->ctx, err_is_set(&report.err) ? &report.err : NULL);
}

static int binding_launch(struct binding *binding, struct binding_work *work, struct loop *loop,
			  struct err *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	binding->sock = pair[0];
	work->sock = pair[1];
	pid = spawn_clone(0, -EBADF, &binding->pidfd);
	if (pid < 0)
		return err_errno(err, pid, "cannot start a process");
	if (!pid)
		binding_main(work);
	binding->source = loop_watch_fd(loop, binding->sock, EPOLLIN, binding_on_word, binding);
	return binding->source ? 0 : err_errno(err, -errno, "cannot watch a process");
}

int binding_start(const struct driver_host *host, const struct binding_spec *spec,
		  void (*done)(void *ctx, const struct err *err), void *ctx, struct binding **ret,
		  struct err *err)
{
	_cleanup_(binding_work_release) struct binding_work work = {
		.how = spec, .mount = -EBADF, .sock = -EBADF, .proc = -EBADF
	};
	struct binding *binding;
	int r = binding_prepare(&work, host, err);

	if (r < 0)
		return r;
	binding = mem_zalloc(sizeof(*binding));
	*binding = (struct binding){ .sock = -EBADF, .pidfd = -EBADF, .done = done, .ctx = ctx };
	r = binding_launch(binding, &work, host->loop, err);
	if (r < 0) {
		binding_free(binding);
		return r;
	}
	*ret = binding;
	return 0;
}

struct binding *binding_free(struct binding *binding)
{
	if (!binding)
		return NULL;
	loop_source_free(binding->source);
	fd_close(binding->sock);
	if (binding->pidfd >= 0) {
		(void)pidfd_send_signal(binding->pidfd, SIGKILL, NULL, 0);
		(void)spawn_wait(binding->pidfd);
	}
	fd_close(binding->pidfd);
	free(binding);
	return NULL;
}
