// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/recipe.h"
#include "base/mem.h"
#include "proto/nic.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/utsname.h>
#include <cmocka.h>

/* A line of `brig run`, the image it names, and the record that comes of both. */
struct order {
	struct recipe recipe;
	struct image image;
	struct instance record;
	struct err err;
	char **words, **args;
	int r;
};

static struct image busybox(void)
{
	struct image image = { .reference = mem_strdup("busybox:latest"),
			       .digest = mem_strdup("sha256:ab") };

	strv_add(&image.layers, "cafe");
	strv_add(&image.env, "LANG=C");
	strv_add(&image.cmd, "sh");
	return image;
}

/* Takes over the image. The line's words are separated by single blanks; "''" is an empty word. */
static struct order order(struct image image, const char *line)
{
	struct order o = { .recipe = recipe_defaults,
			   .image = image,
			   .words = strv_split(line, " ") };

	strv_for_each(word, o.words) {
		char *quotes = strstr(*word, "''");

		if (quotes)
			*quotes = '\0';
	}
	instance_init(&o.record);
	o.r = option_parse(recipe_options, OPTION_LEAD, (int)strv_len(o.words), o.words, &o.recipe,
			   &o.args, &o.err);
	if (o.r == 0)
		o.r = recipe_check(&o.recipe, &o.err);
	if (o.r == 0)
		o.r = recipe_fill(&o.recipe, &o.image, o.args + 1, &o.record, &o.err);
	return o;
}

static void order_release(struct order *o)
{
	option_release(recipe_options, &o->recipe);
	instance_release(&o->record);
	strv_free(o->words);
	free(o->args);
	free(o->image.reference);
	free(o->image.digest);
	free(o->image.user);
	free(o->image.working_dir);
	free(o->image.stop_signal);
	free(o->image.architecture);
	strv_free(o->image.layers);
	strv_free(o->image.entrypoint);
	strv_free(o->image.cmd);
	strv_free(o->image.env);
	strv_free(o->image.labels);
}
#define _cleanup_order_ _cleanup_(order_release)

static void assert_made(const struct order *o)
{
	if (o->r < 0)
		fail_msg("%s", o->err.msg);
}

static void assert_joined(char *const *v, const char *expected)
{
	_cleanup_free_ char *joined = strv_join(v, " ");

	assert_string_equal(joined, expected);
}

static void assert_argv(const struct order *o, const char *expected)
{
	assert_made(o);
	assert_joined(o->record.argv, expected);
}

static void assert_refused(const char *line, const char *reason)
{
	_cleanup_order_ struct order o = order(busybox(), line);

	if (o.r >= 0)
		fail_msg("accepted: %s", line);
	if (!strstr(o.err.msg, reason))
		fail_msg("%s gave: %s", line, o.err.msg);
	assert_int_equal(o.err.exit_status, 125);
}

static struct image with_entrypoint(void)
{
	struct image image = busybox();

	strv_add(&image.entrypoint, "/entry");
	strv_add(&image.entrypoint, "-e");
	return image;
}

static void the_image_says_what_runs_unless_a_command_is_given(void **state _unused_)
{
	_cleanup_order_ struct order plain = order(busybox(), "busybox");
	_cleanup_order_ struct order command = order(busybox(), "busybox echo -n hi");
	_cleanup_order_ struct order entry = order(with_entrypoint(), "busybox");
	_cleanup_order_ struct order both = order(with_entrypoint(), "busybox echo");

	assert_argv(&plain, "sh");
	assert_argv(&command, "echo -n hi");
	assert_argv(&entry, "/entry -e sh");
	assert_argv(&both, "/entry -e echo");
	assert_false(plain.record.system);
}

static void an_entry_point_of_ones_own_drops_the_images_command(void **state _unused_)
{
	_cleanup_order_ struct order own = order(with_entrypoint(), "--entrypoint /bin/ls busybox");
	_cleanup_order_ struct order args =
		order(with_entrypoint(), "--entrypoint /bin/ls busybox -l /");
	_cleanup_order_ struct order none = order(with_entrypoint(), "--entrypoint= busybox true");

	assert_argv(&own, "/bin/ls");
	assert_argv(&args, "/bin/ls -l /");
	assert_argv(&none, "true");
	assert_refused("--entrypoint= busybox", "no command");
}

