/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SCOPE_PROPERTIES_H
#define CONTAINER_SCOPE_PROPERTIES_H

#include "base/err.h"
#include "base/record.h"
#include "base/strv.h"
#include "container/config.h"
#include "sys/cgroup.h"

/*
 * What systemd must know of a container so that it does not undo what we write to its cgroup: it writes all files
 * of a controller again whenever it touches one of them. "NAME=VALUE" as systemd.resource-control(5) has them,
 * added to a strv. What systemd has no word for is left out, and resources_apply() writes it alone.
 */

/*
 * The limits, those that are given. version: of the host's cgroups (1: at least the controllers are version 1's).
 * The share of a processor is rounded up to whole percents, which is what systemd keeps of it.
 */
void scope_properties_limits(const struct config_resources *resources, int version,
			     char ***properties);

/*
 * Devices: the rules of cgroup_set_devices(). systemd knows lists of what is allowed alone; rules that say
 * something else leave its policy open, and ours is the only one.
 */
void scope_properties_devices(const struct cgroup_device *rules, size_t n, char ***properties);

/*
 * Annotations "org.systemd.property.NAME", as runc and crun have them: NAME as on D-Bus, or with Sec at its end for
 * seconds; the value in GVariant's text format, of which booleans, numbers (with their type before them or not),
 * strings, and arrays of strings are taken. Others are -EINVAL by name.
 */
#define SCOPE_PROPERTIES_ANNOTATION "org.systemd.property."
int scope_properties_annotations(const struct record_pair *annotations, size_t n,
				 char ***properties, struct err *err);

#endif
