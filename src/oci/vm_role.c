// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: role_steps[] up to a machine that boots, then a loop. The machine's agent comes, is told of its root, and
 * its workload is held until somebody comes to the gate, or brig-oci itself says so.
 *
 *   BOOTING --ready()--> CREATED --gate, INNER_START--> STARTING --STARTED--> RUNNING --ended()--> the end
 *
 * Invariants:
 *  1. What brig-oci, or who came to the gate, waits for is told once: INNER_CREATED and INNER_READY, or INNER_FAILED. Then
 *     the connection is closed.
 *  2. Until INNER_DETACH we die with brig-oci; the machine's processes die with us, always.
 *  3. The exit status is the workload's, and comes after its last output was passed on.
 *
 * We stay root, in a mount and a network namespace of our own: what a guest can reach is the machine's process and the
 * servers of folders, each of which is in a sandbox, never this process but by the agent's bounded frames.
 */
#include "oci/vm_role.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "container/inner.h"
#include "image/kernel.h"
#include "oci/store.h"
#include "oci/vm_plan.h"
#include "oci/vm_relay.h"
#include "oci/vm_session.h"
#include "oci/vm_view.h"
#include "proto/message.h"
#include "proto/wire.h"
#include "sys/kvm_probe.h"
#include "sys/procfs.h"
#include "sys/pty.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#define ROLE_FAILURE 1

enum role_phase { ROLE_BOOTING, ROLE_CREATED, ROLE_STARTING, ROLE_RUNNING };

struct role {
	const char *id, *bundle, *root;
	const struct driver_ops *const *drivers;
	struct config config;
	struct spec spec;
	struct vm_plan plan;
	struct kernel_files kernel;
	struct driver_root folder_root;
	struct instance_run run;
	struct driver_host host;
	const struct driver_ops *ops;
	struct driver *driver;
	struct loop *loop;
	struct loop_source *sock_source, *gate_source, *signals;
	struct vm_sessions *sessions;
	struct vm_relay relay;
	int sock, gate;
	int starter; /* who came to the gate */
	int slave;   /* of the terminal */
	enum role_phase phase;
	int status; /* that we end with */
	int ended, drained;
	struct err why;
};

static void role_tell(int sock, enum inner_kind kind, const struct err *err, int fd)
{
	struct inner_report report = { .kind = kind };

	if (err)
		report.err = *err;
	if (sock >= 0)
		(void)spawn_send(sock, &report, sizeof(report), fd);
}

static void role_blame(struct role *role, const struct err *err)
{
	if (!err_is_set(&role->why))
		role->why = *err;
	role->status = err->exit_status > 0 ? err->exit_status : ROLE_FAILURE;
}

/* Whoever waits to hear whether the workload runs. */
static void role_answer(struct role *role, enum inner_kind kind, const struct err *err)
{
	role_tell(role->starter >= 0 ? role->starter : role->sock, kind, err, -EBADF);
	role->sock_source = loop_source_free(role->sock_source);
	role->starter = fd_close(role->starter);
	role->sock = fd_close(role->sock);
}

static void role_leave(struct role *role)
{
	if (role->ended && role->drained)
		loop_exit(role->loop, 0);
}

/* The main workload's streams. */
static size_t role_room(void *ctx)
{
	struct role *role = ctx;

	return role->ended ? 0 : role->ops->room(role->driver, 0);
}

static void role_input(void *ctx, const void *data, size_t len)
{
	struct role *role = ctx;

	if (!role->ended)
		role->ops->send(role->driver, 0, MESSAGE_IN, data, len);
}

static void role_input_end(void *ctx)
{
	struct role *role = ctx;

	if (!role->ended)
		role->ops->send(role->driver, 0, MESSAGE_IN_END, NULL, 0);
}

static void role_consumed(void *ctx, size_t len)
{
	struct role *role = ctx;

	if (!role->ended)
		role->ops->consumed(role->driver, 0, len);
}

static void role_on_drained(void *ctx)
{
	struct role *role = ctx;

	role->drained = 1;
	role_leave(role);
}

