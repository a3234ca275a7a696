// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * passt is started in the foreground, so that it stays our child and dies with us, and says that it is ready by what it takes
 * for its file of process ids, which is our pipe. Until then we wait for it; from then on nobody hears what it says. It ignores
 * SIGPIPE by itself, and fails if that is ignored already.
 *
 * Invariants:
 *  1. At most one process, and it is reaped before the next is started.
 *  2. It has no descriptors but stdio and its stream.
 *  3. A start that fails leaves none.
 */
#include "net/userlink.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "net/passt.h"
#include "net/publish.h"
#include "net/resolver.h"
#include "sys/netlink.h"
#include "sys/route.h"
#include "sys/spawn.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define USERLINK_START_MS   30000 /* some ten are usual; what is longer is a host that has no time */
#define USERLINK_ERRORS_MAX 8192
#define USERLINK_VM_MTU	    1500

struct userlink {
	const struct instance *record;
	struct nic_setup setup;
	struct driver_nic card;
	int has_card;
	int pidfd; /* of the process; negative: none */
	char **setups, **addresses;
	char *hosts, *resolv_conf;
};

/* Which families the host has a way out of: passt has no others. */
static int userlink_find_ways(int *ret_four, int *ret_six, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	_cleanup_free_ struct route *routes = NULL;
	size_t n = 0;
	int r = sock < 0 ? sock : route_list(sock, &routes, &n, err);

	*ret_four = *ret_six = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!routes[i].to.length)
			*(routes[i].to.family == AF_INET ? ret_four : ret_six) = 1;
	}
	if (r == 0 && !*ret_four && !*ret_six)
		return err_set(err, -ENETUNREACH,
			       "the host has no default route, which the network '" NIC_USER
			       "' goes by; '--network " NIC_NONE "' needs none");
	return r;
}

static int userlink_fill_setup(struct userlink *link, struct err *err)
{
	struct nic_setup *setup = &link->setup;
	_cleanup_nic_ struct nic nic = { 0 };
	int four, six;

	if (nic_parse(*link->record->networks, 0, &nic, err) < 0 ||
	    userlink_find_ways(&four, &six, err) < 0)
		return err->code;
	memcpy(setup->name, nic.name, sizeof(setup->name));
	memcpy(setup->mac, nic.mac, sizeof(setup->mac));
	setup->mtu = link->record->kind == INSTANCE_VM ? USERLINK_VM_MTU : PASST_MTU;
	if (four) {
		inet_pton(AF_INET, PASST_IP, &setup->ip);
		inet_pton(AF_INET, PASST_VIA, &setup->via);
		setup->prefix = PASST_PREFIX;
		strv_add(&link->addresses, PASST_IP);
	}
	if (six) {
		inet_pton(AF_INET6, PASST_IP6, &setup->ip6);
		inet_pton(AF_INET6, PASST_VIA6, &setup->via6);
		setup->prefix6 = PASST_PREFIX6;
		strv_add(&link->addresses, PASST_IP6);
	}
	strv_add_take(&link->setups, nic_setup_format(setup));
	return 0;
}

int userlink_new(const struct instance *record, struct userlink **ret, struct err *err)
{
	struct userlink *link = mem_zalloc(sizeof(*link));
	int r = passt_check(record->kind == INSTANCE_VM, err);

	*link = (struct userlink){ .record = record, .pidfd = -EBADF };
	link->card.stream = -EBADF;
	if (r < 0)
		err_wrap(err, "network '" NIC_USER "'");
	if (r == 0)
		r = userlink_fill_setup(link, err);
	if (r == 0)
		r = publish_check(record->ports, err);
	if (r < 0) {
		userlink_free(link);
		return r;
	}
	link->resolv_conf = resolver_conf(record, NULL);
	link->hosts = resolver_hosts(record, link->addresses);
	*ret = link;
	return 0;
}

/* --- the process --- */

struct userlink_child {
	char **args;
	int ready, errors, stream; /* its ends; stream: or negative */
	pid_t parent;
};

/* above those that are given away, so that none of them is lost */
static int userlink_raise(int fd)
{
	return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, PASST_STREAM + 1);
}

_noreturn_ static void userlink_become(const struct userlink_child *child)
{
	static char *const env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
				     (char *)(uintptr_t) "LC_ALL=C", NULL };
	int null = userlink_raise(open("/dev/null", O_RDWR | O_CLOEXEC));
	int ready = userlink_raise(child->ready), errors = userlink_raise(child->errors);
	int stream = userlink_raise(child->stream), has_stream = child->stream >= 0;

	spawn_reset_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != child->parent)
		_exit(1);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(ready, PASST_READY) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0 || (has_stream && dup2(stream, PASST_STREAM) < 0))
		_exit(1);
	(void)close_range(PASST_STREAM + (unsigned int)has_stream, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)execve(child->args[0], child->args, env);
	dprintf(STDERR_FILENO, "cannot be executed\n");
	_exit(1);
}

static void userlink_stop(struct userlink *link)
{
	if (link->pidfd < 0)
		return;
	(void)pidfd_send_signal(link->pidfd, SIGKILL, NULL, 0);
	(void)spawn_wait(link->pidfd);
	link->pidfd = fd_close(link->pidfd);
}

