// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup_own.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/cgroup.h"
#include "sys/child.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CGROUP_OWN_ROOT	    "/sys/fs/cgroup"
#define CGROUP_OWN_KEEPERS  "keepers"
#define CGROUP_OWN_SCOPE    ".scope"
#define CGROUP_OWN_FILE_MAX 65536
#define CGROUP_OWN_CALL_MS  60000

/* Where we are in version 2, without the slash in front; NULL: nowhere. */
static char *cgroup_own_path(void)
{
	_cleanup_free_ char *text = NULL;
	const char *at;

	if (cgroup_layout() != CGROUP_LAYOUT_UNIFIED ||
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
	    cgroup_layout() != CGROUP_LAYOUT_UNIFIED)
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

/* org.freedesktop.systemd1(5); it asks the system's systemd for what it may not do itself. */
static int cgroup_own_ask(const char *unit, struct err *err)
{
	static const char *const words[] = { "call",
					     "org.freedesktop.systemd1",
					     "/org/freedesktop/systemd1",
					     "org.freedesktop.systemd1.Manager",
					     "AttachProcessesToUnit",
					     "ssau" };
	_cleanup_free_ char *manager = cgroup_own_manager();
	_cleanup_strv_ char **argv = NULL;
	struct child_spec child = CHILD_SPEC_INIT;

	if (!manager)
		return err_set(err, -ENOENT, "XDG_RUNTIME_DIR is not set");
	strv_add(&argv, "busctl");
	strv_add_printf(&argv, "--address=unix:path=%s", manager);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		strv_add(&argv, words[i]);
	strv_add(&argv, unit);
	strv_add(&argv, "/" CGROUP_OWN_KEEPERS);
	strv_add(&argv, "1");
	strv_add_printf(&argv, "%d", getpid());
	child.argv = argv;
	child.hint = "install systemd";
	child.timeout_ms = CGROUP_OWN_CALL_MS;
	return child_run(&child, err);
}

int cgroup_own_join(const char *path, struct err *err)
{
	_cleanup_free_ char *above = mem_strdup(path), *own = cgroup_own_path();
	char *slash = strrchr(above, '/');
	const char *unit;
	size_t len;

	if (!slash || !own)
		return err_set(err, -ENOENT, "there is no cgroup %s", path);
	*slash = '\0';
	len = strlen(above);
	if (!strncmp(own, above, len) && own[len] == '/')
		return 0;
	if (cgroup_own_move(above) == 0)
		return 0;
	slash = strrchr(above, '/');
	unit = slash ? slash + 1 : above;
	if (cgroup_own_ask(unit, err) < 0)
		return err_wrap(err, "cannot join the control group of the instance");
	return 0;
}
