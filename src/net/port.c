// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/port.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/mem.h"
#include "base/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PORT_VERSION 1
#define PORT_SUFFIX  ".json"

#define FIELD(kind, member) RECORD_FIELD(kind, struct port, member)

static const struct record_field port_fields[] = {
	FIELD(RECORD_STRING, device), FIELD(RECORD_STRING, instance), FIELD(RECORD_STRING, network),
	FIELD(RECORD_STRING, bridge), FIELD(RECORD_STRING, mac),      FIELD(RECORD_STRING, ip),
	FIELD(RECORD_STRING, ip6),    FIELD(RECORD_STRV, publish),    FIELD(RECORD_STRV, acls),
	FIELD(RECORD_INT, rate),      FIELD(RECORD_BOOL, trusted),    FIELD(RECORD_BOOL, isolated),
	FIELD(RECORD_STRV, beside),   FIELD(RECORD_INT, names_port),  RECORD_END,
};

#undef FIELD

static const struct record_table port_table = {
	.what = "record of a port",
	.version = PORT_VERSION,
	.fields = port_fields,
};

void port_release(struct port *port)
{
	record_release(&port_table, port);
}

char **port_acls(const struct port *port, const struct network *network)
{
	char **acls = strv_dup(port->acls);

	strv_for_each(acl, network ? network->acls : NULL) {
		if (!strv_has(acls, *acl))
			strv_add(&acls, *acl);
	}
	return acls;
}

/* Over both names, so that homes and instances are told apart. */
void port_device_name(const struct network_home *home, const char *instance, size_t place,
		      char ret[NIC_NAME_MAX])
{
	uint32_t hash = fnv_mix32(FNV_32 ^ network_home_number(home), instance, strlen(instance));

	snprintf(ret, NIC_NAME_MAX, "vb%08x%u", hash, (unsigned int)(place % NIC_MAX));
}

static char *port_folder(const struct network_home *home)
{
	return mem_printf("%s/.net/ports", home->run);
}

static char *port_path(const struct network_home *home, const char *device)
{
	return mem_printf("%s/.net/ports/%s" PORT_SUFFIX, home->run, device);
}

int port_save(const struct network_home *home, const struct port *port, struct err *err)
{
	_cleanup_free_ char *folder = port_folder(home), *path = port_path(home, port->device);
	int r = file_mkdir_p(folder, 0700);

	return r < 0 ? err_errno(err, r, "cannot make %s", folder)
		     : record_save(&port_table, port, AT_FDCWD, path, 0, err);
}

int port_load(const struct network_home *home, const char *device, struct port *ret,
	      struct err *err)
{
	_cleanup_free_ char *path = port_path(home, device);
	int r;

	*ret = (struct port){ .device = NULL };
	if (access(path, F_OK) < 0)
		return -errno;
	r = record_load(&port_table, AT_FDCWD, path, ret, err);
	mem_replace(&ret->device, device);
	if (r == 0 && (!ret->instance || !ret->mac))
		r = err_set(err, -EINVAL, "%s lacks what makes a port", path);
	if (r < 0)
		port_release(ret);
	return r;
}

void port_sweep(const struct network_home *home)
{
	_cleanup_free_ char *folder = mem_printf("%s/.net/ports/", home->run);

	(void)file_replace_leftovers(AT_FDCWD, folder, 1);
}

void port_remove(const struct network_home *home, const char *device)
{
	_cleanup_free_ char *path = port_path(home, device);

	(void)unlink(path);
}

/* The devices that have a record. */
static char **port_devices(const struct network_home *home)
{
	_cleanup_free_ char *folder = port_folder(home);
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;
	char **devices = NULL;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), suffix = strlen(PORT_SUFFIX);

		if (entry->d_name[0] != '.' && len > suffix &&
		    !strcmp(entry->d_name + len - suffix, PORT_SUFFIX))
			strv_add_take(&devices, mem_strndup(entry->d_name, len - suffix));
	}
	strv_sort(devices);
	return devices;
}

void port_list_load(const struct network_home *home, const char *network, struct port_list *ret)
{
	_cleanup_strv_ char **devices = port_devices(home);

	*ret = (struct port_list){ .items = mem_zalloc((strv_len(devices) + 1) *
						       sizeof(*ret->items)) };
	strv_for_each(device, devices) {
		struct port *port = &ret->items[ret->n];
		struct err ignored = ERR_INIT;

		if (port_load(home, *device, port, &ignored) < 0)
			continue;
		if (!network || (port->network && !strcmp(port->network, network)))
			ret->n++;
		else
			port_release(port);
	}
}

void port_list_release(struct port_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		port_release(&list->items[i]);
	free(list->items);
	*list = (struct port_list){ .n = 0 };
}