static void variables_come_from_the_image_files_and_options_in_this_order(void **state _unused_)
{
	char path[] = "/tmp/brig-test-recipe-XXXXXX";
	static const char text[] = "# a comment\n\n  A=file\nB=file\r\nOURS\nNOT_OURS\nLANG=de\n";
	_cleanup_free_ char *line = NULL;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	setenv("OURS", "from here", 1);
	unsetenv("NOT_OURS");
	line = mem_printf("--env-file %s -e A=option -e OURS -e NOT_OURS -e EMPTY= busybox", path);
	{
		_cleanup_order_ struct order o = order(busybox(), line);

		assert_made(&o);
		assert_string_equal(strv_env_get(o.record.env, "A"), "option");
		assert_string_equal(strv_env_get(o.record.env, "B"), "file");
		assert_string_equal(strv_env_get(o.record.env, "LANG"), "de");
		assert_string_equal(strv_env_get(o.record.env, "OURS"), "from here");
		assert_string_equal(strv_env_get(o.record.env, "EMPTY"), "");
		assert_null(strv_env_get(o.record.env, "NOT_OURS"));
		assert_non_null(strstr(strv_env_get(o.record.env, "PATH"), "/usr/bin"));
	}
	unlink(path);
	assert_refused(line, "--env-file: cannot read");
}

static void broken_variables_are_refused(void **state _unused_)
{
	char path[] = "/tmp/brig-test-recipe-XXXXXX";
	_cleanup_free_ char *line = NULL;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "A B=1\n", 6), 6);
	close(fd);
	line = mem_printf("--env-file %s busybox", path);
	assert_refused(line, "has a blank");
	unlink(path);
	assert_refused("-e =x busybox", "--env");
	assert_refused("-e A=\xff busybox", "UTF-8");
	assert_refused("busybox echo \xc3", "UTF-8");
}

static void an_images_path_is_kept(void **state _unused_)
{
	struct image image = busybox();
	_cleanup_order_ struct order o = { 0 };

	strv_add(&image.env, "PATH=/opt/bin");
	o = order(image, "busybox");
	assert_made(&o);
	assert_string_equal(strv_env_get(o.record.env, "PATH"), "/opt/bin");
}

static struct image configured(void)
{
	struct image image = busybox();

	image.user = mem_strdup("app");
	image.working_dir = mem_strdup("srv");
	image.stop_signal = mem_strdup("SIGQUIT");
	strv_add(&image.labels, "a=image");
	strv_add(&image.labels, "b=image");
	return image;
}

static void the_images_configuration_holds_where_nothing_else_is_said(void **state _unused_)
{
	_cleanup_order_ struct order image = order(configured(), "busybox");
	_cleanup_order_ struct order own = order(
		configured(), "-u 7:8 -w /tmp --stop-signal INT --stop-timeout 3 -l a=own -l c "
			      "--name web --hostname h.example busybox");

	assert_made(&image);
	assert_string_equal(image.record.user, "app");
	assert_string_equal(image.record.cwd, "/srv");
	assert_int_equal(image.record.stop_signal, SIGQUIT);
	assert_int_equal(image.record.stop_timeout_ms, 10000);
	assert_joined(image.record.labels, "a=image b=image");
	assert_null(image.record.name);
	assert_made(&own);
	assert_string_equal(own.record.user, "7:8");
	assert_string_equal(own.record.cwd, "/tmp");
	assert_int_equal(own.record.stop_signal, SIGINT);
	assert_int_equal(own.record.stop_timeout_ms, 3000);
	assert_joined(own.record.labels, "a=own b=image c=");
	assert_string_equal(own.record.name, "web");
	assert_string_equal(own.record.hostname, "h.example");
	assert_string_equal(own.record.image, "busybox:latest");
	assert_string_equal(own.record.image_digest, "sha256:ab");
	assert_joined(own.record.layers, "cafe");
}

static void an_image_without_a_command_is_a_whole_system(void **state _unused_)
{
	struct image image = configured(), vm_image = { .reference = mem_strdup("debian:latest") };
	_cleanup_order_ struct order o = { 0 }, vm = { 0 };

	image.cmd = strv_free(image.cmd);
	free(image.stop_signal);
	image.stop_signal = NULL;
	o = order(image, "debian");
	assert_argv(&o, "/sbin/init");
	assert_true(o.record.system && o.record.tty);
	assert_int_equal(o.record.stop_signal, SIGRTMIN + 3);
	assert_int_equal(o.record.stop_timeout_ms, 30000);
	assert_null(o.record.user);
	vm = order(vm_image, "--vm --stop-timeout 5 --stop-signal TERM debian");
	assert_argv(&vm, "/sbin/init");
	assert_int_equal(vm.record.stop_signal, SIGTERM);
	assert_int_equal(vm.record.stop_timeout_ms, 5000);
}

