# SPDX-License-Identifier: MIT
"""
Ways around rules on sockets: protocols and families in disguise, source routes, ports that the kernel picks, and
names that are made beside the file system's hooks.

Each is seen to work while there is no policy; then the direct attempt and the way around are refused, and what
nothing forbids goes on. That nothing was sent is told by listeners, and by whoever hears every packet.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import compiled
import pytest
from ears import Ear
from engine import Engine, attempt, running
from patience import scaled, wait_until

ROOT = Path("/opt/enforcer-test-around")
PROGRAM = ROOT / "around"
LIMITED, LISTENER, NO_SMC = ROOT / "limited", ROOT / "listener", ROOT / "no-smc"
WEB, MAIL = ROOT / "web", ROOT / "mail"
ONE, MANY = ROOT / "one", ROOT / "many"
"""The same program under names that rules on sockets without an address are about."""

ACCESS = errno.EACCES
LIBC = ctypes.CDLL(None, use_errno=True)
TCP, INET, RXRPC, SOURCE, BOUND, PORT, MQ = 4310, 4311, 4312, 4313, 4314, 4315, "/enforcer-kept"
KEPT, FREE_MQ = ROOT / "kept", "/enforcer-free"
FORBIDDEN6, FREE6, FINAL6 = "fd00:e::2", "fd00:e::3", "fd00:e::4"
BOUND4 = "127.66.0.5"
FORBIDDEN4, FREE4, FINAL4 = "127.66.0.2", "127.66.0.3", "127.66.0.4"
CHOSEN = 40000
REMOTE, REMOTE6 = "10.9.66.2", "fd00:e:9::2"
GROUPS = {
    "255.255.255.255": "all of the network",
    "10.9.66.255": "all of the network, by its number",
    "239.9.9.9": "a group",
    "ff02::1%veth-around": "all in reach, version 6",
}
SEVERAL = f'["{REMOTE}", 255.255.255.255, 10.9.66.255, 224.0.0.0/4, "ff00::/8"]'
MPTCP, SMC, AF_SMC, AF_RXRPC = 262, 256, 43, 33
MODULES = ("mptcp_diag", "smc", "rxrpc", "dccp_ipv6", "tls")
"""What makes a family or a protocol known, where it is a module."""
CGROUPS = Path("/sys/fs/cgroup")
NAMED = f"docker-{'ab' * 32}.scope"

POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: around}}
spec:
  rules:
    - {{network: connect, match: {{protocol: tcp, port: {TCP}}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{network: connect, match: {{family: inet, port: {INET}}}, action: {{deny: {{errno: EACCES}}}}}}
    - network: egress
      match: {{address: ["{FORBIDDEN6}", {FORBIDDEN4}]}}
      action: {{deny: {{errno: EACCES}}}}
    - {{network: bind, match: {{port: {BOUND}}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{network: bind, match: {{address: {BOUND4}}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{network: egress, match: {{port: {PORT}, process: {{binary: {WEB}}}}}, action: allow}}
    - {{network: egress, match: {{process: {{binary: {WEB}}}}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{network: egress, match: {{port: {PORT}, process: {{binary: {MAIL}}}}}, action: {{deny: {{errno: EACCES}}}}}}
    - network: socket
      match: {{protocol: tcp, process: {{binary: {LIMITED}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: listen
      match: {{port: 1024-65535, process: {{binary: {LISTENER}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: bind
      match: {{abstract: enforcer-around-*, process: {{binary: {LISTENER}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - {{network: bind, match: {{path: {ROOT}/nowhere/**}}, action: {{deny: {{errno: EACCES}}}}}}
    - network: socket
      match: {{family: smc, process: {{binary: {NO_SMC}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: socket
      match: {{protocol: 33, process: {{binary: {LIMITED}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: listen
      match: {{address: 127.0.0.9, process: {{binary: {PROGRAM}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: bind
      match: {{port: [999, {CHOSEN}], process: {{binary: {ONE}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: [bind, listen]
      match: {{port: 1024-65535, process: {{binary: {MANY}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - network: egress
      match: {{address: {SEVERAL}, process: {{binary: {ONE}}}}}
      action: {{deny: {{errno: EACCES}}}}
    - {{file: any, match: {{path: {KEPT}/**}}, action: {{deny: {{errno: EACCES}}}}}}
    - {{file: any, match: {{path: /dev/mqueue{MQ}*}}, action: {{deny: {{errno: EACCES}}}}}}
    - name: looks
      file: read
      match: {{path: {ROOT}/seen}}
      action: log
"""


