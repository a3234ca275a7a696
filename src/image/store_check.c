// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/store_check.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/erofs_head.h"
#include "image/layer.h"
#include "image/layer_seal.h"
#include "image/store-internal.h"
#include "image/work.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define STORE_CHECK_STEP ((int64_t)4 << 20)

/* What a layer can be made of. */
struct store_source {
	char blob[DIGEST_HEX_SIZE], *diff_id;
	int64_t size;
};

struct store_checking {
	const char *root;
	const struct store_check *check;
	const struct json *list;
	struct store_needs needs;
	struct store_source *sources;
	size_t n_sources;
	char **bad;   /* blobs that are damaged or missing */
	int unread;   /* something that may need more could not be read */
	int leftover; /* there is something that nothing needs */
	int64_t done, told, total;
	size_t n_unsealed; /* layers without a digest */
};

static void store_checking_release(struct store_checking *checking)
{
	store_needs_release(&checking->needs);
	for (size_t i = 0; i < checking->n_sources; i++)
		free(checking->sources[i].diff_id);
	free(checking->sources);
	strv_free(checking->bad);
}

static void store_check_tell(const struct store_checking *checking, const char *kind,
			     const char *name, const char *what, int mended)
{
	const struct store_problem problem = {
		.kind = kind, .name = name, .what = what, .mended = mended
	};

	checking->check->found(checking->check->ctx, &problem);
}

/* --- images --- */

static int store_check_entry(struct store_checking *checking, const struct json *entry,
			     struct err *err)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	_cleanup_json_ struct json *config = NULL;
	_cleanup_strv_ char **layers = NULL;
	_cleanup_free_ char *text = NULL;

	if (store_load_documents(checking->root, entry, &text, &config, &manifest, err) < 0 ||
	    manifest_check_config(config, &layers, err) < 0)
		return err->code;
	if (strv_len(layers) != manifest.n_layers)
		return err_set(err, -EINVAL, "its two documents name different layers");
	strv_add(&checking->needs.blobs, store_entry_hex(entry));
	strv_add(&checking->needs.blobs, manifest.config.hex);
	checking->sources =
		mem_realloc(checking->sources, checking->n_sources + manifest.n_layers + 1,
			    sizeof(*checking->sources));
	for (size_t i = 0; i < manifest.n_layers; i++) {
		struct store_source *source = &checking->sources[checking->n_sources++];

		*source = (struct store_source){ .diff_id = mem_strdup(layers[i]),
						 .size = manifest.layers[i].size };
		memcpy(source->blob, manifest.layers[i].hex, sizeof(source->blob));
		strv_add(&checking->needs.blobs, source->blob);
		strv_add(&checking->needs.layers, layers[i]);
	}
	return 0;
}

static void store_check_images(struct store_checking *checking)
{
	for (size_t i = 0; i < json_array_len(checking->list); i++) {
		const struct json *entry = json_array_at(checking->list, i);
		const char *name = store_entry_reference(entry), *hex = store_entry_hex(entry);
		struct err why = ERR_INIT;

		if (store_check_entry(checking, entry, &why) == 0)
			continue;
		checking->unread = 1;
		store_check_tell(checking, "image", name ? name : hex ? hex : "?", why.msg, 0);
	}
}

/* --- blobs --- */

static void store_check_progress(void *ctx, size_t n)
{
	struct store_checking *checking = ctx;
	const struct store_check *check = checking->check;

	checking->done += (int64_t)n;
	if (!check->progress || checking->done < checking->told + STORE_CHECK_STEP)
		return;
	checking->told = checking->done;
	check->progress(check->progress_ctx, "checking images", checking->done, checking->total);
}

