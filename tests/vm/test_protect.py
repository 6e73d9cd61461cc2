# SPDX-License-Identifier: MIT
"""
Self-protection: what root tries against the engine and its daemon, refused and recorded.

The same attempts succeed on a daemon without protection, or on a bystander. One attempt has no such
other side: the kernel itself cannot detach links of LSM programs, protected or not.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine import attempt
from patience import wait_until
from protected_daemon import KEY, MAPPED, OOM_SCORE
from siege import (
    BPFFS,
    CGROUPS,
    PINS,
    VAULT,
    Daemon,
    assail,
    by_manager,
    bystander,
    daemon,
    enforces,
    forget_pins,
    load,
    with_patience,
)

from enforcer.kernel.verifier import Answer, ask, claim, release

STORM = 1500  # a ring has room for a thousand
_LAYERS = Path(MAPPED).parents[1]
_OTHER = BPFFS / "other" / "map"
_OWN = CGROUPS / "above" / "engine"
_PREEMPTION = Path("/sys/kernel/debug/sched/preempt")


@pytest.fixture(scope="module")
def protected(tmp_path_factory) -> Iterator[Daemon]:
    """A daemon under protection, for every attack: none of them may end it."""
    lay()
    (CGROUPS / "cgroup.subtree_control").write_text("+cpuset +io")
    _OWN.parent.mkdir(exist_ok=True)
    (_OWN.parent / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    with daemon(tmp_path_factory.mktemp("protected"), "protect", "above/engine") as it:
        assert not it.facts["blind"]
        yield it


def lay() -> None:
    """Make an overlay that has the file which the daemon maps in its lower layer."""
    if _LAYERS.exists():
        return
    _LAYERS.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", _LAYERS], check=True)
    for name in ("lower", "upper", "work", "overlay"):
        (_LAYERS / name).mkdir()
    (_LAYERS / "lower/mapped").write_text("content")
    (_LAYERS / "lower/other").write_text("content")
    layers = f"lowerdir={_LAYERS}/lower,upperdir={_LAYERS}/upper,workdir={_LAYERS}/work"
    subprocess.run(
        ["mount", "-t", "overlay", "-o", layers, "none", _LAYERS / "overlay"], check=True
    )


def check(it: Daemon, kind: str) -> dict[str, Any]:
    """Nothing has changed, and the refusal is recorded; returns the record."""
    assert it.is_well()
    assert enforces()
    record = it.refusals(kind)[-1]
    assert ("enforcer", "self-protection", "-") == (
        record["policy"], record["rule"], record["place"]
    )  # fmt: skip
    assert ("critical", "deny", "EPERM", True) == (
        record["severity"], record["action"], record["errno"], record["prevented"]
    )  # fmt: skip
    assert record["message"].startswith("Denied: ")
    return record


# ---- The engine's objects -------------------------------------------------------------------------


def _objects(it: Daemon) -> dict[str, Sequence[str]]:
    images = str(it.facts["maps"]["images"])
    link = str(it.facts["links"]["enf_file_open"])
    pins = PINS / "1"
    zero = ["key", "0", "0", "0", "0"]
    return {
        "link detach id": ["bpftool", "link", "detach", "id", link],
        "link detach pinned": [
            "bpftool", "link", "detach", "pinned", str(pin("enf_file_open")),
        ],
        "map delete id": ["bpftool", "map", "delete", "id", images, *zero],
        "map delete pinned": ["bpftool", "map", "delete", "pinned", f"{pins}/map-images", *zero],
        "map update id": [
            "bpftool", "map", "update", "id", images, *zero, "value", "id", str(it.facts["image"]),
        ],
        "map update pinned": [
            "bpftool", "map", "update", "pinned", f"{pins}/map-hits", *zero, "value", "0",
        ],
        "map read": ["bpftool", "map", "dump", "pinned", f"{pins}/map-hits"],
        "guard map": [
            "bpftool", "map", "update", "id", str(it.facts["maps"]["guard"]), *zero, "value", "0",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "link detach id", "link detach pinned", "map delete id", "map delete pinned",
        "map update id", "map update pinned", "map read", "guard map",
    ],
)  # fmt: skip
def test_objects_are_out_of_reach(protected, name):
    """Neither by its number nor by its pin does root get at a link or a map."""
    result = attempt(*_objects(protected)[name])

    assert result.returncode != 0
    check(protected, name.split()[0] if name != "guard map" else "map")


@pytest.mark.parametrize("name", ["enf_file_open", "enf_core"])
def test_programs_are_out_of_reach(protected, name):
    """A descriptor of a program would let others extend it, or put the core elsewhere."""
    number = str(protected.facts["programs"][name])

    result = attempt("bpftool", "prog", "dump", "xlated", "id", number)

    assert result.returncode != 0
    check(protected, "program")


# ---- The pins -----------------------------------------------------------------------------------

_PIN = "the pin"


def pin(program: str) -> Path:
    """The pin of the link of *program*; its number says how many were attached before."""
    form = re.compile(rf"link-\d+-{program}")
    return next(path for path in (PINS / "1").iterdir() if form.fullmatch(path.name))


def with_pin(argv: Sequence[str]) -> list[str]:
    """The words of a command, with the pin of a hook where *argv* speaks of it."""
    return [str(pin("enf_file_open")) if word == _PIN else word for word in argv]


@pytest.mark.parametrize(
    ("kind", "argv"),
    [
        ("pin", ["rm", "-f", _PIN]),
        ("pin", ["rm", "-rf", str(PINS)]),
        ("pin", ["rmdir", str(PINS / "1")]),
        ("pin", ["mv", _PIN, str(BPFFS / "taken")]),
        ("pin", ["mv", str(PINS), str(BPFFS / "taken")]),
        ("pin", ["mv", "-T", str(PINS / "1"), str(PINS / "2")]),
        ("pin", ["ln", _PIN, str(BPFFS / "taken")]),
        ("pin", ["mkdir", str(PINS / "9")]),
        ("pin", ["ln", "-s", "/tmp", str(PINS / "9")]),
        ("mount", ["umount", str(BPFFS)]),
        ("mount", ["umount", "-l", str(BPFFS)]),
        ("mount", ["umount", "-l", "/sys"]),
        ("mount", ["mount", "-t", "tmpfs", "none", str(BPFFS)]),
        ("mount", ["mount", "-t", "tmpfs", "none", str(PINS)]),
        ("mount", ["mount", "-t", "tmpfs", "none", "/sys/fs"]),
        ("mount", ["mount", "--bind", "/mnt", str(PINS / "1")]),
        ("mount", ["mount", "-o", "remount,ro", str(BPFFS)]),
        ("mount", ["mount", "--move", str(BPFFS), "/mnt"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_pins_stay(protected, kind, argv):
    """Names of the engine are neither removed nor moved nor hidden."""
    before = sorted(p.name for p in PINS.rglob("*"))

    result = attempt(*with_pin(argv))

    assert result.returncode != 0 or "rm" == argv[0]
    assert before == sorted(p.name for p in PINS.rglob("*"))
    check(protected, kind)


def test_mounts_that_are_shared_do_not_carry_it_in(protected):
    """What another namespace does to a mount that repeats it here is refused there."""
    result = attempt(
        "sh", "-c", "mount --make-rshared / 2>/dev/null; mount --make-rshared /sys; "
        "unshare -m --propagation unchanged umount -l /sys/fs/bpf; code=$?; "
        "mount --make-rprivate /sys; mount --make-rprivate /; exit $code",
    )  # fmt: skip

    assert result.returncode != 0
    assert pin("enf_file_open").exists()
    check(protected, "mount")


_SLAVE = """
mount --make-rshared /sys
unshare -m --propagation unchanged sleep 1000 & elsewhere=$!
until [ "$(readlink /proc/$elsewhere/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]; do :; done
trap 'kill $elsewhere; mount --make-rprivate /sys' EXIT
mount --make-rslave /sys
"""
_COVER = "mount -t tmpfs none /mnt && mkdir /mnt/a && mount -t tmpfs none /mnt/a &&"
_THROUGH_MOUNTS = {
    "by the master": f"{_SLAVE} nsenter -t $elsewhere -m umount -l {BPFFS}",
    "of the tree": f"{_SLAVE} nsenter -t $elsewhere -m umount -l /sys",
    "covered": f"{_SLAVE} export LIBMOUNT_FORCE_MOUNT2=always; nsenter -t $elsewhere -m "
    f"sh -c '{_COVER} mount --move /mnt/a {BPFFS}'",
    "covered by move_mount": f"{_SLAVE} nsenter -t $elsewhere -m "
    f"sh -c '{_COVER} mount --move /mnt/a {BPFFS}'",
    "by a second view": "mount --make-rshared /sys; trap 'mount --make-rprivate /mnt; umount -l /mnt; mount --make-rprivate /sys'"
    " EXIT; mount -t tmpfs none /mnt; mkdir /mnt/b; mount --rbind /sys /mnt/b; umount -l /mnt/b",
}
"""How pins go by what is done to other mounts, which the host's repeat."""


@pytest.mark.parametrize("way", _THROUGH_MOUNTS)
def test_mounts_that_are_repeated_do_not_carry_it_in(protected, way):
    """What the host's mount repeats, of a master or of a peer, is refused where it is done."""
    result = attempt("sh", "-c", _THROUGH_MOUNTS[way])

    assert result.returncode != 0
    assert pin("enf_file_open").exists()
    check(protected, "mount")


_IN_ANOTHER_VIEW = {
    "rmdir": "rmdir {}",
    "replaced": "mkdir {}.new && mv -T {}.new {}",
    "renamed": "mv {} {}.old",
}


@pytest.mark.parametrize("way", _IN_ANOTHER_VIEW)
def test_what_the_pins_are_mounted_on_stays(protected, way):
    """A directory that is no mount point elsewhere is not removed there: the kernel would unmount it here."""
    deed = _IN_ANOTHER_VIEW[way].replace("{}", "/sys")

    result = attempt("unshare", "-m", "sh", "-c", f"umount -l /sys; {deed}")

    assert result.returncode != 0
    assert pin("enf_file_open").exists()
    check(protected, "mount")


# ---- The daemon ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGSEGV"]
)
def test_signals_do_not_reach_the_daemon(protected, name):
    """Root's signals end, stop or steer nothing."""
    number = signal.Signals[name]

    with pytest.raises(PermissionError):
        os.kill(protected.pid, number)

    record = check(protected, "signal")
    assert name == record["object"]["signal"]
    assert f"{name} to the daemon" in record["message"]


