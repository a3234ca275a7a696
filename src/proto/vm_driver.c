// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver of VMs, whatever their engine. It starts the machine, talks with its agent (proto/agent_host.h),
 * watches its console and sees to its end.
 *
 *   BOOTING (--ready()--> HELD --release()--> BOOTING) --STARTED--> RUNNING --EXIT--> STOPPING --the process's end--> ended()
 *      \--ERROR, deadline, breach, kill--> STOPPING or KILLED --/
 *
 * Invariants:
 *  1. The end of the engine's process is the only way to ended(): whatever else happens just brings it
 *     about. In STOPPING the guest has VM_DRIVER_SHUTDOWN_MS to power off, then the process has
 *     VM_DRIVER_QUIT_MS to quit, then it is killed. After kill() the guest has VM_DRIVER_KILL_MS for all of it.
 *  2. why is the first cause of an end that is not as it should be; a later one never replaces it. To
 *     be killed once the workload has STARTED is as it should be.
 *  3. An empty volume that the guest is to fill is claimed from before the machine's start until STARTED, or its end.
 *  4. The guest is told one set of limits at a time, and at its answer the newest, if they changed meanwhile. What
 *     changes before STARTED it is told then.
 *  5. Every channel has had its EXIT or ERROR before ended(): agent_host_end() gives it to those that lack it.
 */
#include "proto/vm_driver.h"
#include "base/copy_up.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "proto/agent_host.h"
#include "proto/console.h"
#include "proto/lookup.h"
#include "proto/share.h"
#include "proto/vm_plug.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define VM_DRIVER_SHUTDOWN_MS  10000
#define VM_DRIVER_KILL_MS      3000
#define VM_DRIVER_QUIT_MS      2000
#define VM_DRIVER_BOOT_LOG     "boot.log"
#define VM_DRIVER_TUNE_CHANNEL (VM_PLUG_CHANNEL - 1)

enum vm_driver_phase {
	VM_DRIVER_BOOTING,
	VM_DRIVER_HELD,
	VM_DRIVER_RUNNING,
	VM_DRIVER_STOPPING,
	VM_DRIVER_QUITTING,
	VM_DRIVER_KILLED
};

struct driver {
	struct driver_host host;
	enum vm_driver_phase phase;
	const struct vm_engine_ops *ops;
	struct vm_engine *engine;
	struct agent_host *agent;
	struct vm_plug *plug;
	struct console *console, *errors;
	struct loop_source *end_source, *timer;
	char *boot_log;
	char *share; /* what the guest is told of one that comes or goes */
	int *claims; /* folders */
	size_t n_claims;
	int greeted; /* the agent has spoken */
	int exited;  /* the workload's EXIT was delivered */
	int kill_asked, paused;
	int tune_due,
		tune_asked; /* the guest has not been told the newest limits; it was told some, and has not answered */
	struct err why;
};

static void vm_driver_blame(struct driver *driver, const struct err *err)
{
	if (!err_is_set(&driver->why))
		driver->why = *err;
}

/* The plug is pulled. */
static void vm_driver_pull_plug(struct driver *driver)
{
	driver->phase = VM_DRIVER_KILLED;
	loop_timer_set(driver->timer, -1);
	driver->ops->kill(driver->engine);
}

static void vm_driver_stop(struct driver *driver)
{
	if (driver->phase > VM_DRIVER_RUNNING)
		return;
	driver->phase = VM_DRIVER_STOPPING;
	loop_timer_set(driver->timer,
		       driver->kill_asked ? VM_DRIVER_KILL_MS : VM_DRIVER_SHUTDOWN_MS);
	agent_host_shutdown(driver->agent);
}

const char *const vm_driver_data[] = { VM_DRIVER_DATA, NULL };

