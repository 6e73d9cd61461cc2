# SPDX-License-Identifier: MIT
"""How kubectl is called, and what is made of what it says."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import scaled

from enforcer.cli.exits import Exit, UsageError
from enforcer.plugin.kubectl import Kubectl, KubectlError, _Said, sentence
from enforcer.plugin.main import main

ROOT = Path(__file__).parents[3]


def test_options_come_before_everything(kubectl):
    """Behind `--` they would be words for the container."""
    kubectl.answer("get", out="x")

    assert b"x" == Kubectl(("--context=prod",)).ask("get", "--", "id")
    assert [["--context=prod", "get", "--", "id"]] == kubectl.asked()


def test_words_are_no_text_for_a_shell(kubectl, tmp_path):
    """Whatever is in them."""
    kubectl.answer("get")

    Kubectl().ask("get", f"$(touch {tmp_path}/made); `touch {tmp_path}/made` \n'\"")

    assert not (tmp_path / "made").exists()
    assert f"$(touch {tmp_path}/made); `touch {tmp_path}/made` \n'\"" == kubectl.asked()[0][1]


def test_a_failure_is_a_sentence_without_what_a_terminal_obeys(kubectl):
    """Names of a cluster have many authors."""
    kubectl.answer("get", err="Error from server (Forbidden): \x1b[2Jno\nmore\r\n", code=1)

    with pytest.raises(KubectlError) as found:
        Kubectl().ask("get")

    assert found.value.is_forbidden
    assert not found.value.is_missing
    assert "kubectl: Error from server (Forbidden): \\x1b[2Jno more" == str(found.value)


def test_a_failure_without_a_word(kubectl):
    """It has a code."""
    kubectl.answer("get", code=7)

    with pytest.raises(KubectlError, match="it ended with code 7"):
        Kubectl().ask("get")


def test_more_than_the_limit_is_an_error(kubectl):
    """Not a part of it: half an answer would be taken for all."""
    kubectl.answer("get", out="x" * 100, stays=True)

    with pytest.raises(KubectlError, match="more than 99 bytes"):
        Kubectl().ask("get", most=99)


def test_it_does_not_outlive_who_asked(kubectl):
    """Also if something else fails meanwhile."""
    kubectl.answer("get", stays=True)

    with pytest.raises(ZeroDivisionError), Kubectl().running("get") as process:
        raise ZeroDivisionError

    assert process.poll() is not None


def test_an_answer_into_a_file(kubectl):
    """With its size."""
    kubectl.answer("exec", out="journal")
    file = io.BytesIO()

    assert 7 == Kubectl().save("exec", into=file, most=7)
    assert b"journal" == file.getvalue()


def test_what_it_says_is_shown_while_it_takes_long(kubectl, monkeypatch, capfd):
    """A way to log in may want something, and its words are neutral, too."""
    monkeypatch.setattr("enforcer.plugin.kubectl._PATIENCE", 0.0)
    kubectl.answer("get", err="open \x1b[1mthis\n", stays=True)
    said = ""

    with Kubectl().running("get") as process:
        _Said(process)
        end = time.monotonic() + scaled(30)
        while not said and time.monotonic() < end:
            time.sleep(0.01)
            said += capfd.readouterr().err

    assert "open \\x1b[1mthis\n" == said


def test_without_a_kubectl(monkeypatch, tmp_path, capsys):
    """A sentence."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Exit.USAGE == main(["status"])

    assert "there is no kubectl on the path" in capsys.readouterr().err


def test_what_kubectl_tells_of_each_attempt_is_left_out():
    """Where a server cannot be reached it logs the same four times before its sentence."""
    log = b'E1128 06:00:00.1 1 memcache.go:265] "Unhandled Error"\n' * 4

    assert "The connection was refused" == sentence(log + b"The connection was refused\n")
    assert sentence(log).startswith("E1128")
    assert 601 == len(sentence(b"x" * 10_000))


@pytest.mark.parametrize(
    "words",
    [
        ["-n", "shop", "--context=prod", "--kubeconfig", "/k", "status"],
        ["status", "-n", "shop", "--context=prod", "--kubeconfig", "/k"],
        ["--context", "other", "status", "--namespace=shop", "--context=prod", "--kubeconfig=/k"],
    ],
)
def test_options_are_taken_before_and_behind_a_command(words, kubectl, capsys):
    """As kubectl takes them."""
    assert Exit.OK == main(words), capsys.readouterr().err

    for asked in kubectl.asked():
        assert ["--kubeconfig=/k", "--context=prod"] == asked[:2]


@pytest.mark.parametrize("name", ["../../secrets", "a/b", "", "-x", "Shop", "a b"])
def test_a_namespace_is_a_name(name, kubectl, capsys):
    """It becomes a part of a path of the API."""
    assert Exit.USAGE == main(["status", f"--namespace={name}"])

    assert "is not the name of a namespace" in capsys.readouterr().err
    assert [] == kubectl.asked()


def test_wrong_usage_says_where_the_help_is(capsys):
    """By the name that people type."""
    with pytest.raises(SystemExit) as ended:
        main(["status", "--wrong"])

    assert Exit.USAGE == ended.value.code
    assert "(kubectl enforcer status --help)" in capsys.readouterr().err


def test_a_parser_needs_no_library_but_attrs():
    """Nor the extension: pages of the manual are made where a wheel is built."""
    code = (
        "import json, sys\n"
        "for name in ('enforcer.libbpf._ffi', 'yaml', 'rich', 'tenacity'): sys.modules[name] = None\n"
        "from enforcer.plugin.commands import COMMANDS, parser\n"
        "parser(COMMANDS)\nimport enforcer.plugin.main\n"
        "print(json.dumps(sorted(m for m in sys.modules if m.startswith('enforcer.kernel'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [] == json.loads(done.stdout)


def test_a_kubectl_that_cannot_be_run(kubectl):
    """As one for another machine."""
    (kubectl.folder / "kubectl").write_text("no program")

    with pytest.raises(UsageError, match="cannot run"):
        Kubectl().ask("get")
