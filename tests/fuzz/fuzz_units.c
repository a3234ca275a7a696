// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/signum.h"
#include "base/units.h"

#include <string.h>

/* What is refused leaves its result alone and says why. */
static void fuzz_check(int r, int64_t value, const struct err *err)
{
	if ((r < 0) != err_is_set(err) || (r < 0 && value != -77))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup((const char *)data, size);
	struct err size_err = ERR_INIT, milli_err = ERR_INIT, time_err = ERR_INIT,
		   signal_err = ERR_INIT;
	int64_t bytes = -77, milli = -77, ns = -77;
	int number = -77;

	fuzz_check(units_parse_size(text, &bytes, &size_err), bytes, &size_err);
	fuzz_check(units_parse_milli(text, &milli, &milli_err), milli, &milli_err);
	fuzz_check(units_parse_time(text, INT64_C(1) << 60, &ns, &time_err), ns, &time_err);
	fuzz_check(signum_parse(text, &number, &signal_err), number, &signal_err);
	return 0;
}
