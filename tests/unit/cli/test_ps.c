// SPDX-License-Identifier: GPL-2.0-or-later
/* `brig ps` over instances that this test makes up. */
#include "base/mem.h"
#include "base/units.h"
#include "cli/verb.h"
#include "instance/stats.h"

#include "../base/stdout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define GIB ((int64_t)1 << 30)
#define MIB ((int64_t)1 << 20)

struct made_up {
	const char *name, *image, *label;
	int kind, state;
};

static const struct made_up instances[] = {
	{ "broken", NULL, NULL, INSTANCE_CONTAINER, INSTANCE_STOPPED },
	{ "db", "postgres:15", "tier=back", INSTANCE_VM, INSTANCE_RUNNING },
	{ "job", "debian:bookworm", NULL, INSTANCE_CONTAINER, INSTANCE_STOPPED },
	{ "new", "debian:bookworm", NULL, INSTANCE_VM, INSTANCE_CREATED },
	{ "web", "nginx:1.29", "tier=front", INSTANCE_CONTAINER, INSTANCE_RUNNING },
	{ "web-old", "nginx:1.28", "tier=front", INSTANCE_CONTAINER, INSTANCE_PAUSED },
};

static int asked; /* for figures */

static struct instance_view view_of(const struct made_up *i)
{
	struct instance_view view = { .state = i->state };

	instance_init(&view.record);
	view.record.name = mem_strdup(i->name);
	if (!i->image) {
		view.record.error = mem_strdup("it is broken");
		return view;
	}
	view.record.image = mem_strdup(i->image);
	view.record.kind = i->kind;
	view.record.created = INT64_C(1769853600000000000);
	if (i->label)
		strv_add(&view.record.labels, i->label);
	if (i->state != INSTANCE_RUNNING || i->kind == INSTANCE_CONTAINER)
		strv_add(&view.record.ports, "8080:80/tcp");
	view.record.has_run = i->state != INSTANCE_CREATED;
	view.record.exit_code = i->state == INSTANCE_STOPPED ? 3 : 0;
	view.record.started = view.record.has_run ? view.record.created : 0;
	view.alive = i->state == INSTANCE_RUNNING || i->state == INSTANCE_PAUSED;
	if (!view.alive)
		return view;
	view.run.pid = 4242;
	view.run.started = units_now() - INT64_C(200) * 1000000000;
	view.run.engine = mem_strdup(i->kind == INSTANCE_VM ? "qemu" : "container");
	strv_add(&view.run.addresses, "10.77.0.12");
	return view;
}

int instance_each(const struct instance_home *home, int (*each)(struct instance_view *, void *),
		  void *ctx, struct err *err _unused_)
{
	int r = 0;

	assert_string_equal(home->root, "/root");
	for (size_t i = 0; !r && i < ARRAY_SIZE(instances); i++) {
		_cleanup_instance_view_ struct instance_view view = view_of(&instances[i]);

		r = each(&view, ctx);
	}
	return r;
}

void stats_read(const struct instance_home *home _unused_, unsigned int what,
		struct stats_item *items, size_t n)
{
	assert_int_equal(what, STATS_GUESTS);
	for (size_t i = 0; i < n; i++) {
		int is_vm = items[i].view->record.kind == INSTANCE_VM, alive = items[i].view->alive;

		asked += alive;
		items[i].stats = (struct instance_stats){ .memory_limit = is_vm && alive ? GIB : 0,
							  .memory_host = alive ? 58 * MIB : -1,
							  .memory_guest = alive ? 31 * MIB : -1,
							  .pids = alive ? 3 : -1,
							  .group.cpu_ns = alive ? 1000000000 : -1 };
	}
}

void instance_view_release(struct instance_view *view)
{
	instance_release(&view->record);
	instance_run_release(&view->run);
}

/* What `brig ps LINE` prints; *ret_r: what it returns. */
static char *ps(const char *line, int *ret_r, struct err *err)
{
	const struct cli_context cli = { .root = "/root", .run = "/run" };
	const struct verb *verb = &cli_ps_verbs[0];
	_cleanup_strv_ char **words = strv_split(line, " ");
	_cleanup_free_ char **args = NULL;
	_cleanup_free_ void *values = mem_zalloc(verb->values_size);

	asked = 0;
	stdout_begin();
	*ret_r = option_parse(verb->options, verb->mode, (int)strv_len(words), words, values, &args,
			      err);
	if (*ret_r == 0)
		*ret_r = verb->run(&cli, values, args, err);
	option_release(verb->options, values);
	return stdout_end();
}

static void assert_ps(const char *line, const char *expected)
{
	struct err err = ERR_INIT;
	int r = 0;
	_cleanup_free_ char *text = ps(line, &r, &err);

	if (r < 0)
		fail_msg("%s: %s", line, err.msg);
	assert_string_equal(text, expected);
}

static void what_runs_is_shown_in_aligned_columns(void **state _unused_)
{
	assert_ps(
		"",
		"NAME     KIND       IMAGE        STATE    UP  CPU   MEM           ADDRESS     "
		"PORTS\n"
		"db       vm         postgres:15  running  3m  0.5%  31M/58M/1.0G  10.77.0.12  -\n"
		"web      container  nginx:1.29   running  3m  0.5%  31M/58M/-     10.77.0.12  "
		"8080->80/tcp\n"
		"web-old  container  nginx:1.28   paused   3m  0.5%  31M/58M/-     10.77.0.12  "
		"8080->80/tcp\n");
	assert_int_equal(asked, 3);
}

static void all_are_shown_with_what_is_not_known_as_a_dash(void **state _unused_)
{
	assert_ps("-a --no-header --filter image=debian",
		  "job  container  debian:bookworm  stopped  -  -  -/-/-  -  -\n"
		  "new  vm         debian:bookworm  created  -  -  -/-/-  -  -\n");
	assert_int_equal(asked, 0);
}

