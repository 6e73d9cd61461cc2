# SPDX-License-Identifier: MIT
"""Associations of SCTP: calls with many addresses at once, of which one must not be reached or bound."""

from __future__ import annotations

import errno
import socket
import subprocess
from collections.abc import Iterator

import attempter
import pytest
import sctp
from ears import Ear
from engine import Engine, running

PORT = 4300
REFUSED, FREE = "127.0.0.66", "127.0.0.70"
HEARD = [f"127.0.0.{n}" for n in range(70, 79)]
DEEDS = {
    "connect": (("connect", REFUSED), ("connect", FREE)),
    "connectx": (("connectx", REFUSED), ("connectx", FREE)),
    "connectx, the second": (
        ("connectx", FREE, REFUSED),
        ("connectx", FREE, "127.0.0.71"),
    ),
    "connectx, mapped": (
        ("connectx", f"::ffff:{FREE}", f"::ffff:{REFUSED}"),
        ("connectx", f"::ffff:{FREE}", "::ffff:127.0.0.71"),
    ),
    "connectx, behind what is looked at": (
        ("connectx", *HEARD, REFUSED),
        ("connectx", *HEARD[:8]),
    ),
    "a send that connects": (("sendto", REFUSED), ("sendto", FREE)),
    "a send that tells more": (
        ("sendv", FREE, REFUSED),
        ("sendv", FREE, "127.0.0.71"),
    ),
}
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: sctp}}
spec:
  rules:
    - {{network: connect, match: {{address: {REFUSED}}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{network: bind, match: {{protocol: sctp, address: {REFUSED}}}, action: {{deny: {{errno: EACCES}}}}}}
"""


def _do(deed: str, *addresses: str) -> int:
    port = PORT + 1 if deed == "bindx" else PORT  # that one is taken
    return attempter.make(sctp.__file__, deed, str(port), *addresses).returncode


@pytest.fixture(scope="module")
def ear() -> Iterator[Ear]:
    """Who hears associations; of addresses that no device has, it knows those that it is bound to."""
    if subprocess.run(["modprobe", "sctp"], check=False).returncode:
        pytest.skip("this kernel has no SCTP")
    it = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    it.bind((REFUSED, PORT))
    for address in HEARD:
        it.setsockopt(sctp.SCTP, sctp.BINDX_ADD, sctp.packed(address, PORT))
    it.listen(16)
    yield Ear(it)
    it.close()


@pytest.fixture(scope="module")
def controls(ear) -> dict[str, object]:
    """What every attack does while there is no policy."""
    done: dict[str, object] = {}
    for name, (attack, _) in DEEDS.items():
        done[name] = (_do(*attack), ear.heard(wait=True))
    done["bindx"] = _do("bindx", "127.0.0.82", REFUSED)
    return done


@pytest.fixture(scope="module")
def engine(controls, tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY, tmp_path_factory.mktemp("sctp")) as it:
        yield it


@pytest.mark.parametrize("name", DEEDS)
def test_each_address_of_an_association_counts(name, ear, controls, engine):
    attack, neighbour = DEEDS[name]
    assert (0, True) == controls[name]

    assert (errno.EACCES, False) == (_do(*attack), ear.heard(wait=False))
    assert (0, True) == (_do(*neighbour), ear.heard(wait=True))


def test_each_address_that_is_bound_counts(ear, controls, engine):
    assert controls["bindx"] == 0

    assert _do("bindx", "127.0.0.82", REFUSED) == errno.EACCES
    assert _do("bindx", "127.0.0.82", "127.0.0.83") == 0
