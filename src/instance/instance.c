// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/instance.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/units.h"
#include "base/word.h"
#include "instance/bound.h"
#include "instance/clean.h"
#include "instance/events.h"
#include "instance/moniker.h"
#include "instance/paths.h"
#include "net/attach.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define INSTANCE_MONIKER_TRIES 64
/* Suggesting a name must not cost more than the error is worth. */
#define INSTANCE_SUGGEST_MAX 1024

const struct driver_ops *instance_driver(const struct instance_home *home, int kind,
					 const char *engine)
{
	for (const struct driver_ops *const *driver = home->drivers; *driver; driver++) {
		if ((*driver)->kind == kind && (!engine || !strcmp((*driver)->engine, engine)))
			return *driver;
	}
	return NULL;
}

/*
 * A folder below instances/ whose name begins with a dot is being made or removed: it gets its name, or
 * loses it, in one rename(2). Who works on it holds its flock, so one that can be locked was left by a
 * process that was killed. parent: the folder instances/, locked by the caller, since a folder that is
 * being made is there a moment before its lock is.
 */
static void instance_sweep(int parent, const char *name)
{
	_cleanup_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)userns_remove_tree(parent, name);
}

static int instance_is_unfinished(const char *name)
{
	return name[0] == '.' && name[1] != '\0' && strcmp(name, "..") != 0;
}

static void instance_sweep_all(int parent)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fcntl(parent, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (instance_is_unfinished(entry->d_name))
			instance_sweep(parent, entry->d_name);
	}
}