static void a_whole_system_has_its_own_init_and_runs_as_root(void **state _unused_)
{
	struct image one = { .reference = mem_strdup("x") }, two = { .reference = mem_strdup("x") };
	_cleanup_order_ struct order init = order(one, "--init x"), user = order(two, "-u app x");

	assert_int_equal(init.r, -EINVAL);
	assert_non_null(strstr(init.err.msg, "--init"));
	assert_int_equal(user.r, -EINVAL);
	assert_non_null(strstr(user.err.msg, "--user"));
}

static void limits_and_privileges_reach_the_record(void **state _unused_)
{
	_cleanup_order_ struct order o = order(
		busybox(), "-it --rm -m 64m --cpus 1.5 --pids-limit 100 --ulimit nofile=1:2 "
			   "--read-only --tmpfs /tmp:size=1m,noexec --cap-drop ALL --cap-add chown "
			   "--device /dev/null:/dev/zip:r --init busybox");

	assert_made(&o);
	assert_true(o.record.interactive && o.record.tty && o.record.remove && o.record.read_only);
	assert_int_equal(o.record.memory, 64 << 20);
	assert_int_equal(o.record.cpus_milli, 1500);
	assert_int_equal(o.record.pids_limit, 100);
	assert_joined(o.record.rlimits, "nofile=1:2");
	assert_joined(o.record.tmpfs, "/tmp:size=1m,noexec");
	assert_joined(o.record.cap_add, "chown");
	assert_joined(o.record.cap_drop, "ALL");
	assert_joined(o.record.devices, "/dev/null:/dev/zip:r");
	assert_int_equal(o.record.kind, INSTANCE_CONTAINER);
	assert_true(o.record.init);
}

static void a_vm_has_its_own_options_and_defaults(void **state _unused_)
{
	_cleanup_order_ struct order plain = order(busybox(), "--vm busybox");
	_cleanup_order_ struct order full = order(
		busybox(), "--vm --kernel image --engine qemu --disk-size 1g --boot-timeout 30s "
			   "-m 1g busybox");
	_cleanup_order_ struct order container = order(busybox(), "busybox");
	_cleanup_order_ struct order bounded = order(busybox(), "--disk-size 1g busybox");

	assert_made(&plain);
	assert_int_equal(plain.record.kind, INSTANCE_VM);
	assert_int_equal(plain.record.disk_size, INT64_C(16) << 30);
	assert_false(plain.record.bounded);
	assert_int_equal(plain.record.memory, 512 << 20);
	assert_int_equal(plain.record.engine, INSTANCE_ENGINE_AUTO);
	assert_null(plain.record.kernel);
	assert_made(&full);
	assert_string_equal(full.record.kernel, "image");
	assert_int_equal(full.record.engine, INSTANCE_ENGINE_QEMU);
	assert_int_equal(full.record.disk_size, 1 << 30);
	assert_int_equal(full.record.boot_timeout_ms, 30000);
	assert_made(&container);
	assert_int_equal(container.record.memory, 0);
	assert_false(container.record.bounded);
	assert_made(&bounded);
	assert_true(bounded.record.bounded);
	assert_int_equal(bounded.record.disk_size, 1 << 30);
}

static void restart_policies_are_dockers(void **state _unused_)
{
	_cleanup_order_ struct order always = order(busybox(), "--restart always busybox");
	_cleanup_order_ struct order some = order(busybox(), "--restart on-failure:3 busybox");
	_cleanup_order_ struct order unless = order(busybox(), "--restart=unless-stopped busybox");

	assert_made(&always);
	assert_int_equal(always.record.restart, INSTANCE_RESTART_ALWAYS);
	assert_made(&some);
	assert_int_equal(some.record.restart, INSTANCE_RESTART_ON_FAILURE);
	assert_int_equal(some.record.restart_max, 3);
	assert_made(&unless);
	assert_int_equal(unless.record.restart, INSTANCE_RESTART_UNLESS_STOPPED);
	assert_refused("--restart sometimes busybox", "unless-stopped");
	assert_refused("--restart always:3 busybox", "--restart");
	assert_refused("--restart on-failure:0 busybox", "--restart");
	assert_refused("--restart on-failure: busybox", "--restart");
	assert_refused("--rm --restart always busybox", "exclude");
}

