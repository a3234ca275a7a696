// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: `systemd-run --scope` asks systemd for a scope around itself, waits until it is there, and then
 * executes cat(1) in its own place. That is the holder: the byte that we send comes back once it runs, and it
 * runs where the scope is. With the container in it too, the holder's stdin is closed, and it goes.
 *
 * Speaking D-Bus ourselves would want libsystemd or libdbus, of which there is no static one. Measured in the
 * lab, where starting true(1) takes 65 ms: systemd-run to its end 560 ms, `busctl call StartTransientUnit` 300 ms;
 * but that returns when the job is queued, and nothing but a second connection tells when it is done.
 *
 * 1. The record of the container has the unit's name before there is a unit: `delete` finds what a killed
 *    `create` left.
 * 2. The holder dies with us, so a killed `create` leaves no scope with a holder alone.
 * 3. The cgroup is read from the holder, not believed: what systemd made must be what the spec was made for.
 */
#include "container/scope.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "sys/child.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* unit_name_is_valid() of systemd's; the ending is counted. */
#define SCOPE_UNIT_MAX 255
#define SCOPE_UNIT_CHARS                                                 \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" \
	":-_.\\"
#define SCOPE_ENDING ".scope"
#define SCOPE_SLICE  ".slice"
/* What sd_booted(3) looks at. */
#define SCOPE_BOOTED "/run/systemd/system"
/* Below /run or the user's own: where the manager is spoken to, and where it has files of its transient units. */
#define SCOPE_SOCKET	"systemd/private"
#define SCOPE_TRANSIENT "systemd/transient"

#define SCOPE_FILE_MAX (1U << 20)
/* D-Bus's own deadline is 25 s for one call. */
#define SCOPE_START_MS 60000
#define SCOPE_CALL_MS  60000
#define SCOPE_HINT     "install systemd, or leave out --systemd-cgroup"

void scope_name_release(struct scope_name *name)
{
	free(take_ptr(name->slice));
	free(take_ptr(name->unit));
	free(take_ptr(name->path));
}

static int scope_check_unit(const char *unit, struct err *err)
{
	if (strlen(unit) <= SCOPE_UNIT_MAX && strspn(unit, SCOPE_UNIT_CHARS) == strlen(unit))
		return 0;
	return err_set(err, -EINVAL,
		       "linux.cgroupsPath: \"%.128s\" cannot be the name of a unit of systemd's",
		       unit);
}

