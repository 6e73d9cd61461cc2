# SPDX-License-Identifier: MIT
"""Records of real processes: who they say did it, and every place that they go to at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import jsonschema
import pytest
from daemon import Daemon, managed, until
from engine import whole_lines
from patience import scaled
from prometheus_client.parser import text_string_to_metric_families
from promql import questions, unanswered

from enforcer.cluster.webhook.counts import Counts
from enforcer.events.schema import schema

ROOT = Path("/opt/enforcer-outputs")
VAULT = ROOT / "vault"
POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: vault}}
spec:
  rules:
    - {{name: kept, file: write, match: {{path: {VAULT}/kept}}, action: deny, severity: high}}
    - {{name: seen, file: open, match: {{path: {VAULT}/**}}, action: log}}
"""
METRICS = 9753
STRICT = jsonschema.Draft202012Validator(schema(is_strict=True))
READER = """\
import os, sys
for line in sys.stdin:
    os.close(os.open(line.strip(), os.O_RDONLY))
    print("read", flush=True)
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A vault with a link to it, and a socket that syslog messages go to."""
    shutil.rmtree(ROOT, ignore_errors=True)
    VAULT.mkdir(parents=True)
    for name in ("one", "two", "kept"):
        (VAULT / name).write_text(name)
    (ROOT / "link").symlink_to(VAULT)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(ROOT / "log"))
        log.settimeout(60)
        yield log
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def daemon(places, tmp_path_factory):
    """A daemon with an output of every kind, one of them dead."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "policy.yaml").write_text(POLICY)
    config = folder / "enforcer.yaml"
    config.write_text(
        f"""\
metrics: 127.0.0.1:{METRICS}
metricsFile: {folder}/enforcer.prom
ocsfLog: {folder}/events.ocsf
outputs:
  - {{type: syslog, address: unix:{ROOT}/log, actions: [deny]}}
  - {{type: syslog, address: unix:{ROOT}/nobody}}
  - {{type: file, path: /dev/full, format: logfmt}}
  - {{type: journald}}