/* "MESSAGE; its console: TAIL", as much as fits. */
static void vm_driver_add_console(const struct driver *driver, struct err *err)
{
	size_t used = strlen(err->msg);
	char tail[240];

	console_tail(driver->console, tail, sizeof(tail));
	snprintf(err->msg + used, sizeof(err->msg) - used, "; %s%s (%s)",
		 *tail ? "its console ends with: " : "its console is empty", tail,
		 driver->boot_log);
}

static void vm_driver_on_timer(void *ctx)
{
	struct driver *driver = ctx;
	struct err err = ERR_INIT;

	if (driver->phase == VM_DRIVER_STOPPING && !driver->kill_asked) {
		driver->phase = VM_DRIVER_QUITTING;
		driver->ops->quit(driver->engine);
		loop_timer_set(driver->timer, VM_DRIVER_QUIT_MS);
		return;
	}
	if (driver->phase == VM_DRIVER_BOOTING) {
		err_set(&err, -ETIMEDOUT, "the VM %s within %jd s",
			driver->greeted ? "did not start its workload" : "did not reach its agent",
			(intmax_t)(driver->host.instance->boot_timeout_ms / 1000));
		vm_driver_add_console(driver, &err);
		vm_driver_blame(driver, &err);
	}
	vm_driver_pull_plug(driver);
}

static void vm_driver_on_hello(void *ctx, const char *release)
{
	struct driver *driver = ctx;

	driver->greeted = 1;
	mem_replace(&driver->host.run->kernel, release);
}

static void vm_driver_unclaim(struct driver *driver)
{
	while (driver->n_claims)
		fd_close(driver->claims[--driver->n_claims]);
}

static int vm_driver_claim_one(struct driver *driver, const char *volume, struct err *err)
{
	_cleanup_free_ char *path = share_volume_path(driver->host.root, volume);
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = folder < 0 ? -errno : copy_up_claim(folder);

	if (r < 0)
		return err_errno(err, r, "cannot use the volume '%s'", volume);
	if (r)
		driver->claims[driver->n_claims++] = take_fd(&folder);
	return 0;
}

/* Each once, and in the order of names: two who want the same two do not wait for each other. */
static int vm_driver_claim(struct driver *driver, struct err *err)
{
	_cleanup_share_list_ struct share_list list = { 0 };
	_cleanup_strv_ char **volumes = NULL;
	int r = share_list_parse(driver->host.instance->volumes, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		const struct share *share = &list.items[i];

		if (share->is_volume && !share->nocopy && !strv_has(share->options, "ro") &&
		    !strv_has(volumes, share->source))
			strv_add(&volumes, share->source);
	}
	strv_sort(volumes);
	driver->claims = mem_zalloc((strv_len(volumes) + 1) * sizeof(*driver->claims));
	strv_for_each(volume, volumes) {
		if (r == 0)
			r = vm_driver_claim_one(driver, *volume, err);
	}
	return r;
}

/* Of one that comes later; the start's claims are over by then. Nobody is waited for. */
static int vm_driver_claim_share(struct driver *driver, const struct share *share, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int folder = -EBADF;
	int r;

	if (!share->is_volume || share->nocopy || strv_has(share->options, "ro"))
		return 0;
	path = share_path(share, driver->host.root);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = folder < 0 ? -errno : copy_up_claim_now(folder);
	if (r == -EAGAIN)
		return err_set(err, -EBUSY,
			       "the volume '%s' is being filled by another instance; try again",
			       share->source);
	if (r < 0)
		return err_errno(err, r, "cannot use the volume '%s'", share->source);
	if (r)
		driver->claims[driver->n_claims++] = take_fd(&folder);
	return 0;
}

static void vm_driver_tell_limits(struct driver *driver)
{
	const struct instance *instance = driver->host.instance;
	const struct message_tune tune = { .cpus = (uint32_t)instance_vcpus(instance),
					   .pids_limit = (uint64_t)instance->pids_limit };
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (driver->phase != VM_DRIVER_RUNNING || driver->tune_asked || !driver->tune_due)
		return;
	driver->tune_due = 0;
	driver->tune_asked = 1;
	message_put_tune(&payload, &tune);
	agent_host_send(driver->agent, VM_DRIVER_TUNE_CHANNEL, MESSAGE_TUNE, payload.data,
			payload.len);
}

