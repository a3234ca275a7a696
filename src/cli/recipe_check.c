// SPDX-License-Identifier: GPL-2.0-or-later
/* The options of `run` and `create`, and what can be said against their values. */
#include "base/mem.h"
#include "base/name.h"
#include "base/privilege.h"
#include "base/units.h"
#include "base/utf8.h"
#include "cli/recipe-internal.h"
#include "instance/limit_table.h"
#include "instance/limits.h"
#include "instance/schedule.h"
#include "instance/settings.h"
#include "proto/share.h"

#include <string.h>
#include <sys/stat.h>

#define RECIPE_HOSTNAME_MAX    64   /* uname(2) */
#define RECIPE_KERNEL_ARGS_MAX 1024 /* Linux takes 2047 bytes, some of which are ours */

static const char *const recipe_pulls[] = { "missing", "always", "never", NULL };

static const char *const recipe_isolations[] = { "as-given", "container", "vm", "auto", NULL };

const struct recipe recipe_defaults = {
	.stop_timeout_ms = -1,
	.engine = -1,
};

#define RECIPE(name_, letter_, type_, metavar_, member, help_, ...)                           \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct recipe, member), __VA_ARGS__       \
	}

#define RECIPE_LIMIT(name_, letter_, metavar_, help_, ...) \
	RECIPE(name_, letter_, OPTION_PAIR, metavar_, limits, help_),
#define RECIPE_OWN(name_, type_, member_, metavar_, complete_, help_, ...) \
	RECIPE(name_, 0, type_, metavar_, member_, help_, .complete = complete_),

