// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/uses.h"
#include "base/mem.h"

#include <string.h>

/* thing NULL: it may be any. */
struct uses_row {
	char *thing, *instance;
};

struct uses_visit {
	struct uses *uses;
	int (*names)(const struct instance *record, char ***ret);
};

void uses_release(struct uses *uses)
{
	for (size_t i = 0; i < uses->n; i++) {
		free(uses->rows[i].thing);
		free(uses->rows[i].instance);
	}
	free(uses->rows);
	*uses = (struct uses){ .n = 0 };
}

static void uses_add(struct uses *uses, const char *thing, const char *instance)
{
	uses->rows = mem_realloc(uses->rows, uses->n + 1, sizeof(*uses->rows));
	uses->rows[uses->n++] =
		(struct uses_row){ .thing = mem_strdup(thing), .instance = mem_strdup(instance) };
}

static int uses_each(struct instance_view *view, void *ctx)
{
	struct uses_visit *visit = ctx;
	_cleanup_strv_ char **names = NULL;

	if (view->damaged || visit->names(&view->record, &names) != 0)
		uses_add(visit->uses, NULL, view->record.name);
	strv_for_each(name, names)
		uses_add(visit->uses, *name, view->record.name);
	return 0;
}

int uses_collect(const struct instance_home *home,
		 int (*names)(const struct instance *record, char ***ret), struct uses *ret,
		 struct err *err)
{
	struct uses_visit visit = { .uses = ret, .names = names };

	return instance_each(home, uses_each, &visit, err);
}

char **uses_of(const struct uses *uses, const char *name)
{
	char **users = NULL;

	for (size_t i = 0; i < uses->n; i++) {
		const struct uses_row *row = &uses->rows[i];

		if ((!row->thing || !strcmp(row->thing, name)) && !strv_has(users, row->instance))
			strv_add(&users, row->instance);
	}
	return users;
}
