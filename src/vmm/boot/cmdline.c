// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/cmdline.h"
#include "base/buf.h"

#include <string.h>

/* What every kernel of ours is told; why is for the reader. */
static const struct cmdline_row {
	const char *word, *why;
} cmdline_rows[] = {
	{ "console=ttyS0",
	  "what the kernel says before the agent lives goes to the instance's log" },
	{ "8250.nr_uarts=1", "there is one port; each more is probed, at some exits apiece" },
	{ "quiet", "each character on the serial port is an exit: 47000 for what it keeps back" },
	{ "loglevel=1", "the same, for what quiet lets through" },
	{ "panic=-1", "a panic resets at once, which ends the machine" },
	{ "reboot=acpi",
	  "without ACPI's fixed hardware Linux resets by EFI's services, which are not there" },
	{ "cryptomgr.notests",
	  "ciphers were tested when the kernel was built: 890 M instructions" },
	{ "swiotlb=noforce", "no device needs its 64 MiB, from 4 GiB on: 220 M instructions" },
	{ "pci=noearly", "the early look at each slot is by ports, which are not there: 76 exits" },
};

int cmdline_make(const char *added, char **ret, struct err *err)
{
	_cleanup_buf_ struct buf line = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cmdline_rows); i++)
		buf_printf(&line, "%s%s", i ? " " : "", cmdline_rows[i].word);
	if (added[0])
		buf_printf(&line, " %s", added);
	if (line.len > CMDLINE_MAX)
		return err_set(err, -E2BIG,
			       "the kernel's command line would have %zu bytes, and Linux takes "
			       "%d: shorten what is added to it",
			       line.len, CMDLINE_MAX);
	*ret = buf_take(&line);
	return 0;
}

int cmdline_has(const char *cmdline, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = cmdline; (at = strstr(at, word)); at += n) {
		if ((at == cmdline || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return 1;
	}
	return 0;
}
