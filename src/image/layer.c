// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "image/compress.h"
#include "image/layer_pack.h"
#include "image/layer_scratch.h"
#include "image/tar_reader.h"
#include "image/unpack.h"
#include "sys/confine.h"
#include "sys/idmap.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a confined process is to do. It gets a copy of this by fork(). */
struct layer_task {
	int in, out; /* out: layer_compress only */
	int folder;
	int folder_is_mount; /* image/layer_scratch.h */
	int report;
	struct unpack_options options;
	int64_t told; /* how far the parent knows us to be */
};

/* Those that are unpacked, or packed, or wait between the two. */
#define LAYER_JOBS LAYER_SCRATCH_MAX
_Static_assert(LAYER_JOBS >= LAYER_PARALLEL + LAYER_PACKS, "a job has a place");

#define LAYER_PROGRESS_STEP ((int64_t)2 << 20)

/* Who can mount no erofs image keeps folders. */
static int layer_stays_unpacked(void)
{
	return !idmap_is_host_root();
}

char *layer_name(const char *diff_id)
{
	return mem_printf("%s%s", diff_id, layer_stays_unpacked() ? "" : ".erofs");
}

static void layer_tell(void *ctx, int64_t position)
{
	struct layer_task *task = ctx;

	if (position < task->told + LAYER_PROGRESS_STEP)
		return;
	task->told = position;
	confine_progress(task->report, position);
}

static int layer_task_unpack(void *ctx, int report_fd, void *result, struct err *err)
{
	struct layer_task *task = ctx;

	task->report = report_fd;
	task->options.progress = layer_tell;
	task->options.progress_ctx = task;
	return unpack_archive(task->in, task->folder, &task->options, result, err);
}

static int layer_task_compress(void *ctx, int report_fd, void *result, struct err *err)
{
	_cleanup_tar_stream_ struct tar_stream *stream = NULL;
	struct unpack_result *found = result;
	struct layer_task *task = ctx;

	task->report = report_fd;
	if (tar_stream_open(task->in, &stream, err) < 0 ||
	    compress_stream(stream, task->out, layer_tell, task, err) < 0)
		return err->code;
	tar_stream_digest(stream, found->digest);
	return 0;
}

static int layer_task_reroot(void *ctx, int report_fd, void *result, struct err *err)
{
	struct layer_task *task = ctx;

	task->report = report_fd;
	return reroot_archive(task->in, task->out, task->folder, layer_tell, task, result, err);
}

static int layer_start(confine_fn fn, struct layer_task *task, size_t result_size,
		       struct confine_child *child, struct err *err)
{
	const struct confine_spec spec = {
		.fn = fn,
		.ctx = task,
		.root_fd = task->folder,
		.root_is_mount = task->folder_is_mount,
		.keep_fds = { task->in, task->out },
		.capabilities = unpack_capabilities,
		.syscalls = unpack_syscalls,
		.memory_max = LAYER_MEMORY_MAX,
		.result_size = result_size,
	};

	return confine_start(&spec, child, err);
}

/* Makes a new folder in the work folder and opens it. */
static int layer_folder(const struct work *work, const char *name, struct err *err)
{
	int fd;

	if (mkdirat(work->fd, name, 0755) < 0)
		return err_errno(err, -errno, "cannot make a folder in %s", work->path);
	fd = openat(work->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "cannot open a folder in %s", work->path) : fd;
}

enum layer_phase { LAYER_FREE, LAYER_UNPACKING, LAYER_UNPACKED, LAYER_PACKING };

/* One that is being made. */
struct layer_job {
	enum layer_phase phase;
	struct layer *layer;
	struct confine_child child;
	struct layer_pack pack;
	int scratch;   /* where it is unpacked; negative: in its folder */
	size_t number; /* of those that are made, from 1 */
	size_t tries;
	char name[32]; /* of its folder */
	int compressed;
	int64_t done;
};

static void layer_job_release(struct layer_job *job)
{
	confine_release(&job->child);
	layer_pack_release(&job->pack);
	job->scratch = fd_close(job->scratch);
	job->phase = LAYER_FREE;
}

