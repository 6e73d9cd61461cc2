# SPDX-License-Identifier: MIT
"""The file of a recording: what is written is read, and what is torn or damaged is told."""

import contextlib
import json
import os
import stat
import zlib
from random import Random

import attrs
import pytest
from reference.semantics import Access, Identity
from tapes import Tape, head

from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.workbench.replay.documents import read_end
from enforcer.workbench.replay.journal import (
    _MAX_RECORD,
    _MAX_UNPACKED,
    Block,
    BlockKind,
    Journal,
    JournalError,
    Writer,
)
from enforcer.workbench.replay.lines import How

READ = Access((Op.READ,), {Dim.PATH: b"/etc/passwd"})


@pytest.fixture
def tape():
    """Return a recording of a hundred reads."""
    made = Tape()
    line = made.begin(How.FOUND, 0, Identity(exe=b"/sbin/init"))
    for _ in range(100):
        made.access(line, Identity(exe=b"/bin/cat"), READ)
    return made


@pytest.fixture
def journal(tape, tmp_path):
    """Return the path of its journal."""
    return tape.write(tmp_path / "journal")


def opened(path):
    return contextlib.closing(Journal.open(path))


def test_what_is_written_is_read(tape, journal):
    """Records come back byte for byte, by kind and in order; it is smaller than they are."""
    with opened(journal) as found:
        assert tape.accesses == list(found.records(BlockKind.ACCESSES))
        assert tape.lines == list(found.records(BlockKind.LINES))
        assert (0, 0, True) == (found.torn, found.damaged, found.is_ended)
        assert "here" == found.head["host"]
    assert journal.stat().st_size < sum(map(len, tape.accesses)) / 5


def test_many_records_take_several_blocks(tmp_path):
    """No block is larger than a reader takes."""
    many = [bytes([number]) * 60_000 for number in range(256)] * 2
    with contextlib.closing(Writer.create(tmp_path / "journal")) as writer:
        writer.document(BlockKind.HEAD, head())
        writer.records(BlockKind.ACCESSES, many, 0, 0)

    with opened(tmp_path / "journal") as found:
        assert 2 == len(found.blocks)
        assert many == list(found.records(BlockKind.ACCESSES))


def test_only_its_owner_reads_it_and_nothing_is_overwritten(journal):
    """Arguments of programs are in it; a file that is there already stays."""
    assert 0o600 == stat.S_IMODE(journal.stat().st_mode)
    before = journal.read_bytes()

    with pytest.raises(FileExistsError):
        Writer.create(journal)
    assert before == journal.read_bytes()


