// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/store.h"

#include "root.h"

#include <sys/stat.h>
#include <sys/wait.h>

static void ids_are_what_file_names_and_engines_allow(void **state _unused_)
{
	static const char *const good[] = { "a", "A-b_c+d.e", "-x", "+", "_", "0123" };
	static const char *const bad[] = { "", ".", "..", ".a", "a/b", "a b", "\xc3\xa9", "a\n" };
	char longest[STORE_ID_MAX + 2];
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(store_check_id(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(store_check_id(bad[i], &err), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[STORE_ID_MAX + 1] = '\0';
	assert_int_equal(store_check_id(longest, &err), -EINVAL);
	longest[STORE_ID_MAX] = '\0';
	assert_int_equal(store_check_id(longest, &err), 0);
}

static void a_container_is_found_as_it_was_saved(void **state)
{
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT,
					       found = STORE_CONTAINER_INIT;
	struct root *root = *state;
	struct err err = ERR_INIT;
	struct stat st;
	char path[64];

	root_make(root, "a.1", getpid(), &made);
	snprintf(path, sizeof(path), "%s/a.1", root->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	made.cgroup = mem_strdup("brig/a.1");
	made.started = 1;
	assert_int_equal(store_save(&made, &err), 0);
	assert_int_equal(store_open(root->path, "a.1", 0, &found, &err), 0);
	assert_string_equal(found.id, "a.1");
	assert_string_equal(found.bundle, "/bundle");
	assert_string_equal(found.cgroup, "brig/a.1");
	assert_null(found.unit);
	assert_int_equal(found.pid, getpid());
	assert_true(found.start_time == made.start_time && found.start_time);
	assert_string_equal(found.created, made.created);
	assert_int_equal(found.owner, getuid());
	assert_int_equal(found.started, 1);
}

static void an_id_is_given_once(void **state)
{
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT,
					       second = STORE_CONTAINER_INIT,
					       third = STORE_CONTAINER_INIT;
	struct root *root = *state;
	struct err err = ERR_INIT;

	assert_int_equal(store_create(root->path, "a", &made, &err), 0);
	/* while it is made, and after */
	assert_int_equal(store_create(root->path, "a", &second, &err), -EEXIST);
	assert_string_equal(err.msg, "container with that ID exists already: a");
	made.oci_version = mem_strdup("1.0.0");
	made.bundle = mem_strdup("/");
	assert_int_equal(store_save(&made, &err), 0);
	store_release(&made);
	assert_int_equal(store_create(root->path, "a", &third, &err), -EEXIST);
}

static void what_is_not_there_does_not_exist(void **state)
{
	_cleanup_store_ struct store_container container = STORE_CONTAINER_INIT;
	_cleanup_strv_ char **ids = NULL;
	struct root *root = *state;
	struct err err = ERR_INIT;

	assert_int_equal(store_open(root->path, "a", 1, &container, &err), -ENOENT);
	assert_string_equal(err.msg, "container 'a' does not exist");
	assert_int_equal(store_remove_broken(root->path, "a", &err), -ENOENT);
	assert_int_equal(store_list(root->path, &ids, &err), 0);
	assert_null(ids);
}

static void what_a_killed_create_left_is_seen_by_no_one_and_taken_over(void **state)
{
	_cleanup_store_ struct store_container killed = STORE_CONTAINER_INIT,
					       found = STORE_CONTAINER_INIT,
					       next = STORE_CONTAINER_INIT;
	_cleanup_strv_ char **ids = NULL;
	struct root *root = *state;
	struct err err = ERR_INIT;

	assert_int_equal(store_create(root->path, "a", &killed, &err), 0);
	root_write(root, "a", "leftover", "x");
	assert_int_equal(store_remove_broken(root->path, "a", &err), -EBUSY);
	store_release(&killed);
	assert_int_equal(store_open(root->path, "a", 1, &found, &err), -ENOENT);
	assert_int_equal(store_list(root->path, &ids, &err), 0);
	assert_null(ids);
	assert_int_equal(store_create(root->path, "a", &next, &err), 0);
	assert_int_equal(faccessat(next.dir, "leftover", F_OK, 0), -1);
	store_release(&next);
	assert_int_equal(store_remove_broken(root->path, "a", &err), 0);
	assert_int_equal(store_remove_broken(root->path, "a", &err), -ENOENT);
}

static void a_removed_container_is_gone_for_who_waited_for_it(void **state)
{
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT;
	struct root *root = *state;
	struct err err = ERR_INIT;
	int status = 0;
	pid_t child;

	root_make(root, "a", 0, &made);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct store_container waited = STORE_CONTAINER_INIT;

		/* the lock is the open file's, which the child has too */
		made.dir = fd_close(made.dir);
		_exit(store_open(root->path, "a", 1, &waited, &err) == -ENOENT ? 0 : 1);
	}
	assert_int_equal(store_delete(&made, &err), 0);
	store_release(&made);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void the_list_is_sorted_and_knows_containers_alone(void **state)
{
	_cleanup_strv_ char **ids = NULL;
	_cleanup_free_ char *text = NULL;
	struct root *root = *state;
	struct err err = ERR_INIT;

	for (const char *const *id = (const char *const[]){ "c", "a", "b", NULL }; *id; id++) {
		_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT;

		root_make(root, *id, 0, &made);
	}
	root_write(root, "", "file", "x");
	assert_int_equal(store_list(root->path, &ids, &err), 0);
	text = strv_join(ids, " ");
	assert_string_equal(text, "a b c");
}

static void hostile_records_are_errors(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"version\":1}",
		"{\"version\":2,\"oci_version\":\"1\"}",
		"{\"version\":1,\"oci_version\":\"1\",\"bundle\":\"/"
		"\",\"created\":\"\",\"pid\":-1}",
		"{\"version\":1,\"oci_version\":\"1\",\"bundle\":\"/"
		"\",\"created\":\"\",\"pid\":4294967296}",
	};
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT;
	struct root *root = *state;

	root_make(root, "a", 0, &made);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_store_ struct store_container found = STORE_CONTAINER_INIT;
		struct err err = ERR_INIT;

		root_write(root, "a", STORE_STATE, texts[i]);
		assert_true(store_open(root->path, "a", 0, &found, &err) < 0);
		assert_int_equal(strncmp(err.msg, "container 'a': ", 15), 0);
	}
}

static enum store_status status_of(const struct store_container *container, int frozen)
{
	_cleanup_close_ int pidfd = store_pidfd(container);

	return store_status(container, pidfd, frozen);
}

static void the_status_follows_the_process_and_the_socket(void **state)
{
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT,
					       found = STORE_CONTAINER_INIT;
	struct root *root = *state;
	struct err err = ERR_INIT;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		(void)pause();
		_exit(0);
	}
	root_make(root, "a", 0, &made);
	assert_int_equal(store_open(root->path, "a", 0, &found, &err), 0);
	assert_int_equal(status_of(&found, 0), STORE_CREATING);
	assert_int_equal(store_set_pid(&made, child), 0);
	assert_int_equal(status_of(&made, 0), STORE_CREATING);
	root_write(root, "a", STORE_START_SOCKET, "");
	assert_int_equal(status_of(&made, 0), STORE_CREATED);
	made.started = 1;
	assert_int_equal(status_of(&made, 0), STORE_CREATED);
	assert_int_equal(unlinkat(made.dir, STORE_START_SOCKET, 0), 0);
	assert_int_equal(status_of(&made, 0), STORE_RUNNING);
	assert_int_equal(status_of(&made, 1), STORE_PAUSED);
	/* another process of that number */
	made.start_time++;
	assert_int_equal(status_of(&made, 0), STORE_STOPPED);
	assert_int_equal(store_pidfd(&made), -ESRCH);
	made.start_time--;
	/* a zombie has ended, waited for or not */
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(status_of(&made, 1), STORE_STOPPED);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(status_of(&made, 0), STORE_STOPPED);
	assert_int_equal(store_set_pid(&made, child), -ESRCH);
	/* without a process, and nobody at work on it */
	store_release(&made);
	assert_int_equal(status_of(&found, 0), STORE_STOPPED);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_what_file_names_and_engines_allow),
		STORE_TEST(a_container_is_found_as_it_was_saved),
		STORE_TEST(an_id_is_given_once),
		STORE_TEST(what_is_not_there_does_not_exist),
		STORE_TEST(what_a_killed_create_left_is_seen_by_no_one_and_taken_over),
		STORE_TEST(a_removed_container_is_gone_for_who_waited_for_it),
		STORE_TEST(the_list_is_sorted_and_knows_containers_alone),
		STORE_TEST(hostile_records_are_errors),
		STORE_TEST(the_status_follows_the_process_and_the_socket),
	};

	return cmocka_run_group_tests_name("oci/store", tests, NULL, NULL);
}
