# SPDX-License-Identifier: MIT
"""What is compared at points of the kernel: bits of a member, ends of a packet, functions of a module."""

from __future__ import annotations

import errno
import platform
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
import shared
from daemon import ask
from engine import Engine, attempt, perl, python, running

from enforcer.kernel import functions

POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: arguments}
spec:
  rules:
    - name: reuse
      lsm: socket_listen
      match: {args: [{index: 0, resolve: sk.__sk_common.skc_reuse, equal: 1}]}
      action: {deny: {errno: EDOM}}
    - name: reuse-port
      lsm: socket_listen
      match: {args: [{index: 0, resolve: sk.__sk_common.skc_reuseport, equal: 1}]}
      action: {deny: {errno: ERANGE}}
    - name: to-v4
      lsm: socket_sock_rcv_skb
      match: {args: [{index: 1, address: 127.0.0.3, port: 7001, protocol: udp}]}
      action: deny
    - name: to-v6
      lsm: socket_sock_rcv_skb
      match: {args: [{index: 1, type: Skb, family: inet6, port: 7002}]}
      action: deny
    - name: marked
      lsm: socket_sock_rcv_skb
      match: {args: [{index: 1, resolve: mark, equal: 77}, {index: 1, resolve: len, range: 12-4096}]}
      action: deny
    - name: peer
      lsm: socket_getpeername
      match: {args: [{index: 0, port: 7005}]}
      action: {deny: {errno: ERANGE}}
    - name: bound
      lsm: socket_bind
      match: {args: [{index: 1, port: 7006}]}
      action: {deny: {errno: ERANGE}}
    - name: sent
      lsm: socket_sendmsg
      match: {args: [{index: 1, resolve: msg_name, type: Sockaddr, family: inet, port: 7007, address: 127.0.0.1}]}
      action: {deny: {errno: ERANGE}}
"""
FROM = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: from}
spec:
  rules:
    - name: from
      lsm: socket_sock_rcv_skb
      match: {args: [{index: 1, type: SkbSource, port: 7009}]}
      action: deny
"""
AF_UNSPEC, AF_INET = 0, 2
LOCALHOST = 0x7F000001
LISTEN = """
import errno, socket
one = socket.socket()
if sys.argv[1] != 'plain':
    one.setsockopt(socket.SOL_SOCKET, getattr(socket, sys.argv[1]), 1)
try:
    one.bind(('127.0.0.1', 0))
    one.listen(5)
except OSError as error:
    print(errno.errorcode[error.errno])
else:
    print('done')
"""


@pytest.fixture(scope="class")
def engine(tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY, tmp_path_factory.mktemp("arguments")) as it:
        yield it


def listened(option: str) -> str:
    ended = python(LISTEN, option)
    assert 0 == ended.returncode, ended
    return ended.stdout.decode().strip()


