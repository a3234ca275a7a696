// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * checkpoint and restore. The order in `restore` is that of `create` (oci/life.c), so that a SIGKILL at any moment
 * leaves what `delete --force` finds: the folder and the record with the cgroup's path; then the first process, at
 * once in the record, and the others in that cgroup; then, before any of them runs, the record says that it runs. `checkpoint` changes nothing but what CRIU
 * does to the processes, which goes on without us (container/criu.h), and the removal in the end.
 */
#include "base/log.h"
#include "base/mem.h"
#include "container/checkpoint.h"
#include "container/criu.h"
#include "oci/life-internal.h"

#include <fcntl.h>
#include <string.h>

#define CHECKPOINT_IMAGES "checkpoint"

struct checkpoint_values {
	struct life_create life; /* restore alone */
	char *images, *work, *parent, *page_server, *lsm_profile, *lsm_mount_context;
	int leave_running, pre_dump, tcp_established, tcp_skip_in_flight, tcp_close;
	int ext_unix_sockets, shell_job, file_locks, link_remap, lazy_pages, auto_dedup;
	int cgroups, empty_ns, no_subreaper;
	int64_t status_fd;
};

/* By enum checkpoint_cgroups. */
static const char *const checkpoint_modes[] = { "soft", "full", "strict", "ignore", NULL };

/* --empty-ns is given once, or not at all: the first is that. */
static const char *const checkpoint_empty[] = { "none", "network", NULL };

#define CHECKPOINT_OPTION(type_, name_, metavar_, help_, member)                          \
	{                                                                                 \
		.name = (name_), .type = (type_), .metavar = (metavar_), .help = (help_), \
		.offset = offsetof(struct checkpoint_values, member)                      \
	}
#define CHECKPOINT_FLAG(name, help, member) CHECKPOINT_OPTION(OPTION_FLAG, name, NULL, help, member)
#define CHECKPOINT_PATH(name_, metavar_, help_, member)                                         \
	{                                                                                       \
		.name = (name_), .type = OPTION_STRING, .metavar = (metavar_), .help = (help_), \
		.offset = offsetof(struct checkpoint_values, member), .complete = "file"        \
	}

/* clang-format off */
#define CHECKPOINT_OPTIONS                                                                         \
	CHECKPOINT_PATH("image-path", "DIR", "the folder of the images (./" CHECKPOINT_IMAGES ")", images), \
	CHECKPOINT_PATH("work-path", "DIR", "the folder of CRIU's log, by default that of the images", work), \
	CHECKPOINT_PATH("parent-path", "DIR", "earlier images, seen from the folder of these", parent), \
	CHECKPOINT_FLAG("tcp-established", "established connections, too", tcp_established), \
	CHECKPOINT_FLAG("tcp-skip-in-flight", "without connections that are being made", tcp_skip_in_flight), \
	CHECKPOINT_FLAG("ext-unix-sk", "Unix sockets that lead out of the container, too", ext_unix_sockets), \
	CHECKPOINT_FLAG("shell-job", "with the session and terminal of the caller", shell_job), \
	CHECKPOINT_FLAG("file-locks", "locks on files, too", file_locks), \
	CHECKPOINT_FLAG("link-remap", "files that have no name any more, too", link_remap), \
	CHECKPOINT_FLAG("lazy-pages", "memory is taken over when it is wanted", lazy_pages), \
	CHECKPOINT_FLAG("auto-dedup", "free the memory in earlier images that later ones have, too", auto_dedup), \
	{ .name = "manage-cgroups-mode", .type = OPTION_CHOICE, .metavar = "MODE", .choices = checkpoint_modes, \
	  .help = "of cgroups below the container's: soft, full, strict or ignore", \
	  .offset = offsetof(struct checkpoint_values, cgroups) }, \
	{ .name = "empty-ns", .type = OPTION_CHOICE, .metavar = "WHAT", .choices = checkpoint_empty, \
	  .help = "network: leave out what is in the network namespace", \
	  .offset = offsetof(struct checkpoint_values, empty_ns) }

static const struct option checkpoint_dump_options[] = {
	CHECKPOINT_OPTIONS,
	CHECKPOINT_FLAG("leave-running", "do not end the container", leave_running),
	CHECKPOINT_FLAG("pre-dump", "only the memory, and do not end the container", pre_dump),
	CHECKPOINT_OPTION(OPTION_STRING, "page-server", "ADDRESS:PORT", "where the memory goes, or is asked for", page_server),
	{ .name = "status-fd", .type = OPTION_INT, .metavar = "FD", .max = INT32_MAX,
	  .help = "a descriptor that gets a zero when lazy pages can be asked for",
	  .offset = offsetof(struct checkpoint_values, status_fd) },
	OPTION_END,
};

