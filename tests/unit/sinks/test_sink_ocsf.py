# SPDX-License-Identifier: MIT
"""OCSF events against the official schema, and what they say."""

import json

import header
import jsonschema
import pytest
from fakes import WALL_NS, denied, parent, record
from ocsf_schema import official_class, validate
from synthetic import POD, records

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import GuardAct, Lost, Origin
from enforcer.identity.container import Container
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.ocsf import ocsf_event, ocsf_line
from enforcer.sinks.ocsf_classes import activity_of


def event_of(given, **fields):
    """Make an event by way of its line, and hold it to the schema."""
    event = json.loads(ocsf_line(given, fields))
    validate(event)
    return event


def test_records_of_every_kind_pass_the_official_schema():
    """Every operation, action and oddity; keys that the class has not are refused."""
    seen = set()
    for each in records(1000):
        event = event_of(each, site="a")
        seen.add(event["metadata"]["event_code"])

    assert seen == {"lost", *(names.full for names in OPERATIONS.values())}


@pytest.mark.parametrize(
    ("key", "value"),
    [("activity_id", 98), ("colour", "red"), ("time", "now"), ("action_id", 5), ("actor", {})],
)
def test_the_schema_would_notice(key, value):
    """A test that cannot fail proves nothing."""
    event = ocsf_event(denied(), {}) | {key: value}

    with pytest.raises(jsonschema.ValidationError):
        validate(event)


def test_a_denied_write_is_a_file_activity():
    """Who, what, and what became of it, where readers of OCSF look for it."""
    seen = ProcessFacts(b"/usr/bin/tee", (b"tee", b"secret"))
    pod = Container("cri-o", "0" * 64, POD)
    given = denied(
        identity=Identity(
            process=seen, ancestry=parent(exe="/bin/sh"), cgroup="/a", container=pod, user="ann",
            cwd=b"/srv",
        ),
        uid=1000, time_ns=9_000_000, start_ns=4_000_000, ino=7,
    )  # fmt: skip

    event = event_of(given, site="rack-7")

    assert (event["class_uid"], event["activity_id"], event["type_uid"]) == (1001, 3, 100103)
    assert event["time"] == given.time_ns // 1_000_000
    assert event["file"] == {
        "name": "secret", "path": "/srv/vault/secret", "type_id": 0, "type": "Unknown", "uid": "7",
    }  # fmt: skip
    assert (event["action"], event["disposition"]) == ("Denied", "Blocked")
    assert (event["status"], event["status_code"]) == ("Failure", "EPERM")
    assert event["policy"]["name"] == "vault"
    assert event["policy"]["data"] == {"rule": "no-writes", "place": "vault.yaml:9:3"}
    process = event["actor"]["process"]
    assert process["cmd_line"] == "tee secret"
    assert process["created_time"] == event["time"] - 5
    assert process["parent_process"]["file"]["name"] == "sh"
    assert process["container"] == {"uid": "0" * 64, "runtime": "cri-o", "pod_uuid": POD}
    user = {"uid": "1000", "type_id": 1, "type": "User", "name": "ann"}
    assert event["actor"]["user"] == user
    assert process["working_directory"] == "/srv"
    assert [each["path"] for each in process["ancestry"]] == ["/bin/sh"]
    assert process["uid"].startswith(process["parent_process"]["uid"][:8])
    assert event["metadata"]["tags"] == [{"name": "site", "value": "rack-7"}]
    assert event["unmapped"]["operation"] == "write"
    assert event["device"]["os"]["name"] == "Linux"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"action": Verb.ALLOW, "flags": 1}, ("Allowed", "Allowed", "Success", False)),
        ({"action": Verb.LOG, "flags": 1}, ("Observed", "Logged", "Success", False)),
        ({"action": Verb.DENY, "flags": 3}, ("Denied", "Blocked", "Failure", True)),
        ({"action": Verb.KILL, "flags": 3}, ("Denied", "Blocked", "Failure", True)),
        ({"action": Verb.KILL, "flags": 1}, ("Denied", "Not prevented", "Success", True)),
        ({"action": Verb.DENY, "flags": 0}, ("Observed", "Detected", "Success", True)),
    ],
)
def test_what_the_policy_did_about_it(values, said):
    """Action, disposition, status and alert, carried out or not."""
    event = event_of(denied(**values))

    assert said == (event["action"], event["disposition"], event["status"], event["is_alert"])


@pytest.mark.parametrize(
    ("severity", "action", "number"),
    [
        ("low", Verb.DENY, 2),
        ("critical", Verb.KILL, 5),
        ("critical", Verb.LOG, 1),
    ],
)
def test_severity_is_of_what_was_refused(severity, action, number):
    """What was permitted is information."""
    origin = Origin("p", "r", "p.yaml:1:1", severity=severity)

    assert event_of(record(origin=origin, action=action))["severity_id"] == number


def test_a_program_is_a_process_activity():
    """The actor is who called, the process what would have run."""
    event = event_of(record(path=b"/bin/ls", name=b"ls\0-l\0", argc=2, exe=b"/bin/sh"))

    assert (event["class_uid"], event["activity_name"]) == (1007, "Launch")
    assert event["process"]["file"]["name"] == "ls"
    assert event["process"]["cmd_line"] == "ls -l"
    assert event["actor"]["process"]["path"] == "/bin/sh"


def test_a_connection_is_a_network_activity():
    """With the address, or with the name of a unix socket."""
    inet = event_of(
        record(op=Op.CONNECT, family=2, type=1, protocol=6, addr_lo=0xFFFF_0A00_0001, port=443)
    )
    unix = event_of(record(op=Op.CONNECT, family=1, type=1, path=b"/run/x.sock"))

    assert (inet["class_uid"], inet["activity_name"]) == (4001, "Open")
    assert inet["dst_endpoint"] == {"ip": "10.0.0.1", "port": 443}
    assert inet["connection_info"]["direction"] == "Outbound"
    assert inet["connection_info"]["protocol_name"] == "tcp"
    assert unix["dst_endpoint"] == {"name": "/run/x.sock"}


def test_an_attempt_on_the_engine_is_a_kernel_activity():
    """Self-protection is in the same stream."""
    given = record(
        kind=header.constant("ENF_EVENT_GUARD"), op=GuardAct.PTRACE.value, action=Verb.DENY, ino=812
    )

    event = event_of(given)

    assert (event["class_uid"], event["activity_name"]) == (1003, "Invoke")
    assert event["kernel"]["system_call"] == "ptrace"


def test_a_loss_is_an_event_too():
    """Of no class: it is about records, not about the system."""
    event = event_of(Lost(time_ns=WALL_NS, decisions=3))

    assert event["class_uid"] == 0
    assert event["unmapped"]["decisions"] == 3


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: OPERATIONS[op].full)
def test_names_are_those_of_the_schema(op):
    """Of the class, its category and the activity."""
    found, number, name = activity_of(op)
    official = official_class(found.uid)

    assert found.name == official["caption"]
    assert found.category_name == official["category_name"]
    activity = official["attributes"]["activity_id"]["enum"][str(number)]["caption"]
    assert activity == ("Other" if number == 99 else name)
