// SPDX-License-Identifier: GPL-2.0-or-later
/* For each architecture that the machine runs, the tables give every system call number a verdict. */
#include "container/seccomp_profile.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/seccomp_arch.h"
#include "container/seccomp_table.h"
#include "container/seccomp_tree.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

/* Counts changes of how tables become a filter; changes of the tables are noticed by themselves. */
#define SECCOMP_PROFILE_VERSION 4
#define SECCOMP_PROFILE_DENY	(SECCOMP_RET_ERRNO | EPERM)
#define SECCOMP_PROFILE_MISSING (SECCOMP_RET_ERRNO | ENOSYS)

struct seccomp_profile {
	uint64_t caps;
	const struct seccomp_arch *arch; /* that is being judged */
	struct seccomp_tree_rule *rules; /* as seccomp_table_arguments */
	struct seccomp_tree_table table;
};

static int seccomp_profile_on(uint64_t group_caps, uint64_t caps)
{
	return !group_caps || (group_caps & caps);
}

/* The call's verdict on this architecture, or NULL if it has no such call. */
static struct seccomp_tree_verdict *seccomp_profile_at(struct seccomp_profile *profile,
						       const char *name)
{
	int number = seccomp_arch_number(profile->arch, name);

	if (number < 0 || number > SECCOMP_TABLE_LAST_NAMED)
		return NULL;
	return &profile->table.verdicts[number];
}

static void seccomp_profile_set(struct seccomp_profile *profile, const char *name,
				const struct seccomp_tree_verdict *is)
{
	struct seccomp_tree_verdict *verdict = seccomp_profile_at(profile, name);

	if (verdict)
		*verdict = *is;
}

static void seccomp_profile_judge_names(struct seccomp_profile *profile)
{
	const struct seccomp_tree_verdict allow = { .action = SECCOMP_RET_ALLOW };
	const struct seccomp_tree_verdict missing = { .action = SECCOMP_PROFILE_MISSING };

	for (const struct seccomp_group *group = seccomp_table_groups; group->names; group++) {
		_cleanup_strv_ char **names = strv_split(group->names, " ");

		if (!seccomp_profile_on(group->caps, profile->caps))
			continue;
		strv_for_each(name, names)
			seccomp_profile_set(profile, *name, &allow);
	}
	for (const struct seccomp_missing *m = seccomp_table_missing; m->name; m++) {
		if (!(m->unless_caps & profile->caps))
			seccomp_profile_set(profile, m->name, &missing);
	}
}

static void seccomp_profile_make_rule(const struct seccomp_argument *a,
				      struct seccomp_tree_rule *ret)
{
	struct seccomp_tree_test *test = &ret->tests[0];

	*ret = (struct seccomp_tree_rule){ .n_tests = 1, .action = SECCOMP_RET_ALLOW };
	*test = (struct seccomp_tree_test){
		.argument = a->argument,
		.op = a->test == SECCOMP_TEST_NOT_EQUAL ? SECCOMP_TREE_NE : SECCOMP_TREE_EQ,
		.mask = a->test == SECCOMP_TEST_NONE_OF ? a->value : UINT32_MAX,
		.value = a->test == SECCOMP_TEST_NONE_OF ? 0 : a->value,
	};
}

static struct seccomp_tree_rule *seccomp_profile_make_rules(void)
{
	const struct seccomp_argument *table = seccomp_table_arguments;
	struct seccomp_tree_rule *rules;
	size_t n = 0;

	while (table[n].name)
		n++;
	rules = mem_zalloc((n + 1) * sizeof(*rules));
	while (n-- > 0)
		seccomp_profile_make_rule(&table[n], &rules[n]);
	return rules;
}

static void seccomp_profile_judge_arguments(struct seccomp_profile *profile)
{
	const struct seccomp_argument *table = seccomp_table_arguments;
	size_t n;

	for (size_t i = 0; table[i].name; i += n) {
		struct seccomp_tree_verdict verdict = { .action = SECCOMP_PROFILE_DENY,
							.rules = &profile->rules[i] };

		/* all rules of a name stand together */
		for (n = 1; table[i + n].name && !strcmp(table[i + n].name, table[i].name); n++)
			continue;
		verdict.n_rules = n;
		if (!(table[i].unless_caps & profile->caps))
			seccomp_profile_set(profile, table[i].name, &verdict);
	}
}

