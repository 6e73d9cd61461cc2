# SPDX-License-Identifier: MIT
"""Links below the root of a container, looked up in trees that are made to harm who looks."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from enforcer.identity import container_links
from enforcer.identity.container_links import Asked, look_up
from enforcer.policy.model.container_links import MAX_HEADS, MAX_LINKS


def found(root: Path, *heads: bytes) -> dict[bytes, tuple[bytes, ...]]:
    answer = look_up({b"c": Asked(os.fsencode(root), heads)})
    assert () == answer.incomplete
    return dict(answer.links.get(b"c", {}))


@pytest.fixture
def root(tmp_path) -> Path:
    """An image with /bin -> usr/bin and /bin/bash -> busybox, beside a host with a secret."""
    image = tmp_path / "rootfs"
    (image / "usr/bin").mkdir(parents=True)
    (image / "usr/bin/busybox").write_text("busybox")
    (image / "bin").symlink_to("usr/bin")
    (image / "usr/bin/bash").symlink_to("busybox")
    (tmp_path / "secret").write_text("of the host")
    return image


def test_links_on_the_way_and_at_the_end(root):
    """A directory, a program; an absolute target is one of the container."""
    (root / "usr/bin/sh").symlink_to("/bin/bash")

    assert {b"/bin": (b"usr/bin",), b"/usr/bin/bash": (b"busybox",)} == found(root, b"/bin/bash")
    assert {b"/bin": (b"usr/bin",), b"/usr/bin/sh": (b"/bin/bash",)}.items() <= found(
        root, b"/bin/sh"
    ).items()
    assert {} == found(root, b"/usr/bin/busybox", b"/etc/none", b"/usr/bin/busybox/below")


def test_nothing_outside_is_looked_at(root, tmp_path):
    """Links out of the root lead to what the container has there, which is nothing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "link").symlink_to("anywhere")
    (root / "up").symlink_to("../outside")
    (root / "absolute").symlink_to(outside)
    (root / "far").symlink_to("../" * 50 + str(outside)[1:])

    for name in (b"up", b"absolute", b"far"):
        assert {b"/" + name} == set(found(root, b"/" + name + b"/link"))


def test_loops_end(root):
    """By one link, by two, by directories, and by one that grows."""
    (root / "self").symlink_to("self")
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("/a")
    (root / "here").symlink_to(".")
    (root / "grow").symlink_to("grow/grow/grow")

    assert {b"/self"} == set(found(root, b"/self"))
    assert {b"/a", b"/b"} == set(found(root, b"/a/x"))
    assert {b"/here"} == set(found(root, b"/here/here/here/bin2"))
    assert {b"/grow"} == set(found(root, b"/grow/x"))


def test_a_chain_without_end_is_given_up(root):
    """Thousands of links, each to the next: the kernel follows forty, and more lead nowhere."""
    for i in range(3000):
        (root / f"l{i}").symlink_to(f"l{i + 1}")

    chain = found(root, b"/l0", b"/bin/bash")

    assert 40 + len([b"/bin", b"/usr/bin/bash"]) == len(chain)
    assert b"/l40" not in chain


def test_too_many_links_are_told(root):
    """The container is named, and what was found counts."""
    heads = []
    for i in range(3 * MAX_LINKS):
        (root / f"l{i}").symlink_to("x")
        heads.append(b"/l%d" % i)

    answer = look_up({b"c": Asked(os.fsencode(root), tuple(heads))})

    assert (b"c",) == answer.incomplete
    assert MAX_LINKS < len(answer.links[b"c"])


def test_too_many_patterns_are_told(root):
    """What comes behind is not looked up."""
    heads = (*(b"/none/%d" % i for i in range(MAX_HEADS)), b"/bin/bash")

    answer = look_up({b"c": Asked(os.fsencode(root), heads)})

    assert (b"c",) == answer.incomplete
    assert {} == answer.links


