# SPDX-License-Identifier: MIT
"""The archive that the kernel starts from."""

from lab.initramfs import CpioArchive

_HEADER_SIZE = 110


def _entries(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Read a newc archive as the kernel does: name, mode and content of each entry."""
    entries = []
    offset = 0
    while offset < len(archive):
        header = archive[offset : offset + _HEADER_SIZE]
        assert b"070701" == header[:6]
        fields = [int(header[start : start + 8], 16) for start in range(6, _HEADER_SIZE, 8)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[offset + _HEADER_SIZE :][: name_size - 1].decode()
        content_at = (offset + _HEADER_SIZE + name_size + 3) & ~3
        entries.append((name, mode, archive[content_at : content_at + size]))
        offset = (content_at + size + 3) & ~3
    return entries


def test_archive_reads_back() -> None:
    """Names and contents of every length survive the padding."""
    archive = CpioArchive()
    archive.add_directory("bin")
    for length in range(6):
        archive.add_file("f" * (length + 1), b"x" * length, executable=length == 0)

    entries = _entries(archive.finish())

    assert ("bin", 0o040755, b"") == entries[0]
    assert ("f", 0o100755, b"") == entries[1]
    assert [b"x" * length for length in range(6)] == [content for _, _, content in entries[1:7]]
    assert "TRAILER!!!" == entries[-1][0]


def test_device_node_has_its_numbers() -> None:
    """The first script needs a console before devtmpfs is mounted."""
    archive = CpioArchive()
    archive.add_character_device("dev/console", major=5, minor=1)

    header = archive.finish()[:_HEADER_SIZE]

    assert (5, 1) == (int(header[78:86], 16), int(header[86:94], 16))