const struct option recipe_options[] = {
	RECIPE("detach", 'd', OPTION_FLAG, NULL, detach,
	       "run in the background and print the name"),
	RECIPE("vm", 0, OPTION_FLAG, NULL, vm, "make a virtual machine"),
	RECIPE("container", 0, OPTION_FLAG, NULL, container, "make a container, the default"),
	RECIPE("isolation", 0, OPTION_CHOICE, "KIND", isolation,
	       "container, vm, or auto: the kind that 'brig advise' says",
	       .choices = recipe_isolations),
	RECIPE("need", 0, OPTION_STRV, "KEY=VALUE", needs,
	       "with --isolation auto: what that cannot see, as trust=no"),
	RECIPE("name", 0, OPTION_STRING, "NAME", name, "name it; else a name is made up"),
	RECIPE("label", 'l', OPTION_STRV, "KEY=VALUE", labels, "note this about it"),

	RECIPE("interactive", 'i', OPTION_FLAG, NULL, interactive, "pass standard input on to it"),
	RECIPE("tty", 't', OPTION_FLAG, NULL, tty, "give it a terminal"),
	RECIPE("env", 'e', OPTION_STRV, "KEY[=VALUE]", env,
	       "set a variable; a KEY alone takes its value from here"),
	RECIPE("env-file", 0, OPTION_STRV, "FILE", env_files,
	       "set the variables in the file, one KEY=VALUE per line", .complete = "file"),
	RECIPE("workdir", 'w', OPTION_STRING, "DIR", workdir, "start in this folder of the image"),
	RECIPE("user", 'u', OPTION_STRING, "USER[:GROUP]", user,
	       "run as this user, by name or number"),
	RECIPE("hostname", 'h', OPTION_STRING, "NAME", hostname, "its host name; else its name"),
	RECIPE("entrypoint", 0, OPTION_STRING, "PROGRAM", entrypoint,
	       "run this in place of the image's entry point and command", .complete = "file"),
	RECIPE("init", 0, OPTION_FLAG, NULL, init, "run a small init as process 1, which reaps"),

	LIMIT_TABLE(RECIPE_LIMIT, RECIPE_OWN)
		RECIPE("best-effort", 0, OPTION_FLAG, NULL, best_effort,
		       "go without limits that this host cannot keep, with a warning"),
	RECIPE("overcommit", 0, OPTION_FLAG, NULL, overcommit,
	       "start also when not every --memory-reservation can be kept"),

	RECIPE("read-only", 0, OPTION_FLAG, NULL, read_only, "keep its root file system unchanged"),
	RECIPE("tmpfs", 0, OPTION_STRV, "PATH[:OPTIONS]", tmpfs,
	       "a file system in memory there, as /tmp:size=64m"),
	RECIPE("volume", 'v', OPTION_STRV, "SOURCE:PATH[:OPTIONS]", volumes,
	       "show it a volume, or a path of the host's, there", .complete = "file"),
	RECIPE("mount", 0, OPTION_STRV, "SPEC", mounts,
	       "the same, as type=bind,source=/srv,target=/srv,readonly"),
	RECIPE("disk-size", 0, OPTION_SIZE, "SIZE", disk_size,
	       "at most this much is written; a VM has 16g if it is not given"),
	RECIPE("disk", 0, OPTION_STRV, "SOURCE[:OPTIONS]", drives,
	       "VM: a disk more: a file, a block device, or a volume with a size; with "
	       "format=raw|qcow2, ro, serial=TEXT",
	       .complete = "file"),

	RECIPE("cap-add", 0, OPTION_STRV, "CAPABILITY", cap_add, "give it this capability, or ALL"),
	RECIPE("cap-drop", 0, OPTION_STRV, "CAPABILITY", cap_drop,
	       "take this capability away, or ALL"),
	RECIPE("nesting", 0, OPTION_FLAG, NULL, nesting,
	       "let it run containers of its own, as podman and brig do; a VM does anyway"),
	RECIPE("privileged", 0, OPTION_FLAG, NULL, privileged,
	       "container: no isolation of privileges from the host; trust it fully"),

	RECIPE("stop-signal", 0, OPTION_SIGNAL, "SIGNAL", stop_signal,
	       "what 'stop' sends; else the image's, else TERM"),
	RECIPE("stop-timeout", 0, OPTION_DURATION, "TIME", stop_timeout_ms,
	       "how long 'stop' waits before KILL (10s)"),
	RECIPE("restart", 0, OPTION_STRING, "POLICY", restart,
	       "when it ends: no, on-failure[:N], always or unless-stopped"),
	RECIPE("autostart", 0, OPTION_CHOICE, "WHETHER", autostart,
	       "start it with the host: policy (as --restart has it), yes or no",
	       .choices = instance_autostart_names),
	RECIPE("start-order", 0, OPTION_INT, "N", start_order,
	       "the lower the earlier it starts with the host (0)", .max = SETTINGS_ORDER_MAX),
	RECIPE("start-delay", 0, OPTION_DURATION, "TIME", start_delay_ms,
	       "how long after it the next one starts with the host"),
	RECIPE("rm", 0, OPTION_FLAG, NULL, remove, "remove it when it ends"),
	RECIPE("snapshot-every", 0, OPTION_DURATION, "TIME", snapshots_every_ms,
	       "have 'snapshot run' make one so often, as 6h or 1d"),
	RECIPE("snapshot-expiry", 0, OPTION_DURATION, "TIME", snapshots_expiry_ms,
	       "have it remove those that it made that long ago"),

	RECIPE("kernel", 0, OPTION_STRING, "NAME", kernel,
	       "VM: this kernel, or 'image' for the image's own", .complete = "kernel"),
	RECIPE("kernel-args", 0, OPTION_STRING, "TEXT", kernel_args,
	       "VM: add this to the kernel's command line"),
	RECIPE("gdb", 0, OPTION_FLAG, NULL, gdb,
	       "VM on KVM: let a debugger in at RUN/NAME/gdb.sock"),
	RECIPE("engine", 0, OPTION_CHOICE, "ENGINE", engine, "VM: auto, kvm or qemu",
	       .choices = instance_engine_names),
	RECIPE("boot-timeout", 0, OPTION_DURATION, "TIME", boot_timeout_ms,
	       "VM: how long it may take to come up (2m)"),

	RECIPE("network", 0, OPTION_STRV, "NAME[,KEY=VALUE...]", networks,
	       "be on this network; or none, host, container:NAME, bridge=NAME"),
	RECIPE("net", 0, OPTION_STRV, "NAME", networks, "the same", .hidden = 1),
	RECIPE("publish", 'p', OPTION_STRV, "[IP:]HOST:PORT[/udp]", ports,
	       "lead the host's port to this one of it, as 8080:80"),
	RECIPE("ip", 0, OPTION_STRING, "ADDRESS", ip, "its IPv4 address on the first network"),
	RECIPE("ip6", 0, OPTION_STRING, "ADDRESS", ip6, "its IPv6 address there"),
	RECIPE("mac-address", 0, OPTION_STRING, "MAC", mac, "its hardware address there"),
	RECIPE("mac", 0, OPTION_STRING, "MAC", mac, "the same", .hidden = 1),
	RECIPE("dns", 0, OPTION_STRV, "ADDRESS", dns, "ask this server for names"),
	RECIPE("dns-search", 0, OPTION_STRV, "DOMAIN", dns_search,
	       "look for short names in this domain"),
	RECIPE("add-host", 0, OPTION_STRV, "NAME:ADDRESS", extra_hosts,
	       "note this name in its /etc/hosts"),

	RECIPE("pull", 0, OPTION_CHOICE, "WHEN", pull,
	       "missing, always or never: whether to fetch the image first (missing)",
	       .choices = recipe_pulls),
	OPTION_END,
};

