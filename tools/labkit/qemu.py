# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's machine: QEMU emulating a processor with SVM.

A machine that has booted is saved once (memory, devices, disk) and every later run goes on from there: its
memory is mapped privately from the saved file, what it writes to its disk goes to a file without a name.
The saved state fits one QEMU, one set of options and one kind of processor, so all of these are in its
key. What a run brings is on a second disk (the tree) and comes over a port (the command).
"""

import contextlib
import ctypes
import itertools
import json
import mmap
import os
import shlex
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from labkit import cache, image

PROGRAM = "qemu-system-x86_64"
PR_SET_PDEATHSIG = 1
QMP_SECONDS = 60
MACHINE = "q35,vmport=off,sata=off,smbus=off"
# udev would load them, and waits for each.
UNWANTED = "lpc_ich,iTCO_wdt,psmouse,pcspkr,evdev,joydev,i8042,serio_raw,button,libata,scsi_mod,drm"
PAYLOAD_MAX = 1 << 30
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Options:
    cpus: int
    memory: int  # MiB
    icount: bool
    direct: bool


class LabError(Exception):
    pass


def tsc_khz():
    """Of this processor, whose counter the guest reads; measuring it against an emulated timer fails when
    the host is busy."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))  # rdtsc; shl rdx, 32; or rax, rdx; ret
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    begin, ticks = time.monotonic_ns(), rdtsc()
    while (end := time.monotonic_ns()) < begin + 20_000_000:
        pass
    return (rdtsc() - ticks) * 1_000_000 // (end - begin)


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return sorted({line for line in lines if line.startswith(("model name", "flags"))})


CPU = "max,+svm,+npt,la57=off"


def _append(options):
    khz = 1_000_000 if options.icount else tsc_khz()
    return " ".join([
        "console=ttyS0", "quiet", "loglevel=3", "systemd.show_status=false", "panic=-1",
        "apparmor=1", "security=apparmor", *(["brig.lab=direct"] if options.direct else []),
        f"tsc_early_khz={khz}", "tsc=reliable", "no_timer_check", "nowatchdog", "rcupdate.rcu_cpu_stall_suppress=1",
        # What costs emulated instructions and is of no use here.
        "mitigations=off", "init_on_alloc=0", "cryptomgr.notests", f"module_blacklist={UNWANTED}"])


def _arguments(options, share):
    icount = ["-icount", "shift=0,sleep=off"] if options.icount else []
    accel = "tcg,thread=single" if options.icount else "tcg,thread=multi"
    return [PROGRAM, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-name", "brig-lab",
            "-accel", accel, *icount, "-cpu", CPU + (",-erms,-fsrm" if options.icount else ""), "-smp", str(options.cpus),
            "-device", "virtio-serial-pci,max_ports=2", "-device", "virtserialport,chardev=port,name=brig.lab",
            "-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng",
            "-fsdev", f"local,id=share,path={share},security_model=none,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
            "-device", "virtio-blk-pci,drive=root", "-device", "virtio-blk-pci,drive=payload,serial=payload"]


