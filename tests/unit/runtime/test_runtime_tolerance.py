# SPDX-License-Identifier: MIT
"""Policy files with a verdict each: what is wrong with one keeps no other out, and it stays as it was."""

from __future__ import annotations

import os

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.compiler import limits
from enforcer.errors import EnforcerBug, KernelError, LimitError
from enforcer.policy.store import FileText, find_texts
from enforcer.runtime.policies import tolerance
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.refused_files import Costly
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.tolerance import RefusedFile, choose, told

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {{name: {name}}}\n"
BROKEN = b"apiVersion: enforcer/v1\nkind: [\n"


def _policy(name: str, path: str = "/x", more: str = "") -> bytes:
    rule = f"{{name: r, exec: {{}}, match: {{path: {path}{more}}}, action: deny}}"
    return (HEAD.format(name=name) + f"spec: {{rules: [{rule}]}}\n").encode()


def _marked(name: str, mark: str) -> bytes:
    rule = f"{{name: r, exec: {{}}, match: {{path: /{name}}}, mark: {mark}, action: log}}"
    return (HEAD.format(name=name) + f"spec: {{rules: [{rule}]}}\n").encode()


@attrs.define
class _Room:
    """Compiles so many policies and no more; counts how often it was asked."""

    most: int = 1000
    asked: int = 0
    checked: int = 0

    def make(self, policies):
        self.asked += 1
        names = [policy.name for policy in policies.policies]
        assert len(set(names)) == len(names)
        if len(names) > self.most:
            raise LimitError(f"too many policies: {len(names)}, the limit is {self.most}")
        return names

    def check(self, policies):
        """Each by itself has room."""
        self.checked += 1
        return {}


def _choose(now, earlier=None, room=None, taken=None):
    found = [FileText(path, content) for path, content in sorted(now.items())]
    room = room or _Room()
    return choose(found, earlier or {}, taken or {}, make=room.make, check=room.check)


def _states(chosen) -> dict[str, bool]:
    return {each.path: each.is_kept for each in chosen.refused}


# ---- One file --------------------------------------------------------------------------------


def test_a_file_that_is_wrong_keeps_no_other_out():
    """Its errors have their places, and nothing of it is active."""
    chosen = _choose({"/p/a.yaml": _policy("a"), "/p/b.yaml": BROKEN, "/p/c.yaml": _policy("c")})

    assert ["a", "c"] == chosen.made
    assert {"/p/b.yaml": False} == _states(chosen)
    assert chosen.refused[0].errors[0].startswith("/p/b.yaml:")
    assert {"/p/a.yaml", "/p/c.yaml"} == chosen.texts.keys()


def test_what_a_file_said_before_stays():
    """Until it is right again, however often it is wrong meanwhile."""
    first = _choose({"/p/a.yaml": _policy("a", "/old")})
    second = _choose({"/p/a.yaml": BROKEN}, first.texts)
    third = _choose({"/p/a.yaml": b"also: wrong"}, second.texts)
    fourth = _choose({"/p/a.yaml": _policy("a", "/new")}, third.texts)

    assert {"/p/a.yaml": True} == _states(second) == _states(third)
    assert first.texts == second.texts == third.texts
    assert first.policies == second.policies == third.policies
    assert not fourth.refused
    assert {"/p/a.yaml": _policy("a", "/new")} == fourth.texts


def test_a_file_that_is_gone_is_gone():
    """To remove it is an order."""
    assert not _choose({}, {"/p/a.yaml": _policy("a")}).made


@pytest.mark.parametrize("hidden", ["/p/a.yaml", "/p", "/"])
def test_a_file_that_cannot_be_seen_stays(hidden):
    """Nobody knows what it says: a folder that cannot be listed is not an empty one."""
    found = [FileText(hidden, None, (KernelError("cannot look"),))]
    room = _Room()

    chosen = choose(
        found,
        {"/p/a.yaml": _policy("a"), "/pp/b.yaml": _policy("b")},
        {},
        make=room.make,
        check=room.check,
    )

    assert (["a", "b"] if hidden == "/" else ["a"]) == chosen.made
    assert {hidden: True} == _states(chosen)


def test_what_it_said_before_may_be_wrong_by_now_too():
    chosen = _choose({"/p/a.yaml": BROKEN, "/p/b.yaml": _policy("b")}, {"/p/a.yaml": b"wrong: too"})

    assert ["b"] == chosen.made
    assert {"/p/a.yaml": False} == _states(chosen)


