# SPDX-License-Identifier: MIT
"""Connections, datagrams and sockets that must not be, and the listeners that never hear of them."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import compiled
import pytest
from ears import Ear
from engine import Engine, attempt, perl, running

ROOT = Path("/opt/enforcer-test-net")
BASE = {"deny": 4100, "kill": 4200}  # +N in the tables below is this plus N
REFUSED = {"deny": errno.EACCES, "kill": -signal.SIGKILL}
ACTION = {"deny": "{deny: {errno: EACCES}}", "kill": "{kill: {errno: EACCES}}"}
PACKET = {"deny": "raw", "kill": "dgram"}
PROTOCOL = {"deny": 250, "kill": 251}
ROUTER = {"deny": 66, "kill": 67}
KINDS = {"1": socket.SOCK_STREAM, "2": socket.SOCK_DGRAM, "3": socket.SOCK_RAW}


def _rules(verb: str) -> str:
    base, here = BASE[verb], ROOT / verb
    rules = [
        f"network: connect, match: {{address: 127.0.0.0/8, port: {base + 1}}}",
        f'network: connect, match: {{address: "::1", port: {base + 2}}}',
        f"network: connect, match: {{address: 127.0.0.1, port: {base + 3}}}",
        f"network: connect, match: {{address: 127.1.0.0/16, port: {base + 10}-{base + 20}}}",
        f"network: connect, match: {{port: {base + 30}, type: dgram}}",
        f"network: send, match: {{port: {base + 31}}}",
        f"network: send, match: {{address: 127.0.0.{ROUTER[verb]}, type: raw}}",
        f"network: connect, match: {{port: {base + 40}}}",
        f"network: connect, match: {{address: 127.9.9.9, port: {base + 5}}}",
        f"network: send, match: {{address: 127.0.0.1, port: {base + 33}}}",
        f'network: send, match: {{address: "::1", port: {base + 33}}}',
        f"network: send, match: {{address: 127.9.9.9, port: {base + 35}}}",
        f"network: bind, match: {{port: {base + 50}}}",
        f"network: listen, match: {{port: {base + 60}}}",
        f"network: accept, match: {{port: {base + 70}}}",
        f"network: socket, match: {{family: packet, type: {PACKET[verb]}}}",
        f"network: socket, match: {{family: inet, type: raw, protocol: {PROTOCOL[verb]}}}",
        f"network: connect, match: {{path: {here}/stream}}",
        f"network: send, match: {{path: {here}/dgram}}",
        f"network: bind, match: {{path: {here}/taken}}",
        f"network: bind, match: {{path: {here}/typed-*, type: dgram}}",
        f"network: connect, match: {{abstract: enforcer-test-{verb}-*}}",
        f"network: bind, match: {{abstract: enforcer-test-taken-{verb}}}",
    ]
    if verb == "deny":
        rules.append('network: send, match: {address: "::1", type: raw}')
    return "".join(f"    - {{{rule}, action: {ACTION[verb]}}}\n" for rule in rules)


def _policy() -> str:
    return f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: network}}
spec:
  rules:
{_rules("deny")}
{_rules("kill")}
"""


@attrs.frozen
class Row:
    """An attack and its neighbour, in the words of ``net.c``; ``HERE`` is the folder of the verb."""

    attack: str
    neighbour: str
    directory: str | None = None


