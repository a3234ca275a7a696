// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/role.h"

int main(void)
{
	return role_main();
}
