# SPDX-License-Identifier: MIT
"""`kubectl enforcer events`: the logs of all engines as one stream, whatever happens to what reads them."""

import _thread
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from fakes import denied
from patience import scaled
from plugin_fakes import engine
from printed import document

from enforcer.cli.exits import Exit
from enforcer.events.types import Lost
from enforcer.identity.resolver import Identity
from enforcer.identity.workload_files import PodFacts
from enforcer.plugin.cluster import Cluster
from enforcer.plugin.commands import COMMANDS, parser
from enforcer.plugin.engines import NAMESPACE, SELECTOR, Engines
from enforcer.plugin.following import MAX_ENGINES, Following, Rhythm
from enforcer.plugin.kubectl import Kubectl, KubectlError
from enforcer.plugin.main import main
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.logfmt import logfmt_line

MANIFESTS = list(
    yaml.safe_load_all(
        (Path(__file__).parents[3] / "packaging/kubernetes/enforcer.yaml").read_text()
    )
)
PODS = "/api/v1/namespaces/enforcer/pods"
PLUGIN = (
    *(
        sys.executable,
        "-c",
        "import sys; from enforcer.__main__ import kubectl as k; sys.exit(k())",
    ),
    *("events", "-f"),
)
QUICK = Rhythm(look=0.02, pause=0.01, longest=0.05)
SHOP = Identity(pod=PodFacts(name="web-0", namespace="shop"))
LOST = Lost(time_ns=1_764_017_281_000_000_000, decisions=3, activity=0, malformed=0)


def line(record=None, *, pod="enforcer-a", second=1, fraction="5"):
    text = logfmt_line(record or denied()).decode().rstrip("\n") if record is not False else "said"
    return f"[pod/{pod}/engine] 2025-11-24T20:48:{second:02}.{fraction}Z {text}\n"


def following(report=lambda _: None, **options):
    return Following(Engines(Cluster(Kubectl())), report, rhythm=QUICK, **options)


def test_what_there_is(kubectl, capsys):
    """The article's line, and the node at its end; what a daemon says of itself is no record."""
    kubectl.answer("logs", out=line() + line(False) + line(LOST))

    assert Exit.OK == main(["events"])

    first, second = capsys.readouterr().out.splitlines()
    assert first == logfmt_line(denied()).decode().rstrip("\n") + ' node="node-1"'
    assert first.startswith('time="2025-11-24T20:48:01.123456Z" level=warning msg="denied: ')
    assert "lost_decisions=3" in second
    asked = kubectl.asked()[-1]
    assert {"--prefix", "--timestamps", "--tail=20", "--container=engine"} <= set(asked)
    assert "--follow" not in asked


