# SPDX-License-Identifier: MIT
"""The configuration file, and how it goes together with the command line."""

import argparse
import json
import os
from pathlib import Path

import attrs
import jsonschema
import pytest
from plain import documents

from enforcer.cli import start
from enforcer.cli.config import KEYS, read_config
from enforcer.cli.config_schema import schema
from enforcer.cli.exits import ConfigErrors, Exit, UsageError
from enforcer.cli.main import main
from enforcer.cli.settings import Settings, settings_from
from enforcer.sinks.address import read_address
from enforcer.sinks.spec import FileOutput

SAMPLE = Path(__file__).parents[3] / "packaging" / "enforcer.yaml"

EVERYTHING = """\
policies: [/etc/enforcer/policies, /srv/more.yaml]
jsonLog: /var/log/enforcer/events.json
logfmtLog: /var/log/enforcer/events.log
ocsfLog: /var/log/enforcer/events.ocsf
audit: true
quiet: true
allowDegraded: true
watch: false
protect: true
persist: true
confirmWithin: 5m
watchConfirmWithin: 1m
reloadConfirmWithin: 2m
syslog: udp:192.0.2.1:514
journald: true
redact: ["--password=*"]
metrics: 127.0.0.1:9753
metricsFile: /var/lib/node/enforcer.prom
outputs: [{type: file, path: /var/log/enforcer/all.json}]
socket: /run/other.sock
pins: /sys/fs/bpf/other
"""


@pytest.fixture
def write(tmp_path):
    def write(text, mode=0o644):
        path = tmp_path / "enforcer.yaml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def arguments(*words):
    parser = argparse.ArgumentParser()
    start.add_arguments(parser)
    return parser.parse_args(words)


def errors_of(path):
    with pytest.raises(ConfigErrors) as caught:
        read_config(path)
    return [str(each) for each in caught.value.errors]


def test_every_key_is_read(write):
    """Each setting has a key, and each key arrives."""
    assert read_config(write(EVERYTHING)) == Settings(
        policies=(Path("/etc/enforcer/policies"), Path("/srv/more.yaml")),
        json_log=Path("/var/log/enforcer/events.json"),
        logfmt_log=Path("/var/log/enforcer/events.log"),
        ocsf_log=Path("/var/log/enforcer/events.ocsf"),
        audit=True,
        quiet=True,
        allow_degraded=True,
        watch=False,
        protect=True,
        persist=True,
        confirm_within=300.0,
        watch_confirm_within=60.0,
        reload_confirm_within=120.0,
        syslog=read_address("udp:192.0.2.1:514"),
        journald=True,
        redact=("--password=*",),
        metrics=("127.0.0.1", 9753),
        metrics_file=Path("/var/lib/node/enforcer.prom"),
        outputs=(FileOutput(path=Path("/var/log/enforcer/all.json")),),
        socket=Path("/run/other.sock"),
        pins=Path("/sys/fs/bpf/other"),
    )
    assert {setting.field for setting in KEYS.values()} == {f.name for f in attrs.fields(Settings)}


SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def is_valid(text):
    return all(VALIDATOR.is_valid(document) for document in documents(text))


def test_the_schema_is_current():
    """packaging/enforcer.schema.json is the output of the generator, and obeys its own dialect."""
    stored = SAMPLE.with_name("enforcer.schema.json").read_text("utf-8")

    assert SCHEMA == json.loads(stored)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [EVERYTHING, "", "# nothing\n", "---\n", SAMPLE.read_text()])