static void either_kind_may_be_asked_to_run_containers(void **state _unused_)
{
	_cleanup_order_ struct order container = order(busybox(), "--nesting busybox");
	_cleanup_order_ struct order vm = order(busybox(), "--vm --nesting busybox");
	_cleanup_order_ struct order plain = order(busybox(), "busybox");

	assert_made(&container);
	assert_made(&vm);
	assert_made(&plain);
	assert_true(container.record.nesting && vm.record.nesting);
	assert_false(plain.record.nesting);
}

static void what_a_kind_has_no_meaning_for_is_refused_with_the_reason(void **state _unused_)
{
	static const char *const bad[][2] = {
		{ "--vm --device /dev/null x", "--device: a VM" },
		{ "--vm --privileged x", "--privileged: root in a VM" },
		{ "--kernel debian x", "--kernel: a container" },
		{ "--engine auto x", "--engine:" },
		{ "--engine qemu --container x", "--engine:" },
		{ "--boot-timeout 5 x", "--boot-timeout: a container" },
		{ "--disk /dev/null x", "--disk: a container has no disks" },
		{ "--vm --container x", "exclude" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i][0], bad[i][1]);
}

static void assert_networks(const char *line, const char *expected)
{
	_cleanup_order_ struct order o = order(busybox(), line);

	assert_made(&o);
	assert_joined(o.record.networks, expected);
}

static void a_network_is_what_is_said_or_what_a_variable_says_or_the_default(void **state _unused_)
{
	_cleanup_order_ struct order plain = order(busybox(), "busybox");
	_cleanup_order_ struct order none = order(busybox(), "--network none busybox");
	_cleanup_order_ struct order variable = { 0 };

	assert_made(&plain);
	if (geteuid())
		assert_true(!plain.record.networks || nic_is_user(plain.record.networks));
	else
		assert_memory_equal(plain.record.networks[0], "brig0,mac=02:62:", 16);
	assert_made(&none);
	assert_null(none.record.networks);
	assert_networks("--network host busybox", "host");
	setenv("BRIG_NETWORK", "host", 1);
	assert_networks("busybox", "host");
	assert_refused("--vm busybox", "BRIG_NETWORK: host: a VM has");
	setenv("BRIG_NETWORK", "none", 1);
	variable = order(busybox(), "--vm busybox");
	assert_made(&variable);
	assert_null(variable.record.networks);
	unsetenv("BRIG_NETWORK");
}

static void networks_have_their_words_and_dockers_options(void **state _unused_)
{
	if (geteuid())
		skip();
	assert_networks("--network web,mac=02:62:00:00:00:01,name=up,rate=1.5mbit --ip 10.1.2.3 "
			"--net bridge=br0,mac=02:62:00:00:00:02 --net-rate 64kbit busybox",
			"web,mac=02:62:00:00:00:01,ip=10.1.2.3,name=up,rate=1500000 "
			"bridge=br0,mac=02:62:00:00:00:02,name=eth1,rate=64000");
	assert_networks("--mac-address 02:62:00:00:00:03 --ip6 fd00::7 busybox",
			"brig0,mac=02:62:00:00:00:03,ip6=fd00::7,name=eth0");
	assert_networks("--network container:web busybox", "container:web");
	assert_refused("--network a --network a busybox", "named twice");
	assert_refused("--network a --network none busybox", "goes with no other");
	assert_refused("--network a,rate=5 busybox", "is not a rate");
	assert_refused("--network a,rate=5bit busybox", "option --network");
	assert_refused("--network a,ip=x busybox", "option --network: network 'a,ip=x': ip");
	assert_refused("--network a/b busybox", "option --network");
	assert_refused("--network ''x busybox", "option --network");
	assert_refused("--network a,ip=10.0.0.1 --ip 10.0.0.2 busybox", "--ip: the first");
	assert_refused("--ip 10.0.0 busybox", "--ip:");
	assert_refused("--ip6 10.0.0.1 busybox", "--ip6:");
	assert_refused("--mac 1:2 busybox", "--mac-address:");
	assert_refused("--name web --network container:web busybox", "itself");
}