# ---- Names -----------------------------------------------------------------------------------


def test_a_new_file_takes_no_name():
    """Wherever it stands in the order; also if the other one changes with it."""
    new = {"/p/a.yaml": _policy("mine", "/evil"), "/p/b.yaml": _policy("mine", "/new")}

    chosen = _choose(new, {"/p/b.yaml": _policy("mine", "/old")})

    assert {"/p/a.yaml": False} == _states(chosen)
    assert {"/p/b.yaml": new["/p/b.yaml"]} == chosen.texts
    assert "has its name from /p/b.yaml:1:1" in chosen.refused[0].errors[0]


def test_of_two_new_files_the_first_has_the_name():
    chosen = _choose({"/p/b.yaml": _policy("n", "/b"), "/p/a.yaml": _policy("n", "/a")})

    assert {"/p/b.yaml": False} == _states(chosen)


def test_a_policy_may_move_to_another_file():
    before = {"/p/a.yaml": _policy("x") + b"---\n" + _policy("y")}
    now = {"/p/a.yaml": _policy("x"), "/p/b.yaml": _policy("y")}

    chosen = _choose(now, before)

    assert not chosen.refused
    assert ["x", "y"] == chosen.made


def test_a_name_that_was_given_at_run_time_is_taken():
    chosen = _choose({"/p/a.yaml": _policy("a")}, taken={"a": "/root/a.yaml:1:1"})

    assert not chosen.made
    assert "has its name from /root/a.yaml:1:1" in chosen.refused[0].errors[0]


# ---- Room ------------------------------------------------------------------------------------


def test_new_files_take_no_room_of_others():
    """Those that still have room become active, and finding out is a few attempts and not one for each."""
    before = {f"/p/old{n:03}.yaml": _policy(f"old{n}") for n in range(50)}
    new = {f"/p/a{n:03}.yaml": _policy(f"new{n}") for n in range(200)}
    room = _Room(most=150)

    chosen = _choose({**before, **new}, before, room)

    assert {f"old{n}" for n in range(50)} <= set(chosen.made)
    assert 150 == len(chosen.made)
    assert 100 == len(chosen.refused)
    assert room.asked < 60


@attrs.define
class _Conditions:
    """Room for so many conditions; a policy takes as many as the last part of its name says, less what it shares."""

    most: int
    shared: int = 0
    made: list[int] = attrs.field(factory=list)

    def needs(self, policies):
        """Those of one file, which shares nothing with itself."""
        return {"ENF_MAX_ATOMS": sum(int(p.name.rpartition("-")[2]) for p in policies.policies)}

    def make(self, policies):
        names = [policy.name for policy in policies.policies]
        self.made.append(len(names))
        number = self.needs(policies)["ENF_MAX_ATOMS"] - self.shared * max(0, len(names) - 1)
        if number > self.most:
            error = LimitError(f"too many conditions: {number}, the limit is {self.most}")
            error.limit = "ENF_MAX_ATOMS"
            raise error
        return names


@pytest.mark.parametrize(
    ("sizes", "shared", "refused", "whole"),
    [
        ([500] * 65 + [268] + [1], 0, 1, 2),  # by one condition
        ([500] * 66, 0, 1, 2),
        ([500] * 80, 0, 15, 6),  # the first four of them by themselves, what is behind together
        ([500] * 80, 100, 0, 1),
        ([500] * 100, 100, 19, 20),  # sharing makes the guess wrong
        ([300] * 30 + [30000] + [300] * 30, 0, 1, 5),  # the large one in the middle, and no other
        ([30000, 30000, 2000, 2000], 0, 2, 5),
    ],
)
def test_what_has_no_room_is_found_by_what_each_file_takes(
    monkeypatch, sizes, shared, refused, whole
):
    """All files are compiled together some times, and not one time for each step of a search."""
    monkeypatch.setitem(limits.LIMITS, "ENF_MAX_ATOMS", 32768)
    conditions = _Conditions(32768, shared)
    folder = {f"/{n:03}": _policy(f"p{n:03}-{size}") for n, size in enumerate(sizes)}
    found = [FileText(path, content) for path, content in sorted(folder.items())]

    chosen = choose(found, {}, {}, make=conditions.make, check=conditions.needs)

    assert refused == len(chosen.refused)
    assert len(sizes) - refused == len(chosen.made)
    assert len([number for number in conditions.made if number]) <= whole


