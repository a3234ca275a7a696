// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both ways are a tree stream through a pipe. This process receives it and makes the files; it trusts the sender for
 * nothing, and the two ends hold only their own end of the pipe, so that the death of one is the other's end of file.
 *
 * The files of a user's instance are of his ids, so root of these makes and reads them (sys/userns.h): of the way from a
 * disk the receiver, of the way to one mke2fs(8), which takes the place of the stream, since a user mounts no disk.
 */
#include "image/carry.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/disk_layer.h"
#include "image/ext4_reader.h"
#include "image/ext4_times.h"
#include "proto/instance.h"
#include "proto/tree.h"
#include "sys/confine.h"
#include "sys/ext4.h"
#include "sys/mnt.h"
#include "sys/spawn.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define CARRY_PIPE	 (1 << 20) /* what a user without privilege may have, too */
#define CARRY_MEMORY_MAX (UINT64_C(1) << 30)
#define CARRY_JAIL	 "jail"
#define CARRY_ROOT	 "root"
/* A disk is not filled to the last byte: the file system's own blocks are of it, and others write, too. */
#define CARRY_RESERVE ((int64_t)32 << 20)

struct carry_progress {
	progress_fn show;
	void *ctx;
	const char *what;
	int64_t total;
};

static void carry_on_bytes(void *ctx, int64_t bytes)
{
	const struct carry_progress *progress = ctx;

	if (progress->show)
		progress->show(progress->ctx, progress->what, bytes, progress->total);
}

static int carry_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	(void)fcntl(fds[0], F_SETPIPE_SZ, CARRY_PIPE);
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int carry_open_folder(int dirfd, const char *path, struct err *err)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_errno(err, -errno, "cannot open %s", path) : fd;
}

/*
 * Both ends fail when one does; the one that failed by itself has the reason. The sender is ended by a broken pipe,
 * the receiver sees a stream that is cut, if it was the other's fault.
 */
static int carry_verdict(int received_r, const struct err *received, int sent_r,
			 const struct err *sent, struct err *err)
{
	if (received_r < 0 && (received_r != -EPIPE || sent_r == 0)) {
		*err = *received;
		return received_r;
	}
	if (sent_r < 0)
		*err = *sent;
	return sent_r;
}

struct carry_reading {
	int image, out;
};

struct carry_read {
	int absent;
};

static int carry_task_read(void *ctx, int report_fd _unused_, void *result, struct err *err)
{
	const struct carry_reading *reading = ctx;
	struct carry_read *read = result;

	return ext4_reader_send(reading->image, INSTANCE_UPPER, reading->out, &read->absent, err);
}

