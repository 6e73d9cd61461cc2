# SPDX-License-Identifier: MIT
"""What an image brought: layers by the table of mounts, and links in them, whatever a container has made since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from enforcer.identity import container_links
from enforcer.identity.container_links import Asked, look_up
from enforcer.identity.layers import MAX_LAYERS, is_local, layers_of
from enforcer.mountinfo import Mount
from enforcer.policy.model.container_links import MAX_LINKS, joined


def overlay(*options: bytes, kind: bytes = b"overlay") -> Mount:
    return Mount(1, b"/", b"/merged", kind, options)


@pytest.mark.parametrize(
    ("mount", "layers"),
    [
        (overlay(b"rw", b"lowerdir=/l/b:/l/a", b"upperdir=/u"), (b"/l/b", b"/l/a")),
        (overlay(rb"lowerdir=/l/a\:b:/c"), (b"/l/a:b", b"/c")),
        (overlay(b"lowerdir=/l/a:/l/b::/only/data"), (b"/l/a", b"/l/b")),
        (overlay(b"lowerdir+=/l/a:b", b"lowerdir+=/c", b"datadir+=/d"), (b"/l/a:b", b"/c")),
        (
            overlay(b"lowerdir=/s/overlay/" + b"a" * 64 + b"/mapped/0/l/B:/s/overlay/l/C"),
            (b"/s/overlay/l/B", b"/s/overlay/l/C"),
        ),
        (overlay(b"lowerdir=/s/layer/mapped/0/l/B"), (b"/s/layer/mapped/0/l/B",)),
        (overlay(b"lowerdir=l/A:l/B"), ()),
        (overlay(b"lowerdir=/l/a:../b"), ()),
        (overlay(b"lowerdir=" + b":".join([b"/l"] * (MAX_LAYERS + 1))), ()),
        (overlay(b"rw"), ()),
        (overlay(b"lowerdir=/l/a", kind=b"tmpfs"), ()),
    ],
)
def test_layers_are_those_of_the_mount(mount, layers):
    """Only if all of them are known."""
    assert layers == layers_of(mount)


@pytest.fixture
def image(tmp_path) -> tuple[Path, Path, Path]:
    """The root as a container has made it, the upper layer of its image, and the lower one."""
    root, upper, lower = (tmp_path / name for name in ("root", "upper", "lower"))
    for each in (root, upper, lower):
        (each / "bin").mkdir(parents=True)
    (lower / "bin/bash").symlink_to("busybox")
    return root, upper, lower


def found(image: tuple[Path, ...], *heads: bytes) -> dict[bytes, tuple[bytes, ...]]:
    root, *layers = map(os.fsencode, image)
    answer = look_up({b"c": Asked(root, heads, tuple(layers))})
    assert () == answer.incomplete
    return dict(joined(answer.image.get(b"c", {}), answer.links.get(b"c", {})))


def test_what_the_image_has_counts_whatever_is_there_now(image):
    """A link that is gone, or leads elsewhere by now."""
    assert {b"/bin/bash": (b"busybox",)} == found(image, b"/bin/bash")
    (image[0] / "bin/bash").symlink_to("/tmp/else")
    assert {b"/bin/bash": (b"busybox", b"/tmp/else")} == found(image, b"/bin/bash")
    assert {b"/bin/bash": (b"/tmp/else",)} == found(image[:1], b"/bin/bash")


def test_an_upper_layer_goes_before_a_lower_one(image):
    """Another link, a file, a directory; and a file in the place of a directory on the way."""
    upper = image[1]
    (upper / "bin/bash").symlink_to("dash")
    assert {b"/bin/bash": (b"dash",)} == found(image, b"/bin/bash")
    (upper / "bin/bash").unlink()
    (upper / "bin/bash").write_text("")
    assert {} == found(image, b"/bin/bash")
    (upper / "bin/bash").unlink()
    (upper / "bin/bash").mkdir()
    assert {} == found(image, b"/bin/bash")
    (upper / "bin/bash").rmdir()
    (upper / "bin").rmdir()
    assert {b"/bin/bash": (b"busybox",)} == found(image, b"/bin/bash")
    (upper / "bin").write_text("")
    assert {} == found(image, b"/bin/bash")


def test_what_an_upper_layer_took_away_is_gone(image):
    """A whiteout is a node of a device; making one takes root."""
    try:
        os.mknod(image[1] / "bin/bash", 0o020000, os.makedev(0, 0))
    except PermissionError:
        pytest.skip("mknod(2) takes privileges here")

    assert {} == found(image, b"/bin/bash")


def test_an_opaque_directory_hides_what_lies_below(image, monkeypatch):
    """The mark is an extended attribute of root's."""
    opaque = (image[1] / "bin").stat().st_ino
    monkeypatch.setattr(container_links, "_is_opaque", lambda fd: os.fstat(fd).st_ino == opaque)

    assert {} == found(image, b"/bin/bash")
    (image[2] / "lib").symlink_to("usr/lib")
    assert {b"/lib": (b"usr/lib",)} == found(image, b"/lib/x")


