// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/acl.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/record.h"
#include "base/units.h"
#include "base/word.h"

#include <fcntl.h>
#include <string.h>

#define ACL_VERSION 1
#define ACL_SUFFIX  ".json"

#define FIELD(kind, member) RECORD_FIELD(kind, struct acl, member)

static const struct record_field acl_fields[] = {
	FIELD(RECORD_STRING, name),
	FIELD(RECORD_INT, created),
	FIELD(RECORD_STRV, rules),
	RECORD_END,
};

#undef FIELD

static const struct record_table acl_table = {
	.what = "record of an ACL",
	.version = ACL_VERSION,
	.fields = acl_fields,
};

static const char *const acl_direction_names[] = { "ingress", "egress", NULL };
static const char *const acl_action_names[] = { "allow", "drop", "reject", NULL };
static const char *const acl_protocol_names[] = { "tcp", "udp", "icmp", NULL };
static const int acl_protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
static const char *const acl_peer_words[] = { "from", "to" }; /* by direction */

void acl_release(struct acl *acl)
{
	record_release(&acl_table, acl);
}

/* --- rules --- */

static int acl_find_word(const char *const *words, const char *word)
{
	for (int i = 0; word && words[i]; i++) {
		if (!strcmp(words[i], word))
			return i;
	}
	return -1;
}

static int acl_parse_range(struct acl_rule *rule, const char *text, struct err *err)
{
	size_t len = strcspn(text, "-");
	_cleanup_free_ char *first = mem_strndup(text, len);
	int64_t from = 0, to = 0;
	int r = units_parse_int(first, 1, UINT16_MAX, &from, err);

	if (r == 0)
		r = units_parse_int(text[len] ? text + len + 1 : first, 1, UINT16_MAX, &to, err);
	if (r < 0)
		return r;
	if (to < from)
		return err_set(err, -EINVAL, "the range %.32s ends before it begins", text);
	if (rule->n_ports == ACL_PORTS_MAX)
		return err_set(err, -EINVAL, "a rule has at most %d ranges of ports",
			       ACL_PORTS_MAX);
	rule->ports[rule->n_ports].first = (uint16_t)from;
	rule->ports[rule->n_ports++].last = (uint16_t)to;
	return 0;
}

static int acl_parse_ports(struct acl_rule *rule, const char *text, struct err *err)
{
	_cleanup_strv_ char **ranges = strv_split(text ? text : "", ",");

	if (!ranges)
		return err_set(err, -EINVAL, "which port?");
	if (rule->protocol != IPPROTO_TCP && rule->protocol != IPPROTO_UDP)
		return err_set(err, -EINVAL, "ports are of 'tcp' or 'udp': say which before them");
	strv_for_each(range, ranges) {
		if (acl_parse_range(rule, *range, err) < 0)
			return err->code;
	}
	return 0;
}

/* "0.0.0.0/0" and "::/0", which are no subnet. */
static int acl_parse_family(const char *text, struct subnet *ret)
{
	int is_ipv4 = !strcmp(text, "0.0.0.0/0");

	*ret = (struct subnet){ .family = is_ipv4 ? AF_INET : AF_INET6 };
	return is_ipv4 || !strcmp(text, "::/0") ? 0 : -EINVAL;
}

static int acl_parse_peer(struct acl_rule *rule, const char *text, struct err *err)
{
	if (!text)
		return err_set(err, -EINVAL, "'%s' whom?", acl_peer_words[rule->direction]);
	if (*text == '@') {
		if (name_check("network", text + 1, err) < 0)
			return err->code;
		snprintf(rule->network, sizeof(rule->network), "%s", text + 1);
		return 0;
	}
	if (acl_parse_family(text, &rule->peer) == 0 || subnet_parse(text, &rule->peer) == 0 ||
	    subnet_parse_address(text, &rule->peer) == 0)
		return 0;
	return err_set(err, -EINVAL,
		       "'%.64s' is no address, as 10.1.2.3, 10.1.0.0/16 or fd00::/8, and no "
		       "@NETWORK",
		       text);
}