def _do(deed: str, program: Path = PROGRAM) -> int:
    return attempt(str(program), *deed.split()).returncode


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    ROOT.mkdir(parents=True)
    KEPT.mkdir()
    (ROOT / "seen").touch()
    compiled.place("around-network", PROGRAM)
    for copy in (LIMITED, LISTENER, NO_SMC, WEB, MAIL, ONE, MANY):
        shutil.copy(PROGRAM, copy)
    for module in MODULES:
        subprocess.run(["modprobe", "-q", module], check=False)
    yield ROOT
    for name in (MQ, FREE_MQ):
        Path(f"/dev/mqueue{name}").unlink(missing_ok=True)
    shutil.rmtree(ROOT)


# ---- Protocols and families -----------------------------------------------------------------------

DISGUISES = {
    "tcp": (f"2 1 6 127.0.0.1 {TCP}", f"2 1 6 127.0.0.1 {RXRPC}"),
    "tcp by default": (f"2 1 0 127.0.0.1 {TCP}", f"2 1 0 127.0.0.1 {RXRPC}"),
    "MPTCP": (f"2 1 {MPTCP} 127.0.0.1 {TCP}", f"2 1 {MPTCP} 127.0.0.1 {RXRPC}"),
    "SMC over inet": (f"2 1 {SMC} 127.0.0.1 {TCP}", f"2 1 {SMC} 127.0.0.1 {RXRPC}"),
    "AF_SMC as tcp": (f"{AF_SMC} 1 0 127.0.0.1 {TCP}", f"{AF_SMC} 1 0 127.0.0.1 {RXRPC}"),
    "inet": (f"2 1 6 127.0.0.1 {INET}", f"2 1 6 127.0.0.1 {RXRPC}"),
    "AF_SMC as inet": (f"{AF_SMC} 1 0 127.0.0.1 {INET}", f"{AF_SMC} 1 1 ::1 {INET}"),
}
OPTIONAL = {"MPTCP", "SMC over inet", "AF_SMC as tcp", "AF_SMC as inet", "DCCP", "DCCP by default"}
DCCP, DCCP_TYPE = 33, 6
SOCKETS = {
    "tcp": f"2 1 {socket.IPPROTO_TCP}",
    "tcp by default": "2 1 0",
    "tcp of version 6": "10 1 0",
    "MPTCP": f"2 1 {MPTCP}",
    "SMC over inet": f"10 1 {SMC}",
    "AF_SMC as tcp": f"{AF_SMC} 1 0",
    "AF_SMC as inet": f"{AF_SMC} 1 1",
    "DCCP": f"2 {DCCP_TYPE} {DCCP}",
    "DCCP by default": f"10 {DCCP_TYPE} 0",
}


@pytest.fixture(scope="module")
def ears(place) -> Iterator[dict[tuple[str, int], Ear]]:
    them = {
        (address, port): Ear.inet(socket.SOCK_STREAM, address, port)
        for address in ("127.0.0.1", "::1")
        for port in (TCP, INET, RXRPC)
    }
    yield them
    for ear in them.values():
        ear.close()


def _ear(ears: dict[tuple[str, int], Ear], words: str) -> Ear:
    *_, address, port = words.split()
    return ears[address, int(port)]


@pytest.fixture(scope="module")
def connected(ears) -> dict[str, tuple[int, bool]]:
    """What connections do while there is no policy."""
    done: dict[str, tuple[int, bool]] = {}
    for name, (words, _) in DISGUISES.items():
        code = _do(f"connect {words}")
        done[name] = code, code == 0 and _ear(ears, words).heard(wait=True)
    return done


@pytest.fixture(scope="module")
def made(place) -> dict[str, int]:
    return {name: _do(f"socket {words}", LIMITED) for name, words in SOCKETS.items()}


def _need_socket(name: str) -> None:
    family, kind, protocol = map(int, SOCKETS[name].split())
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        if name not in OPTIONAL:
            raise
        pytest.skip(f"this kernel makes no such socket: {error}")


# ---- Source routes ----------------------------------------------------------------------------------


