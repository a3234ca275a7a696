// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/cpuid.h"
#include "base/mem.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#define CPUID_ENTRIES_MAX 256
#define CPUID_GROW	  8

enum cpuid_register { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

#define CPUID_ANY UINT32_MAX

/* A row: bits of one register that every vCPU has or has not. */
struct cpuid_row {
	uint32_t leaf, index; /* index CPUID_ANY: of every subleaf */
	enum cpuid_register reg;
	uint32_t clear, set;
	const char *why;
};

static const struct cpuid_row cpuid_rows[] = {
	{ 0x1, CPUID_ANY, CPUID_ECX, 0, 1U << 31, "a hypervisor is there" },
	{ 0x1, CPUID_ANY, CPUID_ECX, 1U << 5, 0, "VMX: no VMs inside VMs, less of KVM to attack" },
	{ 0x1, CPUID_ANY, CPUID_ECX, 1U << 15, 0, "PDCM: no performance counters" },
	{ 0x80000001, CPUID_ANY, CPUID_ECX, 1U << 2, 0, "SVM: as VMX" },
	{ 0x80000001, CPUID_ANY, CPUID_ECX, 1U << 23 | 1U << 24 | 1U << 28, 0, "as PDCM" },
	{ 0x8000000a, CPUID_ANY, CPUID_EAX, ~0U, 0, "as SVM" },
	{ 0x8000000a, CPUID_ANY, CPUID_EBX, ~0U, 0, "as SVM" },
	{ 0x8000000a, CPUID_ANY, CPUID_EDX, ~0U, 0, "as SVM" },
	{ 0xa, CPUID_ANY, CPUID_EAX, ~0U, 0, "performance counters cost each start MSR exits" },
	{ 0xa, CPUID_ANY, CPUID_EBX, ~0U, 0, "as before" },
	{ 0xa, CPUID_ANY, CPUID_EDX, ~0U, 0, "as before" },
	{ 0x80000022, CPUID_ANY, CPUID_EAX, ~0U, 0, "as before" },
	{ 0x80000022, CPUID_ANY, CPUID_EBX, ~0U, 0, "as before" },
};

#define CPUID_1_ECX_TSC_DEADLINE (1U << 24)
#define CPUID_1_EDX_HTT		 (1U << 28)
#define CPUID_HV_LEAF		 0x40000000U
#define CPUID_HV_TIMING		 0x40000010U /* VMware's: EAX is the TSC's kHz, EBX the APIC bus' */
#define CPUID_APIC_KHZ		 1000000U    /* KVM's APIC timer ticks in nanoseconds */

static struct kvm_cpuid2 *cpuid_allocate(uint32_t entries)
{
	struct kvm_cpuid2 *cpuid =
		mem_zalloc(sizeof(*cpuid) + entries * sizeof(struct kvm_cpuid_entry2));

	cpuid->nent = entries;
	return cpuid;
}

int cpuid_read_host(int kvm, struct kvm_cpuid2 **ret, struct err *err)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = cpuid_allocate(CPUID_ENTRIES_MAX);

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return err_errno(err, -errno, "KVM does not say what CPU it offers");
	*ret = take_ptr(cpuid);
	return 0;
}

static struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == leaf && (index == CPUID_ANY || entry->index == index ||
						!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return entry;
	}
	return NULL;
}

static uint32_t *cpuid_register(struct kvm_cpuid_entry2 *entry, enum cpuid_register reg)
{
	uint32_t *registers[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return registers[reg];
}

static void cpuid_apply_rows(struct kvm_cpuid2 *cpuid)
{
	for (size_t i = 0; i < ARRAY_SIZE(cpuid_rows); i++) {
		const struct cpuid_row *row = &cpuid_rows[i];

		for (uint32_t j = 0; j < cpuid->nent; j++) {
			struct kvm_cpuid_entry2 *entry = &cpuid->entries[j];
			uint32_t *value = cpuid_register(entry, row->reg);

			if (entry->function == row->leaf &&
			    (row->index == CPUID_ANY || row->index == entry->index))
				*value = (*value & ~row->clear) | row->set;
		}
	}
}

/* Replaces all of the leaf's entries by n of them. */
static struct kvm_cpuid_entry2 *cpuid_replace(struct kvm_cpuid2 **cpuid, uint32_t leaf, uint32_t n)
{
	struct kvm_cpuid2 *list = *cpuid;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->nent; i++) {
		if (list->entries[i].function != leaf)
			list->entries[kept++] = list->entries[i];
	}
	list = mem_realloc(list, 1, sizeof(*list) + (kept + n) * sizeof(list->entries[0]));
	memset(&list->entries[kept], 0, n * sizeof(list->entries[0]));
	for (uint32_t i = 0; i < n; i++) {
		list->entries[kept + i].function = leaf;
		list->entries[kept + i].index = i;
		list->entries[kept + i].flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	list->nent = kept + n;
	*cpuid = list;
	return &list->entries[kept];
}

/* Bits that a number below n takes: the width of an APIC id. */
static uint32_t cpuid_width(unsigned int n)
{
	uint32_t width = 0;

	while (1U << width < n)
		width++;
	return width;
}

/* Extended topology, leaves 0xb and 0x1f: a thread in a core of its own, the cores in one package. */
static void cpuid_add_topology(struct kvm_cpuid2 **cpuid, uint32_t leaf, unsigned int cpus)
{
	struct kvm_cpuid_entry2 *entries = cpuid_replace(cpuid, leaf, 3);

	entries[0].eax = 0;
	entries[0].ebx = 1;
	entries[0].ecx = 1U << 8; /* level 0 is of threads */
	entries[1].eax = cpuid_width(cpus);
	entries[1].ebx = cpus;
	entries[1].ecx = 2U << 8 | 1; /* level 1 is of cores */
	entries[2].ecx = 2;	      /* and that is all */
}

static uint32_t cpuid_max(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, leaf, CPUID_ANY);

	return entry ? entry->eax : 0;
}

