# SPDX-License-Identifier: MIT
"""Names as the kernel will give them: links and mounts of the host."""

from __future__ import annotations

import os
import stat

import pytest
from amount import examples
from compiler_text import MadeUpHost, compiled
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from enforcer.compiler import LocalHost, Mount, verify
from enforcer.compiler.paths import Names, derive
from enforcer.compiler.patterns import Below, Exact, Glob, Wild, forms
from enforcer.libbpf.decision import Access, Core, Identity
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.glob_match import accepts
from enforcer.policy.model.policy import Text, TextKind, Verb

USR = {b"/bin": b"usr/bin", b"/usr/bin/sh": b"dash", b"/lib": b"/usr/lib", b"/loop": b"loop"}
ROOT = Mount(0x800001, b"/", b"/")


def spell(kind: TextKind, value: bytes, host: MadeUpHost) -> set:
    names = Names(host)
    return {s for form in forms(kind, value, is_path=True) for s in names.spell(form)}


def globs(*patterns: bytes) -> set:
    return {form for p in patterns for form in forms(TextKind.GLOB, p, is_path=True)}


# ---- Links ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/bin/bash", {b"/bin/bash", b"/usr/bin/bash"}),
        (b"/usr/bin/bash", {b"/usr/bin/bash"}),
        (b"/bin/sh", {b"/bin/sh", b"/usr/bin/sh", b"/usr/bin/dash"}),
        (b"/lib/x/y", {b"/lib/x/y", b"/usr/lib/x/y"}),
        (b"/loop", {b"/loop"}),
        (b"/", {b"/"}),
    ],
)
def test_every_spelling_on_the_way_to_the_file_is_matched(path, expected) -> None:
    """As written, as the links on the way are called, and as the file is."""
    assert {Exact(p) for p in expected} == spell(TextKind.EXACT, path, MadeUpHost(USR))


FOREIGN = MadeUpHost(
    {b"/home/bob/config": b"/etc/shadow", b"/home/bob/tool": b"/usr/bin/sh", b"/bin": b"usr/bin"},
    others=frozenset({b"/home/bob/config", b"/home/bob/tool"}),
)
"""Where somebody has made links to what is not theirs."""
ALLOWED = (
    "{file: read, match: {path: %s}, action: allow}",
    "{file: read, match: {path: /**}, action: deny}",
)
EXCEPTED = ("{file: read, match: {path: /srv/**, notProcess: {binary: %s}}, action: deny}",)
LEFT_OUT = ("{file: read, match: {path: {notIn: [%s]}}, action: deny}",)
NAMED = ("{file: read, match: {path: %s}, action: deny}",)
BY = ("{file: read, match: {path: /srv/**, process: {binary: %s}}, action: deny}",)
LOGGED = ("{file: read, match: {path: %s}, action: log}", *ALLOWED[1:])


@pytest.mark.parametrize(
    ("rules", "named", "path", "exe", "refused"),
    [
        (ALLOWED, "/home/bob/config", "/etc/shadow", "/usr/bin/cat", True),
        (ALLOWED, "/home/bob/config", "/home/bob/config", "/usr/bin/cat", False),
        (ALLOWED, "/bin/sh", "/usr/bin/sh", "/usr/bin/cat", False),
        (LOGGED, "/home/bob/config", "/etc/shadow", "/usr/bin/cat", True),
        (LEFT_OUT, "/home/bob/config", "/etc/shadow", "/usr/bin/cat", True),
        (LEFT_OUT, "/bin/sh", "/usr/bin/sh", "/usr/bin/cat", False),
        (EXCEPTED, "/home/bob/tool", "/srv/key", "/usr/bin/sh", True),
        (EXCEPTED, "/bin/sh", "/srv/key", "/usr/bin/sh", False),
        (NAMED, "/home/bob/config", "/etc/shadow", "/usr/bin/cat", True),
        (BY, "/home/bob/tool", "/srv/key", "/usr/bin/sh", True),
    ],
)
def test_who_can_make_a_link_permits_nothing_by_it(rules, named, path, exe, refused) -> None:
    """It counts where it is used against somebody; those by root always do."""
    image = compiled(*(rule.replace("%s", named) for rule in rules), host=FOREIGN)
    core = Core(image.image)
    subject = core.subject(Identity(exe=exe.encode()))

    verdict = core.decide(subject, Access(ops=(Op.READ,), operands={Dim.PATH: path.encode()}))

    assert refused is (verdict.row is not None and verdict.action == Verb.DENY)


