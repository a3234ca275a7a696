// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/push.h"
#include "base/mem.h"
#include "image/export.h"
#include "image/reference.h"
#include "image/registry-internal.h"

#include <string.h>

#define PUSH_DOCKER "docker://"
/* for which skopeo takes no layer that is compressed by zstd */
#define PUSH_ARCHIVE "docker-archive:"

static const char *const push_transports[] = { "oci-archive:", "oci:", "dir:", NULL };

static int push_is_file(const char *destination)
{
	for (const char *const *t = push_transports; *t; t++) {
		if (!strncmp(destination, *t, strlen(*t)))
			return 1;
	}
	return 0;
}

/* The words for skopeo, and who to ask for leave. */
static int push_find(struct registry_call *call, const char *destination, char **ret,
		     struct err *err)
{
	int r;

	if (push_is_file(destination)) {
		call->reference = mem_strdup(destination);
		call->host = mem_strdup(destination);
		*ret = mem_strdup(destination);
		return 0;
	}
	if (!strncmp(destination, PUSH_ARCHIVE, strlen(PUSH_ARCHIVE)))
		return err_set(err, -EOPNOTSUPP, "'brig save -o FILE' writes such an archive");
	if (!strncmp(destination, PUSH_DOCKER, strlen(PUSH_DOCKER)))
		destination += strlen(PUSH_DOCKER);
	if (strchr(destination, '@'))
		return err_set(err, -EINVAL,
			       "a registry gives the digest itself: say NAME[:TAG], not '%.120s'",
			       destination);
	r = registry_call_init(call, destination, err);
	if (r == 0)
		*ret = mem_printf(PUSH_DOCKER "%s", call->remote);
	return r;
}

static int push_copy(const struct registry_call *call, const struct export *export,
		     const char *destination, struct err *err)
{
	struct skopeo skopeo = registry_skopeo(call);
	_cleanup_strv_ char **argv = NULL;

	if (skopeo_check_path(export->work.path, err) < 0)
		return err->code;
	skopeo_begin(&argv, "copy");
	strv_add(&argv, "--quiet");
	skopeo_add_access(&argv, &call->access, "dest-");
	strv_add_printf(&argv, "oci:%s/" EXPORT_FOLDER, export->work.path);
	strv_add(&argv, destination);
	return skopeo_run(&skopeo, argv, err);
}

int push_image(const char *root, const char *reference, const char *destination,
	       const struct registry_options *options, char **ret_destination, struct err *err)
{
	_cleanup_registry_call_ struct registry_call call = { .root = root, .options = options };
	char *const references[] = { (char *)(uintptr_t)reference, NULL };
	_cleanup_export_ struct export export = EXPORT_INIT;
	_cleanup_free_ char *to = NULL;
	int r = export_open(root, references, &export, err);

	if (r < 0)
		return r;
	r = push_find(&call, destination ? destination : export.images[0].reference, &to, err);
	if (r == 0 && options->creds)
		r = registry_add_creds(&call, &export.work, err);
	if (r == 0)
		r = push_copy(&call, &export, to, err);
	if (r < 0)
		return err_wrap(err, "cannot push %.120s", reference);
	*ret_destination = take_ptr(call.reference);
	return 0;
}
