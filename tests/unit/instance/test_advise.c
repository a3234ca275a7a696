// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/strv.h"
#include "instance/advise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

struct fixture {
	struct instance record;
	struct advise_facts facts;
	struct advice advice;
};

/* An image with one file. */
static int has_one(void *ctx, const char *path)
{
	return ctx && !strcmp(path, ctx);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	instance_init(&f->record);
	f->facts =
		(struct advise_facts){ .record = &f->record, .vm_engine = "kvm", .has = has_one };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	advice_release(&f->advice);
	instance_release(&f->record);
	free(f);
	return 0;
}

static enum advise_verdict judge(struct fixture *f)
{
	advice_release(&f->advice);
	advise_judge(&f->facts, &f->advice);
	return f->advice.verdict;
}

static int fired(const struct fixture *f, const char *id)
{
	for (size_t i = 0; i < f->advice.n; i++) {
		if (!strcmp(f->advice.findings[i].rule->id, id))
			return f->advice.findings[i].detail[0] != '\0';
	}
	return 0;
}

static void where_nothing_speaks_either_will_do(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(judge(f), ADVISE_EITHER);
	assert_int_equal(f->advice.n, 0);
}

static void what_must_be_outweighs_what_is_strong_and_that_a_hint(void **state)
{
	struct fixture *f = *state;

	f->facts.ctx = (char *)"usr/sbin/mariadbd";
	assert_int_equal(judge(f), ADVISE_CONTAINER);
	f->record.nesting = 1;
	assert_int_equal(judge(f), ADVISE_VM);
	f->facts.needs = WORDS("trust=yes", "density=many");
	assert_int_equal(judge(f), ADVISE_CONTAINER);
	f->facts.needs = WORDS("trust=yes", "density=many", "tenants=yes");
	assert_int_equal(judge(f), ADVISE_VM);
	assert_true(fired(f, "database") && fired(f, "nesting") && fired(f, "tenants"));
}

static void what_the_host_cannot_do_ends_it(void **state)
{
	struct fixture *f = *state;

	f->facts.needs = WORDS("trust=no", "tenants=yes", "modules=yes");
	assert_int_equal(judge(f), ADVISE_VM);
	f->facts.vm_engine = "none";
	assert_int_equal(judge(f), ADVISE_CONTAINER);
	assert_true(fired(f, "no-vms-here"));
	f->facts.vm_engine = "kvm";
	f->record.memory = 64 << 20;
	assert_int_equal(judge(f), ADVISE_CONTAINER);
	assert_true(fired(f, "tiny"));
}

static void settings_are_read_from_the_record(void **state)
{
	struct fixture *f = *state;

	f->record.cap_add = strv_dup(WORDS("NET_ADMIN"));
	assert_int_equal(judge(f), ADVISE_EITHER);
	strv_add(&f->record.cap_add, "SYS_ADMIN");
	assert_int_equal(judge(f), ADVISE_VM);
	strv_add(&f->record.volumes, "data:/data");
	judge(f);
	assert_false(fired(f, "host-folders"));
	strv_add(&f->record.volumes, "/srv:/srv");
	judge(f);
	assert_true(fired(f, "host-folders"));
	strv_add(&f->record.networks, "host");
	assert_int_equal(judge(f), ADVISE_CONTAINER);
}

static void an_unknown_need_is_refused_with_those_that_are_known(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(advise_check_needs(WORDS("trust=no", "trust=yes"), &err), 0);
	assert_int_equal(advise_check_needs(WORDS("trust=maybe"), &err), -EINVAL);
	assert_non_null(strstr(err.msg, "trust=no"));
}

static void every_rule_is_whole_and_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (const struct advise_rule *rule = advise_rules; rule->id; rule++) {
		assert_ptr_equal(advise_find(rule->id), rule);
		assert_true(rule->fires && *rule->reason && *rule->source && *rule->looks_at);
		assert_true((rule->weight == ADVISE_NOTE) == (rule->verdict == ADVISE_EITHER));
	}
	assert_null(advise_find("no-such-rule"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(where_nothing_speaks_either_will_do),
		TEST(what_must_be_outweighs_what_is_strong_and_that_a_hint),
		TEST(what_the_host_cannot_do_ends_it),
		TEST(settings_are_read_from_the_record),
		TEST(an_unknown_need_is_refused_with_those_that_are_known),
		TEST(every_rule_is_whole_and_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("instance/advise", tests, NULL, NULL);
}
