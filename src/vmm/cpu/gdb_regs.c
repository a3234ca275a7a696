// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_regs.h"

#include <stddef.h>
#include <string.h>

/* The widest register: SSE's. */
#define GDB_REGS_WIDEST 16

enum gdb_regs_feature { GDB_REGS_CORE, GDB_REGS_SSE, GDB_REGS_SEGMENTS, GDB_REGS_CONTROL };

/* Names that a debugger knows, but for the last. */
static const char *const gdb_regs_features[] = {
	[GDB_REGS_CORE] = "org.gnu.gdb.i386.core",
	[GDB_REGS_SSE] = "org.gnu.gdb.i386.sse",
	[GDB_REGS_SEGMENTS] = "org.gnu.gdb.i386.segments",
	[GDB_REGS_CONTROL] = "brig.x86.control",
};

/* Types that are not GDB's own, before the registers of a feature that use them. */
static const char *const gdb_regs_types[] = {
	[GDB_REGS_CORE] = "<flags id=\"eflags\" size=\"4\">"
			  "<field name=\"CF\" start=\"0\" end=\"0\"/>"
			  "<field name=\"\" start=\"1\" end=\"1\"/>"
			  "<field name=\"PF\" start=\"2\" end=\"2\"/>"
			  "<field name=\"AF\" start=\"4\" end=\"4\"/>"
			  "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
			  "<field name=\"SF\" start=\"7\" end=\"7\"/>"
			  "<field name=\"TF\" start=\"8\" end=\"8\"/>"
			  "<field name=\"IF\" start=\"9\" end=\"9\"/>"
			  "<field name=\"DF\" start=\"10\" end=\"10\"/>"
			  "<field name=\"OF\" start=\"11\" end=\"11\"/>"
			  "<field name=\"NT\" start=\"14\" end=\"14\"/>"
			  "<field name=\"RF\" start=\"16\" end=\"16\"/>"
			  "<field name=\"VM\" start=\"17\" end=\"17\"/>"
			  "<field name=\"AC\" start=\"18\" end=\"18\"/>"
			  "<field name=\"VIF\" start=\"19\" end=\"19\"/>"
			  "<field name=\"VIP\" start=\"20\" end=\"20\"/>"
			  "<field name=\"ID\" start=\"21\" end=\"21\"/>"
			  "</flags>",
	[GDB_REGS_SSE] = "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
			 "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
			 "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
			 "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
			 "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
			 "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
			 "<union id=\"vec128\">"
			 "<field name=\"v4_float\" type=\"v4f\"/>"
			 "<field name=\"v2_double\" type=\"v2d\"/>"
			 "<field name=\"v16_int8\" type=\"v16i8\"/>"
			 "<field name=\"v8_int16\" type=\"v8i16\"/>"
			 "<field name=\"v4_int32\" type=\"v4i32\"/>"
			 "<field name=\"v2_int64\" type=\"v2i64\"/>"
			 "<field name=\"uint128\" type=\"uint128\"/>"
			 "</union>",
	[GDB_REGS_SEGMENTS] = "",
	[GDB_REGS_CONTROL] = "",
};

/* A row: width bytes as the debugger has it, of which size are at offset of struct gdb_regs. */
struct gdb_regs_row {
	const char *name, *type;
	enum gdb_regs_feature feature;
	uint8_t width, size;
	uint16_t offset;
	int part;
	int read_only, tags;
};

#define FIELD(field) .offset = offsetof(struct gdb_regs, field)
#define SIZE(field)  .size = sizeof(((struct gdb_regs *)NULL)->field)

#define GENERAL(name_, field)                                                                      \
	{                                                                                          \
		.name = (name_), .type = "int64", .width = 8, FIELD(regs.field), SIZE(regs.field), \
		.part = GDB_REGS_GENERAL                                                           \
	}
#define POINTER(name_, type_, field)                                                               \
	{                                                                                          \
		.name = (name_), .type = (type_), .width = 8, FIELD(regs.field), SIZE(regs.field), \
		.part = GDB_REGS_GENERAL                                                           \
	}
#define SELECTOR(name_, field)                                                             \
	{                                                                                  \
		.name = (name_), .type = "int32", .width = 4, FIELD(sregs.field.selector), \
		SIZE(sregs.field.selector), .part = GDB_REGS_SYSTEM, .read_only = 1        \
	}
#define STACK(n)                                                                                 \
	{                                                                                        \
		.name = "st" #n, .type = "i387_ext", .width = 10, .size = 10, FIELD(fpu.fpr[n]), \
		.part = GDB_REGS_FPU                                                             \
	}
