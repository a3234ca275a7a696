// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a container's life in its keeper's loop.
 *
 *   SETTING_UP --READY, then the socket's end--> RUNNING --pidfd--> DRAINING --streams--> ENDED
 *       \--FAILED, or the socket's end without READY--> FAILED --pidfd------------------/
 *
 * Invariants:
 *  1. The socket is read to its end before the first process's end is looked at, so STARTED or ERROR come
 *     before EXIT, whichever the loop sees first.
 *  2. When the first process has ended, the kernel has ended every other one of its pid namespace.
 *  3. EXIT comes while the cgroup is still there, for who wants its figures; ended() after it is gone.
 */
#include "container/driver.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/attach.h"
#include "container/binding.h"
#include "container/checkpoint.h"
#include "container/inner.h"
#include "container/launch.h"
#include "container/layer_share.h"
#include "container/rootfs.h"
#include "container/streams.h"
#include "proto/lookup.h"
#include "proto/nic.h"
#include "proto/wire.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#define DRIVER_ENGINE	"container"
#define DRIVER_END_MS	5000
#define DRIVER_FILE_MAX (1U << 20) /* a file of the host's /etc */
/* The first process is PID 1; with a reaper of ours, the workload is its first child. */
#define DRIVER_PID_ALONE  1
#define DRIVER_PID_REAPED 2

enum driver_phase {
	DRIVER_SETTING_UP,
	DRIVER_RUNNING,
	DRIVER_FAILED,
	DRIVER_DRAINING,
	DRIVER_ENDED,
};

struct driver {
	const struct driver_host *host;
	struct launch launch;
	struct layer_share *layer_share;
	struct streams streams;
	struct loop_source *sock_source, *pid_source, *restore_source;
	struct checkpoint_restore *restore; /* that is under way */
	struct spec restored;		    /* what it goes by */
	enum driver_phase phase;
	struct binding *binding; /* that comes or goes */
	int has_reaper;
	int ready; /* the next word is execve's success */
	int status;
	struct err failure;
};

static void driver_deliver(struct driver *driver, uint16_t type, const struct buf *payload)
{
	driver->host->ops->deliver(driver->host->ctx, 0, type, payload->data, payload->len);
}

static void driver_deliver_u32(struct driver *driver, uint16_t type, uint32_t value)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, value);
	driver_deliver(driver, type, &payload);
}

static void driver_fail(struct driver *driver, const struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	driver->phase = DRIVER_FAILED;
	driver->failure = *err;
	message_put_error(&payload, err);
	driver_deliver(driver, MESSAGE_ERROR, &payload);
}

static void driver_close_socket(struct driver *driver)
{
	driver->sock_source = loop_source_free(driver->sock_source);
	driver->launch.sock = fd_close(driver->launch.sock);
}

static int driver_was_oom(const struct driver *driver)
{
	return cgroup_oom_kills(driver->launch.cgroup) > 0;
}

/* It went without a word: somebody killed it. */
static void driver_fail_silently(struct driver *driver)
{
	struct err err = ERR_INIT;

	if (driver_was_oom(driver))
		err_set(&err, -ENOMEM, "the memory limit is too small to start a process in it");
	else
		err_set(&err, -ECHILD, "the container was killed before it had started");
	driver_fail(driver, &err);
}

static void driver_on_socket_end(struct driver *driver)
{
	driver_close_socket(driver);
	if (driver->phase != DRIVER_SETTING_UP)
		return;
	if (!driver->ready) {
		driver_fail_silently(driver);
		return;
	}
	driver->phase = DRIVER_RUNNING;
	driver_deliver_u32(driver, MESSAGE_STARTED,
			   driver->has_reaper ? DRIVER_PID_REAPED : DRIVER_PID_ALONE);
}

static void driver_kill(struct driver *driver)
{
	struct err ignored = ERR_INIT;

	if (driver->restore)
		checkpoint_restore_cancel(driver->restore);
	if (driver->launch.pid <= 0)
		return;
	(void)pidfd_send_signal(driver->launch.pidfd, SIGKILL, NULL, 0);
	/* version 1's freezer holds the dying, too */
	if (driver->launch.cgroup)
		(void)cgroup_freeze(driver->launch.cgroup, 0, &ignored);
}

