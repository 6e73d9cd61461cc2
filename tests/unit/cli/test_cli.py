# SPDX-License-Identifier: MIT
"""The command line, as far as it goes without a kernel that enforces."""

import argparse
import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from enforcer import __version__
from enforcer.amounts import plural, size, span
from enforcer.cli.arguments import duration, policy_paths
from enforcer.cli.commands import COMMANDS
from enforcer.cli.exits import Exit, UsageError, guarded
from enforcer.cli.main import main
from enforcer.errors import (
    ControlError,
    HeldError,
    KernelError,
    PolicyError,
    PolicyErrors,
    UnsupportedError,
    VerifierError,
)
from enforcer.span import Span

ROOT = Path(__file__).parents[3]

GOOD = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata:
  name: tools
spec:
  rules:
    - name: no-cat
      exec:
      match:
        path: /usr/bin/cat
      action: deny
"""


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def enforcer(*words, **options):
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "enforcer", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_check_of_a_good_policy(good, capsys):
    """A good policy ends with 0 and one line."""
    assert main(["check", str(good)]) == Exit.OK
    assert capsys.readouterr().out.startswith("ok: 1 policy, 1 rule, an image of ")


REMARKED = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata:
  name: tools
spec:
  rules:
    - {name: a, file: read, match: {path: /nowhere/a}, action: deny}
    - {name: b, file: read, match: {path: /nowhere/b}, action: log}
    - {name: c, file: read, match: {path: /nowhere/c}, action: {kill: {signal: TERM}}}
"""


@pytest.mark.parametrize(
    ("words", "paths", "warnings"),
    [([], ["a"], 1), (["-v"], ["a", "b", "c"], 1), (["--quiet"], [], 1), (["-q"], [], 1)],
)
def test_check_says_once_what_is_the_same_for_many_rules(tmp_path, capsys, words, paths, warnings):
    """All of them if asked to, and no remarks if asked to be quiet; warnings always."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(REMARKED)

    assert Exit.OK == main(["check", *words, str(policy)])

    said = capsys.readouterr().err.splitlines()
    missing = [line for line in said if "does not exist on this machine" in line]
    assert [f"/nowhere/{name}" in line for name, line in zip(paths, missing, strict=True)] == [
        True for _ in paths
    ]
    assert ("(and 2 more like it: -v lists them)" in "".join(missing)) is (words == [])
    assert warnings == sum(": warning: " in line for line in said)
    assert ("info" in "".join(said)) is bool(paths)


def test_check_is_not_quiet_and_verbose_at_once(good):
    """One of them."""
    with pytest.raises(SystemExit) as ended:
        main(["check", "-q", "-v", str(good)])
    assert Exit.USAGE == ended.value.code


def test_check_explains_where_rules_are_decided(good, monkeypatch, capsys):
    """Before the summary; who may not try what the kernel can is told so."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert main(["check", "--explain", str(good)]) == Exit.OK

    first, second, last = capsys.readouterr().out.splitlines()
    assert first.endswith(
        "rule no-cat: exec: decided at LSM hooks bprm_check_security, bprm_creds_for_exec, mmap_file"
    )
    assert "needs root" in second
    assert last.startswith("ok: ")


def test_check_tells_every_error_with_its_place(tmp_path, capsys):
    """All errors of all files are listed, with file, line and column."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD.replace("action: deny", "action: dney"))
    second.write_text(GOOD.replace("name: tools", "name: other").replace("match", "mach"))

    code = main(["check", str(first), str(second)])

    said = capsys.readouterr().err
    assert code == Exit.POLICY
    assert f"{first}:11:15: " in said
    assert f"{second}:9:7: " in said
    assert "errors in policies: nothing was loaded" in said


FOREIGN = """\
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: hsp}
spec:
  nodeSelector: {matchLabels: {kubernetes.io/hostname: some-other-host}}
  process:
    matchPaths: [{path: /usr/bin/cat}]