#define FPU(name_, field, size_, add)                                                        \
	{                                                                                    \
		.name = (name_), .type = "int", .width = 4, .size = (size_),                 \
		.offset = offsetof(struct gdb_regs, fpu.field) + (add), .part = GDB_REGS_FPU \
	}
#define VECTOR(n)                                                                         \
	{                                                                                 \
		.name = "xmm" #n, .type = "vec128", .feature = GDB_REGS_SSE, .width = 16, \
		.size = 16, FIELD(fpu.xmm[n]), .part = GDB_REGS_FPU                       \
	}
#define SYSTEM(name_, feature_, field)                                               \
	{                                                                            \
		.name = (name_), .type = "int64", .feature = (feature_), .width = 8, \
		FIELD(sregs.field), SIZE(sregs.field), .part = GDB_REGS_SYSTEM       \
	}

static const struct gdb_regs_row gdb_regs_rows[] = {
	GENERAL("rax", rax),
	GENERAL("rbx", rbx),
	GENERAL("rcx", rcx),
	GENERAL("rdx", rdx),
	GENERAL("rsi", rsi),
	GENERAL("rdi", rdi),
	POINTER("rbp", "data_ptr", rbp),
	POINTER("rsp", "data_ptr", rsp),
	GENERAL("r8", r8),
	GENERAL("r9", r9),
	GENERAL("r10", r10),
	GENERAL("r11", r11),
	GENERAL("r12", r12),
	GENERAL("r13", r13),
	GENERAL("r14", r14),
	GENERAL("r15", r15),
	POINTER("rip", "code_ptr", rip),
	{ .name = "eflags",
	  .type = "eflags",
	  .width = 4,
	  FIELD(regs.rflags),
	  SIZE(regs.rflags),
	  .part = GDB_REGS_GENERAL },
	SELECTOR("cs", cs),
	SELECTOR("ss", ss),
	SELECTOR("ds", ds),
	SELECTOR("es", es),
	SELECTOR("fs", fs),
	SELECTOR("gs", gs),
	STACK(0),
	STACK(1),
	STACK(2),
	STACK(3),
	STACK(4),
	STACK(5),
	STACK(6),
	STACK(7),
	/* The last instruction and operand: 64 bits each, which the debugger has as offset and selector. */
	FPU("fctrl", fcw, 2, 0),
	FPU("fstat", fsw, 2, 0),
	{ .name = "ftag",
	  .type = "int",
	  .width = 4,
	  FIELD(fpu.ftwx),
	  .size = 1,
	  .part = GDB_REGS_FPU,
	  .tags = 1 },
	FPU("fiseg", last_ip, 4, 4),
	FPU("fioff", last_ip, 4, 0),
	FPU("foseg", last_dp, 4, 4),
	FPU("fooff", last_dp, 4, 0),
	FPU("fop", last_opcode, 2, 0),
	VECTOR(0),
	VECTOR(1),
	VECTOR(2),
	VECTOR(3),
	VECTOR(4),
	VECTOR(5),
	VECTOR(6),
	VECTOR(7),
	VECTOR(8),
	VECTOR(9),
	VECTOR(10),
	VECTOR(11),
	VECTOR(12),
	VECTOR(13),
	VECTOR(14),
	VECTOR(15),
	{ .name = "mxcsr",
	  .type = "int",
	  .feature = GDB_REGS_SSE,
	  .width = 4,
	  FIELD(fpu.mxcsr),
	  SIZE(fpu.mxcsr),
	  .part = GDB_REGS_FPU },
	SYSTEM("fs_base", GDB_REGS_SEGMENTS, fs.base),
	SYSTEM("gs_base", GDB_REGS_SEGMENTS, gs.base),
	{ .name = "k_gs_base",
	  .type = "int64",
	  .feature = GDB_REGS_CONTROL,
	  .width = 8,
	  FIELD(kernel_gs),
	  SIZE(kernel_gs),
	  .part = GDB_REGS_MSR },
	SYSTEM("cr0", GDB_REGS_CONTROL, cr0),
	SYSTEM("cr2", GDB_REGS_CONTROL, cr2),
	SYSTEM("cr3", GDB_REGS_CONTROL, cr3),
	SYSTEM("cr4", GDB_REGS_CONTROL, cr4),
	SYSTEM("cr8", GDB_REGS_CONTROL, cr8),
	SYSTEM("efer", GDB_REGS_CONTROL, efer),
};

size_t gdb_regs_count(void)
{
	return ARRAY_SIZE(gdb_regs_rows);
}

