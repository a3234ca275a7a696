// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: under the instance's lock, its folder, a snapshot's, or (it runs) that of a clone is sent as one exact tree
 * through the checksum and the compressor to the file. Nothing is written to the disk but the clone, which the next verb
 * that looks at the instance's snapshots removes if we are killed.
 */
#include "instance/backup.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/backup-internal.h"
#include "instance/backup_since.h"
#include "instance/data.h"
#include "instance/paths.h"
#include "instance/snapshot-internal.h"
#include "proto/tree.h"
#include "sys/diskuse.h"

#include <fcntl.h>
#include <string.h>

#define BACKUP_VERSION 2

static const struct record_field backup_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct backup, name),
	{ .key = "kind",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct backup, kind),
	  .names = instance_kind_names },
	RECORD_FIELD(RECORD_INT, struct backup, created),
	RECORD_FIELD(RECORD_BOOL, struct backup, running),
	{ .key = "owners",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct backup, owners),
	  .names = data_owners_names },
	RECORD_FIELD(RECORD_STRING, struct backup, snapshot),
	RECORD_FIELD(RECORD_INT, struct backup, snapshots),
	RECORD_FIELD(RECORD_STRING, struct backup, image),
	RECORD_FIELD(RECORD_STRING, struct backup, image_digest),
	RECORD_FIELD(RECORD_STRING, struct backup, since),
	RECORD_FIELD(RECORD_INT, struct backup, since_created),
	RECORD_FIELD(RECORD_INT, struct backup, bytes),
	RECORD_END,
};

const struct record_table backup_table = {
	.what = "backup record",
	.version = BACKUP_VERSION,
	.fields = backup_fields,
};

struct backup_export {
	const struct instance_home *home;
	const struct backup_options *options;
	struct snapshot_place place;
	struct instance record;
	struct backup head;
	int from, held; /* the folder of the data, and whether it is a clone of ours */
	char **snapshots;
	int fd;
	int64_t done;
	struct parcel *parcel;
	struct backup_since since;
};

static void backup_export_release(struct backup_export *export)
{
	fd_close(export->from);
	if (export->held)
		snapshot_drop_held(&export->place);
	strv_free(export->snapshots);
	instance_release(&export->record);
	backup_release(&export->head);
	backup_since_release(&export->since);
	snapshot_place_release(&export->place);
}

static int backup_open_current(struct backup_export *export, const char *name, struct err *err)
{
	struct snapshot_place *place = &export->place;
	int r = snapshot_check_state(place, err);

	if (r == 0)
		r = instance_load(export->home, name, &export->record, err);
	if (r < 0)
		return r;
	export->head.running = place->view.alive;
	if (place->view.alive) {
		r = snapshot_hold(place, &export->from, err);
		export->held = r == 0;
		return r;
	}
	export->from = fcntl(place->lock, F_DUPFD_CLOEXEC, 0);
	return export->from < 0 ? err_errno(err, -errno, "cannot open the instance's folder") : 0;
}

static int backup_note_snapshot(const struct snapshot *snapshot, void *ctx)
{
	struct backup_export *export = ctx;

	strv_add(&export->snapshots, snapshot->name);
	export->head.snapshots++;
	return 0;
}

/* About what the files take, for whoever watches. */
static int64_t backup_measure(const struct backup_export *export)
{
	_cleanup_diskuse_ struct diskuse use = { 0 };
	_cleanup_free_ char *state = paths_state(export->home, export->head.name);
	_cleanup_free_ char *at =
		export->held ? mem_printf("%s/" SNAPSHOT_FOLDER "/" SNAPSHOT_MAKING, state)
		: export->options->snapshot
			? mem_printf("%s/" SNAPSHOT_FOLDER "/%s", state, export->options->snapshot)
			: mem_strdup(state);

	for (const struct driver_ops *const *driver = export->home->drivers; *driver; driver++) {
		for (const char *const *name = (*driver)->data; name && *name; name++) {
			_cleanup_free_ char *path = mem_printf("%s/%s", at, *name);

			if ((*driver)->kind == export->record.kind)
				diskuse_add(&use, path);
		}
	}
	strv_for_each(name, export->snapshots) {
		_cleanup_free_ char *path = mem_printf("%s/" SNAPSHOT_FOLDER "/%s", state, *name);

		diskuse_add(&use, path);
	}
	return use.bytes;
}

/* An increment on something else would bring everything. */
static int backup_note_since(struct backup_export *export, struct err *err)
{
	const struct backup_since *since = &export->since;
	struct backup *head = &export->head;

	if (since->head.kind != head->kind || !since->head.image_digest ||
	    strcmp(since->head.image_digest, head->image_digest) != 0)
		return err_set(err, -EINVAL,
			       "%s is a backup of another kind or image than '%.64s': make a whole "
			       "one, without --since",
			       export->options->since->path, head->name);
	mem_replace(&head->since, since->checksum);
	head->since_created = since->head.created;
	return 0;
}

static int backup_is_known(void *ctx, const char *path, uint64_t offset, const void *data,
			   size_t len, uint8_t ret[TREE_SINCE_DIGEST_SIZE])
{
	const struct backup_export *export = ctx;

	backup_since_digest(path, offset, data, len, ret);
	return backup_since_has(&export->since, ret);
}

