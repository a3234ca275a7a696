// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a container goes through. The order in `create`, so that a SIGKILL at any moment leaves what
 * `delete --force` finds:
 *
 *  1. the folder, locked, with the configuration;
 *  2. the record with the cgroup's path, before there is a cgroup, and before systemd makes it;
 *  3. the first process, which dies with us until the last step;
 *  4. the record with its pid, and the pid file; then the first process is let go of.
 *
 * `run` in the foreground never lets go of it. Where nothing has to be done meanwhile its program runs before step 4.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signum.h"
#include "container/gate.h"
#include "container/resources.h"
#include "container/scope_properties.h"
#include "oci/console.h"
#include "oci/follow.h"
#include "oci/life-internal.h"
#include "oci/vm.h"
#include "oci/vm_plan.h"
#include "sys/selfexec.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#define LIFE_OPTION(type_, name_, letter_, metavar_, help_, member)                           \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct life_create, member)               \
	}
#define LIFE_CREATE_OPTIONS                                                                     \
	{ .name = "bundle",                                                                     \
	  .letter = 'b',                                                                        \
	  .type = OPTION_STRING,                                                                \
	  .metavar = "DIR",                                                                     \
	  .help = "the bundle's folder, by default the current one",                            \
	  .offset = offsetof(struct life_create, bundle),                                       \
	  .complete = "file" },                                                                 \
		{ .name = "pid-file",                                                           \
		  .type = OPTION_STRING,                                                        \
		  .metavar = "FILE",                                                            \
		  .help = "write the first process's ID there",                                 \
		  .offset = offsetof(struct life_create, pid_file),                             \
		  .complete = "file" },                                                         \
		{ .name = "console-socket",                                                     \
		  .type = OPTION_STRING,                                                        \
		  .metavar = "PATH",                                                            \
		  .help = "the socket that gets the master of the container's terminal",        \
		  .offset = offsetof(struct life_create, console_socket),                       \
		  .complete = "file" },                                                         \
		LIFE_OPTION(OPTION_INT, "preserve-fds", 0, "N",                                 \
			    "pass N descriptors on, from 3 up, besides the standard streams",   \
			    preserve_fds),                                                      \
		LIFE_OPTION(OPTION_FLAG, "no-pivot", 0, NULL,                                   \
			    "accepted for other runtimes' sake; the root is always pivoted to", \
			    no_pivot),                                                          \
		LIFE_OPTION(OPTION_FLAG, "no-new-keyring", 0, NULL,                             \
			    "stay in the session keyring of the caller", no_new_keyring)

static const struct option life_create_options[] = {
	LIFE_CREATE_OPTIONS,
	OPTION_END,
};

static const struct option life_run_options[] = {
	LIFE_CREATE_OPTIONS,
	LIFE_OPTION(OPTION_FLAG, "detach", 'd', NULL, "return once the program runs", detach),
	LIFE_OPTION(OPTION_FLAG, "keep", 0, NULL, "do not delete the container at its end", keep),
	OPTION_END,
};

void life_release(struct life *life)
{
	fd_close(life->gate);
	fd_close(life->rdt_root);
	rdt_release(&life->rdt);
	scope_holder_release(&life->holder);
	scope_name_release(&life->scope);
	store_release(&life->store);
	spec_release(&life->spec);
	config_release(&life->config);
	free(life->text);
	free(life->bundle);
	free(life->id);
}

/* A pipe would hold us up. */
static int life_check_file(int dir, struct err *err)
{
	struct stat st;

	if (fstatat(dir, STORE_CONFIG, &st, 0) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "that is no file");
	return 0;
}

