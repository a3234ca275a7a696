// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/units.h"
#include "cli/listing.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "image/import.h"
#include "image/reference.h"
#include "image/store.h"

#include <string.h>

#define IMAGE_SHORT_DIGEST 12 /* digits that the table shows, as docker's does */

/* --- import and bootstrap --- */

struct image_import_values {
	char *name;
	char **changes, **include;
};

static const struct option image_import_options[] = {
	{ "name", 0, OPTION_STRING, "NAME[:TAG]", "what to call the image",
	  offsetof(struct image_import_values, name), .complete = "image" },
	{ "change", 'c', OPTION_STRV, "CHANGE",
	  "CMD, ENTRYPOINT, ENV, USER, WORKDIR... of a root file system's image, as in a "
	  "Dockerfile",
	  offsetof(struct image_import_values, changes) },
	OPTION_END,
};

static const struct option image_bootstrap_options[] = {
	{ "name", 0, OPTION_STRING, "NAME[:TAG]", "what to call the image",
	  offsetof(struct image_import_values, name), .complete = "image" },
	{ "change", 'c', OPTION_STRV, "CHANGE",
	  "CMD, ENTRYPOINT, ENV, USER, WORKDIR... of the image, as in a Dockerfile",
	  offsetof(struct image_import_values, changes) },
	{ "include", 0, OPTION_STRV, "PACKAGE,...", "packages to install besides",
	  offsetof(struct image_import_values, include) },
	OPTION_END,
};

static int image_print_references(char *const *references)
{
	progress_end();
	strv_for_each(reference, references)
		puts(*reference);
	return 0;
}

static void image_note(void *ctx _unused_, const char *text)
{
	progress_end();
	fprintf(stderr, "brig: %s\n", text);
}

static int image_import(const struct cli_context *cli, const void *values, char **args,
			struct err *err)
{
	const struct image_import_values *v = values;
	const struct import_options options = { .reference = v->name,
						.changes = v->changes,
						.progress = progress_show,
						.note = image_note };
	_cleanup_strv_ char **references = NULL;
	int r = import_source(cli->root, args[0], &options, &references, err);

	return r < 0 ? r : image_print_references(references);
}

static int image_bootstrap(const struct cli_context *cli, const void *values, char **args,
			   struct err *err)
{
	const struct image_import_values *v = values;
	const struct import_options options = { .reference = v->name,
						.changes = v->changes,
						.progress = progress_show };
	_cleanup_strv_ char **references = NULL, **packages = NULL;
	_cleanup_free_ char *include = strv_join(v->include, ",");
	int r;

	packages = strv_split(include, ", ");
	r = import_bootstrap(cli->root, args[0], packages, &options, &references, err);
	return r < 0 ? r : image_print_references(references);
}

/* --- ls --- */

static const char *image_ls_name(const void *item)
{
	return ((const struct image *)item)->reference;
}

static struct json *image_ls_json(const void *item)
{
	const struct image *image = item;
	size_t name_len = (size_t)(reference_tag(image->reference) - image->reference);
	_cleanup_free_ char *name = mem_strndup(image->reference, name_len);
	struct json *row = json_new_object();
	char created[UNITS_TEXT_MAX];

	json_object_add(row, "reference", json_new_string(image->reference));
	json_object_add(row, "name", json_new_string(name));
	json_object_add(row, "tag", json_new_string(image->reference + name_len + 1));
	json_object_add(row, "digest", json_new_string(image->digest));
	json_object_add(row, "created",
			json_new_string(image->created ? units_format_time(image->created, created)
						       : NULL));
	json_object_add(row, "size", json_new_int(image->size));
	json_object_add(row, "layers", json_new_int((int64_t)strv_len(image->layers)));
	json_object_add(row, "architecture", json_new_string(image->architecture));
	json_object_add(row, "damaged", json_new_bool(!image->architecture && !image->layers));
	return row;
}

static void image_ls_row(const void *item, struct table *table)
{
	const struct image *image = item;
	char age[UNITS_TEXT_MAX] = "-", size[UNITS_TEXT_MAX] = "damaged",
	     digest[IMAGE_SHORT_DIGEST + 1];
	char layers[16];
	char *cells[] = { image->reference, digest, age, size, layers };

	snprintf(digest, sizeof(digest), "%s", image->digest + strlen("sha256:"));
	snprintf(layers, sizeof(layers), "%zu", strv_len(image->layers));
	if (image->created)
		units_format_age(units_now() - image->created, age);
	if (image->architecture || image->layers)
		units_format_size(image->size, size);
	table_add(table, cells);
}