static void cpuid_add_timing(struct kvm_cpuid2 **cpuid, uint32_t tsc_khz)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(*cpuid, CPUID_HV_LEAF, CPUID_ANY);

	if (!entry || !tsc_khz)
		return;
	entry->eax = CPUID_HV_TIMING;
	entry = cpuid_replace(cpuid, CPUID_HV_TIMING, 1);
	entry->flags = 0;
	entry->eax = tsc_khz;
	entry->ebx = CPUID_APIC_KHZ;
}

/* Leaf 4 (Intel's caches) and 0x8000001d (AMD's): the first two levels are a core's, others shared. */
static void cpuid_share_caches(struct kvm_cpuid_entry2 *entry, unsigned int cpus)
{
	uint32_t level = entry->eax >> 5 & 7,
		 sharing = level < 3 ? 0 : (1U << cpuid_width(cpus)) - 1;

	if (!(entry->eax & 0x1f))
		return;
	entry->eax = (entry->eax & ~(0xfffU << 14)) | sharing << 14;
	if (entry->function == 4)
		entry->eax = (entry->eax & ~(0x3fU << 26)) |
			     (((1U << cpuid_width(cpus)) - 1) & 0x3f) << 26;
}

static void cpuid_adapt_entry(struct kvm_cpuid_entry2 *entry, const struct cpuid_machine *machine)
{
	uint32_t cpus = machine->cpus;

	switch (entry->function) {
	case 0x1:
		entry->ebx = (entry->ebx & ~(0xffU << 16)) | (cpus & 0xff) << 16;
		entry->edx =
			cpus > 1 ? entry->edx | CPUID_1_EDX_HTT : entry->edx & ~CPUID_1_EDX_HTT;
		if (machine->tsc_deadline)
			entry->ecx |= CPUID_1_ECX_TSC_DEADLINE;
		break;
	case 0x4:
	case 0x8000001d:
		cpuid_share_caches(entry, cpus);
		break;
	case 0x80000008: /* NC: cores less one; and the width of their ids */
		entry->ecx = (entry->ecx & ~0xf0ffU) | cpuid_width(cpus) << 12 | (cpus - 1);
		break;
	case 0x8000001e: /* one thread to a core, one node */
		entry->ebx = 0;
		entry->ecx = 0;
		break;
	default:
		break;
	}
}

void cpuid_adapt(struct kvm_cpuid2 **cpuid, const struct cpuid_machine *machine)
{
	cpuid_apply_rows(*cpuid);
	for (uint32_t i = 0; i < (*cpuid)->nent; i++)
		cpuid_adapt_entry(&(*cpuid)->entries[i], machine);
	if (cpuid_max(*cpuid, 0) >= 0xb)
		cpuid_add_topology(cpuid, 0xb, machine->cpus);
	if (cpuid_max(*cpuid, 0) >= 0x1f)
		cpuid_add_topology(cpuid, 0x1f, machine->cpus);
	cpuid_add_timing(cpuid, machine->tsc_khz);
}

void cpuid_number(struct kvm_cpuid2 *cpuid, unsigned int id)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case 0x1:
			entry->ebx = (entry->ebx & ~(0xffU << 24)) | (id & 0xff) << 24;
			break;
		case 0xb:
		case 0x1f:
			entry->edx = id;
			break;
		case 0x8000001e:
			entry->eax = id;
			entry->ebx = (entry->ebx & ~0xffU) | (id & 0xff);
			break;
		default:
			break;
		}
	}
}
