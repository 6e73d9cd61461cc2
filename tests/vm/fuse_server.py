# SPDX-License-Identifier: MIT
"""
A file system with a server that truncates as it opens: ``fuse_server.py PLACE LOG NAME...``.

Mounted at PLACE, it has a file of each NAME. Each open is a line in LOG: the name, and ``truncated`` if it was.
A NAME that ends with ``=`` and the path of an interpreter is that of a script. The first who reads it gets an answer
when there is a file ``go`` beside LOG, and from then on there is one ``asked``. Says ``ready`` when it is mounted. Standalone: it knows nothing of enforcer.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

CONTENT = b"content\n"

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _RELEASE = 1, 2, 3, 14, 15, 18
_FLUSH, _INIT, _INTERRUPT, _BATCH_FORGET = 25, 26, 36, 42
_UNANSWERED = {_FORGET, _INTERRUPT, _BATCH_FORGET}
_ATOMIC_O_TRUNC, _DIRECT_IO = 1 << 3, 1
_ROOT, _MAX_WRITE = 1, 1 << 16
_REQUEST = struct.Struct("=IIQQIIIHH")
_ANSWER = struct.Struct("=IiQ")


class Server:
    """What is served; files have the numbers behind the root's, in their order."""

    def __init__(self, log: Path, names: list[str]) -> None:
        words = [name.partition("=") for name in names]
        self.names = [name for name, _, _ in words]
        self.scripts = {name for name, _, interpreter in words if interpreter}
        self.contents = [f"#!{path}\n".encode() if path else CONTENT for _, _, path in words]
        self.log = log
        self.answers: dict[int, Callable[[int, bytes], bytes]] = {
            _INIT: self._init,
            _LOOKUP: self._lookup,
            _GETATTR: lambda node, _: struct.pack("=QII", 0, 0, 0) + self._attributes(node),
            _OPEN: self._open,
            _READ: self._read,
            _RELEASE: lambda *_: b"",
            _FLUSH: lambda *_: b"",
        }

    def serve(self, fd: int) -> None:
        """Answer until the file system is unmounted."""
        while True:
            try:
                request = os.read(fd, _MAX_WRITE + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                raise
            _, code, unique, node, *_ = _REQUEST.unpack_from(request)
            if code in _UNANSWERED:
                continue
            error, body = 0, b""
            try:
                body = self.answers[code](node, request[_REQUEST.size :])
            except KeyError:
                error = -errno.ENOSYS
            except FileNotFoundError:
                error = -errno.ENOENT
            os.write(fd, _ANSWER.pack(_ANSWER.size + len(body), error, unique) + body)

    def _init(self, _: int, body: bytes) -> bytes:
        _, _, ahead, _ = struct.unpack_from("=IIII", body)
        head = (7, 31, ahead, _ATOMIC_O_TRUNC, 16, 12, _MAX_WRITE, 1, 0, 0, 0)
        return struct.pack("=IIIIHHIIHHI28x", *head)

    def _lookup(self, _: int, body: bytes) -> bytes:
        name = body.partition(b"\0")[0].decode()
        if name not in self.names:
            raise FileNotFoundError(name)
        node = self.names.index(name) + _ROOT + 1
        return struct.pack("=QQQQII", node, 0, 0, 0, 0, 0) + self._attributes(node)

    def _attributes(self, node: int) -> bytes:
        is_root = node == _ROOT
        size = 0 if is_root else len(self.contents[node - _ROOT - 1])
        is_script = not is_root and self.names[node - _ROOT - 1] in self.scripts
        kind = stat.S_IFDIR if is_root else stat.S_IFREG
        mode = kind | (0o755 if is_root or is_script else 0o644)
        return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("=I", body)
        which = node - _ROOT - 1
        words = [self.names[which]]
        if flags & os.O_TRUNC:
            self.contents[which] = b""
            words.append("truncated")
        with self.log.open("a") as log:
            log.write(" ".join(words) + "\n")
        return struct.pack("=QII", 0, _DIRECT_IO, 0)

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", body)
        if self.names[node - _ROOT - 1] in self.scripts:
            self.log.with_name("asked").touch()
            while not self.log.with_name("go").exists():
                time.sleep(0.05)
        return self.contents[node - _ROOT - 1][offset : offset + size]


def main() -> None:
    place, log, *names = sys.argv[1:]
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", place.encode(), b"fuse.enforcer-test", 0, options):
        raise OSError(ctypes.get_errno(), "mount")
    print("ready", flush=True)
    Server(Path(log), names).serve(fd)


if __name__ == "__main__":
    main()
