# SPDX-License-Identifier: MIT
"""Programs that must not run: not by another spelling, not without a name, not through a script."""

from __future__ import annotations

import errno
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from daemon import kernel_counts
from engine import Engine, python, running
from programs import RAN, Ended, Workshop, unprivileged
from starving import without_memory

ROOT = Path("/opt/enforcer-test-exec")
USER = {"deny": 1001, "kill": 1002}  # who tries what has no path of its own
REFUSED = {
    "deny": Ended(errno.EACCES, ran=False),
    "kill": Ended(-signal.SIGKILL, ran=False),
}
ACTION = {"deny": "{deny: {errno: EACCES}}", "kill": "{kill: {errno: EACCES}}"}


def _rules(verb: str) -> str:
    here, action, uid = ROOT / verb, ACTION[verb], USER[verb]
    by_path = "".join(
        f"    - {{exec: {{}}, match: {{path: {path}}}, action: {action}}}\n"
        for path in (
            here / "plain",
            here / "script.sh",
            f"/bin/enforcer-test-{verb}-bin",
            f"/usr/bin/enforcer-test-{verb}-usr",
        )
    )
    return f"""
{by_path}
    - {{exec: {{}}, match: {{path: {here}/sh, interpreter: true}}, action: {action}}}
    - {{exec: {{}}, match: {{path: {here}/scripts/**, script: true}}, action: {action}}}
    - {{exec: {{}}, match: {{memfd: true, process: {{uid: {uid}}}}}, action: {action}}}
    - {{exec: {{}}, match: {{fileless: true, process: {{uid: {uid}}}}}, action: {action}}}
    - {{exec: {{}}, match: {{path: {here}/suid/**, setuid: true}}, action: {action}}}
    - {{exec: {{}}, match: {{path: {here}/sgid/**, setgid: true}}, action: {action}}}
    - {{exec: {{}}, match: {{path: {here}/caps/**, fileCapabilities: true}}, action: {action}}}
    - {{exec: {{}}, match: {{path: {here}/dynamic}}, action: {action}, loader: false}}
    - {{file: mmapExec, match: {{path: {here}/dynamic}}, action: {action}}}
    - {{file: open, match: {{path: {here}/unreadable}}, action: {action}}}
"""


def _policy() -> str:
    args = ROOT / "args"
    return f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: programs}}
spec:
  rules:
{_rules("deny")}
{_rules("kill")}
    - exec: {{}}
      match: {{path: {args}/index, args: [{{index: 1, equal: --evil}}]}}
      action: kill
    - exec: {{}}
      match: {{path: {args}/any, args: [{{index: any, contains: /dev/tcp/}}]}}
      action: kill
    - exec: {{}}
      match: {{path: {args}/prefix, args: [{{index: 2, prefix: http}}]}}
      action: kill
    - exec: {{}}
      match: {{path: {args}/two, args: [{{index: 1, equal: -c}}, {{index: 2, suffix: sh}}]}}
      action: kill
    - exec: {{}}
      match: {{path: {args}/first, args: [{{index: 1, equal: EVIL=1}}]}}
      action: kill
    - exec: {{}}
      match: {{path: {args}/anywhere, args: [{{index: any, equal: EVIL=1}}]}}
      action: kill
    - {{exec: {{}}, match: {{path: {ROOT}/term}}, action: {{kill: {{signal: TERM}}}}}}
    - {{exec: {{}}, match: {{path: {ROOT}/errno}}, action: {{deny: {{errno: ENOENT}}}}}}
    - {{exec: {{}}, match: {{path: {ROOT}/default}}, action: deny}}
    - {{name: logged, exec: {{}}, match: {{path: {ROOT}/logged}}, action: log}}
    - name: allowed
      exec: {{}}
      match: {{path: {ROOT}/allowed}}
      action: allow
      message: "{{binary}} ran {{path}}"
    - {{name: silent, exec: {{}}, match: {{path: {ROOT}/silent}}, action: allow}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: rehearsal}}
spec:
  mode: audit
  rules:
    - {{name: would-deny, exec: {{}}, match: {{path: {ROOT}/audited-deny}}, action: deny}}
    - {{name: would-kill, exec: {{}}, match: {{path: {ROOT}/audited-kill}}, action: kill}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: allow-list}}
spec:
  selector: {{binary: {ROOT}/box/sh}}
  default: {{exec: {{deny: {{errno: EACCES}}}}}}
  rules:
    - {{exec: {{}}, match: {{path: {ROOT}/box/listed}}, action: allow}}
