// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes in a container: exec, ps. */
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "container/attach.h"
#include "container/rdt.h"
#include "oci/console.h"
#include "oci/container.h"
#include "oci/follow.h"
#include "oci/vm.h"
#include "oci/vm_plan.h"
#include "sys/child.h"
#include "sys/selfexec.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

struct process_exec_values {
	char *process, *console_socket, *pid_file, *cwd, *user, *apparmor, *label;
	char **env, **caps, **groups;
	int tty, detach, no_new_privs, ignore_paused;
	int64_t preserve_fds;
};

#define PROCESS_OPTION(type_, name_, letter_, metavar_, help_, member)                        \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct process_exec_values, member)       \
	}

static const struct option process_exec_options[] = {
	PROCESS_OPTION(OPTION_STRING, "process", 'p', "FILE",
		       "the process as JSON, as it stands in a configuration", process),
	PROCESS_OPTION(OPTION_FLAG, "detach", 'd', NULL, "return once the program runs", detach),
	PROCESS_OPTION(OPTION_STRING, "pid-file", 0, "FILE", "write the process's ID there",
		       pid_file),
	PROCESS_OPTION(OPTION_STRING, "console-socket", 0, "PATH",
		       "the socket that gets the master of the process's terminal", console_socket),
	PROCESS_OPTION(OPTION_FLAG, "tty", 't', NULL, "give it a terminal", tty),
	PROCESS_OPTION(OPTION_STRING, "cwd", 0, "DIR", "its working directory", cwd),
	PROCESS_OPTION(OPTION_STRV, "env", 'e', "NAME=VALUE", "set a variable; repeatable", env),
	PROCESS_OPTION(OPTION_STRING, "user", 'u', "UID[:GID]", "whom it runs as", user),
	PROCESS_OPTION(OPTION_STRV, "additional-gids", 'g', "GID", "one more group; repeatable",
		       groups),
	PROCESS_OPTION(OPTION_STRV, "cap", 'c', "CAP", "one more capability; repeatable", caps),
	PROCESS_OPTION(OPTION_FLAG, "no-new-privs", 0, NULL, "set-user-id programs give it nothing",
		       no_new_privs),
	PROCESS_OPTION(OPTION_STRING, "apparmor", 0, "PROFILE", "its AppArmor profile", apparmor),
	PROCESS_OPTION(OPTION_STRING, "process-label", 0, "LABEL", "its SELinux label", label),
	PROCESS_OPTION(OPTION_INT, "preserve-fds", 0, "N",
		       "pass N descriptors on, from 3 up, besides the standard streams",
		       preserve_fds),
	PROCESS_OPTION(OPTION_FLAG, "ignore-paused", 0, NULL,
		       "start it in a paused container, too; it runs once that is resumed",
		       ignore_paused),
	OPTION_END,
};

static void process_replace_strv(char ***to, char *const *from)
{
	strv_free(*to);
	*to = strv_dup(from);
}

static int process_parse_id(const char *text, const char *what, uint64_t *ret, struct err *err)
{
	int64_t id = 0;
	int r = units_parse_int(text, 0, UINT32_MAX - 1, &id, err);

	if (r < 0)
		return err_wrap(err, "%s", what);
	*ret = (uint64_t)id;
	return 0;
}

static int process_set_user(struct config_user *user, const char *text, struct err *err)
{
	_cleanup_free_ char *uid = mem_strdup(text);
	char *gid = strchr(uid, ':');
	int r;

	if (gid)
		*gid++ = '\0';
	free(user->groups);
	user->groups = NULL;
	user->n_groups = 0;
	r = process_parse_id(uid, "--user", &user->uid, err);
	return r < 0 || !gid ? r : process_parse_id(gid, "--user", &user->gid, err);
}

static int process_add_groups(struct config_user *user, char *const *groups, struct err *err)
{
	strv_for_each(group, groups) {
		int r;

		user->groups = mem_realloc(user->groups, user->n_groups + 1, sizeof(*user->groups));
		r = process_parse_id(*group, "--additional-gids", &user->groups[user->n_groups],
				     err);
		if (r < 0)
			return r;
		user->n_groups++;
	}
	return 0;
}

static void process_add_caps(struct config_capabilities *caps, char *const *names)
{
	char ***sets[] = { &caps->bounding, &caps->effective, &caps->permitted };

	strv_for_each(name, names) {
		for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
			if (!strv_has(*sets[i], *name))
				strv_add(sets[i], *name);
		}
	}
}

