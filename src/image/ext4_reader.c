// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this relies on, whatever the disk holds:
 *  1. A folder is gone through once: one that comes again is damage, so there is no loop.
 *  2. Data is read from the disk's file within the file system's blocks, and in all no more of it than that.
 *  3. What libext2fs gives (names, sizes, block numbers) is checked here; who receives checks the stream again.
 */
#include "image/ext4_reader.h"
#include "base/mem.h"
#include "image/ext4_reader-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define EXT4_READER_FOLDER UINT32_MAX

struct ext4_reader_inode {
	ext2_ino_t ino;
	uint32_t number; /* 0: not a file that the stream has shared */
};

struct ext4_reader_name {
	ext2_ino_t ino;
	char *text;
};

struct ext4_reader_folder {
	struct ext4_reader_name *names;
	size_t n, size;
	int broken;
};

const char *const ext4_reader_syscalls[] = {
	"read",	      "pread64",      "write", "lseek",	     "close",  "fstat", "fcntl",
	"newfstatat", "brk",	      "mmap",  "munmap",     "mremap", "futex", "madvise",
	"getrandom",  "rt_sigreturn", "exit",  "exit_group", NULL,
};

int ext4_reader_damaged(struct ext4_reader *reader, ext2_ino_t ino, const char *what,
			errcode_t code)
{
	if (code == EXT2_ET_NO_MEMORY)
		return err_set(reader->err, -ENOMEM, "reading the disk takes too much memory");
	return err_set(reader->err, -EUCLEAN,
		       "the disk's file system is damaged: inode %u: %s%s%.100s", ino, what,
		       code ? ": " : "", code ? error_message(code) : "");
}

static struct ext4_reader_inode *ext4_reader_place(struct ext4_reader_inode *inodes, size_t size,
						   ext2_ino_t ino)
{
	size_t i = (size_t)(ino * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (size - 1);

	while (inodes[i].ino && inodes[i].ino != ino)
		i = (i + 1) & (size - 1);
	return &inodes[i];
}

/* The entry of an inode; a new one has its ino still 0. */
static struct ext4_reader_inode *ext4_reader_find(struct ext4_reader *reader, ext2_ino_t ino)
{
	size_t size = reader->inodes_size ? reader->inodes_size * 2 : 64;
	struct ext4_reader_inode *grown;

	if (2 * reader->n_inodes >= reader->inodes_size) {
		grown = mem_zalloc(size * sizeof(*grown));
		for (size_t i = 0; i < reader->inodes_size; i++) {
			const struct ext4_reader_inode *old = &reader->inodes[i];

			if (old->ino)
				*ext4_reader_place(grown, size, old->ino) = *old;
		}
		free(reader->inodes);
		reader->inodes = grown;
		reader->inodes_size = size;
	}
	return ext4_reader_place(reader->inodes, reader->inodes_size, ino);
}

static int ext4_reader_note_folder(struct ext4_reader *reader, ext2_ino_t ino)
{
	struct ext4_reader_inode *place = ext4_reader_find(reader, ino);

	if (place->ino)
		return ext4_reader_damaged(reader, ino, "a folder with two names", 0);
	*place = (struct ext4_reader_inode){ .ino = ino, .number = EXT4_READER_FOLDER };
	reader->n_inodes++;
	return 0;
}

static int ext4_reader_note_links(struct ext4_reader *reader, ext2_ino_t ino,
				  const struct ext2_inode_large *inode, struct tree_entry *entry)
{
	struct ext4_reader_inode *place;

	if (inode->i_links_count < 2)
		return 0;
	place = ext4_reader_find(reader, ino);
	entry->again = place->ino != 0;
	if (!place->ino) {
		if (reader->n_shared == TREE_STREAM_SHARED_EXACT_MAX)
			return err_set(reader->err, -E2BIG, "more than %u files have several names",
				       TREE_STREAM_SHARED_EXACT_MAX);
		*place = (struct ext4_reader_inode){ .ino = ino, .number = ++reader->n_shared };
		reader->n_inodes++;
	}
	entry->shared = place->number;
	return 0;
}

static void ext4_reader_fill_device(const struct ext2_inode_large *inode, struct tree_entry *entry)
{
	uint32_t number = inode->i_block[0];

	/* linux/kdev_t.h: the older form, else the newer one beside it */
	entry->major = number >> 8 & 0xff;
	entry->minor = number & 0xff;
	if (number)
		return;
	number = inode->i_block[1];
	entry->major = number >> 8 & 0xfff;
	entry->minor = (number & 0xff) | (number >> 12 & 0xfff00);
}

/* fs/ext4/ext4.h: two bits more of seconds, above them nanoseconds, if the inode has room for it. */
static void ext4_reader_fill_time(const struct ext4_reader *reader,
				  const struct ext2_inode_large *inode, struct tree_entry *entry)
{
	size_t end = offsetof(struct ext2_inode_large, i_mtime_extra) + sizeof(uint32_t);
	int64_t seconds = (int32_t)inode->i_mtime;
	uint32_t extra = 0;

	if (EXT2_INODE_SIZE(reader->fs->super) >= end &&
	    EXT2_GOOD_OLD_INODE_SIZE + (size_t)inode->i_extra_isize >= end)
		extra = inode->i_mtime_extra;
	entry->mtime = (uint64_t)(seconds + ((int64_t)(extra & 3) << 32));
	entry->mtime_ns = extra >> 2 < 1000000000 ? extra >> 2 : 0;
}

static int ext4_reader_fill_target(struct ext4_reader *reader, ext2_ino_t ino,
				   struct ext2_inode_large *inode, struct tree_entry *entry)
{
	uint64_t size = EXT2_I_SIZE(inode);
	char target[PATH_MAX];
	ssize_t n = (ssize_t)size;

	if (!size || size >= sizeof(target))
		return ext4_reader_damaged(reader, ino, "a symlink's length", 0);
	if (ext2fs_is_fast_symlink(EXT2_INODE(inode)))
		memcpy(target, inode->i_block, (size_t)size);
	else
		n = ext4_reader_data_small(reader, ino, inode, target, (size_t)size);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != size || memchr(target, '\0', (size_t)size))
		return ext4_reader_damaged(reader, ino, "a symlink's target", 0);
	entry->target = mem_strndup(target, (size_t)size);
	return 0;
}

