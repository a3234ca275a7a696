// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/network.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/record.h"
#include "base/word.h"
#include "proto/nic.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NETWORK_VERSION 1
#define NETWORK_RECORD	"network.json"
#define NETWORK_MAKING	".making"
#define NETWORK_HOME	"/run/brig"

const char *const network_type_names[] = { "bridge", "macvlan", NULL };

#define FIELD(kind, member) RECORD_FIELD(kind, struct network, member)

static const struct record_field network_fields[] = {
	FIELD(RECORD_STRING, name),
	{ .key = "type",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct network, type),
	  .names = network_type_names },
	FIELD(RECORD_INT, created),
	FIELD(RECORD_STRV, labels),
	FIELD(RECORD_STRING, device),
	FIELD(RECORD_STRING, parent),
	FIELD(RECORD_INT, vlan),
	FIELD(RECORD_STRING, ipv4),
	FIELD(RECORD_STRING, ipv6),
	FIELD(RECORD_BOOL, nat),
	FIELD(RECORD_BOOL, internal),
	FIELD(RECORD_BOOL, isolated),
	FIELD(RECORD_BOOL, dhcp),
	FIELD(RECORD_BOOL, dns),
	FIELD(RECORD_INT, mtu),
	FIELD(RECORD_STRV, acls),
	RECORD_END,
};

#undef FIELD

static const struct record_table network_table = {
	.what = "network record",
	.version = NETWORK_VERSION,
	.fields = network_fields,
};

void network_release(struct network *network)
{
	strv_free(take_ptr(network->parts));
	strv_free(take_ptr(network->part_devices));
	record_release(&network_table, network);
}

void network_init(struct network *network)
{
	*network = (struct network){ .nat = 1, .dhcp = 1, .dns = 1 };
}

char *network_path(const struct network_home *home, const char *name)
{
	return mem_printf("%s/networks/%s", home->root, name);
}

char *network_run_path(const struct network_home *home, const char *name)
{
	return mem_printf("%s/.net/%s", home->run, name);
}

uint32_t network_home_number(const struct network_home *home)
{
	uint32_t hash = fnv_mix32(FNV_32, home->run, strlen(home->run));

	if (!strcmp(home->run, NETWORK_HOME))
		return 0;
	return hash ? hash : 1;
}

/* Of both names; locally administered, as those of instances. */
void network_device_mac(const struct network_home *home, const struct network *network,
			uint8_t ret[6])
{
	uint32_t hash =
		fnv_mix32(FNV_32 ^ network_home_number(home), network->name, strlen(network->name));

	ret[0] = 0x02;
	ret[1] = 0x42;
	for (int i = 0; i < 4; i++)
		ret[2 + i] = (uint8_t)(hash >> (24 - 8 * i));
}

static void network_sweep(int parent)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fcntl(parent, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.' && name[1] && strcmp(name, "..") != 0)
			(void)file_remove_tree(parent, name);
	}
}

static int network_lock_by(const struct network_home *home, int operation, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/networks", home->root);
	_cleanup_close_ int fd = -EBADF;
	int r = file_mkdir_p(path, 0700);

	if (r < 0)
		return err_errno(err, r, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	r = file_lock(fd, operation);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	network_sweep(fd);
	return take_fd(&fd);
}

int network_lock(const struct network_home *home, struct err *err)
{
	return network_lock_by(home, LOCK_EX, err);
}

int network_try_lock(const struct network_home *home, struct err *err)
{
	return network_lock_by(home, LOCK_EX | LOCK_NB, err);
}

int network_exists(const struct network_home *home, const char *name)
{
	_cleanup_free_ char *path = network_path(home, name);

	return *name != '.' && access(path, F_OK) == 0;
}

int network_names(const struct network_home *home, char ***ret, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/networks", home->root);
	_cleanup_closedir_ DIR *dir = opendir(path);
	char **names = NULL;
	struct dirent *entry;

	if (!dir && errno != ENOENT)
		return err_errno(err, -errno, "cannot read %s", path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			strv_add(&names, entry->d_name);
	}
	strv_sort(names);
	*ret = names;
	return 0;
}

static int network_unknown(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;
	const char *near = NULL;

	if (network_names(home, &names, &ignored) == 0 && names)
		near = word_nearest(name, (const char *const *)names);
	return err_set(err, -ENOENT,
		       "there is no network '%.64s'%s%s%s; see 'brig network ls' and 'brig network "
		       "create'",
		       name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int network_load(const struct network_home *home, const char *name, struct network *ret,
		 struct err *err)
{
	_cleanup_free_ char *path = network_path(home, name);
	_cleanup_free_ char *record = mem_printf("%s/" NETWORK_RECORD, path);
	int r = name_check("network", name, err);

	*ret = (struct network){ .name = NULL };
	if (r < 0)
		return r;
	if (!network_exists(home, name))
		return network_unknown(home, name, err);
	r = record_load(&network_table, AT_FDCWD, record, ret, err);
	if (r < 0)
		network_release(ret);
	/* the folder's name is the truth */
	mem_replace(&ret->name, name);
	return r < 0 ? err_wrap(err, "network '%s'", name) : 0;
}

static int network_write(const char *path, const struct network *network, struct err *err)
{
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	(void)file_replace_leftovers(dir, NETWORK_RECORD, 1);
	return record_save(&network_table, network, dir, NETWORK_RECORD, 1, err);
}

int network_make(const struct network_home *home, const struct network *network, struct err *err)
{
	_cleanup_free_ char *making = network_path(home, NETWORK_MAKING);
	_cleanup_free_ char *path = network_path(home, network->name);
	int r = name_check("network", network->name, err);

	if (r < 0)
		return r;
	if (nic_is_word(network->name))
		return err_set(err, -EINVAL, "'%s' is a word of --network, and no name for one",
			       network->name);
	if (network_exists(home, network->name))
		return err_set(err, -EEXIST, "there is a network '%s' already", network->name);
	if (mkdir(making, 0700) < 0)
		return err_errno(err, -errno, "cannot make %s", making);
	r = network_write(making, network, err);
	if (r == 0 && rename(making, path) < 0)
		r = err_errno(err, -errno, "cannot make %s", path);
	if (r < 0)
		(void)file_remove_tree(AT_FDCWD, making);
	return r;
}

int network_save(const struct network_home *home, const struct network *network, struct err *err)
{
	_cleanup_free_ char *path = network_path(home, network->name);

	return network_write(path, network, err);
}

int network_remove(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *path = network_path(home, name);
	_cleanup_free_ char *aside = mem_printf("%s/networks/.removed-%s", home->root, name);
	int r;

	if (!network_exists(home, name))
		return network_unknown(home, name, err);
	if (rename(path, aside) < 0)
		return err_errno(err, -errno, "cannot remove %s", path);
	r = file_remove_tree(AT_FDCWD, aside);
	return r < 0 ? err_errno(err, r, "cannot remove all of %s", aside) : 0;
}