/* From here on linux.cgroupsPath is the path of the cgroup that systemd will make. */
static int life_name_scope(struct life *life, const char *id, struct err *err)
{
	struct config_linux *in = &life->config.on_linux;
	_cleanup_free_ char *above = NULL;
	int r;

	if (life->oci->cgroup_manager != OCI_CGROUP_SYSTEMD)
		return 0;
	r = scope_root(life->oci->systemd, &above, err);
	if (r == 0)
		r = scope_parse(life->oci->systemd, in->cgroups_path, id, above, &life->scope, err);
	if (r == 0)
		mem_replace(&in->cgroups_path, life->scope.path);
	return r;
}

/* It stays where its caller is, and can have no limits of its own. */
static int life_drop_cgroup(struct life *life, struct err *err)
{
	free(life->spec.cgroup_path);
	life->spec.cgroup_path = NULL;
	return resources_apply(NULL, &life->config.on_linux.resources, err);
}

/* The parsed form, many times the size of the text, is gone before there is a process to share its pages with. */
static int life_read_config(struct life *life, int dir, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = life_check_file(dir, err);

	if (r < 0)
		return r;
	r = file_read(dir, STORE_CONFIG, CONFIG_SIZE_MAX, &life->text, &life->text_len);
	if (r < 0)
		return err_errno(err, r, "cannot read " STORE_CONFIG);
	r = json_parse(life->text, life->text_len, STORE_CONFIG, &json, err);
	return r < 0 ? r : config_read(json, &life->config, err);
}

/* What a machine cannot have is refused before anything is made; its group is made for its processes, too. */
static int life_plan_vm(struct life *life, const char *id, struct err *err)
{
	_cleanup_vm_plan_ struct vm_plan plan = { 0 };
	int r = vm_plan_wanted(&life->config, err);

	if (r <= 0)
		return r;
	life->is_vm = 1;
	if (life->oci->rootless)
		return err_set(err, -EPERM, "a VM wants the host's root");
	if (life->values->preserve_fds)
		return err_set(err, -EOPNOTSUPP,
			       "--preserve-fds: a VM is given no descriptor of the host's");
	r = vm_plan_make(&life->config, &life->spec, id, life->bundle, life->oci->vm_root, &plan,
			 err);
	vm_plan_raise_limits(&life->config.on_linux.resources);
	life->spec.limit_devices = 0;
	return r;
}

