// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/cpuid.h"
#include "base/mem.h"

#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define ENTRY(leaf, sub, a, b, c, d)                                                      \
	{                                                                                 \
		.function = leaf, .index = sub, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, \
		.eax = a, .ebx = b, .ecx = c, .edx = d                                    \
	}

/* As a host might say it: VMX, SVM, a PMU, someone else's APIC ids. */
static const struct kvm_cpuid_entry2 host[] = {
	ENTRY(0x0, 0, 0x1f, 0, 0, 0),
	ENTRY(0x1, 0, 0, 0x7f40ff00, 1 << 5 | 1 << 15, 1 << 28),
	ENTRY(0x4, 0, 1 << 26 | 1 << 14 | 1 << 5 | 1, 0, 0, 0),
	ENTRY(0x4, 3, 63U << 26 | 127 << 14 | 3 << 5 | 3, 0, 0, 0),
	ENTRY(0xa, 0, 0x08300805, 0xf, 0, 0x8604),
	ENTRY(0xb, 0, 1, 2, 0x100, 77),
	ENTRY(0xb, 1, 7, 128, 0x201, 77),
	ENTRY(0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d),
	ENTRY(0x80000001, 0, 0, 0, 1 << 2 | 1 << 0, 0),
	ENTRY(0x80000008, 0, 0x3030, 0, 0x707f, 0),
	ENTRY(0x8000000a, 0, 1, 8, 0, 0xff),
	ENTRY(0x8000001e, 0, 77, 0x1ff, 0x3, 0),
};

static struct kvm_cpuid2 *make(unsigned int cpus, unsigned int id)
{
	struct cpuid_machine machine = { .cpus = cpus, .tsc_khz = 2400000, .tsc_deadline = 1 };
	struct kvm_cpuid2 *cpuid = mem_zalloc(sizeof(*cpuid) + sizeof(host));

	cpuid->nent = ARRAY_SIZE(host);
	memcpy(cpuid->entries, host, sizeof(host));
	cpuid_adapt(&cpuid, &machine);
	cpuid_number(cpuid, id);
	return cpuid;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == leaf && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	fail_msg("no leaf %#x.%u", leaf, index);
	return NULL;
}

static void a_guest_sees_a_hypervisor_but_none_of_its_tools(void **state _unused_)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make(1, 0);
	const struct kvm_cpuid_entry2 *basic = find(cpuid, 0x1, 0);

	assert_int_equal(basic->ecx, 1U << 31 | 1 << 24);
	assert_int_equal(find(cpuid, 0x80000001, 0)->ecx, 1);
	assert_int_equal(find(cpuid, 0x8000000a, 0)->eax, 0);
	assert_int_equal(find(cpuid, 0xa, 0)->eax, 0);
	assert_int_equal(find(cpuid, 0x40000010, 0)->eax, 2400000);
	assert_int_equal(find(cpuid, 0x40000000, 0)->eax, 0x40000010);
}

static void one_cpu_is_one_core(void **state _unused_)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make(1, 0);

	assert_int_equal(find(cpuid, 0x1, 0)->ebx, 0x0001ff00);
	assert_int_equal(find(cpuid, 0x1, 0)->edx & 1 << 28, 0);
	assert_int_equal(find(cpuid, 0xb, 1)->ebx, 1);
	assert_int_equal(find(cpuid, 0xb, 1)->eax, 0);
	assert_int_equal(find(cpuid, 0x80000008, 0)->ecx, 0);
}

static void each_cpu_has_its_number_in_one_package(void **state _unused_)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make(6, 5);

	assert_int_equal(find(cpuid, 0x1, 0)->ebx, 0x0506ff00);
	assert_int_equal(find(cpuid, 0x1, 0)->edx & 1 << 28, 1 << 28);
	assert_int_equal(find(cpuid, 0xb, 0)->edx, 5);
	assert_int_equal(find(cpuid, 0xb, 0)->ebx, 1);
	assert_int_equal(find(cpuid, 0xb, 1)->eax, 3);
	assert_int_equal(find(cpuid, 0xb, 1)->ebx, 6);
	assert_int_equal(find(cpuid, 0xb, 2)->ebx, 0);
	assert_int_equal(find(cpuid, 0x1f, 1)->ebx, 6);
	assert_int_equal(find(cpuid, 0x80000008, 0)->ecx, 3 << 12 | 5);
	assert_int_equal(find(cpuid, 0x8000001e, 0)->eax, 5);
	assert_int_equal(find(cpuid, 0x8000001e, 0)->ebx, 5);
	assert_int_equal(find(cpuid, 0x8000001e, 0)->ecx, 0);
}

static void the_last_of_the_most_has_its_own_number(void **state _unused_)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make(64, 63);

	assert_int_equal(find(cpuid, 0x1, 0)->ebx, 0x3f40ff00);
	assert_int_equal(find(cpuid, 0xb, 0)->edx, 63);
	assert_int_equal(find(cpuid, 0xb, 1)->eax, 6);
	assert_int_equal(find(cpuid, 0xb, 1)->ebx, 64);
	assert_int_equal(find(cpuid, 0x80000008, 0)->ecx, 6 << 12 | 63);
	assert_int_equal(find(cpuid, 0x8000001e, 0)->eax, 63);
	assert_int_equal(find(cpuid, 0x4, 3)->eax >> 14 & 0xfff, 63);
}

static void cores_share_the_last_cache_alone(void **state _unused_)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make(4, 0);

	assert_int_equal(find(cpuid, 0x4, 0)->eax >> 14 & 0xfff, 0);
	assert_int_equal(find(cpuid, 0x4, 3)->eax >> 14 & 0xfff, 3);
	assert_int_equal(find(cpuid, 0x4, 3)->eax >> 26, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_sees_a_hypervisor_but_none_of_its_tools),
		cmocka_unit_test(one_cpu_is_one_core),
		cmocka_unit_test(each_cpu_has_its_number_in_one_package),
		cmocka_unit_test(the_last_of_the_most_has_its_own_number),
		cmocka_unit_test(cores_share_the_last_cache_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
