# SPDX-License-Identifier: MIT
"""The list ``outputs`` of the configuration file."""

import socket
from pathlib import Path

import jsonschema
import pytest
from plain import documents

from enforcer.cli.config import read_config
from enforcer.cli.config_schema import schema
from enforcer.cli.exits import ConfigErrors, UsageError
from enforcer.cli.settings import Settings
from enforcer.sinks.address import Address, read_address
from enforcer.sinks.journal import JournalOutput
from enforcer.sinks.rotation import Rotation
from enforcer.sinks.selection import Selection
from enforcer.sinks.spec import Common, FileOutput
from enforcer.sinks.syslog import SyslogOutput

EVERYTHING = """\
outputs:
  - type: file
    path: /var/log/enforcer/web.log
    format: logfmt
    rotate: {size: 100 MiB, keep: 3}
    actions: [deny, kill]
    policies: [web-*, vault]
    operations: [exec, file.write]
    minSeverity: high
    redact: ["--password=*", "--token *"]
    fields: {site: rack-7, stage: "1"}
    queue: 512 KiB
  - {type: syslog, address: "tcp:[2001:db8::1]:601", format: logfmt, facility: local3}
  - {type: journald, actions: [kill]}
"""


VALIDATOR = jsonschema.Draft202012Validator(schema())

ONLY_THE_READER = (
    *("at most 107 bytes", "an IPv6 address in brackets", "from 1 to 65535", "from 64 KiB"),
)
"""What the schema does not say: where an address leads, and how large sizes are."""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "enforcer.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return read_config(path)

    return read


def test_everything_an_output_can_say(read):
    """Each key arrives."""
    assert read(EVERYTHING).outputs == (
        FileOutput(
            path=Path("/var/log/enforcer/web.log"),
            form="logfmt",
            rotation=Rotation(100 << 20, 3),
            common=Common(
                selection=Selection(
                    actions=frozenset({"deny", "kill"}),
                    policies=("web-*", "vault"),
                    operations=frozenset({"exec", "file.write"}),
                    severity="high",
                ),
                redact=("--password=*", "--token *"),
                fields={"site": "rack-7", "stage": "1"},
                limit=512 << 10,
            ),
        ),
        SyslogOutput(
            address=Address(
                "tcp:[2001:db8::1]:601", socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 601)
            ),
            form="logfmt",
            facility="local3",
        ),
        JournalOutput(common=Common(selection=Selection(actions=frozenset({"kill"})))),
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("{path: /a}", "2:5: an output needs a type: file"),
        ("{type: fiel, path: /a}", "2:12: the type of an output must be one of file"),
        ("{type: file}", "2:5: an output of type file needs 'path'"),
        ("{type: file, path: a}", "2:24: path must be an absolute path, not the text 'a'"),
        ("{type: syslog}", "2:5: an output of type syslog needs 'address'"),
        ("{type: syslog, address: log}", "'log' is not an address: write unix:/dev/log"),
        ("{type: syslog, address: unix:log}", "absolute path of at most 107 bytes after unix:"),
        ("{type: syslog, address: 'udp:::1:514'}", "write an IPv6 address in brackets"),
        ("{type: syslog, address: 'tcp:10.0.0.1:0'}", "the port must be a number from 1 to 65535"),
        ("{type: syslog, address: unix:/a, facility: own}", "facility must be one of kern, user"),
        ("{type: journald, path: /a}", "'path' is not a key of an output of type journald"),
        ("{type: file, path: /a, colour: red}", "'colour' is not a key of an output of type file"),
        ("{type: file, path: /a, format: xml}", "format must be one of json, logfmt"),
        (
            "{type: file, path: /a, actions: [block]}",
            "each of actions must be one of allow, log, deny",
        ),
        ("{type: file, path: /a, actions: []}", "actions is empty: leave it out to take all"),
        (
            "{type: file, path: /a, policies: [A B]}",
            "each of policies must be the name of a policy",
        ),
        (
            "{type: file, path: /a, operations: [write]}",
            "each of operations must be one of exec, exec.loaded, file",
        ),
        ("{type: file, path: /a, minSeverity: low!}", "minSeverity must be one of low, medium"),
        (
            "{type: file, path: /a, redact: [a b c]}",
            "each of redact must be a pattern of one argument",
        ),
        ("{type: file, path: /a, fields: {Site: x}}", "'Site' is not a name of a field"),
        ("{type: file, path: /a, fields: {policy: x}}", "'policy' is a field of every record"),
        ("{type: file, path: /a, fields: {attempt: x}}", "'attempt' is a field of every record"),
        ("{type: file, path: /a, fields: {site: 1}}", "fields.site must be text, not the number 1"),
        ("{type: file, path: /a, queue: 4}", "queue must be like 512 KiB"),
        ("{type: file, path: /a, queue: 2 GiB}", "from 64 KiB to 1 GiB"),
        ("{type: file, path: /a, rotate: {keep: 2}}", "rotate needs 'size'"),
        (
            "{type: file, path: /a, rotate: {size: 1 MiB, keep: 0}}",
            "keep must be a number from 1 to",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(read, item, expected):
    """Nothing is guessed, nothing ignored."""
    with pytest.raises(ConfigErrors) as caught:
        read(f"outputs:\n  - {item}\n")

    (error,) = caught.value.errors
    assert expected in str(error)
    assert error.span.line == 2
    (document,) = documents(f"outputs:\n  - {item}\n")
    assert VALIDATOR.is_valid(document) is any(word in expected for word in ONLY_THE_READER)


def test_the_schema_takes_every_output():
    """Whatever it can say."""
    (document,) = documents(EVERYTHING)
    VALIDATOR.validate(document)


def test_two_outputs_in_one_place_are_refused(read):
    """They would tear each other's lines when one rotates."""
    with pytest.raises(ConfigErrors, match=r"two outputs write to /a: the other one is at .*:2:5"):
        read("outputs:\n  - {type: file, path: /a}\n  - {type: file, path: /a, format: logfmt}\n")
    settings = Settings(json_log=Path("/a"), outputs=(FileOutput(path=Path("/a")),))

    with pytest.raises(UsageError, match="write to the same place"):
        settings.all_outputs()


def test_options_and_list_go_together():
    """The options of the command line are outputs like others."""
    settings = Settings(
        json_log=Path("/a"),
        logfmt_log=Path("/b"),
        syslog=read_address("unix:/dev/log"),
        journald=True,
        outputs=(FileOutput(path=Path("/c")),),
    )

    assert [output.name for output in settings.all_outputs()] == [
        "json log /a", "logfmt log /b", "syslog unix:/dev/log", "journald", "json log /c",
    ]  # fmt: skip