static const struct option checkpoint_restore_options[] = {
	{ .name = "bundle", .letter = 'b', .type = OPTION_STRING, .metavar = "DIR",
	  .help = "the bundle's folder, by default the current one",
	  .offset = offsetof(struct checkpoint_values, life.bundle), .complete = "file" },
	{ .name = "detach", .letter = 'd', .type = OPTION_FLAG,
	  .help = "return once the container runs",
	  .offset = offsetof(struct checkpoint_values, life.detach) },
	CHECKPOINT_PATH("pid-file", "FILE", "write the first process's ID there", life.pid_file),
	CHECKPOINT_PATH("console-socket", "PATH", "the socket that gets the master of the container's terminal",
			life.console_socket),
	CHECKPOINT_OPTIONS,
	CHECKPOINT_FLAG("tcp-close", "connections are there, and closed", tcp_close),
	CHECKPOINT_OPTION(OPTION_STRING, "lsm-profile", "TYPE:NAME", "the security module's profile, instead of the one it had", lsm_profile),
	CHECKPOINT_OPTION(OPTION_STRING, "lsm-mount-context", "CONTEXT", "the security module's label of mounts, instead of those they had", lsm_mount_context),
	CHECKPOINT_FLAG("keep", "do not delete the container at its end", life.keep),
	CHECKPOINT_FLAG("no-pivot", "accepted for other runtimes' sake; the root is always pivoted to", life.no_pivot),
	CHECKPOINT_FLAG("no-subreaper", "accepted for other runtimes' sake; we reap nobody else's", no_subreaper),
	OPTION_END,
};
/* clang-format on */

static const struct checkpoint_values checkpoint_defaults = { .status_fd = -1 };

static void checkpoint_of_values(const struct checkpoint_values *v, struct checkpoint_options *ret)
{
	*ret = (struct checkpoint_options){
		.images = v->images ? v->images : CHECKPOINT_IMAGES,
		.work = v->work,
		.parent = v->parent,
		.page_server = v->page_server,
		.lsm_profile = v->lsm_profile,
		.lsm_mount_context = v->lsm_mount_context,
		.leave_running = v->leave_running || v->pre_dump,
		.pre_dump = v->pre_dump,
		.tcp_established = v->tcp_established,
		.tcp_skip_in_flight = v->tcp_skip_in_flight,
		.tcp_close = v->tcp_close,
		.ext_unix_sockets = v->ext_unix_sockets,
		.shell_job = v->shell_job,
		.file_locks = v->file_locks,
		.link_remap = v->link_remap,
		.lazy_pages = v->lazy_pages,
		.auto_dedup = v->auto_dedup,
		.empty_network = v->empty_ns != 0,
		.has_status = v->status_fd >= 0,
		.status_fd = (int)v->status_fd,
		.cgroups = (enum checkpoint_cgroups)v->cgroups,
	};
}

static int checkpoint_check_caller(const struct oci_context *oci,
				   const struct checkpoint_values *values, struct err *err)
{
	if (oci->rootless)
		return err_set(err, -EPERM, "checkpoint and restore want the host's root");
	/* CRIU looks for it below the folder of the images */
	if (values->parent && *values->parent == '/')
		return err_set(err, -EINVAL,
			       "--parent-path: '%.200s' is not seen from the folder of the images: "
			       "as ../earlier is",
			       values->parent);
	return 0;
}

static int checkpoint_check_dump(const struct checkpoint_values *values, struct err *err)
{
	/* CRIU would wait for who asks for it at a port of its own choice, on every address */
	if (values->lazy_pages && !values->page_server)
		return err_set(err, -EINVAL,
			       "--lazy-pages wants --page-server ADDRESS:PORT, where the memory "
			       "can be asked for");
	if (values->status_fd >= 0 && fcntl((int)values->status_fd, F_GETFD) < 0)
		return err_set(err, -EBADF, "--status-fd: %lld is no open descriptor",
			       (long long)values->status_fd);
	return 0;
}

static int checkpoint_check_running(const struct container *container, struct err *err)
{
	int r = container_check_alive(container, err);

	if (r < 0)
		return r;
	if (container->store.vm)
		return err_set(err, -EOPNOTSUPP, "cannot checkpoint '%s': a VM has no checkpoints",
			       container->store.id);
	if (container->status != STORE_RUNNING && container->status != STORE_PAUSED)
		return err_set(err, -EBUSY, "cannot checkpoint the container '%s', which is %s",
			       container->store.id, store_status_names[container->status]);
	return 0;
}

/* The processes, and the groups they are in, are as they were. */
static int checkpoint_dump_running(struct container *container, const struct spec *spec,
				   const struct checkpoint_options *options, struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = checkpoint_dump(spec, (pid_t)container->store.pid, container_cgroup(container),
				options, err);

	/* a CRIU that was killed leaves them stopped */
	if (r < 0 && container_cgroup(container) && container->status != STORE_PAUSED)
		(void)cgroup_freeze(container->cgroup, 0, &ignored);
	return r;
}

