// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/vm.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "container/gate.h"
#include "container/inner.h"
#include "oci/vm_packet.h"
#include "oci/vm_role.h"
#include "sys/part.h"
#include "sys/pty.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>

#define VM_FAILURE 1

/* Beside brig-oci as it was called: the running program has no path any more (sys/selfexec.h). */
static int vm_find_program(const struct oci_context *oci, char **ret, struct err *err)
{
	const char *slash = strrchr(oci->argv[0], '/');

	*ret = slash ? mem_printf("%.*s/" PART_BRIG, (int)(slash - oci->argv[0]), oci->argv[0])
		     : NULL;
	if (*ret && !getenv("BRIG") && access(*ret, X_OK) == 0)
		return 0;
	free(take_ptr(*ret));
	return part_find(PART_BRIG, ret, err);
}

struct vm_child {
	char **argv;
	int fds[VM_ROLE_FDS]; /* by number, from VM_ROLE_SOCK */
	const struct cgroup_entry *entry;
	pid_t parent;
};

/* Above the numbers that are given away first, so that none of them is lost. */
static int vm_place_descriptors(struct vm_child *child)
{
	for (int fd = VM_ROLE_SOCK; fd < VM_ROLE_FDS; fd++) {
		if (child->fds[fd] >= 0)
			child->fds[fd] = fcntl(child->fds[fd], F_DUPFD_CLOEXEC, VM_ROLE_FDS);
	}
	for (int fd = VM_ROLE_SOCK; fd < VM_ROLE_FDS; fd++) {
		(void)close(fd);
		if (child->fds[fd] >= 0 && dup2(child->fds[fd], fd) < 0)
			return -errno;
	}
	return 0;
}

_noreturn_ static void vm_become_role(struct vm_child *child)
{
	struct inner_report report = { .kind = INNER_FAILED };
	int r, keep[VM_ROLE_FDS], n = 0;

	spawn_reset_signals();
	(void)setsid();
	r = cgroup_join(child->entry, child->entry->into >= 0);
	if (r < 0)
		err_errno(&report.err, r, "cannot join the VM's control group");
	else
		r = vm_place_descriptors(child);
	for (int fd = VM_ROLE_SOCK; fd < VM_ROLE_FDS; fd++)
		keep[n++] = fd;
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == child->parent &&
	    spawn_close_others(VM_ROLE_SOCK, keep, (size_t)n) == 0) {
		(void)execv(child->argv[0], child->argv);
		err_errno(&report.err, -errno, "cannot execute %s", child->argv[0]);
	}
	(void)spawn_send(VM_ROLE_SOCK, &report, sizeof(report), -EBADF);
	_exit(VM_FAILURE);
}

static int vm_start_role(struct vm_child *child, struct launch *launch, struct err *err)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket");
	launch->sock = pair[0];
	child->fds[VM_ROLE_SOCK] = pair[1];
	child->parent = getpid();
	r = spawn_clone(0, child->entry->into, &launch->pidfd);
	if (!r)
		vm_become_role(child);
	fd_close(pair[1]);
	if (r < 0)
		return err_errno(err, r, "cannot start the VM's first process");
	launch->pid = r;
	return 0;
}

int vm_launch(const struct oci_context *oci, const struct spec *spec,
	      const struct store_container *store, int gate, struct launch *ret, struct err *err)
{
	_cleanup_(cgroup_entry_release) struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	/* the store's own has its lock, which is not to outlive us */
	_cleanup_close_ int folder = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int listening = -EBADF;
	_cleanup_free_ char *program = NULL;
	char *format = (char *)(uintptr_t)(oci->log_json ? "json" : "text");
	char *log = (char *)(uintptr_t)(oci->log ? oci->log : "");
	struct launch launch = LAUNCH_INIT;
	struct vm_child child = { .entry = &entry };
	int r = vm_find_program(oci, &program, err);
	char *argv[] = { program,
			 (char *)(uintptr_t)VM_ROLE,
			 store->id,
			 store->bundle,
			 (char *)(uintptr_t)oci->vm_root,
			 log,
			 format,
			 NULL };

	if (r == 0 && folder < 0)
		r = err_errno(err, -errno, "cannot open the container's folder");
	if (r == 0)
		r = listening = gate_listen(store->dir, VM_ROLE_EXEC_SOCKET, err);
	if (r >= 0)
		r = launch_make_group(spec, &launch, err);
	if (r == 0 && launch.cgroup)
		r = cgroup_entry_open(launch.cgroup, &entry, err);
	child.argv = argv;
	child.fds[VM_ROLE_STORE] = folder;
	child.fds[VM_ROLE_EXEC] = listening;
	child.fds[VM_ROLE_GATE] = gate;
	if (r == 0)
		r = vm_start_role(&child, &launch, err);
	if (r < 0) {
		launch_release(&launch);
		return r;
	}
	*ret = launch;
	return 0;
}