/* 1: it has the digest; 0: it has not. */
static int store_check_digest(struct store_checking *checking, int dirfd, const char *hex)
{
	_cleanup_close_ int fd = openat(dirfd, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char found[DIGEST_HEX_SIZE];
	int r = fd < 0 ? -errno : digest_of_file(fd, store_check_progress, checking, found);

	return r < 0 ? r : !strcmp(found, hex);
}

static void store_check_bad(struct store_checking *checking, const char *hex, const char *what)
{
	if (strv_has(checking->bad, hex))
		return;
	strv_add(&checking->bad, hex);
	store_check_tell(checking, "blob", hex, what, 0);
}

static void store_check_blob(struct store_checking *checking, int blobs, const char *hex)
{
	int r = store_check_digest(checking, blobs, hex);

	if (r == -ENOENT)
		store_check_bad(checking, hex,
				"is missing, and an image needs it: pull or import that again");
	else if (r < 0)
		store_check_bad(checking, hex, strerror(-r));
	else if (!r)
		store_check_bad(checking, hex,
				"has other bytes than its digest says: pull or import its image "
				"again");
}

static void store_check_add_sizes(struct store_checking *checking)
{
	_cleanup_strv_ char **paths = NULL;

	strv_for_each(hex, checking->needs.blobs)
		strv_add_printf(&paths, "%s/images/blobs/sha256/%s", checking->root, *hex);
	strv_for_each(diff_id, checking->needs.layers)
		strv_add_printf(&paths, "%s/layers/%s" STORE_LAYER_END, checking->root, *diff_id);
	strv_for_each(path, paths) {
		struct stat st;

		if (lstat(*path, &st) == 0)
			checking->total += st.st_size;
	}
}

static int store_check_blobs(struct store_checking *checking, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/images/blobs/sha256", checking->root);
	_cleanup_close_ int blobs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ char **seen = NULL;

	if (blobs < 0)
		return errno == ENOENT && !checking->needs.blobs
			       ? 0
			       : err_errno(err, -errno, "cannot open %s", path);
	store_check_add_sizes(checking);
	strv_for_each(hex, checking->needs.blobs) {
		if (strv_has(seen, *hex))
			continue;
		strv_add(&seen, *hex);
		store_check_blob(checking, blobs, *hex);
	}
	return 0;
}

/* --- layers --- */

static const char *store_check_data(struct store_checking *checking, int fd)
{
	int r = layer_seal_check(fd, store_check_progress, checking);

	if (r == -ENODATA) {
		checking->n_unsealed++;
		return NULL;
	}
	return r < 0 ? "cannot be read" : r ? NULL : "has other bytes than were written";
}

/* NULL: nothing is wrong with it. */
static const char *store_check_layer_problem(struct store_checking *checking, const char *diff_id)
{
	_cleanup_free_ char *path = store_layer_path(checking->root, diff_id);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *what;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? "is missing" : "cannot be read";
	if (S_ISDIR(st.st_mode)) /* a user's, see image/layer.h */
		return NULL;
	what = erofs_head_check(fd, diff_id);
	return what ? what : store_check_data(checking, fd);
}

static const struct store_source *store_check_source(const struct store_checking *checking,
						     const char *diff_id)
{
	for (size_t i = 0; i < checking->n_sources; i++) {
		const struct store_source *source = &checking->sources[i];

		if (!strcmp(source->diff_id, diff_id) && !strv_has(checking->bad, source->blob))
			return source;
	}
	return NULL;
}

static int store_check_put(const struct store_checking *checking, const struct work *work,
			   const char *diff_id)
{
	_cleanup_free_ char *folder = mem_printf("%s/layers", checking->root);
	_cleanup_free_ char *name = layer_name(diff_id);
	_cleanup_free_ char *from = mem_printf("layers/%s", name);
	_cleanup_close_ int layers = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (layers < 0 || syncfs(work->fd) < 0)
		return -errno;
	/* who has it mounted keeps the file that he has */
	if (renameat(work->fd, from, layers, name) < 0)
		return -errno;
	return fsync(layers) < 0 ? -errno : 0;
}

/* Makes the layer anew, if there is what it is made of. */
static int store_check_rebuild(const struct store_checking *checking, const char *diff_id)
{
	const struct store_source *source = store_check_source(checking, diff_id);
	_cleanup_work_ struct work work = WORK_INIT;
	_cleanup_free_ char *from = NULL, *to = NULL;
	struct layer layer = { .is_stored = 0 };
	struct err why = ERR_INIT;

	if (!source || work_open(checking->root, &work, &why) < 0)
		return 0;
	from = mem_printf("%s/images/blobs/sha256/%s", checking->root, source->blob);
	to = mem_printf("blobs/%s", source->blob);
	if (linkat(AT_FDCWD, from, work.fd, to, 0) < 0)
		return 0;
	memcpy(layer.blob, source->blob, sizeof(layer.blob));
	memcpy(layer.diff_id, diff_id, sizeof(layer.diff_id));
	layer.blob_size = source->size;
	return layer_make_all(&work, &layer, 1, checking->check->progress,
			      checking->check->progress_ctx, &why) == 0 &&
	       store_check_put(checking, &work, diff_id) == 0;
}

static void store_check_layers(struct store_checking *checking)
{
	_cleanup_strv_ char **seen = NULL;

	strv_for_each(diff_id, checking->needs.layers) {
		const char *what;
		int mended;

		if (strv_has(seen, *diff_id) || !digest_is_hex(*diff_id))
			continue;
		strv_add(&seen, *diff_id);
		what = store_check_layer_problem(checking, *diff_id);
		if (!what)
			continue;
		mended = checking->check->repair && store_check_rebuild(checking, *diff_id);
		store_check_tell(checking, "layer", *diff_id, what, mended);
	}
}

/* --- what nothing leads to --- */

static int store_check_is_needed(const char *name, const char *end, char *const *needed)
{
	size_t len = strlen(name), n = strlen(end);
	_cleanup_free_ char *hex =
		mem_strndup(name, len > n && !strcmp(name + len - n, end) ? len - n : len);

	return strv_has(needed, hex);
}

/* Those that store_sweep() removes. */
static void store_check_leftovers(struct store_checking *checking, const char *folder,
				  const char *end, char *const *needed, int mended)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", checking->root, folder);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		_cleanup_free_ char *full = NULL;

		if (name[0] == '.' && strncmp(name, STORE_REMOVED, strlen(STORE_REMOVED)) != 0)
			continue;
		if (store_check_is_needed(name, end, needed))
			continue;
		full = mem_printf("%s/%s", folder, name);
		store_check_tell(checking, "leftover", full, "no image and no instance needs it",
				 mended);
		checking->leftover = 1;
	}
}

