# SPDX-License-Identifier: MIT
"""The initial RAM file system: busybox, a few modules and the first script of the guest."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from .tools import LabError

if TYPE_CHECKING:
    from .modules import Module

GUEST_SCRIPTS = Path(__file__).parent / "guest"
_BUSYBOX = Path("/bin/busybox")


class CpioArchive:
    """A cpio archive in the "newc" format, the one that the kernel unpacks."""

    _ALIGNMENT = 4

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._inode = 0

    def add_directory(self, name: str) -> None:
        """Add an empty directory."""
        self._add(name, b"", stat.S_IFDIR | 0o755)

    def add_file(self, name: str, content: bytes, *, executable: bool = False) -> None:
        """Add a regular file."""
        self._add(name, content, stat.S_IFREG | (0o755 if executable else 0o644))

    def add_character_device(self, name: str, *, major: int, minor: int) -> None:
        """Add a device node that only root can use."""
        self._add(name, b"", stat.S_IFCHR | 0o600, (major, minor))

    def finish(self) -> bytes:
        """Return the archive with its closing record."""
        self._add("TRAILER!!!", b"", 0)
        return bytes(self._bytes)

    def _add(self, name: str, content: bytes, mode: int, device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device, device of the node, name size, checksum
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._pad()
        self._bytes += content
        self._pad()

    def _pad(self) -> None:
        self._bytes += b"\0" * (-len(self._bytes) % self._ALIGNMENT)


def build(*, modules: list[Module], settings: dict[str, str]) -> bytes:
    """Return the archive; *settings* become variables of the guest's first script."""
    archive = CpioArchive()
    for directory in ("bin", "dev", "proc", "sys", "modules"):
        archive.add_directory(directory)
    archive.add_character_device("dev/console", major=5, minor=1)
    archive.add_file("bin/busybox", _busybox(), executable=True)
    for module in modules:
        archive.add_file(f"modules/{module.name}.ko", module.content)
    order = "".join(f"{module.name}\n" for module in modules)
    archive.add_file("modules/order", order.encode())
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    archive.add_file("settings", lines.encode())
    archive.add_file("init", (GUEST_SCRIPTS / "init.sh").read_bytes(), executable=True)
    return archive.finish()


def _busybox() -> bytes:
    try:
        content = _BUSYBOX.read_bytes()
    except FileNotFoundError:
        content = b""
    # A dynamic program names its loader near its start, and the archive holds no libraries.
    if not content or b"ld-linux" in content[:4096]:
        raise LabError("busybox-static is not installed: run scripts/setup.sh as root")
    return content
