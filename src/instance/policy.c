// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/policy.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/login.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const policy_words[] = { "allow", "forbid", "force", NULL };

static int policy_index(const char *const *names, const char *word)
{
	for (int i = 0; names[i]; i++) {
		if (!strcmp(names[i], word))
			return i;
	}
	return -1;
}

static int policy_parse_match(const char *word, struct policy_rule *rule, struct err *err)
{
	const struct {
		const char *key;
		char **value;
	} matches[] = { { "image=", &rule->image },
			{ "user=", &rule->user },
			{ "label=", &rule->label } };

	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		size_t len = strlen(matches[i].key);

		if (strncmp(word, matches[i].key, len) != 0)
			continue;
		if (!word[len])
			return err_set(err, -EINVAL, "there is nothing after '%s'", word);
		if (*matches[i].value)
			return err_set(err, -EINVAL, "'%s' is there twice", matches[i].key);
		*matches[i].value = mem_strdup(word + len);
		return 0;
	}
	return err_set(err, -EINVAL, "'%.40s' is none of image=, user= and label=", word);
}

static int policy_parse_rule(char *const *words, struct policy_rule *rule, struct err *err)
{
	int word = policy_index(policy_words, words[0]), r = 0;
	size_t i = 1;

	if (word < 0)
		return err_set(err, -EINVAL, "'%.40s' is none of allow, forbid and force",
			       words[0]);
	rule->word = (enum policy_word)word;
	if (word != POLICY_ALLOW) {
		rule->kind = words[1] ? policy_index(instance_kind_names, words[1]) : -1;
		if (rule->kind < 0)
			return err_set(err, -EINVAL, "say which kind after '%s': container or vm",
				       words[0]);
		i = 2;
	}
	for (; r == 0 && words[i]; i++)
		r = policy_parse_match(words[i], rule, err);
	return r;
}

/* What follows a '#' is for people. */
static int policy_parse_line(char *line, unsigned int number, struct policy *ret, struct err *err)
{
	_cleanup_strv_ char **words = NULL;
	struct policy_rule *rule;

	line[strcspn(line, "#")] = '\0';
	words = strv_split(line, " \t\r");
	if (!words || !words[0])
		return 0;
	ret->rules = mem_realloc(ret->rules, ret->n + 1, sizeof(*ret->rules));
	rule = &ret->rules[ret->n++];
	*rule = (struct policy_rule){ .line = number };
	return policy_parse_rule(words, rule, err);
}

int policy_parse(const char *text, struct policy *ret, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(text);
	unsigned int number = 0;
	char *rest = copy, *line;
	int r = 0;

	*ret = (struct policy){ 0 };
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		r = policy_parse_line(line, ++number, ret, err);
		if (r < 0)
			(void)err_wrap(err, POLICY_FILE ", line %u", number);
	}
	if (r < 0)
		policy_release(ret);
	return r;
}

int policy_read(struct policy *ret, struct err *err)
{
	_cleanup_close_ int fd = open(POLICY_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL, *self = NULL;
	struct stat st;
	int r;

	*ret = (struct policy){ 0 };
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot read " POLICY_FILE);
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, -EPERM,
			       POLICY_FILE " can be written by others than root: chown root and "
					   "chmod 644 it");
	self = mem_printf("/proc/self/fd/%d", fd);
	r = file_read(AT_FDCWD, self, POLICY_SIZE_MAX, &text, NULL);
	if (r < 0)
		return err_errno(err, r, "cannot read " POLICY_FILE);
	return policy_parse(text, ret, err);
}

void policy_release(struct policy *policy)
{
	for (size_t i = 0; i < policy->n; i++) {
		free(policy->rules[i].image);
		free(policy->rules[i].user);
		free(policy->rules[i].label);
	}
	free(policy->rules);
	free(policy->user);
	*policy = (struct policy){ 0 };
}

static int policy_is_user(struct policy *policy, const char *pattern)
{
	_cleanup_free_ char *uid = mem_printf("%u", geteuid());
	_cleanup_login_ struct login login = { 0 };

	if (!strcmp(pattern, uid))
		return 1;
	if (!policy->user)
		policy->user = mem_strdup(login_find(geteuid(), &login) == 0 ? login.name : uid);
	return fnmatch(pattern, policy->user, 0) == 0;
}

/* A pattern without '=' is a label's key. */
static int policy_has_label(char *const *labels, const char *pattern)
{
	size_t len = strlen(pattern);

	strv_for_each(label, labels) {
		if (fnmatch(pattern, *label, 0) == 0 ||
		    (!strchr(pattern, '=') && !strncmp(*label, pattern, len) &&
		     (*label)[len] == '='))
			return 1;
	}
	return 0;
}

const struct policy_rule *policy_find(struct policy *policy, const struct instance *record)
{
	const char *image = record->image ? record->image : "";

	for (size_t i = 0; i < policy->n; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if ((!rule->image || fnmatch(rule->image, image, 0) == 0) &&
		    (!rule->label || policy_has_label(record->labels, rule->label)) &&
		    (!rule->user || policy_is_user(policy, rule->user)))
			return rule;
	}
	return NULL;
}

int policy_allows(const struct policy_rule *rule, int kind)
{
	if (!rule || rule->word == POLICY_ALLOW)
		return 1;
	return (rule->kind == kind) == (rule->word == POLICY_FORCE);
}

int policy_check(const struct instance *record, int kind, struct err *err)
{
	_cleanup_policy_ struct policy policy = { 0 };
	const struct policy_rule *rule;
	int r = policy_read(&policy, err);

	if (r < 0)
		return r;
	rule = policy_find(&policy, record);
	if (policy_allows(rule, kind))
		return 0;
	return err_set(err, -EPERM,
		       "line %u of " POLICY_FILE " does not let it be a %s; --%s makes it a %s",
		       rule->line, instance_kind_names[kind], instance_kind_names[!kind],
		       instance_kind_names[!kind]);
}