def test_of_thousands_no_more_are_compiled_than_there_can_be():
    """Each by itself would take minutes; what was active before is one of them."""
    folder = {f"/{number:04}": _policy(f"p{number}") for number in range(2000)}
    room = _Room(most=500)

    chosen = _choose(folder, {"/1999": folder["/1999"]}, room)

    assert 500 == len(chosen.made)
    assert "p1999" in chosen.made
    assert 1500 == len(chosen.refused)
    assert room.checked < 512


def test_if_what_was_active_has_no_room_any_more_something_goes():
    """A smaller engine, or another kernel: as many as fit, and it is said which do not."""
    before = {f"/p/{n}.yaml": _policy(f"p{n}") for n in range(6)}

    chosen = _choose(before, before, _Room(most=4))

    assert ["p0", "p1", "p2", "p3"] == chosen.made
    assert {"/p/4.yaml": False, "/p/5.yaml": False} == _states(chosen)


def test_what_is_about_the_machine_is_no_file_s_fault():
    def fails(policies):
        raise KernelError("no memory")

    with pytest.raises(KernelError):
        choose([FileText("/a", _policy("a"))], {}, {}, make=fails, check=lambda policies: {})


def test_a_compiler_that_fails_for_one_file_fails_for_no_other():
    """Of two that are wrong in this way, neither is left."""

    def make(policies):
        names = [policy.name for policy in policies.policies]
        if "bad" in names or "worse" in names:
            raise EnforcerBug("the image is damaged")
        return names

    found = [FileText(f"/{name}", _policy(name)) for name in ("a", "bad", "c", "worse")]
    chosen = choose(
        found, {}, {}, make=make, check=lambda policies: dict.fromkeys(make(policies), 1)
    )

    assert ["a", "c"] == chosen.made
    assert {"/bad": False, "/worse": False} == _states(chosen)


# ---- Many changes ----------------------------------------------------------------------------

_CONTENTS = st.one_of(
    st.just(BROKEN),
    st.builds(
        lambda names, path: b"---\n".join(_policy(name, path) for name in names),
        st.lists(st.sampled_from("nmo"), min_size=1, max_size=2, unique=True),
        st.sampled_from(["/1", "/2"]),
    ),
)
_FOLDERS = st.dictionaries(st.sampled_from(["/p/a", "/p/b", "/p/c"]), _CONTENTS, max_size=3)


@given(st.lists(_FOLDERS, max_size=5), st.integers(0, 4))
def test_whatever_files_say_each_is_now_or_before_or_refused(folders, most):
    """No file is lost unseen, none that was active and still says the same goes while there is room."""
    active: dict[str, bytes] = {}
    for folder in folders:
        chosen = _choose(folder, active, _Room(most=most))

        refused = _states(chosen)
        for path, content in folder.items():
            if path in refused:
                assert chosen.texts.get(path) == (active[path] if refused[path] else None)
            else:
                assert chosen.texts[path] == content
        unchanged = [path for path in folder if folder[path] == active.get(path)]
        assert set(unchanged) <= chosen.texts.keys()
        assert chosen.texts.keys() <= folder.keys()
        active = chosen.texts


# ---- Compiled --------------------------------------------------------------------------------


@attrs.define
class _Folder:
    """A folder of policies, made active again and again."""

    path: object
    texts: CompactCopy | None = None

    def make(self, overlay=None):
        """Compile what is there."""
        sources = Sources((self.path,), is_tolerant=True, may_be_empty=True)
        made = make(Order(sources, overlay or Overlay(), generation=1, texts=self.texts))
        self.texts = made.now.texts
        return made

    def write(self, name, content):
        """Write one file."""
        (self.path / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path):
    return _Folder(tmp_path)


def test_one_of_two_hundred(folder):
    """As many as can be are active; the one that cannot has its place."""
    for number in range(200):
        folder.write(f"p{number}.yaml", _policy(f"p{number}", f"/opt/{number}"))
    folder.write("p100.yaml", _policy("p100", "relative"))

    made = folder.make()

    assert 199 == len(made.now.facts)
    (refused,) = made.now.refused
    assert f"{folder.path}/p100.yaml:" in refused.errors[0]
    assert made.warnings[-1].endswith("p100.yaml is not activated: nothing of it is active")


