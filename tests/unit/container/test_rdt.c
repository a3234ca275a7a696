// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/rdt.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* A folder with what the kernel has in a resctrl: the root's class, and one that somebody made. */
struct tree {
	char path[32];
	int root;
};

static void put(const struct tree *tree, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(tree->root, path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

/* What the kernel makes in a new folder. */
static void fill(const struct tree *tree, const char *group, const char *schemata)
{
	static const char *const files[] = { "tasks", "schemata" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", group, files[i]);

		put(tree, path, i ? schemata : "");
	}
}

static void empty(const struct tree *tree, const char *group)
{
	_cleanup_free_ char *tasks = mem_printf("%s/tasks", group),
			    *schemata = mem_printf("%s/schemata", group);

	unlinkat(tree->root, tasks, 0);
	unlinkat(tree->root, schemata, 0);
}

static void assert_file(const struct tree *tree, const char *path, const char *text)
{
	_cleanup_free_ char *found = NULL;

	assert_int_equal(file_read(tree->root, path, 4096, &found, NULL), 0);
	assert_string_equal(found, text);
}

static int is_there(const struct tree *tree, const char *path)
{
	return faccessat(tree->root, path, F_OK, 0) == 0;
}

static int setup(void **state)
{
	struct tree *tree = mem_zalloc(sizeof(*tree));

	strcpy(tree->path, "/tmp/brig-rdt-XXXXXX");
	if (!mkdtemp(tree->path))
		return -1;
	tree->root = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(tree->root, "mon_groups", 0700), 0);
	assert_int_equal(mkdirat(tree->root, "info", 0700), 0);
	assert_int_equal(mkdirat(tree->root, "gold", 0700), 0);
	assert_int_equal(mkdirat(tree->root, "gold/mon_groups", 0700), 0);
	fill(tree, ".", "    L3:0=fff;1=fff\n    MB:0=100;1=100\n");
	fill(tree, "gold", "    L3:0=0f0;1=00f\n    MB:0= 90;1=100\n");
	*state = tree;
	return 0;
}

static int teardown(void **state)
{
	struct tree *tree = *state;
	int r = file_remove_tree(AT_FDCWD, tree->path);

	close(tree->root);
	free(tree);
	return r;
}

#define TEXT(text) ((char *)(uintptr_t)(text))

static int plan(const struct tree *tree, const struct config_intel_rdt *config, struct rdt *ret,
		struct err *err)
{
	*err = ERR_INIT;
	return rdt_plan(tree->root, config, "box", ret, err);
}

static void a_container_without_a_class_gets_one_of_its_own(void **state)
{
	char *more[] = { TEXT("L2:0=f"), TEXT("MB:1=50"), NULL };
	const struct config_intel_rdt config = { .l3_schema = TEXT("L3:0=7;1=7\nMB:0=30"),
						 .memory_schema = TEXT("MB:0=20"),
						 .schemata = more };
	_cleanup_rdt_ struct rdt rdt = { 0 };
	struct tree *tree = *state;
	struct err err;

	assert_int_equal(plan(tree, &config, &rdt, &err), 0);
	assert_false(is_there(tree, "box"));
	assert_int_equal(rdt_make(tree->root, &rdt, &err), 0);
	fill(tree, "box", "");
	assert_int_equal(rdt_write(tree->root, &rdt, &err), 0);
	assert_file(tree, "box/schemata", "L3:0=7;1=7\nMB:0=20\nL2:0=f\nMB:1=50\n");
	assert_int_equal(rdt_join(tree->root, &rdt, 77, &err), 0);
	assert_file(tree, "box/tasks", "77\n");
	/* as long as somebody is in it, it stays */
	rdt_remove(tree->root, rdt.make);
	assert_true(is_there(tree, "box"));
	empty(tree, "box");
	rdt_remove(tree->root, rdt.make);
	assert_false(is_there(tree, "box"));
}

static void a_class_that_is_there_is_joined_and_stays(void **state)
{
	const struct config_intel_rdt config = { .clos = TEXT("gold") };
	_cleanup_rdt_ struct rdt rdt = { 0 };
	struct tree *tree = *state;
	struct err err;

	assert_int_equal(plan(tree, &config, &rdt, &err), 0);
	assert_null(rdt.make);
	assert_int_equal(rdt_write(tree->root, &rdt, &err), 0);
	assert_file(tree, "gold/schemata", "    L3:0=0f0;1=00f\n    MB:0= 90;1=100\n");
	assert_int_equal(rdt_join(tree->root, &rdt, 5, &err), 0);
	assert_file(tree, "gold/tasks", "5\n");
	rdt_remove(tree->root, rdt.make);
	assert_true(is_there(tree, "gold"));
}

static void a_class_that_is_there_must_have_what_is_asked_for(void **state)
{
	static const struct {
		const char *l3, *memory;
		int result;
	} cases[] = {
		{ "L3:0=f0;1=f", NULL, 0 },	     { "L3:1=0x0f", NULL, 0 },
		{ "L3:1=F", "MB:0=90", 0 },	     { "L3:0=f1", NULL, -EEXIST },
		{ "L3:2=f", NULL, -EEXIST },	     { NULL, "MB:0=9", -EEXIST },
		{ "L2:0=f0", NULL, -EEXIST },	     { "L3", NULL, -EEXIST },
		{ "MB:0=1\nL3:1=f", "MB:1=100", 0 },
	};
	struct tree *tree = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct config_intel_rdt config = { .clos = TEXT("gold"),
							 .l3_schema = TEXT(cases[i].l3),
							 .memory_schema = TEXT(cases[i].memory) };
		_cleanup_rdt_ struct rdt rdt = { 0 };
		struct err err;

		assert_int_equal(plan(tree, &config, &rdt, &err), cases[i].result);
		if (cases[i].result < 0)
			assert_non_null(strstr(err.msg, "linux.intelRdt.closID: 'gold' is there "
							"already, without '"));
		else
			assert_null(rdt.schemata);
	}
}

