// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "proto/process.h"

#include <string.h>

/* USER NUL PASSWD NUL GROUP: nothing that is no number of an entry becomes an id. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *user = mem_strndup((const char *)data, size);
	size_t at = strlen(user) + (strlen(user) < size);
	const char *passwd = (const char *)data + at;
	const char *end = memchr(passwd, '\0', size - at);
	size_t passwd_len = end ? (size_t)(end - passwd) : size - at;
	const char *group = passwd + passwd_len + !!end;
	size_t group_len = size - at - passwd_len - !!end;
	struct process_identity who = { .uid = 77 };
	struct err err = ERR_INIT;

	if (process_identify_text(user, passwd, passwd_len, group, group_len, &who, &err) < 0) {
		if (who.uid != 77 || !err_is_set(&err))
			abort();
		return 0;
	}
	if (who.n_groups > PROCESS_GROUPS_MAX || who.uid == (uid_t)-1 || who.gid == (gid_t)-1)
		abort();
	if (strlen(who.home) >= sizeof(who.home) || !*who.home || !*who.shell)
		abort();
	return 0;
}
