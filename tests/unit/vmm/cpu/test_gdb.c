// SPDX-License-Identifier: GPL-2.0-or-later
/* A debugger on one end of a socket, a machine of two vCPUs that exist only here on the other. */
#include "vmm/cpu/gdb.h"
#include "base/buf.h"
#include "vmm/cpu/gdb_packet.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#define CPUS	 2
#define KERNEL	 0xffffffff80000000ULL /* where memory is mapped, but for its last page */
#define MEMORY	 ((uint64_t)2 << 20)
#define MAPPED	 (MEMORY - 4096)
#define DEADLINE 20000 /* ms */

static struct stage {
	struct loop *loop;
	struct loop_source *hears, *deadline;
	struct ram *ram;
	struct gdb *gdb;
	int peer;
	struct gdb_packet packet;
	char reply[GDB_PACKET_MAX + 1];
	int acks, naks, gone, late;

	struct gdb_regs regs[CPUS];
	struct kvm_guest_debug debug[CPUS];
	uint64_t dr6[CPUS];
	uint64_t running;
	int halts, killed, written;
} stage;

static void stage_halt(void *ctx _unused_)
{
	stage.running = 0;
	stage.halts++;
}

static void stage_resume(void *ctx _unused_, uint64_t cpus)
{
	stage.running |= cpus;
}

static void stage_kill(void *ctx _unused_)
{
	stage.killed++;
}

static int stage_vcpu(void *ctx _unused_, unsigned int cpu)
{
	return (int)cpu;
}

/* KVM would wait here for as long as the vCPU runs. */
static void stage_check_stands(int cpu)
{
	assert_in_range(cpu, 0, CPUS - 1);
	assert_false(stage.running >> cpu & 1);
}

static int stage_read(int cpu, struct gdb_regs *regs)
{
	stage_check_stands(cpu);
	*regs = stage.regs[cpu];
	return 0;
}

static int stage_write(int cpu, const struct gdb_regs *regs, int parts)
{
	stage_check_stands(cpu);
	stage.regs[cpu] = *regs;
	stage.written = parts;
	return 0;
}

static int stage_translate(int cpu, uint64_t gva, uint64_t *gpa)
{
	stage_check_stands(cpu);
	*gpa = gva - KERNEL;
	return gva >= KERNEL && gva - KERNEL < MAPPED ? 0 : -EFAULT;
}

static int stage_debug(int cpu, const struct kvm_guest_debug *debug, uint64_t dr6)
{
	stage_check_stands(cpu);
	stage.debug[cpu] = *debug;
	stage.dr6[cpu] = dr6;
	return 0;
}

static const struct gdb_ops stage_ops = { stage_halt, stage_resume, stage_kill, stage_vcpu };
static const struct gdb_cpu_ops stage_cpu_ops = { stage_read, stage_write, stage_translate,
						  stage_debug };

static void stage_take(char c)
{
	if (stage.packet.state == GDB_PACKET_OUTSIDE) {
		stage.acks += c == '+';
		stage.naks += c == '-';
	}
	if (gdb_packet_feed(&stage.packet, c) != GDB_PACKET_WHOLE)
		return;
	memcpy(stage.reply, stage.packet.data, stage.packet.len + 1);
	loop_exit(stage.loop, 0);
}

