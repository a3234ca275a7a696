// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest without an operating system that does to its machine whatever comes to its mind: it writes random
 * values to all ports and registers, sets up virtqueues that are half sane, and rings their bells. Its command
 * line is "SEED ROUNDS"; at the end it switches the machine off. Started by its PVH note, in 32-bit mode.
 */
#include <stdint.h>

#define ECAM	    0xe8000000U
#define SLOTS	    32
#define BAR_SIZE    0x8000U
#define RINGS	    0x400000U /* free memory that queues lie in */
#define RINGS_SIZE  0x400000U
#define POWER_OFF   0x604
#define POWER_VALUE 0x34
#define QUEUE_SIZE  16

__asm__(".section .note.pvh, \"a\", @note\n"
	".long 4, 4, 18\n" /* name, description, XEN_ELFNOTE_PHYS32_ENTRY */
	".asciz \"Xen\"\n"
	".long guest_entry\n"
	".text\n"
	".globl guest_entry\n"
	"guest_entry:\n"
	"	mov $guest_stack_end, %esp\n"
	"	push %ebx\n"
	"	call guest_main\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	".bss\n"
	".balign 16\n"
	".skip 16384\n"
	"guest_stack_end:\n"
	".text\n");

static uint32_t state;

static uint32_t guess(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static uint32_t below(uint32_t n)
{
	return guess() % n;
}

/* Numbers that checks are most often wrong at. */
static uint32_t interesting(void)
{
	static const uint32_t values[] = { 0,	       1,	   2,	       3,
					   7,	       0xff,	   0xfff,      0x1000,
					   0xffff,     0x10000,	   0x7fffffff, 0x80000000,
					   0xfffffffe, 0xffffffff, 0xc0000000, 0xe8000000,
					   0xfee00000 };

	switch (below(4)) {
	case 0:
		return values[below(sizeof(values) / sizeof(values[0]))];
	case 1:
		return below(256);
	case 2:
		return RINGS + below(RINGS_SIZE);
	default:
		return guess();
	}
}

static void put(uint32_t address, uint32_t width, uint32_t value)
{
	if (width == 1)
		*(volatile uint8_t *)address = (uint8_t)value;
	else if (width == 2)
		*(volatile uint16_t *)address = (uint16_t)value;
	else
		*(volatile uint32_t *)address = value;
}

static uint32_t get(uint32_t address, uint32_t width)
{
	if (width == 1)
		return *(volatile uint8_t *)address;
	if (width == 2)
		return *(volatile uint16_t *)address;
	return *(volatile uint32_t *)address;
}

static void out(uint16_t port, uint32_t width, uint32_t value)
{
	if (width == 1)
		__asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port));
	else if (width == 2)
		__asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
}

