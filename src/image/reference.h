/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_REFERENCE_H
#define IMAGE_REFERENCE_H

#include "base/err.h"

/*
 * Names of images: [HOST[:PORT]/]PATH[:TAG], with docker's grammar. PATH is lower-case components
 * of letters and digits, joined by '/', each with '.', '_', '__' or '-'s inside; at most 255 bytes
 * with the host. TAG is [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}.
 */
#define REFERENCE_NAME_MAX 255
#define REFERENCE_TAG_MAX  128

/*
 * Checks a reference and writes it in full: the tag defaults to "latest", and docker.io/library/,
 * which docker leaves out, is left out here too. Caller frees.
 */
int reference_normalize(const char *text, char **ret, struct err *err);

/*
 * The same of what may be NAME[:TAG]@sha256:HEX as well, of which the tag is not looked at, as with docker: that is
 * kept as NAME:sha256-HEX. *ret_remote: what a registry is asked for, NAME:TAG or NAME@sha256:HEX, with its host in
 * full; may be NULL. Caller frees both.
 */
int reference_resolve(const char *text, char **ret, char **ret_remote, struct err *err);

/* Whether the text begins with a registry: HOST.DOMAIN/, HOST:PORT/ or localhost/. */
int reference_has_host(const char *text);

/* The registry that a normalized reference is kept at: "docker.io" if it names none; caller frees. */
char *reference_host(const char *reference);

/* The colon before the tag of a normalized reference. */
const char *reference_tag(const char *reference);

/* A name for what comes from the file or folder at path ("debian" for /tmp/Debian.tar.xz); NULL if
 * nothing in its name can be part of one. Caller frees. */
char *reference_from_path(const char *path);

#endif