/* The child that stands for a process in the machine. */
struct vm_proxy {
	int parent; /* struct inner_report to it, until the process runs */
	int conn;
	int slave;
	struct loop *loop;
	struct loop_source *source, *signals;
	int status;
};

static void vm_proxy_tell(struct vm_proxy *proxy, enum inner_kind kind, const struct err *err,
			  int fd)
{
	struct inner_report report = { .kind = kind };

	if (err)
		report.err = *err;
	if (proxy->parent >= 0)
		(void)spawn_send(proxy->parent, &report, sizeof(report), fd);
	if (kind != INNER_TERMINAL)
		proxy->parent = fd_close(proxy->parent);
}

static int vm_proxy_send(const struct vm_proxy *proxy, enum vm_packet_kind kind, int fd)
{
	struct vm_packet packet = { .kind = kind };

	return spawn_send(proxy->conn, &packet, sizeof(packet), fd);
}

static void vm_proxy_resize(const struct vm_proxy *proxy)
{
	struct vm_packet packet = { .kind = VM_PACKET_RESIZE };
	struct winsize size = { 0 };

	if (proxy->slave < 0 || ioctl(proxy->slave, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		return;
	packet.rows = size.ws_row;
	packet.columns = size.ws_col;
	(void)spawn_send(proxy->conn, &packet, sizeof(packet), -EBADF);
}

static void vm_proxy_on_signal(void *ctx, int number)
{
	struct vm_proxy *proxy = ctx;
	struct vm_packet packet = { .kind = VM_PACKET_SIGNAL, .value = number };

	if (number == SIGWINCH && proxy->slave >= 0)
		vm_proxy_resize(proxy);
	else
		(void)spawn_send(proxy->conn, &packet, sizeof(packet), -EBADF);
}

static void vm_proxy_on_packet(void *ctx, uint32_t events _unused_)
{
	struct vm_proxy *proxy = ctx;
	struct vm_packet packet = { 0 };
	int fd = -EBADF;
	ssize_t n = spawn_receive(proxy->conn, &packet, sizeof(packet), &fd, MSG_DONTWAIT);

	fd_close(fd);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n != (ssize_t)sizeof(packet)) {
		/* the machine is gone, and the process with it */
		proxy->status = 128 + SIGKILL;
		loop_exit(proxy->loop, 0);
	} else if (packet.kind == VM_PACKET_STARTED) {
		vm_proxy_tell(proxy, INNER_READY, NULL, -EBADF);
	} else if (packet.kind == VM_PACKET_EXIT || packet.kind == VM_PACKET_FAILED) {
		packet.err.msg[sizeof(packet.err.msg) - 1] = '\0';
		proxy->status = packet.kind == VM_PACKET_EXIT ? packet.value : VM_FAILURE;
		if (packet.kind == VM_PACKET_FAILED)
			vm_proxy_tell(proxy, INNER_FAILED, &packet.err, -EBADF);
		loop_exit(proxy->loop, 0);
	}
}

/* The terminal in the guest does the work, this one is but a way to it. */
static int vm_proxy_make_terminal(struct vm_proxy *proxy, struct err *err)
{
	_cleanup_close_ int devpts = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int master = -EBADF;
	struct termios raw;
	int r;

	if (devpts < 0)
		return err_errno(err, -errno, "cannot open /dev/pts");
	r = pty_open(devpts, &master, &proxy->slave, err);
	if (r < 0)
		return r;
	if (tcgetattr(proxy->slave, &raw) < 0)
		return err_errno(err, -errno, "cannot set up the terminal");
	cfmakeraw(&raw);
	if (tcsetattr(proxy->slave, TCSANOW, &raw) < 0)
		return err_errno(err, -errno, "cannot set up the terminal");
	(void)pty_take(proxy->slave);
	vm_proxy_tell(proxy, INNER_TERMINAL, NULL, master);
	return 0;
}

static int vm_proxy_describe(const struct process *process, int *ret_file, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	_cleanup_close_ int file = memfd_create("process", MFD_CLOEXEC);
	int r;

	process_put(&payload, process);
	if (payload.len > FRAME_PAYLOAD_MAX)
		return err_set(err, -E2BIG,
			       "process: with its environment it takes %zu bytes, but a VM can be "
			       "told at most %u",
			       payload.len, FRAME_PAYLOAD_MAX);
	r = file < 0 ? -errno : file_write_all(file, payload.data, payload.len);
	if (r < 0)
		return err_errno(err, r, "cannot keep what to run");
	*ret_file = take_fd(&file);
	return 0;
}

static int vm_proxy_request(struct vm_proxy *proxy, const struct process *process, struct err *err)
{
	_cleanup_close_ int file = -EBADF;
	int r = process->tty ? vm_proxy_make_terminal(proxy, err) : 0;

	if (r == 0)
		r = vm_proxy_describe(process, &file, err);
	if (r < 0)
		return r;
	r = vm_proxy_send(proxy, VM_PACKET_PROCESS, file);
	for (int i = 0; r >= 0 && i < 3; i++)
		r = vm_proxy_send(proxy, VM_PACKET_STDIN + (unsigned int)i,
				  proxy->slave >= 0 ? proxy->slave : i);
	if (r >= 0)
		r = vm_proxy_send(proxy, VM_PACKET_RUN, -EBADF);
	if (r < 0)
		return err_errno(err, r, "cannot tell the VM what to run");
	vm_proxy_resize(proxy);
	return 0;
}

static int vm_proxy_watch(struct vm_proxy *proxy, struct err *err)
{
	int signals[65], n = 0, r = loop_new(&proxy->loop, err);

	if (r < 0)
		return r;
	for (int i = 1; i < 65; i++) {
		if (i != SIGKILL && i != SIGSTOP && i != SIGCHLD && i != SIGPIPE && i != SIGSEGV &&
		    i != SIGBUS && i != SIGILL && i != SIGFPE && (i < 32 || i >= SIGRTMIN))
			signals[n++] = i;
	}
	signals[n] = 0;
	(void)signal(SIGPIPE, SIG_IGN);
	proxy->signals = loop_watch_signals(proxy->loop, signals, vm_proxy_on_signal, proxy);
	proxy->source = loop_watch_fd(proxy->loop, proxy->conn, EPOLLIN, vm_proxy_on_packet, proxy);
	if (!proxy->signals || !proxy->source)
		return err_errno(err, -errno, "cannot wait for the process");
	return 0;
}

_noreturn_ static void vm_proxy_main(struct vm_proxy *proxy, const struct process *process,
				     int detached)
{
	struct err err = ERR_INIT;
	int r;

	spawn_reset_signals();
	if (detached || process->tty)
		(void)setsid();
	if (!detached)
		(void)prctl(PR_SET_PDEATHSIG, SIGHUP);
	r = vm_proxy_watch(proxy, &err);
	if (r == 0)
		r = vm_proxy_request(proxy, process, &err);
	if (r < 0)
		vm_proxy_tell(proxy, INNER_FAILED, &err, -EBADF);
	else
		(void)loop_run(proxy->loop);
	_exit(r < 0 ? VM_FAILURE : proxy->status);
}

int vm_exec(const struct store_container *store, const struct process *process, int detached,
	    pid_t *ret_pid, int *ret_terminal, struct err *err)
{
	_cleanup_close_ int conn = gate_connect(store->dir, VM_ROLE_EXEC_SOCKET);
	_cleanup_close_ int ours = -EBADF, pidfd = -EBADF;
	struct vm_proxy proxy = { .conn = conn, .slave = -EBADF };
	int pair[2], r;

	if (conn < 0)
		return err_errno(err, conn, "cannot reach the VM of the container '%s'", store->id);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket");
	ours = pair[0];
	proxy.parent = pair[1];
	r = spawn_clone(0, -EBADF, &pidfd);
	if (!r) {
		fd_close(ours);
		vm_proxy_main(&proxy, process, detached);
	}
	fd_close(pair[1]);
	if (r < 0)
		return err_errno(err, r, "cannot start a process");
	*ret_pid = r;
	*ret_terminal = -EBADF;
	return launch_wait_exec(ours, *ret_pid, NULL, ret_terminal, err);
}