/* The reader's root is an empty folder. */
static int carry_open_jail(int work, struct err *err)
{
	if (mkdirat(work, CARRY_JAIL, 0700) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make a folder for the reader");
	return carry_open_folder(work, CARRY_JAIL, err);
}

struct carry_receiving {
	int dir, in;
	const struct tree_bounds *bounds;
};

static int64_t carry_receive_child(void *ctx, struct err *err)
{
	const struct carry_receiving *to = ctx;

	return tree_receive_exact(to->dir, INSTANCE_UPPER, to->bounds, to->in, err);
}

static int carry_receive(int dir, const struct tree_bounds *bounds, int in, struct err *err)
{
	struct carry_receiving to = { dir, in, bounds };

	return (int)(geteuid() ? userns_run(carry_receive_child, &to, err)
			       : carry_receive_child(&to, err));
}

static int carry_receive_read(int image, int work, const struct tree_bounds *bounds,
			      int *ret_absent, struct err *err)
{
	_cleanup_close_ int in = -EBADF, out = -EBADF, jail = carry_open_jail(work, err);
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	struct carry_reading reading = { .image = image };
	struct err received = ERR_INIT, sent = ERR_INIT;
	struct confine_spec spec = {
		.fn = carry_task_read,
		.ctx = &reading,
		.root_fd = jail,
		.syscalls = ext4_reader_syscalls,
		.memory_max = CARRY_MEMORY_MAX,
		.result_size = sizeof(struct carry_read),
	};
	struct carry_read result = { 0 };
	int received_r, sent_r;
	int64_t done;

	if (jail < 0 || carry_pipe(&in, &out, err) < 0)
		return err->code;
	reading.out = out;
	spec.keep_fds[0] = image;
	spec.keep_fds[1] = out;
	if (confine_start(&spec, &child, err) < 0)
		return err->code;
	out = fd_close(out);
	received_r = carry_receive(work, bounds, in, &received);
	in = fd_close(in);
	sent_r = confine_read(&child, &done, &result, sizeof(result), &sent);
	*ret_absent = sent_r == 0 && received_r == -EPIPE && result.absent;
	return *ret_absent ? 0 : carry_verdict(received_r, &received, sent_r, &sent, err);
}

static int carry_read_disk(int *image, const char *work, int workfd,
			   const struct tree_bounds *bounds, int *ret_absent, struct err *err)
{
	struct err unclean = ERR_INIT;
	int r = carry_receive_read(*image, workfd, bounds, ret_absent, &unclean);

	if (r == -EUCLEAN) {
		r = userns_remove_tree(workfd, INSTANCE_UPPER);
		if (r < 0)
			return err_errno(err, r, "cannot start again");
		r = disk_layer_repair(image, 0, 0, work, err);
		return r < 0 ? r : carry_receive_read(*image, workfd, bounds, ret_absent, err);
	}
	if (r < 0)
		*err = unclean;
	return r;
}

int carry_from_disk(const char *disk, const char *work, progress_fn progress, void *ctx,
		    struct err *err)
{
	_cleanup_close_ int image = open(disk, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), workfd = -EBADF;
	struct carry_progress shown = { geteuid() ? NULL : progress, ctx, "reading the VM's disk",
					0 };
	struct tree_bounds bounds = { .progress = carry_on_bytes, .ctx = &shown };
	struct stat st;
	int absent, r;

	if (image < 0 || fstat(image, &st) < 0)
		return err_errno(err, -errno, "cannot open the disk %s", disk);
	workfd = carry_open_folder(AT_FDCWD, work, err);
	if (workfd < 0)
		return workfd;
	shown.total = (int64_t)st.st_blocks * 512;
	/* each small file counts as a block that it may not have there */
	bounds.bytes_max = 2 * (int64_t)st.st_size;
	r = carry_read_disk(&image, work, workfd, &bounds, &absent, err);
	if (r == 0 && syncfs(workfd) < 0)
		r = err_errno(err, -errno, "cannot write what was on the disk");
	return r;
}

static _noreturn_ void carry_send(int state, int out, int report)
{
	struct err err = ERR_INIT;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(2);
	(void)signal(SIGPIPE, SIG_IGN);
	if (tree_send_exact(state, INSTANCE_UPPER, out, &err) < 0 &&
	    write(report, &err, sizeof(err)) != (ssize_t)sizeof(err))
		_exit(2);
	_exit(err_is_set(&err));
}

/* The sender's result, or its error. */
static int carry_collect(int pidfd, int report, struct err *err)
{
	struct err failure = ERR_INIT;
	int told = read(report, &failure, sizeof(failure)) == (ssize_t)sizeof(failure);
	int status = spawn_wait(pidfd);

	if (told) {
		*err = failure;
		return failure.code;
	}
	return status ? err_set(err, -EIO, "the process that reads the files was killed") : 0;
}

static int carry_receive_sent(int state, int root, const struct tree_bounds *bounds,
			      struct err *err)
{
	_cleanup_close_ int in = -EBADF, out = -EBADF, report = -EBADF, theirs = -EBADF,
			    pidfd = -EBADF;
	struct err received = ERR_INIT, sent = ERR_INIT;
	int received_r, sent_r;
	pid_t pid;

	if (carry_pipe(&in, &out, err) < 0 || carry_pipe(&report, &theirs, err) < 0)
		return err->code;
	pid = spawn_clone(0, -EBADF, &pidfd);
	if (pid < 0)
		return err_errno(err, pid, "cannot start a process");
	if (!pid) {
		in = fd_close(in);
		carry_send(state, out, theirs);
	}
	out = fd_close(out);
	theirs = fd_close(theirs);
	received_r = carry_receive(root, bounds, in, &received);
	in = fd_close(in);
	sent_r = carry_collect(pidfd, report, &sent);
	return carry_verdict(received_r, &received, sent_r, &sent, err);
}

/* Mounted for as long as it is filled. */
static int carry_fill_disk(int state, const char *disk, const struct tree_bounds *bounds,
			   struct err *err)
{
	_cleanup_close_ int mount = -EBADF, root = -EBADF;
	int r = ext4_mount(disk, &mount, err);

	if (r < 0)
		return r;
	root = carry_open_folder(mount, ".", err);
	if (root < 0)
		return root;
	r = carry_receive_sent(state, root, bounds, err);
	if (r == 0 && syncfs(root) < 0)
		r = err_errno(err, -errno, "cannot write the disk");
	return r;
}

static int carry_check_disk(const char *disk, struct err *err)
{
	_cleanup_close_ int fd = open(disk, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, -errno, "cannot write the disk %s", disk);
	return ext4_is_unmounted(fd) == 1 ? 0
					  : err_set(err, -EBUSY, "the disk %s stays in use", disk);
}

/* What is written goes through a cache, so a full disk is found out too late: the room is counted instead. */
int carry_room(int dirfd, int64_t *ret, struct err *err)
{
	struct statvfs fs;

	if (fstatvfs(dirfd, &fs) < 0)
		return err_errno(err, -errno, "cannot tell the room that is left");
	*ret = (int64_t)(fs.f_bavail * fs.f_frsize) - CARRY_RESERVE;
	return *ret > 0 ? 0 : err_set(err, -ENOSPC, "there is no room left on the disk");
}

/* mke2fs takes a folder whole: this one has nothing else in it. */
static int carry_show_alone(const char *state, const char *root, struct err *err)
{
	_cleanup_free_ char *upper = mem_printf("%s/" INSTANCE_UPPER, state);
	_cleanup_free_ char *place = mem_printf("%s/" INSTANCE_UPPER, root);
	_cleanup_close_ int view = -EBADF;

	if (file_mkdir_p(place, 0755) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, -errno, "cannot make a mount namespace");
	if (mnt_clone(AT_FDCWD, upper, 0, &view, err) < 0)
		return err->code;
	return mnt_attach_path(view, place, err);
}

struct carry_packing {
	const char *state, *root, *disk;
	int64_t size;
};

static int64_t carry_pack_child(void *ctx, struct err *err)
{
	const struct carry_packing *packing = ctx;
	int r = carry_show_alone(packing->state, packing->root, err);

	if (r == 0)
		r = ext4_create_from(packing->root, packing->disk, packing->size, err);
	return r < 0 ? r : ext4_times_set(packing->disk, packing->root, err);
}

static int carry_pack_disk(const char *state, const char *work, const char *disk, int64_t size,
			   struct err *err)
{
	_cleanup_free_ char *root = mem_printf("%s/" CARRY_ROOT, work);
	struct carry_packing packing = { state, root, disk, size };

	return (int)userns_run(carry_pack_child, &packing, err);
}

int carry_to_disk(const char *state, const char *work, const char *cache, int64_t size,
		  progress_fn progress, void *ctx, struct err *err)
{
	_cleanup_free_ char *disk = mem_printf("%s/" INSTANCE_DISK, work);
	_cleanup_close_ int statefd = carry_open_folder(AT_FDCWD, state, err), workfd = -EBADF;
	struct carry_progress shown = { progress, ctx, "writing the VM's disk", 0 };
	struct tree_bounds bounds = { .progress = carry_on_bytes, .ctx = &shown };
	int by_user = geteuid() != 0, r;

	if (statefd < 0)
		return statefd;
	workfd = carry_open_folder(AT_FDCWD, work, err);
	if (workfd < 0)
		return workfd;
	r = carry_room(workfd, &bounds.bytes_max, err);
	if (r == 0 && !by_user)
		r = ext4_create(cache, disk, size, err);
	if (r < 0)
		return r;
	r = by_user ? carry_pack_disk(state, work, disk, size, err)
		    : carry_fill_disk(statefd, disk, &bounds, err);
	if (r < 0)
		return err_wrap(err, "cannot fill the VM's disk of %jd MiB",
				(intmax_t)(size >> 20));
	return carry_check_disk(disk, err);
}