void gdb_regs_describe(struct buf *xml)
{
	int feature = -1;

	buf_add_str(xml, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
			 "<target><architecture>i386:x86-64</architecture>");
	for (size_t i = 0; i < ARRAY_SIZE(gdb_regs_rows); i++) {
		const struct gdb_regs_row *row = &gdb_regs_rows[i];

		if (feature != (int)row->feature) {
			buf_add_str(xml, feature < 0 ? "" : "</feature>");
			feature = (int)row->feature;
			buf_printf(xml, "<feature name=\"%s\">%s", gdb_regs_features[feature],
				   gdb_regs_types[feature]);
		}
		buf_printf(xml, "<reg name=\"%s\" bitsize=\"%d\" type=\"%s\" regnum=\"%zu\"/>",
			   row->name, row->width * 8, row->type, i);
	}
	buf_add_str(xml, "</feature></target>");
}

/*
 * Tags: KVM has a bit for each physical register that is in use, as FXSAVE does; the debugger two bits, as
 * FNSAVE does (Intel SDM volume 1, 8.1.7; volume 2, FXSAVE): 0 valid, 1 zero, 2 special, 3 empty.
 */
static unsigned int gdb_regs_tag(const uint8_t *value)
{
	uint64_t significand;
	uint16_t exponent;

	memcpy(&significand, value, sizeof(significand));
	memcpy(&exponent, value + sizeof(significand), sizeof(exponent));
	exponent &= 0x7fff;
	if (!exponent && !significand)
		return 1;
	return !exponent || exponent == 0x7fff || !(significand >> 63) ? 2 : 0;
}

static uint32_t gdb_regs_tags(const struct kvm_fpu *fpu)
{
	unsigned int top = fpu->fsw >> 11 & 7;
	uint32_t tags = 0;

	for (unsigned int i = 0; i < 8; i++) {
		unsigned int tag = 3;

		if (fpu->ftwx >> i & 1)
			tag = gdb_regs_tag(fpu->fpr[(i - top) & 7]);
		tags |= tag << (2 * i);
	}
	return tags;
}

static uint8_t gdb_regs_used(uint32_t tags)
{
	uint8_t used = 0;

	for (unsigned int i = 0; i < 8; i++)
		used = (uint8_t)(used | ((tags >> (2 * i) & 3) != 3) << i);
	return used;
}

static void gdb_regs_read(const struct gdb_regs *regs, const struct gdb_regs_row *row,
			  uint8_t value[GDB_REGS_WIDEST])
{
	uint32_t tags;

	memset(value, 0, GDB_REGS_WIDEST);
	if (!row->tags) {
		memcpy(value, (const char *)regs + row->offset, row->size);
		return;
	}
	tags = gdb_regs_tags(&regs->fpu);
	memcpy(value, &tags, sizeof(tags));
}

static int gdb_regs_write(struct gdb_regs *regs, const struct gdb_regs_row *row,
			  const uint8_t value[GDB_REGS_WIDEST])
{
	char *at = (char *)regs + row->offset;
	uint32_t tags;
	uint8_t used;

	if (row->tags) {
		memcpy(&tags, value, sizeof(tags));
		used = gdb_regs_used(tags);
		value = &used;
	}
	if (!memcmp(at, value, row->size))
		return 0;
	memcpy(at, value, row->size);
	return row->part;
}

int gdb_regs_put(const struct gdb_regs *regs, uint64_t number, struct buf *out)
{
	uint8_t value[GDB_REGS_WIDEST];

	if (number >= ARRAY_SIZE(gdb_regs_rows))
		return -EINVAL;
	gdb_regs_read(regs, &gdb_regs_rows[number], value);
	gdb_text_put_bytes(out, value, gdb_regs_rows[number].width);
	return 0;
}

void gdb_regs_put_all(const struct gdb_regs *regs, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(gdb_regs_rows); i++)
		(void)gdb_regs_put(regs, i, out);
}

int gdb_regs_get(struct gdb_regs *regs, uint64_t number, struct gdb_text *text)
{
	uint8_t value[GDB_REGS_WIDEST] = { 0 };
	const struct gdb_regs_row *row;

	if (number >= ARRAY_SIZE(gdb_regs_rows))
		return -EINVAL;
	row = &gdb_regs_rows[number];
	if (gdb_text_bytes(text, value, row->width) < 0)
		return -EINVAL;
	return row->read_only ? -EPERM : gdb_regs_write(regs, row, value);
}

int gdb_regs_get_all(struct gdb_regs *regs, struct gdb_text *text)
{
	int parts = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gdb_regs_rows); i++) {
		int r = gdb_regs_get(regs, i, text);

		if (r == -EINVAL)
			return r;
		if (r > 0)
			parts |= r;
	}
	return gdb_text_left(text) ? -EINVAL : parts;
}
