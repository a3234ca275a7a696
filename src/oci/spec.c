// SPDX-License-Identifier: GPL-2.0-or-later
/* `spec`: a configuration to begin with, a shell on the terminal, as engines' users know it of runc. */
#include "base/file.h"
#include "base/mem.h"
#include "container/config.h"
#include "oci/verb.h"

#include <fcntl.h>
#include <string.h>

#define SPEC_FILE "config.json"

struct spec_mount_row {
	const char *destination, *type, *source, *options;
};

/* config-linux.md, "Default Filesystems", with mqueue and cgroup */
static const struct spec_mount_row spec_mounts[] = {
	{ "/proc", "proc", "proc", NULL },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
	{ "/dev/pts", "devpts", "devpts",
	  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	{ "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro" },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro" },
	{ NULL },
};

/* Of a user alone: group 5 is not among its ids, and a sysfs of its own needs a network of its own. */
static const struct spec_mount_row spec_rootless_mounts[] = {
	{ "/proc", "proc", "proc", NULL },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
	{ "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620" },
	{ "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	{ "/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro" },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro" },
	{ NULL },
};

#define SPEC_NAMESPACES		 "pid,network,ipc,uts,mount,cgroup"
#define SPEC_ROOTLESS_NAMESPACES "pid,ipc,uts,mount,cgroup,user"
#define SPEC_CAPABILITIES	 "CAP_AUDIT_WRITE,CAP_KILL,CAP_NET_BIND_SERVICE"
#define SPEC_FILES_MAX		 1024

/* what below /proc and /sys tells of the host, or changes it */
static const char spec_masked[] =
	"/proc/acpi,/proc/asound,/proc/kcore,/proc/keys,/proc/latency_stats,/proc/timer_list,"
	"/proc/timer_stats,/proc/sched_debug,/proc/scsi,/sys/firmware,"
	"/sys/devices/virtual/powercap";
static const char spec_read_only[] = "/proc/bus,/proc/fs,/proc/irq,/proc/sys,/proc/sysrq-trigger";

static void spec_set_mounts(struct config *config, const struct spec_mount_row *rows)
{
	for (; rows->destination; rows++) {
		struct config_mount mount = {
			.destination = mem_strdup(rows->destination),
			.type = mem_strdup(rows->type),
			.source = mem_strdup(rows->source),
			.options = rows->options ? strv_split(rows->options, ",") : NULL,
		};

		config->mounts = mem_realloc(config->mounts, config->n_mounts + 1, sizeof(mount));
		config->mounts[config->n_mounts++] = mount;
	}
}

static void spec_set_namespaces(struct config_linux *on_linux, const char *names)
{
	_cleanup_strv_ char **types = strv_split(names, ",");
	size_t n = strv_len(types);

	on_linux->namespaces = mem_zalloc(n * sizeof(*on_linux->namespaces));
	on_linux->n_namespaces = n;
	for (size_t i = 0; i < n; i++)
		on_linux->namespaces[i].type = mem_strdup(types[i]);
}

static void spec_set_process(struct config_process *process)
{
	struct config_capabilities *caps = &process->capabilities;

	process->terminal = 1;
	process->args = strv_split("sh", " ");
	process->env = strv_split(
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=xterm",
		" ");
	process->cwd = mem_strdup("/");
	process->has_capabilities = 1;
	caps->bounding = strv_split(SPEC_CAPABILITIES, ",");
	caps->effective = strv_split(SPEC_CAPABILITIES, ",");
	caps->permitted = strv_split(SPEC_CAPABILITIES, ",");
	process->rlimits = mem_zalloc(sizeof(*process->rlimits));
	process->n_rlimits = 1;
	process->rlimits[0].type = mem_strdup("RLIMIT_NOFILE");
	process->rlimits[0].soft = process->rlimits[0].hard = SPEC_FILES_MAX;
	process->no_new_privileges = 1;
}

static struct config_id_map *spec_new_map(uint64_t host)
{
	struct config_id_map *map = mem_zalloc(sizeof(*map));

	*map = (struct config_id_map){ .host = host, .size = 1 };
	return map;
}

/* Root inside is who calls; there is no group of control files to set limits in. */
static void spec_set_rootless(struct config_linux *on_linux)
{
	spec_set_namespaces(on_linux, SPEC_ROOTLESS_NAMESPACES);
	on_linux->uid_maps = spec_new_map(geteuid());
	on_linux->gid_maps = spec_new_map(getegid());
	on_linux->n_uid_maps = on_linux->n_gid_maps = 1;
}

/* No device but those that every container has. */
static void spec_set_rootful(struct config_linux *on_linux)
{
	struct config_resources *resources = &on_linux->resources;

	spec_set_namespaces(on_linux, SPEC_NAMESPACES);
	resources->devices = mem_zalloc(sizeof(*resources->devices));
	resources->n_devices = 1;
	resources->devices[0].access = mem_strdup("rwm");
}

static void spec_fill(struct config *config, int rootless)
{
	config->version = mem_strdup(OCI_VERSION);
	config->has_process = config->has_root = 1;
	spec_set_process(&config->process);
	config->root = mem_strdup("rootfs");
	config->root_readonly = 1;
	config->hostname = mem_strdup("brig");
	spec_set_mounts(config, rootless ? spec_rootless_mounts : spec_mounts);
	if (rootless)
		spec_set_rootless(&config->on_linux);
	else
		spec_set_rootful(&config->on_linux);
	config->on_linux.masked_paths = strv_split(spec_masked, ",");
	config->on_linux.readonly_paths = strv_split(spec_read_only, ",");
}

/* A copy without what is empty, NULL if nothing is left: people read and change this document. */
static struct json *spec_prune(struct json *json);

static int spec_prune_member(const char *key, struct json *value, void *object)
{
	struct json *kept = spec_prune(value);

	/* 0 by 0 is no size of a console, but what a table of fields has where none was given */
	if (kept && strcmp(key, "consoleSize") != 0)
		json_object_add(object, key, kept);
	else
		json_free(kept);
	return 0;
}

static struct json *spec_prune_object(struct json *json)
{
	struct json *object = json_new_object();

	(void)json_object_each(json, spec_prune_member, object);
	return object;
}

static struct json *spec_prune_array(struct json *json)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < json_array_len(json); i++) {
		struct json *kept = spec_prune(json_array_at(json, i));

