# SPDX-License-Identifier: MIT
"""The board for Grafana and the alerts for Prometheus: they ask for what there is."""

import errno
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from control_fakes import FakePolicyControl
from fakes import DECODER, ENFORCED, PREVENTED, FakeSession, FakeSink, Nobody, denied, enricher
from patience import scaled
from promql import ALERTS, BOARD, ROOT, Question, questions, unanswered

from enforcer.cluster.webhook.counts import Counts
from enforcer.libbpf import abi
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control.report import status
from enforcer.runtime.metrics.values import metrics_of
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.prometheus import CONTENT_TYPE

ALL = list(questions())
SCRIPT = ROOT / "scripts/grafana-board.py"


@pytest.fixture(scope="module")
def pipeline():
    """That of a daemon that has denied, killed and audited, with every counter of the kernel side."""
    session = FakeSession(counters=dict.fromkeys([*abi.STATS, "PASSED_BY"], 0))
    pipeline = Pipeline(
        session, DECODER, enricher(), Fanout.to([FakeSink("json log /a")], print), Nobody()
    )
    for record in (
        denied(),
        denied(flags=0),
        denied(action=Verb.KILL, signal=9, error=errno.EPERM, flags=ENFORCED | PREVENTED),
    ):
        pipeline.stats.observe(record)
    yield pipeline
    session.close()


def scraped(pipeline):
    """What Prometheus would get now."""

    class Policies(FakePolicyControl):
        def describe(self):
            found = super().describe()
            enforced = {**found["policies"][0], "name": "vault", "mode": "enforce"}
            return {**found, "policies": [*found["policies"], enforced]}

    said = status(pipeline.session, pipeline, Policies(), 12.5)
    return metrics_of(said, pipeline.stats).decode()


@pytest.fixture(scope="module")
def scrape(pipeline):
    """Of a daemon, and of a webhook, which alerts are about, too."""
    return scraped(pipeline) + Counts(print).text(certificate_end=1.8e9).decode()


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.where)
def test_what_is_asked_for_is_there(question, scrape):
    """Metrics, labels and their values, as the real exporter writes them."""
    assert [] == unanswered(question, scrape)


@pytest.mark.parametrize(
    ("expr", "shown", "wrong"),
    [
        ("enforcer_generation", (), []),
        ("enforcer_generations", (), ["there is no metric enforcer_generations"]),
        ("rate(enforcer_generation[1m])", (), ["rate of enforcer_generation, which is no counter"]),
        (
            'enforcer_records_total{verdict="deny"}',
            (),
            ["enforcer_records_total has no label verdict"],
        ),
        (
            'enforcer_records_total{action=~"deny|dead"}',
            (),
            ["enforcer_records_total has no action like dead"],
        ),
        ("sum by (rule) (enforcer_records_total)", (), ["there is no label rule"]),
        ("sum by (action) (enforcer_records_total)", ("action", "instance"), []),
        ("sum(enforcer_records_total)", ("action",), ["action is shown, and gone"]),
    ],
)
def test_the_check_sees_what_is_not_there(expr, shown, wrong, scrape):
    """One mistake each."""
    assert wrong == unanswered(Question("", expr, frozenset(shown)), scrape)


def test_no_metric_is_left_out(pipeline):
    """Board and alerts show every metric of a daemon, but for those that other numbers say already."""
    named = {name for q in ALL for name in re.findall(r"enforcer_\w+", q.expr)}
    offered = set(re.findall(r"^(enforcer_\w+)", scraped(pipeline), re.MULTILINE))

    assert {
        "enforcer_start_time_seconds",
        "enforcer_programs",
        "enforcer_output_failures_total",
        "enforcer_policies",
        "enforcer_policies_returned",
    } == offered - named


def test_the_board_is_what_its_script_makes():
    """Whoever changes it changes the script."""
    made = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)

    assert BOARD == json.loads(made.stdout)


def test_the_board_fits_any_grafana():
    """The data source is chosen there; panels neither overlap nor leave a hole; every one is explained."""
    assert {"${datasource}"} == set(re.findall(r'"uid": "([^"]*)"', json.dumps(BOARD)))
    cells = [
        (x, y)
        for panel in BOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    depth = max(y for _, y in cells) + 1

    assert 24 * depth == len(cells) == len(set(cells))
    assert all(panel["description"].endswith(".") for panel in BOARD["panels"])


# ---- With Prometheus itself, where it is installed ------------------------------------------------


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_alerts_come_when_they_should():
    """And not before, by the tests beside this one; promtool runs them."""
    tests = Path(__file__).parents[1] / "data/alerts.test.yaml"

    done = subprocess.run(
        ["promtool", "test", "rules", tests], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert ALERTS.name in tests.read_text()


@contextmanager
def exporting(pipeline):
    """Serve what Prometheus reads from a daemon that denies meanwhile; yields the port and the reads so far."""
    reads: list[int] = []

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self):
            pipeline.stats.observe(denied())
            pipeline.session.counters["ON_ERROR"] += 1
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(scraped(pipeline).encode())
            reads.append(1)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, reads
        server.shutdown()


def started(folder, port, address):
    """Start a Prometheus at *address* that reads from *port*."""
    config = folder / "prometheus.yaml"
    config.write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        "scrape_configs:\n"
        f"  - {{job_name: enforcer, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
    )
    options = {
        "config.file": config,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["prometheus", *(f"--{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=log,
        )


@pytest.fixture(scope="module")
def prometheus(pipeline, tmp_path_factory):
    """Ask a Prometheus that has read the daemon several times."""
    folder = tmp_path_factory.mktemp("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"

    def ask(expr):
        query = urllib.parse.urlencode({"query": expr})
        with urllib.request.urlopen(f"http://{address}/api/v1/query?{query}") as answer:
            return json.load(answer)

    with exporting(pipeline) as (port, reads):
        running = started(folder, port, address)
        end = time.monotonic() + scaled(60)
        while len(reads) < 4 and running.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        assert len(reads) >= 4, (folder / "log").read_text()
        yield ask
        running.terminate()
        running.wait()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_prometheus_answers(prometheus):
    """Every question of the board has numbers, and no alert comes while all is well."""
    alerts = set(re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8")))

    for question in ALL:
        answer = prometheus(question.expr)
        assert "success" == answer["status"]
        assert not answer.get("warnings"), question
        has_numbers = bool(answer["data"]["result"])
        assert (question.where not in alerts) == has_numbers, (question, answer)