def test_equal_conditions_have_one_label_where_no_link_makes_a_difference() -> None:
    """There are few labels: only a link that counts in one rule and not in another costs a second one."""
    rules = (EXCEPTED[0], BY[0])

    one, two = (
        len(compiled(*(rule % name for rule in rules), host=FOREIGN).labels.known)
        for name in ("/bin/sh", "/home/bob/tool")
    )

    assert (1, 2) == (one, two)


@pytest.mark.parametrize(
    ("owners", "modes", "expected"),
    [
        ({}, {}, True),
        ({b"/srv/a/link": 1000}, {}, False),
        ({b"/srv/a": 1000}, {}, False),
        ({b"/srv": 1000}, {}, False),
        ({}, {b"/srv/a": 0o775}, False),
        ({}, {b"/srv/a": 0o777}, False),
        ({}, {b"/srv": 0o1777}, True),
        ({}, {b"/": 0o757}, False),
        ({b"/srv/a": None}, {}, False),
    ],
)
def test_whose_a_link_is(owners, modes, expected) -> None:
    """Root's, if nobody else could have put another one there; what cannot be looked at is not."""
    host = LocalHost(())
    for path in (b"/", b"/srv", b"/srv/a", b"/srv/a/link"):
        kind = (
            stat.S_IFLNK | 0o777
            if path.endswith(b"link")
            else stat.S_IFDIR | modes.get(path, 0o755)
        )
        owner = owners.get(path, 0)
        found = os.stat_result((kind, 1, 1, 1, owner or 0, 0, 0, 0, 0, 0))
        host._found[path] = found if owner is not None else None

    assert expected is host.is_by_root(b"/srv/a/link")


def test_links_may_climb() -> None:
    """A relative link counts from the real place of the link."""
    host = MadeUpHost({b"/etc/alt/vi": b"../../opt/./vi", b"/opt": b"/srv/opt"})

    found = spell(TextKind.EXACT, b"/etc/alt/vi", host)

    assert {b"/etc/alt/vi", b"/opt/vi", b"/srv/opt/vi"} == {f.value for f in found}


def test_links_of_proc_are_left_alone() -> None:
    """What they say depends on who asks."""
    host = MadeUpHost({b"/proc/self": b"4711", b"/dev/fd": b"/proc/self/fd"})

    assert {Exact(b"/proc/self/mem")} == spell(TextKind.EXACT, b"/proc/self/mem", host)
    found = spell(TextKind.EXACT, b"/dev/fd/3", host)
    assert {b"/dev/fd/3", b"/proc/self/fd/3"} == {f.value for f in found}


def test_the_literal_beginning_of_a_glob_is_resolved() -> None:
    """What follows the first wildcard stays as written."""
    host = MadeUpHost(USR)

    assert globs(b"/bin/*sh", b"/usr/bin/*sh") == spell(TextKind.GLOB, b"/bin/*sh", host)
    assert {Below(b"/lib"), Below(b"/usr/lib")} == spell(TextKind.GLOB, b"/lib/**", host)
    assert {Below(b"/lib/x"), Below(b"/usr/lib/x")} == spell(TextKind.PREFIX, b"/lib/x/", host)
    assert globs(b"/bi*/x") == spell(TextKind.GLOB, b"/bi*/x", host)
    assert globs(b"/**/sh") == spell(TextKind.GLOB, b"/**/sh", host)


