// SPDX-License-Identifier: GPL-2.0-or-later
/* How the members of a record that are limits are written and read. */
#include "base/mem.h"
#include "base/privilege.h"
#include "base/units.h"
#include "base/utf8.h"
#include "instance/limits-internal.h"
#include "proto/nic.h"
#include "proto/throttle.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* docker's least: less cannot even hold what the kernel keeps for a process */
#define LIMITS_MEMORY_MIN ((int64_t)6 << 20)
#define LIMITS_CPUS_MIN	  10
#define LIMITS_CPUS_MAX	  1024000
/* What the kernel takes for a number of a processor or node. */
#define LIMITS_SET_MAX	 65535
#define LIMITS_SCORE_MAX 1000

static void *limits_at(const struct limits_row *row, const struct instance *record)
{
	return (char *)(uintptr_t)record + row->offset;
}

int64_t *limits_int_at(const struct limits_row *row, const struct instance *record)
{
	return limits_at(row, record);
}

char *const *limits_list_at(const struct limits_row *row, const struct instance *record)
{
	return *(char ***)limits_at(row, record);
}

static int limits_is_none(const char *value)
{
	return !strcmp(value, "none");
}

/* --- sizes --- */

static int limits_set_size(const struct limits_row *row, struct instance *record, const char *value,
			   int add _unused_, struct err *err)
{
	int vm = record->kind == INSTANCE_VM;
	int is_whole = row->offset == offsetof(struct instance, memory);
	int64_t min = vm && is_whole ? INSTANCE_VM_MEMORY_MIN : LIMITS_MEMORY_MIN, size = 0;

	if (!limits_is_none(value) && units_parse_size(value, &size, err) < 0)
		return err->code;
	if ((!size && vm && is_whole && limits_is_none(value)) || (size && size < min))
		return err_set(err, -ERANGE, "%s",
			       vm && is_whole ? "a VM needs at least 96m"
					      : "at least 6m is needed");
	*limits_int_at(row, record) = size;
	return 0;
}

static void limits_put_size(struct buf *out, int64_t size)
{
	static const char units[] = "\0kmgt";
	int unit = 0;

	while (unit < 4 && size && size % 1024 == 0) {
		size /= 1024;
		unit++;
	}
	buf_printf(out, "%jd%.1s", (intmax_t)size, units + unit);
}

static void limits_show_size(const struct limits_row *row, const struct instance *record,
			     struct buf *out)
{
	int64_t size = *limits_int_at(row, record);

	if (size > 0)
		limits_put_size(out, size);
	else if (size < 0)
		buf_add_str(out, "-1");
}

const struct limits_value limits_size = { limits_set_size, limits_show_size };

static int limits_set_swap(const struct limits_row *row, struct instance *record, const char *value,
			   int add, struct err *err)
{
	if (strcmp(value, "-1") != 0)
		return limits_set_size(row, record, value, add, err);
	*limits_int_at(row, record) = -1;
	return 0;
}

const struct limits_value limits_swap = { limits_set_swap, limits_show_size };

/* --- numbers --- */

static int limits_set_cpus(const struct limits_row *row, struct instance *record, const char *value,
			   int add _unused_, struct err *err)
{
	int vm = record->kind == INSTANCE_VM;
	int64_t milli = 0;

	if (!limits_is_none(value) && units_parse_milli(value, &milli, err) < 0)
		return err->code;
	if (milli &&
	    (milli < LIMITS_CPUS_MIN || milli > (vm ? INSTANCE_VM_CPUS_MAX : LIMITS_CPUS_MAX)))
		return err_set(err, -ERANGE, "%s",
			       vm ? "a VM has 0.01 to 255" : "it is 0.01 to 1024");
	*limits_int_at(row, record) = milli;
	return 0;
}

static void limits_show_cpus(const struct limits_row *row, const struct instance *record,
			     struct buf *out)
{
	int64_t milli = *limits_int_at(row, record);
	char text[40];
	size_t len;

	if (!milli)
		return;
	len = (size_t)snprintf(text, sizeof(text), "%jd.%03jd", (intmax_t)(milli / 1000),
			       (intmax_t)(milli % 1000));
	while (text[len - 1] == '0')
		len--;
	buf_add(out, text, text[len - 1] == '.' ? len - 1 : len);
}

const struct limits_value limits_cpus = { limits_set_cpus, limits_show_cpus };

static int limits_parse_number(const struct limits_row *row, const char *value, int64_t *ret,
			       struct err *err)
{
	struct err why = ERR_INIT;

	*ret = 0;
	if (limits_is_none(value) || units_parse_int(value, row->min, row->max, ret, &why) == 0)
		return 0;
	return err_set(err, -ERANGE, "%s", row->range);
}

static int limits_set_number(const struct limits_row *row, struct instance *record,
			     const char *value, int add _unused_, struct err *err)
{
	return limits_parse_number(row, value, limits_int_at(row, record), err);
}

