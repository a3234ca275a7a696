// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works, all of it in the folder of an instance that is being made, which nobody sees (instance_create_filled()):
 *   1. A confined process reads the file and passes on what is in it, which we trust no more than the file.
 *   2. Both records are checked, and that the store has the image, before any file comes.
 *   3. The tree is received as the folder BACKUP_IMPORT_TREE, at most as large as there is room.
 *   4. The confined process has found the checksum right, and nothing behind the end.
 *   5. What is in the tree is what an instance has, by name and type, and nothing else. It is moved to its places, the
 *      records written anew.
 * Whatever fails, or is killed, on the way leaves a folder that is removed with all in it.
 */
#include "instance/backup.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/name.h"
#include "image/carry.h"
#include "image/store.h"
#include "instance/backup-internal.h"
#include "instance/data.h"
#include "instance/paths.h"
#include "instance/snapshot-internal.h"
#include "net/publish.h"
#include "proto/drive.h"
#include "proto/nic.h"
#include "proto/lookup.h"
#include "proto/share.h"
#include "proto/tree.h"
#include "sys/confine.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define BACKUP_IMPORT_TREE	 ".backup"
#define BACKUP_IMPORT_JAIL	 ".jail"
#define BACKUP_IMPORT_MEMORY_MAX (UINT64_C(1) << 30)

struct backup_import {
	const struct instance_home *home;
	const char *name; /* that the instance is to have; NULL: the old one */
	int file;
	progress_fn progress;
	void *ctx;
	struct instance *record;
	struct backup head;
	int dir;	    /* the new instance's folder */
	int in;		    /* what the confined process passes on */
	int store, volumes; /* their locks, until the record is there */
};

void backup_imported_release(struct backup_imported *imported)
{
	free(imported->name);
	strv_free(imported->rights);
	strv_free(imported->volumes);
}

/* --- what the records may say --- */

struct backup_import_range {
	const char *key; /* of the instance's record */
	int64_t min, max;
};

/* What no option of `brig run` would have let in. */
static const struct backup_import_range backup_import_ranges[] = {
	{ "memory", 0, INT64_MAX },
	{ "cpus_milli", 0, INT64_MAX },
	{ "pids_limit", 0, INT64_MAX },
	{ "disk_size", 1, INT64_MAX },
	{ "stop_signal", 1, 64 },
	{ "stop_timeout_ms", -1, INT64_MAX },
	{ "boot_timeout_ms", 1, INT64_MAX },
	{ "restart_max", 0, INT64_MAX },
};

static int backup_import_check_ranges(const struct instance *record, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(backup_import_ranges); i++) {
		const struct backup_import_range *range = &backup_import_ranges[i];
		const struct record_field *field = instance_table.fields;
		int64_t value;

		while (strcmp(field->key, range->key) != 0)
			field++;
		memcpy(&value, (const char *)record + field->offset, sizeof(value));
		if (value < range->min || value > range->max)
			return err_set(err, -EBADMSG, "its record has a %s of %jd", range->key,
				       (intmax_t)value);
	}
	return 0;
}

static int backup_import_check_network(const struct instance *record, struct err *err)
{
	_cleanup_strv_ char **ports = NULL;
	int r = nic_check_all(record->networks, err);

	if (r == 0 && record->kind == INSTANCE_VM && nic_is_shared(record->networks))
		r = err_set(err, -EBADMSG, "its record has a VM on the network of others");
	if (r == 0)
		r = publish_parse_all(record->ports, &ports, err);
	return r < 0 ? r
		     : lookup_check_all(record->dns, record->dns_search, record->extra_hosts, err);
}