static void schemata_are_written_to_a_class_that_is_there(void **state)
{
	char *more[] = { TEXT("L3:0=1"), NULL };
	const struct config_intel_rdt config = { .clos = TEXT("gold"),
						 .memory_schema = TEXT("MB:0=90"),
						 .schemata = more };
	_cleanup_rdt_ struct rdt rdt = { 0 };
	struct tree *tree = *state;
	struct err err;

	assert_int_equal(plan(tree, &config, &rdt, &err), 0);
	put(tree, "gold/schemata", "");
	assert_int_equal(rdt_write(tree->root, &rdt, &err), 0);
	assert_file(tree, "gold/schemata", "L3:0=1\n");
}

static void a_class_that_is_named_and_not_there_is_made_of_its_schema_or_an_error(void **state)
{
	struct config_intel_rdt config = { .clos = TEXT("silver") };
	_cleanup_rdt_ struct rdt none = { 0 }, rdt = { 0 };
	struct tree *tree = *state;
	struct err err;

	assert_int_equal(plan(tree, &config, &none, &err), -ENOENT);
	assert_string_equal(err.msg, "linux.intelRdt.closID: there is no class 'silver', nor "
				     "anything to make one of");
	config.l3_schema = TEXT("L3:0=3");
	assert_int_equal(plan(tree, &config, &rdt, &err), 0);
	assert_int_equal(rdt_make(tree->root, &rdt, &err), 0);
	assert_true(is_there(tree, "silver"));
}

static void a_monitored_container_has_a_group_of_its_own_in_its_class(void **state)
{
	static const char *const classes[] = { "gold", "/" };
	static const char *const groups[] = { "gold/mon_groups/box", "./mon_groups/box" };
	struct tree *tree = *state;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		const struct config_intel_rdt config = { .clos = TEXT(classes[i]),
							 .monitoring = 1 };
		_cleanup_rdt_ struct rdt rdt = { 0 };
		struct err err;

		assert_int_equal(plan(tree, &config, &rdt, &err), 0);
		assert_int_equal(rdt_make(tree->root, &rdt, &err), 0);
		fill(tree, groups[i], "");
		assert_int_equal(rdt_join(tree->root, &rdt, 9, &err), 0);
		assert_file(tree, i ? "tasks" : "gold/tasks", "9\n");
		_cleanup_free_ char *tasks = mem_printf("%s/tasks", groups[i]);
		assert_file(tree, tasks, "9\n");
		empty(tree, groups[i]);
		rdt_remove(tree->root, rdt.make);
		assert_false(is_there(tree, groups[i]));
		assert_true(is_there(tree, "gold"));
	}
}

static void what_the_kernel_says_is_passed_on(void **state)
{
	const struct config_intel_rdt config = { .l3_schema = TEXT("L3:0=3") };
	_cleanup_rdt_ struct rdt rdt = { 0 };
	struct tree *tree = *state;
	struct err err;

	put(tree, "info/last_cmd_status", "Mask out of range\n");
	assert_int_equal(plan(tree, &config, &rdt, &err), 0);
	assert_int_equal(rdt_make(tree->root, &rdt, &err), 0);
	assert_int_equal(rdt_write(tree->root, &rdt, &err), -ENOENT);
	assert_string_equal(err.msg,
			    "linux.intelRdt: cannot write box/schemata (Mask out of range): "
			    "No such file or directory");
}

static void names_and_schemas_that_cannot_be_are_refused(void **state _unused_)
{
	static const char *const names[] = { "..", "a/b", "info", "mon_groups", "a\nb" };
	static const char *const schemas[] = { "L3:0=1", "MB:0=1\nL3:0=1" };
	struct config_intel_rdt config = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(rdt_check(&config, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		config.clos = TEXT(names[i]);
		assert_int_equal(rdt_check(&config, &err), -EINVAL);
	}
	config.clos = TEXT("/");
	assert_int_equal(rdt_check(&config, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
		config.memory_schema = TEXT(schemas[i]);
		assert_int_equal(rdt_check(&config, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "linux.intelRdt.memBwSchema: "));
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_container_without_a_class_gets_one_of_its_own),
		TEST(a_class_that_is_there_is_joined_and_stays),
		TEST(a_class_that_is_there_must_have_what_is_asked_for),
		TEST(schemata_are_written_to_a_class_that_is_there),
		TEST(a_class_that_is_named_and_not_there_is_made_of_its_schema_or_an_error),
		TEST(a_monitored_container_has_a_group_of_its_own_in_its_class),
		TEST(what_the_kernel_says_is_passed_on),
		TEST(names_and_schemas_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
