// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The steward, as the process that it is; net/steward_start.c is what others do with it.
 *
 *              ready file           dnsmasq ends              timer
 *   STARTING ------------> ANSWERING ------------> WAITING ------------> STARTING
 *      \ dnsmasq ends: WAITING, or if it never answered, the reason is reported and the steward ends
 *   any of them -- SIGTERM --> ENDING -- dnsmasq ends --> gone
 *
 * SIGHUP goes on to dnsmasq, which reads hosts and dhcp again. After SIGUSR1 it is ended and started again at once, for
 * it forgets leases only so. When interfaces or routes of the host's change the bridge follows the MTU of the way out, if
 * it is to, and dnsmasq is started again with what it has become. A network without names and DHCP has a steward for that alone: ANSWERING
 * then, without a dnsmasq.
 *
 * Invariants:
 *  1. Whoever holds the record lock of steward.lock is the network's steward. dnsmasq.conf is what dnsmasq was started
 *     with, so who finds that it should be another text starts all anew.
 *  2. dnsmasq dies with the steward (PDEATHSIG), a moment later. Both have the FIFO `said` open for writing: who finds no
 *     writer there knows that both are gone, and only then is dnsmasq started.
 *  3. dnsmasq remembers leases of the pool only: names_prune_leases() comes before each start.
 *  4. The steward never waits for the networks' lock: who has it may be waiting for the steward.
 *  5. What dnsmasq writes reaches the disk by way of the steward, and no more of it than STEWARD_LOG_MAX twice.
 *
 * Privilege. The steward is root in the host's namespaces, with the capabilities of steward_capabilities alone and without
 * a way to more; it takes nothing from anybody but signals, its record, and the file of leases, which is parsed as bytes
 * of a stranger. dnsmasq is never root: it starts as its user in a sandbox (sys/sandbox.h) of our network namespace and
 * otherwise its own, with no_new_privs and STEWARD_KEPT as the only capabilities that it can ever have. It sees programs
 * and libraries, /etc, the folder of resolv.conf, and the network's folder, all read-only, and can write to state/ alone. There
 * is no filter of system calls: a new libc or dnsmasq may call what an old one did not, and names would end with it.
 */
#include "net/steward.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/fabric.h"
#include "net/names.h"
#include "net/steward-internal.h"
#include "net/view.h"
#include "proto/nic.h"
#include "sys/caps.h"
#include "sys/child.h"
#include "sys/sandbox.h"
#include "sys/spawn.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* dnsmasq that ends is started again after so long, each next time after twice the time; one that has answered for
 * STEWARD_GOOD_MS starts over. */
#define STEWARD_DELAY_MIN_MS 100
#define STEWARD_DELAY_MAX_MS 30000
#define STEWARD_GOOD_MS	     60000
/* It has so long to end by SIGTERM, in which it writes its leases, and to answer. */
#define STEWARD_END_MS	 1000
#define STEWARD_READY_MS 20000

/* Interfaces and routes change several times in a row; then it is looked once what became of them. */
#define STEWARD_LINKS_MS 250

#define STEWARD_FILES_MAX 256
#define STEWARD_LINE_MAX  400

#define STEWARD_KEPT \
	(CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_NET_ADMIN))

static const uint64_t steward_capabilities = STEWARD_KEPT | CAPS_BIT(CAP_SYS_ADMIN) |
					     CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID) |
					     CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_KILL) |
					     CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE);

enum steward_phase { STEWARD_STARTING, STEWARD_ANSWERING, STEWARD_WAITING, STEWARD_ENDING };

struct steward {
	struct network_home home;
	struct network network;
	struct names_pool pool;
	enum steward_phase phase;
	int dir, state; /* RUN/.net/NAME, and state in it */
	char *path;	/* of dir */
	char *tool, *user;
	uid_t uid;
	gid_t gid;
	int lock, said, said_write, watch, log;
	char line[STEWARD_LINE_MAX]; /* the last that dnsmasq said */
	size_t line_len;
	struct sandbox sandbox;
	int64_t delay_ms, started_ms;
	int has_answered, again;
	int links;    /* see link_watch_open() */
	uint32_t mtu; /* of the bridge, as dnsmasq was told */
	struct loop *loop;
	struct loop_source *end_source, *said_source, *ready_source, *signals, *timer;
	struct loop_source *links_source, *links_timer;
};

