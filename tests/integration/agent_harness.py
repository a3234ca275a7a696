# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that runs brig-guest alone, and the host's side of the agent's protocol.

The frames are written here a second time, from proto/message.h, so that a slip in the C code is not
mirrored by the same slip in the test.
"""

import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from support import images
from support.command import TREE
from support.wait import Deadline

(OK, ERROR, STARTED, EXIT, EXEC, IN, IN_END, OUT, ERR, SIGNAL, RESIZE, TREE_GET, TREE_PUT, STATS, PROCS,
 PING) = range(1, 17)
HELLO, CONFIGURE, CREDIT_IN, CREDIT_OUT, SHUTDOWN, CLOSE = range(128, 134)
WINDOW = 256 << 10
DATA_MAX = 32 << 10
FOLLOW, ARCHIVE, CONTENTS = 1, 2, 4

# In the order in which they depend on each other; what a kernel has built in is not there.
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "virtio_blk", "virtio_console", "libcrc32c", "erofs", "overlay"]
NET_MODULES = ["failover", "net_failover", "virtio_net"]


def u8(value):
    return struct.pack("<B", value)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return u32(len(data)) + data


def texts(values):
    return u32(len(values)) + b"".join(text(v) for v in values)


def configuration(layers=1, hostname="guest", read_only=False, tmpfs=(), pids_limit=0, system=False,
                  init=False, cap_add=(), cap_drop=(), rlimits=(), nics=(), hosts="", resolv_conf="", time_ns=0):
    shares = ()  # those take servers on the host
    return b"".join((text(hostname), u32(layers), u8(0), u8(read_only), texts(tmpfs), texts(shares), u8(0), texts(()),
                     texts(()), u64(pids_limit),
                     u8(system), u8(init), u8(0), texts(cap_add), texts(cap_drop), texts(rlimits),
                     texts(nics), text(hosts), text(resolv_conf), u64(time_ns)))


def process(argv, env=("PATH=/usr/sbin:/usr/bin:/sbin:/bin",), cwd="", user="", tty=False,
            interactive=False, privileged=False, rows=0, columns=0):
    return b"".join((texts(argv), texts(env), text(cwd), text(user), texts(()), u8(tty), u8(interactive),
                     u8(0), u8(privileged), u16(rows), u16(columns)))


@dataclass
class Failure(Exception):
    """An ERROR from the agent."""

    code: int
    exit_status: int
    message: str

    @classmethod
    def parse(cls, payload):
        code, status, length = struct.unpack_from("<iII", payload)
        return cls(code, status, payload[12:12 + length].decode())


class Session:
    """A channel: what came of it, and what is still to go to it."""

    def __init__(self, agent, channel):
        self.agent, self.channel = agent, channel
        self.out, self.err = bytearray(), bytearray()
        self.pid = self.exit = self.error = None
        self.waiting, self.window, self.in_end = bytearray(), WINDOW, False
        self.hold = False  # give no credit back

    @property
    def ended(self):
        return self.exit is not None or self.error is not None

    def handle(self, kind, payload):
        if kind in (OUT, ERR):
            (self.out if kind == OUT else self.err).extend(payload)
            if not self.hold:
                self.agent.send(self.channel, CREDIT_OUT, u32(len(payload)))
        elif kind == STARTED:
            self.pid = struct.unpack("<I", payload)[0]
        elif kind == EXIT:
            self.exit = struct.unpack("<I", payload)[0]
        elif kind == ERROR:
            self.error = Failure.parse(payload)
        elif kind == CREDIT_IN:
            self.window += struct.unpack("<I", payload)[0]
            self.feed()

    def feed(self):
        while self.waiting and self.window:
            piece = bytes(self.waiting[:min(DATA_MAX, self.window)])
            del self.waiting[:len(piece)]
            self.window -= len(piece)
            self.agent.send(self.channel, IN, piece)
        if self.in_end and not self.waiting:
            self.in_end = False
            self.agent.send(self.channel, IN_END)

    def write(self, data, end=False):
        self.waiting.extend(data)
        self.in_end = end
        self.feed()

    def signal(self, number):
        self.agent.send(self.channel, SIGNAL, u32(number))

    def until(self, condition, what, timeout=60):
        self.agent.until(condition, f"{what}; out {bytes(self.out[-300:])}, err {bytes(self.err[-300:])}",
                         timeout)
        return self

    def wait_started(self, timeout=60):
        self.until(lambda: self.pid is not None or self.ended, "the start", timeout)
        if self.error:
            raise self.error
        return self

    def wait(self, timeout=60):
        self.until(lambda: self.ended, "the end", timeout)
        if self.error:
            raise self.error
        return self

    def wait_for(self, expected, timeout=60):
        """Until the output holds the bytes."""
        return self.until(lambda: expected in self.out or self.ended, f"{expected!r}", timeout)


class Agent:
    """The host's end of the port."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.setblocking(False)
        self.received, self.unsent = bytearray(), bytearray()
        self.sessions, self.answers = {}, []
        self.next_channel = 1
        self.at_end = False

    def send(self, channel, kind, payload=b""):
        self.unsent += struct.pack("<IHHI", len(payload), kind, 0, channel) + payload

    def _write(self):
        try:
            while self.unsent:
                del self.unsent[:self.connection.send(self.unsent[:1 << 20])]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.unsent.clear()

    def _read(self):
        try:
            data = self.connection.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.at_end = not data
        self.received += data
        while len(self.received) >= 12:
            length, kind, zero, channel = struct.unpack_from("<IHHI", self.received)
            assert zero == 0 and length <= 64 << 10, "no frame"
            if len(self.received) < 12 + length:
                return
            payload = bytes(self.received[12:12 + length])
            del self.received[:12 + length]
            session = self.sessions.get(channel)
            if session and not session.ended:
                session.handle(kind, payload)
            else:
                self.answers.append((channel, kind, payload))

    def until(self, condition, what, timeout=60):
        deadline = Deadline(timeout, what)
        while not condition():
            assert not self.at_end, f"the agent hung up while we waited for {what}"
            events = deadline.poll(self.connection.fileno(), 1 | (4 if self.unsent else 0))
            if events & 4:
                self._write()
            if events & ~4:
                self._read()

    def answer(self, channel=None, timeout=60):
        """The next answer that is no session's, as (channel, kind, payload)."""
        self.until(lambda: any(channel in (None, a[0]) for a in self.answers), "an answer", timeout)
        found = next(a for a in self.answers if channel in (None, a[0]))
        self.answers.remove(found)
        if found[1] == ERROR:
            raise Failure.parse(found[2])
        return found

    def ask(self, kind, payload=b""):
        channel = self.next_channel
        self.next_channel += 1
        self.send(channel, kind, payload)
        return self.answer(channel)[2]

    def open(self, kind, payload, channel=None):
        if channel is None:
            channel = self.next_channel
            self.next_channel += 1
        session = self.sessions[channel] = Session(self, channel)
        self.send(channel, kind, payload)
        return session

    def exec(self, argv, stdin=None, channel=None, **options):
        argv = ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv
        session = self.open(EXEC, process(argv, interactive=stdin is not None, **options), channel)
        if stdin is not None:
            session.write(stdin, end=True)
        return session

    def output(self, argv, timeout=60, **options):
        """The output of a command that succeeds and says nothing on stderr."""
        session = self.exec(argv, **options).wait(timeout)
        assert (session.exit, bytes(session.err)) == (0, b""), bytes(session.out)
        return session.out.decode()