def test_this_machine_is_asked_for_its_links(tmp_path) -> None:
    """Links, hard links and what is missing, on a real file system."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "file").write_text("x")
    os.link(real / "file", real / "other")
    (real / "alone").write_text("x")
    (tmp_path / "link").symlink_to("real")
    host = LocalHost.read()

    assert host.link(os.fsencode(tmp_path / "link")) == b"real"
    assert host.link(os.fsencode(real)) is None
    assert host.link(os.fsencode(tmp_path / "missing" / "x")) is None
    assert host.hard_linked(os.fsencode(real / "alone")) is None
    found = os.stat(real / "file")  # noqa: PTH116 - st_dev is split below
    device = os.major(found.st_dev) << 20 | os.minor(found.st_dev)
    assert (device, found.st_ino) == host.hard_linked(os.fsencode(real / "file"))


def test_a_node_is_known_by_its_device() -> None:
    """By type and number, as the kernel side puts them together."""
    host = LocalHost.read()

    assert (1 << 32, stat.S_IFCHR << 32 | 1 << 20 | 3) == host.node(b"/dev/null")
    assert host.node(b"/etc/passwd") is None
    assert host.node(b"/dev/no-such-device") is None
    assert host.hard_linked(b"/dev/null") is None


@pytest.fixture
def processes(tmp_path):
    """What /proc says of us and of the first process, whose root is a folder."""
    there = tmp_path / "there"
    for name in ("self", "1"):
        (tmp_path / name / "ns").mkdir(parents=True)
        (tmp_path / name / "ns/mnt").touch()
        line = f"22 1 8:1 / /{name} rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        (tmp_path / name / "mountinfo").write_text(line)
    (there / "srv").mkdir(parents=True)
    (there / "srv/link").symlink_to("/else/where")
    (there / "srv/one").touch()
    os.link(there / "srv/one", there / "srv/two")
    (tmp_path / "1/root").symlink_to(there)
    return tmp_path / "self", tmp_path / "1"


def test_the_host_is_what_its_first_process_sees(processes) -> None:
    """Mounts, links and files are the host's, whatever a service manager shows to us."""
    ours, first = processes

    host = LocalHost.read(ours, first)

    assert [b"/1"] == [mount.point for mount in host.mounts]
    assert host.link(b"/srv/link") == b"/else/where"
    assert host.link(b"/srv/none") is None
    assert host.hard_linked(b"/srv/one") is not None


def test_in_its_own_namespace_nothing_is_looked_up_elsewhere(processes) -> None:
    """In the view of the first process names are asked for as they are."""
    ours, first = processes
    (first / "ns/mnt").unlink()
    os.link(ours / "ns/mnt", first / "ns/mnt")

    host = LocalHost.read(ours, first)

    assert [b"/self"] == [mount.point for mount in host.mounts]
    assert host.root == b""


def test_a_first_process_that_tells_nothing_is_taken_for_like_us(processes) -> None:
    """As the kernel side does; without privileges its namespace is not ours to know."""
    ours, first = processes
    (first / "ns/mnt").unlink()

    host = LocalHost.read(ours, first)

    assert [b"/self"] == [mount.point for mount in host.mounts]
    assert host.root == b""


# ---- Mounts -----------------------------------------------------------------------------------


def test_a_file_below_a_bind_mount_has_the_name_of_its_origin() -> None:
    """The kernel names it by the oldest mount that shows the superblock from its root."""
    host = MadeUpHost(mounts=(ROOT, Mount(0x800001, b"/data/web", b"/srv/www")))

    def values(kind, value):
        return {f.value for f in spell(kind, value, host)}

    assert {b"/srv/www/x", b"/data/web/x"} == values(TextKind.EXACT, b"/srv/www/x")
    assert {b"/srv/www", b"/data/web"} == values(TextKind.EXACT, b"/srv/www")
    assert {b"/srv/wwwx"} == values(TextKind.EXACT, b"/srv/wwwx")
    assert {b"/srv/www/a", b"/data/web/a"} == values(TextKind.GLOB, b"/srv/www/a/**")


