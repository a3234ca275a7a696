// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/progress.h"
#include "base/units.h"

#include <unistd.h>

#define PROGRESS_INTERVAL_NS 100000000

static int64_t progress_shown_at;

void progress_show(void *ctx _unused_, const char *what, int64_t done, int64_t total)
{
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];
	int64_t now = units_monotonic();

	if (!isatty(STDERR_FILENO))
		return;
	if (progress_shown_at && now - progress_shown_at < PROGRESS_INTERVAL_NS)
		return;
	progress_shown_at = now;
	if (total > 0)
		fprintf(stderr, "\r\033[K%s  %s of %s  %d%%", what, units_format_size(done, a),
			units_format_size(total, b), (int)(done * 100.0 / (double)total));
	else if (done > 0)
		fprintf(stderr, "\r\033[K%s  %s", what, units_format_size(done, a));
	else
		fprintf(stderr, "\r\033[K%s", what);
}

void progress_end(void)
{
	if (!progress_shown_at)
		return;
	fputs("\r\033[K", stderr);
	progress_shown_at = 0;
}
