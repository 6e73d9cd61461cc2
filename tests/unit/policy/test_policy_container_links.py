# SPDX-License-Identifier: MIT
"""Where links lead in a container: the names, and the bounds that a hostile container meets."""

from __future__ import annotations

import pytest

from enforcer.policy.model.container_links import MAX_LINKS, MAX_NAMES, joined, spellings

IMAGE = {
    b"/bin": (b"usr/bin",),
    b"/usr/bin/bash": (b"busybox",),
    b"/usr/bin/vi": (b"/etc/alternatives/vi",),
    b"/etc/alternatives/vi": (b"../../usr/bin/vim.tiny",),
    b"/var/run": (b"/run",),
    b"/up": (b"../../../../../etc",),
    b"/self": (b"self",),
    b"/loop-a": (b"loop-b",),
    b"/loop-b": (b"/loop-a/.",),
    b"/here": (b".",),
    b"/root": (b"/",),
}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (b"/usr/bin/busybox", []),
        (b"/bin/bash", [b"/usr/bin/bash", b"/usr/bin/busybox"]),
        (b"/bin/nothing", [b"/usr/bin/nothing"]),
        (b"/bin/vi", [b"/usr/bin/vi", b"/etc/alternatives/vi", b"/usr/bin/vim.tiny"]),
        (b"/var/run/secrets/token", [b"/run/secrets/token"]),
        (b"/up/shadow", [b"/etc/shadow"]),
        (b"/self", []),
        (b"/loop-a/x", [b"/loop-b/x"]),
        (b"/here/a", [b"/a"]),
        (b"/root", [b"/"]),
        (b"/root/bin/bash", [b"/bin/bash", b"/usr/bin/bash", b"/usr/bin/busybox"]),
    ],
)
def test_every_name_on_the_way_counts(path, names):
    """Those of links in the midst, too; none leads out of the root, and loops end."""
    assert (path, *names) == spellings(path, lambda each: IMAGE.get(each, ()))


def test_of_a_link_that_was_made_anew_all_targets_count():
    """What it led to before is still refused."""
    links = joined({b"/bin/bash": (b"busybox",)}, {b"/bin/bash": (b"/tmp/other",)})

    assert {b"/bin/bash", b"/bin/busybox", b"/tmp/other"} == set(
        spellings(b"/bin/bash", lambda each: links.get(each, ()))
    )


def test_the_first_links_count():
    """Whoever makes more than there is room for gets nothing by it."""
    before = {b"/data": (b"/secret",)}
    many = {b"/%d" % i: (b"x",) for i in range(10 * MAX_LINKS)}

    found = joined(before, many)

    assert (b"/secret",) == found[b"/data"]
    assert MAX_LINKS == sum(map(len, found.values()))
    assert found == joined(found, {b"/data": (b"/else",)})


def test_an_avalanche_of_names_ends():
    """Each directory has many targets, of which each has many: names and steps are bounded."""
    asked = []

    def targets(path: bytes) -> tuple[bytes, ...]:
        asked.append(path)
        return tuple(b"/" + bytes((97 + i,)) + path[-40:] for i in range(20))

    found = spellings(b"/a/b/c/d/e/f", targets)

    assert b"/a/b/c/d/e/f" == found[0]
    assert len(found) <= MAX_NAMES
    assert len(asked) < 2000


def test_a_path_that_grows_ends():
    """Each link makes it longer; the kernel has no such path."""
    found = spellings(b"/a", lambda path: (b"a/" * 1000,) if path.endswith(b"/a") else ())

    assert max(map(len, found)) <= 4096