static int64_t steward_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void steward_report(const struct err *err)
{
	(void)send(STEWARD_REPORT_FD, err, sizeof(*err), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(STEWARD_REPORT_FD, SHUT_RDWR);
}

/* One line alone is kept, as text for an error. */
static void steward_keep_line(struct steward *steward, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (c == '\n')
			steward->line_len = 0;
		else if (steward->line_len < sizeof(steward->line) - 1)
			steward->line[steward->line_len++] = (char)(c >= ' ' && c < 127 ? c : '?');
		if (c != '\n')
			steward->line[steward->line_len] = '\0';
	}
}

static void steward_write_log(struct steward *steward, const char *data, size_t len)
{
	struct stat st;

	if (steward->log >= 0 && fstat(steward->log, &st) == 0 &&
	    st.st_size + (off_t)len > STEWARD_LOG_MAX) {
		steward->log = fd_close(steward->log);
		(void)renameat(steward->dir, STEWARD_LOG, steward->dir, STEWARD_LOG ".1");
	}
	if (steward->log < 0)
		steward->log = openat(steward->dir, STEWARD_LOG,
				      O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (steward->log >= 0)
		(void)file_write_all(steward->log, data, len);
}

static void steward_on_said(void *ctx, uint32_t events _unused_)
{
	struct steward *steward = ctx;
	char data[4096];
	ssize_t n;

	while ((n = read(steward->said, data, sizeof(data))) > 0) {
		steward_keep_line(steward, data, (size_t)n);
		steward_write_log(steward, data, (size_t)n);
	}
}

/* Whether a socket of somebody else's keeps dnsmasq's from the port, which it would not say itself with bind-dynamic. */
static int steward_try_port(int family, int type, const void *address, uint16_t port)
{
	_cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, r;

	if (fd < 0)
		return -errno;
	/* a connection of before does not matter */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET) {
		memcpy(&in.sin_addr, address, sizeof(in.sin_addr));
		r = bind(fd, (struct sockaddr *)&in, sizeof(in));
	} else {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		memcpy(&in6.sin6_addr, address, sizeof(in6.sin6_addr));
		r = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	}
	if (r == 0 && type == SOCK_STREAM)
		r = listen(fd, 1);
	/* an address that is not there yet, as one of IPv6 may be, comes */
	return r < 0 && errno == EADDRINUSE ? -EADDRINUSE : 0;
}

static int steward_try_address(int family, const char *text, uint16_t port, struct err *err)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	unsigned int prefix;
	uint8_t address[16];

	if (!text || names_parse_prefix(family, text, address, &prefix) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (steward_try_port(family, types[i], address, port) == -EADDRINUSE)
			return err_set(err, -EADDRINUSE, "port %u of %.*s is in use", port,
				       (int)strcspn(text, "/"), text);
	}
	return 0;
}

static int steward_try_ports(const struct steward *steward, struct err *err)
{
	const struct network *network = &steward->network;
	uint16_t port = network->dns_port ? (uint16_t)network->dns_port : STEWARD_DNS_PORT;
	int r = 0;

	if (steward->network.dns)
		r = steward_try_address(AF_INET, steward->network.ipv4, port, err);
	if (r == 0 && steward->network.dns)
		r = steward_try_address(AF_INET6, steward->network.ipv6, port, err);
	return r;
}

static void steward_on_end(void *ctx, uint32_t events _unused_);
static void steward_on_ready(void *ctx, uint32_t events _unused_);

