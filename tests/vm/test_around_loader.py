# SPDX-License-Identifier: MIT
"""Programs that must not run: not by a loader either; and libraries of those that may are let be."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, attempt, running
from loader_attempts import LOADER, WAYS, bare, furnish, interpreted_by
from programs import RAN, Ended, Workshop, unprivileged

ROOT = Path("/opt/enforcer-test-loader")
BY_LOADER = {"deny": Ended(127, ran=False), "kill": Ended(-signal.SIGKILL, ran=False)}
DIRECT = {
    "deny": Ended(errno.EACCES, ran=False),
    "kill": Ended(-signal.SIGKILL, ran=False),
}
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: programs}}
spec:
  rules:
    - {{exec: {{}}, match: {{path: {ROOT}/deny/**}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{exec: {{}}, match: {{path: {ROOT}/kill/**}}, action: {{kill: {{errno: EACCES}}}}}}
    - exec: {{}}
      match: {{path: {ROOT}/caller/plain, process: {{binary: {ROOT}/box/sh}}}}
      action: deny
    - {{exec: {{}}, match: {{memfd: true, process: {{uid: 1001}}}}, action: deny}}
    - exec: {{}}
      match: {{path: {ROOT}/args/plain, args: [{{index: 1, equal: --evil}}]}}
      action: kill
    - {{exec: {{}}, match: {{path: {ROOT}/free/plain}}, action: deny, loader: false}}
    - {{exec: {{}}, match: {{path: {ROOT}/library.so}}, action: deny}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: allow-list}}
spec:
  selector: {{binary: {ROOT}/list/sh}}
  rules:
    - {{exec: {{}}, match: {{path: [{ROOT}/list/plain, {LOADER}]}}, action: allow}}
    - {{exec: {{}}, match: {{path: /**}}, action: deny}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: rehearsal}}
spec:
  mode: audit
  rules:
    - {{name: would, exec: {{}}, match: {{path: {ROOT}/audit/plain}}, action: deny}}
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    it = Workshop.open(ROOT)
    furnish(it)
    for name in ("deny", "kill", "caller", "args", "free", "list", "audit", "neighbour"):
        it.program(f"{name}/plain", like="mark-dynamic")
    it.program("list/other", like="mark-dynamic")
    it.program("bound")
    for name in ("box/sh", "list/sh"):
        it.program(name, like="/bin/dash")
    shutil.copy(LOADER, ROOT / "list" / "copied")
    for verb in BY_LOADER:
        interpreted_by(it, bare(it, f"{verb}/bare"), f"interpreted-{verb}")
    interpreted_by(it, bare(it, "neighbour/bare"), "interpreted-neighbour")
    yield it
    shutil.rmtree(ROOT)


def _in_shell(shop: Workshop, shell: str, command: str) -> Ended:
    return shop.run(ROOT / shell, "-c", command)


def _memfd(shop: Workshop, uid: int) -> Ended:
    # the loader is told to run the descriptor, which the program that launch.c makes a memfd of is open at
    code = (
        "import os, sys\n"
        "fd = os.memfd_create('x', 0)\n"
        "os.write(fd, open(sys.argv[1], 'rb').read())\n"
        "os.execv(sys.argv[2], [sys.argv[2], f'/proc/self/fd/{fd}'])\n"
    )
    program = ROOT / "neighbour/plain"
    return shop.run("/usr/bin/python3", "-I", "-c", code, program, LOADER, **unprivileged(uid))


@pytest.fixture(scope="module")
def controls(shop) -> dict[str, Ended]:
    """What the attempts do while there is no policy."""
    ways = {f"{way} {v}": WAYS[way](shop, ROOT / v / "plain") for way in WAYS for v in BY_LOADER}
    interpreted = {f"interpreted-{v}": shop.run(ROOT / f"interpreted-{v}") for v in BY_LOADER}
    others = {
        "caller": _in_shell(shop, "box/sh", f"exec {LOADER} {ROOT}/caller/plain"),
        "memfd": _memfd(shop, 1001),
        "args": shop.run(LOADER, ROOT / "args/plain", "--evil"),
        "list": _in_shell(shop, "list/sh", f"exec {LOADER} {ROOT}/list/other"),
    }
    return ways | interpreted | others


@pytest.fixture(scope="module")
def engine(shop, controls, tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY, tmp_path_factory.mktemp("loader")) as it:
        yield it


@pytest.mark.parametrize("verb", BY_LOADER)
@pytest.mark.parametrize("way", WAYS)
def test_loader_does_not_run_what_the_kernel_would_not(way, verb, shop, controls, engine):
    assert RAN == controls[f"{way} {verb}"]

    assert shop.launch("path", ROOT / verb / "plain") == DIRECT[verb]
    assert WAYS[way](shop, ROOT / verb / "plain") == BY_LOADER[verb]
    assert WAYS[way](shop, ROOT / "neighbour/plain") == RAN


@pytest.mark.parametrize("verb", BY_LOADER)
def test_program_is_not_run_as_the_interpreter_of_another(verb, shop, controls, engine):
    assert RAN == controls[f"interpreted-{verb}"]

    ended = shop.run(ROOT / f"interpreted-{verb}")

    assert not ended.ran
    assert ended.code < 0  # the old program was gone when the kernel could not map the new one
    assert shop.run(ROOT / "interpreted-neighbour") == RAN


def test_whoever_ran_the_loader_is_who_acts(shop, controls, engine):
    command = f"exec {LOADER} {ROOT}/caller/plain"
    assert RAN == controls["caller"]

    assert _in_shell(shop, "box/sh", f"exec {ROOT}/caller/plain") == Ended(126, ran=False)
    assert _in_shell(shop, "box/sh", command) == BY_LOADER["deny"]
    assert shop.run("/bin/sh", "-c", command) == RAN


def test_file_without_a_name_is_none_for_a_loader(shop, controls, engine):
    assert RAN == controls["memfd"]

    assert _memfd(shop, 1001) == BY_LOADER["deny"]
    assert _memfd(shop, 1002) == RAN


def test_arguments_behind_a_loader_are_unknown(shop, controls, engine):
    assert RAN == controls["args"]

    assert shop.launch("path", ROOT / "args/plain", "--good") == RAN
    assert shop.launch("path", ROOT / "args/plain", "--evil") == DIRECT["kill"]
    assert shop.run(LOADER, ROOT / "args/plain", "--evil") == BY_LOADER["deny"]


def test_rule_may_leave_loaders_alone(shop, engine):
    assert shop.launch("path", ROOT / "free/plain") == Ended(errno.EPERM, ran=False)
    assert shop.run(LOADER, ROOT / "free/plain") == RAN


def test_allow_list_refuses_other_programs_and_no_libraries(shop, controls, engine):
    assert RAN == controls["list"]

    for command in (f"{ROOT}/list/plain", f"{LOADER} {ROOT}/list/plain"):
        assert _in_shell(shop, "list/sh", f"exec {command}") == RAN
        assert _in_shell(shop, "list/sh", f"LD_PRELOAD={ROOT}/library.so exec {command}") == RAN
    other = f"{ROOT}/list/other"
    assert _in_shell(shop, "list/sh", f"exec {LOADER} {other}") == BY_LOADER["deny"]
    assert _in_shell(shop, "list/sh", f"exec {ROOT}/list/copied {other}") == Ended(126, ran=False)


def test_library_is_no_program(shop, engine):
    # a rule on exec of the library itself: it is mapped, but not run
    for start in ([LOADER, "--preload", ROOT / "library.so"], ["/usr/bin/env", "-S"]):
        with_library = f"LD_PRELOAD={ROOT}/library.so {ROOT}/neighbour/plain"
        rest = ROOT / "neighbour/plain" if start[0] == LOADER else with_library
        assert shop.run(*start, rest) == RAN
    mini = ROOT / "ld-mini.so.1"
    assert shop.run(mini, ROOT / "neighbour/plain", ROOT / "library.so", ROOT / "deny/plain") == RAN
    assert shop.run(mini, ROOT / "library.so", ROOT / "neighbour/plain") == Ended(127, ran=False)


def test_tools_that_ask_a_loader_go_on(shop, engine):
    listed = attempt("/usr/bin/ldd", str(ROOT / "neighbour/plain"))

    assert b"libc.so.6" in listed.stdout
    assert attempt(LOADER, "--help").returncode == 0


def test_what_is_no_loader_is_a_program_that_maps_by_itself(shop, engine):
    # documented: `file: mmapExec` is the rule against it
    assert shop.run(ROOT / "maps-itself", ROOT / "deny/plain") == RAN
    assert shop.run(ROOT / "list/copied", ROOT / "deny/plain") == RAN


def test_record_says_that_it_was_by_a_loader_and_who_ran_it(shop, engine):
    _in_shell(shop, "box/sh", f"exec {LOADER} {ROOT}/caller/plain")

    event = engine.wait_for(lambda e: e["object"].get("path") == f"{ROOT}/caller/plain")

    assert ("exec", "loaded") == (event["event"], event["operation"])
    assert "loader" in event["object"]["flags"]
    assert f"{ROOT}/box/sh" == event["process"]["exe"]
    assert ("deny", True, "EPERM") == (event["action"], event["prevented"], event["errno"])


def test_audit_permits_and_records(shop, engine):
    assert shop.run(LOADER, ROOT / "audit/plain") == RAN

    event = engine.wait_for(lambda e: e["object"].get("path") == f"{ROOT}/audit/plain")
    assert ("would", "deny", False) == (event["rule"], event["action"], event["enforced"])
    assert "loader" in event["object"]["flags"]


def test_forked_children_of_allowed_programs_map_what_they_like(shop, engine):
    # a flag that stayed would make the first library of a child a program
    code = f"import os, ctypes; pid = os.fork(); ctypes.CDLL('{ROOT}/library.so')\n"
    code += "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else 0)"

    ended = attempt(LOADER, "/usr/bin/python3", "-I", "-c", "import sys\n" + code, env=os.environ)

    assert 0 == ended.returncode, ended.stderr