def test_a_storm_of_signals_is_told_to_the_last(protected):
    """Faster than the daemon reads: the kernel counts what is alike, and loses nothing."""
    for _ in range(STORM):
        with pytest.raises(PermissionError):
            os.kill(protected.pid, signal.SIGUSR2)

    told = 0
    while told < STORM:
        for record in protected.refusals("signal"):
            assert "SIGUSR2" == record["object"]["signal"]
            told += 1 + record.get("repeats", {"count": 0})["count"]
    assert STORM == told
    assert protected.is_well()


def test_some_signals_reach_the_daemon(protected):
    """Asking whether it is there remains possible, and what harms nobody."""
    for number in (0, signal.SIGCHLD, signal.SIGCONT, signal.SIGWINCH):
        os.kill(protected.pid, number)

    assert protected.is_well()


_BY_ROOT = {
    "attach": "ptrace",
    "seize": "ptrace",
    "memory": "ptrace",
    "vm-write": "ptrace",
    "take-fd": "ptrace",
    "pidfd-signal": "signal",
    "trap": "signal",
    "limit": "limit",
    "affinity": "limit",
    "nice": "limit",
}


@pytest.mark.parametrize("word", sorted(_BY_ROOT))
def test_processes_do_not_get_at_the_daemon(protected, word):
    """Each way into a process is closed for this one, and open for a bystander."""
    assert assail(word, protected.pid) in {errno.EPERM, errno.EACCES}
    check(protected, _BY_ROOT[word])

    with bystander("bystander") as pid:
        assert 0 == assail(word, pid)