/* systemd.slice(5): the dashes in a slice's name are its parents, and "-.slice" is the root. */
static int scope_slice_path(const char *slice, struct buf *ret, struct err *err)
{
	size_t len = strlen(slice), ending = strlen(SCOPE_SLICE);
	int r = scope_check_unit(slice, err);

	if (r < 0)
		return r;
	if (!strcmp(slice, "-" SCOPE_SLICE))
		return 0;
	if (len <= ending || strcmp(slice + len - ending, SCOPE_SLICE) != 0 || slice[0] == '-' ||
	    slice[len - ending - 1] == '-' || strstr(slice, "--"))
		return err_set(err, -EINVAL,
			       "linux.cgroupsPath: \"%.128s\" is not the name of a slice, as "
			       "machine" SCOPE_SLICE,
			       slice);
	for (const char *dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
		buf_printf(ret, "%.*s" SCOPE_SLICE "/", (int)(dash - slice), slice);
	buf_printf(ret, "%s/", slice);
	return 0;
}

static int scope_set_unit(struct scope_name *ret, const char *prefix, const char *name,
			  struct err *err)
{
	size_t len = strlen(name), ending = strlen(SCOPE_SLICE);

	if (!len)
		return err_set(err, -EINVAL, "linux.cgroupsPath: there is no name of a scope");
	if (len >= ending && !strcmp(name + len - ending, SCOPE_SLICE))
		return err_set(err, -EOPNOTSUPP,
			       "linux.cgroupsPath: \"%.128s\" is a slice, in which systemd lets no "
			       "process be",
			       name);
	ret->unit = mem_printf("%s%s%s" SCOPE_ENDING, prefix, *prefix ? "-" : "", name);
	return scope_check_unit(ret->unit, err);
}

/* The three parts, in place; no more colons are taken, since the parts could not be told apart. */
static int scope_split(char *text, const char *parts[3])
{
	char *rest = text;

	for (int i = 0; i < 3; i++) {
		parts[i] = strsep(&rest, ":");
		if (!parts[i])
			return -EINVAL;
	}
	return rest ? -EINVAL : 0;
}

int scope_parse(enum scope_manager manager, const char *cgroups_path, const char *id,
		const char *above, struct scope_name *ret, struct err *err)
{
	const char *slice = manager == SCOPE_USER ? "user" SCOPE_SLICE : "system" SCOPE_SLICE;
	int given = cgroups_path && *cgroups_path, r;
	_cleanup_free_ char *text = given ? mem_strdup(cgroups_path) : mem_printf(":brig:%s", id);
	_cleanup_buf_ struct buf path = BUF_INIT;
	const char *parts[3] = { NULL };

	*ret = (struct scope_name){ .manager = manager };
	if (scope_split(text, parts) < 0)
		return err_set(err, -EINVAL,
			       "linux.cgroupsPath: \"%.128s\" is not SLICE:PREFIX:NAME, which "
			       "--systemd-cgroup wants",
			       cgroups_path);
	ret->slice = mem_strdup(*parts[0] ? parts[0] : slice);
	buf_printf(&path, "%s%s", above, *above ? "/" : "");
	r = scope_slice_path(ret->slice, &path, err);
	if (r == 0)
		r = scope_set_unit(ret, parts[1], parts[2], err);
	if (r < 0)
		return r;
	buf_add_str(&path, ret->unit);
	ret->path = buf_take(&path);
	return 0;
}

/* A process's place in systemd's own hierarchy, without the slash in front: that of its name, or version 2. */
static char *scope_of_process(const char *pid)
{
	static const char *const hierarchies[] = { ":name=systemd:/", "0::/" };
	_cleanup_free_ char *file = mem_printf("/proc/%s/cgroup", pid), *text = NULL;

	if (file_read(AT_FDCWD, file, SCOPE_FILE_MAX, &text, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		const char *at = strstr(text, hierarchies[i]);

		if (!at)
			continue;
		at += strlen(hierarchies[i]);
		return mem_strndup(at, strcspn(at, "\n"));
	}
	return NULL;
}

enum scope_manager scope_manager_of_caller(void)
{
	struct stat st;

	if (stat(SCOPE_BOOTED, &st) < 0)
		st.st_uid = 0;
	return st.st_uid == geteuid() ? SCOPE_SYSTEM : SCOPE_USER;
}

/* "systemctl" and "systemd-run", with what both take. */
static void scope_add_tool(char ***argv, const char *tool, enum scope_manager manager)
{
	strv_add(argv, tool);
	strv_add(argv, "--no-ask-password");
	if (manager == SCOPE_USER)
		strv_add(argv, "--user");
}

static int scope_call(char *const *argv, struct buf *out, struct err *err)
{
	struct child_spec child = CHILD_SPEC_INIT;

	child.argv = argv;
	child.out = out;
	child.hint = SCOPE_HINT;
	child.timeout_ms = SCOPE_CALL_MS;
	return child_run(&child, err);
}

/* Where the manager has its files of this boot; caller frees. NULL: a user has none. */
static char *scope_runtime_path(enum scope_manager manager, const char *name)
{
	const char *folder = manager == SCOPE_USER ? getenv("XDG_RUNTIME_DIR") : "/run";

	return folder && *folder == '/' ? mem_printf("%s/%s", folder, name) : NULL;
}

/* Asked, since the process's own place, in a login's session, says nothing of the manager's. */
static int scope_root_of_user(char **ret, struct err *err)
{
	_cleanup_free_ char *socket = scope_runtime_path(SCOPE_USER, SCOPE_SOCKET);
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_strv_ char **argv = NULL;
	int r;

	if (!socket || access(socket, F_OK) < 0)
		return err_set(
			err, -EOPNOTSUPP,
			"no systemd of this user's runs (there is no $XDG_RUNTIME_DIR/" SCOPE_SOCKET
			"), so it cannot make the cgroup: log in, see `loginctl enable-linger`, or "
			"leave out --systemd-cgroup");
	scope_add_tool(&argv, "systemctl", SCOPE_USER);
	strv_add(&argv, "show");
	strv_add(&argv, "--property=ControlGroup");
	strv_add(&argv, "--value");
	r = scope_call(argv, &out, err);
	if (r < 0)
		return r;
	buf_add(&out, "", 1);
	if (out.data[0] != '/')
		return err_set(err, -EPROTO, "systemd does not say which cgroup is its own");
	*ret = mem_strndup(out.data + 1, strcspn(out.data + 1, "\n"));
	return 0;
}

int scope_root(enum scope_manager manager, char **ret, struct err *err)
{
	static const char init[] = "init" SCOPE_ENDING;
	_cleanup_free_ char *path = NULL;
	size_t len, ending = strlen(init);

	if (manager == SCOPE_USER)
		return scope_root_of_user(ret, err);
	if (access(SCOPE_BOOTED, F_OK) < 0)
		return err_set(err, -EOPNOTSUPP,
			       "systemd does not run this host (there is no " SCOPE_BOOTED
			       "), so it cannot make the cgroup: leave out --systemd-cgroup");
	path = scope_of_process("1");
	if (!path)
		return err_set(err, -ENOENT, "cannot tell the cgroup of PID 1");
	len = strlen(path);
	if (len >= ending && !strcmp(path + len - ending, init))
		path[len - ending] = '\0';
	len = strlen(path);
	if (len && path[len - 1] == '/')
		path[len - 1] = '\0';
	*ret = take_ptr(path);
	return 0;
}

static char **scope_command(const struct scope_name *name, char *const *properties)
{
	static const char *const first[] = { "--scope", "--quiet", "--collect" };
	char **argv = NULL;

	scope_add_tool(&argv, "systemd-run", name->manager);
	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		strv_add(&argv, first[i]);
	strv_add_printf(&argv, "--slice=%s", name->slice);
	strv_add_printf(&argv, "--unit=%s", name->unit);
	strv_for_each(property, properties)
		strv_add_printf(&argv, "--property=%s", *property);
	strv_add(&argv, "--property=Delegate=yes");
	strv_add(&argv, "--");
	strv_add(&argv, "cat");
	return argv;
}

/* Its stderr is only the message's: nobody reads it later. */
static _noreturn_ void scope_exec_holder(char *const *argv, int stream, int errors, pid_t parent)
{
	spawn_reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	dup2(stream, STDIN_FILENO);
	dup2(stream, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	(void)spawn_close_others(3, NULL, 0);
	execvp(argv[0], argv);
	_exit(127);
}

/* What it has said last, or that it is not there. */
static int scope_tell_failure(const struct scope_holder *holder, int errors, struct err *err)
{
	_cleanup_free_ char *file = mem_printf("/proc/self/fd/%d", errors), *text = NULL;
	int status = spawn_wait(holder->pidfd);
	char *line;

	if (file_read(AT_FDCWD, file, SCOPE_FILE_MAX, &text, NULL) < 0 || !*text)
		return status == 127
			       ? err_set(err, -ENOENT,
					 "the tool systemd-run is not installed: " SCOPE_HINT)
			       : err_set(err, -EREMOTEIO,
					 "systemd-run failed with status %d: no message", status);
	while ((line = strrchr(text, '\n')) && !line[1])
		*line = '\0';
	return err_set(err, -EREMOTEIO, "systemd-run failed with status %d: %.300s", status,
		       line ? line + 1 : text);
}

/* Until the holder runs; it can send nothing but what we sent. */
static int scope_wait_holder(struct scope_holder *holder, int errors, struct err *err)
{
	struct pollfd poller = { .fd = holder->stream, .events = POLLIN };
	char byte = '\n';
	int r;

	do
		r = poll(&poller, 1, SCOPE_START_MS);
	while (r < 0 && errno == EINTR);
	if (r > 0 && read(holder->stream, &byte, 1) == 1)
		return 0;
	if (r > 0)
		return scope_tell_failure(holder, errors, err);
	(void)pidfd_send_signal(holder->pidfd, SIGKILL, NULL, 0);
	return err_set(err, -ETIMEDOUT, "systemd made no scope within %d s", SCOPE_START_MS / 1000);
}

static int scope_check_place(const struct scope_name *name, pid_t pid, struct err *err)
{
	_cleanup_free_ char *number = mem_printf("%d", pid), *path = scope_of_process(number);

	if (path && !strcmp(path, name->path))
		return 0;
	return err_set(err, -EPROTO, "systemd has made the cgroup %.128s, and not %.128s",
		       path ? path : "nowhere", name->path);
}

int scope_start(const struct scope_name *name, char *const *properties, struct scope_holder *ret,
		struct err *err)
{
	_cleanup_(scope_holder_release) struct scope_holder holder = SCOPE_HOLDER_INIT;
	_cleanup_strv_ char **argv = scope_command(name, properties);
	_cleanup_close_ int errors = memfd_create("systemd-run", MFD_CLOEXEC), theirs = -EBADF;
	pid_t parent = getpid(), pid;
	int pair[2], r;

	if (errors < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	holder.stream = pair[0];
	theirs = pair[1];
	pid = spawn_clone(0, -EBADF, &holder.pidfd);
	if (pid < 0)
		return err_errno(err, pid, "cannot start systemd-run");
	if (!pid)
		scope_exec_holder(argv, theirs, errors, parent);
	theirs = fd_close(theirs);
	/* a holder that has ended already says why, when we wait for it */
	(void)send(holder.stream, "\n", 1, MSG_NOSIGNAL);
	r = scope_wait_holder(&holder, errors, err);
	if (r == 0)
		r = scope_check_place(name, pid, err);
	if (r < 0)
		return r;
	*ret = holder;
	holder = SCOPE_HOLDER_INIT;
	return 0;
}

void scope_holder_release(struct scope_holder *holder)
{
	holder->stream = fd_close(holder->stream);
	if (holder->pidfd >= 0)
		(void)spawn_wait(holder->pidfd);
	holder->pidfd = fd_close(holder->pidfd);
}

int scope_set(enum scope_manager manager, const char *unit, char *const *properties,
	      struct err *err)
{
	_cleanup_strv_ char **argv = NULL;

	if (!properties || !*properties)
		return 0;
	scope_add_tool(&argv, "systemctl", manager);
	strv_add(&argv, "--runtime");
	strv_add(&argv, "set-property");
	strv_add(&argv, "--");
	strv_add(&argv, unit);
	strv_for_each(property, properties)
		strv_add(&argv, *property);
	return scope_call(argv, NULL, err);
}

int scope_stop(enum scope_manager manager, const char *unit, struct err *err)
{
	_cleanup_free_ char *name = mem_printf(SCOPE_TRANSIENT "/%s", unit);
	_cleanup_free_ char *file = scope_runtime_path(manager, name);
	_cleanup_strv_ char **argv = NULL;
	struct err failure = ERR_INIT;

	scope_add_tool(&argv, "systemctl", manager);
	strv_add(&argv, "stop");
	strv_add(&argv, "--");
	strv_add(&argv, unit);

	/* the file goes with the unit, which may go by itself at any moment, and has what scope_set() set */
	if (!file || access(file, F_OK) < 0 || scope_call(argv, NULL, &failure) == 0 ||
	    access(file, F_OK) < 0)
		return 0;
	*err = failure;
	return failure.code;
}
