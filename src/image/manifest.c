// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/manifest.h"
#include "base/mem.h"
#include "base/units.h"

#include <string.h>
#include <sys/utsname.h>

#define MANIFEST_DOCKER_LIST	 "application/vnd.docker.distribution.manifest.list.v2+json"
#define MANIFEST_DOCKER_CONFIG	 "application/vnd.docker.container.image.v1+json"
#define MANIFEST_NAME		 "org.opencontainers.image.ref.name"
#define MANIFEST_NAME_CONTAINERD "io.containerd.image.name"

static void descriptor_release(struct descriptor *descriptor)
{
	free(descriptor->media_type);
	free(descriptor->reference);
	free(descriptor->tag);
	free(descriptor->architecture);
	free(descriptor->os);
	*descriptor = (struct descriptor){ .size = 0 };
}

void manifest_release(struct manifest *manifest)
{
	descriptor_release(&manifest->config);
	for (size_t i = 0; i < manifest->n_layers; i++)
		descriptor_release(&manifest->layers[i]);
	free(manifest->layers);
	*manifest = (struct manifest){ .n_layers = 0 };
}

void manifest_index_release(struct manifest_index *index)
{
	for (size_t i = 0; i < index->n_images; i++)
		descriptor_release(&index->images[i]);
	free(index->images);
	*index = (struct manifest_index){ .n_images = 0 };
}

int manifest_type_is_index(const char *media_type)
{
	return !strcmp(media_type, MANIFEST_TYPE_INDEX) ||
	       !strcmp(media_type, MANIFEST_DOCKER_LIST);
}

static int manifest_parse_descriptor(const struct json *json, struct descriptor *ret,
				     struct err *err)
{
	const char *type = json_get_string(json, "mediaType", NULL);
	int64_t size = json_get_int(json, "size", -1);

	if (digest_parse(json_get_string(json, "digest", NULL), ret->hex, err) < 0)
		return err->code;
	if (!type || size < 0)
		return err_set(err, -EINVAL, "the descriptor of sha256:%s has no %s", ret->hex,
			       type ? "size" : "media type");
	if (size > MANIFEST_BLOB_MAX)
		return err_set(err, -EFBIG, "sha256:%s is said to have %lld bytes", ret->hex,
			       (long long)size);
	ret->size = size;
	ret->media_type = mem_strdup(type);
	return 0;
}

/* What names and platform an entry of an index has. */
static void manifest_parse_naming(const struct json *json, struct descriptor *descriptor)
{
	const struct json *annotations = json_get(json, "annotations");
	const struct json *platform = json_get(json, "platform");
	const char *name = json_get_string(annotations, MANIFEST_NAME, NULL);
	const char *full = json_get_string(annotations, MANIFEST_NAME_CONTAINERD, NULL);

	descriptor->architecture = mem_strdup(json_get_string(platform, "architecture", NULL));
	descriptor->os = mem_strdup(json_get_string(platform, "os", NULL));
	/* Both "NAME:TAG" and a tag alone are found in the one annotation. */
	if (full || (name && strpbrk(name, "/:")))
		descriptor->reference = mem_strdup(full ? full : name);
	else
		descriptor->tag = mem_strdup(name);
}

/* Reads an array of descriptors; the two counts say how many there may be. */
static int manifest_parse_array(const struct json *array, size_t max, const char *what,
				struct descriptor **ret, size_t *ret_n, struct err *err)
{
	size_t n = json_array_len(array);

	if (json_kind(array) != JSON_ARRAY)
		return err_set(err, -EINVAL, "it has no list of %s", what);
	if (n > max)
		return err_set(err, -EFBIG, "it has %zu %s, and %zu is the most", n, what, max);
	*ret = mem_zalloc((n ? n : 1) * sizeof(**ret));
	for (*ret_n = 0; *ret_n < n;) {
		const struct json *json = json_array_at(array, *ret_n);
		struct descriptor *descriptor = &(*ret)[(*ret_n)++];

		if (manifest_parse_descriptor(json, descriptor, err) < 0)
			return err->code;
		manifest_parse_naming(json, descriptor);
	}
	return 0;
}