static void stage_on_peer(void *ctx _unused_, uint32_t events _unused_)
{
	char chunk[4096];
	ssize_t n = recv(stage.peer, chunk, sizeof(chunk), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		stage_take(chunk[i]);
	if (n == 0) {
		stage.gone = 1;
		loop_source_set_events(stage.hears, 0);
		loop_exit(stage.loop, 0);
	}
}

static void stage_on_deadline(void *ctx _unused_)
{
	stage.late = 1;
	loop_exit(stage.loop, 0);
}

/* Until a packet or the end has come. */
static const char *stage_wait(void)
{
	strcpy(stage.reply, "(nothing)");
	loop_timer_set(stage.deadline, DEADLINE);
	assert_int_equal(loop_run(stage.loop), 0);
	assert_false(stage.late);
	return stage.reply;
}

static void stage_send(const char *text)
{
	assert_int_equal(send(stage.peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void stage_tell(const char *payload)
{
	_cleanup_buf_ struct buf packet = BUF_INIT;

	gdb_packet_put(&packet, payload, strlen(payload));
	stage_send(packet.data);
}

static const char *stage_ask(const char *payload)
{
	stage_tell(payload);
	return stage_wait();
}

static void assert_reply(const char *payload, const char *reply)
{
	assert_string_equal(stage_ask(payload), reply);
}

static void stage_watch(int peer)
{
	stage.peer = peer;
	stage.hears = loop_watch_fd(stage.loop, peer, EPOLLIN, stage_on_peer, NULL);
	assert_non_null(stage.hears);
}

static void stage_hang_up(void)
{
	stage.hears = loop_source_free(stage.hears);
	stage.peer = fd_close(stage.peer);
}

static void stage_serve(int fd)
{
	struct gdb_site site = { .loop = stage.loop,
				 .ram = stage.ram,
				 .cpus = CPUS,
				 .cpu_ops = &stage_cpu_ops,
				 .ops = &stage_ops };
	struct err err = ERR_INIT;

	assert_int_equal(gdb_new(&site, fd, &stage.gdb, &err), 0);
}

static int stage_open(void **state _unused_)
{
	struct ram_options options = { .size = MEMORY };
	struct err err = ERR_INIT;

	memset(&stage, 0, sizeof(stage));
	stage.peer = -EBADF;
	stage.running = 3;
	assert_int_equal(loop_new(&stage.loop, &err), 0);
	stage.deadline = loop_add_timer(stage.loop, stage_on_deadline, NULL);
	assert_non_null(stage.deadline);
	assert_int_equal(ram_new(&options, &stage.ram, &err), 0);
	return 0;
}

static int stage_connect(void **state)
{
	int pair[2];

	stage_open(state);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stage_serve(pair[0]);
	stage_watch(pair[1]);
	return 0;
}

static int stage_close(void **state _unused_)
{
	gdb_free(stage.gdb);
	stage_hang_up();
	loop_source_free(stage.deadline);
	ram_free(stage.ram);
	loop_free(stage.loop);
	return 0;
}

static void stage_put(uint64_t gpa, const char *bytes)
{
	assert_int_equal(ram_write(stage.ram, gpa, bytes, strlen(bytes)), 0);
}

static void assert_memory(uint64_t gpa, const char *bytes)
{
	assert_memory_equal(ram_at(stage.ram, gpa, strlen(bytes)), bytes, strlen(bytes));
}

/* A vCPU takes a debug exit, in its thread. */
static void stage_stop(unsigned int cpu, uint32_t exception, uint64_t pc, uint64_t dr6)
{
	struct vcpu_debug debug = { exception, pc, dr6 };

	stage.running &= ~(1ULL << cpu);
	stage.regs[cpu].regs.rip = pc;
	gdb_stopped(stage.gdb, cpu, &debug);
}

static void a_debugger_halts_the_guest_and_lets_it_go(void **state _unused_)
{
	assert_int_equal(stage.running, 0);
	assert_reply("?", "T05thread:1;");
	assert_reply("D", "OK");
	stage_wait();
	assert_true(stage.gone);
	assert_int_equal(stage.running, 3);
}

static void a_debugger_learns_what_it_talks_to(void **state _unused_)
{
	assert_non_null(strstr(stage_ask("qSupported:multiprocess+;swbreak+;hwbreak+"),
			       "PacketSize=1000;qXfer:features:read+"));
	assert_reply("qfThreadInfo", "m1,2");
	assert_reply("qsThreadInfo", "l");
	assert_reply("qThreadExtraInfo,2", "4350552031");
	assert_reply("qC", "QC1");
	assert_reply("qCRC:0,1", "");
	assert_reply("vMustReplyEmpty", "");
	assert_reply("vCont?", "vCont;c;C;s;S");
	assert_reply("T2", "OK");
	assert_reply("T3", "E03");
}

static void the_description_of_registers_comes_in_pieces(void **state _unused_)
{
	char ask[64];
	size_t at = 0;
	int more;

	do {
		snprintf(ask, sizeof(ask), "qXfer:features:read:target.xml:%zx,3f0", at);
		more = stage_ask(ask)[0] == 'm';
		if (!at)
			assert_non_null(strstr(stage.reply, "<architecture>i386:x86-64<"));
		at += strlen(stage.reply) - 1;
	} while (more);
	assert_int_equal(stage.reply[0], 'l');
	assert_string_equal(stage.reply + strlen(stage.reply) - 9, "</target>");
	assert_reply("qXfer:features:read:target.xml:ffffff,10", "l");
	assert_reply("qXfer:features:read:other.xml:0,10", "E16");
}

static void registers_can_be_read_and_set(void **state _unused_)
{
	_cleanup_buf_ struct buf all = BUF_INIT;

	stage.regs[0].regs.rax = 0x1122334455667788;
	stage.regs[1].regs.rip = 0xfff0;
	assert_memory_equal(stage_ask("g"), "8877665544332211", 16);
	buf_add_str(&all, "G");
	buf_add_str(&all, stage.reply);
	assert_reply("p10", "0000000000000000");
	assert_reply("Hg2", "OK");
	assert_reply("p10", "f0ff000000000000");
	assert_reply("P10=3412000000000000", "OK");
	assert_int_equal(stage.regs[1].regs.rip, 0x1234);
	assert_int_equal(stage.written, GDB_REGS_GENERAL);
	stage.written = -1;
	assert_reply(all.data, "OK");
	assert_int_equal(stage.regs[1].regs.rax, 0x1122334455667788);
	assert_int_equal(stage.written, GDB_REGS_GENERAL);
	assert_reply("pffff", "E16");
	assert_reply("P10=12", "E16");
	assert_reply("P12=10000000", "E01");
	assert_reply("Gabcd", "E16");
}

static void memory_is_the_guests_by_its_addresses(void **state _unused_)
{
	stage_put(0xffe, "abcd");
	assert_reply("mffffffff80000ffe,4", "61626364");
	assert_reply("Mffffffff80000fff,2:5859", "OK");
	assert_memory(0xffe, "aXYd");
	assert_reply("Xffffffff80000ffe,3:#$z", "OK");
	assert_memory(0xffe, "#$z");
	assert_reply("Xffffffff80000ffe,0:", "OK");
	assert_reply("m1000,4", "E0e");
	assert_reply("Mffffffff80000ffe,3:6162", "E16");
	assert_reply("Xffffffff80000ffe,1:ab", "E16");
}

static void memory_ends_where_the_guest_has_no_more(void **state _unused_)
{
	assert_reply("mffffffff801fefff,2", "00");
	assert_reply("mffffffff801ff000,2", "E0e");
	assert_reply("Mffffffff801fefff,2:0102", "E0e");
	assert_reply("mffffffffffffffff,2", "E0e");
}

static void a_read_is_as_long_as_a_packet_holds(void **state _unused_)
{
	assert_int_equal(strlen(stage_ask("mffffffff80000000,ffffffffffffffff")), GDB_PACKET_MAX);
}

static void a_breakpoint_is_not_seen_and_leaves_no_trace(void **state _unused_)
{
	stage_put(0x2000, "abc");
	assert_reply("Z0,ffffffff80002001,1", "OK");
	assert_reply("Z0,ffffffff80002001,1", "OK");
	assert_memory(0x2000, "a\xcc"
			      "c");
	assert_reply("mffffffff80002000,3", "616263");
	assert_reply("Mffffffff80002000,2:7879", "OK");
	assert_memory(0x2000, "x\xcc"
			      "c");
	assert_reply("z0,ffffffff80002001,1", "OK");
	assert_memory(0x2000, "xyc");
	assert_reply("Z0,1000,1", "E0e");
}

static void what_a_debugger_leaves_is_taken_away(void **state _unused_)
{
	stage_put(0x2000, "abc");
	assert_reply("Z0,ffffffff80002001,1", "OK");
	assert_reply("Z1,ffffffff80002002,1", "OK");
	stage_tell("c");
	assert_int_equal(shutdown(stage.peer, SHUT_WR), 0);
	stage_wait();
	assert_true(stage.gone);
	assert_memory(0x2000, "abc");
	assert_int_equal(stage.running, 3);
	assert_int_equal(stage.debug[0].control, 0);
	assert_int_equal(stage.debug[1].control, 0);
}

static void a_breakpoint_halts_all_and_is_told(void **state _unused_)
{
	(void)stage_ask("qSupported:swbreak+");
	assert_reply("Z0,ffffffff80002000,1", "OK");
	stage_tell("vCont;c");
	assert_reply("?", "E10"); /* it runs */
	assert_int_equal(stage.running, 3);
	assert_int_equal(stage.debug[1].control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
	stage_stop(1, 3, KERNEL + 0x2000, 0);
	assert_string_equal(stage_wait(), "T05thread:2;swbreak:;");
	assert_int_equal(stage.running, 0);
	assert_reply("?", "T05thread:2;swbreak:;");
	assert_reply("qC", "QC2");
}

static void a_guests_own_int3_is_its_own(void **state _unused_)
{
	int halts = stage.halts;

	stage_put(0x3000, "\xcc");
	assert_reply("Z0,ffffffff80002000,1", "OK");
	stage_tell("c");
	assert_reply("?", "E10");
	stage_stop(1, 3, KERNEL + 0x3000, 0);
	assert_reply("?", "E10");
	assert_int_equal(stage.halts, halts);
	assert_int_equal(stage.running, 3);
	assert_true(stage.debug[1].control & KVM_GUESTDBG_INJECT_BP);
	stage_stop(0, 1, KERNEL + 0x3000, 0x4000);
	assert_reply("?", "E10");
	assert_true(stage.debug[0].control & KVM_GUESTDBG_INJECT_DB);
	assert_int_equal(stage.dr6[0], 0x4000);
}

static void a_breakpoint_that_is_gone_stops_nobody(void **state _unused_)
{
	assert_reply("Z0,ffffffff80002000,1", "OK");
	assert_reply("Z1,ffffffff80004000,1", "OK");
	stage_tell("c");
	assert_reply("?", "E10");
	stage_stop(0, 1, KERNEL + 0x4000, 1);
	stage_stop(1, 3, KERNEL + 0x2000, 0);
	assert_string_equal(stage_wait(), "T05thread:1;");
	assert_reply("z0,ffffffff80002000,1", "OK");
	stage_tell("c");
	assert_reply("?", "E10");
	assert_int_equal(stage.running, 3);
	assert_int_equal(stage.debug[1].control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
}

static void a_watchpoint_is_told_with_its_address(void **state _unused_)
{
	assert_reply("Z2,ffffffff80005006,a", "OK"); /* 2 bytes and 8 */
	assert_reply("Z4,ffffffff80006000,4", "OK");
	assert_reply("Z1,ffffffff80007000,1", "OK");
	assert_reply("Z1,ffffffff80008000,1", "E1c");
	assert_reply("Z3,ffffffff80009000,4", "");
	stage_tell("c");
	assert_reply("?", "E10");
	assert_int_equal(stage.debug[0].arch.debugreg[0], KERNEL + 0x5006);
	assert_int_equal(stage.debug[0].arch.debugreg[1], KERNEL + 0x5008);
	assert_int_equal(stage.debug[0].arch.debugreg[7], 0x0f9506aa);
	stage_stop(0, 1, KERNEL + 0x100, 2);
	assert_string_equal(stage_wait(), "T05thread:1;watch:ffffffff80005008;");
	stage_tell("c");
	assert_reply("?", "E10");
	stage_stop(1, 1, KERNEL + 0x100, 4);
	assert_string_equal(stage_wait(), "T05thread:2;awatch:ffffffff80006000;");
}

static void a_watchpoint_hit_beside_another_stop_is_told_next(void **state _unused_)
{
	assert_reply("Z2,ffffffff80005000,8", "OK");
	assert_reply("Z0,ffffffff80002000,1", "OK");
	stage_tell("c");
	assert_reply("?", "E10");
	stage_stop(0, 3, KERNEL + 0x2000, 0);
	stage_stop(1, 1, KERNEL + 0x100, 1);
	assert_string_equal(stage_wait(), "T05thread:1;");
	assert_reply("c", "T05thread:2;watch:ffffffff80005000;");
	assert_int_equal(stage.running, 0);
}

static void one_cpu_steps_while_others_run_or_stand(void **state _unused_)
{
	stage_tell("vCont;s:1;c");
	assert_reply("?", "E10");
	assert_int_equal(stage.running, 3);
	assert_true(stage.debug[0].control & KVM_GUESTDBG_SINGLESTEP);
	assert_false(stage.debug[1].control);
	stage_stop(0, 1, KERNEL + 2, 0x4000);
	assert_string_equal(stage_wait(), "T05thread:1;");
	stage_tell("vCont;s:2");
	assert_reply("?", "E10");
	assert_int_equal(stage.running, 2);
	stage_stop(1, 1, KERNEL + 2, 0x4000);
	assert_string_equal(stage_wait(), "T05thread:2;");
	assert_reply("Hc1", "OK");
	stage_tell("sffffffff80000010");
	assert_reply("?", "E10");
	assert_int_equal(stage.running, 1);
	assert_int_equal(stage.regs[0].regs.rip, KERNEL + 0x10);
	stage_stop(0, 1, KERNEL + 0x12, 0x4000);
	assert_string_equal(stage_wait(), "T05thread:1;");
	assert_reply("vCont;x", "E16");
	assert_reply("vCont", "E16");
	assert_reply("vCont;c:9", "E03");
}

static void ctrl_c_halts_a_guest_that_runs(void **state _unused_)
{
	stage_send("\003"); /* stands already */
	stage_tell("c");
	assert_reply("?", "E10");
	stage_send("\003");
	assert_string_equal(stage_wait(), "T02thread:1;");
	assert_int_equal(stage.running, 0);
}

static void broken_packets_are_asked_for_again(void **state _unused_)
{
	stage_send("$?#00");
	assert_reply("qC", "QC1");
	assert_int_equal(stage.naks, 1);
	stage_send("-");
	assert_string_equal(stage_wait(), "QC1");
	assert_reply("QStartNoAckMode", "OK");
	stage.acks = stage.naks = 0;
	stage_send("$?#00");
	assert_reply("qC", "QC1");
	assert_int_equal(stage.acks + stage.naks, 0);
}

static void a_packet_that_is_too_long_is_refused(void **state _unused_)
{
	char text[GDB_PACKET_MAX + 2];

	memset(text, 'g', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_reply(text, "E07");
	assert_reply("qC", "QC1");
}

static void a_debugger_can_end_the_machine(void **state _unused_)
{
	stage_tell("k");
	stage_wait();
	assert_true(stage.gone);
	assert_int_equal(stage.killed, 1);
}

static void a_debugger_that_waits_hears_of_the_end(void **state _unused_)
{
	stage_tell("c");
	assert_reply("?", "E10");
	stage.gdb = gdb_free(stage.gdb);
	assert_string_equal(stage_wait(), "W00");
}

static int stage_call(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	return fd;
}

/* Its name is an abstract one, which goes with it. */
static void debuggers_come_one_after_another(void **state _unused_)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int second, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "brig-test-gdb-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	stage_serve(fd);
	assert_int_equal(stage.running, 3);
	stage_watch(stage_call(&address));
	assert_reply("?", "T05thread:1;");
	second = stage_call(&address);
	assert_int_equal(send(second, "$?#3f", 5, 0), 5);
	assert_reply("qC", "QC1");
	assert_int_equal(recv(second, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	stage_hang_up();
	stage_watch(second);
	assert_string_equal(stage_wait(), "T05thread:1;");
	assert_int_equal(stage.running, 0);
}

#define DEBUGGER_TEST(f) cmocka_unit_test_setup_teardown(f, stage_connect, stage_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEBUGGER_TEST(a_debugger_halts_the_guest_and_lets_it_go),
		DEBUGGER_TEST(a_debugger_learns_what_it_talks_to),
		DEBUGGER_TEST(the_description_of_registers_comes_in_pieces),
		DEBUGGER_TEST(registers_can_be_read_and_set),
		DEBUGGER_TEST(memory_is_the_guests_by_its_addresses),
		DEBUGGER_TEST(memory_ends_where_the_guest_has_no_more),
		DEBUGGER_TEST(a_read_is_as_long_as_a_packet_holds),
		DEBUGGER_TEST(a_breakpoint_is_not_seen_and_leaves_no_trace),
		DEBUGGER_TEST(what_a_debugger_leaves_is_taken_away),
		DEBUGGER_TEST(a_breakpoint_halts_all_and_is_told),
		DEBUGGER_TEST(a_guests_own_int3_is_its_own),
		DEBUGGER_TEST(a_breakpoint_that_is_gone_stops_nobody),
		DEBUGGER_TEST(a_watchpoint_is_told_with_its_address),
		DEBUGGER_TEST(a_watchpoint_hit_beside_another_stop_is_told_next),
		DEBUGGER_TEST(one_cpu_steps_while_others_run_or_stand),
		DEBUGGER_TEST(ctrl_c_halts_a_guest_that_runs),
		DEBUGGER_TEST(broken_packets_are_asked_for_again),
		DEBUGGER_TEST(a_packet_that_is_too_long_is_refused),
		DEBUGGER_TEST(a_debugger_can_end_the_machine),
		DEBUGGER_TEST(a_debugger_that_waits_hears_of_the_end),
		cmocka_unit_test_setup_teardown(debuggers_come_one_after_another, stage_open,
						stage_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
