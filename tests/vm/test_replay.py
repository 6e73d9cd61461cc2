# SPDX-License-Identifier: MIT
"""
A recording of real work, decided again by candidate policies, says what the kernel decided.

The recorder and three sets of policies in audit mode are active at once, so all of them see the very
same operations: apt-get installs a package, somebody logs in at a real sshd and by ``su``, a program is
compiled with make. A fourth set asks what happened before and in which container.
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pods
import pytest
from audit_sessions import told
from daemon import ask, until
from engine import EXECUTED
from patience import scaled
from pods import Container, Pod, give_labels

from enforcer.replay.candidate import Candidate
from enforcer.replay.replay import RecordMaker, Replay

HERE = Path(__file__).parent
ROOT = Path("/srv/replay")
WORKER = "/srv/replay/worker"
HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\n"

FILES = """\
metadata: {name: files}
spec:
  rules:
    - name: dpkg-keeps-its-books
      file: [write, create, unlink, rename]
      match: {path: /var/lib/dpkg/**, process: {binary: /usr/bin/dpkg}, ancestors: {binary: WORKER}}
      action: allow
    - name: system
      file: [write, create, unlink, rename, chmod, chown]
      match: {path: [/usr/**, /etc/**, /var/**, /opt/**], ancestors: {binary: WORKER}}
      action: deny
      guard: false
    - name: passwords
      file: read
      match: {path: [/etc/shadow, /etc/passwd], parent: {binary: WORKER}}
      action: kill
      guard: false
    - name: headers
      file: read
      match: {path: {glob: "/usr/**/std*.h"}, notParent: {binary: WORKER}, ancestors: {binary: WORKER}}
      action: log
    - name: seen-in-the-namespace
      file: [write, create, read]
      match: {path: /mnt/in/**, ancestors: {binary: WORKER}}
      action: deny
      guard: false
"""

PROGRAMS = """\
metadata: {name: programs}
spec:
  rules:
    - name: compiler-passes
      exec: {}
      match: {path: {suffix: /cc1}, ancestors: {binary: WORKER}}
      action: log
    - name: scripts-of-packages
      exec: {}
      match: {path: "/var/lib/dpkg/**", ancestors: {binary: /usr/bin/dpkg}}
      action: deny
      guard: false
    - name: by-the-last-word
      exec: {}
      match: {args: [{index: any, glob: "the-end-*"}], ancestors: {binary: WORKER}}
      action: kill
    - name: shells
      exec: {}
      match:
        args: [{index: 1, equal: "-c"}]
        ancestors: {binary: WORKER}
      action: kill
    - name: from-scripts
      exec: {}
      match: {process: {script: true}, ancestors: {binary: WORKER}}
      action: deny
"""

PEOPLE = """\
metadata: {name: people}
spec:
  selector: {cgroup: /replay.slice/work.service}
  default: {exec: log}
  rules:
    - name: becomes-somebody
      process: setuid
      match: {newUid: 1-65533}
      action: deny
    - name: owner
      process: capability
      match: {capability: [chown, fowner]}
      action: deny
    - name: somebody-reads
      file: read
      match: {path: /etc/**, process: {euid: 4321}}
      action: deny
      guard: false
    - name: grandchildren
      exec: {}
      match: {ancestors: {euid: 4321}}
      action: kill
    - name: signals
      process: signal
      action: deny
    - name: discard
      network: connect
      match: {address: 127.0.0.0/8, port: 9}
      action: kill
"""

MARKED = "/srv/replay/marked"
CONTEXT = """\
metadata: {name: before}
spec:
  rules:
    - {name: a-read, file: read, match: {path: MARKED/names}, mark: named}
    - {name: a-connection, network: connect, match: {address: 127.0.0.1, port: 9},
       mark: {name: connected, of: tree}}
    - {name: a-shelf, file: [write, create], match: {path: MARKED/shelf}, action: log,
       mark: {name: shelf, of: container}}
    - {name: a-compilation, exec: {}, match: {path: {suffix: /cc1}}, mark: {name: compiled, of: host}}
    - {name: a-clock, file: [write, create], match: {path: MARKED/clock}, mark: {name: clock, of: host}}
    - {name: a-view, file: [write, create], match: {path: /mnt/in/**}, mark: {name: viewed, of: tree}}
    - {name: of-process, file: read, match: {path: MARKED/process, within: {mark: named, last: 1h}},
       action: deny}
    - {name: of-tree, file: read, match: {path: MARKED/tree, within: {mark: connected, last: 1h}},
       action: deny}
    - name: of-container
      file: read
      match: {path: MARKED/container, within: {mark: shelf, last: 1h}}
      action: deny
    - {name: of-host, file: read, match: {path: MARKED/host, within: {mark: compiled, last: 1h}},
       action: kill}
    - {name: in-time, file: read, match: {path: MARKED/late, within: {mark: clock, last: 20s}},
       action: deny}
    - {name: not-in-time, file: read, match: {path: MARKED/late, notWithin: {mark: clock, last: 20s}},
       action: log}
    - {name: of-a-view, file: read, match: {path: MARKED/view, within: {mark: viewed, last: 1h}},
       action: deny}
    - name: by-arguments
      exec: {}
      match: {args: [{index: 1, equal: marked}], within: {mark: connected, last: 1h}}
      action: kill
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: prod}
spec:
  selector: {pod: {namespace: prod}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
    - {name: lenient, file: read, match: {path: /data/lenient}, action: deny, onError: allow}
    - {name: own, file: read, match: {path: /data/own, notProcess: {binary: /bin/app}}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: names}
spec:
  rules:
    - name: main
      file: read
      match: {path: /data/main, process: {container: {name: main, runtime: [containerd, docker]}}}
      action: deny
    - name: image
      file: read
      match: {path: /data/image, process: {container: {image: {notGlob: "registry.example/*"}}}}
      action: kill
    - name: canary
      file: read
      match: {path: /data/label, process: {pod: {labels: {matchLabels: {canary: "no"}}}}}
      action: log
"""

WORK = """\
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /srv/replay
apt-get -q -y install /srv/replay/thing.deb
/usr/sbin/sshd -f /srv/replay/sshd_config
ssh -F none -T -p 2201 -i door/key -o BatchMode=yes -o UserKnownHostsFile=door/known \
    replayer@127.0.0.1 'echo "logged in from ${SSH_CONNECTION%% *} as $(id -un)"; head -c 5 /etc/issue'
kill $(cat door/pid)
su - replayer -c 'cat /etc/hostname; /bin/sh -c "id -u; true"'
make -s -C source
./source/hello
cat /etc/passwd >/dev/null
head -c 5 /etc/shadow >/dev/null
/bin/echo $(seq 1 1500) the-end-is-near >/dev/null
(setsid sh -c '/bin/true; (/bin/true &)' &)
touch owned; chown replayer owned
sleep 0.2 & kill $!; wait || true
(exec 3<>/dev/tcp/127.0.0.1/9) 2>/dev/null || true
mkdir -p /srv/replay/bound /mnt/in
unshare -m sh -c 'mount --bind /srv/replay/bound /mnt/in && echo x >/mnt/in/f && cat /mnt/in/f'
unshare -m sh -c 'mount -t tmpfs none /mnt/in && echo y >/mnt/in/g && rm /mnt/in/g'
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

SSHD = """\
Port 2201
ListenAddress 127.0.0.1
HostKey /srv/replay/door/host
PidFile /srv/replay/door/pid
AuthorizedKeysFile /srv/replay/door/key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
"""

ONLY_MARK = {"a-read", "a-connection", "a-compilation", "a-clock", "a-view"}
POLICIES = {"files": FILES, "programs": PROGRAMS, "people": PEOPLE, "context": CONTEXT}


@attrs.frozen
class Seen:
    """What came of the work: the journal, and by policy what the kernel decided."""

    journal: Path
    live: dict[str, Any]
    policies: dict[str, Path]


def _prepare(root: Path) -> dict[str, Path]:
    root.mkdir(parents=True)
    subprocess.run(["cp", "/bin/bash", WORKER], check=True)
    subprocess.run(["useradd", "-m", "-u", "4321", "-s", "/bin/bash", "replayer"], check=True)
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
    (root / "marked").mkdir()
    for name in ("names", "process", "tree", "container", "host", "late", "view"):
        (root / "marked" / name).write_text(f"{name}\n")
    source = root / "source"
    source.mkdir()
    (source / "hello.c").write_text(
        '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
    )
    (source / "Makefile").write_text("hello: hello.c\n\t$(CC) -o $@ $<\n")
    (root / "work.sh").write_text(WORK.replace("MARKED", MARKED))
    _prepare_door(root)
    made = {}
    for name, text in POLICIES.items():
        made[name] = root / f"{name}.yaml"
        made[name].write_text(HEAD + text.replace("WORKER", WORKER).replace("MARKED", MARKED))
    return made


def _prepare_door(root: Path) -> None:
    """Make what an sshd of its own needs: keys of host and user, its configuration."""
    door = root / "door"
    door.mkdir()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "key"):
        generate = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(door / name))
        subprocess.run(generate, check=True)
    (door / "known").write_text(f"[127.0.0.1]:2201 {(door / 'host.pub').read_text()}")
    (root / "sshd_config").write_text(SSHD)


_GROUP = Path("/sys/fs/cgroup/replay.slice/work.service")


def _has_ended() -> bool:
    """Whether no process of the work is left, in its cgroup or below."""
    return "populated 0\n" in (_GROUP / "cgroup.events").read_text()


def _work(root: Path) -> None:
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
    assert "logged in from 127.0.0.1 as replayer\n" in done.stdout
    assert Path("/opt/thing/configured").exists()
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


@pytest.fixture(scope="module")
def prepared() -> Iterator[tuple[dict[str, Path], list[Container]]]:
    """Make the policies and everything that the work needs; the containers run."""
    policies = _prepare(ROOT)
    with _containers(ROOT) as containers:
        yield policies, containers


@pytest.fixture(scope="module")
def seen(prepared, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Record the work, with the policies in the kernel beside the recorder."""
    root, (policies, containers) = ROOT, prepared
    folder = tmp_path_factory.mktemp("replay")
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
        _work(root)
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


@pytest.mark.parametrize("name", POLICIES)
def test_a_replay_decides_as_the_kernel_did(seen, name):
    """The same rules decided as often, and on the same operations of the same processes."""
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


def test_the_commands_say_the_same(seen):
    """``dry-run --replay`` sums up what was decided, as JSON and as one page, and shows differences."""
    page = seen.journal.with_suffix(".html")

    done = ask(
        "dry-run", "--replay", str(seen.journal), str(seen.policies["files"]), "--json",
        "--html", str(page), "--against", str(seen.policies["programs"]),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    live = seen.live["files"]
    denied = sum(1 for event in live["events"] if event[1] == "DENY")
    assert denied == report["wouldDeny"]
    (system,) = [rule for rule in report["rules"] if rule["rule"] == "system"]
    looks = {each["exe"]: each["looks"] for each in system["by"]}
    assert "ordinary" == looks["/usr/bin/dpkg"]
    assert report["difference"]["onlyHere"]["wouldDeny"]
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