/* As what the folder belongs to is its layer's, it lies in another one, which we can rename. */
static int layer_job_folder(const struct work *work, const char *name, struct err *err)
{
	_cleanup_free_ char *inner = mem_printf("%s/" LAYER_FOLDER, name);

	if (!layer_stays_unpacked())
		return layer_folder(work, name, err);
	if (mkdirat(work->fd, name, 0700) < 0)
		return err_errno(err, -errno, "cannot make a folder in %s", work->path);
	return layer_folder(work, inner, err);
}

static void layer_set_user(struct unpack_options *options)
{
	struct idmap map;

	options->for_user = layer_stays_unpacked();
	if (!options->for_user)
		return;
	idmap_of_user(&map);
	options->one_owner = idmap_is_single(&map);
	idmap_release(&map);
}

/* A layer that stays unpacked, or has failed in memory, is unpacked on the disk. */
static void layer_job_scratch(struct layer_job *job)
{
	int64_t room;

	if (layer_stays_unpacked() || job->tries > 1)
		return;
	room = layer_scratch_room();
	if (layer_scratch_may_fit(job->layer->blob_size, room))
		job->scratch = layer_scratch_open(room);
	if (job->scratch < 0)
		log_debug("a layer is unpacked on the disk: memory has no place for it");
}

/* The folder is made even if it is but where the scratch will be seen. Its room bounds both: the image lies there. */
static int layer_job_unpack(const struct work *work, struct layer_job *job, struct err *err)
{
	_cleanup_close_ int in = work_open_blob(work, job->layer->blob, err), folder = -EBADF;
	struct layer_task task = { .in = in, .out = -EBADF };

	if (in < 0)
		return in;
	snprintf(job->name, sizeof(job->name), job->tries++ ? "layer.%zu.disk" : "layer.%zu",
		 job->number);
	folder = layer_job_folder(work, job->name, err);
	if (folder < 0 || unpack_limits(folder, &task.options, err) < 0)
		return err->code;
	layer_job_scratch(job);
	task.folder_is_mount = job->scratch >= 0;
	task.folder = task.folder_is_mount ? job->scratch : folder;
	layer_set_user(&task.options);
	task.options.want_end = !*job->layer->diff_id;
	if (layer_start(layer_task_unpack, &task, sizeof(struct unpack_result), &job->child, err) <
	    0)
		return err->code;
	job->phase = LAYER_UNPACKING;
	job->done = 0;
	return 0;
}

/* Once more, on the disk, if it was but the memory that failed: 0. Else the error stays. */
static int layer_job_retry(const struct work *work, struct layer_job *job, struct err *err)
{
	if (job->scratch < 0 || !layer_scratch_is_at_fault(err->code))
		return err->code;
	log_debug("a layer is unpacked on the disk: %s", err->msg);
	layer_job_release(job);
	*err = ERR_INIT;
	return layer_job_unpack(work, job, err);
}

/* The unpacked folder is the layer. */
static int layer_keep(const struct work *work, const char *folder, const char *diff_id,
		      const struct unpack_result *result, struct err *err)
{
	_cleanup_free_ char *size = mem_printf("%s/" LAYER_SIZE, folder);
	_cleanup_free_ char *final = mem_printf("layers/%s", diff_id);
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%lld\n%lld\n", (long long)result->bytes,
		 (long long)result->holes);
	r = file_replace(work->fd, size, text, strlen(text), 0600, 0);
	if (r == 0 && renameat(work->fd, folder, work->fd, final) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot store a layer") : 0;
}

/* What makes the disk, as root of the user's namespace, who alone can read all of the folder. */
struct layer_disk {
	const char *from, *to, *diff_id;
	int compressed;
};

static int64_t layer_make_disk_inside(void *ctx, struct err *err)
{
	const struct layer_disk *disk = ctx;

	return layer_pack_erofs(disk->from, disk->to, disk->diff_id, disk->compressed, NULL, err);
}

