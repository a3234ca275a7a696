// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/backup_reader.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/take.h"
#include "image/parcel.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define BACKUP_READER_MEMORY_MAX (UINT64_C(1) << 30)

struct backup_reader_task {
	int in, out;
};

static int backup_reader_run(void *ctx, int report_fd _unused_, void *result, struct err *err)
{
	const struct backup_reader_task *task = ctx;

	/* who does not listen any more has a reason of his own */
	(void)signal(SIGPIPE, SIG_IGN);
	return parcel_read(task->in, task->out, result, err);
}

int backup_reader_start(struct backup_reader *reader, int file, int dirfd, const char *jail,
			struct err *err)
{
	_cleanup_close_ int root = -EBADF, out = -EBADF;
	struct backup_reader_task task = { .in = file };
	struct confine_spec spec = {
		.fn = backup_reader_run,
		.ctx = &task,
		.syscalls = parcel_syscalls,
		.memory_max = BACKUP_READER_MEMORY_MAX,
		.result_size = DIGEST_HEX_SIZE,
	};
	int fds[2];

	if (mkdirat(dirfd, jail, 0700) == 0)
		root = openat(dirfd, jail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot start to read");
	reader->in = fds[0];
	out = fds[1];
	task.out = out;
	spec.root_fd = root;
	spec.keep_fds[0] = file;
	spec.keep_fds[1] = out;
	return confine_start(&spec, &reader->child, err);
}

int backup_reader_document(int in, const struct record_table *table, void *record, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	_cleanup_free_ char *text = NULL;
	int r = parcel_receive_document(in, &text, err);

	if (r == 0)
		r = json_parse(text, strlen(text), table->what, &json, err);
	return r < 0 ? r : record_from_json(table, json, record, err);
}

int backup_reader_head(int in, struct backup *ret, struct err *err)
{
	_cleanup_free_ char *ignored = NULL;
	int r = backup_reader_document(in, &backup_table, ret, err);

	return r < 0 ? r : parcel_receive_document(in, &ignored, err);
}

int backup_reader_end(struct backup_reader *reader, int received_r, const struct err *received,
		      char checksum[DIGEST_HEX_SIZE], struct err *err)
{
	int64_t done;
	int r;

	if (received_r < 0 && received_r != -EPIPE) {
		*err = *received;
		return received_r;
	}
	r = confine_read(&reader->child, &done, checksum, DIGEST_HEX_SIZE, err);
	if (r == 0 && received_r < 0) {
		*err = *received;
		return received_r;
	}
	if (r == 0 && (checksum[DIGEST_HEX_LEN] || !digest_is_hex(checksum)))
		return err_set(err, -EBADMSG, "its checksum is none");
	return r;
}

void backup_reader_release(struct backup_reader *reader)
{
	confine_release(&reader->child);
	fd_close(reader->in);
}
