// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/recipe.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/signum.h"
#include "base/units.h"
#include "base/utf8.h"
#include "cli/recipe-internal.h"
#include "proto/frame.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>

#define RECIPE_PATH	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define RECIPE_ENV_FILE_MAX (1U << 20)

/* A Debian guest with a shell takes about 60 MiB; a guest without a limit is of no use to anybody. */
#define RECIPE_VM_MEMORY ((int64_t)512 << 20)

/* Init systems stop their services first; systemd allows each 90 s, and nearly all need far less. */
#define RECIPE_SYSTEM_INIT	  "/sbin/init"
#define RECIPE_SYSTEM_STOP_MS	  30000
#define RECIPE_SYSTEM_STOP_VM_MS  60000
#define RECIPE_SYSTEM_STOP_SIGNAL (SIGRTMIN + 3) /* systemd(1): halt */

/* A frame to a VM's agent holds the whole command and environment. */
#define RECIPE_VM_WORDS_MAX (FRAME_PAYLOAD_MAX - 4096)

/* KEY=VALUE as it is, KEY alone with our own value or, if we have none, not at all. */
static int recipe_add_variable(char ***env, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *assignment = NULL;
	const char *ours;

	if (!len)
		return err_set(err, -EINVAL, "'%.64s' is no variable: say KEY=VALUE", text);
	if (text[len]) {
		strv_env_set(env, text);
		return 0;
	}
	ours = getenv(text);
	if (!ours)
		return 0;
	assignment = mem_printf("%s=%s", text, ours);
	strv_env_set(env, assignment);
	return 0;
}

static int recipe_add_env_line(char ***env, char *line, struct err *err)
{
	size_t len;

	line += strspn(line, " \t");
	len = strlen(line);
	if (len && line[len - 1] == '\r')
		line[len - 1] = '\0';
	if (!*line || *line == '#')
		return 0;
	if (strcspn(line, " \t") < strcspn(line, "="))
		return err_set(err, -EINVAL, "the name in '%.64s' has a blank", line);
	return recipe_add_variable(env, line, err);
}

static int recipe_add_env_file(char ***env, const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;
	int r = file_read(AT_FDCWD, path, RECIPE_ENV_FILE_MAX, &text, NULL);

	if (r < 0)
		return err_errno(err, r, "option --env-file: cannot read %s", path);
	lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		r = recipe_add_env_line(env, *line, err);
		if (r < 0)
			return err_wrap(err, "option --env-file: %s", path);
	}
	return 0;
}

static int recipe_fill_env(const struct recipe *recipe, const struct image *image,
			   struct instance *ret, struct err *err)
{
	strv_for_each(variable, image->env)
		strv_env_set(&ret->env, *variable);
	if (!strv_env_get(ret->env, "PATH"))
		strv_env_set(&ret->env, RECIPE_PATH);
	strv_for_each(path, recipe->env_files) {
		int r = recipe_add_env_file(&ret->env, *path, err);

		if (r < 0)
			return r;
	}
	strv_for_each(variable, recipe->env) {
		int r = recipe_add_variable(&ret->env, *variable, err);

		if (r < 0)
			return err_wrap(err, "option --env");
	}
	return 0;
}

static void recipe_append(char ***v, char *const *words)
{
	strv_for_each(word, words)
		strv_add(v, *word);
}

/* An image without any command, and none given: the image is a whole system and runs its own init. */
static int recipe_fill_system(const struct recipe *recipe, struct instance *ret, struct err *err)
{
	int vm = ret->kind == INSTANCE_VM;

	if (recipe->init)
		return err_set(err, -EINVAL,
			       "option --init: the image has no command, so its own /sbin/init is "
			       "process 1; give a command to run");
	if (recipe->user)
		return err_set(
			err, -EINVAL,
			"option --user: the image has no command, so its own /sbin/init runs, "
			"as root; give a command to run");
	strv_add(&ret->argv, RECIPE_SYSTEM_INIT);
	ret->system = ret->tty = ret->interactive = 1;
	ret->stop_signal = RECIPE_SYSTEM_STOP_SIGNAL;
	ret->stop_timeout_ms = vm ? RECIPE_SYSTEM_STOP_VM_MS : RECIPE_SYSTEM_STOP_MS;
	return 0;
}

static int recipe_fill_argv(const struct recipe *recipe, const struct image *image,
			    char *const *command, struct instance *ret, struct err *err)
{
	if (recipe->entrypoint && *recipe->entrypoint)
		strv_add(&ret->argv, recipe->entrypoint);
	else if (!recipe->entrypoint)
		recipe_append(&ret->argv, image->entrypoint);
	if (command && *command)
		recipe_append(&ret->argv, command);
	else if (!recipe->entrypoint)
		recipe_append(&ret->argv, image->cmd);
	if (ret->argv && **ret->argv)
		return 0;
	if (ret->argv || recipe->entrypoint)
		return err_set(err, -EINVAL, "no command given: name one after the image");
	return recipe_fill_system(recipe, ret, err);
}

static int recipe_fill_process(const struct recipe *recipe, const struct image *image,
			       struct instance *ret, struct err *err)
{
	const char *workdir = recipe->workdir ? recipe->workdir : image->working_dir;

	if (workdir && *workdir) {
		free(ret->cwd);
		ret->cwd = mem_printf("%s%s", *workdir == '/' ? "" : "/", workdir);
	}
	if (!ret->system)
		mem_replace(&ret->user, recipe->user ? recipe->user : image->user);
	mem_replace(&ret->hostname, recipe->hostname);
	ret->tty |= recipe->tty;
	ret->interactive |= recipe->interactive;
	ret->init = recipe->init;
	return recipe_fill_env(recipe, image, ret, err);
}

