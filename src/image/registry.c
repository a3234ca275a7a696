// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/registry.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/fetch.h"
#include "image/import.h"
#include "image/reference.h"
#include "image/registry-internal.h"
#include "image/short_name.h"
#include "image/source.h"

#include <fcntl.h>
#include <nettle/base64.h>
#include <string.h>

/*
 * A pull in steps: ask for the manifest, which says by digest what the image is; if the store has that image, it
 * just gets the name. Else bring the blobs that are missing (image/fetch.c), and import them as any OCI layout.
 * The manifest is kept as the registry has it, so that the image keeps its digest.
 */

void registry_call_release(struct registry_call *call)
{
	free(call->reference);
	free(call->remote);
	free(call->host);
	free(call->authfile);
}

void registry_image_release(struct registry_image *image)
{
	free(image->text);
	free(image->media_type);
	manifest_release(&image->manifest);
}

struct skopeo registry_skopeo(const struct registry_call *call)
{
	return (struct skopeo){
		.access = &call->access,
		.reference = call->reference,
		.host = call->host,
		.stall_ms = call->options->stall_ms,
		.in_fd = -EBADF,
		.watch_fd = -EBADF,
	};
}

/* --- who asks --- */

/* A command line is there for everyone to see, so that the password goes by a file, as one of `brig login`. */
int registry_add_creds(struct registry_call *call, const struct work *work, struct err *err)
{
	_cleanup_json_ struct json *json = json_new_object();
	struct json *auths = json_new_object(), *entry = json_new_object();
	const char *creds = call->options->creds;
	size_t len = strlen(creds);
	_cleanup_free_ char *auth = mem_zalloc(BASE64_ENCODE_RAW_LENGTH(len) + 1);
	_cleanup_free_ char *text = NULL;
	int r;

	if (!strchr(creds, ':'))
		return err_set(err, -EINVAL,
			       "--creds wants NAME:PASSWORD; 'brig login %s' asks for a password",
			       call->host);
	base64_encode_raw(auth, len, (const uint8_t *)creds);
	json_object_add(entry, "auth", json_new_string(auth));
	json_object_add(auths, call->host, entry);
	json_object_add(json, "auths", auths);
	text = json_text(json, 0);
	r = file_replace(work->fd, "auth.json", text, strlen(text), 0600, 0);
	if (r < 0)
		return err_errno(err, r, "cannot write %s/auth.json", work->path);
	call->authfile = mem_printf("%s/auth.json", work->path);
	call->access.authfile = call->authfile;
	return 0;
}

int registry_call_init(struct registry_call *call, const char *reference, struct err *err)
{
	int r = reference_resolve(reference, &call->reference, &call->remote, err);

	if (r < 0)
		return r;
	call->host = reference_host(call->reference);
	call->access = call->options->access;
	return 0;
}

/* --- the manifest --- */

/* What the registry has under the reference, whose digest it must have if that names one. */
static int registry_get(const struct registry_call *call, const char *remote, char **ret,
			size_t *ret_len, char hex[DIGEST_HEX_SIZE], struct err *err)
{
	_cleanup_free_ char *source = mem_printf("docker://%s", remote);
	const char *digest = strchr(remote, '@');
	struct skopeo skopeo = registry_skopeo(call);
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_strv_ char **argv = NULL;
	int r;

	skopeo_begin(&argv, "inspect");
	strv_add(&argv, "--raw");
	skopeo_add_access(&argv, &call->access, "");
	strv_add(&argv, source);
	skopeo.out = &out;
	skopeo.out_max = MANIFEST_TEXT_MAX;
	r = skopeo_run(&skopeo, argv, err);
	if (r < 0)
		return r;
	digest_of(out.data, out.len, hex);
	if (digest && strcmp(digest + strlen("@sha256:"), hex))
		return err_set(err, -EBADMSG,
			       "the registry %s sends something else than it was asked for: its "
			       "digest is sha256:%s instead of %s",
			       call->host, hex, digest + 1);
	*ret_len = out.len;
	*ret = buf_take(&out);
	return 0;
}

static int registry_fits(const struct registry_call *call, const struct descriptor *descriptor)
{
	_cleanup_free_ char *found = NULL, *ours = NULL;

	if (manifest_type_is_index(descriptor->media_type) || !descriptor->architecture ||
	    !descriptor->os)
		return 0;
	found = mem_printf("%s/%s", descriptor->os, descriptor->architecture);
	ours = mem_printf("linux/%s", manifest_architecture());
	return !strcmp(found, call->options->platform ? call->options->platform : ours);
}

/* Asks for the image of our platform, by its digest. */
static int registry_get_of_list(const struct registry_call *call, struct registry_image *image,
				struct err *err)
{
	_cleanup_manifest_index_ struct manifest_index index = { .n_images = 0 };
	const char *at = strchr(call->remote, '@');
	const char *end = at ? at : strrchr(call->remote, ':');

