// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/snapshot.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/units.h"
#include "base/word.h"
#include "instance/clean.h"
#include "instance/data.h"
#include "instance/paths.h"
#include "instance/rollback.h"
#include "instance/snapshot-internal.h"
#include "instance/volume.h"
#include "proto/nic.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_PREFIX	 "snap"

static const struct record_field snapshot_fields[] = {
	RECORD_FIELD(RECORD_INT, struct snapshot, created),
	{ .key = "kind",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct snapshot, kind),
	  .names = instance_kind_names },
	RECORD_FIELD(RECORD_BOOL, struct snapshot, running),
	RECORD_FIELD(RECORD_BOOL, struct snapshot, scheduled),
	RECORD_END,
};

const struct record_table snapshot_table = {
	.what = "snapshot record",
	.version = SNAPSHOT_VERSION,
	.fields = snapshot_fields,
};

void snapshot_place_release(struct snapshot_place *place)
{
	instance_view_release(&place->view);
	fd_close(place->folder);
	fd_close(place->lock);
}

static int snapshot_open_folder(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int snapshot_open(const struct instance_home *home, const char *name, struct snapshot_place *place,
		  struct err *err)
{
	int r;

	*place = (struct snapshot_place){ .home = home, .lock = -EBADF, .folder = -EBADF };
	r = instance_lock(home, name, &place->lock, err);
	if (r == 0)
		r = clean_view(home, name, &place->view, err);
	if (r < 0)
		return r;
	place->folder = snapshot_open_folder(place->lock, SNAPSHOT_FOLDER);
	if (place->folder >= 0) {
		(void)userns_remove_tree(place->folder, SNAPSHOT_MAKING);
		(void)userns_remove_tree(place->folder, SNAPSHOT_REMOVED);
	}
	return 0;
}

/* Whether its data can be cloned as they are now. */
int snapshot_check_state(const struct snapshot_place *place, struct err *err)
{
	const char *name = place->view.record.name;
	int state = place->view.state;

	if (state == INSTANCE_CHECKPOINTED)
		return err_set(err, -EBUSY,
			       "'%s' is checkpointed; 'brig restore %s' or 'brig start %s' first",
			       name, name, name);
	if (!place->view.alive)
		return 0;
	if (state != INSTANCE_RUNNING && state != INSTANCE_PAUSED)
		return err_set(err, -EBUSY,
			       "'%s' is about to start again; stop it, or wait until it runs",
			       name);
	return 0;
}

static int snapshot_check_stopped(const struct snapshot_place *place, struct err *err)
{
	const char *name = place->view.record.name;

	if (place->view.alive)
		return err_set(err, -EBUSY, "'%s' is running; stop it first", name);
	return snapshot_check_state(place, err);
}

/* The file system in its disk is at rest meanwhile, while its processes run. */
static int snapshot_clone_frozen(const struct snapshot_place *place, int to, struct err *err)
{
	const char *name = place->view.record.name;
	_cleanup_close_ int freeze = -EBADF;
	int r = instance_freeze(place->home, name, &freeze, err);

	if (r == 0)
		r = data_clone(place->home, place->lock, to, err);
	return r < 0 ? r : instance_thaw(freeze, name, err);
}

/*
 * The instance's own data; a running one is held for as long, and not for as long as the disk takes to write them. A
 * paused VM's disk is as a power cut would leave it.
 */
static int snapshot_clone_current(const struct snapshot_place *place, int to, struct err *err)
{
	_cleanup_close_ int hold = -EBADF;
	int r = 0;

	if (place->view.record.kind == INSTANCE_VM && place->view.state == INSTANCE_RUNNING)
		return snapshot_clone_frozen(place, to, err);
	if (place->view.alive)
		r = instance_hold(place->home, place->view.record.name, &hold, err);
	if (r < 0)
		return err_wrap(err,
				"it cannot be held while its files are cloned (stop it for that)");
	return data_clone(place->home, place->lock, to, err);
}

static int snapshot_make_folder(struct snapshot_place *place, struct err *err)
{
	if (place->folder >= 0)
		return 0;
	if (mkdirat(place->lock, SNAPSHOT_FOLDER, 0700) == 0 && fsync(place->lock) == 0)
		place->folder = snapshot_open_folder(place->lock, SNAPSHOT_FOLDER);
	return place->folder < 0 ? err_errno(err, -errno, "cannot make the folder for snapshots")
				 : 0;
}

void snapshot_drop_held(const struct snapshot_place *place)
{
	(void)userns_remove_tree(place->folder, SNAPSHOT_MAKING);
}

int snapshot_hold(struct snapshot_place *place, int *ret_fd, struct err *err)
{
	_cleanup_close_ int making = -EBADF;
	int r = snapshot_make_folder(place, err);

	if (r < 0)
		return r;
	if (mkdirat(place->folder, SNAPSHOT_MAKING, 0700) == 0)
		making = snapshot_open_folder(place->folder, SNAPSHOT_MAKING);
	r = making < 0 ? err_errno(err, -errno, "cannot make a clone")
		       : snapshot_clone_current(place, making, err);
	if (r == 0)
		*ret_fd = take_fd(&making);
	else
		snapshot_drop_held(place);
	return r;
}

static int snapshot_write(const struct snapshot_place *place, int making, struct err *err)
{
	const struct snapshot record = { .created = units_now(),
					 .kind = place->view.record.kind,
					 .running = place->view.alive,
					 .scheduled = place->scheduled };
	int r = snapshot_clone_current(place, making, err);

	if (r == 0)
		r = record_save(&instance_table, &place->view.record, making, PATHS_RECORD, 0, err);
	if (r == 0)
		r = record_save(&snapshot_table, &record, making, SNAPSHOT_RECORD, 0, err);
	if (r == 0 && syncfs(making) < 0)
		r = err_errno(err, -errno, "cannot write the snapshot");
	return r;
}

static int snapshot_publish(const struct snapshot_place *place, const char *snap, struct err *err)
{
	if (renameat2(place->folder, SNAPSHOT_MAKING, place->folder, snap, RENAME_NOREPLACE) < 0)
		return errno == EEXIST
			       ? err_set(err, -EEXIST,
					 "'%s' has a snapshot '%s' already; remove that, or "
					 "choose another name",
					 place->view.record.name, snap)
			       : err_errno(err, -errno, "cannot make the snapshot '%s'", snap);
	/* without it the snapshot is there all the same, though not after a power cut */
	return fsync(place->folder) < 0 ? err_errno(err, -errno, "cannot write the snapshot") : 0;
}

/* One more than the highest there is. */
static char *snapshot_next_name(int folder)
{
	_cleanup_close_ int copy = snapshot_open_folder(folder, ".");
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct err ignored = ERR_INIT;
	struct dirent *entry;
	int64_t next = 0;

	if (dir)
		(void)take_fd(&copy);
	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(SNAPSHOT_PREFIX);
		const char *digits = entry->d_name + len;
		int64_t number;

		if (strncmp(entry->d_name, SNAPSHOT_PREFIX, len) == 0 &&
		    units_parse_int(digits, 0, INT64_MAX - 1, &number, &ignored) == 0 &&
		    number >= next)
			next = number + 1;
	}
	return mem_printf(SNAPSHOT_PREFIX "%jd", (intmax_t)next);
}

