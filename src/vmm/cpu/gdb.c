// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works:
 *
 *   no debugger --connect, halt--> halted --c, s, vCont--> running --a stop, Ctrl-C, halt--> halted
 *        ^-------------------- detach or hang-up: forget all, resume --------------------------/
 *
 * A vCPU that takes a debug exit stands still by itself; its thread notes why and wakes the device thread, which
 * judges: a breakpoint, a watchpoint or a step of the debugger's halts the others and is told; an int3 or
 * a trap of the guest's own goes back to it as an exception; what has no reason any more is forgotten.
 *
 * Invariants:
 *  1. vCPUs' registers, debug registers and addresses are touched only while they stand still: all of them
 *     when halted, one of them when it is in pending. (KVM lets nobody else in while it runs one.)
 *  2. running goes from 1 to 0 with exactly one packet that says why.
 *  3. What is pending when the guest halts for another reason is judged when it is to run again: then an
 *     instruction that faults is met anew, and a watchpoint that was hit is told.
 */
#include "vmm/cpu/gdb.h"
#include "base/mem.h"
#include "vmm/cpu/gdb-internal.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define GDB_EXCEPTION_DB 1
#define GDB_EXCEPTION_BP 3

#define GDB_CHUNK   1024	       /* read at once */
#define GDB_OUT_MAX ((size_t)64 << 10) /* with more to send nothing is read */

enum gdb_verdict {
	GDB_OURS,
	GDB_GUESTS, /* goes back to it */
	GDB_STALE,
};

static void gdb_flush(struct gdb *gdb)
{
	size_t sent = 0;

	while (sent < gdb->out.len) {
		ssize_t n = send(gdb->fd, gdb->out.data + sent, gdb->out.len - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			gdb->closing |= errno != EAGAIN;
			break;
		}
		sent += (size_t)n;
	}
	buf_consume(&gdb->out, sent);
	if (gdb->source)
		loop_source_set_events(gdb->source,
				       (gdb->out.len ? EPOLLOUT : 0U) |
					       (gdb->out.len < GDB_OUT_MAX ? EPOLLIN : 0U));
}

void gdb_say(struct gdb *gdb, const char *data, size_t len)
{
	gdb->last.len = 0;
	gdb_packet_put(&gdb->last, data, len);
	buf_add(&gdb->out, gdb->last.data, gdb->last.len);
}

/* What a vCPU is to stop at from now on; and an exception that its guest is to have. */
static int gdb_arm(struct gdb *gdb, unsigned int cpu, uint32_t inject)
{
	struct kvm_guest_debug debug = { 0 };

	gdb_break_arm(&gdb->breaks, &debug);
	if (gdb->stepping >> cpu & 1)
		debug.control |=
			KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ;
	if (inject)
		debug.control |=
			KVM_GUESTDBG_ENABLE | (inject == GDB_EXCEPTION_DB ? KVM_GUESTDBG_INJECT_DB
									  : KVM_GUESTDBG_INJECT_BP);
	return gdb->site.cpu_ops->debug(gdb_cpu_fd(gdb, cpu), &debug, gdb->stops[cpu].debug.dr6);
}

static int gdb_still_watches(const struct gdb *gdb, const struct gdb_break_hard *hit)
{
	for (size_t i = 0; i < gdb->breaks.n_slots; i++) {
		if (gdb->breaks.slots[i].gva == hit->gva && gdb->breaks.slots[i].kind == hit->kind)
			return 1;
	}
	return 0;
}

/* An int3 that is not ours may be one of ours that was taken away since. */
static enum gdb_verdict gdb_judge_int3(struct gdb *gdb, unsigned int cpu)
{
	uint64_t pc = gdb->stops[cpu].debug.pc, gpa;
	const uint8_t *at;

	if (gdb->site.cpu_ops->translate(gdb_cpu_fd(gdb, cpu), pc, &gpa) < 0)
		return GDB_STALE;
	if (gdb_break_has_soft(&gdb->breaks, gpa))
		return GDB_OURS;
	at = ram_at(gdb->site.ram, gpa, 1);
	return at && *at == GDB_BREAK_INT3 ? GDB_GUESTS : GDB_STALE;
}

