// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/login.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/child.h"

#include <fcntl.h>
#include <string.h>

#define LOGIN_FILE_MAX (16U << 20)

/* passwd(5): name, password, uid, gid, comment, home, shell */
enum { LOGIN_NAME, LOGIN_UID = 2, LOGIN_HOME = 5, LOGIN_FIELDS = 7 };

/* The fields of one line; an empty one counts. */
static int login_parse_line(char *line, char *fields[LOGIN_FIELDS])
{
	for (size_t i = 0; i < LOGIN_FIELDS; i++) {
		fields[i] = line;
		line = line ? strchr(line, ':') : NULL;
		if (line)
			*line++ = '\0';
	}
	return fields[LOGIN_FIELDS - 1] != NULL;
}

static int login_find_in(char *text, uid_t uid, struct login *ret)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *fields[LOGIN_FIELDS];
		struct err unused = ERR_INIT;
		int64_t found = -1;

		if (!login_parse_line(line, fields) ||
		    units_parse_int(fields[LOGIN_UID], 0, UINT32_MAX, &found, &unused) < 0 ||
		    found != uid)
			continue;
		ret->name = mem_strdup(fields[LOGIN_NAME]);
		ret->home = mem_strdup(fields[LOGIN_HOME]);
		return 0;
	}
	return -ENOENT;
}

static int login_ask(uid_t uid, struct login *ret)
{
	_cleanup_strv_ char **argv = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err unused = ERR_INIT;

	strv_add(&argv, "getent");
	strv_add(&argv, "passwd");
	strv_add_printf(&argv, "%u", uid);
	spec.argv = argv;
	spec.out = &out;
	if (child_run(&spec, &unused) < 0 || !out.len)
		return -ENOENT;
	return login_find_in(out.data, uid, ret);
}

int login_find(uid_t uid, struct login *ret)
{
	_cleanup_free_ char *text = NULL;

	*ret = (struct login){ NULL };
	if (file_read(AT_FDCWD, "/etc/passwd", LOGIN_FILE_MAX, &text, NULL) == 0 &&
	    login_find_in(text, uid, ret) == 0)
		return 0;
	return login_ask(uid, ret);
}

void login_release(struct login *login)
{
	free(login->name);
	free(login->home);
	*login = (struct login){ NULL };
}
