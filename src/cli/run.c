// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs that make an instance: run and create. */
#include "base/log.h"
#include "cli/foreground.h"
#include "cli/home.h"
#include "cli/recipe.h"
#include "cli/registry.h"
#include "image/kernel.h"
#include "instance/advise.h"
#include "instance/engine.h"
#include "instance/limits.h"
#include "instance/volume.h"
#include "net/acl.h"
#include "net/network.h"
#include "proto/nic.h"

#include <string.h>

/* What a VM needs beside its image, wanted before anything is made: an engine, and a kernel. */
static int run_check_vm(const struct instance_home *home, const struct instance *record,
			struct err *err)
{
	_cleanup_kernel_files_ struct kernel_files files = { 0 };
	const struct driver_ops *driver = NULL;
	char notice[ENGINE_NOTICE_MAX];
	int r = engine_choose(home, record, &driver, notice, err);

	if (r == 0 && record->kind == INSTANCE_VM &&
	    (!record->kernel || strcmp(record->kernel, "image") != 0))
		r = kernel_get(home->root, record->kernel, &files, err);
	if (r == 0 && *notice)
		log_notice("%s", notice);
	return r;
}

static int run_check_limits(const struct instance *record, struct err *err)
{
	_cleanup_strv_ char **unmet = NULL;
	int r = geteuid() ? 0 : limits_check_host(record, &unmet, err);

	strv_for_each(text, unmet)
		log_notice("%s", *text);
	return r;
}

/* The networks and ACLs that it names, but for the network that is made on first use; or the instance whose network it shares. */
static int run_check_networks(const struct instance_home *home, const struct instance *record,
			      struct err *err)
{
	const struct network_home networks = { .root = home->root, .run = home->run };
	const char *first = record->networks ? *record->networks : "";
	int r = 0;

	if (nic_is_shared(record->networks)) {
		_cleanup_instance_ struct instance other = { 0 };

		return strcmp(first, NIC_HOST)
			       ? instance_load(home, first + strlen(NIC_OF), &other, err)
			       : 0;
	}
	for (size_t i = 0; r == 0 && record->networks && record->networks[i]; i++) {
		_cleanup_network_ struct network network = { 0 };
		_cleanup_nic_ struct nic nic = { 0 };

		r = nic_parse(record->networks[i], i, &nic, err);
		if (r == 0 && nic.network && strcmp(nic.network, NETWORK_DEFAULT) != 0 &&
		    !nic_is_user(record->networks))
			r = network_load(&networks, nic.network, &network, err);
		if (r == 0)
			r = acl_check_all(&networks, nic.acls, err);
	}
	return r;
}

/*
 * Finds the image, and fetches it first if it has to be. *ret_lock keeps its layers until the record names
 * them.
 */
static int run_find_image(const struct instance_home *home, const struct recipe *recipe,
			  const char *reference, struct image *ret, int *ret_lock, struct err *err)
{
	struct err here = ERR_INIT;
	int r = recipe->pull == RECIPE_PULL_ALWAYS
			? registry_bring_image(home->root, reference, err)
			: 0;

	if (r == 0)
		r = *ret_lock = store_lock(home->root, 0, err);
	if (r >= 0)
		r = store_get(home->root, reference, ret, &here);
	if (r != -ENOENT || recipe->pull != RECIPE_PULL_MISSING || !registry_may_have(reference))
		return here.code ? err_set(err, r, "%s", here.msg) : r;
	*ret_lock = fd_close(*ret_lock);
	r = registry_bring_image(home->root, reference, err);
	if (r < 0)
		return err_wrap(err, "there is no image '%.120s' here", reference);
	r = *ret_lock = store_lock(home->root, 0, err);
	return r < 0 ? r : store_get(home->root, reference, ret, err);
}

/* The record as a container, or what says that it can be none. */
static int run_advise(const struct instance_home *home, const struct recipe *recipe,
		      const struct image *image, char *const *command, int *ret_vm, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_advice_ struct advice advice = { 0 };
	const struct advise_rule *heaviest = NULL;
	int r;

	instance_init(&record);
	r = recipe_fill(recipe, image, command, &record, err);
	if (r == 0)
		r = advise_about(home, &record, recipe->needs, &advice, err);
	if (r < 0)
		return r;
	*ret_vm = advice.verdict == ADVISE_VM;
	for (size_t i = 0; i < advice.n; i++) {
		const struct advise_rule *rule = advice.findings[i].rule;

		if (rule->verdict == advice.verdict &&
		    (!heaviest || rule->weight > heaviest->weight))
			heaviest = rule;
	}
	if (heaviest)
		log_notice("a %s: %s (%s)", instance_kind_names[*ret_vm], heaviest->reason,
			   heaviest->id);
	else
		log_notice("a container: what speaks for a VM weighs no more");
	return 0;
}

