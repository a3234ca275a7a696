// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/json.h"
#include "base/log.h"
#include "container/hooks.h"
#include "container/spec.h"

struct json *spec_state(const struct spec *spec, const char *status, pid_t pid)
{
	const struct spec_hooks *hooks = &spec->hooks;
	struct json *annotations = json_new_object();
	struct hooks_state state = { .version = hooks->version,
				     .id = hooks->id,
				     .status = status,
				     .bundle = hooks->bundle,
				     .pid = pid ? pid : -1 };

	for (size_t i = 0; i < hooks->n_annotations; i++)
		json_object_add(annotations, hooks->annotations[i].key,
				json_new_string(hooks->annotations[i].value));
	return hooks_state(&state, annotations);
}

static char *spec_hooks_state(const struct spec *spec, const char *status, pid_t pid)
{
	_cleanup_json_ struct json *state = spec_state(spec, status, pid);

	return json_text(state, 0);
}

int spec_hooks_run(const struct spec *spec, enum config_hook_time time, const char *status,
		   pid_t pid, struct err *err)
{
	_cleanup_free_ char *state = NULL;

	if (!spec->hooks.times || !spec->hooks.times[time].n)
		return 0;
	state = spec_hooks_state(spec, status, pid);
	return hooks_run(&spec->hooks.times[time], hooks_names[time], state, err);
}

static void spec_hooks_warn(void *ctx _unused_, const struct err *err)
{
	log_notice("%s", err->msg);
}

void spec_hooks_run_last(const struct spec *spec)
{
	_cleanup_free_ char *state = NULL;

	if (!spec->hooks.times)
		return;
	state = spec_hooks_state(spec, "stopped", 0);
	hooks_run_all(&spec->hooks.times[CONFIG_HOOK_POSTSTOP], hooks_names[CONFIG_HOOK_POSTSTOP],
		      state, spec_hooks_warn, NULL);
}