static void vm_driver_on_started(struct driver *driver)
{
	vm_driver_unclaim(driver);
	if (driver->phase != VM_DRIVER_BOOTING)
		return;
	driver->phase = VM_DRIVER_RUNNING;
	loop_timer_set(driver->timer, -1);
	vm_driver_tell_limits(driver);
}

/* What of a message counts for the window of its channel. */
static size_t vm_driver_output(uint16_t type, size_t len)
{
	return type == MESSAGE_OUT || type == MESSAGE_ERR ? len : 0;
}

static void vm_driver_on_message(void *ctx, uint32_t channel, uint16_t type, const void *payload,
				 size_t len)
{
	struct driver *driver = ctx;
	struct frame frame = { .payload = payload, .len = (uint32_t)len };
	struct err err = ERR_INIT;

	if (channel == VM_PLUG_CHANNEL) {
		agent_host_consumed(driver->agent, channel, vm_driver_output(type, len));
		vm_plug_take(driver->plug, type, payload, len);
		return;
	}
	if (channel == VM_DRIVER_TUNE_CHANNEL) {
		driver->tune_asked = 0;
		vm_driver_tell_limits(driver);
		return;
	}
	if (!channel && type == MESSAGE_STARTED)
		vm_driver_on_started(driver);
	if (!channel && type == MESSAGE_EXIT)
		driver->exited = 1;
	if (!channel && type == MESSAGE_ERROR) {
		message_get_error(&frame, &err);
		vm_driver_blame(driver, &err);
	}
	driver->host.ops->deliver(driver->host.ctx, channel, type, payload, len);
	if (!channel && (type == MESSAGE_EXIT || type == MESSAGE_ERROR))
		vm_driver_stop(driver);
}

static void vm_driver_on_writable(void *ctx, uint32_t channel)
{
	struct driver *driver = ctx;

	if (channel < VM_DRIVER_TUNE_CHANNEL)
		driver->host.ops->writable(driver->host.ctx, channel);
}

static void vm_driver_on_changed(void *ctx, const struct err *err)
{
	struct driver *driver = ctx;

	vm_driver_unclaim(driver);
	driver->host.ops->changed(driver->host.ctx, err);
}

static void vm_driver_on_broken(void *ctx, const struct err *err)
{
	struct driver *driver = ctx;

	vm_driver_blame(driver, err);
	vm_driver_pull_plug(driver);
}

/* Whoever is to release it may take as long as he likes. */
static void vm_driver_on_ready(void *ctx)
{
	struct driver *driver = ctx;

	if (driver->phase != VM_DRIVER_BOOTING)
		return;
	driver->phase = VM_DRIVER_HELD;
	loop_timer_set(driver->timer, -1);
	driver->host.ops->ready(driver->host.ctx);
}

void vm_driver_release(struct driver *driver)
{
	if (driver->phase != VM_DRIVER_HELD)
		return;
	driver->phase = VM_DRIVER_BOOTING;
	loop_timer_set(driver->timer, driver->host.instance->boot_timeout_ms);
	agent_host_release(driver->agent);
}

static const struct agent_host_ops vm_driver_agent_ops = {
	.hello = vm_driver_on_hello,
	.deliver = vm_driver_on_message,
	.writable = vm_driver_on_writable,
	.ready = vm_driver_on_ready,
	.broken = vm_driver_on_broken,
};

/* The process's own complaint, if it has one, is on its stderr. */
static void vm_driver_add_complaint(const struct driver *driver, struct err *err)
{
	size_t used = strlen(err->msg);
	char tail[300];

	console_tail(driver->errors, tail, sizeof(tail));
	if (*tail)
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", tail);
}