INET = {
    "connect": Row("connect 2 1 127.0.0.1 +1", "connect 2 1 127.0.0.1 +4"),
    "connect, another address of the network": Row(
        "connect 2 1 127.9.9.9 +1", "connect 2 1 127.9.9.9 +4"
    ),
    "connect 6": Row("connect 10 1 ::1 +2", "connect 10 1 ::1 +4"),
    "connect 4 mapped": Row("connect 10 1 ::ffff:127.0.0.1 +3", "connect 10 1 ::ffff:127.0.0.1 +4"),
    "connect, range of ports": Row("connect 2 1 127.1.2.3 +15", "connect 2 1 127.1.2.3 +21"),
    "connect, end of range": Row("connect 2 1 127.1.2.3 +20", "connect 2 1 127.2.0.1 +20"),
    "connect of datagrams": Row("connect 2 2 127.0.0.1 +30", "connect 2 2 127.0.0.1 +32"),
    "connect of datagrams, mapped": Row(
        "connect 10 2 ::ffff:127.0.0.1 +30", "connect 10 2 ::ffff:127.0.0.1 +32"
    ),
    "connect of datagrams, 4 on a 6 socket": Row(
        "connect 10 2 127.0.0.1 +30", "connect 10 2 127.0.0.1 +32"
    ),
    "sendto": Row("sendto 2 2 127.0.0.1 +31", "sendto 2 2 127.0.0.1 +32"),
    "sendmsg": Row("sendmsg 2 2 127.0.0.1 +31", "sendmsg 2 2 127.0.0.1 +32"),
    "sendmmsg": Row("sendmmsg 2 2 127.0.0.1 +31", "sendmmsg 2 2 127.0.0.1 +32"),
    "sendto AF_UNSPEC": Row("unspec 2 2 127.0.0.1 +31", "unspec 2 2 127.0.0.1 +32"),
    "sendto 6": Row("sendto 10 2 ::1 +31", "sendto 10 2 ::1 +32"),
    "sendto mapped": Row("sendto 10 2 ::ffff:127.0.0.1 +31", "sendto 10 2 ::ffff:127.0.0.1 +32"),
    "sendto 4 on a 6 socket": Row("sendto 10 2 127.0.0.1 +31", "sendto 10 2 127.0.0.1 +32"),
    "sendto raw": Row("sendto 2 3 127.0.0.ROUTER 0", "sendto 2 3 127.0.0.70 0"),
    # To no address means to oneself, which the kernel finds behind the hook.
    "connect to no address": Row("connect 2 1 0.0.0.0 +1", "connect 2 1 0.0.0.0 +4"),
    "connect 6 to no address": Row("connect 10 1 :: +2", "connect 10 1 :: +4"),
    "connect 4 mapped to no address": Row(
        "connect 10 1 ::ffff:0.0.0.0 +3", "connect 10 1 ::ffff:0.0.0.0 +4"
    ),
    "connect of datagrams to no address": Row("connect 2 2 0.0.0.0 +30", "connect 2 2 0.0.0.0 +32"),
    "connect to what it is bound to": Row("bound 2 1 127.9.9.9 +5", "bound 2 1 127.9.9.8 +5"),
    "connect to what the device has": Row(
        "bound_device 2 1 127.0.0.1 +1", "bound_device 2 1 127.0.0.1 +4"
    ),
    "sendto no address": Row("sendto 2 2 0.0.0.0 +33", "sendto 2 2 0.0.0.0 +34"),
    "sendto 6 no address": Row("sendto 10 2 :: +33", "sendto 10 2 :: +34"),
    "sendto mapped no address": Row(
        "sendto 10 2 ::ffff:0.0.0.0 +33", "sendto 10 2 ::ffff:0.0.0.0 +34"
    ),
    "send to what is told": Row("told 2 2 127.9.9.9 +35", "told 2 2 127.9.9.9 +34"),
    "fast open": Row("fastopen 2 1 127.0.0.1 +40", "fastopen 2 1 127.0.0.1 +41"),
}
SILENT = {
    "bind": Row("bind 2 1 127.0.0.1 +50", "bind 2 1 127.0.0.1 +51"),
    "bind 6": Row("bind 10 2 ::1 +50", "bind 10 2 ::1 +51"),
    "bind AF_UNSPEC": Row("bind_unspec 2 2 0.0.0.0 +50", "bind_unspec 2 2 0.0.0.0 +51"),
    "listen": Row("listen 2 1 127.0.0.1 +60", "listen 2 1 127.0.0.1 +61"),
    "listen 6": Row("listen 10 1 ::1 +60", "listen 10 1 ::1 +61"),
    "packet socket": Row("socket 17 PACKET 0", "socket 16 3 0"),
    "packet socket with flags": Row("socket 17 FLAGGED 0", "socket 16 2051 0"),
    "raw socket": Row("socket 2 3 PROTOCOL", "socket 2 3 252"),
}
UNIX = {
    "stream": Row("uconnect 1 HERE/stream", "uconnect 1 HERE/stream-other"),
    "symlink": Row("uconnect 1 HERE/link", "uconnect 1 HERE/stream-other"),
    "bind mount": Row("uconnect 1 HERE-mounted/stream", "uconnect 1 HERE-mounted/stream-other"),
    "relative": Row("uconnect 1 stream", "uconnect 1 stream-other", "HERE"),
    "proc root": Row(
        "uconnect 1 /proc/self/rootHERE/stream", "uconnect 1 /proc/self/rootHERE/stream-other"
    ),
    "dgram": Row("usend 2 HERE/dgram", "usend 2 HERE/dgram-other"),
    "dgram relative": Row("usend 2 dgram", "usend 2 dgram-other", "HERE"),
    "dgram, connected": Row("uconnect 2 HERE/dgram", "uconnect 2 HERE/dgram-other"),
    "abstract": Row("uconnect 1 @enforcer-test-VERB-1", "uconnect 1 @enforcer-test-other-VERB"),
}
ROWS = INET | SILENT | UNIX
DOUBTFUL = {"connect to what the device has", "send to what is told"}
NOWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "::ffff:0.0.0.0": "::ffff:127.0.0.1"}
RAW6 = """
sub address { pack("S x6 x15 C x4", $_[0], 1) }  # ::1
socket(HEARS, 10, 3, 253) and bind(HEARS, address(10)) or die $!;
socket(SENDS, 10, 3, 253) or die $!;
my $error = defined send(SENDS, "x", 0, address($ARGV[0])) ? 0 : $! + 0;
my $heard = defined recv(HEARS, my $text, 10, 64);  # MSG_DONTWAIT
$heard || $! == 11 or die $!;  # EAGAIN
print($error, $heard ? " heard" : " silence");
"""
RAW6_FAMILIES = (socket.AF_INET6, socket.AF_UNSPEC)
ACCEPT = """
my $address = pack("S n C4 x8", 2, $ARGV[0], 127, 0, 0, 1);
socket(LISTENS, 2, 1, 0) and setsockopt(LISTENS, 1, 2, 1) or exit 255;  # SO_REUSEADDR
bind(LISTENS, $address) and listen(LISTENS, 1) or exit 255;
socket(CLIENT, 2, 1, 0) and connect(CLIENT, $address) or exit 255;
accept(ACCEPTED, LISTENS) or exit $!;
"""
ABSTRACT = "ubind 1 @enforcer-test-taken-VERB"


