// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works, all of it under the instance's lock:
 *   1. The new form is made in the folder PATHS_CONVERT, beside the old one, and synced.
 *   2. It is renamed to its place. The record still says the old kind, so it means nothing there.
 *   3. The record is replaced by one with the new kind, which is one rename(2).
 *   4. The old form is removed.
 * Who finds a form that is not of the record's kind, or PATHS_CONVERT, removes it (clean_forms()): before step 3 that is
 * the new form, afterwards the old one.
 */
#include "instance/convert.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "image/carry.h"
#include "instance/bound.h"
#include "instance/clean.h"
#include "instance/data.h"
#include "instance/paths.h"
#include "instance/policy.h"
#include "proto/frame.h"
#include "proto/nic.h"
#include "proto/share.h"
#include "sys/idmap.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

/* A frame to a VM's agent holds the whole command and environment, and some more. */
#define CONVERT_WORDS_MAX (FRAME_PAYLOAD_MAX - 4096)

struct convert_refusal {
	const char *key; /* of the record; has to be as instance_init() has it */
	int kind;	 /* that it cannot have */
	const char *option, *why;
};

static const struct convert_refusal convert_refusals[] = {
	{ "devices", INSTANCE_VM, "--device", "a VM has its own devices and none of the host's" },
	{ "privileged", INSTANCE_VM, "--privileged",
	  "root in a VM is root of its own kernel already, and of nothing on the host" },
	{ "kernel", INSTANCE_CONTAINER, "--kernel", "a container runs on the host's kernel" },
	{ "kernel_args", INSTANCE_CONTAINER, "--kernel-args",
	  "a container runs on the host's kernel" },
	{ "huge_pages", INSTANCE_CONTAINER, "--hugepages", "only a VM's memory is one piece" },
	{ "drives", INSTANCE_CONTAINER, "--disk", "a container has no disks" },
	{ "hugetlb", INSTANCE_VM, "--hugetlb", "a VM takes its memory from the pool, or none" },
	{ "oom_kill_disable", INSTANCE_VM, "--oom-kill-disable",
	  "when a VM wants for memory its own kernel decides" },
	{ "gdb", INSTANCE_CONTAINER, "--gdb", "it debugs a VM's kernel" },
	{ "engine", INSTANCE_CONTAINER, "--engine", "it chooses how a VM is run" },
};

static int convert_is_given(const struct instance *record, const char *key)
{
	const struct record_field *field = instance_table.fields;
	_cleanup_instance_ struct instance fresh;
	const char *at, *otherwise;

	instance_init(&fresh);
	while (strcmp(field->key, key) != 0)
		field++;
	at = (const char *)record + field->offset;
	otherwise = (const char *)&fresh + field->offset;
	switch (field->type) {
	case RECORD_INT:
		return memcmp(at, otherwise, sizeof(int64_t)) != 0;
	case RECORD_STRING:
	case RECORD_STRV:
		return memcmp(at, otherwise, sizeof(record->name)) != 0;
	default:
		return memcmp(at, otherwise, sizeof(int)) != 0;
	}
}

/* What a VM has bounds for, and a container has not. */
static int convert_check_machine(const struct instance *record, struct err *err)
{
	size_t words = 0;

	if (record->memory && record->memory < INSTANCE_VM_MEMORY_MIN)
		return err_set(err, -ERANGE,
			       "'%s' has a limit of %jd MiB of memory, and a VM needs at least %jd",
			       record->name, (intmax_t)(record->memory >> 20),
			       (intmax_t)(INSTANCE_VM_MEMORY_MIN >> 20));
	if (record->cpus_milli > INSTANCE_VM_CPUS_MAX)
		return err_set(err, -ERANGE, "'%s' has more CPUs than the %d that a VM can have",
			       record->name, INSTANCE_VM_CPUS_MAX / 1000);
	strv_for_each(word, record->argv)
		words += strlen(*word) + 1;
	strv_for_each(word, record->env)
		words += strlen(*word) + 1;
	if (words > CONVERT_WORDS_MAX)
		return err_set(err, -E2BIG,
			       "the command of '%s' and its environment have %zu bytes; a VM takes "
			       "at most %u",
			       record->name, words, CONVERT_WORDS_MAX);
	return 0;
}