/* Why a machine ended before its workload had; the kernel's own words say most. */
static void vm_driver_explain(struct driver *driver, const struct err *failure)
{
	struct err err = ERR_INIT;
	char words[200];

	if (driver->phase == VM_DRIVER_KILLED) {
		err_set(&err, -ECANCELED, "the VM was killed before its workload was started");
	} else if (console_find(driver->console, "Kernel panic", words, sizeof(words))) {
		err_set(&err, -ECANCELED, "the VM's kernel gave up: %s; see %s", words,
			driver->boot_log);
	} else if (err_is_set(failure)) {
		err = *failure;
		vm_driver_add_complaint(driver, &err);
	} else {
		err_set(&err, -ECANCELED, "the VM switched itself off or rebooted %s",
			driver->phase <= VM_DRIVER_HELD ? "before its workload was started"
							: "while its workload ran");
		vm_driver_add_console(driver, &err);
	}
	if (agent_host_started(driver->agent))
		err.exit_status = 128 + SIGKILL;
	vm_driver_blame(driver, &err);
}

static void vm_driver_on_end(void *ctx, uint32_t events _unused_)
{
	struct driver *driver = ctx;
	struct err failure = ERR_INIT;

	driver->end_source = loop_source_free(driver->end_source);
	loop_timer_set(driver->timer, -1);
	vm_driver_unclaim(driver);
	agent_host_drain(driver->agent);
	console_drain(driver->console);
	console_drain(driver->errors);
	(void)driver->ops->reap(driver->engine, &failure);
	if (!driver->exited &&
	    (driver->phase != VM_DRIVER_KILLED || !agent_host_started(driver->agent)))
		vm_driver_explain(driver, &failure);
	vm_plug_end(driver->plug);
	agent_host_end(driver->agent, &driver->why);
	driver->host.ops->ended(driver->host.ctx, err_is_set(&driver->why) ? &driver->why : NULL);
}

static const char *vm_driver_share_kind(const struct share *share, const char *root)
{
	_cleanup_free_ char *path = share_path(share, root);
	struct stat st;

	if (share->is_volume)
		return share->nocopy ? "" : GUEST_FILL;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? GUEST_FILE : "";
}

static char *vm_driver_share_text(const struct share *share, const char *root)
{
	_cleanup_free_ char *options = strv_join(share->options, ",");

	return mem_printf("%s:%s,%s", share->target, vm_driver_share_kind(share, root),
			  options ? options : "");
}

/* What the agent is told of each share; which tag it has follows from its place. */
static int vm_driver_shares(const struct driver_host *host, char ***ret, struct err *err)
{
	_cleanup_share_list_ struct share_list list = { 0 };
	int r = share_list_parse(host->instance->volumes, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		const struct share *share = &list.items[i];

		r = share_check_vm(share, err);
		strv_add_take(ret, vm_driver_share_text(share, host->root));
	}
	return r;
}

static int vm_driver_configure(struct driver *driver, struct err *err)
{
	const struct driver_host *host = &driver->host;
	const struct driver_root *root = host->folder_root;
	const struct instance *instance = host->instance;
	char *hostname =
		instance->hostname && *instance->hostname ? instance->hostname : instance->name;
	_cleanup_free_ char *hosts = host->hosts ? mem_strdup(host->hosts) : lookup_hosts(hostname);
	_cleanup_strv_ char **shares = NULL;
	int r = vm_driver_shares(host, &shares, err);
	struct guest_config config = {
		.hostname = hostname,
		.layers = (uint32_t)strv_len(host->layer_paths),
		.user_marks = geteuid() != 0,
		.read_only = instance->read_only,
		.tmpfs = instance->tmpfs,
		.shares = shares,
		.folder_root = root != NULL,
		.mounts = root ? (char **)(uintptr_t)root->mounts : NULL,
		.sysctls = root ? (char **)(uintptr_t)root->sysctls : NULL,
		.pids_limit = (uint64_t)instance->pids_limit,
		.system = instance->system,
		.init = instance->init,
		.privileged = instance->privileged,
		.cap_add = instance->cap_add,
		.cap_drop = instance->cap_drop,
		.rlimits = instance->rlimits,
		.nics = (char **)(uintptr_t)host->nic_setups,
		.hosts = hosts,
		.resolv_conf = (char *)(uintptr_t)host->resolv_conf,
		.time_ns = units_now(),
	};

	if (r == 0)
		r = agent_host_new(
			host->loop, driver->ops->take_stream(driver->engine, VM_STREAM_AGENT),
			&config, &host->process, &vm_driver_agent_ops, driver, &driver->agent, err);
	if (r == 0 && host->held)
		agent_host_hold(driver->agent);
	return r;
}

