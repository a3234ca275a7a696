// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a state's writable layer becomes a list of its files (proto/tree_list.h), be it a folder or a guest's
 * disk, and two lists are gone through side by side. Where a list has nothing the image shows through, unless a
 * folder above is opaque; what that is, its layers are asked (image/lower.h). What a user may not read is gone through
 * by root of his user namespace, in a child; so the result goes to a file in memory, as CHANGE PATH NUL.
 */
#include "image/difference.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/ext4_reader.h"
#include "image/lower.h"
#include "image/work.h"
#include "proto/instance.h"
#include "proto/tree.h"
#include "proto/tree_list.h"
#include "sys/confine.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define DIFFERENCE_LIST_MAX   ((off_t)1 << 30) /* bytes of a list in memory */
#define DIFFERENCE_MEMORY_MAX (UINT64_C(1) << 30)
#define DIFFERENCE_FLUSH      ((size_t)64 << 10)

struct difference_run {
	const struct difference *difference;
	struct tree_node *before, *after; /* NULL: nothing but the image */
	struct buf path, out;
	int result; /* a file in memory */
	struct err *err;
};

/* --- lists --- */

/* A file in memory that takes no more than a list may have, since who writes it is not trusted. */
static int difference_memory(struct err *err)
{
	_cleanup_close_ int fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, DIFFERENCE_LIST_MAX) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return err_errno(err, -errno, "cannot get memory");
	return take_fd(&fd);
}

static int difference_parse(int list, struct tree_node **ret, struct err *err)
{
	if (lseek(list, 0, SEEK_SET) < 0)
		return err_errno(err, -errno, "cannot read the list of files");
	return tree_list_read(list, ret, err);
}