static const struct vm_relay_ops role_relay_ops = {
	.room = role_room,
	.input = role_input,
	.input_end = role_input_end,
	.consumed = role_consumed,
	.drained = role_on_drained,
};

static void role_resize(struct role *role)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct winsize size = { 0 };

	if (role->slave < 0 || ioctl(role->slave, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		return;
	wire_put_u16(&payload, size.ws_row);
	wire_put_u16(&payload, size.ws_col);
	role->ops->send(role->driver, 0, MESSAGE_RESIZE, payload.data, payload.len);
}

static void role_start(struct role *role)
{
	role->phase = ROLE_STARTING;
	role->ops->release(role->driver);
	role_resize(role);
	vm_relay_start(&role->relay);
}

static void role_on_gate(void *ctx, uint32_t events _unused_)
{
	struct role *role = ctx;

	if (role->phase != ROLE_CREATED)
		return;
	role->starter = accept4(role->gate, NULL, NULL, SOCK_CLOEXEC);
	if (role->starter < 0)
		return;
	role->gate_source = loop_source_free(role->gate_source);
	role->gate = fd_close(role->gate);
	role_start(role);
}

static void role_detach(struct role *role)
{
	(void)prctl(PR_SET_PDEATHSIG, 0);
	role->gate_source = loop_watch_fd(role->loop, role->gate, EPOLLIN, role_on_gate, role);
	role_tell(role->sock, INNER_DETACHED, NULL, -EBADF);
	role->sock_source = loop_source_free(role->sock_source);
	role->sock = fd_close(role->sock);
}

static void role_on_sock(void *ctx, uint32_t events _unused_)
{
	struct role *role = ctx;
	struct inner_report report = { 0 };
	int fd = -EBADF;
	ssize_t n = spawn_receive(role->sock, &report, sizeof(report), &fd, MSG_DONTWAIT);

	fd_close(fd);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n != (ssize_t)sizeof(report)) {
		role->sock_source = loop_source_free(role->sock_source);
		role->ops->kill(role->driver);
	} else if (role->phase == ROLE_CREATED && report.kind == INNER_START) {
		role_start(role);
	} else if (role->phase == ROLE_CREATED && report.kind == INNER_DETACH && role->gate >= 0) {
		role_detach(role);
	}
}

/* Before its program runs, the default action of those that people end programs with; all others are lost on it. */
static void role_signal_early(struct role *role, int number)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		if (number == ending[i]) {
			role->status = 128 + number;
			role->ops->kill(role->driver);
		}
	}
}

static void role_on_signal(void *ctx, int number)
{
	struct role *role = ctx;
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (role->ended)
		return;
	if (number == SIGWINCH && role->slave >= 0) {
		role_resize(role);
		return;
	}
	if (role->phase < ROLE_STARTING) {
		role_signal_early(role, number);
		return;
	}
	wire_put_u32(&payload, (uint32_t)number);
	role->ops->send(role->driver, 0, MESSAGE_SIGNAL, payload.data, payload.len);
}

static void role_on_exit(struct role *role, const void *payload, size_t len)
{
	struct wire_reader reader = wire_read(payload, len);

	role->status = (int)wire_get_u32(&reader);
}

static void role_deliver(void *ctx, uint32_t channel, uint16_t type, const void *payload,
			 size_t len)
{
	struct role *role = ctx;
	struct frame frame = { .payload = payload, .len = (uint32_t)len };
	struct err err = ERR_INIT;

	if (channel) {
		vm_sessions_deliver(role->sessions, channel, type, payload, len);
	} else if (type == MESSAGE_OUT || type == MESSAGE_ERR) {
		vm_relay_output(&role->relay, type == MESSAGE_ERR, payload, len);
	} else if (type == MESSAGE_STARTED) {
		role->phase = ROLE_RUNNING;
		role_answer(role, INNER_READY, NULL);
		vm_sessions_open(role->sessions, role->ops, role->driver);
	} else if (type == MESSAGE_EXIT) {
		role_on_exit(role, payload, len);
	} else if (type == MESSAGE_ERROR) {
		message_get_error(&frame, &err);
		role_blame(role, &err);
	}
}

