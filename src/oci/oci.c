// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/oci.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/verb_help.h"
#include "oci/verb.h"
#include "sys/idmap.h"

#include <fcntl.h>
#include <string.h>

#define OCI_ROOT    "/run/brig-oci"
#define OCI_NAME    "brig-oci"
#define OCI_VM_ROOT "/var/lib/brig" /* brig's own --root */

/* Exit status of our own failures. */
#define OCI_FAILURE 1

enum oci_rootless {
	OCI_ROOTLESS_AUTO,
	OCI_ROOTLESS_NO,
	OCI_ROOTLESS_YES,
};

struct oci_values {
	char *root, *log, *vm_root;
	int log_format, debug, systemd_cgroup, cgroup_manager, rootless, version, help;
};

static const char *const oci_log_formats[] = { "text", "json", NULL };
static const char *const oci_cgroup_managers[] = { "cgroupfs", "systemd", "disabled", NULL };
static const char *const oci_rootless_names[] = { "auto", "false", "true", NULL };

#define OCI_OPTION(name_, member, ...)                                                      \
	{                                                                                   \
		.name = (name_), .offset = offsetof(struct oci_values, member), __VA_ARGS__ \
	}

static const struct option oci_options[] = {
	OCI_OPTION("root", root, .type = OPTION_STRING, .metavar = "DIR", .complete = "file",
		   .help = "where containers are kept (" OCI_ROOT ", or the user's own)"),
	OCI_OPTION("debug", debug, .type = OPTION_FLAG,
		   .help = "log what is done; so does BRIG_DEBUG=1"),
	OCI_OPTION("log", log, .type = OPTION_STRING, .metavar = "FILE", .complete = "file",
		   .help = "where the log goes; without it, stderr"),
	OCI_OPTION("log-format", log_format, .type = OPTION_CHOICE, .metavar = "FORMAT",
		   .choices = oci_log_formats, .help = "of the log: text or json"),
	OCI_OPTION("systemd-cgroup", systemd_cgroup, .type = OPTION_FLAG,
		   .help = "let systemd make the container's cgroup"),
	OCI_OPTION("cgroup-manager", cgroup_manager, .type = OPTION_CHOICE, .metavar = "WHO",
		   .choices = oci_cgroup_managers,
		   .help = "who makes the container's cgroup: cgroupfs (ourselves), systemd, or "
			   "disabled"),
	OCI_OPTION("vm-root", vm_root, .type = OPTION_STRING, .metavar = "DIR", .complete = "file",
		   .help = "where brig keeps the kernels of VMs (" OCI_VM_ROOT ")"),
	OCI_OPTION("rootless", rootless, .type = OPTION_CHOICE, .metavar = "WHETHER",
		   .choices = oci_rootless_names,
		   .help = "whether what only root may do is left out: auto, false or true"),
	OCI_OPTION("version", version, .letter = 'v', .type = OPTION_FLAG,
		   .help = "show the version"),
	OCI_OPTION("help", help, .letter = 'h', .type = OPTION_FLAG,
		   .help = "show the commands, or a command's options"),
	OPTION_END,
};

/* clang-format off */
static const struct verb *const oci_tables[] = {
	oci_life_verbs,
	oci_process_verbs,
	oci_control_verbs,
	oci_checkpoint_verbs,
	oci_events_verbs,
	oci_show_verbs,
	oci_spec_verbs,
	oci_features_verbs,
	oci_help_verbs,
	NULL,
};
/* clang-format on */

static const struct verb_kind oci_kinds[] = {
	{ "container", "list -q", NULL },
	{ "signal", NULL, VERB_SIGNALS },
	{ .name = NULL },
};

const struct verb_program oci_program = {
	.name = OCI_NAME,
	.identifier = "brig_oci",
	.tables = oci_tables,
	.options = oci_options,
	.mode = OPTION_ONE_DASH,
	.kinds = oci_kinds,
	.page = &oci_manual_page,
};

static int oci_help(const struct oci_context *oci _unused_, const void *values, char **args,
		    struct err *err)
{
	return verb_help_run(&oci_program, values, args, err);
}