static int vm_driver_watch(struct driver *driver, struct err *err)
{
	struct loop *loop = driver->host.loop;
	const struct vm_engine_ops *ops = driver->ops;
	struct vm_engine *engine = driver->engine;
	int r;

	r = console_new(loop, ops->take_stream(engine, VM_STREAM_SERIAL), driver->boot_log,
			&driver->console, err);
	if (r == 0)
		r = console_new(loop, ops->take_stream(engine, VM_STREAM_ERRORS), NULL,
				&driver->errors, err);
	if (r < 0)
		return r;
	driver->timer = loop_add_timer(loop, vm_driver_on_timer, driver);
	driver->end_source =
		loop_watch_fd(loop, ops->pidfd(engine), EPOLLIN, vm_driver_on_end, driver);
	if (!driver->timer || !driver->end_source)
		return err_errno(err, -errno, "cannot watch %s", ops->process);
	loop_timer_set(driver->timer, driver->host.instance->boot_timeout_ms);
	return 0;
}

void vm_driver_free(struct driver *driver)
{
	if (!driver)
		return;
	vm_plug_free(driver->plug);
	agent_host_free(driver->agent);
	console_free(driver->console);
	console_free(driver->errors);
	loop_source_free(driver->timer);
	loop_source_free(driver->end_source);
	driver->ops->free(driver->engine);
	vm_driver_unclaim(driver);
	free(driver->claims);
	free(driver->boot_log);
	free(driver->share);
	free(driver);
}

int vm_driver_start(const struct driver_host *host, const struct vm_engine_ops *ops,
		    struct driver **ret, struct err *err)
{
	struct driver *driver = mem_zalloc(sizeof(*driver));
	int r;

	driver->host = *host;
	driver->ops = ops;
	driver->boot_log = mem_printf("%s/" VM_DRIVER_BOOT_LOG, host->state_dir);
	r = vm_driver_claim(driver, err);
	if (r == 0)
		r = ops->start(host, &driver->engine, err);
	if (r == 0)
		r = vm_driver_configure(driver, err);
	if (r == 0)
		r = vm_driver_watch(driver, err);
	if (r == 0)
		r = vm_plug_new(host->loop, ops, driver->engine, vm_driver_on_changed, driver,
				&driver->plug, err);
	if (r < 0) {
		vm_driver_free(driver);
		return r;
	}
	host->run->pid = ops->pid(driver->engine);
	*ret = driver;
	return 0;
}

size_t vm_driver_room(struct driver *driver, uint32_t channel)
{
	return agent_host_room(driver->agent, channel);
}

void vm_driver_send(struct driver *driver, uint32_t channel, uint16_t type, const void *payload,
		    size_t len)
{
	agent_host_send(driver->agent, channel, type, payload, len);
}

void vm_driver_consumed(struct driver *driver, uint32_t channel, size_t len)
{
	agent_host_consumed(driver->agent, channel, len);
}

/*
 * What the guest has not written to its disk yet is lost when the plug is pulled, where a container's
 * files outlive its SIGKILL. So the workload is killed inside, and the guest gets a moment to unmount; a
 * second call, like one before the workload has STARTED, pulls the plug.
 */