static void role_writable(void *ctx, uint32_t channel)
{
	struct role *role = ctx;

	if (channel)
		vm_sessions_writable(role->sessions, channel);
	else
		vm_relay_writable(&role->relay);
}

static void role_ready(void *ctx)
{
	struct role *role = ctx;

	role->phase = ROLE_CREATED;
	role_tell(role->sock, INNER_CREATED, NULL, -EBADF);
}

static int role_limit(void *ctx _unused_, int64_t overhead, int has_group _unused_,
		      const char *missing _unused_, struct err *err)
{
	if (overhead <= VM_PLAN_OVERHEAD)
		return 0;
	return err_set(err, -E2BIG,
		       "mounts: too many of them lie where the guest mounts something of its own "
		       "above them: each takes a server");
}

static void role_changed(void *ctx _unused_, const struct err *err _unused_)
{
}

static void role_ended(void *ctx, const struct err *err)
{
	struct role *role = ctx;

	role->ended = 1;
	vm_sessions_open(role->sessions, role->ops, NULL);
	if (err && role->status <= 128)
		role_blame(role, err);
	if (role->phase < ROLE_RUNNING && err_is_set(&role->why))
		role_answer(role, INNER_FAILED, &role->why);
	else if (err)
		log_error("%s", err->msg);
	vm_relay_finish(&role->relay);
	role_leave(role);
}

static const struct driver_host_ops role_host_ops = {
	.deliver = role_deliver,
	.writable = role_writable,
	.ready = role_ready,
	.limit = role_limit,
	.changed = role_changed,
	.ended = role_ended,
};

/* Start-up, step by step. */

static int role_read_config(struct role *role, struct err *err)
{
	int r = config_load(VM_ROLE_STORE, STORE_CONFIG, &role->config, err);

	if (r == 0)
		r = spec_of_config(&role->config, role->id, role->bundle, 0, &role->spec, err);
	if (r == 0)
		r = vm_plan_make(&role->config, &role->spec, role->id, role->bundle, role->root,
				 &role->plan, err);
	return r < 0 ? err_wrap(err, "%s/" STORE_CONFIG, role->bundle) : 0;
}

/* The hooks of that time are run by brig-oci, which may bring the network. */
static int role_await_hooks(struct role *role, struct err *err)
{
	struct inner_report report = { 0 };
	int fd = -EBADF;
	ssize_t n;

	role_tell(role->sock, INNER_MOUNTED, NULL, -EBADF);
	n = spawn_receive(role->sock, &report, sizeof(report), &fd, 0);
	fd_close(fd);
	return n == (ssize_t)sizeof(report) && report.kind == INNER_HOOKED
		       ? 0
		       : err_set(err, -ECANCELED, "its creation was given up");
}

static int role_join(const char *path, int type, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, type) < 0)
		return err_errno(err, -errno, "linux.namespaces: cannot join %.200s", path);
	return 0;
}

static int role_name(struct role *role, struct err *err)
{
	char name[256] = "";
	int r;

	if (!role->plan.uts)
		return 0;
	r = role_join(role->plan.uts, CLONE_NEWUTS, err);
	if (r == 0 && !role->plan.instance.hostname && gethostname(name, sizeof(name) - 1) == 0)
		mem_replace(&role->plan.instance.hostname, name);
	return r;
}