@attrs.define
class Wire:
    """Hears every packet on the loopback device: the ground truth of where something was sent."""

    socket: socket.socket

    def heard(self, address: str) -> bool:
        """Whether a packet went to *address* since the last time: all before one that is sent now."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        wanted = socket.inet_pton(family, address)
        mark = os.urandom(16)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
            it.sendto(mark, ("127.0.0.1", 9))
        found = False
        while True:
            packet = self.socket.recv(65536)
            if mark in packet:
                return found
            at = 24 if family == socket.AF_INET6 else 16
            is_6 = packet[0] >> 4 == 6
            found |= is_6 == (len(wanted) == 16) and packet[at : at + len(wanted)] == wanted


@attrs.frozen
class Route:
    """An attempt with a hop; *may_lack*: kernels may be built without what it needs."""

    deed: str
    version: int
    may_lack: bool = False
    is_doubtful: bool = False
    """The hook cannot know the hop, so a neighbour is refused as well where some rule asks for addresses."""

    def words(self, hop: str) -> str:
        """What the program is told."""
        final = FINAL6 if self.version == 6 else FINAL4
        deed, kind, protocol = self.deed.split()
        family = 10 if self.version == 6 else 2
        return f"{deed} {family} {kind} {protocol} {final} {SOURCE} {hop}"


ROUTES = {
    "connect, routing header": Route("connect 1 0", 6),
    "connect of datagrams, routing header": Route("connect 2 0", 6),
    "send, routing header": Route("send 2 0", 6),
    "send, routing header told": Route("told 2 0", 6, may_lack=True),
    "send connected, routing header told": Route("told_connected 2 0", 6, may_lack=True),
    "routing header behind the connect": Route("after 2 0", 6, is_doubtful=True),
    "routing header on a socket of two": Route("shared 2 0", 6, is_doubtful=True),
    "routing header of a flow label": Route("label 2 0", 6, may_lack=True, is_doubtful=True),
    "connect, source route": Route("connect 1 0", 4),
    "send, source route": Route("send 2 0", 4),
    "send raw, source route": Route("send 3 253", 4),
    "send, source route told": Route("told 2 0", 4, is_doubtful=True),
    "send connected, source route told": Route("told_connected 2 0", 4, is_doubtful=True),
    "source route behind the connect": Route("after 2 0", 4, is_doubtful=True),
    "source route on a socket of two": Route("shared 2 0", 4, is_doubtful=True),
}
DIRECT = {
    f"10 2 0 {FORBIDDEN6}": (f"10 2 0 {FREE6}", FORBIDDEN6, FREE6),
    f"2 2 0 {FORBIDDEN4}": (f"2 2 0 {FREE4}", FORBIDDEN4, FREE4),
}


def _hop(route: Route, *, is_free: bool) -> str:
    if route.version == 6:
        return FREE6 if is_free else FORBIDDEN6
    return FREE4 if is_free else FORBIDDEN4


@pytest.fixture(scope="module")
def wire(place) -> Iterator[Wire]:
    """The loopback device with addresses, and who hears it."""
    for address in (FORBIDDEN6, FREE6, FINAL6):
        command = ["ip", "-6", "address", "add", f"{address}/128", "dev", "lo", "nodad"]
        subprocess.run(command, check=True)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as it:
        it.bind(("lo", 3))
        it.settimeout(scaled(30))
        yield Wire(it)


@pytest.fixture(scope="module")
def sent(wire) -> dict[str, object]:
    done: dict[str, object] = {}
    for name, route in ROUTES.items():
        hop = _hop(route, is_free=False)
        done[name] = (_do(route.words(hop)), wire.heard(hop))
    for words, (_, address, _) in DIRECT.items():
        done[words] = (_do(f"send {words} {SOURCE}"), wire.heard(address))
    return done


# ---- Turning TCP into SMC ---------------------------------------------------------------------------

TURNED = {
    "alone": "turn alone 2",
    "version 6": "turn alone 10",
    "held twice": "turn twice 2",
    "connected, held twice": "turn connected 2",
}
TLS = "tls connected 2"
ROUTED = f"turn alone 2 {FINAL4} {SOURCE}"
"""With a hop behind it: the source route is set first, and at the end the socket is connected."""


@pytest.fixture(scope="module")
def turned(wire) -> dict[str, object]:
    """What becomes of sockets that are to be SMC while there is no policy."""
    done: dict[str, object] = {name: _do(words, NO_SMC) for name, words in TURNED.items()}
    done["tls"] = _do(TLS, NO_SMC)
    done["routed"] = _do(f"{ROUTED} {FORBIDDEN4}"), wire.heard(FORBIDDEN4)
    return done


# ---- Binding --------------------------------------------------------------------------------------

BINDS = {
    "as it is": (socket.AF_INET, socket.SOCK_STREAM, 0, socket.AF_INET),
    "datagrams, AF_UNSPEC": (socket.AF_INET, socket.SOCK_DGRAM, 0, socket.AF_UNSPEC),
    "AF_SMC": (AF_SMC, socket.SOCK_STREAM, 0, socket.AF_INET),
    "AF_SMC, AF_UNSPEC": (AF_SMC, socket.SOCK_STREAM, 0, socket.AF_UNSPEC),
}
"""Family, type and protocol of a socket, and the family that its address claims."""

RAW_BINDS = {
    "raw": (socket.AF_INET, socket.SOCK_RAW, 253, socket.AF_INET),
    "raw, AF_UNIX": (socket.AF_INET, socket.SOCK_RAW, 253, socket.AF_UNIX),
    "raw, a family without addresses": (socket.AF_INET, socket.SOCK_RAW, 253, socket.AF_IPX),
    "raw, of TCP": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP, socket.AF_INET),
    "raw, AF_RXRPC": (socket.AF_INET, socket.SOCK_RAW, 253, AF_RXRPC),
    "raw, AF_RXRPC with another address": (socket.AF_INET, socket.SOCK_RAW, 253, AF_RXRPC),
}
"""Those that bind to an address and to no port, whatever stands there."""

WITHIN = {
    "raw, AF_RXRPC with another address": struct.pack("=H", socket.AF_INET)
    + struct.pack("!H4s8x", PORT, socket.inet_aton(FREE4))
}
"""What lies where AF_RXRPC has the address that UDP gets; else nothing does."""


def _bind(way: str, port: int, to: str = "0.0.0.0") -> int:
    """The errno of binding to an address, by default to none, and to *port*."""
    *kind, family = {**BINDS, **RAW_BINDS}[way]
    address = struct.pack("=H", family) + struct.pack("!H4s", port, socket.inet_aton(to))
    address += WITHIN.get(way, bytes(8))
    try:
        with socket.socket(*kind) as it:
            return ctypes.get_errno() if LIBC.bind(it.fileno(), address, len(address)) else 0
    except OSError as error:
        return error.errno or 0


@pytest.fixture(scope="module")
def bound(place) -> dict[str, int]:
    return {way: _bind(way, BOUND) for way in BINDS} | {
        way: _bind(way, BOUND, BOUND4) for way in RAW_BINDS
    }


# ---- What has no ports -----------------------------------------------------------------------------

PINGS = Path("/proc/sys/net/ipv4/ping_group_range")
PORTLESS = {"ping": "2 2 1", "ping of version 6": "10 2 58", "raw, of ICMP": "2 3 1"}
RAW_PORTS = {"raw, of TCP": "2 3 6", "raw, of UDP": "2 3 17", "raw, of any": "2 3 255"}


def _to(words: str, port: int = PORT) -> str:
    """What connects a socket, which for each of these sends a packet, too."""
    return f"connect {words} {'::1' if words.startswith('10') else '127.0.0.1'} {port}"


@pytest.fixture(scope="module")
def portless(place) -> Iterator[dict[str, int]]:
    """How connections of sockets without ports end while there is no policy."""
    before = PINGS.read_text()
    PINGS.write_text("0 0")
    yield {name: _do(_to(words)) for name, words in {**PORTLESS, **RAW_PORTS}.items()}
    PINGS.write_text(before)


# ---- Listening, and names ---------------------------------------------------------------------------

LISTENING = {
    "bound": f"2 1 0 {SOURCE}",
    "not bound": "2 1 0",
    "not bound, version 6": "10 1 0",
    "not bound, MPTCP": f"2 1 {MPTCP}",
    "bound, AF_SMC": f"{AF_SMC} 1 0 {SOURCE}",
}


@pytest.fixture(scope="module")
def listened(place) -> dict[str, int]:
    return {name: _do(f"listen {words}", LISTENER) for name, words in LISTENING.items()}


RANGES = {
    "bind": "bind 2 2 0",
    "bind, version 6": "bind 10 2 0",
    "bind, UDP-Lite": "bind 2 2 136",
    "bind, TCP": "bind 2 1 0",
    "bind, SCTP": "bind 2 5 132",
    "bind, MPTCP": f"bind 2 1 {MPTCP}",
    "send": "send 2 2 0",
    "send, version 6": "send 10 2 0",
    "send, UDP-Lite": "send 2 2 136",
    "connect": "connect 2 2 0",
    "send to no address": "autobind 2 2 0",
}
LACKING = {errno.ENOPROTOOPT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EOPNOTSUPP}
"""Of a kernel without the option, or without the protocol."""


def _range(name: str, low: int, high: int, program: Path = ONE, more: str = "") -> int:
    return _do(f"range {RANGES[name]} {low} {high} {more}", program)


@pytest.fixture(scope="module")
def ranged(place) -> dict[str, int]:
    """How sockets get a port of a range while there is no policy."""
    done = {name: _range(name, CHOSEN, CHOSEN) for name in RANGES}
    return done | {
        "chosen": _range("bind", 0, 0, MANY),
        "twice": _range("send", CHOSEN, CHOSEN, more="twice"),
    }


def _sends_to_all() -> bool:
    """Whether the kernel takes a datagram to all in reach: not before the device has a carrier and a route."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as it:
        try:
            it.sendto(b"", ("ff02::1", PORT + 1, 0, socket.if_nametoindex("veth-around")))
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def network(place) -> Iterator[Ear]:
    """
    Another machine of the network, and what it hears.

    An address without duplicate address detection is not tentative, so the kernel sends from it at once.
    """
    for line in (
        "netns add around",
        "link add veth-around type veth peer name veth0 netns around",
        "address add 10.9.66.1/24 broadcast + dev veth-around",
        f"-n around address add {REMOTE}/24 broadcast + dev veth0",
        "-n around address add 10.9.66.3/24 dev veth0",
        "-n around link set veth0 up",
        "link set veth-around up",
        "-6 address add fe80::66/64 dev veth-around nodad",
        "route add 239.0.0.0/8 dev veth-around",
        "route add 224.0.0.0/8 dev veth-around",
        "route add 255.255.255.255 dev veth-around",
    ):
        subprocess.run(["ip", *line.split()], check=True)
    wait_until(_sends_to_all, "veth-around has no address of version 6 to send from", 10, 0.05)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    with Path("/run/netns/around").open() as there:
        os.setns(there.fileno(), os.CLONE_NEWNET)
    it = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    it.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    it.bind(("::", PORT))
    member = socket.inet_aton("239.9.9.9") + socket.inet_aton(REMOTE)
    it.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    os.setns(here, os.CLONE_NEWNET)
    yield Ear(it)
    it.close()
    subprocess.run(["ip", "netns", "del", "around"], check=True)