/* The kind where no word names one: a container, unless the host's policy says a VM. */
static int run_follow_policy(const struct recipe *recipe, const struct image *image,
			     char *const *command, struct recipe *ret, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_policy_ struct policy policy = { 0 };
	const struct policy_rule *rule;
	int r = policy_read(&policy, err);

	if (r < 0 || !policy.n)
		return r;
	instance_init(&record);
	r = recipe_fill(recipe, image, command, &record, err);
	if (r < 0)
		return r;
	rule = policy_find(&policy, &record);
	if (!rule || rule->word != POLICY_FORCE || rule->kind != INSTANCE_VM)
		return 0;
	ret->vm = 1;
	log_notice("a vm: line %u of " POLICY_FILE, rule->line);
	return recipe_check(ret, err);
}

/* --isolation as --vm or --container; auto is a container, until the image is known. */
static int run_choose(const struct recipe *recipe, struct recipe *ret, struct err *err)
{
	struct err ignored = ERR_INIT;

	*ret = *recipe;
	if (!recipe->isolation)
		return 0;
	if (recipe->vm || recipe->container)
		return err_set(err, -EINVAL, "--isolation excludes --vm and --container");
	if (advise_check_needs(recipe->needs, err) < 0)
		return err->code;
	ret->vm = recipe->isolation == RECIPE_ISOLATION_VM;
	/* an option that only a VM has says enough */
	if (recipe->isolation == RECIPE_ISOLATION_AUTO &&
	    recipe_check(ret, &ignored) == -EOPNOTSUPP)
		ret->vm = 1;
	return 0;
}

static int run_make(const struct instance_home *home, const struct recipe *given, char **args,
		    struct instance *ret, struct err *err)
{
	_cleanup_image_ struct image image = { 0 };
	_cleanup_close_ int lock = -EBADF, volumes = -EBADF;
	struct recipe chosen, *const recipe = &chosen;
	int r = run_choose(given, &chosen, err);

	if (r == 0)
		r = recipe_check(recipe, err);
	if (r == 0)
		r = run_find_image(home, recipe, args[0], &image, &lock, err);
	if (r == 0 && recipe->isolation == RECIPE_ISOLATION_AUTO && !recipe->vm)
		r = run_advise(home, recipe, &image, args + 1, &chosen.vm, err);
	if (r == 0 && !recipe->vm && !recipe->container && !recipe->isolation)
		r = run_follow_policy(recipe, &image, args + 1, &chosen, err);
	if (r == 0)
		r = recipe_fill(recipe, &image, args + 1, ret, err);
	if (r == 0)
		r = policy_check(ret, ret->kind, err);
	if (r == 0)
		r = run_check_networks(home, ret, err);
	if (r == 0)
		r = run_check_vm(home, ret, err);
	if (r == 0)
		r = run_check_limits(ret, err);
	if (r == 0)
		r = volume_hold_all(home, ret, &volumes, err);
	return r < 0 ? r : instance_create(home, ret, err);
}

static int run_create(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_instance_ struct instance record = { 0 };
	int r;

	instance_init(&record);
	r = run_make(&home, values, args, &record, err);
	if (r == 0)
		puts(record.name);
	return r;
}

static int run_start(const struct instance_home *home, const struct instance *record, int detach,
		     struct err *err)
{
	const struct foreground foreground = {
		.name = record->name,
		.tty = record->tty,
		.take_stdin = record->interactive && (!record->system || isatty(STDIN_FILENO)),
		.detach_keys = record->system ? FOREGROUND_CONSOLE_KEYS : FOREGROUND_DETACH_KEYS,
	};
	int session = -EBADF;
	int r = instance_start(home, record->name, foreground.take_stdin ? INSTANCE_START_STDIN : 0,
			       detach ? NULL : &session, err);

	if (r < 0)
		return r;
	if (!detach && record->system && foreground.take_stdin)
		log_notice("console of '%s'; ctrl-a q leaves it running", record->name);
	if (!detach)
		return foreground_run(session, &foreground, err);
	puts(record->name);
	return 0;
}

static int run_run(const struct cli_context *cli, const void *values, char **args, struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct recipe *recipe = values;
	_cleanup_instance_ struct instance record = { 0 };
	struct err ignored = ERR_INIT;
	int r;

	instance_init(&record);
	r = run_make(&home, recipe, args, &record, err);
	if (r < 0)
		return r;
	r = run_start(&home, &record, recipe->detach, err);
	/* its keeper removes it at its end, unless there never was one */
	if (r < 0 && record.remove)
		(void)instance_remove(&home, record.name, 1, &ignored);
	return r;
}

#define RUN_SHARES                                                                                 \
	"-v SOURCE:PATH shows the instance, at PATH, a volume (a name; it is made if it is not "   \
	"there) or a file or folder of the host's (a path that begins with / or ./), with the "    \
	"same owners inside as outside, whichever its kind. OPTIONS are ro, noexec, nosuid, bind " \
	"(nothing that is mounted below), noidmap (owners as the host's), nocopy (an empty one "   \
	"stays so, instead of getting what the image has at PATH), and mount(8)'s for "            \
	"propagation, to containers. A virtual machine gets them from virtiofsd, which has to be " \
	"installed; a user needs subordinate ids for it (see 'brig doctor').\n\n"

