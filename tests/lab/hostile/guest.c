// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest without an operating system that does to its machine whatever comes to its mind: it writes random
 * values to all ports and registers, sets up virtqueues that are half sane, and rings their bells. All its CPUs
 * are at it, and half of the time at the same device. Its command line ends in "seed=SEED,ROUNDS"; which CPU has
 * done so many rounds first switches the machine off, whatever the others are at. Started by its PVH note, in
 * 32-bit mode, with interrupts off for good.
 */
#include <stdint.h>

#define ECAM	    0xe8000000U
#define FUNCTIONS   16U
#define BAR_SIZE    0x8000U
#define BARS	    0xc0000000U
#define BARS_END    0xe0000000U
#define IOAPIC	    0xfec00000U
#define RINGS	    0x400000U /* free memory that queues lie in */
#define RINGS_SIZE  0x400000U
#define POWER_OFF   0x604
#define POWER_VALUE 0x34
#define QUEUE_SIZE  16
#define LAPIC_ICR   0xfee00300U
#define AP_START    0x50000U /* free memory below 1 MiB, which a CPU starts in */
#define CPUS_MAX    4U
#define STACK_SIZE  16384U
#define FOCUS	    16U /* rounds */

__asm__(".section .note.pvh, \"a\", @note\n"
	".long 4, 4, 18\n" /* name, description, XEN_ELFNOTE_PHYS32_ENTRY */
	".asciz \"Xen\"\n"
	".long guest_entry\n"
	".text\n"
	".globl guest_entry\n"
	"guest_entry:\n"
	"	mov $guest_stacks + 16384, %esp\n"
	"	push %ebx\n"
	"	call guest_main\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	/* of another CPU, in real mode, in its copy at AP_START */
	".globl guest_ap, guest_ap_end\n"
	".code16\n"
	"guest_ap:\n"
	"	cli\n"
	"	lgdtl %cs:guest_ap_gdt_pointer - guest_ap\n"
	"	movl %cr0, %eax\n"
	"	orl $1, %eax\n"
	"	movl %eax, %cr0\n"
	"	ljmpl $8, $guest_ap_entry\n"
	".balign 8\n"
	"guest_ap_gdt:\n"
	"	.quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
	"guest_ap_gdt_pointer:\n"
	"	.word 23\n"
	"	.long 0x50000 + guest_ap_gdt - guest_ap\n"
	"guest_ap_end:\n"
	".code32\n"
	"guest_ap_entry:\n"
	"	mov $16, %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	mov %eax, %ss\n"
	"	mov $1, %eax\n"
	"	lock xadd %eax, guest_started\n"
	"	cmp $4, %eax\n"
	"	jae 1b\n"
	"	inc %eax\n"
	"	shl $14, %eax\n"
	"	lea guest_stacks(%eax), %esp\n"
	"	call guest_work\n"
	"	jmp 1b\n"
	".bss\n"
	".balign 16\n"
	".globl guest_stacks\n"
	"guest_stacks:\n"
	"	.skip 4 * 16384\n"
	".text\n");

extern uint8_t guest_ap[], guest_ap_end[], guest_stacks[];
__attribute__((used)) uint32_t guest_started = 1;

static uint32_t seed, rounds, n_functions;
static uint32_t states[CPUS_MAX]; /* a CPU's own: what it guesses */
static volatile uint32_t focus;	  /* the device that half of what is done is done to */
static uint8_t pins_taken;

/* Which CPU this is, by its stack. */
static uint32_t self(void)
{
	uint32_t sp;

	__asm__ volatile("mov %%esp, %0" : "=r"(sp));
	return (sp - (uint32_t)guest_stacks) / STACK_SIZE % CPUS_MAX;
}