def _argv(words: str, verb: str) -> list[str]:
    kind = {"raw": 3, "dgram": 2}[PACKET[verb]]
    for word, value in {
        "HERE": ROOT / verb,
        "VERB": verb,
        "ROUTER": ROUTER[verb],
        "PACKET": kind,
        "FLAGGED": kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
        "PROTOCOL": PROTOCOL[verb],
    }.items():
        words = words.replace(word, str(value))
    return [str(BASE[verb] + int(w)) if w.startswith("+") else w for w in words.split()]


def _reached(argv: list[str]) -> list[str]:
    """The deed with the address that it reaches in place of none."""
    return [NOWHERE.get(word, word) for word in argv]


def _where(argv: list[str]) -> tuple[str, ...]:
    """What of a deed says which ear hears it."""
    argv = _reached(argv)
    if argv[0].startswith("u") and argv[0] != "unspec":
        name = Path(argv[2]).name.replace("link", "stream")
        return (argv[1], name)
    return tuple(argv[2:5])


@attrs.frozen
class Range:
    """The shooting range: every ear, by what it hears."""

    ears: dict[tuple[str, ...], Ear]

    def do(self, words: str, verb: str, directory: str | None = None, *, wait: bool) -> object:
        """Do one deed: its exit code, and whether its ear heard it (None where there is none)."""
        argv = _argv(words, verb)
        where = directory and directory.replace("HERE", str(ROOT / verb))
        code = attempt(str(ROOT / "net"), *argv, cwd=where).returncode
        ear = self.ears.get((verb, *_where(argv)))
        return code, None if ear is None else ear.heard(wait=wait)


@pytest.fixture(scope="module")
def place() -> Iterator[Range]:
    ROOT.mkdir(parents=True)
    compiled.place("net", ROOT / "net")
    ears: dict[tuple[str, ...], Ear] = {}
    for verb in ACTION:
        here = ROOT / verb
        here.mkdir()
        for row in INET.values():
            for words in (row.attack, row.neighbour):
                argv = _reached(_argv(words, verb))
                if (key := (verb, *_where(argv))) not in ears:
                    same = (verb, argv[2], argv[3].removeprefix("::ffff:"), argv[4])
                    ears[key] = ears.get(same) or Ear.inet(KINDS[argv[2]], argv[3], int(argv[4]))
                    ears[same] = ears[key]
        for name in ("stream", "stream-other"):
            ears[verb, "1", name] = Ear.unix(socket.SOCK_STREAM, here / name)
        for name in ("dgram", "dgram-other"):
            ears[verb, "2", name] = Ear.unix(socket.SOCK_DGRAM, here / name)
        for name in (f"@enforcer-test-{verb}-1", f"@enforcer-test-other-{verb}"):
            ears[verb, "1", name] = Ear.unix(socket.SOCK_STREAM, name)
        (here / "link").symlink_to("stream")
        mounted = ROOT / f"{verb}-mounted"
        mounted.mkdir()
        subprocess.run(["mount", "--bind", here, mounted], check=True)
    yield Range(ears)
    for ear in ears.values():
        ear.close()
    for verb in ACTION:
        subprocess.run(["umount", ROOT / f"{verb}-mounted"], check=True)
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def controls(place) -> dict[tuple[str, str], object]:
    """What every attack does while there is no policy."""
    done: dict[tuple[str, str], object] = {}
    for verb in ACTION:
        for name, row in ROWS.items():
            done[name, verb] = place.do(row.attack, verb, row.directory, wait=True)
        done["accept", verb] = perl(ACCEPT, str(BASE[verb] + 70)).returncode
        done["bind path", verb] = place.do("ubind 1 HERE/taken", verb, wait=False)
        done["bind type", verb] = place.do("ubind 2 HERE/typed-2", verb, wait=False)
        for name in ("taken", "typed-2"):
            (ROOT / verb / name).unlink()
        done["bind abstract", verb] = place.do(ABSTRACT, verb, wait=False)
    for family in RAW6_FAMILIES:
        done["raw 6", family.name] = perl(RAW6, str(int(family))).stdout.split()
    return done


