# SPDX-License-Identifier: MIT
"""`kubectl enforcer dry-run`: what the server says, what a node would say, and what recordings say."""

import json

import pytest
from plugin_fakes import policy
from printed import document
from reference.semantics import Access, Identity
from tapes import Tape

from enforcer.cli.exits import Exit
from enforcer.plugin.main import main
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.workbench.replay.lines import How


def of_cluster(name="vault", **spec):
    item = policy(name, **spec)
    del item["metadata"]["namespace"]
    item["kind"] = "ClusterEnforcerPolicy"
    return item


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("what the user wrote\n")
    return str(path)


@pytest.fixture
def applied(kubectl, file):
    """Return the words of a dry run of a policy of the cluster that the server would take."""
    kubectl.answer("apply", out=json.dumps(of_cluster()))
    return ["dry-run", "-f", file]


@pytest.fixture
def journal(tmp_path):
    """Return a recording of some writes."""
    tape = Tape()
    line = tape.begin(How.FOUND, 0, Identity(exe=b"/sbin/init"))
    for path in (b"/srv/vault/a", b"/srv/vault/b", b"/tmp/a"):
        tape.access(line, Identity(exe=b"/bin/tee"), Access((Op.WRITE,), {Dim.PATH: path}))
    return tape.write(tmp_path / "journal", operations=["WRITE"])


def test_without_a_recording_it_is_a_check(kubectl, file, capsys):
    """The server gets the text as it is, and nothing is stored."""
    kubectl.answer("apply", out=json.dumps(policy()))

    assert Exit.OK == main(["dry-run", "-f", file, "-n", "shop"])

    shown = capsys.readouterr()
    assert "ok: 1 policy, 1 rule\n" == shown.out
    assert "nothing was tried" in shown.err
    (asked,) = kubectl.asked()
    assert {"--server-side", "--dry-run=server", "--namespace=shop"} <= set(asked)
    assert ["what the user wrote\n"] == kubectl.given()


def test_what_the_server_refuses_is_an_invalid_policy(kubectl, file, capsys):
    """With its words."""
    kubectl.answer("apply", err="The EnforcerPolicy is invalid: spec.rules: Required", code=1)

    assert Exit.POLICY == main(["dry-run", "-f", file])

    assert "the API server refuses it: The EnforcerPolicy is invalid" in capsys.readouterr().err


def test_what_a_node_would_refuse_is_told_by_its_field(kubectl, file, capsys):
    """Nobody sees the file of which a line would be told."""
    kubectl.answer("apply", out=json.dumps(policy(wrong=1)))

    assert Exit.POLICY == main(["dry-run", "-f", file])

    err = capsys.readouterr().err
    assert "EnforcerPolicy shop/vault spec.wrong: " in err
    assert "/tmp/" not in err


def test_without_the_right_to_apply(kubectl, file, capsys):
    """A sentence with what works without a cluster."""
    kubectl.refuse("apply")

    assert Exit.USAGE == main(["dry-run", "-f", file])

    assert "needs the right to apply it: enforcer dry-run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"kind": "List", "items": [{"kind": "Secret"}]}', '{"kind": 7}']
)
def test_what_is_no_policy_is_refused(answer, kubectl, file, capsys):
    """Also if the server would take it."""
    kubectl.answer("apply", out=answer)

    assert Exit.USAGE == main(["dry-run", "-f", file])

    assert 1 == len(capsys.readouterr().err.splitlines())


def test_a_recording_here(applied, journal, capsys):
    """What would have been refused, by fields."""
    assert Exit.OK == main([*applied, "--recording", str(journal)])

    shown = capsys.readouterr().out
    assert "2 operations would have been denied" in shown
    assert "ClusterEnforcerPolicy vault spec.rules[0]" in shown
    assert "policies/vault" not in shown


def test_a_policy_of_a_namespace_says_nothing_of_others(kubectl, file, journal, capsys):
    """What was recorded was in no pod of it."""
    kubectl.answer("apply", out=json.dumps(policy()))

    assert Exit.OK == main(["dry-run", "-f", file, "--recording", str(journal), "--json"])

    found = document("kubectl-dry-run", capsys.readouterr().out)
    assert (1, 1) == (found["policies"], found["rules"])
    assert 0 == found["recordings"][0]["report"]["wouldDeny"]


def test_a_recording_on_a_node(kubectl, applied, journal, capsys):
    """It is fetched from the engine's container, as much as there is."""
    text = journal.read_bytes()
    kubectl.answer("exec", "stat", out=f"{len(text)}\n")
    kubectl.answer("exec", "head", out=text.decode("utf-8", "surrogateescape"))

    assert Exit.OK == main([*applied, "--recording", "node-1:/j's; x"])

    shown = capsys.readouterr().out
    assert "2 operations would have been denied" in shown
    assert shown.startswith("node-1:/j's; x:\n")
    head = kubectl.asked()[-1]
    assert ["--", "head", "-c", str(len(text)), "--", "/j's; x"] == head[-6:]


@pytest.mark.parametrize(
    ("size", "came", "says"),
    [
        ("many", "", "is no file of at most"),
        (str(1 << 60), "", "is no file of at most"),
        ("9", "short", "only 5 of 9 bytes came"),
        ("9", "much too long", "more than 9 bytes"),
        ("9", "no record", "node-1:/x is not a recording"),
    ],
)
def test_half_a_recording_is_none(size, came, says, kubectl, applied, capsys):  # noqa: PLR0917
    """One sentence."""
    kubectl.answer("exec", "stat", out=size)
    kubectl.answer("exec", "head", out=came)

    assert Exit.USAGE == main([*applied, "--recording", "node-1:/x"])

    assert says in capsys.readouterr().err


def test_a_recording_that_is_not_there(kubectl, applied, capsys):
    """With the words of the container."""
    kubectl.answer("exec", "stat", err="stat: no such file", code=1)

    assert Exit.USAGE == main([*applied, "--recording", "node-1:/x"])

    assert "cannot fetch node-1:/x: stat: no such file" in capsys.readouterr().err


def test_a_node_without_an_engine(applied, capsys):
    """Or one that is not running."""
    assert Exit.USAGE == main([*applied, "--recording", "node-2:/x"])

    assert "no engine runs on node node-2" in capsys.readouterr().err


def test_a_file_that_is_too_large(kubectl, tmp_path, capsys):
    """Nothing is asked."""
    (tmp_path / "large").write_bytes(b"x" * (5 << 20))

    assert Exit.USAGE == main(["dry-run", "-f", str(tmp_path / "large")])

    assert [] == kubectl.asked()