static int recipe_fill_end(const struct recipe *recipe, const struct image *image,
			   struct instance *ret, struct err *err)
{
	int number = recipe->stop_signal;

	if (!number && image->stop_signal && *image->stop_signal &&
	    signum_parse(image->stop_signal, &number, err) < 0)
		return err_wrap(err, "the image's StopSignal (give --stop-signal)");
	if (number)
		ret->stop_signal = number;
	if (recipe->stop_timeout_ms >= 0)
		ret->stop_timeout_ms = recipe->stop_timeout_ms;
	ret->remove = recipe->remove;
	ret->autostart = recipe->autostart;
	ret->start_order = recipe->start_order;
	ret->start_delay_ms = recipe->start_delay_ms;
	return recipe_check_restart(recipe->restart, ret, err);
}

static int recipe_fill_bounds(const struct recipe *recipe, struct instance *ret, struct err *err)
{
	if (recipe_fill_limits(recipe, ret, err) < 0)
		return err->code;
	if (!ret->memory && ret->kind == INSTANCE_VM)
		ret->memory = RECIPE_VM_MEMORY;
	ret->read_only = recipe->read_only;
	if (recipe->disk_size) {
		ret->disk_size = recipe->disk_size;
		ret->bounded = ret->kind == INSTANCE_CONTAINER;
	}
	ret->snapshots_every_ms = recipe->snapshots_every_ms;
	ret->snapshots_expiry_ms = recipe->snapshots_expiry_ms;
	ret->tmpfs = strv_dup(recipe->tmpfs);
	ret->cap_add = strv_dup(recipe->cap_add);
	ret->cap_drop = strv_dup(recipe->cap_drop);
	ret->privileged = recipe->privileged;
	ret->nesting = recipe->nesting;
	return 0;
}

static void recipe_fill_identity(const struct recipe *recipe, const struct image *image,
				 struct instance *ret)
{
	ret->kind = recipe->vm ? INSTANCE_VM : INSTANCE_CONTAINER;
	mem_replace(&ret->name, recipe->name);
	mem_replace(&ret->image, image->reference);
	mem_replace(&ret->image_digest, image->digest);
	ret->layers = strv_dup(image->layers);
	ret->engine = recipe->engine < 0 ? INSTANCE_ENGINE_AUTO : recipe->engine;
	mem_replace(&ret->kernel, recipe->kernel);
	mem_replace(&ret->kernel_args, recipe->kernel_args);
	ret->gdb = recipe->gdb;
	if (recipe->boot_timeout_ms)
		ret->boot_timeout_ms = recipe->boot_timeout_ms;
	strv_for_each(label, image->labels)
		strv_env_set(&ret->labels, *label);
	strv_for_each(label, recipe->labels) {
		_cleanup_free_ char *whole =
			mem_printf("%s%s", *label, strchr(*label, '=') ? "" : "=");

		strv_env_set(&ret->labels, whole);
	}
}

static int recipe_check_architecture(const struct image *image, struct err *err)
{
	struct utsname host;
	const char *ours;

	if (!image->architecture || !*image->architecture || uname(&host) < 0)
		return 0;
	ours = !strcmp(host.machine, "x86_64")	  ? "amd64"
	       : !strcmp(host.machine, "aarch64") ? "arm64"
						  : host.machine;
	if (!strcmp(image->architecture, ours))
		return 0;
	return err_set(err, -ENOEXEC, "the image '%s' is for %.32s, and this machine is %s",
		       image->reference, image->architecture, ours);
}

/* Records and OCI configurations are JSON, which holds nothing but UTF-8. */
static int recipe_check_words(const char *what, char *const *words, size_t *total, struct err *err)
{
	strv_for_each(word, words) {
		*total += strlen(*word) + 1;
		if (!utf8_valid(*word))
			return err_set(err, -EILSEQ, "%s '%.64s' is not valid UTF-8", what, *word);
	}
	return 0;
}

static int recipe_check_record(const struct instance *instance, struct err *err)
{
	size_t total = 0;
	int r = recipe_check_words("the argument", instance->argv, &total, err);

	if (r == 0)
		r = recipe_check_words("the variable", instance->env, &total, err);
	if (r == 0 && instance->kind == INSTANCE_VM && total > RECIPE_VM_WORDS_MAX)
		r = err_set(err, -E2BIG,
			    "the command and its environment have %zu bytes; a VM takes at most %u",
			    total, RECIPE_VM_WORDS_MAX);
	return r;
}

int recipe_fill(const struct recipe *recipe, const struct image *image, char *const *command,
		struct instance *ret, struct err *err)
{
	int r = recipe_check_architecture(image, err);

	if (r < 0)
		return r;
	recipe_fill_identity(recipe, image, ret);
	r = recipe_fill_bounds(recipe, ret, err);
	if (r == 0)
		r = recipe_fill_mounts(recipe, ret, err);
	if (r == 0)
		r = recipe_fill_network(recipe, ret, err);
	if (r == 0)
		r = recipe_fill_argv(recipe, image, command, ret, err);
	if (r == 0)
		r = recipe_fill_process(recipe, image, ret, err);
	if (r == 0)
		r = recipe_fill_end(recipe, image, ret, err);
	return r < 0 ? r : recipe_check_record(ret, err);
}