def test_what_the_daemon_forks_limits_and_ends_what_it_forks_itself(protected):
    """What compiles policies has its limits, and gives some to what it tries; the OOM killer takes it first."""
    before = protected.lines()

    assert 0 == by_manager(protected.pid, signal.SIGHUP)

    wait_until(lambda: len(protected.lines()) > len(before), protected.lines, 60.0, 0.1)
    own = {"core": 0, "oom": 0, "told": []}
    assert [{"seconds": 200, **own}, {"seconds": 100, **own}] == json.loads(protected.lines()[-1])
    assert OOM_SCORE == Path(f"/proc/{protected.pid}/oom_score_adj").read_text().strip()


def test_files_that_signal_do_not_signal_the_daemon(protected):
    """A descriptor whose readiness sends SIGKILL kills a bystander, not the daemon."""
    assert 0 == assail("sigio", protected.pid, 9)
    check(protected, "signal")

    with bystander("bystander") as pid:
        assert 0 == assail("sigio", pid, 9)
        assert -9 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("file", ["cgroup.kill", "cgroup.freeze", "memory.max"])
def test_the_cgroup_of_the_daemon_is_closed(protected, file):
    """Nobody kills, freezes or starves it there, nor joins it."""
    with pytest.raises(PermissionError):
        (_OWN / file).write_text("1")

    assert file in check(protected, "cgroup")["message"]