static void limits_show_number(const struct limits_row *row, const struct instance *record,
			       struct buf *out)
{
	int64_t number = *limits_int_at(row, record);

	if (number)
		buf_printf(out, "%jd", (intmax_t)number);
}

const struct limits_value limits_number = { limits_set_number, limits_show_number };

/* In a straight line, so that a share of twice another's is a weight of twice its. */
static int limits_set_shares(const struct limits_row *row, struct instance *record,
			     const char *value, int add _unused_, struct err *err)
{
	int64_t shares;
	int r = limits_parse_number(row, value, &shares, err);

	if (r < 0)
		return r;
	shares = shares ? (shares * 100 + 512) / 1024 : 0;
	*limits_int_at(row, record) = limits_is_none(value) ? 0 : shares < 1 ? 1 : shares;
	if (shares > 10000)
		*limits_int_at(row, record) = 10000;
	return 0;
}

const struct limits_value limits_shares = { limits_set_shares, limits_show_number };

static int limits_set_score(const struct limits_row *row, struct instance *record,
			    const char *value, int add _unused_, struct err *err)
{
	struct err why = ERR_INIT;
	int negative = *value == '-';
	int64_t number = 0;

	if (!limits_is_none(value) &&
	    units_parse_int(value + negative, 0, LIMITS_SCORE_MAX, &number, &why) < 0)
		return err_set(err, -ERANGE, "it is -1000 to 1000");
	*limits_int_at(row, record) = negative ? -number : number;
	return 0;
}

const struct limits_value limits_score = { limits_set_score, limits_show_number };

static int limits_set_flag(const struct limits_row *row, struct instance *record, const char *value,
			   int add _unused_, struct err *err)
{
	int on = !strcmp(value, "yes") || !strcmp(value, "true");

	if (!on && strcmp(value, "no") != 0 && strcmp(value, "false") != 0 &&
	    !limits_is_none(value))
		return err_set(err, -EINVAL, "it is yes or no");
	memcpy(limits_at(row, record), &on, sizeof(on));
	return 0;
}

static void limits_show_flag(const struct limits_row *row, const struct instance *record,
			     struct buf *out)
{
	int on;

	memcpy(&on, limits_at(row, record), sizeof(on));
	if (on)
		buf_add_str(out, "yes");
}

const struct limits_value limits_flag = { limits_set_flag, limits_show_flag };

/* --- sets: 0-3,8 --- */

static int limits_check_range(const char *text)
{
	_cleanup_strv_ char **ends = strv_split(text, "-");
	struct err ignored = ERR_INIT;
	int64_t first = 0, last = 0;
	size_t n = strv_len(ends);

	if (n < 1 || n > 2 || units_parse_int(ends[0], 0, LIMITS_SET_MAX, &first, &ignored) < 0 ||
	    units_parse_int(ends[n - 1], 0, LIMITS_SET_MAX, &last, &ignored) < 0 || last < first)
		return -EINVAL;
	return 0;
}

static int limits_set_sets(const struct limits_row *row, struct instance *record, const char *value,
			   int add _unused_, struct err *err)
{
	_cleanup_strv_ char **ranges = strv_split(value, ",");

	if (limits_is_none(value)) {
		mem_replace(limits_at(row, record), NULL);
		return 0;
	}
	strv_for_each(range, ranges) {
		if (limits_check_range(*range) < 0)
			return err_set(err, -EINVAL, "'%.64s' is no list such as 0-3,8", value);
	}
	if (!ranges)
		return err_set(err, -EINVAL, "it is a list such as 0-3,8, or 'none'");
	mem_replace(limits_at(row, record), value);
	return 0;
}

static void limits_show_sets(const struct limits_row *row, const struct instance *record,
			     struct buf *out)
{
	const char *text = *(char **)limits_at(row, record);

	if (text)
		buf_add_str(out, text);
}

const struct limits_value limits_sets = { limits_set_sets, limits_show_sets };

/* --- lists --- */

typedef int (*limits_check_fn)(const char *text, struct err *err);

static int limits_set_list(const struct limits_row *row, struct instance *record, const char *value,
			   int add, limits_check_fn check, struct err *err)
{
	char ***list = limits_at(row, record);
	_cleanup_strv_ char **texts = limits_is_none(value) ? NULL : strv_split(value, ",");

	strv_for_each(text, texts) {
		if (check(*text, err) < 0)
			return err->code;
	}
	if (!add)
		*list = strv_free(*list);
	strv_for_each(text, texts)
		strv_add(list, *text);
	return 0;
}

static void limits_show_list(const struct limits_row *row, const struct instance *record,
			     struct buf *out)
{
	_cleanup_free_ char *all = strv_join((char **)(uintptr_t)limits_list_at(row, record), ",");

	if (all)
		buf_add_str(out, all);
}

static int limits_check_bytes(const char *text, struct err *err)
{
	_cleanup_free_ char *device = NULL;
	int64_t rate;

	return throttle_parse(text, THROTTLE_BYTES, &device, &rate, err);
}

