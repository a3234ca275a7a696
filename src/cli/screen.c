// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the alternate screen (xterm's 1049, which all terminals of today have), the cursor hidden, and a terminal
 * without echo and without lines. Signals of the keyboard stay signals: the loop hears of them.
 *
 * Invariant: between screen_enter() and screen_leave() every signal that would end the process is blocked and goes through the loop.
 */
#include "cli/screen.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"

struct screen {
	struct loop *loop;
	struct loop_source *signals, *keys;
	const struct screen_ops *ops;
	void *ctx;
	struct termios saved;
	int has_keys; /* standard input is a terminal, and saved is how it was */
};

int screen_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static void screen_enter(struct screen *screen)
{
	struct termios now;

	screen->has_keys = tcgetattr(STDIN_FILENO, &screen->saved) == 0;
	now = screen->saved;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	if (screen->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
	(void)file_write_all(STDOUT_FILENO, SCREEN_ENTER, strlen(SCREEN_ENTER));
}

static void screen_leave(struct screen *screen)
{
	(void)file_write_all(STDOUT_FILENO, SCREEN_LEAVE, strlen(SCREEN_LEAVE));
	if (screen->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->saved);
}

static void screen_on_signal(void *ctx, int number)
{
	struct screen *screen = ctx;

	if (number == SIGTSTP) {
		screen_leave(screen);
		(void)raise(SIGSTOP);
		screen_enter(screen);
	}
	if (number == SIGTSTP || number == SIGWINCH)
		screen->ops->redraw(screen->ctx);
	else
		loop_exit(screen->loop, number == SIGINT ? 0 : 128 + number);
}

static void screen_on_key(void *ctx, uint32_t events _unused_)
{
	struct screen *screen = ctx;
	char keys[16];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0) {
		loop_exit(screen->loop, 0);
		return;
	}
	/* what the arrow keys and their like send is none of ours */
	for (ssize_t i = 0; i < n && keys[i] != '\033'; i++)
		screen->ops->key(screen->ctx, keys[i]);
}

int screen_new(struct loop *loop, const struct screen_ops *ops, void *ctx, struct screen **ret,
	       struct err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH, 0 };
	_cleanup_free_ struct screen *screen = mem_zalloc(sizeof(*screen));

	screen->loop = loop;
	screen->ops = ops;
	screen->ctx = ctx;
	screen->signals = loop_watch_signals(loop, signals, screen_on_signal, screen);
	if (!screen->signals)
		return err_errno(err, -errno, "cannot watch signals");
	screen_enter(screen);
	if (screen->has_keys)
		screen->keys = loop_watch_fd(loop, STDIN_FILENO, EPOLLIN, screen_on_key, screen);
	*ret = take_ptr(screen);
	return 0;
}

struct screen *screen_free(struct screen *screen)
{
	if (!screen)
		return NULL;
	screen_leave(screen);
	loop_source_free(screen->keys);
	loop_source_free(screen->signals);
	free(screen);
	return NULL;
}

/* The bytes of the line's first columns; UTF-8 continuation bytes take none. */
static size_t screen_fit(const char *line, size_t len, size_t columns)
{
	size_t n = 0;

	for (; n < len; n++) {
		if (((unsigned char)line[n] & 0xc0) != 0x80 && columns-- == 0)
			break;
	}
	return n;
}

int screen_draw(struct screen *screen _unused_, const char *text)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct winsize size = { 0 };
	size_t rows, columns;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	rows = size.ws_row ? size.ws_row : 24;
	columns = size.ws_col ? size.ws_col : 80;
	buf_add_str(&out, "\033[H");
	for (size_t row = 0; *text && row < rows; row++) {
		size_t len = strcspn(text, "\n");

		buf_add_str(&out, row ? "\r\n" : "");
		buf_add(&out, text, screen_fit(text, len, columns));
		buf_add_str(&out, "\033[K");
		text += len + (text[len] == '\n');
	}
	buf_add_str(&out, "\033[J");
	return file_write_all(STDOUT_FILENO, out.data, out.len);
}
