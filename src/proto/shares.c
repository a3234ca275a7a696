// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/shares.h"
#include "base/mem.h"
#include "base/strv.h"
#include "proto/share.h"

#include <string.h>
#include <sys/stat.h>

static int shares_check(const char *path, struct err *err)
{
	struct stat st;

	if (geteuid())
		return err_set(err, -EOPNOTSUPP,
			       "not built yet: folders shared with a VM by a user who is not root");
	if (stat(path, &st) < 0)
		return err_errno(err, -errno, "cannot share %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s is no folder, and a VM can be shown nothing else",
			       path);
	if (strchr(path, ','))
		return err_set(err, -EINVAL, "%s: a path with a comma cannot be shared with a VM",
			       path);
	return 0;
}

static int shares_start_one(const struct share *share, const struct shares_site *site,
			    struct virtiofsd *ret, struct err *err)
{
	_cleanup_free_ char *source = share_path(share, site->root);
	const struct virtiofsd_spec spec = {
		.source = source,
		.read_only = strv_has(share->options, "ro"),
		.run_dir = site->run_dir,
		.errors_fd = site->errors_fd,
		.into_cgroup = site->into_cgroup,
		.prepare = site->prepare,
		.ctx = site->ctx,
	};
	int r = shares_check(source, err);

	return r < 0 ? r : virtiofsd_start(&spec, ret, err);
}

int shares_start(struct shares *shares, char *const *volumes, const struct shares_site *site,
		 struct err *err)
{
	_cleanup_share_list_ struct share_list list = { 0 };
	int r = share_list_parse(volumes, &list, err);

	if (r < 0)
		return r;
	shares->servers = mem_zalloc((list.n + 1) * sizeof(*shares->servers));
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		r = shares_start_one(&list.items[i], site, &shares->servers[i], err);
		if (r == 0)
			shares->n++;
	}
	return r;
}

void shares_end(struct shares *shares)
{
	for (size_t i = 0; i < shares->n; i++)
		virtiofsd_release(&shares->servers[i]);
	free(shares->servers);
	*shares = (struct shares){ .n = 0 };
}
