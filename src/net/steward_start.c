// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "net/fabric.h"
#include "net/names.h"
#include "net/steward-internal.h"
#include "net/steward.h"
#include "sys/child.h"
#include "sys/netlink.h"
#include "sys/portuser.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define STEWARD_CONF_MAX   (64U << 10)
#define STEWARD_PASSWD_MAX (8U << 20)
#define STEWARD_DHCP_PORT  67
#define STEWARD_USER	   "dnsmasq"
#define STEWARD_NOBODY	   65534
/* dnsmasq answers in some ten milliseconds; what is longer is a host that has no time, or none at all. */
#define STEWARD_START_MS 30000
#define STEWARD_STOP_MS	 5000

static int steward_parse_id(const char *text, uint32_t *ret)
{
	uint64_t id = 0;

	for (; *text >= '0' && *text <= '9' && id <= UINT32_MAX; text++)
		id = id * 10 + (uint64_t)(*text - '0');
	*ret = (uint32_t)id;
	return *text || id >= UINT32_MAX ? -EINVAL : 0;
}

/* NAME:x:UID:GID:... */
char *steward_find_user(uid_t *ret_uid, gid_t *ret_gid)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;

	if (file_read(AT_FDCWD, "/etc/passwd", STEWARD_PASSWD_MAX, &text, NULL) == 0)
		lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		_cleanup_strv_ char **fields = NULL;

		if (strncmp(*line, STEWARD_USER ":", sizeof(STEWARD_USER)) != 0)
			continue;
		fields = strv_split(*line, ":");
		if (strv_len(fields) > 3 && steward_parse_id(fields[2], ret_uid) == 0 &&
		    steward_parse_id(fields[3], ret_gid) == 0 && *ret_uid)
			return mem_strdup(STEWARD_USER);
	}
	*ret_uid = *ret_gid = STEWARD_NOBODY;
	return mem_strdup("nobody");
}

