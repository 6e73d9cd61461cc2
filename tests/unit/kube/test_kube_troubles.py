# SPDX-License-Identifier: MIT
"""What fails again and again is told once."""

from enforcer.cluster.agent.troubles import Troubles


def test_a_trouble_is_told_once_in_a_while():
    """Again if it is another, or has lasted; and when it is over."""
    said, now = [], [0.0]
    troubles = Troubles(said.append, lambda: now[0])

    for _ in range(5):
        troubles.failed("list", "away")
        now[0] += 1
    troubles.failed("watch", "away")
    troubles.failed("list", "refused")
    now[0] += 600
    troubles.failed("list", "refused")
    troubles.works("list")
    troubles.works("list")

    assert [
        "list: away; trying again",
        "watch: away; trying again",
        "list: refused (6 times); trying again",
        "list: refused (7 times); trying again",
        "list: works again after 605 s",
    ] == said