static int role_find_network(struct role *role, struct err *err)
{
	if (role->plan.netns)
		return role_join(role->plan.netns, CLONE_NEWNET, err);
	if (unshare(CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "cannot make a network namespace");
	return 0;
}

/* What is down has no part in a network: a kernel puts some such into every namespace. */
static int role_is_up(int sock, const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(sock, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

/* Nothing in the machine is connected to them, which is not to go unsaid. */
static int role_check_network(struct role *role _unused_, struct err *err)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *list = sock < 0 ? NULL : if_nameindex();
	int r = list ? 0 : err_errno(err, -errno, "cannot list the network's interfaces");

	for (const struct if_nameindex *at = list; r == 0 && at && at->if_name; at++) {
		if (strcmp(at->if_name, "lo") != 0 && role_is_up(sock, at->if_name))
			r = err_set(err, -EOPNOTSUPP,
				    "linux.namespaces: the network has the interface %s, and a VM "
				    "can be in one without any alone (podman: --network none)",
				    at->if_name);
	}
	if (list)
		if_freenameindex(list);
	return r;
}

/* The guest's terminal does the work; this one is but a way to it. */
static int role_make_raw(int slave, struct err *err)
{
	struct termios raw;

	if (tcgetattr(slave, &raw) < 0)
		return err_errno(err, -errno, "cannot set up the terminal");
	cfmakeraw(&raw);
	return tcsetattr(slave, TCSANOW, &raw) < 0
		       ? err_errno(err, -errno, "cannot set up the terminal")
		       : 0;
}

static int role_make_terminal(struct role *role, int stdio[3], struct err *err)
{
	_cleanup_close_ int devpts = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int master = -EBADF;
	int r;

	if (devpts < 0)
		return err_errno(err, -errno, "cannot open /dev/pts");
	r = pty_open(devpts, &master, &role->slave, err);
	if (r == 0)
		r = role_make_raw(role->slave, err);
	if (r < 0)
		return r;
	(void)pty_take(role->slave);
	if (role->plan.process.rows)
		(void)pty_resize(role->slave, role->plan.process.rows, role->plan.process.columns);
	stdio[0] = fcntl(role->slave, F_DUPFD_CLOEXEC, 0);
	stdio[1] = fcntl(role->slave, F_DUPFD_CLOEXEC, 0);
	role_tell(role->sock, INNER_TERMINAL, NULL, master);
	return 0;
}

/* Ours are free after that, and lead nowhere: what is not the workload's is not to come out where its output does. */
static int role_take_streams(struct role *role, struct err *err)
{
	int stdio[3] = { -EBADF, -EBADF, -EBADF }, r = 0;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (role->plan.process.tty)
		r = role_make_terminal(role, stdio, err);
	for (int i = 0; i < 3 && !role->plan.process.tty; i++)
		stdio[i] = fcntl(i, F_DUPFD_CLOEXEC, VM_ROLE_FDS);
	for (int i = 0; i < 2; i++)
		(void)dup2(null, i);
	return r < 0 ? r
		     : vm_relay_init(&role->relay, role->loop, stdio, &role_relay_ops, role, err);
}

static int role_choose(struct role *role, struct err *err)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", role->root);
	struct kvm_probe_result probe = { 0 };
	const char *wanted = kvm_probe(cache, &probe) == KVM_PROBE_OK ? "kvm" : "qemu";

	for (size_t i = 0; role->drivers[i]; i++) {
		if (!strcmp(role->drivers[i]->engine, wanted))
			role->ops = role->drivers[i];
	}
	if (!role->ops)
		return err_set(err, -EOPNOTSUPP, "this brig was built without VMs");
	return kernel_get(role->root, role->plan.instance.kernel, &role->kernel, err);
}

static int role_tune(struct role *role, struct err *err)
{
	_cleanup_close_ int proc = -EBADF;
	int r = role->spec.tuning.has_oom_score_adj ? procfs_open(&proc, err) : 0;

	if (r < 0 || proc < 0)
		return r;
	return tuning_apply(&role->spec.tuning, TUNING_PRIVILEGED, getpid(), proc, err);
}

static int role_show(struct role *role, struct err *err)
{
	return vm_view_make(&role->plan, role->spec.root_path, err);
}

static int role_boot(struct role *role, struct err *err)
{
	static char *no_layers[] = { NULL };

	role->folder_root = (struct driver_root){ .folder = VM_VIEW_ROOT,
						  .mounts = role->plan.mounts,
						  .sysctls = role->plan.sysctls };
	role->host = (struct driver_host){
		.loop = role->loop,
		.instance = &role->plan.instance,
		.run = &role->run,
		.state_dir = VM_VIEW_STATE,
		.run_dir = VM_VIEW_STATE,
		.root = role->root,
		.layer_paths = no_layers,
		.vmlinux = role->kernel.vmlinux,
		.initramfs = role->kernel.initramfs,
		.folder_root = &role->folder_root,
		.held = 1,
		.process = role->plan.process,
		.hosts = "",
		.resolv_conf = "",
		.netns = -EBADF,
		.ops = &role_host_ops,
		.ctx = role,
	};
	return role->ops->start(&role->host, &role->driver, err);
}

static int role_watch(struct role *role, struct err *err)
{
	int signals[65], n = 0;

	for (int i = 1; i < 65; i++) {
		if (i != SIGKILL && i != SIGSTOP && i != SIGCHLD && i != SIGPIPE && i != SIGSEGV &&
		    i != SIGBUS && i != SIGILL && i != SIGFPE && (i < 32 || i >= SIGRTMIN))
			signals[n++] = i;
	}
	signals[n] = 0;
	(void)signal(SIGPIPE, SIG_IGN);
	role->signals = loop_watch_signals(role->loop, signals, role_on_signal, role);
	role->sock_source = loop_watch_fd(role->loop, role->sock, EPOLLIN, role_on_sock, role);
	if (!role->signals || !role->sock_source)
		return err_errno(err, -errno, "cannot wait for a start");
	return vm_sessions_new(role->loop, VM_ROLE_EXEC, &role->sessions, err);
}

static int (*const role_steps[])(struct role *role, struct err *err) = {
	role_read_config,  role_choose,	     role_tune,		 role_name,
	role_find_network, role_await_hooks, role_check_network, role_take_streams,
	role_show,	   role_boot,	     role_watch,
};

static void role_release(struct role *role)
{
	if (role->driver)
		role->ops->free(role->driver);
	vm_sessions_free(role->sessions);
	vm_relay_release(&role->relay);
	loop_source_free(role->sock_source);
	loop_source_free(role->gate_source);
	loop_source_free(role->signals);
	loop_free(role->loop);
	fd_close(role->slave);
	fd_close(role->starter);
	kernel_files_release(&role->kernel);
	instance_run_release(&role->run);
	vm_plan_release(&role->plan);
	spec_release(&role->spec);
	config_release(&role->config);
}

static int role_run(struct role *role)
{
	struct err err = ERR_INIT;
	int r = loop_new(&role->loop, &err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(role_steps); i++)
		r = role_steps[i](role, &err);
	if (r == 0)
		r = loop_run(role->loop);
	if (r < 0) {
		if (!err_is_set(&err))
			err_errno(&err, r, "cannot wait for the machine");
		role_tell(role->sock, INNER_FAILED, &err, -EBADF);
		role->status = ROLE_FAILURE;
	}
	return role->status;
}

/* Nobody else's descriptors: what is given is numbered, and none of it goes to what we start. */
static int role_take_descriptors(int *ret_gate)
{
	for (int fd = VM_ROLE_SOCK; fd < VM_ROLE_FDS; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 && fd != VM_ROLE_GATE)
			return -EBADF;
	}
	*ret_gate = fcntl(VM_ROLE_GATE, F_GETFD) < 0 ? -EBADF : VM_ROLE_GATE;
	return 0;
}

static void role_open_log(const char *path, const char *format)
{
	int fd = *path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644)
		       : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, VM_ROLE_FDS);

	log_set_program("brig-oci");
	log_set_file(fd, !strcmp(format, "json") ? LOG_JSON : *path ? LOG_TEXT : LOG_PLAIN);
}

int vm_role_main(int argc, char **argv, const struct driver_ops *const *drivers)
{
	struct role role = { .drivers = drivers,
			     .sock = VM_ROLE_SOCK,
			     .gate = -EBADF,
			     .starter = -EBADF,
			     .slave = -EBADF,
			     .relay = { .in = -EBADF,
					.out = { { .fd = -EBADF }, { .fd = -EBADF } } } };
	int status;

	if (argc != 6 || role_take_descriptors(&role.gate) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		log_error("this part of brig is started by brig-oci");
		return ROLE_FAILURE;
	}
	role.id = argv[1];
	role.bundle = argv[2];
	role.root = argv[3];
	role_open_log(argv[4], argv[5]);
	status = role_run(&role);
	role_release(&role);
	return status;
}