def test_what_only_the_compiler_refuses(folder):
    """Arguments and capabilities of one exec, which no one hook knows."""
    folder.write("a.yaml", _policy("a"))
    both = "path: /x, args: [{index: 1, equal: y}], fileCapabilities: true"
    folder.write("b.yaml", _policy("b").replace(b"path: /x", both.encode()))

    made = folder.make()

    assert ["a"] == [facts.name for facts in made.now.facts]
    assert "write two rules" in made.now.refused[0].errors[0]


def test_a_change_that_takes_from_others_what_they_need_is_not_made(folder):
    """A mark that another policy asks about; to remove the file is an order all the same."""
    folder.write("a.yaml", _marked("a", "seen"))
    folder.write("b.yaml", _policy("b", more=", within: {mark: a/seen, last: 5s}"))
    first = folder.make()
    assert not first.now.refused, first.now.refused
    folder.write("a.yaml", _marked("a", "other"))

    made = folder.make()

    assert {f"{folder.path}/a.yaml": True} == {r.path: r.is_kept for r in made.now.refused}
    assert ["a", "b"] == [facts.name for facts in made.now.facts]
    (folder.path / "a.yaml").unlink()
    assert {f"{folder.path}/b.yaml": False} == {
        r.path: r.is_kept for r in folder.make().now.refused
    }


def test_policies_that_are_older_than_their_files_say_so(folder):
    folder.write("a.yaml", _policy("a"))
    folder.write("b.yaml", _policy("b"))
    folder.make()
    folder.write("a.yaml", BROKEN)

    now = folder.make().now

    assert {"a": True, "b": False} == {facts.name: now.is_older(facts) for facts in now.facts}


def test_what_was_added_at_run_time_stays(folder):
    """A file that comes later does not drop it."""
    overlay = Overlay().add(_policy("a").decode(), "/root/a.yaml")
    folder.write("a.yaml", _policy("a", "/other"))

    made = folder.make(overlay)

    assert ["added"] == [facts.origin for facts in made.now.facts]
    assert "has its name from /root/a.yaml" in made.now.refused[0].errors[0]


def test_a_folder_that_vanishes_is_no_order(folder):
    """It may come back; an empty one is what it is."""
    folder.write("a.yaml", _policy("a"))
    folder.make()
    away = folder.path.with_name("away")
    folder.path.rename(away)

    assert ["a"] == [facts.name for facts in folder.make().now.facts]

    folder.path.mkdir()
    made = folder.make()
    assert not made.now.facts
    assert not made.now.refused


def test_files_are_found_each_by_itself(tmp_path):
    """Once, though two ways lead to it; what cannot be opened has its error."""
    (tmp_path / "a.yaml").write_bytes(BROKEN)
    (tmp_path / "pipe.yaml").write_bytes(b"")
    (tmp_path / "pipe.yaml").unlink()
    os.mkfifo(tmp_path / "pipe.yaml")

    found = find_texts([tmp_path / "a.yaml", tmp_path, tmp_path / "none"])

    assert [BROKEN, None, None] == [each.content for each in found]
    assert [str(tmp_path / n) for n in ("a.yaml", "pipe.yaml", "none")] == [f.path for f in found]
    assert all(each.errors for each in found[1:])


def test_a_long_list_of_errors_is_cut():
    lines = list(told([RefusedFile("/a", is_kept=True, errors=("e",) * 12)]))

    assert tolerance.MAX_TOLD + 2 == len(lines)
    assert "/a: 2 more errors are not shown" == lines[-2]
    assert "/a is not activated: what it said before stays active" == lines[-1]


# ---- What takes long to be refused -------------------------------------------------------------


@attrs.define
class _Slow:
    """Refuses what names ``/slow`` in any set, and takes *seconds* for that by itself."""

    seconds: float = 60.0
    now: float = 100.0
    checked: list = attrs.field(factory=list)

    def make(self, policies):
        if any(self._is_slow(policy) for policy in policies.policies):
            raise LimitError("too many automata for globs: 65, the limit is 64")
        return [policy.name for policy in policies.policies]

    def check(self, policies):
        self.checked += [policy.name for policy in policies.policies]
        for policy in policies.policies:
            if self._is_slow(policy):
                self.now += self.seconds
                raise LimitError("too many automata for globs: 65, the limit is 64")

    @staticmethod
    def _is_slow(policy):
        return any(
            value.value.startswith(b"/slow")
            for rule in policy.rules
            for condition in rule.conditions
            for value in condition.values
        )

    def choose(self, now, before=None):
        found = [FileText(path, content) for path, content in sorted(now.items())]
        refused, texts = (before.refused, before.texts) if before else ((), {})
        costly = Costly.of(refused, lambda: self.now, lambda: self.now)
        return choose(found, texts, {}, make=self.make, check=self.check, costly=costly)


