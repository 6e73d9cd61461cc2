# SPDX-License-Identifier: MIT
"""Who acts: what a process is, was made by and descends from, and what does not shed it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import compiled
import pytest
from daemon import kernel_counts
from engine import Engine, attempt, running
from patience import scaled

ROOT = Path("/opt/enforcer-test-subjects")
GROUP = Path("/sys/fs/cgroup/enforcer-test")
UNIT = Path("/sys/fs/cgroup/system.slice/enforcer-test.service")
PROGRAMS = ("plain", "reader", "maker", "founder", "trusted", "early", "suid")
NO = "EACCES"

# Each file is kept from one kind of process.
RULES = {
    "free": None,
    "by-binary": f"process: {{binary: {ROOT}/reader}}",
    "by-pattern": f"process: {{binary: {ROOT}/read*}}",
    "by-not": f"notProcess: {{binary: [{ROOT}/trusted, /usr/**]}}",
    "by-parent": f"parent: {{binary: {ROOT}/maker}}",
    "by-not-parent": f"notParent: {{binary: {ROOT}/maker}}",
    "by-ancestor": f"ancestors: {{binary: {ROOT}/founder}}",
    "by-not-ancestor": f"notAncestors: {{binary: {ROOT}/trusted}}",
    "by-lineage": f"lineage: {{binary: {ROOT}/founder}}",
    "by-not-lineage": f"notLineage: {{binary: {ROOT}/trusted}}",
    "by-uid": "process: {uid: 1001}",
    "by-uids": "process: {uid: [900-999, 1001-1003]}",
    "by-euid": "process: {euid: 1001}",
    "by-gid": "process: {gid: 1001}",
    "by-egid": "process: {egid: 1001}",
    "by-capability": "process: {capabilities: NET_RAW}",
    "by-lack": "process: {capabilities: {none: [NET_RAW]}}",
    "by-cgroup": "process: {cgroup: /enforcer-test}",
    "by-cgroup-of-parent": "parent: {cgroup: /enforcer-test}",
    "by-unit": "process: {unit: enforcer-test.service}",
    "by-unit-of-ancestor": "ancestors: {unit: enforcer-test.service}",
    "by-fileless": "process: {fileless: true}",
    "by-script": "process: {script: true}",
    "by-setid": "process: {setid: true}",
    "by-early-binary": f"process: {{binary: {ROOT}/early}}",
    "by-early-parent": f"parent: {{binary: {ROOT}/early}}",
    "by-early-ancestor": f"ancestors: {{binary: {ROOT}/early}}",
    "by-early-lineage": f"lineage: {{binary: {ROOT}/early}}",
    "by-two": f"process: {{binary: {ROOT}/reader, uid: 1001}}, parent: {{binary: {ROOT}/maker}}",
    "killed": f"ancestors: {{binary: {ROOT}/founder}}",
}


def _policy() -> str:
    rules = "".join(
        f"    - {{file: read, match: {{path: {ROOT}/files/{name}, {who}}}, "
        f"action: {{{'kill' if name == 'killed' else 'deny'}: {{errno: EACCES}}}}}}\n"
        for name, who in RULES.items()
        if who is not None
    )
    return f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: subjects}}
spec:
  rules:
{rules}
"""


@attrs.frozen
class Case:
    """What a process does, in the words of ``deeds.c``, and how each of its opens ends."""

    deeds: str
    ends: str