def _send_to(address: str, network: Ear, program: Path = ONE) -> tuple[int, bool]:
    code = _do(f"group {address} {PORT}", program)
    return code, network.heard(wait=code == 0)


@pytest.fixture(scope="module")
def grouped(network) -> dict[str, tuple[int, bool]]:
    return {to: _send_to(to, network) for to in (*GROUPS, REMOTE)}


AUTOBOUND = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]


@pytest.fixture(scope="module")
def autobound(place) -> dict[int, int]:
    return {kind: _do(f"autobind {int(kind)}", LISTENER) for kind in AUTOBOUND}


@pytest.fixture(scope="module")
def named(place) -> dict[str, object]:
    """What becomes of names while there is no policy."""
    done: dict[str, object] = {}
    taken, queue = KEPT / "socket", Path(f"/dev/mqueue{MQ}")
    done["socket"] = (_do(f"ubind {taken}"), taken.is_socket())
    taken.unlink()
    done["mq_open"] = (_do(f"mqopen {MQ}"), queue.exists())
    done["mq_unlink"] = (_do(f"mqunlink {MQ}"), queue.exists())
    _do(f"mqopen {MQ}")
    return done


@pytest.fixture(scope="module")
def tried(connected, made, sent, listened, named) -> None:
    """Everything has been seen to work while there is no policy."""


