// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb_complete.h"

#include <string.h>

const char *const verb_complete_shells[] = { "bash", "zsh", "fish", NULL };

/*
 * Scripts are written with ~ where the program's name is part of a shell's identifier, and ` where it is a
 * command; words from the tables have both twice.
 */
static void verb_complete_fill(struct buf *out, const char *text,
			       const struct verb_program *program)
{
	while (*text) {
		size_t len = strcspn(text, "~`");

		buf_add(out, text, len);
		text += len;
		if (*text && text[0] == text[1])
			buf_add(out, text++, 1);
		else if (*text)
			buf_add_str(out, *text == '~' ? program->identifier : program->name);
		text += *text != 0;
	}
}

void verb_complete_put(struct buf *out, const struct verb_program *program, int shell)
{
	static void (*const put[])(struct buf * out, const struct verb_program *program) = {
		verb_complete_bash_put, verb_complete_zsh_put, verb_complete_fish_put
	};
	_cleanup_buf_ struct buf text = BUF_INIT;

	put[shell](&text, program);
	verb_complete_fill(out, text.data, program);
}

void verb_complete_show(const struct verb_program *program, int shell)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	verb_complete_put(&out, program, shell);
	fputs(out.data, stdout);
}

const char *verb_complete_kind(const struct option *option)
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

void verb_complete_put_quoted(struct buf *out, const char *text, const char *specials)
{
	for (; *text; text++) {
		if (*text == '\'')
			buf_add_str(out, "'\\''");
		else
			buf_printf(out, "%s%c%s", strchr(specials, *text) ? "\\" : "", *text,
				   *text == '~'	  ? "~"
				   : *text == '`' ? "`"
						  : "");
	}
}
