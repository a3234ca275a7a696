// SPDX-License-Identifier: GPL-2.0-or-later
/* VMs on QEMU: what QEMU adds to proto/vm_driver.h, which is its process (qemu/emulator.h) and its monitor. */
#include "qemu/driver.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/vm_driver.h"
#include "qemu/emulator.h"
#include "qemu/qmp.h"
#include "sys/cgroup.h"

#define DRIVER_CLEAN_MS 5000

struct vm_engine {
	const struct driver_host *host;
	struct emulator *emulator;
	struct qmp *qmp;
};

static void driver_on_event(void *ctx _unused_, const char *event, const struct json *data)
{
	log_debug("QEMU says %s%s%s", event, data ? ", reason " : "",
		  data ? json_get_string(data, "reason", "none") : "");
}

static void driver_engine_free(struct vm_engine *engine)
{
	if (!engine)
		return;
	qmp_free(engine->qmp);
	emulator_free(engine->emulator);
	free(engine);
}

static int driver_engine_start(const struct driver_host *host, struct vm_engine **ret,
			       struct err *err)
{
	struct vm_engine *engine = mem_zalloc(sizeof(*engine));
	int r = emulator_start(host, &engine->emulator, err);

	engine->host = host;
	if (r == 0)
		r = qmp_new(host->loop, emulator_take_stream(engine->emulator, EMULATOR_QMP),
			    driver_on_event, engine, &engine->qmp, err);
	if (r < 0) {
		driver_engine_free(engine);
		return r;
	}
	*ret = engine;
	return 0;
}

static int driver_engine_take_stream(struct vm_engine *engine, enum vm_stream stream)
{
	static const int streams[VM_STREAMS] = { [VM_STREAM_SERIAL] = EMULATOR_SERIAL,
						 [VM_STREAM_AGENT] = EMULATOR_AGENT,
						 [VM_STREAM_ERRORS] = EMULATOR_ERRORS };

	return emulator_take_stream(engine->emulator, streams[stream]);
}

static pid_t driver_engine_pid(const struct vm_engine *engine)
{
	return emulator_pid(engine->emulator);
}

static int driver_engine_pidfd(const struct vm_engine *engine)
{
	return emulator_pidfd(engine->emulator);
}

static int driver_engine_pause(struct vm_engine *engine, int paused, struct err *err _unused_)
{
	qmp_command(engine->qmp, paused ? "stop" : "cont");
	return 0;
}

static int driver_engine_press(struct vm_engine *engine, enum message_button button,
			       struct err *err _unused_)
{
	static const char *const commands[MESSAGE_BUTTONS] = {
		[MESSAGE_BUTTON_POWER] = "system_powerdown",
		[MESSAGE_BUTTON_NMI] = "inject-nmi",
	};

	qmp_command(engine->qmp, commands[button]);
	return 0;
}

/* Rates of its own disks it was not started with (qemu/emulator.c). */
static int driver_engine_tune(struct vm_engine *engine, struct err *err)
{
	int64_t started = emulator_memory(engine->emulator);

	if (emulator_check_rates(engine->host->instance, err) < 0)
		return err->code;
	qmp_balloon(engine->qmp, started - vm_driver_balloon(engine->host, started));
	return 0;
}

static void driver_engine_quit(struct vm_engine *engine)
{
	qmp_command(engine->qmp, "quit");
}

static void driver_engine_kill(struct vm_engine *engine)
{
	emulator_kill(engine->emulator);
}

static int driver_engine_reap(struct vm_engine *engine, struct err *err)
{
	qmp_drain(engine->qmp);
	return emulator_reap(engine->emulator, err);
}

static const struct vm_engine_ops driver_engine_ops = {
	.process = "QEMU",
	.start = driver_engine_start,
	.take_stream = driver_engine_take_stream,
	.pid = driver_engine_pid,
	.pidfd = driver_engine_pidfd,
	.pause = driver_engine_pause,
	.press = driver_engine_press,
	.tune = driver_engine_tune,
	.quit = driver_engine_quit,
	.kill = driver_engine_kill,
	.reap = driver_engine_reap,
	.free = driver_engine_free,
};

static int driver_start(const struct driver_host *host, struct driver **ret, struct err *err)
{
	return vm_driver_start(host, &driver_engine_ops, ret, err);
}

static int driver_clean(const struct instance *instance _unused_, const char *state_dir _unused_,
			const char *run_dir, struct err *err)
{
	_cleanup_free_ char *cgroup = instance_cgroup(run_dir);

	return cgroup_remove(cgroup, DRIVER_CLEAN_MS, err);
}

const struct driver_ops qemu_driver = {
	.engine = "qemu",
	.kind = INSTANCE_VM,
	.sessions = 1,
	.data = vm_driver_data,
	.start = driver_start,
	.release = vm_driver_release,
	.room = vm_driver_room,
	.send = vm_driver_send,
	.consumed = vm_driver_consumed,
	.pause = vm_driver_pause,
	.press = vm_driver_press,
	.tune = vm_driver_tune,
	.kill = vm_driver_kill,
	.free = vm_driver_free,
	.clean = driver_clean,
};