def set_limit(file: Path, text: str) -> int:
    """Write to a file of a cgroup; returns 0 or the error's number."""
    try:
        file.write_text(text)
    except OSError as error:
        return error.errno or -1
    return 0


_ABOVE = {
    "cgroup.freeze": "0",
    "memory.max": "max",
    "memory.high": "max",
    "cpu.max": "max 100000",
    "cpu.idle": "0",
    "cpuset.cpus": "0",
    "io.max": "1:1 rbps=max",
    "pids.max": "max",
}
"""Files of a cgroup by which everything below is starved, and a text that starves nobody."""


@pytest.mark.parametrize("file", _ABOVE)
def test_a_cgroup_above_the_daemon_does_not_starve_it(protected, file):
    """Its limits are closed, the same of a cgroup beside it are open, and so is its weight."""
    above, beside = _OWN.parent, CGROUPS / "beside"
    if not (above / file).exists():
        pytest.skip(f"this kernel has no {file}")
    with pytest.raises(PermissionError):
        (above / file).write_text(_ABOVE[file])

    assert file in check(protected, "cgroup")["message"]
    beside.mkdir()
    try:
        # The kernel may look for a disk that this machine does not have.
        assert set_limit(beside / file, _ABOVE[file]) in {0, errno.ENODEV}
        (above / "cpu.weight").write_text("100")
    finally:
        beside.rmdir()


def test_cgroups_of_others_stay_open(protected):
    """A bystander's cgroup is killed as ever."""
    with bystander("bystander") as pid:
        (CGROUPS / "bystander" / "cgroup.kill").write_text("1")

        assert -9 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert protected.is_well()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/proc/sysrq-trigger", "i"),
        ("/proc/sys/kernel/sysrq", "1"),
        ("/proc/sys/kernel/ftrace_enabled", "0"),
        ("/sys/kernel/debug/kprobes/enabled", "0"),
        (str(_PREEMPTION), "full"),
        ("/proc/{pid}/oom_score_adj", "1000"),
        ("/proc/{pid}/task/{pid}/oom_score_adj", "1000"),
    ],
)
def test_files_of_proc_do_not_act_on_the_daemon(protected, path, text):
    """What kills everything, or takes LSM programs or kprobes away, or offers the daemon to the OOM killer."""
    if path == str(_PREEMPTION) and not _PREEMPTION.exists():
        pytest.skip("this kernel has no switch for preemption")
    with pytest.raises(PermissionError):
        Path(path.format(pid=protected.pid)).write_text(text)

    check(protected, "system")