/* What files name is in the list that is returned. */
static char **steward_show_parts(const struct steward *steward, struct sandbox_file *files,
				 size_t *n)
{
	char **texts = NULL;

	for (size_t i = 0; i < NIC_MAX && steward->network.parts && steward->network.parts[i];
	     i++) {
		const char *part = steward->network.parts[i];
		_cleanup_free_ char *run = network_run_path(&steward->home, part);

		strv_add_printf(&texts, "%s/" NAMES_HOSTS, run);
		strv_add_printf(&texts, NAMES_PART "%s", part);
		files[(*n)++] =
			(struct sandbox_file){ .path = texts[2 * i], .name = texts[2 * i + 1] };
	}
	return texts;
}

static int steward_launch(struct steward *steward, const struct names_resolver *resolver,
			  struct err *err)
{
	_cleanup_free_ char *state = mem_printf("%s/" NAMES_STATE, steward->path);
	char *argv[] = { steward->tool, (char *)"--keep-in-foreground",
			 (char *)"--conf-file=/" NAMES_INSIDE "/" NAMES_CONF, NULL };
	char *env[] = { (char *)"LC_ALL=C", NULL };
	const int fds[] = { -EBADF, steward->said_write, steward->said_write };
	struct sandbox_file files[5 + NIC_MAX] = {
		{ .path = "/dev/urandom", .name = "dev/urandom", .device = 1 },
		{ .path = "/etc" },
		{ .path = steward->path, .name = NAMES_INSIDE },
		{ .path = state, .name = NAMES_STATE_INSIDE, .writable = 1 },
		{ .path = resolver->shown, .name = resolver->name },
	};
	size_t n = resolver->shown ? 5 : 4;
	_cleanup_strv_ _unused_ char **parts = steward_show_parts(steward, files, &n);
	const struct sandbox_limit limits[] = { { RLIMIT_CORE, 0 },
						{ RLIMIT_NOFILE, STEWARD_FILES_MAX } };
	const struct sandbox_spec spec = {
		.argv = argv,
		.env = env,
		.uid = steward->uid,
		.gid = steward->gid,
		.group = (gid_t)-1,
		.capabilities = STEWARD_KEPT,
		.keep_net = 1,
		.files = files,
		.n_files = n,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits),
		.into_cgroup = -EBADF,
	};
	int r = sandbox_start(&spec, &steward->sandbox, err);

	if (r < 0)
		return r;
	steward->end_source = loop_watch_fd(steward->loop, steward->sandbox.pidfd, EPOLLIN,
					    steward_on_end, steward);
	return steward->end_source ? 0 : err_errno(err, -errno, "cannot watch dnsmasq");
}

/* Each time anew: the host may have another resolv.conf by now, and the bridge may be another one. */
static int steward_configure(struct steward *steward, const struct names_resolver *resolver,
			     struct err *err)
{
	_cleanup_free_ char *conf = NULL;
	struct link bridge = { 0 };
	int r = steward_find_bridge(&steward->network, &bridge, err);

	if (r < 0)
		return r;
	steward->mtu = bridge.mtu;
	conf = names_conf(&steward->network, &bridge, steward->user, resolver->inside);
	r = file_replace(steward->dir, NAMES_CONF, conf, strlen(conf), 0644, 0);

	return r < 0 ? err_errno(err, r, "cannot write " NAMES_CONF) : 0;
}

/* Before it has ever answered somebody waits for the reason; after that it is tried for ever. */
static void steward_fail(struct steward *steward, const struct err *err)
{
	if (steward->phase == STEWARD_ENDING) {
		loop_exit(steward->loop, 0);
	} else if (!steward->has_answered) {
		steward_report(err);
		loop_exit(steward->loop, 1);
	} else {
		_cleanup_free_ char *line = mem_printf("brig: %s\n", err->msg);

		steward_write_log(steward, line, strlen(line));
		steward->phase = STEWARD_WAITING;
		loop_timer_set(steward->timer, steward->delay_ms);
		steward->delay_ms *= 2;
		if (steward->delay_ms > STEWARD_DELAY_MAX_MS)
			steward->delay_ms = STEWARD_DELAY_MAX_MS;
	}
}