"""


def test_convert_prints_what_can_be_activated(tmp_path, capsys):
    """A foreign policy becomes one of ours, for any host, with its places."""
    foreign, ours = tmp_path / "hsp.yaml", tmp_path / "ours.yaml"
    foreign.write_text(FOREIGN)

    assert Exit.OK == main(["convert", str(foreign)])
    text = capsys.readouterr().out
    ours.write_text(text)

    assert f"    # {foreign}:7:18\n    - name: process.matchPaths.1\n" in text
    assert Exit.OK == main(["check", str(ours)])
    assert Exit.POLICY == main(["check", str(foreign)])
    assert "this is" in capsys.readouterr().err


SEEING = """\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: seeing}
spec:
  kprobes:
  - call: security_bpf
    args: [{index: 0, type: int}, {index: 1, type: auto}]
"""


def test_convert_says_what_is_carried_over_and_differs(tmp_path, capsys):
    """As a remark beside the policy, which is printed all the same."""
    foreign = tmp_path / "tracing.yaml"
    foreign.write_text(SEEING)

    assert Exit.OK == main(["convert", str(foreign)])
    found = capsys.readouterr()

    assert f"{foreign}:7:35: info: argument 1 is in no record" in found.err
    assert "kernel: bpf" in found.out


def test_convert_of_what_cannot_be_carried_over(good, tmp_path, capsys):
    """Every error is told, and nothing is printed, not even what could be."""
    foreign = tmp_path / "ksp.yaml"
    foreign.write_text(FOREIGN.replace("nodeSelector", "selector"))

    assert Exit.POLICY == main(["convert", str(good), str(foreign)])
    found = capsys.readouterr()

    assert "" == found.out
    assert f"{foreign}:5:3: 'selector' is not supported by this version" in found.err


def test_convert_of_our_own(good, capsys):
    """A policy of ours comes out in its canonical form."""
    assert Exit.OK == main(["convert", str(good)])
    assert "match: {path: /usr/bin/cat}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing.yaml", Exit.USAGE),
        ("missing/policy.yaml", Exit.USAGE),
        (".", Exit.POLICY),
        ("binary.yaml", Exit.POLICY),
    ],
)
def test_check_of_what_is_no_policy(name, code, tmp_path, capsys):
    """A file that is missing, an empty folder and binary rubbish are errors with a place."""
    (tmp_path / "binary.yaml.txt").write_bytes(b"")
    if name == "binary.yaml":
        (tmp_path / name).write_bytes(bytes(range(256)))

    assert code == main(["check", str(tmp_path / name)])
    assert f"{tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "convert", "test"])
def test_a_file_that_cannot_be_opened_is_no_invalid_policy(command, tmp_path):
    """But a policy that is invalid is one, whatever else cannot be opened."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: b")

    assert Exit.USAGE == main([command, str(tmp_path / "missing.yaml")])
    assert Exit.POLICY == main([command, str(bad), str(tmp_path / "missing.yaml")])


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["convert"],
        ["test"],
        ["start"],
        ["dry-run"],
        ["policy", "add"],
        ["test", "--junit"],
    ],
    ids=" ".join,
)
def test_an_empty_name_is_no_file(words, capsys):
    """It would be the working directory: a variable that is not set would name all of that."""
    with pytest.raises(SystemExit) as ended:
        main([*words, ""])

    assert Exit.USAGE == ended.value.code
    assert "the name of a file is empty: name one" in capsys.readouterr().err


def test_standard_input_is_checked():
    """As a file would be, with places in it."""
    good = enforcer("check", "-", input=GOOD)
    bad = enforcer("check", "-", input=GOOD.replace("action: deny", "action: dney"))

    assert (Exit.OK, "ok: 1 policy, 1 rule") == (good.returncode, good.stdout[:20])
    assert Exit.POLICY == bad.returncode
    assert bad.stderr.startswith("<stdin>:11:15: ")


def test_standard_input_beside_a_file(good):
    """They are checked together: names must differ."""
    done = enforcer("check", "-", good, input=GOOD)

    assert Exit.POLICY == done.returncode
    assert "has its name from <stdin>:" in done.stderr


def test_standard_input_is_converted():
    """Into our own language, with places in it."""
    done = enforcer("convert", "-", input=FOREIGN)

    assert Exit.OK == done.returncode
    assert "    # <stdin>:7:18\n" in done.stdout