int life_read_bundle(struct life *life, const char *id, struct err *err)
{
	const char *given = life->values->bundle ? life->values->bundle : ".";
	_cleanup_close_ int dir = -EBADF;
	int r;

	life->bundle = realpath(given, NULL);
	if (!life->bundle)
		return err_errno(err, -errno, "the bundle %s", given);
	dir = open(life->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(err, -errno, "the bundle %s", life->bundle);
	r = life_read_config(life, dir, err);
	if (r == 0)
		r = life_name_scope(life, id, err);
	if (r == 0)
		r = spec_of_config(&life->config, id, life->bundle, life->oci->rootless,
				   &life->spec, err);
	if (r == 0)
		r = life_plan_vm(life, id, err);
	if (r < 0)
		return err_wrap(err, "%s/" STORE_CONFIG, life->bundle);
	life->spec.preserve_fds = (unsigned int)life->values->preserve_fds;
	life->spec.keep_keyring = life->values->no_new_keyring;
	life->spec.cgroup_made = life->scope.unit != NULL;
	return life->oci->cgroup_manager == OCI_CGROUP_DISABLED ? life_drop_cgroup(life, err) : 0;
}

int life_check_console(const struct life *life, int detached, struct err *err)
{
	const char *socket = life->values->console_socket;

	if (life->spec.process.tty && detached && !socket)
		return err_set(err, -EINVAL,
			       "process.terminal: a container that outlives this call needs "
			       "--console-socket for its terminal");
	if (!life->spec.process.tty && socket)
		return err_set(
			err, -EINVAL,
			"--console-socket: the container has no terminal (process.terminal)");
	return 0;
}

/* What it makes is in the record first. */
static int life_plan_rdt(struct life *life, const char *id, struct err *err)
{
	const struct config_linux *config = &life->config.on_linux;
	int r;

	if (!config->has_intel_rdt)
		return 0;
	life->rdt_root = rdt_open_root(err);
	if (life->rdt_root < 0)
		return life->rdt_root;
	r = rdt_plan(life->rdt_root, &config->intel_rdt, id, &life->rdt, err);
	if (r == 0)
		life->store.rdt = strv_dup(life->rdt.make);
	return r;
}

static int life_make_rdt(struct life *life, struct err *err)
{
	int r = life->rdt_root < 0 ? 0 : rdt_make(life->rdt_root, &life->rdt, err);

	return r < 0 || life->rdt_root < 0 ? r : rdt_write(life->rdt_root, &life->rdt, err);
}

int life_store(struct life *life, const char *id, struct err *err)
{
	struct store_container *store = &life->store;
	int r = store_create(life->oci->root, id, store, err);

	if (r < 0)
		return r;
	life->stored = 1;
	store->oci_version = mem_strdup(life->config.version);
	store->bundle = mem_strdup(life->bundle);
	store->rootfs = mem_strdup(life->spec.root_path);
	store->cgroup = mem_strdup(life->spec.cgroup_path);
	store->unit = mem_strdup(life->scope.unit);
	store->vm = life->is_vm;
	r = life_plan_rdt(life, id, err);
	if (r == 0)
		r = store_save_config(store, life->text, life->text_len, err);
	if (r == 0)
		r = store_save(store, err);
	return r < 0 ? r : life_make_rdt(life, err);
}

int life_join_rdt(struct life *life, struct err *err)
{
	if (life->rdt_root < 0)
		return 0;
	return rdt_join(life->rdt_root, &life->rdt, life->launch.pid, err);
}

int life_send_terminal(const struct life *life, int *terminal, struct err *err)
{
	const char *socket = life->values->console_socket;
	int r = *terminal >= 0 && socket ? console_send(socket, *terminal, err) : 0;

	if (socket)
		*terminal = fd_close(*terminal);
	return r;
}

int life_note_process(struct life *life, int ready, struct err *err)
{
	int r = store_set_pid(&life->store, life->launch.pid);

	if (r < 0)
		return err_errno(err, r, "the container's first process is gone");
	r = store_save(&life->store, err);
	if (r < 0 || !ready)
		return r;
	return container_write_pid(life->values->pid_file, life->launch.pid, err);
}

int life_start_scope(struct life *life, struct err *err)
{
	int version = cgroup_host_layout() == CGROUP_LAYOUT_UNIFIED ? 2 : 1, r;
	const struct config *config = &life->config;
	_cleanup_strv_ char **properties = NULL;

	if (!life->scope.unit)
		return 0;
	strv_add_printf(&properties, "Description=container %s of brig-oci", life->store.id);
	scope_properties_limits(&config->on_linux.resources, version, &properties);
	/* those of a machine are its processes', which are in jails of their own */
	if (!life->is_vm)
		scope_properties_devices(life->spec.device_rules, life->spec.n_device_rules,
					 &properties);
	r = scope_properties_annotations(config->annotations, config->n_annotations, &properties,
					 err);
	if (r == 0)
		r = scope_start(&life->scope, properties, &life->holder, err);
	life->scoped = r == 0;
	return r;
}

static int life_wait(struct life *life, int *ret_terminal, struct err *err)
{
	struct launch *launch = &life->launch;

	return life->spec.at_once
		       ? launch_wait_exec(launch->sock, launch->pid, NULL, ret_terminal, err)
		       : launch_wait(launch, &life->spec, ret_terminal, err);
}

/* *ret_terminal: the master, if nobody has got it. */
static int life_launch(struct life *life, int *ret_terminal, struct err *err)
{
	_cleanup_close_ int terminal = -EBADF;
	int r = life_start_scope(life, err);

	if (r == 0)
		r = life->is_vm ? vm_launch(life->oci, &life->spec, &life->store, life->gate,
					    &life->launch, err)
				: launch_run(&life->spec, NULL, life->gate, &life->launch, err);
	/* it does without: what has that path then is somebody else's */
	if (r == 0 && !life->launch.cgroup)
		mem_replace(&life->store.cgroup, NULL);
	if (r == 0)
		r = life_join_rdt(life, err);
	if (r == 0)
		r = life_wait(life, &terminal, err);
	scope_holder_release(&life->holder);
	if (r == 0)
		r = life_send_terminal(life, &terminal, err);
	/* whom nobody else can start is on its way already */
	life->store.started = life->gate < 0;
	if (r == 0)
		r = life_note_process(life, 1, err);
	*ret_terminal = take_fd(&terminal);
	return r;
}

static int life_prepare(struct life *life, const char *given, int detached, int *ret_terminal,
			struct err *err)
{
	const char *id = life->id = mem_strdup(given);
	int r = life_read_bundle(life, id, err);

	if (r == 0)
		r = life_check_console(life, detached, err);
	if (r == 0)
		r = life_store(life, id, err);
	/* who stays starts it itself */
	if (r == 0 && detached)
		r = life->gate = gate_listen(life->store.dir, STORE_START_SOCKET, err);
	life->spec.at_once = !detached && !life->is_vm && life->rdt_root < 0 &&
			     launch_can_go_at_once(&life->spec);
	life->spec.gated = !life->spec.at_once;
	return r < 0 ? r : life_launch(life, ret_terminal, err);
}

void life_undo(struct life *life)
{
	struct err ignored = ERR_INIT;
	int hooked = life->launch.hooked;

	launch_release(&life->launch);
	if (life->scoped)
		(void)scope_stop(life->scope.manager, life->scope.unit, &ignored);
	if (life->rdt_root >= 0)
		rdt_remove(life->rdt_root, life->store.rdt);
	if (hooked)
		spec_hooks_run_last(&life->spec);
	if (life->stored)
		(void)store_delete(&life->store, &ignored);
}

static int life_create(const struct oci_context *oci, const void *values, char **args,
		       struct err *err)
{
	_cleanup_(life_release) struct life life = LIFE_INIT(oci, values);
	_cleanup_close_ int terminal = -EBADF;
	int r = selfexec_protect(oci->argv, err);

	if (r == 0)
		r = life_prepare(&life, args[0], 1, &terminal, err);

	if (r == 0)
		r = launch_detach(&life.launch, err);
	if (r < 0)
		life_undo(&life);
	else
		launch_release(&life.launch);
	return r;
}

/* The record first: alive and neither started nor waiting is one that is being created. */
static int life_set_started(struct store_container *store, struct err *err)
{
	int r;

	store->started = 1;
	r = store_save(store, err);
	if (r == 0)
		(void)unlinkat(store->dir, STORE_START_SOCKET, 0);
	return r;
}

/* And waits, so that who hears of the failure finds the container stopped. */
static void life_end(int pidfd)
{
	struct pollfd poller = { .fd = pidfd, .events = POLLIN };

	(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	(void)poll(&poller, 1, CONTAINER_END_MS);
}

/* A hook that fails then ends the container (runtime.md, "Lifecycle"). */
static int life_run_poststart(const struct spec *spec, const struct store_container *store,
			      int pidfd, struct err *err)
{
	int r = spec_hooks_run(spec, CONFIG_HOOK_POSTSTART, "running", (pid_t)store->pid, err);

	if (r < 0)
		life_end(pidfd);
	return r;
}

/* Goes to the gate of a container that is created, and stays until its program runs. */
static int life_open_gate(struct store_container *store, const struct spec *spec, int pidfd,
			  struct err *err)
{
	_cleanup_listener_ struct listener listener = LISTENER_INIT;
	_cleanup_close_ int sock = -EBADF;
	int r = listener_open(spec, store_status_names[STORE_CREATED], (pid_t)store->pid, &listener,
			      err);

	if (r < 0)
		return r;
	sock = gate_connect(store->dir, STORE_START_SOCKET);
	if (sock < 0)
		return err_errno(err, sock, "cannot reach the container's first process");
	r = life_set_started(store, err);
	if (r == 0)
		r = launch_wait_exec(sock, (pid_t)store->pid, &listener, NULL, err);
	/* its program may run, but who should hear of its calls does not */
	if (r < 0)
		life_end(pidfd);
	return r < 0 ? r : life_run_poststart(spec, store, pidfd, err);
}

static int life_start(const struct oci_context *oci, const void *values _unused_, char **args,
		      struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_config_ struct config config = { 0 };
	struct spec spec = { 0 };
	int r = container_open(oci, args[0], 1, &container, err);

	if (r < 0)
		return r;
	if (container.status != STORE_CREATED)
		return err_set(err, -EBUSY, "cannot start the container '%s', which is %s", args[0],
			       store_status_names[container.status]);
	r = store_load_config(&container.store, &config, err);
	if (r < 0)
		return r;
	spec_set_hooks(&spec, &config, container.store.id, container.store.bundle);
	return life_open_gate(&container.store, &spec, container.pidfd, err);
}

/* Unlocked while it runs: others pause it, change its limits, delete it. */
int life_follow(struct life *life, int terminal, struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	struct err ending = ERR_INIT;
	int status;

	store_unlock(&life->store);
	status = follow_process(life->launch.pidfd, terminal, err);
	life->launch.pid = 0;
	container.cgroup = take_ptr(life->launch.cgroup);
	container.systemd = life->oci->systemd;
	container.store = life->store;
	life->store = STORE_CONTAINER_INIT;
	if (life->values->keep || store_relock(&container.store) < 0)
		return status;
	if (container_remove(&container, &life->spec, &ending) < 0)
		log_error("%s", ending.msg);
	return status;
}

static int life_start_here(struct life *life, struct err *err)
{
	int r = life->spec.at_once ? 0 : launch_start(&life->launch, &life->spec, err);

	return r < 0 ? r : life_run_poststart(&life->spec, &life->store, life->launch.pidfd, err);
}

/* Let go of first, so that the process lives on; then started as anybody would. */
static int life_start_detached(struct life *life, struct err *err)
{
	int r = launch_detach(&life->launch, err);

	return r < 0 ? r : life_open_gate(&life->store, &life->spec, life->launch.pidfd, err);
}

static int life_run(const struct oci_context *oci, const void *values, char **args, struct err *err)
{
	_cleanup_(life_release) struct life life = LIFE_INIT(oci, values);
	_cleanup_close_ int terminal = -EBADF;
	int r = selfexec_protect(oci->argv, err);

	if (r == 0)
		r = life_prepare(&life, args[0], life.values->detach, &terminal, err);

	if (r == 0)
		r = life.values->detach ? life_start_detached(&life, err)
					: life_start_here(&life, err);
	if (r < 0) {
		life_undo(&life);
		return r;
	}
	if (!life.values->detach)
		r = life_follow(&life, terminal, err);
	launch_release(&life.launch);
	return r;
}

struct life_kill {
	int all;
};

static const struct option life_kill_options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .type = OPTION_FLAG,
	  .help = "every process of the container, instead of the first",
	  .offset = offsetof(struct life_kill, all) },
	OPTION_END,
};

