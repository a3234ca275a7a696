/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_LIMITS_INTERNAL_H
#define INSTANCE_LIMITS_INTERNAL_H

#include "instance/limits.h"

/* limits_value.c: what the members of the record are */
extern const struct limits_value limits_size, limits_swap, limits_cpus, limits_number,
	limits_shares, limits_score, limits_flag, limits_sets, limits_bytes, limits_operations,
	limits_pages, limits_rlimits, limits_devices, limits_net_rate;

int64_t *limits_int_at(const struct limits_row *row, const struct instance *record);
char *const *limits_list_at(const struct limits_row *row, const struct instance *record);
/* PAGE:SIZE; *ret_name: as the kernel calls such pages, "2MB". */
int limits_parse_pages(const char *text, char ret_name[16], int64_t *ret_size, struct err *err);

/* limits_apply.c */
int limits_apply_file(const struct limits_row *row, const struct limits_job *job, struct err *err);
int64_t limits_format_cpu_weight(const struct limits_job *job, int64_t value, const char *file);
int64_t limits_format_io_weight(const struct limits_job *job, int64_t value, const char *file);
int64_t limits_format_high(const struct limits_job *job, int64_t value, const char *file);
int limits_apply_cpus(const struct limits_row *row, const struct limits_job *job, struct err *err);
int limits_apply_memory(const struct limits_row *row, const struct limits_job *job,
			struct err *err);
int limits_apply_rate(const struct limits_row *row, const struct limits_job *job, struct err *err);
int limits_apply_pages(const struct limits_row *row, const struct limits_job *job, struct err *err);
/* What somebody reads from the record. */
int limits_apply_later(const struct limits_row *row, const struct limits_job *job, struct err *err);
int limits_apply_score(const struct limits_row *row, const struct limits_job *job, struct err *err);

#endif
