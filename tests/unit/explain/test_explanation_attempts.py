# SPDX-License-Identifier: MIT
"""Records of attempts are explained by the rules that ask for them."""

from __future__ import annotations

import errno

import pytest
from fakes import ENFORCED, record

from enforcer.compiler import BareHost
from enforcer.events.document import as_document
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.policy.store import load_text
from enforcer.workbench.explain.explanation import explain
from enforcer.workbench.explain.rendering import lines

TEXT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  rules:
    - {name: reads, file: read, match: {path: /srv/**}, action: deny, attempts: true}
    - {name: no-space, file: mkdir, match: {path: /srv/**}, action: log, attempts: ENOSPC}
    - {name: made, file: mkdir, match: {path: /srv/**}, action: deny, attempts: true}
    - {name: silent, file: any, action: deny}
"""


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_the_rule_that_asked(mode):
    """What would have been denied was not: it was recorded, by the first rule on the operation and the error."""
    text = TEXT.replace("spec:\n", f"spec:\n  mode: {mode}\n")
    made = record(
        origin=Origin("p", "made", "p.yaml:8:7"),
        op=Op.ATTEMPT,
        action=Verb.LOG,
        flags=ENFORCED,
        code=83,
        bits=1 << Op.MKDIR,
        path=b"/srv/new",
        **{"arg[0]": errno.EACCES},
    )

    found = explain(as_document(made), load_text(text, "p.yaml"), BareHost())

    assert found.decided is not None
    assert ("made", True, "") == (found.decided.entry.name, found.decided.matches, found.doubt)
    assert ((), ()) == (found.before, found.refusals)
    said = "\n".join(text for text, _ in lines(found))
    assert "attempts of rule made: attempted" in said
