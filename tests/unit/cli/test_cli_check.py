# SPDX-License-Identifier: MIT
"""`enforcer check` in its forms, and of the configuration."""

import json
import re

import attrs
import jsonschema
import pytest
import sarif_schema
from printed import document

from enforcer.cli.exits import Exit
from enforcer.cli.findings import found_in
from enforcer.cli.main import main
from enforcer.cli.schemas import schema
from enforcer.errors import LimitError
from enforcer.policy.lint.degradation import Gap
from enforcer.policy.lint.kinds import KINDS, LATE_DENIAL
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.policy.store import load_policies
from enforcer.runtime.policies import compilation
from enforcer.runtime.policies.compilation import prepare
from enforcer.span import Span

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: tools}\nspec:\n  rules:\n"
WARNED = f"""{HEAD}\
    - {{name: a, file: read, match: {{path: /nowhere/a}}, action: deny}}
    - {{name: b, file: read, match: {{path: /nowhere/b}}, action: {{kill: {{signal: TERM}}}}}}
    - {{name: c, exec: {{}}, match: {{path: /bin/true, args: [{{index: 1, equal: -v}}]}}, action: kill}}
"""
LIMITED = f"{HEAD}    - {{name: a, %s, action: deny}}\n"
WRONG = f"{HEAD}    - {{name: a, file: raed, match: {{port: 1}}, action: deny}}\n"


@pytest.fixture
def write(tmp_path):
    def make(text, name="policy.yaml"):
        path = tmp_path / name
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
        return path

    return make


@pytest.fixture
def checked(capsys):
    """Check as a document; returns the exit code and the document. Nothing else is printed."""

    def check(*words):
        code = main(["check", "--json", *map(str, words)])
        said = capsys.readouterr()
        assert "" == said.err
        return code, document("check", said.out)

    return check


def test_what_is_right_is_counted(checked, write):
    """And what is found besides is listed, as the text has it."""
    path = write(WARNED)

    code, found = checked(path)

    assert (Exit.OK, True, 1, 3) == (code, found["ok"], found["policies"], found["rules"])
    assert found["imageBytes"] > 1000
    kinds = {each["kind"]: each for each in found["findings"]}
    assert {"soft-signal", "missing-path"} <= kinds.keys() <= KINDS.keys()
    missing = kinds["missing-path"]
    assert ("info", 1, str(path)) == (missing["severity"], missing["others"], missing["file"])
    assert (6, 43) == (missing["line"], missing["column"])
    assert f"{path}:6:43" == missing["place"]
    assert "decided" not in found


def test_what_the_compiler_warns_of_is_found(write):
    """Which no text leads to by now: it is refused when it is read."""
    (policy,) = load_policies([write(WARNED)]).policies
    rule = attrs.evolve(
        policy.rules[2], action=attrs.evolve(policy.rules[2].action, verb=Verb.DENY)
    )
    prepared = prepare(PolicySet((attrs.evolve(policy, rules=(rule,)),)))

    (late,) = [each for each in found_in(prepared) if each.kind == LATE_DENIAL]

    assert ("warning", rule.span) == (late.severity, late.span)
    assert late.line in prepared.warnings


def test_how_much_is_found_is_as_in_the_text(checked, write):
    """Quiet leaves remarks out, verbose leaves none together."""
    path = write(WARNED)

    _, quiet = checked("--quiet", path)
    _, verbose = checked("--verbose", path)

    assert {"warning"} == {each["severity"] for each in quiet["findings"]}
    assert 2 == sum(each["kind"] == "missing-path" for each in verbose["findings"])


def test_errors_are_in_the_document(checked, write, tmp_path):
    """All of them, with the exit code that they have as text."""
    path = write(WRONG)

    code, found = checked(path, tmp_path / "none.yaml")

    assert (Exit.POLICY, False) == (code, found["ok"])
    assert [None] * 3 == [found[key] for key in ("policies", "rules", "imageBytes")]
    assert {("invalid-policy", "error"), ("unreadable-file", "error")} == {
        (each["kind"], each["severity"]) for each in found["findings"]
    }
    assert Exit.USAGE == checked(tmp_path / "none.yaml")[0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (WRONG, "invalid-policy"),
        ("spec: {", "invalid-text"),
        ("a: &x 1\n", "invalid-text"),
        (b"\xff\xfea\x00", "invalid-text"),
        ("a: \u200b\n", "invalid-text"),
        (
            HEAD
            + "".join(f"    - {{name: r{n}, exec: {{}}, action: deny}}\n" for n in range(70_000)),
            "invalid-text",
        ),
    ],
)
def test_kinds_of_errors(checked, write, text, kind):
    """By what was wrong: the text, or what it says."""
    code, found = checked(write(text))

    assert Exit.POLICY == code
    assert kind in {each["kind"] for each in found["findings"]}


def test_a_limit_is_a_kind(checked, write, monkeypatch):
    """The compiler's, which has no list of errors."""

    def refuse(*_, **__):
        raise LimitError("too many rules", Span("a.yaml", 3, 4))

    monkeypatch.setattr(compilation, "prepare", refuse)

    code, found = checked(write(WARNED))

    assert Exit.POLICY == code
    assert [("exceeded-limit", "a.yaml:3:4")] == [
        (each["kind"], each["place"]) for each in found["findings"]
    ]


