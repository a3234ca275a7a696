// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: for each architecture that the machine runs, the tables give every system call number a
 * verdict. Runs of numbers with one verdict become a range, and the ranges a balanced tree of comparisons.
 * That matters: when a filter is installed, the kernel runs it for every number and compiles all of it,
 * and every call of the workload that it cannot answer from that goes through it.
 */
#include "container/seccomp_profile.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/seccomp_table.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>

/* Counts changes of how tables become a filter; changes of the tables are noticed by themselves. */
#define SECCOMP_PROFILE_VERSION 2
/* Numbers from here on (x32's among them, which have a high bit set) do not exist. */
#define SECCOMP_PROFILE_NUMBERS 512
#define SECCOMP_PROFILE_DENY	(SECCOMP_RET_ERRNO | EPERM)
#define SECCOMP_PROFILE_MISSING (SECCOMP_RET_ERRNO | ENOSYS)

/* An architecture, as libseccomp and as the kernel names it; 32-bit programs get the same rules. */
struct seccomp_profile_arch {
	uint32_t native, arch, audit;
};
static const struct seccomp_profile_arch seccomp_profile_archs[] = {
	{ SCMP_ARCH_X86_64, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64 },
	{ SCMP_ARCH_X86_64, SCMP_ARCH_X86, AUDIT_ARCH_I386 },
	{ SCMP_ARCH_AARCH64, SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64 },
	{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, AUDIT_ARCH_ARM },
};

struct seccomp_profile_verdict {
	uint32_t action;
	const struct seccomp_argument *rules; /* if set, action is for when none holds */
};

struct seccomp_profile_range {
	uint32_t first;
	struct seccomp_profile_verdict verdict;
};

struct seccomp_profile {
	uint64_t caps;
	struct seccomp_profile_verdict verdicts[SECCOMP_PROFILE_NUMBERS];
	struct seccomp_profile_range ranges[SECCOMP_PROFILE_NUMBERS + 1];
	size_t n_ranges;
	struct filter filter;
};

static int seccomp_profile_on(uint64_t group_caps, uint64_t caps)
{
	return !group_caps || (group_caps & caps);
}

/* The call's verdict on this architecture, or NULL if it has no such call. */
static struct seccomp_profile_verdict *seccomp_profile_at(struct seccomp_profile *profile,
							  uint32_t arch, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(arch, name);

	if (number < 0 || number > SECCOMP_TABLE_LAST_NAMED)
		return NULL;
	return &profile->verdicts[number];
}

static void seccomp_profile_set(struct seccomp_profile *profile, uint32_t arch, const char *name,
				uint32_t action, const struct seccomp_argument *rules)
{
	struct seccomp_profile_verdict *verdict = seccomp_profile_at(profile, arch, name);

	if (verdict)
		*verdict = (struct seccomp_profile_verdict){ .action = action, .rules = rules };
}

static void seccomp_profile_judge_names(struct seccomp_profile *profile, uint32_t arch)
{
	for (const struct seccomp_group *group = seccomp_table_groups; group->names; group++) {
		_cleanup_strv_ char **names = strv_split(group->names, " ");

		if (!seccomp_profile_on(group->caps, profile->caps))
			continue;
		strv_for_each(name, names)
			seccomp_profile_set(profile, arch, *name, SECCOMP_RET_ALLOW, NULL);
	}
	for (const struct seccomp_missing *m = seccomp_table_missing; m->name; m++) {
		if (!(m->unless_caps & profile->caps))
			seccomp_profile_set(profile, arch, m->name, SECCOMP_PROFILE_MISSING, NULL);
	}
}

static void seccomp_profile_judge_arguments(struct seccomp_profile *profile, uint32_t arch)
{
	const char *last = "";

	for (const struct seccomp_argument *a = seccomp_table_arguments; a->name; a++) {
		/* the first rule of a name stands for all of them */
		if (strcmp(a->name, last) && !(a->unless_caps & profile->caps))
			seccomp_profile_set(profile, arch, a->name, SECCOMP_PROFILE_DENY, a);
		last = a->name;
	}
}

static void seccomp_profile_judge(struct seccomp_profile *profile, uint32_t arch)
{
	for (uint32_t i = 0; i < SECCOMP_PROFILE_NUMBERS; i++)
		profile->verdicts[i] = (struct seccomp_profile_verdict){
			.action = i <= SECCOMP_TABLE_LAST_NAMED ? SECCOMP_PROFILE_DENY
								: SECCOMP_PROFILE_MISSING,
		};
	seccomp_profile_judge_names(profile, arch);
	seccomp_profile_judge_arguments(profile, arch);
	for (const struct seccomp_number *n = seccomp_table_numbers; n->number; n++) {
		if (seccomp_profile_on(n->caps, profile->caps))
			profile->verdicts[n->number].action = SECCOMP_RET_ALLOW;
	}
}

