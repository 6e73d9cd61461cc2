# SPDX-License-Identifier: MIT
"""
Read policies, also those for KubeArmor or Tetragon, and print them as policies of enforcer.

A comment before each rule gives its original place. Anything that cannot be converted is an error
with file:line:column, and then nothing is printed. What means something else here is a remark.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_policies
from enforcer.cli.exits import Exit

if TYPE_CHECKING:
    import argparse

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


def run(args: argparse.Namespace) -> int:
    """Convert."""
    from enforcer.policy.language.symbols import SystemResolver
    from enforcer.policy.lint.checks import carried_over
    from enforcer.policy.lint.issues import Host
    from enforcer.policy.store import load_policies
    from enforcer.policy.writers.printer import print_policies

    policies = load_policies(args.policies, SystemResolver(machine=None))
    for policy in policies.policies:
        for remark in carried_over(policy, Host()):
            print(remark, file=sys.stderr)
    sys.stdout.write(print_policies(policies.policies))
    return Exit.OK