static void names_alone_cost_no_figures(void **state _unused_)
{
	assert_ps("-q", "db\nweb\nweb-old\n");
	assert_ps("-aq", "broken\ndb\njob\nnew\nweb\nweb-old\n");
	assert_int_equal(asked, 0);
}

static void filters_choose_by_name_kind_image_state_and_label(void **state _unused_)
{
	assert_ps("-aq --filter name=web", "web\nweb-old\n");
	assert_ps("-aq --filter kind=vm", "db\nnew\n");
	assert_ps("-aq --filter image=nginx", "web\nweb-old\n");
	assert_ps("-aq --filter image=nginx:1.28", "web-old\n");
	assert_ps("-aq --filter image=ngin", "");
	assert_ps("-aq --filter label=tier", "db\nweb\nweb-old\n");
	assert_ps("-aq --filter label=tier=front", "web\nweb-old\n");
	assert_ps("-aq --filter label=tie", "");
}

static void a_state_that_is_asked_for_is_shown_without_all(void **state _unused_)
{
	assert_ps("-q --filter state=created", "new\n");
	assert_ps("-q --filter status=exited", "broken\njob\n");
	assert_ps("-q --filter state=paused --filter status=created", "new\nweb-old\n");
}

static void filters_of_one_key_are_alternatives_and_keys_all_have_to_match(void **state _unused_)
{
	assert_ps("-aq --filter name=web --filter name=job", "job\nweb\nweb-old\n");
	assert_ps("-aq --filter name=web --filter state=paused", "web-old\n");
	assert_ps("-aq --filter name=web --filter kind=vm", "");
}

static void filters_that_cannot_match_are_refused(void **state _unused_)
{
	static const char *const bad[] = { "--filter name", "--filter nmae=x", "--filter kind=box",
					   "--filter state=up", "--filter =x" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		int r = 0;
		_cleanup_free_ char *text = ps(bad[i], &r, &err);

		if (r != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_string_equal(text, "");
		assert_non_null(strstr(err.msg, "--filter"));
	}
}

static struct json *ps_json(const char *line)
{
	struct err err = ERR_INIT;
	struct json *json = NULL;
	int r = 0;
	_cleanup_free_ char *text = ps(line, &r, &err);

	assert_int_equal(r, 0);
	assert_int_equal(json_parse(text, strlen(text), "ps", &json, &err), 0);
	return json;
}

static int collect_key(const char *key, struct json *value _unused_, void *ctx)
{
	buf_printf(ctx, "%s ", key);
	return 0;
}

static void json_has_these_keys_and_no_others(void **state _unused_)
{
	_cleanup_json_ struct json *all = ps_json("--json --filter name=db");
	const struct json *db = json_array_at(all, 0);
	_cleanup_buf_ struct buf keys = BUF_INIT, memory = BUF_INIT;

	json_object_each(db, collect_key, &keys);
	json_object_each(json_get(db, "memory"), collect_key, &memory);
	assert_string_equal(keys.data, "name kind image state pid created started exit_code engine "
				       "memory cpu_seconds addresses ports ");
	assert_string_equal(memory.data, "limit host guest ");
	assert_string_equal(json_get_string(db, "kind", ""), "vm");
	assert_string_equal(json_get_string(db, "state", ""), "running");
	assert_string_equal(json_get_string(db, "engine", ""), "qemu");
	assert_string_equal(json_get_string(db, "created", ""), "2026-01-31T10:00:00.000000000Z");
	assert_int_equal(json_get_int(db, "pid", 0), 4242);
	assert_null(json_get(db, "exit_code"));
	assert_int_equal(json_get_int(json_get(db, "memory"), "limit", 0), GIB);
	assert_true(json_double(json_get(db, "cpu_seconds")) > 0.99);
	assert_string_equal(json_string(json_array_at(json_get(db, "addresses"), 0)), "10.77.0.12");
	assert_int_equal(json_kind(json_get(db, "ports")), JSON_ARRAY);
}

static void json_says_null_for_what_is_not_known(void **state _unused_)
{
	_cleanup_json_ struct json *all = ps_json("-a --json --filter state=stopped --filter "
						  "state=created");
	const struct json *broken = json_array_at(all, 0), *job = json_array_at(all, 1),
			  *created = json_array_at(all, 2);

	assert_null(json_get(broken, "image"));
	assert_int_equal(json_get_int(job, "exit_code", -1), 3);
	assert_null(json_get(job, "pid"));
	assert_null(json_get(json_get(job, "memory"), "limit"));
	assert_null(json_get(json_get(job, "memory"), "host"));
	assert_null(json_get(job, "cpu_seconds"));
	assert_string_equal(json_get_string(job, "engine", ""), "container");
	assert_null(json_get(created, "exit_code"));
	assert_null(json_get(created, "started"));
	assert_null(json_get(created, "engine"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_runs_is_shown_in_aligned_columns),
		cmocka_unit_test(all_are_shown_with_what_is_not_known_as_a_dash),
		cmocka_unit_test(names_alone_cost_no_figures),
		cmocka_unit_test(filters_choose_by_name_kind_image_state_and_label),
		cmocka_unit_test(a_state_that_is_asked_for_is_shown_without_all),
		cmocka_unit_test(filters_of_one_key_are_alternatives_and_keys_all_have_to_match),
		cmocka_unit_test(filters_that_cannot_match_are_refused),
		cmocka_unit_test(json_has_these_keys_and_no_others),
		cmocka_unit_test(json_says_null_for_what_is_not_known),
	};

	return cmocka_run_group_tests_name("cli/ps", tests, NULL, NULL);
}
