// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/source.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"
#include "sys/child.h"
#include "sys/idmap.h"

#include <fcntl.h>
#include <string.h>

/*
 * A minimal Debian by mmdebstrap, from where this machine has its own packages. apt itself says
 * which those sources are, whatever form its files have. mmdebstrap runs in process and mount
 * namespaces of its own, so that nothing of it, a package's script or a mount, outlives it or us.
 */

#define SOURCE_BOOTSTRAP_WORDS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-:=~_"

/* A place that apt has packages from: a line of sources.list, taken apart. */
struct bootstrap_place {
	const char *uri, *release, *component, *origin;
};

static int source_bootstrap_output(char **argv, const char *hint, char **ret, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;

	spec.argv = argv;
	spec.out = &out;
	spec.hint = hint;
	if (child_run(&spec, err) < 0)
		return err->code;
	*ret = buf_take(&out);
	return 0;
}

static int source_bootstrap_parse_place(char *line, struct bootstrap_place *ret)
{
	const char **fields[] = { &ret->uri, &ret->release, &ret->component, &ret->origin };
	char *rest = line;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		*fields[i] = strsep(&rest, "|");
		if (!*fields[i] || !**fields[i])
			return 0;
	}
	return 1;
}

/* Debian's own, not another's packages for Debian. apt knows the origin once it was updated. */
static int source_bootstrap_is_debian(const struct bootstrap_place *place)
{
	static const char *const components[] = { "main", "contrib", "non-free",
						  "non-free-firmware" };

	if (place->origin[0] != '$')
		return !strcmp(place->origin, "Debian");
	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		if (!strcmp(place->component, components[i]))
			return strstr(place->uri, "debian") != NULL;
	}
	return 0;
}

/* bookworm, and its bookworm-updates and bookworm-security */
static int source_bootstrap_is_of_suite(const char *release, const char *suite)
{
	static const char *const ends[] = { "", "-updates", "-security" };
	size_t len = strlen(suite);

	if (strncmp(release, suite, len))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!strcmp(release + len, ends[i]))
			return 1;
	}
	return 0;
}

/*
 * The lines of sources.list for the suite. A suite that this machine has no packages of comes from
 * the mirror that it uses.
 */
static int source_bootstrap_lines(const char *suite, char ***ret, struct err *err)
{
	char *argv[] = { (char[]){ "apt-get" },
			 (char[]){ "indextargets" },
			 (char[]){ "--format" },
			 (char[]){ "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)" },
			 (char[]){ "Created-By: Packages" },
			 NULL };
	_cleanup_strv_ char **places = NULL, **lines = NULL;
	_cleanup_free_ char *text = NULL, *mirror = NULL;

	if (source_bootstrap_output(argv, "bootstrap needs a Debian machine with apt", &text, err) <
	    0)
		return err->code;
	places = strv_split(text, "\n");
	strv_for_each(line, places) {
		struct bootstrap_place place;

		if (!source_bootstrap_parse_place(*line, &place) ||
		    !source_bootstrap_is_debian(&place))
			continue;
		if (!mirror && !strstr(place.uri, "security"))
			mirror = mem_strdup(place.uri);
		if (source_bootstrap_is_of_suite(place.release, suite))
			strv_add_printf(&lines, "deb %s %s %s", place.uri, place.release,
					place.component);
	}
	if (!lines && !mirror)
		return err_set(err, -ENOENT,
			       "apt on this machine has no source of Debian packages: add one to "
			       "/etc/apt/sources.list");
	if (!lines)
		strv_add_printf(&lines, "deb %s %s main", mirror, suite);
	*ret = take_ptr(lines);
	return 0;
}

