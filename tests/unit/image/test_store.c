// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/store.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"
#include "image/work.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define LOW  "1111111111111111111111111111111111111111111111111111111111111111"
#define HIGH "2222222222222222222222222222222222222222222222222222222222222222"

static char root[64];

static int setup(void **state _unused_)
{
	snprintf(root, sizeof(root), "/var/tmp/brig-store-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, root);
}

static void add_layer(const struct work *work, struct json *config, struct manifest *manifest,
		      const char *diff_id)
{
	_cleanup_free_ char *path = mem_printf("layers/%s.erofs", diff_id);
	struct descriptor *layer = &manifest->layers[manifest->n_layers++];
	struct err err = ERR_INIT;
	struct blob blob;

	assert_int_equal(file_replace(work->fd, path, "erofs", 5, 0644, 0), 0);
	assert_int_equal(work_add_text(work, diff_id, &blob, &err), 0);
	memcpy(layer->hex, blob.hex, sizeof(layer->hex));
	layer->size = blob.size;
	layer->media_type = mem_strdup(MANIFEST_TYPE_LAYER);
	manifest_config_add_layer(config, diff_id);
}

/* Stores an image with these layers (high may be NULL). */
static void add_image(char *reference, const char *low, const char *high)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	char *const changes[] = { (char[]){ "CMD [\"run\"]" },
				  (char[]){ "ENV A=b" },
				  (char[]){ "LABEL k=v" },
				  (char[]){ "VOLUME /data" },
				  (char[]){ "EXPOSE 80" },
				  (char[]){ "USER app" },
				  NULL };
	_cleanup_free_ char *text = NULL, *config_text = NULL;
	struct store_image image = { .reference = reference };
	_cleanup_work_ struct work work = WORK_INIT;
	_cleanup_json_ struct json *config = NULL;
	_cleanup_close_ int lock = -EBADF;
	char type[] = MANIFEST_TYPE_MANIFEST;
	struct err err = ERR_INIT;
	struct blob blob;

	assert_int_equal(work_open(root, &work, &err), 0);
	assert_int_equal(manifest_new_config(changes, reference, &config, &err), 0);
	manifest.layers = mem_zalloc(2 * sizeof(*manifest.layers));
	add_layer(&work, config, &manifest, low);
	if (high)
		add_layer(&work, config, &manifest, high);
	config_text = json_text(config, 0);
	assert_int_equal(work_add_text(&work, config_text, &blob, &err), 0);
	memcpy(manifest.config.hex, blob.hex, sizeof(blob.hex));
	manifest.config.size = blob.size;
	manifest.config.media_type = mem_strdup(MANIFEST_TYPE_CONFIG);
	text = manifest_text(&manifest);
	assert_int_equal(work_add_text(&work, text, &blob, &err), 0);
	memcpy(image.hex, blob.hex, sizeof(image.hex));
	image.size = blob.size;
	image.media_type = type;
	lock = store_lock(root, 1, &err);
	assert_true(lock >= 0);
	assert_int_equal(store_add(root, &work, &image, 1, &err), 0);
}

static int count_image(const struct image *image, void *ctx)
{
	_cleanup_free_ char *line = mem_printf("%s ", image->reference);

	buf_add_str(ctx, line);
	return 0;
}

static void assert_images(const char *names)
{
	_cleanup_buf_ struct buf found = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(store_each(root, count_image, &found, &err), 0);
	assert_string_equal(found.data ? found.data : "", names);
}

static void remove_image(const char *reference)
{
	_cleanup_free_ char *removed = NULL;
	struct err err = ERR_INIT;

	if (store_remove(root, reference, 0, &removed, &err) < 0)
		fail_msg("%s", err.msg);
}

static void an_image_tells_how_to_run_it(void **state _unused_)
{
	_cleanup_image_ struct image image = { .size = 0 };
	struct err err = ERR_INIT;

	add_image((char[]){ "web:1" }, LOW, HIGH);
	assert_int_equal(store_get(root, "web:1", &image, &err), 0);
	assert_string_equal(image.reference, "web:1");
	assert_int_equal(strv_len(image.layers), 2);
	assert_string_equal(image.layers[0], LOW);
	assert_string_equal(image.layers[1], HIGH);
	assert_string_equal(image.cmd[0], "run");
	assert_string_equal(image.env[0], "A=b");
	assert_string_equal(image.labels[0], "k=v");
	assert_string_equal(image.volumes[0], "/data");
	assert_string_equal(image.exposed_ports[0], "80/tcp");
	assert_string_equal(image.user, "app");
	assert_null(image.entrypoint);
	assert_null(image.working_dir);
	assert_int_equal(image.size, 10);
	assert_true(image.created > 0);
}

static void an_image_is_found_by_name_and_by_digest(void **state _unused_)
{
	_cleanup_image_ struct image by_name = { .size = 0 }, by_digits = { .size = 0 };
	struct image none = { .size = 0 };
	struct err err = ERR_INIT;
	char digits[8] = "";

	add_image((char[]){ "web:latest" }, LOW, NULL);
	assert_int_equal(store_get(root, "docker.io/library/web", &by_name, &err), 0);
	memcpy(digits, by_name.digest + strlen("sha256:"), 7);
	assert_int_equal(store_get(root, digits, &by_digits, &err), 0);
	assert_string_equal(by_digits.reference, "web:latest");
	digits[5] = '\0';
	assert_int_equal(store_get(root, digits, &none, &err), -ENOENT); /* too few */
	assert_int_equal(store_get(root, "wep", &none, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "web:latest"));
	assert_int_equal(store_get(root, "WEB", &none, &err), -EINVAL);
}