/* For who only follows, as dnsmasq does it. */
static int steward_mark_ready(struct steward *steward, struct err *err)
{
	int r = file_replace(steward->state, NAMES_READY, "", 0, 0644, 0);

	if (r < 0)
		return err_errno(err, r, "cannot write " NAMES_READY);
	steward_on_ready(steward, 0);
	return 0;
}

static void steward_begin(struct steward *steward)
{
	_cleanup_(names_resolver_release) struct names_resolver resolver = { 0 };
	struct err err = ERR_INIT;
	int r = steward_try_ports(steward, &err);

	names_find_resolver(NAMES_RESOLVER, &resolver);

	steward->phase = STEWARD_STARTING;
	steward->line[0] = '\0';
	if (r == 0)
		r = names_prune_leases(steward->state, &steward->pool, steward->uid, &err);
	if (r == 0)
		r = file_remove_tree(steward->state, NAMES_READY);
	if (r < 0 && !err_is_set(&err))
		err_errno(&err, r, "cannot remove " NAMES_READY);
	if (r == 0)
		r = steward_configure(steward, &resolver, &err);
	if (r == 0)
		r = steward->tool ? steward_launch(steward, &resolver, &err)
				  : steward_mark_ready(steward, &err);
	if (r < 0)
		steward_fail(steward, &err);
	else if (steward->tool)
		loop_timer_set(steward->timer, STEWARD_READY_MS);
}

/* The reason is what it said last; "failed to start up" is said after that. */
static void steward_explain(struct steward *steward, int status, struct err *err)
{
	const char *line = steward->line;
	int code = strstr(line, "in use") ? -EADDRINUSE : -EPROTO;

	if (!strncmp(line, "dnsmasq: ", 9))
		line += 9;
	if (sandbox_failure(&steward->sandbox, err) == 0)
		err_set(err, code, "dnsmasq has ended with %d: %s", status,
			*line ? line : "and said nothing");
}

static void steward_on_end(void *ctx, uint32_t events _unused_)
{
	struct steward *steward = ctx;
	struct err err = ERR_INIT;
	int again = steward->again && steward->phase != STEWARD_ENDING;
	int status = spawn_wait(steward->sandbox.pidfd);

	steward_on_said(steward, 0);
	steward->sandbox.pid = 0;
	steward_explain(steward, status, &err);
	steward->end_source = loop_source_free(steward->end_source);
	sandbox_release(&steward->sandbox);
	loop_timer_set(steward->timer, -1);
	steward->again = 0;
	if (steward_now() - steward->started_ms > STEWARD_GOOD_MS)
		steward->delay_ms = STEWARD_DELAY_MIN_MS;
	if (again)
		steward_begin(steward);
	else
		steward_fail(steward, &err);
}