def test_a_subtree_reaches_through_the_mounts_in_it() -> None:
    """What is mounted further down is below it too, under its other name."""
    host = MadeUpHost(mounts=(ROOT, Mount(0x800001, b"/data/web", b"/srv/www")))

    found = spell(TextKind.GLOB, b"/srv/**", host)
    assert {Below(b"/srv"), Exact(b"/data/web"), Below(b"/data/web")} == found
    assert globs(b"/srv/*/x") | {Exact(b"/data/web/x")} == spell(TextKind.GLOB, b"/srv/*/x", host)
    found = spell(TextKind.GLOB, b"/srv/**/key", host)
    assert globs(b"/srv/**/key") | {Exact(b"/data/web/key")} < found
    (deep,) = found - globs(b"/srv/**/key") - {Exact(b"/data/web/key")}
    assert Glob((b"/data/web/", Wild.DEEP, b"/key")) == deep
    assert globs(b"/srv/*") | {Exact(b"/data/web")} == spell(TextKind.GLOB, b"/srv/*", host)
    assert globs(b"/srv/w*w") | {Exact(b"/data/web")} == spell(TextKind.GLOB, b"/srv/w*w", host)
    assert globs(b"/srv/x*") == spell(TextKind.GLOB, b"/srv/x*", host)


def test_a_suffix_accepts_the_other_name_by_itself() -> None:
    """Only where it reaches over the mount point is there more to say."""
    host = MadeUpHost(mounts=(ROOT, Mount(0x800001, b"/data/web", b"/srv/www")))

    assert 1 == len(spell(TextKind.SUFFIX, b".pem", host))
    assert Exact(b"/data/web/x") in spell(TextKind.SUFFIX, b"www/x", host)


@pytest.mark.parametrize(
    ("pattern", "alone"),
    [
        (b"/**/key", True),
        (b"/**/*.pem", True),
        (b"/**/a/**/key", False),
        (b"/srv/**/key", False),
        (b"/data/**/key", True),
        (b"/data/web/**/key", True),
        (b"/data/web/x/**/key", False),
        (b"/**", True),
        (b"/data/**", True),
        (b"/srv/**", False),
    ],
)
def test_what_begins_anywhere_has_no_other_names(pattern, alone) -> None:
    """However many mounts there are, so that it needs no more of an automaton there."""
    mounts = (
        Mount(0x800001, b"/data/web", point)
        for point in (b"/srv/a/www", b"/data/x", b"/data/web/x/y")
    )

    found = spell(TextKind.GLOB, pattern, MadeUpHost(mounts=(ROOT, *mounts)))

    assert alone is (globs(pattern) == found)


def test_the_root_mounted_below_itself_has_a_name() -> None:
    """A subtree does not contain its own directory, which is the other name here."""
    host = MadeUpHost(mounts=(ROOT, Mount(0x800001, b"/", b"/mnt/host")))

    assert {Below(b"/"), Exact(b"/")} == spell(TextKind.GLOB, b"/**", host)


def accepts_form(form, path) -> bool:
    """What the automata of the form would say."""
    if isinstance(form, Exact):
        return path == form.value
    if isinstance(form, Below):
        return path.startswith(form.value.rstrip(b"/") + b"/") and path != form.value
    ends = {Wild.RUN, Wild.DEEP, Wild.DIRS}
    return any(ends.issuperset(rest) for rest in derive([form.tokens], path))


PARTS = st.sampled_from((b"a", b"b", b"c"))
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: b"/" + b"/".join(parts))
PATTERNS = st.lists(
    st.sampled_from((b"a", b"b", b"c", b"*", b"**", b"**", b"a*")), min_size=1, max_size=4
)