/* They are told before they go, for afterwards there is nothing to tell. */
static int store_check_sweep(struct store_checking *checking, struct err *err)
{
	int mended = checking->check->repair;

	if (checking->unread)
		return 0;
	store_check_leftovers(checking, "images/blobs/sha256", "", checking->needs.blobs, mended);
	store_check_leftovers(checking, "layers", STORE_LAYER_END, checking->needs.layers, mended);
	return mended && checking->leftover ? store_sweep(checking->root, checking->list, err) : 0;
}

/* Work of who was killed: nobody has its lock. The next work_open() removes it. */
static void store_check_works(const struct store_checking *checking)
{
	_cleanup_free_ char *tmp = mem_printf("%s/tmp", checking->root);
	_cleanup_closedir_ DIR *dir = opendir(tmp);
	_cleanup_strv_ char **left = NULL;
	_cleanup_work_ struct work work = WORK_INIT;
	struct err why = ERR_INIT;
	struct dirent *entry;
	int mended;

	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int fd = -EBADF;

		if (strncmp(entry->d_name, "import.", strlen("import.")) != 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && file_lock(fd, LOCK_EX | LOCK_NB) == 0)
			strv_add_printf(&left, "tmp/%s", entry->d_name);
	}
	mended = left && checking->check->repair && work_open(checking->root, &work, &why) == 0;
	strv_for_each(name, left)
		store_check_tell(checking, "leftover", *name, "an image was being made", mended);
}

int store_check(const char *root, const struct store_check *check, struct err *err)
{
	_cleanup_(store_checking_release) struct store_checking checking = { .root = root,
									     .check = check };
	_cleanup_free_ char *images = mem_printf("%s/images", root);
	_cleanup_json_ struct json *index = NULL;
	_cleanup_close_ int lock = -EBADF;
	struct err why = ERR_INIT;

	if (access(images, F_OK) < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot open %s", images);
	lock = store_lock(root, check->repair, err);
	if (lock < 0)
		return lock;
	if (store_read_index(root, &index, &why) < 0) {
		store_check_tell(&checking, "image", "index.json", why.msg, 0);
		return 0;
	}
	checking.list = json_get(index, "manifests");
	store_check_images(&checking);
	if (store_each_instance(root, store_need_instance, &checking.needs, &why) < 0)
		checking.unread = 1;
	if (store_check_blobs(&checking, err) < 0)
		return err->code;
	store_check_layers(&checking);
	if (check->n_unsealed)
		*check->n_unsealed = checking.n_unsealed;
	store_check_works(&checking);
	return store_check_sweep(&checking, err);
}
