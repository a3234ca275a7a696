// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state is in a sealed memfd, a new one for each hook, and no pipe: a hook that reads nothing, or half of it,
 * neither blocks us nor sends us SIGPIPE, whatever the size of the annotations in the state; nobody has to feed
 * it while we wait for its end; and no hook can change what the next one reads, or move its offset. A hook
 * that reads to the end sees no difference.
 */
#include "container/hooks.h"
#include "base/file.h"
#include "base/strv.h"
#include "sys/child.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#define HOOKS_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

const char *const hooks_names[CONFIG_HOOK_TIMES] = {
	[CONFIG_HOOK_PRESTART] = "hooks.prestart",
	[CONFIG_HOOK_CREATE_RUNTIME] = "hooks.createRuntime",
	[CONFIG_HOOK_CREATE_CONTAINER] = "hooks.createContainer",
	[CONFIG_HOOK_START_CONTAINER] = "hooks.startContainer",
	[CONFIG_HOOK_POSTSTART] = "hooks.poststart",
	[CONFIG_HOOK_POSTSTOP] = "hooks.poststop",
};

static void hooks_add_string(struct json *object, const char *key, const char *value)
{
	json_object_add(object, key, json_new_string(value ? value : ""));
}

struct json *hooks_state(const struct hooks_state *state, struct json *annotations)
{
	struct json *json = json_new_object();

	hooks_add_string(json, "ociVersion", state->version);
	hooks_add_string(json, "id", state->id);
	hooks_add_string(json, "status", state->status);
	if (state->pid >= 0)
		json_object_add(json, "pid", json_new_int(state->pid));
	hooks_add_string(json, "bundle", state->bundle);
	json_object_add(json, "annotations", annotations);
	return json;
}

static int hooks_check_one(const struct config_hook *hook, struct err *err)
{
	size_t i = 0;

	if (hook->path[0] != '/')
		return err_set(err, -EINVAL, "path must be absolute, not '%.200s'", hook->path);
	strv_for_each(variable, hook->env) {
		if (!strchr(*variable, '=') || **variable == '=')
			return err_set(err, -EINVAL, "env[%zu] must be NAME=VALUE", i);
		i++;
	}
	return 0;
}

int hooks_check(const struct config_hooks hooks[CONFIG_HOOK_TIMES], struct err *err)
{
	for (int time = 0; time < CONFIG_HOOK_TIMES; time++) {
		for (size_t i = 0; i < hooks[time].n; i++) {
			if (hooks_check_one(&hooks[time].list[i], err) < 0)
				return err_wrap(err, "%s[%zu]", hooks_names[time], i);
		}
	}
	return 0;
}

static int hooks_memfd(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int hooks_seal_state(const char *state)
{
	_cleanup_close_ int fd = hooks_memfd();
	int r = fd < 0 ? fd : file_write_all(fd, state, strlen(state));

	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, HOOKS_SEALS) < 0)
		return -errno;
	return take_fd(&fd);
}

/* In a container it may be the container's, which could be anything. */
static int hooks_null(void)
{
	_cleanup_close_ int fd =
		open("/dev/null", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) ? take_fd(&fd) : -ENODEV;
}

static int hooks_run_one(const struct config_hook *hook, const char *state, struct err *err)
{
	char *only_name[] = { hook->path, NULL }, *no_env[] = { NULL };
	_cleanup_close_ int in = hooks_seal_state(state), out = hooks_null();
	struct child_spec child = {
		.path = hook->path,
		.argv = hook->args && hook->args[0] ? hook->args : only_name,
		.env = hook->env ? hook->env : no_env,
		.in_fd = in,
		.out_fd = out,
		.timeout_ms = hook->has_timeout ? hook->timeout * 1000 : 0,
	};
	int r = hooks_check_one(hook, err);

	if (r < 0)
		return r;
	if (in < 0)
		return err_errno(err, in, "cannot give it the container's state");
	if (out < 0)
		return err_errno(err, out, "cannot open /dev/null for what it writes");
	return child_run(&child, err);
}

int hooks_run(const struct config_hooks *hooks, const char *name, const char *state,
	      struct err *err)
{
	for (size_t i = 0; i < hooks->n; i++) {
		if (hooks_run_one(&hooks->list[i], state, err) < 0)
			return err_wrap(err, "%s[%zu]", name, i);
	}
	return 0;
}

void hooks_run_all(const struct config_hooks *hooks, const char *name, const char *state,
		   void (*fail)(void *ctx, const struct err *err), void *ctx)
{
	for (size_t i = 0; i < hooks->n; i++) {
		struct err err = ERR_INIT;

		if (hooks_run_one(&hooks->list[i], state, &err) < 0) {
			err_wrap(&err, "%s[%zu]", name, i);
			fail(ctx, &err);
		}
	}
}