static void driver_wire(struct driver *driver)
{
	const struct driver_host *host = driver->host;
	struct inner_report report = { .kind = INNER_WIRED };
	struct err err = ERR_INIT;

	if (driver->phase != DRIVER_SETTING_UP)
		return;
	if (host->ops->wire(host->ctx, driver->launch.pid, &err) < 0) {
		(void)launch_first_reason(&driver->launch, &err);
		driver_fail(driver, &err);
		driver_kill(driver);
		return;
	}
	/* if it is gone, its end tells */
	(void)spawn_send(driver->launch.sock, &report, sizeof(report), -EBADF);
}

static void driver_on_report(struct driver *driver, struct inner_report *report, int fd)
{
	struct err err = ERR_INIT;

	switch (report->kind) {
	case INNER_TERMINAL:
		if (fd < 0 || streams_set_terminal(&driver->streams, fd, &err) < 0)
			log_debug("no terminal: %s", err.msg);
		return;
	case INNER_UNSHARED:
		driver_wire(driver);
		break;
	case INNER_READY:
		driver->ready = 1;
		break;
	case INNER_FAILED:
		report->err.msg[sizeof(report->err.msg) - 1] = '\0';
		if (driver->phase == DRIVER_SETTING_UP)
			driver_fail(driver, &report->err);
		break;
	default:
		break;
	}
	fd_close(fd);
}

static void driver_on_socket(void *ctx, _unused_ uint32_t events)
{
	struct driver *driver = ctx;

	while (driver->launch.sock >= 0) {
		struct inner_report report = { 0 };
		int fd = -EBADF;
		ssize_t n = spawn_receive(driver->launch.sock, &report, sizeof(report), &fd,
					  MSG_DONTWAIT);

		if (n == -EAGAIN)
			return;
		if (n == (ssize_t)sizeof(report))
			driver_on_report(driver, &report, fd);
		else
			driver_on_socket_end(driver);
	}
}

/* Its child is gone before anybody hears of it. */
static void driver_end_binding(struct driver *driver, const struct err *err)
{
	if (!driver->binding)
		return;
	driver->binding = binding_free(driver->binding);
	driver->host->ops->changed(driver->host->ctx, err);
}

static void driver_finish(struct driver *driver)
{
	const struct driver_host *host = driver->host;
	struct err err = ERR_INIT, ended = ERR_INIT;
	int failed = driver->phase == DRIVER_FAILED;

	err_set(&ended, -ESRCH, "the container has ended meanwhile");
	driver_end_binding(driver, &ended);
	host->run->oom_killed = driver_was_oom(driver);
	if (!failed)
		driver_deliver_u32(driver, MESSAGE_EXIT, (uint32_t)driver->status);
	if (driver->launch.cgroup && cgroup_destroy(driver->launch.cgroup, DRIVER_END_MS, &err) < 0)
		log_debug("%s", err.msg);
	driver->launch.cgroup = cgroup_free(driver->launch.cgroup);
	driver->phase = DRIVER_ENDED;
	host->ops->ended(host->ctx, failed ? &driver->failure : NULL);
}

static void driver_on_drained(void *ctx)
{
	driver_finish(ctx);
}

static void driver_end_restore(struct driver *driver)
{
	driver->restore_source = loop_source_free(driver->restore_source);
	driver->restore = checkpoint_restore_free(driver->restore);
}

static void driver_on_end(void *ctx, _unused_ uint32_t events)
{
	struct driver *driver = ctx;

	driver_on_socket(driver, 0);
	driver_end_restore(driver);
	driver->status = spawn_wait(driver->launch.pidfd);
	driver->launch.pid = 0;
	driver->pid_source = loop_source_free(driver->pid_source);
	if (driver->launch.sock >= 0 || driver->phase == DRIVER_SETTING_UP)
		driver_on_socket_end(driver);
	if (driver->phase == DRIVER_RUNNING)
		driver->phase = DRIVER_DRAINING;
	streams_finish(&driver->streams);
}

static void driver_on_output(void *ctx, uint16_t type, const void *data, size_t len)
{
	struct driver *driver = ctx;

	driver->host->ops->deliver(driver->host->ctx, 0, type, data, len);
}

static void driver_on_writable(void *ctx)
{
	struct driver *driver = ctx;

	driver->host->ops->writable(driver->host->ctx, 0);
}

static const struct streams_ops driver_streams_ops = {
	.output = driver_on_output,
	.writable = driver_on_writable,
	.drained = driver_on_drained,
};