struct ext4_reader_attributes {
	struct ext2_xattr_handle *handle;
	struct tree_entry *entry;
	errcode_t code;
};

/* Asked for again by name, which is what brings an access list into the form that the kernel takes. */
static int ext4_reader_on_attribute(char *name, char *raw _unused_, size_t raw_len _unused_,
				    void *ctx)
{
	struct ext4_reader_attributes *attributes = ctx;
	struct tree_entry *entry = attributes->entry;
	void *value = NULL;
	size_t len = 0;

	/* a small file's data */
	if (!strcmp(name, "system.data"))
		return 0;
	attributes->code = ext2fs_xattr_get(attributes->handle, name, &value, &len);
	if (attributes->code)
		return XATTR_ABORT;
	if (len > TREE_STREAM_XATTRS_MAX - entry->xattrs.len)
		attributes->code = EXT2_ET_EA_NO_SPACE;
	else
		tree_stream_add_xattr(entry, name, value, len);
	(void)ext2fs_free_mem(&value);
	return attributes->code ? XATTR_ABORT : 0;
}

static int ext4_reader_fill_attributes(struct ext4_reader *reader, ext2_ino_t ino,
				       struct tree_entry *entry)
{
	struct ext4_reader_attributes attributes = { .entry = entry };
	errcode_t code = ext2fs_xattrs_open(reader->fs, ino, &attributes.handle);

	if (code)
		return ext4_reader_damaged(reader, ino, "attributes", code);
	code = ext2fs_xattrs_read(attributes.handle);
	if (!code)
		code = ext2fs_xattrs_iterate(attributes.handle, ext4_reader_on_attribute,
					     &attributes);
	if (!code)
		code = attributes.code;
	(void)ext2fs_xattrs_close(&attributes.handle);
	return code ? ext4_reader_damaged(reader, ino, "attributes", code) : 0;
}

static int ext4_reader_fill(struct ext4_reader *reader, ext2_ino_t ino,
			    struct ext2_inode_large *inode, struct tree_entry *entry)
{
	int r = 0;

	entry->mode = inode->i_mode;
	entry->uid = inode_uid(*inode);
	entry->gid = inode_gid(*inode);
	ext4_reader_fill_time(reader, inode, entry);
	if (inode->i_flags & EXT4_ENCRYPT_FL)
		return err_set(reader->err, -EOPNOTSUPP,
			       "'%.100s' is encrypted by ext4, and its key was the VM's",
			       entry->name);
	if (S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode))
		ext4_reader_fill_device(inode, entry);
	else if (S_ISLNK(inode->i_mode))
		r = ext4_reader_fill_target(reader, ino, inode, entry);
	return r < 0 ? r : ext4_reader_fill_attributes(reader, ino, entry);
}

