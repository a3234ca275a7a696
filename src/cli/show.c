// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs that look at single instances: inspect, logs. */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "instance/bound.h"
#include "instance/confinement.h"
#include "instance/logs.h"
#include "instance/paths.h"
#include "instance/snapshot.h"
#include "proto/vmm.h"

#include <fcntl.h>
#include <string.h>

static void show_add_socket(struct json *json, const char *key, const char *run_dir,
			    const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", run_dir, name);

	json_object_add(json, key, json_new_string(path));
}

/* Where the host reaches into a VM: null if that is nowhere. */
static void show_add_ways_in(struct json *json, const struct instance_home *home,
			     const struct instance_view *view)
{
	_cleanup_free_ char *run_dir = paths_run(home, view->record.name);
	struct json *vsock;

	if (!view->alive || !view->run.vsock_cid) {
		json_object_add(json, "vsock", json_new_null());
		json_object_add(json, "gdb_socket", json_new_null());
		return;
	}
	vsock = json_new_object();
	json_object_add(vsock, "cid", json_new_int(view->run.vsock_cid));
	show_add_socket(vsock, "socket", run_dir, VMM_VSOCK_SOCKET);
	json_object_add(json, "vsock", vsock);
	if (view->record.gdb)
		show_add_socket(json, "gdb_socket", run_dir, VMM_GDB_SOCKET);
	else
		json_object_add(json, "gdb_socket", json_new_null());
}

/* Of the first process of a container, or of what a VM's guest would have taken over. */
static struct json *show_json_confinement(const struct instance_view *view)
{
	struct err err = ERR_INIT;
	struct json *json = NULL;

	if (!view->alive || view->run.pid <= 0)
		return json_new_null();
	if (confinement_read((pid_t)view->run.pid, view->run.cgroup, &json, &err) < 0) {
		log_debug("%s: %s", view->record.name, err.msg);
		return json_new_null();
	}
	return json;
}

static int show_add_snapshot(const struct snapshot *snapshot, void *ctx)
{
	json_array_add(ctx, json_new_string(snapshot->name));
	return 0;
}

static struct json *show_json_snapshots(const struct instance_home *home, const char *name)
{
	struct json *names = json_new_array();
	struct err ignored = ERR_INIT;

	(void)snapshot_each(home, name, show_add_snapshot, names, &ignored);
	return names;
}

/* What holds a container to a quota, as the kernel has it. */
static struct json *show_json_bound(const struct instance_home *home, const char *name)
{
	struct json *json;
	int64_t used, limit;

	if (bound_read(home, name, &used, &limit) < 0)
		return json_new_null();
	json = json_new_object();
	json_object_add(json, "used", json_new_int(used));
	json_object_add(json, "limit", json_new_int(limit));
	return json;
}

static struct json *show_json_view(const struct instance_home *home,
				   const struct instance_view *view, int confinement)
{
	struct json *json = record_to_json(&instance_table, &view->record);

	json_object_add(json, "state", json_new_string(instance_state_names[view->state]));
	json_object_add(json, "run",
			view->alive ? record_to_json(&instance_run_table, &view->run)
				    : json_new_null());
	show_add_ways_in(json, home, view);
	json_object_add(json, "quota", show_json_bound(home, view->record.name));
	json_object_add(json, "snapshots", show_json_snapshots(home, view->record.name));
	if (confinement)
		json_object_add(json, "confinement", show_json_confinement(view));
	return json;
}

struct show_inspect {
	int json, confinement;
};

static int show_inspect(const struct cli_context *cli, const void *values, char **args,
			struct err *err _unused_)
{
	const struct show_inspect *v = values;
	const struct instance_home home = home_of(cli);
	_cleanup_json_ struct json *all = json_new_array();
	int failed = 0;

	strv_for_each(name, args) {
		_cleanup_instance_view_ struct instance_view view = { 0 };
		struct err problem = ERR_INIT;

		if (instance_view(&home, *name, &view, &problem) == 0) {
			json_array_add(all, show_json_view(&home, &view, v->confinement));
			continue;
		}
		log_error("%s", problem.msg);
		failed = 1;
	}
	json_print(all);
	return failed ? CLI_FAILURE : 0;
}

struct show_logs {
	int follow, timestamps, boot;
	char *tail, *since, *until;
};

static int show_parse_logs(const struct show_logs *v, struct logs_options *ret, struct err *err)
{
	int64_t now = units_now();
	int r = 0;

	*ret = (struct logs_options){
		.follow = v->follow,
		.tail = -1,
		.timestamps = v->timestamps,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
	};
	if (v->tail && strcmp(v->tail, "all") != 0)
		r = units_parse_int(v->tail, 0, INT64_MAX, &ret->tail, err);
	if (r < 0)
		return err_wrap(err, "option --tail");
	if (v->since && units_parse_time(v->since, now, &ret->since_ns, err) < 0)
		return err_wrap(err, "option --since");
	if (v->until && units_parse_time(v->until, now, &ret->until_ns, err) < 0)
		return err_wrap(err, "option --until");
	return 0;
}

