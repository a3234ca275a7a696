// SPDX-License-Identifier: GPL-2.0-or-later
/* The scripts of a program with another name than brig; that shells take them is tested with the real ones. */
#include "base/verb_complete.h"

#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void assert_script(int shell, const char *const *parts)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	verb_complete_put(&out, &program, shell);
	for (; *parts; parts++) {
		if (!strstr(out.data, *parts))
			fail_msg("%s lacks: %s", verb_complete_shells[shell], *parts);
	}
	if (strstr(out.data, "_brig") || strstr(out.data, "brig "))
		fail_msg("%s speaks of another program", verb_complete_shells[shell]);
}

static void bash_learns_verbs_options_and_kinds(void **state _unused_)
{
	static const char *const parts[] = {
		"_tool_x_about() {",
		("\t'make' | 'create' | 'new') opts='--help --force -f --name -n --color' valued=' "
		 "--name=thing -n=thing --color=:red,blue' args='file' ;;\n"),
		"\t'') opts='--help --where --quiet' valued=' --where=file' ;;\n",
		"\tbox) echo 'ls,send,' ;;\n",
		"\tthing) words=\"$(\"${program[@]}\" list -q 2>/dev/null) all\" ;;\n",
		"\tfile | command | either)\n",
		"complete -F _tool_x tool-x\n",
		NULL,
	};

	assert_script(0, parts);
}

static void zsh_learns_verbs_options_and_kinds(void **state _unused_)
{
	static const char *const parts[] = {
		"#compdef tool-x\n",
		"_tool_x_thing() { compadd all; _tool_x_names list -q }\n",
		"_call_program names tool-x $@",
		"{-f,--force}'[don'\\''t ask; as ~/.tool or `so`]'",
		"compdef _tool_x tool-x; fi\n",
		NULL,
	};

	assert_script(1, parts);
}

static void fish_learns_verbs_options_and_kinds(void **state _unused_)
{
	static const char *const parts[] = {
		"contains -- $word --where\n",
		("complete -c tool-x -n '__tool_x_is make create new' -l force -s f -d 'don'\\''t "
		 "ask; as ~/.tool or `so`'\n"),
		"-l color -x -a 'red blue' -d",
		"-a '(string split \" \" \"all\"; tool-x list -q 2>/dev/null)'\n",
		"-a '(tool-x list -q 2>/dev/null | string replace -r \"\\$\" :)' -F\n",
		NULL,
	};

	assert_script(2, parts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bash_learns_verbs_options_and_kinds),
		cmocka_unit_test(zsh_learns_verbs_options_and_kinds),
		cmocka_unit_test(fish_learns_verbs_options_and_kinds),
	};

	return cmocka_run_group_tests_name("base/verb_complete", tests, NULL, NULL);
}