CASES = {
    "binary": Case("reader open by-binary open free", f"{NO} ok"),
    "other binary": Case("plain open by-binary", "ok"),
    "binary, pattern": Case("reader open by-pattern", NO),
    "binary left by exec": Case("reader exec plain open by-binary", "ok"),
    "binary taken by exec": Case("plain open by-binary exec reader open by-binary", f"ok {NO}"),
    "binary, child": Case("reader fork open by-binary", NO),
    "binary, thread": Case("reader thread open by-binary", NO),
    "binary, thread of a child": Case("reader fork thread open by-binary", NO),
    "binary, exec in a thread": Case("plain thread exec reader open by-binary", NO),
    "not binary": Case("plain open by-not exec trusted open by-not", f"{NO} ok"),
    "parent": Case("maker fork exec plain open by-parent open free", f"{NO} ok"),
    "parent, not grandparent": Case("maker fork exec plain fork open by-parent", "ok"),
    "parent, exec keeps it": Case("maker fork exec plain exec reader open by-parent", NO),
    "parent, adopted": Case("maker orphan exec plain open by-parent", NO),
    "parent, made in a thread": Case("maker thread fork exec plain open by-parent", NO),
    "not parent": Case("plain open by-not-parent", NO),
    "not parent, is": Case("maker fork exec plain open by-not-parent", "ok"),
    "not parent, adopted": Case("maker orphan exec plain open by-not-parent", "ok"),
    "ancestor": Case("founder fork exec plain open by-ancestor open free", f"{NO} ok"),
    "ancestor, not itself": Case("founder open by-ancestor", "ok"),
    "ancestor, none": Case("maker fork exec plain open by-ancestor", "ok"),
    "ancestor, deep": Case(
        "founder fork fork exec plain fork fork exec reader open by-ancestor", NO
    ),
    "ancestor, double fork": Case("founder fork orphan exec plain open by-ancestor", NO),
    "ancestor, daemon": Case("founder orphan orphan exec plain open by-ancestor", NO),
    "ancestor, exec without fork": Case("founder exec plain open by-ancestor", NO),
    "ancestor, exec, daemon": Case("founder exec plain orphan exec reader open by-ancestor", NO),
    "ancestor, thread": Case("founder exec plain thread open by-ancestor", NO),
    "ancestor, exec in a thread": Case("founder thread exec plain open by-ancestor", NO),
    "ancestor, memfd": Case("founder orphan memfd open by-ancestor", NO),
    "not ancestor": Case("plain fork open by-not-ancestor", NO),
    "not ancestor, is": Case("trusted orphan exec plain open by-not-ancestor", "ok"),
    "lineage": Case("founder fork exec plain open by-lineage open free", f"{NO} ok"),
    "lineage, itself": Case("founder open by-lineage open free", f"{NO} ok"),
    "lineage, child": Case("founder fork open by-lineage", NO),
    "lineage, thread": Case("founder thread open by-lineage", NO),
    "lineage, exec without fork": Case("founder exec plain open by-lineage", NO),
    "lineage, daemon": Case("founder orphan orphan exec plain open by-lineage", NO),
    "lineage, none": Case("maker fork exec plain open by-lineage", "ok"),
    "not lineage": Case("plain fork open by-not-lineage", NO),
    "not lineage, itself": Case("trusted open by-not-lineage", "ok"),
    "not lineage, above": Case("trusted orphan exec plain open by-not-lineage", "ok"),
    "uid": Case("plain open by-uid uid 1001 -1 open by-uid uid 0 -1 open by-uid", f"ok {NO} ok"),
    "uid, sets": Case("plain uid 1000 -1 open by-uids uid 1002 -1 open by-uids", f"ok {NO}"),
    "uid, effective only": Case("plain uid -1 1001 open by-uid open by-euid", f"ok {NO}"),
    "euid": Case(
        "plain open by-euid uid -1 1001 open by-euid uid -1 0 open by-euid", f"ok {NO} ok"
    ),
    "euid, real only": Case("plain uid 1001 -1 open by-euid", "ok"),
    "gid": Case("plain open by-gid gid 1001 -1 open by-gid gid 0 -1 open by-gid", f"ok {NO} ok"),
    "egid": Case(
        "plain open by-egid gid -1 1001 open by-egid gid -1 0 open by-egid", f"ok {NO} ok"
    ),
    "uid, thread": Case("plain thread uid 1001 -1 open by-uid", NO),
    "uid, child": Case(
        "plain uid 1001 1001 fork open by-uid exec reader open by-uid", f"{NO} {NO}"
    ),
    "capability": Case(
        "plain open by-capability cap off open by-capability cap on open by-capability",
        f"{NO} ok {NO}",
    ),
    "lack of a capability": Case(
        "plain open by-lack cap off open by-lack cap on open by-lack", f"ok {NO} ok"
    ),
    "capability, with uid": Case("plain uid -1 1000 open by-capability", "ok"),
    "cgroup": Case(
        "plain open by-cgroup cgroup IN open by-cgroup cgroup OUT open by-cgroup", f"ok {NO} ok"
    ),
    "cgroup, below": Case("plain cgroup IN/below open by-cgroup", NO),
    "cgroup, alike": Case("plain cgroup IN-2 open by-cgroup", "ok"),
    "cgroup of the parent": Case(
        "plain cgroup IN fork cgroup OUT open by-cgroup open by-cgroup-of-parent", f"ok {NO}"
    ),
    "unit": Case(
        "plain open by-unit cgroup UNIT open by-unit cgroup OUT open by-unit", f"ok {NO} ok"
    ),
    "unit of an ancestor": Case(
        "plain cgroup UNIT fork cgroup OUT orphan exec reader open by-unit-of-ancestor", NO
    ),
    "fileless": Case(
        "plain open by-fileless memfd open by-fileless exec plain open by-fileless", f"ok {NO} ok"
    ),
    "fileless, child": Case("plain memfd fork open by-fileless", NO),
    "setid": Case(
        "plain uid 1001 1001 exec suid open by-setid exec plain open by-setid", f"{NO} ok"
    ),
    "two": Case("maker fork exec reader open by-two uid 1001 -1 open by-two", f"ok {NO}"),
    "two, one of them": Case("maker fork uid 1001 -1 exec plain open by-two", "ok"),
}