static void without_an_interface_of_its_own_there_is_nothing_to_say_of_it(void **state _unused_)
{
	assert_refused("--network none --ip 10.0.0.1 x", "--ip: there is no network");
	assert_refused("--network none -p 80:80 x", "--publish: there is no network");
	assert_refused("--network host -p 80:80 x", "--publish: the network is the host's");
	assert_refused("--network host --net-rate 1mbit x", "--net-rate: the network is the");
	assert_refused("--network container:a --mac 02:00:00:00:00:01 x", "--mac-address: the");
	assert_refused("--network container:a --dns 1.1.1.1 x", "--dns: the network is that");
	assert_refused("--vm --network container:a x", "container:a: a VM has");
}

static void ports_are_published_as_docker_has_it(void **state _unused_)
{
	_cleanup_order_ struct order o = { 0 };

	if (geteuid())
		skip();
	o = order(busybox(), "-p 8080:80 -p 127.0.0.1:5353:53/udp busybox");
	assert_made(&o);
	assert_joined(o.record.ports, "8080:80/tcp 127.0.0.1:5353:53/udp");
	assert_refused("-p 80 busybox", "option --publish");
}

static void names_of_others_reach_the_record(void **state _unused_)
{
	_cleanup_order_ struct order o = order(
		busybox(), "--network host --dns 1.1.1.1 --dns fd00::1 --dns-search a.example "
			   "--add-host db:10.0.0.7 --add-host six=[fd00::7] busybox");

	assert_made(&o);
	assert_joined(o.record.dns, "1.1.1.1 fd00::1");
	assert_joined(o.record.dns_search, "a.example");
	assert_joined(o.record.extra_hosts, "db:10.0.0.7 six:fd00::7");
	assert_refused("--network host --dns resolver x", "--dns:");
	assert_refused("--network host --dns-search a/b x", "--dns-search:");
	assert_refused("--network host --add-host db x", "--add-host:");
	assert_refused("--network host --add-host db:[ x", "--add-host:");
	assert_refused("--network host --add-host d\nb:1.1.1.1 x", "--add-host:");
}

static void a_mount_is_dockers_other_word_for_a_volume(void **state _unused_)
{
	_cleanup_order_ struct order o =
		order(busybox(), "-v db:/d:ro --mount type=bind,src=/,dst=/host,readonly "
				 "--mount source=web,target=/w,nocopy "
				 "--mount type=tmpfs,target=/t,tmpfs-size=1m busybox");

	assert_made(&o);
	assert_string_equal(o.record.volumes[0], "db:/d:ro");
	assert_string_equal(o.record.volumes[1], "/:/host:ro");
	assert_string_equal(o.record.volumes[2], "web:/w:nocopy");
	assert_string_equal(o.record.tmpfs[0], "/t:size=1m");
}

static void values_that_cannot_be_are_refused_by_name(void **state _unused_)
{
	static const char *const bad[][2] = {
		{ "--name a/b x", "instance name" },
		{ "--name ''x x", "instance name" },
		{ "--name -- x", "instance name" },
		{ "-m 1m x", "--memory" },
		{ "--vm -m 64m x", "--memory" },
		{ "-m lots x", "--memory" },
		{ "-m -1 x", "--memory" },
		{ "--cpus 0.001 x", "--cpus" },
		{ "--cpus 5000 x", "--cpus" },
		{ "--vm --cpus 256 x", "--cpus" },
		{ "--pids-limit -5 x", "--pids-limit" },
		{ "--pids-limit 99999999 x", "--pids-limit" },
		{ "--ulimit files=1 x", "--ulimit" },
		{ "--ulimit nofile=5:1 x", "--ulimit" },
		{ "--tmpfs tmp x", "--tmpfs" },
		{ "--tmpfs / x", "--tmpfs" },
		{ "--tmpfs /a/../b x", "--tmpfs" },
		{ "--tmpfs /a:size=,ro x", "--tmpfs" },
		{ "--tmpfs /a:loop x", "--tmpfs" },
		{ "--cap-add NET_ADMIM x", "NET_ADMIN" },
		{ "--cap-drop X x", "--cap-drop" },
		{ "--device null x", "--device" },
		{ "--device /dev/null:x:rwm x", "--device" },
		{ "--device /dev/null:/a:/b:r x", "--device" },
		{ "--device /nowhere x", "--device" },
		{ "--device /etc/passwd x", "no device" },
		{ "--hostname -x x", "--hostname" },
		{ "--hostname a_b x", "--hostname" },
		{ "-w tmp x", "--workdir" },
		{ "-u ''x x", "--user" },
		{ "-l =x x", "--label" },
		{ "--stop-signal NOPE x", "--stop-signal" },
		{ "--stop-timeout soon x", "--stop-timeout" },
		{ "--engine kmv --vm x", "--engine" },
		{ "--kernel ../x --vm x", "kernel name" },
		{ "--vm --disk-size 1m x", "--disk-size" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i][0], bad[i][1]);
}