static int manifest_json(const char *text, size_t len, const char *what, struct json **ret,
			 struct err *err)
{
	if (len > MANIFEST_TEXT_MAX)
		return err_set(err, -EFBIG, "%s is too large", what);
	if (json_parse(text, len, what, ret, err) < 0)
		return err->code;
	if (json_get_int(*ret, "schemaVersion", 0) != 2)
		return err_set(err, -EINVAL, "%s has a schema version other than 2", what);
	return 0;
}

int manifest_parse(const char *text, size_t len, struct manifest *ret, struct err *err)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	_cleanup_json_ struct json *json = NULL;

	if (manifest_json(text, len, "the manifest", &json, err) < 0 ||
	    manifest_parse_descriptor(json_get(json, "config"), &manifest.config, err) < 0)
		return err->code;
	if (strcmp(manifest.config.media_type, MANIFEST_TYPE_CONFIG) &&
	    strcmp(manifest.config.media_type, MANIFEST_DOCKER_CONFIG))
		return err_set(err, -EINVAL, "it is no container image but %.120s",
			       manifest.config.media_type);
	if (manifest_parse_array(json_get(json, "layers"), MANIFEST_LAYERS_MAX, "layers",
				 &manifest.layers, &manifest.n_layers, err) < 0)
		return err->code;
	*ret = manifest;
	manifest = (struct manifest){ .n_layers = 0 };
	return 0;
}

int manifest_parse_index(const char *text, size_t len, struct manifest_index *ret, struct err *err)
{
	_cleanup_manifest_index_ struct manifest_index index = { .n_images = 0 };
	_cleanup_json_ struct json *json = NULL;

	if (manifest_json(text, len, "the index", &json, err) < 0 ||
	    manifest_parse_array(json_get(json, "manifests"), MANIFEST_IMAGES_MAX, "images",
				 &index.images, &index.n_images, err) < 0)
		return err->code;
	*ret = index;
	index = (struct manifest_index){ .n_images = 0 };
	return 0;
}

static int manifest_count(const char *key _unused_, struct json *value _unused_, void *ctx)
{
	++*(size_t *)ctx;
	return 0;
}

/* The lists and sets in which a configuration could hold more than can be used. */
static int manifest_check_words(const struct json *run, struct err *err)
{
	static const char *const keys[] = { "Entrypoint", "Cmd",	  "Env",
					    "Volumes",	  "ExposedPorts", "Labels" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct json *value = json_get(run, keys[i]);
		size_t n = json_array_len(value);

		json_object_each(value, manifest_count, &n);
		if (n > MANIFEST_WORDS_MAX)
			return err_set(err, -EFBIG, "the configuration's %s has more than %d parts",
				       keys[i], MANIFEST_WORDS_MAX);
	}
	return 0;
}

int manifest_check_config(const struct json *config, char ***ret_diff_ids, struct err *err)
{
	const struct json *array = json_get_path(config, "rootfs", "diff_ids", NULL);
	_cleanup_strv_ char **hexes = NULL;

	if (json_kind(array) != JSON_ARRAY)
		return err_set(err, -EINVAL, "the configuration has no rootfs.diff_ids");
	if (json_array_len(array) > MANIFEST_LAYERS_MAX)
		return err_set(err, -EFBIG, "it has %zu layers, and %d is the most",
			       json_array_len(array), MANIFEST_LAYERS_MAX);
	for (size_t i = 0; i < json_array_len(array); i++) {
		char hex[DIGEST_HEX_SIZE];

		if (digest_parse(json_string(json_array_at(array, i)), hex, err) < 0)
			return err_wrap(err, "rootfs.diff_ids");
		strv_add(&hexes, hex);
	}
	if (manifest_check_words(json_get(config, "config"), err) < 0)
		return err->code;
	*ret_diff_ids = take_ptr(hexes);
	return 0;
}

