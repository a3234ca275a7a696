// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works, under the instance's lock: each assignment is checked in a copy of the record; then all are made to
 * hold; then the record is kept. Of an instance that runs the keeper has the record, and writes it when it ends, so it
 * is told (SET). Killed in between, a running instance has what was made to hold until its next start. The volumes that it
 * comes to name are kept by their lock, which goes along to the keeper: it goes on also if we are killed.
 */
#include "instance/settings.h"
#include "base/assignment.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/bound.h"
#include "instance/clean.h"
#include "instance/paths.h"
#include "instance/schedule.h"
#include "instance/volume.h"
#include "net/attach.h"
#include "net/publish.h"
#include "proto/drive.h"
#include "proto/nic.h"
#include "proto/share.h"

#include <string.h>

/* A disk's file system grows while it is in use, and shrinks only by being made again. */
static int settings_set_disk(struct instance *record, const char *value, struct err *err)
{
	char has[UNITS_TEXT_MAX];
	int64_t size;

	if (record->kind == INSTANCE_CONTAINER && !strcmp(value, "none")) {
		record->bounded = 0;
		return 0;
	}
	if (units_parse_size(value, &size, err) < 0)
		return err->code;
	if (size < INSTANCE_DISK_MIN)
		return err_set(err, -ERANGE, "at least 16m is needed");
	if (record->kind == INSTANCE_VM && size < record->disk_size)
		return err_set(err, -EOPNOTSUPP,
			       "a VM's disk only grows, and that of '%s' has %s already",
			       record->name, units_format_size(record->disk_size, has));
	record->disk_size = size;
	record->bounded = record->bounded || record->kind == INSTANCE_CONTAINER;
	return 0;
}

/* The next start sets a container's bound, and makes a VM's disk larger; of a VM that runs its keeper does. */
static int settings_apply_disk(const struct instance_home *home, const struct instance_view *view,
			       const struct instance *record, struct err *err)
{
	_cleanup_close_ int dir = -EBADF;

	if (view->alive && record->kind == INSTANCE_VM)
		return 0;
	if (view->alive || !record->bounded)
		return bound_change(home, record, err);
	return instance_open(home, record->name, &dir, err) < 0 ? err->code
								: bound_check(record, dir, err);
}

static int settings_set_interval(int64_t *ret_ms, const char *value, struct err *err)
{
	int64_t ms = 0;

	if (strcmp(value, "none") != 0) {
		if (units_parse_duration(value, &ms, err) < 0)
			return err->code;
		if (ms < SCHEDULE_MIN_MS || ms > SCHEDULE_MAX_MS)
			return err_set(err, -ERANGE, "it is 15m to 3650d, or 'none'");
	}
	*ret_ms = ms;
	return 0;
}

static int settings_set_schedule(struct instance *record, const char *value, struct err *err)
{
	return settings_set_interval(&record->snapshots_every_ms, value, err);
}

static int settings_set_expiry(struct instance *record, const char *value, struct err *err)
{
	return settings_set_interval(&record->snapshots_expiry_ms, value, err);
}

static int settings_set_best_effort(struct instance *record, const char *value, struct err *err)
{
	int on = !strcmp(value, "yes");

	if (!on && strcmp(value, "no") != 0)
		return err_set(err, -EINVAL, "it is yes or no");
	record->best_effort = on;
	return 0;
}

static int settings_set_ports(struct instance *record, const char *value, struct err *err)
{
	_cleanup_strv_ char **texts = strcmp(value, "none") != 0 ? strv_split(value, ",") : NULL;
	_cleanup_strv_ char **canonical = NULL;
	int r = publish_parse_all(texts, &canonical, err);

	if (r == 0 && canonical && (!record->networks || nic_is_shared(record->networks)))
		r = err_set(err, -EINVAL,
			    "'%s' has no network of its own, so nothing can be published for it",
			    record->name);
	if (r < 0)
		return r;
	strv_free(record->ports);
	record->ports = take_ptr(canonical);
	return 0;
}

