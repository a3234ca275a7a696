// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/assignment.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/word.h"

#include <string.h>

const char *assignment_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	return !strncmp(text, key, len) && text[len] == '=' ? text + len + 1 : NULL;
}

int assignment_refuse(const char *text, const char *const *keys, struct err *err)
{
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *key = mem_strndup(text, len), *all = NULL;
	const char *near = word_nearest(key, keys);

	if (!text[len])
		return err_set(err, -EINVAL, "'%.64s' sets nothing: say KEY=VALUE", text);
	if (near)
		return err_set(err, -EINVAL,
			       "'%.64s' is nothing that can be set; did you mean '%s'?", key, near);
	all = strv_join((char *const *)keys, ", ");
	return err_set(err, -EINVAL, "'%.64s' is nothing that can be set; there are: %s", key, all);
}