#define RUN_SIZES                                                                                 \
	"--disk-size bounds what a container writes in its own files, by a project quota of the " \
	"host's xfs or ext4, which has to be mounted with it; brig says how. Snapshots and "      \
	"volumes do not count. 'brig set' changes it.\n\n"                                        \
	"--disk gives a virtual machine a file or a block device of the host's as a disk more, "  \
	"as raw bytes unless 'format=qcow2' is said; what is in it is never guessed. In "         \
	"the guest it is /dev/disk/by-id/virtio-SERIAL, where SERIAL is disk0, disk1 and so on "  \
	"unless 'serial=' says another. One machine can write to it, or several read it with "    \
	"'ro'. It is no part of snapshots.\n\n"

#define RUN_NETWORKS                                                                               \
	"An instance is on the network 'brig0', whichever its kind, unless --network names "       \
	"others "                                                                                  \
	"(one after another are its eth0, eth1...) or BRIG_NETWORK does. 'none' is nothing but a " \
	"loopback device; 'host' is the host's own "                                               \
	"network, 'container:NAME' that of another instance that runs, both for containers "       \
	"alone. bridge=NAME is a bridge of the host's that brig has no part in. KEY=VALUE after "  \
	"a comma are ip, ip6, mac, name (of the interface inside), rate and acl, which may be "    \
	"there several times. --ip, --ip6 and --mac-address say it of the first network.\n\n"      \
	"A user who is not root has 'user', if passt is installed, else 'none': what the "         \
	"instance connects to, a process of his connects to for it, and ports from "               \
	"net.ipv4.ip_unprivileged_port_start on can be published. Of keys it takes mac and name. " \
	"Its address, 10.0.2.100, is good for nothing outside, and instances do not reach each "   \
	"other but by published ports. With the passt of Debian 12 a server that speaks first, "   \
	"as that of ssh does, is not heard by other hosts through a published port.\n\n"           \
	"On the host's network a container that is not --privileged has no rights over it: it "    \
	"opens ports from net.ipv4.ip_unprivileged_port_start on, as any user.\n\n"                \
	"-p leads ports of the host's, on all its addresses or the one IP, to the instance: "      \
	"8080:80, 127.0.0.1:5353:53/udp, or ranges of one length, 8000-8009:80-89.\n\n"

#define RUN_KINDS                                                                                 \
	"Without --vm it is a container: processes on the host's kernel, in namespaces and a "    \
	"control group of their own. With --vm it is a virtual machine with its own kernel. "     \
	"Everything else is the same, and what one kind has no meaning for is refused.\n\n"       \
	"An image without any command is a whole system if it has /sbin/init, which is then run " \
	"as process 1 on a console. It ends by 'poweroff' inside, and starts again by "           \
	"'reboot'.\n\n" RUN_NETWORKS RUN_SHARES RUN_SIZES                                         \
	"With --nesting containers can be run inside, by podman or brig itself: the container "   \
	"gets the rights over its own namespaces that this takes, and stays without any over "    \
	"the host. A virtual machine needs no such word, and takes it."

static const char *const run_examples[] = {
	"brig run --rm debian:bookworm uname -r",
	"a container that is gone when its command has ended",
	"brig run -it --vm -m 1g debian:bookworm bash",
	"a shell in a virtual machine with 1 GiB of memory",
	"brig run -d --name web --restart on-failure:3 -e MODE=live web:1.2",
	"in the background, started again if it fails",
	NULL,
};

static const char *const create_examples[] = {
	"brig create --name db --vm -m 2g db:15",
	"make it now, start it later with 'brig start db'",
	"brig create -it --name box debian:bookworm bash",
	"'brig start -ai box' then gives the shell",
	NULL,
};

const struct verb cli_run_verbs[] = {
	{ .name = "run",
	  .group = "Run",
	  .args = "IMAGE [COMMAND [ARG...]]",
	  .summary = "Make an instance of an image and run it",
	  .description =
		  "Makes an instance and runs the image's command in it, or the given one. It ends "
		  "with "
		  "the command, whose exit status is brig's; the instance stays until it is "
		  "removed, "
		  "unless --rm is given. With -it, ctrl-p ctrl-q leaves it running.\n\n" RUN_KINDS,
	  .examples = run_examples,
	  .options = recipe_options,
	  .mode = OPTION_LEAD,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct recipe),
	  .defaults = &recipe_defaults,
	  .complete = "image command",
	  .run = run_run },
	{ .name = "create",
	  .group = "Run",
	  .args = "IMAGE [COMMAND [ARG...]]",
	  .summary = "Make an instance without starting it",
	  .description = "Makes an instance as 'run' does, and prints its name.\n\n" RUN_KINDS,
	  .examples = create_examples,
	  .options = recipe_options + RECIPE_CREATE,
	  .mode = OPTION_LEAD,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct recipe),
	  .defaults = &recipe_defaults,
	  .complete = "image command",
	  .run = run_create },
	{ .name = NULL },
};