static enum gdb_verdict gdb_judge(struct gdb *gdb, unsigned int cpu)
{
	const struct gdb_stop *stop = &gdb->stops[cpu];

	if (stop->debug.exception == GDB_EXCEPTION_BP)
		return gdb_judge_int3(gdb, cpu);
	if (stop->hit.len)
		return gdb_still_watches(gdb, &stop->hit) ? GDB_OURS : GDB_STALE;
	if (stop->stepping)
		return gdb->stepping >> cpu & 1 ? GDB_OURS : GDB_STALE;
	return GDB_GUESTS;
}

static void gdb_set_why(struct gdb *gdb, unsigned int cpu, int signal)
{
	gdb->why.len = 0;
	buf_printf(&gdb->why, "T%02xthread:%x;", (unsigned int)signal, cpu + 1);
	gdb->cpu = cpu;
}

static void gdb_set_why_stop(struct gdb *gdb, unsigned int cpu)
{
	const struct gdb_stop *stop = &gdb->stops[cpu];

	gdb_set_why(gdb, cpu, 5); /* SIGTRAP */
	if (stop->debug.exception == GDB_EXCEPTION_BP) {
		if (gdb->tells_soft)
			buf_add_str(&gdb->why, "swbreak:;");
	} else if (stop->hit.len && stop->hit.kind == GDB_BREAK_EXECUTE) {
		if (gdb->tells_hard)
			buf_add_str(&gdb->why, "hwbreak:;");
	} else if (stop->hit.len) {
		buf_printf(&gdb->why, "%swatch:%jx;", stop->hit.kind == GDB_BREAK_ACCESS ? "a" : "",
			   (uintmax_t)stop->hit.gva);
	}
}

static void gdb_halt(struct gdb *gdb)
{
	gdb->site.ops->halt(gdb->site.ctx);
	gdb->stepping = 0;
	gdb->running = 0;
}

/* The debugger hears of it; the machine is halted, or it is done here. */
static void gdb_tell_stop(struct gdb *gdb, unsigned int cpu)
{
	gdb_set_why_stop(gdb, cpu);
	gdb->pending &= ~(1ULL << cpu);
	gdb_halt(gdb);
	gdb_say(gdb, gdb->why.data, gdb->why.len);
}

static unsigned int gdb_first(uint64_t cpus)
{
	return (unsigned int)__builtin_ctzll(cpus);
}

/* Those that stopped while the guest runs: until one is for the debugger. */
static void gdb_take_stops(struct gdb *gdb)
{
	uint64_t cpus = gdb->pending;

	for (; cpus && (gdb->running || gdb->fd < 0); cpus &= cpus - 1) {
		unsigned int cpu = gdb_first(cpus);
		enum gdb_verdict verdict = gdb_judge(gdb, cpu);

		if (verdict == GDB_OURS) {
			gdb_tell_stop(gdb, cpu);
			return;
		}
		gdb->pending &= ~(1ULL << cpu);
		(void)gdb_arm(gdb, cpu,
			      verdict == GDB_GUESTS ? gdb->stops[cpu].debug.exception : 0);
		gdb->site.ops->resume(gdb->site.ctx, 1ULL << cpu);
	}
}

/* Invariant 3: a trap that came after its instruction is not met anew. Returns 1 if one was told. */
static int gdb_run_pending(struct gdb *gdb, uint64_t cpus, uint64_t *inject)
{
	uint64_t rest = gdb->pending & cpus;

	for (; rest; rest &= rest - 1) {
		unsigned int cpu = gdb_first(rest);
		const struct gdb_stop *stop = &gdb->stops[cpu];
		enum gdb_verdict verdict = GDB_STALE;

		if (stop->debug.exception == GDB_EXCEPTION_DB && !stop->stepping &&
		    !(stop->hit.len && stop->hit.kind == GDB_BREAK_EXECUTE))
			verdict = gdb_judge(gdb, cpu);
		if (verdict == GDB_OURS) {
			gdb_tell_stop(gdb, cpu);
			return 1;
		}
		if (verdict == GDB_GUESTS)
			*inject |= 1ULL << cpu;
		gdb->pending &= ~(1ULL << cpu);
	}
	return 0;
}

