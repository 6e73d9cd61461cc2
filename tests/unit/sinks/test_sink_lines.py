# SPDX-License-Identifier: MIT
"""Lines to descriptors that are slow, full, rotated or gone."""

import contextlib
import errno
import fcntl
import os
import stat

import pytest

from enforcer.sinks import lines as module
from enforcer.sinks.lines import LineWriter, open_log
from enforcer.sinks.rotation import Rotation


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
    log.backlog.limit = 12
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


def test_reopening_writes_what_is_held_to_the_old_file(log):
    """A line accepted before the rotation is in the file of before."""
    log.append(b"old\n")
    moved = log.path.rename(log.path.with_suffix(".1"))

    log.reopen()
    log.append(b"new\n")
    log.flush()

    assert moved.read_bytes() == b"old\n"
    assert log.path.read_bytes() == b"new\n"
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_leaves_the_old_one(log):
    """Nothing is lost when the folder is gone at the wrong moment."""
    folder = log.path.parent / "gone"
    moved = log.path.rename(log.path.with_suffix(".1"))
    log.path = folder / "log"

    with pytest.raises(FileNotFoundError):
        log.reopen()
    log.path = log.path.parent.parent / moved.name
    log.append(b"kept\n")
    log.flush()

    assert moved.read_bytes() == b"kept\n"


def test_no_line_is_torn_between_two_files(log, monkeypatch):
    """A line that the full disk took half of is finished there, the next goes to the new file."""
    disk = Disk(4)
    monkeypatch.setattr(module.os, "write", disk.write)
    log.append(b"first\n")
    with pytest.raises(OSError, match="No space"):
        log.flush()
    moved = log.path.rename(log.path.with_suffix(".1"))

    with pytest.raises(OSError, match="No space"):
        log.reopen()
    disk.room = 100
    log.reopen()
    log.append(b"second\n")
    log.flush()

    assert moved.read_bytes() == b"first\n"
    assert log.path.read_bytes() == b"second\n"


def test_a_full_disk_is_left_for_a_new_one(log, monkeypatch):
    """Whole lines that the old file did not take go to the new one."""
    disk = Disk(0)
    monkeypatch.setattr(module.os, "write", disk.write)
    log.append(b"first\n")
    moved = log.path.rename(log.path.with_suffix(".1"))

    log.reopen()
    disk.room = 100
    log.flush()

    assert moved.read_bytes() == b""
    assert log.path.read_bytes() == b"first\n"


def test_rotation_under_a_busy_writer_loses_nothing(log):
    """Every line is in exactly one file, in order, wherever the rotation came in between."""
    sent, files = [], []
    for number in range(500):
        line = b"%06d\n" % number
        sent.append(line)
        log.append(line)
        if number % 3 == 0:
            log.flush()
        if number % 7 == 0:
            files.append(log.path.rename(log.path.with_suffix(f".{number}")))
            if number % 2:
                log.append(line)
                sent.append(line)
                log.flush()  # written between the rename and the signal
            log.reopen()
    log.flush()

    assert b"".join(sent) == b"".join(file.read_bytes() for file in [*files, log.path])
    assert log.dropped == 0


def test_reopening_what_has_no_name_does_nothing():
    """Standard output is never rotated."""
    reader, fd = os.pipe()
    writer = LineWriter(fd)

    writer.reopen()
    writer.append(b"still here\n")
    writer.flush()

    assert os.read(reader, 64) == b"still here\n"
    os.close(reader)
    os.close(fd)


def torn(path, monkeypatch):
    """Let a writer end whose disk got full in the middle of a line."""
    writer = LineWriter(open_log(path), path)
    with monkeypatch.context() as full:
        full.setattr(module.os, "write", Disk(8).write)
        writer.append(b"first\n")
        writer.append(b"second\n")
        writer.close()
    assert path.read_bytes() == b"first\nse"


def test_half_a_line_of_the_one_before_is_ended(tmp_path, monkeypatch):
    """What the next daemon writes begins a line; it ends none that is whole."""
    path = tmp_path / "log"
    torn(path, monkeypatch)

    for line in (b"third\n", b"fourth\n"):
        writer = LineWriter(open_log(path), path)
        writer.append(line)
        writer.flush()
        writer.close()

    assert path.read_bytes() == b"first\nse\nthird\nfourth\n"


def test_half_a_line_is_ended_when_there_is_room(tmp_path, monkeypatch):
    """A disk that is full still is no reason to glue lines together later."""
    path = tmp_path / "log"
    torn(path, monkeypatch)
    disk = Disk(0)
    monkeypatch.setattr(module.os, "write", disk.write)
    writer = LineWriter(open_log(path), path)
    writer.append(b"third\n")

    for room in (0, 1, 2, 100):
        disk.room = room
        with contextlib.suppress(OSError):
            writer.flush()

    assert path.read_bytes() == b"first\nse\nthird\n"
    writer.close()


def test_half_a_line_in_the_file_that_is_changed_to_is_ended(log, monkeypatch):
    """A log that was put back after a full disk."""
    other = log.path.with_name("other")
    torn(other, monkeypatch)
    other.rename(log.path)

    log.reopen()
    log.append(b"new\n")
    log.flush()

    assert log.path.read_bytes() == b"first\nse\nnew\n"


def test_what_cannot_be_read_is_written_all_the_same(tmp_path, monkeypatch):
    """Nothing is added where it is not known what is there."""
    path = tmp_path / "log"
    torn(path, monkeypatch)
    writer = LineWriter(open_log(path), path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as closed:
        closed.setattr(module.os, "open", refuse)
        writer.append(b"third\n")
        writer.flush()

    assert path.read_bytes() == b"first\nsethird\n"
    writer.close()


def test_a_folder_that_is_gone_is_told_until_it_is_back(log):
    """Each time, and lines go on to the old file meanwhile."""
    now = [10.0]
    log.clock = lambda: now[0]
    folder = log.path.parent / "folder"
    folder.mkdir()
    log.path = folder / "log"
    log.reopen()
    moved = folder.rename(folder.with_name("moved"))
    now[0] += 2

    for number in range(5):
        log.append(b"%d\n" % number)
        with pytest.raises(FileNotFoundError):
            log.flush()
        with pytest.raises(FileNotFoundError):
            log.flush()
        assert 0 == log.held
        now[0] += 0.3
    folder.mkdir()
    now[0] += 2
    log.append(b"back\n")
    log.flush()

    assert b"0\n1\n2\n3\n4\n" == (moved / "log").read_bytes()
    assert b"back\n" == log.path.read_bytes()


def test_a_new_name_ends_the_trouble(log):
    """A signal to reopen need not wait for the next look."""
    now = [10.0]
    log.clock = lambda: now[0]
    log.path = log.path.parent / "folder" / "log"
    now[0] += 2
    with pytest.raises(FileNotFoundError):
        log.flush()
    log.path.parent.mkdir()

    log.reopen()
    log.flush()

    assert log.path.exists()


def test_a_log_that_cannot_be_rotated_is_told_until_it_can(log, monkeypatch):
    """Also when nothing more is written."""
    log.rotation = Rotation(size=3)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as closed:
        closed.setattr(type(log.path), "rename", refuse)
        log.append(b"first\n")
        for _ in range(3):
            with pytest.raises(PermissionError):
                log.flush()
    log.flush()

    assert b"first\n" == log.path.with_name("log.1").read_bytes()
    assert b"" == log.path.read_bytes()