class Machine:
    """A QEMU that ends with us. port is a stream to the agent inside."""

    def __init__(self, options, share, *arguments):
        streams = {name: socket.socketpair() for name in ("port", "serial", "qmp")}
        self.port, self.serial, self._qmp = (pair[0] for pair in streams.values())
        self._replies = self._qmp.makefile("r")
        self._qmp.settimeout(QMP_SECONDS)
        self._events, self.console = [], bytearray()
        self._payload = os.memfd_create("payload")
        os.ftruncate(self._payload, PAYLOAD_MAX)
        command = [*_arguments(options, share), "-mon", "chardev=qmp,mode=control", "-serial", "chardev:serial",
                   *arguments]
        command += _disk("payload", f"/proc/self/fd/{self._payload}", "raw", "readonly=on")
        for name, pair in streams.items():
            command += ["-chardev", f"socket,id={name},fd={pair[1].fileno()}"]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(cache.folder())},
            pass_fds=[self._payload, *(pair[1].fileno() for pair in streams.values())],
            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), start_new_session=True)
        for pair in streams.values():
            pair[1].close()

    def carry(self, data):
        """What a run brings is a disk, whose content may come when the machine is up but has not read it."""
        if len(data) > PAYLOAD_MAX:
            raise LabError(f"more than {PAYLOAD_MAX >> 20} MiB cannot be carried in; use LAB_SHARE")
        view = memoryview(data)
        while view:
            view = view[os.write(self._payload, view):]

    def qmp(self, execute, **arguments):
        self._qmp.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode())
        for message in self._messages():
            if "error" in message:
                raise LabError(f"QEMU: {execute}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self._events.append(message)

    def _messages(self):
        with contextlib.suppress(ConnectionError):  # what a QEMU that ends before it reads leaves us
            for line in self._replies:
                yield json.loads(line)
        raise LabError(f"QEMU ended: {self.last_words()}")

    def migrate(self, direction, uri):
        """Saves (migrate) or loads (migrate-incoming) the state of the devices; the memory is in a file."""
        self.qmp("migrate-set-capabilities", capabilities=[{"capability": name, "state": True}
                                                           for name in ("x-ignore-shared", "events")])
        self.qmp(direction, uri=uri)
        for message in itertools.chain(self._events, self._messages()):
            if message.get("event") == "MIGRATION":
                status = message["data"]["status"]
                if status == "failed":
                    raise LabError(f"QEMU could not {direction}: {self.last_words()}")
                if status == "completed":
                    return

    def last_words(self):
        self.end()
        return (self.process.stdout.read() + self.console[-4000:]).decode(errors="replace").strip()

    def end(self):
        """Nothing it holds is worth a shutdown."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        os.close(self._payload)
        for stream in (self.port, self.serial, self._qmp, self.process.stdout):
            stream.close()


def _machine(options, memory_file=None, share_memory=False):
    if not memory_file:
        return ["-machine", MACHINE, "-m", f"{options.memory}M"]
    return ["-machine", f"{MACHINE},memory-backend=ram", "-m", f"{options.memory}M", "-object",
            f"memory-backend-file,id=ram,size={options.memory}M,mem-path={memory_file},"
            f"share={'on' if share_memory else 'off'}"]


def _kernel(boot, append):
    return ["-kernel", boot / "vmlinuz", "-initrd", boot / "initramfs", "-append", append]


def _disk(name, path, form, *more):
    # Nobody writes to these files once they are made, so there is nothing to lock.
    words = ["if=none", f"id={name}", f"file={path}", f"format={form}", "cache=unsafe", "discard=unmap",
             "file.locking=off", *more]
    return ["-drive", ",".join(words)]


def cold(options, share, root, boot):
    """A machine that boots."""
    return Machine(options, share, *_machine(options), *_kernel(boot, _append(options)),
                   *_disk("root", root / "root.img", "raw", "snapshot=on"))


def warm_key(options, boot):
    version = subprocess.run([PROGRAM, "--version"], check=True, capture_output=True, text=True).stdout
    return cache.digest(boot.name, version, options, *processor(), Path(__file__))


def save(options, share, root, boot, folder, wait_ready):
    """Boots a machine, waits for its agent with wait_ready(machine), and saves it in the folder."""
    append = _append(options)
    (folder / "append").write_text(append)
    with Machine(options, share, "-S", *_machine(options, folder / "memory", share_memory=True),
                 *_kernel(boot, append), *_disk("root", root / "root.img", "raw")) as machine:
        machine.qmp("qmp_capabilities")
        # What the machine writes while it boots.
        machine.qmp("blockdev-snapshot-sync", device="root", format="qcow2",
                    **{"snapshot-file": str(folder / "disk.qcow2")})
        machine.qmp("cont")
        wait_ready(machine)
        machine.qmp("stop")
        machine.migrate("migrate", f"exec:cat >{shlex.quote(str(folder / 'state'))}")
        machine.qmp("quit")
        machine.process.wait(QMP_SECONDS)  # for cat, too


def warm(options, share, boot, folder):
    """A machine that goes on from where the saved one waited."""
    append = (folder / "append").read_text()
    machine = Machine(options, share, *_machine(options, folder / "memory"), *_kernel(boot, append),
                      *_disk("root", folder / "disk.qcow2", "qcow2", "snapshot=on"), "-incoming", "defer")
    try:
        machine.qmp("qmp_capabilities")
        machine.migrate("migrate-incoming", f"exec:cat {shlex.quote(str(folder / 'state'))}")
        machine.qmp("cont")
    except BaseException:
        machine.__exit__()
        raise
    return machine
