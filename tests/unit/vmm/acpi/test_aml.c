// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/aml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct buf aml;

static int setup(void **state _unused_)
{
	buf_release(&aml);
	return 0;
}

static void assert_bytes(size_t n, const char *bytes)
{
	assert_int_equal(aml.len, n);
	assert_memory_equal(aml.data, bytes, n);
}

static void integers_take_as_little_as_they_need(void **state _unused_)
{
	aml_integer(&aml, 0);
	aml_integer(&aml, 1);
	aml_integer(&aml, 2);
	aml_integer(&aml, 0x1234);
	aml_integer(&aml, 0x12345678);
	aml_integer(&aml, 0x123456789abcdef0);
	assert_bytes(21, "\x00\x01\x0a\x02\x0b\x34\x12\x0c\x78\x56\x34\x12\x0e\xf0\xde\xbc\x9a\x78"
			 "\x56\x34\x12");
}

static void names_have_one_or_two_segments(void **state _unused_)
{
	aml_reference(&aml, "COM1");
	aml_reference(&aml, "\\_SB_");
	aml_reference(&aml, "\\_SB_.PCI0");
	assert_bytes(4 + 5 + 10, "COM1\\_SB_\\\x2e_SB_PCI0");
}

static void eisa_ids_are_packed(void **state _unused_)
{
	aml_eisa_id(&aml, "PNP0A08");
	aml_eisa_id(&aml, "PNP0C0C");
	assert_bytes(10, "\x0c\x41\xd0\x0a\x08\x0c\x41\xd0\x0c\x0c");
}

/* What a package's length says is right on both sides of each width. */
static void lengths_grow_with_what_they_count(void **state _unused_)
{
	static const struct {
		size_t inside, more;
	} lengths[] = { { 0, 0 },    { 57, 0 },	  { 58, 1 },   { 59, 1 },
			{ 4088, 1 }, { 4089, 2 }, { 4090, 2 }, { 20000, 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t start, said;
		const uint8_t *bytes;

		buf_release(&aml);
		start = aml_scope(&aml, "\\_SB_");
		for (size_t j = 0; j < lengths[i].inside; j++)
			aml_integer(&aml, 1);
		aml_end(&aml, start);
		bytes = (const uint8_t *)aml.data + 1;
		assert_int_equal(bytes[0] >> 6, lengths[i].more);
		said = lengths[i].more ? bytes[0] & 0xf : bytes[0];
		for (size_t j = 0; j < lengths[i].more; j++)
			said |= (size_t)bytes[1 + j] << (4 + 8 * j);
		assert_int_equal(said, aml.len - 1);
		assert_memory_equal(bytes + 1 + lengths[i].more, "\\_SB_", 5);
	}
}

static void resources_count_themselves_twice(void **state _unused_)
{
	size_t start = aml_resources(&aml);

	aml_io(&aml, 0x3f8, 8);
	aml_resources_end(&aml, start);
	assert_bytes(15, "\x11\x0e\x0b\x0a\x00\x47\x01\xf8\x03\xf8\x03\x01\x08\x79\x00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(integers_take_as_little_as_they_need, setup),
		cmocka_unit_test_setup(names_have_one_or_two_segments, setup),
		cmocka_unit_test_setup(eisa_ids_are_packed, setup),
		cmocka_unit_test_setup(lengths_grow_with_what_they_count, setup),
		cmocka_unit_test_setup(resources_count_themselves_twice, setup),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_release(&aml);
	return r;
}
