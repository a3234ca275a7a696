// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/manifest.h"
#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define HEX1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX2 "2222222222222222222222222222222222222222222222222222222222222222"
#define CONFIG \
	"{\"mediaType\":\"" MANIFEST_TYPE_CONFIG "\",\"digest\":\"sha256:" HEX1 "\",\"size\":7}"
#define LAYER                                                                                      \
	"{\"mediaType\":\"" MANIFEST_TYPE_LAYER "+gzip\",\"digest\":\"sha256:" HEX2 "\",\"size\":" \
	"9}"

static int parse(const char *text, struct manifest *ret, struct err *err)
{
	return manifest_parse(text, strlen(text), ret, err);
}

static void a_manifest_names_a_configuration_and_layers(void **state _unused_)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 }, again = { .n_layers = 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(parse("{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]}",
			       &manifest, &err),
			 0);
	text = manifest_text(&manifest);
	assert_int_equal(parse(text, &again, &err), 0);
	assert_string_equal(again.config.hex, HEX1);
	assert_int_equal(again.n_layers, 1);
	assert_string_equal(again.layers[0].hex, HEX2);
	assert_int_equal(again.layers[0].size, 9);
	assert_string_equal(again.layers[0].media_type, MANIFEST_TYPE_LAYER "+gzip");
}

static void a_manifest_that_lacks_something_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"schemaVersion\":1,\"config\":" CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":2,\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":" CONFIG "}",
		"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}",
		"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[1]}",
		"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" CONFIG ",{}]}",
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"text/"
		"plain\",\"digest\":\"sha256:" HEX1 "\",\"size\":7},\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MANIFEST_TYPE_CONFIG
		"\",\"digest\":\"sha256:" HEX1 "\",\"size\":-7},\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MANIFEST_TYPE_CONFIG
		"\",\"digest\":\"md5:1\",\"size\":7},\"layers\":[]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct manifest manifest = { .n_layers = 77 };
		struct err err = ERR_INIT;

		assert_true(parse(bad[i], &manifest, &err) < 0);
		assert_true(err_is_set(&err));
		assert_int_equal(manifest.n_layers, 77);
	}
}

