# SPDX-License-Identifier: MIT
"""
Read policies, also those for KubeArmor or Tetragon, and print them as policies of enforcer.

A comment before each rule gives its original place. Anything that cannot be converted is an error
with file:line:column, and then nothing is printed. What means something else here is a remark.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import attrs

from enforcer.cli.arguments import add_policies
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.messages import tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from enforcer.cli.document_types import ConvertDocument
    from enforcer.cli.findings import Finding
    from enforcer.policy.model.policy import Policy, PolicySet

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer convert hsp.yaml >mine.yaml    rewrite a KubeArmorHostPolicy
  enforcer convert tracing.yaml           say what a TracingPolicy means
  enforcer convert policies/secrets.yaml  print a policy of enforcer in its canonical form

Users and groups are printed as the numbers that they have on this host. The hosts of a policy are
not compared with this one; the description names them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_policies(parser, optional=False)
    add_color(add_output(parser))


def run(args: argparse.Namespace) -> int:
    """Convert."""
    from enforcer.cli.findings import Finding
    from enforcer.policy.language.symbols import SystemResolver
    from enforcer.policy.lint.checks import carried_over
    from enforcer.policy.lint.issues import Host
    from enforcer.policy.lint.kinds import CARRIED_OVER
    from enforcer.policy.store import load_policies
    from enforcer.policy.writers.printer import print_policies

    policies = load_policies(args.policies, SystemResolver(machine=None))
    remarks = [
        Finding.of_issue(attrs.evolve(issue, check=CARRIED_OVER))
        for policy in policies.policies
        for issue in carried_over(policy, Host())
    ]
    if args.form == JSON:
        print_document(_document(policies, remarks))
        return Exit.OK
    tell((each.line, each.span, each.severity) for each in remarks)
    sys.stdout.write(print_policies(policies.policies))
    return Exit.OK


def _document(policies: PolicySet, remarks: Sequence[Finding]) -> ConvertDocument:
    return {
        "version": 1,
        "policies": [
            {"name": policy.name, "place": str(policy.span), "document": _plain(policy)}
            for policy in policies.policies
        ],
        "findings": [each.document for each in remarks],
    }


def _plain(policy: Policy) -> dict[str, object]:
    """Return *policy* as it is printed, as an object."""
    from enforcer.policy.text.loader import load
    from enforcer.policy.text.nodes import value_of
    from enforcer.policy.writers.printer import print_policy

    (document,) = load(print_policy(policy), "")
    return dict(cast("dict[str, object]", value_of(document)))
