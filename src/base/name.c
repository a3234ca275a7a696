// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/name.h"

#include <string.h>

#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

int name_check(const char *what, const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len >= 1 && len <= NAME_MAX_LEN && strchr(NAME_LETTERS, name[0]) &&
	    strspn(name, NAME_LETTERS "_.-") == len)
		return 0;
	return err_set(err, -EINVAL,
		       "'%.80s' is not a valid %s name: 1 to %d letters, digits, '_', '.', '-', "
		       "starting with a letter or digit",
		       name, what, NAME_MAX_LEN);
}