def arrives(host: str, port: int, *, source: int = 0, mark: int = 0, text: bytes = b"x") -> bool:
    """Whether a datagram comes to whom it is for; it is there, or not, when sending has returned."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as receiver,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((host, port))
        receiver.setblocking(False)
        if source:
            sender.bind((host, source))
        if mark:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        sender.sendto(text, (host, port))
        try:
            return receiver.recv(64) == text
        except BlockingIOError:
            return False


def peer(kind: int, protocol: int) -> str:
    """Ask a socket for its peer, which it has been given with a port."""
    with socket.socket(socket.AF_INET, kind, protocol) as one:
        one.connect(("127.0.0.1", 7005))
        try:
            return str(one.getpeername()[1])
        except OSError as error:
            return errno.errorcode[error.errno]


BIND = "socket(S, 2, 2, 0); bind(S, pack('S n N x8', @ARGV)) or die"
SEND = "socket(S, 2, 2, 0); defined(send(S, 'x', 0, pack('S n N x8', @ARGV))) or die"


def named(program: str, family: int, port: int, address: int) -> int:
    """Have a socket of UDP bound to what a sockaddr says, or send there; the error, or 0."""
    return perl(program, *map(str, (family, port, address))).returncode


PEERS = (
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    (socket.SOCK_RAW, 253),
    (socket.SOCK_RAW, socket.IPPROTO_UDP),
)
PACKETS = {
    "to-v4": ({"host": "127.0.0.3", "port": 7001}, {"host": "127.0.0.2", "port": 7001}),
    "to-v6": ({"host": "::1", "port": 7002}, {"host": "127.0.0.1", "port": 7002}),
    "marked": (
        {"host": "127.0.0.1", "port": 7003, "mark": 77, "text": b"long enough"},
        {"host": "127.0.0.1", "port": 7003, "mark": 78, "text": b"long enough"},
    ),
}


def test_everything_works_without_a_policy():
    """The control."""
    assert ["done"] * 3 == [listened(o) for o in ("plain", "SO_REUSEADDR", "SO_REUSEPORT")]
    for stopped, passed in PACKETS.values():
        assert (True, True) == (arrives(**stopped), arrives(**passed))
    assert arrives("127.0.0.1", 7004, source=7009)
    assert ["7005"] * len(PEERS) == [peer(*each) for each in PEERS]
    assert [0, 0] == [named(BIND, family, 7006, 0) for family in (AF_UNSPEC, AF_INET)]
    assert [0, 0] == [named(SEND, family, 7007, LOCALHOST) for family in (AF_UNSPEC, AF_INET)]


class TestTogether:
    """One engine with rules on two hooks."""

    @pytest.mark.parametrize(
        ("option", "rule", "error"),
        [("SO_REUSEADDR", "reuse", "EDOM"), ("SO_REUSEPORT", "reuse-port", "ERANGE")],
    )
    def test_bits_of_a_member(self, engine, option, rule, error):
        """Two bit fields that lie in one byte; a socket that has neither is nobody's business."""
        assert (error, "done") == (listened(option), listened("plain"))

        event = engine.wait_for(lambda e: e.get("rule") == rule)
        values = {one["name"]: one["value"] for one in event["object"]["operands"]}
        assert {
            "arg0.sk.__sk_common.skc_reuse": int(rule == "reuse"),
            "arg0.sk.__sk_common.skc_reuseport": int(rule == "reuse-port"),
        } == values

    @pytest.mark.parametrize("rule", PACKETS)
    def test_where_a_packet_goes(self, engine, rule):
        """By address, port and protocol of its header, and by members of it; another one comes through."""
        stopped, passed = PACKETS[rule]

        assert (False, True) == (arrives(**stopped), arrives(**passed))

        event = engine.wait_for(lambda e: e.get("rule") == rule)
        assert event["prevented"]
        assert not event["onError"]
        assert (stopped["host"], stopped["port"], "udp") == tuple(
            event["object"][key] for key in ("address", "port", "protocol")
        )

    def test_who_has_no_ports_has_no_port(self, engine):
        """What a raw socket was given is no port; where the protocol has ports, its packets name any."""
        assert ["ERANGE", "7005", "ERANGE"] == [peer(*each) for each in PEERS]

        event = engine.wait_for(lambda e: e.get("rule") == "peer" and e["onError"])
        assert "port" in event["object"]["unknown"]

    def test_no_family_is_that_of_ipv4(self, engine):
        """As the kernel takes it; whether it does is not known at the point. Another port is nobody's business."""
        for program, port, address in ((BIND, 7006, 0), (SEND, 7007, LOCALHOST)):
            for family in (AF_UNSPEC, AF_INET):
                assert errno.ERANGE == named(program, family, port, address)
                assert 0 == named(program, family, port + 10, address)

        event = engine.wait_for(lambda e: e.get("rule") == "sent" and e["onError"])
        assert ["family"] == event["object"]["unknown"]

    def test_what_is_no_packet_has_no_ends(self, engine):
        """The hook is passed by messages of unix sockets, too: neither refused nor undecided."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, other:
            one.send(b"\x45" + bytes(39))
            other.setblocking(False)
            assert 40 == len(other.recv(64))


def test_where_a_packet_comes_from(tmp_path):
    """The other end, in a policy of its own: at one point only one end is looked at."""
    with running(FROM, tmp_path) as it:
        assert not arrives("127.0.0.1", 7004, source=7009)
        assert arrives("127.0.0.1", 7009)
        event = it.wait_for(lambda e: e.get("rule") == "from")
    assert ("127.0.0.1", 7009) == (event["object"]["address"], event["object"]["port"])


# ---- Modules ------------------------------------------------------------------------------------

MODULE = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: module}
spec:
  allowDegraded: true
  rules:
    - name: entry
      kprobe: dummy_dev_init
      match: {args: [{index: 0, resolve: name, prefix: bad}]}
      action: kill
    - name: end
      kprobe: {function: dummy_validate, at: return}
      match: {returns: {equal: 0}}
      action: log
"""


@pytest.fixture
def module() -> Iterator[None]:
    if shutil.which("ip") is None or attempt("modprobe", "dummy", "numdummies=0").returncode:
        pytest.skip("this kernel has no module dummy, or there is no ip")
    yield
    shared.close()  # a point stays where it is for as long as the engine's programs do
    subprocess.run(["modprobe", "-r", "dummy"], check=True)


def is_too_old() -> bool:
    """Whether a program for many functions may be at none of a module: Linux before 6.2."""
    is_old = tuple(map(int, platform.release().split(".")[:2])) < (6, 2)
    return is_old and functions.takes_many()


def test_functions_of_a_module_are_refused_where_the_kernel_does(module, tmp_path):
    if not is_too_old():
        pytest.skip("this kernel lets programs at functions of modules")
    (tmp_path / "policy.yaml").write_text(MODULE)
    ended = ask("start", str(tmp_path / "policy.yaml"))

    assert 0 < ended.returncode
    assert "accepts no program at the function dummy_dev_init" in ended.stderr


def test_functions_of_a_module(module, tmp_path):
    """Typed from the module's own BTF; where it is not loaded, there is no such function."""
    if is_too_old():
        pytest.skip("this kernel accepts no program at functions of modules")
    names = ("bad0", "good0")
    with running(MODULE, tmp_path) as engine:
        added = [attempt("ip", "link", "add", name, "type", "dummy") for name in names]
        assert [-signal.SIGKILL, 0] == [each.returncode for each in added]
        event = engine.wait_for(lambda e: e.get("rule") == "entry")
        assert [{"name": "arg0.name", "value": "bad0"}] == event["object"]["operands"]
        assert ("kprobe dummy_dev_init", False) == (event["object"]["point"], event["prevented"])
        event = engine.wait_for(lambda e: e.get("rule") == "end")
        assert [{"name": "returns", "value": 0}] == event["object"]["operands"]