# Begun before the engine; they go on when it is there.
EARLY = {
    "binary": Case("early WAIT open by-early-binary open free", f"{NO} ok"),
    "thread": Case("early thread WAIT open by-early-binary", NO),
    "parent": Case("early fork exec plain WAIT open by-early-parent", NO),
    "ancestor": Case(
        "early fork exec plain fork WAIT open by-early-ancestor open free", f"{NO} ok"
    ),
    "ancestor of what comes later": Case(
        "early fork exec plain fork WAIT orphan exec reader open by-early-ancestor", NO
    ),
    "lineage, itself": Case("early WAIT open by-early-lineage open free", f"{NO} ok"),
    "lineage, above": Case("early fork exec plain fork WAIT open by-early-lineage", NO),
    "itself an ancestor": Case("early WAIT exec plain fork open by-early-ancestor", NO),
    "uid": Case("plain uid 1001 1001 WAIT open by-uid", NO),
    "unrelated": Case("plain fork WAIT open by-early-ancestor", "ok"),
}


def _argv(deeds: str, case: str = "") -> list[str]:
    for word, value in {
        "IN": GROUP,
        "OUT": "/sys/fs/cgroup",
        "UNIT": UNIT,
        "WAIT": f"mark {ROOT}/marks/{case.replace(' ', '-')} await {ROOT}/marks/go",
    }.items():
        deeds = deeds.replace(word, str(value))
    return [
        str(ROOT / "files" / word if word in RULES else ROOT / word)
        if word in RULES or word in PROGRAMS
        else word
        for word in deeds.split()
    ]


def _ends(deeds: str) -> str:
    ended = attempt(*_argv(deeds))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode().strip()


