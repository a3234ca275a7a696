// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/console.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <string.h>

struct console {
	int fd, log;
	size_t logged;
	struct loop_source *source;
	struct buf kept;
};

/* A full log begins again with what is kept, so that it ends with the latest. A full disk loses it. */
static void console_log(struct console *console, const char *data, size_t len)
{
	if (console->log < 0)
		return;
	if (console->logged + len > CONSOLE_LOG_MAX) {
		data = console->kept.data;
		len = console->kept.len;
		console->logged = 0;
		if (ftruncate(console->log, 0) < 0 || lseek(console->log, 0, SEEK_SET) < 0)
			return;
	}
	console->logged += len;
	(void)file_write_all(console->log, data, len);
}

/* 1 if something was read, 0 if there is nothing now, -EPIPE at the end. */
static int console_read(struct console *console)
{
	char chunk[4096];
	ssize_t n = read(console->fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	if (!n)
		return -EPIPE;
	buf_add(&console->kept, chunk, (size_t)n);
	if (console->kept.len > CONSOLE_KEPT)
		buf_consume(&console->kept, console->kept.len - CONSOLE_KEPT);
	console_log(console, chunk, (size_t)n);
	return 1;
}

static void console_on_io(void *ctx, uint32_t events _unused_)
{
	struct console *console = ctx;

	if (console_read(console) < 0)
		console->source = loop_source_free(console->source);
}

int console_new(struct loop *loop, int fd, const char *log, struct console **ret, struct err *err)
{
	struct console *console = mem_zalloc(sizeof(*console));

	console->fd = fd;
	console->log = -EBADF;
	if (log) {
		console->log =
			open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (console->log < 0) {
			console_free(console);
			return err_errno(err, -errno, "cannot write %s", log);
		}
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		console->source = loop_watch_fd(loop, fd, EPOLLIN, console_on_io, console);
	if (!console->source) {
		console_free(console);
		return err_errno(err, -errno, "cannot watch the VM's console");
	}
	*ret = console;
	return 0;
}

struct console *console_free(struct console *console)
{
	if (!console)
		return NULL;
	loop_source_free(console->source);
	fd_close(console->fd);
	fd_close(console->log);
	buf_release(&console->kept);
	free(console);
	return NULL;
}

void console_drain(struct console *console)
{
	while (console->source && console_read(console) > 0)
		continue;
	console->source = loop_source_free(console->source);
}

static char console_printable(char c)
{
	if (c < ' ' || c >= 0x7f)
		return '?';
	return c;
}

void console_tail(const struct console *console, char *text, size_t size)
{
	size_t start = console->kept.len > size * 2 ? console->kept.len - size * 2 : 0;
	_cleanup_buf_ struct buf out = BUF_INIT;
	int new_line = 0;

	for (size_t i = start; i < console->kept.len; i++) {
		char c = console->kept.data[i];

		if (c == '\n') {
			new_line = out.len > 0;
		} else if (c != '\r' && (c != ' ' || (out.len && !new_line))) {
			buf_printf(&out, "%s%c", new_line ? " / " : "", console_printable(c));
			new_line = 0;
		}
	}
	start = out.len >= size ? out.len - size + 1 : 0;
	snprintf(text, size, "%s", out.data ? out.data + start : "");
}

int console_find(const struct console *console, const char *words, char *text, size_t size)
{
	const char *data = console->kept.data;
	const char *at = data ? memmem(data, console->kept.len, words, strlen(words)) : NULL;
	size_t n = 0;

	if (!at)
		return 0;
	while (n + 1 < size && at < data + console->kept.len && !strchr("\r\n", *at))
		text[n++] = console_printable(*at++);
	text[n] = '\0';
	return 1;
}
