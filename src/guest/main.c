// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * brig-guest: PID 1 of a virtual machine, from the initramfs. It makes the machine ready, runs the
 * instance in namespaces below its own, and serves the host over a virtio-serial port until that tells
 * it to shut down or goes away. PID 1 must never exit: every way out ends the machine.
 */
#include "base/log.h"
#include "guest/agent.h"
#include "guest/boot.h"
#include "guest/cell.h"
#include "guest/cpus.h"
#include "guest/freeze.h"
#include "guest/oom_watch.h"
#include "guest/stats.h"
#include "proto/message.h"

static int main_run(void *ctx, const struct process *process, struct launch *ret, struct err *err)
{
	int r = cell_run(ctx, process, ret, err);

	if (r == 0)
		boot_load_later();
	return r;
}

static int main_exec(void *ctx, const struct process *process, struct launch *ret, struct err *err)
{
	return cell_exec(ctx, process, ret, err);
}

static int main_work(void *ctx, int (*fn)(void *fn_ctx, struct err *err), void *fn_ctx,
		     struct launch *ret, struct err *err)
{
	return cell_work(ctx, fn, fn_ctx, ret, err);
}

static int main_freeze(void *ctx _unused_, struct launch *ret, struct err *err)
{
	return freeze_start(ret, err);
}

static void main_thaw(void *ctx _unused_)
{
	freeze_end();
}

static int main_plug(void *ctx, const struct plug *plug, struct launch *ret, struct err *err)
{
	return plug_start(plug, ctx, ret, err);
}

static int main_ended(void *ctx, int status)
{
	return cell_ended(ctx, status);
}

static int main_tune(void *ctx, const struct message_tune *tune, struct err *err)
{
	int r = cell_limit_processes(ctx, tune->pids_limit, err);

	return r < 0 ? r : cpus_set_online(tune->cpus, err);
}

static const struct agent_ops main_ops = {
	.run = main_run,
	.exec = main_exec,
	.work = main_work,
	.freeze = main_freeze,
	.thaw = main_thaw,
	.plug = main_plug,
	.ended = main_ended,
	.tune = main_tune,
	.stats = stats_machine,
	.processes = stats_processes,
};

static void main_oom(void *ctx, const char *line)
{
	agent_tell_oom(ctx, line);
}

static int main_serve(const struct boot *boot, struct cell *cell, struct err *err)
{
	struct agent *agent = NULL;
	struct oom_watch *oom = NULL;
	struct loop *loop = NULL;
	int r = loop_new(&loop, err);

	if (r == 0)
		r = agent_new(loop, boot->port, &main_ops, cell, &agent, err);
	if (r == 0) {
		oom = oom_watch(loop, main_oom, agent);
		r = agent_run(agent, err);
	}
	oom_watch_free(oom);
	agent_free(agent);
	loop_free(loop);
	return r;
}

/* The host hears why, if it can, and ends the machine; if not, its port's end does. */
static void main_fail(const struct boot *boot, const struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT, out = BUF_INIT;
	struct frame frame;

	log_error("%s", err->msg);
	if (boot->port < 0)
		return;
	message_put_error(&payload, err);
	frame_put(&out, 0, MESSAGE_ERROR, payload.data, payload.len);
	if (write(boot->port, out.data, out.len) < 0)
		return;
	out.len = 0;
	while (frame_receive(boot->port, &out, &frame) == 0 && frame.type != MESSAGE_SHUTDOWN)
		continue;
}

int main(void)
{
	struct boot boot = BOOT_INIT;
	struct cell cell = { .cgroup = -EBADF, .pidfd = -EBADF };
	struct err err = ERR_INIT;
	int r;

	if (getpid() != 1) {
		log_error("brig-guest runs as the first process of a virtual machine");
		return 125;
	}
	r = boot_machine(&boot, &err);
	if (r == 0)
		r = cell_init(&cell, &boot.config, &err);
	if (r == 0) {
		r = main_serve(&boot, &cell, &err);
		if (r < 0)
			log_error("%s", err.msg);
	} else {
		main_fail(&boot, &err);
	}
	boot_power_off();
}