/* Each by a pidfd that was taken while the process was in the group. */
static void life_signal_group(struct container *container, int number)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	(void)cgroup_pids(container_cgroup(container), &pids, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_close_ int pidfd = pidfd_open(pids[i], 0);

		if (pidfd >= 0 && cgroup_has_process(container->store.cgroup, pids[i]) > 0)
			(void)pidfd_send_signal(pidfd, number, NULL, 0);
	}
}

static int life_kill(const struct oci_context *oci, const void *values, char **args,
		     struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	const struct life_kill *v = values;
	struct err ignored = ERR_INIT;
	int number = SIGTERM;
	int r = args[1] ? signum_parse(args[1], &number, err) : 0;

	if (r == 0)
		r = container_open(oci, args[0], 0, &container, err);
	if (r < 0)
		return r;
	/* with --all there may be others left in the group */
	/* the others are a machine's own, whose workload is the first one's to reach */
	if (v->all && container_cgroup(&container) && (!container.store.vm || number == SIGKILL)) {
		life_signal_group(&container, number);
	} else {
		r = container_check_alive(&container, err);
		if (r == 0 && pidfd_send_signal(container.pidfd, number, NULL, 0) < 0)
			r = err_errno(err, -errno, "cannot signal the container '%s'", args[0]);
	}
	/* version 1's freezer holds the dying, too */
	if (r == 0 && number == SIGKILL && container.status == STORE_PAUSED)
		(void)cgroup_freeze(container_cgroup(&container), 0, &ignored);
	return r;
}