_LIBRARY = "/usr/lib/x86_64-linux-gnu/libc.so.6"
_TRACEFS = Path("/sys/kernel/tracing")
_PROBE_FILES = ("uprobe_events", "dynamic_events")


@pytest.mark.parametrize("file", _PROBE_FILES)
def test_probes_are_not_defined(protected, file):
    """A breakpoint in the middle of an instruction, or one added to a number, changes what the daemon does."""
    elsewhere = Path("/mnt")
    assert 0 == attempt("mount", "-t", "tracefs", "none", str(elsewhere)).returncode
    try:
        for folder in (_TRACEFS, elsewhere):
            with pytest.raises(PermissionError):
                define(folder / file)
            assert "guard_probe" not in (_TRACEFS / "uprobe_events").read_text()
            check(protected, "probe")
    finally:
        assert 0 == attempt("umount", str(elsewhere)).returncode
    append(_TRACEFS / "kprobe_events", "p:guard_other do_nanosleep")
    append(_TRACEFS / "kprobe_events", "-:guard_other")


def define(file: Path) -> None:
    append(file, f"p:guard_probe {_LIBRARY}:0x40001")


def append(file: Path, text: str) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode() + b"\n")
    finally:
        os.close(fd)


@pytest.mark.parametrize("word", ["probe", "probe-32", "probe-link"])
def test_probes_are_not_put(protected, word):
    """Nor by perf, nor by a link of a program; not at all, since the file is named by a path that may change."""
    with putting() as put:
        code = assail(word, 0)
        if code == errno.ENOSYS:
            pytest.skip("this kernel has no such link")
        assert errno.EPERM == code
        assert 0 == put()
    check(protected, "probe")


@contextmanager
def putting() -> Iterator[Callable[[], int]]:
    """Count how often the kernel begins to put breakpoints, also those that are taken away again."""
    append(_TRACEFS / "kprobe_events", "p:guard_putting uprobe_register")
    switch = _TRACEFS / "events/kprobes/guard_putting/enable"
    switch.write_text("1")
    try:
        yield _begun
    finally:
        switch.write_text("0")
        append(_TRACEFS / "kprobe_events", "-:guard_putting")


def _begun() -> int:
    lines = (_TRACEFS / "kprobe_profile").read_text().splitlines()
    return next(int(n) for name, n, _ in map(str.split, lines) if name == "guard_putting")


def test_layers_below_a_mapped_file_are_not_written(protected):
    """Where the daemon's files lie on an overlay, what it runs is the file of a layer."""
    for path in (_LAYERS / "lower/mapped", _LAYERS / "overlay/mapped"):
        for text in ("x", ""):
            with pytest.raises(PermissionError):
                path.write_text(text)
        assert "content" == path.read_text()
        check(protected, "file")
    (_LAYERS / "lower/other").write_text("written")


# ---- Programs of others -------------------------------------------------------------------------

_DANGEROUS = [
    "SEND_SIGNAL", "SEND_SIGNAL_THREAD", "WRITE_USER", "SEND_SIGNAL_IN_SUBPROGRAM",
    "SEND_SIGNAL_LATE", "MODIFY_RETURN", "LSM", "SEND_SIGNAL_TASK",
]  # fmt: skip


@pytest.mark.parametrize("what", _DANGEROUS)
def test_dangerous_programs_do_not_load(protected, tmp_path, what):
    """A program that could kill the daemon, or come before the engine, is refused."""
    if what == "SEND_SIGNAL_TASK" and "bpf_send_signal_task" not in _symbols():
        pytest.skip("this kernel has no bpf_send_signal_task")

    result = load(what, tmp_path)

    assert result.returncode != 0
    record = check(protected, "load")
    assert record["process"]["exe"].endswith("bpftool")


def _symbols() -> set[str]:
    return {line.split()[2] for line in Path("/proc/kallsyms").read_text().splitlines()}


# ---- What goes on -------------------------------------------------------------------------------


