// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/fetch.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/*
 * Blobs of an image come to WORK/fetch/blobs/sha256, skopeo's --dest-shared-blob-dir:
 *   1. Those that the store has, and those that an earlier try has left in ROOT/tmp/fetched, are linked there
 *      first. skopeo takes a file of the right name for the right blob; whoever imports the layout checks.
 *   2. skopeo writes to WORK/fetch/layout/oci-put-blob* and renames what it has read and checked. Each such
 *      blob is linked to ROOT/tmp/fetched at once, where it survives us.
 *   3. No file may get larger than the largest blob that is wanted, or a document: the registry's bytes stop there.
 *   4. Kept blobs go when their image is stored, when they turn out bad, or FETCH_KEEP_S after they came.
 */

#define FETCH_BLOBS   FETCH_FOLDER "/blobs/sha256"
#define FETCH_LAYOUT  FETCH_FOLDER "/layout"
#define FETCH_KEEP_S  ((int64_t)7 * 24 * 3600)
#define FETCH_SCAN_NS 50000000 /* between two looks at the sizes */

struct fetch {
	const struct registry_call *call;
	int layout, blobs, kept; /* the folders */
	int inotify, blobs_watch;
	int64_t done, total, largest; /* bytes */
	size_t n_done, n_total;	      /* blobs to be fetched */
	int64_t scanned_at;
};

static void fetch_release(struct fetch *fetch)
{
	fd_close(fetch->layout);
	fd_close(fetch->blobs);
	fd_close(fetch->kept);
	fd_close(fetch->inotify);
}

static char *fetch_kept_path(const char *root)
{
	return mem_printf("%s/tmp/fetched", root);
}

void fetch_forget(const char *root, const struct registry_image *image)
{
	_cleanup_free_ char *path = fetch_kept_path(root);
	_cleanup_close_ int kept = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (kept < 0)
		return;
	(void)unlinkat(kept, image->manifest.config.hex, 0);
	for (size_t i = 0; i < image->manifest.n_layers; i++)
		(void)unlinkat(kept, image->manifest.layers[i].hex, 0);
	(void)rmdir(path);
}

static void fetch_sweep(int kept)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(kept, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int64_t now = units_now() / 1000000000;
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (digest_is_hex(entry->d_name) &&
		    fstatat(kept, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ctim.tv_sec + FETCH_KEEP_S < now)
			(void)unlinkat(kept, entry->d_name, 0);
	}
}

/* Another pull that ends takes the folder away if it is empty. */
static int fetch_open_kept(const char *path)
{
	for (;;) {
		int r = file_mkdir_p(path, 0700);
		int fd = r < 0 ? r : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (r < 0 || fd >= 0)
			return fd;
		if (errno != ENOENT)
			return -errno;
	}
}