@given(PATTERNS, PATHS, PATHS, st.just(b"") | PATHS)
@settings(max_examples=examples(400))
def test_a_file_below_a_mount_is_what_one_of_its_names_is(parts, origin, point, inner) -> None:
    """Of which the kernel gives the one at the origin."""
    pattern = b"/" + b"/".join(parts)
    assume(not (origin + b"/").startswith(point + b"/"))  # it has another place then
    host = MadeUpHost(mounts=(ROOT, Mount(0x800001, origin, point)))

    found = spell(TextKind.GLOB, pattern, host)

    value = Text(TextKind.GLOB, pattern)
    named, also = origin + inner, point + inner
    expected = accepts(value, named) or accepts(value, also)
    assert expected is any(accepts_form(form, named) for form in found)


def test_a_subvolume_that_is_never_shown_whole_is_named_by_its_oldest_mount() -> None:
    """As the root of many btrfs hosts is."""
    host = MadeUpHost(
        mounts=(
            Mount(0x30, b"/@", b"/"),
            Mount(0x30, b"/@home", b"/home"),
            Mount(0x30, b"/@/data", b"/mnt"),
        )
    )

    assert {Exact(b"/etc/x")} == spell(TextKind.EXACT, b"/etc/x", host)
    assert {Exact(b"/home/x")} == spell(TextKind.EXACT, b"/home/x", host)
    assert {Exact(b"/mnt/x"), Exact(b"/data/x")} == spell(TextKind.EXACT, b"/mnt/x", host)


def test_a_part_that_was_shown_before_the_whole_keeps_its_name() -> None:
    """What is mounted later renames nothing, whole or not."""
    host = MadeUpHost(
        mounts=(
            Mount(0x30, b"/@", b"/"),
            Mount(0x30, b"/@home", b"/home"),
            Mount(0x30, b"/", b"/mnt/all"),
        )
    )

    def values(kind, value):
        return {f.value for f in spell(kind, value, host)}

    assert {b"/etc/x"} == values(TextKind.EXACT, b"/etc/x")
    assert {b"/mnt/all/@/etc/x", b"/etc/x"} == values(TextKind.EXACT, b"/mnt/all/@/etc/x")
    assert {b"/mnt/all/@home/x", b"/home/x"} == values(TextKind.EXACT, b"/mnt/all/@home/x")
    assert {b"/mnt/all/other/x"} == values(TextKind.EXACT, b"/mnt/all/other/x")
    found = spell(TextKind.GLOB, b"/mnt/all/**", host)
    assert {Below(b"/mnt/all"), Exact(b"/home"), Below(b"/home"), Exact(b"/"), Below(b"/")} == found
    assert globs(b"/mnt/all/*/x") | {Exact(b"/x"), Exact(b"/home/x")} == spell(
        TextKind.GLOB, b"/mnt/all/*/x", host
    )


def test_links_are_followed_before_mounts() -> None:
    """A link into a bind mount gives three spellings."""
    host = MadeUpHost({b"/www": b"/srv/www"}, {}, (ROOT, Mount(0x800001, b"/d", b"/srv/www")))

    found = {f.value for f in spell(TextKind.EXACT, b"/www/x", host)}

    assert {b"/www/x", b"/srv/www/x", b"/d/x"} == found


def test_the_device_of_a_node_is_in_the_image() -> None:
    """It takes the place of an inode, whose numbers are smaller."""
    host = MadeUpHost({}, nodes={b"/dev/vda": (1 << 32, stat.S_IFBLK << 32 | 254 << 20)})
    rule = "{file: read, match: {path: /dev/vda}, action: deny}"

    found = compiled(rule, host=host)

    verify(found.image)
    assert found.needs.inodes


def test_the_inode_of_a_hard_link_is_in_the_image() -> None:
    """Only then is the dimension used."""
    host = MadeUpHost({}, {b"/srv/secret": (0x800001, 99)})
    rule = "{file: read, match: {path: /srv/secret}, action: deny}"

    with_link, without = compiled(rule, host=host), compiled(rule)

    verify(with_link.image)
    assert with_link.needs.inodes
    assert Dim.INODE in with_link.dims
    assert Dim.INODE not in without.dims