static void layers_stay_while_an_image_has_them(void **state _unused_)
{
	add_image((char[]){ "a:1" }, LOW, NULL);
	add_image((char[]){ "b:1" }, LOW, HIGH);
	remove_image("b:1");
	assert_true(store_has_layer(root, LOW));
	assert_false(store_has_layer(root, HIGH));
	assert_images("a:1 ");
	remove_image("a:1");
	assert_false(store_has_layer(root, LOW));
	assert_images("");
}

static void layers_stay_while_an_instance_has_them(void **state _unused_)
{
	_cleanup_free_ char *folder = mem_printf("%s/instances/x", root);
	_cleanup_free_ char *path = mem_printf("%s/instance.json", folder), *removed = NULL,
			    *text = NULL;
	_cleanup_image_ struct image image = { .size = 0 };
	struct err err = ERR_INIT;

	add_image((char[]){ "a:1" }, LOW, NULL);
	assert_int_equal(store_get(root, "a:1", &image, &err), 0);
	text = mem_printf("{\"image_digest\":\"%s\",\"layers\":[\"" LOW "\"]}", image.digest);
	assert_int_equal(file_mkdir_p(folder, 0700), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0600, 0), 0);
	assert_int_equal(store_remove(root, "a:1", 0, &removed, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "instance x"));
	assert_int_equal(store_remove(root, "a:1", 1, &removed, &err), 0);
	assert_true(store_has_layer(root, LOW));
}

static void nothing_is_removed_while_a_record_cannot_be_read(void **state _unused_)
{
	_cleanup_free_ char *folder = mem_printf("%s/instances/x", root);
	_cleanup_free_ char *path = mem_printf("%s/instance.json", folder), *removed = NULL;
	struct err err = ERR_INIT;

	add_image((char[]){ "a:1" }, LOW, NULL);
	assert_int_equal(file_mkdir_p(folder, 0700), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, "{", 1, 0600, 0), 0);
	assert_int_equal(store_remove(root, "a:1", 1, &removed, &err), 0);
	assert_true(store_has_layer(root, LOW));
}

static void a_name_can_be_given_and_moved(void **state _unused_)
{
	_cleanup_image_ struct image image = { .size = 0 };
	struct err err = ERR_INIT;

	add_image((char[]){ "a:1" }, LOW, NULL);
	add_image((char[]){ "b:1" }, HIGH, NULL);
	assert_int_equal(store_tag(root, "a:1", "c", &err), 0);
	assert_images("a:1 b:1 c:latest ");
	assert_int_equal(store_tag(root, "b:1", "c", &err), 0);
	assert_images("a:1 b:1 c:latest ");
	assert_int_equal(store_get(root, "c", &image, &err), 0);
	assert_string_equal(image.layers[0], HIGH);
	assert_int_equal(store_tag(root, "a:1", "a:1", &err), 0);
	assert_images("a:1 b:1 c:latest ");
	assert_int_equal(store_tag(root, "nope", "d", &err), -ENOENT);
	assert_int_equal(store_tag(root, "a:1", "-", &err), -EINVAL);
}

static void an_image_with_names_is_not_removed_by_digest(void **state _unused_)
{
	_cleanup_image_ struct image image = { .size = 0 };
	_cleanup_free_ char *removed = NULL;
	struct err err = ERR_INIT;

	add_image((char[]){ "a:1" }, LOW, NULL);
	assert_int_equal(store_tag(root, "a:1", "b:1", &err), 0);
	assert_int_equal(store_get(root, "a:1", &image, &err), 0);
	assert_int_equal(store_remove(root, image.digest, 0, &removed, &err), -EBUSY);
	assert_images("a:1 b:1 ");
}

static void another_tools_entries_are_left_alone(void **state _unused_)
{
	static const char entry[] =
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"sha256:" LOW
		"\",\"size\":1,\"annotations\":{\"org.opencontainers.image.ref.name\":\"tag\"}}]}";
	_cleanup_free_ char *path = mem_printf("%s/images/index.json", root), *text = NULL;
	_cleanup_close_ int lock = -EBADF;
	struct err err = ERR_INIT;

	lock = store_lock(root, 1, &err);
	assert_int_equal(file_replace(AT_FDCWD, path, entry, strlen(entry), 0644, 0), 0);
	lock = fd_close(lock);
	assert_images("");
	add_image((char[]){ "a:1" }, LOW, NULL);
	assert_images("a:1 ");
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
	assert_non_null(strstr(text, "\"tag\""));
}

static void a_damaged_index_is_an_error_and_stays(void **state _unused_)
{
	_cleanup_free_ char *path = mem_printf("%s/images/index.json", root);
	struct image none = { .size = 0 };
	struct err err = ERR_INIT;

	add_image((char[]){ "a:1" }, LOW, NULL);
	assert_int_equal(file_replace(AT_FDCWD, path, "{}", 2, 0644, 0), 0);
	assert_true(store_get(root, "a:1", &none, &err) < 0);
	assert_true(store_tag(root, "a:1", "b:1", &err) < 0);
	assert_true(store_has_layer(root, LOW));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_image_tells_how_to_run_it),
		CASE(an_image_is_found_by_name_and_by_digest),
		CASE(layers_stay_while_an_image_has_them),
		CASE(layers_stay_while_an_instance_has_them),
		CASE(nothing_is_removed_while_a_record_cannot_be_read),
		CASE(a_name_can_be_given_and_moved),
		CASE(an_image_with_names_is_not_removed_by_digest),
		CASE(another_tools_entries_are_left_alone),
		CASE(a_damaged_index_is_an_error_and_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