def test_the_mark_is_read_where_that_is_possible(image):
    """As it is without privileges there is none."""
    fd = os.open(image[1] / "bin", os.O_PATH)
    try:
        assert not container_links._is_opaque(fd)
        try:
            os.setxattr(image[1] / "bin", container_links._OPAQUE, b"y")
        except OSError as error:
            pytest.skip(f"no such attribute here: {error}")
        assert container_links._is_opaque(fd)
        assert {} == found(image, b"/bin/bash")
    finally:
        os.close(fd)


def test_what_a_container_has_made_is_apart_from_its_image(image):
    """However much that is."""
    heads = [b"/bin/bash"]
    for i in range(2 * MAX_LINKS):
        (image[0] / f"l{i}").symlink_to("x")
        heads.insert(0, b"/l%d" % i)

    answer = look_up({b"c": Asked(os.fsencode(image[0]), tuple(heads), (os.fsencode(image[2]),))})

    assert (b"c",) == answer.incomplete
    assert {b"/bin/bash": (b"busybox",)} == answer.image[b"c"]
    assert b"/bin/bash" not in answer.links[b"c"]


def test_layers_that_cannot_be_opened_leave_what_is_there(image):
    """One that has gone: the root itself is looked at."""
    (image[0] / "bin/bash").symlink_to("dash")

    assert {b"/bin/bash": (b"dash",)} == found((*image, image[2] / "none"), b"/bin/bash")


_ROOT = Mount(1, b"/", b"/", b"ext4")
_DATA = Mount(2, b"/", b"/data", b"xfs")
_SHARE = Mount(3, b"/", b"/data/share", b"nfs4")


def _places(*mounts: Mount) -> dict[bytes, Mount]:
    return {mount.point: mount for mount in mounts}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((b"lowerdir=/data/a:/b", b"upperdir=/data/u"), True),
        ((b"lowerdir=/data/a:/b",), True),
        ((b"lowerdir=/data/share/a:/b", b"upperdir=/data/u"), False),
        ((b"lowerdir=/data/a", b"upperdir=/data/share/u"), False),
        ((b"lowerdir=/data/shares/a",), True),
        ((b"upperdir=/data/u",), False),  # of what it is made is not known
        ((b"lowerdir=a",), False),
    ],
)
def test_who_answers_for_an_overlay(options, expected):
    """The file systems of its layers, all of them."""
    merged = Mount(4, b"/", b"/merged", b"overlay", options)

    assert expected == is_local(b"/merged", _places(_ROOT, _DATA, _SHARE, merged))


def test_who_answers_for_a_directory():
    """The mount at the deepest place on its way; nobody for one that is on none, or that is not absolute."""
    mounts = (_ROOT, _DATA, _SHARE)
    assert is_local(b"/data/x", _places(*mounts))
    assert is_local(b"/", _places(*mounts))
    assert not is_local(b"/data/share", _places(*mounts))
    assert not is_local(b"/data/share/x/", _places(*mounts))
    covered = _places(*mounts, Mount(5, b"/", b"/data/share", b"tmpfs"))
    assert is_local(b"/data/share", covered)
    assert not is_local(b"/x", _places(Mount(5, b"/", b"/", b"fuse.sshfs")))
    assert not is_local(b"/x", {})
    assert not is_local(b"data/x", _places(*mounts))
    assert not is_local(b"", _places(*mounts))
    ring = Mount(6, b"/", b"/r", b"overlay", (b"lowerdir=/r/l",))
    assert not is_local(b"/r", _places(*mounts, ring))
