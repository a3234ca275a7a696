// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/work.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * Who may remove a folder of ROOT/tmp:
 *   1. Its owner holds flock(LOCK_EX) on it for as long as it lives; so do processes that it
 * forked, which die with it. Whoever else gets the lock knows that they are all gone.
 *   2. Folders are made, locked and looked through under flock(LOCK_EX) on ROOT/tmp, so that none
 * is seen between being made and being locked.
 *   3. The janitor has its own session and no descriptor but the pipe's, so that what ends the
 * owner (a terminal's signals, a full pipe) does not end it.
 */

#define WORK_CHUNK	   ((size_t)256 << 10)
#define WORK_PROGRESS_STEP ((int64_t)4 << 20)

/* Takes a folder that nobody owns away; waiting: until nobody does. */
static void work_remove_orphan(int tmp, const char *name, int waiting)
{
	_cleanup_close_ int fd = openat(tmp, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, waiting ? LOCK_EX : LOCK_EX | LOCK_NB) == 0)
		(void)userns_remove_tree(tmp, name);
}

static void work_sweep(int tmp)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "import.", strlen("import.")))
			work_remove_orphan(tmp, entry->d_name, 0);
	}
}

static _noreturn_ void work_janitor(const char *path, int pipe_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char byte;

	prctl(PR_SET_NAME, "brig-janitor");
	setsid();
	signal(SIGTERM, SIG_IGN);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	dup2(pipe_fd, STDIN_FILENO);
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
		continue;
	work_remove_orphan(AT_FDCWD, path, 1);
	_exit(0);
}

static int work_start_janitor(struct work *work, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	work->janitor_pid = fork();
	if (!work->janitor_pid)
		work_janitor(work->path, fds[0]);
	fd_close(fds[0]);
	work->janitor = fds[1];
	if (work->janitor_pid < 0)
		return err_errno(err, -errno, "cannot start a process");
	return 0;
}

/* The janitor is there before what it is to remove. */
static int work_make(const char *tmp, struct work *work, struct err *err)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return err_errno(err, -errno, "cannot get random bytes");
	work->path = mem_printf("%s/import.%016" PRIx64, tmp, number);
	if (work_start_janitor(work, err) < 0)
		return err->code;
	if (mkdir(work->path, 0700) < 0)
		return err_errno(err, -errno, "cannot make a folder in %s", tmp);
	work->fd = open(work->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work->fd < 0 || flock(work->fd, LOCK_EX) < 0 || mkdirat(work->fd, "blobs", 0700) < 0 ||
	    mkdirat(work->fd, "layers", 0700) < 0)
		return err_errno(err, -errno, "cannot set up %s", work->path);
	return 0;
}

int work_open(const char *root, struct work *ret, struct err *err)
{
	_cleanup_work_ struct work work = WORK_INIT;
	_cleanup_free_ char *tmp = mem_printf("%s/tmp", root);
	_cleanup_close_ int tmp_fd = -EBADF;
	int r = file_mkdir_p(tmp, 0700);

	if (r < 0)
		return err_errno(err, r, "cannot make the folder %s", tmp);
	tmp_fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tmp_fd < 0 || flock(tmp_fd, LOCK_EX) < 0)
		return err_errno(err, -errno, "cannot lock the folder %s", tmp);
	work_sweep(tmp_fd);
	r = work_make(tmp, &work, err);
	if (r < 0)
		return r;
	*ret = work;
	work = WORK_INIT;
	return 0;
}