/* Names become paths. */
static int backup_import_check_names(const struct instance *record, struct err *err)
{
	_cleanup_share_list_ struct share_list shares = { 0 };
	_cleanup_free_ char *image = NULL;
	char hex[DIGEST_HEX_SIZE];
	int r = name_check("instance", record->name, err);

	if (r == 0)
		r = store_reference(record->image, &image, err);
	if (r == 0)
		r = digest_parse(record->image_digest, hex, err);
	if (r == 0 && record->kernel)
		r = name_check("kernel", record->kernel, err);
	if (r == 0)
		r = share_list_parse(record->volumes, &shares, err);
	if (r == 0)
		r = drive_check_all(record->drives, err);
	if (r == 0)
		r = backup_import_check_network(record, err);
	strv_for_each(layer, record->layers) {
		if (r == 0 && !digest_is_hex(*layer))
			r = err_set(err, -EBADMSG, "its record has a layer that is no digest");
	}
	if (r == 0 && (!record->layers || !record->argv || !record->argv[0]))
		r = err_set(err, -EBADMSG, "its record has no %s",
			    record->layers ? "command" : "image");
	return r;
}

static int backup_import_check_image(const struct backup_import *import,
				     const struct instance *record, struct err *err)
{
	strv_for_each(layer, record->layers) {
		if (!store_has_layer(import->home->root, *layer))
			return err_set(err, -ENOENT,
				       "it is of the image %s (%s), which is not in the store: "
				       "bring exactly that one in first, with 'brig pull' or 'brig "
				       "image import'",
				       record->image, record->image_digest);
	}
	return 0;
}

static int backup_import_check_record(const struct backup_import *import,
				      const struct instance *record, struct err *err)
{
	int r = backup_import_check_names(record, err);

	if (r == 0)
		r = backup_import_check_ranges(record, err);
	return r < 0 ? r : backup_import_check_image(import, record, err);
}

static int backup_import_check_owners(const struct backup_import *import, struct err *err)
{
	static const char *const whose[] = {
		[DATA_OWNERS_INSIDE] = "one of root's, on a file system with idmapped mounts",
		[DATA_OWNERS_SHIFTED] = "one of root's, on a file system without idmapped mounts",
		[DATA_OWNERS_USER] = "one of a user without privilege",
	};
	_cleanup_free_ char *path = mem_printf("%s/instances", import->home->root);
	struct err why = ERR_INIT;
	int owners = data_owners(path, &why);

	if (owners < 0) {
		*err = why;
		return owners;
	}
	if (import->head.kind == INSTANCE_VM || owners == import->head.owners)
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "the container was %s, and its files have other owners and marks here, as "
		       "%s",
		       whose[import->head.owners], whose[owners]);
}

/* --- reading --- */

struct backup_import_reading {
	int in, out;
};

static int backup_import_task(void *ctx, int report_fd _unused_, void *result _unused_,
			      struct err *err)
{
	const struct backup_import_reading *reading = ctx;

	/* who does not listen any more has a reason of his own */
	(void)signal(SIGPIPE, SIG_IGN);
	return parcel_read(reading->in, reading->out, err);
}

static int backup_import_start(struct backup_import *import, struct confine_child *child,
			       struct err *err)
{
	_cleanup_close_ int jail = -EBADF, out = -EBADF;
	struct backup_import_reading reading = { .in = import->file };
	struct confine_spec spec = {
		.fn = backup_import_task,
		.ctx = &reading,
		.syscalls = parcel_syscalls,
		.memory_max = BACKUP_IMPORT_MEMORY_MAX,
	};
	int fds[2];