def test_what_took_long_to_be_refused_is_not_tried_at_each_change():
    """Whoever wrote it must not let everybody wait for that again; what it said before stays active."""
    slow = _Slow()
    files = {"/p/a.yaml": _policy("a"), "/p/z.yaml": _policy("z")}
    first = slow.choose(files)
    files["/p/z.yaml"] = _policy("z", "/slow")
    second = slow.choose(files, first)
    began, slow.checked = slow.now, []

    files["/p/b.yaml"] = _policy("b")
    third = slow.choose(files, second)

    assert ["a", "b", "z"] == sorted(third.made)
    assert (began, []) == (slow.now, slow.checked)
    assert {"/p/z.yaml": True} == _states(third)
    assert second.refused == third.refused
    error, why = third.refused[0].errors
    assert "too many automata" in error
    assert why.startswith("to find that took 60.0 s, so the same text is not tried again before ")
    assert second.refused[0].again_at == third.refused[0].again_at


def test_another_text_is_tried_at_once():
    slow = _Slow()
    first = slow.choose({"/p/a.yaml": _policy("a", "/slow")})

    second = slow.choose({"/p/a.yaml": _policy("a", "/right")}, first)

    assert (["a"], ()) == (second.made, second.refused)


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.05, 0.0), (0.5, 50.0), (10.0, 1000.0), (300.0, 3600.0)]
)
def test_the_same_text_is_tried_again_after_a_while(seconds, pause):
    """It may depend on links and containers besides; what took no time is tried at each change."""
    slow = _Slow(seconds)
    files = {"/p/a.yaml": _policy("a", "/slow")}
    first = slow.choose(files)

    slow.now += pause + 1
    second = slow.choose(files, first)

    assert ["a", "a"] == slow.checked
    assert {"/p/a.yaml": False} == _states(second)
    assert (2 if pause else 1) == len(second.refused[0].errors)
    slow.choose(files, second)
    assert (2 if pause else 3) == len(slow.checked)


def test_the_next_change_knows_what_took_long(tmp_path, monkeypatch):
    """What is refused goes from one compile process to the next."""
    monkeypatch.setattr("enforcer.runtime.policies.refused_files._LONG", 0.0)
    # It must be known at each place which of the last so many bytes were an "a".
    (tmp_path / "a.yaml").write_bytes(_policy("a", f'"/**/*a{"?" * 16}b"'))
    (tmp_path / "b.yaml").write_bytes(_policy("b"))
    order = Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1)

    first = make(order).now
    second = make(attrs.evolve(order, texts=first.texts, refused=first.refused)).now

    assert "states" in first.refused[0].errors[0]
    assert first.refused[0].again_at == second.refused[0].again_at > 0
    assert ["b"] == [facts.name for facts in second.facts]


def test_a_path_of_many_directories_costs_its_own_file(tmp_path):
    """Whether it can be compiled or not, the others are active."""
    (tmp_path / "a.yaml").write_bytes(_policy("a", "/" + "/".join("d" * 1500)))
    (tmp_path / "b.yaml").write_bytes(_policy("b"))

    made = make(Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1))

    assert "b" in [facts.name for facts in made.now.facts]


def test_a_mistake_of_ours_costs_the_file_that_brings_it_about():
    """Also where the whole set fails with it."""

    def failing(policies):
        if any(policy.name == "bad" for policy in policies.policies):
            raise RecursionError("too deep")
        return [policy.name for policy in policies.policies]

    found = [FileText(f"/{name}", _policy(name)) for name in ("bad", "good")]

    chosen = choose(found, {}, {}, make=failing, check=failing)

    assert ["good"] == chosen.made
    (refused,) = chosen.refused
    assert "/bad" == refused.path
    assert "enforcer fails to compile this: RecursionError: too deep" in refused.errors[0]


def test_short_memory_is_no_files_fault():
    """Any file could be the one with which it ends."""

    def failing(policies):
        del policies
        raise MemoryError

    with pytest.raises(MemoryError):
        choose([FileText("/a", _policy("a"))], {}, {}, make=failing, check=failing)