static struct json *manifest_descriptor_json(const struct descriptor *descriptor)
{
	struct json *json = json_new_object();
	_cleanup_free_ char *digest = mem_printf("sha256:%s", descriptor->hex);

	json_object_add(json, "mediaType", json_new_string(descriptor->media_type));
	json_object_add(json, "digest", json_new_string(digest));
	json_object_add(json, "size", json_new_int(descriptor->size));
	return json;
}

char *manifest_text(const struct manifest *manifest)
{
	_cleanup_json_ struct json *json = json_new_object();
	struct json *layers = json_new_array();

	json_object_add(json, "schemaVersion", json_new_int(2));
	json_object_add(json, "mediaType", json_new_string(MANIFEST_TYPE_MANIFEST));
	json_object_add(json, "config", manifest_descriptor_json(&manifest->config));
	for (size_t i = 0; i < manifest->n_layers; i++)
		json_array_add(layers, manifest_descriptor_json(&manifest->layers[i]));
	json_object_add(json, "layers", layers);
	return json_text(json, 0);
}

const char *manifest_architecture(void)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },	  { "aarch64", "arm64" }, { "ppc64le", "ppc64le" },
		{ "riscv64", "riscv64" }, { "s390x", "s390x" },
	};
	static struct utsname host;

	if (uname(&host) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(host.machine, names[i][0]))
			return names[i][1];
	}
	return host.machine;
}

/* The shell form of a Dockerfile ("CMD ls -l") or the list form ("CMD ["ls", "-l"]"). */
static int manifest_change_command(struct json *config, const char *key, const char *value,
				   struct err *err)
{
	struct json *list = NULL;

	if (*value == '[') {
		if (json_parse(value, strlen(value), key, &list, err) < 0)
			return err->code;
	} else {
		char shell[] = "/bin/sh", option[] = "-c";
		char *argv[] = { shell, option, (char *)(uintptr_t)value, NULL };

		list = json_new_strv(argv);
	}
	for (size_t i = 0; i < json_array_len(list); i++) {
		if (!json_string(json_array_at(list, i))) {
			json_free(list);
			return err_set(err, -EINVAL, "%s wants a list of strings", key);
		}
	}
	json_object_add(config, key, list);
	return 0;
}

static int manifest_change_string(struct json *config, const char *key, const char *value,
				  struct err *err _unused_)
{
	json_object_add(config, key, json_new_string(value));
	return 0;
}

/* ENV KEY=VALUE, or the old ENV KEY VALUE. */
static int manifest_change_env(struct json *config, const char *key, const char *value,
			       struct err *err)
{
	_cleanup_strv_ char **env = json_get_strv(config, key);
	_cleanup_free_ char *assignment = mem_strdup(value);
	char *end = assignment + strcspn(assignment, "= ");

	if (end == assignment || !*end)
		return err_set(err, -EINVAL, "ENV wants KEY=VALUE, not '%.80s'", value);
	*end = '=';
	strv_env_set(&env, assignment);
	json_object_add(config, key, json_new_strv(env));
	return 0;
}

static struct json *manifest_member(struct json *config, const char *key)
{
	if (!json_get(config, key))
		json_object_add(config, key, json_new_object());
	return json_get(config, key);
}

static int manifest_change_label(struct json *config, const char *key, const char *value,
				 struct err *err)
{
	_cleanup_free_ char *name = mem_strdup(value);
	char *equals = strchr(name, '=');

	if (!equals || equals == name)
		return err_set(err, -EINVAL, "LABEL wants KEY=VALUE, not '%.80s'", value);
	*equals = '\0';
	json_object_add(manifest_member(config, key), name, json_new_string(equals + 1));
	return 0;
}

/* EXPOSE and VOLUME: words, or a list of them, become the keys of an object. */
static int manifest_change_set(struct json *config, const char *key, const char *value,
			       struct err *err)
{
	_cleanup_strv_ char **words = NULL;
	_cleanup_json_ struct json *list = NULL;

