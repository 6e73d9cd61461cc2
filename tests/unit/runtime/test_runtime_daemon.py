# SPDX-License-Identifier: MIT
"""The daemon around a fake kernel."""

import errno
import json
import os
import signal
import socket
import threading

import attrs
import pytest
from control_fakes import WEB, FakePolicyControl
from fakes import BASH, DECODER, ENFORCED, PREVENTED, FakeSession, FakeSink, enricher, raw_event
from patience import scaled

from enforcer.errors import EnforcerBug, KernelError
from enforcer.events.types import Lost, Origin, Record
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.runtime import daemon as module
from enforcer.runtime.control.protocol import Client
from enforcer.runtime.daemon import Daemon
from enforcer.runtime.instance.lock import InstanceLock
from enforcer.runtime.notify import Notifier
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.spec import FileOutput
from enforcer.workbench.dryrun.findings import DryRun
from enforcer.workbench.dryrun.fixes import Fixes
from enforcer.workbench.dryrun.programs import Programs
from enforcer.workbench.dryrun.report import as_document, make_report

DENIAL = {
    "op": Op.WRITE,
    "action": Verb.DENY,
    "flags": ENFORCED | PREVENTED,
    "error": errno.EPERM,
    "row": 1,
}
ORIGINS = (BASH, Origin("vault", "no-writes", "vault.yaml:9:3"))


@attrs.define
class Bench:
    """A daemon with everything around it faked."""

    session: FakeSession
    sink: FakeSink
    daemon: Daemon
    pipeline: Pipeline
    said: list[str]


@pytest.fixture(autouse=True)
def heard():
    """Let every signal be heard: a shell may have started the tests with some ignored, as nohup does."""
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGHUP, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def bench():
    session, sink, said = FakeSession(), FakeSink(), []
    daemon = Daemon(session, FakePolicyControl())
    pipeline = Pipeline(
        session, DECODER, enricher(*ORIGINS), Fanout.to([sink], said.append), daemon
    )
    yield Bench(session, sink, daemon, pipeline, said)
    session.close()
    daemon.reactor.close()


def records(bench) -> list[Record]:
    return [r for r in bench.sink.records if isinstance(r, Record)]


def run_until(bench, condition):
    """Let the loop run until *condition* holds."""
    bench.daemon.reactor.every(0.01, lambda: condition() and bench.daemon.stop())
    return bench.daemon.run(bench.pipeline, ready=lambda: None)


def test_records_reach_the_sink_and_the_ending(bench):
    """What the kernel reports is recorded, and summed up at the end."""
    bench.session.happen(raw_event(path=b"/bin/bash"), raw_event(**DENIAL))

    ending = run_until(bench, lambda: len(bench.sink.records) == 2)

    assert [r.origin.policy for r in records(bench)] == ["detect-bash-exec", "vault"]
    assert ending.outcomes == {"allowed": 1, "denied": 1}
    assert ending.lost == 0
    assert bench.session.is_closed
    assert bench.sink.is_closed


def test_who_waits_for_the_end_waits_for_no_program(bench, tmp_path):
    """Enforcement has ended and nobody listens any more when another may begin; programs go after that."""
    seen = []
    socket = tmp_path / "socket"
    bench.daemon.listen(socket)
    bench.daemon.on_ended = lambda: seen.append(
        (bench.session.is_ended, bench.session.is_closed, socket.exists())
    )

    run_until(bench, lambda: True)

    assert [(True, False, False)] == seen
    assert bench.session.is_closed


def test_what_could_not_be_removed_is_told_and_the_end_goes_on(bench, tmp_path, monkeypatch):
    """Nothing is enforced any more: outputs and socket are closed, and the next daemon may begin."""
    ended, path = [], tmp_path / "socket"
    bench.session.stays = (
        "/sys/fs/bpf/enforcer/1 enforces nothing any more, and could not be removed"
    )
    bench.daemon.listen(path)
    bench.daemon.on_ended = lambda: ended.append(path.exists())
    close = bench.session.close

    def refuse():
        close()
        raise KernelError("cannot detach enf_exec", errno.EBUSY)

    monkeypatch.setattr(FakeSession, "close", lambda _: refuse())

    ending = run_until(bench, lambda: True)

    monkeypatch.undo()
    assert 0 == ending.lost
    assert ([False], True, True) == (ended, bench.sink.is_closed, bench.session.is_closed)
    assert [bench.session.stays] == bench.said[:1]
    assert "enforcement has ended, but not everything of it could be freed" in bench.said[1]


def test_the_last_records_are_taken_before_the_end(bench):
    """What already waits when the stop comes is still recorded."""
    bench.daemon.stop()
    bench.session.happen(raw_event())
    bench.session.happen(raw_event())

    bench.daemon.run(bench.pipeline, ready=lambda: None)

    assert len(records(bench)) == 2


