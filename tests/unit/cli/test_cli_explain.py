# SPDX-License-Identifier: MIT
"""`explain` on the command line."""

import io
import json
import sys

import pytest
from control_fakes import Served
from fakes import denied
from printed import document

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.events.document import as_document
from enforcer.events.ident import RecordId
from enforcer.events.types import Origin
from enforcer.runtime.control.overview import Overview

POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  rules:
    - name: secrets
      file: write
      match: {path: /srv/vault/**}
      action: deny
"""
RECORD = denied(origin=Origin("vault", "secrets", "vault.yaml:6:7"))


@pytest.fixture
def policy(tmp_path):
    file = tmp_path / "vault.yaml"
    file.write_text(POLICY)
    return file


@pytest.fixture
def stdin(monkeypatch):
    def give(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return give


@pytest.fixture
def served(tmp_path, policy):
    made = Served(tmp_path / "s")
    made.server.overview = Overview()
    made.server.overview.observe(RECORD)
    made.server.sources = lambda: {
        "paths": [str(policy)],
        "audit": False,
        "overlay": {"added": {}, "disabled": [], "modes": {}},
        "instead": {},
        "generation": 1,
    }
    yield made
    made.close()


def test_from_files_without_a_daemon(policy, stdin, capsys):
    """A record on standard input, policies named."""
    stdin(json.dumps(as_document(RECORD)))

    assert Exit.OK == main(["explain", "-", str(policy)])

    out = capsys.readouterr().out
    assert out.startswith(("20:48:01 denied", "2"))
    assert f"{policy}:6:7: add a rule before rule secrets" in out
    assert "process: {binary: /usr/bin/tee}" in out


def test_a_record_of_a_dry_run_by_the_policies_as_they_are_written(policy, stdin, capsys):
    """They say enforce, and what they would refuse is explained."""
    audited = denied(origin=Origin("vault", "secrets", "vault.yaml:6:7"), flags=0, error=0)
    stdin(json.dumps(as_document(audited)))

    assert Exit.OK == main(["explain", "-", str(policy)])

    out = capsys.readouterr().out
    assert "rule secrets: would deny" in out
    assert "What would allow it when the policy is enforced" in out
    assert f"{policy}:6:7: add a rule before rule secrets" in out
    assert "the given policies do not explain it" not in out


def test_by_id_from_the_daemon(served, tmp_path, capsys):
    """The daemon knows the record and where its policies are."""
    number = str(RecordId.of(RECORD.event))

    assert Exit.OK == main(["explain", number, "--json", "--socket", str(tmp_path / "s")])

    found = document("explain", capsys.readouterr().out)
    assert number == found["id"]
    assert ["path"] == [part["where"] for part in found["parts"]]


def test_changes_at_run_time_count(served, tmp_path, capsys):
    """A mode that was set, and policies that are disabled."""
    described = served.server.sources()
    described["overlay"]["modes"] = {"vault": "audit"}
    served.server.sources = lambda: described

    main(["explain", str(RecordId.of(RECORD.event)), "--socket", str(tmp_path / "s")])

    assert "is in mode audit now; it was not then" in capsys.readouterr().out


def test_what_a_refused_file_said_before_counts(served, policy, tmp_path, capsys):
    """What it says now is not active; of another one nothing is."""
    described = served.server.sources()
    described["paths"] = [str(tmp_path)]
    other = policy.with_name("other.yaml")
    described["instead"] = {str(policy): policy.read_text(), str(other): None}
    served.server.sources = lambda: described
    policy.write_text("kind: [")
    other.write_text("also: wrong")

    main(["explain", str(RecordId.of(RECORD.event)), "--socket", str(tmp_path / "s")])

    assert f"{policy}:6:7: add a rule before rule secrets" in capsys.readouterr().out


def test_a_record_that_is_kept_no_more(served, tmp_path, capsys):
    """It is in the logs."""
    assert Exit.USAGE == main(["explain", "00000000-1-1-1", "--socket", str(tmp_path / "s")])
    assert "the logs have all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "standard input is empty"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("{}", "not a record of a verdict"),
        ("x" * ((1 << 20) + 1), "more than 1048576 bytes"),
        (json.dumps({**as_document(RECORD), "message": 3}), "it has no message"),
        (json.dumps({**as_document(RECORD), "time": "noon"}), "the record is damaged"),
    ],
)
def test_what_is_no_record(policy, stdin, capsys, text, why):
    """One sentence."""
    stdin(text)

    assert Exit.USAGE == main(["explain", "-", str(policy)])
    assert why in capsys.readouterr().err


def test_no_policies_and_no_daemon(stdin, tmp_path, capsys):
    """It is said what to name."""
    stdin(json.dumps(as_document(RECORD)))

    assert Exit.USAGE == main(["explain", "-", "--socket", str(tmp_path / "none")])
    assert "name the policies that were active" in capsys.readouterr().err


def test_policies_that_are_wrong(tmp_path, stdin, capsys):
    """Their errors, with their places."""
    stdin(json.dumps(as_document(RECORD)))
    (tmp_path / "bad.yaml").write_text("kind: x\n")

    assert Exit.POLICY == main(["explain", "-", str(tmp_path / "bad.yaml")])
