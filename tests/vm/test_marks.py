# SPDX-License-Identifier: MIT
"""
A deed and a later one: what the first allows or forbids the second, for how long, and to whom.

And what else the kernel side remembers longer than one engine: the roots that containers began with.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import compiled
import drifting
import pytest
from daemon import PINS, Daemon, leftovers, managed, told, until
from engine import attempt

from enforcer.libbpf import abi, calls

ROOT = Path("/opt/enforcer-test-marks")
PORTS = {"process": 4601, "tree": 4602, "container": 4603, "host": 4604}
FRESH, FREE, LATER, AUDITED = 4605, 4609, 4606, 4607
SECONDS = 3600
LAST = dict.fromkeys(PORTS, SECONDS) | {"container": 30}
SHORT, LONG_AFTER = 2, 2500  # s, ms


def _marks() -> str:
    rules = [
        f"{{network: connect, match: {{port: {port}}}, mark: {{name: {scope}, of: {scope}}}}}"
        for scope, port in PORTS.items()
    ]
    rules += [
        f"{{network: connect, match: {{port: {FRESH}}}, mark: fresh}}",
        f"{{exec: {{}}, match: {{path: {ROOT}/marker}}, mark: run}}",
        f"{{network: connect, match: {{port: {AUDITED}}}, action: allow, mark: allowed}}",
    ]
    return "".join(f"    - {rule}\n" for rule in rules)


def _rules() -> str:
    rules = [
        f"{{name: {scope}, file: read, match: {{path: {ROOT}/{scope}, "
        f"within: {{mark: {scope}, last: {LAST[scope]}s}}}}, action: {{deny: {{errno: EACCES}}}}}}"
        for scope in PORTS
    ]
    refused = "{deny: {errno: EACCES}}"
    for name, asks in {
        "fresh": f"within: {{mark: fresh, last: {SHORT}s}}",
        "stale": f"notWithin: {{mark: fresh, last: {SHORT}s}}",
        "allowed": f"within: {{mark: allowed, last: {SECONDS}s}}",
        "run": f"within: {{mark: run, last: {SECONDS}s}}",
    }.items():
        match = f"{{path: {ROOT}/{name}, {asks}}}"
        rules.append(f"{{name: {name}, file: read, match: {match}, action: {refused}}}")
    for name, args in {"tool": "", "plain": "args: [{index: any, equal: given}], "}.items():
        match = f"{{path: {ROOT}/{name}, {args}within: {{mark: tree, last: {SECONDS}s}}}}"
        rules.append(f"{{name: {name}, exec: {{}}, match: {match}, action: kill}}")
    limit = "rateLimit: {records: 3, per: 1h}"
    match = f"{{path: {ROOT}/noisy}}"
    rules.append(f"{{name: noisy, file: read, match: {match}, action: deny, {limit}}}")
    return "".join(f"    - {rule}\n" for rule in rules)


def policy(more: str = "") -> str:
    """The policy of the tests; *more*: further rules."""
    return f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: marks}}
spec:
  rules:
{_marks()}{_rules()}{more}"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """The programs and files, and somebody who listens on every port."""
    ROOT.mkdir(parents=True)
    ROOT.chmod(0o755)
    compiled.place("deeds", ROOT / "deeds")
    for name in ("tool", "plain"):
        shutil.copy("/bin/true", ROOT / name)
    shutil.copy(ROOT / "deeds", ROOT / "marker")
    for name in (*PORTS, "fresh", "stale", "allowed", "noisy", "run"):
        (ROOT / name).write_text(f"{name}\n")
    with _listening(*PORTS.values(), FRESH, FREE, LATER, AUDITED):
        yield ROOT
    shutil.rmtree(ROOT)


class _listening:  # noqa: N801 - a context manager
    """Ports of 127.0.0.1 on which connections are taken and closed."""

    def __init__(self, *ports: int) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", port), backlog=64) for port in ports]

    def __enter__(self) -> None:
        for each in self._sockets:
            threading.Thread(target=self._take, args=(each,), daemon=True).start()

    @staticmethod
    def _take(listener: socket.socket) -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()


def deeds(*words: object, **options: object) -> list[str]:
    """Do *words* one after the other as a process of its own; returns what was said."""
    ended = attempt(str(ROOT / "deeds"), *map(str, words), **options)
    assert ended.stderr == b"", ended.stderr
    return ended.stdout.decode().split()


@pytest.fixture(scope="module")
def control(place: Path) -> dict[str, list[str]]:
    """What comes of everything while there is no policy."""
    return {name: deeds(*words) for name, (words, _) in DEEDS.items()}


@pytest.fixture(scope="module")
def daemon(place: Path, control, tmp_path_factory) -> Iterator[Daemon]:
    """The engine with the policy."""
    folder = ROOT / "policies"
    folder.mkdir(mode=0o755)
    (folder / "marks.yaml").write_text(policy())
    with managed(tmp_path_factory.mktemp("marks"), folder) as daemon:
        daemon.start()
        yield daemon


def reads(name: str, *more: str) -> tuple[str, ...]:
    """The deed of reading a file of the place."""
    return ("open", f"{ROOT}/{name}", *more)


def records(daemon: Daemon, rule: str) -> list[dict[str, Any]]:
    """What has been recorded of one rule so far."""
    return [r for r in daemon.records() if r.get("rule") == rule]


CONNECT = {scope: ("connect", str(port)) for scope, port in PORTS.items()}
FRESHLY = ("connect", str(FRESH))
TOOL, ARGV = ("run", f"{ROOT}/tool"), ("run", f"{ROOT}/plain")
AGAIN = ("exec", f"{ROOT}/deeds")

DEEDS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "without the connection": (reads("process"), ["ok"]),
    "another connection": (("connect", str(FREE), *reads("process")), ["ok"]),
    "after the connection": ((*CONNECT["process"], *reads("process")), ["EACCES"]),
    "another file": ((*CONNECT["process"], *reads("tree")), ["ok"]),
    "by another mark": ((*CONNECT["tree"], *reads("process")), ["ok"]),
    "twice": ((*CONNECT["process"], *reads("process"), *reads("process")), ["EACCES"] * 2),
    # Whose it is: all threads, over exec, not children.
    "another thread": ((*CONNECT["process"], "thread", *reads("process")), ["EACCES"]),
    "set by another thread": (("beside", str(PORTS["process"]), *reads("process")), ["EACCES"]),
    "after an exec": ((*CONNECT["process"], *AGAIN, *reads("process")), ["EACCES"]),
    "an exec by another thread": (
        (*CONNECT["process"], "thread", *AGAIN, *reads("process")),
        ["EACCES"],
    ),
    "set and exec by another thread": (
        ("thread", *CONNECT["process"], *AGAIN, *reads("process")),
        ["EACCES"],
    ),
    # The thread takes the place of the first one, whose marks go with it: also what is set on the way.
    "marked by its exec": (("exec", f"{ROOT}/marker", *reads("run")), ["EACCES"]),
    "marked by the exec of another thread": (
        ("thread", "exec", f"{ROOT}/marker", *AGAIN, *reads("run")),
        ["EACCES"],
    ),
    "a child of a process": ((*CONNECT["process"], "fork", *reads("process")), ["ok"]),
    # Trees: children, whatever they do to their lineage.
    "tree": ((*CONNECT["tree"], *reads("tree")), ["EACCES"]),
    "a child": ((*CONNECT["tree"], "fork", *reads("tree")), ["EACCES"]),
    "a grandchild": ((*CONNECT["tree"], "fork", "fork", *AGAIN, *reads("tree")), ["EACCES"]),
    "double fork and setsid": ((*CONNECT["tree"], "orphan", *reads("tree")), ["EACCES"]),
    "double fork, setsid and exec": (
        (*CONNECT["tree"], "orphan", "orphan", *AGAIN, *reads("tree")),
        ["EACCES"],
    ),
    "forked by a thread": (
        (*CONNECT["tree"], "thread", "fork", "thread", *AGAIN, *reads("tree")),
        ["EACCES"],
    ),
    "a program": ((*TOOL, *CONNECT["tree"], *TOOL), ["ran", "signal-9"]),
    "a program by its arguments": ((*ARGV, *CONNECT["tree"], *ARGV), ["ran", "signal-9"]),
    # Time.
    "in time": ((*FRESHLY, *reads("fresh")), ["EACCES"]),
    "too late": (
        (*FRESHLY, *reads("fresh"), "sleep", str(LONG_AFTER), *reads("fresh")),
        ["EACCES", "ok"],
    ),
    "again": (
        (*FRESHLY, "sleep", str(LONG_AFTER), *FRESHLY, *reads("fresh")),
        ["EACCES"],
    ),
    "not within": ((*reads("stale"), *FRESHLY, *reads("stale")), ["EACCES", "ok"]),
    "not within, too late": (
        (*FRESHLY, "sleep", str(LONG_AFTER), *reads("stale")),
        ["EACCES"],
    ),
    "marked by what allows": (
        ("connect", str(AUDITED), *reads("allowed")),
        ["EACCES"],
    ),
}


@pytest.mark.parametrize("name", DEEDS)
def test_later_deeds_are_decided_by_earlier_ones(daemon: Daemon, control, name: str) -> None:
    """And without a policy everything succeeds."""
    words, said = DEEDS[name]

    assert {"ok", "ran"} >= set(control[name])
    assert said == deeds(*words)


def test_a_descendant_from_before_is_in_no_tree(daemon: Daemon) -> None:
    """It is what forks from then on: this the documentation says."""
    go, done = ROOT / "go", ROOT / "done"
    watcher = subprocess.Popen(
        [ROOT / "deeds", "fork", "await", go, *reads("tree"), "mark", done], stdout=subprocess.PIPE
    )
    deeds(*CONNECT["tree"], *reads("tree"))
    go.touch()
    until(done.exists)

    assert b"ok " == watcher.communicate()[0]


def test_records_say_how_old_the_marks_were(daemon: Daemon) -> None:
    """The rule's marks with their age, in the record of the kernel's own clock."""
    deeds(*CONNECT["process"], "sleep", "1000", *reads("process"))

    def old_enough() -> bool:
        found = [each for record in records(daemon, "process") for each in record["marks"]]
        assert {"marks/process"} >= {each["mark"] for each in found}
        return any(10**9 <= each["ago"] < SECONDS * 10**9 for each in found)

    until(old_enough)


def test_limits_leave_records_out_and_no_verdict(daemon: Daemon) -> None:
    """Ten denials, three records, and every one is counted."""
    before = daemon.status()
    assert ["EPERM"] * 10 == deeds(*reads("noisy") * 10)

    after = daemon.status()
    rows = daemon.request("policy-show", name="marks")["policy"]["rows"]
    assert [10] == [row["enforced"] for row in rows if row["rule"] == "noisy"]
    assert 7 == after["kernel"]["suppressed"] - before["kernel"]["suppressed"]
    daemon.catch_up()
    assert 3 == len(records(daemon, "noisy"))


# ---- Whose a mark is, beyond processes; each leaves a mark for those behind it ------------------


@pytest.fixture
def cgroup() -> Iterator[Callable[[str], Path]]:
    """Makes cgroups."""
    made: list[Path] = []

    def make(name: str) -> Path:
        path = Path("/sys/fs/cgroup") / name
        for part in [*reversed(path.parents), path]:
            if not part.exists():
                part.mkdir()
                made.append(part)
        return path

    yield make
    for path in reversed(made):
        path.rmdir()


def test_a_container_is_what_is_below_its_cgroup(daemon: Daemon, cgroup) -> None:
    """Slices are shelves: neighbours there are others; what it makes below itself is it."""
    base = "enforcer-marks.slice"
    one, other = cgroup(f"{base}/one.scope"), cgroup(f"{base}/other.scope")
    below = cgroup(f"{base}/one.scope/payload/sub.slice")

    assert ["EACCES"] == deeds("cgroup", one, *CONNECT["container"], *reads("container"))
    assert ["EACCES"] == deeds("cgroup", one, *reads("container"))
    assert ["EACCES"] == deeds("cgroup", below, *reads("container"))
    assert ["ok"] == deeds("cgroup", other, *reads("container"))
    assert ["ok"] == deeds(*reads("container"))


def test_a_mark_set_below_is_the_containers(daemon: Daemon, cgroup) -> None:
    """Also where the engine of containers works without systemd."""
    inner = cgroup("kubepods/besteffort/pod01234567-89ab-cdef-0123-456789abcdef/abc/inner")
    other = cgroup("kubepods/besteffort/pod01234567-89ab-cdef-0123-456789abcdef/def")

    assert ["EACCES"] == deeds("cgroup", inner, *CONNECT["container"], *reads("container"))
    assert ["EACCES"] == deeds("cgroup", inner.parent, *reads("container"))
    assert ["ok"] == deeds("cgroup", other, *reads("container"))


def test_a_cgroup_far_below_is_the_containers(daemon: Daemon, cgroup) -> None:
    """However many are between: it can make them itself."""
    top = cgroup("enforcer-marks.slice/deep.scope")
    deep = cgroup(str(Path("enforcer-marks.slice/deep.scope", *"d" * 300)))

    assert ["EACCES"] == deeds("cgroup", top, *CONNECT["container"], *reads("container"))
    assert ["EACCES"] == deeds("cgroup", deep, *reads("container"))


@pytest.mark.parametrize("shelf", ["", "enforcer-marks.slice", "docker"])
def test_outside_of_containers_the_process_has_the_mark(daemon: Daemon, cgroup, shelf: str) -> None:
    """What lies on a shelf is no container: neither neighbours there nor children have the mark."""
    where = cgroup(shelf)

    said = deeds("cgroup", where, *CONNECT["container"], *AGAIN, *reads("container"))

    assert ["EACCES"] == said
    assert ["ok"] == deeds("cgroup", where, *reads("container"))
    assert ["ok"] == deeds("cgroup", where, *CONNECT["container"], "fork", *reads("container"))


def test_a_mark_from_outside_stays_with_the_process(daemon: Daemon, cgroup) -> None:
    """In a container that it is put into, and nobody else there has it."""
    unit = cgroup("enforcer-marks.slice/late.scope")

    assert ["EACCES"] == deeds(*CONNECT["container"], "cgroup", unit, *reads("container"))
    assert ["ok"] == deeds("cgroup", unit, *reads("container"))


def test_containers_that_are_gone_make_room(daemon: Daemon, cgroup) -> None:
    """However long their marks would count; those that are there keep theirs."""
    (pin,) = PINS.glob("*/map-shared_marks")
    fd = calls.get_pinned(bytes(pin))
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 300 * 10**9
    stays = cgroup("enforcer-marks.slice/stays.scope")
    keys = range(1 << 40, (1 << 40) + calls.map_facts(fd).max_entries)
    said = [deeds("cgroup", stays, *CONNECT["container"], *reads("container"))]
    before = daemon.status()["kernel"]["mark_lost"]
    try:
        for key in keys:
            _put(fd, key, now)  # to the last place
        for key in keys[:2]:
            _remove(fd, key)
        for number in range(5):
            short = Path(f"/sys/fs/cgroup/enforcer-marks.slice/short-{number}.scope")
            short.mkdir()
            said.append(deeds("cgroup", short, *CONNECT["container"], *reads("container")))
            short.rmdir()
        said.append(deeds("cgroup", stays, *reads("container")))
    finally:
        for key in keys:
            _remove(fd, key)
        os.close(fd)

    assert [["EACCES"]] * 7 == said
    assert before == daemon.status()["kernel"]["mark_lost"]


def test_marks_without_room_refuse_the_deed(daemon: Daemon, cgroup) -> None:
    """A full table: the connection that could not be remembered does not happen; old ones make room."""
    (pin,) = PINS.glob("*/map-shared_marks")
    fd = calls.get_pinned(bytes(pin))
    room = calls.map_facts(fd).max_entries
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 300 * 10**9
    full = cgroup("enforcer-marks.slice/full.scope")
    keys = range(1 << 40, (1 << 40) + room)
    before = daemon.status()["kernel"]["mark_lost"]
    _forget_containers(fd)  # those of earlier tests are gone, and would make room
    try:
        for key in keys:
            _put(fd, key, now)
        said = deeds("cgroup", full, *CONNECT["container"], *reads("container"))
        lost = daemon.status()["kernel"]["mark_lost"] - before
        for key in keys:
            _put(fd, key, 1)  # long ago: no rule asks about them
        after = deeds("cgroup", full, *CONNECT["container"], *reads("container"))
    finally:
        for key in keys:
            _remove(fd, key)
        os.close(fd)

    assert ["EPERM", "ok"] == said
    assert 1 == lost
    assert ["EACCES"] == after


_BPF = ctypes.CDLL("libbpf.so.1", use_errno=True)


def _put(fd: int, key: int, newest: int) -> None:
    value = newest.to_bytes(8, "little").ljust(abi.sizeof("enf_marks"), b"\0")
    _BPF.bpf_map_update_elem(fd, key.to_bytes(8, "little"), value, 0)


def _forget_containers(fd: int) -> None:
    key, found = ctypes.create_string_buffer(8), []
    while not _BPF.bpf_map_get_next_key(fd, found[-1] if found else None, key):
        found.append(key.raw)
    for each in found:
        if any(each):  # else the host's
            _BPF.bpf_map_delete_elem(fd, each)


def _remove(fd: int, key: int) -> None:
    _BPF.bpf_map_delete_elem(fd, key.to_bytes(8, "little"))


def test_the_hosts_mark_is_everybodys(daemon: Daemon) -> None:
    """Whoever set it."""
    assert ["ok"] == deeds(*reads("host"))
    assert [] == deeds(*CONNECT["host"])
    assert ["EACCES"] == deeds(*reads("host"))


class _Marked:
    """A process with marks, which reads what they forbid each time that it is told to."""

    def __init__(self, name: str, times: int) -> None:
        self._flags = [ROOT / f"{name}-{n}" for n in range(times)]
        connected = ROOT / f"{name}-connected"
        words: list[object] = [*CONNECT["process"], "mark", connected]
        for flag in self._flags:
            words += ["await", flag, *reads("process"), "mark", f"{flag}-done"]
        self._task = subprocess.Popen(
            [str(word) for word in (ROOT / "deeds", *words)], stdout=subprocess.PIPE
        )
        until(connected.exists)

    def read(self) -> None:
        """Let it read once more."""
        flag = self._flags.pop(0)
        flag.touch()
        until(Path(f"{flag}-done").exists)

    def end(self) -> list[str]:
        """Return what came of each, when there is none left."""
        assert not self._flags
        return self._task.communicate()[0].decode().split()


DRIFT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: drift}
spec:
  selector: {cgroup: [/system.slice/docker-1*, /system.slice/docker-2*]}
  rules: [{exec: {}, match: {drift: true}, action: {deny: {errno: EDOM}}}]
"""
IN_IMAGE = f"{drifting.IMAGE}/program"