def test_pipes_devices_and_sockets_are_not_opened(root):
    """Who opens a pipe without a reader waits; a reader would see one here."""
    os.mkfifo(root / "pipe")
    reader = os.open(root / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        (root / "usr/bin/pipe").symlink_to("/pipe")

        assert {b"/bin", b"/usr/bin/pipe"} == set(
            found(root, b"/bin/pipe", b"/pipe/x", b"/socket/x", b"/socket")
        )
    assert b"" == os.read(reader, 1)
    os.close(reader)


def test_magic_links_are_text(root):
    """What a container has under /proc would lead who follows it to what the process has open."""
    proc = root / "proc"
    proc.mkdir()
    (proc / "exe").symlink_to("/proc/self/root/etc")
    (root / "etc").symlink_to("/proc/self/cwd")

    assert {b"/proc/exe", b"/etc"} >= set(found(root, b"/proc/exe/shadow", b"/etc/x"))
    # The real one is another file system: nobody goes there.
    assert {} == found(Path("/"), b"/proc/self/exe", b"/proc/self/root/etc/mtab")


def test_deep_and_long_names_are_nothing(root):
    """Deeper than a path can be, and longer than a name can be."""
    place = os.open(root, os.O_RDONLY)
    for _ in range(200):
        os.mkdir(b"d" * 200, dir_fd=place)
        below = os.open(b"d" * 200, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)

    assert {} == found(root, (b"/" + b"d" * 200) * 19 + b"/x", b"/" + b"n" * 300, b"/" * 4000)


def test_a_container_that_is_gone_has_no_links(tmp_path):
    """Nothing runs in it."""
    assert {} == found(tmp_path / "none", b"/bin/bash")


def test_a_root_that_shows_nothing_is_told(tmp_path):
    """Whatever the container sees there, the host has none of it: what its links are is not known."""
    (tmp_path / "shown").mkdir()
    asked = {b"c": Asked(os.fsencode(tmp_path / "shown"), (b"/bin/bash",))}
    assert (b"c",) == look_up(asked).incomplete

    (tmp_path / "shown/bin").mkdir()
    assert () == look_up(asked).incomplete


def test_links_that_change_meanwhile_never_lead_out(root, tmp_path):
    """A directory that is now a link to the host's, now itself: what is read is the container's."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/link").symlink_to("of-the-host")
    (root / "real").mkdir()
    (root / "real/link").symlink_to("of-the-container")
    (root / "way").symlink_to("real")
    is_over = threading.Event()

    def flip() -> None:
        while not is_over.is_set():
            for target in (tmp_path / "host", Path("/real")):
                (root / "new").symlink_to(target)
                (root / "new").rename(root / "way")

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        seen = [found(root, b"/way/link") for _ in range(500)]
    finally:
        is_over.set()
        thread.join()

    said = {target for each in seen for target in each.get(b"/real/link", ())}
    assert {b"of-the-container"} == said
    assert not any(b"of-the-host" in targets for each in seen for targets in each.values())


def test_a_file_system_that_does_not_answer_costs_no_more_than_its_time():
    """The containers before it are known; it, and those behind it, are named."""
    never = threading.Event()

    def read(asked: Asked, until: float) -> container_links._Looked:
        del until
        if asked.root == b"stuck":
            never.wait()
        return container_links._Looked(links={b"/bin": (b"usr/bin",)})

    asked = {name: Asked(name, (b"/bin/x",)) for name in (b"first", b"stuck", b"behind")}
    try:
        answer = look_up(asked, seconds=0.1, read=read)
    finally:
        never.set()

    assert [b"first"] == list(answer.links)
    assert (b"stuck", b"behind") == answer.incomplete


def test_a_host_of_many_containers_is_looked_up_within_the_time(root, monkeypatch):
    """Those for which there was none are named."""
    times = iter([0.0, 0.0, *[100.0] * 50])
    monkeypatch.setattr(container_links.time, "monotonic", lambda: next(times))

    answer = look_up(
        {b"%d" % i: Asked(os.fsencode(root), (b"/bin/bash",)) for i in range(5)}, seconds=50.0
    )

    assert (b"0", b"1", b"2", b"3", b"4") == answer.incomplete


def test_where_everything_answers_no_thread_is_needed(root, monkeypatch):
    """A thread costs more than a few links."""
    monkeypatch.setattr(threading, "Thread", None)

    answer = look_up({b"c": Asked(os.fsencode(root), (b"/bin/bash",))}, is_local=True)

    assert {b"/bin", b"/usr/bin/bash"} == set(answer.links[b"c"])
    with pytest.raises(TypeError):
        look_up({b"c": Asked(os.fsencode(root), (b"/bin/bash",))})