static int checkpoint_run(const struct oci_context *oci, const void *values, char **args,
			  struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_config_ struct config config = { 0 };
	_cleanup_spec_ struct spec spec = { 0 };
	struct checkpoint_options options;
	int r = checkpoint_check_caller(oci, values, err);

	checkpoint_of_values(values, &options);
	if (r == 0)
		r = checkpoint_check_dump(values, err);
	if (r == 0)
		r = container_open(oci, args[0], 1, &container, err);
	if (r == 0)
		r = checkpoint_check_running(&container, err);
	if (r == 0)
		r = store_load_config(&container.store, &config, err);
	if (r < 0)
		return r;
	/* with systemd the configuration has another name for it */
	mem_replace(&config.on_linux.cgroups_path, container.store.cgroup);
	r = spec_of_config(&config, container.store.id, container.store.bundle, 0, &spec, err);
	if (!container.store.cgroup)
		free(take_ptr(spec.cgroup_path));
	if (r == 0)
		r = checkpoint_dump_running(&container, &spec, &options, err);
	if (r < 0 || options.leave_running)
		return r;
	return container_remove(&container, &spec, err);
}

/* Before anything of the container runs. */
static int checkpoint_note(void *ctx, const struct launch *launch, int ready, struct err *err)
{
	struct life *life = ctx;
	int r;

	/* it does without: what has that path then is somebody else's */
	if (!launch->cgroup)
		mem_replace(&life->store.cgroup, NULL);
	life->store.started = ready;
	r = ready ? life_join_rdt(life, err) : 0;
	return r < 0 ? r : life_note_process(life, ready, err);
}

static int checkpoint_make(struct life *life, const struct checkpoint_options *options,
			   int *ret_terminal, struct err *err)
{
	const struct checkpoint_place place = {
		.stdio = { 0, 1, 2 },
		.found = checkpoint_note,
		.ctx = life,
	};
	int r = life_start_scope(life, err);

	if (r == 0)
		r = checkpoint_restore(&life->spec, options, &place, &life->launch, ret_terminal,
				       err);
	scope_holder_release(&life->holder);
	return r < 0 ? r : life_send_terminal(life, ret_terminal, err);
}

static int checkpoint_prepare_life(struct life *life, const char *id, struct err *err)
{
	int r;

	life->id = mem_strdup(id);
	r = life_read_bundle(life, id, err);
	if (r == 0 && life->is_vm)
		r = err_set(err, -EOPNOTSUPP, "a VM has no checkpoints");
	if (r == 0)
		r = life_check_console(life, life->values->detach, err);
	return r < 0 ? r : life_store(life, id, err);
}

static int restore_run(const struct oci_context *oci, const void *values, char **args,
		       struct err *err)
{
	const struct checkpoint_values *v = values;
	_cleanup_(life_release) struct life life = LIFE_INIT(oci, &v->life);
	_cleanup_close_ int terminal = -EBADF;
	struct checkpoint_options options;
	int r = checkpoint_check_caller(oci, values, err);

	checkpoint_of_values(values, &options);
	if (r == 0)
		r = checkpoint_prepare_life(&life, args[0], err);
	if (r == 0)
		r = checkpoint_make(&life, &options, &terminal, err);
	if (r < 0) {
		life_undo(&life);
		return r;
	}
	if (!v->life.detach)
		r = life_follow(&life, terminal, err);
	else
		launch_let_go(&life.launch);
	launch_release(&life.launch);
	return r;
}

const struct verb oci_checkpoint_verbs[] = {
	{
		.name = "checkpoint",
		.group = "While it runs",
		.args = "ID",
		.summary = "Save a container's processes in files, and end it",
		.description =
			"CRIU does it, which has to be installed. What the container shows of the "
			"host is not saved: a restore takes it from its bundle.\n\n"
			"With --leave-running or --pre-dump the container goes on; else it is "
			"deleted. Images of --pre-dump are for a later checkpoint that names them "
			"by --parent-path.\n\n"
			"With --lazy-pages memory stays here until it is asked for, and the call "
			"returns when all of it was: --page-server says where it is asked for (by "
			"`criu lazy-pages`), and --status-fd is told from when on.\n\n"
			"Where CRIU is not installed or cannot run, `checkpoint --help` fails as "
			"well.",
		.options = checkpoint_dump_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct checkpoint_values),
		.defaults = &checkpoint_defaults,
		.complete = "container",
		.check = criu_check,
		.run_oci = checkpoint_run,
	},
	{
		.name = "restore",
		.group = "Life of a container",
		.args = "ID",
		.summary = "Make a container of the files of a checkpoint; it runs on",
		.description = "Images are as trusted as the processes that they become: restore "
			       "only what root has saved. Hooks of prestart and createRuntime run "
			       "as at a creation. Without --detach the container is waited for, "
			       "and deleted in the end; the exit status is its own.",
		.options = checkpoint_restore_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct checkpoint_values),
		.defaults = &checkpoint_defaults,
		.check = criu_check,
		.run_oci = restore_run,
	},
	{ .name = NULL },
};