static int limits_check_operations(const char *text, struct err *err)
{
	_cleanup_free_ char *device = NULL;
	int64_t rate;

	return throttle_parse(text, THROTTLE_OPERATIONS, &device, &rate, err);
}

int limits_parse_pages(const char *text, char ret_name[16], int64_t *ret_size, struct err *err)
{
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *page = mem_strndup(text, len);
	int64_t size = 0;

	if (!text[len])
		return err_set(err, -EINVAL, "'%.64s': say PAGE:SIZE, as 2m:64m", text);
	if (units_parse_size(page, &size, err) < 0 ||
	    units_parse_size(text + len + 1, ret_size, err) < 0)
		return err->code;
	if (size < 4096 || size % 1024)
		return err_set(err, -EINVAL, "there are no huge pages of %.16s", page);
	/* mm/hugetlb_cgroup.c: mem_fmt() */
	if (size >= (int64_t)1 << 30)
		snprintf(ret_name, 16, "%jdGB", (intmax_t)(size >> 30));
	else if (size >= (int64_t)1 << 20)
		snprintf(ret_name, 16, "%jdMB", (intmax_t)(size >> 20));
	else
		snprintf(ret_name, 16, "%jdKB", (intmax_t)(size >> 10));
	return 0;
}

static int limits_check_pages(const char *text, struct err *err)
{
	char name[16];
	int64_t size;

	return limits_parse_pages(text, name, &size, err);
}

static int limits_check_rlimit(const char *text, struct err *err)
{
	struct privilege_rlimit limit;

	return privilege_parse_rlimit(text, &limit, err);
}

/* An absolute path that names nothing above itself. */
static int limits_is_path(const char *path)
{
	_cleanup_strv_ char **parts = strv_split(path, "/");

	return *path == '/' && utf8_valid(path) && !strv_has(parts, "..");
}

static int limits_check_device(const char *text, struct err *err)
{
	_cleanup_strv_ char **parts = strv_split(text, ":");
	size_t n = strv_len(parts);
	struct stat st;

	if (n > 1 && strspn(parts[n - 1], "rwm") == strlen(parts[n - 1]))
		n--;
	if (n < 1 || n > 2 || !limits_is_path(parts[0]) || !limits_is_path(parts[n - 1]))
		return err_set(err, -EINVAL, "'%.64s': say HOST[:INSIDE[:rwm]] with whole paths",
			       text);
	if (stat(parts[0], &st) < 0)
		return err_errno(err, -errno, "%.200s", parts[0]);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -ENODEV, "%.200s is no device", parts[0]);
	return 0;
}

#define LIMITS_LIST(what)                                                                   \
	static int limits_set_##what(const struct limits_row *row, struct instance *record, \
				     const char *value, int add, struct err *err)           \
	{                                                                                   \
		return limits_set_list(row, record, value, add, limits_check_##what, err);  \
	}

LIMITS_LIST(bytes)
LIMITS_LIST(operations)
LIMITS_LIST(pages)
LIMITS_LIST(rlimit)
LIMITS_LIST(device)

const struct limits_value limits_bytes = { limits_set_bytes, limits_show_list };
const struct limits_value limits_operations = { limits_set_operations, limits_show_list };
const struct limits_value limits_pages = { limits_set_pages, limits_show_list };
const struct limits_value limits_rlimits = { limits_set_rlimit, limits_show_list };
const struct limits_value limits_devices = { limits_set_device, limits_show_list };

/* --- the rate of all networks --- */

static int limits_set_net_rate(const struct limits_row *row _unused_, struct instance *record,
			       const char *value, int add _unused_, struct err *err)
{
	_cleanup_strv_ char **networks = NULL;
	int64_t rate = 0;

	if (!limits_is_none(value) && units_parse_rate(value, &rate, err) < 0)
		return err->code;
	if (nic_is_shared(record->networks) || nic_is_user(record->networks) ||
	    (rate && !strv_len(record->networks)))
		return err_set(err, -EINVAL, "'%s' has no network of brig's to limit",
			       record->name);
	for (size_t i = 0; record->networks && record->networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };

		if (nic_parse(record->networks[i], i, &nic, err) < 0)
			return err->code;
		nic.rate = rate;
		strv_add_take(&networks, nic_format(&nic));
	}
	if (nic_check_all(networks, err) < 0)
		return err->code;
	strv_free(record->networks);
	record->networks = take_ptr(networks);
	return 0;
}

static void limits_show_net_rate(const struct limits_row *row _unused_,
				 const struct instance *record, struct buf *out)
{
	for (size_t i = 0; record->networks && record->networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };
		struct err ignored = ERR_INIT;

		if (nic_parse(record->networks[i], i, &nic, &ignored) == 0 && nic.rate)
			buf_printf(out, "%s%jdbit", out->len ? "," : "", (intmax_t)nic.rate);
	}
}

const struct limits_value limits_net_rate = { limits_set_net_rate, limits_show_net_rate };
