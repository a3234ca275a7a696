// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs that speak with registries. */
#include "cli/registry.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "image/export.h"
#include "image/import.h"
#include "image/login.h"
#include "image/push.h"
#include "image/registry.h"

#include <string.h>

#define REGISTRY_STALL_MS 120000

struct registry_values {
	int quiet, tls_verify;
	int64_t stall_ms;
	char *authfile, *creds, *cert_dir, *platform, *username;
	int password_stdin, all;
};

static const struct registry_values registry_defaults = {
	.tls_verify = 1,
	.stall_ms = REGISTRY_STALL_MS,
};

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

#define REGISTRY_STALL                                                  \
	REGISTRY("stall-timeout", 0, OPTION_DURATION, "TIME", stall_ms, \
		 "give up once nothing has moved for so long (2m); 0: never")

#define REGISTRY_CREDS                                              \
	REGISTRY("creds", 0, OPTION_STRING, "NAME:PASSWORD", creds, \
		 "who asks, in place of who has logged in")

static const struct option registry_pull_options[] = {
	REGISTRY("quiet", 'q', OPTION_FLAG, NULL, quiet, "print nothing but the names"),
	REGISTRY("platform", 0, OPTION_STRING, "OS/ARCH", platform,
		 "the image for this platform, not for this machine's"),
	REGISTRY_ACCESS,
	REGISTRY_STALL,
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
		.stall_ms = v->stall_ms,
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
		int r = registry_pull(cli->root, *reference, &options, &full, err);

		progress_end();
		if (r < 0)
			return r;
		puts(full);
	}
	return 0;
}

/* --- push --- */

static const struct option registry_push_options[] = {
	REGISTRY("quiet", 'q', OPTION_FLAG, NULL, quiet, "print nothing"),
	REGISTRY_ACCESS,
	REGISTRY_STALL,
	REGISTRY_CREDS,
	OPTION_END,
};

static int registry_push(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct registry_values *v = values;
	const struct registry_options options = registry_options_of(v);
	_cleanup_free_ char *to = NULL;
	int r = push_image(cli->root, args[0], args[1], &options, &to, err);

	if (r == 0 && !v->quiet)
		puts(to);
	return r;
}

/* --- login and logout --- */

static const struct option registry_login_options[] = {
	REGISTRY("username", 'u', OPTION_STRING, "NAME", username, "who logs in; else it asks"),
	REGISTRY("password-stdin", 0, OPTION_FLAG, NULL, password_stdin,
		 "take the password from stdin; else it asks on the terminal"),
	REGISTRY_ACCESS,
	OPTION_END,
};

static const struct option registry_logout_options[] = {
	REGISTRY("all", 'a', OPTION_FLAG, NULL, all, "from every registry"),
	REGISTRY("authfile", 0, OPTION_STRING, "FILE", authfile,
		 "forget what this file has of names and passwords", .complete = "file"),
	OPTION_END,
};

static int registry_login(const struct cli_context *cli _unused_, const void *values, char **args,
			  struct err *err)
{
	const struct registry_values *v = values;
	const struct registry_options options = registry_options_of(v);
	const char *host = args[0] ? args[0] : LOGIN_HOST;
	int r = login_to(host, v->username, v->password_stdin, &options.access, err);

	if (r < 0)
		return err_wrap(err, "cannot log in to %.120s", host);
	printf("logged in to %s\n", host);
	return 0;
}

static int registry_logout(const struct cli_context *cli _unused_, const void *values, char **args,
			   struct err *err)
{
	const struct registry_values *v = values;
	const struct registry_options options = registry_options_of(v);
	const char *host = args[0] ? args[0] : LOGIN_HOST;

	if (v->all && args[0])
		return err_set(err, -EINVAL, "--all and a registry exclude each other");
	if (login_forget(v->all ? NULL : host, &options.access, err) < 0)
		return err_wrap(err, "cannot log out");
	printf("logged out from %s\n", v->all ? "every registry" : host);
	return 0;
}

/* --- save and load --- */

struct registry_file_values {
	char *path;
	int format, quiet;
};

static const struct option registry_save_options[] = {
	{ "output", 'o', OPTION_STRING, "FILE", "write to this file; else to stdout",
	  offsetof(struct registry_file_values, path), .complete = "file" },
	{ "format", 0, OPTION_CHOICE, "FORMAT", "docker-archive (the default) or oci-archive",
	  offsetof(struct registry_file_values, format), .choices = export_formats },
	OPTION_END,
};

static const struct option registry_load_options[] = {
	{ "input", 'i', OPTION_STRING, "FILE", "read from this file; else from stdin",
	  offsetof(struct registry_file_values, path), .complete = "file" },
	{ "quiet", 'q', OPTION_FLAG, NULL, "print nothing but the names",
	  offsetof(struct registry_file_values, quiet) },
	OPTION_END,
};

static int registry_save(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct registry_file_values *v = values;

	if (!v->path && isatty(STDOUT_FILENO))
		return err_set(err, -EINVAL,
			       "an archive is nothing for a terminal: give -o FILE, or a pipe");
	return export_save(cli->root, args, (enum export_format)v->format, v->path, STDOUT_FILENO,
			   err);
}

static int registry_load(const struct cli_context *cli, const void *values, char **args _unused_,
			 struct err *err)
{
	const struct registry_file_values *v = values;
	const struct import_options options = { .progress = v->quiet ? NULL : progress_show };
	_cleanup_strv_ char **references = NULL;
	int r;