static int fetch_open(struct fetch *fetch, const struct work *work, struct err *err)
{
	static const char *const folders[] = { FETCH_FOLDER, FETCH_FOLDER "/blobs", FETCH_BLOBS,
					       FETCH_LAYOUT };
	_cleanup_free_ char *kept = fetch_kept_path(fetch->call->root);
	_cleanup_free_ char *layout = mem_printf("%s/" FETCH_LAYOUT, work->path);
	_cleanup_free_ char *blobs = mem_printf("%s/" FETCH_BLOBS, work->path);
	int r = fetch_open_kept(kept);

	fetch->kept = r;
	r = r < 0 ? r : 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = mkdirat(work->fd, folders[i], 0700) < 0 ? -errno : 0;
	if (r < 0)
		return err_errno(err, r, "cannot make folders in %s/tmp", fetch->call->root);
	fetch->layout = open(layout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fetch->blobs = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fetch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	fetch->blobs_watch = inotify_add_watch(fetch->inotify, blobs, IN_MOVED_TO);
	if (fetch->layout < 0 || fetch->blobs < 0 || fetch->blobs_watch < 0 ||
	    inotify_add_watch(fetch->inotify, layout, IN_CREATE | IN_MODIFY) < 0)
		return err_errno(err, -errno, "cannot watch %s", layout);
	fetch_sweep(fetch->kept);
	return 0;
}

/* --- what is here --- */

static int fetch_link(const struct fetch *fetch, int from, const struct descriptor *blob)
{
	struct stat st;

	if (fstatat(from, blob->hex, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (st.st_size != blob->size)
		return 0;
	return linkat(from, blob->hex, fetch->blobs, blob->hex, 0) == 0 || errno == EEXIST;
}

static void fetch_add_known(struct fetch *fetch, int stored, const struct descriptor *blob)
{
	if (fetch_link(fetch, stored, blob) || fetch_link(fetch, fetch->kept, blob))
		return;
	fetch->total += blob->size;
	fetch->n_total++;
	if (blob->size > fetch->largest)
		fetch->largest = blob->size;
}

static void fetch_add_all_known(struct fetch *fetch, const struct manifest *manifest)
{
	_cleanup_free_ char *path = mem_printf("%s/images/blobs/sha256", fetch->call->root);
	_cleanup_close_ int stored = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	fetch_add_known(fetch, stored, &manifest->config);
	for (size_t i = 0; i < manifest->n_layers; i++) {
		int is_known = 0;

		for (size_t j = 0; j < i && !is_known; j++)
			is_known = !strcmp(manifest->layers[j].hex, manifest->layers[i].hex);
		if (!is_known)
			fetch_add_known(fetch, stored, &manifest->layers[i]);
	}
}

/* --- what comes --- */

static void fetch_take(struct fetch *fetch, const char *name)
{
	const struct registry_options *options = fetch->call->options;
	_cleanup_free_ char *text = NULL;
	char size[UNITS_TEXT_MAX];
	struct stat st;

	if (!digest_is_hex(name) || fstatat(fetch->blobs, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (linkat(fetch->blobs, name, fetch->kept, name, 0) < 0 && errno != EEXIST)
		log_debug("cannot keep the blob %s: %s", name, strerror(errno));
	fetch->done += st.st_size;
	fetch->n_done++;
	text = mem_printf("%s: %.12s fetched, %s", fetch->call->reference, name,
			  units_format_size(st.st_size, size));
	if (options->say)
		options->say(text);
}

static int fetch_scan(struct fetch *fetch, struct err *err)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(fetch->layout, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct registry_options *options = fetch->call->options;
	_cleanup_free_ char *what =
		mem_printf("fetching, %zu of %zu", fetch->n_done, fetch->n_total);
	int64_t coming = 0;
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "oci-put-blob", strlen("oci-put-blob")) ||
		    fstatat(fetch->layout, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (st.st_size > fetch->largest)
			return err_set(err, -EBADMSG,
				       "the registry %s sends more than the %lld bytes that the "
				       "manifest announces",
				       fetch->call->host, (long long)fetch->largest);
		coming += st.st_size;
	}
	if (options->progress)
		options->progress(options->progress_ctx, what, fetch->done + coming, fetch->total);
	return 0;
}

static int fetch_watch(void *ctx, struct err *err)
{
	_Alignas(struct inotify_event) char events[8192];
	struct fetch *fetch = ctx;
	ssize_t n = read(fetch->inotify, events, sizeof(events));
	int64_t now;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(events + at);

		if (event->wd == fetch->blobs_watch && event->len)
			fetch_take(fetch, event->name);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	now = units_monotonic();
	if (now - fetch->scanned_at < FETCH_SCAN_NS)
		return 0;
	fetch->scanned_at = now;
	return fetch_scan(fetch, err);
}

/* By digest: what the tag means may change meanwhile. */
static void fetch_add_source(char ***argv, const struct registry_call *call,
			     const struct registry_image *image)
{
	const char *at = strchr(call->remote, '@');
	const char *end = at ? at : strrchr(call->remote, ':');

	strv_add_printf(argv, "docker://%.*s@sha256:%s", (int)(end - call->remote), call->remote,
			image->hex);
}

static int fetch_copy(struct fetch *fetch, const struct registry_image *image,
		      const struct work *work, struct err *err)
{
	const struct registry_call *call = fetch->call;
	struct skopeo skopeo = registry_skopeo(call);
	_cleanup_strv_ char **argv = NULL;
	struct err ignored = ERR_INIT;
	int r;

	skopeo_begin(&argv, "copy");
	strv_add(&argv, "--quiet");
	strv_add(&argv, "--remove-signatures");
	strv_add(&argv, "--dest-oci-accept-uncompressed-layers");
	strv_add_printf(&argv, "--dest-shared-blob-dir=%s/" FETCH_FOLDER "/blobs", work->path);
	skopeo_add_access(&argv, &call->access, "src-");
	fetch_add_source(&argv, call, image);
	strv_add_printf(&argv, "oci:%s/" FETCH_LAYOUT, work->path);
	skopeo.watch = fetch_watch;
	skopeo.watch_fd = fetch->inotify;
	skopeo.watch_ctx = fetch;
	r = skopeo_run(&skopeo, argv, err);
	fetch->scanned_at = units_monotonic(); /* what still comes are whole blobs */
	(void)fetch_watch(fetch, &ignored);
	return r;
}

/* skopeo leaves out what by its media type is "foreign": licences of old forbade registries to have it. */
static int fetch_check_layers(const struct fetch *fetch, const struct manifest *manifest,
			      struct err *err)
{
	for (size_t i = 0; i < manifest->n_layers; i++) {
		const struct descriptor *layer = &manifest->layers[i];

		if (faccessat(fetch->blobs, layer->hex, F_OK, 0) < 0)
			return err_set(err, -ENOENT,
				       "its layer sha256:%.12s is to be had elsewhere than in the "
				       "registry (%.80s); ask for an image that is whole",
				       layer->hex, layer->media_type);
	}
	return 0;
}

/* skopeo writes docker's configurations anew, as OCI's; we want the one that the manifest names. */
static int fetch_config(const struct fetch *fetch, const struct registry_image *image,
			struct err *err)
{
	struct skopeo skopeo = registry_skopeo(fetch->call);
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_strv_ char **argv = NULL;
	int r;

	skopeo_begin(&argv, "inspect");
	strv_add(&argv, "--config");
	strv_add(&argv, "--raw");
	skopeo_add_access(&argv, &fetch->call->access, "");
	fetch_add_source(&argv, fetch->call, image);
	skopeo.out = &out;
	skopeo.out_max = MANIFEST_TEXT_MAX;
	r = skopeo_run(&skopeo, argv, err);
	if (r < 0)
		return r;
	r = file_replace(fetch->blobs, image->manifest.config.hex, out.data, out.len, 0644, 0);
	return r < 0 ? err_errno(err, r, "cannot store the configuration") : 0;
}

/* The layout that is imported has the manifest as the registry has it, not as skopeo writes it. */
static int fetch_name(const struct work *work, const struct registry_image *image, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(FETCH_BLOBS "/%s", image->hex), *text = NULL;
	_cleanup_free_ char *digest = mem_printf("sha256:%s", image->hex);
	_cleanup_json_ struct json *index = json_new_object();
	struct json *entry = json_new_object(), *list = json_new_array();
	int r;

	json_object_add(entry, "mediaType", json_new_string(image->media_type));
	json_object_add(entry, "digest", json_new_string(digest));
	json_object_add(entry, "size", json_new_int((int64_t)image->len));
	json_array_add(list, entry);
	json_object_add(index, "schemaVersion", json_new_int(2));
	json_object_add(index, "manifests", list);
	text = json_text(index, 0);
	r = file_replace(work->fd, path, image->text, image->len, 0644, 0);
	if (r == 0)
		r = file_replace(work->fd, FETCH_FOLDER "/index.json", text, strlen(text), 0644, 0);
	return r < 0 ? err_errno(err, r, "cannot write to %s", work->path) : 0;
}

int fetch_image(const struct registry_call *call, const struct registry_image *image,
		const struct work *work, struct err *err)
{
	_cleanup_(fetch_release) struct fetch fetch = { .call = call,
							.largest = MANIFEST_TEXT_MAX,
							.layout = -EBADF,
							.blobs = -EBADF,
							.kept = -EBADF,
							.inotify = -EBADF };
	int r = skopeo_check_path(work->path, err);

	if (r == 0)
		r = fetch_open(&fetch, work, err);
	if (r < 0)
		return r;
	fetch_add_all_known(&fetch, &image->manifest);
	if (fetch.n_total)
		r = fetch_copy(&fetch, image, work, err);
	if (r == 0)
		r = fetch_check_layers(&fetch, &image->manifest, err);
	if (r == 0 && faccessat(fetch.blobs, image->manifest.config.hex, F_OK, 0) < 0)
		r = fetch_config(&fetch, image, err);
	return r < 0 ? r : fetch_name(work, image, err);
}
