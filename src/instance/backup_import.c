// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works, all of it in the folder of an instance that is being made, which nobody sees (instance_create_filled()):
 *   1. A confined process reads the file and passes on what is in it, which we trust no more than the file.
 *   2. Both records are checked, and that the store has the image, before any file comes.
 *      Of an increment, what it builds on is received so now, to its own folder, and has to have the checksum that the
 *      increment names; blocks that the increment does not bring are taken from there, by their digests.
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
#include "base/units.h"
#include "image/carry.h"
#include "image/store.h"
#include "instance/backup-internal.h"
#include "instance/backup_reader.h"
#include "instance/backup_since.h"
#include "instance/data.h"
#include "instance/limits.h"
#include "instance/paths.h"
#include "instance/snapshot-internal.h"
#include "instance/volume.h"
#include "net/publish.h"
#include "proto/drive.h"
#include "proto/nic.h"
#include "proto/lookup.h"
#include "proto/share.h"
#include "proto/tree.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BACKUP_IMPORT_TREE ".backup"
#define BACKUP_IMPORT_JAIL ".jail"

struct backup_import {
	const struct instance_home *home;
	const char *name; /* that the instance is to have; NULL: the old one */
	int file;
	const struct backup_bases *bases;
	progress_fn progress;
	void *ctx;
	struct instance *record;
	struct backup head;
	int dir;	    /* the new instance's folder */
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

static int backup_import_check_limits(const struct instance *record, struct err *err)
{
	struct err why = ERR_INIT;

	return limits_validate(record, &why) < 0
		       ? err_set(err, -EBADMSG, "its record has a limit that cannot be: %s",
				 why.msg)
		       : 0;
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
		r = backup_import_check_limits(record, err);
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

static int backup_import_records(struct backup_import *import, int in, struct err *err)
{
	struct instance *record = import->record;
	_cleanup_free_ char *name = NULL;
	int r = backup_reader_document(in, &backup_table, &import->head, err);

	if (r == 0)
		r = backup_reader_document(in, &instance_table, record, err);
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

struct backup_import_layer {
	struct backup_import *import;
	size_t level; /* 0: the backup itself; the next one is what it builds on */
	const struct backup *head;
	int in;
	char tree[32], base_tree[32];
	int is_increment;
};

static void backup_import_name_tree(size_t level, char name[32])
{
	(void)(level ? snprintf(name, 32, BACKUP_IMPORT_TREE "-%zu", level)
		     : snprintf(name, 32, BACKUP_IMPORT_TREE));
}

/* As who may make such files. */
static int backup_import_tree(void *ctx, struct err *err)
{
	struct backup_import_layer *layer = ctx;
	struct backup_import *import = layer->import;
	const struct tree_since since = { .dirfd = import->dir,
					  .name = layer->base_tree,
					  .digest = backup_since_digest };
	struct tree_bounds bounds = { .since = layer->is_increment ? &since : NULL,
				      .progress = backup_import_on_bytes,
				      .ctx = import };
	char more;
	ssize_t n;
	int r = carry_room(import->dir, &bounds.bytes_max, err);

	if (r == 0)
		r = tree_receive_exact(import->dir, layer->tree, &bounds, layer->in, err);
	if (r < 0)
		return r;
	n = read(layer->in, &more, 1);
	return n ? err_set(err, -EBADMSG, "something follows its files") : 0;
}

static int backup_import_read(struct backup_import *import, size_t level,
			      char checksum[DIGEST_HEX_SIZE], struct err *err);

/* Which one is meant; numbers and digits alone, for a stranger has written it. */
static int backup_import_need(const struct backup *head, int code, const char *what,
			      struct err *err)
{
	char when[UNITS_TEXT_MAX];

	return err_set(err, code,
		       "%s: it builds on the backup made at %s with the checksum %.12s; give what "
		       "it builds on with --since, the whole one first",
		       what, units_format_time(head->since_created, when), head->since);
}

/* What the increment builds on comes to a folder of its own, and has to be that. */
static int backup_import_base(struct backup_import_layer *layer, struct err *err)
{
	struct backup_import *import = layer->import;
	const struct backup_bases *bases = import->bases;
	const char *since = layer->head->since, *path;
	char checksum[DIGEST_HEX_SIZE];
	int r;

	if (!since && layer->level < bases->n)
		return err_set(err, -EINVAL,
			       "%s is whole, and builds on none: leave out '--since %s'",
			       layer->level ? "this one" : "the backup", bases->files[0].path);
	if (!since)
		return 0;
	if (!digest_is_hex(since))
		return err_set(err, -EBADMSG, "its head names no backup that it builds on");
	if (layer->level == bases->n)
		return backup_import_need(
			layer->head, -ENOENT,
			layer->level ? bases->files[0].path : "the backup is an increment", err);
	path = bases->files[bases->n - 1 - layer->level].path;
	backup_import_name_tree(layer->level + 1, layer->base_tree);
	r = backup_import_read(import, layer->level + 1, checksum, err);
	if (r < 0)
		return err_wrap(err, "%s", path);
	if (strcmp(checksum, since) != 0) {
		_cleanup_free_ char *what = mem_printf("%s is another backup", path);

		return backup_import_need(layer->head, -ESTALE, what, err);
	}
	layer->is_increment = 1;
	return 0;
}

static int backup_import_receive(struct backup_import *import, size_t level, int in,
				 struct err *err)
{
	struct backup_import_layer layer = { .import = import, .level = level, .in = in };
	_cleanup_backup_ struct backup base = { NULL };
	int r;

	layer.head = level ? &base : &import->head;
	backup_import_name_tree(level, layer.tree);
	r = level ? backup_reader_head(in, &base, err) : backup_import_records(import, in, err);
	if (r == 0)
		r = backup_import_base(&layer, err);
	/* to the reader of this one it would mean that this one was cut */
	if (r == -EPIPE && layer.head->since)
		r = err->code = -EBADMSG;
	if (r == 0)
		r = data_run(backup_import_tree, &layer, err);
	if (r == 0 && layer.is_increment && userns_remove_tree(import->dir, layer.base_tree) < 0)
		r = err_set(err, -EIO, "cannot remove what was read of %s",
			    import->bases->files[import->bases->n - 1 - level].path);
	return r;
}

static int backup_import_read(struct backup_import *import, size_t level,
			      char checksum[DIGEST_HEX_SIZE], struct err *err)
{
	const struct backup_bases *bases = import->bases;
	_cleanup_free_ char *jail = mem_printf(BACKUP_IMPORT_JAIL "/%zu", level);
	_cleanup_(backup_reader_release) struct backup_reader reader = BACKUP_READER_INIT;
	struct err received = ERR_INIT;
	int r;

	if (mkdirat(import->dir, BACKUP_IMPORT_JAIL, 0700) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot start to read");
	r = backup_reader_start(&reader, level ? bases->files[bases->n - level].fd : import->file,
				import->dir, jail, err);
	if (r < 0)
		return r;
	r = backup_import_receive(import, level, reader.in, &received);
	return backup_reader_end(&reader, r, &received, checksum, err);
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
	char checksum[DIGEST_HEX_SIZE];
	int r;

	import->dir = dir;
	r = backup_import_read(import, 0, checksum, err);
	/* not while it is read: who sends it may take his time, and layers may have gone meanwhile */
	if (r == 0)
		r = import->store = store_lock(import->home->root, 0, err);
	if (r >= 0)
		r = backup_import_check_image(import, import->record, err);
	if (r == 0)
		r = data_run(backup_import_arrange, import, err);
	if (r == 0)
		r = backup_import_tidy(import, err);
	return r < 0 ? r : volume_hold_all(import->home, import->record, &import->volumes, err);
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

int backup_import(const struct instance_home *home, const char *name, int fd,
		  const struct backup_bases *bases, progress_fn progress, void *ctx,
		  struct backup_imported *ret, struct err *err)
{
	_cleanup_instance_ struct instance record;
	struct backup_import import = { .home = home,
					.name = name,
					.file = fd,
					.bases = bases,
					.progress = geteuid() ? NULL : progress,
					.ctx = ctx,
					.record = &record,
					.dir = -EBADF,
					.store = -EBADF,
					.volumes = -EBADF };
	int r = name ? name_check("instance", name, err) : 0;

	instance_init(&record);
	if (r == 0)
		r = instance_create_filled(home, &record, backup_import_fill, &import, err);
	if (r == 0)
		backup_import_tell(&record, ret);
	fd_close(import.volumes);
	fd_close(import.store);
	backup_release(&import.head);
	return r < 0 ? err_wrap(err, "cannot import the backup") : 0;
}