static void seccomp_profile_make_ranges(struct seccomp_profile *profile)
{
	profile->n_ranges = 0;
	for (uint32_t i = 0; i <= SECCOMP_PROFILE_NUMBERS; i++) {
		struct seccomp_profile_verdict verdict = { .action = SECCOMP_PROFILE_MISSING };
		const struct seccomp_profile_range *last;

		if (i < SECCOMP_PROFILE_NUMBERS)
			verdict = profile->verdicts[i];
		last = i ? &profile->ranges[profile->n_ranges - 1] : NULL;
		if (last && last->verdict.action == verdict.action &&
		    last->verdict.rules == verdict.rules)
			continue;
		profile->ranges[profile->n_ranges++] =
			(struct seccomp_profile_range){ .first = i, .verdict = verdict };
	}
}

static size_t seccomp_profile_put(struct filter *filter, uint16_t code, uint32_t k)
{
	filter->code = mem_realloc(filter->code, filter->n + 1, sizeof(*filter->code));
	filter->code[filter->n] = (struct sock_filter){ .code = code, .k = k };
	return filter->n++;
}

static void seccomp_profile_put_return(struct filter *filter, uint32_t action)
{
	seccomp_profile_put(filter, BPF_RET | BPF_K, action);
}

static void seccomp_profile_put_load(struct filter *filter, size_t offset)
{
	seccomp_profile_put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* Skips the next instruction unless the test holds. */
static void seccomp_profile_put_test(struct filter *filter, const struct seccomp_argument *rule)
{
	uint16_t jump = rule->test == SECCOMP_TEST_NONE_OF ? BPF_JSET : BPF_JEQ;
	size_t at = seccomp_profile_put(filter, BPF_JMP | BPF_K | jump, rule->value);

	if (rule->test == SECCOMP_TEST_EQUAL)
		filter->code[at].jf = 1;
	else
		filter->code[at].jt = 1;
}

/* Little-endian machines have an argument's low half first. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the filter loads the wrong half");

static void seccomp_profile_put_verdict(struct filter *filter,
					const struct seccomp_profile_verdict *verdict)
{
	const struct seccomp_argument *rule = verdict->rules;

	if (rule)
		seccomp_profile_put_load(filter, offsetof(struct seccomp_data, args) +
							 rule->argument * sizeof(uint64_t));
	for (; rule && rule->name && !strcmp(rule->name, verdict->rules->name); rule++) {
		seccomp_profile_put_test(filter, rule);
		seccomp_profile_put_return(filter, SECCOMP_RET_ALLOW);
	}
	seccomp_profile_put_return(filter, verdict->action);
}

/* The tree over ranges [from, to): at most log2(512) = 9 levels deep. */
static void seccomp_profile_put_tree(struct seccomp_profile *profile, size_t from, size_t to)
{
	struct filter *filter = &profile->filter;
	size_t middle = from + (to - from) / 2, test, far;

	if (to - from == 1) {
		seccomp_profile_put_verdict(filter, &profile->ranges[from].verdict);
		return;
	}
	test = seccomp_profile_put(filter, BPF_JMP | BPF_JGE | BPF_K,
				   profile->ranges[middle].first);
	far = seccomp_profile_put(filter, BPF_JMP | BPF_JA, 0);
	filter->code[test].jf = 1;
	seccomp_profile_put_tree(profile, from, middle);
	filter->code[far].k = (uint32_t)(filter->n - far - 1);
	seccomp_profile_put_tree(profile, middle, to);
}

static void seccomp_profile_put_arch(struct seccomp_profile *profile,
				     const struct seccomp_profile_arch *arch)
{
	struct filter *filter = &profile->filter;
	size_t test, far;

	seccomp_profile_judge(profile, arch->arch);
	seccomp_profile_make_ranges(profile);
	test = seccomp_profile_put(filter, BPF_JMP | BPF_JEQ | BPF_K, arch->audit);
	far = seccomp_profile_put(filter, BPF_JMP | BPF_JA, 0);
	filter->code[test].jt = 1;
	seccomp_profile_put_load(filter, offsetof(struct seccomp_data, nr));
	seccomp_profile_put_tree(profile, 0, profile->n_ranges);
	filter->code[far].k = (uint32_t)(filter->n - far - 1);
}

void seccomp_profile_compile(uint64_t caps, struct filter *ret)
{
	_cleanup_free_ struct seccomp_profile *profile = mem_zalloc(sizeof(*profile));

	profile->caps = caps;
	seccomp_profile_put_load(&profile->filter, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_profile_archs); i++) {
		if (seccomp_profile_archs[i].native == seccomp_arch_native())
			seccomp_profile_put_arch(profile, &seccomp_profile_archs[i]);
	}
	seccomp_profile_put_return(&profile->filter, SECCOMP_RET_KILL_PROCESS);
	*ret = profile->filter;
}

/* FNV-1a, 64 bits */
static void seccomp_profile_mix(uint64_t *hash, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ p[i]) * UINT64_C(1099511628211);
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
	uint64_t hash = UINT64_C(14695981039346656037);
	const struct scmp_version *library = seccomp_version();
	unsigned int head[] = { SECCOMP_PROFILE_VERSION, library->major, library->minor,
				library->micro, seccomp_arch_native() };

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