static uint32_t guess(void)
{
	uint32_t *state = &states[self()];

	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
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

static uint32_t config(uint32_t function, uint32_t reg)
{
	return ECAM + (function << 12) + reg;
}

static uint32_t homes[FUNCTIONS]; /* where the machine has put the BARs */

static uint32_t bar(uint32_t function)
{
	return get(config(function, 0x10), 4) & ~0xfU;
}

static int is_there(uint32_t function)
{
	uint32_t base = bar(function);

	return base >= BARS && base < BARS_END;
}

/* A BAR that was sent away comes back to where it was, with decoding on. */
static void mend(uint32_t function)
{
	put(config(function, 4), 2, 0);
	put(config(function, 0x10), 4, homes[function]);
	put(config(function, 4), 2, 6);
}

/* The offset of a structure in the BAR (virtio 1.2, 4.1.4), or 0. */
static uint32_t structure(uint32_t function, uint8_t type)
{
	uint32_t at = get(config(function, 0x34), 1);

	for (int i = 0; at && i < 16; i++) {
		if (get(config(function, at), 1) == 9 && get(config(function, at + 3), 1) == type)
			return get(config(function, at + 8), 4);
		at = get(config(function, at + 1), 1);
	}
	return 0;
}

/* The offset of the MSI-X capability (PCI Local Bus Specification 3.0, 6.8.2), or 0. */
static uint32_t msix(uint32_t function)
{
	uint32_t at = get(config(function, 0x34), 1);

	for (int i = 0; at && i < 16; i++) {
		if (get(config(function, at), 1) == 0x11)
			return at;
		at = get(config(function, at + 1), 1);
	}
	return 0;
}

/* Fixed interrupts to us, which we never take; what kind else there is would end us, not the machine. */
static void vectors(uint32_t function)
{
	uint32_t at = msix(function), table;

	if (!at || !is_there(function))
		return;
	table = bar(function) + (get(config(function, at + 4), 4) & ~7U);
	for (uint32_t i = 0; i < 4; i++) {
		put(table + 16 * i, 4, below(8) ? 0xfee00000 : interesting());
		put(table + 16 * i + 4, 4, below(8) ? 0 : interesting());
		put(table + 16 * i + 8, 4, (guess() & 0xff) | (guess() & 0xc000));
		put(table + 16 * i + 12, 4, !below(4));
	}
	put(config(function, at + 2), 2, (guess() & 0x4000) | (below(4) ? 0x8000 : 0));
}

static void ports(uint32_t function)
{
	static const uint16_t places[] = { 0x3f8, 0x70, 0x60, 0x505, 0x600, 0x608, 0xcf8 };
	uint16_t port = (uint16_t)(places[below(7)] + below(16));

	(void)function;
	/* what ends the machine is left for the end */
	if (below(2) && port != 0x64 && port != 0x505 && (port < 0x600 || port >= 0x608))
		out(port, width(), interesting());
	else
		(void)in(port);
}

static void registers(uint32_t function)
{
	uint32_t base = bar(function), offset = below(BAR_SIZE);

	if (!is_there(function))
		return;
	if (below(2))
		put(base + (offset & ~3U) + below(4), width(), interesting());
	else
		(void)get(base + offset, width());
}

static void configuration(uint32_t function)
{
	uint32_t reg = below(4) ? below(256) : below(4096);

	if (below(2))
		put(config(function, reg), width(), interesting());
	else
		(void)get(config(function, reg), width());
	if (!below(8))
		mend(function);
}

/* To somewhere else, perhaps where another is, while others are at it; and back. */
static void move(uint32_t function)
{
	put(config(function, 0x10), 4, BARS + below(2 * FUNCTIONS) * (BAR_SIZE / 2));
	for (uint32_t i = below(4); i; i--)
		registers(function);
	mend(function);
}

/* Its driver gives up, whoever else is at work with it. */
static void reset(uint32_t function)
{
	uint32_t base = bar(function);

	if (!is_there(function))
		return;
	base += structure(function, 1);
	if (below(2))
		put(base + 20, 1, 0);
	else /* one queue: virtio 1.2, 2.6.1, which is not offered */
		put(base + 58, 2, below(2));
}

/*
 * An I/O APIC's pins are set to fixed interrupts or masked, for the same reason as vectors(): so another CPU must
 * not choose another register meanwhile. Who finds one at it does not wait.
 */
static void pins_of_one(void)
{
	uint32_t index = below(4) ? below(0x40) : guess();

	put(IOAPIC, width(), index);
	if (below(2))
		(void)get(IOAPIC + 0x10, width());
	else if ((index & 0xff) >= 0x10 && !(index & 1))
		put(IOAPIC + 0x10, 4, guess() & ~0x700U);
	else
		put(IOAPIC + 0x10, 4, interesting());
	if (!below(4))
		put(IOAPIC + (below(0x1000) & ~0x1fU) + 0x20, width(), interesting());
	if (!below(4))
		put(IOAPIC + 0x40, 4, guess());
}

static void pins(uint32_t function)
{
	(void)function;
	if (__atomic_test_and_set(&pins_taken, __ATOMIC_ACQUIRE))
		return;
	pins_of_one();
	__atomic_clear(&pins_taken, __ATOMIC_RELEASE);
}

/* The start of a request that some device could take for one of its own. */
static void write_request(uint32_t place)
{
	uint32_t *words = (uint32_t *)place;

	if (place < RINGS || place >= RINGS + RINGS_SIZE - 64)
		return;
	if (below(2)) { /* blk: type, priority, sector, then ranges to discard */
		words[0] = below(4) ? below(16) : interesting();
		words[1] = 0;
		words[2] = below(4) ? below(4096) : interesting();
		words[3] = below(8) ? 0 : interesting();
		words[4] = below(64);
	} else { /* vsock: from us to the host, any operation, some room */
		words[0] = below(16) ? 3 : interesting();
		words[1] = 0;
		words[2] = below(16) ? 2 : interesting();
		words[3] = 0;
		words[4] = below(4) ? 1024 + below(4) : interesting();
		words[5] = below(4) ? 1024 + below(4) : interesting();
		words[6] = below(2) ? below(4096) : interesting();
		words[7] = (below(16) ? 1 : guess() & 0xffff) | below(10) << 16;
		words[8] = below(4);
		words[9] = below(2) ? 0x10000 : interesting();
		words[10] = interesting();
	}
}

static void fill_queue(uint32_t place)
{
	uint16_t *available = (uint16_t *)(place + 0x1000);

	for (uint32_t i = 0; i < QUEUE_SIZE; i++) {
		uint32_t *descriptor = (uint32_t *)(place + 16 * i);

		descriptor[0] = below(3) ? RINGS + below(RINGS_SIZE) : interesting();
		descriptor[1] = below(16) ? 0 : interesting();
		descriptor[2] = below(3) ? below(5000) : interesting();
		descriptor[3] = (below(8) ? below(4) : guess() & 0xffff) |
				(below(8) ? below(QUEUE_SIZE) : guess()) << 16;
		if (below(2))
			write_request(descriptor[0]);
		available[2 + i] = (uint16_t)(below(16) ? below(QUEUE_SIZE) : guess());
	}
	available[0] = (uint16_t)below(2);
	available[1] = (uint16_t)(below(16) ? available[1] + below(QUEUE_SIZE) : guess());
}

static void queues(uint32_t function)
{
	uint32_t base, common, notify, n;

	mend(function);
	if (!is_there(function))
		return;
	base = bar(function);
	common = base + structure(function, 1);
	notify = base + structure(function, 2);
	put(common + 20, 1, 0);
	put(common + 20, 1, 3);
	put(common + 8, 4, 0);
	put(common, 4, 0);
	put(common + 12, 4, below(2) ? get(common + 4, 4) : guess());
	put(common + 8, 4, 1);
	put(common + 12, 4, 1);
	put(common + 20, 1, 11);
	n = get(common + 18, 2);
	for (uint32_t i = 0; i < n && i < 6; i++) {
		uint32_t place = RINGS + (function * 8 + i) % 256 * 0x4000;

		put(common + 22, 2, i);
		put(common + 24, 2, QUEUE_SIZE);
		put(common + 26, 2, below(4) ? below(4) : 0xffff);
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

		fill_queue(RINGS + (function * 8 + i) % 256 * 0x4000);
		put(notify + 4 * i, 2, i);
		(void)get(common + 20, 1);
	}
}

/* How often is how many times it stands here. */
static void (*const what[])(uint32_t function) = {
	ports,	   pins,      vectors, configuration, configuration, registers, move,
	registers, registers, queues,  queues,	      queues,	     reset,
};

static uint32_t number(const char **text)
{
	uint32_t value = 0;

	while (**text == ' ')
		(*text)++;
	for (; **text >= '0' && **text <= '9'; (*text)++)
		value = value * 10 + (uint32_t)(**text - '0');
	return value;
}

/* The other CPUs, if there are any: INIT and SIPI to all but us (Intel SDM volume 3, 11.6.1). */
static void start_others(void)
{
	for (uint32_t i = 0; guest_ap + i != guest_ap_end; i++)
		((volatile uint8_t *)AP_START)[i] = guest_ap[i];
	put(LAPIC_ICR, 4, 0xc4500);
	put(LAPIC_ICR, 4, 0xc4600 | AP_START >> 12);
}

__attribute__((used)) void guest_work(void)
{
	states[self()] = (seed + 0x9e3779b9U * self()) | 1;
	for (uint32_t round = 0; round < rounds; round++) {
		if (round % FOCUS == 0)
			focus = below(n_functions);
		(*what[below(sizeof(what) / sizeof(what[0]))])(below(2) ? focus
									: below(n_functions));
	}
	out(POWER_OFF, 1, POWER_VALUE);
	for (;;)
		__asm__ volatile("hlt");
}

__attribute__((used)) void guest_main(const uint32_t *start_info)
{
	/* struct hvm_start_info: the command line's address is at byte 24; our words come last in it */
	const char *text = (const char *)start_info[6], *last = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '=' && p[-1] == 'd' && p[-2] == 'e')
			last = p + 1;
	}
	seed = number(&last);
	last += *last == ',';
	rounds = number(&last);
	n_functions = 1;
	for (uint32_t function = 0; function < FUNCTIONS; function++) {
		if (get(config(function, 0), 2) != 0xffff)
			n_functions = function + 1;
		homes[function] = bar(function);
		mend(function);
	}
	start_others();
	guest_work();
}