static void driver_free(struct driver *driver)
{
	if (!driver)
		return;
	loop_source_free(driver->sock_source);
	loop_source_free(driver->pid_source);
	driver_end_restore(driver);
	binding_free(driver->binding);
	streams_release(&driver->streams);
	launch_release(&driver->launch);
	driver->layer_share = layer_share_free(driver->layer_share);
	spec_release(&driver->restored);
	free(driver);
}

static void driver_freep(struct driver **driver)
{
	driver_free(*driver);
}

/* Connections and locks are the container's own, as its network is. */
static const struct checkpoint_options driver_checkpoint_options = {
	.tcp_established = 1,
	.file_locks = 1,
};

static int driver_has_hosts_network(const struct driver_host *host)
{
	char *const *networks = host->instance->networks;

	return nic_is_shared(networks) && !strcmp(*networks, NIC_HOST);
}

/* A file of /etc of whom the network belongs to, where that is somebody else; NULL: there is none. */
static char *driver_read_theirs(const struct driver_host *host, const char *name)
{
	char *const *networks = host->instance->networks;
	_cleanup_free_ char *path = NULL;
	char *text = NULL;

	if (!nic_is_shared(networks))
		return NULL;
	path = driver_has_hosts_network(host)
		       ? mem_printf("/etc/%s", name)
		       : mem_printf("%s/../%s/%s", host->run_dir, *networks + strlen(NIC_OF), name);
	(void)file_read(AT_FDCWD, path, DRIVER_FILE_MAX, &text, NULL);
	return text;
}

/* A file of ours that the container's root owns; it lives as long as RUN/NAME. */
static int driver_write_file(const struct driver_host *host, const char *name, const char *text,
			     const struct idmap *map, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", host->run_dir, name);
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0 || fchown(fd, idmap_uid(map, 0), idmap_gid(map, 0)) < 0)
		return err_errno(err, -errno, "cannot write %s", path);
	r = file_write_all(fd, text, strlen(text));
	return r < 0 ? err_errno(err, r, "cannot write %s", path) : 0;
}

static char *driver_hosts(const struct driver_host *host, const struct spec *spec)
{
	_cleanup_free_ char *theirs = NULL;

	if (host->hosts)
		return mem_strdup(host->hosts);
	theirs = driver_read_theirs(host, "hosts");
	if (theirs)
		return mem_printf("%s\n127.0.1.1\t%s\n", theirs, spec->hostname);
	return lookup_hosts(spec->hostname);
}

/* NULL: there is to be none. */
static char *driver_resolv_conf(const struct driver_host *host)
{
	return host->resolv_conf ? mem_strdup(host->resolv_conf)
				 : driver_read_theirs(host, "resolv.conf");
}

static int driver_write_files(const struct driver_host *host, const struct spec *spec,
			      struct err *err)
{
	_cleanup_free_ char *hostname = mem_printf("%s\n", spec->hostname);
	_cleanup_free_ char *hosts = driver_hosts(host, spec);
	_cleanup_free_ char *resolv_conf = driver_resolv_conf(host);
	int r = driver_write_file(host, "hostname", hostname, &spec->idmap, err);

	if (r == 0)
		r = driver_write_file(host, "hosts", hosts, &spec->idmap, err);
	if (r == 0 && resolv_conf)
		r = driver_write_file(host, "resolv.conf", resolv_conf, &spec->idmap, err);
	return r;
}

static int driver_join_network(const struct driver_host *host, struct spec *spec, struct err *err)
{
	char *const *networks = host->instance->networks;
	char path[64];

	if (!nic_is_shared(networks) || driver_has_hosts_network(host))
		return 0;
	if (spec->unprivileged)
		return err_set(err, -EPERM,
			       "sharing the network of '%s' takes root; share the host's with "
			       "--network host",
			       *networks + strlen(NIC_OF));
	if (host->netns < 0)
		return err_set(err, -ESRCH, "'%s', whose network it shares, is not running",
			       *networks + strlen(NIC_OF));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", host->netns);
	spec_add_join(spec, CLONE_NEWNET, path);
	return 0;
}

/* See INSTANCE_STORAGE. */
static int driver_make_storage(const struct driver_host *host, struct err *err)
{
	for (size_t i = 0; host->instance->nesting && instance_storage_names[i]; i++) {
		_cleanup_free_ char *path = mem_printf("%s/" INSTANCE_STORAGE "/%s",
						       host->state_dir, instance_storage_names[i]);
		int r = file_mkdir_p(path, 0755);

		if (r < 0)
			return err_errno(err, r, "cannot make %s", path);
	}
	return 0;
}

