# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in a folder, to be compared."""

import os


def tree(path):
    """Every file below the folder, with all that is to be kept of it; last, the first name of the same file."""
    found = {}
    inodes = {}
    for at, folders, files in os.walk(path):
        for name in [".", *folders, *files] if at == str(path) else folders + files:
            full = os.path.join(at, name)
            st = os.lstat(full)
            xattrs = {x: os.getxattr(full, x, follow_symlinks=False)
                      for x in os.listxattr(full, follow_symlinks=False)}
            content = (os.readlink(full) if os.path.islink(full) else
                       open(full, "rb").read() if os.path.isfile(full) else None)
            first = inodes.setdefault((st.st_dev, st.st_ino), os.path.relpath(full, path))
            found[os.path.relpath(full, path)] = (
                st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_mtime_ns, xattrs, content, first)
    return found