	if (mkdirat(import->dir, BACKUP_IMPORT_JAIL, 0700) == 0)
		jail = openat(import->dir, BACKUP_IMPORT_JAIL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (jail < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot start to read");
	import->in = fds[0];
	out = fds[1];
	reading.out = out;
	spec.root_fd = jail;
	spec.keep_fds[0] = import->file;
	spec.keep_fds[1] = out;
	return confine_start(&spec, child, err);
}

static int backup_import_document(const struct backup_import *import,
				  const struct record_table *table, void *record, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	_cleanup_free_ char *text = NULL;
	int r = parcel_receive_document(import->in, &text, err);

	if (r == 0)
		r = json_parse(text, strlen(text), table->what, &json, err);
	return r < 0 ? r : record_from_json(table, json, record, err);
}

static int backup_import_records(struct backup_import *import, struct err *err)
{
	struct instance *record = import->record;
	_cleanup_free_ char *name = NULL;
	int r = backup_import_document(import, &backup_table, &import->head, err);

	if (r == 0)
		r = backup_import_document(import, &instance_table, record, err);
	if (r == 0)
		r = backup_import_check_record(import, record, err);
	if (r == 0)
		r = backup_import_check_owners(import, err);
	if (r == 0 && import->head.kind != record->kind)
		r = err_set(err, -EBADMSG, "its records say different kinds");
	if (r < 0)
		return r;
	name = mem_strdup(record->name);
	snapshot_make_other(record, name, import->name ? import->name : name);
	return snapshot_check_free(import->home, record->name, err);
}

static void backup_import_on_bytes(void *ctx, int64_t bytes)
{
	const struct backup_import *import = ctx;

	if (import->progress)
		import->progress(import->ctx, "reading the backup", bytes, import->head.bytes);
}

/* As who may make such files. */
static int backup_import_tree(void *ctx, struct err *err)
{
	struct backup_import *import = ctx;
	struct tree_bounds bounds = { .progress = backup_import_on_bytes, .ctx = import };
	char more;
	ssize_t n;
	int r = carry_room(import->dir, &bounds.bytes_max, err);

	if (r == 0)
		r = tree_receive_exact(import->dir, BACKUP_IMPORT_TREE, &bounds, import->in, err);
	if (r < 0)
		return r;
	n = read(import->in, &more, 1);
	return n ? err_set(err, -EBADMSG, "something follows its files") : 0;
}

static int backup_import_receive(struct backup_import *import, struct err *err)
{
	int r = backup_import_records(import, err);

	return r < 0 ? r : data_run(backup_import_tree, import, err);
}

/*
 * The one that failed by itself has the reason: what breaks off here does so since the reader has ended. Who fails here
 * does not wait for the reader, which is killed.
 */
static int backup_import_read(struct backup_import *import, struct err *err)
{
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	struct err received = ERR_INIT;
	int64_t done;
	int r = backup_import_start(import, &child, err), received_r;

	if (r < 0)
		return r;
	received_r = backup_import_receive(import, &received);
	if (received_r < 0 && received_r != -EPIPE) {
		*err = received;
		return received_r;
	}
	r = confine_read(&child, &done, NULL, 0, err);
	if (r == 0 && received_r < 0) {
		*err = received;
		return received_r;
	}
	return r;
}

/* --- putting in place --- */

static int backup_import_odd(struct err *err)
{
	return err_set(err, -EBADMSG, "it has files that no instance has");
}

static int backup_import_is(int dir, const char *name, mode_t type)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == type &&
	       (type == S_IFDIR || st.st_nlink == 1);
}

/* A disk is root's alone, whatever came. */
static int backup_import_move(const struct backup_import *import, int from, int to, int kind,
			      const char *name, struct err *err)
{
	int what = data_is_name(import->home, kind, name);

	if (!what || !backup_import_is(from, name, what == 1 ? S_IFREG : S_IFDIR))
		return backup_import_odd(err);
	if (what == 1 && (fchownat(from, name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0 ||
			  fchmodat(from, name, 0600, 0) < 0))
		return err_errno(err, -errno, "cannot take its disk");
	return renameat(from, name, to, name) < 0 ? err_errno(err, -errno, "cannot take its files")
						  : 0;
}

static int backup_import_open(int dir, const char *name, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_errno(err, -errno, "cannot open what came") : fd;
}

/* Each entry of a folder that is moved away from meanwhile: the names are taken first. */
static int backup_import_list(int dir, char ***ret, struct err *err)
{
	_cleanup_close_ int copy = backup_import_open(dir, ".", err);
	_cleanup_closedir_ DIR *opened = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!opened)
		return err_is_set(err) ? err->code : err_errno(err, -errno, "cannot read a folder");
	(void)take_fd(&copy);
	while ((entry = readdir(opened))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(ret, entry->d_name);
	}
	return 0;
}

/* The two records of a snapshot, read from what came and written as we write them. */
static int backup_import_snapshot_records(const struct backup_import *import, int from, int to,
					  struct instance *record, struct err *err)
{
	struct snapshot snapshot = { 0 };
	int r;

