# SPDX-License-Identifier: MIT
"""
A recording of real work, decided again by candidate policies, says what the kernel decided.

The recorder and sets of policies in audit mode are active at once, so all of them see the very same
operations: apt-get installs a package, somebody logs in at a real sshd and by ``su``, a program is
compiled with make. The policies of ``context`` ask what happened before and in which container.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pods
from audit_sessions import told
from daemon import until
from engine import EXECUTED
from patience import scaled
from pods import Container, Pod, give_labels
from replay_policies import MARKED, ONLY_MARK, POLICIES, WORKER

from enforcer.workbench.replay.candidate import Candidate
from enforcer.workbench.replay.replay import RecordMaker, Replay

__all__ = ["ALL", "MARKS", "Seen", "check", "recorded", "replayed"]

HERE = Path(__file__).parent
ROOT = Path("/srv/replay")
_GROUP = Path("/sys/fs/cgroup/replay.slice/work.service")

_BEGIN = """\
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /srv/replay
"""

_INSTALL = """\
apt-get -q -y install /srv/replay/thing.deb
"""

_LOG_IN = """\
/usr/sbin/sshd -f /srv/replay/sshd_config
ssh -F none -T -p 2201 -i door/key -o BatchMode=yes -o UserKnownHostsFile=door/known \
    replayer@127.0.0.1 'echo "logged in from ${SSH_CONNECTION%% *} as $(id -un)"; head -c 5 /etc/issue'
kill $(cat door/pid)
su - replayer -c 'cat /etc/hostname; /bin/sh -c "id -u; true"'
"""

_COMPILE = """\
make -s -C source
./source/hello
"""

_OTHERS = """\
cat /etc/passwd >/dev/null
head -c 5 /etc/shadow >/dev/null
/bin/echo $(seq 1 1500) the-end-is-near >/dev/null
(setsid sh -c '/bin/true; (/bin/true &)' &)
touch owned; chown replayer owned
sleep 0.2 & kill $!; wait || true
(exec 3<>/dev/tcp/127.0.0.1/9) 2>/dev/null || true
"""

_BIND = """\
mkdir -p /srv/replay/bound /mnt/in
"""

_VIEWS = """\
unshare -m sh -c 'mount --bind /srv/replay/bound /mnt/in && echo x >/mnt/in/f && cat /mnt/in/f'
unshare -m sh -c 'mount -t tmpfs none /mnt/in && echo y >/mnt/in/g && rm /mnt/in/g'
"""

_MARKS = """\
cd MARKED
all() { cat process tree container host late view >/dev/null; }
all
(all; true 2>/dev/null 3<>/dev/tcp/127.0.0.1/9 || true; all; /bin/echo marked >/dev/null
 (setsid sh -c 'cat tree; exec cat tree' >/dev/null &)
 exec sh -c 'cat tree; exec cat tree' >/dev/null)
