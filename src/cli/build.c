// SPDX-License-Identifier: GPL-2.0-or-later
/* The verb that runs a Containerfile. */
#include "image/build.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/verb.h"

struct build_values {
	char **tags, **args, **labels;
	char *file, *target, *network, *platform;
	int no_cache, pull, quiet;
};

#define BUILD(name_, letter_, type_, metavar_, member, help_, ...)                            \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct build_values, member), __VA_ARGS__ \
	}

static const struct option build_options[] = {
	BUILD("tag", 't', OPTION_STRV, "NAME[:TAG]", tags, "what to call the image",
	      .complete = "image"),
	BUILD("file", 'f', OPTION_STRING, "FILE", file,
	      "the Containerfile; else Containerfile or Dockerfile in CONTEXT", .complete = "file"),
	BUILD("build-arg", 0, OPTION_STRV, "KEY=VALUE", args, "a value for an ARG in it"),
	BUILD("label", 0, OPTION_STRV, "KEY=VALUE", labels, "note this about the image"),
	BUILD("target", 0, OPTION_STRING, "STAGE", target, "end with this stage"),
	BUILD("network", 0, OPTION_STRING, "MODE", network,
	      "buildah's: the network for RUN, as host or none"),
	BUILD("platform", 0, OPTION_STRING, "OS/ARCH", platform,
	      "build for this platform, not for this machine's"),
	BUILD("no-cache", 0, OPTION_FLAG, NULL, no_cache, "do every step anew"),
	BUILD("pull", 0, OPTION_FLAG, NULL, pull, "ask registries for newer images to build on"),
	BUILD("quiet", 'q', OPTION_FLAG, NULL, quiet, "print nothing but the names"),
	OPTION_END,
};

static int build_run(const struct cli_context *cli, const void *values, char **args,
		     struct err *err)
{
	const struct build_values *v = values;
	const struct build build = {
		.context = args[0] ? args[0] : ".",
		.file = v->file,
		.target = v->target,
		.network = v->network,
		.platform = v->platform,
		.tags = v->tags,
		.args = v->args,
		.labels = v->labels,
		.no_cache = v->no_cache,
		.pull = v->pull,
		.quiet = v->quiet,
		.progress = v->quiet ? NULL : progress_show,
	};
	_cleanup_strv_ char **references = NULL;
	int r = build_image(cli->root, &build, &references, err);

	progress_end();
	strv_for_each(reference, references)
		puts(*reference);
	return r;
}

static const char *const build_examples[] = {
	"brig build -t web:1 .",
	"run the Containerfile in this folder",
	"brig build -t web:1 -f web.docker --build-arg VERSION=3 src",
	"another file, with a value for its ARG VERSION",
	NULL,
};

const struct verb cli_build_verbs[] = {
	{ .name = "build",
	  .group = "Images",
	  .args = "[CONTEXT]",
	  .summary = "Make an image from a Containerfile",
	  .description =
		  "buildah does the work, and brig stores the image that comes of it. An image "
		  "that "
		  "FROM or --from= names is brig's, if there is one here and no --pull; else "
		  "buildah's, which are podman's too, or it comes from a registry. One that a "
		  "variable names is never brig's. The cache of steps is buildah's. CONTEXT is a "
		  "folder, by default this one.",
	  .examples = build_examples,
	  .options = build_options,
	  .min_args = 0,
	  .max_args = 1,
	  .values_size = sizeof(struct build_values),
	  .complete = "file",
	  .run = build_run },
	{ .name = NULL },
};