"""


@attrs.frozen
class Form:
    """One way to run what the rules of *verb* refuse, and what must keep working beside it."""

    attack: Callable[[Workshop, str], Ended]
    neighbour: Callable[[Workshop, str], Ended]


def _ordinary(shop: Workshop, verb: str) -> Ended:
    return shop.run(ROOT / verb / "neighbour")


def _nameless(form: str) -> Form:
    return Form(
        lambda shop, verb: shop.launch(form, ROOT / "mark", **unprivileged(USER[verb])),
        lambda shop, verb: shop.launch("path", ROOT / "mark", **unprivileged(USER[verb])),
    )


def _at(form: str, name: str, neighbour: str = "neighbour", uid: int = 0) -> Form:
    return Form(
        lambda shop, verb: shop.launch(form, ROOT / verb / name, **unprivileged(uid)),
        lambda shop, verb: shop.launch(form, ROOT / verb / neighbour, **unprivileged(uid)),
    )


FORMS = {
    "path": _at("path", "plain"),
    "symlink": _at("path", "link"),
    "symlinked directory": _at("path", "here/plain"),
    "dots": _at("path", "suid/../plain"),
    "proc root": Form(
        lambda shop, verb: shop.launch("path", f"/proc/self/root{ROOT}/{verb}/plain"),
        _ordinary,
    ),
    "execveat descriptor": _at("fd", "plain"),
    "execveat O_PATH": _at("o_path", "plain"),
    "execveat directory": _at("at", "plain"),
    "thread": _at("thread", "plain"),
    "unprivileged": _at("path", "plain", uid=1003),
    "rule on /bin, run in /usr/bin": Form(
        lambda shop, verb: shop.launch("path", f"/usr/bin/enforcer-test-{verb}-bin"), _ordinary
    ),
    "rule on /bin, run in /bin": Form(
        lambda shop, verb: shop.launch("path", f"/bin/enforcer-test-{verb}-bin"), _ordinary
    ),
    "rule on /usr/bin, run in /bin": Form(
        lambda shop, verb: shop.launch("path", f"/bin/enforcer-test-{verb}-usr"), _ordinary
    ),
    "script": _at("path", "script.sh", "other.sh"),
    "script by descriptor": _at("at", "script.sh", "other.sh"),
    "interpreter": Form(
        lambda shop, verb: shop.launch("path", ROOT / verb / "with-own-sh.sh"),
        lambda shop, verb: shop.launch("path", ROOT / verb / "sh", "-c", ': > "$MARK"'),
    ),
    "any script here": _at("path", "scripts/some.sh", "scripts/binary"),
    "set-user-ID": _at("path", "suid/set", "suid/unset", uid=1003),
    "set-group-ID": _at("path", "sgid/set", "sgid/unset", uid=1003),
    "file capabilities": _at("path", "caps/set", "caps/unset", uid=1003),
    "memfd": _nameless("memfd"),
    "memfd through /proc": _nameless("memfd_proc"),
    "unlinked": _nameless("unlinked"),
    "O_TMPFILE": _nameless("tmpfile"),
    "dynamic": _at("path", "dynamic"),
}


def _furnish(shop: Workshop, verb: str) -> None:
    for name in ("plain", "neighbour", "suid/unset", "sgid/unset", "caps/unset", "scripts/binary"):
        shop.program(f"{verb}/{name}")
    shop.program(f"{verb}/dynamic", like="mark-dynamic")
    shop.program(f"{verb}/dynamic-neighbour", like="mark-dynamic")
    shop.program(f"{verb}/suid/set", mode=0o4755)
    shop.program(f"{verb}/sgid/set", mode=0o2755)
    capable = shop.program(f"{verb}/caps/set")
    subprocess.run(["/usr/sbin/setcap", "cap_net_raw+ep", capable], check=True)
    here = ROOT / verb
    (here / "link").symlink_to("plain")
    (here / "here").symlink_to(here)
    for name in ("script.sh", "other.sh", "scripts/some.sh"):
        shop.script(f"{verb}/{name}")
    shop.program(f"{verb}/sh", like="/bin/dash")
    shop.script(f"{verb}/with-own-sh.sh", here / "sh")
    for name in ("bin", "usr"):
        shutil.copy(ROOT / "mark", f"/usr/bin/enforcer-test-{verb}-{name}")


ARGS = {
    "index": (["index", "--evil"], ["index", "--good", "--evil"]),
    "any": (["any", "a", "b", "x>/dev/tcp/192.0.2.1/4"], ["any", "a", "b", "/dev/tcp"]),
    "any, seventeenth": (["any", *"abcdefghijklmnop", "/dev/tcp/1"], ["any", *"abcdefghijklmnop"]),
    "any, behind more than is looked at": (["any", "a" * 20000, "/dev/tcp/1"], ["any", "a" * 20]),
    "prefix": (["prefix", "-x", "https://a"], ["prefix", "https://a", "-x"]),
    "index behind more than is looked at": (["prefix", "a" * 20000, "http"], ["prefix", "a"]),
    "two": (["two", "-c", "a.sh"], ["two", "-c", "a.py"]),
    "first": (["first", "EVIL=1"], ["first", "EVIL=2"]),
    "anywhere": (["anywhere", "a", "EVIL=1"], ["anywhere", "a", "EVIL=2"]),
}

PLAIN = ("term", "errno", "default", "logged", "allowed", "silent", "audited-deny", "audited-kill")


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    it = Workshop.open(ROOT)
    for verb in ACTION:
        _furnish(it, verb)
    for name in (*PLAIN, "box/listed", "box/other"):
        it.program(name)
    for name in ("index", "any", "prefix", "two", "first", "anywhere"):
        it.program(f"args/{name}")
    it.program("box/sh", like="/bin/dash")
    yield it
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def controls(shop) -> dict[tuple[str, str], Ended]:
    """What every attack does while there is no policy."""
    forms = {(f, v): FORMS[f].attack(shop, v) for f in FORMS for v in ACTION}
    args = {
        (name, "args"): shop.launch("path", ROOT / "args" / argv[0], *argv[1:])
        for name, (argv, _) in ARGS.items()
    }
    plain = {(name, "plain"): shop.launch("path", ROOT / name) for name in PLAIN}
    box = {("box", "other"): shop.run(ROOT / "box/sh", "-c", f"{ROOT}/box/other; exit $?")}
    loader = {
        ("loader", v): shop.run("/lib64/ld-linux-x86-64.so.2", ROOT / v / "dynamic") for v in ACTION
    }
    return forms | args | plain | box | loader


@pytest.fixture(scope="module")
def engine(shop, controls, tmp_path_factory) -> Iterator[Engine]:
    with running(_policy(), tmp_path_factory.mktemp("exec"), is_executed=True) as it:
        yield it


def test_customers_example_gives_the_customers_record(tmp_path):
    example = Path(__file__).parents[2] / "policies/examples/detect-bash-exec.yaml"
    log = tmp_path / "records"
    text = example.read_text(encoding="utf-8")
    with running(text, tmp_path, "--logfmt-log", str(log)) as it:
        for spelling in ("/bin/bash", "/usr/bin/bash"):
            subprocess.run(["/bin/dash", "-c", f"{spelling} -c :; exit 0"], check=True)
        it.wait_for(lambda _: len(it.events()) >= 2)

    lines = log.read_text().splitlines()

    form = (
        r'time="[^"]+" level=info '
        r'msg="Suspicious /bin/bash execution detected in pod - \(namespace -\)" '
        r'pid=\d+ proc_name="dash" syscall=execve parent_pid=\d+ parent_proc_name="[^"]+" .*'
    )
    assert len(lines) == 2
    assert all(re.fullmatch(form, line) for line in lines)


@pytest.mark.parametrize("verb", ACTION)
@pytest.mark.parametrize("form", FORMS)
def test_refused_program_never_runs(form, verb, shop, controls, engine):
    assert RAN == controls[form, verb]

    assert FORMS[form].attack(shop, verb) == REFUSED[verb]
    assert FORMS[form].neighbour(shop, verb) == RAN


def checked(path: Path) -> int:
    """How a process ends that only asks whether a file may be run (AT_EXECVE_CHECK)."""
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
words = (ctypes.c_char_p * 2)(sys.argv[1].encode(), None)
result = libc.syscall(322, -100, words[0], words, words, 0x10000)
sys.exit(ctypes.get_errno() if result else 0)
"""
    return python(code, str(path)).returncode


