# SPDX-License-Identifier: MIT
"""Which connection is ended for one more."""

from __future__ import annotations

import pytest

from enforcer.cluster.webhook.connections import Connection, peer_of, to_end

MOST, SHARE = 8, 2


def ended(told, peer):
    """Return the name of the one that is ended; *told*: ``PEER[+][*] …``, heard and busy, the oldest first."""
    open_ = {}
    for number, each in enumerate(told.split()):
        open_[each] = Connection(
            None, each.strip("+*0123456789"), float(number), "+" in each, "*" in each
        )
    return to_end(open_, peer, MOST, SHARE)


@pytest.mark.parametrize(
    ("told", "peer", "name"),
    [
        # One that says nothing pushes itself out, whatever others do.
        ("s1+ a1 a2 a3 a4 a5 a6 a7", "a", "a1"),
        ("s1+ a1 a2 a3 a4 a5 a6 a7", "s", "a1"),
        ("s1 a1 a2 a3 a4 a5 a6 a7", "s", "a1"),
        # One that asks as well.
        ("s1+ a1+ a2+ a3+ a4+ a5+ a6+ a7+", "a", "a1+"),
        ("s1+ a1+ a2+ a3+ a4+ a5+ a6+ a7+", "b", "a1+"),
        ("s1 a1+ a2+ a3+ a4+ a5+ a6+ a7+", "a", "a1+"),
        # Many that say nothing, each within its share: the quiet go first.
        ("s1+ s2+ a1 b1 c1 d1 e1 f1", "g", "a1"),
        ("s1+ s2+ a1 b1 c1 d1 e1 f1", "s", "s1+"),
        ("s1+ a1 b1 c1 d1 e1 f1 g1", "s", "a1"),
        # Many that ask: the one whose last question is longest ago.
        ("a1+ s1+ b1+ c1+ d1+ e1+ f1+ g1+", "h", "a1+"),
        # Who is being answered stays.
        ("a1* a2* a3 a4 a5 a6 a7 a8", "a", "a3"),
        ("s1+* a1* a2* a3* a4* a5* a6* a7*", "s", None),
        # One beyond its share whose own are all being answered takes no other's place.
        ("s1+ a1* a2* a3* a4* a5* a6* a7*", "a", None),
        ("s1+ a1* a2* a3* a4* a5* a6* a7*", "b", "s1+"),
        # The furthest beyond its share goes first.
        ("b1 b2 b3 b4 a1 a2 a3 a4", "a", "a1"),
        ("b1 b2 b3 a1 a2 a3 a4 a5", "c", "a1"),
    ],
)
def test_who_is_ended(told, peer, name):
    """Shares first, then the quiet, then the oldest."""
    assert name == ended(told, peer)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::9", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        (("no address", 1), "no address"),
    ],
)
def test_whose_connections_count_together(address, peer):
    """A host has all addresses of its network of IPv6."""
    assert peer == peer_of(address)