/* Before anything is cloned for nothing. */
static int snapshot_check_new(const struct snapshot_place *place, const char *snap, struct err *err)
{
	int r = name_check("snapshot", snap, err);

	if (r == 0 && faccessat(place->folder, snap, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = err_set(err, -EEXIST,
			    "'%s' has a snapshot '%s' already; remove that, or choose another name",
			    place->view.record.name, snap);
	return r;
}

static int snapshot_make(const struct snapshot_place *place, const char *snap, struct err *err)
{
	_cleanup_close_ int making = -EBADF;
	int r;

	if (mkdirat(place->folder, SNAPSHOT_MAKING, 0700) < 0)
		return err_errno(err, -errno, "cannot make the snapshot '%s'", snap);
	making = snapshot_open_folder(place->folder, SNAPSHOT_MAKING);
	r = making < 0 ? err_errno(err, -errno, "cannot open the snapshot '%s'", snap)
		       : snapshot_write(place, making, err);
	if (r == 0)
		r = snapshot_publish(place, snap, err);
	if (r < 0)
		(void)userns_remove_tree(place->folder, SNAPSHOT_MAKING);
	return r;
}

static int snapshot_create_as(const struct instance_home *home, const char *name, const char *snap,
			      int scheduled, char **ret_name, struct err *err)
{
	_cleanup_snapshot_place_ struct snapshot_place place;
	_cleanup_free_ char *given = snap ? mem_strdup(snap) : NULL;
	int r = snapshot_open(home, name, &place, err);

	place.scheduled = scheduled;
	if (r == 0)
		r = snapshot_check_state(&place, err);
	if (r == 0)
		r = snapshot_make_folder(&place, err);
	if (r == 0 && !given)
		given = snapshot_next_name(place.folder);
	if (r == 0)
		r = snapshot_check_new(&place, given, err);
	if (r == 0)
		r = snapshot_make(&place, given, err);
	if (r == 0)
		*ret_name = take_ptr(given);
	return r;
}

int snapshot_create(const struct instance_home *home, const char *name, const char *snap,
		    char **ret_name, struct err *err)
{
	return snapshot_create_as(home, name, snap, 0, ret_name, err);
}

int snapshot_create_scheduled(const struct instance_home *home, const char *name, const char *snap,
			      struct err *err)
{
	_cleanup_free_ char *made = NULL;

	return snapshot_create_as(home, name, snap, 1, &made, err);
}

static void snapshot_release(struct snapshot *snapshot)
{
	free(snapshot->name);
}

struct snapshot_list {
	struct snapshot *rows;
	size_t n;
};

static void snapshot_list_release(struct snapshot_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		snapshot_release(&list->rows[i]);
	free(list->rows);
}

static void snapshot_list_add(struct snapshot_list *list, int folder, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/" SNAPSHOT_RECORD, name);
	struct snapshot row = { .name = mem_strdup(name) };
	struct err problem = ERR_INIT;
	int r = record_load(&snapshot_table, folder, path, &row, &problem);

	if (r < 0) /* or it was removed meanwhile */
		row = (struct snapshot){ .name = row.name, .damaged = 1 };
	if (r < 0 && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		snapshot_release(&row);
		return;
	}
	list->rows = mem_realloc(list->rows, list->n + 1, sizeof(*list->rows));
	list->rows[list->n++] = row;
}

static int snapshot_compare(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	if (x->created != y->created)
		return x->created < y->created ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* All there are; an absent folder is none. */
static int snapshot_list_read(const struct instance_home *home, const char *name,
			      struct snapshot_list *list, struct err *err)
{
	_cleanup_free_ char *state = paths_state(home, name);
	_cleanup_free_ char *path = mem_printf("%s/" SNAPSHOT_FOLDER, state);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot read %s", path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			snapshot_list_add(list, dirfd(dir), entry->d_name);
	}
	if (list->n)
		qsort(list->rows, list->n, sizeof(*list->rows), snapshot_compare);
	return 0;
}

int snapshot_each(const struct instance_home *home, const char *name,
		  int (*each)(const struct snapshot *snapshot, void *ctx), void *ctx,
		  struct err *err)
{
	_cleanup_(snapshot_list_release) struct snapshot_list list = { 0 };
	_cleanup_instance_ struct instance record = { 0 };
	int r = instance_load(home, name, &record, err);

	if (r == 0)
		r = snapshot_list_read(home, name, &list, err);
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = each(&list.rows[i], ctx);
	return r;
}

static int snapshot_unknown(const struct snapshot_place *place, const char *snap, struct err *err)
{
	const char *instance = place->view.record.name, *near = NULL;
	_cleanup_(snapshot_list_release) struct snapshot_list list = { 0 };
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;

	(void)snapshot_list_read(place->home, instance, &list, &ignored);
	for (size_t i = 0; i < list.n; i++)
		strv_add(&names, list.rows[i].name);
	if (names)
		near = word_nearest(snap, (const char *const *)names);
	return err_set(err, -ENOENT,
		       "'%s' has no snapshot '%.64s'%s%s%s; see 'brig snapshot ls %s'", instance,
		       snap, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
		       instance);
}

/* The snapshot's folder, and the record that the instance had. */
int snapshot_load(const struct snapshot_place *place, const char *snap, int *ret_fd,
		  struct instance *ret, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct snapshot record = { 0 };
	int r = name_check("snapshot", snap, err);

	if (r < 0)
		return r;
	fd = place->folder < 0 ? -EBADF : snapshot_open_folder(place->folder, snap);
	if (fd < 0)
		return snapshot_unknown(place, snap, err);
	instance_init(ret);
	/* for its version: a newer brig's snapshot may have what we do not know of */
	r = record_load(&snapshot_table, fd, SNAPSHOT_RECORD, &record, err);
	if (r == 0)
		r = record_load(&instance_table, fd, PATHS_RECORD, ret, err);
	if (r < 0)
		return err_wrap(err, "snapshot '%s' of '%s'", snap, place->view.record.name);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* How it last ended is no part of what it is. */
static void snapshot_take_history(struct instance *record, const struct instance *from)
{
	record->created = from->created;
	record->has_run = from->has_run;
	record->exit_code = from->exit_code;
	record->started = from->started;
	record->finished = from->finished;
	record->restarts = from->restarts;
	record->oom_killed = from->oom_killed;
	record->stopped_by_user = from->stopped_by_user;
	record->checkpointed = from->checkpointed;
	mem_replace(&record->error, from->error);
	mem_replace(&record->oom, from->oom);
}

int snapshot_restore(const struct instance_home *home, const char *name, const char *snap,
		     struct err *err)
{
	_cleanup_snapshot_place_ struct snapshot_place place;
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_close_ int from = -EBADF, volumes = -EBADF;
	int r = snapshot_open(home, name, &place, err);

	if (r == 0)
		r = snapshot_check_stopped(&place, err);
	if (r == 0)
		r = snapshot_load(&place, snap, &from, &record, err);
	if (r < 0)
		return r;
	mem_replace(&record.name, name);
	snapshot_take_history(&record, &place.view.record);
	/* what makes snapshots does not end by the use of one */
	record.snapshots_every_ms = place.view.record.snapshots_every_ms;
	record.snapshots_expiry_ms = place.view.record.snapshots_expiry_ms;
	r = volume_hold_all(home, &record, &volumes, err);
	return r < 0 ? r : rollback_to(home, place.lock, from, &record, err);
}

int snapshot_remove(const struct instance_home *home, const char *name, const char *snap,
		    struct err *err)
{
	_cleanup_snapshot_place_ struct snapshot_place place;
	int r = snapshot_open(home, name, &place, err);

	if (r == 0)
		r = name_check("snapshot", snap, err);
	if (r < 0)
		return r;
	if (place.folder < 0 || renameat(place.folder, snap, place.folder, SNAPSHOT_REMOVED) < 0)
		return place.folder < 0 || errno == ENOENT
			       ? snapshot_unknown(&place, snap, err)
			       : err_errno(err, -errno, "cannot remove the snapshot '%s'", snap);
	r = userns_remove_tree(place.folder, SNAPSHOT_REMOVED);
	return r < 0 ? err_errno(err, r, "cannot remove all of the snapshot '%s'", snap) : 0;
}

struct snapshot_copying {
	const struct snapshot_place *place;
	const struct instance *record;
	int from;    /* a snapshot's folder; -EBADF: the instance's data as they are */
	int volumes; /* their lock, until the record is there */
};

static int snapshot_fill(int dir, void *ctx, struct err *err)
{
	struct snapshot_copying *copying = ctx;
	int r = copying->from >= 0 ? data_clone(copying->place->home, copying->from, dir, err)
				   : snapshot_clone_current(copying->place, dir, err);

	return r < 0 ? r
		     : volume_hold_all(copying->place->home, copying->record, &copying->volumes,
				       err);
}

/* What the copy is, of what it comes from. */
void snapshot_make_other(struct instance *record, const char *name, const char *new_name)
{
	struct instance fresh;

	instance_init(&fresh);
	fresh.created = units_now();
	snapshot_take_history(record, &fresh);
	if (record->hostname && !strcmp(record->hostname, name))
		mem_replace(&record->hostname, new_name);
	if (strcmp(name, new_name) != 0)
		nic_renew_all(record->networks);
	mem_replace(&record->name, new_name);
	record->remove = 0;
}

int snapshot_check_free(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = name_check("instance", name, err);

	if (r < 0)
		return r;
	path = paths_state(home, name);
	return access(path, F_OK) == 0 ? err_set(err, -EEXIST,
						 "the name '%s' is in use; remove that instance or "
						 "choose another name",
						 name)
				       : 0;
}

int snapshot_copy(const struct instance_home *home, const char *name, const char *snap,
		  const char *new_name, struct err *err)
{
	_cleanup_snapshot_place_ struct snapshot_place place;
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_close_ int from = -EBADF;
	struct snapshot_copying copying = { .place = &place, .record = &record, .volumes = -EBADF };
	int r = snapshot_open(home, name, &place, err);

	if (r == 0)
		r = snapshot_check_free(home, new_name, err);
	if (r == 0)
		r = snap ? snapshot_load(&place, snap, &from, &record, err)
			 : snapshot_check_state(&place, err);
	if (r == 0 && !snap)
		r = instance_load(home, name, &record, err);
	if (r < 0)
		return r;
	copying.from = from;
	/* a snapshot may be older than the instance's name */
	snapshot_make_other(&record, record.name ? record.name : name, new_name);
	r = instance_create_filled(home, &record, snapshot_fill, &copying, err);
	fd_close(copying.volumes);
	return r;
}
