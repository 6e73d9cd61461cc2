# SPDX-License-Identifier: MIT
"""Events to records."""

import errno

import pytest
from fakes import BASH, ENFORCED, PREVENTED, WALL_NS, denied, enricher, event, record

from enforcer.events.document import as_document
from enforcer.events.operations import OPERATIONS
from enforcer.events.placeholders import Placeholders
from enforcer.events.types import GuardAct, Lost, Origin
from enforcer.identity.container import Container
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.policy.language.templates import PLACEHOLDERS
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb


def test_every_operation_has_names():
    """The table of names is complete."""
    # An attempt is called what it would have been.
    assert {*Op, *GuardAct} - {Op.ATTEMPT} == set(OPERATIONS)


def test_every_placeholder_has_a_value():
    """Whatever a policy may write, a record can be asked for."""
    assert set(PLACEHOLDERS) == set(Placeholders(record()))


def test_message_is_rendered_with_dashes_outside_of_pods():
    """What is not known is a dash, as in the article."""
    found = record(path=b"/bin/bash")

    assert found.message == "Suspicious /bin/bash execution detected in pod - (namespace -)"


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (Identity(user="ann", group="staff"), "ann of staff"),
        (Identity(), "0 of 0"),
    ],
)
def test_users_and_groups_have_the_names_that_the_record_has(identity, expected):
    """Else their numbers: the system's name service may ask a directory over the network."""
    origin = Origin("p", "r", "p.yaml:1:1", message="{user} of {group}")

    found = record(origin=origin, identity=identity, uid=0, gid=0)

    assert expected == found.message


def test_time_is_wall_clock():
    """The kernel's boot time is turned into the wall clock's."""
    assert record(time_ns=1_000 + 5).time_ns == WALL_NS + 5


def test_clock_follows_steps():
    """After an adjustment the new difference is used."""
    maker = enricher()
    before = maker.enrich(event()).time_ns
    maker.clock.wall_ns = lambda: WALL_NS + 3_600_000_000_000

    maker.clock.adjust()

    assert maker.enrich(event()).time_ns == before + 3_600_000_000_000


def test_a_row_beyond_the_table_is_a_record_all_the_same():
    """An event of an image that is no longer known is not thrown away."""
    found = enricher(BASH).enrich(event(row=7))

    assert found.origin.policy == "-"


def test_default_message_says_what_happened():
    """Without words of the policy the record has its own."""
    assert denied().message == "denied: file.write /srv/vault/secret by /usr/bin/tee"


def test_audit_says_would():
    """An audit verdict does not claim that something was refused."""
    assert denied(flags=0).message.startswith("would deny: ")


def test_an_audit_claims_no_error_and_no_signal():
    """Nobody got one: the kernel side leaves both 0, which names neither."""
    for verb in (Verb.DENY, Verb.KILL):
        found = as_document(record(action=verb, flags=0, error=0, signal=0))
        assert (None, None) == (found["errno"], found["signal"])

    killed = as_document(record(action=Verb.KILL, flags=ENFORCED | PREVENTED, error=1, signal=9))
    assert ("EPERM", "SIGKILL") == (killed["errno"], killed["signal"])


def test_syscall_is_the_authors_if_the_rule_was_lifted():
    """A rule on openat2 is recorded as openat2."""
    found = record(origin=Origin("p", "r", "p:1:1", syscall="openat2"), op=Op.READ)

    assert found.syscall == "openat2"


def test_facts_of_another_program_are_not_used():
    """If /proc already shows another executable, its command line is not the actor's."""
    facts = ProcessFacts(exe=b"/usr/bin/other", cmdline=(b"other", b"--flag"))
    found = denied(identity=Identity(process=facts))

    assert found.process.exe == "/usr/bin/tee"
    assert found.process.cmdline is None


def test_command_line_of_the_same_program_is_used():
    """If /proc shows the executable that the kernel recorded, the command line is shown."""
    facts = ProcessFacts(exe=b"/usr/bin/tee", cmdline=(b"tee", b"-a"))
    found = denied(identity=Identity(process=facts))

    assert found.process.cmdline == ("tee", "-a")


