// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb_manual.h"

#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void the_page_is_made_of_the_rows(void **state _unused_)
{
	static const char *const parts[] = {
		".TH TOOL\\-X 8 \"2026-01-31\" \"brig ",
		".SH NAME\n",
		"\\fB\\-\\-where\\fR \\fIDIR\\fR\nWhere things are.\n",
		".SH COMMANDS\n.SS \"tool\\-x make [OPTION...] FILE [FILE]\"\nMake a thing.\n",
		"Also called \\fBcreate new\\fR.\n",
		"It is made.\n.PP\n\\&.Twice\n",
		"\\fB\\-f\\fR, \\fB\\-\\-force\\fR\nDon\\(aqt ask",
		"\\fBtool\\-x make \\-f a\\fR\nMake a.\n",
		".SS \"tool\\-x box send WHAT\"\n",
		".SH SEE ALSO\n",
	};
	_cleanup_buf_ struct buf out = BUF_INIT;
	const char *at;

	verb_manual_put(&out, &program);
	at = out.data;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *found = strstr(at, parts[i]);

		if (!found)
			fail_msg("'%s' is missing, or not in its place", parts[i]);
		at = found ? found : at;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_made_of_the_rows),
	};

	return cmocka_run_group_tests_name("base/verb_manual", tests, NULL, NULL);
}
