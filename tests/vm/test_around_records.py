# SPDX-License-Identifier: MIT
"""What records tell, and what no policy leaves out: matches of all policies, hooks, groups, deep trees."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, attempt, perl, running
from patience import scaled

ROOT = Path("/mnt/scratch/records")  # before Linux 6.7 an overlay opens its files twice
PAGE = Path(__file__).parents[2] / "docs/hooks.md"
GROUP, OTHER_GROUP, OWN_GROUP = 4242, 4243, 4244
MANY = 11
TREES = tuple(ROOT / name for name in ("vault", "open", "globs"))
ABYSS = Path("/run/enforcer-test-records")
FILES = (
    *("single", "both", "kept", "mixed", "limited", "many", "quiet", "free"),
    *("beside", "each", "last"),
)
_READ = "import os, sys; os.read(os.open(sys.argv[1], os.O_RDONLY), 1)"


def _policy(name: str, *rules: str, mode: str = "enforce") -> str:
    listed = "".join(f"    - {{{rule}}}\n" for rule in rules)
    return f"""---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: {name}}}
spec:
  mode: {mode}
  rules:
{listed}"""


def _on(operation: str, name: str, rest: str) -> str:
    return f"file: {operation}, match: {{path: {ROOT}/{name}}}, {rest}"


POLICIES = "".join(
    (
        _policy(
            "one",
            _on("read", "single", "action: log"),
            _on("read", "last", "action: log"),
            _on("read", "both", "action: log"),
            _on("write", "kept", "action: {deny: {errno: EACCES}}"),
            _on("read", "mixed", "action: allow"),
            _on("read", "limited", "action: log, rateLimit: 1/h"),
            _on("read", "beside", "action: log, rateLimit: 1/h"),
            _on("write", "beside", "action: log, name: writes"),
            _on("[read, write]", "each", "action: log, rateLimit: 1/h"),
        ),
        _policy(
            "two",
            _on("read", "both", "action: log, name: second, message: 'two saw {path}'"),
            _on("write", "kept", "action: log"),
            _on("read", "mixed", "action: allow, message: 'two lets {path} be read'"),
            _on("read", "limited", "action: log, rateLimit: 3/h"),
        ),
        _policy("trial", _on("read", "both", "action: deny"), mode="audit"),
        _policy(
            "deep",
            _on("read", "vault/**", "action: {deny: {errno: EACCES}}"),
            _on("write", "open/*/*.conf", "action: {deny: {errno: EACCES}}"),
            _on("write", "globs/**/*.conf", "action: {deny: {errno: EACCES}}"),
            _on("unlink", "open/**", "action: allow"),
            _on("unlink", "**", "action: {deny: {errno: EACCES}}"),
        ),
        _policy("groups", f"process: setgid, match: {{newGid: {GROUP}}}, action: deny"),
        *(
            _policy(
                f"many-{i}",
                _on("read", "many", "action: log"),
                _on("read", "quiet", "action: allow"),
            )
            for i in range(MANY)
        ),
    )
)


LEVELS = 30  # directories with names of NAME bytes: a path of 6,000 bytes
NAME = 200
TOO_MANY = 8_300  # more than the engine goes up


def _deep(tree: Path, levels: int = LEVELS, name: int = NAME) -> None:
    """Make a tree too deep for PATH_MAX, with two files at its end."""
    code = """
        my ($levels, $name) = @ARGV;
        for (1 .. $levels) { mkdir $name and chdir $name or die }
        for my $file ("leaf", "other") { open(F, ">", $file) and print(F "content") and close(F) or die }
    """
    tree.mkdir(parents=True)
    assert 0 == perl(code, str(levels), "d" * name, cwd=tree).returncode


def _at_the_end(tree: Path, deed: str, levels: int = LEVELS, name: int = NAME) -> int:
    """How a process ends that does *deed* in the lowest directory of *tree*: its errno if it fails."""
    go = "my ($levels, $name) = @ARGV; for (1 .. $levels) { chdir $name or exit 255 }"
    return perl(f"{go} {deed}", str(levels), "d" * name, cwd=tree).returncode


READ = "open(F, '<', 'leaf') or die; <F> eq 'content' or exit 255"
APPEND = "open(F, '>>', 'leaf') or die"
# Perl's own unlink() looks at the file before.
UNLINK = "my $other = 'other'; syscall(87, $other) == 0 or die"
STAT = "stat 'other' or die"


class Member:
    """A process that has been in the group since before the engine, and gives up another one when told."""

    def __init__(self) -> None:
        code = (
            f"import os, sys; os.setgroups([{GROUP}, {OTHER_GROUP}]); print('ready', flush=True); "
            f"sys.stdin.readline(); os.setgroups([{GROUP}]); print(os.getgroups())"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-ISc", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert "ready\n" == self.process.stdout.readline()

    def keeps(self) -> list[int]:
        """The groups that it has in the end."""
        told, _ = self.process.communicate("go\n", timeout=scaled(60))
        assert 0 == self.process.returncode
        return list(json.loads(told))


def _set(call: str) -> int:
    """How a process ends that makes itself a member, where it has been none."""
    code = """
        sub setgroups { my $list = pack("I*", @_); return syscall(116, scalar @_, $list) == 0 }
        sub setgid { return syscall(106, $_[0]) == 0 }
    """
    code += f"setgroups({OWN_GROUP}) or exit 255; {call} and exit 0; my $errno = $! + 0;"
    code += f"(split ' ', $), 2)[1] eq '{OWN_GROUP}' or exit 255; exit $errno"
    return perl(code).returncode


@pytest.fixture(scope="module")
def engine(scratch, tmp_path_factory) -> Iterator[tuple[Engine, Member]]:
    """One engine with all policies of this file; before it each deed succeeds."""
    assert ROOT.is_relative_to(scratch)
    ROOT.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (ROOT / name).write_text("content\n")
    assert 0 == _append("").returncode
    assert 0 == _set(f"setgroups({GROUP})")
    assert 0 == _set(f"setgid({GROUP})")
    for tree in (*TREES, ABYSS):
        subprocess.run(["rm", "-rf", tree], check=True)
    for tree in TREES:
        _deep(tree)
        assert 0 == _at_the_end(tree, READ) == _at_the_end(tree, APPEND)
    _deep(ABYSS, TOO_MANY, 1)
    assert 0 == _at_the_end(ABYSS, READ, TOO_MANY, 1)
    member = Member()
    with running(POLICIES, tmp_path_factory.mktemp("records")) as running_engine:
        yield running_engine, member


def _read(name: str, times: int = 1) -> None:
    for _ in range(times):
        assert 0 == attempt("/usr/bin/head", "-c", "1", str(ROOT / name)).returncode


def _append(text: str) -> subprocess.CompletedProcess[bytes]:
    code = "open(F, '>>', $ARGV[0]) and print(F $ARGV[1]) and close(F) or die"
    return perl(code, str(ROOT / "kept"), text)


def _records(engine: Engine, name: str, *, enforced: bool = True, least: int = 1) -> list[dict]:
    """The records on a file, once there are *least* of them."""
    until = time.monotonic() + scaled(20)
    while True:
        found = [
            event
            for event in engine.events()
            if event.get("object", {}).get("path") == str(ROOT / name)
            and event["enforced"] is enforced
        ]
        if len(found) >= least or time.monotonic() > until:
            return found
        time.sleep(0.1)


def _said(record: dict) -> list[tuple[str, str, bool]]:
    return [(said["policy"], said["action"], said["enforced"]) for said in record["matches"]]


# ---- Matches --------------------------------------------------------------------------------------


def test_two_policies_that_log_are_both_on_record(engine) -> None:
    """One record, with what each of them says, and what a policy on trial would have done."""
    _read("both")

    (found,) = _records(engine[0], "both")
    (tried,) = _records(engine[0], "both", enforced=False)

    assert ("one", "log") == (found["policy"], found["action"])
    expected = [("one", "log", True), ("two", "log", True), ("trial", "deny", False)]
    assert expected == _said(found) == _said(tried)
    assert ("second", f"two saw {ROOT}/both") == (
        found["matches"][1]["rule"],
        found["matches"][1]["message"],
    )
    assert ("trial", "deny") == (tried["policy"], tried["action"])


def test_a_policy_that_logs_is_on_record_where_another_denies(engine) -> None:
    """The refusal stands, and who only watches has it in writing."""
    before = (ROOT / "kept").read_text()

    done = _append("x")

    (found,) = _records(engine[0], "kept")
    assert done.returncode == errno.EACCES
    assert before == (ROOT / "kept").read_text()
    assert ("one", "deny", "EACCES") == (found["policy"], found["action"], found["errno"])
    assert [("one", "deny", True), ("two", "log", True)] == _said(found)


def test_a_silent_permission_silences_no_other_policy(engine) -> None:
    """The first of equals decides and wants no record; the other one has a message."""
    _read("mixed")

    (found,) = _records(engine[0], "mixed")
    assert ("one", "allow") == (found["policy"], found["action"])
    assert f"two lets {ROOT}/mixed be read" == found["matches"][1]["message"]


def test_a_limit_leaves_out_what_no_other_policy_wants(engine) -> None:
    """One of two limits is one record, the other three: the first four reads are told, the others are not."""
    _read("limited", 6)
    _read("single")
    _records(engine[0], "single")  # it came after them

    assert 4 == len(_records(engine[0], "limited"))


def test_a_limit_of_reads_leaves_out_no_writes(engine) -> None:
    """Of another rule of the policy, or of the same: also of a file that is opened to be read and written."""
    for name in ("beside", "each"):
        _read(name, 3)
        for _ in range(3):
            os.close(os.open(ROOT / name, os.O_RDWR))
    _read("last")
    _records(engine[0], "last")  # it came after them

    assert 1 + 3 == len(_records(engine[0], "beside"))
    assert 1 + 1 == len(_records(engine[0], "each"))


def test_more_matches_than_a_record_has_room_for_are_counted(engine) -> None:
    """Eight are told one by one, who decided is among them, and the rest is a number."""
    _read("many")

    (found,) = _records(engine[0], "many")
    names = [said["policy"] for said in found["matches"]]
    assert "many-0" == found["policy"] == names[0]
    assert len(names) in {8, 9}
    assert len(set(names)) == len(names)
    assert MANY == len(names) + found["matchesLeftOut"]


def test_one_match_is_told_as_ever(engine) -> None:
    """No list, and nothing of what nobody asked about, or many permit in silence."""
    _read("quiet")
    _read("free")
    _read("single")

    assert not {"matches", "matchesLeftOut"} & _records(engine[0], "single")[-1].keys()
    silent = {str(ROOT / "free"), str(ROOT / "quiet")}
    assert [] == [e for e in engine[0].events() if e["object"].get("path") in silent]


# ---- Paths over PATH_MAX --------------------------------------------------------------------------


def test_a_deep_tree_is_known_by_its_head(engine) -> None:
    """What lies in the directory of a rule is refused however deep, what lies elsewhere goes on."""
    assert 13 == _at_the_end(TREES[0], READ)
    assert 0 == _at_the_end(TREES[1], READ)
    assert 0 == _at_the_end(TREES[1], APPEND)

    found = engine[0].wait_for(lambda e: e.get("policy") == "deep" and e["operation"] == "read")
    path = found["object"]["path"]
    assert path.startswith(f"{TREES[0]}/{'d' * NAME}/")
    assert path.endswith("/" + "d" * NAME)
    assert 3800 < len(path) <= 4096
    assert "cut" in found["object"]["flags"]
    assert not found["onError"]


def test_a_permission_for_a_tree_holds_at_any_depth(engine) -> None:
    """The name goes where it is permitted, and stays where it is not."""
    assert 0 == _at_the_end(TREES[1], UNLINK)
    assert 13 == _at_the_end(TREES[0], UNLINK)
    assert 13 == _at_the_end(TREES[2], UNLINK)
    assert errno.ENOENT == _at_the_end(TREES[1], STAT)
    assert 0 == _at_the_end(TREES[0], STAT)


def test_what_depends_on_the_end_of_a_deep_path_is_unknown(engine) -> None:
    """A glob that the end could still meet falls to onError; one that the head excludes does not."""
    assert 13 == _at_the_end(TREES[2], APPEND)
    found = engine[0].wait_for(lambda e: e.get("policy") == "deep" and e["operation"] == "append")
    assert found["onError"]


def test_a_tree_that_is_too_deep_is_unknown(engine) -> None:
    """The way up ends somewhere, and rules that refuse then refuse."""
    assert 13 == _at_the_end(ABYSS, READ, TOO_MANY, 1)
    found = engine[0].wait_for(
        lambda e: e.get("policy") == "deep" and e["onError"] and "path" in e["object"]["unknown"]
    )
    assert "cut" not in found["object"]["flags"]


# ---- Supplementary groups -------------------------------------------------------------------------


def test_a_group_is_not_gained_as_a_supplementary_one(engine) -> None:
    """Neither way of getting it, others go on, and who has had it keeps it."""
    assert errno.EPERM == _set(f"setgid({GROUP})")
    assert errno.EPERM == _set(f"setgroups({OWN_GROUP}, {GROUP})")
    assert errno.EPERM == _set(f"setgroups(5000 .. 5059, {GROUP})")
    assert 0 == _set(f"setgroups({OTHER_GROUP})")
    assert 0 == _set("setgroups()")
    assert [GROUP] == engine[1].keeps()


def test_more_groups_than_are_looked_at_are_refused(engine) -> None:
    """Behind the 64th that is gained the group is unknown, and onError decides."""
    assert errno.EPERM == _set("setgroups(6000 .. 6099)")
    found = engine[0].wait_for(lambda e: e.get("policy") == "groups" and e["onError"])
    assert "toGid".lower() in "".join(found["object"]["unknown"]).replace("_", "").lower()


# ---- Hooks ----------------------------------------------------------------------------------------

NO_HOOKS = frozenset(
    {"find_cgroup_shim", "func_proto", "get_retval_range", "has_d_inode_locked", "verify_prog"}
    | {"hook_returns_errno", "init", "is_sleepable_hook", "is_trusted", "opts"}
)
"""Functions of the kernel's bpf LSM that are called like hooks and are none."""


def test_every_hook_of_this_kernel_is_on_the_page() -> None:
    """Decided on, or with the reason why not."""
    functions = {
        parts[2].removeprefix("bpf_lsm_")
        for line in Path("/proc/kallsyms").read_text().splitlines()
        if (parts := line.split())[1] in set("tTwW") and parts[2].startswith("bpf_lsm_")
    }
    hooks = {name for name in functions if re.fullmatch("[a-z0-9_]+", name)} - NO_HOOKS
    named = set(re.findall(r"`([a-z0-9_]+)`", PAGE.read_text()))

    assert len(hooks) > 200
    assert hooks - named == set()
    assert os.geteuid() == 0
