// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/advise.h"
#include "base/mem.h"
#include "base/strv.h"
#include "image/lower.h"
#include "instance/host.h"

#include <string.h>

const char *const advise_verdict_names[] = { "either", "container", "vm", NULL };

const struct advise_rule *advise_find(const char *id)
{
	for (const struct advise_rule *rule = advise_rules; rule->id; rule++) {
		if (!strcmp(rule->id, id))
			return rule;
	}
	return NULL;
}

static int advise_knows(const char *need)
{
	for (const struct advise_rule *rule = advise_rules; rule->id; rule++) {
		if (!strcmp(rule->looks_at, "need") && !strcmp(rule->arg, need))
			return 1;
	}
	return 0;
}

int advise_check_needs(char *const *needs, struct err *err)
{
	_cleanup_strv_ char **known = NULL;
	_cleanup_free_ char *list = NULL;

	strv_for_each(need, needs) {
		if (advise_knows(*need))
			continue;
		for (const struct advise_rule *rule = advise_rules; rule->id; rule++) {
			if (!strcmp(rule->looks_at, "need"))
				strv_add(&known, rule->arg);
		}
		list = strv_join(known, ", ");
		return err_set(err, -EINVAL, "no rule knows the need '%.40s'; they know %s", *need,
			       list);
	}
	return 0;
}

void advise_judge(const struct advise_facts *facts, struct advice *ret)
{
	*ret = (struct advice){ .verdict = ADVISE_EITHER };
	for (const struct advise_rule *rule = advise_rules; rule->id; rule++) {
		struct advise_finding finding = { .rule = rule };

		if (!rule->fires(facts, rule, finding.detail))
			continue;
		ret->findings = mem_realloc(ret->findings, ret->n + 1, sizeof(*ret->findings));
		ret->findings[ret->n++] = finding;
		ret->weights[rule->verdict] += (int)rule->weight;
	}
	if (ret->weights[ADVISE_CONTAINER] > ret->weights[ADVISE_VM])
		ret->verdict = ADVISE_CONTAINER;
	else if (ret->weights[ADVISE_VM] > ret->weights[ADVISE_CONTAINER])
		ret->verdict = ADVISE_VM;
}

void advice_release(struct advice *advice)
{
	free(advice->findings);
	*advice = (struct advice){ 0 };
}

/* A folder on the way that is a symbolic link is not followed: rules name a path as Debian has it, and as others do. */
static int advise_has(void *ctx, const char *path)
{
	const struct lower *root = ctx;
	_cleanup_lower_ struct lower folder = { 0 };
	size_t len = strcspn(path, "/");
	_cleanup_free_ char *name = mem_strndup(path, len);
	struct stat st;

	if (!path[len])
		return lower_stat(root, name, &st) == 1;
	return lower_enter(root, name, &folder) == 0 && folder.n &&
	       advise_has(&folder, path + len + 1);
}

int advise_about(const struct instance_home *home, const struct instance *record,
		 char *const *needs, struct advice *ret, struct err *err)
{
	_cleanup_host_ struct host host = { 0 };
	_cleanup_lower_ struct lower root = { 0 };
	_cleanup_policy_ struct policy policy = { 0 };
	struct advise_facts facts = {
		.record = record, .needs = needs, .has = advise_has, .ctx = &root
	};
	int r = advise_check_needs(needs, err);

	if (r == 0)
		r = host_read(home, &host, err);
	if (r == 0)
		r = policy_read(&policy, err);
	if (r == 0)
		r = lower_open(home->root, record->layers, &root, err);
	if (r < 0)
		return r;
	facts.vm_engine = host.vm_engine;
	facts.policy = policy_find(&policy, record);
	advise_judge(&facts, ret);
	return 0;
}
