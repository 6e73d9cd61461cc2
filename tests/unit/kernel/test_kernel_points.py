# SPDX-License-Identifier: MIT
"""Programs at points of the kernel: one for each that needs its own, bound, attached, or refused by name."""

from __future__ import annotations

import errno
import resource

import attrs
import pytest

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import functions, loader, points, programs, write_access
from enforcer.kernel.image_map import ImageHead, Point
from enforcer.kernel.links import LinkSet
from enforcer.kernel.watched import Watched

LSM, KPROBE, END, TRACE, RAW = (
    *(points.LSM, points.KPROBE, points.KRETPROBE),
    *(points.TRACEPOINT, points.RAW),
)


def point(number: int, kind: int, name: str = "x", **others) -> Point:
    return Point(number, kind, name, n_args=2, is_void=False, **others)


@pytest.fixture(autouse=True)
def _only_one_can_be_replaced(monkeypatch):
    monkeypatch.setattr(points, "can_override", lambda name: name == "replaceable")


def test_every_point_has_a_program():
    """Hooks, ends and raw tracepoints each their own; entries and tracepoints one in common."""
    wanted = [
        *(point(n, LSM, f"hook{n}") for n in (1, 2)),
        point(3, KPROBE, "replaceable"),
        *(point(n, KPROBE, f"f{n}") for n in (4, 5)),
        point(6, END),
        *(point(n, TRACE, f"a/b{n}") for n in (7, 8)),
        point(9, RAW),
    ]

    found = points.plan(reversed(wanted))

    assert [
        "enf_point_hook_0",
        "enf_point_hook_1",
        "enf_point_override",
        "enf_point_entry",
        "enf_point_entry",
        "enf_point_end_0",
        "enf_point_trace",
        "enf_point_trace",
        "enf_point_raw_0",
    ] == [name for _, name in found.programs]
    assert set(wanted) == found.points


@pytest.mark.parametrize("kind", [LSM, END, RAW])
def test_the_object_has_as_many_programs_as_the_table_says(kind):
    """The last of them can be configured; one more is refused."""
    word, most = points.PLACES[kind]
    full = [point(n + 1, kind, f"f{n}") for n in range(most)]
    with loader.open_object(loader.ENGINE) as engine:
        names = {name for name in engine.programs if name.startswith(f"enf_point_{word}_")}
        assert points.plan(full).names == names
        if kind == RAW:  # others would be looked up in this machine's BTF
            points.prepare(engine, points.plan(full))
            assert full[-1].number == engine.get_constant(f"enf_{word}_number_{most - 1}")
            assert 2 == engine.get_constant(f"enf_{word}_args_{most - 1}")

    with pytest.raises(UnsupportedError, match=f"and {most} others of the kind"):
        points.plan([*full, point(999, kind, "more")])


def test_what_nothing_is_known_of_is_not_activated():
    """An image that was compiled elsewhere says nothing of this kernel."""
    with pytest.raises(UnsupportedError, match=r"the LSM hook x is not known"):
        points.plan([point(1, LSM, is_bound=False)])


@attrs.define
class Fake:
    """A program that refuses some."""

    name: str
    refuses: str = ""
    attached: list = attrs.field(factory=list)
    program: str = "p"
    fd: int = 3
    error: int = errno.EINVAL

    def close(self) -> None:
        self.attached.clear()

    def attach(self):
        return self._to(self.name)

    def attach_raw(self, event):
        return self._to(event)

    def attach_tracepoint(self, category, event, cookie):
        return self._to((category, event, cookie))

    def attach_to(self, entries, *, at_end):
        return self._to(*entries)

    def attach_to_one(self, function, cookie, *, at_end):
        return self._to((function, cookie, at_end))

    def _to(self, *what):
        if self.refuses and self.refuses in str(what):
            raise KernelError("attach", self.error)
        self.attached += what
        return self


@attrs.define
class FakeObject:
    programs: dict


@pytest.fixture
def takes_many(monkeypatch):
    """Say of the kernel whether it takes one program at many functions."""

    def say(*, answer: bool) -> None:
        monkeypatch.setattr(functions, "takes_many", lambda: answer)

    say(answer=True)
    return say


def test_points_are_attached_with_their_numbers(takes_many):
    """Entries together, the others each."""
    wanted = points.plan(
        [point(1, KPROBE, "f1"), point(2, KPROBE, "f2"), point(3, TRACE, "a/b"), point(4, RAW, "r")]
    )
    engine = FakeObject({name: Fake(name) for name in wanted.names})

    points.attach(engine, wanted, LinkSet())

    assert [("f1", 1), ("f2", 2)] == engine.programs["enf_point_entry"].attached
    assert [("a", "b", 3)] == engine.programs["enf_point_trace"].attached
    assert ["r"] == engine.programs["enf_point_raw_0"].attached