void work_close(struct work *work)
{
	if (work->fd >= 0)
		(void)userns_remove_tree(AT_FDCWD, work->path);
	work->fd = fd_close(work->fd);
	work->janitor = fd_close(work->janitor);
	while (work->janitor_pid > 0 && waitpid(work->janitor_pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	work->janitor_pid = -1;
	free(take_ptr(work->path));
}

/* out negative: only the digest is made. */
static int work_copy(const struct work_input *input, int out, struct digest *digest,
		     int64_t *ret_size, struct err *err)
{
	_cleanup_free_ char *chunk = mem_zalloc(WORK_CHUNK);
	_cleanup_free_ char *reading = mem_printf("reading %s", input->what);
	int64_t next = 0;
	struct stat st;

	if (fstat(input->fd, &st) < 0 || !S_ISREG(st.st_mode))
		st.st_size = 0;
	for (*ret_size = 0;;) {
		ssize_t n = read(input->fd, chunk, WORK_CHUNK);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, -errno, "cannot read %s", input->what);
		if (!n || (input->expected_size >= 0 && *ret_size > input->expected_size))
			return 0;
		digest_add(digest, chunk, (size_t)n);
		r = out < 0 ? 0 : file_write_all(out, chunk, (size_t)n);
		if (r < 0)
			return err_errno(err, r, "cannot store %s", input->what);
		*ret_size += n;
		if (input->progress && *ret_size >= next) {
			input->progress(input->progress_ctx, reading, *ret_size, st.st_size);
			next = *ret_size + WORK_PROGRESS_STEP;
		}
	}
}

static int work_check(const struct work_input *input, const struct blob *blob, struct err *err)
{
	if (input->expected_size >= 0 && blob->size != input->expected_size)
		return err_set(err, -EBADMSG,
			       "%s is damaged: it has not the %lld bytes that it should",
			       input->what, (long long)input->expected_size);
	if (input->expected && strcmp(input->expected, blob->hex))
		return err_set(err, -EBADMSG,
			       "%s is damaged: its digest is sha256:%s instead of sha256:%s",
			       input->what, blob->hex, input->expected);
	return 0;
}

/* By its path in /proc, for AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH of the host before Linux 6.10: open(2). */
static int work_link(int fd, int folder, const char *name)
{
	_cleanup_free_ char *path = mem_printf("/proc/self/fd/%d", fd);

	return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}

int work_add_blob(const struct work *work, const struct work_input *input, struct blob *ret,
		  struct err *err)
{
	_cleanup_digest_ struct digest *digest = digest_new();
	_cleanup_close_ int blobs = openat(work->fd, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!input->is_ours) {
		fd = openat(blobs, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_errno(err, -errno, "cannot store %s", input->what);
	}
	if (work_copy(input, fd, digest, &ret->size, err) < 0)
		return err->code;
	digest_hex(digest, ret->hex);
	if (work_check(input, ret, err) < 0)
		return err->code;
	if (input->is_ours)
		r = work_link(input->fd, blobs, ret->hex);
	else
		r = renameat(blobs, "new", blobs, ret->hex);
	if (r < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot store %s", input->what);
	/* So that the disk writes while we go on; what is still missing at the end is waited for.
	 */
	(void)sync_file_range(input->is_ours ? input->fd : fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

int work_add_text(const struct work *work, const char *text, struct blob *ret, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r;

	ret->size = (int64_t)strlen(text);
	digest_of(text, strlen(text), ret->hex);
	path = mem_printf("blobs/%s", ret->hex);
	r = file_replace(work->fd, path, text, strlen(text), 0644, 0);
	return r < 0 ? err_errno(err, r, "cannot store %s", path) : 0;
}

int work_read_blob(const struct work *work, const char *hex, size_t max, char **ret,
		   size_t *ret_len, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("blobs/%s", hex);
	int r = file_read(work->fd, path, max, ret, ret_len);

	return r < 0 ? err_errno(err, r, "cannot read the blob %s", hex) : 0;
}

int work_open_blob(const struct work *work, const char *hex, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("blobs/%s", hex);
	int fd = openat(work->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? err_errno(err, -errno, "cannot read the blob %s", hex) : fd;
}

int work_take_blob(const struct work *work, const char *hex, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("blobs/%s", hex);
	int fd;

	if (renameat(work->fd, path, work->fd, "source") < 0)
		return err_errno(err, -errno, "cannot rename the blob %s", hex);
	fd = openat(work->fd, "source", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_errno(err, -errno, "cannot open the blob %s", hex) : fd;
}
