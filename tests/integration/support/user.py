# SPDX-License-Identifier: GPL-2.0-or-later
"""brig as a user who is not root: one whom the host has never heard of, with or without subordinate ids."""

import os
import shutil
import subprocess
from pathlib import Path

from support.command import TREE, Brig

UID = 54321
FIRST, COUNT = 1700000000, 65536  # beyond what useradd(8) gives away
NAME = "brigtest"

# Files of /etc that only what runs here sees: no test changes the host's users.
SEES = {"passwd": f"{NAME}:x:{UID}:{UID}::/nonexistent:/bin/sh\n",
        "group": f"{NAME}:x:{UID}:\n"}
SUBORDINATE = f"{NAME}:{FIRST}:{COUNT}\n"


class UserBrig(Brig):
    """As Brig, but as the user, and in his own folders. many_ids: he has a range in /etc/subuid."""

    def __init__(self, folder, many_ids):
        self.folder, self.many_ids = folder, many_ids
        super().__init__(folder / "data/brig", folder / "runtime/brig", str(folder / "bin/brig"))
        for name in ("data", "runtime", "bin", "etc", "home"):
            (folder / name).mkdir()
        build = Path(os.environ.get("BRIG", str(TREE / "build/brig"))).parent
        for name in ("brig", "brig-oci", "brig-guest", "brig-vmm"):
            shutil.copy(build / name, folder / "bin" / name)
        for name in ("data", "runtime", "home"):
            (folder / name).chmod(0o700)
            os.chown(folder / name, UID, UID)
        for name, line in SEES.items():
            (folder / "etc" / name).write_text(Path("/etc", name).read_text() + line)
        for name in ("subuid", "subgid"):
            (folder / "etc" / name).write_text(SUBORDINATE if many_ids else "")

    def owner(self, inside):
        """Who on the host a user of the container's is."""
        return UID if not inside or not self.many_ids else FIRST + inside - 1

    def prefix(self):
        binds = "".join(f"mount --bind {path} /etc/{path.name} && " for path in (self.folder / "etc").iterdir())
        return ["unshare", "--mount", "sh", "-c", f'{binds}exec "$@"', "sh", "setpriv", f"--reuid={UID}",
                f"--regid={UID}", "--clear-groups"]

    def command(self, *args):
        full = super().command(*args)
        return [*self.prefix(), full[0], *full[5:]]  # without --root and --run

    def environment(self, env=None):
        mine = {"HOME": str(self.folder / "home"), "XDG_DATA_HOME": str(self.folder / "data"),
                "XDG_RUNTIME_DIR": str(self.folder / "runtime")}
        return super().environment({**mine, **(env or {})})

    def sh(self, script, timeout=60):
        """A shell of the user's, on the host."""
        return subprocess.run([*self.prefix(), "sh", "-c", script], env=self.environment(), text=True,
                              capture_output=True, timeout=timeout)
