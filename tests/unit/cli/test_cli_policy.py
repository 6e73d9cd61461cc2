# SPDX-License-Identifier: MIT
"""The commands that change the active policies, against a socket with nothing behind it."""

import os

import pytest
from control_fakes import CHANGE, WEB, WEB_YAML, Served
from printed import document

from enforcer.cli.columns import columns
from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.errors import ControlError, KernelError, PolicyError, PolicyErrors
from enforcer.policy.model.modes import Mode
from enforcer.policy.store import load_text
from enforcer.policy.text.loader import MAX_BYTES
from enforcer.span import Span

GOOD = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata:
  name: {name}
spec:
  rules:
    - name: no-shell
      exec:
      match:
        path: /bin/bash
      action: deny
"""


@pytest.fixture
def served(tmp_path):
    made = Served(tmp_path / "s.sock")
    yield made
    made.close()


@pytest.fixture
def run(served, capsys):
    """Run a command against the served socket; returns exit code, output and errors."""

    def call(*words):
        code = main([*map(str, words), "--socket", str(served.server.path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def write(tmp_path):
    def make(name, text=None):
        path = tmp_path / f"{name}.yaml"
        path.write_text(GOOD.format(name=name) if text is None else text)
        return path

    return make


def test_reload_shows_what_changed(served, run):
    """The lines of the daemon, then what is active; warnings stand beside."""
    served.policies.answer = {**CHANGE, "warnings": ["web.yaml:7:5: warning: hits sshd"]}

    code, out, err = run("reload")

    assert code == Exit.OK
    assert out == (
        "policy web: mode audit\n"
        "enforcer: generation 7 active, 12 rules, compiled in 0.10 s, swapped in 1.2 ms\n"
    )
    assert err == "enforcer: web.yaml:7:5: warning: hits sshd\n"
    assert served.policies.asked == [("reload", None)]


def test_reload_that_changes_nothing(served, run):
    """The generation stays."""
    served.policies.answer = {**CHANGE, "lines": [], "generation": 6, "unchanged": True}

    assert run("reload")[1] == "enforcer: nothing differs, generation 6 stays active\n"


def test_reload_with_a_time_to_confirm(served, run):
    """The user is told how to keep it."""
    served.policies.answer = {**CHANGE, "confirmWithin": 60.0, "successor": True}

    code, out, _ = run("reload", "--confirm-within", "1m")

    assert code == Exit.OK
    _, active, pending = out.splitlines()
    assert active.endswith("swapped in 1.2 ms, in a new session")
    assert pending == "enforcer: active for 60 s unless confirmed: enforcer confirm"
    assert served.policies.asked == [("reload", 60)]


def test_reload_as_json(served, run):
    """One object with all of the answer, under a version."""
    code, out, _ = run("reload", "--json")

    assert code == Exit.OK
    assert document("change", out) == {"version": 1, **CHANGE}


@pytest.mark.parametrize("text", ["0.5s", "500ms", "61m", "2h", "-5", "soon"])
def test_times_that_nobody_can_confirm_in(text, run, served, capsys):
    """Refused before anything is asked."""
    with pytest.raises(SystemExit) as ended:
        run("reload", f"--confirm-within={text}")

    assert ended.value.code == Exit.USAGE
    assert "--confirm-within" in capsys.readouterr().err
    assert served.policies.asked == []


@pytest.mark.parametrize(("text", "seconds"), [("1", 1), ("90", 90), ("60m", 3600), ("1h", 3600)])
def test_times_to_confirm_in(text, seconds, run, served):
    """Bounds included."""
    assert run("reload", "--confirm-within", text)[0] == Exit.OK
    assert served.policies.asked == [("reload", seconds)]


def test_confirm(served, run):
    """Both answers are sentences."""
    served.policies.answer = {"generation": 7, "unchanged": False}
    assert run("confirm") == (
        Exit.OK, "enforcer: confirmed, generation 7 stays active\n", "",
    )  # fmt: skip
    assert not document("confirm", run("confirm", "-o", "json")[1])["unchanged"]
    served.policies.answer = {"generation": 7, "unchanged": True}
    assert run("confirm")[1] == "enforcer: nothing awaits confirmation: generation 7 stays active\n"
    assert document("confirm", run("confirm", "--json")[1]) == {
        "version": 1, "generation": 7, "unchanged": True,
    }  # fmt: skip


def test_errors_of_policies_are_all_told(served, run):
    """Exit code 1, every place."""
    served.policies.error = PolicyErrors(
        [PolicyError("bad", Span("a.yaml", 3, 5)), PolicyError("worse", Span("b.yaml", 1, 1))]
    )

    code, out, err = run("reload")

    assert (code, out) == (Exit.POLICY, "")
    assert err.splitlines()[:2] == ["a.yaml:3:5: bad", "b.yaml:1:1: worse"]


@pytest.mark.parametrize("error", [ControlError("no such policy: web"), KernelError("no room")])
def test_other_errors_are_one_sentence(served, run, error):
    """Exit code 2."""
    served.policies.error = error

    assert run("policy", "remove", "web") == (Exit.USAGE, "", f"enforcer: {error}\n")


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["remove", "web"], ("remove", "web", None)),
        (["remove", "web", "--confirm-within", "5m"], ("remove", "web", 300)),
        (["enable", "web"], ("set_enabled", "web", True, None)),
        (["disable", "web", "--confirm-within", "60s"], ("set_enabled", "web", False, 60)),
        (["set-mode", "web", "audit"], ("set_mode", "web", "audit", None)),
        (["set-mode", "web", "enforce", "--confirm-within", "9"], ("set_mode", "web", "enforce", 9)),
    ],
)  # fmt: skip
def test_changes_of_one_policy(served, run, words, call):
    """Each reaches the daemon with its words."""
    code, out, _ = run("policy", *words)

    assert code == Exit.OK
    assert out.startswith("policy web: mode audit\nenforcer: generation 7 active")
    assert served.policies.asked == [call]


def test_list(run):
    """Aligned columns, one line for each policy."""
    code, out, _ = run("policy", "list")

    assert code == Exit.OK
    assert out == (
        "policy  mode         state     rules  refused  audited  origin  file\n"
        "web     audit (set)  enabled       2        3    1,200  file    "
        "/etc/enforcer/policies/web.yaml\n"
        "a       audit        disabled      2        3    1,200  added   "
        "/etc/enforcer/policies/web.yaml\n"
        "\n"
        "nothing is enforced: 1 policy only audits (set at run time: web), 2 rules, 3 programs\n"
    )


def test_list_and_show_as_json(run):
    """What the daemon answers, under a version."""
    assert document("policy-list", run("policy", "list", "--json")[1])["policies"][0] == WEB
    shown = document("policy-show", run("policy", "show", "web", "-o", "json")[1])
    assert (shown["version"], shown["name"]) == (1, "web")
    assert shown["rows"][0]["place"] == "web.yaml:7:5"


def test_show(served, run):
    """YAML that can be read again; what it does not say stands in comments."""
    code, out, _ = run("policy", "show", "web")

    assert code == Exit.OK
    assert [
        "# /etc/enforcer/policies/web.yaml:4:3: web, from its file",
        "# mode audit (set), enabled",
        "#",
        "# rule  refused  permitted  audited",
        "# one         3          0        0",
        "#",
        *WEB_YAML.splitlines()[1:],
    ] == out.splitlines()
    (shown,) = load_text(out.encode(), "shown.yaml").policies
    assert ("web", Mode.AUDIT, 1) == (shown.name, shown.mode, len(shown.rules))
    assert served.policies.asked == [("show", "web")]


def test_show_as_yaml_alone(run):
    """Without comments on top."""
    assert run("policy", "show", "web", "-o", "yaml")[1] == WEB_YAML.partition("\n")[2]


def test_changes_of_one_policy_as_json(run, write):
    """The same document as of a reload."""
    words = [["add", str(write("new"))], ["remove", "new"], ["disable", "web"], ["enable", "web"]]
    for each in (*words, ["set-mode", "web", "audit"]):
        code, out, err = run("policy", *each, "-o", "json")

        assert (code, err) == (Exit.OK, "")
        assert document("change", out)["lines"] == ["policy web: mode audit"]


def test_add_sends_the_texts_as_one_change(served, run, write):
    """The texts and the places where they stand; also for a time."""
    first, second = write("one"), write("two")
    texts = {str(path): path.read_text() for path in (first, second)}

    code, _, _ = run("policy", "add", first, second)
    run("policy", "add", "--confirm-within", "60s", first, second)

    assert code == Exit.OK
    assert served.policies.asked == [("add", texts, None), ("add", texts, 60)]


def test_add_names_files_so_that_others_find_them(served, run, write, monkeypatch):
    """The daemon works elsewhere."""
    path = write("one")
    monkeypatch.chdir(path.parent)

    run("policy", "add", "one.yaml")

    assert [str(path)] == list(served.policies.asked[0][1])


def test_add_checks_every_file_first(served, run, write):
    """A mistake in the last file keeps the first from being added."""
    good = write("good")
    bad = write("bad", GOOD.format(name="bad").replace("deny", "dney"))
    worse = write("worse", "kind: [")

    code, _, err = run("policy", "add", good, bad, worse)

    assert code == Exit.POLICY
    assert f"{bad}:11:15: " in err
    assert f"{worse}:2:1: not valid YAML" in err
    assert served.policies.asked == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name: \xe9", b"#" * (MAX_BYTES + 1)])
def test_add_of_what_is_no_text(served, run, tmp_path, content):
    """A place and a reason, and nothing is sent."""
    path = tmp_path / "x.yaml"
    path.write_bytes(content)

    code, _, err = run("policy", "add", path)

    assert code == Exit.POLICY
    assert f"{path}:1:" in err
    assert served.policies.asked == []


def test_add_follows_no_links(served, run, write, tmp_path):
    """Nor does it wait at a FIFO or read a folder."""
    (tmp_path / "link.yaml").symlink_to(write("one"))
    os.mkfifo(tmp_path / "fifo.yaml")

    assert "is a symbolic link" in run("policy", "add", tmp_path / "link.yaml")[2]
    assert "is not a regular file" in run("policy", "add", tmp_path / "fifo.yaml")[2]
    assert "is not a regular file" in run("policy", "add", tmp_path)[2]
    code, _, err = run("policy", "add", tmp_path / "none.yaml")
    assert (code, served.policies.asked) == (Exit.USAGE, [])
    assert err == f"enforcer: {tmp_path}/none.yaml: No such file or directory\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["explode"],
        ["add"],
        ["show"],
        ["remove"],
        ["set-mode", "web"],
        ["set-mode", "web", "off"],
        ["list", "--confirm-within", "60s"],
    ],
)
def test_wrong_usage(words):
    """argparse explains, exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["policy", *words])
    assert ended.value.code == Exit.USAGE


@pytest.mark.parametrize(
    "words", [["reload"], ["confirm"], ["policy", "list"], ["policy", "show", "web"]]
)
def test_without_a_daemon(words, tmp_path, capsys):
    """One sentence that says how to start it."""
    assert main([*words, "--socket", str(tmp_path / "none.sock")]) == Exit.USAGE
    assert "no daemon is running" in capsys.readouterr().err


def test_an_empty_table_has_its_heads():
    """No policy is not an error."""
    assert list(columns(("a", "bc"), [])) == ["a  bc"]
