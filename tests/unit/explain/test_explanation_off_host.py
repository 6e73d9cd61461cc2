# SPDX-License-Identifier: MIT
"""Explanations of records of files and programs that the host's mounts do not show, or that have no name."""

import pytest
from fakes import denied

from enforcer.compiler import BareHost
from enforcer.events.document import as_document
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import ObjectFlag, Op, SubjectFlag
from enforcer.policy.store import load_text
from enforcer.workbench.explain.explanation import explain
from enforcer.workbench.explain.rendering import lines

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: vault}\nspec:\n  rules:\n"
VAULT = (
    HEAD
    + """\
    - name: public
      file: read
      match:
        path: /srv/vault/public/**
      action: allow
    - name: secrets
      file: [read, write]
      match:
        path: /srv/vault/**
        notProcess: {binary: /usr/bin/vault}
      action: deny
"""
)


def said(text, **values):
    """Return the lines on a read by cat that *text* refuses."""
    given = {"path": b"/srv/vault/secret", "exe": b"/usr/bin/cat", **values}
    record = denied(op=Op.READ, origin=Origin("vault", "secrets", "vault.yaml:11:7"), **given)
    policies = load_text(text, "vault.yaml")
    return [line for line, _ in lines(explain(as_document(record), policies, BareHost()))]


NOT_SHOWN = "that no mount of the host shows"
OFF_HOST = (
    "is its name in the mount namespace of the process; "
    "a rule that refuses matches this name, a rule that allows does not"
)


def test_a_file_that_is_not_on_the_host():
    """Of a tmpfs that somebody mounted over the place, say; no rule allows it by the name."""
    found = said(VAULT, path=b"/srv/vault/public/note", obj_flags=ObjectFlag.OFFHOST)

    assert f"       the file is not on the host: /srv/vault/public/note {OFF_HOST}" in found
    assert (
        "    no   path: wanted /srv/vault/public/**, found no name on the host  (vault.yaml:9:15)"
        in found
    )
    assert found[found.index("What would allow it") + 1 :] == [
        "  vault.yaml:15:30: add /usr/bin/cat to notProcess.binary of rule secrets",
        f"  or: vault.yaml:11:7: add a rule before rule secrets, for every file {NOT_SHOWN}:",
        "      - name: allow-cat",
        "        file: read",
        "        match:",
        "          offHost: true",
        "          process: {binary: /usr/bin/cat}",
        "        action: allow",
    ]


def test_a_program_that_is_not_on_the_host():
    """Another program of this user that the host does not show is allowed, too."""
    found = said(VAULT, subj_flags=SubjectFlag.OFFHOST, uid=1001)

    assert f"       the program is not on the host: /usr/bin/cat {OFF_HOST}" in found
    assert found[found.index("What would allow it") + 1 :] == [
        "  vault.yaml:9:15: add /srv/vault/secret to path of rule public, which allows",
        f"  or: vault.yaml:11:7: add a rule before rule secrets, for every program of this user {NOT_SHOWN}:",
        "      - name: allow-cat",
        "        file: read",
        "        match:",
        "          path: /srv/vault/secret",
        "          process: {offHost: true, uid: 1001}",
        "        action: allow",
    ]


@pytest.mark.parametrize(
    ("flags", "whom", "match"),
    [
        (ObjectFlag.FILELESS, "every file without a name", ["    fileless: true"]),
        (0, "every file, which the record does not name", []),
    ],
)
def test_a_file_without_a_name(flags, whom, match):
    """The new rule is about such files, or says that it is about every file."""
    text = HEAD + "    - {name: secrets, file: read, action: deny}\n"

    found = said(text, path=b"", obj_flags=flags)

    assert found[found.index("What would allow it") + 1 :] == [
        f"  vault.yaml:6:7: add a rule before rule secrets, for {whom}:",
        *(
            f"      {line}"
            for line in (
                "- name: allow-cat",
                "  file: read",
                "  match:",
                *match,
                "    process: {binary: /usr/bin/cat}",
                "  action: allow",
            )
        ),
    ]