/* A line may begin with the time. */
static const char *userlink_skip_time(const char *line)
{
	size_t len = strspn(line, "0123456789.");

	return len && !strncmp(line + len, ": ", 2) ? line + len + 2 : line;
}

/* The last line that says something of it: it tells over and over that nobody takes what is for syslog. */
static int userlink_say_why(const char *program, struct buf *errors, struct err *err)
{
	_cleanup_free_ char *text = buf_take(errors);
	_cleanup_strv_ char **lines = strv_split(text, "\n");
	const char *why = "it has ended", *base = strrchr(program, '/');

	strv_for_each(line, lines) {
		if (**line && !strstr(*line, "syslog"))
			why = userlink_skip_time(*line);
	}
	return err_set(err, -EREMOTEIO, "%s: %.160s", base ? base + 1 : program, why);
}

/* 1: it is ready; 0: it is not yet; -EPIPE: it never will be. */
static int userlink_read(struct pollfd fds[2], struct buf *errors)
{
	char chunk[1024];
	ssize_t n;

	if (fds[1].revents) {
		n = read(fds[1].fd, chunk, sizeof(chunk));
		if (n > 0 && errors->len < USERLINK_ERRORS_MAX)
			buf_add(errors, chunk, (size_t)n);
		if (n == 0)
			fds[1].fd = -1;
		return 0;
	}
	n = fds[0].revents ? read(fds[0].fd, chunk, sizeof(chunk)) : -1;
	return n > 0 ? 1 : n == 0 ? -EPIPE : 0;
}

static int userlink_wait(const char *program, int ready, int said, struct err *err)
{
	int64_t deadline = units_monotonic() + (int64_t)USERLINK_START_MS * 1000000;
	struct pollfd fds[] = { { .fd = ready, .events = POLLIN },
				{ .fd = said, .events = POLLIN } };
	_cleanup_buf_ struct buf errors = BUF_INIT;
	int r = 0;

	while (r == 0) {
		int64_t left = deadline - units_monotonic();

		if (left <= 0)
			return err_set(err, -ETIMEDOUT, "%s was not ready in %d seconds", program,
				       USERLINK_START_MS / 1000);
		if (poll(fds, ARRAY_SIZE(fds), (int)(left / 1000000) + 1) > 0)
			r = userlink_read(fds, &errors);
	}
	return r < 0 ? userlink_say_why(program, &errors, err) : 0;
}

/* pid: of a container; or stream: passt's end, of a VM. */
static int userlink_start(struct userlink *link, pid_t pid, int stream, struct err *err)
{
	const struct passt passt = { .setup = &link->setup,
				     .ports = link->record->ports,
				     .pid = pid };
	int ready[2] = { -EBADF, -EBADF }, said[2] = { -EBADF, -EBADF };
	struct userlink_child child = { .stream = stream, .parent = getpid() };
	_cleanup_strv_ char **args = NULL;
	pid_t started = 0;
	/* it goes on if it gets but one of a range */
	int r = publish_check(link->record->ports, err);

	if (r == 0)
		r = passt_command(&passt, &args, err);
	if (r == 0 && (pipe2(ready, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0))
		r = err_errno(err, -errno, "cannot make a pipe");
	child.args = args;
	child.ready = ready[1];
	child.errors = said[1];
	if (r == 0)
		started = spawn_clone(0, -EBADF, &link->pidfd);
	if (r == 0 && !started)
		userlink_become(&child);
	fd_close(ready[1]);
	fd_close(said[1]);
	if (started < 0)
		r = err_errno(err, (int)started, "cannot start %s", args[0]);
	if (r == 0)
		r = userlink_wait(args[0], ready[0], said[0], err);
	fd_close(ready[0]);
	fd_close(said[0]);
	if (r < 0)
		userlink_stop(link);
	return r;
}

int userlink_wire(struct userlink *link, pid_t pid, struct err *err)
{
	userlink_stop(link);
	return userlink_start(link, pid, -EBADF, err);
}

int userlink_make_card(struct userlink *link, struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int pair[2], r;

	userlink_stop(link);
	link->card.stream = fd_close(link->card.stream);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	r = userlink_start(link, 0, theirs, err);
	if (r < 0)
		return r;
	link->card.mtu = link->setup.mtu;
	memcpy(link->card.mac, link->setup.mac, sizeof(link->card.mac));
	link->card.stream = take_fd(&ours);
	link->has_card = 1;
	return 0;
}

const struct driver_nic *userlink_cards(const struct userlink *link, size_t *ret_n)
{
	*ret_n = link->has_card ? 1 : 0;
	return &link->card;
}

char *const *userlink_setups(const struct userlink *link)
{
	return link->setups;
}

char *const *userlink_addresses(const struct userlink *link)
{
	return link->addresses;
}

const char *userlink_hosts(const struct userlink *link)
{
	return link->hosts;
}

const char *userlink_resolv_conf(const struct userlink *link)
{
	return link->resolv_conf;
}

void userlink_free(struct userlink *link)
{
	if (!link)
		return;
	userlink_stop(link);
	fd_close(link->card.stream);
	strv_free(link->setups);
	strv_free(link->addresses);
	free(link->hosts);
	free(link->resolv_conf);
	free(link);
}
