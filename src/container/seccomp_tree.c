// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: runs of numbers with one verdict become a range, and the ranges a balanced tree of comparisons.
 * That matters: when a filter is installed, the kernel runs it for every number and compiles all of it,
 * and every call of the workload that it cannot answer from that goes through it.
 *
 * A comparison can jump over at most 255 instructions, and only forward. So the tree is made of blocks that are shorter
 * than that: the comparisons of a block, one instruction each, and behind them what its ranges lead to, once for each
 * verdict. Above the blocks a comparison needs a second instruction to jump farther.
 *
 * A rule is a chain of tests; each loads one half of an argument at a time, since the kernel's machine has 32 bits.
 * A test jumps to where it holds (the next test), or to where it fails (the next rule).
 */
#include "container/seccomp_tree.h"
#include "base/mem.h"

#include <linux/seccomp.h>
#include <string.h>

#define SECCOMP_TREE_X32 0x40000000U /* __X32_SYSCALL_BIT */

struct seccomp_tree_range {
	uint32_t first;
	const struct seccomp_tree_verdict *verdict;
};

struct seccomp_tree {
	struct filter *filter;
	struct seccomp_tree_verdict beyond;
	struct seccomp_tree_range ranges[SECCOMP_TREE_NUMBERS + 1];
	size_t n_ranges;
};

static size_t seccomp_tree_put(struct filter *filter, uint16_t code, uint32_t k)
{
	/* room for twice as many whenever it is full */
	if (!(filter->n & (filter->n - 1)))
		filter->code = mem_realloc(filter->code, filter->n ? 2 * filter->n : 1,
					   sizeof(*filter->code));
	filter->code[filter->n] = (struct sock_filter){ .code = code, .k = k };
	return filter->n++;
}

static void seccomp_tree_put_return(struct filter *filter, uint32_t action)
{
	seccomp_tree_put(filter, BPF_RET | BPF_K, action);
}