@pytest.fixture(scope="module")
def begun(daemon: Daemon) -> Iterator[drifting.Drifting]:
    """A container with an image, which begins under a policy that asks what that brought."""
    drifting.prepare()
    (ROOT / "policies" / "drift.yaml").write_text(DRIFT)
    told("reload")
    with drifting.container("drift", ROOT / "deeds") as container:
        assert (0, True) == container.attempt("image")[:2]  # it has begun
        yield container
    drifting.clear()


def test_marks_outlive_changes_and_daemons(daemon: Daemon, begun: drifting.Drifting) -> None:
    """Another hook and a crash; gone with their rule, and not back with its return."""
    file = ROOT / "policies" / "marks.yaml"
    marked = _Marked("outlive", 3)

    assert "enf_socket_bind" not in leftovers()["links"]
    more = "    - {network: bind, match: {port: 4999}, action: deny}\n"
    file.write_text(policy(more))
    assert not daemon.request("reload")["successor"]
    assert "enf_socket_bind" in leftovers()["links"]
    marked.read()
    daemon.kill()
    daemon.start()
    marked.read()
    assert ["EACCES"] == deeds(*reads("host"))
    text = policy()
    file.write_text("".join(line for line in text.splitlines(True) if "process" not in line))
    told("reload")
    file.write_text(text)
    told("reload")
    marked.read()

    assert ["EACCES", "EACCES", "ok"] == marked.end()
    assert ["EACCES"] == deeds(*CONNECT["process"], *reads("process"))


