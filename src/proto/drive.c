// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/drive.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/strv.h"
#include "base/utf8.h"
#include "proto/share.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void drive_release(struct drive *drive)
{
	free(drive->source);
	*drive = (struct drive){ .source = NULL };
}

/* "data" and "layer0" are the instance's own. */
static int drive_is_serial(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(text);

	return len && len <= DRIVE_SERIAL_MAX && strspn(text, letters) == len &&
	       strcmp(text, "data") != 0 && strncmp(text, "layer", 5) != 0;
}

static int drive_add_option(struct drive *drive, const char *word, struct err *err)
{
	if (!strcmp(word, "ro")) {
		drive->read_only = 1;
	} else if (!strcmp(word, "format=raw") || !strcmp(word, "format=qcow2")) {
		drive->qcow2 = !strcmp(word, "format=qcow2");
	} else if (strncmp(word, "serial=", 7) != 0) {
		return err_set(err, -EINVAL,
			       "'%.64s' is none of format=raw, format=qcow2, ro, serial=TEXT",
			       word);
	} else if (!drive_is_serial(word + 7)) {
		return err_set(err, -EINVAL,
			       "'%.64s' is no serial number: 1 to %d letters, digits, '.', '_' and "
			       "'-', and neither data nor layer",
			       word + 7, DRIVE_SERIAL_MAX);
	} else {
		snprintf(drive->serial, sizeof(drive->serial), "%s", word + 7);
	}
	return 0;
}

int drive_parse(const char *text, size_t place, struct drive *ret, struct err *err)
{
	_cleanup_drive_ struct drive drive = { 0 };
	size_t len = strcspn(text, ":");
	_cleanup_strv_ char **words = text[len] ? strv_split(text + len + 1, ",") : NULL;
	int r = 0;

	drive.source = mem_strndup(text, len);
	drive.is_volume = *drive.source != '/';
	if (!len || !utf8_valid(drive.source) || (drive.is_volume && strchr(drive.source, '/')))
		return err_set(err, -EINVAL,
			       "'%.64s': say SOURCE[:OPTION,...] with the whole path of a file or "
			       "a block device, or the name of a volume that is a disk",
			       text);
	r = drive.is_volume ? name_check("volume", drive.source, err) : 0;
	snprintf(drive.serial, sizeof(drive.serial), "disk%zu", place);
	strv_for_each(word, words) {
		if (r == 0)
			r = drive_add_option(&drive, *word, err);
	}
	if (r < 0)
		return r;
	*ret = drive;
	drive = (struct drive){ .source = NULL };
	return 0;
}

char *drive_format(const struct drive *drive)
{
	return mem_printf("%s:%s%sserial=%s", drive->source, drive->qcow2 ? "format=qcow2," : "",
			  drive->read_only ? "ro," : "", drive->serial);
}

int drive_check_all(char *const *texts, struct err *err)
{
	_cleanup_strv_ char **serials = NULL;
	size_t n = strv_len(texts);

	if (n > DRIVE_MAX)
		return err_set(err, -E2BIG, "a VM takes at most %d disks more", DRIVE_MAX);
	for (size_t i = 0; i < n; i++) {
		_cleanup_drive_ struct drive drive = { 0 };

		if (drive_parse(texts[i], i, &drive, err) < 0)
			return err->code;
		if (strv_has(serials, drive.serial))
			return err_set(err, -EINVAL, "two disks have the serial number '%s'",
				       drive.serial);
		strv_add(&serials, drive.serial);
	}
	return 0;
}

char *drive_path(const struct drive *drive, const char *root)
{
	return drive->is_volume ? share_volume_path(root, drive->source)
				: mem_strdup(drive->source);
}

/* Not blocking, since a fifo would wait for its other end. */
int drive_open(const struct drive *drive, const char *root, struct err *err)
{
	int flags = drive->read_only ? O_RDONLY : O_RDWR;
	_cleanup_free_ char *path = drive_path(drive, root);
	_cleanup_close_ int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == EISDIR)
		return err_set(err, -EINVAL, "%.200s is a folder, and no disk", drive->source);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot open the disk %.200s", drive->source);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL, "%.200s is neither a file nor a block device",
			       drive->source);
	if (fcntl(fd, F_SETFL, flags) < 0)
		return err_errno(err, -errno, "cannot use the disk %.200s", drive->source);
	return take_fd(&fd);
}