@pytest.fixture(scope="module")
def tried_too(bound, portless, autobound, turned) -> None:
    """So has the rest."""


@pytest.fixture(scope="module")
def tried_last(ranged, grouped) -> None:
    """Ports and addresses that stand for several, too."""


@pytest.fixture(scope="module")
def engine(tried, tried_too, tried_last, tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY, tmp_path_factory.mktemp("around")) as it:
        yield it


# ---- Tests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DISGUISES)
def test_connection_is_refused_in_disguise(name, connected, ears, engine):
    """TCP is refused by whatever socket it begins, and IPv4 in whatever family."""
    if name in OPTIONAL:
        _need_socket(name)
    assert (0, True) == connected[name]
    attack, neighbour = DISGUISES[name]

    assert (ACCESS, False) == (_do(f"connect {attack}"), _ear(ears, attack).heard(wait=False))
    assert (0, True) == (_do(f"connect {neighbour}"), _ear(ears, neighbour).heard(wait=True))


@pytest.mark.parametrize("name", SOCKETS)
def test_socket_is_not_made_in_disguise(name, made, engine):
    """What is made with protocol 0 is TCP as well, if it is a stream."""
    _need_socket(name)
    assert made[name] == 0

    assert _do(f"socket {SOCKETS[name]}", LIMITED) == ACCESS
    assert _do(f"socket {SOCKETS[name]}") == 0