@pytest.fixture(scope="module")
def engine(place, controls, tmp_path_factory) -> Iterator[Engine]:
    with running(_policy(), tmp_path_factory.mktemp("network")) as it:
        yield it


@pytest.mark.parametrize("verb", ACTION)
@pytest.mark.parametrize("name", [*INET, *UNIX])
def test_listener_hears_nothing(name, verb, place, controls, engine):
    row = ROWS[name]
    assert (0, True) == controls[name, verb]

    # Who would be killed is refused where it cannot be known whom it reaches.
    refused = REFUSED["deny" if name in DOUBTFUL else verb]
    assert place.do(row.attack, verb, row.directory, wait=False) == (refused, False)
    assert place.do(row.neighbour, verb, row.directory, wait=True) == (0, True)


@pytest.mark.parametrize("verb", ACTION)
@pytest.mark.parametrize("name", SILENT)
def test_socket_is_not_made_bound_or_listening(name, verb, place, controls, engine):
    row = ROWS[name]
    assert (0, None) == controls[name, verb]

    assert place.do(row.attack, verb, wait=False) == (REFUSED[verb], None)
    assert place.do(row.neighbour, verb, wait=False) == (0, None)


@pytest.mark.parametrize("family", RAW6_FAMILIES)
def test_raw_datagram_of_version_6_is_refused_under_both_families(family, controls, engine):
    assert [b"0", b"heard"] == controls["raw 6", family.name]

    # the kernel takes an address without a family for one of the socket's own
    ended = perl(RAW6, str(int(family)))

    assert ended.stdout.split() == [b"13", b"silence"], ended.stderr


@pytest.mark.parametrize("verb", ACTION)
def test_accept_is_refused(verb, controls, engine):
    assert controls["accept", verb] == 0

    assert perl(ACCEPT, str(BASE[verb] + 70)).returncode == REFUSED[verb]
    assert perl(ACCEPT, str(BASE[verb] + 71)).returncode == 0


@pytest.mark.parametrize("verb", ACTION)
def test_unix_socket_is_not_bound(verb, place, controls, engine):
    assert (0, None) == controls["bind path", verb]
    taken, free = ROOT / verb / "taken", ROOT / verb / "free"

    assert place.do("ubind 1 HERE/taken", verb, wait=False) == (REFUSED[verb], None)
    assert place.do("ubind 1 HERE/free", verb, wait=False) == (0, None)
    assert free.is_socket()
    assert not taken.exists()


@pytest.mark.parametrize("verb", ACTION)
def test_unix_socket_is_bound_to_a_path_by_its_type(verb, place, controls, engine):
    """The hook of the name does not see the socket; a name without one has no type."""
    folder = ROOT / verb
    assert (0, None) == controls["bind type", verb]

    assert place.do("ubind 2 HERE/typed-2", verb, wait=False) == (REFUSED[verb], None)
    assert place.do("ubind 1 HERE/typed-1", verb, wait=False) == (0, None)
    os.mknod(folder / "typed-0", stat.S_IFSOCK | 0o600)

    assert ["typed-0", "typed-1"] == sorted(p.name for p in folder.glob("typed-*"))


@pytest.mark.parametrize("verb", ACTION)
def test_abstract_name_is_not_bound(verb, place, controls, engine):
    assert (0, None) == controls["bind abstract", verb]

    assert place.do(ABSTRACT, verb, wait=False) == (REFUSED[verb], None)
    assert place.do(ABSTRACT + "-not", verb, wait=False) == (0, None)


def test_socket_keeps_its_guarded_name(place, engine):
    with pytest.raises(PermissionError):
        (ROOT / "deny/stream").rename(ROOT / "deny/renamed")

    assert (ROOT / "deny/stream").is_socket()


def test_record_says_where_to(place, engine):
    place.do("connect 10 1 ::ffff:127.0.0.1 +3", "deny", wait=False)

    event = engine.wait_for(lambda e: e["object"].get("port") == BASE["deny"] + 3)
    assert ("127.0.0.1", "connect") == (event["object"]["address"], event["operation"])
    assert event["prevented"]
