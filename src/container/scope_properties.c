// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/scope_properties.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"
#include "container/resources.h"

#include <ctype.h>
#include <string.h>

/* cpu.max's, if none is given: Documentation/admin-guide/cgroup-v2.rst */
#define SCOPE_PROPERTIES_PERIOD_US 100000
/* Parts of a CPU that systemd has left once it has reloaded its units; it takes finer ones. */
#define SCOPE_PROPERTIES_PARTS 100

/* 0 is what engines send for "nothing said", -1 for no limit. */
static void scope_properties_add_number(char ***properties, const char *name, int has,
					int64_t value)
{
	if (!has || !value)
		return;
	if (value < 0)
		strv_add_printf(properties, "%s=infinity", name);
	else
		strv_add_printf(properties, "%s=%lld", name, (long long)value);
}

static void scope_properties_add_memory(const struct config_memory *memory, int version,
					char ***properties)
{
	int64_t limit = memory->has_limit ? memory->limit : 0;
	int64_t swap = memory->has_swap ? memory->swap : 0;

	/* as resources_apply() has it: who lifts the limit means both */
	if (limit < 0 && !swap)
		swap = -1;
	scope_properties_add_number(properties, "MemoryMax", 1, limit);
	scope_properties_add_number(properties, "MemoryLow", memory->has_reservation,
				    memory->reservation);
	if (version != 2)
		return;
	/* of both together there, of swap alone here */
	if (swap > 0 && limit > 0 && swap >= limit)
		strv_add_printf(properties, "MemorySwapMax=%lld", (long long)(swap - limit));
	else if (swap < 0)
		strv_add(properties, "MemorySwapMax=infinity");
}

static void scope_properties_add_quota(const struct config_cpu *cpu, char ***properties)
{
	uint64_t period = cpu->has_period && cpu->period ? cpu->period : SCOPE_PROPERTIES_PERIOD_US;
	uint64_t quota = cpu->has_quota && cpu->quota > 0 ? (uint64_t)cpu->quota : 0, parts = 0;

	if (cpu->has_period && cpu->period)
		strv_add_printf(properties, "CPUQuotaPeriodSec=%lluus",
				(unsigned long long)cpu->period);
	if (cpu->has_quota && cpu->quota < 0)
		strv_add(properties, "CPUQuota=");
	if (!quota || __builtin_mul_overflow(quota, SCOPE_PROPERTIES_PARTS, &parts))
		return;
	parts = parts / period + (parts % period != 0);
	strv_add_printf(properties, "CPUQuota=%llu%%", (unsigned long long)parts);
}

static void scope_properties_add_cpu(const struct config_cpu *cpu, int version, char ***properties)
{
	/* systemd.resource-control(5): the weight "idle" is cpu.idle */
	if (version == 2 && cpu->has_idle && cpu->idle)
		strv_add(properties, "CPUWeight=idle");
	else if (cpu->has_shares && cpu->shares && version == 2)
		strv_add_printf(properties, "CPUWeight=%llu",
				(unsigned long long)resources_cpu_weight(cpu->shares));
	else if (cpu->has_shares && cpu->shares)
		strv_add_printf(properties, "CPUShares=%llu", (unsigned long long)cpu->shares);
	scope_properties_add_quota(cpu, properties);
	if (version == 2 && cpu->cpus && *cpu->cpus)
		strv_add_printf(properties, "AllowedCPUs=%s", cpu->cpus);
	if (version == 2 && cpu->mems && *cpu->mems)
		strv_add_printf(properties, "AllowedMemoryNodes=%s", cpu->mems);
}

/* Version 2's files of linux.resources.unified that systemd writes too. */
static const struct {
	const char *file, *property;
} scope_properties_files[] = {
	{ "cpu.weight", "CPUWeight" },
	{ "cpuset.cpus", "AllowedCPUs" },
	{ "cpuset.mems", "AllowedMemoryNodes" },
	{ "memory.high", "MemoryHigh" },
	{ "memory.low", "MemoryLow" },
	{ "memory.max", "MemoryMax" },
	{ "memory.min", "MemoryMin" },
	{ "memory.swap.max", "MemorySwapMax" },
	{ "pids.max", "TasksMax" },
};

static void scope_properties_add_file(const struct record_pair *pair, char ***properties)
{
	for (size_t i = 0; i < ARRAY_SIZE(scope_properties_files); i++) {
		if (!strcmp(pair->key, scope_properties_files[i].file))
			strv_add_printf(properties, "%s=%s", scope_properties_files[i].property,
					strcmp(pair->value, "max") ? pair->value : "infinity");
	}
}

void scope_properties_limits(const struct config_resources *resources, int version,
			     char ***properties)
{
	const struct config_block_io *io = &resources->block_io;

	scope_properties_add_memory(&resources->memory, version, properties);
	scope_properties_add_cpu(&resources->cpu, version, properties);
	if (resources->has_pids)
		scope_properties_add_number(properties, "TasksMax", 1,
					    resources->pids > 0 ? resources->pids : -1);
	if (io->has_weight && io->weight && version == 2)
		strv_add_printf(properties, "IOWeight=%llu",
				(unsigned long long)resources_io_weight(io->weight));
	else if (io->has_weight && io->weight)
		strv_add_printf(properties, "BlockIOWeight=%llu", (unsigned long long)io->weight);
	for (size_t i = 0; i < resources->n_unified && version == 2; i++)
		scope_properties_add_file(&resources->unified[i], properties);
}

/* One that systemd has a word for: a device by number, or all of a major number, or all of a kind. */
static int scope_properties_is_plain(const struct cgroup_device *rule)
{
	return rule->allow && rule->type != 'a' && (rule->major >= 0 || rule->minor < 0);
}

