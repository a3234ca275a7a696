// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/option.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct values {
	int detach, tty, interactive, signal, engine;
	char *name;
	char **env;
	int64_t memory, cpus, timeout, count;
};

static const char *const engines[] = { "auto", "kvm", NULL };

static const struct option table[] = {
	{ "detach", 'd', OPTION_FLAG, NULL, "h", offsetof(struct values, detach) },
	{ "tty", 't', OPTION_FLAG, NULL, "h", offsetof(struct values, tty) },
	{ "interactive", 'i', OPTION_FLAG, NULL, "h", offsetof(struct values, interactive) },
	{ "name", 'n', OPTION_STRING, "NAME", "h", offsetof(struct values, name) },
	{ "env", 'e', OPTION_STRV, "KEY=VALUE", "h", offsetof(struct values, env) },
	{ "memory", 'm', OPTION_SIZE, "SIZE", "h", offsetof(struct values, memory) },
	{ "cpus", 0, OPTION_MILLI, "N", "h", offsetof(struct values, cpus) },
	{ "timeout", 0, OPTION_DURATION, "TIME", "h", offsetof(struct values, timeout) },
	{ "count", 'c', OPTION_INT, "N", "h", offsetof(struct values, count), .min = 1, .max = 5 },
	{ "signal", 's', OPTION_SIGNAL, "SIGNAL", "h", offsetof(struct values, signal) },
	{ "engine", 0, OPTION_CHOICE, "ENGINE", "h", offsetof(struct values, engine),
	  .choices = engines },
	OPTION_END,
};

/* The words of one line, and what came of them. */
struct line {
	char *text, **argv, **args;
	struct values values;
	struct err err;
	int r;
};

static struct line parse(enum option_mode mode, const char *text)
{
	struct line line = { .argv = strv_split(text, " ") };

	line.r = option_parse(table, mode, (int)strv_len(line.argv), line.argv, &line.values,
			      &line.args, &line.err);
	return line;
}

static void line_release(struct line *line)
{
	option_release(table, &line->values);
	free(line->args);
	strv_free(line->argv);
}
#define _cleanup_line_ _cleanup_(line_release)

static void assert_args(const struct line *line, const char *expected)
{
	_cleanup_free_ char *joined = strv_join(line->args, " ");

	if (line->r < 0)
		fail_msg("%s", line->err.msg);
	assert_string_equal(joined, expected);
}

static void long_options_take_the_next_word_or_what_follows_the_equals_sign(void **state _unused_)
{
	_cleanup_line_ struct line line =
		parse(OPTION_MIXED, "--name a --name=b --memory=1.5g --cpus 0.5 --timeout 2m "
				    "--count=5 --signal HUP --engine kvm --env A=1 --env=B=2");

	assert_args(&line, "");
	assert_string_equal(line.values.name, "b");
	assert_int_equal(line.values.memory, (int64_t)3 << 29);
	assert_int_equal(line.values.cpus, 500);
	assert_int_equal(line.values.timeout, 120000);
	assert_int_equal(line.values.count, 5);
	assert_int_equal(line.values.signal, SIGHUP);
	assert_int_equal(line.values.engine, 1);
	assert_int_equal(strv_len(line.values.env), 2);
	assert_string_equal(line.values.env[1], "B=2");
}

static void letters_are_combined_and_the_last_may_take_a_value(void **state _unused_)
{
	_cleanup_line_ struct line line =
		parse(OPTION_MIXED, "-it -dn web -m512k -eA=1 -e=B=2 -c=3");

	assert_args(&line, "");
	assert_true(line.values.interactive && line.values.tty && line.values.detach);
	assert_string_equal(line.values.name, "web");
	assert_int_equal(line.values.memory, 512 << 10);
	assert_string_equal(line.values.env[0], "A=1");
	assert_string_equal(line.values.env[1], "B=2");
	assert_int_equal(line.values.count, 3);
}

static void flags_may_be_switched_off(void **state _unused_)
{
	_cleanup_line_ struct line line = parse(OPTION_MIXED, "--detach --detach=false --tty=true");
	_cleanup_line_ struct line bad = parse(OPTION_MIXED, "--tty=maybe");

	assert_args(&line, "");
	assert_false(line.values.detach);
	assert_true(line.values.tty);
	assert_int_equal(bad.r, -EINVAL);
	assert_non_null(strstr(bad.err.msg, "--tty"));
}

static void the_workloads_own_options_are_left_alone(void **state _unused_)
{
	_cleanup_line_ struct line line = parse(OPTION_LEAD, "-d image ls -l --name x -- -t");

	assert_args(&line, "image ls -l --name x -- -t");
	assert_true(line.values.detach);
	assert_null(line.values.name);
	assert_false(line.values.tty);
}