def _cpio_entry(name, mode, data):
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def _unsigned(module):
    """A module without its signature, whose check takes the kernel longer than all else."""
    mark = b"~Module signature appended~\n"
    if not module.endswith(mark):
        return module
    end = len(module) - len(mark) - 12
    return module[:end - struct.unpack_from(">I", module, end + 8)[0]]


def make_initramfs(path, modules):
    """Our agent as /init with the modules that it needs, as `brig kernel add` makes it."""
    found = {p.name.split(".ko")[0].replace("-", "_"): p for p in modules.rglob("*.ko")}
    entries = [_cpio_entry(name, stat.S_IFDIR | 0o755, b"") for name in ("etc", "lib")]
    entries.append(_cpio_entry("init", stat.S_IFREG | 0o755, (TREE / "build/brig-guest").read_bytes()))
    for name, wanted in (("etc/modules", MODULES), ("etc/modules.nets", NET_MODULES)):
        chosen = [found[module] for module in wanted if module in found]
        entries += [_cpio_entry(f"lib/{p.name}", stat.S_IFREG | 0o644, _unsigned(p.read_bytes())) for p in chosen]
        listing = "".join(f"/lib/{p.name}\n" for p in chosen).encode()
        entries.append(_cpio_entry(name, stat.S_IFREG | 0o644, listing))
    path.write_bytes(b"".join(entries) + _cpio_entry("TRAILER!!!", 0, b""))


