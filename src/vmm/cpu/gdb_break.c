// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_break.h"

#include <errno.h>

#define GDB_BREAK_DR7_FIXED  (1ULL << 10 | 1ULL << 9) /* the bit that is always set; exact */
#define GDB_BREAK_DR7_GLOBAL 2ULL		      /* of slot 0; others two bits further each */
#define GDB_BREAK_PIECE_MAX  8

static struct gdb_break_soft *gdb_break_find(struct gdb_breaks *breaks, uint64_t gva)
{
	for (size_t i = 0; i < breaks->n_soft; i++) {
		if (breaks->soft[i].gva == gva)
			return &breaks->soft[i];
	}
	return NULL;
}

/* The same memory may have several addresses, and a breakpoint at each. */
static const struct gdb_break_soft *gdb_break_find_gpa(const struct gdb_breaks *breaks,
						       uint64_t gpa)
{
	for (size_t i = 0; i < breaks->n_soft; i++) {
		if (breaks->soft[i].gpa == gpa)
			return &breaks->soft[i];
	}
	return NULL;
}

int gdb_break_has_soft(const struct gdb_breaks *breaks, uint64_t gpa)
{
	return gdb_break_find_gpa(breaks, gpa) != NULL;
}

int gdb_break_add_soft(struct gdb_breaks *breaks, struct ram *ram, uint64_t gva, uint64_t gpa)
{
	const struct gdb_break_soft *there = gdb_break_find(breaks, gva);
	uint8_t saved, *at = ram_at(ram, gpa, 1);

	if (!at)
		return -EFAULT;
	if (there && there->gpa == gpa && *at == GDB_BREAK_INT3)
		return 0;
	if (there) /* another program, or another text, is there now */
		gdb_break_remove_soft(breaks, ram, gva);
	if (breaks->n_soft == GDB_BREAK_SOFT_MAX)
		return -ENOSPC;
	there = gdb_break_find_gpa(breaks, gpa);
	saved = there ? there->saved : *at;
	breaks->soft[breaks->n_soft++] = (struct gdb_break_soft){ gva, gpa, saved };
	*at = GDB_BREAK_INT3;
	return 0;
}

void gdb_break_remove_soft(struct gdb_breaks *breaks, struct ram *ram, uint64_t gva)
{
	struct gdb_break_soft gone, *there = gdb_break_find(breaks, gva);
	uint8_t *at;

	if (!there)
		return;
	gone = *there;
	*there = breaks->soft[--breaks->n_soft];
	at = ram_at(ram, gone.gpa, 1);
	if (at && *at == GDB_BREAK_INT3 && !gdb_break_has_soft(breaks, gone.gpa))
		*at = gone.saved;
}

/* Cuts what is watched in pieces that a debug register can have: -ENOSPC if they are too many. */
static int gdb_break_cut(struct gdb_breaks *breaks)
{
	breaks->n_slots = 0;
	for (size_t i = 0; i < breaks->n_hard; i++) {
		struct gdb_break_hard rest = breaks->hard[i];

		while (rest.len) {
			uint64_t piece = GDB_BREAK_PIECE_MAX;

			if (breaks->n_slots == GDB_BREAK_SLOTS)
				return -ENOSPC;
			while (piece > rest.len || rest.gva % piece)
				piece /= 2;
			breaks->slots[breaks->n_slots++] =
				(struct gdb_break_hard){ rest.kind, rest.gva, piece };
			rest.gva += piece;
			rest.len -= piece;
		}
	}
	return 0;
}

static struct gdb_break_hard *gdb_break_find_hard(struct gdb_breaks *breaks,
						  enum gdb_break_kind kind, uint64_t gva,
						  uint64_t len)
{
	for (size_t i = 0; i < breaks->n_hard; i++) {
		struct gdb_break_hard *hard = &breaks->hard[i];

		if (hard->kind == kind && hard->gva == gva && hard->len == len)
			return hard;
	}
	return NULL;
}