/* instances/, locked for the moment that making or sweeping a folder takes. */
static int instance_lock_parent(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : file_lock(fd, LOCK_EX);

	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int instance_make_dir(const char *parent, const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -EBADF, lock = -EBADF;
	int r = instance_lock_parent(parent, &lock, err);

	if (r < 0)
		return r;
	instance_sweep_all(lock);
	if (mkdir(path, 0700) < 0)
		return err_errno(err, -errno, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : file_lock(fd, LOCK_EX);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Writes the record into the folder that is being made, and gives it its name. With other files in it, one sync is for all. */
static int instance_publish(const struct instance_home *home, struct instance *record,
			    const char *making, int dir, int filled, struct err *err)
{
	_cleanup_free_ char *path = paths_state(home, record->name);
	int r;

	if (!record->hostname)
		record->hostname = mem_strdup(record->name);
	record->created = units_now();
	/* an instance that ends with its run need not outlive a power cut, so it waits for no disk */
	r = record_save(&instance_table, record, dir, PATHS_RECORD, !record->remove && !filled,
			err);
	if (r == 0 && filled && syncfs(dir) < 0)
		r = err_errno(err, -errno, "cannot write the files of '%s'", record->name);
	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, making, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(
			err, -EEXIST,
			"the name '%s' is in use; remove that instance or choose another name",
			record->name);
	return err_errno(err, -errno, "cannot make %s", path);
}

static int instance_publish_made_up(const struct instance_home *home, struct instance *record,
				    const char *making, int dir, int filled, struct err *err)
{
	int named_by_user = record->hostname != NULL, r = -EEXIST;

	for (unsigned int i = 0; i < INSTANCE_MONIKER_TRIES && r == -EEXIST; i++) {
		free(record->name);
		record->name = moniker_make(i);
		if (!named_by_user)
			mem_replace(&record->hostname, NULL);
		r = instance_publish(home, record, making, dir, filled, err);
	}
	return r;
}

int instance_create(const struct instance_home *home, struct instance *record, struct err *err)
{
	return instance_create_filled(home, record, NULL, NULL, err);
}

int instance_create_filled(const struct instance_home *home, struct instance *record,
			   int (*fill)(int dir, void *ctx, struct err *err), void *ctx,
			   struct err *err)
{
	_cleanup_free_ char *parent = mem_printf("%s/instances", home->root);
	_cleanup_free_ char *making = mem_printf("%s/.making-%d", parent, getpid());
	_cleanup_close_ int dir = -EBADF;
	int r = record->name ? name_check("instance", record->name, err) : 0;

	if (r < 0)
		return r;
	r = file_mkdir_p(parent, 0700);
	if (r < 0)
		return err_errno(err, r, "cannot make %s", parent);
	r = instance_make_dir(parent, making, &dir, err);
	if (r == 0)
		r = bound_check(record, dir, err);
	if (r == 0 && fill)
		r = fill(dir, ctx, err);
	if (r == 0)
		r = record->name ? instance_publish(home, record, making, dir, !!fill, err)
				 : instance_publish_made_up(home, record, making, dir, !!fill, err);
	if (r < 0)
		(void)userns_remove_tree(AT_FDCWD, making);
	return r;
}

static int instance_unknown(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/instances", home->root);
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_strv_ char **names = NULL;
	struct dirent *entry;
	const char *near;

	for (int i = 0; dir && i < INSTANCE_SUGGEST_MAX && (entry = readdir(dir)); i++) {
		if (entry->d_name[0] != '.')
			strv_add(&names, entry->d_name);
	}
	near = names ? word_nearest(name, (const char *const *)names) : NULL;
	return err_set(err, -ENOENT, "there is no instance '%.64s'%s%s%s; see 'brig ps -a'", name,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int instance_lock(const struct instance_home *home, const char *name, int *ret_fd, struct err *err)
{
	int r = name_check("instance", name, err);

	if (r == 0)
		r = paths_lock(home, name, ret_fd, err);
	return r == -ENOENT ? instance_unknown(home, name, err) : r;
}

int instance_open(const struct instance_home *home, const char *name, int *ret_dir, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = name_check("instance", name, err);

	if (r < 0)
		return r;
	path = paths_state(home, name);
	*ret_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir >= 0)
		return 0;
	return errno == ENOENT ? instance_unknown(home, name, err)
			       : err_errno(err, -errno, "cannot open %s", path);
}

int instance_load(const struct instance_home *home, const char *name, struct instance *ret,
		  struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	int r = instance_open(home, name, &dir, err);

	if (r < 0)
		return r;
	instance_init(ret);
	r = record_load(&instance_table, dir, PATHS_RECORD, ret, err);
	if (r < 0) {
		instance_release(ret);
		return err_wrap(err, "instance '%s'", name);
	}
	/* the folder's name is the truth: a rename is one rename(2) */
	mem_replace(&ret->name, name);
	return 0;
}

void instance_view_release(struct instance_view *view)
{
	instance_release(&view->record);
	instance_run_release(&view->run);
}

/* 1: the run's folder is there, whether or not its keeper is. */
static int instance_view_run(const struct instance_home *home, const char *name,
			     struct instance_view *view)
{
	_cleanup_free_ char *run_dir = paths_run(home, name);
	_cleanup_free_ char *path = mem_printf("%s/%s", run_dir, PATHS_RUN);
	struct err ignored = ERR_INIT;

	if (access(path, F_OK) < 0)
		return 0;
	view->run.keeper_pid = paths_keeper_pid(run_dir);
	if (view->run.keeper_pid)
		view->alive =
			record_load(&instance_run_table, AT_FDCWD, path, &view->run, &ignored) == 0;
	return 1;
}

static enum instance_state instance_view_state(const struct instance_view *view, int has_dir)
{
	if (view->alive)
		return (enum instance_state)view->run.state;
	/* it ran, and its keeper was killed before it could write how it ended */
	if (has_dir && !view->run.keeper_pid && !view->record.finished)
		return INSTANCE_STOPPED;
	if (view->record.checkpointed)
		return INSTANCE_CHECKPOINTED;
	return view->record.has_run ? INSTANCE_STOPPED : INSTANCE_CREATED;
}

/* The run first: a keeper writes the end into the record before it goes, so who finds it gone finds that. */
int instance_view(const struct instance_home *home, const char *name, struct instance_view *ret,
		  struct err *err)
{
	int r = name_check("instance", name, err), has_dir;

	memset(ret, 0, sizeof(*ret));
	if (r < 0)
		return r;
	has_dir = instance_view_run(home, name, ret);
	r = instance_load(home, name, &ret->record, err);
	if (r < 0)
		return r;
	ret->state = instance_view_state(ret, has_dir);
	return 0;
}

/* The names of all instances, sorted. An absent folder is none. */
static int instance_names(const struct instance_home *home, char ***ret, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/instances", home->root);
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_free_ char **names = NULL;
	_cleanup_close_ int lock = -EBADF;
	struct err ignored = ERR_INIT;
	size_t n = 0, size = 0;
	struct dirent *entry;

	if (!dir && errno != ENOENT)
		return err_errno(err, -errno, "cannot read %s", path);
	while (dir && (entry = readdir(dir))) {
		if (instance_is_unfinished(entry->d_name) && lock < 0 &&
		    instance_lock_parent(path, &lock, &ignored) == 0)
			instance_sweep_all(lock);
		if (entry->d_name[0] == '.')
			continue;
		if (n + 2 > size) {
			size = size ? size * 2 : 64;
			names = mem_realloc(names, size, sizeof(char *));
		}
		names[n++] = mem_strdup(entry->d_name);
		names[n] = NULL;
	}
	strv_sort(names);
	*ret = take_ptr(names);
	return 0;
}

int instance_each(const struct instance_home *home,
		  int (*each)(struct instance_view *view, void *ctx), void *ctx, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = instance_names(home, &names, err);

	if (r < 0)
		return r;
	r = 0;
	strv_for_each(name, names) {
		_cleanup_instance_view_ struct instance_view view = { 0 };
		struct err problem = ERR_INIT;

		if (instance_view(home, *name, &view, &problem) < 0) {
			if (problem.code == -ENOENT)
				continue; /* removed meanwhile, or being made */
			mem_replace(&view.record.name, *name);
			mem_replace(&view.record.error, problem.msg);
			view.state = INSTANCE_STOPPED;
			view.damaged = 1;
		}
		r = each(&view, ctx);
		if (r)
			break;
	}
	return r;
}

int instance_set_aside(const struct instance_home *home, const char *name, char **ret_path,
		       struct err *err)
{
	_cleanup_free_ char *path = paths_state(home, name);
	_cleanup_free_ char *aside = mem_printf("%s/instances/.removed-%s", home->root, name);
	const struct network_home networks = { .root = home->root, .run = home->run };
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_close_ int dir = -EBADF;
	struct err unreadable = ERR_INIT;
	int known;

	(void)userns_remove_tree(AT_FDCWD, aside);
	if (instance_open(home, name, &dir, &unreadable) == 0)
		bound_release(dir);
	known = instance_load(home, name, &record, &unreadable) == 0;
	if (rename(path, aside) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "cannot remove %s", path);
	if (known)
		attach_forget(&networks, name, record.networks);
	*ret_path = take_ptr(aside);
	return 0;
}

static int instance_discard(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *aside = NULL;
	int r = instance_set_aside(home, name, &aside, err);

	if (r == 0)
		r = userns_remove_tree(AT_FDCWD, aside);
	return r < 0 && !err_is_set(err) ? err_errno(err, r, "cannot remove %s", aside) : r;
}

/* Its keeper, which was killed, does not. */
static void instance_tell_removal(const struct instance_home *home, struct instance *record)
{
	mem_replace(&record->error, NULL);
	record->oom_killed = 0;
	record->exit_code = 128 + SIGKILL;
	record->stopped_by_user = 1;
	events_note_end(home, record);
}

int instance_remove(const struct instance_home *home, const char *name, int force, struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_close_ int lock = -EBADF;
	int r = instance_lock(home, name, &lock, err);

	if (r < 0)
		return r;
	r = instance_view(home, name, &view, err);
	/* a record that cannot be read can still be removed, by force */
	if (r < 0 && !force)
		return r;
	if (view.alive && !force)
		return err_set(err, -EBUSY, "'%s' is running; stop it first, or use rm -f", name);
	r = clean_kill_keeper(home, name, err);
	if (r == 0 && view.alive)
		instance_tell_removal(home, &view.record);
	/* an end that nobody will read is not worth the wait for the disk */
	if (!view.record.finished)
		view.record.finished = units_now();
	if (r == 0)
		r = clean_leftovers(home, &view.record, name, err);
	return r < 0 ? r : instance_discard(home, name, err);
}

int instance_rename(const struct instance_home *home, const char *name, const char *new_name,
		    struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_free_ char *from = NULL, *to = NULL;
	_cleanup_close_ int lock = -EBADF;
	int r = name_check("instance", new_name, err);

	if (r == 0)
		r = instance_lock(home, name, &lock, err);
	if (r == 0)
		r = instance_view(home, name, &view, err);
	if (r < 0)
		return r;
	if (view.alive)
		return err_set(err, -EBUSY, "'%s' is running; stop it to rename it", name);
	r = clean_leftovers(home, &view.record, name, err);
	if (r < 0)
		return r;
	from = paths_state(home, name);
	to = paths_state(home, new_name);
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? err_set(err, -EEXIST, "the name '%s' is in use", new_name)
				       : err_errno(err, -errno, "cannot rename '%s' to '%s'", name,
						   new_name);
	return 0;
}