int recipe_check_is_given(const struct recipe *recipe, const char *name)
{
	const struct option *option = recipe_options;
	const char *at, *otherwise;

	while (strcmp(option->name, name))
		option++;
	at = (const char *)recipe + option->offset;
	otherwise = (const char *)&recipe_defaults + option->offset;
	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_SIGNAL:
	case OPTION_CHOICE:
		return memcmp(at, otherwise, sizeof(int)) != 0;
	case OPTION_STRING:
	case OPTION_STRV:
		return memcmp(at, otherwise, sizeof(recipe->name)) != 0;
	default:
		return memcmp(at, otherwise, sizeof(int64_t)) != 0;
	}
}

struct recipe_refusal {
	const char *option;
	int kind; /* enum instance_kind */
	const char *why;
};

static const struct recipe_refusal recipe_refusals[] = {
	{ "privileged", INSTANCE_VM,
	  "root in a VM is root of its own kernel already, and of nothing on the host" },
	{ "kernel", INSTANCE_CONTAINER, "a container runs on the host's kernel; add --vm" },
	{ "kernel-args", INSTANCE_CONTAINER, "a container runs on the host's kernel; add --vm" },
	{ "gdb", INSTANCE_CONTAINER, "it debugs a VM's kernel; add --vm" },
	{ "engine", INSTANCE_CONTAINER, "it chooses how a VM is run; add --vm" },
	{ "disk", INSTANCE_CONTAINER,
	  "a container has no disks: -v shows it files and folders, --device a block device" },
	{ "boot-timeout", INSTANCE_CONTAINER, "a container does not boot; add --vm" },
};

static int recipe_check_refusals(const struct recipe *recipe, struct err *err)
{
	int kind = recipe->vm ? INSTANCE_VM : INSTANCE_CONTAINER;

	for (size_t i = 0; i < ARRAY_SIZE(recipe_refusals); i++) {
		const struct recipe_refusal *refusal = &recipe_refusals[i];

		if (refusal->kind == kind && recipe_check_is_given(recipe, refusal->option))
			return err_set(err, -EOPNOTSUPP, "option --%s: %s", refusal->option,
				       refusal->why);
	}
	return 0;
}

static int recipe_check_together(const struct recipe *recipe, struct err *err)
{
	if (recipe->vm && recipe->container)
		return err_set(err, -EINVAL, "--vm and --container exclude each other");
	if (recipe->needs && recipe->isolation != RECIPE_ISOLATION_AUTO)
		return err_set(err, -EINVAL, "option --need: it goes with --isolation auto");
	if (recipe->gdb && recipe->engine == INSTANCE_ENGINE_QEMU)
		return err_set(err, -EOPNOTSUPP,
			       "option --gdb: only the engine 'kvm' has a debugger's socket");
	if (recipe->remove && recipe->restart && strcmp(recipe->restart, "no"))
		return err_set(err, -EINVAL, "--rm and --restart exclude each other");
	return 0;
}

int recipe_check_restart(const char *text, struct instance *ret, struct err *err)
{
	size_t len = text ? strcspn(text, ":") : 0;
	int r;

	ret->restart = INSTANCE_RESTART_NO;
	ret->restart_max = 0;
	for (int i = 0; text && instance_restart_names[i]; i++) {
		if (strlen(instance_restart_names[i]) != len ||
		    strncmp(text, instance_restart_names[i], len) != 0 ||
		    (text[len] && i != INSTANCE_RESTART_ON_FAILURE))
			continue;
		ret->restart = i;
		if (!text[len])
			return 0;
		r = units_parse_int(text + len + 1, 1, INT32_MAX, &ret->restart_max, err);
		return r < 0 ? err_wrap(err, "option --restart") : 0;
	}
	if (!text)
		return 0;
	return err_set(err, -EINVAL,
		       "option --restart: '%.64s' is none of no, on-failure[:N], always, "
		       "unless-stopped",
		       text);
}

