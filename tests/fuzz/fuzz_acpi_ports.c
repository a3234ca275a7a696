// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/take.h"
#include "vmm/acpi/ged.h"
#include "vmm/acpi/power.h"

#include <stdint.h>
#include <string.h>

static int line;
static unsigned int ends;

static void set_line(void *ctx _unused_, int level)
{
	if (level == line)
		abort();
	line = level;
}

static void end(void *ctx _unused_)
{
	ends++;
}

static const struct power_ops power_ops = { .power_off = end, .reset = end };

/* One access, or a press of the button: what it is, the port, and 4 bytes. */
static void step(struct bus *bus, struct ged *ged, const uint8_t *data)
{
	uint64_t port = LAYOUT_PORT_ACPI - 4 + data[1] % 24;
	size_t len = (size_t)1 << (data[0] >> 2 & 3);
	uint8_t value[8] = { 0 };

	memcpy(value, data + 2, 4);
	ends = 0;
	switch (data[0] & 3) {
	case 0:
		ged_raise(ged, GED_POWER_BUTTON);
		if (!line)
			abort();
		break;
	case 1:
		bus_read(bus, port, value, len);
		if (port == GED_PORT && line)
			abort();
		break;
	default:
		bus_write(bus, port, value, len);
	}
	/* a reset is a 1; a power off is S5 with SLP_EN, whatever the bits around them */
	if (ends && (data[0] & 3) < 2)
		abort();
	if (ends && len == 1 && value[0] != POWER_RESET_VALUE &&
	    (value[0] & 0x3c) != (POWER_SLEEP_OFF << 2 | 0x20))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus *bus = bus_new();
	struct power power = { .ops = &power_ops };
	struct ged *ged = ged_new(set_line, NULL);

	line = 0;
	if (bus_add(bus, LAYOUT_PORT_ACPI, POWER_LEN, &power_bus_ops, &power) < 0 ||
	    bus_add(bus, GED_PORT, GED_LEN, &ged_bus_ops, ged) < 0)
		abort();
	for (; size >= 6; data += 6, size -= 6)
		step(bus, ged, data);
	bus_free(bus);
	ged_free(ged);
	return 0;
}