struct life_delete {
	int force;
};

static const struct option life_delete_options[] = {
	{ .name = "force",
	  .letter = 'f',
	  .type = OPTION_FLAG,
	  .help = "end it if it still runs; what does not exist is no error",
	  .offset = offsetof(struct life_delete, force) },
	OPTION_END,
};

static int life_delete_broken(const struct oci_context *oci, const char *id, struct err *err)
{
	struct err reason = ERR_INIT;
	int r = store_remove_broken(oci->root, id, &reason);

	if (r < 0 && r != -ENOENT) {
		*err = reason;
		return r;
	}
	return 0;
}

static int life_delete(const struct oci_context *oci, const void *values, char **args,
		       struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	const struct life_delete *v = values;
	struct err reason = ERR_INIT;
	int r = container_open(oci, args[0], 1, &container, &reason);

	if (r == -ENOENT && v->force)
		return life_delete_broken(oci, args[0], err);
	if (r < 0) {
		*err = reason;
		return r;
	}
	if (!v->force && container.status != STORE_STOPPED && container.status != STORE_CREATED)
		return err_set(err, -EBUSY,
			       "cannot delete the container '%s', which is %s: kill it first, or "
			       "use --force",
			       args[0], store_status_names[container.status]);
	return container_remove(&container, NULL, err);
}