static int acl_parse_rest(struct acl_rule *rule, char *const *words, struct err *err)
{
	const char *side = acl_peer_words[rule->direction];
	int r = 0, i = acl_find_word(acl_protocol_names, *words);

	if (i >= 0) {
		rule->protocol = acl_protocols[i];
		words++;
	}
	if (*words && !strcmp(*words, "port")) {
		r = acl_parse_ports(rule, words[1], err);
		words += words[1] ? 2 : 1;
	}
	if (r == 0 && *words && !strcmp(*words, side)) {
		r = acl_parse_peer(rule, words[1], err);
		words += words[1] ? 2 : 1;
	}
	rule->log = *words && !strcmp(*words, "log");
	words += rule->log;
	if (r == 0 && *words)
		return err_set(err, -EINVAL,
			       "'%.64s' is not expected there: after the action come "
			       "[tcp|udp|icmp] [port N,...] [%s ADDRESS|@NETWORK] [log]",
			       *words, side);
	return r;
}

int acl_rule_parse(const char *text, struct acl_rule *ret, struct err *err)
{
	_cleanup_strv_ char **words = strv_split(text, " \t\n");
	int direction = words ? acl_find_word(acl_direction_names, *words) : -1, r;

	*ret = (struct acl_rule){ .direction = direction };
	if (words && *words)
		ret->action = acl_find_word(acl_action_names, words[1]);
	if (!words || direction < 0)
		r = err_set(err, -EINVAL, "it begins with 'ingress' or 'egress'");
	else if (ret->action < 0)
		r = err_set(err, -EINVAL, "'%s' is followed by 'allow', 'drop' or 'reject'",
			    words[0]);
	else
		r = acl_parse_rest(ret, words + 2, err);
	return r < 0 ? err_wrap(err, "rule '%.128s'", text) : 0;
}

static void acl_format_peer(const struct acl_rule *rule, struct buf *text)
{
	unsigned int all = rule->peer.family == AF_INET ? 32 : 128;
	char peer[SUBNET_TEXT_MAX];

	if (!*rule->network && !rule->peer.family)
		return;
	buf_printf(text, " %s ", acl_peer_words[rule->direction]);
	if (*rule->network)
		buf_printf(text, "@%s", rule->network);
	else if (!rule->peer.prefix)
		buf_add_str(text, rule->peer.family == AF_INET ? "0.0.0.0/0" : "::/0");
	else if (rule->peer.prefix == all)
		buf_add_str(text, subnet_format_address(&rule->peer, peer));
	else
		buf_add_str(text, subnet_format_network(&rule->peer, peer));
}

char *acl_rule_format(const struct acl_rule *rule)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_printf(&text, "%s %s", acl_direction_names[rule->direction],
		   acl_action_names[rule->action]);
	for (size_t i = 0; i < ARRAY_SIZE(acl_protocols); i++) {
		if (acl_protocols[i] == rule->protocol)
			buf_printf(&text, " %s", acl_protocol_names[i]);
	}
	for (size_t i = 0; i < rule->n_ports; i++) {
		buf_printf(&text, "%s%u", i ? "," : " port ", rule->ports[i].first);
		if (rule->ports[i].last != rule->ports[i].first)
			buf_printf(&text, "-%u", rule->ports[i].last);
	}
	acl_format_peer(rule, &text);
	if (rule->log)
		buf_add_str(&text, " log");
	return buf_take(&text);
}

/* A network that has no addresses would make a rule that fits nothing. */
static int acl_check_network(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_network_ struct network network = { 0 };
	int r = network_load(home, name, &network, err);

	if (r == 0 && !network.ipv4 && !network.ipv6)
		r = err_set(err, -EINVAL,
			    "the network '%s' has no addresses of brig's: say ADDRESS/PREFIX",
			    name);
	return r;
}

static int acl_add_rule(const struct network_home *home, const char *text, char ***ret,
			struct err *err)
{
	struct acl_rule rule;
	int r = acl_rule_parse(text, &rule, err);

	if (r == 0 && *rule.network)
		r = acl_check_network(home, rule.network, err);
	if (r == 0)
		strv_add_take(ret, acl_rule_format(&rule));
	return r;
}

int acl_parse_words(const struct network_home *home, char *const *words, char ***ret,
		    struct err *err)
{
	_cleanup_free_ char *all = strv_join(words, " ");
	_cleanup_strv_ char **parts = strv_split(all ? all : "", " \t\n");
	_cleanup_buf_ struct buf rule = BUF_INIT;

	for (size_t i = 0; parts && parts[i]; i++) {
		buf_printf(&rule, "%s%s", rule.len ? " " : "", parts[i]);
		if (parts[i + 1] && acl_find_word(acl_direction_names, parts[i + 1]) < 0)
			continue;
		if (acl_add_rule(home, rule.data, ret, err) < 0)
			return err->code;
		buf_release(&rule);
	}
	return 0;
}

/* --- records --- */