@pytest.fixture(scope="module")
def controls() -> Iterator[dict[str, str]]:
    """What every case does while there is no policy."""
    (ROOT / "files").mkdir(parents=True)
    (ROOT / "marks").mkdir()
    (ROOT / "marks").chmod(0o777)
    compiled.place("deeds", ROOT / "plain")
    for name in PROGRAMS[1:]:
        shutil.copy(ROOT / "plain", ROOT / name)
    (ROOT / "suid").chmod(0o4755)
    for name in RULES:
        (ROOT / "files" / name).touch()
    groups = (GROUP, GROUP / "below", Path(f"{GROUP}-2"), UNIT)
    for group in groups:
        group.mkdir(parents=True)
    yield {name: _ends(case.deeds) for name, case in CASES.items()}
    for group in reversed(groups):
        group.rmdir()
    if not any(path.is_dir() for path in UNIT.parent.iterdir()):  # other tests have units, too
        UNIT.parent.rmdir()
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def early(controls) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Processes from before the engine."""
    tasks = {
        name: subprocess.Popen(_argv(case.deeds, name), stdout=subprocess.PIPE)
        for name, case in EARLY.items()
    }
    until = time.monotonic() + scaled(60)
    while len(list((ROOT / "marks").iterdir())) < len(tasks):
        assert time.monotonic() < until
        time.sleep(0.05)
    yield tasks
    (ROOT / "marks/go").touch()
    for task in tasks.values():
        task.communicate(timeout=scaled(60))


@pytest.fixture(scope="module")
def engine(early, tmp_path_factory) -> Iterator[Engine]:
    with running(_policy(), tmp_path_factory.mktemp("subjects")) as it:
        yield it


@pytest.mark.parametrize("name", CASES)
def test_rule_holds_for_whom_it_names(name, controls, engine):
    case = CASES[name]
    assert set(controls[name].split()) == {"ok"}

    assert _ends(case.deeds) == case.ends


@pytest.mark.parametrize("name", EARLY)
def test_process_from_before_is_known(name, early, engine):
    (ROOT / "marks/go").touch()

    said, _ = early[name].communicate(timeout=scaled(60))

    assert said.decode().strip() == EARLY[name].ends


def test_descendant_is_killed(engine):
    ended = attempt(*_argv("founder fork exec plain open killed open free"))

    assert (128 + 9, b"") == (ended.returncode, ended.stdout)
    assert _ends("plain open killed open free") == "ok ok"


def test_process_is_moved_by_another(engine):
    # its own next operation must meet the new group, without any deed of its own in between
    argv = _argv("plain open by-cgroup WAIT open by-cgroup", "moved")
    (ROOT / "marks/go").unlink(missing_ok=True)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as task:
        while not (ROOT / "marks/moved").exists():
            time.sleep(0.05)
        (GROUP / "cgroup.procs").write_text(str(task.pid))
        (ROOT / "marks/go").touch()
        said, _ = task.communicate(timeout=scaled(60))

    assert said.decode().strip() == f"ok {NO}"


def test_interpreter_of_a_script_is_known(engine):
    shell, script = ROOT / "sh", ROOT / "script"
    shutil.copy("/bin/dash", shell)
    script.write_text(f"#!{shell}\n: < {ROOT}/files/by-script\n")
    script.chmod(0o755)

    assert b"Permission denied" in attempt(str(script)).stderr
    assert attempt(str(shell), "-c", f": < {ROOT}/files/by-script").returncode == 0


def test_record_says_who(engine):
    _ends("maker fork exec plain open by-parent")

    event = engine.wait_for(lambda e: e["object"].get("path") == f"{ROOT}/files/by-parent")
    assert f"{ROOT}/plain" == event["process"]["exe"]
    assert (os.getuid(), "/") == (event["process"]["uid"], event["process"]["cgroup"])


def test_an_executable_with_a_long_path_is_unknown(engine):
    """It may be the one that the rule names: that refuses on error, and is counted."""
    far = ROOT.joinpath(*["d" * 100] * 3)
    far.mkdir(parents=True)
    program = shutil.copy(ROOT / "plain", far)
    before = kernel_counts()["exe_unknown"]

    ended = attempt(program, *_argv("open by-binary open by-uid open free"))

    assert ended.stdout.decode().strip() == f"{NO} ok ok"
    assert kernel_counts()["exe_unknown"] > before
    event = engine.wait_for(lambda e: e["object"].get("path") == f"{ROOT}/files/by-binary")
    assert event["onError"]
    # The daemon asks /proc, which knows it as long as the process is there.
    assert event["process"]["exe"] in {None, str(program)}