		if (kept)
			json_array_add(array, kept);
	}
	return array;
}

static int spec_has_member(const char *key _unused_, struct json *value _unused_,
			   void *ctx _unused_)
{
	return 1;
}

static struct json *spec_prune(struct json *json)
{
	struct json *copy = NULL;

	switch (json_kind(json)) {
	case JSON_NULL:
		break;
	case JSON_BOOL:
		return json_new_bool(json_truth(json));
	case JSON_INT:
		return json_new_int(json_int(json));
	case JSON_DOUBLE:
		return json_new_double(json_double(json));
	case JSON_STRING:
		return json_new_string(json_string(json));
	case JSON_ARRAY:
		copy = spec_prune_array(json);
		break;
	case JSON_OBJECT:
		copy = spec_prune_object(json);
		break;
	}
	if (copy && !json_array_len(copy) && !json_object_each(copy, spec_has_member, NULL)) {
		json_free(copy);
		return NULL;
	}
	return copy;
}

static int spec_write(int dir, const struct config *config)
{
	_cleanup_json_ struct json *whole = config_write(config), *json = spec_prune(whole);
	_cleanup_free_ char *text = json_text(json, 1);
	_cleanup_close_ int fd =
		openat(dir, SPEC_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
}

struct spec_values {
	char *bundle;
	int rootless;
};

static int spec_run(const struct oci_context *oci _unused_, const void *values,
		    char **args _unused_, struct err *err)
{
	const struct spec_values *v = values;
	const char *bundle = v->bundle ? v->bundle : ".";
	_cleanup_close_ int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_config_ struct config config = { 0 };
	int r;

	if (dir < 0)
		return err_errno(err, -errno, "cannot open the folder %s", bundle);
	spec_fill(&config, v->rootless);
	r = spec_write(dir, &config);
	if (r == -EEXIST)
		return err_set(err, r, "%s/" SPEC_FILE " is there already; remove it first",
			       bundle);
	return r < 0 ? err_errno(err, r, "cannot write %s/" SPEC_FILE, bundle) : 0;
}

static const struct option spec_options[] = {
	{ "bundle", 'b', OPTION_STRING, "DIR", "where it is written; here, if not given",
	  offsetof(struct spec_values, bundle), .complete = "file" },
	{ "rootless", 0, OPTION_FLAG, NULL, "for a container that a user other than root makes",
	  offsetof(struct spec_values, rootless) },
	OPTION_END,
};

static const char *const spec_examples[] = {
	"brig-oci spec --bundle b",
	"write b/config.json, for a root file system in b/rootfs",
	NULL,
};

const struct verb oci_spec_verbs[] = {
	{ .name = "spec",
	  .group = "Bundles",
	  .args = "",
	  .summary = "Write a configuration to begin with",
	  .description = "The container it describes runs a shell on a terminal, with the root "
			 "file system in the folder rootfs beside it. A " SPEC_FILE
			 " that is there is left alone.",
	  .examples = spec_examples,
	  .options = spec_options,
	  .values_size = sizeof(struct spec_values),
	  .run_oci = spec_run },
	{ .name = NULL },
};