static int recipe_check_range(const char *option, const char *why, int64_t value, int64_t min,
			      int64_t max, struct err *err)
{
	if (!value || (value >= min && value <= max))
		return 0;
	return err_set(err, -ERANGE, "option --%s: %s", option, why);
}

/* A limit of an option that has a member of its own. */
static int recipe_fill_flag(const char *name, int on, struct instance *ret, struct err *err)
{
	if (!on || limits_set(ret, limits_find(name), "yes", 0, err) == 0)
		return 0;
	return err_wrap(err, "option --%s", name);
}

static int recipe_fill_limit(const char *pair, struct instance *ret, struct err *err)
{
	size_t len = strcspn(pair, "=");
	_cleanup_free_ char *name = mem_strndup(pair, len);

	return limits_set(ret, limits_find(name), pair + len + 1, 1, err) < 0
		       ? err_wrap(err, "option --%s", name)
		       : 0;
}

int recipe_fill_limits(const struct recipe *recipe, struct instance *ret, struct err *err)
{
	int r = recipe_fill_flag("hugepages", recipe->huge_pages, ret, err);

	if (r == 0)
		r = recipe_fill_flag("oom-kill-disable", recipe->oom_kill_disable, ret, err);
	strv_for_each(pair, recipe->limits) {
		if (r == 0)
			r = recipe_fill_limit(*pair, ret, err);
	}
	ret->best_effort = recipe->best_effort;
	ret->overcommit = recipe->overcommit;
	return r < 0 ? r : limits_check(ret, err);
}

static int recipe_check_limits(const struct recipe *recipe, struct err *err)
{
	_cleanup_instance_ struct instance scratch = { 0 };
	int r;

	scratch.kind = recipe->vm ? INSTANCE_VM : INSTANCE_CONTAINER;
	r = recipe_fill_limits(recipe, &scratch, err);
	if (r == 0)
		r = recipe_check_range("disk-size", "at least 16m is needed", recipe->disk_size,
				       INSTANCE_DISK_MIN, INT64_MAX, err);
	if (r == 0)
		r = recipe_check_range("snapshot-every", "it is 15m to 3650d",
				       recipe->snapshots_every_ms, SCHEDULE_MIN_MS, SCHEDULE_MAX_MS,
				       err);
	if (r == 0)
		r = recipe_check_range("snapshot-expiry", "it is 15m to 3650d",
				       recipe->snapshots_expiry_ms, SCHEDULE_MIN_MS,
				       SCHEDULE_MAX_MS, err);
	if (r == 0)
		r = recipe_check_range("start-delay", "it is at most 1h", recipe->start_delay_ms, 0,
				       SETTINGS_DELAY_MAX_MS, err);
	return r;
}

static int recipe_check_hostname(const char *name, struct err *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t len = name ? strlen(name) : 1;

	if (!name || (len && len <= RECIPE_HOSTNAME_MAX && strspn(name, letters) == len &&
		      name[0] != '-' && name[0] != '.'))
		return 0;
	return err_set(err, -EINVAL,
		       "option --hostname: '%.80s' is none: 1 to %d letters, digits, '-' and '.'",
		       name, RECIPE_HOSTNAME_MAX);
}

/* Linux takes bytes below 0x20 for the end of a word at best. */
static int recipe_check_kernel_args(const char *text, struct err *err)
{
	size_t len = text ? strlen(text) : 0;

	if (len > RECIPE_KERNEL_ARGS_MAX)
		return err_set(err, -E2BIG, "option --kernel-args: at most %d bytes are taken",
			       RECIPE_KERNEL_ARGS_MAX);
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return err_set(err, -EINVAL,
				       "option --kernel-args: only printable ASCII is taken");
	}
	return 0;
}

static int recipe_check_strings(const struct recipe *recipe, struct err *err)
{
	const char *strings[][2] = { { "user", recipe->user },
				     { "workdir", recipe->workdir },
				     { "entrypoint", recipe->entrypoint } };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		if (strings[i][1] && !utf8_valid(strings[i][1]))
			return err_set(err, -EILSEQ, "option --%s: the value is not valid UTF-8",
				       strings[i][0]);
	}
	if (recipe->user && (!*recipe->user || strpbrk(recipe->user, " \t\n")))
		return err_set(err, -EINVAL, "option --user: '%.64s' is no user", recipe->user);
	if (recipe->workdir && *recipe->workdir != '/')
		return err_set(err, -EINVAL, "option --workdir: '%.64s' does not begin with /",
			       recipe->workdir);
	if (recipe_check_kernel_args(recipe->kernel_args, err) < 0)
		return err->code;
	return recipe_check_hostname(recipe->hostname, err);
}