def test_who_only_asks_is_told_that_it_never_runs(shop, controls, engine):
    """Interpreters ask so before they run a script that they have opened."""
    neighbours = [checked(ROOT / verb / "neighbour") for verb in ACTION]
    if neighbours == [errno.EINVAL] * 2:
        pytest.skip("before Linux 6.14 nobody can ask")
    assert [0, 0] == neighbours

    for verb in ACTION:
        answers = [checked(ROOT / verb / name) for name in ("plain", "script.sh")]
        assert answers == [REFUSED[verb].code] * 2


@pytest.mark.parametrize("verb", ACTION)
def test_dynamic_loader_cannot_run_what_may_not_be_mapped(verb, shop, controls, engine):
    loader = "/lib64/ld-linux-x86-64.so.2"
    assert RAN == controls["loader", verb]

    ended = shop.run(loader, ROOT / verb / "dynamic")

    assert not ended.ran
    assert ended.code == (127 if verb == "deny" else -signal.SIGKILL)
    assert shop.run(loader, ROOT / verb / "dynamic-neighbour") == RAN


@pytest.mark.parametrize("name", ARGS)
def test_arguments_kill_before_the_first_instruction(name, shop, controls, engine):
    bad, good = ARGS[name]
    assert RAN == controls[name, "args"]

    assert shop.launch("path", ROOT / "args" / bad[0], *bad[1:]) == REFUSED["kill"]
    assert shop.launch("path", ROOT / "args" / good[0], *good[1:]) == RAN