	if (!backup_import_is(from, SNAPSHOT_RECORD, S_IFREG) ||
	    !backup_import_is(from, PATHS_RECORD, S_IFREG))
		return backup_import_odd(err);
	r = record_load(&snapshot_table, from, SNAPSHOT_RECORD, &snapshot, err);
	if (r == 0)
		r = record_load(&instance_table, from, PATHS_RECORD, record, err);
	/* a snapshot may be older than the instance's name, which is not its own */
	if (r == 0)
		r = backup_import_check_record(import, record, err);
	if (r == 0)
		r = record_save(&snapshot_table, &snapshot, to, SNAPSHOT_RECORD, 0, err);
	return r < 0 ? r : record_save(&instance_table, record, to, PATHS_RECORD, 0, err);
}

static int backup_import_snapshot(const struct backup_import *import, int from_all, int to_all,
				  const char *name, struct err *err)
{
	_cleanup_close_ int from = backup_import_open(from_all, name, err), to = -EBADF;
	_cleanup_instance_ struct instance record;
	_cleanup_strv_ char **names = NULL;
	int r = from < 0 ? from : name_check("snapshot", name, err);

	instance_init(&record);
	if (r == 0 && mkdirat(to_all, name, 0700) < 0)
		r = err_errno(err, -errno, "cannot make a snapshot");
	if (r == 0)
		r = to = backup_import_open(to_all, name, err);
	if (r >= 0)
		r = backup_import_snapshot_records(import, from, to, &record, err);
	if (r == 0)
		r = backup_import_list(from, &names, err);
	strv_for_each(entry, names) {
		if (r == 0 && strcmp(*entry, SNAPSHOT_RECORD) != 0 &&
		    strcmp(*entry, PATHS_RECORD) != 0)
			r = backup_import_move(import, from, to, record.kind, *entry, err);
	}
	return r;
}

static int backup_import_snapshots(const struct backup_import *import, int tree, struct err *err)
{
	_cleanup_close_ int from = backup_import_open(tree, SNAPSHOT_FOLDER, err), to = -EBADF;
	_cleanup_strv_ char **names = NULL;
	int r = from;

	if (r >= 0 && mkdirat(import->dir, SNAPSHOT_FOLDER, 0700) < 0)
		r = err_errno(err, -errno, "cannot make the folder for snapshots");
	if (r >= 0)
		r = to = backup_import_open(import->dir, SNAPSHOT_FOLDER, err);
	if (r >= 0)
		r = backup_import_list(from, &names, err);
	strv_for_each(name, names) {
		if (r == 0)
			r = backup_import_snapshot(import, from, to, *name, err);
	}
	return r < 0 ? r : 0;
}

static int backup_import_arrange(void *ctx, struct err *err)
{
	const struct backup_import *import = ctx;
	_cleanup_close_ int tree = backup_import_open(import->dir, BACKUP_IMPORT_TREE, err);
	_cleanup_strv_ char **names = NULL;
	int r = tree < 0 ? tree : backup_import_list(tree, &names, err);

	strv_for_each(name, names) {
		if (r == 0)
			r = strcmp(*name, SNAPSHOT_FOLDER) != 0
				    ? backup_import_move(import, tree, import->dir,
							 import->record->kind, *name, err)
				    : backup_import_snapshots(import, tree, err);
	}
	return r;
}

static int backup_import_tidy(const struct backup_import *import, struct err *err)
{
	int r = userns_remove_tree(import->dir, BACKUP_IMPORT_TREE);

	if (r == 0)
		r = userns_remove_tree(import->dir, BACKUP_IMPORT_JAIL);
	return r < 0 ? err_errno(err, r, "cannot tidy up") : 0;
}

static int backup_import_fill(int dir, void *ctx, struct err *err)
{
	struct backup_import *import = ctx;
	int r;

	import->dir = dir;
	r = backup_import_read(import, err);
	/* not while it is read: who sends it may take his time, and layers may have gone meanwhile */
	if (r == 0)
		r = import->store = store_lock(import->home->root, 0, err);
	if (r >= 0)
		r = backup_import_check_image(import, import->record, err);
	if (r == 0)
		r = data_run(backup_import_arrange, import, err);
	if (r == 0)
		r = backup_import_tidy(import, err);
	return r < 0 ? r
		     : snapshot_make_volumes(import->home, import->record, &import->volumes, err);
}

/* --- what the user has to know --- */

static void backup_import_tell_shares(const struct instance *record, struct backup_imported *ret)
{
	_cleanup_share_list_ struct share_list shares = { 0 };
	struct err ignored = ERR_INIT;

	if (share_list_parse(record->volumes, &shares, &ignored) < 0)
		return;
	for (size_t i = 0; i < shares.n; i++) {
		const struct share *share = &shares.items[i];

		if (share->is_volume)
			strv_add(&ret->volumes, share->source);
		else
			strv_add_printf(&ret->rights, "-v %s:%s", share->source, share->target);
	}
}

static void backup_import_tell_drives(const struct instance *record, struct backup_imported *ret)
{
	strv_for_each(text, record->drives) {
		_cleanup_drive_ struct drive drive = { 0 };
		struct err ignored = ERR_INIT;

		if (drive_parse(*text, 0, &drive, &ignored) == 0 && drive.is_volume)
			strv_add(&ret->volumes, drive.source);
		else
			strv_add_printf(&ret->rights, "--disk %s", *text);
	}
}

static void backup_import_tell(const struct instance *record, struct backup_imported *ret)
{
	ret->name = mem_strdup(record->name);
	if (record->privileged)
		strv_add(&ret->rights, "--privileged");
	strv_for_each(cap, record->cap_add)
		strv_add_printf(&ret->rights, "--cap-add %s", *cap);
	strv_for_each(device, record->devices)
		strv_add_printf(&ret->rights, "--device %s", *device);
	backup_import_tell_drives(record, ret);
	strv_for_each(network, record->networks) {
		if (nic_is_shared(record->networks) || !strncmp(*network, "bridge=", 7))
			strv_add_printf(&ret->rights, "--network %s", *network);
	}
	strv_for_each(port, record->ports)
		strv_add_printf(&ret->rights, "--publish %s", *port);
	backup_import_tell_shares(record, ret);
}

int backup_import(const struct instance_home *home, const char *name, int fd, progress_fn progress,
		  void *ctx, struct backup_imported *ret, struct err *err)
{
	_cleanup_instance_ struct instance record;
	struct backup_import import = { .home = home,
					.name = name,
					.file = fd,
					.progress = geteuid() ? NULL : progress,
					.ctx = ctx,
					.record = &record,
					.dir = -EBADF,
					.in = -EBADF,
					.store = -EBADF,
					.volumes = -EBADF };
	int r = name ? name_check("instance", name, err) : 0;

	instance_init(&record);
	if (r == 0)
		r = instance_create_filled(home, &record, backup_import_fill, &import, err);
	if (r == 0)
		backup_import_tell(&record, ret);
	fd_close(import.in);
	fd_close(import.volumes);
	fd_close(import.store);
	backup_release(&import.head);
	return r < 0 ? err_wrap(err, "cannot import the backup") : 0;
}
