// SPDX-License-Identifier: GPL-2.0-or-later
/* An OCI configuration that is taken is taken again when it is written, and then says the same; its seccomp
 * rules become code that the kernel would take, and no other part of it does harm to who looks at it. */
#include "container/config.h"
#include "container/hooks.h"
#include "container/scope.h"
#include "container/scope_properties.h"
#include "container/seccomp_config.h"
#include "container/spec.h"
#include "container/sysctl.h"
#include "container/tuning.h"

#include <stdlib.h>
#include <string.h>

/* As the kernel checks it: jumps forward and inside, a return at the end. */
static void check_code(const struct filter *filter)
{
	for (size_t i = 0; i < filter->n; i++) {
		const struct sock_filter *code = &filter->code[i];
		size_t far = code->code == (BPF_JMP | BPF_JA) ? code->k
			     : code->jt > code->jf	      ? code->jt
							      : code->jf;

		if (BPF_CLASS(code->code) == BPF_JMP && i + 1 + far >= filter->n)
			abort();
	}
	if (filter->code[filter->n - 1].code != (BPF_RET | BPF_K))
		abort();
}

static void compile(const struct config *config)
{
	_cleanup_seccomp_config_ struct seccomp_config seccomp = { 0 };
	struct err err = ERR_INIT;

	if (config->on_linux.has_seccomp &&
	    seccomp_config_compile(&config->on_linux.seccomp, &seccomp, &err) == 0)
		check_code(&seccomp.filter);
}

static void look(const struct config *config)
{
	const struct config_linux *linux_config = &config->on_linux;
	_cleanup_free_ struct privilege_rlimit *limits = NULL;
	struct err errors[4] = { 0 };
	struct tuning tuning;
	size_t n = 0;

	if (tuning_of_config(&config->process, linux_config, &tuning, &errors[0]) < 0 &&
	    !err_is_set(&errors[0]))
		abort();
	if (tuning_rlimits(&config->process, &limits, &n, &errors[1]) < 0 &&
	    !err_is_set(&errors[1]))
		abort();
	if (sysctl_check(linux_config->sysctl, linux_config->n_sysctl, UINT64_MAX, &errors[2]) <
		    0 &&
	    !err_is_set(&errors[2]))
		abort();
	if (hooks_check(config->hooks, &errors[3]) < 0 && !err_is_set(&errors[3]))
		abort();
}

/* All that becomes of it before anything is started. Its root is one that is there, so that the rest is looked at. */
static void make_spec(struct config *config)
{
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	free(config->root);
	config->root = strdup("/");
	config->has_root = 1;
	if (spec_of_config(config, "id", "/", (int)(config->process.user.uid & 1), &spec, &err) <
	    0) {
		if (!err_is_set(&err) || strchr(err.msg, '\n'))
			abort();
	} else if (!spec.process.argv || !spec.process.argv[0]) {
		abort();
	}
}

/* What becomes systemd-run's arguments: names of units, and NAME=VALUE without bytes that are no text. */
static void name_scope(const struct config *config)
{
	_cleanup_scope_name_ struct scope_name name = { 0 };
	_cleanup_strv_ char **properties = NULL;
	struct err errors[2] = { 0 };

	if (scope_parse(SCOPE_SYSTEM, config->on_linux.cgroups_path, "id", "", &name, &errors[0]) ==
		    0 &&
	    (strpbrk(name.unit, "/: \n") || strstr(name.path, "..") || strstr(name.path, "//")))
		abort();
	scope_properties_limits(&config->on_linux.resources, 1, &properties);
	scope_properties_limits(&config->on_linux.resources, 2, &properties);
	if (scope_properties_annotations(config->annotations, config->n_annotations, &properties,
					 &errors[1]) < 0 &&
	    !err_is_set(&errors[1]))
		abort();
	strv_for_each(property, properties) {
		if (!strchr(*property, '='))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_config_ struct config config = { 0 }, again = { 0 };
	_cleanup_json_ struct json *json = NULL, *first = NULL, *second = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;
	struct err err = ERR_INIT;

	if (json_parse((const char *)data, size, "input", &json, &err) < 0)
		return 0;
	if (config_read(json, &config, &err) < 0)
		return !err_is_set(&err);
	compile(&config);
	look(&config);
	name_scope(&config);
	first = config_write(&config);
	if (config_read(first, &again, &err) < 0)
		abort();
	second = config_write(&again);
	text = json_text(first, 0);
	text_again = json_text(second, 0);
	if (strcmp(text, text_again) != 0)
		abort();
	make_spec(&again);
	return 0;
}