static int layer_has_holes(const char *folder)
{
	_cleanup_free_ char *file = mem_printf("%s/" LAYER_SIZE, folder), *text = NULL;
	struct err unused = ERR_INIT;
	int64_t holes = 0;
	char *line;

	if (file_read(AT_FDCWD, file, 64, &text, NULL) < 0 || !(line = strchr(text, '\n')))
		return 0;
	line++;
	line[strcspn(line, "\n")] = '\0';
	return units_parse_int(line, 0, INT64_MAX, &holes, &unused) == 0 && holes > LAYER_HOLES_MAX;
}

int layer_make_disk(const char *folder, const char *diff_id, struct err *err)
{
	_cleanup_free_ char *from = mem_printf("%s/" LAYER_FOLDER, folder);
	_cleanup_free_ char *final = mem_printf("%s/" LAYER_DISK, folder);
	_cleanup_free_ char *to = mem_printf("%s.%d", final, getpid());
	struct layer_disk disk = { from, to, diff_id, layer_has_holes(folder) };
	int r;

	if (access(final, F_OK) == 0)
		return 0;
	r = (int)userns_run(layer_make_disk_inside, &disk, err);
	if (r == 0 && rename(to, final) < 0)
		r = err_errno(err, -errno, "cannot store the disk of a layer");
	if (r < 0)
		(void)unlink(to);
	return r;
}

/* The confined process is done: checks what it found. */
static int layer_job_check(const struct work *work, struct layer_job *job,
			   const struct unpack_result *result, struct err *err)
{
	struct layer *layer = job->layer;

	if (!digest_is_hex(result->digest))
		return err_set(err, -EBADMSG, "the unpacking process made no digest");
	if (*layer->diff_id && strcmp(layer->diff_id, result->digest))
		return err_set(
			err, -EBADMSG,
			"it is damaged: unpacked, its digest is sha256:%s instead of sha256:%s",
			result->digest, layer->diff_id);
	memcpy(layer->diff_id, result->digest, sizeof(layer->diff_id));
	layer->has_init = result->has_init;
	job->compressed = result->holes > LAYER_HOLES_MAX;
	job->done = layer->blob_size;
	job->phase = LAYER_UNPACKED;
	return layer_stays_unpacked() ? layer_keep(work, job->name, layer->diff_id, result, err)
				      : 0;
}

static int layer_job_pack(const struct work *work, struct layer_job *job, struct err *err)
{
	const struct layer_pack_spec spec = {
		.work = work,
		.folder = job->name,
		.scratch = job->scratch,
		.diff_id = job->layer->diff_id,
		.compressed = job->compressed,
	};

	job->phase = LAYER_PACKING;
	return layer_pack_start(&spec, &job->pack, err);
}

struct layer_state {
	const struct work *work;
	struct layer_job jobs[LAYER_JOBS];
	size_t packs; /* at a time */
	struct layer *layers;
	size_t n_layers, next; /* of layers */
	size_t started, ended, n;
	int64_t ended_bytes, total_bytes;
	progress_fn progress;
	void *progress_ctx;
};

static void layer_state_release(struct layer_state *state)
{
	for (size_t i = 0; i < LAYER_JOBS; i++)
		layer_job_release(&state->jobs[i]);
}

static void layer_show(const struct layer_state *state, const char *what)
{
	int64_t done = state->ended_bytes;
	char text[64];

	if (!state->progress)
		return;
	for (size_t i = 0; i < LAYER_JOBS; i++)
		done += state->jobs[i].phase ? state->jobs[i].done : 0;
	snprintf(text, sizeof(text), "%s layer %zu of %zu", what,
		 state->ended + (state->ended < state->n), state->n);
	state->progress(state->progress_ctx, text, done, state->total_bytes);
}

static void layer_job_finish(struct layer_state *state, struct layer_job *job)
{
	job->layer->is_stored = 1;
	state->ended_bytes += job->layer->blob_size;
	state->ended++;
	layer_job_release(job);
}