static int driver_limit(void *ctx, int has_group, const char *missing, struct err *err)
{
	const struct driver_host *host = ((struct driver *)ctx)->host;

	return host->ops->limit(host->ctx, 0, has_group, missing, err);
}

static void driver_add_limits(struct driver *driver, struct spec *spec)
{
	spec->cgroup_also |= driver->host->controllers;
	spec->limit = driver_limit;
	spec->limit_ctx = driver;
}

/* A user's layers are folders, whose pages are shared as they are. */
static void driver_share_layers(struct driver *driver, struct spec *spec)
{
	_cleanup_free_ char *dir = mem_printf("%s/../" LAYER_SHARE_DIR, driver->host->run_dir);

	if (!spec->unprivileged)
		spec->layer_share = driver->layer_share = layer_share_new(dir);
}

static int driver_launch(struct driver *driver, struct err *err)
{
	const struct driver_host *host = driver->host;
	_cleanup_free_ char *cache = mem_printf("%s/cache", host->root);
	_cleanup_spec_ struct spec spec = { 0 };
	int r;

	r = driver_make_storage(host, err);
	if (r < 0)
		return r;
	r = spec_of_instance(host->instance, &host->process, host->layer_paths, host->state_dir,
			     host->run->cgroup, host->run_dir, &spec, err);
	if (r == 0)
		r = spec_add_shares(&spec, host->instance->volumes, host->root, err);
	if (r == 0)
		r = driver_write_files(host, &spec, err);
	if (r == 0)
		r = driver_join_network(host, &spec, err);
	driver_add_limits(driver, &spec);
	driver_share_layers(driver, &spec);
	if (r == 0)
		r = launch_run(&spec, cache, -EBADF, &driver->launch, err);
	if (r == 0)
		r = streams_init(&driver->streams, host->loop, &driver_streams_ops, driver,
				 driver->launch.stdio, spec.process.tty, err);
	return r;
}

static int driver_watch_process(struct driver *driver, struct err *err)
{
	driver->pid_source = loop_watch_fd(driver->host->loop, driver->launch.pidfd, EPOLLIN,
					   driver_on_end, driver);
	if (!driver->pid_source)
		return err_errno(err, -errno, "cannot watch the container");
	driver->host->run->pid = driver->launch.pid;
	return 0;
}

/* As driver_wire(), which a start that is not a restore comes to. If the process ends from now on, CRIU would wait for
 * it for ever. */
static int driver_on_found(void *ctx, const struct launch *launch, int ready, struct err *err)
{
	struct driver *driver = ctx;
	const struct driver_host *host = driver->host;
	int r = driver->pid_source ? 0 : driver_watch_process(driver, err);

	return r < 0 || ready || !strv_len(host->instance->networks)
		       ? r
		       : host->ops->wire(host->ctx, launch->pid, err);
}

/* What there is of it ends, and then it is told as of any other. */
static void driver_restore_failed(struct driver *driver, const struct err *err)
{
	driver_end_restore(driver);
	driver_fail(driver, err);
	if (driver->pid_source)
		driver_kill(driver);
	else
		streams_finish(&driver->streams);
}

static void driver_on_restore(void *ctx, _unused_ uint32_t events)
{
	struct driver *driver = ctx;
	struct err err = ERR_INIT;
	int terminal = -EBADF;
	int r = checkpoint_restore_step(driver->restore, &terminal, &err);

	if (r > 0)
		return;
	if (r == 0 && terminal >= 0)
		r = streams_set_terminal(&driver->streams, terminal, &err);
	if (r < 0) {
		driver_restore_failed(driver, &err);
		return;
	}
	driver_end_restore(driver);
	driver->ready = 1;
	driver_on_socket_end(driver);
}

/* The same for one whose processes come from a checkpoint; its run begins where theirs was. */
static int driver_restore_with(struct driver *driver, const int theirs[3], struct err *err)
{
	const struct driver_host *host = driver->host;
	const struct checkpoint_place place = {
		.stdio = { theirs[0], theirs[1], theirs[2] },
		.found = driver_on_found,
		.ctx = driver,
	};
	struct checkpoint_options options = driver_checkpoint_options;
	int r;

	options.images = host->restore;
	options.work = host->state_dir;
	r = checkpoint_restore_begin(&driver->restored, &options, &place, &driver->launch,
				     &driver->restore, err);
	if (r < 0)
		return r;
	driver->restore_source = loop_watch_fd(host->loop, checkpoint_restore_fd(driver->restore),
					       EPOLLIN, driver_on_restore, driver);
	if (!driver->restore_source)
		return err_errno(err, -errno, "cannot watch CRIU");
	return streams_init(&driver->streams, host->loop, &driver_streams_ops, driver,
			    driver->launch.stdio, driver->restored.process.tty, err);
}