int gdb_run(struct gdb *gdb, uint64_t cpus, uint64_t stepping)
{
	uint64_t inject = 0;

	gdb->running = 1;
	gdb->stepping = stepping;
	if (gdb_run_pending(gdb, cpus, &inject))
		return 0;
	for (uint64_t rest = cpus; rest; rest &= rest - 1) {
		unsigned int cpu = gdb_first(rest);
		int r = gdb_arm(gdb, cpu, inject >> cpu & 1 ? GDB_EXCEPTION_DB : 0);

		if (r < 0) {
			gdb->running = 0;
			gdb->stepping = 0;
			return r;
		}
	}
	gdb->site.ops->resume(gdb->site.ctx, cpus);
	return 0;
}

/* Each vCPU is disarmed, whatever the others say. */
void gdb_let_go(struct gdb *gdb)
{
	uint64_t inject = 0;

	if (gdb->running)
		gdb_halt(gdb);
	gdb_break_clear(&gdb->breaks, gdb->site.ram);
	(void)gdb_run_pending(gdb, gdb_all_cpus(gdb), &inject);
	for (unsigned int cpu = 0; cpu < gdb->site.cpus; cpu++)
		(void)gdb_arm(gdb, cpu, inject >> cpu & 1 ? GDB_EXCEPTION_DB : 0);
	gdb->site.ops->resume(gdb->site.ctx, gdb_all_cpus(gdb));
}

void gdb_stopped(struct gdb *gdb, unsigned int cpu, const struct vcpu_debug *debug)
{
	const struct gdb_break_hard *hit = NULL;
	struct gdb_stop *stop = &gdb->stops[cpu];

	if (debug->exception == GDB_EXCEPTION_DB)
		hit = gdb_break_hit(&gdb->breaks, debug->dr6);
	*stop = (struct gdb_stop){ .debug = *debug, .stepping = (int)(gdb->stepping >> cpu & 1) };
	if (hit)
		stop->hit = *hit;
	gdb->pending |= 1ULL << cpu;
	(void)eventfd_write(gdb->event_fd, 1);
}

static void gdb_interrupt(struct gdb *gdb)
{
	if (!gdb->running)
		return;
	gdb_halt(gdb);
	gdb_set_why(gdb, gdb->cpu, 2); /* SIGINT */
	gdb_say(gdb, gdb->why.data, gdb->why.len);
}

static void gdb_on_packet(struct gdb *gdb, enum gdb_packet_event event)
{
	if (!gdb->no_ack)
		buf_add(&gdb->out, event == GDB_PACKET_BROKEN ? "-" : "+", 1);
	if (event == GDB_PACKET_WHOLE)
		gdb_command_serve(gdb, gdb->packet.data, gdb->packet.len);
	else if (event == GDB_PACKET_TOO_LONG)
		gdb_say(gdb, "E07", 3); /* E2BIG */
}

void gdb_feed(struct gdb *gdb, const char *data, size_t len)
{
	for (size_t i = 0; i < len && !gdb->closing; i++) {
		enum gdb_packet_event event = gdb_packet_feed(&gdb->packet, data[i]);

		if (event == GDB_PACKET_INTERRUPT)
			gdb_interrupt(gdb);
		else if (event == GDB_PACKET_AGAIN)
			buf_add(&gdb->out, gdb->last.data, gdb->no_ack ? 0 : gdb->last.len);
		else if (event != GDB_PACKET_NOTHING)
			gdb_on_packet(gdb, event);
	}
}

static void gdb_close(struct gdb *gdb)
{
	gdb->source = loop_source_free(gdb->source);
	gdb->fd = fd_close(gdb->fd);
	gdb->out.len = gdb->last.len = 0;
}