/* Takes one word of the process that unpacks. */
static int layer_job_read(struct layer_state *state, struct layer_job *job, struct err *err)
{
	struct unpack_result result = { .entries = 0 };
	int r = confine_read(&job->child, &job->done, &result, sizeof(result), err);

	if (r > 0) {
		layer_show(state, "unpacking");
		return 0;
	}
	if (r < 0)
		return layer_job_retry(state->work, job, err);
	result.digest[DIGEST_HEX_LEN] = '\0';
	r = layer_job_check(state->work, job, &result, err);
	if (r == 0 && layer_stays_unpacked())
		layer_job_finish(state, job);
	return r;
}

static int layer_job_go_on(struct layer_state *state, struct layer_job *job, struct err *err)
{
	if (job->phase == LAYER_UNPACKING)
		return layer_job_read(state, job, err);
	if (layer_pack_end(&job->pack, err) < 0)
		return layer_job_retry(state->work, job, err);
	layer_job_finish(state, job);
	return 0;
}

/* Waits for one of the running processes. */
static int layer_wait(struct layer_state *state, struct err *err)
{
	struct pollfd fds[LAYER_JOBS];

	for (size_t i = 0; i < LAYER_JOBS; i++) {
		const struct layer_job *job = &state->jobs[i];

		fds[i].fd = job->phase == LAYER_UNPACKING ? job->child.fd
			    : job->phase == LAYER_PACKING ? job->pack.fd
							  : -1;
		fds[i].events = POLLIN;
	}
	if (poll(fds, LAYER_JOBS, -1) < 0)
		return errno == EINTR ? 0 : err_errno(err, -errno, "cannot wait");
	for (size_t i = 0; i < LAYER_JOBS; i++) {
		struct layer_job *job = &state->jobs[i];

		if (fds[i].fd >= 0 && fds[i].revents && layer_job_go_on(state, job, err) < 0)
			return err_wrap(err, "layer %zu of %zu", job->number, state->n);
	}
	return 0;
}

static size_t layer_count(const struct layer_state *state, enum layer_phase phase)
{
	size_t n = 0;

	for (size_t i = 0; i < LAYER_JOBS; i++)
		n += state->jobs[i].phase == phase;
	return n;
}

static struct layer_job *layer_find(struct layer_state *state, enum layer_phase phase)
{
	for (size_t i = 0; i < LAYER_JOBS; i++) {
		if (state->jobs[i].phase == phase)
			return &state->jobs[i];
	}
	return NULL;
}

/* Starts as much as may run. */
static int layer_fill(struct layer_state *state, struct err *err)
{
	struct layer_job *job;

	while (layer_count(state, LAYER_PACKING) < state->packs &&
	       (job = layer_find(state, LAYER_UNPACKED))) {
		layer_show(state, "packing");
		if (layer_job_pack(state->work, job, err) < 0)
			return err->code;
	}
	while (layer_count(state, LAYER_UNPACKING) < LAYER_PARALLEL &&
	       (job = layer_find(state, LAYER_FREE))) {
		while (state->next < state->n_layers && state->layers[state->next].is_stored)
			state->next++;
		if (state->next == state->n_layers)
			return 0;
		job->layer = &state->layers[state->next++];
		job->number = ++state->started;
		job->tries = 0;
		if (layer_job_unpack(state->work, job, err) < 0)
			return err->code;
	}
	return 0;
}

/* The same layer may be in several images, or twice in one. */
static int layer_is_repeated(const struct layer *layers, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (*layers[i].diff_id && !strcmp(layers[i].diff_id, layers[j].diff_id))
			return 1;
	}
	return 0;
}

int layer_make_all(const struct work *work, struct layer *layers, size_t n, progress_fn progress,
		   void *ctx, struct err *err)
{
	_cleanup_(layer_state_release) struct layer_state state = {
		.work = work,
		.packs = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? LAYER_PACKS : 1,
		.layers = layers,
		.n_layers = n,
		.progress = progress,
		.progress_ctx = ctx,
	};

	for (size_t i = 0; i < LAYER_JOBS; i++)
		state.jobs[i] = (struct layer_job){ .child = CONFINE_CHILD_INIT,
						    .pack = LAYER_PACK_INIT,
						    .scratch = -EBADF };
	for (size_t i = 0; i < n; i++) {
		layers[i].is_stored |= layer_is_repeated(layers, i);
		state.n += !layers[i].is_stored;
		state.total_bytes += layers[i].is_stored ? 0 : layers[i].blob_size;
	}
	while (state.ended < state.n) {
		if (layer_fill(&state, err) < 0 || layer_wait(&state, err) < 0)
			return err->code;
	}
	return 0;
}