/* What this machine's apt needs to reach its sources; none of it stays in the image. */
static int source_bootstrap_add_apt_options(char ***argv, struct err *err)
{
	char *dump[] = { (char[]){ "apt-config" },
			 (char[]){ "dump" },
			 (char[]){ "--no-empty" },
			 (char[]){ "Acquire::http::Proxy" },
			 (char[]){ "Acquire::https::Proxy" },
			 (char[]){ "Acquire::Check-Valid-Until" },
			 NULL };
	_cleanup_strv_ char **options = NULL;
	_cleanup_free_ char *text = NULL;

	if (source_bootstrap_output(dump, NULL, &text, err) < 0)
		return err->code;
	options = strv_split(text, "\n");
	strv_for_each(option, options)
		strv_add_printf(argv, "--aptopt=%s", *option);
	/* apt's own user cannot enter the work folder. */
	strv_add(argv, "--aptopt=APT::Sandbox::User \"root\"");
	strv_add(argv, "--customize-hook=rm -f \"$1\"/etc/apt/apt.conf.d/99mmdebstrap");
	return 0;
}

static int source_bootstrap_add_packages(char ***argv, char *const *include, struct err *err)
{
	_cleanup_free_ char *list = strv_join(include, ",");

	strv_for_each(name, include) {
		if (!**name || (*name)[strspn(*name, SOURCE_BOOTSTRAP_WORDS)])
			return err_set(err, -EINVAL, "'%.80s' is not the name of a package", *name);
	}
	if (*list)
		strv_add_printf(argv, "--include=%s", list);
	return 0;
}

/* A user is root among his own ids; packages have files of users other than root. */
static int source_bootstrap_add_ids(char ***argv, struct err *err)
{
	struct idmap map;
	int single;

	if (!geteuid())
		return 0;
	idmap_of_user(&map);
	single = idmap_is_single(&map);
	idmap_release(&map);
	if (single)
		return err_set(err, -EPERM,
			       "it needs more than your own id: a range in /etc/subuid and "
			       "/etc/subgid, and uidmap ('brig doctor' tells more)");
	strv_add(argv, "--map-root-user");
	strv_add(argv, "--map-auto");
	return 0;
}

static int source_bootstrap_argv(const struct source *source, const char *suite,
				 char *const *include, char ***argv, struct err *err)
{
	static const char *const fixed[] = {
		"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "env",
	};
	_cleanup_strv_ char **lines = NULL;

	strv_add(argv, "unshare");
	if (source_bootstrap_add_ids(argv, err) < 0)
		return err->code;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		strv_add(argv, fixed[i]);
	strv_add_printf(argv, "TMPDIR=%s", source->work.path);
	strv_add(argv, "mmdebstrap");
	strv_add(argv, "--mode=root");
	strv_add(argv, "--variant=minbase");
	strv_add(argv, "--format=tar");
	if (source_bootstrap_add_packages(argv, include, err) < 0 ||
	    source_bootstrap_add_apt_options(argv, err) < 0 ||
	    source_bootstrap_lines(suite, &lines, err) < 0)
		return err->code;
	strv_add(argv, suite);
	strv_add(argv, "-"); /* the tar to stdout */
	strv_for_each(line, lines)
		strv_add(argv, *line);
	return 0;
}

int source_read_bootstrap(struct source *source, const char *suite, char *const *include,
			  struct err *err)
{
	_cleanup_close_ int fd = openat(source->work.fd, "bootstrap.tar",
					O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct child_spec spec = CHILD_SPEC_INIT;
	_cleanup_strv_ char **argv = NULL;

	if (fd < 0)
		return err_errno(err, -errno, "cannot make a file in %s", source->work.path);
	if (source->options->progress)
		source->options->progress(source->options->progress_ctx,
					  "getting packages with mmdebstrap", 0, 0);
	if (source_bootstrap_argv(source, suite, include, &argv, err) < 0)
		return err->code;
	spec.argv = argv;
	spec.out_fd = fd;
	spec.hint = "install util-linux and mmdebstrap";
	spec.reason = "E: ";
	if (child_run(&spec, err) < 0)
		return err->code;
	if (lseek(fd, 0, SEEK_SET) < 0 || unlinkat(source->work.fd, "bootstrap.tar", 0) < 0)
		return err_errno(err, -errno, "cannot read what mmdebstrap wrote");
	return source_read_made(source, fd, "brig image bootstrap", err);
}
