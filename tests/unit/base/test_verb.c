// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb.h"

#include "program.h"
#include "stdout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct verb *find(const char *line, int *words)
{
	_cleanup_strv_ char **argv = strv_split(line, " ");

	return verb_find(&program, (int)strv_len(argv), argv, words);
}

static void verbs_are_found_by_name_alias_and_noun(void **state _unused_)
{
	int words = 0;

	assert_ptr_equal(find("make -f", &words), &program_things[0]);
	assert_int_equal(words, 1);
	assert_ptr_equal(find("new", &words), &program_things[0]);
	assert_ptr_equal(find("box send x", &words), &program_boxes[1]);
	assert_int_equal(words, 2);
	assert_null(find("box", &words));
	assert_null(find("send", &words));
	assert_null(find("box make", &words));
	assert_null(find("", &words));
}

/* What a call got, and what it shall return. */
static struct {
	int calls, force, color, r;
	char name[16], first[16];
} called;

static int record_call(const struct verb *verb _unused_, const void *context, const void *values,
		       char **args, struct err *err)
{
	const struct program_values *v = values;

	assert_string_equal(context, "context");
	called.calls++;
	called.force = v->force;
	called.color = v->color;
	snprintf(called.name, sizeof(called.name), "%s", v->name ? v->name : "-");
	snprintf(called.first, sizeof(called.first), "%s", args[0] ? args[0] : "-");
	return called.r < 0 ? err_set(err, called.r, "it failed") : called.r;
}

static int dispatch(const char *line, struct err *err)
{
	_cleanup_strv_ char **argv = strv_split(line, " ");

	*err = ERR_INIT;
	return verb_dispatch(&program, (int)strv_len(argv), argv, record_call, "context", err);
}

static void a_verb_is_called_with_its_values_and_arguments(void **state _unused_)
{
	struct err err;

	called.calls = called.r = 0;
	assert_int_equal(dispatch("make a -f --name=x", &err), 0);
	assert_int_equal(called.calls, 1);
	assert_int_equal(called.force, 1);
	assert_int_equal(called.color, 1); /* the default */
	assert_string_equal(called.name, "x");
	assert_string_equal(called.first, "a");
	assert_int_equal(dispatch("make -force=false -color red a", &err), 0);
	assert_int_equal(called.force, 0);
	assert_int_equal(called.color, 0);
	called.r = 7;
	assert_int_equal(dispatch("make a", &err), 7);
	called.r = -EBUSY;
	assert_int_equal(dispatch("make a", &err), -EBUSY);
	assert_string_equal(err.msg, "it failed");
}

static void assert_refused(const char *line, const char *expected)
{
	struct err err;

	called.calls = 0;
	assert_int_equal(dispatch(line, &err), -EINVAL);
	assert_int_equal(called.calls, 0);
	if (!strstr(err.msg, expected))
		fail_msg("%s gave: %s", line, err.msg);
}

static void mistakes_are_told_before_anything_is_done(void **state _unused_)
{
	assert_refused("maek a", "did you mean 'make'?");
	assert_refused("bxo", "did you mean 'box'?");
	assert_refused("box sned", "did you mean 'send'?");
	assert_refused("xyzzy", "unknown command 'xyzzy'; see 'tool-x help'");
	assert_refused("box", "'tool-x box' needs a command; see 'tool-x help box'");
	assert_refused("make", "too few arguments; usage: tool-x make [OPTION...] FILE [FILE]");
	assert_refused("make a b c", "too many arguments");
	assert_refused("make --nmae x a", "did you mean --name?; see 'tool-x help make'");
	assert_refused("make --color green a", "none of red, blue");
}

static void every_verb_explains_itself(void **state _unused_)
{
	static const char *const lines[] = { "make --help", "make -h", "make a b c --help",
					     "drop -help" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *text = NULL;
		struct err err;

		called.calls = 0;
		stdout_begin();
		assert_int_equal(dispatch(lines[i], &err), 0);
		text = stdout_end();
		assert_int_equal(called.calls, 0);
		assert_int_equal(strncmp(text, "usage: tool-x ", 14), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_are_found_by_name_alias_and_noun),
		cmocka_unit_test(a_verb_is_called_with_its_values_and_arguments),
		cmocka_unit_test(mistakes_are_told_before_anything_is_done),
		cmocka_unit_test(every_verb_explains_itself),
	};

	return cmocka_run_group_tests_name("base/verb", tests, NULL, NULL);
}