def test_container_is_recorded():
    """A container id of the cgroup reaches record, document and message."""
    identity = Identity(cgroup="/docker/x", container=Container("docker", "ab" * 32))
    origin = Origin("p", "r", "p:1:1", message="in {container_id}")

    found = record(identity=identity, origin=origin)

    assert found.message == f"in {'ab' * 32}"
    assert as_document(found)["container"] == {
        "runtime": "docker",
        "id": "ab" * 32,
        "name": None,
        "image": None,
        "root": None,
    }


def test_document_of_a_denial():
    """The document says what happened, why, to what and by whom."""
    shown = as_document(denied())

    assert {
        "version": 1, "kind": "match", "time": "2025-11-24T20:48:01.123456Z",
        "policy": "vault", "rule": "no-writes", "place": "vault.yaml:9:3",
        "action": "deny", "enforced": True, "prevented": True,
        "errno": "EPERM", "signal": None, "operation": "write", "syscall": "openat",
    }.items() <= shown.items()  # fmt: skip
    assert shown["object"]["path"] == "/srv/vault/secret"
    assert shown["process"]["exe"] == "/usr/bin/tee"


@pytest.mark.parametrize(
    ("values", "address", "target"),
    [
        ({"addr_lo": 0xFFFF_0A00_0001, "port": 443, "family": 2}, "10.0.0.1", "10.0.0.1:443"),
        (
            {"addr_hi": 0x20010DB8 << 32, "addr_lo": 1, "port": 53, "family": 10},
            "2001:db8::1",
            "[2001:db8::1]:53",
        ),
    ],
)
def test_addresses(values, address, target):
    """IPv4 is stored mapped and shown as IPv4."""
    shown = as_document(record(op=Op.CONNECT, type=1, protocol=6, **values))["object"]

    assert (address, values["port"], target) == (shown["address"], shown["port"], shown["target"])
    assert (shown["type"], shown["protocol"]) == ("stream", "tcp")


@pytest.mark.parametrize(
    ("family", "protocol", "words"),
    [
        (2, 0x4006, ("inet", "tcp")),
        (10, 0x4011, ("inet6", "udp")),
        (43, 256, ("smc", "smc")),
        (0x100 | 43, 256, ("smc6", "smc")),
        (0x100 | 33, 17, ("rxrpc6", "udp")),
    ],
)
def test_sockets_in_disguise_have_words(family, protocol, words):
    """What only the kernel side tells apart is named by the words of policies."""
    shown = as_document(record(op=Op.SOCKET, type=1, family=family, protocol=protocol))["object"]

    assert words == (shown["family"], shown["protocol"])


def test_abstract_socket():
    """A unix socket by abstract name is shown with its @."""
    shown = as_document(record(op=Op.CONNECT, family=1, type=1, name=b"bus\x1b"))["object"]

    assert shown["target"] == "unix:@bus\x1b"


def test_unknown_numbers_are_shown_as_numbers():
    """A signal or errno that this machine has no name for is still a record."""
    shown = as_document(denied(action=Verb.KILL, signal=250, error=9999))

    assert (shown["signal"], shown["errno"]) == ("SIG250", "9999")


def test_unknown_operands_are_named():
    """The document says which operands could not be read."""
    assert as_document(record(unknown=1 << 0 | 1 << 4))["object"]["unknown"] == [
        "path", "arg_any",
    ]  # fmt: skip


def test_document_of_a_loss():
    """Losses are records of their own kind."""
    shown = as_document(Lost(time_ns=WALL_NS, activity=7))

    assert (shown["kind"], shown["activity"], shown["decisions"]) == ("lost", 7, 0)


def test_errno_is_none_when_nothing_was_refused():
    """A log has neither errno nor signal, whatever the event's fields hold."""
    shown = as_document(record(action=Verb.LOG, error=errno.EPERM, signal=9, flags=ENFORCED))

    assert (shown["errno"], shown["signal"]) == (None, None)


def test_kill_that_could_not_deny():
    """A kill without prevention says so."""
    shown = as_document(record(action=Verb.KILL, signal=9, error=1, flags=ENFORCED))

    assert (shown["signal"], shown["prevented"]) == ("SIGKILL", False)
    assert as_document(record(action=Verb.KILL, flags=ENFORCED | PREVENTED))["prevented"]