def test_bytes_that_make_no_event_are_counted_and_told(bench):
    """A malformed record costs that record only, and becomes a record of a loss."""
    bench.session.happen(b"garbage", raw_event())

    ending = run_until(bench, lambda: bench.sink.records)

    assert len(records(bench)) == 1
    lost = [r for r in bench.sink.records if isinstance(r, Lost)]
    assert [(r.malformed, r.decisions) for r in lost] == [(1, 0)]
    assert "7 bytes" in lost[0].reason
    assert ending.lost == 1


def test_what_the_kernel_lost_becomes_a_record(bench):
    """A ring buffer that was full is told of."""
    bench.session.counters = {"LOST_DECISIONS": 2, "LOST_ACTIVITY": 40}
    bench.daemon.stop()

    ending = bench.daemon.run(bench.pipeline, ready=lambda: None)

    assert [(r.decisions, r.activity) for r in bench.sink.records] == [(2, 40)]
    assert ending.lost == 42


def test_a_failing_sink_does_not_stop_the_loop(bench):
    """Enforcement goes on, the operator is told, and the sink is tried again."""
    bench.sink.error = OSError(errno.ENOSPC, "No space left on device")
    bench.session.happen(raw_event())

    run_until(bench, lambda: bench.sink.flushes >= 2)

    assert len(bench.said) == 1
    assert len(records(bench)) == 1


def test_a_record_that_trips_its_maker_does_not_end_enforcement(bench):
    """Whatever goes wrong with one record, the next is made, and the loss is told."""
    bench.pipeline.enricher.resolver = TrippedOnce(bench.pipeline.enricher.resolver)
    bench.session.happen(raw_event(), raw_event(**DENIAL))

    ending = run_until(bench, lambda: bench.sink.records)

    assert [r.origin.policy for r in records(bench)] == ["vault"]
    assert ending.outcomes == {"denied": 1}
    assert "ZeroDivisionError" in bench.sink.records[-1].reason


@attrs.define
class TrippedOnce:
    """Fails for the first process."""

    real: object
    count: int = 0

    def identify(self, **who):
        self.count += 1
        1 // (self.count - 1)
        return self.real.identify(**who)


def test_rings_that_cannot_be_read_do_not_end_enforcement(bench):
    """The kernel decides on; the operator is told, and the end is orderly."""
    bench.session.error = KernelError("the ring cannot be read", errno.EIO)
    bench.session._batches.append([raw_event()])
    os.write(bench.session._pipe[1], b"!")

    ending = run_until(bench, lambda: bench.said)

    assert bench.said[0].startswith("records cannot be read, trying again: ")
    assert ending.hits == ()
    assert bench.session.is_closed


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOMEM, "Cannot allocate memory"), KernelError("refused", errno.EPERM)],
    ids=["system", "kernel"],
)
def test_what_nobody_caught_ends_the_loop_as_a_bug(bench, error):
    """Whatever its kind says elsewhere, and with it as the cause."""

    def fail():
        raise error

    bench.daemon.reactor.after(0, fail)

    with pytest.raises(
        EnforcerBug, match=f"the loop ended: .*{os.strerror(error.errno)}"
    ) as raised:
        bench.daemon.run(bench.pipeline, ready=lambda: None)
    assert error is raised.value.__cause__
    assert not isinstance(raised.value, OSError)


