// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/seccomp_config.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/seccomp_arch.h"
#include "container/seccomp_tree.h"

#include <linux/seccomp.h>
#include <string.h>

#define SECCOMP_CONFIG_NOTIFY	 "SCMP_ACT_NOTIFY"
#define SECCOMP_CONFIG_ARGUMENTS SECCOMP_TREE_TESTS

/* The order of the names is that of the values. */
const char *const seccomp_config_actions[] = {
	"SCMP_ACT_KILL",	"SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO",	"SCMP_ACT_TRACE",
	"SCMP_ACT_ALLOW",	"SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",	NULL,
};
static const uint32_t seccomp_config_action_values[] = {
	SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
	SECCOMP_RET_TRAP,	 SECCOMP_RET_ERRNO,	   SECCOMP_RET_TRACE,
	SECCOMP_RET_ALLOW,	 SECCOMP_RET_LOG,	   SECCOMP_RET_USER_NOTIF,
};

const char *const seccomp_config_operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};
static const enum seccomp_tree_op seccomp_config_operator_values[] = {
	SECCOMP_TREE_NE, SECCOMP_TREE_LT, SECCOMP_TREE_LE, SECCOMP_TREE_EQ,
	SECCOMP_TREE_GE, SECCOMP_TREE_GT, SECCOMP_TREE_EQ,
};
#define SECCOMP_CONFIG_MASKED_EQ 6

const char *const seccomp_config_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};
static const unsigned int seccomp_config_flag_values[] = {
	SECCOMP_FILTER_FLAG_TSYNC,
	SECCOMP_FILTER_FLAG_LOG,
	SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

const char *const seccomp_config_archs[] = {
	"SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",      "SCMP_ARCH_X32",
	"SCMP_ARCH_ARM",      "SCMP_ARCH_AARCH64",     "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
	"SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_S390",
	"SCMP_ARCH_S390X",    "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_RISCV64",  "SCMP_ARCH_LOONGARCH64", NULL,
};

/* The rules with arguments of one call on one architecture; few calls have some. */
struct seccomp_config_call {
	int number;
	struct seccomp_tree_rule *rules;
	size_t n;
};

struct seccomp_config_table {
	struct seccomp_tree_table tree;
	uint8_t decided[SECCOMP_TREE_NUMBERS]; /* by a rule without arguments */
	struct seccomp_config_call *calls;
	size_t n_calls;
	int highest; /* of the calls that rules name */
};

static void seccomp_config_table_free(struct seccomp_config_table *table)
{
	for (size_t i = 0; table && i < table->n_calls; i++)
		free(table->calls[i].rules);
	if (table)
		free(table->calls);
	free(table);
}

static void seccomp_config_table_freep(struct seccomp_config_table **table)
{
	seccomp_config_table_free(*table);
}

struct seccomp_config_compiler {
	const struct config_seccomp *config;
	struct seccomp_config *result;
	struct seccomp_tree_rule *rules; /* of the rule that is looked at */
	size_t n_rules;
	uint32_t default_action;
	struct err *err;
};

/* The name's place in names, or -EINVAL. */
static int seccomp_config_find(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++) {
		if (!strcmp(names[i], name))
			return i;
	}
	return -EINVAL;
}

int seccomp_config_notifies(const struct config_seccomp *config)
{
	int notifies =
		config->default_action && !strcmp(config->default_action, SECCOMP_CONFIG_NOTIFY);

	for (size_t i = 0; i < config->n_rules; i++)
		notifies |= !strcmp(config->rules[i].action, SECCOMP_CONFIG_NOTIFY);
	return notifies;
}

int seccomp_config_has_flag(const char *name)
{
	int at = seccomp_config_find(seccomp_config_flags, name);

	return at >= 0 && filter_knows_flag(seccomp_config_flag_values[at]);
}

static int seccomp_config_action(const char *name, int has_errno, uint64_t number, uint32_t *ret)
{
	int i = seccomp_config_find(seccomp_config_actions, name);

	if (i < 0)
		return i;
	*ret = seccomp_config_action_values[i];
	if (*ret == SECCOMP_RET_ERRNO || *ret == SECCOMP_RET_TRACE)
		*ret |= has_errno ? (uint32_t)number : EPERM;
	return 0;
}

static int seccomp_config_test(const struct config_seccomp_argument *argument, uint64_t width,
			       struct seccomp_tree_test *ret)
{
	int i = seccomp_config_find(seccomp_config_operators, argument->op);

	if (i < 0)
		return i;
	*ret = (struct seccomp_tree_test){
		.argument = (unsigned int)argument->index,
		.op = seccomp_config_operator_values[i],
		.mask = (i == SECCOMP_CONFIG_MASKED_EQ ? argument->value : UINT64_MAX) & width,
		.value = (i == SECCOMP_CONFIG_MASKED_EQ ? argument->value_two : argument->value) &
			 width,
	};
	return 0;
}