def test_no_standard_input_is_said(good):
    """A closed one is a file that cannot be read."""
    done = enforcer("check", "-", preexec_fn=lambda: os.close(0))

    assert Exit.USAGE == done.returncode
    assert "<stdin>:1:1: cannot read the file: Bad file descriptor" in done.stderr


def test_what_is_read_again_is_no_standard_input(capsys):
    """A daemon reads its policies at every reload."""
    with pytest.raises(SystemExit) as ended:
        main(["start", "-"])

    assert Exit.USAGE == ended.value.code
    assert "standard input can be read only once" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "stop", "events"])
def test_commands_for_a_daemon_that_does_not_run(command, tmp_path, capsys, monkeypatch):
    """One sentence that says how to start it."""
    monkeypatch.setattr("enforcer.cli.stop.is_left", lambda _: False)

    code = main([command, "--socket", str(tmp_path / "none.sock")])

    assert code == Exit.USAGE
    assert capsys.readouterr().err == (
        "enforcer: no daemon is running: start it with: enforcer start\n"
    )


@pytest.mark.parametrize("words", [["start"], ["dry-run"], ["doctor"]])
def test_what_needs_root_says_so(words, good, monkeypatch, capsys):
    """Without root one sentence, before anything else is tried."""
    monkeypatch.setattr("enforcer.cli.arguments.os.geteuid", lambda: 1000)

    code = main([*words, str(good)] if words != ["doctor"] else words)

    assert code == Exit.USAGE
    assert "needs root" in capsys.readouterr().err


def test_no_policies_anywhere(tmp_path, monkeypatch):
    """The default folder must exist when nothing is named."""
    monkeypatch.setattr("enforcer.places.POLICIES", tmp_path / "none")

    with pytest.raises(UsageError, match="does not exist"):
        policy_paths([])


BAD = "a.yaml:3:5: bad\nenforcer: 1 error in policies: nothing was loaded\n"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (PolicyError("bad", Span("a.yaml", 3, 5)), Exit.POLICY, BAD),
        (
            PolicyErrors([PolicyError("one"), PolicyError("two")]),
            Exit.POLICY,
            "one\ntwo\nenforcer: 2 errors in policies: nothing was loaded\n",
        ),
        (ControlError("not there"), Exit.USAGE, "enforcer: not there\n"),
        (HeldError("another daemon holds it"), Exit.USAGE, "enforcer: another daemon holds it\n"),
        (UnsupportedError("too old: upgrade"), Exit.KERNEL, "enforcer: too old: upgrade\n"),
        (KernelError("load", errno.ENOMEM), Exit.KERNEL, "enforcer: load: Cannot allocate memory\n"),
        (VerifierError("refused", errno.EACCES, "log"), Exit.KERNEL, "enforcer: refused: Permission denied\n"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/log"),
            Exit.USAGE,
            "enforcer: /x/log: No such file or directory\n",
        ),
    ],
)  # fmt: skip
def test_expected_failures_are_sentences(error, code, sentence, capsys):
    """Each family of errors has its exit code, and no traceback."""

    def fail():
        raise error

    assert guarded(fail) == code
    assert capsys.readouterr().err == sentence


def test_a_bug_is_a_sentence_too(capsys):
    """What nobody expected ends with 4 and says how to learn more."""
    assert guarded(lambda: 1 // 0) == Exit.INTERNAL

    said = capsys.readouterr().err
    assert "internal error: ZeroDivisionError" in said
    assert "Traceback" not in said


def test_ctrl_c_is_silent(capsys):
    """Interrupting is not an error worth a word."""

    def interrupted():
        raise KeyboardInterrupt

    assert guarded(interrupted) == Exit.INTERRUPTED
    assert capsys.readouterr().err == ""


INTERRUPTED = """
import sys
where = sys.argv.pop(1)
class Interrupt:
    def find_spec(self, name, *_):
        if name == where:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from enforcer.__main__ import main
sys.exit(main())
"""
"""The command, with a Ctrl-C while one module is imported."""


@pytest.mark.parametrize(
    "where",
    [
        "argparse",
        "enforcer.cli.main",
        "enforcer.cli.exits",
        "enforcer.cli.check",
        "enforcer.runtime.policies.compilation",
        "yaml",
    ],
)
def test_ctrl_c_is_silent_while_modules_are_read(where, good):
    """Which is most of what a short command does."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, where, "check", str(good)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (Exit.INTERRUPTED, "", "") == (done.returncode, done.stdout, done.stderr)


def test_the_installed_scripts_begin_where_ctrl_c_is_silent():
    """What they call imports the command line inside."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert {
        "enforcer": "enforcer.__main__:main",
        "kubectl-enforcer": "enforcer.__main__:kubectl",
        "kubectl_complete-enforcer": "enforcer.__main__:kubectl_complete",
    } == project["project"]["scripts"]


