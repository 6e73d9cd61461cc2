# SPDX-License-Identifier: MIT
"""A directory that this kernel serves by NFS to itself, without any program of a server."""

import ctypes
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon import until

_MODULES = ("nfsd", "nfsv4", "nfs")
_SERVER = Path("/proc/fs/nfsd")
_CACHES = Path("/proc/net/rpc")
_STATE = Path("/var/lib/nfs/v4recovery")
_PORT = 2049
# include/uapi/linux/nfsd/export.h: any port, as soon as it is said, no subtree check, and a number for the root.
_FLAGS = 0x2 | 0x10 | 0x400 | 0x2000
_OPTIONS = "addr=127.0.0.1,clientaddr=127.0.0.1,vers=4.2,proto=tcp,sec=sys"


def is_there() -> bool:
    """Whether this kernel has a server and a client."""
    done = [
        subprocess.run(["modprobe", "-q", module], check=False, capture_output=True).returncode
        for module in _MODULES
    ]
    return not any(done)


@contextmanager
def shared(directory: Path, at: Path) -> Iterator[None]:
    """Serve *directory*, the root of a file system, and mount it *at*."""
    subprocess.run(["mount", "-t", "nfsd", "nfsd", _SERVER], check=True)
    _STATE.mkdir(parents=True, exist_ok=True)
    # What mountd answers when the kernel asks: who that is, which export a handle is of, and what it allows.
    forever = int(time.time()) + 86400
    for cache, answer in (
        ("auth.unix.ip", f"nfsd 127.0.0.1 {forever} itself"),
        ("nfsd.export", f"itself {directory} {forever} {_FLAGS} 65534 65534 0"),
        ("nfsd.fh", f"itself 1 \\x00000000 {forever} {directory}"),
    ):
        (_CACHES / cache / "channel").write_text(answer + "\n")
    _tell("versions", "-3 +4 +4.1 +4.2")
    _tell("nfsv4gracetime", "10")  # seconds; the least
    _tell("portlist", f"tcp {_PORT}")
    _tell("threads", "2")
    _end_grace()
    try:
        _mount(at)
        yield
    finally:
        subprocess.run(["umount", at], check=False)
        _tell("threads", "0")
        until(lambda: subprocess.run(["umount", _SERVER], check=False).returncode == 0)


def _tell(file: str, words: str) -> None:
    (_SERVER / file).write_text(words + "\n")


def _end_grace() -> None:
    """Nobody had a file before. Linux 7 does not believe that without a daemon that keeps clients: its time is short."""
    try:
        _tell("v4_end_grace", "Y")
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise


def _mount(at: Path) -> None:
    """Mount as mount.nfs does, which need not be installed."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"127.0.0.1:/", bytes(at), b"nfs4", 0, _OPTIONS.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
