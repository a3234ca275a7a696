// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/sysctl.h"
#include "base/take.h"
#include "sys/procfs.h"

#include <sched.h>
#include <string.h>

#define SYSCTL_NAME_MAX 256

/* Its file is writable by the host's root alone, even in a UTS namespace of the container's. */
static int sysctl_set_domainname(const char *value)
{
	return setdomainname(value, strlen(value)) < 0 ? -errno : 0;
}

/* Which namespace has it. A name that ends in "/" is all that is below. */
static const struct sysctl_row {
	const char *name;
	uint64_t namespace;
	const char *type;	       /* linux.namespaces[].type */
	int (*set)(const char *value); /* instead of a file; -errno */
} sysctl_rows[] = {
	{ "net/", CLONE_NEWNET, "network", NULL },
	{ "fs/mqueue/", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/auto_msgmni", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/msg_next_id", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/msgmax", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/msgmnb", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/msgmni", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/sem", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/sem_next_id", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/shm_next_id", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/shm_rmid_forced", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/shmall", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/shmmax", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/shmmni", CLONE_NEWIPC, "ipc", NULL },
	{ "kernel/domainname", CLONE_NEWUTS, "uts", sysctl_set_domainname },
	{ "user/", CLONE_NEWUSER, "user", NULL },
};

/* "net.ipv4.conf.eth0/1.forwarding" as "net/ipv4/conf/eth0.1/forwarding". */
static int sysctl_path(const char *name, char path[SYSCTL_NAME_MAX], struct err *err)
{
	size_t len = strlen(name), first = strcspn(name, "./");
	int dots = name[first] == '.';
	const char *part = path;

	if (!len || len >= SYSCTL_NAME_MAX)
		return err_set(err, -EINVAL, "a name has 1 to %d characters", SYSCTL_NAME_MAX - 1);
	memcpy(path, name, len + 1);
	for (char *c = path; dots && *c; c++) {
		if (*c == '.' || *c == '/')
			*c = *c == '.' ? '/' : '.';
	}
	while (part) {
		len = strcspn(part, "/");
		if (!len || !strncmp(part, ".", len) || !strncmp(part, "..", len))
			return err_set(err, -EINVAL, "'%.*s' is no part of a name", (int)len, part);
		part = part[len] ? part + len + 1 : NULL;
	}
	return 0;
}

static const struct sysctl_row *sysctl_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysctl_rows); i++) {
		const char *name = sysctl_rows[i].name;
		size_t len = strlen(name);

		if (name[len - 1] == '/' ? !strncmp(path, name, len) : !strcmp(path, name))
			return &sysctl_rows[i];
	}
	return NULL;
}

static int sysctl_check_one(const char *name, uint64_t own_namespaces, struct err *err)
{
	char path[SYSCTL_NAME_MAX];
	const struct sysctl_row *row;
	int r = sysctl_path(name, path, err);

	if (r < 0)
		return r;
	if (!strcmp(path, "kernel/hostname"))
		return err_set(err, -EINVAL, "the member 'hostname' is for that");
	row = sysctl_find(path);
	if (!row)
		return err_set(err, -EPERM, "it is no namespace's, but the whole host's");
	if (!(own_namespaces & row->namespace))
		return err_set(err, -EPERM,
			       "it needs a namespace of the container's own of type '%s' in "
			       "linux.namespaces",
			       row->type);
	return 0;
}

int sysctl_check(const struct record_pair *pairs, size_t n, uint64_t own_namespaces,
		 struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (sysctl_check_one(pairs[i].key, own_namespaces, err) < 0)
			return err_wrap(err, "linux.sysctl[\"%.128s\"]", pairs[i].key);
	}
	return 0;
}

static int sysctl_apply_one(int proc, const struct record_pair *pair, struct err *err)
{
	char path[SYSCTL_NAME_MAX], full[SYSCTL_NAME_MAX + sizeof("sys/")];
	const struct sysctl_row *row;
	int r = sysctl_path(pair->key, path, err);

	if (r < 0)
		return r;
	row = sysctl_find(path);
	snprintf(full, sizeof(full), "sys/%s", path);
	r = row && row->set ? row->set(pair->value) : procfs_write(proc, full, pair->value);
	if (r == -ENOENT)
		return err_set(err, r, "this kernel has no such setting");
	if (r == -EXDEV)
		return err_set(err, r, "something else lies over /proc/%s", full);
	return r < 0 ? err_errno(err, r, "cannot write '%.64s'", pair->value) : 0;
}

int sysctl_apply(int proc, const struct record_pair *pairs, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (sysctl_apply_one(proc, &pairs[i], err) < 0)
			return err_wrap(err, "linux.sysctl[\"%.128s\"]", pairs[i].key);
	}
	return 0;
}