/* What the host starts with it; read when it does. */
static int settings_set_autostart(struct instance *record, const char *value, struct err *err)
{
	for (int i = 0; instance_autostart_names[i]; i++) {
		if (!strcmp(instance_autostart_names[i], value)) {
			record->autostart = i;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "it is yes, no, or policy: as the restart policy has it");
}

static int settings_set_order(struct instance *record, const char *value, struct err *err)
{
	return units_parse_int(value, 0, SETTINGS_ORDER_MAX, &record->start_order, err);
}

static int settings_set_delay(struct instance *record, const char *value, struct err *err)
{
	int64_t ms;

	if (units_parse_duration(value, &ms, err) < 0)
		return err->code;
	if (ms > SETTINGS_DELAY_MAX_MS)
		return err_set(err, -ERANGE, "it is at most 1h");
	record->start_delay_ms = ms;
	return 0;
}

/* By `network connect`, which has made the text whole. */
static int settings_connect(struct instance *record, const char *value, struct err *err)
{
	_cleanup_strv_ char **networks = strv_dup(record->networks);

	if (nic_is_shared(networks))
		return err_set(
			err, -EINVAL,
			"'%s' is on a network that is not its own, '%s'; make it anew for another",
			record->name, *networks);
	strv_add(&networks, value);
	if (nic_check_all(networks, err) < 0)
		return err->code;
	strv_free(record->networks);
	record->networks = take_ptr(networks);
	return 0;
}

static int settings_disconnect(struct instance *record, const char *value, struct err *err)
{
	_cleanup_strv_ char **networks = NULL;
	size_t len = strlen(value);

	strv_for_each(text, record->networks) {
		if (strncmp(*text, value, len) != 0 || ((*text)[len] && (*text)[len] != ','))
			strv_add(&networks, *text);
	}
	if (strv_len(networks) == strv_len(record->networks))
		return err_set(err, -ENOENT, "'%s' is not on the network '%s'", record->name,
			       value);
	if (!networks && record->ports)
		return err_set(
			err, -EBUSY,
			"it is the last network of '%s', which publishes ports; 'brig set %s "
			"ports=none' ends that",
			record->name, record->name);
	strv_free(record->networks);
	record->networks = take_ptr(networks);
	return 0;
}

/* Which one of the record's it is: by its path inside, or its source. */
static int settings_find_share(const struct instance *record, const char *value, size_t *ret,
			       struct err *err)
{
	size_t found = 0;

	for (size_t i = 0; record->volumes && record->volumes[i]; i++) {
		_cleanup_share_ struct share share = { 0 };

		if (share_parse(record->volumes[i], &share, err) < 0)
			return err->code;
		if (strcmp(share.target, value) != 0 && strcmp(share.source, value) != 0)
			continue;
		*ret = i;
		if (!strcmp(share.target, value))
			return 0;
		found++;
	}
	if (found > 1)
		return err_set(
			err, -ENOTUNIQ,
			"'%s' shows %.200s at more than one path: say which, as it is inside",
			record->name, value);
	return found ? 0
		     : err_set(err, -ENOENT,
			       "'%s' has nothing of the host's at %.200s; 'brig inspect %s' lists "
			       "its 'volumes'",
			       record->name, value, record->name);
}

/* Which of the others has its place in this one, or at the same path. */
static int settings_check_below(const struct instance *record, const char *target, int same,
				struct err *err)
{
	size_t len = strlen(target);

	strv_for_each(text, record->volumes) {
		_cleanup_share_ struct share share = { 0 };

		if (share_parse(*text, &share, err) < 0)
			return err->code;
		if (strncmp(share.target, target, len) == 0 &&
		    share.target[len] == (same ? '\0' : '/'))
			return err_set(err, same ? -EEXIST : -EBUSY,
				       "'%s' has %.200s at %.200s; 'brig volume detach %.200s %s' "
				       "first",
				       record->name, share.source, share.target, share.target,
				       record->name);
	}
	return 0;
}

static int settings_attach(struct instance *record, const char *value, struct err *err)
{
	_cleanup_share_ struct share share = { 0 };
	int r = share_parse(value, &share, err);

	if (r == 0 && record->kind == INSTANCE_VM)
		r = share_check_vm(&share, err);
	if (r == 0)
		r = settings_check_below(record, share.target, 1, err);
	if (r == 0)
		strv_add(&record->volumes, value);
	return r;
}

static int settings_detach(struct instance *record, const char *value, struct err *err)
{
	_cleanup_strv_ char **volumes = NULL;
	_cleanup_share_ struct share share = { 0 };
	size_t place = 0;
	int r = settings_find_share(record, value, &place, err);

	if (r == 0)
		r = share_parse(record->volumes[place], &share, err);
	if (r == 0)
		r = settings_check_below(record, share.target, 0, err);
	if (r < 0)
		return r;
	for (size_t i = 0; record->volumes[i]; i++) {
		if (i != place)
			strv_add(&volumes, record->volumes[i]);
	}
	strv_free(record->volumes);
	record->volumes = take_ptr(volumes);
	return 0;
}

/* Each with its serial number, so that no other one gets it when one goes. */
static int settings_name_drives(struct instance *record, struct err *err)
{
	for (size_t i = 0; record->drives && record->drives[i]; i++) {
		_cleanup_drive_ struct drive drive = { 0 };

		if (drive_parse(record->drives[i], i, &drive, err) < 0)
			return err->code;
		free(record->drives[i]);
		record->drives[i] = drive_format(&drive);
	}
	return 0;
}

/* The first of disk0, disk1... that no other has. */
static int settings_number_drive(const struct instance *record, const char *value, char **ret,
				 struct err *err)
{
	for (size_t number = 0; number <= DRIVE_MAX; number++) {
		_cleanup_drive_ struct drive drive = { 0 };
		_cleanup_strv_ char **drives = strv_dup(record->drives);

		if (drive_parse(value, number, &drive, err) < 0)
			return err->code;
		strv_add_take(&drives, drive_format(&drive));
		*err = ERR_INIT;
		if (drive_check_all(drives, err) == 0) {
			*ret = drive_format(&drive);
			return 0;
		}
	}
	return err->code;
}

static int settings_add(struct instance *record, const char *value, struct err *err)
{
	char *text = NULL;
	int r;

	if (record->kind == INSTANCE_CONTAINER)
		return err_set(err, -EOPNOTSUPP,
			       "'%s' is a container, which has no disks: 'brig volume attach' "
			       "shows it files and folders",
			       record->name);
	r = settings_name_drives(record, err);
	if (r == 0)
		r = settings_number_drive(record, value, &text, err);
	if (r == 0)
		strv_add_take(&record->drives, text);
	return r;
}

static int settings_is_drive(const char *text, const char *value)
{
	_cleanup_drive_ struct drive drive = { 0 };
	struct err ignored = ERR_INIT;

	return drive_parse(text, 0, &drive, &ignored) == 0 &&
	       (!strcmp(drive.serial, value) || !strcmp(drive.source, value));
}

static int settings_remove(struct instance *record, const char *value, struct err *err)
{
	_cleanup_strv_ char **drives = NULL;
	size_t found;

	if (settings_name_drives(record, err) < 0)
		return err->code;
	strv_for_each(text, record->drives) {
		if (!settings_is_drive(*text, value))
			strv_add(&drives, *text);
	}
	found = strv_len(record->drives) - strv_len(drives);
	if (found > 1)
		return err_set(err, -ENOTUNIQ,
			       "'%s' has %.64s more than once: say which by its serial number",
			       record->name, value);
	if (!found)
		return err_set(err, -ENOENT,
			       "'%s' has no disk '%.64s'; 'brig inspect %s' lists its 'drives'",
			       record->name, value, record->name);
	strv_free(record->drives);
	record->drives = take_ptr(drives);
	return 0;
}

/* For who reads the record whenever it counts. */
static int settings_apply_nothing(const struct instance_home *home _unused_,
				  const struct instance_view *view _unused_,
				  const struct instance *record _unused_, struct err *err _unused_)
{
	return 0;
}

/*
 * Before the record is kept, so that a kill in between leaves an instance that is given others at its next start, and no
 * address that nobody has. Of one that runs its keeper does it.
 */
static int settings_apply_disconnect(const struct instance_home *home,
				     const struct instance_view *view,
				     const struct instance *record, struct err *err _unused_)
{
	const struct network_home networks = { .root = home->root, .run = home->run };
	_cleanup_strv_ char **gone = NULL;

	strv_for_each(text, view->record.networks) {
		if (!strv_has(record->networks, *text))
			strv_add(&gone, *text);
	}
	if (!view->alive)
		attach_forget(&networks, record->name, gone);
	return 0;
}

const struct settings_row settings_table[] = {
	{ "disk", settings_set_disk, settings_apply_disk },
	{ "snapshots.schedule", settings_set_schedule, settings_apply_nothing },
	{ "snapshots.expiry", settings_set_expiry, settings_apply_nothing },
	{ "ports", settings_set_ports, settings_apply_nothing },
	{ "autostart", settings_set_autostart, settings_apply_nothing },
	{ "order", settings_set_order, settings_apply_nothing },
	{ "delay", settings_set_delay, settings_apply_nothing },
	{ "best-effort", settings_set_best_effort, settings_apply_nothing },
	{ SETTINGS_CONNECT, settings_connect, settings_apply_nothing, .hidden = 1 },
	{ SETTINGS_DISCONNECT, settings_disconnect, settings_apply_disconnect, .hidden = 1 },
	{ SETTINGS_PULL, settings_disconnect, settings_apply_disconnect, .hidden = 1 },
	{ SETTINGS_ATTACH, settings_attach, settings_apply_nothing, .hidden = 1 },
	{ SETTINGS_DETACH, settings_detach, settings_apply_nothing, .hidden = 1 },
	{ SETTINGS_SEVER, settings_detach, settings_apply_nothing, .hidden = 1 },
	{ SETTINGS_ADD, settings_add, settings_apply_nothing, .hidden = 1 },
	{ SETTINGS_REMOVE, settings_remove, settings_apply_nothing, .hidden = 1 },
	{ SETTINGS_RIP, settings_remove, settings_apply_nothing, .hidden = 1 },
	{ .name = NULL },
};

static const struct settings_row *settings_find(const char *assignment, struct err *err)
{
	_cleanup_strv_ char **names = NULL;

	for (const struct settings_row *row = settings_table; row->name; row++) {
		if (assignment_value(assignment, row->name))
			return row;
		if (!row->hidden)
			strv_add(&names, row->name);
	}
	for (const struct limits_row *row = limits_table; row->name; row++)
		strv_add(&names, row->name);
	assignment_refuse(assignment, (const char *const *)names, err);
	return NULL;
}

const struct limits_row *settings_limit(const char *assignment)
{
	size_t len = strcspn(assignment, "=");
	_cleanup_free_ char *name = mem_strndup(assignment, len);

	return assignment[len] ? limits_find(name) : NULL;
}

static int settings_assign_limit(struct instance *record, const struct limits_row *row,
				 const char *value, struct err *err)
{
	int r = limits_set(record, row, value, 0, err);

	if (r == 0)
		r = limits_check(record, err);
	return r < 0 ? err_wrap(err, "%s", row->name) : 0;
}

int settings_settle(struct instance *record, struct err *err)
{
	_cleanup_strv_ char **pending = take_ptr(record->pending);

	strv_for_each(assignment, pending) {
		if (settings_assign(record, *assignment, err) < 0)
			return err->code;
	}
	return 0;
}

int settings_assign(struct instance *record, const char *assignment, struct err *err)
{
	const struct limits_row *limit = settings_limit(assignment);
	const struct settings_row *row = limit ? NULL : settings_find(assignment, err);

	if (limit)
		return settings_assign_limit(record, limit, strchr(assignment, '=') + 1, err);
	if (!row)
		return err->code;
	if (row->set(record, assignment_value(assignment, row->name), err) == 0)
		return 0;
	return row->hidden ? err->code : err_wrap(err, "%s", row->name);
}

static int settings_apply(const struct instance_home *home, const struct instance_view *view,
			  const struct instance *record, char *const *assignments, struct err *err)
{
	int r = 0;

	strv_for_each(assignment, assignments) {
		const struct settings_row *row =
			settings_limit(*assignment) ? NULL : settings_find(*assignment, err);

		if (r == 0 && !settings_limit(*assignment))
			r = row ? row->apply(home, view, record, err) : err->code;
	}
	return r;
}

/* Those of limits, or the others. */
static char **settings_pick(char *const *assignments, int limits)
{
	char **ret = NULL;

	strv_for_each(assignment, assignments) {
		if (!settings_limit(*assignment) == !limits)
			strv_add(&ret, *assignment);
	}
	return ret;
}

/* A limit as it was, and what its next start was to bring; as well as that can be. */
static void settings_take_back(const struct instance_home *home, const struct instance *before,
			       const char *assignment)
{
	const struct limits_row *row = settings_limit(assignment);
	_cleanup_free_ char *value = limits_show(before, row);
	_cleanup_free_ char *was = mem_printf("%s=%s", row->name, value);
	struct err ignored = ERR_INIT;

	(void)instance_request_set(home, before->name, was, -EBADF, &ignored);
	strv_for_each(pending, before->pending) {
		if (settings_limit(*pending) == row)
			(void)instance_request_set(home, before->name, *pending, -EBADF, &ignored);
	}
}

/* Limits come first: what was set of them is undone if a later one, or one of the others, is refused. */
static int settings_tell(const struct instance_home *home, const struct instance *before,
			 char *const *assignments, int volumes, struct err *err)
{
	_cleanup_strv_ char **limits = settings_pick(assignments, 1);
	_cleanup_strv_ char **others = settings_pick(assignments, 0);
	size_t done = 0, n = strv_len(limits);
	int r = 0;

	while (r == 0 && done < n) {
		r = instance_request_set(home, before->name, limits[done], volumes, err);
		done += r == 0;
	}
	strv_for_each(assignment, others) {
		if (r == 0)
			r = instance_request_set(home, before->name, *assignment, volumes, err);
	}
	while (r < 0 && done > 0)
		settings_take_back(home, before, limits[--done]);
	return r;
}

static int settings_keep(const struct instance_home *home, const struct instance_view *view,
			 const struct instance *record, char *const *assignments, int volumes,
			 struct err *err)
{
	_cleanup_close_ int dir = -EBADF;

	if (view->alive)
		return settings_tell(home, &view->record, assignments, volumes, err);
	return instance_open(home, record->name, &dir, err) < 0
		       ? err->code
		       : record_save(&instance_table, record, dir, PATHS_RECORD, 1, err);
}

/* Volumes that it did not name before are there from now on, and stay until the record does. */
static int settings_names_more(const struct instance *before, const struct instance *record)
{
	return strv_len(record->volumes) > strv_len(before->volumes) ||
	       strv_len(record->drives) > strv_len(before->drives);
}

/* Of those that were asked for just now. */
static int settings_note_pending(const struct instance_home *home, const char *name,
				 char *const *assignments, char ***ret, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	int r = instance_load(home, name, &record, err);

	strv_for_each(assignment, assignments) {
		if (r == 0 && strv_has(record.pending, *assignment))
			strv_add(ret, *assignment);
	}
	return r;
}

int settings_change(const struct instance_home *home, const char *name, char *const *assignments,
		    char ***ret_pending, struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_close_ int lock = -EBADF, volumes = -EBADF;
	int r = instance_lock(home, name, &lock, err);

	if (r == 0)
		r = clean_view(home, name, &view, err);
	if (r == 0)
		r = instance_load(home, name, &record, err);
	if (r == 0 && !view.alive)
		r = settings_settle(&record, err);
	strv_for_each(assignment, assignments) {
		if (r == 0)
			r = settings_assign(&record, *assignment, err);
	}
	if (r == 0 && settings_names_more(&view.record, &record))
		r = volume_hold_all(home, &record, &volumes, err);
	if (r == 0)
		r = settings_apply(home, &view, &record, assignments, err);
	if (r == 0)
		r = settings_keep(home, &view, &record, assignments, volumes, err);
	return r < 0 || !ret_pending
		       ? r
		       : settings_note_pending(home, name, assignments, ret_pending, err);
}