int gdb_break_add_hard(struct gdb_breaks *breaks, enum gdb_break_kind kind, uint64_t gva,
		       uint64_t len)
{
	int r;

	if (!len)
		return -EINVAL;
	if (gdb_break_find_hard(breaks, kind, gva, len))
		return 0;
	if (breaks->n_hard == GDB_BREAK_SLOTS)
		return -ENOSPC;
	breaks->hard[breaks->n_hard++] = (struct gdb_break_hard){ kind, gva, len };
	r = gdb_break_cut(breaks);
	if (r < 0) {
		breaks->n_hard--;
		(void)gdb_break_cut(breaks);
	}
	return r;
}

void gdb_break_remove_hard(struct gdb_breaks *breaks, enum gdb_break_kind kind, uint64_t gva,
			   uint64_t len)
{
	struct gdb_break_hard *hard = gdb_break_find_hard(breaks, kind, gva, len);

	if (!hard)
		return;
	*hard = breaks->hard[--breaks->n_hard];
	(void)gdb_break_cut(breaks);
}

const struct gdb_break_hard *gdb_break_hit(const struct gdb_breaks *breaks, uint64_t dr6)
{
	for (size_t i = 0; i < breaks->n_slots; i++) {
		if (dr6 >> i & 1)
			return &breaks->slots[i];
	}
	return NULL;
}

void gdb_break_clear(struct gdb_breaks *breaks, struct ram *ram)
{
	while (breaks->n_soft)
		gdb_break_remove_soft(breaks, ram, breaks->soft[breaks->n_soft - 1].gva);
	breaks->n_hard = 0;
	breaks->n_slots = 0;
}

/* Lengths as DR7 has them: 1, 2 and 4 bytes are 0, 1 and 3, and 8 are 2. */
static uint64_t gdb_break_length(uint64_t len)
{
	return len == 8 ? 2 : len - 1;
}

void gdb_break_arm(const struct gdb_breaks *breaks, struct kvm_guest_debug *debug)
{
	if (breaks->n_soft)
		debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	if (!breaks->n_slots)
		return;
	debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	debug->arch.debugreg[7] = GDB_BREAK_DR7_FIXED;
	for (size_t i = 0; i < breaks->n_slots; i++) {
		const struct gdb_break_hard *slot = &breaks->slots[i];
		uint64_t condition = (uint64_t)slot->kind | gdb_break_length(slot->len) << 2;

		debug->arch.debugreg[i] = slot->gva;
		debug->arch.debugreg[7] |=
			GDB_BREAK_DR7_GLOBAL << (2 * i) | condition << (16 + 4 * i);
	}
}

int gdb_break_read(const struct gdb_breaks *breaks, const struct ram *ram, uint64_t gpa, void *data,
		   size_t len)
{
	uint8_t *to = data;
	int r = ram_read(ram, gpa, data, len);

	for (size_t i = 0; r == 0 && i < breaks->n_soft; i++) {
		const struct gdb_break_soft *soft = &breaks->soft[i];

		if (soft->gpa - gpa < len && to[soft->gpa - gpa] == GDB_BREAK_INT3)
			to[soft->gpa - gpa] = soft->saved;
	}
	return r;
}

int gdb_break_write(struct gdb_breaks *breaks, struct ram *ram, uint64_t gpa, const void *data,
		    size_t len)
{
	const uint8_t *from = data;
	int r = ram_write(ram, gpa, data, len);

	for (size_t i = 0; r == 0 && i < breaks->n_soft; i++) {
		struct gdb_break_soft *soft = &breaks->soft[i];

		if (soft->gpa - gpa >= len)
			continue;
		soft->saved = from[soft->gpa - gpa];
		r = ram_write(ram, soft->gpa, &(uint8_t){ GDB_BREAK_INT3 }, 1);
	}
	return r;
}