/* Options of mounts that only containers know. */
static int convert_check_shares(const struct instance *record, struct err *err)
{
	_cleanup_share_list_ struct share_list shares = { 0 };
	int r = share_list_parse(record->volumes, &shares, err);

	for (size_t i = 0; i < shares.n && r == 0; i++)
		r = share_check_vm(&shares.items[i], err);
	return r;
}

int convert_check(const struct instance *record, int kind, struct err *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(convert_refusals); i++) {
		const struct convert_refusal *refusal = &convert_refusals[i];

		if (refusal->kind == kind && convert_is_given(record, refusal->key))
			return err_set(err, -EOPNOTSUPP, "'%s' was made with %s: %s", record->name,
				       refusal->option, refusal->why);
	}
	if (kind != INSTANCE_VM)
		return 0;
	if (nic_is_shared(record->networks))
		return err_set(err, -EOPNOTSUPP,
			       "'%s' was made with --network %s: a VM has a network of its own",
			       record->name, *record->networks);
	r = convert_check_shares(record, err);
	return r < 0 ? r : convert_check_machine(record, err);
}

static int convert_check_view(const struct instance_view *view, int kind, struct err *err)
{
	const char *name = view->record.name;

	if (view->alive)
		return err_set(err, -EBUSY, "'%s' is running; stop it to convert it", name);
	if (view->state == INSTANCE_CHECKPOINTED)
		return err_set(err, -EBUSY,
			       "'%s' is checkpointed, and its processes go with its kind; "
			       "'brig start' and stop it first",
			       name);
	/* the marks of overlayfs are a user's in his containers and VMs, but its root's in a container's VM alone */
	if (!geteuid() && !idmap_is_host_root())
		return err_set(err, -EOPNOTSUPP,
			       "root of a container cannot convert an instance; do it outside");
	return policy_check(&view->record, kind, err) < 0 ? err->code
							  : convert_check(&view->record, kind, err);
}

/* Only then files have the owners that they have in a VM: for root on the host's disk, for a user in his namespace. */
static int convert_check_owners(const char *path, struct err *err)
{
	struct err why = ERR_INIT;
	int owners = data_owners(path, &why);

	if (owners == DATA_OWNERS_INSIDE || owners == DATA_OWNERS_USER)
		return 0;
	*err = why;
	return why.code;
}

struct convert {
	const struct instance_home *home;
	struct instance *record;
	int kind; /* the new one */
	char *state, *work;
	int statefd;
	progress_fn progress;
	void *ctx;
};

static void convert_release(struct convert *convert)
{
	free(convert->state);
	free(convert->work);
	fd_close(convert->statefd);
}

