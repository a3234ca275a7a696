// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest without an operating system that looks how large its machine is, says so on its serial port, in hexadecimal,
 * and switches the machine off:
 *
 *   cpus MADT CPUID STARTED   as the ACPI tables and CPUID leaf 0xb count them (0: there is no such leaf), and how many
 *                             came, each with an APIC id of its own
 *   memory SIZE               as the memory map has it
 *   touched FIRST LAST        pages of 2 MiB above 4 GiB, each written and read back; 0: there are none
 *
 * Started by its PVH note, in 32-bit mode, with interrupts off for good; the other CPUs stay in real mode.
 */
#include <stdint.h>

#define COM1	    0x3f8
#define POWER_OFF   0x604
#define POWER_VALUE 0x34
#define LAPIC_ICR   0xfee00300U
#define AP_START    0x50000U /* free memory below 1 MiB, which a CPU starts in */
#define AP_SEEN	    0x51000U /* a bit for each APIC id */
#define IDS_MAX	    256U
#define HUGE_PAGE   0x200000U
#define HIGH	    0x100000000ULL
#define WINDOW	    0x80000000U /* where pages above 4 GiB are looked at */

__asm__(".section .note.pvh, \"a\", @note\n"
	".long 4, 4, 18\n" /* name, description, XEN_ELFNOTE_PHYS32_ENTRY */
	".asciz \"Xen\"\n"
	".long guest_entry\n"
	".text\n"
	".globl guest_entry\n"
	"guest_entry:\n"
	"	mov $guest_stack + 16384, %esp\n"
	"	push %ebx\n"
	"	call guest_main\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	/* of another CPU, in real mode, in its copy at AP_START */
	".globl guest_ap, guest_ap_end\n"
	".code16\n"
	"guest_ap:\n"
	"	cli\n"
	"	movw $0x5000, %ax\n"
	"	movw %ax, %ds\n"
	"	movl $1, %eax\n"
	"	cpuid\n"
	"	shrl $24, %ebx\n"
	"	lock btsl %ebx, 0x1000\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	"guest_ap_end:\n"
	".code32\n"
	".bss\n"
	".balign 16\n"
	"guest_stack:\n"
	"	.skip 16384\n"
	".text\n");

extern uint8_t guest_ap[], guest_ap_end[];

struct start_info { /* of version 1: xen/include/public/arch-x86/hvm/start_info.h */
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t n_ranges, reserved;
};

struct range {
	uint64_t start, size;
	uint32_t type, reserved;
};