static int steward_open_dir(const struct network_home *home, const char *network)
{
	_cleanup_free_ char *path = network_run_path(home, network);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static pid_t steward_find(int dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_close_ int fd = openat(dir, STEWARD_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

pid_t steward_pid(const struct network_home *home, const char *network)
{
	_cleanup_close_ int dir = steward_open_dir(home, network);

	return dir < 0 ? 0 : steward_find(dir);
}

/* A pidfd of it: who has the lock still when we have that is the one. -ESRCH: there is none. */
static int steward_open_pid(int dir)
{
	_cleanup_close_ int pidfd = -EBADF;
	pid_t pid = steward_find(dir);

	if (!pid)
		return -ESRCH;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return -errno;
	return steward_find(dir) == pid ? take_fd(&pidfd) : -ESRCH;
}

int steward_open(const struct network_home *home, const char *network)
{
	_cleanup_close_ int dir = steward_open_dir(home, network);

	return dir < 0 ? dir : steward_open_pid(dir);
}

void steward_refresh(const struct network_home *home, const char *network, int forget)
{
	_cleanup_close_ int pidfd = steward_open(home, network);

	if (pidfd >= 0)
		(void)pidfd_send_signal(pidfd, forget ? SIGUSR1 : SIGHUP, NULL, 0);
}

/* At its end, or after ms. */
static int steward_await(int fd, short events, int ms)
{
	struct pollfd end = { .fd = fd, .events = events };
	int r;

	do {
		r = poll(&end, 1, ms);
	} while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : -ETIMEDOUT;
}

/* read(2) of a FIFO is 0 without a writer, and poll(2) tells when the last one goes that was there. */
int steward_wait_gone(int dir, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char data[4096];
	ssize_t n;

	if (mkfifoat(dir, STEWARD_SAID, 0600) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make " STEWARD_SAID);
	fd = openat(dir, STEWARD_SAID, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open " STEWARD_SAID);
	while ((n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno != EAGAIN)
			return err_errno(err, -errno, "cannot read " STEWARD_SAID);
		if (n < 0 && steward_await(fd, POLLIN, STEWARD_STOP_MS) < 0)
			return err_set(err, -EBUSY, "a dnsmasq of before does not end");
	}
	return 0;
}

static int steward_end(int dir, const char *network, struct err *err)
{
	_cleanup_close_ int pidfd = steward_open_pid(dir);
	int r;

	if (pidfd >= 0 && pidfd_send_signal(pidfd, SIGTERM, NULL, 0) == 0 &&
	    steward_await(pidfd, POLLIN, STEWARD_STOP_MS) < 0) {
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		(void)steward_await(pidfd, POLLIN, STEWARD_STOP_MS);
	}
	r = steward_wait_gone(dir, err);
	return r < 0 ? err_wrap(err, "network '%s'", network) : 0;
}

int steward_stop(const struct network_home *home, const char *network, struct err *err)
{
	_cleanup_close_ int dir = steward_open_dir(home, network);

	return dir < 0 ? 0 : steward_end(dir, network, err);
}

/* The folder with what both need. What others' processes read is open to them; RUN itself is not. */
static int steward_make_folder(const char *path, int *ret_dir, struct err *err)
{
	static const char *const folders[] = { NAMES_HOSTS, NAMES_DHCP, NAMES_STATE };
	_cleanup_free_ char *user = NULL;
	_cleanup_close_ int dir = -EBADF;
	uid_t uid;
	gid_t gid;
	int r = file_mkdir_p(path, 0755);

	if (r < 0)
		return err_errno(err, r, "cannot make %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fchmod(dir, 0755) < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	user = steward_find_user(&uid, &gid);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		int is_state = !strcmp(folders[i], NAMES_STATE);

		if ((mkdirat(dir, folders[i], 0700) < 0 && errno != EEXIST) ||
		    fchmodat(dir, folders[i], is_state ? 0700 : 0755, 0) < 0 ||
		    (is_state && fchownat(dir, folders[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0))
			return err_errno(err, -errno, "cannot make %s/%s", path, folders[i]);
	}
	*ret_dir = take_fd(&dir);
	return 0;
}

/* The report is the fourth descriptor; the parent's own has a number above that. */
static int steward_files(posix_spawn_file_actions_t *files, int report)
{
	for (int fd = 0; fd < STEWARD_REPORT_FD; fd++) {
		int r = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);

		if (r)
			return r;
	}
	return posix_spawn_file_actions_adddup2(files, report, STEWARD_REPORT_FD);
}

/* What we start is at once no child of ours any more, so that nobody has to reap it. */
static int steward_spawn(const struct network_home *home, const char *name, int report,
			 struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)STEWARD_ROLE, (char *)(uintptr_t)home->root,
			 (char *)(uintptr_t)home->run, (char *)(uintptr_t)name, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	pid_t pid = -1;
	int r;

	sigemptyset(&none);
	sigfillset(&usual);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &usual);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							    POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawn_file_actions_init(&files);
	r = steward_files(&files, report);
	if (!r)
		r = posix_spawn(&pid, "/proc/self/exe", &files, &attributes, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attributes);
	if (r)
		return err_errno(err, -r, "cannot start a steward");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return 0;
}

/* Its first and only word. */
static int steward_hear(int fd, struct err *err)
{
	struct err told = ERR_INIT;

	if (steward_await(fd, POLLIN, STEWARD_START_MS) < 0)
		return err_set(err, -ETIMEDOUT, "dnsmasq does not answer");
	if (recv(fd, &told, sizeof(told), 0) != sizeof(told))
		return err_set(err, -EPIPE, "the steward was killed");
	if (err_is_set(&told))
		*err = told;
	return told.code;
}

static int steward_launch(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF, high = -EBADF;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	high = fcntl(theirs, F_DUPFD_CLOEXEC, STEWARD_REPORT_FD + 1);
	if (high < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	theirs = fd_close(theirs);
	r = steward_spawn(home, name, high, err);
	high = fd_close(high);
	return r == 0 ? steward_hear(ours, err) : r;
}

/* Whoever may be in the way. Those of other networks' dnsmasq are on other addresses. */
static char *steward_find_rival(const struct network *network)
{
	struct in6_addr address6;
	struct in_addr address;
	unsigned int prefix;
	char *rival = NULL;

	if (network->dns && network->ipv4 &&
	    names_parse_prefix(AF_INET, network->ipv4, &address, &prefix) == 0) {
		rival = portuser_find(SOCK_STREAM, AF_INET, &address, STEWARD_DNS_PORT);
		if (!rival)
			rival = portuser_find(SOCK_DGRAM, AF_INET, &address, STEWARD_DNS_PORT);
	}
	if (!rival && network->dns && network->ipv6 &&
	    names_parse_prefix(AF_INET6, network->ipv6, &address6, &prefix) == 0) {
		rival = portuser_find(SOCK_STREAM, AF_INET6, &address6, STEWARD_DNS_PORT);
		if (!rival)
			rival = portuser_find(SOCK_DGRAM, AF_INET6, &address6, STEWARD_DNS_PORT);
	}
	if (!rival && network->dhcp)
		rival = portuser_find(SOCK_DGRAM, AF_INET, NULL, STEWARD_DHCP_PORT);
	return rival;
}

/* A port in use that nobody has is of a dnsmasq of before: it has let go of its FIFO and is about to of its sockets. */
#define STEWARD_TRIES 5

static int steward_renew(const struct network_home *home, const struct network *network, int dir,
			 struct err *err)
{
	_cleanup_free_ char *rival = NULL;
	struct err ignored = ERR_INIT, cause;
	int r = steward_end(dir, network->name, err);

	if (r < 0)
		return r;
	for (int i = 0; i < STEWARD_TRIES && !rival; i++) {
		*err = ERR_INIT;
		r = steward_launch(home, network->name, err);
		if (r == 0)
			return 0;
		/* what has not answered is not left behind */
		(void)steward_end(dir, network->name, &ignored);
		if (r != -EADDRINUSE)
			return r;
		/* the steward has not the right to look */
		rival = steward_find_rival(network);
	}
	cause = *err;
	return !rival ? r
		      : err_set(err, r,
				"%s: by %s; have it listen on addresses of its own, or end it",
				cause.msg, rival);
}

int steward_find_bridge(const struct network *network, struct link *ret, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);

	return sock < 0 ? sock : link_find(sock, network->device, ret, err);
}

/* Whether a steward runs, and its dnsmasq as it should. */
static int steward_is_right(const struct network *network, const struct link *bridge, int dir)
{
	_cleanup_(names_resolver_release) struct names_resolver resolver = { 0 };
	_cleanup_free_ char *user = NULL, *conf = NULL, *is = NULL;
	uid_t uid;
	gid_t gid;

	/* one that has lost its dnsmasq, or was left by who started it, is not waited for */
	if (!steward_find(dir) || faccessat(dir, NAMES_STATE "/" NAMES_READY, F_OK, 0) < 0 ||
	    file_read(dir, NAMES_CONF, STEWARD_CONF_MAX, &is, NULL) < 0)
		return 0;
	user = steward_find_user(&uid, &gid);
	names_find_resolver(NAMES_RESOLVER, &resolver);
	conf = names_conf(network, bridge, user, resolver.inside);
	return !strcmp(is, conf);
}

static int steward_run(const struct network_home *home, const struct network *network,
		       const struct link *bridge, int dir, struct err *err)
{
	_cleanup_free_ char *tool = steward_answers(network) ? child_find("dnsmasq") : NULL;

	if (!tool && steward_answers(network))
		return err_set(err, -ENOENT, "there is no dnsmasq; install dnsmasq-base");
	if (steward_is_right(network, bridge, dir))
		return 0;
	return steward_renew(home, network, dir, err);
}

int steward_answers(const struct network *network)
{
	return (network->dhcp || network->dns) && (network->ipv4 || network->ipv6);
}

int steward_start(const struct network_home *home, const struct network *network,
		  const struct link *bridge, struct err *err)
{
	_cleanup_free_ char *path = network_run_path(home, network->name);
	_cleanup_close_ int dir = -EBADF;
	int r;

	if (!steward_answers(network) && !fabric_follows(network))
		return steward_stop(home, network->name, err);
	r = steward_make_folder(path, &dir, err);
	if (r == 0)
		r = steward_run(home, network, bridge, dir, err);
	return r < 0 ? err_wrap(err, "names and DHCP of network '%s'", network->name) : 0;
}