static const struct life_create life_create_defaults;

const struct verb oci_life_verbs[] = {
	{
		.name = "create",
		.group = "Life of a container",
		.args = "ID",
		.summary = "Make a container of a bundle; its program waits for start",
		.options = life_create_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct life_create),
		.defaults = &life_create_defaults,
		.run_oci = life_create,
	},
	{
		.name = "start",
		.group = "Life of a container",
		.args = "ID",
		.summary = "Start the program of a container that was created",
		.min_args = 1,
		.max_args = 1,
		.complete = "container",
		.run_oci = life_start,
	},
	{
		.name = "run",
		.group = "Life of a container",
		.args = "ID",
		.summary = "Create, start, wait for the end and delete",
		.description = "The exit status is the program's, 128 and the signal's number if "
			       "one ended it.",
		.options = life_run_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct life_create),
		.defaults = &life_create_defaults,
		.run_oci = life_run,
	},
	{
		.name = "kill",
		.group = "Life of a container",
		.args = "ID [SIGNAL]",
		.summary = "Send a signal, by default TERM, to the first process",
		.options = life_kill_options,
		.min_args = 1,
		.max_args = 2,
		.values_size = sizeof(struct life_kill),
		.complete = "container none",
		.run_oci = life_kill,
	},
	{
		.name = "delete",
		.group = "Life of a container",
		.args = "ID",
		.summary = "Remove a container that has ended",
		.options = life_delete_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct life_delete),
		.complete = "container",
		.run_oci = life_delete,
	},
	{ .name = NULL },
};