static void steward_on_ready(void *ctx, uint32_t events _unused_)
{
	struct steward *steward = ctx;
	const struct err none = ERR_INIT;
	char event[4096];

	while (read(steward->watch, event, sizeof(event)) > 0)
		continue;
	if (steward->phase != STEWARD_STARTING ||
	    faccessat(steward->state, NAMES_READY, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	steward->phase = STEWARD_ANSWERING;
	steward->started_ms = steward_now();
	if (!steward->again)
		loop_timer_set(steward->timer, -1);
	if (!steward->has_answered)
		steward_report(&none);
	steward->has_answered = 1;
}

static void steward_on_timer(void *ctx)
{
	struct steward *steward = ctx;

	if (steward->phase == STEWARD_WAITING)
		steward_begin(steward);
	else if (steward->sandbox.pid > 0)
		(void)kill(steward->sandbox.pid, SIGKILL);
}

/* As the first process of its namespace it does not hear a signal before it has a handler: then the timer ends it. */
static void steward_end_it(struct steward *steward)
{
	if (steward->sandbox.pid <= 0)
		return;
	(void)kill(steward->sandbox.pid, SIGTERM);
	loop_timer_set(steward->timer, STEWARD_END_MS);
}

static void steward_start_again(struct steward *steward)
{
	steward->again = steward->sandbox.pid > 0;
	steward_end_it(steward);
}

static void steward_on_links(void *ctx, uint32_t events _unused_)
{
	struct steward *steward = ctx;

	link_watch_drain(steward->links);
	loop_timer_set(steward->links_timer, STEWARD_LINKS_MS);
}

/* Who changes the bridge, or its record, has the lock, and may be waiting for us to end. */
static void steward_on_links_timer(void *ctx)
{
	struct steward *steward = ctx;
	struct err busy = ERR_INIT, err = ERR_INIT;
	struct link bridge;
	int r = fabric_follow(&steward->home, &steward->network, &busy);

	if (r == -EWOULDBLOCK)
		loop_timer_set(steward->links_timer, STEWARD_LINKS_MS);
	if (steward->phase == STEWARD_ANSWERING && steward->tool &&
	    steward_find_bridge(&steward->network, &bridge, &err) == 0 &&
	    bridge.mtu != steward->mtu)
		steward_start_again(steward);
}

static int steward_watch_links(struct steward *steward, struct err *err)
{
	if (!fabric_follows(&steward->network))
		return 0;
	steward->links = link_watch_open(err);
	if (steward->links < 0)
		return steward->links;
	steward->links_source =
		loop_watch_fd(steward->loop, steward->links, EPOLLIN, steward_on_links, steward);
	steward->links_timer = loop_add_timer(steward->loop, steward_on_links_timer, steward);
	return steward->links_source && steward->links_timer
		       ? 0
		       : err_errno(err, -errno, "cannot watch network interfaces");
}

static void steward_on_signal(void *ctx, int signal)
{
	struct steward *steward = ctx;

	if (steward->phase == STEWARD_ENDING)
		return;
	if (signal == SIGHUP) {
		if (steward->sandbox.pid > 0)
			(void)kill(steward->sandbox.pid, SIGHUP);
		return;
	}
	if (signal == SIGUSR1) {
		steward_start_again(steward);
		return;
	}
	steward->phase = STEWARD_ENDING;
	if (steward->sandbox.pid > 0)
		steward_end_it(steward);
	else
		loop_exit(steward->loop, 0);
}

static int steward_watch(struct steward *steward, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0 };
	_cleanup_free_ char *state = mem_printf("/proc/self/fd/%d", steward->state);
	int r = loop_new(&steward->loop, err);

	if (r < 0)
		return r;
	steward->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (steward->watch < 0 || inotify_add_watch(steward->watch, state, IN_CLOSE_WRITE) < 0)
		return err_errno(err, -errno, "cannot watch for dnsmasq");
	steward->signals = loop_watch_signals(steward->loop, signals, steward_on_signal, steward);
	steward->said_source =
		loop_watch_fd(steward->loop, steward->said, EPOLLIN, steward_on_said, steward);
	steward->ready_source =
		loop_watch_fd(steward->loop, steward->watch, EPOLLIN, steward_on_ready, steward);
	steward->timer = loop_add_timer(steward->loop, steward_on_timer, steward);
	if (!steward->signals || !steward->said_source || !steward->ready_source || !steward->timer)
		return err_errno(err, -errno, "cannot watch for dnsmasq");
	return steward_watch_links(steward, err);
}

static int steward_mark(struct steward *steward, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	steward->lock =
		openat(steward->dir, STEWARD_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (steward->lock < 0)
		return err_errno(err, -errno, "cannot make the steward's lock");
	if (fcntl(steward->lock, F_SETLK, &lock) < 0)
		return err_set(err, -EBUSY, "it has a steward already");
	return 0;
}

static int steward_open_folder(struct steward *steward, struct err *err)
{
	steward->path = network_run_path(&steward->home, steward->network.name);
	steward->dir = open(steward->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (steward->dir < 0)
		return err_errno(err, -errno, "cannot open %s", steward->path);
	steward->state =
		openat(steward->dir, NAMES_STATE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (steward->state < 0)
		return err_errno(err, -errno, "cannot open %s/" NAMES_STATE, steward->path);
	return steward_mark(steward, err);
}

/* Nobody has it open for writing any more but who is to have it. */
static int steward_open_said(struct steward *steward, struct err *err)
{
	int r = steward_wait_gone(steward->dir, err);

	if (r < 0)
		return r;
	steward->said =
		openat(steward->dir, STEWARD_SAID, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (steward->said >= 0)
		steward->said_write =
			openat(steward->dir, STEWARD_SAID, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return steward->said_write < 0 ? err_errno(err, -errno, "cannot open " STEWARD_SAID) : 0;
}

static int steward_limit(struct err *err)
{
	const struct caps_sets sets = { .effective = steward_capabilities,
					.permitted = steward_capabilities };
	int r = caps_limit(steward_capabilities, err);

	if (r == 0)
		r = caps_set(&sets, err);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_errno(err, -errno, "cannot set no_new_privs");
	return r;
}

static int steward_set_up(struct steward *steward, const char *name, struct err *err)
{
	int r = *name == VIEW_MARK ? view_load(&steward->home, name, &steward->network, err)
				   : network_load(&steward->home, name, &steward->network, err);

	if (r < 0)
		return r;
	names_pool(&steward->network, &steward->pool);
	if (steward_answers(&steward->network))
		steward->tool = child_find("dnsmasq");
	if (!steward->tool && steward_answers(&steward->network))
		return err_set(err, -ENOENT, "there is no dnsmasq; install dnsmasq-base");
	steward->user = steward_find_user(&steward->uid, &steward->gid);
	r = steward_open_folder(steward, err);
	if (r == 0)
		r = steward_open_said(steward, err);
	if (r == 0)
		r = steward_watch(steward, err);
	return r == 0 ? steward_limit(err) : r;
}

static void steward_release(struct steward *steward)
{
	loop_source_free(steward->end_source);
	loop_source_free(steward->said_source);
	loop_source_free(steward->ready_source);
	loop_source_free(steward->signals);
	loop_source_free(steward->timer);
	loop_source_free(steward->links_source);
	loop_source_free(steward->links_timer);
	sandbox_release(&steward->sandbox);
	loop_free(steward->loop);
	fd_close(steward->log);
	fd_close(steward->watch);
	fd_close(steward->links);
	fd_close(steward->said);
	fd_close(steward->said_write);
	fd_close(steward->state);
	fd_close(steward->dir);
	fd_close(steward->lock);
	network_release(&steward->network);
	free(steward->path);
	free(steward->tool);
	free(steward->user);
}

int steward_main(int argc, char **argv, const struct driver_ops *const *drivers _unused_)
{
	struct steward steward = { .dir = -EBADF,
				   .state = -EBADF,
				   .lock = -EBADF,
				   .said = -EBADF,
				   .said_write = -EBADF,
				   .watch = -EBADF,
				   .links = -EBADF,
				   .log = -EBADF,
				   .sandbox = SANDBOX_INIT,
				   .delay_ms = STEWARD_DELAY_MIN_MS };
	struct err err = ERR_INIT;
	int r = 1;

	if (fork() != 0)
		_exit(0);
	umask(022);
	if (argc != 4 || chdir("/") < 0 || spawn_close_others(STEWARD_REPORT_FD + 1, NULL, 0) < 0)
		return 1;
	(void)fcntl(STEWARD_REPORT_FD, F_SETFD, FD_CLOEXEC);
	(void)signal(SIGPIPE, SIG_IGN);
	steward.home = (struct network_home){ .root = argv[1], .run = argv[2] };
	if (steward_set_up(&steward, argv[3], &err) < 0) {
		steward_report(&err);
	} else {
		steward_begin(&steward);
		r = loop_run(steward.loop);
	}
	steward_release(&steward);
	return r ? 1 : 0;
}