static int seccomp_config_repeats(const struct config_seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->n_arguments; i++) {
		if (seen & 1U << rule->arguments[i].index)
			return 1;
		seen |= 1U << rule->arguments[i].index;
	}
	return 0;
}

/* One rule of the configuration: one of ours where all arguments have to hold, else one for each. */
static int seccomp_config_make_rules(struct seccomp_config_compiler *compiler, size_t index,
				     uint32_t action, uint64_t width)
{
	const struct config_seccomp_rule *rule = &compiler->config->rules[index];
	int any = seccomp_config_repeats(rule);

	compiler->n_rules = any ? rule->n_arguments : 1;
	free(compiler->rules);
	compiler->rules = mem_zalloc(compiler->n_rules * sizeof(*compiler->rules));
	for (size_t i = 0; i < compiler->n_rules; i++)
		compiler->rules[i].action = action;
	for (size_t i = 0; i < rule->n_arguments; i++) {
		struct seccomp_tree_rule *ours = &compiler->rules[any ? i : 0];

		if (seccomp_config_test(&rule->arguments[i], width, &ours->tests[ours->n_tests++]) <
		    0)
			return err_set(compiler->err, -EINVAL,
				       "linux.seccomp.syscalls[%zu].args[%zu].op: '%.32s' is no "
				       "operator",
				       index, i, rule->arguments[i].op);
	}
	return 0;
}

static struct seccomp_config_call *seccomp_config_call_of(struct seccomp_config_table *table,
							  int number)
{
	for (size_t i = 0; i < table->n_calls; i++) {
		if (table->calls[i].number == number)
			return &table->calls[i];
	}
	table->calls = mem_realloc(table->calls, table->n_calls + 1, sizeof(*table->calls));
	table->calls[table->n_calls] = (struct seccomp_config_call){ .number = number };
	return &table->calls[table->n_calls++];
}

static void seccomp_config_add(const struct seccomp_config_compiler *compiler,
			       struct seccomp_config_table *table, int number)
{
	struct seccomp_tree_verdict *verdict = &table->tree.verdicts[number];
	struct seccomp_config_call *call;

	if (number > table->highest)
		table->highest = number;
	if (table->decided[number])
		return;
	if (!compiler->rules[0].n_tests) {
		table->decided[number] = 1;
		*verdict = (struct seccomp_tree_verdict){ .action = compiler->rules[0].action };
		return;
	}
	call = seccomp_config_call_of(table, number);
	call->rules = mem_realloc(call->rules, call->n + compiler->n_rules, sizeof(*call->rules));
	memcpy(call->rules + call->n, compiler->rules,
	       compiler->n_rules * sizeof(*compiler->rules));
	call->n += compiler->n_rules;
	verdict->rules = call->rules;
	verdict->n_rules = call->n;
}

static int seccomp_config_fill(struct seccomp_config_compiler *compiler,
			       const struct seccomp_arch *arch, struct seccomp_config_table *table)
{
	const struct config_seccomp *config = compiler->config;
	uint32_t action;

	for (size_t i = 0; i < config->n_rules; i++) {
		const struct config_seccomp_rule *rule = &config->rules[i];

		/* config-linux.md, "Seccomp": a rule for nothing is a mistake, and no rule for everything */
		if (!rule->names || !rule->names[0])
			return err_set(compiler->err, -EINVAL,
				       "linux.seccomp.syscalls[%zu].names: there are none", i);
		if (seccomp_config_action(rule->action, rule->has_errno, rule->errno_value,
					  &action) < 0)
			return err_set(compiler->err, -EINVAL,
				       "linux.seccomp.syscalls[%zu].action: '%.32s' is no action",
				       i, rule->action);
		if (seccomp_config_make_rules(compiler, i, action, arch->width) < 0)
			return -EINVAL;
		/* libseccomp refuses such a rule, and engines leave it out */
		if (action == compiler->default_action)
			continue;
		strv_for_each(name, rule->names) {
			int number = seccomp_arch_number(arch, *name);

			if (number >= 0 && number < SECCOMP_TREE_NUMBERS)
				seccomp_config_add(compiler, table, number);
		}
	}
	return 0;
}

static int seccomp_config_denies(uint32_t action)
{
	uint32_t kind = action & SECCOMP_RET_ACTION_FULL;

	return kind == SECCOMP_RET_ERRNO || kind == SECCOMP_RET_TRAP ||
	       kind == SECCOMP_RET_KILL_THREAD || kind == SECCOMP_RET_KILL_PROCESS;
}

static int seccomp_config_make_table(struct seccomp_config_compiler *compiler,
				     const struct seccomp_arch *arch,
				     struct seccomp_config_table **ret)
{
	_cleanup_(seccomp_config_table_freep) struct seccomp_config_table *table =
		mem_zalloc(sizeof(*table));
	uint32_t action = compiler->default_action, newer = action;
	int r;