static int ext4_reader_on_name(ext2_ino_t dir _unused_, int kind _unused_,
			       struct ext2_dir_entry *entry, int offset _unused_,
			       int block_size _unused_, char *buf _unused_, void *ctx)
{
	struct ext4_reader_folder *folder = ctx;
	size_t len = (size_t)ext2fs_dirent_name_len(entry);
	const char *name = entry->name;

	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return 0;
	if (!len || memchr(name, '/', len) || memchr(name, '\0', len)) {
		folder->broken = 1;
		return DIRENT_ABORT;
	}
	if (folder->n == folder->size) {
		folder->size = folder->size ? folder->size * 2 : 16;
		folder->names = mem_realloc(folder->names, folder->size, sizeof(*folder->names));
	}
	folder->names[folder->n++] =
		(struct ext4_reader_name){ .ino = entry->inode, .text = mem_strndup(name, len) };
	return 0;
}

static void ext4_reader_folder_release(struct ext4_reader_folder *folder)
{
	for (size_t i = 0; i < folder->n; i++)
		free(folder->names[i].text);
	free(folder->names);
}

static int ext4_reader_send_folder(struct ext4_reader *reader, ext2_ino_t ino)
{
	_cleanup_(ext4_reader_folder_release) struct ext4_reader_folder folder = { 0 };
	errcode_t code;
	int r = ext4_reader_note_folder(reader, ino);

	if (r < 0)
		return r;
	if (++reader->depth > TREE_STREAM_DEPTH_MAX)
		return err_set(reader->err, -ELOOP, "folders are nested deeper than %d",
			       TREE_STREAM_DEPTH_MAX);
	code = ext2fs_dir_iterate2(reader->fs, ino, 0, NULL, ext4_reader_on_name, &folder);
	if (code || folder.broken)
		return ext4_reader_damaged(reader, ino, "a folder", code);
	for (size_t i = 0; i < folder.n && r == 0; i++)
		r = ext4_reader_send_inode(reader, folder.names[i].ino, folder.names[i].text);
	reader->depth--;
	return r < 0 ? r : reader->sink->dir_end(reader);
}

static int ext4_reader_read_inode(struct ext4_reader *reader, ext2_ino_t ino,
				  struct ext2_inode_large *ret)
{
	errcode_t code;

	memset(ret, 0, sizeof(*ret));
	code = ext2fs_read_inode_full(reader->fs, ino, EXT2_INODE(ret), sizeof(*ret));
	if (code)
		return ext4_reader_damaged(reader, ino, "the inode", code);
	if (!ret->i_links_count)
		return ext4_reader_damaged(reader, ino, "a name of a removed file", 0);
	return 0;
}

int ext4_reader_send_inode(struct ext4_reader *reader, ext2_ino_t ino, const char *name)
{
	_cleanup_tree_entry_ struct tree_entry entry = { .name = mem_strdup(name) };
	_cleanup_ext4_reader_file_ struct ext4_reader_file file = { .size = 0 };
	struct ext2_inode_large inode;
	int r = ext4_reader_read_inode(reader, ino, &inode), has_data;

	if (r == 0)
		r = ext4_reader_fill(reader, ino, &inode, &entry);
	if (r == 0 && !S_ISDIR(inode.i_mode))
		r = ext4_reader_note_links(reader, ino, &inode, &entry);
	has_data = r == 0 && S_ISREG(inode.i_mode) && !entry.again;
	if (has_data)
		r = ext4_reader_data_find(reader, ino, &inode, &file);
	if (r == 0)
		r = reader->sink->entry(reader, &entry, has_data ? &file : NULL);
	if (r < 0 || entry.again)
		return r;
	if (S_ISDIR(inode.i_mode))
		return ext4_reader_send_folder(reader, ino);
	return has_data ? ext4_reader_data_send(reader, ino, &file) : 0;
}

/* Whether the disk is as an unmounting leaves it. */
static int ext4_reader_is_clean(ext2_filsys fs)
{
	return !ext2fs_has_feature_journal_needs_recovery(fs->super) &&
	       !ext2fs_has_feature_orphan_present(fs->super) && !fs->super->s_last_orphan &&
	       fs->super->s_state & EXT2_VALID_FS && !(fs->super->s_state & EXT2_ERROR_FS);
}

