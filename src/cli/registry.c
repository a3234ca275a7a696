// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs that speak with registries. */
#include "cli/registry.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "image/registry.h"

#include <string.h>

struct registry_values {
	int quiet, tls_verify;
	char *authfile, *creds, *cert_dir, *platform;
};

static const struct registry_values registry_defaults = { .tls_verify = 1 };

#define REGISTRY(name_, letter_, type_, metavar_, member, help_, ...)                            \
	{                                                                                        \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_),    \
		.help = (help_), .offset = offsetof(struct registry_values, member), __VA_ARGS__ \
	}

#define REGISTRY_ACCESS                                                             \
	REGISTRY("authfile", 0, OPTION_STRING, "FILE", authfile,                    \
		 "take names and passwords from this file", .complete = "file"),    \
		REGISTRY("cert-dir", 0, OPTION_STRING, "DIR", cert_dir,             \
			 "take certificates from this folder", .complete = "file"), \
		REGISTRY("tls-verify", 0, OPTION_FLAG, NULL, tls_verify,            \
			 "with =false: do without TLS, or without asking who vouches")

#define REGISTRY_CREDS                                              \
	REGISTRY("creds", 0, OPTION_STRING, "NAME:PASSWORD", creds, \
		 "who asks, in place of who has logged in")

static const struct option registry_pull_options[] = {
	REGISTRY("quiet", 'q', OPTION_FLAG, NULL, quiet, "print nothing but the names"),
	REGISTRY("platform", 0, OPTION_STRING, "OS/ARCH", platform,
		 "the image for this platform, not for this machine's"),
	REGISTRY_ACCESS,
	REGISTRY_CREDS,
	OPTION_END,
};

static void registry_say(const char *text)
{
	progress_end();
	log_notice("%s", text);
}

static struct registry_options registry_options_of(const struct registry_values *v)
{
	return (struct registry_options){
		.access = { .authfile = v->authfile,
			    .cert_dir = v->cert_dir,
			    .insecure = !v->tls_verify },
		.creds = v->creds,
		.platform = v->platform,
		.progress = v->quiet ? NULL : progress_show,
		.say = v->quiet ? NULL : registry_say,
	};
}

int registry_bring_image(const char *root, const char *reference, struct err *err)
{
	const struct registry_options options = registry_options_of(&registry_defaults);
	_cleanup_free_ char *full = NULL;
	int r = registry_pull(root, reference, &options, &full, err);

	progress_end();
	return r;
}

int registry_may_have(const char *reference)
{
	return strncmp(reference, "sha256:", strlen("sha256:")) != 0;
}

static int registry_pull_all(const struct cli_context *cli, const void *values, char **args,
			     struct err *err)
{
	const struct registry_options options = registry_options_of(values);

	strv_for_each(reference, args) {
		_cleanup_free_ char *full = NULL;

		if (registry_pull(cli->root, *reference, &options, &full, err) < 0)
			return err->code;
		progress_end();
		puts(full);
	}
	return 0;
}

static const char *const registry_pull_examples[] = {
	"brig pull debian:bookworm",
	"fetch an image from docker.io, where names without a host are",
	"brig pull registry.example:5000/web@sha256:1f3a...",
	"fetch just that one, which is called web:sha256-1f3a... here",
	NULL,
};

#define REGISTRY_GROUP "Images"

#define REGISTRY_PULL_DESCRIPTION                                                                  \
	"Fetches images from registries. A name without a host is one of docker.io. Of an image "  \
	"for several platforms, that for this machine is taken. What the store has already, and "  \
	"what an interrupted try has fetched whole, is not fetched again; if the pull fails or "   \
	"is interrupted, the images in the store are as before.\n\n"                               \
	"skopeo carries, so its files hold: /etc/containers/registries.conf (mirrors, blocked "    \
	"and insecure registries), policy.json (whose images are let in), certs.d (certificates) " \
	"and the auth files of podman and docker.\n\n"                                             \
	"With --creds others on this machine may see the password for as long as brig runs; "      \
	"'brig login' asks for it."

#define REGISTRY_ROW_PULL(noun_)                                                               \
	{                                                                                      \
		.noun = (noun_), .name = "pull", .group = REGISTRY_GROUP, .args = "IMAGE...",  \
		.summary = "Fetch images from a registry",                                     \
		.description = REGISTRY_PULL_DESCRIPTION, .examples = registry_pull_examples,  \
		.options = registry_pull_options, .min_args = 1, .max_args = -1,               \
		.values_size = sizeof(struct registry_values), .defaults = &registry_defaults, \
		.complete = "image", .run = registry_pull_all,                                 \
	}

const struct verb cli_registry_verbs[] = {
	REGISTRY_ROW_PULL(NULL),
	REGISTRY_ROW_PULL("image"),
	{ .name = NULL },
};
