// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/smbios.h"
#include "base/buf.h"
#include "vmm/layout.h"

#include <ctype.h>
#include <endian.h>
#include <string.h>

#define SMBIOS_ENTRY_SIZE 24
#define SMBIOS_TABLES	  32 /* from LAYOUT_SMBIOS; the entry point is before them */
#define SMBIOS_UUID	  16

enum smbios_type { SMBIOS_FIRMWARE = 0, SMBIOS_SYSTEM = 1, SMBIOS_BOOT = 32, SMBIOS_END = 127 };

#define SMBIOS_MAKER "brig"
/* Linux distrusts firmware from before 2008 with its PCI windows. */
#define SMBIOS_DATE		 "01/01/2026"
#define SMBIOS_FIRMWARE_SEGMENT	 0xf000
#define SMBIOS_NO_FEATURES	 (1 << 3) /* of a PC's BIOS */
#define SMBIOS_IS_VIRTUAL	 (1 << 4)
#define SMBIOS_NO_RELEASE	 0xff
#define SMBIOS_WAKE_POWER_SWITCH 6
#define SMBIOS_BOOT_STATUS_SIZE	 7 /* 6 reserved, then 0: no errors */

static void smbios_number(struct buf *out, uint64_t value, size_t len)
{
	value = htole64(value);
	buf_add(out, &value, len);
}

/* len: of what follows the header, without strings. Handles are the numbers of the types. */
static void smbios_begin(struct buf *out, enum smbios_type type, size_t len)
{
	smbios_number(out, type, 1);
	smbios_number(out, 4 + len, 1);
	smbios_number(out, type, 2);
}

/* The set of strings, which are numbered from 1 on: each ends with a NUL, all with another. */
static void smbios_end(struct buf *out, const char *const *strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_add(out, strings[i], strlen(strings[i]) + 1);
	smbios_number(out, 0, n ? 1 : 2);
}

/* Type 0, of 26 bytes: SMBIOS 7.1. */
static void smbios_add_firmware(struct buf *out)
{
	static const char *const strings[] = { SMBIOS_MAKER, BRIG_VERSION, SMBIOS_DATE };

	smbios_begin(out, SMBIOS_FIRMWARE, 22);
	smbios_number(out, 1, 1); /* vendor */
	smbios_number(out, 2, 1); /* version */
	smbios_number(out, SMBIOS_FIRMWARE_SEGMENT, 2);
	smbios_number(out, 3, 1); /* date */
	smbios_number(out, 0, 1); /* size: 64 KiB */
	smbios_number(out, SMBIOS_NO_FEATURES, 8);
	smbios_number(out, 0, 1);
	smbios_number(out, SMBIOS_IS_VIRTUAL, 1);
	for (int i = 0; i < 4; i++)
		smbios_number(out, SMBIOS_NO_RELEASE, 1);
	smbios_number(out, 0, 2); /* extended size */
	smbios_end(out, strings, ARRAY_SIZE(strings));
}

/* Type 1, of 27 bytes: 7.2. */
static void smbios_add_system(struct buf *out, const uint8_t *uuid, const char *serial)
{
	const char *const strings[] = { SMBIOS_MAKER, "virtual machine", BRIG_VERSION, serial };
	size_t n = ARRAY_SIZE(strings) - !serial[0];

	smbios_begin(out, SMBIOS_SYSTEM, 23);
	smbios_number(out, 1, 1); /* manufacturer */
	smbios_number(out, 2, 1); /* product */
	smbios_number(out, 3, 1); /* version */
	smbios_number(out, serial[0] ? 4 : 0, 1);
	buf_add(out, uuid, SMBIOS_UUID);
	smbios_number(out, SMBIOS_WAKE_POWER_SWITCH, 1);
	smbios_number(out, 0, 1); /* SKU */
	smbios_number(out, 0, 1); /* family */
	smbios_end(out, strings, n);
}

static int smbios_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* The first three fields are little-endian (7.2.1), and so in another order than in the text. */
static int smbios_parse_uuid(const char *text, uint8_t ret[SMBIOS_UUID])
{
	static const uint8_t place[SMBIOS_UUID] = { 3, 2, 1,  0,  5,  4,  7,  6,
						    8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < SMBIOS_UUID; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		high = smbios_digit(text[0]);
		low = high < 0 ? -1 : smbios_digit(text[1]);
		if (low < 0)
			return -EINVAL;
		ret[place[i]] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return *text ? -EINVAL : 0;
}

static int smbios_check_serial(const char *serial)
{
	if (strlen(serial) > SMBIOS_SERIAL_MAX)
		return -EINVAL;
	for (; *serial; serial++) {
		if ((unsigned char)*serial < ' ' || (unsigned char)*serial > '~')
			return -EINVAL;
	}
	return 0;
}

/* Its bytes sum up to zero: 5.2.2. */
static void smbios_make_entry(uint8_t entry[SMBIOS_ENTRY_SIZE], size_t len)
{
	const uint32_t size = htole32((uint32_t)len);
	const uint64_t gpa = htole64(LAYOUT_SMBIOS + SMBIOS_TABLES);

	memset(entry, 0, SMBIOS_ENTRY_SIZE);
	memcpy(entry, "_SM3_", 5);
	entry[6] = SMBIOS_ENTRY_SIZE;
	entry[7] = 3; /* the specification's version, 3.3 */
	entry[8] = 3;
	entry[10] = 1; /* the entry point's revision */
	memcpy(entry + 12, &size, sizeof(size));
	memcpy(entry + 16, &gpa, sizeof(gpa));
	for (int i = 0; i < SMBIOS_ENTRY_SIZE; i++)
		entry[5] = (uint8_t)(entry[5] - (i == 5 ? 0 : entry[i]));
}

int smbios_write(struct ram *ram, const struct smbios_machine *machine, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	uint8_t uuid[SMBIOS_UUID], entry[SMBIOS_ENTRY_SIZE];
	int r;

	if (smbios_parse_uuid(machine->uuid, uuid) < 0)
		return err_set(err, -EINVAL, "'%s' is no UUID", machine->uuid);
	if (smbios_check_serial(machine->serial) < 0)
		return err_set(err, -EINVAL,
			       "a machine's serial number has at most %d printable characters",
			       SMBIOS_SERIAL_MAX);
	smbios_add_firmware(&out);
	smbios_add_system(&out, uuid, machine->serial);
	smbios_begin(&out, SMBIOS_BOOT, SMBIOS_BOOT_STATUS_SIZE);
	smbios_number(&out, 0, SMBIOS_BOOT_STATUS_SIZE);
	smbios_end(&out, NULL, 0);
	smbios_begin(&out, SMBIOS_END, 0);
	smbios_end(&out, NULL, 0);
	smbios_make_entry(entry, out.len);
	r = ram_write(ram, LAYOUT_SMBIOS, entry, sizeof(entry));
	if (r == 0)
		r = ram_write(ram, LAYOUT_SMBIOS + SMBIOS_TABLES, out.data, out.len);
	return r < 0 ? err_errno(err, r, "cannot write the SMBIOS tables") : 0;
}