static int ext4_reader_check_size(struct ext4_reader *reader)
{
	uint64_t blocks = ext2fs_blocks_count(reader->fs->super), block = reader->fs->blocksize;

	if (blocks > (uint64_t)INT64_MAX / block ||
	    (reader->len && blocks * block > (uint64_t)reader->len))
		return err_set(reader->err, -EUCLEAN, "the file system is larger than its place");
	reader->budget = (int64_t)(blocks * block);
	return 0;
}

int ext4_reader_open(struct ext4_reader *reader)
{
	/* the library closes what it is given */
	int fd = fcntl(reader->image, F_DUPFD_CLOEXEC, 0);
	char number[16], options[40];
	errcode_t code;

	if (fd < 0)
		return err_errno(reader->err, -errno, "cannot use the disk");
	initialize_ext2_error_table();
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(options, sizeof(options), "offset=%jd", (intmax_t)reader->start);
	code = ext2fs_open2(number, reader->start ? options : NULL, EXT2_FLAG_64BITS, 0, 0,
			    unixfd_io_manager, &reader->fs);
	if (code == EXT2_ET_NO_MEMORY)
		return ext4_reader_damaged(reader, 0, "", code);
	if (code == EXT2_ET_UNSUPP_FEATURE || code == EXT2_ET_RO_UNSUPP_FEATURE)
		return err_set(reader->err, -EOPNOTSUPP,
			       "the disk's file system has features that are not known here");
	if (code)
		return err_set(reader->err, -EUCLEAN,
			       "the disk's file system cannot be read: %.150s",
			       error_message(code));
	if (!ext4_reader_is_clean(reader->fs))
		return err_set(reader->err, -EUCLEAN, "the disk's file system was not unmounted");
	return ext4_reader_check_size(reader);
}

void ext4_reader_close(struct ext4_reader *reader)
{
	if (reader->fs)
		ext2fs_free(reader->fs);
	free(reader->inodes);
}

/* --- to a tree stream --- */

static int ext4_reader_stream_entry(struct ext4_reader *reader, const struct tree_entry *entry,
				    const struct ext4_reader_file *file _unused_)
{
	return tree_stream_entry(reader->ctx, entry);
}

static void *ext4_reader_stream_data(struct ext4_reader *reader, uint64_t offset)
{
	return tree_stream_data(reader->ctx, offset);
}

static int ext4_reader_stream_data_done(struct ext4_reader *reader, size_t len)
{
	return tree_stream_data_done(reader->ctx, len);
}

static int ext4_reader_stream_file_end(struct ext4_reader *reader, uint64_t size)
{
	return tree_stream_file_end(reader->ctx, size);
}

static int ext4_reader_stream_dir_end(struct ext4_reader *reader)
{
	return tree_stream_dir_end(reader->ctx);
}

static const struct ext4_reader_sink ext4_reader_stream = {
	.entry = ext4_reader_stream_entry,
	.data = ext4_reader_stream_data,
	.data_done = ext4_reader_stream_data_done,
	.file_end = ext4_reader_stream_file_end,
	.dir_end = ext4_reader_stream_dir_end,
};

static int ext4_reader_send_named(struct ext4_reader *reader, const char *name, int *ret_absent)
{
	ext2_ino_t ino;
	errcode_t code =
		ext2fs_lookup(reader->fs, EXT2_ROOT_INO, name, (int)strlen(name), NULL, &ino);
	int r;

	*ret_absent = code == EXT2_ET_FILE_NOT_FOUND;
	if (code)
		return *ret_absent ? 0 : ext4_reader_damaged(reader, EXT2_ROOT_INO, "", code);
	r = tree_stream_start(reader->ctx, TREE_STREAM_EXACT);
	if (r == 0)
		r = ext4_reader_send_inode(reader, ino, name);
	return r < 0 ? r : tree_stream_end(reader->ctx);
}

int ext4_reader_send(int image, const char *name, int out, int *ret_absent, struct err *err)
{
	_cleanup_tree_stream_ struct tree_stream stream = { .fd = out, .err = err };
	struct ext4_reader reader = {
		.image = image, .sink = &ext4_reader_stream, .ctx = &stream, .err = err
	};
	int r = ext4_reader_open(&reader);

	if (r == 0)
		r = ext4_reader_send_named(&reader, name, ret_absent);
	ext4_reader_close(&reader);
	return r;
}
