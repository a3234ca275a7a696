// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup_own.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/cgroup.h"
#include "sys/child.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CGROUP_OWN_ROOT	     "/sys/fs/cgroup"
#define CGROUP_OWN_KEEPERS   "keepers"
#define CGROUP_OWN_SCOPE     ".scope"
#define CGROUP_OWN_FILE_MAX  65536
#define CGROUP_OWN_WORDS_MAX (4U << 20)
/* systemd's unit user@UID.service, which has the user's own one */
#define CGROUP_OWN_SERVICE ".service"

/* Where we are in version 2, without the slash in front; NULL: nowhere. */
static char *cgroup_own_path(void)
{
	_cleanup_free_ char *text = NULL;
	const char *at;

	if (cgroup_host_layout() != CGROUP_LAYOUT_UNIFIED ||
	    file_read(AT_FDCWD, "/proc/self/cgroup", CGROUP_OWN_FILE_MAX, &text, NULL) < 0)
		return NULL;
	at = !strncmp(text, "0::/", 4) ? text : strstr(text, "\n0::/");
	if (!at)
		return NULL;
	at += *at == '\n' ? 5 : 4;
	return mem_strndup(at, strcspn(at, "\n"));
}

static int cgroup_own_may_write(const char *path)
{
	static const char *const files[] = { "", "/cgroup.procs", "/cgroup.subtree_control" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *file = mem_printf(CGROUP_OWN_ROOT "/%s%s", path, files[i]);

		if (access(file, W_OK) < 0)
			return 0;
	}
	return 1;
}

int cgroup_own_is_ours(void)
{
	_cleanup_free_ char *path = cgroup_own_path();

	return path && *path && cgroup_own_may_write(path);
}

/* NULL: there is no such variable. */
static char *cgroup_own_manager(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	return runtime && *runtime == '/' ? mem_printf("%s/systemd/private", runtime) : NULL;
}

/* Its own socket, where there need be no bus. */
int cgroup_own_has_manager(void)
{
	_cleanup_free_ char *path = cgroup_own_manager(), *tool = child_find("systemd-run");
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!path || !tool || fd < 0 || strlen(path) >= sizeof(address.sun_path) ||
	    cgroup_host_layout() != CGROUP_LAYOUT_UNIFIED)
		return 0;
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

char **cgroup_own_scope(const char *name)
{
	static const char *const first[] = {
		"systemd-run", "--user",    "--scope",
		"--quiet",     "--collect", "--property=Delegate=yes"
	};
	char **argv = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		strv_add(&argv, first[i]);
	strv_add_printf(&argv, "--unit=brig-%s-%d" CGROUP_OWN_SCOPE, name, getpid());
	strv_add(&argv, "--");
	return argv;
}

static int cgroup_own_move(const char *above)
{
	_cleanup_free_ char *file =
		mem_printf(CGROUP_OWN_ROOT "/%s/" CGROUP_OWN_KEEPERS "/cgroup.procs", above);

	return file_write_value(AT_FDCWD, file, "0");
}

int cgroup_own_take(const char *name, char **ret_path)
{
	_cleanup_free_ char *own = cgroup_own_path(), *keepers = NULL;
	int r;

	if (!own || !*own || !cgroup_own_may_write(own))
		return -EACCES;
	keepers = mem_printf(CGROUP_OWN_ROOT "/%s/" CGROUP_OWN_KEEPERS, own);
	if (mkdir(keepers, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = cgroup_own_move(own);
	if (r == 0)
		*ret_path = mem_printf("%s/%s.instance", own, name);
	return r;
}

/* The user's systemd has all below this for its own. */
static int cgroup_own_is_below_manager(const char *own, const char *path)
{
	const char *at = strstr(path, CGROUP_OWN_SERVICE "/");

	return at && !strncmp(own, path, (size_t)(at - path) + strlen(CGROUP_OWN_SERVICE "/"));
}

/* This program's own words. */
static int cgroup_own_arguments(char ***argv)
{
	_cleanup_free_ char *text = NULL;
	char program[PATH_MAX];
	size_t len = 0;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int r = file_read(AT_FDCWD, "/proc/self/cmdline", CGROUP_OWN_WORDS_MAX, &text, &len);

	if (n < 0 || r < 0)
		return n < 0 ? -errno : r;
	program[n] = '\0';
	strv_add(argv, program);
	for (size_t at = strlen(text) + 1; at < len; at += strlen(text + at) + 1)
		strv_add(argv, text + at);
	return 0;
}

static int cgroup_own_start_over(struct err *err)
{
	_cleanup_free_ char *tool = child_find("systemd-run");
	_cleanup_strv_ char **argv = cgroup_own_scope("client");
	int r = cgroup_own_arguments(&argv);

	if (r < 0 || !tool)
		return err_errno(err, r < 0 ? r : -ENOENT, "cannot ask systemd for a scope");
	execv(tool, argv);
	return err_errno(err, -errno, "cannot run %s", tool);
}

int cgroup_own_join(const char *path, struct err *err)
{
	_cleanup_free_ char *above = mem_strdup(path), *own = cgroup_own_path();
	char *slash = strrchr(above, '/');
	size_t len;
	int r;

	if (!slash || !own)
		return err_set(err, -ENOENT, "there is no cgroup %s", path);
	*slash = '\0';
	len = strlen(above);
	if (!strncmp(own, above, len) && own[len] == '/')
		return 0;
	r = cgroup_own_move(above);
	if (r == 0)
		return 0;
	if (!cgroup_own_is_below_manager(own, path) && cgroup_own_has_manager())
		return cgroup_own_start_over(err);
	return err_errno(err, r, "cannot join the control group of the instance");
}