def test_of_one_namespace_and_by_verdict(kubectl, capsys):
    """Losses pass: what is missing may be what was wanted."""
    own, other = denied(identity=SHOP), denied(comm=b"other")
    kubectl.answer("logs", out=line(own) + line(other, second=2) + line(LOST, second=3))

    assert Exit.OK == main(["events", "-n", "shop", "--action", "deny", "--policy", "va*"])
    assert 2 == len(capsys.readouterr().out.splitlines())
    assert Exit.OK == main(["events", "--action", "kill"])
    assert 1 == len(capsys.readouterr().out.splitlines())
    assert Exit.OK == main(["events", "--policy", "other"])
    assert 1 == len(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("write", [logfmt_line, json_line])
def test_as_json(write, kubectl, capsys):
    """The whole record where the engine writes that."""
    text = write(denied()).decode()
    kubectl.answer("logs", out=f"[pod/enforcer-a/engine] 2025-11-24T20:48:01Z {text}")

    assert Exit.OK == main(["events", "-o", "json"])

    found = document("kubectl-events", capsys.readouterr().out)
    assert ("node-1", "vault") == (found["node"], found["fields"]["policy"])
    assert (write is json_line) is (found["record"] is not None)


def test_a_line_is_neutral(kubectl, capsys):
    """Whoever writes into a log."""
    hostile = 'time="x" policy="a" site=\x1b[2J\u202e\n'
    kubectl.answer("logs", out=f"[pod/enforcer-a/engine] 2025-11-24T20:48:01Z {hostile}")

    main(["events"])

    assert '\\x1b[2J\\u202e node="node-1"\n' in capsys.readouterr().out


def test_without_the_right_to_read_logs(kubectl, capsys):
    """A sentence, also if records were to be followed."""
    kubectl.refuse("logs")

    assert Exit.USAGE == main(["events"])
    assert Exit.USAGE == main(["events", "--follow"])

    err = capsys.readouterr().err
    assert 2 == len(err.splitlines()), err
    assert 2 == err.count("Error from server (Forbidden)")


def test_what_is_read_of_logs_by_nodes(kubectl, capsys):
    """A kubectl for each pod, or one for all."""
    kubectl.lists(PODS, engine(), engine("enforcer-b", "node-2"), engine("enforcer-c", "node-3"))
    kubectl.answer("logs")

    main(["events", "--node", "node-3", "--node", "node-1"])
    by_name = sorted(words[1] for words in kubectl.asked() if words[0] == "logs")
    main(["events", "--since", "10m"])

    assert ["pod/enforcer-a", "pod/enforcer-c"] == by_name
    assert "--selector=app.kubernetes.io/name=enforcer," in kubectl.asked()[-1][1]
    assert Exit.USAGE == main(["events", "--node", "node-4"])
    assert "no engine is on node node-4" in capsys.readouterr().err


def test_more_engines_than_can_be_read(kubectl, capsys):
    """The limit is named, and nothing is left out in silence."""
    kubectl.lists(PODS, *(engine(f"e-{n}", f"n-{n}") for n in range(MAX_ENGINES + 1)))

    assert Exit.USAGE == main(["events"])

    assert f"logs of {MAX_ENGINES} are read at most" in capsys.readouterr().err


# ---- Following --------------------------------------------------------------------------------


def until(stream, number):
    """Return the texts of the first *number* lines of *stream*."""
    limit = threading.Timer(scaled(60), _thread.interrupt_main)
    limit.daemon = True
    limit.start()
    try:
        return [next(stream) for _ in range(number)]
    finally:
        limit.cancel()


def test_what_ends_begins_again_and_nothing_is_told_twice(kubectl):
    """From the moment before: lines that came already are known by their times."""
    said = []
    kubectl.answer("logs", out=line(second=1) + line(second=2))
    kubectl.answer("logs", "--since-time", out=line(second=2) + line(second=3))

    with contextlib.closing(following(said.append).follow()) as stream:
        found = until(stream, 3)

    assert 3 == len(found)
    assert "logs of engines: the connection ended; trying again" in said
    first, again = [words for words in kubectl.asked() if words[0] == "logs"][:2]
    assert "--tail=0" in first
    assert "--tail=-1" in again
    assert {"--follow", "--ignore-errors"} <= {*first} & {*again}


def test_lines_of_one_moment_and_of_an_earlier_one_are_all_told(kubectl):
    """Clocks of nodes go back, and a node writes several lines in one moment."""
    texts = [line(denied(pid=pid), second=second) for pid, second in ((1, 5), (2, 5), (3, 1))]
    kubectl.answer("logs", out="".join(texts), stays=True)

    with contextlib.closing(following().follow()) as stream:
        assert 3 == len(until(stream, 3))


@pytest.mark.parametrize(
    "later",
    [
        [engine(), engine("enforcer-b", "node-2")],
        [engine(restarts=1)],
    ],
    ids=["another pod", "another run"],
)
def test_engines_that_come_are_followed(later, kubectl):
    """kubectl would not notice."""
    kubectl.answer("logs", out=line(second=1), stays=True)

    with contextlib.closing(following().follow()) as stream:
        until(stream, 1)
        pod = later[-1]["metadata"]["name"]
        kubectl.answer("logs", "--since-time", out=line(pod=pod, second=9), stays=True)
        kubectl.lists(PODS, *later)
        (found,) = until(stream, 1)

    assert (pod, later[-1]["spec"]["nodeName"]) == (found.pod, found.node)


def test_engines_that_cannot_be_seen_for_a_while_are_followed_on(kubectl):
    """A server that is away says nothing of them."""
    kubectl.answer("logs", out=line(second=1), stays=True)

    with contextlib.closing(following().follow()) as stream:
        until(stream, 1)
        kubectl.refuse(PODS)
        asked = len(kubectl.asked())
        end = time.monotonic() + scaled(30)
        while len(kubectl.asked()) < asked + 3 and time.monotonic() < end:
            time.sleep(0.01)

    logs = [words for words in kubectl.asked() if words[0] == "logs"]
    assert 1 == len(logs)
    assert len(kubectl.asked()) >= asked + 3


def test_who_may_follow_no_log_gets_a_sentence(kubectl, capsys):
    """kubectl says it among the lines, and that all went well."""
    kubectl.answer("logs", out='error: pods "enforcer-a" is forbidden\n')

    assert Exit.USAGE == main(["events", "--follow"])

    assert 'enforcer: kubectl: error: pods "enforcer-a" is forbidden\n' == capsys.readouterr().err


def test_what_kubectl_says_in_between_is_told_and_is_no_line(kubectl, monkeypatch):
    """As of a node that cannot be reached. It is told once."""
    monkeypatch.setattr("enforcer.plugin.following._HOLD", 0.0)
    said = []
    kubectl.answer("logs", out="error: dial \x1b[2Jtcp\n" * 3 + line(), stays=True)
    kubectl.answer("logs", "--since-time", out=line(second=2), stays=True)

    with contextlib.closing(following(said.append).follow()) as stream:
        until(stream, 1)
        kubectl.lists(PODS, engine(restarts=1))
        until(stream, 1)

    assert ["logs of engines: error: dial \\x1b[2Jtcp; trying again"] == said


def test_a_line_that_is_too_long_is_left_out(kubectl):
    """Those around it are told."""
    long = f"[pod/enforcer-a/engine] 2025-11-24T20:48:02Z {'x' * (3 << 20)}\n"
    kubectl.answer("logs", out=line() + long + line(second=3), stays=True)

    with contextlib.closing(following().follow()) as stream:
        first, second = until(stream, 2)

    assert len(first.text) < 1000
    assert first.text == second.text


def test_no_kubectl_is_left_behind(kubectl, monkeypatch):
    """When following ends, whyever."""
    started = []
    start = Kubectl.start

    def remember(self, *words, **options):
        started.append(start(self, *words, **options))
        return started[-1]

    monkeypatch.setattr(Kubectl, "start", remember)
    kubectl.answer("logs", out=line(), stays=True)
    stream = following().follow()
    until(stream, 1)
    running = [each for each in started if each.args[1] == "logs"]
    assert [None] == [each.poll() for each in running]

    stream.close()

    assert None not in [each.returncode for each in running]


def test_of_one_engine_that_cannot_be_read_the_others_are_shown(kubectl, capsys):
    """As of one that does not run yet; of none, that is the answer."""
    kubectl.answer("logs", out="error: \x1bcontainer is waiting\n" + line())

    assert Exit.OK == main(["events"])
    shown = capsys.readouterr()
    assert 1 == len(shown.out.splitlines())
    assert "enforcer: error: \\x1bcontainer is waiting\n" == shown.err

    kubectl.answer("logs", out="error: container is waiting\n")

    assert Exit.USAGE == main(["events"])


def test_a_failure_of_one_reading_is_raised(kubectl):
    """Without --follow there is nothing to wait for."""
    kubectl.answer("logs", out=line(), err="error: broken\n", code=1)

    with pytest.raises(KubectlError, match="broken"):
        list(following(tail=20).once())


def test_ctrl_c_ends_it_without_a_word(kubectl):
    """As with all that follows."""
    kubectl.answer("logs", out=line(), stays=True)
    process = subprocess.Popen(
        PLUGIN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PATH": str(kubectl.folder)},
        text=True,
    )
    assert process.stdout.readline().startswith("time=")

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=scaled(60))

    assert (Exit.OK, "", "") == (process.returncode, out, err)


