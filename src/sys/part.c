// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/part.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name of the variable that names it; caller frees. */
static char *part_variable(const char *name)
{
	char *variable = mem_strdup(name);

	for (char *p = variable; *p; p++)
		*p = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
	return variable;
}

/* The folder of the running program, also of one whose file was replaced since; caller frees. */
static char *part_folder(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n < 0)
		return mem_strdup("/usr/bin");
	path[n] = '\0';
	slash = strrchr(path, '/');
	*(slash ? slash : path) = '\0';
	return mem_strdup(path);
}

/* Takes the path; *ret is what it was before if there is no such file. */
static int part_try(char *path, char **ret)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		free(path);
		return 0;
	}
	*ret = path;
	return 1;
}

int part_find(const char *name, char **ret_path, struct err *err)
{
	_cleanup_free_ char *variable = part_variable(name), *folder = NULL;
	const char *given = getenv(variable);

	if (given && *given) {
		if (part_try(mem_strdup(given), ret_path))
			return 0;
		return err_set(err, -ENOENT, "there is no file %.200s, which $%s names", given,
			       variable);
	}
	folder = part_folder();
	if (part_try(mem_printf("%s/%s", folder, name), ret_path) ||
	    part_try(mem_printf("%s/../libexec/brig/%s", folder, name), ret_path) ||
	    part_try(mem_printf("/usr/libexec/brig/%s", name), ret_path))
		return 0;
	return err_set(
		err, -ENOENT,
		"%s, a part of brig, is neither beside brig nor in /usr/libexec/brig: install "
		"brig again, or say where it is in $%s",
		name, variable);
}