def test_a_signal_is_an_orderly_end(bench):
    """SIGTERM ends enforcement and the last record is kept."""
    bench.session.happen(raw_event())

    ending = bench.daemon.run(bench.pipeline, ready=lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert bench.session.is_closed
    assert ending.outcomes == {"allowed": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_a_key_a_signal_ends_the_daemon_alone(bench, number):
    """Signals may be anybody's: enforcement stays, and what was asked for at the socket ends it."""
    bench.daemon.outlives_signals = True

    bench.daemon.run(bench.pipeline, ready=lambda: os.kill(os.getpid(), number))

    assert bench.daemon.persists
    assert bench.session.is_left
    assert not bench.session.is_ended


def test_with_a_key_who_has_it_ends_enforcement(bench):
    """By the way that asks for it."""
    bench.daemon.outlives_signals = True

    run_until(bench, lambda: True)

    assert bench.session.is_closed
    assert not bench.session.is_left


def test_hanging_up_opens_the_logs_anew_and_asks_for_more(bench):
    """SIGHUP ends nothing: the logs are opened anew, then the hook is called."""
    seen = []
    bench.daemon.hangup = lambda: seen.append(bench.sink.reopens)
    bench.daemon.reactor.every(0.01, lambda: seen and bench.daemon.stop())

    bench.daemon.run(bench.pipeline, ready=lambda: os.kill(os.getpid(), signal.SIGHUP))

    assert seen == [1]


def test_hanging_up_in_a_row_keeps_nobody_from_ending_it(bench):
    """More signals come than the loop can be woken by, while something takes long; SIGTERM is not among the lost."""
    asked = []
    bench.daemon.hangup = lambda: asked.append("reload")

    def take_long():
        for _ in range(2000):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

    bench.daemon.reactor.after(0, take_long)
    bench.daemon.reactor.after(scaled(30), lambda: pytest.fail("it did not end"))

    bench.daemon.run(bench.pipeline, ready=lambda: None)

    assert bench.session.is_ended
    assert [] == asked


def test_logs_alone_can_be_opened_anew(bench):
    """SIGUSR1 is for rotations: no policy is read for them."""
    asked = []
    bench.daemon.hangup = lambda: asked.append("reload")
    bench.daemon.reactor.every(0.01, lambda: bench.sink.reopens and bench.daemon.stop())

    bench.daemon.run(bench.pipeline, ready=lambda: os.kill(os.getpid(), signal.SIGUSR1))

    assert (1, []) == (bench.sink.reopens, asked)


def test_rotations_under_load_lose_no_record(bench, tmp_path):
    """However renames, signals and records fall together, each record is in one file."""
    log = FileOutput(path=tmp_path / "log").open()
    bench.pipeline = attrs.evolve(bench.pipeline, fanout=Fanout.to([log], bench.said.append))
    rounds = iter(range(40))

    def rotate():
        number = next(rounds, None)
        if number is None:
            bench.daemon.stop()
            return
        bench.session.happen(raw_event(pid=2 * number))
        (tmp_path / "log").rename(tmp_path / f"log.{number:02}")
        bench.session.happen(raw_event(pid=2 * number + 1))
        os.kill(os.getpid(), (signal.SIGUSR1, signal.SIGHUP)[number % 2])
        bench.daemon.reactor.after(0.001, rotate)

    bench.daemon.run(bench.pipeline, ready=rotate)

    lines = [
        json.loads(line)
        for file in [*sorted(tmp_path.glob("log.*")), tmp_path / "log"]
        for line in file.read_text().splitlines()
    ]
    assert [line["process"]["pid"] for line in lines] == list(range(80))
    assert bench.said == []


def test_the_service_manager_hears_how_things_are(bench, tmp_path):
    """Ready after the announcement, signs of life from the loop, a reload and the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        bench.daemon.notifier = Notifier(str(tmp_path / "notify"), 0.01, clock_us=lambda: 5)
        bench.daemon.hangup = bench.daemon.stop
        heard = []

        def listen():
            while b"STOPPING=1" not in heard:
                heard.append(manager.recv(4096))
                if heard[-1] == b"WATCHDOG=1" and heard.count(b"WATCHDOG=1") == 3:
                    os.kill(os.getpid(), signal.SIGHUP)

        thread = threading.Thread(target=listen)
        thread.start()
        bench.daemon.run(bench.pipeline, ready=lambda: bench.daemon.notifier.status("active"))
        thread.join()

    assert [message for message in heard if message != b"WATCHDOG=1"] == [
        b"STATUS=active",
        b"READY=1\nSTATUS=" + FakePolicyControl().posture().line.encode(),
        b"RELOADING=1\nMONOTONIC_USEC=5",
        b"READY=1",
        b"STOPPING=1",
    ]


def test_status_and_stop_over_the_socket(bench, tmp_path):
    """A client sees policies, hits and memory, and ends the daemon."""
    path = tmp_path / "s.sock"
    bench.daemon.listen(path)
    got = {}

    def client():
        with Client.connect(path) as asked:
            got.update(asked.ask("status")["status"])
        with Client.connect(path) as asked:
            asked.ask("stop")
            got["ended"] = asked.wait_closed(30)

    thread = threading.Thread(target=client)
    bench.daemon.run(bench.pipeline, ready=thread.start)
    thread.join()

    assert got["ended"]
    assert got["pid"] == os.getpid()
    assert got["programs"] == 3
    assert [(p["name"], p["enforced"], p["audited"]) for p in got["policies"]] == [
        (WEB["name"], WEB["enforced"], WEB["audited"])
    ]
    assert got["memory"]["mapBytes"] == 4096 + 65536
    assert got["memory"]["residentBytes"] > 1 << 20
    assert not path.exists()


@pytest.mark.parametrize(("persists", "is_kept"), [(False, True), (True, True), (True, False)])
def test_who_asks_for_the_end_is_told_what_it_leaves(bench, tmp_path, persists, is_kept):
    """Where enforcement is pinned, by this daemon and by others before it, and whether it stays."""
    bench.daemon.persists, bench.session.is_kept = persists, is_kept
    (tmp_path / "old").mkdir()
    InstanceLock.of_daemon(tmp_path / "s.lock", tmp_path / "old").release()
    got = {}

    def client():
        with Client.connect(tmp_path / "s.sock") as asked:
            got.update(asked.ask("stop"))

    thread = threading.Thread(target=client)
    with InstanceLock.of_daemon(tmp_path / "s.lock", tmp_path / "new") as bench.daemon.lock:
        bench.daemon.listen(tmp_path / "s.sock")
        ending = bench.daemon.run(bench.pipeline, ready=thread.start)
    thread.join()

    assert persists == bench.session.is_left
    assert (persists and is_kept) == ending.stays
    assert {
        "ok": True,
        "pid": os.getpid(),
        "pinned": str(tmp_path / "new"),
        "elsewhere": [str(tmp_path / "old")],
        "persists": persists and is_kept,
    } == got


def test_followers_see_records(bench, tmp_path):
    """A follower gets the JSON of each record."""
    path = tmp_path / "s.sock"
    bench.daemon.listen(path)
    got = []

    def client():
        with Client.connect(path) as asked:
            asked.ask("events")
            bench.session.happen(raw_event(**DENIAL, path=b"/x"))
            got.extend(asked.follow())

    thread = threading.Thread(target=client)
    bench.daemon.reactor.every(0.01, lambda: bench.sink.records and bench.daemon.stop())
    bench.daemon.run(bench.pipeline, ready=thread.start)
    thread.join()

    assert [(m["action"], m["object"]["path"]) for m in got] == [("deny", "/x")]


@pytest.mark.parametrize("is_changing", [False, True])
def test_watchers_see_beats(bench, tmp_path, monkeypatch, is_changing):
    """Sums, the newest and health come by themselves, also while a change takes long."""
    monkeypatch.setattr(module, "_TICK", 0.02)
    path = tmp_path / "s.sock"
    bench.daemon.listen(path)
    got = []

    def client():
        with Client.connect(path) as asked:
            got.append(asked.ask("watch"))
            bench.session.happen(raw_event(**DENIAL, path=b"/x"))
            while not (got[-1].get("kind") == "beat" and got[-1]["totals"]):
                got.append(asked.next_message())
        bench.daemon.reactor.after(0, bench.daemon.stop)

    thread = threading.Thread(target=client)
    if is_changing:

        def change():
            while len(got) < 4 and thread.is_alive():
                bench.daemon.idle()
                bench.daemon.reactor.turn(0.01)

        bench.daemon.reactor.after(0, change)
    bench.daemon.run(bench.pipeline, ready=thread.start)
    thread.join()

    beat = got[-1]
    assert beat["totals"] == {"denied": 1}
    assert [event["target"] for event in beat["newest"]] == ["/x"]
    assert beat["health"]["rings"] == {"decisions": [512, 1 << 20], "activity": [0, 1 << 18]}
    assert beat["health"]["policies"] == [WEB]


def test_a_dry_run_sums_up():
    """Findings are by rule, with who and what; what records missed is known from the counters."""
    dry = DryRun()
    maker = enricher(*ORIGINS)
    for exe, path, verb in (
        (b"/usr/bin/tee", b"/a", Verb.DENY),
        (b"/usr/bin/tee", b"/b", Verb.DENY),
        (b"/usr/bin/cp", b"/a", Verb.KILL),
    ):
        raw = raw_event(**{**DENIAL, "flags": 0, "action": verb}, exe=exe, path=path)
        dry.write(maker.enrich(DECODER.decode(raw)))
    dry.write(maker.enrich(DECODER.decode(raw_event(action=Verb.LOG))))

    found = dry.findings(FakeSession(counted=(FakeHitsOf(0), FakeHitsOf(5))).hits())

    assert [(f.origin.rule, f.would_deny, f.would_kill, f.unrecorded) for f in found] == [
        ("no-writes", 2, 1, 2)
    ]
    made = make_report(dry, found, Programs(), source="here", seconds=60.0)
    shown = as_document(made, Fixes.of(PolicySet(()), made))
    assert (shown["wouldDeny"], shown["wouldKill"], shown["permitted"]) == (2, 1, 1)
    assert shown["rules"][0]["processes"] == {"/usr/bin/tee": 2, "/usr/bin/cp": 1}
    assert shown["rules"][0]["objects"] == {"file.write /a": 2, "file.write /b": 1}


@attrs.frozen
class FakeHitsOf:
    audited: int
    enforced: int = 0


def test_each_second_it_looks_for_records_that_wake_nobody(bench):
    """Those that wait outside of the rings make no descriptor readable."""
    bench.daemon._pipeline = bench.pipeline
    bench.session.happen(raw_event(**DENIAL, repeats=4, last_ns=2_000))

    bench.daemon._tick()

    assert [4] == [each.event.repeats for each in records(bench)]