static void scope_properties_add_device(const struct cgroup_device *rule, char ***properties)
{
	const char *kind = rule->type == 'c' ? "char" : "block";

	if (rule->major < 0)
		strv_add_printf(properties, "DeviceAllow=%s-* %s", kind, rule->access);
	else if (rule->minor < 0)
		strv_add_printf(properties, "DeviceAllow=%s-%lld %s", kind, (long long)rule->major,
				rule->access);
	else
		strv_add_printf(properties, "DeviceAllow=/dev/%s/%lld:%lld %s", kind,
				(long long)rule->major, (long long)rule->minor, rule->access);
}

void scope_properties_devices(const struct cgroup_device *rules, size_t n, char ***properties)
{
	size_t first = 0;

	/* from the last rule about everything on */
	for (size_t i = 0; i < n; i++) {
		if (rules[i].type == 'a')
			first = i;
	}
	if (first >= n || rules[first].type != 'a' || rules[first].allow)
		return;
	for (size_t i = first + 1; i < n; i++) {
		if (!scope_properties_is_plain(&rules[i]))
			return;
	}
	strv_add(properties, "DevicePolicy=strict");
	for (size_t i = first + 1; i < n; i++)
		scope_properties_add_device(&rules[i], properties);
}

/* The types of numbers that may stand before one. */
static const char *scope_properties_skip_type(const char *text)
{
	static const char *const types[] = { "uint64 ", "int64 ",  "uint32 ",	  "int32 ",
					     "uint16 ", "int16 ",  "byte ",	  "handle ",
					     "double ", "string ", "objectpath ", "signature " };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!strncmp(text, types[i], strlen(types[i])))
			return text + strlen(types[i]) + strspn(text + strlen(types[i]), " ");
	}
	return text;
}

/* A string in quotes of either kind; the end behind it, or NULL. \ stands before a quote or another \. */
static const char *scope_properties_take_string(const char *text, struct buf *ret)
{
	char quote = *text++;

	for (; *text && *text != quote; text++) {
		if (*text == '\\' && !strchr("\\'\"", *++text))
			return NULL;
		if (!*text || iscntrl((unsigned char)*text))
			return NULL;
		buf_add(ret, text, 1);
	}
	return *text == quote ? text + 1 : NULL;
}

static const char *scope_properties_skip_blanks(const char *text)
{
	return text + strspn(text, " ");
}

/* An array of strings, as systemd-run takes a list: each in quotes of its own. */
static const char *scope_properties_take_array(const char *text, struct buf *ret)
{
	text = scope_properties_skip_blanks(text + 1);
	while (*text == '\'' || *text == '"') {
		_cleanup_buf_ struct buf item = BUF_INIT;

		text = scope_properties_take_string(text, &item);
		if (!text || !item.len || strpbrk(item.data, "\"\\"))
			return NULL;
		buf_printf(ret, "%s\"%s\"", ret->len ? " " : "", item.data);
		text = scope_properties_skip_blanks(text);
		if (*text == ',')
			text = scope_properties_skip_blanks(text + 1);
		else if (*text != ']')
			return NULL;
	}
	return *text == ']' ? text + 1 : NULL;
}

static int scope_properties_is_number(const char *text)
{
	const char *digits = text + (*text == '-');

	return *digits && strspn(digits, "0123456789.") == strlen(digits);
}

/* The value as systemd-run takes it; caller frees. NULL: it is none. */
static char *scope_properties_value(const char *text)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	const char *end = NULL;

	text = scope_properties_skip_type(scope_properties_skip_blanks(text));
	if (*text == '[')
		end = scope_properties_take_array(text, &value);
	else if (*text == '\'' || *text == '"')
		end = scope_properties_take_string(text, &value);
	else if (!strcmp(text, "true") || !strcmp(text, "false") ||
		 scope_properties_is_number(text))
		return mem_strdup(text);
	if (!end || *scope_properties_skip_blanks(end))
		return NULL;
	return value.len ? buf_take(&value) : mem_strdup("");
}

static int scope_properties_is_name(const char *name)
{
	for (const char *at = name; *at; at++) {
		if (!isalnum((unsigned char)*at))
			return 0;
	}
	return isalpha((unsigned char)*name) != 0;
}

/* Times are microseconds on D-Bus ("...USec"), and what one writes with a unit in files ("...Sec"). */
static void scope_properties_add_pair(const char *name, const char *value, char ***properties)
{
	size_t len = strlen(name);
	int number = scope_properties_is_number(value);

	if (len > 4 && !strcmp(name + len - 4, "USec") && number)
		strv_add_printf(properties, "%.*sSec=%sus", (int)(len - 4), name, value);
	else if (len > 3 && !strcmp(name + len - 3, "Sec") && number)
		strv_add_printf(properties, "%s=%ss", name, value);
	else
		strv_add_printf(properties, "%s=%s", name, value);
}

int scope_properties_annotations(const struct record_pair *annotations, size_t n,
				 char ***properties, struct err *err)
{
	const size_t len = strlen(SCOPE_PROPERTIES_ANNOTATION);

	for (size_t i = 0; i < n; i++) {
		const char *key = annotations[i].key;
		_cleanup_free_ char *value = NULL;

		if (strncmp(key, SCOPE_PROPERTIES_ANNOTATION, len) != 0)
			continue;
		if (!scope_properties_is_name(key + len))
			return err_set(err, -EINVAL,
				       "annotations[\"%.128s\"]: no name of a property", key);
		value = scope_properties_value(annotations[i].value);
		if (!value)
			return err_set(err, -EINVAL,
				       "annotations[\"%.128s\"]: \"%.128s\" is no boolean, number, "
				       "'string' or ['array', 'of strings']",
				       key, annotations[i].value);
		scope_properties_add_pair(key + len, value, properties);
	}
	return 0;
}