	if (manifest_parse_index(image->text, image->len, &index, err) < 0)
		return err->code;
	for (size_t i = 0; i < index.n_images; i++) {
		_cleanup_free_ char *remote = NULL;

		if (!registry_fits(call, &index.images[i]))
			continue;
		remote = mem_printf("%.*s@sha256:%s", (int)(end - call->remote), call->remote,
				    index.images[i].hex);
		free(take_ptr(image->text));
		return registry_get(call, remote, &image->text, &image->len, image->hex, err);
	}
	if (call->options->platform)
		return err_set(err, -ENOENT, "it has no image for %.80s", call->options->platform);
	return err_set(err, -ENOENT, "it has no image for linux on %s", manifest_architecture());
}

/* What kind of document it is: its own word, if it gives any. */
static int registry_type(struct registry_image *image, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	const char *type;

	if (json_parse(image->text, image->len, "the manifest", &json, err) < 0)
		return err->code;
	type = json_get_string(json, "mediaType", NULL);
	if (!type)
		type = json_get(json, "manifests") ? MANIFEST_TYPE_INDEX : MANIFEST_TYPE_MANIFEST;
	mem_replace(&image->media_type, type);
	return 0;
}

int registry_find(const struct registry_call *call, struct registry_image *ret, struct err *err)
{
	int r = registry_get(call, call->remote, &ret->text, &ret->len, ret->hex, err);

	if (r == 0)
		r = registry_type(ret, err);
	if (r == 0 && manifest_type_is_index(ret->media_type)) {
		r = registry_get_of_list(call, ret, err);
		if (r == 0)
			r = registry_type(ret, err);
	}
	if (r < 0)
		return r;
	return manifest_parse(ret->text, ret->len, &ret->manifest, err);
}

/* --- pull --- */

static void registry_say_known(const struct registry_call *call)
{
	_cleanup_free_ char *text = mem_printf("%s: nothing new", call->reference);

	if (call->options->say)
		call->options->say(text);
}

/* 1 if the store has the image, which then has the name. */
static int registry_is_stored(const struct registry_call *call, const struct registry_image *image,
			      struct err *err)
{
	_cleanup_free_ char *digest = mem_printf("sha256:%s", image->hex);
	_cleanup_image_ struct image named = { 0 }, stored = { 0 };
	struct err none = ERR_INIT;

	if (store_get(call->root, call->reference, &named, &none) == 0 &&
	    !strcmp(named.digest, digest))
		return 1;
	none = ERR_INIT;
	if (store_get(call->root, digest, &stored, &none) < 0)
		return 0;
	return store_tag(call->root, digest, call->reference, err) < 0 ? err->code : 1;
}

static int registry_import(struct source *source, const struct registry_call *call,
			   const struct registry_image *image, struct err *err)
{
	int r = fetch_image(call, image, &source->work, err);
	int is_full = r == -ENOSPC || r == -EDQUOT;

	if (is_full)
		err_wrap(err, "the disk with %.120s is full", call->root);
	if (r == 0 || is_full)
		fetch_forget(call->root, image);
	return r < 0 ? r : import_fetched(source, FETCH_FOLDER, err);
}

static int registry_bring(struct source *source, struct registry_call *call, struct err *err)
{
	_cleanup_registry_image_ struct registry_image image = { .len = 0 };
	int r = call->options->creds ? registry_add_creds(call, &source->work, err) : 0;

	if (r == 0)
		r = registry_find(call, &image, err);
	if (r == 0)
		r = registry_is_stored(call, &image, err);
	if (r > 0)
		registry_say_known(call);
	return r == 0 ? registry_import(source, call, &image, err) : r < 0 ? r : 0;
}

static int registry_pull_from(const char *root, const char *reference,
			      const struct registry_options *options, char **ret, struct err *err)
{
	_cleanup_registry_call_ struct registry_call call = { .root = root, .options = options };
	struct import_options import = { .progress = options->progress,
					 .progress_ctx = options->progress_ctx };
	_cleanup_source_ struct source source = {
		.root = root, .name = reference, .options = &import, .work = WORK_INIT
	};
	int r = registry_call_init(&call, reference, err);

	if (r == 0)
		r = work_open(root, &source.work, err);
	if (r < 0)
		return r;
	import.reference = call.reference;
	r = registry_bring(&source, &call, err);
	if (r < 0)
		return r;
	*ret = take_ptr(call.reference);
	return 0;
}

int registry_pull(const char *root, const char *reference, const struct registry_options *options,
		  char **ret, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ char *tried = NULL;
	struct err last = ERR_INIT;
	int r = short_name_resolve(reference, &names, &last);

	strv_for_each(name, names) {
		last = ERR_INIT;
		r = registry_pull_from(root, *name, options, ret, &last);
		if (r == 0)
			return 0;
		if (r == -ENOSPC || r == -EDQUOT)
			break;
	}
	tried = names ? strv_join(names, ", ") : NULL;
	(void)err_set(err, r, "%s", last.msg);
	if (!tried || !strcmp(tried, reference))
		return err_wrap(err, "cannot pull %.120s", reference);
	return err_wrap(err, "cannot pull %.120s (tried %.200s)", reference, tried);
}