static void seccomp_profile_judge(struct seccomp_profile *profile)
{
	/* x32's calls, which have a high bit set, are beyond */
	profile->table.beyond = SECCOMP_PROFILE_MISSING;
	for (uint32_t i = 0; i < SECCOMP_TREE_NUMBERS; i++)
		profile->table.verdicts[i] = (struct seccomp_tree_verdict){
			.action = i <= SECCOMP_TABLE_LAST_NAMED ? SECCOMP_PROFILE_DENY
								: SECCOMP_PROFILE_MISSING,
		};
	seccomp_profile_judge_names(profile);
	seccomp_profile_judge_arguments(profile);
	for (const struct seccomp_number *n = seccomp_table_numbers; n->number; n++) {
		if (seccomp_profile_on(n->caps, profile->caps))
			profile->table.verdicts[n->number].action = SECCOMP_RET_ALLOW;
	}
}

void seccomp_profile_compile(uint64_t caps, struct filter *ret)
{
	_cleanup_free_ struct seccomp_profile *profile = mem_zalloc(sizeof(*profile));

	profile->caps = caps;
	profile->rules = seccomp_profile_make_rules();
	seccomp_tree_begin(ret);
	for (const struct seccomp_arch *arch = seccomp_archs; arch->name; arch++) {
		if (arch->is_x32)
			continue;
		profile->arch = arch;
		seccomp_profile_judge(profile);
		seccomp_tree_add(ret, arch->audit, &profile->table, NULL);
	}
	seccomp_tree_end(ret, SECCOMP_RET_KILL_PROCESS);
	free(profile->rules);
}

static void seccomp_profile_mix(uint64_t *hash, const void *data, size_t len)
{
	*hash = fnv_mix64(*hash, data, len);
}

static void seccomp_profile_mix_rule(uint64_t *hash, const char *name, uint64_t a, uint64_t b)
{
	uint64_t values[] = { a, b };

	seccomp_profile_mix(hash, name, strlen(name));
	seccomp_profile_mix(hash, values, sizeof(values));
}

/* Everything that a filter depends on: names become numbers by the library. */
static uint64_t seccomp_profile_key(uint64_t caps)
{
	uint64_t hash = FNV_64;
	uint32_t head[] = { SECCOMP_PROFILE_VERSION, seccomp_arch_library(),
			    seccomp_archs[0].audit };

	seccomp_profile_mix(&hash, head, sizeof(head));
	for (const struct seccomp_group *group = seccomp_table_groups; group->names; group++) {
		if (seccomp_profile_on(group->caps, caps))
			seccomp_profile_mix(&hash, group->names, strlen(group->names));
	}
	for (const struct seccomp_argument *a = seccomp_table_arguments; a->name; a++)
		seccomp_profile_mix_rule(&hash, a->name, a->unless_caps & caps,
					 (uint64_t)a->value << 32 | a->argument << 8 | a->test);
	for (const struct seccomp_missing *m = seccomp_table_missing; m->name; m++)
		seccomp_profile_mix_rule(&hash, m->name, m->unless_caps & caps, 0);
	for (const struct seccomp_number *n = seccomp_table_numbers; n->number; n++)
		seccomp_profile_mix_rule(&hash, "", n->number, n->caps & caps);
	return hash;
}

void seccomp_profile_get(const char *cache_dir, uint64_t caps, struct filter *ret)
{
	_cleanup_free_ char *path = mem_printf("%s/seccomp-%016llx.bpf", cache_dir,
					       (unsigned long long)seccomp_profile_key(caps));
	int r = filter_load(AT_FDCWD, path, ret);

	if (r == 0)
		return;
	seccomp_profile_compile(caps, ret);
	r = file_mkdir_p(cache_dir, 0700);
	if (r == 0)
		r = filter_save(AT_FDCWD, path, ret);
	if (r < 0)
		log_debug("cannot keep %s: %s", path, strerror(-r));
}