def test_where_rules_are_decided_is_in_the_document(checked, write, monkeypatch):
    """As in the text."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    path = write(WARNED)

    _, found = checked("--explain", path)

    assert ["a", "b", "c"] == [each["rule"] for each in found["decided"]]
    first = found["decided"][0]
    assert ("tools", f"{path}:6:7", []) == (first["policy"], first["place"], first["notes"])
    assert first["says"].startswith("file read: decided at LSM hook")
    assert ["not checked: what this kernel can refuse, which needs root"] == found["limits"]


@pytest.mark.parametrize(
    ("word", "n"), [("file: read, match: {path: /x}", 1), ("syscall: keyctl", 2)]
)
def test_what_does_not_decide_every_time_is_a_limit(checked, write, monkeypatch, word, n):
    """At calls only of policies that have rules there."""
    gaps = (Gap("it preempts", "boot"), Gap("it preempts calls", "match", at_calls=True))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("enforcer.runtime.policies.too_late.find_gaps", lambda: gaps)
    monkeypatch.setattr("enforcer.kernel.entries.problem", lambda: None)

    _, found = checked("--explain", write(LIMITED % word))

    said = [
        "rules do not decide every time: it preempts: boot",
        "rules on system calls and functions do not decide every time: it preempts calls: match",
    ]
    assert said[:n] == found["limits"]


def test_nothing_to_check_is_wrong_usage(capsys):
    """As it was when policies had to be named."""
    with pytest.raises(SystemExit) as ended:
        main(["check"])

    assert Exit.USAGE == ended.value.code
    assert "enforcer: POLICY is missing (enforcer help check)\n" == capsys.readouterr().err


# ---- SARIF -------------------------------------------------------------------------------------


@pytest.fixture
def logged(capsys):
    def check(*words):
        code = main(["check", "--sarif", *map(str, words)])
        said = capsys.readouterr()
        assert "" == said.err
        log = json.loads(said.out)
        sarif_schema.validate(log)
        return code, log["runs"][0]

    return check


def test_a_log_for_code_hosting(logged, write, tmp_path, monkeypatch):
    """Levels, rules, places; files of the folder are named from there on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my policies").mkdir()
    write(WARNED, "my policies/web#1.yaml")

    code, run = logged("my policies")

    assert Exit.OK == code
    assert [*KINDS] == [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert {"warning", "note"} == {result["level"] for result in run["results"]}
    (soft,) = [result for result in run["results"] if result["ruleId"] == "soft-signal"]
    assert {
        "artifactLocation": {"uri": "my%20policies/web%231.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "startColumn": 7},
    } == soft["locations"][0]["physicalLocation"]
    assert soft["message"]["text"].startswith("rule 'b' kills with SIGTERM")


def test_errors_are_results(logged, write, tmp_path, monkeypatch):
    """With the exit code of the text. A file elsewhere has a whole address."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = write(WRONG)

    code, run = logged("../policy.yaml")
    other = logged("-o", "sarif", tmp_path / "none.yaml")

    assert (Exit.POLICY, Exit.USAGE) == (code, other[0])
    assert {"error"} == {result["level"] for result in run["results"]}
    assert {path.as_uri()} == {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
    }


def test_every_kind_has_a_word_that_stays():
    """Tools count on them: whoever renames a check gives it another name for all of them."""
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", kind) for kind in KINDS)
    assert all(says.endswith(".") for says in KINDS.values())


# ---- The configuration ----------------------------------------------------------------------------


def test_a_configuration_that_is_right(write, capsys):
    """One line, as for policies."""
    path = write("quiet: true\n", "enforcer.yaml")

    assert Exit.OK == main(["check", "--config", str(path)])
    assert f"ok: {path}\n" == capsys.readouterr().out


def test_a_configuration_that_is_wrong(write, capsys):
    """Every error, as a start would tell it; the exit code is that of a start."""
    path = write("quite: true\nsocket: []\n", "enforcer.yaml")

    assert Exit.USAGE == main(["check", "--config", str(path)])
    checked = capsys.readouterr().err
    assert Exit.USAGE == main(["start", "--config", str(path)])

    assert checked == capsys.readouterr().err
    assert [f"{path}:1:1: ", f"{path}:2:9: "] == [
        line[: len(f"{path}:1:1: ")] for line in checked.splitlines()[:2]
    ]


def test_a_configuration_as_a_document(checked, logged, write):
    """Its errors have a kind of their own."""
    path = write("quite: true\nsocket: [\n", "enforcer.yaml")
    other = write("quite: true\n", "other.yaml")

    code, found = checked("--config", path)
    assert (Exit.USAGE, ["invalid-text"]) == (code, [each["kind"] for each in found["findings"]])
    code, found = checked("--config", other)
    assert (Exit.USAGE, ["invalid-setting"]) == (code, [each["kind"] for each in found["findings"]])
    code, run = logged("--config", other)
    assert (Exit.USAGE, "invalid-setting") == (code, run["results"][0]["ruleId"])
    assert checked("--config", write("quiet: true\n", "good.yaml")) == (
        Exit.OK,
        {
            "version": 1,
            "ok": True,
            "policies": None,
            "rules": None,
            "imageBytes": None,
            "findings": [],
        },
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("watch: false\nwatchConfirmWithin: 1m\n", "needs the watch"),
        ("jsonLog: /a\nlogfmtLog: /a\n", "write to the same place"),
        ("key: /nowhere/key\n", "--key needs --protect"),
        ("key: /nowhere/key\nprotect: true\n", "cannot read the key's verifier /nowhere/key"),
    ],
)
def test_what_contradicts_itself_is_refused(write, capsys, text, why):
    """A start would find it, too."""
    path = write(text, "enforcer.yaml")

    assert Exit.USAGE == main(["check", "--config", str(path)])
    assert why in capsys.readouterr().err


def test_the_default_configuration(write, capsys, monkeypatch, tmp_path):
    """Where the service has it; and one that others may write is refused."""
    path = write("quiet: true\n", "enforcer.yaml")
    monkeypatch.setattr("enforcer.places.CONFIG", path)

    assert Exit.OK == main(["check", "--config"])
    assert f"ok: {path}\n" == capsys.readouterr().out
    path.chmod(0o666)
    assert Exit.USAGE == main(["check", "--config"])
    assert "can be written by others" in capsys.readouterr().err
    path.unlink()
    assert Exit.USAGE == main(["check", "--config"])
    assert f"cannot read the configuration {path}: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["policy.yaml"], ["--explain"]])
def test_a_configuration_is_no_policy(write, capsys, more):
    """One thing at a time."""
    path = write("quiet: true\n", "enforcer.yaml")

    assert Exit.USAGE == main(["check", *more, "--config", str(path)])
    assert "--config is about no policies" in capsys.readouterr().err


# ---- Conversion ----------------------------------------------------------------------------------

FOREIGN = """\
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: hsp}
spec:
  nodeSelector: {matchLabels: {kubernetes.io/hostname: some-other-host}}
  process:
    matchPaths: [{path: /usr/bin/cat}]
  action: Block
"""


def test_policies_are_converted_to_objects(write, capsys):
    """Each is what the schema of policies takes, and what the text would be read as."""
    paths = [write(FOREIGN), write(WARNED, "own.yaml")]

    assert Exit.OK == main(["convert", "--json", *map(str, paths)])

    said = capsys.readouterr()
    found = document("convert", said.out)
    assert ["hsp", "tools"] == [policy["name"] for policy in found["policies"]]
    for policy in found["policies"]:
        jsonschema.validate(policy["document"], schema("policy"))
    assert "/bin/true" in json.dumps(found["policies"][1]["document"])
    assert "" == said.err


def test_what_differs_is_in_the_document(write, capsys):
    """As a remark, with the kind that a check gives it."""
    tracing = write(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: t}\nspec:\n  kprobes:\n"
        "  - call: security_bpf\n    args: [{index: 0, type: int}, {index: 1, type: auto}]\n"
    )

    code = main(["convert", "--json", str(tracing)])

    said = capsys.readouterr()
    assert Exit.OK == code, said.err
    kinds = {each["kind"] for each in document("convert", said.out)["findings"]}
    assert {"carried-over"} == kinds


_FORGED = "\\nenforcer: policies reloaded by root\\e[2J\\u202e"


@pytest.mark.parametrize(
    "rule",
    [
        f'{{"{_FORGED}": 1}}',
        f'{{exec: {{}}, action: {{allow: {{"{_FORGED}": 1}}}}}}',
        f'{{exec: {{}}, action: "{_FORGED}"}}',
        f'{{exec: {{}}, match: {{"{_FORGED}": 1}}, action: deny}}',
        f'{{exec: {{}}, match: {{path: "{_FORGED}"}}, action: deny}}',
        f'{{exec: {{}}, match: {{process: {{pod: {{labels: {{"{_FORGED}": [1]}}}}}}}}, action: deny}}',
        f'{{exec: {{}}, match: {{process: {{binary: "{_FORGED}"}}}}, action: deny, message: "{_FORGED}"}}',
        f'&"{_FORGED}" {{exec: {{}}}}',
        f'!"{_FORGED}" {{exec: {{}}}}',
        f'{{name: "{_FORGED}", exec: {{}}, action: deny, tags: ["{_FORGED}"]}}',
    ],
)
def test_no_text_of_a_policy_begins_a_line_or_commands_a_terminal(tmp_path, capsys, rule):
    """Keys and values are quoted in messages, with everything unprintable written out."""
    file = tmp_path / "forged.yaml"
    file.write_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        f"spec: {{rules: [{rule}]}}\n"
    )

    assert main(["check", str(file)]) != Exit.OK

    printed = capsys.readouterr()
    for line in (printed.out + printed.err).splitlines():
        assert line.isprintable()
        assert not line.startswith("enforcer: policies reloaded")