static char *acl_folder(const struct network_home *home)
{
	return mem_printf("%s/acls", home->root);
}

static char *acl_path(const struct network_home *home, const char *name)
{
	return mem_printf("%s/acls/%s" ACL_SUFFIX, home->root, name);
}

int acl_exists(const struct network_home *home, const char *name)
{
	_cleanup_free_ char *path = acl_path(home, name);

	return *name != '.' && access(path, F_OK) == 0;
}

int acl_names(const struct network_home *home, char ***ret, struct err *err)
{
	_cleanup_free_ char *path = acl_folder(home);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	char **names = NULL;

	if (!dir && errno != ENOENT)
		return err_errno(err, -errno, "cannot read %s", path);
	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), suffix = strlen(ACL_SUFFIX);

		if (entry->d_name[0] != '.' && len > suffix &&
		    !strcmp(entry->d_name + len - suffix, ACL_SUFFIX))
			strv_add_take(&names, mem_strndup(entry->d_name, len - suffix));
	}
	strv_sort(names);
	*ret = names;
	return 0;
}

static int acl_unknown(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;
	const char *near = NULL;

	if (acl_names(home, &names, &ignored) == 0 && names)
		near = word_nearest(name, (const char *const *)names);
	return err_set(err, -ENOENT,
		       "there is no ACL '%.64s'%s%s%s; see 'brig acl ls' and 'brig acl create'",
		       name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int acl_load(const struct network_home *home, const char *name, struct acl *ret, struct err *err)
{
	_cleanup_free_ char *path = acl_path(home, name);
	int r = name_check("ACL", name, err);

	*ret = (struct acl){ .name = NULL };
	if (r < 0)
		return r;
	if (!acl_exists(home, name))
		return acl_unknown(home, name, err);
	r = record_load(&acl_table, AT_FDCWD, path, ret, err);
	for (size_t i = 0; r == 0 && ret->rules && ret->rules[i]; i++) {
		struct acl_rule rule;

		r = acl_rule_parse(ret->rules[i], &rule, err);
	}
	if (r < 0)
		acl_release(ret);
	/* the file's name is the truth */
	mem_replace(&ret->name, name);
	return r < 0 ? err_wrap(err, "ACL '%s'", name) : 0;
}

/* What a killed process was writing; who holds the lock writes now. */
static void acl_sweep(const struct network_home *home)
{
	_cleanup_free_ char *folder = mem_printf("%s/acls/", home->root);

	(void)file_replace_leftovers(AT_FDCWD, folder, 1);
}

int acl_save(const struct network_home *home, const struct acl *acl, struct err *err)
{
	_cleanup_free_ char *folder = acl_folder(home), *path = acl_path(home, acl->name);
	int r = name_check("ACL", acl->name, err);

	if (r < 0)
		return r;
	if (strv_len(acl->rules) > ACL_RULES_MAX)
		return err_set(err, -EINVAL, "an ACL has at most %d rules", ACL_RULES_MAX);
	r = file_mkdir_p(folder, 0700);
	acl_sweep(home);
	return r < 0 ? err_errno(err, r, "cannot make %s", folder)
		     : record_save(&acl_table, acl, AT_FDCWD, path, 1, err);
}

int acl_remove(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *path = acl_path(home, name);

	if (!acl_exists(home, name))
		return acl_unknown(home, name, err);
	acl_sweep(home);
	return unlink(path) < 0 ? err_errno(err, -errno, "cannot remove %s", path) : 0;
}

int acl_has(const struct acl *acl, enum acl_direction direction)
{
	size_t len = strlen(acl_direction_names[direction]);

	strv_for_each(rule, acl->rules) {
		if (!strncmp(*rule, acl_direction_names[direction], len))
			return 1;
	}
	return 0;
}

int acl_names_network(const struct acl *acl, const char *network)
{
	strv_for_each(text, acl->rules) {
		struct err ignored = ERR_INIT;
		struct acl_rule rule;

		if (acl_rule_parse(*text, &rule, &ignored) == 0 && !strcmp(rule.network, network))
			return 1;
	}
	return 0;
}

int acl_check_all(const struct network_home *home, char *const *names, struct err *err)
{
	if (strv_len(names) > ACLS_MAX)
		return err_set(err, -EINVAL, "at most %d ACLs, with those of the network",
			       ACLS_MAX);
	strv_for_each(name, names) {
		_cleanup_acl_ struct acl acl = { 0 };

		if (acl_load(home, *name, &acl, err) < 0)
			return err->code;
	}
	return 0;
}
