// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus/msi.h"
#include "vmm/layout.h"
#include "fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define ADDRESS 0xfee00000ULL

struct bench {
	struct fake_hv fake;
	struct hv hv;
	struct msi *msi;
	struct msi_vector *vector;
};

static void setup(struct bench *b)
{
	*b = (struct bench){ .hv = { .ops = &fake_hv_ops } };
	b->hv.ctx = &b->fake;
	b->msi = msi_new(&b->hv);
	assert_int_equal(msi_vector_new(b->msi, &b->vector), 0);
}

static void teardown(struct bench *b)
{
	msi_vector_free(b->vector);
	assert_int_equal(fake_hv_irqfds(&b->fake), 0);
	assert_int_equal(b->fake.gsis[LAYOUT_GSI_MSI].routed, 0);
	msi_free(b->msi);
}

static uint64_t count(struct msi_vector *vector)
{
	uint64_t value = 0;

	return read(msi_vector_fd(vector), &value, sizeof(value)) > 0 ? value : 0;
}

static void a_vector_costs_nothing_until_it_is_unmasked(void **state _unused_)
{
	struct bench b;

	setup(&b);
	msi_vector_mask(b.vector);
	assert_int_equal(b.fake.n_routes + b.fake.n_irqfds, 0);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 0x41), 0);
	assert_int_equal(b.fake.n_routes, 1);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].data, 0x41);
	assert_true(b.fake.gsis[LAYOUT_GSI_MSI].address == ADDRESS);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].fd, msi_vector_fd(b.vector));
	teardown(&b);
}

static void a_message_is_routed_only_when_it_changes(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 1), 0);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 1), 0);
	assert_int_equal(b.fake.n_irqfds, 1);
	msi_vector_mask(b.vector);
	assert_int_equal(fake_hv_irqfds(&b.fake), 0);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 1), 0);
	assert_int_equal(b.fake.n_routes, 1);
	assert_int_equal(b.fake.n_irqfds, 3);
	/* while it is armed: the fake hypervisor checks that the irqfd goes first */
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 2), 0);
	assert_int_equal(b.fake.n_routes, 2);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].data, 2);
	assert_int_equal(fake_hv_irqfds(&b.fake), 1);
	teardown(&b);
}

static void what_comes_while_masked_is_pending_and_raised_later(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(msi_vector_pending(b.vector), 0);
	msi_vector_raise(b.vector);
	msi_vector_raise(b.vector);
	assert_int_equal(msi_vector_pending(b.vector), 1);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 1), 0);
	assert_int_equal(msi_vector_pending(b.vector), 0);
	assert_int_equal(count(b.vector), 1); /* written again, for the irqfd to see */
	msi_vector_mask(b.vector);
	assert_int_equal(msi_vector_pending(b.vector), 0);
	teardown(&b);
}

static void a_refused_route_keeps_the_vector_pending(void **state _unused_)
{
	struct bench b;

	setup(&b);
	msi_vector_raise(b.vector);
	b.fake.fail = -EINVAL;
	assert_int_equal(msi_vector_unmask(b.vector, ~(uint64_t)0, 1), -EINVAL);
	assert_int_equal(msi_vector_pending(b.vector), 1);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 1), 0);
	b.fake.fail = -EINVAL;
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 1), 0);
	b.fake.fail = 0;
	assert_int_equal(fake_hv_irqfds(&b.fake), 1);
	teardown(&b);
}

static void vectors_have_gsis_of_their_own(void **state _unused_)
{
	struct msi_vector *more[3];
	struct bench b;

	setup(&b);
	assert_int_equal(msi_vector_unmask(b.vector, ADDRESS, 0), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(msi_vector_new(b.msi, &more[i]), 0);
		assert_int_equal(msi_vector_unmask(more[i], ADDRESS, i + 1), 0);
		assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI + 1 + i].data, i + 1);
	}
	msi_vector_free(more[1]);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI + 2].routed, 0);
	assert_int_equal(msi_vector_new(b.msi, &more[1]), 0);
	assert_int_equal(msi_vector_unmask(more[1], ADDRESS, 77), 0);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI + 2].data, 77);
	for (int i = 0; i < 3; i++)
		msi_vector_free(more[i]);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_costs_nothing_until_it_is_unmasked),
		cmocka_unit_test(a_message_is_routed_only_when_it_changes),
		cmocka_unit_test(what_comes_while_masked_is_pending_and_raised_later),
		cmocka_unit_test(a_refused_route_keeps_the_vector_pending),
		cmocka_unit_test(vectors_have_gsis_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