def _none(number: int, *, by: str = "") -> str:
    """A rule on a file that is not there, and on the users *by*."""
    match = f"{{path: {ROOT}/none-{number}{by}}}"
    return f"    - {{file: read, guard: false, match: {match}, action: deny}}\n"


def _by_users(first: int) -> str:
    """Rules with 300 conditions on processes, of the 512 that have a number."""
    return "".join(_none(n, by=f", process: {{uid: {n}}}") for n in range(first, first + 300))


def test_marks_outlive_a_successor(daemon: Daemon, begun: drifting.Drifting) -> None:
    """More rules than the maps have room for, and more conditions on processes than there are numbers."""
    file = ROOT / "policies" / "marks.yaml"
    marked = _Marked("succeed", 2)

    file.write_text(policy(_by_users(10_000)))
    assert not daemon.request("reload")["successor"]
    marked.read()
    file.write_text(policy("".join(map(_none, range(2200))) + _by_users(20_000)))
    answer = daemon.request("reload")
    assert answer["successor"]
    assert any("conditions on processes are used up" in said for said in answer["warnings"])
    marked.read()

    assert ["EACCES", "EACCES"] == marked.end()
    assert ["EACCES"] == deeds(*reads("host"))


def test_the_first_root_of_a_container_outlives_them_as_well(begun: drifting.Drifting) -> None:
    """Its own root is none of the image's, to whoever a runtime puts in."""
    assert (0, True) == begun.put_in(IN_IMAGE)[:2]
    assert 0 == begun.lay_over()

    assert (errno.EDOM, False) == begun.put_in("/program")[:2]


def test_containers_that_are_gone_make_room_for_roots(
    daemon: Daemon, begun: drifting.Drifting
) -> None:
    """A table that is full of them."""
    pins = sorted(PINS.glob("*/map-roots"))
    fd = calls.get_pinned(bytes(pins[-1]))
    before = daemon.status()["kernel"]["root_lost"]
    for key in range(1 << 40, (1 << 40) + calls.map_facts(fd).max_entries):
        _BPF.bpf_map_update_elem(fd, key.to_bytes(8, "little"), (1).to_bytes(16, "little"), 0)
    os.close(fd)

    with drifting.container("drift-metacopy", ROOT / "deeds") as another:
        assert (0, True) == another.attempt("image")[:2]
        assert (0, True) == another.put_in(IN_IMAGE)[:2]
        assert 0 == another.lay_over()
        assert (errno.EDOM, False) == another.put_in("/program")[:2]
    assert before == daemon.status()["kernel"]["root_lost"]