def test_functions_are_attached_each_by_itself_where_the_kernel_takes_no_more(takes_many):
    """A kernel without CONFIG_FPROBE; one that is refused leaves none attached."""
    takes_many(answer=False)
    wanted = points.plan([point(1, KPROBE, "f1"), point(2, KPROBE, "f2")])
    entry = Fake("enf_point_entry")
    links = LinkSet()

    points.attach(FakeObject({entry.name: entry}), wanted, links)

    assert [("f1", 1, False), ("f2", 2, False)] == entry.attached
    assert 2 == len(links)
    entry.refuses = "f2"
    with pytest.raises(UnsupportedError, match="at the function f2"):
        points.attach(FakeObject({entry.name: entry}), wanted, links := LinkSet())
    assert 0 == len(links)


@pytest.mark.parametrize("hard", [4096, 1024, resource.RLIM_INFINITY])
@pytest.mark.parametrize("many", [True, False])
def test_each_function_takes_open_files(takes_many, monkeypatch, hard, many):
    """As many as the process may have; the kernel has the last word where it may not have what it says."""
    limits = [(1024, hard)]

    def limit(_which, found):
        limits.append(found)
        if found[0] == resource.RLIM_INFINITY:
            raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[0])
    monkeypatch.setattr(resource, "setrlimit", limit)
    takes_many(answer=many)
    wanted = points.plan([point(1, KPROBE, "f1")])
    entry = Fake("enf_point_entry")

    points.attach(FakeObject({entry.name: entry}), wanted, links := LinkSet())

    assert 1 == len(links)
    assert ([] if many or hard == 1024 else [(hard, hard)]) == limits[1:]


def test_too_few_open_files_are_no_fault_of_the_function(takes_many):
    """What helps is said, and nothing stays attached."""
    takes_many(answer=False)
    wanted = points.plan([point(1, KPROBE, "f1"), point(2, KPROBE, "f2")])
    entry = Fake("enf_point_entry", refuses="f2", error=errno.EMFILE)

    with pytest.raises(UnsupportedError, match="raise LimitNOFILE") as found:
        points.attach(FakeObject({entry.name: entry}), wanted, links := LinkSet())

    assert ("f2" not in str(found.value), 0) == (True, len(links))


def test_the_function_that_is_refused_is_named(takes_many):
    """The kernel does not say which one of many it was; nothing stays attached."""
    wanted = points.plan([point(1, KPROBE, "good"), point(2, KPROBE, "bad")])
    engine = FakeObject({name: Fake(name, refuses="bad") for name in wanted.names})

    with pytest.raises(UnsupportedError, match="at the function bad"):
        points.attach(engine, wanted, LinkSet())
    assert [] == engine.programs["enf_point_entry"].attached


def test_an_image_with_another_point_needs_that_one_more():
    """An image with fewer points needs nothing; what is new gets programs of another object."""

    def head(*numbers):
        found = tuple(point(n, RAW, f"r{n}") for n in numbers)
        return ImageHead(generation=1, ops=programs.POINTS, n_rows=1, size=8, points=found)

    watched = Watched.of([head(1), head(2)])
    more = watched.beyond(head(1, 3))

    assert [False, False, False] == [
        bool(watched.beyond(head(*numbers))) for numbers in ((), (1,), (1, 2))
    ]
    assert [(3, "enf_point_raw_0")] == [(p.number, name) for p, name in more.plan.programs]
    assert not watched.joined(more).beyond(head(1, 2, 3))
    assert {"POINT": ("enf_point_raw_0", "enf_point_raw_1")} == watched.named({"POINT": ()})


def test_write_access_is_told_only_if_a_rule_needs_it(takes_many):
    """Programs of hooks that get no mount; once, whatever images come."""

    def head(words):
        return ImageHead(generation=1, ops=programs.mask(words), n_rows=1, size=8)

    engine = FakeObject({write_access.PROGRAM: (fake := Fake(write_access.PROGRAM))})
    without, more = Watched.of([head("CHMOD")]), head("CHMOD ATTRIBUTES")

    without.attach(engine, links := LinkSet())
    assert ([], 0) == (fake.attached, len(links))
    without.beyond(more).attach(engine, links)
    assert [("mnt_want_write", 0), ("mnt_want_write_file", 1)] == fake.attached
    assert not without.joined(without.beyond(more)).beyond(head("SETXATTR"))


@pytest.mark.parametrize("many", [True, False])
def test_a_kernel_that_does_not_tell_write_access_is_used_all_the_same(takes_many, many):
    """Hooks search for the mount then; no half of it stays."""
    takes_many(answer=many)
    fake = Fake(write_access.PROGRAM, refuses="want_write_file")

    write_access.attach(fake, links := LinkSet())

    assert 0 == len(links)
