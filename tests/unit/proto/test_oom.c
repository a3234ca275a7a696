// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MEMCG                                                                                 \
	"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=web,mems_allowed=0,oom_" \
	"memcg="

static void a_limit_that_was_met_is_told_with_who_was_killed(void **state)
{
	struct oom_kill kill;

	(void)state;
	assert_true(oom_parse("3,9001,12345,-;" MEMCG
			      "/brig/web,task_memcg=/brig/web/inner,task=tail,pid=37,uid=1000\n",
			      &kill));
	assert_int_equal(kill.pid, 37);
	assert_int_equal(kill.uid, 1000);
	assert_string_equal(kill.name, "tail");
	assert_string_equal(kill.limit, "/brig/web");
	assert_string_equal(kill.group, "/brig/web/inner");
	assert_false(kill.global);
}

static void a_host_without_memory_is_no_limit(void **state)
{
	struct oom_kill kill;

	(void)state;
	assert_true(oom_parse("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_"
			      "allowed=0,global_oom,task_memcg=/brig/web,task=x,pid=5,uid=0",
			      &kill));
	assert_true(kill.global);
	assert_string_equal(kill.limit, "");
	assert_string_equal(kill.group, "/brig/web");
}

static void a_process_s_name_does_not_mislead(void **state)
{
	struct oom_kill kill;

	(void)state;
	assert_true(oom_parse(MEMCG "/brig/web,task_memcg=/brig/web,task=,pid=1,uid=7,pid=37,uid=0",
			      &kill));
	assert_int_equal(kill.pid, 37);
	assert_int_equal(kill.uid, 0);
	assert_string_equal(kill.name, ",pid=1,uid=7");
	assert_true(oom_parse(MEMCG "/a,task_memcg=/b,task=\033[2J,pid=37,uid=0", &kill));
	assert_string_equal(kill.name, "?[2J");
}

static void other_lines_are_none(void **state)
{
	struct oom_kill kill;

	(void)state;
	assert_false(oom_parse("", &kill));
	assert_false(oom_parse("Memory cgroup out of memory: Killed process 37 (tail)", &kill));
	assert_false(oom_parse("oom-kill:constraint=CONSTRAINT_MEMCG,task=,pid=1", &kill));
	assert_false(oom_parse("oom-kill:constraint=X,uid=1,pid=1,task_memcg=/,task=a", &kill));
	assert_false(oom_parse("oom-kill:constraint=X,task_memcg=/,pid=,task=9,uid=1", &kill));
}

static void places_are_told_whatever_is_above(void **state)
{
	(void)state;
	assert_int_equal(oom_place("/brig/web", "brig/web"), OOM_AT);
	assert_int_equal(oom_place("/docker/0123/brig/web", "brig/web"), OOM_AT);
	assert_int_equal(oom_place("/brig/web/system.slice", "brig/web"), OOM_BELOW);
	assert_int_equal(oom_place("/brig/web2", "brig/web"), OOM_ELSEWHERE);
	assert_int_equal(oom_place("/not-brig/web", "brig/web"), OOM_ELSEWHERE);
	assert_int_equal(oom_place("/brig", "brig/web"), OOM_ELSEWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_that_was_met_is_told_with_who_was_killed),
		cmocka_unit_test(a_host_without_memory_is_no_limit),
		cmocka_unit_test(a_process_s_name_does_not_mislead),
		cmocka_unit_test(other_lines_are_none),
		cmocka_unit_test(places_are_told_whatever_is_above),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