const struct verb oci_help_verbs[] = {
	{ .name = "help",
	  .group = "About the runtime",
	  .args = "[COMMAND]",
	  .summary = "List the commands, or explain one",
	  .options = verb_help_options,
	  .max_args = 1,
	  .values_size = sizeof(struct verb_help_values),
	  .defaults = &verb_help_defaults,
	  .complete = "verb",
	  .run_oci = oci_help },
	{ .name = NULL },
};

static void oci_show_version(void)
{
	printf(OCI_NAME " version " BRIG_VERSION "\nspec: " OCI_VERSION "\n");
}

static int oci_is_rootless(int wanted)
{
	if (wanted == OCI_ROOTLESS_AUTO)
		return !idmap_is_host_root();
	return wanted == OCI_ROOTLESS_YES;
}

static char *oci_absolute(const char *path)
{
	_cleanup_free_ char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);

	return *path == '/' ? mem_strdup(path) : mem_printf("%s/%s", cwd ? cwd : "", path);
}

/* --rootless=true of root does not move its containers: the caller means the same ones as before. */
static char *oci_root(const char *given)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (given)
		return oci_absolute(given);
	if (runtime && *runtime == '/' && oci_is_rootless(OCI_ROOTLESS_AUTO))
		return mem_printf("%s/brig-oci", runtime);
	return mem_strdup(OCI_ROOT);
}

/* Opens the log; it stays open until we end. */
static int oci_open_log(const struct oci_values *values, struct err *err)
{
	int fd = -1, json = values->log_format == 1;

	if (values->log) {
		fd = open(values->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
		if (fd < 0)
			return err_errno(err, -errno, "cannot open the log %s", values->log);
	}
	log_set_file(fd, json ? LOG_JSON : fd < 0 ? LOG_PLAIN : LOG_TEXT);
	return 0;
}

static int oci_call(const struct verb *verb, const void *context, const void *values, char **args,
		    struct err *err)
{
	return verb->run_oci(context, values, args, err);
}

static int oci_dispatch(const struct oci_values *values, char **argv, char **args, struct err *err)
{
	_cleanup_free_ char *root = oci_root(values->root);
	_cleanup_free_ char *log = values->log ? oci_absolute(values->log) : NULL;
	_cleanup_free_ char *vm_root =
		oci_absolute(values->vm_root ? values->vm_root : OCI_VM_ROOT);
	const struct oci_context context = {
		.root = root,
		.argv = argv,
		.debug = log_is_debug(),
		.vm_root = vm_root,
		.cgroup_manager =
			values->systemd_cgroup ? OCI_CGROUP_SYSTEMD : (int)values->cgroup_manager,
		.systemd = scope_manager_of_caller(),
		.rootless = oci_is_rootless(values->rootless),
		.log = log,
		.log_json = values->log_format == 1,
	};

	return verb_dispatch(&oci_program, (int)strv_len(args), args, oci_call, &context, err);
}

static int oci_run(const struct oci_values *values, char **argv, char **args, struct err *err)
{
	int r;

	log_set_debug(values->debug || getenv("BRIG_DEBUG"));
	if (values->version) {
		oci_show_version();
		return 0;
	}
	if (values->help) {
		verb_help_show_all(&oci_program);
		return 0;
	}
	r = oci_open_log(values, err);
	if (r < 0)
		return r;
	if (!*args)
		return err_set(err, -EINVAL, "no command; see '" OCI_NAME " help'");
	return oci_dispatch(values, argv, args, err);
}

int oci_main(int argc, char **argv)
{
	struct oci_values values = { 0 };
	_cleanup_free_ char **args = NULL;
	struct err err = ERR_INIT;
	int r;

	file_fill_stdio();
	log_set_program(OCI_NAME);
	r = option_parse(oci_options, OPTION_LEAD | OPTION_ONE_DASH, argc - 1, argv + 1, &values,
			 &args, &err);
	if (r == 0)
		r = oci_run(&values, argv, args, &err);
	if (r >= 0 && fflush(stdout) == EOF)
		r = err_errno(&err, -errno, "cannot write the output");
	if (r < 0)
		log_error("%s", err.msg);
	option_release(oci_options, &values);
	return r >= 0 ? r : OCI_FAILURE;
}