def test_ordinary_uses_go_on(protected, tmp_path):
    """Lists, observing programs, pins of others, mounts elsewhere and in other namespaces."""
    observed = load("OBSERVE", tmp_path)
    assert 0 == observed.returncode, observed.stderr
    for argv in (
        ["bpftool", "prog", "list"],
        ["bpftool", "map", "list"],
        ["bpftool", "link", "list"],
        ["mkdir", str(BPFFS / "other")],
        [*f"bpftool map create {_OTHER} type array key 4 value 4 entries 1 name other".split()],
        [*f"bpftool map update pinned {_OTHER} key 0 0 0 0 value 1 0 0 0".split()],
        ["mv", str(_OTHER), str(BPFFS / "other/moved")],
        ["rm", "-r", str(BPFFS / "other")],
        ["mount", "-t", "tmpfs", "none", "/mnt"],
        ["umount", "/mnt"],
        ["mount", "-t", "bpf", "none", "/mnt"],
        ["umount", "/mnt"],
        ["unshare", "-m", "umount", "-l", "/sys/fs/bpf"],
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/sys/fs/bpf"],
        ["sh", "-c", "echo 4096 > /proc/sys/kernel/threads-max"],
    ):
        result = attempt(*argv)

        assert 0 == result.returncode, (argv, result.stderr)
    assert protected.is_well()


def test_refusals_are_counted(protected):
    """The counter knows of every refusal, also of those that repeat themselves in a list."""
    with pytest.raises(PermissionError):
        os.kill(protected.pid, signal.SIGKILL)
    protected.refusals("signal")
    refused = [r for r in protected.records() if r.get("rule") == "self-protection"]

    assert 0 == by_manager(protected.pid, signal.SIGTERM)
    protected.process.wait(60)
    counted = protected.records()[-1]

    assert 0 < len(refused) <= counted["GUARD_REFUSED"]
    # The daemon has gone with protection active, as when it is killed: the engine enforces on, and
    # root is kept out, in the daemon's cgroup and as the service manager, too.
    assert enforces()
    assert 1 == attempt("rm", str(pin("enf_file_open"))).returncode
    joined = attempt(
        "rm", str(PINS / "1" / "map-hits"),
        preexec_fn=lambda: (_OWN / "cgroup.procs").write_text("0"),
    )  # fmt: skip
    assert 1 == joined.returncode
    assert attempt("umount", "-l", str(BPFFS)).returncode
    assert attempt(*_objects(protected)["map delete pinned"]).returncode
    # Its child has all of its descriptors.
    assert errno.EPERM == assail("take-fd", protected.facts["child"])
    with pytest.raises(PermissionError):
        os.kill(protected.facts["child"], signal.SIGSTOP)
    assert enforces()
    # Who has the key cleans up.
    assert Answer.LOCKED is ask()
    assert Answer.WRONG is release(bytes(32))
    assert Answer.WRONG is claim(bytes(reversed(KEY)))
    assert enforces()
    assert Answer.OPEN is release(KEY)
    os.kill(protected.facts["child"], signal.SIGKILL)  # which has the links
    forget_pins()
    with_patience(VAULT.read_text)
    assert not enforces()


# ---- Without protection ---------------------------------------------------------------------------