static void an_image_for_another_machine_is_refused(void **state _unused_)
{
	struct image image = busybox(), ours = busybox();
	struct utsname host;
	_cleanup_order_ struct order o = { 0 }, fine = { 0 };

	assert_int_equal(uname(&host), 0);
	image.architecture = mem_strdup("s390x");
	o = order(image, "busybox");
	assert_int_equal(o.r, -ENOEXEC);
	assert_non_null(strstr(o.err.msg, "s390x"));
	if (strcmp(host.machine, "x86_64") != 0)
		skip();
	ours.architecture = mem_strdup("amd64");
	fine = order(ours, "busybox");
	assert_made(&fine);
}

static void a_stop_signal_of_an_image_that_is_none_is_told(void **state _unused_)
{
	struct image image = busybox(), again = busybox();
	_cleanup_order_ struct order o = { 0 }, own = { 0 };

	image.stop_signal = mem_strdup("SIGNOPE");
	again.stop_signal = mem_strdup("SIGNOPE");
	o = order(image, "busybox");
	assert_int_equal(o.r, -EINVAL);
	assert_non_null(strstr(o.err.msg, "--stop-signal"));
	own = order(again, "--stop-signal HUP busybox");
	assert_made(&own);
	assert_int_equal(own.record.stop_signal, SIGHUP);
}

static void a_command_too_long_for_a_vm_is_refused_before_it_is_made(void **state _unused_)
{
	_cleanup_free_ char *word = mem_zalloc(70001), *line = NULL, *vm_line = NULL;

	memset(word, 'x', 70000);
	line = mem_printf("busybox echo %s", word);
	vm_line = mem_printf("--vm %s", line);
	{
		_cleanup_order_ struct order o = order(busybox(), line);

		assert_made(&o);
	}
	assert_refused(vm_line, "a VM takes at most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_image_says_what_runs_unless_a_command_is_given),
		cmocka_unit_test(an_entry_point_of_ones_own_drops_the_images_command),
		cmocka_unit_test(variables_come_from_the_image_files_and_options_in_this_order),
		cmocka_unit_test(broken_variables_are_refused),
		cmocka_unit_test(an_images_path_is_kept),
		cmocka_unit_test(the_images_configuration_holds_where_nothing_else_is_said),
		cmocka_unit_test(an_image_without_a_command_is_a_whole_system),
		cmocka_unit_test(a_whole_system_has_its_own_init_and_runs_as_root),
		cmocka_unit_test(limits_and_privileges_reach_the_record),
		cmocka_unit_test(a_vm_has_its_own_options_and_defaults),
		cmocka_unit_test(restart_policies_are_dockers),
		cmocka_unit_test(either_kind_may_be_asked_to_run_containers),
		cmocka_unit_test(what_a_kind_has_no_meaning_for_is_refused_with_the_reason),
		cmocka_unit_test(a_network_is_what_is_said_or_what_a_variable_says_or_the_default),
		cmocka_unit_test(networks_have_their_words_and_dockers_options),
		cmocka_unit_test(without_an_interface_of_its_own_there_is_nothing_to_say_of_it),
		cmocka_unit_test(ports_are_published_as_docker_has_it),
		cmocka_unit_test(names_of_others_reach_the_record),
		cmocka_unit_test(a_mount_is_dockers_other_word_for_a_volume),
		cmocka_unit_test(values_that_cannot_be_are_refused_by_name),
		cmocka_unit_test(an_image_for_another_machine_is_refused),
		cmocka_unit_test(a_stop_signal_of_an_image_that_is_none_is_told),
		cmocka_unit_test(a_command_too_long_for_a_vm_is_refused_before_it_is_made),
	};

	unsetenv("BRIG_NETWORK");
	return cmocka_run_group_tests_name("cli/recipe", tests, NULL, NULL);
}
