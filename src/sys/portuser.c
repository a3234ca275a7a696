// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/portuser.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

/* Columns of /proc/net/tcp and the like, proc(5), once split at spaces. */
enum { PORTUSER_LOCAL = 1, PORTUSER_STATE = 3, PORTUSER_INODE = 9 };

#define PORTUSER_TABLE_MAX (16U << 20)
#define PORTUSER_LISTEN	   "0A"
#define PORTUSER_HEX	   33 /* an address of IPv6 in base 16 */

/* As the kernel prints it there: 32 bits at a time, each as a number of the host's. */
static void portuser_format(int family, const void *address, char text[PORTUSER_HEX])
{
	uint32_t words[4] = { 0 };
	size_t n = family == AF_INET ? 1 : 4;

	if (address)
		memcpy(words, address, n * sizeof(*words));
	for (size_t i = 0; i < n; i++)
		snprintf(text + 8 * i, 9, "%08X", words[i]);
}

/* "ADDRESS:PORT" in base 16: whether it is the port of this address, or of all. */
static int portuser_is_it(const char *local, const char *address, uint16_t port)
{
	size_t len = strcspn(local, ":");
	char end[8];

	snprintf(end, sizeof(end), ":%04X", port);
	return !strcmp(local + len, end) &&
	       (strspn(local, "0") == len ||
		(strlen(address) == len && !strncmp(local, address, len)));
}

static void portuser_read(const char *table, int listening, const char *address, uint16_t port,
			  char ***sockets)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;

	if (file_read(AT_FDCWD, table, PORTUSER_TABLE_MAX, &text, NULL) == 0)
		lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " ");

		if (strv_len(words) > PORTUSER_INODE &&
		    portuser_is_it(words[PORTUSER_LOCAL], address, port) &&
		    (!listening || !strcmp(words[PORTUSER_STATE], PORTUSER_LISTEN)))
			strv_add_printf(sockets, "socket:[%s]", words[PORTUSER_INODE]);
	}
}

static int portuser_has(int proc, const char *pid, char *const *sockets)
{
	_cleanup_free_ char *path = mem_printf("%s/fd", pid);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char link[64];

	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strv_has(sockets, link))
			return 1;
	}
	return 0;
}

/* A process names itself: with any bytes. */
static void portuser_add(int proc, const char *pid, char ***users)
{
	_cleanup_free_ char *path = mem_printf("%s/comm", pid), *name = NULL;

	if (file_read(proc, path, 64, &name, NULL) < 0)
		return;
	name[strcspn(name, "\n")] = '\0';
	for (char *c = name; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	strv_add_printf(users, "%s (pid %s)", name, pid);
}

char *portuser_find(int type, int family, const void *address, uint16_t port)
{
	int listening = type == SOCK_STREAM;
	_cleanup_strv_ char **sockets = NULL, **users = NULL;
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	char text[PORTUSER_HEX];
	struct dirent *entry;

	portuser_format(family, address, text);
	portuser_read(listening ? "/proc/net/tcp" : "/proc/net/udp", listening, text, port,
		      &sockets);
	/* what is bound to all addresses of IPv6 may be so to those of IPv4 */
	portuser_read(listening ? "/proc/net/tcp6" : "/proc/net/udp6", listening, text, port,
		      &sockets);
	while (sockets && dir && (entry = readdir(dir)) && strv_len(users) < PORTUSER_MAX) {
		const char *pid = entry->d_name;

		if (strspn(pid, "0123456789") == strlen(pid) &&
		    portuser_has(dirfd(dir), pid, sockets))
			portuser_add(dirfd(dir), pid, &users);
	}
	return users ? strv_join(users, ", ") : NULL;
}