int recipe_check_labels(char *const *labels, struct err *err)
{
	strv_for_each(label, labels) {
		if (**label == '=' || !**label || !utf8_valid(*label))
			return err_set(err, -EINVAL, "option --label: '%.64s' is no KEY=VALUE",
				       *label);
	}
	return 0;
}

static int recipe_check_capabilities(const char *option, char *const *names, struct err *err)
{
	uint64_t mask = 0;

	strv_for_each(name, names) {
		if (privilege_parse_capability(*name, &mask, err) < 0)
			return err_wrap(err, "option --%s", option);
	}
	return 0;
}

static int recipe_is_tmpfs_option(const char *option)
{
	static const char *const flags[] = { "rw",   "ro",     "suid",	"nosuid",  "dev", "nodev",
					     "exec", "noexec", "atime", "noatime", NULL };
	static const char *const keys[] = { "size=",	  "mode=",	"uid=", "gid=",
					    "nr_inodes=", "nr_blocks=", NULL };

	for (size_t i = 0; flags[i]; i++) {
		if (!strcmp(option, flags[i]))
			return 1;
	}
	for (size_t i = 0; keys[i]; i++) {
		size_t len = strlen(keys[i]);

		if (!strncmp(option, keys[i], len))
			return option[len] &&
			       strspn(option + len, "0123456789kmgKMG%") == strlen(option + len);
	}
	return 0;
}

int recipe_check_tmpfs(const char *option, char *const *tmpfs, struct err *err)
{
	strv_for_each(text, tmpfs) {
		size_t len = strcspn(*text, ":");
		_cleanup_free_ char *path = mem_strndup(*text, len);
		_cleanup_strv_ char **options = strv_split(*text + len, ":,");

		if (!share_is_target(path))
			return err_set(err, -EINVAL,
				       "option --%s: '%.64s' is no path below / without '..'",
				       option, path);
		strv_for_each(word, options) {
			if (!recipe_is_tmpfs_option(*word))
				return err_set(
					err, -EINVAL,
					"option --%s: '%.64s' is none of its options (size=, "
					"mode=, uid=, gid=, nr_inodes=, ro, noexec, nosuid, "
					"nodev...)",
					option, *word);
		}
	}
	return 0;
}

static int recipe_check_privileges(const struct recipe *recipe, struct err *err)
{
	int r = recipe_check_capabilities("cap-add", recipe->cap_add, err);

	if (r == 0)
		r = recipe_check_capabilities("cap-drop", recipe->cap_drop, err);
	if (r == 0)
		r = recipe_check_tmpfs("tmpfs", recipe->tmpfs, err);
	return r;
}

/* Once more when it is filled: what is wrong with it is told before an image is fetched. */
static int recipe_check_network(const struct recipe *recipe, struct err *err)
{
	_cleanup_instance_ struct instance scratch = { 0 };

	scratch.kind = recipe->vm ? INSTANCE_VM : INSTANCE_CONTAINER;
	return recipe_fill_network(recipe, &scratch, err);
}

static int recipe_check_names(const struct recipe *recipe, struct err *err)
{
	int r = recipe->name ? name_check("instance", recipe->name, err) : 0;

	if (r == 0 && recipe->kernel)
		r = name_check("kernel", recipe->kernel, err);
	return r;
}

int recipe_check(const struct recipe *recipe, struct err *err)
{
	struct instance scratch = { 0 };
	int r = recipe_check_together(recipe, err);

	if (r == 0)
		r = recipe_check_refusals(recipe, err);
	if (r == 0)
		r = recipe_check_names(recipe, err);
	if (r == 0)
		r = recipe_check_restart(recipe->restart, &scratch, err);
	if (r == 0)
		r = recipe_check_limits(recipe, err);
	if (r == 0)
		r = recipe_check_strings(recipe, err);
	if (r == 0)
		r = recipe_check_labels(recipe->labels, err);
	if (r == 0)
		r = recipe_check_network(recipe, err);
	return r < 0 ? r : recipe_check_privileges(recipe, err);
}