def test_the_schema_takes_what_is_read(text):
    """No setting is marked as wrong."""
    assert is_valid(text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(write, text):
    """What is left out has its default."""
    assert read_config(write(text)) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audti: true\n", "1:1: 'audti' is not a setting; did you mean 'audit'?"),
        ("audit: true\naudit: false\n", "2:1: 'audit' is given twice, first in line 1"),
        ("audit: yes\n", "1:8: audit must be true or false, not the text 'yes': write true"),
        ("- audit\n", "1:1: the configuration must be a mapping, not a list"),
        (
            "policies: /etc/p\n",
            "1:11: policies must be a list, not the text '/etc/p': write [/etc/p]",
        ),
        ("policies: []\n", "1:11: policies is empty: name a policy file or folder"),
        (
            "policies:\n  - p.yaml\n",
            "2:5: each of policies must be an absolute path, not the text 'p.yaml'",
        ),
        ("jsonLog:\n", "1:9: jsonLog must be text, not nothing"),
        ("jsonLog: log\n", "1:10: jsonLog must be an absolute path, not the text 'log'"),
        (
            "confirmWithin: 60\n",
            "1:16: confirmWithin must be a time like 60s or 5m, from 1s to 60m, not the number 60",
        ),
        (
            "confirmWithin: soon\n",
            "1:16: confirmWithin must be a time like 60s or 5m, from 1s to 60m, not the text 'soon'",
        ),
        (
            "metrics: 0.0.0.0:9753\n",
            (
                "1:10: metrics: others can reach '0.0.0.0:9753': metrics are for this "
                "machine only, use 127.0.0.1 or [::1]"
            ),
        ),
        (
            "metricsFile: /a/b.txt\n",
            "1:14: metricsFile must end with .prom: the node exporter reads no other file",
        ),
        (
            "syslog: udp:log.example.org:514\n",
            (
                "1:9: syslog: 'log.example.org:514' is not an IP address with a port, 192.0.2.1:514 or "
                "[2001:db8::1]:514: names are not looked up"
            ),
        ),
        ("audit: &a true\n", "1:8: anchors are not supported: remove &a"),
        (
            "audit: true\n---\nquiet: true\n",
            "3:1: a configuration is one document: remove the line ---",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(write, text, expected):
    """Nothing is guessed, nothing ignored."""
    path = write(text)

    assert errors_of(path) == [f"{path}:{expected}"]


def test_all_errors_are_told_at_once(write, capsys):
    """In the order of the file, with a summary and the exit code of wrong usage."""
    path = write("quiet: 1\nlog: x\nsocket: []\n")

    code = main(["start", "--config", str(path)])

    said = capsys.readouterr().err.splitlines()
    assert code == Exit.USAGE
    assert [line.removeprefix(f"{path}:")[:4] for line in said[:3]] == ["1:8:", "2:1:", "3:9:"]
    assert said[3] == "enforcer: 3 errors in the configuration: nothing was started"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_may_write_is_refused(write, mode):
    """Whoever may write it decides what is enforced."""
    with pytest.raises(UsageError, match=r"can be written by others .*: chmod go-w"):
        read_config(write("audit: true\n", mode))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_file_of_another_user_is_refused(write):
    """Its owner can change its mode at any time."""
    path = write("audit: true\n")
    os.chown(path, 12345, 0)

    with pytest.raises(UsageError, match=r"belongs to user 12345, .*: chown root"):
        read_config(path)


def test_what_is_no_file_is_refused(tmp_path):
    """A FIFO is not waited for, and a missing file is told."""
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(UsageError, match="not a regular file"):
        read_config(tmp_path / "fifo")
    with pytest.raises(UsageError, match="No such file"):
        read_config(tmp_path / "none")


def test_the_command_line_wins(write):
    """In both directions; what it leaves out stays as the file says."""
    path = write("audit: true\nquiet: true\njsonLog: /a\nlogfmtLog: /b\npolicies: [/p]\n")

    found = settings_from(
        arguments("--config", str(path), "--no-audit", "--json-log", "/c", "--socket", "/s", "/q")
    )

    assert found == Settings(
        policies=(Path("/q"),),
        audit=False,
        quiet=True,
        json_log=Path("/c"),
        logfmt_log=Path("/b"),
        socket=Path("/s"),
    )


def test_outputs_have_options_of_their_own(write, capsys):
    """In the words of the file, and as strictly read."""
    words = "--ocsf-log /o --syslog unix:/dev/log --journald --metrics [::1]:9753 --metrics-file /m.prom"

    found = settings_from(arguments(*words.split(), "/p"))

    assert found == Settings(
        policies=(Path("/p"),),
        ocsf_log=Path("/o"),
        syslog=read_address("unix:/dev/log"),
        journald=True,
        metrics=("::1", 9753),
        metrics_file=Path("/m.prom"),
    )
    for wrong, said in (
        ("--syslog=log:514", "is not an address"),
        ("--metrics=192.0.2.1:9753", "others can reach"),
        ("--metrics-file=/m.txt", "must end with .prom"),
    ):
        with pytest.raises(SystemExit):
            arguments(wrong)
        assert said in capsys.readouterr().err


def test_the_default_file_is_for_starts_without_policies(write, monkeypatch):
    """Whoever names policies means these alone; a file that is not there is no error."""
    path = write("quiet: true\n")
    monkeypatch.setattr("enforcer.places.CONFIG", path)

    assert settings_from(arguments()) == Settings(quiet=True)
    assert settings_from(arguments("--audit")) == Settings(quiet=True, audit=True)
    assert settings_from(arguments("/p")) == Settings(policies=(Path("/p"),))
    path.unlink()
    assert settings_from(arguments()) == Settings()


def test_the_sample_is_valid_and_shows_every_key(tmp_path):
    """As it is, and with everything in it that is commented out."""
    text = SAMPLE.read_text()
    everything = tmp_path / "enforcer.yaml"
    everything.write_text(
        "\n".join(
            line.removeprefix("#")
            for line in text.splitlines()
            if line.removeprefix("#").partition(":")[0] in KEYS
            or line.startswith(("  - ", "#  - ", "#    "))
        )
    )

    assert read_config(SAMPLE).protect
    assert read_config(everything).confirm_within == 60.0
    for key in KEYS:
        assert f"\n{key}:" in text or f"\n#{key}:" in text, key


@pytest.mark.parametrize("key", ["confirmWithin", "watchConfirmWithin", "reloadConfirmWithin"])
def test_a_time_that_nobody_could_confirm_is_refused(write, key):
    """Beside protection without a key, only the service manager can confirm: for a service, and for no other start."""
    path = write(f"protect: true\n{key}: 1m\n")
    settings = settings_from(arguments("--config", str(path)))

    assert Exit.OK == main(["check", "--config", str(path)])
    settings.require_sense(is_service=True)
    with pytest.raises(UsageError, match="cannot be confirmed beside protect without a key"):
        settings.require_sense(is_service=False)
    for more in (["--key", "/etc/key"], ["--no-protect"]):
        settings_from(arguments("--config", str(path), *more)).require_sense(is_service=False)


def test_a_reload_without_a_way_back_is_told(write, capsys):
    """Where only the service manager can reload, and the file gives it no time to confirm."""
    ways = ("protect: true\nreloadConfirmWithin: 5m\n", "protect: false\n", SAMPLE.read_text())
    for text in ways:
        assert Exit.OK == main(["check", "--config", str(write(text))])
        assert "" == capsys.readouterr().err

    path = write("watch: false\nprotect: true\n")

    assert Exit.OK == main(["check", "--config", str(path)])
    assert f"{path}:1:1: warning: systemctl reload cannot be taken back" in capsys.readouterr().err
