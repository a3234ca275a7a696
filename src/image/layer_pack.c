// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_pack.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "image/layer_scratch.h"
#include "image/layer_seal.h"
#include "sys/child.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/*
 * The process and its tool have two things of ours open for as long as they live:
 *   1. the lock of the work folder, so that whoever gets that knows that nothing is written there any more;
 *   2. the pipe for what the process says at its end. The tool dies when the process is killed, but nobody can wait
 *      for it then; the end of the pipe tells that it is gone.
 */

/* "8-4-4-4-12" of the first digits of the diff id: the same layer has the same everywhere. */
static void layer_pack_uuid(const char *diff_id, char uuid[37])
{
	snprintf(uuid, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", diff_id, diff_id + 8, diff_id + 12,
		 diff_id + 16, diff_id + 20);
}

int layer_pack_erofs(const char *from, const char *to, const char *diff_id, int compressed,
		     const struct child_spec *how, struct err *err)
{
	struct child_spec run = how ? *how : CHILD_SPEC_INIT;
	_cleanup_strv_ char **argv = NULL;
	char uuid[37];

	layer_pack_uuid(diff_id, uuid);
	strv_add(&argv, "mkfs.erofs");
	strv_add(&argv, "--quiet");
	strv_add(&argv, "-Eforce-inode-extended"); /* the short form has no mtime */
	strv_add_printf(&argv, "-U%s", uuid);
	if (compressed) {
		strv_add(&argv, "-zlz4");
		strv_add(&argv, "-C65536");
	}
	strv_add(&argv, to);
	strv_add(&argv, from);
	run.argv = argv;
	run.hint = "install erofs-utils";
	return child_run(&run, err);
}

static int layer_pack_store(const char *to, const char *final, struct err *err)
{
	_cleanup_close_ int fd = open(to, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == 0) {
		/* so that the disk writes while we go on */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		r = layer_seal_set(fd);
	}
	if (r == 0 && rename(to, final) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot store a layer") : 0;
}

static int layer_pack_run(const struct layer_pack_spec *spec, int report, struct err *err)
{
	const struct work *work = spec->work;
	_cleanup_free_ char *from = mem_printf("%s/%s", work->path, spec->folder);
	_cleanup_free_ char *to = mem_printf("%s/%s.erofs", work->path, spec->folder);
	_cleanup_free_ char *final = mem_printf("%s/layers/%s.erofs", work->path, spec->diff_id);
	struct child_spec how = CHILD_SPEC_INIT;

	how.in_fd = report;
	how.hold_fd = work->fd;
	if (spec->scratch >= 0 && layer_scratch_attach(spec->scratch, from, err) < 0)
		return err->code;
	if (layer_pack_erofs(from, to, spec->diff_id, spec->compressed, &how, err) < 0 ||
	    layer_pack_store(to, final, err) < 0)
		return err->code;
	if (spec->scratch < 0)
		(void)file_remove_tree(work->fd, spec->folder);
	return 0;
}

static _noreturn_ void layer_pack_main(const struct layer_pack_spec *spec, int report, pid_t parent)
{
	int keep[] = { report, spec->work->fd, spec->scratch };
	struct err err = ERR_INIT;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* other layers' scratch among them, which is memory */
	(void)spawn_close_others(STDERR_FILENO + 1, keep, ARRAY_SIZE(keep));
	if (getppid() == parent) {
		layer_pack_run(spec, report, &err);
		(void)file_write_all(report, (const char *)&err, sizeof(err));
	}
	_exit(0);
}

int layer_pack_start(const struct layer_pack_spec *spec, struct layer_pack *ret, struct err *err)
{
	pid_t parent = getpid(), pid;
	int fds[2], code;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	pid = fork();
	if (!pid)
		layer_pack_main(spec, fds[1], parent);
	code = -errno;
	fd_close(fds[1]);
	if (pid < 0) {
		fd_close(fds[0]);
		return err_errno(err, code, "cannot start a process");
	}
	*ret = (struct layer_pack){ .pid = pid, .fd = fds[0] };
	return 0;
}

static ssize_t layer_pack_read(const struct layer_pack *pack, void *data, size_t size)
{
	ssize_t n;

	do {
		n = read(pack->fd, data, size);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int layer_pack_reap(struct layer_pack *pack)
{
	int status = 0;

	while (waitpid(pack->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	pack->pid = -1;
	pack->fd = fd_close(pack->fd);
	return status;
}

int layer_pack_end(struct layer_pack *pack, struct err *err)
{
	struct err said = ERR_INIT;
	ssize_t n = layer_pack_read(pack, &said, sizeof(said));
	int status = layer_pack_reap(pack);

	if (n != (ssize_t)sizeof(said))
		return err_set(err, -EIO, "the process that packs it ended early with status %d",
			       status);
	return err_is_set(&said) ? err_set(err, said.code, "%s", said.msg) : 0;
}

void layer_pack_release(struct layer_pack *pack)
{
	char rest[sizeof(struct err)];

	if (pack->pid <= 0)
		return;
	kill(pack->pid, SIGKILL);
	while (layer_pack_read(pack, rest, sizeof(rest)) > 0)
		continue;
	layer_pack_reap(pack);
}