static const char *const image_ls_headings[] = {
	"NAME", "DIGEST", "CREATED", "SIZE", "LAYERS", NULL
};

static const struct listing_kind image_ls_kind = {
	.headings = image_ls_headings,
	.name = image_ls_name,
	.row = image_ls_row,
	.json = image_ls_json,
};

static int image_ls_each(const struct image *image, void *ctx)
{
	listing_add(ctx, image);
	return 0;
}

static int image_ls(const struct cli_context *cli, const void *values, char **args _unused_,
		    struct err *err)
{
	_cleanup_listing_ struct listing listing = { NULL };

	listing_init(&listing, &image_ls_kind, values);
	if (store_each(cli->root, image_ls_each, &listing, err) < 0)
		return err->code;
	listing_print(&listing);
	return 0;
}

/* --- inspect, tag, rm --- */

static int image_inspect(const struct cli_context *cli, const void *values _unused_, char **args,
			 struct err *err)
{
	strv_for_each(reference, args) {
		_cleanup_free_ char *text = NULL;

		if (store_inspect(cli->root, *reference, &text, err) < 0)
			return err->code;
		fputs(text, stdout);
	}
	return 0;
}

static int image_tag(const struct cli_context *cli, const void *values _unused_, char **args,
		     struct err *err)
{
	_cleanup_free_ char *reference = NULL;

	if (store_reference(args[1], &reference, err) < 0 ||
	    store_tag(cli->root, args[0], reference, err) < 0)
		return err->code;
	puts(reference);
	return 0;
}

struct image_rm_values {
	int force;
};

static const struct option image_rm_options[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "also if an instance uses the image",
	  offsetof(struct image_rm_values, force) },
	OPTION_END,
};

static int image_rm(const struct cli_context *cli, const void *values, char **args, struct err *err)
{
	const struct image_rm_values *v = values;

	strv_for_each(reference, args) {
		_cleanup_free_ char *removed = NULL;

		if (store_remove(cli->root, *reference, v->force, &removed, err) < 0)
			return err->code;
		puts(removed);
	}
	return 0;
}

/* --- the table --- */

static const char *const image_import_examples[] = {
	"brig image import --name web:1 ./rootfs",
	"make an image of a folder with a root file system",
	"podman save web | brig image import -",
	"take an image over from podman or docker",
	"brig image import layout/:web:1",
	"take one image of several in an OCI layout",
	"brig image import --name debian:12 debian-12-generic-amd64.qcow2",
	"make an image of the system on a disk, to run it as a container or a VM",
	NULL,
};

static const char *const image_bootstrap_examples[] = {
	"brig image bootstrap debian:bookworm",
	"make a minimal Debian, called debian:bookworm",
	"brig image bootstrap debian:bookworm --name sys --include systemd-sysv,dbus",
	"make one that boots as a whole system",
	NULL,
};

static const char *const image_ls_examples[] = {
	"brig image ls",
	"list the images",
	"brig image ls --json | jq -r '.[].reference'",
	"for a script",
	NULL,
};

#define IMAGE_GROUP "Images"

#define IMAGE_IMPORT_DESCRIPTION                                                                   \
	"SOURCE is a folder with a root file system; a tar of one, plain or compressed by gzip, "  \
	"xz, zstd or bzip2; a disk image with one; an OCI layout; or an archive made by docker "   \
	"save, podman save or skopeo (oci-archive, docker-archive). Which one it is follows from " \
	"what is in it. '-' is stdin.\n\n"                                                         \
	"A disk image is raw or qcow2 without a backing file, not compressed besides, with a "     \
	"GPT, "                                                                                    \
	"an MBR, or one file system on all of it. The first ext2, ext3 or ext4 with os-release "   \
	"or "                                                                                      \
	"/sbin/init in it, before others one of the type that GPT has for roots, becomes the "     \
	"image, "                                                                                  \
	"all of it; its /etc/fstab is called /etc/fstab.imported. Other partitions are not "       \
	"carried, "                                                                                \
	"which is told on stderr. A file system that was not unmounted is repaired in a copy. At " \
	"most 20 partitions, and 2 TiB in a qcow2.\n\n"                                            \
	"Images in a layout or an archive keep their names; SOURCE:NAME[:TAG] or SOURCE:TAG "      \
	"takes "                                                                                   \
	"one of several. A bare root file system is named after its file. It gets a command and "  \
	"other settings with --change; without a command, an image that has /sbin/init runs as a " \
	"whole system.\n\n"                                                                        \
	"If the import fails or is interrupted, nothing of it stays."