def test_a_link_is_not_followed(tmp_path):
    """Nobody makes root write elsewhere."""
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="exists"):
        Writer.create(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_every_torn_end_is_told_and_the_rest_is_read(tape, journal):
    """Wherever the file stops: whole blocks are read, and what is left over is counted."""
    whole = journal.read_bytes()
    with opened(journal) as found:
        ends = [block.at + 4 + block.stored for block in found.blocks]
        first = found.blocks[0].at - 36
    assert ends[-1] == len(whole)

    for size in range(first, len(whole)):
        journal.write_bytes(whole[:size])
        with opened(journal) as found:
            kept = [end for end in ends if end <= size]
            assert len(kept) == len(found.blocks)
            assert size - max([first, *kept]) == found.torn or not kept
            assert not found.is_ended
            expected = tape.accesses if len(kept) > 1 else []
            assert expected == list(found.records(BlockKind.ACCESSES))


def test_damage_is_told_and_costs_its_block_only(tape, journal):
    """A bit that flips within a block is found by its checksum."""
    with opened(journal) as found:
        lines, accesses = found.blocks[:2]
    raw = bytearray(journal.read_bytes())
    raw[accesses.at + 10] ^= 4
    journal.write_bytes(raw)

    with opened(journal) as found:
        assert [] == list(found.records(BlockKind.ACCESSES))
        assert 1 == found.damaged
        assert tape.lines == list(found.records(BlockKind.LINES))
        assert lines.count == len(tape.lines)


def test_a_length_that_is_not_true_is_damage(tmp_path):
    """What unpacks to more than its head says is not taken."""
    writer = Writer.create(tmp_path / "journal")
    writer.document(BlockKind.HEAD, head())
    writer.records(BlockKind.ACCESSES, [bytes(1 << 20)], 0, 0)
    writer.close()
    raw = (tmp_path / "journal").read_bytes()
    with opened(tmp_path / "journal") as found:
        (block,) = found.blocks
    packed = raw[block.at + 4 :]
    head_of_block = attrs.evolve(block, unpacked=64).head()
    crc = zlib.crc32(packed, zlib.crc32(head_of_block)).to_bytes(4, "little")
    (tmp_path / "journal").write_bytes(raw[: block.at - 36] + head_of_block + crc + packed)

    with opened(tmp_path / "journal") as found:
        assert [] == list(found.records(BlockKind.ACCESSES))
        assert 1 == found.damaged


def test_a_block_longer_than_what_it_unpacks_to_is_not_read(tmp_path):
    """A sparse file has the length that the head says, and needs no room on the disk."""
    writer = Writer.create(tmp_path / "journal")
    writer.document(BlockKind.HEAD, head())
    writer.close()
    size = (tmp_path / "journal").stat().st_size
    block = Block(BlockKind.ACCESSES, 1, 64, 0xFFFF_0000, 0, 0, 0)
    with (tmp_path / "journal").open("ab") as file:
        file.write(block.head())
        file.truncate(size + len(block.head()) + 4 + block.stored)
    torn = (tmp_path / "journal").stat().st_size - size

    with opened(tmp_path / "journal") as found:
        assert ((), torn) == (found.blocks, found.torn)


def test_content_that_cannot_be_packed_is_read(tmp_path):
    """It is longer packed than not: as much as a block may hold, of random bytes."""
    random = Random(5).randbytes
    records = [random(_MAX_RECORD) for _ in range((_MAX_UNPACKED // _MAX_RECORD) + 2)]
    writer = Writer.create(tmp_path / "journal")
    writer.document(BlockKind.HEAD, head())
    writer.records(BlockKind.ACCESSES, records, 0, 0)
    writer.close()

    with opened(tmp_path / "journal") as found:
        assert records == list(found.records(BlockKind.ACCESSES))
        assert (0, 0) == (found.torn, found.damaged)
        assert any(each.stored > each.unpacked for each in found.blocks)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a recording"),
        (b"some text that is long enough to be a head", "not a recording"),
        (b"ENFJRNL\n", "is empty: nothing was recorded"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path, content, says):
    """In one sentence."""
    (tmp_path / "journal").write_bytes(content)

    with pytest.raises(JournalError, match=says):
        Journal.open(tmp_path / "journal")


def test_another_format_is_refused(tape, tmp_path):
    """A later version may write what this one cannot read."""
    with pytest.raises(JournalError, match="format 2"):
        Journal.open(tape.write(tmp_path / "journal", format=2))


def test_a_full_disk_leaves_whole_blocks(tape, tmp_path):
    """What cannot be written as a whole is taken back."""
    writer = Writer.create(tmp_path / "journal")
    writer.document(BlockKind.HEAD, head())
    size = writer.size
    real = writer._file

    class Full:
        def write(self, data):
            real.write(data[:7])
            raise OSError(28, os.strerror(28))

        def truncate(self, at):
            real.truncate(at)

    writer._file = Full()
    with pytest.raises(OSError, match="No space"):
        writer.records(BlockKind.ACCESSES, tape.accesses, 0, 0)
    real.close()

    assert size == (tmp_path / "journal").stat().st_size
    with opened(tmp_path / "journal") as found:
        assert 0 == found.torn


def test_documents_are_json(journal):
    """The end says why."""
    with opened(journal) as found:
        (end,) = found.documents(BlockKind.END, read_end)
        assert "it was stopped" == end["reason"]
        assert json.loads(json.dumps(found.head)) == found.head