static int driver_restore(struct driver *driver, struct err *err)
{
	const struct driver_host *host = driver->host;
	struct spec *spec = &driver->restored;
	int theirs[3] = { -EBADF, -EBADF, -EBADF };
	int r;

	r = spec_of_instance(host->instance, &host->process, host->layer_paths, host->state_dir,
			     host->run->cgroup, host->run_dir, spec, err);
	if (r == 0)
		r = spec_add_shares(spec, host->instance->volumes, host->root, err);
	if (r == 0)
		r = driver_write_files(host, spec, err);
	/* as the checkpoint has them */
	driver_add_limits(driver, spec);
	spec->cgroup_also = CGROUP_ALL;
	if (r == 0 && !spec->process.tty)
		r = launch_make_pipes(spec, &driver->launch, theirs, err);
	if (r == 0)
		r = driver_restore_with(driver, theirs, err);
	for (int i = 0; i < 3; i++)
		fd_close(theirs[i]);
	return r;
}

static int driver_watch_launched(struct driver *driver, struct err *err)
{
	driver->sock_source = loop_watch_fd(driver->host->loop, driver->launch.sock, EPOLLIN,
					    driver_on_socket, driver);
	return driver->sock_source ? driver_watch_process(driver, err)
				   : err_errno(err, -errno, "cannot watch the container");
}

static int driver_start(const struct driver_host *host, struct driver **ret, struct err *err)
{
	_cleanup_(driver_freep) struct driver *driver = mem_zalloc(sizeof(*driver));
	struct utsname uts;
	int r;

	driver->host = host;
	driver->launch = LAUNCH_INIT;
	driver->has_reaper = host->instance->init;
	r = host->restore ? driver_restore(driver, err) : driver_launch(driver, err);
	if (r == 0 && !host->restore)
		r = driver_watch_launched(driver, err);
	if (r < 0)
		return r;
	if (!driver->launch.cgroup)
		mem_replace(&host->run->cgroup, NULL);
	if (uname(&uts) == 0)
		mem_replace(&host->run->kernel, uts.release);
	*ret = take_ptr(driver);
	return 0;
}

static size_t driver_room(struct driver *driver, _unused_ uint32_t channel)
{
	return streams_room(&driver->streams);
}

static void driver_signal(struct driver *driver, int number)
{
	if (driver->phase == DRIVER_RUNNING)
		(void)pidfd_send_signal(driver->launch.pidfd, number, NULL, 0);
}

static void driver_send(struct driver *driver, uint32_t channel, uint16_t type, const void *payload,
			size_t len)
{
	struct wire_reader r = wire_read(payload, len);
	uint16_t rows;
	uint32_t number;

	if (channel)
		return;
	switch (type) {
	case MESSAGE_IN:
		streams_input(&driver->streams, payload, len);
		break;
	case MESSAGE_IN_END:
		streams_input_end(&driver->streams);
		break;
	case MESSAGE_SIGNAL:
		number = wire_get_u32(&r);
		if (wire_end(&r) == 0 && number < NSIG)
			driver_signal(driver, (int)number);
		break;
	case MESSAGE_RESIZE:
		rows = wire_get_u16(&r);
		streams_resize(&driver->streams, rows, wire_get_u16(&r));
		break;
	default:
		break;
	}
}

static void driver_consumed(struct driver *driver, _unused_ uint32_t channel, size_t len)
{
	streams_consumed(&driver->streams, len);
}

static int driver_pause(struct driver *driver, int paused, struct err *err)
{
	if (driver->phase == DRIVER_ENDED)
		return err_set(err, -ESRCH, "the container has ended");
	if (!driver->launch.cgroup)
		return err_set(err, -EOPNOTSUPP,
			       "pausing needs a control group, and user %u could make none here",
			       geteuid());
	return cgroup_freeze(driver->launch.cgroup, paused, err);
}

static void driver_on_binding(void *ctx, const struct err *err)
{
	driver_end_binding(ctx, err);
}