#define IMAGE_LS_DESCRIPTION                                                                    \
	"SIZE is what the image's layers take on the disk. Images share equal layers, so that " \
	"the "                                                                                  \
	"sum of the sizes can be more than is taken."

#define IMAGE_RM_DESCRIPTION                                                                       \
	"Takes the name away. With an image's last name go the layers that no other image and no " \
	"instance has. An image that an instance uses stays, unless -f is given: then just its "   \
	"name "                                                                                    \
	"goes, and its layers when the instance does."

#define IMAGE_INSPECT_DESCRIPTION                                                                  \
	"The keys are reference, references (all names of the image), digest, size, layers (diff " \
	"ids, the lowest first), and the OCI documents config and manifest."

#define IMAGE_ROW_LS(noun_, name_, alias_)                                                      \
	{                                                                                       \
		.noun = (noun_), .name = (name_), .alias = (alias_), .group = IMAGE_GROUP,      \
		.summary = "List images", .description = IMAGE_LS_DESCRIPTION,                  \
		.examples = image_ls_examples, .options = listing_options_table, .max_args = 0, \
		.values_size = sizeof(struct listing_options), .run = image_ls,                 \
	}

#define IMAGE_ROW_RM(noun_, name_)                                                          \
	{                                                                                   \
		.noun = (noun_), .name = (name_), .group = IMAGE_GROUP, .args = "IMAGE...", \
		.summary = "Remove images", .description = IMAGE_RM_DESCRIPTION,            \
		.options = image_rm_options, .min_args = 1, .max_args = -1,                 \
		.values_size = sizeof(struct image_rm_values), .complete = "image",         \
		.run = image_rm,                                                            \
	}

const struct verb cli_image_verbs[] = {
	{ .noun = "image",
	  .name = "import",
	  .group = IMAGE_GROUP,
	  .args = "SOURCE",
	  .summary = "Bring an image into the store",
	  .description = IMAGE_IMPORT_DESCRIPTION,
	  .examples = image_import_examples,
	  .options = image_import_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct image_import_values),
	  .complete = "file",
	  .run = image_import },
	{ .noun = "image",
	  .name = "bootstrap",
	  .group = IMAGE_GROUP,
	  .args = "debian:SUITE",
	  .summary = "Make a minimal Debian image with mmdebstrap",
	  .description =
		  "The packages come from where this machine has its own: the Debian sources "
		  "that apt knows, or, for a suite that it has no source of, the same mirror. "
		  "The image runs bash, or as a whole system if /sbin/init is among its packages.",
	  .examples = image_bootstrap_examples,
	  .options = image_bootstrap_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct image_import_values),
	  .run = image_bootstrap },
	IMAGE_ROW_LS("image", "ls", "list"),
	{ .noun = "image",
	  .name = "inspect",
	  .group = IMAGE_GROUP,
	  .args = "IMAGE...",
	  .summary = "Show all that is known of images, as JSON",
	  .description = IMAGE_INSPECT_DESCRIPTION,
	  .min_args = 1,
	  .max_args = -1,
	  .complete = "image",
	  .run = image_inspect },
	{ .noun = "image",
	  .name = "tag",
	  .group = IMAGE_GROUP,
	  .args = "IMAGE NAME[:TAG]",
	  .summary = "Give an image another name",
	  .description = "A name that another image has moves to this one.",
	  .min_args = 2,
	  .max_args = 2,
	  .complete = "image",
	  .run = image_tag },
	IMAGE_ROW_RM("image", "rm"),
	IMAGE_ROW_LS(NULL, "images", NULL),
	IMAGE_ROW_RM(NULL, "rmi"),
	{ .name = NULL },
};