static int backup_fill_head(struct backup_export *export, const char *name, struct err *err)
{
	_cleanup_free_ char *state = paths_state(export->home, name);
	struct backup *head = &export->head;
	struct err why = ERR_INIT;
	int owners = data_owners(state, &why), r = 0;

	if (owners < 0) {
		*err = why;
		return owners;
	}
	if (export->options->snapshots)
		r = snapshot_each(export->home, name, backup_note_snapshot, export, err);
	mem_replace(&export->record.name, name);
	mem_replace(&head->name, name);
	head->kind = export->record.kind;
	head->created = units_now();
	head->owners = owners;
	mem_replace(&head->snapshot, export->options->snapshot);
	mem_replace(&head->image, export->record.image);
	mem_replace(&head->image_digest, export->record.image_digest);
	if (r == 0 && export->options->since)
		r = backup_note_since(export, err);
	head->bytes = export->options->progress ? backup_measure(export) : 0;
	return r;
}

static int backup_write_tree(void *ctx, const void *data, size_t len, struct err *err)
{
	struct backup_export *export = ctx;
	const struct backup_options *options = export->options;

	export->done += (int64_t)len;
	if (options->progress)
		options->progress(options->ctx, "writing the backup", export->done,
				  export->head.bytes);
	return parcel_tree(export->parcel, data, len, err);
}

/* Engines of one kind share their data, and so name the same: of each, what the first one names. */
static int backup_add_data(const struct backup_export *export, struct tree_sender *sender,
			   int folder, int kind)
{
	const struct driver_ops *driver = instance_driver(export->home, kind, NULL);
	int r = 0;

	for (const char *const *name = driver ? driver->data : NULL; name && *name && r == 0;
	     name++) {
		if (faccessat(folder, *name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			r = tree_send_add(sender, folder, *name);
	}
	return r;
}

static int backup_add_snapshot(const struct backup_export *export, struct tree_sender *sender,
			       const char *name, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_close_ int folder = -EBADF;
	int r = snapshot_load(&export->place, name, &folder, &record, err);

	if (r == 0)
		r = tree_send_enter(sender, name);
	if (r == 0)
		r = tree_send_add(sender, folder, SNAPSHOT_RECORD);
	if (r == 0)
		r = tree_send_add(sender, folder, PATHS_RECORD);
	if (r == 0)
		r = backup_add_data(export, sender, folder, record.kind);
	return r < 0 ? r : tree_send_leave(sender);
}

static int backup_add_snapshots(const struct backup_export *export, struct tree_sender *sender,
				struct err *err)
{
	int r;

	if (!export->snapshots)
		return 0;
	r = tree_send_enter(sender, SNAPSHOT_FOLDER);
	strv_for_each(name, export->snapshots) {
		if (r == 0)
			r = backup_add_snapshot(export, sender, *name, err);
	}
	return r < 0 ? r : tree_send_leave(sender);
}

static int backup_add_tree(struct backup_export *export, struct err *err)
{
	const struct tree_sink sink = { .write = backup_write_tree,
					.known = export->options->since ? backup_is_known : NULL,
					.ctx = export };
	_cleanup_tree_sender_ struct tree_sender *sender = tree_send_open(&sink, err);
	int r = tree_send_enter(sender, export->head.name);

	if (r == 0)
		r = backup_add_data(export, sender, export->from, export->record.kind);
	if (r == 0)
		r = backup_add_snapshots(export, sender, err);
	if (r == 0)
		r = tree_send_leave(sender);
	return r < 0 ? r : tree_send_end(sender);
}

static int backup_add_document(struct backup_export *export, const struct record_table *table,
			       const void *record, struct err *err)
{
	_cleanup_json_ struct json *json = record_to_json(table, record);
	_cleanup_free_ char *text = json_text(json, 0);

	return parcel_document(export->parcel, text, err);
}

/* All that is written, as who may read the files. */
static int backup_write(void *ctx, struct err *err)
{
	struct backup_export *export = ctx;
	_cleanup_parcel_ struct parcel *parcel =
		parcel_new(export->fd, export->options->compression, err);
	int r;

	if (!parcel)
		return err->code;
	export->parcel = parcel;
	r = backup_add_document(export, &backup_table, &export->head, err);
	if (r == 0)
		r = backup_add_document(export, &instance_table, &export->record, err);
	if (r == 0)
		r = backup_add_tree(export, err);
	return r < 0 ? r : parcel_end(parcel, err);
}

int backup_export(const struct instance_home *home, const char *name,
		  const struct backup_options *options, int fd, struct err *err)
{
	_cleanup_(backup_export_release) struct backup_export export = {
		.home = home, .options = options, .from = -EBADF, .fd = fd
	};
	int r = 0;

	instance_init(&export.record);
	/* which takes its time, and needs nothing of the instance */
	if (options->since)
		r = backup_since_read(&export.since, home, options->since, err);
	if (r == 0)
		r = snapshot_open(home, name, &export.place, err);
	if (r == 0)
		r = options->snapshot ? snapshot_load(&export.place, options->snapshot,
						      &export.from, &export.record, err)
				      : backup_open_current(&export, name, err);
	if (r == 0)
		r = backup_fill_head(&export, name, err);
	if (r == 0)
		r = data_run(backup_write, &export, err);
	return r < 0 ? err_wrap(err, "cannot export '%.64s'", name) : 0;
}