(read -r a <names; read -r a <process; cat process >/dev/null; exec cat process >/dev/null)
true >shelf
all
mkdir /sys/fs/cgroup/replay.slice/work.service/below
sh -c 'echo $$ >/sys/fs/cgroup/replay.slice/work.service/below/cgroup.procs; cat container; true >shelf' >/dev/null
true >clock
all
sleep 25
all
unshare -m sh -c 'mount --bind /srv/replay/bound /mnt/in && echo z >/mnt/in/h && cat view' >/dev/null
sleep 1
echo finished
"""

# What is done, and of that what the policy about marks and containers asks for.
ALL = _BEGIN + _INSTALL + _LOG_IN + _COMPILE + _OTHERS + _BIND + _VIEWS + _MARKS
MARKS = _BEGIN + _COMPILE + _BIND + _MARKS

_SSHD = """\
Port 2201
ListenAddress 127.0.0.1
HostKey /srv/replay/door/host
PidFile /srv/replay/door/pid
AuthorizedKeysFile /srv/replay/door/key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
"""


@attrs.frozen
class Seen:
    """What came of the work: the journal, and by policy what the kernel decided."""

    journal: Path
    live: dict[str, Any]
    policies: dict[str, Path]


def _prepare(root: Path, names: Iterable[str], work: str) -> dict[str, Path]:
    root.mkdir(parents=True)
    subprocess.run(["cp", "/bin/bash", WORKER], check=True)
    if _INSTALL in work:
        _prepare_package(root)
    if _LOG_IN in work:
        _prepare_door(root)
    (root / "marked").mkdir()
    for name in ("names", "process", "tree", "container", "host", "late", "view"):
        (root / "marked" / name).write_text(f"{name}\n")
    source = root / "source"
    source.mkdir()
    (source / "hello.c").write_text(
        '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
    )
    (source / "Makefile").write_text("hello: hello.c\n\t$(CC) -o $@ $<\n")
    (root / "work.sh").write_text(work.replace("MARKED", MARKED))
    made = {}
    for name in names:
        made[name] = root / f"{name}.yaml"
        made[name].write_text(POLICIES[name])
    return made


def _prepare_package(root: Path) -> None:
    tree = root / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "opt/thing").mkdir(parents=True)
    (tree / "opt/thing/data").write_text("data\n")
    (tree / "DEBIAN/control").write_text(
        "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\n"
        "Description: a thing\n"
    )
    script = tree / "DEBIAN/postinst"
    script.write_text("#!/bin/sh\nset -e\ntouch /opt/thing/configured\n")
    script.chmod(0o755)
    subprocess.run(["dpkg-deb", "-b", str(tree), str(root / "thing.deb")], check=True)


def _prepare_door(root: Path) -> None:
    """Make what a login at an sshd of its own needs: a user, keys, its configuration."""
    subprocess.run(["useradd", "-m", "-u", "4321", "-s", "/bin/bash", "replayer"], check=True)
    door = root / "door"
    door.mkdir()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "key"):
        generate = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(door / name))
        subprocess.run(generate, check=True)
    (door / "known").write_text(f"[127.0.0.1]:2201 {(door / 'host.pub').read_text()}")
    (root / "sshd_config").write_text(_SSHD)


def _clear(root: Path) -> None:
    """Remove what the work left that the next would meet."""
    shutil.rmtree(root)
    for cgroup in (_GROUP / "below", _GROUP):
        cgroup.rmdir()


def _has_ended() -> bool:
    """Whether no process of the work is left, in its cgroup or below."""
    return "populated 0\n" in (_GROUP / "cgroup.events").read_text()


def _work(root: Path, work: str) -> None:
    """Do it in a cgroup of its own, which is made while everything is observed."""
    _GROUP.mkdir(parents=True)
    done = subprocess.run(
        [
            "sh",
            "-c",
            f"echo $$ >{_GROUP}/cgroup.procs; exec {WORKER} {root}/work.sh",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled(400),
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.endswith("finished\n"), (done.stdout, done.stderr)
    assert "hello\n" in done.stdout
    if _LOG_IN in work:
        assert "logged in from 127.0.0.1 as replayer\n" in done.stdout
    assert Path("/opt/thing/configured").exists() == (_INSTALL in work)
    # Who is not in the cgroup of the work, after it.
    marked = root / "marked"
    subprocess.run(["cat", marked / "container", marked / "host", marked / "tree"], check=True)


@contextlib.contextmanager
def _containers(root: Path) -> Iterator[list[Container]]:
    """Run containers: of a pod, of Docker, and one of which no runtime says what it is."""
    program = pods.built(root)
    pod = Pod(0xA, "web-1", "prod")
    give_labels(pod, {"canary": "no"})
    known = [
        Container("containerd", "a", program, pod),
        Container("docker", "d", program, image="other.example/db:2"),
    ]
    stranger = Container("docker", "e", program)
    with pods.running(*known):
        try:
            stranger.start()
            yield [*known, stranger]
        finally:
            stranger.remove()
    shutil.rmtree(pods.OBJECTS)


def _work_in(containers: list[Container]) -> None:
    """Let each read all of its files, as the one and as another program."""
    for container in containers:
        assert {"ok"} == {container.open(name) for name in pods.FILES}
        container.ask("become", "/bin/other", expected="ready")
        assert "ok" == container.open("own")


def _launch(output: Path, *argv: str) -> subprocess.Popen[bytes]:
    with output.open("wb") as sink:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}"},
        )


@contextlib.contextmanager
def recorded(folder: Path, work: str, *names: str) -> Iterator[Seen]:
    """
    Record *work* in *folder*, with the policies of these *names* in the kernel beside the recorder.

    What the work needs is there, and the containers run, as long as the block does.
    """
    policies = _prepare(ROOT, names, work)
    with _containers(ROOT) as containers:
        yield _record(folder, work, policies, containers)
    _clear(ROOT)


def _record(
    folder: Path, work: str, policies: dict[str, Path], containers: list[Container]
) -> Seen:
    journal, result = folder / "journal", folder / "live.json"
    said, heard = folder / "recorder", folder / "sessions"
    recorder = _launch(
        said, *EXECUTED, "record", "--events", "exec,file,network,process", str(journal)
    )
    script = str(HERE / "audit_sessions.py")
    sessions = _launch(heard, sys.executable, script, str(result), *map(str, policies.values()))

    def is_active(process: subprocess.Popen[bytes], output: Path, word: str) -> bool:
        text = output.read_text()
        assert process.poll() is None, text
        return word in text

    try:
        until(lambda: is_active(recorder, said, "recording until"), 900)
        until(lambda: is_active(sessions, heard, "ready"), 900)
        _work(ROOT, work)
        _work_in(containers)
        until(_has_ended)  # what ended on its own may still decide something
        sessions.send_signal(signal.SIGTERM)
        assert sessions.wait(120) == 0, heard.read_text()
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(120) == 0, said.read_text()
    finally:
        for process in (recorder, sessions):
            if process.poll() is None:
                process.kill()
    print(said.read_text())
    assert "were lost" not in said.read_text()
    return Seen(journal, json.loads(result.read_text()), policies)


def replayed(journal: Path, policy: Path) -> tuple[list[int], list[list[Any]]]:
    """What the recording says: counts by row, and every verdict that makes a record."""
    replay = Replay.open(journal)
    candidate = Candidate.load([policy], replay.lines, replay.coverage)
    maker, events = RecordMaker(replay, candidate), []

    def hear(access: Any, said: Any) -> None:
        record = maker.record(access, said[0])
        if record is not None:
            events.append(told(record.event, candidate.origins))

    with contextlib.closing(replay):
        replay.run([candidate], hear)
        losses = replay.losses([candidate])
    assert (0, 0, 0, 0, 0, 0) == (
        losses.accesses,
        losses.lines,
        losses.torn,
        losses.damaged,
        losses.malformed,
        losses.unknown_lines,
    )
    assert losses.is_ended
    return [hit.audited for hit in candidate.hits], events


def check(seen: Seen, name: str) -> None:
    """The same rules of the policy decided as often, and on the same operations of the same processes."""
    live = seen.live[name]
    assert live["lost"] == 0

    hits, events = replayed(seen.journal, seen.policies[name])

    def counted(of: list[list[Any]]) -> collections.Counter[tuple[Any, ...]]:
        return collections.Counter(tuple(each) for each in of)

    missing = counted(live["events"]) - counted(events)
    extra = counted(events) - counted(live["events"])
    assert ([], []) == (sorted(missing.items())[:10], sorted(extra.items())[:10])
    by_rule = collections.Counter[str]()
    for rule, count in zip(live["rules"], live["hits"], strict=True):
        by_rule[rule] += count
    print(name, dict(by_rule), len(events))
    assert live["hits"] == hits
    silent = {rule for rule, count in by_rule.items() if not count} - ONLY_MARK
    assert not silent, f"rules that met nothing prove nothing: {silent}"