static uint32_t in(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t width(void)
{
	return 1U << below(3);
}

static uint32_t config(uint32_t slot, uint32_t reg)
{
	return ECAM + (slot << 15) + reg;
}

static uint32_t bar(uint32_t slot)
{
	return get(config(slot, 0x10), 4) & ~0xfU;
}

/* A BAR that was sent away comes back to its slot's own place, with decoding on. */
static void mend(uint32_t slot)
{
	put(config(slot, 4), 2, 0);
	put(config(slot, 0x10), 4, 0xc0000000U + slot * BAR_SIZE);
	put(config(slot, 4), 2, 6);
}

/* The offset of a structure in the BAR (virtio 1.2, 4.1.4), or 0. */
static uint32_t structure(uint32_t slot, uint8_t type)
{
	uint32_t at = get(config(slot, 0x34), 1);

	for (int i = 0; at && i < 16; i++) {
		if (get(config(slot, at), 1) == 9 && get(config(slot, at + 3), 1) == type)
			return get(config(slot, at + 8), 4);
		at = get(config(slot, at + 1), 1);
	}
	return 0;
}

static void ports(void)
{
	static const uint16_t places[] = { 0x3f8, 0x70, 0x60, 0x505, 0x600, 0x608, 0xcf8 };
	uint16_t port = (uint16_t)(places[below(7)] + below(16));

	/* what ends the machine is left for the end */
	if (port == 0x64 || port == 0x505 || (port >= 0x600 && port < 0x608))
		(void)in(port);
	else if (below(2))
		out(port, width(), interesting());
	else
		(void)in(port);
}

static void registers(uint32_t slot)
{
	uint32_t base = bar(slot), offset = below(BAR_SIZE);

	if (base < 0xc0000000U || base >= 0xe0000000U)
		return;
	if (below(2))
		put(base + (offset & ~3U) + below(4), width(), interesting());
	else
		(void)get(base + offset, width());
}

static void configuration(uint32_t slot)
{
	uint32_t reg = below(4) ? below(256) : below(4096);

	if (below(2))
		put(config(slot, reg), width(), interesting());
	else
		(void)get(config(slot, reg), width());
	if (!below(8))
		mend(slot);
}

static void fill_queue(uint32_t queue, uint32_t place)
{
	uint16_t *available = (uint16_t *)(place + 0x1000);

	for (uint32_t i = 0; i < QUEUE_SIZE; i++) {
		uint32_t *descriptor = (uint32_t *)(place + 16 * i);

		descriptor[0] = below(3) ? RINGS + below(RINGS_SIZE) : interesting();
		descriptor[1] = below(16) ? 0 : interesting();
		descriptor[2] = below(3) ? below(5000) : interesting();
		descriptor[3] = (below(8) ? below(4) : guess() & 0xffff) |
				(below(8) ? below(QUEUE_SIZE) : guess()) << 16;
		available[2 + i] = (uint16_t)(below(16) ? below(QUEUE_SIZE) : guess());
	}
	available[0] = (uint16_t)below(2);
	available[1] = (uint16_t)(below(16) ? available[1] + below(QUEUE_SIZE) : guess());
	(void)queue;
}

static void queues(uint32_t slot)
{
	uint32_t base = bar(slot), common = base + structure(slot, 1),
		 notify = base + structure(slot, 2), n;

	if (base < 0xc0000000U || base >= 0xe0000000U)
		return;
	put(common + 20, 1, 0);
	put(common + 20, 1, 3);
	put(common + 8, 4, 0);
	put(common + 12, 4, below(2) ? get(common + 4, 4) : guess());
	put(common + 8, 4, 1);
	put(common + 12, 4, 1);
	put(common + 20, 1, 11);
	n = get(common + 18, 2);
	for (uint32_t i = 0; i < n && i < 6; i++) {
		uint32_t place = RINGS + (slot * 8 + i) % 256 * 0x4000;

		put(common + 22, 2, i);
		put(common + 24, 2, QUEUE_SIZE);
		put(common + 32, 4, below(16) ? place : interesting());
		put(common + 36, 4, 0);
		put(common + 40, 4, below(16) ? place + 0x1000 : interesting());
		put(common + 44, 4, 0);
		put(common + 48, 4, below(16) ? place + 0x2000 : interesting());
		put(common + 52, 4, 0);
		((uint16_t *)(place + 0x1000))[1] = 0;
		put(common + 28, 2, 1);
	}
	put(common + 20, 1, 15);
	for (uint32_t kick = 0; kick < 8; kick++) {
		uint32_t i = below(n ? n : 1);

		fill_queue(i, RINGS + (slot * 8 + i) % 256 * 0x4000);
		put(notify + 4 * i, 2, i);
		(void)get(common + 20, 1);
	}
}

static uint32_t number(const char **text)
{
	uint32_t value = 0;

	while (**text == ' ')
		(*text)++;
	for (; **text >= '0' && **text <= '9'; (*text)++)
		value = value * 10 + (uint32_t)(**text - '0');
	return value;
}

__attribute__((used)) void guest_main(const uint32_t *start_info)
{
	/* struct hvm_start_info: the command line's address is at byte 24; our words come last in it */
	const char *text = (const char *)start_info[6], *last = text;
	uint32_t rounds;

	for (const char *p = text; *p; p++) {
		if (p[0] == '=' && p[-1] == 'd' && p[-2] == 'e')
			last = p + 1;
	}
	state = number(&last) | 1;
	last += *last == ',';
	rounds = number(&last);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		mend(slot);
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t slot = below(SLOTS);

		while (get(config(slot, 0), 2) == 0xffff)
			slot = below(SLOTS);
		switch (below(8)) {
		case 0:
			ports();
			break;
		case 1:
		case 2:
			configuration(slot);
			break;
		case 3:
		case 4:
		case 5:
			registers(slot);
			break;
		default:
			mend(slot);
			queues(slot);
			break;
		}
	}
	out(POWER_OFF, 1, POWER_VALUE);
	for (;;)
		__asm__ volatile("hlt");
}