@pytest.mark.parametrize("words", ["2 2 0", "10 2 17", "1 1 0", "1 3 0", "16 3 0"])
def test_other_sockets_are_made(words, engine):
    assert _do(f"socket {words}", LIMITED) == 0


@pytest.mark.parametrize("way", BINDS)
def test_port_is_not_bound_in_disguise(way, bound, engine):
    """Some protocols do not look at the family that an address claims."""
    if way.startswith("AF_SMC") and bound[way] == errno.EAFNOSUPPORT:
        return  # a kernel without it binds nothing by it
    assert bound[way] == 0

    assert (ACCESS, 0) == (_bind(way, BOUND), _bind(way, BOUND + 1))


@pytest.mark.parametrize("way", RAW_BINDS)
def test_address_is_not_bound_in_disguise(way, bound, engine):
    """A raw socket looks neither at the family nor at the port: a rule on ports is not about it."""
    assert bound[way] == 0

    assert (ACCESS, 0) == (_bind(way, PORT, BOUND4), _bind(way, BOUND))


@pytest.mark.parametrize("name", PORTLESS)
def test_what_has_no_ports_meets_no_rule_on_them(name, portless, engine):
    """Else anybody who may use one port could reach every machine by ICMP, naming that port."""
    assert portless[name] == 0
    words = PORTLESS[name]

    assert [ACCESS, ACCESS] == [_do(_to(words), WEB), _do(_to(words, PORT + 1), WEB)]
    assert [0, 0] == [_do(_to(words), MAIL), _do(_to(words, PORT + 1), MAIL)]


@pytest.mark.parametrize("name", RAW_PORTS)
def test_port_of_raw_packets_is_unknown(name, portless, engine):
    """They name what they like, whatever the address says: it allows nothing, and what denies it decides in doubt."""
    assert portless[name] == 0
    words = RAW_PORTS[name]

    assert [ACCESS, ACCESS] == [_do(_to(words), WEB), _do(_to(words, PORT + 1), WEB)]
    assert [ACCESS, ACCESS] == [_do(_to(words), MAIL), _do(_to(words, PORT + 1), MAIL)]


@pytest.mark.parametrize("words", ["2 2 17", "10 2 17"])
def test_ports_are_known_where_there_are_any(words, engine):
    assert [0, ACCESS] == [_do(_to(words), WEB), _do(_to(words, PORT + 1), WEB)]
    assert [ACCESS, 0] == [_do(_to(words), MAIL), _do(_to(words, PORT + 1), MAIL)]


@pytest.mark.parametrize("version", [4, 6])
def test_address_within_an_address_is_refused(version, place, wire, engine):
    """AF_RXRPC has the address that UDP gets in an address of its own."""
    lacks = 0
    try:
        socket.socket(AF_RXRPC, socket.SOCK_DGRAM, socket.AF_INET).close()
    except OSError as error:
        lacks = error.errno
    if lacks:  # a kernel without it sends nothing by it
        assert errno.EAFNOSUPPORT == lacks
        return
    refused, free = (FORBIDDEN6, FREE6) if version == 6 else (FORBIDDEN4, FREE4)

    # The neighbour is the control: it differs in nothing but the address.
    assert (0, True) == (_do(f"rxrpc {free} 7000"), wire.heard(free))
    assert (ACCESS, False) == (_do(f"rxrpc {refused} 7000"), wire.heard(refused))


