// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb-internal.h"
#include "vmm/cpu/gdb_text.h"

#include <string.h>

#define GDB_COMMAND_PAGE  4096
#define GDB_COMMAND_BYTES (GDB_PACKET_MAX / 2) /* that a packet holds in hexadecimal */

/* A command: 0 and what it puts in reply is said, GDB_COMMAND_SILENT, or -errno. An empty reply says that
 * there is no such command. */
#define GDB_COMMAND_SILENT 1

struct gdb_command {
	const char *name;
	int (*serve)(struct gdb *gdb, struct gdb_text *text, struct buf *reply);
};

/* Registers. */

static int gdb_command_read(struct gdb *gdb, struct gdb_regs *regs)
{
	return gdb->site.cpu_ops->read(gdb_cpu_fd(gdb, gdb->cpu), regs);
}

/* parts: what was changed, or -errno. */
static int gdb_command_write(struct gdb *gdb, const struct gdb_regs *regs, int parts,
			     struct buf *reply)
{
	int r = parts;

	if (parts > 0)
		r = gdb->site.cpu_ops->write(gdb_cpu_fd(gdb, gdb->cpu), regs, parts);
	if (r == 0)
		buf_add_str(reply, "OK");
	return r;
}

static int gdb_command_g(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	struct gdb_regs regs;
	int r = gdb_command_read(gdb, &regs);

	if (r == 0)
		gdb_regs_put_all(&regs, reply);
	return r;
}

static int gdb_command_G(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	struct gdb_regs regs;
	int r = gdb_command_read(gdb, &regs);

	return r < 0 ? r : gdb_command_write(gdb, &regs, gdb_regs_get_all(&regs, text), reply);
}

static int gdb_command_p(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	struct gdb_regs regs;
	uint64_t number;
	int r = gdb_text_number(text, &number);

	if (r == 0)
		r = gdb_command_read(gdb, &regs);
	return r < 0 ? r : gdb_regs_put(&regs, number, reply);
}

static int gdb_command_P(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	struct gdb_regs regs;
	uint64_t number;
	int r = gdb_text_number(text, &number);

	if (r < 0 || !gdb_text_skip(text, '='))
		return -EINVAL;
	r = gdb_command_read(gdb, &regs);
	return r < 0 ? r : gdb_command_write(gdb, &regs, gdb_regs_get(&regs, number, text), reply);
}

/* Memory. */

/* Where gva is, and how many bytes from there on, at most max, are in the same page. */
static int gdb_command_translate(struct gdb *gdb, uint64_t gva, size_t max, uint64_t *gpa,
				 size_t *len)
{
	size_t rest = GDB_COMMAND_PAGE - gva % GDB_COMMAND_PAGE;

	*len = rest < max ? rest : max;
	return gdb->site.cpu_ops->translate(gdb_cpu_fd(gdb, gdb->cpu), gva, gpa);
}

/* Up to the first page that is not there; -EFAULT if that is where it starts. */
static int gdb_command_read_memory(struct gdb *gdb, uint64_t gva, uint8_t *data, size_t len,
				   size_t *done)
{
	for (*done = 0; *done < len;) {
		uint64_t gpa;
		size_t n;
		int r = gdb_command_translate(gdb, gva + *done, len - *done, &gpa, &n);

		if (r == 0)
			r = gdb_break_read(&gdb->breaks, gdb->site.ram, gpa, data + *done, n);
		if (r < 0)
			return *done ? 0 : r;
		*done += n;
	}
	return 0;
}