static void gdb_disconnect(struct gdb *gdb)
{
	gdb_let_go(gdb);
	gdb_close(gdb);
	gdb->running = 0;
	if (gdb->listen_source)
		loop_source_set_events(gdb->listen_source, EPOLLIN);
}

static void gdb_on_socket(void *ctx, uint32_t events)
{
	struct gdb *gdb = ctx;
	char chunk[GDB_CHUNK];
	ssize_t n;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(gdb->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n > 0)
			gdb_feed(gdb, chunk, (size_t)n);
		else if (!n || (errno != EAGAIN && errno != EINTR))
			gdb->closing = 1;
	}
	gdb_flush(gdb);
	if (gdb->closing)
		gdb_disconnect(gdb);
}

static int gdb_connect(struct gdb *gdb, int fd)
{
	gdb->fd = fd;
	gdb->source = loop_watch_fd(gdb->site.loop, fd, EPOLLIN, gdb_on_socket, gdb);
	if (!gdb->source) {
		int r = -errno;

		gdb_close(gdb);
		return r;
	}
	memset(&gdb->packet, 0, sizeof(gdb->packet));
	gdb->no_ack = gdb->closing = gdb->tells_soft = gdb->tells_hard = 0;
	gdb->run_cpu = -1;
	gdb_halt(gdb);
	gdb_set_why(gdb, 0, 5);
	return 0;
}

/* One at a time; others wait. */
static void gdb_on_listen(void *ctx, uint32_t events _unused_)
{
	struct gdb *gdb = ctx;
	int fd = accept4(gdb->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && gdb_connect(gdb, fd) == 0)
		loop_source_set_events(gdb->listen_source, 0);
}

static void gdb_on_event(void *ctx, uint32_t events _unused_)
{
	struct gdb *gdb = ctx;
	eventfd_t value;

	(void)eventfd_read(gdb->event_fd, &value);
	gdb_take_stops(gdb);
	if (gdb->fd >= 0)
		gdb_flush(gdb);
	if (gdb->fd >= 0 && gdb->closing)
		gdb_disconnect(gdb);
}

static int gdb_watch_events(struct gdb *gdb)
{
	gdb->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gdb->event_fd >= 0)
		gdb->event_source =
			loop_watch_fd(gdb->site.loop, gdb->event_fd, EPOLLIN, gdb_on_event, gdb);
	return gdb->event_source ? 0 : -errno;
}

static int gdb_take_socket(struct gdb *gdb, int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0) {
		int r = -errno;

		fd_close(fd);
		return r;
	}
	if (!listens)
		return gdb_connect(gdb, fd);
	gdb->listen_fd = fd;
	gdb->listen_source = loop_watch_fd(gdb->site.loop, fd, EPOLLIN, gdb_on_listen, gdb);
	return gdb->listen_source ? 0 : -errno;
}

int gdb_new(const struct gdb_site *site, int fd, struct gdb **ret, struct err *err)
{
	struct gdb *gdb = mem_zalloc(sizeof(*gdb));
	int r;

	gdb->site = *site;
	gdb->fd = gdb->listen_fd = gdb->event_fd = -EBADF;
	gdb->run_cpu = -1;
	r = gdb_watch_events(gdb);
	if (r == 0)
		r = gdb_take_socket(gdb, fd);
	else
		fd_close(fd);
	if (r < 0) {
		gdb_free(gdb);
		return err_errno(err, r, "cannot serve a debugger");
	}
	*ret = gdb;
	return 0;
}

struct gdb *gdb_free(struct gdb *gdb)
{
	if (!gdb)
		return NULL;
	if (gdb->fd >= 0 && gdb->running) {
		gdb_say(gdb, "W00", 3);
		gdb_flush(gdb);
	}
	gdb_close(gdb);
	gdb->listen_source = loop_source_free(gdb->listen_source);
	gdb->event_source = loop_source_free(gdb->event_source);
	fd_close(gdb->listen_fd);
	fd_close(gdb->event_fd);
	buf_release(&gdb->out);
	buf_release(&gdb->last);
	buf_release(&gdb->why);
	free(gdb);
	return NULL;
}