static int driver_bind(struct driver *driver, const struct driver_device *device, int comes,
		       int forced, struct err *err)
{
	const struct binding_spec spec = { .share = device->share,
					   .comes = comes,
					   .forced = forced,
					   .init = driver->launch.pidfd };

	if (device->kind != MESSAGE_DEVICE_SHARE)
		return err_set(err, -EOPNOTSUPP, "a container has no such devices");
	if (driver->phase != DRIVER_RUNNING)
		return err_set(err, -EBUSY, "the container is %s; try again",
			       driver->phase == DRIVER_SETTING_UP ? "still starting" : "ending");
	if (driver->binding)
		return err_set(err, -EBUSY, "another mount comes or goes just now");
	return binding_start(driver->host, &spec, driver_on_binding, driver, &driver->binding, err);
}

static int driver_plug(struct driver *driver, const struct driver_device *device, struct err *err)
{
	return driver_bind(driver, device, 1, 0, err);
}

static int driver_unplug(struct driver *driver, const struct driver_device *device, int forced,
			 struct err *err)
{
	return driver_bind(driver, device, 0, forced, err);
}

/*
 * Where version 1 has hierarchies that the instance is in no group of, CRIU would take the host's whole tree of groups
 * there for the instance's. It stands still, so nobody is born meanwhile.
 */
static int driver_group_all(const char *path, struct cgroup **ret, struct err *err)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_adopt(path, CGROUP_ALL, ret, err);

	if (r < 0 || cgroup_host_layout() == CGROUP_LAYOUT_UNIFIED)
		return r;
	r = cgroup_pids(*ret, &pids, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = cgroup_move(*ret, pids[i]);
	return r < 0 ? err_errno(err, r, "cannot move the instance's processes to groups") : 0;
}

static int driver_checkpoint(const struct driver_target *target, const char *images,
			     struct err *err)
{
	const struct instance *instance = target->instance;
	const struct process process = { .argv = instance->argv,
					 .env = instance->env,
					 .cwd = instance->cwd,
					 .user = instance->user,
					 .tty = instance->tty,
					 .interactive = instance->interactive,
					 .privileged = instance->privileged };
	struct checkpoint_options options = driver_checkpoint_options;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_spec_ struct spec spec = { 0 };
	pid_t pid = (pid_t)target->run->pid;
	int r;

	if (nic_is_shared(instance->networks))
		return err_set(
			err, -EOPNOTSUPP,
			"a container on a network that is not its own (--network %s) cannot be "
			"checkpointed; 'brig pause' can stop it",
			*instance->networks);
	if (cgroup_has_process(target->run->cgroup, pid) <= 0)
		return err_set(err, -ESRCH, "'%s' has ended", instance->name);
	r = driver_group_all(target->run->cgroup, &cgroup, err);
	if (r < 0)
		return r;
	/* of its mounts, where they are: of files of ours the sources do not matter here */
	r = spec_of_instance(instance, &process, target->layer_paths, target->state_dir,
			     target->run->cgroup, target->state_dir, &spec, err);
	if (r == 0)
		r = spec_add_shares(&spec, instance->volumes, target->root, err);
	options.images = images;
	options.leave_running = 1;
	return r < 0 ? r : checkpoint_dump(&spec, pid, cgroup, &options, err);
}

static int driver_clean(_unused_ const struct instance *instance, _unused_ const char *state_dir,
			const char *run_dir, struct err *err)
{
	_cleanup_free_ char *shared = mem_printf("%s/../" LAYER_SHARE_DIR, run_dir);
	_cleanup_free_ char *path = instance_cgroup(run_dir);

	layer_share_clean(shared);
	return cgroup_remove(path, DRIVER_END_MS, err);
}

static const char *const driver_data[] = { ROOTFS_UPPER, INSTANCE_STORAGE, NULL };
static const char *const driver_scratch[] = { ROOTFS_WORK, NULL };

const struct driver_ops container_driver = {
	.engine = DRIVER_ENGINE,
	.kind = INSTANCE_CONTAINER,
	.data = driver_data,
	.scratch = driver_scratch,
	.start = driver_start,
	.room = driver_room,
	.send = driver_send,
	.consumed = driver_consumed,
	.pause = driver_pause,
	.plug = driver_plug,
	.unplug = driver_unplug,
	.kill = driver_kill,
	.free = driver_free,
	.exec = attach_exec,
	.enter = attach_enter,
	.checkpoint = driver_checkpoint,
	.clean = driver_clean,
};
