// SPDX-License-Identifier: GPL-2.0-or-later
/* What of the host an instance sees by -v and --mount. */
#include "base/mem.h"
#include "base/strv.h"
#include "container/spec.h"
#include "proto/share.h"

#include <linux/capability.h>
#include <string.h>

/* Whoever may mount inside may also make a mount writable that is not, or let it lead to devices. */
static int spec_share_holds(const struct spec *spec, const struct share *share, struct err *err)
{
	if (!strv_has(share->options, "ro") || !(spec->bounding & CAPS_BIT(CAP_SYS_ADMIN)))
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "%s: read-only does not hold against a container that may mount, as a whole "
		       "system, --nesting, --privileged and --cap-add SYS_ADMIN let it; leave "
		       "'ro' out, or share what lies on a read-only file system",
		       share->target);
}

static char *spec_share_options(const struct spec *spec, const struct share *share)
{
	int shifted = spec->idmap.n_uids && !spec->unprivileged && !share->noidmap;
	int alone = share->is_volume || strv_has(share->options, "bind");
	_cleanup_free_ char *words = strv_join(share->options, ",");

	return mem_printf(
		"%s%s%s%s%s%s", alone ? "bind" : "rbind", spec->all_devices ? "" : ",nodev",
		!shifted ? ""
		: alone	 ? ",idmap"
			 : ",ridmap",
		words ? "," : "", words ? words : "", strv_has(share->options, "ro") ? ",rro" : "");
}

static int spec_add_share(struct spec *spec, const struct share *share, const char *root,
			  struct err *err)
{
	_cleanup_free_ char *source = share_path(share, root);
	_cleanup_free_ char *options = spec_share_options(spec, share);
	int r = spec_share_holds(spec, share, err);

	if (r < 0)
		return r;
	spec_add_mount(spec, share->target, "bind", source, options);
	spec->mounts[spec->n_mounts - 1].fill = share->is_volume && !share->nocopy;
	return 0;
}

int spec_add_shares(struct spec *spec, char *const *shares, const char *root, struct err *err)
{
	_cleanup_share_list_ struct share_list list = { 0 };
	int r = share_list_parse(shares, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = spec_add_share(spec, &list.items[i], root, err);
	return r;
}
