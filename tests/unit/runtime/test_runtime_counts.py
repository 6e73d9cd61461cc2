# SPDX-License-Identifier: MIT
"""Counts of rules, over changes."""

from enforcer.events.types import Origin
from enforcer.runtime.sessions.counts import Counts, Ledger


def hit(ledger: Ledger, policy: str, rules: range) -> None:
    """Each of the rules has decided once."""
    origins = [Origin(policy=policy, rule=f"rule-{n}", place="x:1:1") for n in rules]
    ledger.add(origins, [Counts(1, 2)] * len(origins))


def test_few_rules_that_have_gone_keep_their_counts():
    """A rule that comes back goes on where it was."""
    ledger = Ledger()
    hit(ledger, "web", range(1000))

    ledger.fold([], [])

    assert Counts(1, 2) == ledger.of_rule("web", "rule-7")


def test_names_that_come_and_go_take_no_more_room():
    """Whoever renames all rules at each change: the sums of the policy stay exact, and what there is stays as it is."""
    ledger = Ledger()
    hit(ledger, "web", range(10))
    for change in range(1, 40):
        names = range(change * 256, (change + 1) * 256)
        hit(ledger, "tenant", names)
        rules = [("web", f"rule-{n}") for n in range(10)]
        ledger.fold([*rules, *(("tenant", f"rule-{n}") for n in names)], ["web", "tenant"])

        assert len(ledger.as_list()) <= 4096 + 10 + 256
        assert Counts(256 * change, 512 * change) == ledger.of_policy("tenant")
        assert Counts(1, 2) == ledger.of_rule("web", "rule-3")


def test_policies_that_have_gone_are_forgotten():
    """Where there are many: names of policies are chosen, too."""
    ledger = Ledger()
    for number in range(20):
        hit(ledger, f"tenant-{number}", range(256))

    ledger.fold([], ["tenant-19"])

    assert {"tenant-19": Counts(256, 512)} == ledger.by_policy()