/* What a VM's kernel wrote, most of it before there was an agent. */
static int show_boot_log(const struct show_logs *v, const struct instance *record,
			 const char *state_dir, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/boot.log", state_dir);
	_cleanup_close_ int fd = -EBADF;
	char block[16384];
	ssize_t n;
	int r = 0;

	if (v->follow || v->timestamps || v->tail || v->since || v->until)
		return err_set(err, -EINVAL,
			       "--boot stands alone: a kernel's console has no times of ours");
	if (record->kind != INSTANCE_VM)
		return err_set(err, -EINVAL, "'%s' is a container, which boots no kernel",
			       record->name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT
			       ? err_set(err, -ENOENT, "'%s' was never started", record->name)
			       : err_errno(err, -errno, "cannot read %s", path);
	while (r == 0 && (n = read(fd, block, sizeof(block))) > 0)
		r = file_write_all(STDOUT_FILENO, block, (size_t)n);
	return r < 0 ? err_errno(err, r, "cannot write the output") : 0;
}

static int show_logs(const struct cli_context *cli, const void *values, char **args,
		     struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct show_logs *v = values;
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_free_ char *state_dir = NULL, *run_dir = NULL, *run_lock = NULL;
	struct logs_options options;
	int r = show_parse_logs(v, &options, err);

	if (r == 0)
		r = instance_load(&home, args[0], &record, err);
	if (r < 0)
		return r;
	state_dir = paths_state(&home, args[0]);
	if (v->boot)
		return show_boot_log(v, &record, state_dir, err);
	run_dir = paths_run(&home, args[0]);
	run_lock = mem_printf("%s/%s", run_dir, PATHS_LOCK);
	return logs_print(state_dir, run_lock, &options, err);
}

static const struct option show_logs_options[] = {
	{ "follow", 'f', OPTION_FLAG, NULL, "go on as it is written, until the instance ends",
	  offsetof(struct show_logs, follow) },
	{ "tail", 'n', OPTION_STRING, "N", "only the last N lines, or 'all'",
	  offsetof(struct show_logs, tail) },
	{ "since", 0, OPTION_STRING, "TIME",
	  "only what is newer: a date, a time, or 10m for ten minutes ago",
	  offsetof(struct show_logs, since) },
	{ "until", 0, OPTION_STRING, "TIME", "only what is older",
	  offsetof(struct show_logs, until) },
	{ "timestamps", 't', OPTION_FLAG, NULL, "begin each line with its time",
	  offsetof(struct show_logs, timestamps) },
	{ "boot", 0, OPTION_FLAG, NULL, "VM: what its kernel wrote, instead",
	  offsetof(struct show_logs, boot) },
	OPTION_END,
};

/* What every listing verb takes is taken here too, though there is no other output. */
static const struct option show_inspect_options[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON, as it does anyway",
	  offsetof(struct show_inspect, json) },
	{ "confinement", 0, OPTION_FLAG, NULL,
	  "add what holds its process in, as the kernel has it",
	  offsetof(struct show_inspect, confinement) },
	OPTION_END,
};

static const char *const show_inspect_examples[] = {
	"brig inspect web",
	"all that brig knows of it, as JSON",
	"brig inspect web | jq '.[0].run.pid'",
	"one value of it",
	"brig inspect --confinement web | jq '.[0].confinement'",
	"what its process may and may not do",
	NULL,
};

static const char *const show_logs_examples[] = {
	"brig logs -f --tail 20 web",
	"the last 20 lines, and what follows",
	"brig logs --boot box",
	"why a virtual machine did not come up",
	NULL,
};

const struct verb cli_show_verbs[] = {
	{ .name = "inspect",
	  .group = "Look",
	  .args = "NAME...",
	  .summary = "Print all that is known of instances, as JSON",
	  .description =
		  "Prints an array with one object for each: the whole record, its state, "
		  "and under 'run' what runs "
		  "now (null if nothing does).\n\n"
		  "Of a virtual machine on KVM, 'vsock' has its CID and a socket: who connects "
		  "there and writes a line 'CONNECT PORT' is connected to that AF_VSOCK port of "
		  "the guest, once it has read a line 'OK ...'; it waits where the guest has no "
		  "driver of sockets yet. systemd's ssh proxy speaks it "
		  "(ssh vsock-mux/SOCKET). 'gdb_socket' is where a debugger of the guest's kernel "
		  "connects to, with --gdb: 'target remote SOCKET' in gdb.\n\n"
		  "'quota' is what a container with a bound on its disk size has written, and may "
		  "(null: there is none).\n\n"
		  "With --confinement, 'confinement' is what holds its process in, read from the "
		  "kernel now: ids and their maps, capabilities, filter, label of a security "
		  "module, whose each namespace is, devices, paths that are covered or read-only. "
		  "Of a container that is its first process, of a virtual machine the process "
		  "that a guest would have to break out of.",
	  .examples = show_inspect_examples,
	  .options = show_inspect_options,
	  .values_size = sizeof(struct show_inspect),
	  .min_args = 1,
	  .max_args = -1,
	  .complete = "instance",
	  .run = show_inspect },
	{ .name = "logs",
	  .group = "Look",
	  .args = "NAME",
	  .summary = "Show what an instance wrote",
	  .description = "Shows the last megabytes that the workload wrote, its standard output on "
			 "standard output, its "
			 "errors on standard error.",
	  .examples = show_logs_examples,
	  .options = show_logs_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct show_logs),
	  .complete = "instance",
	  .run = show_logs },
	{ .name = NULL },
};