	if (seccomp_config_denies(action))
		newer = SECCOMP_RET_ERRNO | ENOSYS;
	for (size_t i = 0; i < SECCOMP_TREE_NUMBERS; i++)
		table->tree.verdicts[i].action = action;
	r = seccomp_config_fill(compiler, arch, table);
	if (r < 0)
		return r;
	for (size_t i = (size_t)table->highest + 1; i < SECCOMP_TREE_NUMBERS; i++)
		table->tree.verdicts[i].action = newer;
	table->tree.beyond = newer;
	*ret = take_ptr(table);
	return 0;
}

/* Calls in a form that is not asked for end their process, or they would be a way around the rules. */
static struct seccomp_config_table *seccomp_config_kill_all(void)
{
	struct seccomp_config_table *table = mem_zalloc(sizeof(*table));

	for (size_t i = 0; i < SECCOMP_TREE_NUMBERS; i++)
		table->tree.verdicts[i].action = SECCOMP_RET_KILL_PROCESS;
	table->tree.beyond = SECCOMP_RET_KILL_PROCESS;
	return table;
}

/* Absent, it is the native one alone. */
static int seccomp_config_wants(const struct config_seccomp *config,
				const struct seccomp_arch *arch)
{
	if (!config->architectures || !config->architectures[0])
		return arch == seccomp_archs;
	return strv_has(config->architectures, arch->name);
}

/* The one after an architecture may share its calls. */
static int seccomp_config_make_x32(struct seccomp_config_compiler *compiler,
				   const struct seccomp_arch *arch,
				   struct seccomp_config_table **ret)
{
	if (!arch->name || !arch->is_x32)
		return 0;
	if (seccomp_config_wants(compiler->config, arch))
		return seccomp_config_make_table(compiler, arch, ret);
	*ret = seccomp_config_kill_all();
	return 0;
}

static int seccomp_config_add_arch(struct seccomp_config_compiler *compiler,
				   const struct seccomp_arch *arch)
{
	_cleanup_(seccomp_config_table_freep) struct seccomp_config_table *table = NULL,
									  *x32 = NULL;
	int r = seccomp_config_make_table(compiler, arch, &table);

	if (r == 0)
		r = seccomp_config_make_x32(compiler, arch + 1, &x32);
	if (r == 0)
		seccomp_tree_add(&compiler->result->filter, arch->audit, &table->tree,
				 x32 ? &x32->tree : NULL);
	return r;
}

static int seccomp_config_check(struct seccomp_config_compiler *compiler)
{
	const struct config_seccomp *config = compiler->config;
	size_t i = 0;

	if (seccomp_config_action(config->default_action, config->has_default_errno,
				  config->default_errno, &compiler->default_action) < 0)
		return err_set(compiler->err, -EINVAL,
			       "linux.seccomp.defaultAction: '%.32s' is no action",
			       config->default_action);
	strv_for_each(arch, config->architectures) {
		if (seccomp_config_find(seccomp_config_archs, *arch) < 0)
			return err_set(compiler->err, -EINVAL,
				       "linux.seccomp.architectures[%zu]: '%.32s' is no "
				       "architecture",
				       i, *arch);
		i++;
	}
	i = 0;
	strv_for_each(flag, config->flags) {
		int at = seccomp_config_find(seccomp_config_flags, *flag);

		if (at < 0)
			return err_set(compiler->err, -EINVAL,
				       "linux.seccomp.flags[%zu]: '%.48s' is no flag", i, *flag);
		if (!filter_knows_flag(seccomp_config_flag_values[at]))
			return err_set(compiler->err, -EOPNOTSUPP,
				       "linux.seccomp.flags[%zu]: the kernel does not have %s", i,
				       *flag);
		compiler->result->flags |= seccomp_config_flag_values[at];
		i++;
	}
	return 0;
}

int seccomp_config_compile(const struct config_seccomp *config, struct seccomp_config *ret,
			   struct err *err)
{
	struct seccomp_config_compiler compiler = { .config = config, .result = ret, .err = err };
	int r;

	*ret = (struct seccomp_config){ .notifies = seccomp_config_notifies(config) };
	r = seccomp_config_check(&compiler);
	seccomp_tree_begin(&ret->filter);
	for (const struct seccomp_arch *arch = seccomp_archs; arch->name && r == 0; arch++) {
		if (!arch->is_x32 && seccomp_config_wants(config, arch))
			r = seccomp_config_add_arch(&compiler, arch);
	}
	seccomp_tree_end(&ret->filter, SECCOMP_RET_KILL_PROCESS);
	free(compiler.rules);
	if (r == 0 && ret->filter.n > BPF_MAXINSNS)
		r = err_set(
			err, -E2BIG,
			"linux.seccomp has too many rules: %zu instructions, and the kernel takes "
			"%d",
			ret->filter.n, BPF_MAXINSNS);
	return r;
}

void seccomp_config_release(struct seccomp_config *seccomp)
{
	filter_release(&seccomp->filter);
}