def test_arguments_for_which_there_is_no_memory_are_unknown(shop, controls, engine):
    """Fails closed where a rule on this program would refuse, nowhere else, and is counted."""
    bad, good = ARGS["index"]
    before = kernel_counts()

    with without_memory("arguments"):
        assert shop.launch("path", ROOT / "args" / bad[0], *bad[1:]) == REFUSED["kill"]
        assert shop.launch("path", ROOT / "args" / good[0], *good[1:]) == REFUSED["kill"]
        assert shop.launch("path", ROOT / "mark") == RAN

    now = kernel_counts()
    assert now["no_scratch"] - before["no_scratch"] >= 2
    assert now["argv_unknown"] - before["argv_unknown"] >= 2
    assert shop.launch("path", ROOT / "args" / good[0], *good[1:]) == RAN


@pytest.mark.parametrize("name", ["first", "anywhere"])
def test_environment_is_no_argument(name, shop, controls, engine):
    # the kernel keeps the environment right behind the arguments: here it would be argument 1
    def with_environment(argument):
        only = f'exec /usr/bin/env -i EVIL=1 MARK="$MARK" {ROOT}/args/{name} {argument}'
        return shop.run("/bin/sh", "-c", only)

    assert with_environment("") == RAN
    assert with_environment("EVIL=1") == REFUSED["kill"]


def test_signal_is_the_chosen_one(shop, controls, engine):
    assert RAN == controls["term", "plain"]

    assert shop.launch("path", ROOT / "term") == Ended(-signal.SIGTERM, ran=False)


def test_ignored_signal_leaves_the_refusal(shop, controls, engine):
    # the shell ignores the signal, and so do the programs that it becomes
    ended = shop.run("/bin/sh", "-c", f"trap '' TERM; exec {ROOT}/launch path {ROOT}/term")

    assert ended == Ended(errno.EPERM, ran=False)


@pytest.mark.parametrize(("name", "error"), [("errno", errno.ENOENT), ("default", errno.EPERM)])
def test_errno_is_the_chosen_one(name, error, shop, controls, engine):
    assert RAN == controls[name, "plain"]

    assert shop.launch("path", ROOT / name) == Ended(error, ran=False)


@pytest.mark.parametrize("verb", ["deny", "kill"])
def test_audit_permits_and_records(verb, shop, engine):
    path = str(ROOT / f"audited-{verb}")

    assert shop.launch("path", path) == RAN

    event = engine.wait_for(lambda e: e["object"].get("path") == path)
    assert ("rehearsal", f"would-{verb}", verb) == (event["policy"], event["rule"], event["action"])
    assert not event["enforced"]
    assert not event["prevented"]


def test_log_permits_and_records(shop, engine):
    path = str(ROOT / "logged")

    assert shop.launch("path", path) == RAN

    event = engine.wait_for(lambda e: e["object"].get("path") == path)
    assert ("logged", "log", False) == (event["rule"], event["action"], event["prevented"])
    assert f"{ROOT}/launch" == event["process"]["exe"]


def test_refusal_is_recorded(shop, engine):
    path = str(ROOT / "errno")

    shop.launch("path", path)

    event = engine.wait_for(lambda e: e["object"].get("path") == path)
    assert ("deny", True, "ENOENT") == (event["action"], event["prevented"], event["errno"])


def test_allow_is_recorded_with_a_message_only(shop, engine):
    assert shop.launch("path", ROOT / "silent") == RAN
    assert shop.launch("path", ROOT / "allowed") == RAN

    event = engine.wait_for(lambda e: e["object"].get("path") == str(ROOT / "allowed"))
    assert ("allow", f"{ROOT}/launch ran {ROOT}/allowed") == (event["action"], event["message"])
    # records keep their order: the silent one would have come first
    assert not [e for e in engine.events() if e["object"].get("path") == str(ROOT / "silent")]


def test_allow_list_refuses_everything_else(shop, controls, engine):
    shell = ROOT / "box/sh"
    assert RAN == controls["box", "other"]

    assert shop.run(shell, "-c", f"{ROOT}/box/other; exit $?") == Ended(126, ran=False)
    assert shop.run(shell, "-c", f"exec {ROOT}/box/other") == Ended(126, ran=False)
    assert shop.run(shell, "-c", f"{ROOT}/box/listed; exit $?") == RAN
    assert shop.run(ROOT / "box/other") == RAN


def test_files_that_never_had_a_name_are_no_unknown_paths(shop, engine):
    # rules on paths refuse what they cannot read; a memfd or a pipe is none of that
    assert shop.launch("memfd", ROOT / "mark", **unprivileged(1003)) == RAN
    assert shop.run("/bin/sh", "-c", ': | { : < /dev/stdin; } && : > "$MARK"') == RAN