static void options_may_follow_names_and_two_dashes_end_them(void **state _unused_)
{
	_cleanup_line_ struct line line = parse(OPTION_MIXED, "a -d b -- -t --name -");

	assert_args(&line, "a b -t --name -");
	assert_true(line.values.detach);
	assert_false(line.values.tty);
}

static void a_dash_alone_is_a_name(void **state _unused_)
{
	_cleanup_line_ struct line line = parse(OPTION_MIXED, "- -d");

	assert_args(&line, "-");
}

static void mistakes_are_told_with_what_was_meant(void **state _unused_)
{
	static const char *const bad[][2] = {
		{ "--nmae x", "unknown option --nmae; did you mean --name?" },
		{ "--detahc", "--detach?" },
		{ "--xyzzy=1", "unknown option --xyzzy" },
		{ "-x", "unknown option -x" },
		{ "-dx", "unknown option -x" },
		{ "--name", "option --name needs a value: NAME" },
		{ "-tn", "option -n needs a value: NAME" },
		{ "--memory lots", "option --memory: 'lots' is not a size" },
		{ "--count 6", "option --count: 6 is not between 1 and 5" },
		{ "--count 0", "option --count: 0 is not between 1 and 5" },
		{ "-c -1", "option --count: '-1' is not a whole number" },
		{ "--signal FOO", "option --signal: 'FOO' is not a signal" },
		{ "--engine kmv", "option --engine: 'kmv' is none of auto, kvm" },
		{ "--timeout 1y", "option --timeout: '1y' is not a duration" },
		{ "---d", "unknown option" },
		{ "--=x", "unknown option" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_line_ struct line line = parse(OPTION_MIXED, bad[i][0]);

		assert_int_equal(line.r < 0, 1);
		if (!strstr(line.err.msg, bad[i][1]))
			fail_msg("%s gave: %s", bad[i][0], line.err.msg);
		assert_int_equal(line.err.exit_status, 125);
	}
}

static void an_empty_word_is_an_argument(void **state _unused_)
{
	char *argv[] = { (char *)"", (char *)"-d", NULL };
	_cleanup_free_ char **args = NULL;
	struct values values = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(option_parse(table, OPTION_MIXED, 2, argv, &values, &args, &err), 0);
	assert_int_equal(strv_len(args), 1);
	assert_true(values.detach);
}

static void very_long_words_are_survived(void **state _unused_)
{
	static char word[100000];
	char *argv[] = { word, NULL };
	_cleanup_free_ char **args = NULL;
	struct values values = { 0 };
	struct err err = ERR_INIT;

	memset(word, '-', 2);
	memset(word + 2, 'x', sizeof(word) - 3);
	assert_int_equal(option_parse(table, OPTION_MIXED, 1, argv, &values, &args, &err), -EINVAL);
	assert_true(strlen(err.msg) < 200);
}

static void one_dash_will_do_for_who_writes_as_go_does(void **state _unused_)
{
	enum option_mode mode = OPTION_MIXED | OPTION_ONE_DASH;
	_cleanup_line_ struct line line =
		parse(mode, "-name=a -detach x -ti -count 3 -nb -memory 1k");
	_cleanup_line_ struct line other = parse(OPTION_MIXED, "-name");

	assert_int_equal(line.r, 0);
	assert_string_equal(line.values.name, "b");
	assert_true(line.values.detach && line.values.tty && line.values.interactive);
	assert_int_equal(line.values.count, 3);
	assert_int_equal(line.values.memory, 1024);
	assert_args(&line, "x");
	assert_int_equal(other.r, 0);
	assert_string_equal(other.values.name, "ame");
}

static void usage_names_the_letter_the_name_and_the_value(void **state _unused_)
{
	char text[64];

	assert_string_equal(option_usage(&table[3], text, sizeof(text)), "-n, --name NAME");
	assert_string_equal(option_usage(&table[6], text, sizeof(text)), "    --cpus N");
	assert_string_equal(option_usage(&table[0], text, sizeof(text)), "-d, --detach");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_options_take_the_next_word_or_what_follows_the_equals_sign),
		cmocka_unit_test(letters_are_combined_and_the_last_may_take_a_value),
		cmocka_unit_test(flags_may_be_switched_off),
		cmocka_unit_test(the_workloads_own_options_are_left_alone),
		cmocka_unit_test(options_may_follow_names_and_two_dashes_end_them),
		cmocka_unit_test(a_dash_alone_is_a_name),
		cmocka_unit_test(mistakes_are_told_with_what_was_meant),
		cmocka_unit_test(an_empty_word_is_an_argument),
		cmocka_unit_test(very_long_words_are_survived),
		cmocka_unit_test(one_dash_will_do_for_who_writes_as_go_does),
		cmocka_unit_test(usage_names_the_letter_the_name_and_the_value),
	};

	return cmocka_run_group_tests_name("base/option", tests, NULL, NULL);
}