def make_layer(path, tree):
    images.run("mkfs.erofs", path, tree)


def make_data_disk(path):
    with open(path, "wb") as file:
        file.truncate(2 << 30)
    images.run("mke2fs", "-q", "-t", "ext4", "-F", path)


def _sum(data):
    """RFC 1071."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


class Wire(threading.Thread):
    """The other end of a machine's network card: a host that answers ARP and pings to its address, until QEMU ends."""

    MAC = b"\x02\x62\xff\xff\xff\xff"

    def __init__(self, folder, address, mac):
        super().__init__(daemon=True)
        self.address = socket.inet_aton(address)
        path = folder / f"wire-{address}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.options = ["-netdev", f"stream,id=wire,server=off,addr.type=unix,addr.path={path}",
                        "-device", f"virtio-net-pci,netdev=wire,mac={mac},romfile="]
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as peer, peer.makefile("rb") as stream:
            while head := stream.read(4):
                answer = self.answer(stream.read(struct.unpack(">I", head)[0]))
                if answer:
                    peer.sendall(struct.pack(">I", len(answer)) + answer)

    def answer(self, packet):
        who, kind, body = packet[6:12], packet[12:14], packet[14:]
        if kind == b"\x08\x06" and body[6:8] == b"\0\1" and body[24:28] == self.address:
            return who + self.MAC + kind + body[:6] + b"\0\2" + self.MAC + self.address + who + body[14:18]
        if kind == b"\x08\0" and body[9] == 1 and body[16:20] == self.address and body[20] == 8:
            length = struct.unpack(">H", body[2:4])[0]
            echo = b"\0\0\0\0" + body[24:length]
            echo = echo[:2] + struct.pack(">H", _sum(echo + b"\0" * (len(echo) % 2))) + echo[4:]
            return who + self.MAC + kind + body[:12] + body[16:20] + body[12:16] + echo
        return None


class Machine:
    """QEMU with a kernel, our agent and disks; agent is the port's other end."""

    def __init__(self, folder, layers, data=None, memory=256, boot_timeout=120, extra=()):
        vmlinuz, modules = images.debian_kernel_files()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir=folder))
        self.data = data or self.folder / "data.img"
        self.console = self.folder / "console"
        make_initramfs(self.folder / "initramfs", modules)
        if not data:
            make_data_disk(self.data)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / "port"))
        listener.listen(1)
        disks = [(f"layer{i}", path, "on") for i, path in enumerate(layers)]
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                   "-machine", "q35,accel=tcg,i8042=off,smbus=off,sata=off,usb=off,vmport=off,graphics=off",
                   "-cpu", "max", "-m", str(memory),
                   "-kernel", str(vmlinuz), "-initrd", str(self.folder / "initramfs"),
                   "-append", "console=ttyS0 quiet panic=-1 no_timer_check noreplace-smp cryptomgr.notests "
                              "8250.nr_uarts=1 tsc=reliable",
                   "-serial", f"file:{self.console}",
                   "-chardev", f"socket,id=agent,path={self.folder / 'port'}",
                   "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=brig.agent"]
        for serial, path, read_only in [*disks, ("data", self.data, "off")]:
            command += ["-drive", f"if=none,id={serial},format=raw,file={path},readonly={read_only},"
                                  "discard=unmap",
                        "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
        self.qemu = subprocess.Popen([*command, *extra], stdin=subprocess.DEVNULL)
        listener.settimeout(boot_timeout)
        self.agent = Agent(listener.accept()[0])
        listener.close()
        try:
            channel, kind, payload = self.agent.answer(timeout=boot_timeout)
        except BaseException as error:
            self.kill()
            raise AssertionError(self.tail()) from error
        assert (channel, kind) == (0, HELLO)
        self.version, length = struct.unpack_from("<II", payload)
        self.release = payload[8:8 + length].decode()

    def tail(self):
        return self.console.read_text(errors="replace")[-3000:]

    def configure(self, timeout=60, **config):
        self.agent.send(0, CONFIGURE, configuration(**config))
        assert self.agent.answer(timeout=timeout)[:2] == (0, OK)
        return self

    def wait_off(self, timeout=60):
        """Until the machine has switched itself off."""
        try:
            assert self.qemu.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the machine is still on:\n{self.tail()}") from None

    def shut_down(self, timeout=60):
        self.agent.send(0, SHUTDOWN)
        self.agent._write()
        self.wait_off(timeout)

    def kill(self):
        self.agent.connection.close()
        self.qemu.kill()
        self.qemu.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
