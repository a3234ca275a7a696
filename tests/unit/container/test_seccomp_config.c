// SPDX-License-Identifier: GPL-2.0-or-later
/* Filters are run by a small machine of the kernel's kind, and compared with what libseccomp makes of the same. */
#include "container/seccomp_config.h"
#include "base/mem.h"
#include "base/strv.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <cmocka.h>

#define PODMAN "tests/fuzz/corpus/config/podman"
#define X32    0x40000000
#define CALLS  440 /* fewer than either knows */

static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t value;

	assert_true(offset % 4 == 0 && offset + 4 <= sizeof(*data));
	memcpy(&value, (const uint8_t *)data + offset, sizeof(value));
	return value;
}

static int holds(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return (a & k) != 0;
	default:
		fail_msg("jump %x", code);
		return 0;
	}
}

static uint32_t decide(const struct filter *filter, uint32_t arch, int number,
		       const uint64_t args[6])
{
	struct seccomp_data data = { .nr = number, .arch = arch };
	uint32_t a = 0;

	memcpy(data.args, args, sizeof(data.args));
	for (size_t at = 0; at < filter->n; at++) {
		const struct sock_filter *code = &filter->code[at];

		if (code->code == (BPF_RET | BPF_K))
			return code->k;
		if (code->code == (BPF_LD | BPF_W | BPF_ABS))
			a = load(&data, code->k);
		else if (code->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= code->k;
		else if (code->code == (BPF_JMP | BPF_JA))
			at += code->k;
		else if (BPF_CLASS(code->code) == BPF_JMP)
			at += holds(code->code, a, code->k) ? code->jt : code->jf;
		else
			fail_msg("code %x", code->code);
	}
	fail_msg("the filter does not end");
	return 0;
}

static int compile(const char *text, struct seccomp_config *ret, struct err *err)
{
	_cleanup_free_ char *whole =
		mem_printf("{\"ociVersion\":\"1.0.2\",\"linux\":{\"seccomp\":%s}}", text);
	_cleanup_config_ struct config config = { 0 };
	_cleanup_json_ struct json *json = NULL;

	assert_int_equal(json_parse(whole, strlen(whole), "text", &json, err), 0);
	if (config_read(json, &config, err) < 0)
		fail_msg("%s", err->msg);
	return seccomp_config_compile(&config.on_linux.seccomp, ret, err);
}

static uint32_t verdict(const char *text, int number, uint64_t first, uint64_t second)
{
	_cleanup_seccomp_config_ struct seccomp_config seccomp = { 0 };
	const uint64_t args[6] = { first, second };
	struct err err = ERR_INIT;

	if (compile(text, &seccomp, &err) < 0)
		fail_msg("%s", err.msg);
	return decide(&seccomp.filter, AUDIT_ARCH_X86_64, number, args);
}

/* libseccomp's, of the actions that podman's profile has. */
static uint32_t peer_action(const char *name, int has_errno, uint64_t number)
{
	if (!strcmp(name, "SCMP_ACT_ALLOW"))
		return SCMP_ACT_ALLOW;
	assert_string_equal(name, "SCMP_ACT_ERRNO");
	return SCMP_ACT_ERRNO(has_errno ? (uint32_t)number : EPERM);
}

static enum scmp_compare peer_operator(const char *name)
{
	return !strcmp(name, "SCMP_CMP_EQ")   ? SCMP_CMP_EQ
	       : !strcmp(name, "SCMP_CMP_NE") ? SCMP_CMP_NE
					      : SCMP_CMP_MASKED_EQ;
}

static void peer_add(scmp_filter_ctx peer, const struct config_seccomp_rule *rule, uint32_t other)
{
	uint32_t action = peer_action(rule->action, rule->has_errno, rule->errno_value);
	struct scmp_arg_cmp args[6];

	if (action == other)
		return;
	for (size_t i = 0; i < rule->n_arguments; i++)
		args[i] = (struct scmp_arg_cmp){ .arg = (unsigned int)rule->arguments[i].index,
						 .op = peer_operator(rule->arguments[i].op),
						 .datum_a = rule->arguments[i].value,
						 .datum_b = rule->arguments[i].value_two };
	strv_for_each(name, rule->names) {
		int number = seccomp_syscall_resolve_name(*name);

		if (number != __NR_SCMP_ERROR)
			assert_int_equal(seccomp_rule_add_array(peer, action, number,
								(unsigned int)rule->n_arguments,
								args),
					 0);
	}
}

static void peer_compile(const struct config_seccomp *config, struct filter *ret)
{
	uint32_t other = peer_action(config->default_action, config->has_default_errno,
				     config->default_errno);
	scmp_filter_ctx peer = seccomp_init(other);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;

	assert_int_equal(seccomp_arch_add(peer, SCMP_ARCH_X86), 0);
	assert_int_equal(seccomp_arch_add(peer, SCMP_ARCH_X32), 0);
	for (size_t i = 0; i < config->n_rules; i++)
		peer_add(peer, &config->rules[i], other);
	assert_int_equal(seccomp_export_bpf(peer, fd), 0);
	seccomp_release(peer);
	assert_int_equal(fstat(fd, &st), 0);
	ret->n = (size_t)st.st_size / sizeof(struct sock_filter);
	ret->code = mem_zalloc((size_t)st.st_size);
	assert_int_equal(pread(fd, ret->code, (size_t)st.st_size, 0), st.st_size);
	close(fd);
}

static void compare(const struct filter *ours, const struct filter *theirs, int number,
		    const uint64_t args[6])
{
	uint32_t mine = decide(ours, AUDIT_ARCH_X86_64, number, args);
	uint32_t other = decide(theirs, AUDIT_ARCH_X86_64, number, args);

	if (mine != other)
		fail_msg("call %#x with %llx and %llx: %x, not %x", (unsigned int)number,
			 (unsigned long long)args[0], (unsigned long long)args[2], mine, other);
}

static void engines_get_what_libseccomp_would_give_them(void **state _unused_)
{
	static const uint64_t values[] = {
		0,	   1, 8, 9, 16, 0x20000, 0x20008, 0xffffffff, 1ULL << 32, (1ULL << 32) + 8,
		UINT64_MAX
	};
	_cleanup_seccomp_config_ struct seccomp_config ours = { 0 };
	_cleanup_filter_ struct filter theirs = { 0 };
	_cleanup_config_ struct config config = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(config_load(AT_FDCWD, PODMAN, &config, &err), 0);
	assert_int_equal(seccomp_config_compile(&config.on_linux.seccomp, &ours, &err), 0);
	peer_compile(&config.on_linux.seccomp, &theirs);
	for (int number = 0; number < CALLS; number++) {
		for (size_t i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
			uint64_t args[6] = { values[i % ARRAY_SIZE(values)], 0,
					     values[i / ARRAY_SIZE(values)] };

			compare(&ours.filter, &theirs, number, args);
			compare(&ours.filter, &theirs, X32 + number, args);
		}
	}
	assert_true(ours.filter.n < theirs.n);
}

static void every_operator_looks_at_all_64_bits(void **state _unused_)
{
	static const struct {
		const char *op;
		uint64_t value, mask_value, argument;
		int holds;
	} cases[] = {
		{ "EQ", 5ULL << 32 | 7, 0, 5ULL << 32 | 7, 1 },
		{ "EQ", 5ULL << 32 | 7, 0, 7, 0 },
		{ "EQ", 7, 0, 1ULL << 32 | 7, 0 },
		{ "NE", 7, 0, 1ULL << 32 | 7, 1 },
		{ "NE", 5ULL << 32 | 7, 0, 5ULL << 32 | 7, 0 },
		{ "LT", 1ULL << 32, 0, UINT32_MAX, 1 },
		{ "LT", 1ULL << 32, 0, 1ULL << 32, 0 },
		{ "LT", 7, 0, 7, 0 },
		{ "LT", 7, 0, 6, 1 },
		{ "LT", 7, 0, 1ULL << 32, 0 },
		{ "LE", 7, 0, 7, 1 },
		{ "LE", 7, 0, 8, 0 },
		{ "LE", 3ULL << 32, 0, 2ULL << 32 | 9, 1 },
		{ "GT", 1ULL << 32, 0, UINT32_MAX, 0 },
		{ "GT", 7, 0, 1ULL << 32, 1 },
		{ "GT", 7, 0, 7, 0 },
		{ "GE", 7, 0, 7, 1 },
		{ "GE", 3ULL << 32 | 7, 0, 3ULL << 32 | 6, 0 },
		{ "GE", 3ULL << 32 | 7, 0, 4ULL << 32, 1 },
		{ "MASKED_EQ", 0xf0, 0x30, 0x3f, 1 },
		{ "MASKED_EQ", 0xf0, 0x30, 0x4f, 0 },
		{ "MASKED_EQ", 1ULL << 40, 1ULL << 40, 3ULL << 40, 1 },
		{ "MASKED_EQ", 1ULL << 40, 1ULL << 40, 2ULL << 40, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = mem_printf(
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],"
			"\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,\"value\":%llu,"
			"\"valueTwo\":%llu,\"op\":\"SCMP_CMP_%s\"}]}]}",
			(unsigned long long)cases[i].value, (unsigned long long)cases[i].mask_value,
			cases[i].op);
		uint32_t got = verdict(text, SYS_read, 0, cases[i].argument);

		if ((got == SECCOMP_RET_ALLOW) != cases[i].holds)
			fail_msg("%s %llx with %llx", cases[i].op,
				 (unsigned long long)cases[i].value,
				 (unsigned long long)cases[i].argument);
	}
}

#define TWO_TESTS(first, second)                                                                 \
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"write\"],\"action\":" \
	"\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":" first ",\"value\":1,\"op\":\"SCMP_CMP_EQ\"}," \
	"{\"index\":" second ",\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}"

static void all_arguments_of_a_rule_have_to_hold(void **state _unused_)
{
	const char *rule = TWO_TESTS("0", "1"), *either = TWO_TESTS("0", "0");

	assert_int_equal(verdict(rule, SYS_write, 1, 2), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(rule, SYS_write, 1, 3), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(verdict(rule, SYS_write, 2, 2), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(verdict(either, SYS_write, 2, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(either, SYS_write, 1, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(either, SYS_write, 3, 0), SECCOMP_RET_ERRNO | EPERM);
}

static void every_action_is_the_kernels(void **state _unused_)
{
	static const struct {
		const char *name;
		uint32_t is;
	} cases[] = {
		{ "KILL", SECCOMP_RET_KILL_THREAD },
		{ "KILL_THREAD", SECCOMP_RET_KILL_THREAD },
		{ "KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
		{ "TRAP", SECCOMP_RET_TRAP },
		{ "ERRNO", SECCOMP_RET_ERRNO | 7 },
		{ "TRACE", SECCOMP_RET_TRACE | 7 },
		{ "LOG", SECCOMP_RET_LOG },
		{ "NOTIFY", SECCOMP_RET_USER_NOTIF },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			mem_printf("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
				   "[\"nosuch\","
				   "\"read\"],\"action\":\"SCMP_ACT_%s\",\"errnoRet\":7}]}",
				   cases[i].name);

		assert_int_equal(verdict(text, SYS_read, 0, 0), cases[i].is);
		assert_int_equal(verdict(text, SYS_write, 0, 0), SECCOMP_RET_ALLOW);
	}
}

static void the_default_action_has_an_errno_of_its_own(void **state _unused_)
{
	const char *text = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":28,"
			   "\"syscalls\":[{\"names\":[\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"},"
			   "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\"}]}";

	assert_int_equal(verdict(text, SYS_write, 0, 0), SECCOMP_RET_ERRNO | ENOSPC);
	assert_int_equal(verdict(text, SYS_read, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(verdict(text, SYS_openat2, 0, 0), SECCOMP_RET_ALLOW);
}

static void what_is_newer_than_the_rules_does_not_exist_where_it_would_be_denied(
	void **state _unused_)
{
	const char *deny = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":["
			   "\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";
	const char *allow = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":["
			    "\"openat2\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"}]}";

	assert_int_equal(verdict(deny, SYS_openat2, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(deny, SYS_openat2 - 1, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(verdict(deny, SYS_openat2 + 1, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(verdict(deny, 5000, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(verdict(allow, 5000, 0, 0), SECCOMP_RET_ALLOW);
	/* the same call by its other number is no way around */
	assert_int_equal(verdict(allow, X32 + SYS_openat2, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

static void listeners_and_flags_are_told(void **state _unused_)
{
	_cleanup_seccomp_config_ struct seccomp_config seccomp = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":["
				 "\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":[{\"names\":[\"read\"],"
				 "\"action\":\"SCMP_ACT_NOTIFY\"}]}",
				 &seccomp, &err),
			 0);
	assert_true(seccomp.notifies);
	assert_int_equal(seccomp.flags, SECCOMP_FILTER_FLAG_LOG);
}

static void an_error_says_which_member_is_wrong(void **state _unused_)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "{\"defaultAction\":\"ALLOW\"}",
		  "linux.seccomp.defaultAction: 'ALLOW' is no action" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\","
		  "\"Z80\"]}",
		  "linux.seccomp.architectures[1]: 'Z80' is no architecture" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"F\"]}",
		  "linux.seccomp.flags[0]: 'F' is no flag" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"X\"}]}",
		  "linux.seccomp.syscalls[0].action: 'X' is no action" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":"
		  "\"SCMP_ACT_LOG\"}]}",
		  "linux.seccomp.syscalls[0].names: there are none" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"value\":0,\"op\":\"==\"}]}]"
		  "}",
		  "linux.seccomp.syscalls[0].args[0].op: '==' is no operator" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_seccomp_config_ struct seccomp_config seccomp = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(compile(cases[i].text, &seccomp, &err), -EINVAL);
		assert_string_equal(err.msg, cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_get_what_libseccomp_would_give_them),
		cmocka_unit_test(every_operator_looks_at_all_64_bits),
		cmocka_unit_test(all_arguments_of_a_rule_have_to_hold),
		cmocka_unit_test(every_action_is_the_kernels),
		cmocka_unit_test(the_default_action_has_an_errno_of_its_own),
		cmocka_unit_test(
			what_is_newer_than_the_rules_does_not_exist_where_it_would_be_denied),
		cmocka_unit_test(listeners_and_flags_are_told),
		cmocka_unit_test(an_error_says_which_member_is_wrong),
	};

	return cmocka_run_group_tests_name("container/seccomp_config", tests, NULL, NULL);
}
