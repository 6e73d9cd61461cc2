# SPDX-License-Identifier: MIT
"""What `events` shows: what the daemon keeps, what comes, and how far back it goes."""

import argparse
import json
import time
from datetime import datetime

import pytest
from control_fakes import Served
from fakes import WALL_NS, denied, record
from printed import document, validator

from enforcer.cli.events import _moment
from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.control.protocol import Client


@pytest.fixture
def served(tmp_path):
    overview = Overview()
    for number in range(30):
        overview.observe(denied(time_ns=1000 + number, tid=number, pid=number + 1))
    overview.observe(record(time_ns=2000, action=Verb.LOG, comm=b"ev\x1bil"))
    made = Served(tmp_path / "s.sock", overview=overview)
    yield made
    made.close()


@pytest.fixture
def run(served, capsys):
    """Run `events`; returns the lines of the output and of the errors."""

    def call(*words, code=Exit.OK):
        assert code == main(["events", *words, "--socket", str(served.server.path)])
        said = capsys.readouterr()
        return said.out.splitlines(), said.err

    return call


@pytest.fixture
def while_following(served, monkeypatch):
    """Run a call inside the server's loop once the command has asked for everything, before it reads."""
    follow = Client.follow

    def prepare(call):
        def followed(client, *words, **named):
            served.call(call)
            return follow(client, *words, **named)

        monkeypatch.setattr(Client, "follow", followed)

    return prepare


def publish(server, *records):
    """Send *records* to followers, and end as a daemon that stops."""
    assert server.has_followers
    for each in records:
        server.publish(each)
    server.close()


def test_the_newest_by_default(run):
    """The oldest first, and a word on how far back the daemon remembers."""
    lines, said = run()

    assert 20 == len(lines)
    assert " denied      tee[12] write /srv/vault/secret" in lines[0]
    assert "ev\\x1bil[12345]" in lines[-1]
    assert said.startswith("enforcer: the newest 20 of 31; the daemon keeps everything since ")
    assert said.endswith("; logs have all\n")


def test_as_many_as_asked_for(run):
    """All in the order of their times."""
    assert ["tee[30]", "ev\\x1bil[12345]"] == [line.split()[2] for line in run("-n", "2")[0]]


def test_filters(run):
    """What the daemon is asked for; several names of one option are any of them."""
    assert 1 == len(run("--action", "log")[0])
    assert 2 == len(run("--process", "3", "--process", "4")[0])
    assert "enforcer: no such record; the daemon keeps " in run("--policy", "nothing")[1]
    assert 30 == len(run("--policy", "vault", "--rule", "no-*", "-n", "500")[0])


def test_since_prints_all_that_are_later(run):
    """Not only the last few."""
    moment = datetime.fromtimestamp(WALL_NS / 1e9).astimezone()

    assert 31 == len(run("--since", moment.isoformat(timespec="seconds"))[0])
    assert 0 == len(run("--since", "10m")[0])


def test_as_json(run):
    """One object for each line."""
    lines, _ = run("--json", "-n", "3")

    assert ["deny", "deny", "log"] == [document("events", line)["action"] for line in lines]


@pytest.mark.parametrize(
    ("line", "is_right"),
    [
        ('{"kind": "skipped", "records": 3}', True),
        ('{"kind": "skipped", "records": 3, "more": 1}', False),
        ('{"kind": "skipped"}', False),
        ('{"kind": "match", "version": 1}', False),
    ],
)
def test_what_a_slow_reader_missed_is_a_line_of_its_own(line, is_right):
    """Which no log has."""
    assert is_right is validator("events").is_valid(json.loads(line))
    assert not validator("record").is_valid(json.loads(line))


def test_following_after_the_last_ones(served, run, while_following):
    """What is kept, then what comes; what comes twice is shown once."""
    again = denied(time_ns=1029, tid=29, pid=30)
    new = denied(time_ns=3000, tid=99, pid=99)
    other = record(time_ns=3001, action=Verb.LOG)

    while_following(lambda: publish(served.server, again, new, other))
    lines, said = run("--follow", "--last", "2", "--action", "deny", code=Exit.USAGE)

    assert ["tee[29]", "tee[30]", "tee[99]"] == [line.split()[2] for line in lines]
    assert said.startswith("enforcer: no more records come: the daemon has closed the connection")
    assert 1 == said.count("\n")


@pytest.mark.parametrize("ends", [KeyboardInterrupt, BrokenPipeError])
def test_a_user_who_ends_following_made_no_error(run, monkeypatch, ends):
    """By Ctrl-C, or by ending the program that reads the output."""

    def end(client, reader):
        raise ends
        yield

    monkeypatch.setattr(Client, "follow", end)
    monkeypatch.setattr("enforcer.cli.events.discard", lambda fd: None)

    assert ([], "") == run("--follow")


@pytest.mark.parametrize("words", [["-n", "0"], ["-n", "501"], ["-n", "x"], ["--action", "no"]])
def test_wrong_usage(words):
    """argparse explains, exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["events", *words])
    assert ended.value.code == Exit.USAGE


def test_times():
    """Ago, at a clock that has passed, on a day."""
    now = time.time()

    assert _moment("10m") == pytest.approx(now - 600, abs=60)
    assert now - 86400 - 60 <= _moment("9:05") <= time.time()
    assert _moment("23:59:59") <= time.time()
    assert _moment("2026-01-31 14:00") == datetime(2026, 1, 31, 14).timestamp()  # noqa: DTZ001
    assert _moment("2026-01-31T14:00:00Z") == 1769868000


@pytest.mark.parametrize("text", ["soon", "25:00", "2026-13-01", ""])
def test_what_is_no_time(text):
    """A sentence with examples."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time: write 10m, 14:00 or"):
        _moment(text)