static int convert_exists(const struct convert *convert, const char *name)
{
	return faccessat(convert->statefd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int convert_make_form(const struct convert *convert, struct err *err)
{
	_cleanup_free_ char *disk = mem_printf("%s/" INSTANCE_DISK, convert->state);
	_cleanup_free_ char *cache = mem_printf("%s/cache", convert->home->root);

	if (convert->kind == INSTANCE_VM)
		return carry_to_disk(convert->state, convert->work, cache,
				     convert->record->disk_size, convert->progress, convert->ctx,
				     err);
	return carry_from_disk(disk, convert->work, convert->progress, convert->ctx, err);
}

static int convert_is_empty(int dirfd, const char *path)
{
	_cleanup_close_ int fd = file_open_scoped(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC,
						  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	_cleanup_closedir_ DIR *dir = NULL;
	int n = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 1 : fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)take_fd(&fd);
	while (n < 3 && readdir(dir))
		n++;
	return n < 3; /* "." and ".." */
}

struct convert_storage {
	int dir;
	const char *path, *why;
};

static int convert_check_empty(void *ctx, struct err *err)
{
	const struct convert_storage *storage = ctx;

	for (const char *const *name = instance_storage_names; *name; name++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", storage->path, *name);
		int r = convert_is_empty(storage->dir, path);

		if (r < 0)
			return err_errno(err, r, "cannot read %s", path);
		if (!r)
			return err_set(err, -ENOTEMPTY,
				       "it was made with --nesting, and has files in "
				       "/" INSTANCE_STORAGE_AT "/%s, which %s: start it, remove "
				       "or move them, and stop it",
				       *name, storage->why);
	}
	return 0;
}

/*
 * Storage of runtimes inside lies on no overlay, and is marked by the rules of a user namespace: neither means the same
 * to a VM. So none goes from one kind to the other.
 */
static int convert_check_storage(const struct convert *convert, struct err *err)
{
	struct convert_storage storage = { convert->statefd, INSTANCE_STORAGE,
					   "a VM would not see" };

	if (!convert->record->nesting)
		return 0;
	if (convert->kind == INSTANCE_CONTAINER) {
		storage.path = PATHS_CONVERT "/" INSTANCE_UPPER "/" INSTANCE_STORAGE_AT;
		storage.why = "would be hidden from a container, which has others there";
	}
	return data_run(convert_check_empty, &storage, err);
}

static int convert_place(const struct convert *convert, const char *form, struct err *err)
{
	_cleanup_free_ char *from = mem_printf(PATHS_CONVERT "/%s", form);

	if (convert_exists(convert, from) &&
	    renameat(convert->statefd, from, convert->statefd, form) < 0)
		return err_errno(err, -errno, "cannot put what was converted in its place");
	return fsync(convert->statefd) < 0
		       ? err_errno(err, -errno, "cannot write %s", convert->state)
		       : 0;
}

static int convert_change(struct convert *convert, struct err *err)
{
	int vm = convert->kind == INSTANCE_VM, r = 0;

	if (mkdirat(convert->statefd, PATHS_CONVERT, 0700) < 0)
		return err_errno(err, -errno, "cannot make %s", convert->work);
	/* the instance may have written nothing yet */
	if (convert_exists(convert, vm ? INSTANCE_UPPER : INSTANCE_DISK))
		r = convert_make_form(convert, err);
	if (r == 0 && !vm)
		r = convert_check_storage(convert, err);
	if (r == 0)
		r = convert_place(convert, vm ? INSTANCE_DISK : INSTANCE_UPPER, err);
	if (r < 0)
		return r;
	convert->record->kind = convert->kind;
	return record_save(&instance_table, convert->record, convert->statefd, PATHS_RECORD, 1,
			   err);
}

static int convert_locked(struct convert *convert, struct err *err)
{
	struct err unclean = ERR_INIT;
	int r;

	convert->state = paths_state(convert->home, convert->record->name);
	convert->work = mem_printf("%s/" PATHS_CONVERT, convert->state);
	convert->statefd = open(convert->state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (convert->statefd < 0)
		return err_errno(err, -errno, "cannot open %s", convert->state);
	r = convert_check_owners(convert->state, err);
	if (r == 0 && convert->kind == INSTANCE_VM)
		r = convert_check_storage(convert, err);
	if (r < 0)
		return r;
	r = convert_change(convert, err);
	if (r == 0 && convert->kind == INSTANCE_VM)
		bound_release(convert->statefd);
	/* which of the two is the old one, the record says; that it stays for now does no harm */
	if (clean_forms(convert->home, convert->state, &unclean) < 0)
		log_debug("%s; the next 'brig start %s' removes it", unclean.msg,
			  convert->record->name);
	return r;
}

int convert_instance(const struct instance_home *home, const char *name, int kind,
		     progress_fn progress, void *ctx, int *ret_changed, struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_(convert_release) struct convert convert = { .home = home,
							      .record = &view.record,
							      .kind = kind,
							      .statefd = -EBADF,
							      .progress = progress,
							      .ctx = ctx };
	_cleanup_close_ int lock = -EBADF;
	int r = instance_lock(home, name, &lock, err);

	if (r == 0)
		r = clean_view(home, name, &view, err);
	if (r < 0)
		return r;
	*ret_changed = view.record.kind != kind;
	if (!*ret_changed)
		return 0;
	r = convert_check_view(&view, kind, err);
	if (r == 0)
		r = convert_locked(&convert, err);
	return r < 0 ? err_wrap(err, "cannot make '%s' a %s", name, instance_kind_names[kind]) : 0;
}