static void there_are_only_so_many_layers(void **state _unused_)
{
	for (int extra = 0; extra <= 1; extra++) {
		_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
		_cleanup_buf_ struct buf text = BUF_INIT;
		struct err err = ERR_INIT;

		buf_add_str(&text, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[");
		for (int i = 0; i < MANIFEST_LAYERS_MAX + extra; i++)
			buf_add_str(&text, i ? "," LAYER : LAYER);
		buf_add_str(&text, "]}");
		assert_int_equal(parse(text.data, &manifest, &err), extra ? -EFBIG : 0);
	}
}

static void names_come_from_annotations(void **state _unused_)
{
	static const struct {
		const char *annotations, *reference, *tag;
	} table[] = {
		{ "{}", NULL, NULL },
		{ "{\"org.opencontainers.image.ref.name\":\"v1\"}", NULL, "v1" },
		{ "{\"org.opencontainers.image.ref.name\":\"web:v1\"}", "web:v1", NULL },
		{ "{\"org.opencontainers.image.ref.name\":\"docker.io/web\"}", "docker.io/web",
		  NULL },
		{ "{\"org.opencontainers.image.ref.name\":\"v1\","
		  "\"io.containerd.image.name\":\"docker.io/library/web:v1\"}",
		  "docker.io/library/web:v1", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_manifest_index_ struct manifest_index index = { .n_images = 0 };
		_cleanup_free_ char *text =
			mem_printf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"
				   "\"" MANIFEST_TYPE_MANIFEST "\",\"digest\":\"sha256:" HEX1
				   "\",\"size\":1,\"annotations\":%s}]}",
				   table[i].annotations);
		struct err err = ERR_INIT;

		assert_int_equal(manifest_parse_index(text, strlen(text), &index, &err), 0);
		assert_int_equal(index.n_images, 1);
		assert_true(!!index.images[0].reference == !!table[i].reference);
		if (table[i].reference)
			assert_string_equal(index.images[0].reference, table[i].reference);
		assert_true(!!index.images[0].tag == !!table[i].tag);
		if (table[i].tag)
			assert_string_equal(index.images[0].tag, table[i].tag);
	}
}

static struct json *configuration(const char *text)
{
	struct json *json = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(json_parse(text, strlen(text), "test", &json, &err), 0);
	return json;
}

static void the_diff_ids_of_a_configuration_are_checked(void **state _unused_)
{
	static const char *const bad[] = {
		"{}",
		"{\"rootfs\":{}}",
		"{\"rootfs\":{\"diff_ids\":{}}}",
		"{\"rootfs\":{\"diff_ids\":[1]}}",
		("{\"rootfs\":{\"diff_ids\":[\"" HEX1 "\"]}}"),
		"{\"rootfs\":{\"diff_ids\":[\"sha256:../x\"]}}",
	};
	_cleanup_json_ struct json *good = configuration("{\"rootfs\":{\"diff_ids\":[\"sha256:" HEX1
							 "\",\"sha256:" HEX2 "\"]}}");
	_cleanup_strv_ char **diff_ids = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(manifest_check_config(good, &diff_ids, &err), 0);
	assert_int_equal(strv_len(diff_ids), 2);
	assert_string_equal(diff_ids[1], HEX2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json *json = configuration(bad[i]);
		char **none = NULL;

		assert_true(manifest_check_config(json, &none, &err) < 0);
		assert_null(none);
	}
}

static void a_configuration_has_only_so_many_words(void **state _unused_)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;
	char **none = NULL;

	buf_add_str(&text, "{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":[\"\"");
	for (int i = 0; i < MANIFEST_WORDS_MAX; i++)
		buf_add_str(&text, ",\"\"");
	buf_add_str(&text, "]}}");
	json = configuration(text.data);
	assert_int_equal(manifest_check_config(json, &none, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "Env"));
}

static void changes_make_a_configuration(void **state _unused_)
{
	char *const changes[] = { (char[]){ "CMD [\"a\", \"b\"]" },
				  (char[]){ "cmd=[\"c\"]" },
				  (char[]){ "ENV X=1" },
				  (char[]){ "ENV=X=2" },
				  (char[]){ "EXPOSE 80" },
				  (char[]){ "VOLUME [\"/a\",\"/b c\"]" },
				  NULL };
	_cleanup_json_ struct json *json = NULL;
	_cleanup_strv_ char **diff_ids = NULL;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(manifest_new_config(changes, "test", &json, &err), 0);
	manifest_config_add_layer(json, HEX1);
	manifest_config_default_cmd(json, "sh");
	assert_int_equal(manifest_check_config(json, &diff_ids, &err), 0);
	assert_string_equal(diff_ids[0], HEX1);
	text = json_text(json_get(json, "config"), 0);
	assert_string_equal(text,
			    "{\"Cmd\":[\"c\"],\"Env\":[\"X=2\"],\"ExposedPorts\":{\"80/tcp\":{}},"
			    "\"Volumes\":{\"/a\":{},\"/b c\":{}}}");
}

static void what_is_no_change_is_refused(void **state _unused_)
{
	static const char *const bad[] = { "",	    "CMD",    "FROM x",	 "CMD [1]",  "CMD [\"a\"",
					   "ENV X", "ENV =1", "LABEL x", "LABEL =x", "CMDS x" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *change = mem_strdup(bad[i]);
		char *const changes[] = { change, NULL };
		struct err err = ERR_INIT;
		struct json *json = NULL;

		assert_true(manifest_new_config(changes, "test", &json, &err) < 0);
		assert_null(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_names_a_configuration_and_layers),
		cmocka_unit_test(a_manifest_that_lacks_something_is_refused),
		cmocka_unit_test(there_are_only_so_many_layers),
		cmocka_unit_test(names_come_from_annotations),
		cmocka_unit_test(the_diff_ids_of_a_configuration_are_checked),
		cmocka_unit_test(a_configuration_has_only_so_many_words),
		cmocka_unit_test(changes_make_a_configuration),
		cmocka_unit_test(what_is_no_change_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