@pytest.mark.parametrize(
    ("refused", "free"), [(FORBIDDEN4, FREE4), (FORBIDDEN6, FREE6)], ids=["4", "6"]
)
def test_address_within_an_address_is_read(refused, free, engine):
    """On every kernel: the hook is asked before a socket of another family refuses such an address."""
    assert _do(f"within {free} 7000") == errno.EAFNOSUPPORT

    assert _do(f"within {refused} 7000") == ACCESS


@pytest.mark.parametrize("words", DIRECT)
def test_address_is_refused(words, sent, wire, engine):
    neighbour, refused, free = DIRECT[words]
    assert (0, True) == sent[words]

    assert (ACCESS, False) == (_do(f"send {words} {SOURCE}"), wire.heard(refused))
    assert (0, True) == (_do(f"send {neighbour} {SOURCE}"), wire.heard(free))


@pytest.mark.parametrize("name", ROUTES)
def test_first_hop_is_refused(name, sent, wire, engine):
    """Where a packet goes first counts like where it goes in the end."""
    route = ROUTES[name]
    if route.may_lack and sent[name] == (errno.EINVAL, False):
        pytest.skip("this kernel takes no routing header there: it was built without mobile IPv6")
    assert (0, True) == sent[name]
    refused, free = _hop(route, is_free=False), _hop(route, is_free=True)

    assert (ACCESS, False) == (_do(route.words(refused)), wire.heard(refused))
    expected = (ACCESS, False) if route.is_doubtful else (0, True)
    assert expected == (_do(route.words(free)), wire.heard(free))


@pytest.mark.parametrize("name", TURNED)
def test_socket_is_not_turned_into_smc(name, turned, engine):
    """An option of TCP does that. Its value is read behind the hook, so whatever may be that is decided as it."""
    is_connected = name.startswith("connected")
    # A kernel without SMC knows no such value, and no kernel turns a connected socket.
    assert turned[name] in ({errno.ENOTCONN, errno.ENOENT} if is_connected else {0, errno.ENOENT})

    assert _do(TURNED[name], NO_SMC) == ACCESS
    assert _do(TURNED[name]) == turned[name]


def test_tls_goes_on_under_a_rule_on_smc(turned, engine):
    """A connected socket that nobody else holds is not turned, so it may have any other such protocol."""
    assert turned["tls"] in {0, errno.ENOENT}

    assert _do(TLS, NO_SMC) == turned["tls"]


def test_route_of_what_is_turned_into_smc_is_unknown(turned, wire, engine):
    """It is looked at no more once the socket is another one."""
    assert turned["routed"] in {(0, True), (errno.ENOENT, False)}

    for hop in (FORBIDDEN4, FREE4):
        assert (ACCESS, False) == (_do(f"{ROUTED} {hop}"), wire.heard(hop))
    assert _do(TURNED["alone"]) == turned["alone"]


@pytest.mark.parametrize("kind", AUTOBOUND)
def test_name_that_the_kernel_picks_is_unknown(kind, autobound, engine):
    """Who binds to a family alone gets an abstract name; one that is known, and a path, are decided as they are."""
    assert autobound[kind] == 0

    assert _do(f"autobind {int(kind)}", LISTENER) == ACCESS
    assert _do(f"autobind {int(kind)}") == 0


@pytest.mark.parametrize("name", LISTENING)
def test_port_that_the_kernel_picks_is_unknown(name, listened, engine):
    """A rule on ports meets who listens without a name, and one without a port does not."""
    for optional, made in (("SMC", "AF_SMC as tcp"), ("MPTCP", "MPTCP")):
        if optional in name:
            _need_socket(made)
    assert listened[name] == 0

    assert _do(f"listen {LISTENING[name]}", LISTENER) == ACCESS
    if "SMC" not in name:  # whose address is unknown as well
        assert _do(f"listen {LISTENING[name]}") == 0