static void seccomp_tree_put_load(struct filter *filter, size_t offset)
{
	seccomp_tree_put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* A jump over what follows, where the comparison does not hold; its length is set by _land(). */
static size_t seccomp_tree_put_skip(struct filter *filter, uint16_t comparison, uint32_t k)
{
	size_t test = seccomp_tree_put(filter, BPF_JMP | BPF_K | comparison, k);
	size_t skip = seccomp_tree_put(filter, BPF_JMP | BPF_JA, 0);

	filter->code[test].jt = 1;
	return skip;
}

static void seccomp_tree_land(struct filter *filter, size_t skip)
{
	filter->code[skip].k = (uint32_t)(filter->n - skip - 1);
}

/* Where a comparison of a test goes: on to the next instruction, or to one of two places not known yet. */
enum seccomp_tree_way {
	SECCOMP_TREE_ON,
	SECCOMP_TREE_HOLDS,
	SECCOMP_TREE_FAILS,
};

/* At most three comparisons a test. */
#define SECCOMP_TREE_JUMPS (2 * 3 * SECCOMP_TREE_TESTS)

struct seccomp_tree_jumps {
	struct {
		size_t at;
		int if_true;
	} list[SECCOMP_TREE_JUMPS];
	size_t n;
};

struct seccomp_tree_chain {
	struct filter *filter;
	struct seccomp_tree_jumps holds, fails;
};

static void seccomp_tree_note(struct seccomp_tree_chain *chain, enum seccomp_tree_way way,
			      size_t at, int if_true)
{
	struct seccomp_tree_jumps *jumps =
		way == SECCOMP_TREE_HOLDS ? &chain->holds : &chain->fails;

	if (way == SECCOMP_TREE_ON)
		return;
	jumps->list[jumps->n].at = at;
	jumps->list[jumps->n++].if_true = if_true;
}

/* All of them lead to here. A rule is far shorter than the 255 instructions that a jump can pass. */
static void seccomp_tree_arrive(struct filter *filter, struct seccomp_tree_jumps *jumps)
{
	for (size_t i = 0; i < jumps->n; i++) {
		struct sock_filter *code = &filter->code[jumps->list[i].at];
		uint8_t distance = (uint8_t)(filter->n - jumps->list[i].at - 1);

		if (jumps->list[i].if_true)
			code->jt = distance;
		else
			code->jf = distance;
	}
	jumps->n = 0;
}

static void seccomp_tree_compare(struct seccomp_tree_chain *chain, uint16_t comparison, uint32_t k,
				 enum seccomp_tree_way if_true, enum seccomp_tree_way if_false)
{
	size_t at = seccomp_tree_put(chain->filter, BPF_JMP | BPF_K | comparison, k);

	seccomp_tree_note(chain, if_true, at, 1);
	seccomp_tree_note(chain, if_false, at, 0);
}

/* Little-endian machines have an argument's low half first. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the filter loads the wrong half");

static void seccomp_tree_load_half(struct filter *filter, const struct seccomp_tree_test *test,
				   int high)
{
	uint32_t mask = (uint32_t)(high ? test->mask >> 32 : test->mask);

	seccomp_tree_put_load(filter, offsetof(struct seccomp_data, args) +
					      test->argument * sizeof(uint64_t) +
					      (high ? sizeof(uint32_t) : 0));
	if (mask != UINT32_MAX)
		seccomp_tree_put(filter, BPF_ALU | BPF_AND | BPF_K, mask);
}

/* Both halves equal, or (unequal) not both. */
static void seccomp_tree_put_equal(struct seccomp_tree_chain *chain,
				   const struct seccomp_tree_test *test, int unequal)
{
	enum seccomp_tree_way same = unequal ? SECCOMP_TREE_FAILS : SECCOMP_TREE_HOLDS;
	enum seccomp_tree_way differs = unequal ? SECCOMP_TREE_HOLDS : SECCOMP_TREE_FAILS;

	/* a high half that is nothing either way needs no look */
	if (test->mask >> 32 || test->value >> 32) {
		seccomp_tree_load_half(chain->filter, test, 1);
		seccomp_tree_compare(chain, BPF_JEQ, (uint32_t)(test->value >> 32), SECCOMP_TREE_ON,
				     differs);
	}
	seccomp_tree_load_half(chain->filter, test, 0);
	seccomp_tree_compare(chain, BPF_JEQ, (uint32_t)test->value, same, differs);
}

/* The high half decides unless both are the same; then the low one does, by `low`. */
static void seccomp_tree_put_order(struct seccomp_tree_chain *chain,
				   const struct seccomp_tree_test *test, uint16_t low,
				   enum seccomp_tree_way greater, enum seccomp_tree_way smaller)
{
	uint32_t high = (uint32_t)(test->value >> 32);

	seccomp_tree_load_half(chain->filter, test, 1);
	seccomp_tree_compare(chain, BPF_JGT, high, greater, SECCOMP_TREE_ON);
	seccomp_tree_compare(chain, BPF_JEQ, high, SECCOMP_TREE_ON, smaller);
	seccomp_tree_load_half(chain->filter, test, 0);
	seccomp_tree_compare(chain, low, (uint32_t)test->value, greater, smaller);
}

static void seccomp_tree_put_test(struct seccomp_tree_chain *chain,
				  const struct seccomp_tree_test *test)
{
	const enum seccomp_tree_way holds = SECCOMP_TREE_HOLDS, fails = SECCOMP_TREE_FAILS;

	switch (test->op) {
	case SECCOMP_TREE_EQ:
	case SECCOMP_TREE_NE:
		seccomp_tree_put_equal(chain, test, test->op == SECCOMP_TREE_NE);
		break;
	case SECCOMP_TREE_GT:
		seccomp_tree_put_order(chain, test, BPF_JGT, holds, fails);
		break;
	case SECCOMP_TREE_GE:
		seccomp_tree_put_order(chain, test, BPF_JGE, holds, fails);
		break;
	case SECCOMP_TREE_LT:
		seccomp_tree_put_order(chain, test, BPF_JGE, fails, holds);
		break;
	case SECCOMP_TREE_LE:
		seccomp_tree_put_order(chain, test, BPF_JGT, fails, holds);
		break;
	}
	seccomp_tree_arrive(chain->filter, &chain->holds);
}

static void seccomp_tree_put_verdict(struct filter *filter,
				     const struct seccomp_tree_verdict *verdict)
{
	for (size_t i = 0; i < verdict->n_rules; i++) {
		const struct seccomp_tree_rule *rule = &verdict->rules[i];
		struct seccomp_tree_chain chain = { .filter = filter };

		for (size_t j = 0; j < rule->n_tests; j++)
			seccomp_tree_put_test(&chain, &rule->tests[j]);
		seccomp_tree_put_return(filter, rule->action);
		seccomp_tree_arrive(filter, &chain.fails);
	}
	seccomp_tree_put_return(filter, verdict->action);
}

static int seccomp_tree_same(const struct seccomp_tree_verdict *a,
			     const struct seccomp_tree_verdict *b)
{
	return a->action == b->action && a->n_rules == b->n_rules &&
	       (a->rules == b->rules || !a->n_rules);
}

static void seccomp_tree_make_ranges(struct seccomp_tree *tree,
				     const struct seccomp_tree_table *table, uint32_t base)
{
	tree->n_ranges = 0;
	tree->beyond = (struct seccomp_tree_verdict){ .action = table->beyond };
	for (uint32_t i = 0; i <= SECCOMP_TREE_NUMBERS; i++) {
		const struct seccomp_tree_verdict *verdict =
			i < SECCOMP_TREE_NUMBERS ? &table->verdicts[i] : &tree->beyond;

		if (i && seccomp_tree_same(tree->ranges[tree->n_ranges - 1].verdict, verdict))
			continue;
		tree->ranges[tree->n_ranges++] =
			(struct seccomp_tree_range){ .first = base + i, .verdict = verdict };
	}
}

#define SECCOMP_TREE_REACH 255 /* of a comparison: jt and jf are bytes */
/* Two loads with a mask each, and three comparisons. */
#define SECCOMP_TREE_TEST_LEN 7

/* At most so many instructions. */
static size_t seccomp_tree_verdict_len(const struct seccomp_tree_verdict *verdict)
{
	size_t len = 1;

	for (size_t i = 0; i < verdict->n_rules; i++)
		len += verdict->rules[i].n_tests * SECCOMP_TREE_TEST_LEN + 1;
	return len;
}

/* A comparison's way to what a range leads to. */
struct seccomp_tree_leaf {
	size_t at;
	int if_true;
	const struct seccomp_tree_verdict *verdict; /* NULL: has arrived */
};

struct seccomp_tree_block {
	struct seccomp_tree *tree;
	struct seccomp_tree_leaf leaves[SECCOMP_TREE_REACH + 1];
	size_t n;
};

/* Whether ranges [from, to) are a block: the same verdict may be counted twice. */
static int seccomp_tree_is_block(const struct seccomp_tree *tree, size_t from, size_t to)
{
	size_t len = to - from - 1;

	for (size_t i = from; i < to && len <= SECCOMP_TREE_REACH; i++) {
		const struct seccomp_tree_verdict *verdict = tree->ranges[i].verdict;
		size_t j = from;

		while (!seccomp_tree_same(tree->ranges[j].verdict, verdict))
			j++;
		len += j == i ? seccomp_tree_verdict_len(verdict) : 0;
	}
	return len <= SECCOMP_TREE_REACH;
}

static void seccomp_tree_put_ways(struct seccomp_tree_block *block, size_t from, size_t to);

/* Where the comparison `at` goes for ranges [from, to): the next instruction, or a verdict. */
static void seccomp_tree_put_way(struct seccomp_tree_block *block, size_t at, int if_true,
				 size_t from, size_t to)
{
	struct filter *filter = block->tree->filter;
	uint8_t distance = (uint8_t)(filter->n - at - 1);

	if (to - from == 1) {
		block->leaves[block->n++] =
			(struct seccomp_tree_leaf){ at, if_true,
						    block->tree->ranges[from].verdict };
		return;
	}
	if (if_true)
		filter->code[at].jt = distance;
	else
		filter->code[at].jf = distance;
	seccomp_tree_put_ways(block, from, to);
}

static void seccomp_tree_put_ways(struct seccomp_tree_block *block, size_t from, size_t to)
{
	size_t middle = from + (to - from) / 2;
	size_t at = seccomp_tree_put(block->tree->filter, BPF_JMP | BPF_JGE | BPF_K,
				     block->tree->ranges[middle].first);

	seccomp_tree_put_way(block, at, 0, from, middle);
	seccomp_tree_put_way(block, at, 1, middle, to);
}

/* All leaves with this one's verdict lead to here. */
static void seccomp_tree_put_leaves(struct seccomp_tree_block *block, size_t first)
{
	const struct seccomp_tree_verdict *verdict = block->leaves[first].verdict;
	struct filter *filter = block->tree->filter;

	for (size_t i = first; i < block->n; i++) {
		struct seccomp_tree_leaf *leaf = &block->leaves[i];
		uint8_t distance = (uint8_t)(filter->n - leaf->at - 1);

		if (!leaf->verdict || !seccomp_tree_same(leaf->verdict, verdict))
			continue;
		if (leaf->if_true)
			filter->code[leaf->at].jt = distance;
		else
			filter->code[leaf->at].jf = distance;
		leaf->verdict = NULL;
	}
	seccomp_tree_put_verdict(filter, verdict);
}

static void seccomp_tree_put_block(struct seccomp_tree *tree, size_t from, size_t to)
{
	struct seccomp_tree_block block = { .tree = tree };

	seccomp_tree_put_ways(&block, from, to);
	for (size_t i = 0; i < block.n; i++) {
		if (block.leaves[i].verdict)
			seccomp_tree_put_leaves(&block, i);
	}
}

/* The tree over ranges [from, to): at most log2(512) = 9 levels deep. */
static void seccomp_tree_put_tree(struct seccomp_tree *tree, size_t from, size_t to)
{
	size_t middle = from + (to - from) / 2, skip;

	if (to - from == 1) {
		seccomp_tree_put_verdict(tree->filter, tree->ranges[from].verdict);
		return;
	}
	if (seccomp_tree_is_block(tree, from, to)) {
		seccomp_tree_put_block(tree, from, to);
		return;
	}
	skip = seccomp_tree_put_skip(tree->filter, BPF_JGE, tree->ranges[middle].first);
	seccomp_tree_put_tree(tree, middle, to);
	seccomp_tree_land(tree->filter, skip);
	seccomp_tree_put_tree(tree, from, middle);
}

static void seccomp_tree_put_table(struct filter *filter, const struct seccomp_tree_table *table,
				   uint32_t base)
{
	_cleanup_free_ struct seccomp_tree *tree = mem_zalloc(sizeof(*tree));

	tree->filter = filter;
	seccomp_tree_make_ranges(tree, table, base);
	seccomp_tree_put_tree(tree, 0, tree->n_ranges);
}

void seccomp_tree_begin(struct filter *filter)
{
	*filter = (struct filter){ 0 };
	seccomp_tree_put_load(filter, offsetof(struct seccomp_data, arch));
}

void seccomp_tree_add(struct filter *filter, uint32_t audit, const struct seccomp_tree_table *table,
		      const struct seccomp_tree_table *x32)
{
	size_t other = seccomp_tree_put_skip(filter, BPF_JEQ, audit), low;

	seccomp_tree_put_load(filter, offsetof(struct seccomp_data, nr));
	if (x32) {
		low = seccomp_tree_put_skip(filter, BPF_JGE, SECCOMP_TREE_X32);
		seccomp_tree_put_table(filter, x32, SECCOMP_TREE_X32);
		seccomp_tree_land(filter, low);
	}
	seccomp_tree_put_table(filter, table, 0);
	seccomp_tree_land(filter, other);
}

void seccomp_tree_end(struct filter *filter, uint32_t action)
{
	seccomp_tree_put_return(filter, action);
}
