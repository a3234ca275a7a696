// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/admit.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/meminfo.h"
#include "base/units.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/param.h>

#define ADMIT_LOCK     ".admit"
#define ADMIT_FILE_MAX 65536
#define ADMIT_HOST_MIN (INT64_C(256) << 20)

struct admit_sum {
	const char *but; /* this one */
	int64_t promised;
};

int64_t admit_promise(const struct instance *record)
{
	return record->huge_pages ? 0 : record->memory_low;
}

int admit_check(int64_t total, int64_t promised, const char *name, int64_t promise, struct err *err)
{
	int64_t own = MAX(total / 16, ADMIT_HOST_MIN);
	char texts[4][UNITS_TEXT_MAX];

	if (!promise || (promised <= total && promise <= total - promised - own))
		return 0;
	return err_set(err, -ENOMEM,
		       "'%s' has a memory-reservation of %s, but of the host's %s others that run "
		       "have %s, and the host needs %s: reserve less ('brig set'), stop others, or "
		       "start it with --overcommit",
		       name, units_format_size(promise, texts[0]),
		       units_format_size(total, texts[1]), units_format_size(promised, texts[2]),
		       units_format_size(own, texts[3]));
}

static int admit_add(struct instance_view *view, void *ctx)
{
	struct admit_sum *sum = ctx;

	if (view->alive && !view->damaged && strcmp(view->record.name, sum->but) != 0)
		sum->promised += admit_promise(&view->record);
	return 0;
}

int admit_start(const struct instance_home *home, const struct instance *record, int *ret_lock,
		struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" ADMIT_LOCK, home->run), *text = NULL;
	struct admit_sum sum = { .but = record->name };
	int64_t promise = admit_promise(record);
	_cleanup_close_ int lock = -EBADF;
	int r;

	if (!promise || record->overcommit)
		return 0;
	r = file_mkdir_p(home->run, 0755);
	if (r == 0)
		lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0 || file_lock(lock, LOCK_EX) < 0)
		return err_errno(err, r < 0 ? r : -errno, "cannot lock %s", path);
	r = file_read(AT_FDCWD, "/proc/meminfo", ADMIT_FILE_MAX, &text, NULL);
	if (r < 0)
		return err_errno(err, r, "cannot read /proc/meminfo");
	r = instance_each(home, admit_add, &sum, err);
	if (r == 0)
		r = admit_check(meminfo_bytes(text, "MemTotal"), sum.promised, record->name,
				promise, err);
	if (r == 0)
		*ret_lock = take_fd(&lock);
	return r;
}