@pytest.mark.parametrize("name", RANGES)
def test_caller_does_not_choose_a_port_by_a_range(name, ranged, engine):
    """A range of one's own is a choice. Which port of it the kernel takes is unknown; others it does not take."""
    if ranged[name] in LACKING:
        pytest.skip("this kernel has no such socket, or no range of its own for it")
    assert ranged[name] == 0

    assert _range(name, CHOSEN, CHOSEN) == ACCESS
    assert _range(name, CHOSEN - 9, CHOSEN + 9) == ACCESS
    assert _range(name, CHOSEN + 1, CHOSEN + 9) == 0
    assert _range(name, CHOSEN, CHOSEN, PROGRAM) == 0


def test_range_of_a_socket_of_two_is_unknown(ranged, engine):
    """The other one may bind it between the hook and the place where the kernel reads the range."""
    if ranged["twice"] in LACKING:
        pytest.skip("this kernel has no such option")
    assert ranged["twice"] == 0

    assert _range("send", CHOSEN, CHOSEN, more="twice") == ACCESS
    assert _range("send", 0, 0, more="twice") == 0


@pytest.mark.parametrize("name", ["bind", "bind, version 6", "bind, TCP"])
def test_port_of_the_hosts_range_is_one_of_many(name, ranged, engine):
    """Rules with an end of the host's range are about what the kernel chooses of it, other ones are not."""
    assert ranged["chosen"] == 0

    assert [ACCESS, 0] == [_range(name, 0, 0, MANY), _range(name, 0, 0)]


@pytest.mark.parametrize("name", ["send", "send, version 6", "connect", "send to no address"])
def test_client_has_a_port_without_a_bind(name, engine):
    """Each client gets one of the host's range: no rule on bind is about that."""
    assert [0, 0] == [_range(name, 0, 0, MANY), _range(name, 0, 0)]


@pytest.mark.parametrize("address", GROUPS)
def test_address_of_several_is_refused(address, grouped, network, engine):
    """A machine is also reached by what stands for many. Rules that name these addresses refuse them."""
    assert [(0, True), (0, True)] == [grouped[address], grouped[REMOTE]]

    assert [(ACCESS, False)] * 2 == [_send_to(address, network), _send_to(REMOTE, network)]
    assert (0, True) == _send_to("10.9.66.3", network)
    assert (0, True) == _send_to(address, network, PROGRAM)


def test_listening_below_the_range_goes_on(engine):
    assert _do("listen 2 1 0 999", LISTENER) == 0


def test_unix_socket_makes_a_name(named, engine):
    """A name that a bind makes is a file like another."""
    assert (0, True) == named["socket"]

    with pytest.raises(PermissionError):
        (KEPT / "file").touch()
    assert (ACCESS, False) == (_do(f"ubind {KEPT / 'socket'}"), (KEPT / "socket").exists())
    assert (0, True) == (_do(f"ubind {ROOT / 'free'}"), (ROOT / "free").is_socket())


def test_message_queue_is_a_file(named, engine):
    """Queues are made and removed by calls of their own."""
    assert (0, True) == named["mq_open"]
    assert (0, False) == named["mq_unlink"]
    kept, other = Path(f"/dev/mqueue{MQ}"), Path(f"/dev/mqueue{MQ}-2")

    with pytest.raises(PermissionError):
        kept.unlink()
    assert (ACCESS, True) == (_do(f"mqunlink {MQ}"), kept.exists())
    assert (ACCESS, False) == (_do(f"mqopen {MQ}-2"), other.exists())
    assert (0, True) == (_do(f"mqopen {FREE_MQ}"), Path(f"/dev/mqueue{FREE_MQ}").exists())
    assert (0, False) == (_do(f"mqunlink {FREE_MQ}"), Path(f"/dev/mqueue{FREE_MQ}").exists())


@pytest.mark.parametrize(
    ("above", "runtime"),
    [("system.slice", "docker"), ("user.slice/user@2001.service/app.slice", None)],
)
def test_cgroup_below_a_unit_is_no_container(above, runtime, engine):
    """Whom a unit is delegated to names what is below it; records do not believe that."""
    folder = CGROUPS / above / NAMED
    folder.mkdir(parents=True)
    reads = f"echo $$ > {folder}/cgroup.procs; read line < {ROOT}/seen; read end"
    with subprocess.Popen(["/bin/sh", "-c", reads], stdin=subprocess.PIPE) as process:
        event = engine.wait_for(lambda e: e["process"]["cgroup"] == f"/{above}/{NAMED}")
        process.communicate()
    folder.rmdir()

    assert runtime == event["container"]["runtime"]
