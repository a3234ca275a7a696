// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/completion.h"

#include <string.h>

const char *const completion_shells[] = { "bash", "zsh", "fish", NULL };

void completion_show(int shell)
{
	static void (*const put[])(struct buf * out) = { completion_bash_put, completion_zsh_put,
							 completion_fish_put };
	_cleanup_buf_ struct buf out = BUF_INIT;

	put[shell](&out);
	fputs(out.data, stdout);
}

const char *completion_kind(const struct option *option)
{
	static char choices[512];
	size_t used = 0;

	if (option->type == OPTION_SIGNAL)
		return "signal";
	if (!option->choices)
		return option->complete ? option->complete : "none";
	for (const char *const *c = option->choices; *c && used < sizeof(choices); c++)
		used += (size_t)snprintf(choices + used, sizeof(choices) - used, "%s%s",
					 c == option->choices ? ":" : " ", *c);
	return choices;
}

void completion_put_quoted(struct buf *out, const char *text, const char *specials)
{
	for (; *text; text++) {
		if (*text == '\'')
			buf_add_str(out, "'\\''");
		else
			buf_printf(out, "%s%c", strchr(specials, *text) ? "\\" : "", *text);
	}
}