/* The container's own process, with what the options say. */
static int process_of_options(struct config_process *process, const struct process_exec_values *v,
			      char *const *args, struct err *err)
{
	int r = 0;

	if (!args[0])
		return err_set(err, -EINVAL, "say what to run, or give --process");
	process_replace_strv(&process->args, args);
	process->terminal = v->tty;
	if (v->cwd)
		mem_replace(&process->cwd, v->cwd);
	if (v->apparmor)
		mem_replace(&process->apparmor_profile, v->apparmor);
	if (v->label)
		mem_replace(&process->selinux_label, v->label);
	process->no_new_privileges |= v->no_new_privs;
	strv_for_each(variable, v->env)
		strv_env_set(&process->env, *variable);
	process_add_caps(&process->capabilities, v->caps);
	if (v->user)
		r = process_set_user(&process->user, v->user, err);
	return r < 0 ? r : process_add_groups(&process->user, v->groups, err);
}

static int process_of_file(const char *path, struct config_process *ret, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = json_read_file(AT_FDCWD, path, CONFIG_SIZE_MAX, &json, err);

	if (r < 0)
		return r;
	r = config_read_process(json, ret, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

static int process_check(const struct container *container, const struct process_exec_values *v,
			 struct err *err)
{
	int r = container_check_alive(container, err);

	if (r < 0)
		return r;
	if (container->status == STORE_CREATING)
		return err_set(err, -EBUSY, "the container '%s' is being created",
			       container->store.id);
	if (container->status == STORE_PAUSED && !v->ignore_paused)
		return err_set(err, -EBUSY,
			       "cannot exec in the paused container '%s': resume it first, or use "
			       "--ignore-paused",
			       container->store.id);
	return 0;
}

/* Lets go of the process, or stays with it. */
static int process_finish(const struct process_exec_values *v, pid_t pid, int terminal,
			  struct err *err)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	int r = container_write_pid(v->pid_file, pid, err);

	if (r == 0 && terminal >= 0 && v->console_socket) {
		r = console_send(v->console_socket, terminal, err);
		terminal = -EBADF;
	}
	if (r < 0) {
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		return r;
	}
	return v->detach ? 0 : follow_process(pidfd, terminal, err);
}

/* Where its child is born. */
static int process_join_rdt(const struct container *container, const struct config_linux *config,
			    struct err *err)
{
	_cleanup_close_ int root = -EBADF;
	_cleanup_rdt_ struct rdt rdt = { 0 };

	if (!config->has_intel_rdt)
		return 0;
	root = rdt_open_root(err);
	if (root < 0)
		return root;
	rdt_name(&config->intel_rdt, container->store.id, &rdt);
	return rdt_join(root, &rdt, 0, err);
}

static int process_start(struct container *container, const struct spec *spec,
			 const struct process_exec_values *v, struct err *err)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	const struct attach_request request = {
		.spec = spec,
		.init = container->pidfd,
		.pid = (pid_t)container->store.pid,
		.status = store_status_names[container->status],
		.cgroup = container_cgroup(container),
		.death_signal = v->detach ? 0 : SIGHUP,
	};
	_cleanup_close_ int terminal = -EBADF;
	pid_t pid = 0;
	int r = attach_process(&request, stdio, &pid, &terminal, err);

	return r < 0 ? r : process_finish(v, pid, terminal, err);
}

static int process_start_vm(const struct container *container, const struct process *process,
			    const struct process_exec_values *v, struct err *err)
{
	_cleanup_close_ int terminal = -EBADF;
	pid_t pid = 0;
	int r;

	if (container->status == STORE_CREATED)
		return err_set(err, -EBUSY, "the VM '%s' is created and not started",
			       container->store.id);
	if (v->preserve_fds)
		return err_set(err, -EOPNOTSUPP,
			       "--preserve-fds: a VM is given no descriptor of the host's");
	r = vm_exec(&container->store, process, v->detach, &pid, &terminal, err);
	return r < 0 ? r : process_finish(v, pid, terminal, err);
}

/* What it has to be before it can start, in a container or a machine. */
static int process_start_any(struct container *container, const struct spec *spec,
			     const struct config_process *config, uint64_t kept,
			     const struct process_exec_values *v, struct err *err)
{
	_cleanup_process_ struct process process = { 0 };
	int r;

	if (!container->store.vm)
		return process_start(container, spec, v, err);
	r = vm_plan_process(config, spec, kept, &process, err);
	return r < 0 ? r : process_start_vm(container, &process, v, err);
}

static int process_exec_in(struct container *container, int rootless,
			   const struct process_exec_values *v, char *const *args, struct err *err)
{
	_cleanup_config_process_ struct config_process given = { 0 };
	_cleanup_config_ struct config config = { 0 };
	_cleanup_spec_ struct spec spec = { 0 };
	struct config_process *process = v->process ? &given : &config.process;
	uint64_t kept;
	int r = store_load_config(&container->store, &config, err);

	if (r == 0)
		r = spec_of_config(&config, container->store.id, container->store.bundle, rootless,
				   &spec, err);
	kept = vm_plan_capabilities(&spec);
	if (r == 0)
		r = v->process ? process_of_file(v->process, &given, err)
			       : process_of_options(&config.process, v, args, err);
	if (r == 0)
		r = spec_set_process(&spec, process, err);
	if (r == 0 && process->terminal && v->detach && !v->console_socket)
		r = err_set(err, -EINVAL,
			    "a process that outlives this call needs --console-socket for its "
			    "terminal");
	if (r == 0 && !process->terminal && v->console_socket)
		r = err_set(err, -EINVAL, "--console-socket: the process has no terminal");
	spec.preserve_fds = (unsigned int)v->preserve_fds;
	if (r == 0)
		r = process_join_rdt(container, &config.on_linux, err);
	return r < 0 ? r : process_start_any(container, &spec, process, kept, v, err);
}