	if (!v->path && isatty(STDIN_FILENO))
		return err_set(err, -EINVAL,
			       "an archive does not come from a terminal: give -i FILE, or a pipe");
	r = import_source(cli->root, v->path ? v->path : "-", &options, &references, err);
	progress_end();
	strv_for_each(reference, references)
		puts(*reference);
	return r;
}

/* Registries have no search that a tool could ask in one way; docker.io's and quay.io's are each their own. */
static int registry_search(const struct cli_context *cli _unused_, const void *values _unused_,
			   char **args, struct err *err)
{
	return err_set(
		err, -EOPNOTSUPP,
		"cannot search for '%.80s': registries have no common way to search; look at "
		"the registry's web page, or, if podman is here, 'podman search %.80s'",
		args[0], args[0]);
}

/* --- the table --- */

static const char *const registry_pull_examples[] = {
	"brig pull debian:bookworm",
	"fetch an image from docker.io, unless registries.conf says otherwise",
	"brig pull registry.example:5000/web@sha256:1f3a...",
	"fetch just that one, which is called web:sha256-1f3a... here",
	NULL,
};

#define REGISTRY_GROUP "Images"

#define REGISTRY_PULL_DESCRIPTION                                                                  \
	"Fetches images from registries. A name without a host is looked up in registries.conf "   \
	"(aliases, unqualified-search-registries), and is one of docker.io where nothing is "      \
	"said. Of an image "                                                                       \
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

static const char *const registry_push_examples[] = {
	"brig push registry.example:5000/team/web:1",
	"to where its name says",
	"brig push web:1 registry.example:5000/team/web:2",
	"under another name",
	"brig push web:1 oci:/srv/layout:web",
	"to an OCI layout in a folder; oci-archive: and dir: go, too",
	NULL,
};

static const char *const registry_login_examples[] = {
	"brig login registry.example:5000",
	"ask for name and password",
	"brig login -u me --password-stdin <secret registry.example:5000",
	"in a script",
	NULL,
};

static const char *const registry_save_examples[] = {
	"brig save -o web.tar web:1 db:15",
	"two images in one file, with the layers that they share there once",
	"brig save web:1 | ssh other brig load",
	"bring an image to another host",
	NULL,
};

#define REGISTRY_PUSH_DESCRIPTION                                                             \
	"Brings an image to a registry, or to DEST: another name, or one of skopeo's places " \
	"(oci-archive:FILE, oci:DIR, dir:DIR). Layers that the registry has "                 \
	"are not sent again."

#define REGISTRY_LOGIN_DESCRIPTION                                                                \
	"Checks name and password with the registry, docker.io if none is given, and keeps them " \
	"for pull and push in podman's file, $XDG_RUNTIME_DIR/containers/auth.json, or in "       \
	"--authfile; "                                                                            \
	"'--authfile ~/.docker/config.json' is docker's, which is read anyway."

#define REGISTRY_SAVE_DESCRIPTION                                                                \
	"Writes images as one tar. A docker-archive of ours is an oci-archive as well, so that " \
	"docker, podman, skopeo and brig load it; blobs are as they are in the store, and an "   \
	"image "                                                                                 \
	"keeps its digest in brig and podman."

#define REGISTRY_ROW(name_, args_, summary_, min_, max_, ...)                                     \
	{                                                                                         \
		.name = (name_), .group = REGISTRY_GROUP, .args = (args_), .summary = (summary_), \
		.min_args = (min_), .max_args = (max_), __VA_ARGS__                               \
	}

#define REGISTRY_VALUES(options_)                                             \
	.options = (options_), .values_size = sizeof(struct registry_values), \
	.defaults = &registry_defaults

#define REGISTRY_FILE_VALUES(options_) \
	.options = (options_), .values_size = sizeof(struct registry_file_values)

const struct verb cli_registry_verbs[] = {
	REGISTRY_ROW_PULL(NULL),
	REGISTRY_ROW_PULL("image"),
	REGISTRY_ROW("push", "IMAGE [DEST]", "Bring an image to a registry", 1, 2,
		     .description = REGISTRY_PUSH_DESCRIPTION, .examples = registry_push_examples,
		     REGISTRY_VALUES(registry_push_options), .complete = "image",
		     .run = registry_push),
	REGISTRY_ROW("login", "[HOST]", "Log in to a registry", 0, 1,
		     .description = REGISTRY_LOGIN_DESCRIPTION, .examples = registry_login_examples,
		     REGISTRY_VALUES(registry_login_options), .run = registry_login),
	REGISTRY_ROW("logout", "[HOST]", "Forget the password for a registry", 0, 1,
		     .description = "Without HOST, that for docker.io.",
		     REGISTRY_VALUES(registry_logout_options), .run = registry_logout),
	REGISTRY_ROW("search", "TERM", "Say why registries are not searched", 1, 1,
		     .description = "There is no common way to search registries, so this refuses.",
		     .run = registry_search),
	REGISTRY_ROW("save", "IMAGE...", "Write images to an archive", 1, -1,
		     .description = REGISTRY_SAVE_DESCRIPTION, .examples = registry_save_examples,
		     REGISTRY_FILE_VALUES(registry_save_options), .complete = "image",
		     .run = registry_save),
	REGISTRY_ROW("load", NULL, "Bring the images of an archive into the store", 0, 0,
		     .description = "Takes what 'brig image import' takes, and prints the names.",
		     REGISTRY_FILE_VALUES(registry_load_options), .run = registry_load),
	{ .name = NULL },
};