void vm_driver_kill(struct driver *driver)
{
	static const uint8_t number[4] = { SIGKILL }; /* u32, little-endian */
	int again = driver->kill_asked;

	driver->kill_asked = 1;
	if (again || driver->paused || driver->phase <= VM_DRIVER_HELD) {
		vm_driver_pull_plug(driver);
		return;
	}
	if (driver->phase == VM_DRIVER_RUNNING)
		agent_host_send(driver->agent, 0, MESSAGE_SIGNAL, number, sizeof(number));
	loop_timer_set(driver->timer, VM_DRIVER_KILL_MS);
}

int vm_driver_pause(struct driver *driver, int paused, struct err *err)
{
	int r;

	if (driver->phase != VM_DRIVER_RUNNING)
		return err_set(err, -EBUSY, "the VM is %s, it cannot be paused or resumed now",
			       driver->phase <= VM_DRIVER_HELD ? "still starting" : "ending");
	r = driver->ops->pause(driver->engine, paused, err);
	if (r == 0)
		driver->paused = paused;
	return r;
}

/* A paused machine would act on it much later, to nobody's expectation. */
int vm_driver_press(struct driver *driver, enum message_button button, struct err *err)
{
	if (driver->phase > VM_DRIVER_RUNNING)
		return err_set(err, -EBUSY, "the VM is ending, its buttons do nothing now");
	if (driver->paused)
		return err_set(err, -EBUSY, "the VM is paused; resume it first");
	return driver->ops->press(driver->engine, button, err);
}

/* Told as those of the start are, and claimed as they are, until the guest has filled it. */
static int vm_driver_change_share(struct driver *driver, const struct driver_device *device,
				  int plugged, int forced, struct err *err)
{
	_cleanup_share_ struct share share = { 0 };
	struct driver_device told = *device;
	_cleanup_free_ char *setup = NULL;
	int r = share_parse(device->share, &share, err);

	if (r < 0)
		return r;
	setup = plugged ? vm_driver_share_text(&share, driver->host.root)
			: mem_printf("%s%s", share.target, forced ? ":force" : "");
	told.setup = told.name = setup;
	if (plugged)
		r = vm_driver_claim_share(driver, &share, err);
	if (r == 0)
		r = vm_plug_start(driver->plug, driver->agent, &told, plugged, forced, err);
	if (r < 0) {
		vm_driver_unclaim(driver);
		return r;
	}
	free(driver->share);
	driver->share = take_ptr(setup);
	return 0;
}

static int vm_driver_change(struct driver *driver, const struct driver_device *device, int plugged,
			    int forced, struct err *err)
{
	if (driver->phase != VM_DRIVER_RUNNING)
		return err_set(err, -EBUSY, "the VM is %s, no device comes or goes now",
			       driver->phase <= VM_DRIVER_HELD ? "still starting" : "ending");
	if (driver->paused)
		return err_set(err, -EBUSY, "the VM is paused; resume it first");
	if (device->kind == MESSAGE_DEVICE_SHARE)
		return vm_driver_change_share(driver, device, plugged, forced, err);
	return vm_plug_start(driver->plug, driver->agent, device, plugged, forced, err);
}

int vm_driver_plug(struct driver *driver, const struct driver_device *device, struct err *err)
{
	return vm_driver_change(driver, device, 1, 0, err);
}

int vm_driver_unplug(struct driver *driver, const struct driver_device *device, int forced,
		     struct err *err)
{
	return vm_driver_change(driver, device, 0, forced, err);
}

int64_t vm_driver_balloon(const struct driver_host *host, int64_t started)
{
	int64_t memory = host->instance->memory, size;

	size = memory && memory < started ? memory : started;
	size -= host->run->memory_held;
	if (size < INSTANCE_VM_MEMORY_MIN)
		size = INSTANCE_VM_MEMORY_MIN;
	return size < started ? started - size : 0;
}

int vm_driver_tune(struct driver *driver, struct err *err)
{
	int r = driver->ops->tune(driver->engine, err);

	if (r < 0)
		return r;
	driver->tune_due = 1;
	vm_driver_tell_limits(driver);
	return 0;
}