def test_a_reader_that_goes_is_no_error(kubectl):
    """As `| head`."""
    kubectl.answer("logs", out=line() + line(second=2), stays=True)
    read, write = os.pipe()
    os.close(read)

    process = subprocess.run(
        PLUGIN,
        stdout=write,
        stderr=subprocess.PIPE,
        env={**os.environ, "PATH": str(kubectl.folder)},
        text=True,
        check=False,
        timeout=scaled(60),
    )
    os.close(write)

    assert "" == process.stderr
    assert process.returncode in {Exit.OK, Exit.BROKEN_PIPE}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_example_can_be_typed(command):
    """As it is printed."""
    examples = import_module(f"enforcer.plugin.{command.replace('-', '_')}").EXAMPLES
    typed = re.findall(r"(?:^  |\| )kubectl enforcer (.*?)(?:  |\||$)", examples, re.MULTILINE)

    assert typed
    for text in typed:
        assert parser({command}).parse_args(shlex.split(text))


def test_engines_are_found_by_the_labels_of_the_manifests():
    """And by the command of their container, in the namespace of the manifests."""
    (daemons,) = [each for each in MANIFESTS if each["kind"] == "DaemonSet"]
    labels = daemons["spec"]["selector"]["matchLabels"]
    commands = [each["command"] for each in daemons["spec"]["template"]["spec"]["containers"]]

    assert labels == dict(pair.split("=") for pair in SELECTOR.split(","))
    assert daemons["metadata"]["namespace"] == NAMESPACE
    assert ["enforcer", "start"] in commands
