// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/reference.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void names_are_written_in_full(void **state _unused_)
{
	static const char *const names[][2] = {
		{ "debian", "debian:latest" },
		{ "debian:bookworm", "debian:bookworm" },
		{ "docker.io/library/debian:12", "debian:12" },
		{ "index.docker.io/library/debian", "debian:latest" },
		{ "docker.io/team/app", "team/app:latest" },
		{ "localhost/web", "localhost/web:latest" },
		{ "registry.example.org:5000/a/b-c/d__e.f:V1.0_x-y",
		  "registry.example.org:5000/a/b-c/d__e.f:V1.0_x-y" },
		{ "localhost:5000/x", "localhost:5000/x:latest" },
		{ "a--b/c", "a--b/c:latest" },
		{ "docker.io/docker.io/x", "docker.io/docker.io/x:latest" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *full = NULL, *again = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(reference_normalize(names[i][0], &full, &err), 0);
		assert_string_equal(full, names[i][1]);
		assert_int_equal(reference_normalize(full, &again, &err), 0);
		assert_string_equal(again, full);
	}
}

static void what_is_no_name_is_refused(void **state _unused_)
{
	static const char *const names[] = {
		"",	      ":",     "a:",	     ":a",    "A",	  "a b",
		"a/",	      "/a",    "a//b",	     "-a",    "a-",	  ".a",
		"a..b",	      "a___b", "a._b",	     "a:b:c", "a:.x",	  "a:-x",
		"a:x/y",      "../a",  "a@sha256:0", "h:x/a", "h:/a",	  "h:123456/a",
		"-h.x/a",     "h-./a", "h.x/",	     "a\n",   "\xc3\xa9", "docker.io/library/",
		"docker.io/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = ERR_INIT;
		char *full = NULL;

		assert_int_equal(reference_normalize(names[i], &full, &err), -EINVAL);
		assert_null(full);
		assert_true(err_is_set(&err));
	}
}

static void long_names_and_tags_have_a_bound(void **state _unused_)
{
	char name[REFERENCE_NAME_MAX + 2] = "", tag[REFERENCE_TAG_MAX + 4] = "a:";
	_cleanup_free_ char *full = NULL, *tagged = NULL;
	struct err err = ERR_INIT;
	char *none = NULL;

	memset(name, 'a', REFERENCE_NAME_MAX);
	assert_int_equal(reference_normalize(name, &full, &err), 0);
	name[REFERENCE_NAME_MAX] = 'a';
	assert_int_equal(reference_normalize(name, &none, &err), -EINVAL);
	memset(tag + 2, 't', REFERENCE_TAG_MAX);
	assert_int_equal(reference_normalize(tag, &tagged, &err), 0);
	tag[2 + REFERENCE_TAG_MAX] = 't';
	assert_int_equal(reference_normalize(tag, &none, &err), -EINVAL);
}

static void the_tag_is_found_behind_a_port(void **state _unused_)
{
	assert_string_equal(reference_tag("localhost:5000/x:1"), ":1");
	assert_null(reference_tag("localhost:5000/x"));
	assert_string_equal(reference_tag("x:1"), ":1");
}

static void a_file_names_its_image(void **state _unused_)
{
	static const char *const names[][2] = {
		{ "/tmp/Debian.tar.xz", "debian" },
		{ "rootfs/", "rootfs" },
		{ "a b__c.tar", "a-b-c" },
		{ "/x/web-1.2.tgz", "web-1-2" },
		{ "-odd-", "odd" },
		{ "./image.oci.tar", "image" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *name = reference_from_path(names[i][0]), *full = NULL;
		struct err err = ERR_INIT;

		assert_non_null(name);
		assert_string_equal(name, names[i][1]);
		assert_int_equal(reference_normalize(name, &full, &err), 0);
	}
	assert_null(reference_from_path("/"));
	assert_null(reference_from_path("-"));
	assert_null(reference_from_path(""));
}

static void what_a_registry_is_asked_for_has_its_host(void **state _unused_)
{
	static const char hex[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char *const names[][4] = {
		{ "debian", "debian:latest", "docker.io/library/debian:latest", "docker.io" },
		{ "team/web:1", "team/web:1", "docker.io/team/web:1", "docker.io" },
		{ "localhost/a", "localhost/a:latest", "localhost/a:latest", "localhost" },
		{ "h:5000/a/b:2", "h:5000/a/b:2", "h:5000/a/b:2", "h:5000" },
	};
	_cleanup_free_ char *exact = mem_printf("h:5000/a:2@sha256:%s", hex);
	_cleanup_free_ char *stored = mem_printf("h:5000/a:sha256-%s", hex);
	_cleanup_free_ char *asked = mem_printf("h:5000/a@sha256:%s", hex);
	_cleanup_free_ char *full = NULL, *remote = NULL;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *f = NULL, *r = NULL, *host = NULL;

		assert_int_equal(reference_resolve(names[i][0], &f, &r, &err), 0);
		host = reference_host(f);
		assert_string_equal(f, names[i][1]);
		assert_string_equal(r, names[i][2]);
		assert_string_equal(host, names[i][3]);
	}
	assert_int_equal(reference_resolve(exact, &full, &remote, &err), 0);
	assert_string_equal(full, stored);
	assert_string_equal(remote, asked);
	assert_int_equal(reference_resolve("a@sha256:12", &full, NULL, &err), -EINVAL);
	assert_int_equal(reference_resolve("A", &full, NULL, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_written_in_full),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(long_names_and_tags_have_a_bound),
		cmocka_unit_test(the_tag_is_found_behind_a_port),
		cmocka_unit_test(what_a_registry_is_asked_for_has_its_host),
		cmocka_unit_test(a_file_names_its_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