/* Runs one confined process to its end, with progress of one kind. */
static int layer_run(confine_fn fn, struct layer_task *task, const char *what, int64_t size,
		     progress_fn progress, void *ctx, void *ret, size_t ret_size, struct err *err)
{
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	int64_t done = 0;
	int r;

	if (layer_start(fn, task, ret_size, &child, err) < 0)
		return err->code;
	while ((r = confine_read(&child, &done, ret, ret_size, err)) > 0) {
		if (progress)
			progress(ctx, what, done, size);
	}
	return r;
}

int layer_extract_archive(const struct work *work, int fd, int64_t size, progress_fn progress,
			  void *ctx, enum layer_archive *ret, struct err *err)
{
	_cleanup_close_ int folder = layer_folder(work, "archive", err);
	struct layer_task task = { .in = fd, .out = -EBADF, .folder = folder };
	struct unpack_result result = { .entries = 0 };

	if (folder < 0)
		return folder;
	if (unpack_limits(folder, &task.options, err) < 0)
		return err->code;
	task.options.plain_files = 1;
	if (layer_run(layer_task_unpack, &task, "reading", size, progress, ctx, &result,
		      sizeof(result), err) < 0)
		return err->code;
	*ret = !result.is_root	  ? LAYER_ARCHIVE_IMAGES
	       : result.is_export ? LAYER_ARCHIVE_EXPORT
				  : LAYER_ARCHIVE_ROOT;
	return 0;
}

int layer_reroot(const struct work *work, int fd, int64_t size, progress_fn progress, void *ctx,
		 int *ret_fd, int *ret_settings, struct reroot_found *ret, struct err *err)
{
	_cleanup_close_ int out = -EBADF, folder = layer_folder(work, "settings", err);
	struct layer_task task = { .in = fd, .folder = folder };

	if (folder < 0)
		return folder;
	task.out = out = openat(work->fd, "root.tar", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 || unlinkat(work->fd, "root.tar", 0) < 0)
		return err_errno(err, -errno, "cannot make a file in %s", work->path);
	*ret = (struct reroot_found){ .has_root = 0 };
	if (layer_run(layer_task_reroot, &task, "reading", size, progress, ctx, ret, sizeof(*ret),
		      err) < 0)
		return err->code;
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_errno(err, -errno, "cannot seek");
	*ret_fd = take_fd(&out);
	*ret_settings = take_fd(&folder);
	return 0;
}

int layer_compress(const struct work *work, int fd, int64_t size, progress_fn progress, void *ctx,
		   struct layer *ret, struct err *err)
{
	_cleanup_close_ int folder = layer_folder(work, "empty", err), out = -EBADF;
	struct layer_task task = { .in = fd, .folder = folder };
	struct unpack_result result = { .entries = 0 };
	struct work_input input = { .is_ours = 1,
				    .expected_size = -1,
				    .what = "what was compressed" };
	struct blob blob;

	if (folder < 0)
		return folder;
	task.out = out =
		openat(work->fd, "compressed", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		return err_errno(err, -errno, "cannot make a file in %s", work->path);
	if (layer_run(layer_task_compress, &task, "compressing", size, progress, ctx, &result,
		      sizeof(result), err) < 0)
		return err->code;
	result.digest[DIGEST_HEX_LEN] = '\0';
	input.fd = out;
	if (lseek(out, 0, SEEK_SET) < 0 || work_add_blob(work, &input, &blob, err) < 0)
		return err_is_set(err) ? err->code : err_errno(err, -errno, "cannot seek");
	if (!digest_is_hex(result.digest))
		return err_set(err, -EIO, "the compressing process made no digest");
	memcpy(ret->blob, blob.hex, sizeof(ret->blob));
	memcpy(ret->diff_id, result.digest, sizeof(ret->diff_id));
	ret->blob_size = blob.size;
	return 0;
}