	if (*value == '[') {
		if (json_parse(value, strlen(value), key, &list, err) < 0)
			return err->code;
		for (size_t i = 0; i < json_array_len(list); i++) {
			const char *word = json_string(json_array_at(list, i));

			strv_add(&words, word ? word : "");
		}
	} else {
		words = strv_split(value, " \t");
	}
	strv_for_each(word, words) {
		const char *port = strcmp(key, "ExposedPorts") || strchr(*word, '/') ? "" : "/tcp";
		_cleanup_free_ char *name = mem_printf("%s%s", *word, port);

		json_object_add(manifest_member(config, key), name, json_new_object());
	}
	return 0;
}

static const struct manifest_change {
	const char *word, *key;
	int (*apply)(struct json *config, const char *key, const char *value, struct err *err);
} manifest_changes[] = {
	{ "CMD", "Cmd", manifest_change_command },
	{ "ENTRYPOINT", "Entrypoint", manifest_change_command },
	{ "ENV", "Env", manifest_change_env },
	{ "EXPOSE", "ExposedPorts", manifest_change_set },
	{ "LABEL", "Labels", manifest_change_label },
	{ "STOPSIGNAL", "StopSignal", manifest_change_string },
	{ "USER", "User", manifest_change_string },
	{ "VOLUME", "Volumes", manifest_change_set },
	{ "WORKDIR", "WorkingDir", manifest_change_string },
};

static int manifest_apply_change(struct json *config, const char *change, struct err *err)
{
	size_t len = strcspn(change, " =");

	for (size_t i = 0; change[len] && i < ARRAY_SIZE(manifest_changes); i++) {
		const struct manifest_change *row = &manifest_changes[i];

		if (strlen(row->word) == len && !strncasecmp(change, row->word, len))
			return row->apply(config, row->key, change + len + 1, err);
	}
	return err_set(err, -EINVAL,
		       "'%.80s' is no change that an image can have: CMD, ENTRYPOINT, ENV, EXPOSE, "
		       "LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, then '=' and a value",
		       change);
}

int manifest_change_config(struct json *image, char *const *changes, struct err *err)
{
	strv_for_each(change, changes) {
		if (manifest_apply_change(json_get(image, "config"), *change, err) < 0)
			return err->code;
	}
	return 0;
}

int manifest_new_config(char *const *changes, const char *created_by, struct json **ret,
			struct err *err)
{
	_cleanup_json_ struct json *image = json_new_object();
	struct json *config = json_new_object(), *rootfs = json_new_object();
	struct json *history = json_new_array(), *step = json_new_object();
	char created[UNITS_TEXT_MAX];

	units_format_time(units_now(), created);
	json_object_add(image, "created", json_new_string(created));
	json_object_add(image, "architecture", json_new_string(manifest_architecture()));
	json_object_add(image, "os", json_new_string("linux"));
	json_object_add(image, "config", config);
	json_object_add(rootfs, "type", json_new_string("layers"));
	json_object_add(rootfs, "diff_ids", json_new_array());
	json_object_add(image, "rootfs", rootfs);
	json_object_add(step, "created", json_new_string(created));
	json_object_add(step, "created_by", json_new_string(created_by));
	json_array_add(history, step);
	json_object_add(image, "history", history);
	if (manifest_change_config(image, changes, err) < 0)
		return err->code;
	*ret = take_ptr(image);
	return 0;
}

void manifest_config_add_layer(struct json *config, const char *diff_id)
{
	_cleanup_free_ char *digest = mem_printf("sha256:%s", diff_id);

	json_array_add(json_get_path(config, "rootfs", "diff_ids", NULL), json_new_string(digest));
}

void manifest_config_default_cmd(struct json *config, const char *command)
{
	struct json *run = json_get(config, "config");
	_cleanup_strv_ char **cmd = NULL;

	if (json_get(run, "Entrypoint") || json_get(run, "Cmd"))
		return;
	strv_add(&cmd, command);
	json_object_add(run, "Cmd", json_new_strv(cmd));
}