def test_notes_of_kernel_errors_are_told(capsys):
    """What libbpf said last is part of the sentence."""
    error = KernelError("cannot load", errno.EINVAL)
    error.add_note("libbpf: no BTF")

    def fail():
        raise error

    guarded(fail)
    assert capsys.readouterr().err == "enforcer: cannot load: Invalid argument; libbpf: no BTF\n"


def test_a_reader_that_leaves_is_no_traceback(good):
    """`enforcer … | head` does not complain."""
    good.write_text(GOOD.replace("action: deny", "action: log"))  # of which nothing is remarked
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "enforcer", "check", str(good)],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (Exit.BROKEN_PIPE, b"")


@pytest.mark.parametrize("call", ["console().print('a table')", "print('a line')"])
def test_whoever_prints_a_reader_that_leaves_is_the_same(call):
    """Tables are printed by a library that would end the process as if a policy were wrong."""
    said = f"""
import sys
from enforcer.cli.exits import guarded
from enforcer.cli.output import console
sys.exit(guarded(lambda: {call} or 0))
"""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", said], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)

    assert (Exit.BROKEN_PIPE, b"") == (done.returncode, done.stderr)


def test_a_help_text_that_nobody_reads_is_no_error():
    """`enforcer --help | head -1` says nothing more."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "enforcer", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        timeout=60,
        check=False,
    )
    os.close(writer)

    assert (Exit.OK, b"") == (done.returncode, done.stderr)


def test_version_and_help():
    """Both end with 0, and each command explains itself with an example."""
    assert f"enforcer {__version__}\n" in enforcer("--version").stdout
    assert "a first session" in enforcer("--help").stdout


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command, capsys):
    """A stranger finds purpose and examples."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "examples:" in said
    assert "SPDX" not in said


@pytest.mark.parametrize(
    "words", [[], ["explode"], ["check"], ["events", "--last", "0"], ["dry-run", "--for", "x"]]
)
def test_wrong_usage(words):
    """argparse explains, exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        ([], {"rich", "yaml", "cffi", "_cffi_backend", "tenacity", "enforcer.policy"}),
        (["start"], {"rich", "yaml", "cffi", "_cffi_backend", "tenacity"}),
        (["confirm"], {"rich", "yaml", "cffi", "_cffi_backend", "tenacity", "enforcer.policy"}),
    ],
)
def test_a_command_does_not_import_what_others_need(command, heavy):
    """`enforcer --help` is quick, and so is the command that is typed before a machine locks one out."""
    code = (
        f"import sys; from enforcer.cli.commands import parser; parser({command!r}).format_help(); "
        f"print({heavy!r} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("5m", 300), ("1h", 3600), ("500ms", 0.5), ("2.5", 2.5), (" 7 s ", 7)],
)
def test_durations(text, seconds):
    """Seconds unless a unit is given."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "s", "-5s", "5 days", "1e3"])
def test_no_durations(text):
    """Anything else is refused."""
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


def test_words_for_numbers():
    """Output reads like language."""
    assert [plural(1, "policy"), plural(2, "policy"), plural(1234, "rule"), plural(2, "process")] == [
        "1 policy", "2 policies", "1,234 rules", "2 processes",
    ]  # fmt: skip
    assert [size(500), size(2048), size(5 << 20), size(3 << 30)] == [
        "500 bytes", "2.0 KiB", "5.0 MiB", "3.0 GiB",
    ]  # fmt: skip
    assert [span(0.94), span(75), span(3720), span(3 * 86400)] == [
        "0.9 s", "1 m 15 s", "1 h 02 m", "3 d 00 h",
    ]  # fmt: skip