static int difference_list_folder(int state, struct tree_node **ret, struct err *err)
{
	_cleanup_close_ int list = -EBADF;
	int r = 0;

	if (state < 0 || faccessat(state, INSTANCE_UPPER, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = list = difference_memory(err);
	if (r >= 0)
		r = tree_send_list(state, INSTANCE_UPPER, list, err);
	return r < 0 ? r : difference_parse(list, ret, err);
}

struct difference_reading {
	int image, list;
};

struct difference_read {
	int absent;
};

static int difference_task_read(void *ctx, int report_fd _unused_, void *result, struct err *err)
{
	const struct difference_reading *reading = ctx;
	struct difference_read *read = result;

	return ext4_reader_list(reading->image, INSTANCE_UPPER, reading->list, &read->absent, err);
}

/* The reader's root is an empty folder. */
static int difference_open_jail(const struct work *work, struct err *err)
{
	int fd =
		mkdirat(work->fd, "jail", 0700) < 0 && errno != EEXIST
			? -1
			: openat(work->fd, "jail", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_errno(err, -errno, "cannot make a folder for the reader") : fd;
}

static int difference_read_disk(int image, int list, int jail, int *ret_absent, struct err *err)
{
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	struct difference_reading reading = { .image = image, .list = list };
	struct confine_spec spec = {
		.fn = difference_task_read,
		.ctx = &reading,
		.root_fd = jail,
		.keep_fds = { image, list },
		.syscalls = ext4_reader_syscalls,
		.memory_max = DIFFERENCE_MEMORY_MAX,
		.result_size = sizeof(struct difference_read),
	};
	struct difference_read result = { 0 };
	int64_t done;
	int r = confine_start(&spec, &child, err);

	if (r == 0)
		r = confine_read(&child, &done, &result, sizeof(result), err);
	*ret_absent = result.absent;
	return r;
}

/* A list of what a machine's disk has, if the state has one. */
static int difference_list_disk(const struct difference *difference, int state,
				struct tree_node **ret, struct err *err)
{
	_cleanup_work_ struct work work = WORK_INIT;
	_cleanup_close_ int image = -EBADF, list = -EBADF, jail = -EBADF;
	int absent = 0, r;

	if (state < 0)
		return 0;
	image = openat(state, INSTANCE_DISK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (image < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot open the VM's disk");
	r = work_open(difference->root, &work, err);
	if (r == 0)
		r = jail = difference_open_jail(&work, err);
	if (r >= 0)
		r = list = difference_memory(err);
	if (r >= 0)
		r = difference_read_disk(image, list, jail, &absent, err);
	return r < 0 || absent ? r : difference_parse(list, ret, err);
}

/* --- side by side --- */

struct difference_side {
	const struct tree_node *node; /* NULL: it has nothing here */
	const struct lower *lower;    /* NULL: no image shows through */
};

/* One name on one side. */
struct difference_seen {
	int exists;
	const struct tree_node *node;
	struct stat st; /* of the image's, where node is NULL */
};

static int difference_fail(struct difference_run *run, int code, const char *name)
{
	return err_errno(run->err, code, "cannot look at %.200s/%.100s in the image",
			 run->path.data, name);
}

static int difference_flush(struct difference_run *run)
{
	int r = file_write_all(run->result, run->out.data, run->out.len);

	run->out.len = 0;
	return r < 0 ? err_errno(run->err, r, "cannot keep what differs") : 0;
}

static int difference_tell(struct difference_run *run, char change)
{
	buf_add(&run->out, &change, 1);
	buf_add(&run->out, run->path.data, run->path.len + 1);
	return run->out.len >= DIFFERENCE_FLUSH ? difference_flush(run) : 0;
}

static int difference_look(struct difference_run *run, const struct difference_side *side,
			   const char *name, struct difference_seen *ret)
{
	int r;

	*ret = (struct difference_seen){ .node = tree_node_child(side->node, name) };
	if (ret->node) {
		ret->exists = !tree_node_is_whiteout(ret->node);
		return 0;
	}
	r = side->lower ? lower_stat(side->lower, name, &ret->st) : 0;
	ret->exists = r > 0;
	return r < 0 ? difference_fail(run, r, name) : 0;
}

static int difference_is_folder(const struct difference_seen *seen)
{
	return seen->exists && S_ISDIR(seen->node ? seen->node->mode : seen->st.st_mode);
}

/* What a file is copied up for is that it changes; folders are on the way to one that does. */
static int difference_from_image(const struct tree_node *node, const struct stat *st)
{
	return !S_ISDIR(node->mode) || node->mode != st->st_mode || node->uid != st->st_uid ||
	       node->gid != st->st_gid || node->mtime != (uint64_t)st->st_mtim.tv_sec ||
	       node->mtime_ns != (uint32_t)st->st_mtim.tv_nsec;
}

static int difference_of_nodes(const struct tree_node *a, const struct tree_node *b)
{
	return a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->mtime != b->mtime ||
	       a->mtime_ns != b->mtime_ns || a->major != b->major || a->minor != b->minor ||
	       a->size != b->size || a->attributes != b->attributes ||
	       strcmp(a->target ? a->target : "", b->target ? b->target : "") != 0;
}

static int difference_is_changed(const struct difference_seen *a, const struct difference_seen *b)
{
	if (a->node && b->node)
		return difference_of_nodes(a->node, b->node);
	if (a->node)
		return difference_from_image(a->node, &b->st);
	return b->node && difference_from_image(b->node, &a->st);
}

static int difference_folder(struct difference_run *run, const struct difference_side *before,
			     const struct difference_side *after);

/* The image's folder under the name, as far as it shows on that side. */
static struct difference_side difference_below(const struct difference_side *side,
					       const struct difference_seen *seen,
					       const struct lower *lower)
{
	int hidden = !side->lower || (seen->node && (seen->node->opaque || !seen->exists));

	return (struct difference_side){ .node = seen->exists ? seen->node : NULL,
					 .lower = hidden || !lower->n ? NULL : lower };
}

static int difference_enter(struct difference_run *run, const char *name,
			    const struct difference_side *before, const struct difference_seen *was,
			    const struct difference_side *after, const struct difference_seen *is)
{
	const struct lower *shown = before->lower ? before->lower : after->lower;
	_cleanup_lower_ struct lower lower = { 0 };
	struct difference_side old = { 0 }, new;
	int r = shown ? lower_enter(shown, name, &lower) : 0;

	if (r < 0)
		return difference_fail(run, r, name);
	new = difference_below(after, is, &lower);
	/* below what was no folder everything is new */
	if (difference_is_folder(was))
		old = difference_below(before, was, &lower);
	return difference_folder(run, &old, &new);
}

static int difference_name(struct difference_run *run, const char *name,
			   const struct difference_side *before,
			   const struct difference_side *after)
{
	struct difference_seen was = { 0 }, is = { 0 };
	size_t len = run->path.len;
	int r = difference_look(run, before, name, &was);

	if (r == 0)
		r = difference_look(run, after, name, &is);
	if (r < 0 || (!was.exists && !is.exists))
		return r;
	buf_printf(&run->path, "/%s", name);
	if (!was.exists)
		r = difference_tell(run, DIFFERENCE_ADDED);
	else if (!is.exists)
		r = difference_tell(run, DIFFERENCE_REMOVED);
	else if (difference_is_changed(&was, &is))
		r = difference_tell(run, DIFFERENCE_CHANGED);
	if (r == 0 && difference_is_folder(&is) && (was.node || is.node || !was.exists))
		r = difference_enter(run, name, before, &was, after, &is);
	run->path.len = len;
	run->path.data[len] = '\0';
	return r;
}

static void difference_add_names(const struct tree_node *folder, char ***names)
{
	for (size_t i = 0; folder && i < folder->n_children; i++)
		strv_add(names, folder->children[i]->name);
}

static int difference_folder(struct difference_run *run, const struct difference_side *before,
			     const struct difference_side *after)
{
	const struct lower *shown = before->lower ? before->lower : after->lower;
	_cleanup_strv_ char **names = NULL;
	const char *last = NULL;
	int r = 0;

	difference_add_names(before->node, &names);
	difference_add_names(after->node, &names);
	/* where the image shows on both sides, what neither has written is the same */
	if (shown && !(before->lower && after->lower))
		r = lower_names(shown, &names);
	if (r < 0)
		return difference_fail(run, r, "");
	strv_sort(names);
	strv_for_each(name, names) {
		if (last && !strcmp(last, *name))
			continue;
		last = *name;
		r = difference_name(run, *name, before, after);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Both lists are there, but for those of folders. */
static int difference_compare(struct difference_run *run, struct err *err)
{
	const struct difference *difference = run->difference;
	_cleanup_lower_ struct lower lower = { 0 };
	struct difference_side before = { .lower = &lower }, after = { .lower = &lower };
	int r = 0;

	run->err = err;
	if (!run->before)
		r = difference_list_folder(difference->before, &run->before, err);
	if (r == 0 && !run->after)
		r = difference_list_folder(difference->after, &run->after, err);
	if (r == 0)
		r = lower_open(difference->root, difference->layers, &lower, err);
	if (r < 0)
		return r;
	before.node = run->before;
	after.node = run->after;
	buf_add_str(&run->path, "");
	r = difference_folder(run, &before, &after);
	return r < 0 ? r : difference_flush(run);
}

/* --- as who may --- */

static int64_t difference_child(void *ctx, struct err *err)
{
	return difference_compare(ctx, err);
}

static int difference_report(int result, int (*each)(char change, const char *path, void *ctx),
			     void *ctx, struct err *err)
{
	off_t len = lseek(result, 0, SEEK_END);
	const char *text;
	int r = 0;

	if (len <= 0)
		return len < 0 ? err_errno(err, -errno, "cannot read what differs") : 0;
	text = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, result, 0);
	if (text == MAP_FAILED)
		return err_errno(err, -errno, "cannot read what differs");
	for (const char *at = text; at < text + len && r == 0; at += strlen(at) + 1)
		r = each(*at, at + 1, ctx);
	(void)munmap((void *)(uintptr_t)text, (size_t)len);
	return r;
}

static void difference_run_release(struct difference_run *run)
{
	tree_node_free(run->before);
	tree_node_free(run->after);
	buf_release(&run->path);
	buf_release(&run->out);
	fd_close(run->result);
}

int difference_each(const struct difference *difference,
		    int (*each)(char change, const char *path, void *ctx), void *ctx,
		    struct err *err)
{
	_cleanup_(difference_run_release) struct difference_run run = { .difference = difference };
	int r;

	run.result = memfd_create("difference", MFD_CLOEXEC);
	if (run.result < 0)
		return err_errno(err, -errno, "cannot get memory");
	r = difference_list_disk(difference, difference->before, &run.before, err);
	if (r == 0)
		r = difference_list_disk(difference, difference->after, &run.after, err);
	if (r == 0)
		r = geteuid() ? (int)userns_run(difference_child, &run, err)
			      : difference_compare(&run, err);
	return r < 0 ? r : difference_report(run.result, each, ctx, err);
}