"""
    )
    config.chmod(0o600)
    with managed(folder, folder / "policy.yaml") as daemon:
        daemon.start("--config", str(config))
        yield daemon
        daemon.stop()
        # Here and once: an emulated machine validates a record for a tenth of a second.
        for each in daemon.records():
            STRICT.validate(each)


def records(daemon: Daemon) -> list[dict]:
    return [each for each in daemon.records() if each["kind"] == "match"]


def record_of(daemon: Daemon, *, pid: int | None = None, **wanted) -> dict:
    """Wait for the newest record of an object, and of a process if one is named."""

    def look():
        found = [
            each
            for each in records(daemon)
            if pid in {None, each["process"]["pid"]}
            and all(each["object"].get(key) == value for key, value in wanted.items())
        ]
        return found[-1] if found else None

    return until(look, 60)


def test_a_record_says_who_where_and_how_it_was_asked(daemon):
    """The name as written and as resolved; the process, and all above it."""
    subprocess.run(["cat", "link/one"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    found = record_of(daemon, path=f"{VAULT}/one")

    assert found["object"]["asked"] == "link/one"
    assert found["action"] == "log"
    process, ancestors = found["process"], found["ancestors"]
    assert process["user"] == "root"
    assert process["name"] == "cat"
    assert ancestors[0]["pid"] == found["parent"]["pid"] == os.getpid()
    assert ancestors[0]["cmdline"] == Path("/proc/self/cmdline").read_text()[:-1].split("\0")
    assert ancestors[-1]["pid"] == 1
    assert found["ancestorsComplete"]
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    assert ancestors[0]["id"] == f"{boot}-{os.getpid():x}-{int(stat[19]):x}"


def test_a_creation_and_a_refusal_say_how_they_were_asked(daemon):
    """The kernel still walks the name when it asks."""
    made = subprocess.run(["sh", "-c", ": > ./vault/../vault/new"], cwd=ROOT, check=False)
    refused = subprocess.run(["sh", "-c", ": >> vault/kept"], cwd=ROOT, check=False)

    created = record_of(daemon, path=f"{VAULT}/new")
    kept = record_of(daemon, path=f"{VAULT}/kept")

    assert made.returncode == 0
    assert refused.returncode != 0
    assert created["object"]["asked"] == "./vault/../vault/new"
    assert kept["object"]["asked"] == "vault/kept"
    assert (kept["action"], kept["prevented"]) == ("deny", True)


def test_a_process_keeps_its_name_over_exec(daemon):
    """And its programs are told apart."""
    script = f"read x < {VAULT}/one; exec cat {VAULT}/two"
    subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.DEVNULL)

    second = record_of(daemon, path=f"{VAULT}/two")
    (first,) = [
        each
        for each in records(daemon)
        if each["object"].get("path") == f"{VAULT}/one"
        and each["process"]["pid"] == second["process"]["pid"]
    ]

    assert first["process"]["name"] != second["process"]["name"]
    assert first["process"]["id"] == second["process"]["id"]
    assert first["process"]["programId"] != second["process"]["programId"]


def test_a_process_keeps_its_name_over_daemons(daemon):
    """A daemon that is lost, and the next one, say the same; so does who was there before."""

    def read(path):
        reader.stdin.write(path.encode() + b"\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == b"read\n"

    with subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as reader:
        read("link/one")
        first = record_of(daemon, pid=reader.pid, asked="link/one")
        daemon.kill()
        daemon.start("--config", str(daemon.directory / "enforcer.yaml"))
        read("vault/two")
        second = record_of(daemon, pid=reader.pid, asked="vault/two")

    assert first["process"]["id"] == second["process"]["id"]
    assert first["process"]["programId"] == second["process"]["programId"]
    assert second["process"]["cwd"] == str(ROOT)


def test_every_output_gets_its_records(daemon, places):
    """A dead one and a full disk cost the others nothing, and are told."""
    subprocess.run(["sh", "-c", f": >> {VAULT}/kept"], check=False)

    message = places.recv(1 << 18)
    ocsf = whole_lines(daemon.directory / "events.ocsf")
    status = until(lambda: failing(daemon), 60)

    assert re.match(rb"<83>1 [^ ]+Z [^ ]+ enforcer [0-9]+ match - \{", message)
    assert b'"action":"deny"' in message
    assert any(json.loads(line)["class_uid"] == 1001 for line in ocsf)
    assert f"syslog unix:{ROOT}/nobody" in status
    assert "logfmt log /dev/full" in status
    assert f"json log {daemon.log}" not in status
    assert "No space left on device" in daemon.output


def failing(daemon):
    found = {each["name"] for each in daemon.status()["sinks"] if each["failing"]}
    return found if len(found) > 1 else None


def enforced(text: str) -> float:
    """How often the policy decided, by the official parser."""
    found = {family.name: family for family in text_string_to_metric_families(text)}
    return sum(
        sample.value
        for sample in found["enforcer_verdicts"].samples
        if (sample.labels["policy"], sample.labels["enforced"]) == ("vault", "true")
    )


def test_metrics_are_offered(daemon):
    """By port, and a little later by file; counts are the kernel's."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{METRICS}/metrics", timeout=scaled(60)
    ) as answer:
        text = answer.read().decode()

    assert enforced(text) > 0
    assert 'enforcer_output_failing{output="logfmt log /dev/full"} 1' in text
    file = daemon.directory / "enforcer.prom"
    until(lambda: file.exists() and enforced(file.read_text()) > 0, 60)


def test_board_and_alerts_find_what_they_ask_for(daemon):
    """In a scrape of a daemon that has denied something, by a real kernel's counters."""
    subprocess.run(["sh", "-c", f": >> {VAULT}/kept"], check=False)

    def scrape():
        text = (daemon.directory / "enforcer.prom").read_text()
        return text if 'enforcer_rule_records_total{policy="vault",rule="kept"' in text else None

    # One alert is about a webhook, which is not here.
    text = until(scrape, 60) + Counts(print).text(certificate_end=1.8e9).decode()
    wrong = {each.where: unanswered(each, text, has_all_values=False) for each in questions()}

    assert {} == {where: said for where, said in wrong.items() if said}


@pytest.mark.skipif(
    not Path("/run/systemd/journal/socket").exists() or shutil.which("journalctl") is None,
    reason="no journal here: start the guest with --systemd",
)
def test_the_journal_has_fields(daemon):
    """journalctl finds records by what they say."""
    subprocess.run(["sh", "-c", f": >> {VAULT}/kept"], check=False)

    def look():
        said = subprocess.run(
            ["journalctl", "-t", "enforcer", "ENFORCER_RULE=kept", "-o", "json", "--all"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        return said.splitlines()

    entry = json.loads(until(look, 120)[-1])

    assert entry["ENFORCER_ACTION"] == "deny"
    assert entry["PRIORITY"] == "3"
    assert json.loads(entry["ENFORCER_RECORD"])["object"]["path"] == f"{VAULT}/kept"