static int gdb_command_write_memory(struct gdb *gdb, uint64_t gva, const uint8_t *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		uint64_t gpa;
		size_t n;
		int r = gdb_command_translate(gdb, gva + done, len - done, &gpa, &n);

		if (r == 0)
			r = gdb_break_write(&gdb->breaks, gdb->site.ram, gpa, data + done, n);
		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

static int gdb_command_range(struct gdb_text *text, uint64_t *gva, uint64_t *len)
{
	if (gdb_text_number(text, gva) < 0 || !gdb_text_skip(text, ','))
		return -EINVAL;
	return gdb_text_number(text, len);
}

static int gdb_command_m(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	uint8_t data[GDB_COMMAND_BYTES];
	uint64_t gva, len;
	size_t done = 0;
	int r = gdb_command_range(text, &gva, &len);

	if (r == 0)
		r = gdb_command_read_memory(gdb, gva, data,
					    len < sizeof(data) ? (size_t)len : sizeof(data), &done);
	if (r == 0)
		gdb_text_put_bytes(reply, data, done);
	return r;
}

/* M and X, which differ in how the bytes are written. */
static int gdb_command_store(struct gdb *gdb, struct gdb_text *text, struct buf *reply,
			     int (*get)(struct gdb_text *text, void *ret, size_t len))
{
	uint8_t data[GDB_PACKET_MAX];
	uint64_t gva, len;
	int r = gdb_command_range(text, &gva, &len);

	if (r < 0 || !gdb_text_skip(text, ':') || len > sizeof(data) ||
	    get(text, data, (size_t)len) < 0)
		return -EINVAL;
	r = gdb_command_write_memory(gdb, gva, data, (size_t)len);
	if (r == 0)
		buf_add_str(reply, "OK");
	return r;
}

static int gdb_command_M(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	return gdb_command_store(gdb, text, reply, gdb_text_bytes);
}

static int gdb_command_X(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	return gdb_command_store(gdb, text, reply, gdb_text_binary);
}

/* Breakpoints: TYPE,ADDRESS,KIND, where KIND is how many bytes a watchpoint watches. */

enum gdb_command_break {
	GDB_COMMAND_SOFT,
	GDB_COMMAND_HARD,
	GDB_COMMAND_WRITE,
	GDB_COMMAND_ACCESS
};

/* There is no watchpoint for reads alone: told so, a debugger takes one for both and compares. */
static int gdb_command_break_type(struct gdb_text *text, enum gdb_command_break *ret)
{
	static const char types[] = { '0', '1', '2', '4' };

	for (size_t i = 0; i < sizeof(types); i++) {
		if (!gdb_text_skip(text, types[i]))
			continue;
		*ret = (enum gdb_command_break)i;
		return 0;
	}
	return -ENOENT;
}

static const enum gdb_break_kind gdb_command_kinds[] = {
	[GDB_COMMAND_HARD] = GDB_BREAK_EXECUTE,
	[GDB_COMMAND_WRITE] = GDB_BREAK_WRITE,
	[GDB_COMMAND_ACCESS] = GDB_BREAK_ACCESS,
};

static int gdb_command_parse_break(struct gdb_text *text, enum gdb_command_break *type,
				   uint64_t *gva, uint64_t *len)
{
	int r = gdb_command_break_type(text, type);

	if (r < 0)
		return r;
	r = gdb_text_skip(text, ',') ? gdb_command_range(text, gva, len) : -EINVAL;
	if (*type == GDB_COMMAND_HARD)
		*len = 1;
	return r;
}

static int gdb_command_add_break(struct gdb *gdb, enum gdb_command_break type, uint64_t gva,
				 uint64_t len)
{
	uint64_t gpa;
	size_t n;
	int r;

	if (type != GDB_COMMAND_SOFT)
		return gdb_break_add_hard(&gdb->breaks, gdb_command_kinds[type], gva, len);
	r = gdb_command_translate(gdb, gva, 1, &gpa, &n);
	return r < 0 ? r : gdb_break_add_soft(&gdb->breaks, gdb->site.ram, gva, gpa);
}

static int gdb_command_Z(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	enum gdb_command_break type;
	uint64_t gva, len;
	int r = gdb_command_parse_break(text, &type, &gva, &len);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = gdb_command_add_break(gdb, type, gva, len);
	if (r == 0)
		buf_add_str(reply, "OK");
	return r;
}

static int gdb_command_z(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	enum gdb_command_break type;
	uint64_t gva, len;
	int r = gdb_command_parse_break(text, &type, &gva, &len);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (type == GDB_COMMAND_SOFT)
		gdb_break_remove_soft(&gdb->breaks, gdb->site.ram, gva);
	else
		gdb_break_remove_hard(&gdb->breaks, gdb_command_kinds[type], gva, len);
	buf_add_str(reply, "OK");
	return 0;
}

/* Threads, which are vCPUs: numbered from 1; 0 is any, -1 all. */

enum { GDB_COMMAND_ALL = -1 };

static int gdb_command_thread(const struct gdb *gdb, struct gdb_text *text, int *cpu)
{
	int all = gdb_text_skip(text, '-');
	uint64_t id;

	if (gdb_text_number(text, &id) < 0)
		return -EINVAL;
	if (all) {
		*cpu = GDB_COMMAND_ALL;
		return id == 1 ? 0 : -EINVAL;
	}
	if (id > gdb->site.cpus)
		return -ESRCH;
	*cpu = id ? (int)id - 1 : (int)gdb->cpu;
	return 0;
}

static int gdb_command_H(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	int runs = gdb_text_skip(text, 'c'), cpu, r;

	if (!runs && !gdb_text_skip(text, 'g'))
		return -EINVAL;
	r = gdb_command_thread(gdb, text, &cpu);
	if (r < 0)
		return r;
	if (runs)
		gdb->run_cpu = cpu;
	else if (cpu >= 0)
		gdb->cpu = (unsigned int)cpu;
	buf_add_str(reply, "OK");
	return 0;
}

static int gdb_command_T(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	int cpu, r = gdb_command_thread(gdb, text, &cpu);

	if (r == 0)
		buf_add_str(reply, "OK");
	return r;
}

static int gdb_command_threads(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	for (unsigned int i = 0; i < gdb->site.cpus; i++)
		buf_printf(reply, "%c%x", i ? ',' : 'm', i + 1);
	return 0;
}

static int gdb_command_more_threads(struct gdb *gdb _unused_, struct gdb_text *text _unused_,
				    struct buf *reply)
{
	buf_add_str(reply, "l");
	return 0;
}

static int gdb_command_thread_info(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	char name[16];
	int cpu = GDB_COMMAND_ALL;
	int r = gdb_text_skip(text, ',') ? gdb_command_thread(gdb, text, &cpu) : -EINVAL;

	if (r < 0 || cpu < 0)
		return -EINVAL;
	gdb_text_put_bytes(reply, name, (size_t)snprintf(name, sizeof(name), "CPU %d", cpu));
	return 0;
}

static int gdb_command_qC(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	buf_printf(reply, "QC%x", gdb->cpu + 1);
	return 0;
}

/* Running. */

static int gdb_command_run(struct gdb *gdb, uint64_t cpus, uint64_t stepping)
{
	int r = gdb_run(gdb, cpus, stepping);

	return r < 0 ? r : GDB_COMMAND_SILENT;
}

/* c and s, perhaps from another address. A step is one vCPU's. */
static int gdb_command_go(struct gdb *gdb, struct gdb_text *text, int steps)
{
	struct gdb_regs regs;
	uint64_t ip, one;
	int r;

	if (gdb->run_cpu >= 0)
		gdb->cpu = (unsigned int)gdb->run_cpu;
	if (gdb_text_left(text)) {
		r = gdb_text_number(text, &ip);
		if (r == 0)
			r = gdb_command_read(gdb, &regs);
		if (r < 0)
			return r;
		regs.regs.rip = ip;
		r = gdb->site.cpu_ops->write(gdb_cpu_fd(gdb, gdb->cpu), &regs, GDB_REGS_GENERAL);
		if (r < 0)
			return r;
	}
	one = 1ULL << gdb->cpu;
	if (steps)
		return gdb_command_run(gdb, one, one);
	return gdb_command_run(gdb, gdb->run_cpu < 0 ? gdb_all_cpus(gdb) : one, 0);
}

static int gdb_command_c(struct gdb *gdb, struct gdb_text *text, struct buf *reply _unused_)
{
	return gdb_command_go(gdb, text, 0);
}

static int gdb_command_s(struct gdb *gdb, struct gdb_text *text, struct buf *reply _unused_)
{
	return gdb_command_go(gdb, text, 1);
}

/* A guest takes no signals: C and S are c and s. */
static int gdb_command_action(struct gdb_text *text, int *steps)
{
	uint64_t signal;

	*steps = 0;
	if (gdb_text_skip(text, 'c'))
		return 0;
	if (gdb_text_skip(text, 'C'))
		return gdb_text_number(text, &signal);
	*steps = 1;
	if (gdb_text_skip(text, 's'))
		return 0;
	return gdb_text_skip(text, 'S') ? gdb_text_number(text, &signal) : -EINVAL;
}

/* Of several actions a vCPU takes the first that names it; one that none names stands still. */
static int gdb_command_vCont(struct gdb *gdb, struct gdb_text *text, struct buf *reply _unused_)
{
	uint64_t named = 0, stepping = 0;

	while (gdb_text_skip(text, ';')) {
		int steps, cpu = GDB_COMMAND_ALL, r = gdb_command_action(text, &steps);
		uint64_t cpus;

		if (r == 0 && gdb_text_skip(text, ':'))
			r = gdb_command_thread(gdb, text, &cpu);
		if (r < 0)
			return r;
		cpus = (cpu < 0 ? gdb_all_cpus(gdb) : 1ULL << cpu) & ~named;
		named |= cpus;
		stepping |= steps ? cpus : 0;
	}
	if (gdb_text_left(text) || !named)
		return -EINVAL;
	return gdb_command_run(gdb, named, stepping);
}

static int gdb_command_vCont_what(struct gdb *gdb _unused_, struct gdb_text *text _unused_,
				  struct buf *reply)
{
	buf_add_str(reply, "vCont;c;C;s;S");
	return 0;
}

static int gdb_command_why(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	buf_add(reply, gdb->why.data, gdb->why.len);
	return 0;
}

static int gdb_command_D(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	gdb->closing = 1;
	buf_add_str(reply, "OK");
	return 0;
}

static int gdb_command_k(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	gdb->closing = 1;
	gdb->site.ops->kill(gdb->site.ctx);
	buf_add_str(reply, "OK");
	return 0;
}

static int gdb_command_k_silent(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	(void)gdb_command_k(gdb, text, reply);
	return GDB_COMMAND_SILENT;
}

/* What we are. */

static int gdb_command_supported(struct gdb *gdb, struct gdb_text *text, struct buf *reply)
{
	size_t len = gdb_text_left(text);

	gdb->tells_soft = memmem(text->at, len, "swbreak+", 8) != NULL;
	gdb->tells_hard = memmem(text->at, len, "hwbreak+", 8) != NULL;
	buf_printf(reply,
		   "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;"
		   "swbreak+;hwbreak+",
		   GDB_PACKET_MAX);
	return 0;
}

/* read:target.xml:OFFSET,LENGTH */
static int gdb_command_features(struct gdb *gdb _unused_, struct gdb_text *text, struct buf *reply)
{
	static const char annex[] = ":read:target.xml:";
	_cleanup_buf_ struct buf xml = BUF_INIT;
	uint64_t offset, len;
	int r;

	if (gdb_text_left(text) < sizeof(annex) - 1 ||
	    memcmp(text->at, annex, sizeof(annex) - 1) != 0)
		return -EINVAL;
	text->at += sizeof(annex) - 1;
	r = gdb_command_range(text, &offset, &len);
	if (r < 0)
		return r;
	gdb_regs_describe(&xml);
	offset = offset < xml.len ? offset : xml.len;
	len = len < GDB_COMMAND_BYTES ? len : GDB_COMMAND_BYTES;
	if (len >= xml.len - offset) {
		buf_add_str(reply, "l");
		buf_add(reply, xml.data + offset, xml.len - offset);
	} else {
		buf_add_str(reply, "m");
		buf_add(reply, xml.data + offset, (size_t)len);
	}
	return 0;
}

static int gdb_command_attached(struct gdb *gdb _unused_, struct gdb_text *text _unused_,
				struct buf *reply)
{
	buf_add_str(reply, "1");
	return 0;
}

static int gdb_command_no_ack(struct gdb *gdb, struct gdb_text *text _unused_, struct buf *reply)
{
	gdb->no_ack = 1;
	buf_add_str(reply, "OK");
	return 0;
}

/* Names of one letter go with anything behind them, longer ones end where a separator is. */
static const struct gdb_command gdb_commands[] = {
	{ "?", gdb_command_why },
	{ "D", gdb_command_D },
	{ "G", gdb_command_G },
	{ "H", gdb_command_H },
	{ "M", gdb_command_M },
	{ "P", gdb_command_P },
	{ "T", gdb_command_T },
	{ "X", gdb_command_X },
	{ "Z", gdb_command_Z },
	{ "c", gdb_command_c },
	{ "g", gdb_command_g },
	{ "k", gdb_command_k_silent },
	{ "m", gdb_command_m },
	{ "p", gdb_command_p },
	{ "s", gdb_command_s },
	{ "z", gdb_command_z },
	{ "QStartNoAckMode", gdb_command_no_ack },
	{ "qAttached", gdb_command_attached },
	{ "qC", gdb_command_qC },
	{ "qSupported", gdb_command_supported },
	{ "qThreadExtraInfo", gdb_command_thread_info },
	{ "qXfer:features", gdb_command_features },
	{ "qfThreadInfo", gdb_command_threads },
	{ "qsThreadInfo", gdb_command_more_threads },
	{ "vCont", gdb_command_vCont },
	{ "vCont?", gdb_command_vCont_what },
	{ "vKill", gdb_command_k },
};

static const struct gdb_command *gdb_command_find(struct gdb_text *text)
{
	size_t left = gdb_text_left(text);

	for (size_t i = 0; i < ARRAY_SIZE(gdb_commands); i++) {
		size_t len = strlen(gdb_commands[i].name);

		if (left < len || memcmp(text->at, gdb_commands[i].name, len) != 0)
			continue;
		if (len > 1 && left > len && !memchr(":;,", text->at[len], 3))
			continue;
		text->at += len;
		return &gdb_commands[i];
	}
	return NULL;
}

void gdb_command_serve(struct gdb *gdb, const char *data, size_t len)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	struct gdb_text text = { data, data + len };
	const struct gdb_command *command = gdb_command_find(&text);
	int r = 0;

	if (command && gdb->running) /* a debugger waits, or interrupts first */
		r = -EBUSY;
	else if (command)
		r = command->serve(gdb, &text, &reply);
	if (r == GDB_COMMAND_SILENT)
		return;
	if (r < 0) {
		reply.len = 0;
		buf_printf(&reply, "E%02x", (unsigned int)-r & 0xff);
	}
	gdb_say(gdb, reply.data, reply.len);
}