def test_without_protection_each_succeeds(tmp_path):
    """The same attempts on a daemon that nobody protects, the last of them deadly."""
    lay()
    (_LAYERS / "lower/mapped").write_text("content")
    with daemon(tmp_path, "plain", "plain") as it:
        assert enforces()
        for word in sorted(_BY_ROOT):
            if word != "pidfd-signal":
                assert 0 == assail(word, it.pid), word
        for what in _DANGEROUS:
            if what != "SEND_SIGNAL_TASK" or "bpf_send_signal_task" in _symbols():
                result = load(what, tmp_path)
                assert 0 == result.returncode, (what, result.stderr)
        for name, argv in _objects(it).items():
            if name.startswith("map") and "delete" not in name and "hits" not in argv[-3]:
                result = attempt(*argv)
                assert 0 == result.returncode or "update pinned" in name, (name, result.stderr)
        os.kill(it.pid, signal.SIGSTOP)
        with_patience(lambda: _stopped(it.pid))
        os.kill(it.pid, signal.SIGCONT)
        assert enforces()
        _switch_ftrace_off()
        _switch_kprobes_off()
        if _PREEMPTION.exists():
            _switch_preemption()
        _put_probes()
        (_LAYERS / "lower/mapped").write_text("written")
        assert b"written" == Path(f"/proc/{it.pid}/map_files/{_mapped(it.pid)}").read_bytes()
        assert 0 == assail("take-fd", it.facts["child"])
        assert enforces()
        assert 0 == attempt(*_objects(it)["map delete id"]).returncode
        assert not enforces()
        assert 0 == attempt("mount", "-t", "tmpfs", "none", str(BPFFS)).returncode
        assert 0 == attempt("umount", str(BPFFS)).returncode
        assert 0 == attempt("mv", str(pin("enf_file_open")), str(BPFFS / "taken")).returncode
        assert 0 == attempt("rm", str(BPFFS / "taken")).returncode
        assert 0 == attempt("umount", "-l", str(BPFFS)).returncode
        _lose_pins()
        _lose_mounts()
        (CGROUPS / "plain" / "cgroup.kill").write_text("1")
        assert -9 == it.process.wait(60)


def _lose_pins() -> None:
    before = _mounted()
    for way, script in _THROUGH_MOUNTS.items():
        assert 0 == attempt("mount", "-t", "bpf", "none", str(BPFFS)).returncode
        result = attempt("sh", "-c", script)
        assert 0 == result.returncode, (way, result.stderr)
        assert [("bpf", str(BPFFS))] != [m for m in _mounted() if m[1] == str(BPFFS)], way
        while os.path.ismount(BPFFS):
            assert 0 == attempt("umount", str(BPFFS)).returncode
        for kind, place in before:
            if not os.path.ismount(place):
                assert 0 == attempt("mount", "-t", kind, "none", place).returncode, place


def _mounted() -> list[tuple[str, str]]:
    """What is mounted below /sys, and where."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [(w[2], w[1]) for w in map(str.split, lines) if w[1].startswith("/sys/")]


def _lose_mounts() -> None:
    for way, deed in _IN_ANOTHER_VIEW.items():
        place = Path("/srv/place")
        place.mkdir()
        assert 0 == attempt("mount", "-t", "tmpfs", "none", str(place)).returncode
        words = deed.replace("{}", str(place))
        result = attempt("unshare", "-m", "sh", "-c", f"umount -l {place}; {words}")
        assert 0 == result.returncode, (way, result.stderr)
        assert not os.path.ismount(place), way
        for left in (place, place.with_suffix(".old")):
            attempt("umount", str(left))
            if left.exists():
                left.rmdir()


def _switch_preemption() -> None:
    before = re.search(r"\((\w+)\)", _PREEMPTION.read_text())
    assert before
    _PREEMPTION.write_text("full")
    assert "(full)" in _PREEMPTION.read_text()
    _PREEMPTION.write_text(before[1])


def _put_probes() -> None:
    for file in _PROBE_FILES:
        define(_TRACEFS / file)
        assert "guard_probe" in (_TRACEFS / "uprobe_events").read_text()
        append(_TRACEFS / "uprobe_events", "-:guard_probe")
    for bits in ("probe", "probe-32"):
        with putting() as put:
            assert 0 == assail(bits, 0)
            assert put() >= 1
    assert assail("probe-link", 0) in {0, errno.ENOSYS}


def _mapped(pid: int) -> str:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.endswith(MAPPED))


def _switch_kprobes_off() -> None:
    switch = Path("/sys/kernel/debug/kprobes/enabled")
    switch.write_text("0")
    switch.write_text("1")


def _switch_ftrace_off() -> None:
    """Without ftrace no LSM program is called; newer kernels refuse that while one is attached."""
    switch = Path("/proc/sys/kernel/ftrace_enabled")
    try:
        switch.write_text("0")
    except OSError:
        return
    try:
        assert not enforces()
    finally:
        switch.write_text("1")


def _stopped(pid: int) -> None:
    if "\nState:\tT" not in Path(f"/proc/{pid}/status").read_text():
        raise OSError(errno.EAGAIN, "not yet")
