// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/containerfile.h"
#include "base/mem.h"
#include "image/reference.h"

#include <string.h>
#include <strings.h>

static int containerfile_has(char *const *names, const char *name)
{
	strv_for_each(each, names) {
		if (!strcasecmp(*each, name))
			return 1;
	}
	return 0;
}

static void containerfile_add(char *const *stages, const char *name, char ***images)
{
	_cleanup_free_ char *stored = NULL, *remote = NULL;
	struct err err = ERR_INIT;

	/* a stage may be meant by its number, too */
	if (strspn(name, "0123456789") == strlen(name) || !strcmp(name, "scratch") ||
	    containerfile_has(stages, name) || strv_has(*images, name))
		return;
	if (reference_resolve(name, &stored, &remote, &err) == 0)
		strv_add(images, name);
}

/* FROM [--OPTION...] NAME [AS STAGE] */
static void containerfile_from(char *const *words, char ***stages, char ***images)
{
	while (*words && !strncmp(*words, "--", 2))
		words++;
	if (!*words)
		return;
	containerfile_add(*stages, words[0], images);
	if (words[1] && words[2] && !strcasecmp(words[1], "AS"))
		strv_add(stages, words[2]);
}

char **containerfile_images(const char *text)
{
	_cleanup_strv_ char **lines = strv_split(text, "\n"), **stages = NULL;
	char **images = NULL;

	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " \t\r");

		if (words && !strcasecmp(words[0], "FROM"))
			containerfile_from(words + 1, &stages, &images);
		for (size_t i = 1; words && words[i] && !strncmp(words[i], "--", 2); i++) {
			if (!strncmp(words[i], "--from=", 7))
				containerfile_add(stages, words[i] + 7, &images);
		}
	}
	return images;
}