static void out(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void say(const char *text)
{
	while (*text)
		out(COM1, (uint8_t)*text++);
}

static void say_number(uint64_t value)
{
	say(" ");
	for (int shift = 60; shift >= 0; shift -= 4) {
		if (value >> shift || !shift)
			out(COM1, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
	}
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the instruction writes it */
static void cpuid(uint32_t leaf, uint32_t index, uint32_t *eax, uint32_t *ebx)
{
	uint32_t ecx = index, edx;

	*eax = leaf;
	__asm__ volatile("cpuid" : "+a"(*eax), "=b"(*ebx), "+c"(ecx), "=d"(edx));
}

static uint32_t read_u32(uint64_t address)
{
	const uint8_t *bytes = (const uint8_t *)(uint32_t)address;

	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* Enabled local APICs: ACPI 6.5, 5.2.12.2. */
static uint32_t count_apics(uint32_t madt)
{
	uint32_t n = 0, end = madt + read_u32(madt + 4);

	for (uint32_t at = madt + 44; at < end; at += *(const uint8_t *)(at + 1))
		n += *(const uint8_t *)at == 0 && (read_u32(at + 4) & 1);
	return n;
}

static uint32_t count_cpus(uint64_t rsdp)
{
	uint32_t xsdt = read_u32(rsdp + 24), end = xsdt + read_u32(xsdt + 4);

	for (uint32_t at = xsdt + 36; at < end; at += 8) {
		if (read_u32(read_u32(at)) == 0x43495041) /* APIC */
			return count_apics(read_u32(at));
	}
	return 0;
}

/* Level 1 of the extended topology is of cores: Intel SDM volume 2, CPUID. */
static uint32_t count_cores(void)
{
	uint32_t eax, ebx;

	cpuid(0, 0, &eax, &ebx);
	if (eax < 0xb)
		return 0;
	cpuid(0xb, 1, &eax, &ebx);
	return ebx;
}

/* Waits for so many; who comes with another's id is never counted. */
static uint32_t start_others(uint32_t cpus)
{
	volatile uint32_t *seen = (volatile uint32_t *)AP_SEEN;
	uint32_t eax, ebx, n;

	for (uint32_t i = 0; guest_ap + i != guest_ap_end; i++)
		((volatile uint8_t *)AP_START)[i] = guest_ap[i];
	for (uint32_t i = 0; i < IDS_MAX / 32; i++)
		seen[i] = 0;
	cpuid(1, 0, &eax, &ebx);
	seen[ebx >> 29] |= 1U << (ebx >> 24 & 31);
	*(volatile uint32_t *)LAPIC_ICR = 0xc4500;
	*(volatile uint32_t *)LAPIC_ICR = 0xc4600 | AP_START >> 12;
	do {
		n = 0;
		for (uint32_t id = 0; id < IDS_MAX; id++)
			n += seen[id / 32] >> id % 32 & 1;
		__asm__ volatile("pause");
	} while (n < cpus);
	return n;
}

static uint64_t page_directories[4][512] __attribute__((aligned(4096)));
static uint64_t page_pointers[4] __attribute__((aligned(32)));

/* All below 4 GiB at its place, but for two pages in the window. */
static void map(uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < 4 * 512; i++)
		page_directories[i / 512][i % 512] = (uint64_t)i * HUGE_PAGE | 0x83;
	page_directories[WINDOW >> 30][0] = first | 0x83;
	page_directories[WINDOW >> 30][1] = last | 0x83;
	for (uint32_t i = 0; i < 4; i++)
		page_pointers[i] = (uint64_t)(uint32_t)page_directories[i] | 1;
	__asm__ volatile("mov %%cr4, %%eax\n"
			 "or $0x20, %%eax\n" /* PAE */
			 "mov %%eax, %%cr4\n"
			 "mov %0, %%cr3\n"
			 "mov %%cr0, %%eax\n"
			 "or $0x80000000, %%eax\n"
			 "mov %%eax, %%cr0\n"
			 :
			 : "r"(page_pointers)
			 : "eax", "memory");
}

static int touch(void)
{
	volatile uint32_t *first = (volatile uint32_t *)WINDOW,
			  *last = (volatile uint32_t *)(WINDOW + 2 * HUGE_PAGE - 4);

	*first = 0x12345678;
	*last = 0x9abcdef0;
	return *first == 0x12345678 && *last == 0x9abcdef0;
}

static void measure(const struct start_info *info)
{
	const struct range *ranges = (const struct range *)(uint32_t)info->memmap;
	uint64_t total = 0, first = 0, last = 0;

	for (uint32_t i = 0; i < info->n_ranges; i++) {
		uint64_t end = ranges[i].start + ranges[i].size;

		if (ranges[i].type != 1)
			continue;
		total += ranges[i].size;
		if (ranges[i].start >= HIGH && end > last) {
			first = ranges[i].start;
			last = end - HUGE_PAGE;
		}
	}
	say("memory");
	say_number(total);
	say("\ntouched");
	if (last) {
		map(first, last);
		if (!touch())
			last = ~0ULL;
	}
	say_number(first);
	say_number(last);
	say("\n");
}

__attribute__((used)) void guest_main(const struct start_info *info)
{
	uint32_t cpus = count_cpus(info->rsdp);

	say("cpus");
	say_number(cpus);
	say_number(count_cores());
	say_number(start_others(cpus));
	say("\n");
	measure(info);
	out(POWER_OFF, POWER_VALUE);
}
