# SPDX-License-Identifier: MIT
"""
No sequence of steps of a process gets around rules on code, marks and ids, as a search finds: ``hunt/processes.c``.

Before there is an engine it runs foreign programs, calls foreign code, reads what is marked and becomes who it must not.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import compiled
import pytest
from engine import running
from hunt import campaign
from hunt.searcher import Searcher

_FOREIGN_CODE = bytes.fromhex("b82a000000c3")  # return 42
_OWN_CODE = bytes.fromhex("b807000000c3")  # return 7
_SIZE = 8192
_LOADER = Path("/lib64/ld-linux-x86-64.so.2")
_LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
_CORES = {"core_pattern": "{base}/work/core", "core_uses_pid": "0"}
_MARKS = {"tree": 41001, "process": 41002}


def _rule(event: str, *conditions: str, action: str = "action: {deny: {errno: EDOM}}") -> list[str]:
    return [f"  - {event}", f"    match: {{{', '.join(conditions)}}}", f"    {action}"]


def _policy(base: Path, nameless: str) -> str:
    keeper = f"{base}/bin/keeper"
    ours = f"lineage: {{binary: {base}/bin/hunt-processes}}"
    others = f"notLineage: {{binary: {keeper}}}"  # the keeper is tried by trustedCode alone
    lines = ["apiVersion: enforcer/v1", "kind: EnforcerPolicy", "metadata: {name: hunt}"]
    lines += ["spec:", "  rules:"]
    for scope, port in _MARKS.items():
        mark = f"mark: {{name: {scope}, of: {scope}}}"
        lines += _rule("network: egress", f"port: {port}", ours, action=mark)
        within = f"within: {{mark: {scope}, last: 1h}}"
        lines += _rule("file: read", f"path: {base}/marked/{scope}", within, ours)
    # A file without a name, or without one on the host, has no path of which a glob could say that it does not match.
    which_ones = [f"path: {{notGlob: ['{base}/bin/**']}}", f"{nameless}: true"]
    if nameless == "fileless":
        which_ones.append("offHost: true")
    for which in which_ones:
        lines += _rule("exec: {}", which, ours)
        lines += _rule("file: mmapExec", which, ours, others)
    # It would refuse memfds, too, and hide that the rules on them do not.
    if nameless == "fileless":
        lines += _rule("memory: any", ours, others)
    lines += _rule("process: [ptrace, traceme]", ours)
    lines += _rule("process: setuid", "newUid: 4242", ours)
    lines += _rule("process: setgid", "newGid: 4343", ours)
    lines += _rule("file: modify", f"path: '{base}/bin/**'", ours)
    lines += _rule("file: write", "path: ['/proc/*/mem', '/proc/*/task/*/mem']", ours)
    trusted = f"notProcess: {{binary: {keeper}, trustedCode: true}}"
    lines += _rule("file: read", f"path: {base}/secret", trusted)
    nowhere = f"path: {{notGlob: ['{base}/nowhere/**']}}"
    lines += _rule("file: create", nowhere, f"process: {{binary: {keeper}}}")
    return "\n".join(lines) + "\n"


def _foreign(content: bytes) -> bytes:
    assert content.count(b" is TRUSTED\0") == 1
    return content.replace(b" is TRUSTED\0", b" is FOREIGN\0")


def _fill(directory: Path, files: dict[str, bytes], mode: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(mode)


def _built(name: str, directory: Path) -> bytes:
    compiled.place(name, directory / name)
    return (directory / name).read_bytes()


def _furnish(base: Path, secret: str, directory: Path) -> None:
    program, keeper, library = (
        _built(name, directory) for name in ("hunt-processes", "hunt-keeper", "hunt-library")
    )
    text = f"#!{base}/bin/prog ran\n".encode()
    own_code = _OWN_CODE.ljust(_SIZE, b"\xcc")
    own = {"prog": program, "code": own_code, "text": text, "lib.so": library, "dynamic": keeper}
    foreign = {
        "prog": _foreign(program),
        "code": _FOREIGN_CODE.ljust(_SIZE, b"\xcc"),
        "text": text,
        "lib.so": _foreign(library),
        "dynamic": _foreign(keeper),
    }
    more = {
        "hunt-processes": program,
        "keeper": keeper,
        "ld.so": _LOADER.read_bytes(),
        "libc.so.6": _LIBC.read_bytes(),
    }
    memory = base / "memory"
    memory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "x", memory], check=True)
    _fill(memory, {"own": own_code}, 0o644)
    _fill(base / "bin", own | more, 0o755)
    _fill(base / "model/own", own, 0o755)
    for name in ("model/foreign", "work", "memory"):
        _fill(base / name, foreign, 0o777)
    _fill(base / "marked", dict.fromkeys(_MARKS, b"anything at all"), 0o644)
    _fill(base, {"secret": secret.encode()}, 0o644)
    for each in (base, base / "bin", base / "marked"):
        each.chmod(0o755)
    (base / "work").chmod(0o777)


@pytest.fixture(scope="module")
def _cores(scratch) -> Iterator[None]:
    """Core files where the searcher sees them."""
    kernel = Path("/proc/sys/kernel")
    before = {name: (kernel / name).read_text() for name in _CORES}
    for name, value in _CORES.items():
        (kernel / name).write_text(value.format(base=scratch / "hunt-processes"))
    yield
    for name, value in before.items():
        (kernel / name).write_text(value)


@pytest.fixture(scope="module")
def searcher(scratch, _cores, tmp_path_factory) -> Iterator[Searcher]:
    """The searcher, in a world of its own."""
    base, directory = scratch / "hunt-processes", tmp_path_factory.mktemp("hunt")
    secret = secrets.token_hex(16)
    _furnish(base, secret, directory)
    yield Searcher(base / "bin/hunt-processes", (str(base), secret), directory)
    subprocess.run(["umount", "-l", base / "memory"], check=True)
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def control(searcher) -> None:
    """What it finds before there is an engine."""
    campaign.control(searcher, sequences=300, floor=5)


# A memfd is also a file without links, and one that is not on the host: rules on memfds are tried where those are not.
@pytest.mark.parametrize("nameless", ["fileless", "memfd"])
def test_no_way_around_rules_on_processes_is_found(
    nameless, control, searcher, tmp_path_factory
) -> None:
    policy = _policy(Path(searcher.arguments[0]), nameless)
    its = replace(searcher, arguments=(*searcher.arguments, nameless))
    with running(policy, tmp_path_factory.mktemp("engine")):
        campaign.hunt(its, "processes", success=0.001, share=0.5)
