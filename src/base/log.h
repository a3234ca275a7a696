/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/take.h"

/*
 * Lines on stderr, "brig: text". Only a role's top reports errors; rooms below it log at debug level
 * alone. Secrets (environment values, passwords) never reach a log call.
 */

/* Shows debug lines too (--debug or BRIG_DEBUG=1). */
void log_set_debug(int on);
int log_is_debug(void);

void log_error(const char *fmt, ...) _printf_(1, 2);
void log_notice(const char *fmt, ...) _printf_(1, 2);
void log_debug(const char *fmt, ...) _printf_(1, 2);

#endif
