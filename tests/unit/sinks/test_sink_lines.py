# SPDX-License-Identifier: MIT
"""Lines to descriptors that are slow, full, rotated or gone."""

import errno
import fcntl
import os
import stat

import pytest

from enforcer.sinks import lines as module
from enforcer.sinks.lines import LineWriter, open_log


class Disk:
    """A disk with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.real = os.write

    def write(self, fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.real(fd, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    writer = LineWriter(open_log(path), path)
    yield writer
    writer.close()


def test_lines_are_written_in_order(log):
    """What was accepted is written at the next flush."""
    for number in range(3):
        log.append(b"%d\n" % number)

    log.flush()

    assert log.path.read_bytes() == b"0\n1\n2\n"
    assert log.held == 0


def test_a_log_is_for_its_owner(log):
    """Records tell who did what: nobody else may read a new log."""
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_full_disk_neither_tears_nor_loses(log, monkeypatch):
    """Writing goes on in the middle of the line where the disk got full."""
    disk = Disk(7)
    monkeypatch.setattr(module.os, "write", disk.write)
    log.append(b"first\n")
    log.append(b"second\n")

    with pytest.raises(OSError, match="No space"):
        log.flush()
    assert log.path.read_bytes() == b"first\ns"
    disk.room = 100
    log.append(b"third\n")
    log.flush()

    assert log.path.read_bytes() == b"first\nsecond\nthird\n"
    assert log.dropped == 0


def test_the_bound_drops_whole_lines_oldest_first(log, monkeypatch):
    """Beyond the bound the oldest go, but never the rest of one that was begun."""
    disk = Disk(1)
    monkeypatch.setattr(module.os, "write", disk.write)
    log.limit = 12
    log.append(b"aaaa\n")
    with pytest.raises(OSError, match="No space"):
        log.flush()

    for line in (b"bbbb\n", b"cccc\n", b"dddd\n"):
        log.append(line)
    disk.room = 100
    log.flush()

    assert log.path.read_bytes() == b"aaaa\ndddd\n"
    assert log.dropped == 2


def test_a_rotated_log_is_followed(log):
    """After logrotate has moved the file, lines go to a new one of the old name."""
    now = [10.0]
    log.clock = lambda: now[0]
    log.append(b"old\n")
    log.flush()
    moved = log.path.rename(log.path.with_suffix(".1"))
    now[0] += 2

    log.append(b"new\n")
    log.flush()

    assert moved.read_bytes() == b"old\n"
    assert log.path.read_bytes() == b"new\n"


def test_a_reader_that_sleeps_does_not_block():
    """A full pipe is an error to try again later, and nothing is lost meanwhile."""
    reader, fd = os.pipe()
    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(fd)
    sent = b"".join(b"%06d\n" % number for number in range(2000))
    for line in sent.splitlines(keepends=True):
        writer.append(line)

    got = b""
    while writer.held:
        try:
            writer.flush()
        except BlockingIOError:
            got += os.read(reader, 65536)
    got += os.read(reader, 65536)

    assert got == sent
    os.close(reader)
    os.close(fd)


def test_closing_counts_what_is_left(tmp_path, monkeypatch):
    """Lines that cannot be written at the end are counted as lost; closing again does nothing."""
    path = tmp_path / "log"
    writer = LineWriter(open_log(path), path)
    monkeypatch.setattr(module.os, "write", Disk(0).write)
    writer.append(b"a\n")
    writer.append(b"b\n")

    writer.close()
    writer.close()

    assert writer.dropped == 2


def test_a_pipe_without_reader_is_refused_at_once(tmp_path):
    """Opening a FIFO that nobody reads must not hang the start."""
    path = tmp_path / "fifo"
    os.mkfifo(path)

    with pytest.raises(OSError, match="No such device"):
        open_log(path)