static int process_exec_verb(const struct oci_context *oci, const void *values, char **args,
			     struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	int r = selfexec_protect(oci->argv, err);

	if (r == 0)
		r = container_open(oci, args[0], 0, &container, err);
	if (r == 0)
		r = process_check(&container, values, err);
	return r < 0 ? r : process_exec_in(&container, oci->rootless, values, args + 1, err);
}

enum process_format { PROCESS_TABLE, PROCESS_JSON };
static const char *const process_formats[] = { "table", "json", NULL };

struct process_ps_values {
	int format;
};

static const struct option process_ps_options[] = {
	{ .name = "format",
	  .letter = 'f',
	  .type = OPTION_CHOICE,
	  .metavar = "FORMAT",
	  .help = "table (of ps(1), with its options) or json, an array of process IDs",
	  .offset = offsetof(struct process_ps_values, format),
	  .choices = process_formats },
	OPTION_END,
};

static void process_print_json(const pid_t *pids, size_t n)
{
	_cleanup_json_ struct json *list = json_new_array();
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < n; i++)
		json_array_add(list, json_new_int(pids[i]));
	text = json_text(list, 0);
	puts(text);
}

/* The column of the header that is called PID, or -1. */
static int process_pid_column(const char *header)
{
	_cleanup_strv_ char **words = strv_split(header, " ");
	int column = 0;

	strv_for_each(word, words) {
		if (!strcmp(*word, "PID"))
			return column;
		column++;
	}
	return -1;
}

static int process_is_listed(const char *line, int column, const pid_t *pids, size_t n)
{
	_cleanup_strv_ char **words = strv_split(line, " ");
	struct err ignored = ERR_INIT;
	int64_t pid = 0;

	if (strv_len(words) <= (size_t)column ||
	    units_parse_int(words[column], 1, INT32_MAX, &pid, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (pids[i] == (pid_t)pid)
			return 1;
	}
	return 0;
}

static int process_print_table(char *const *options, const pid_t *pids, size_t n, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_strv_ char **argv = NULL, **lines = NULL;
	struct child_spec child = CHILD_SPEC_INIT;
	int column, r;

	strv_add(&argv, "ps");
	if (!options[0])
		strv_add(&argv, "-ef");
	strv_for_each(option, options)
		strv_add(&argv, *option);
	child.argv = argv;
	child.out = &out;
	child.out_max = 16U << 20;
	child.hint = "install procps";
	r = child_run(&child, err);
	if (r < 0)
		return r;
	lines = strv_split(out.data ? out.data : "", "\n");
	column = lines ? process_pid_column(lines[0]) : -1;
	if (column < 0)
		return err_set(err, -EINVAL, "ps printed no column PID: choose other options");
	puts(lines[0]);
	strv_for_each(line, lines + 1) {
		if (process_is_listed(*line, column, pids, n))
			puts(*line);
	}
	return 0;
}

static int process_ps_verb(const struct oci_context *oci, const void *values, char **args,
			   struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	const struct process_ps_values *v = values;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	int r = container_open(oci, args[0], 0, &container, err);

	if (r < 0)
		return r;
	container_pids(&container, &pids, &n);
	if (v->format == PROCESS_JSON) {
		process_print_json(pids, n);
		return 0;
	}
	return process_print_table(args + 1, pids, n, err);
}

const struct verb oci_process_verbs[] = {
	{
		.name = "exec",
		.group = "Processes",
		.args = "ID [COMMAND [ARG...]]",
		.summary = "Run a program in a container",
		.description = "The exit status is the program's, 128 and the signal's number if "
			       "one ended it. Without --process it is like the container's first "
			       "process but for what the options say.",
		.options = process_exec_options,
		.mode = OPTION_LEAD,
		.min_args = 1,
		.max_args = -1,
		.values_size = sizeof(struct process_exec_values),
		.complete = "container command",
		.run_oci = process_exec_verb,
	},
	{
		.name = "ps",
		.group = "Processes",
		.args = "ID [OPTION...]",
		.summary = "List the processes of a container",
		.options = process_ps_options,
		.mode = OPTION_LEAD,
		.min_args = 1,
		.max_args = -1,
		.values_size = sizeof(struct process_ps_values),
		.complete = "container none",
		.run_oci = process_ps_verb,
	},
	{ .name = NULL },
};
