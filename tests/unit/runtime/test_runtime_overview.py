# SPDX-License-Identifier: MIT
"""What the daemon keeps for dashboards, and how it reaches them."""

import json
import socket
import threading
import tracemalloc

import attrs
import pytest
from control_fakes import Served
from fakes import DECODER, FakeSession, FakeSink, Nobody, denied, enricher, record
from kept import kept

from enforcer.errors import ControlError, KernelError
from enforcer.events.brief import brief
from enforcer.events.ident import RecordId
from enforcer.events.types import Lost, Origin
from enforcer.identity.actor import Actor
from enforcer.identity.lineage import Ancestry
from enforcer.identity.naming import boot
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.identity.words import Words
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control import overview as module
from enforcer.runtime.control.beats import Beats
from enforcer.runtime.control.dashboard_client import Conversation, Feed
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.control.posture import Posture, Tally
from enforcer.runtime.control.protocol import Client, encode
from enforcer.runtime.control.record_filter import RecordFilter
from enforcer.runtime.control.tops import Tops
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.jsonl import json_line


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def of_rule(name, number, **values):
    return denied(time_ns=number, tid=number, origin=Origin("p", name, "p.yaml:1:1"), **values)


def test_ids_name_one_record():
    """An id is read back, and tells records of one moment apart."""
    one, other = denied(time_ns=5, tid=7), denied(time_ns=5, tid=8)
    number = RecordId.of(one.event)

    assert number == RecordId.parse(str(number))
    assert f"{boot()}-5-7-0" == str(number)
    assert number != RecordId.of(other.event)
    assert number != RecordId.of(denied(time_ns=5, tid=7, row=1).event)


@pytest.mark.parametrize(
    "text", ["", "5-7", "x" * 8 + "-5-7-0", "00000000-5-7-0\n", "00000000-5-7"]
)
def test_what_is_no_id(text):
    """Anything else is none."""
    assert RecordId.parse(text) is None


def test_many_short_arguments_take_their_bytes():
    """Of the process and of the program that it runs: the records that are kept are bounded in bytes."""
    overview = Overview()
    words, args = b"ab\0" * 1365, b"ab\0" * 5461
    with kept() as size:
        for number in range(1, 201):
            facts = ProcessFacts(exe=b"/bin/sh", cmdline=Words.ended(b"%d\0" % number + words))
            found = denied(
                op=Op.EXEC,
                name=b"%d\0" % number + args,
                argc=5462,
                exe=b"/bin/sh",
                time_ns=number,
                identity=Identity(process=facts),
            )
            json_line(found)  # as outputs do: who looks at the words leaves nothing
            overview.observe(found)
        taken = size()

    assert (b"200", b"ab", 5462) == (*found.event.args[:2], len(found.event.args))
    assert ("200", "ab", 1366) == (*found.process.cmdline[:2], len(found.process.cmdline))
    assert (
        200 * len(args) < taken < 200 * 2 * len(words + args)
    )  # as tuples twenty times their bytes


def chain(number):
    """64 processes that nobody else has as ancestors, of long names with a wide character."""
    return Ancestry(
        tuple(
            Actor(
                pid=each,
                name=f"{number}",
                exe=f"/{number}/{each}/" + "e" * 3900 + "\N{PILE OF POO}",
                cmdline=(f"{number}", "e" * 400 + "\N{PILE OF POO}"),
            )
            for each in range(64)
        )
    )


def test_long_ancestors_are_bounded_in_all(monkeypatch):
    """Whoever makes them anew for each denial cannot make the daemon grow: fewer records are kept then."""
    monkeypatch.setattr(module, "_KEPT_ROOM", 4 << 20)
    overview = Overview()
    began = overview.kept_since[0]
    tracemalloc.start()
    for number in range(1, 41):
        found = denied(time_ns=number, identity=Identity(ancestry=chain(number)))
        found.ancestors[9].cmdline.split()
        overview.observe(found)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    kept = overview.recent(RecordFilter())
    assert 10 < len(kept) < 20
    assert found is kept[-1] is overview.find(str(RecordId.of(found.event)))
    assert (kept[0].time_ns, began) == overview.kept_since
    # The newest of each rule is there for the next beat in any case.
    assert taken < 4 * (module._KEPT_ROOM // 3)


def test_long_records_hide_none_of_other_rules(monkeypatch):
    """Of all that wait for the next beat, those of the rule that takes most go."""
    monkeypatch.setattr(module, "_FRESH_ROOM", 1 << 20)
    overview = Overview()
    overview.observe(of_rule("rare", 1))
    for number in range(10):
        each = of_rule(f"long-{number}", 10 + number, identity=Identity(ancestry=chain(number)))
        overview.observe(each)
    overview.observe(of_rule("other", 30))

    rules = [event["rule"] for event in overview.beat()["newest"]]

    assert {"rare", "other"} < {*rules}
    assert 3 <= len(rules) <= 5


def test_records_are_found_by_id():
    """The newest of both kinds; of another boot none."""
    overview = Overview()
    kept = [denied(time_ns=n, tid=n) for n in range(3)] + [record(time_ns=9, action=Verb.LOG)]
    for each in kept:
        overview.observe(each)

    for each in kept:
        assert each is overview.find(str(RecordId.of(each.event)))
    assert overview.find("ffffffff-1-1-0") is None
    assert overview.find("nonsense") is None
    assert overview.document(str(RecordId.of(kept[0].event)))["rule"] == "no-writes"
    assert overview.document(f"{boot()}-63-63-0") is None


def test_what_a_dashboard_was_told_of_is_kept_longer():
    """A flood does not take away what somebody may just look at."""
    overview = Overview()
    overview.observe(denied(time_ns=1, tid=1))
    (told,) = overview.beat()["newest"]
    for number in range(3000):
        overview.observe(denied(time_ns=10 + number, tid=2))

    assert overview.find(told["id"]) is not None


def test_a_flood_of_one_rule_hides_no_other():
    """Each rule has its newest in the beat, which stays small."""
    overview = Overview()
    overview.observe(of_rule("rare", 1))
    for number in range(5000):
        overview.observe(of_rule("flood", 10 + number))

    beat = overview.beat()

    assert ["rare"] + ["flood"] * 4 == [event["rule"] for event in beat["newest"]]
    assert beat["totals"] == {"denied": 5001}
    assert overview.beat()["newest"] == []


def test_a_beat_is_bounded_whatever_came():
    """Many rules, long names: a line that fits into one piece."""
    overview = Overview()
    for number in range(1000):
        overview.observe(
            of_rule(f"r{number}", number, path=b"/" + b"\xff" * 4000, exe=b"/" + b"e" * 250)
        )

    beat = overview.beat()

    assert len(beat["newest"]) <= 40
    assert len(json.dumps(beat)) < 200_000


def test_what_is_most_frequent():
    """Rules, binaries, containers and paths, by how often."""
    overview = Overview()
    for number in range(10):
        overview.observe(of_rule("a", number, path=b"/x" if number else b"/y"))
    overview.observe(Lost(time_ns=1, decisions=5))

    beat = overview.beat()

    assert beat["rules"] == [["p/a", 10]]
    assert beat["paths"] == [["/x", 9], ["/y", 1]]
    assert beat["binaries"] == [["/usr/bin/tee", 10]]
    assert beat["containers"] == []


def test_names_without_end_take_no_memory():
    """Whoever is frequent stays, however many names are met once."""
    tops = Tops(bound=16)
    for number in range(5000):
        tops.count(f"once-{number}")
        tops.count("often")

    assert ("often", 5000) == tops.most(1)[0]
    assert len(tops.most(100_000)) <= 33


def test_what_was_frequent_long_ago_is_forgotten():
    """After five windows."""
    tops = Tops()
    tops.count("old")
    for _ in range(4):
        tops.turn()
    assert [("old", 1)] == tops.most(5)
    tops.turn()
    assert [] == tops.most(5)


def test_history_goes_back_before_anybody_looked():
    """Five minutes of it, at any time."""
    clock = Clock()
    overview = Overview(clock)
    for second in range(400):
        clock.now = 100.0 + second
        overview.observe(denied(time_ns=second, tid=1))
        overview.tick()

    opening = overview.opening()

    assert 300 == len(opening["history"])
    assert [499.0, {"denied": 400}] == opening["history"][-1]
    assert 100 == len(opening["newest"])


# ---- Beats ---------------------------------------------------------------------------------------


class SlowPolicies:
    """Takes *seconds* to describe."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.asked = clock, seconds, 0

    def posture(self):
        return Posture(tally=Tally(), rules=0, programs=0)

    def describe(self):
        self.asked += 1
        self.clock.now += self.seconds
        return {"policies": [{"name": f"p{n}"} for n in range(200)], "pending": None}


def beats(policies, clock, session=None):
    session = session or FakeSession()
    pipeline = Pipeline(session, DECODER, enricher(), Fanout.to([FakeSink()], print), Nobody())
    return Beats(session, pipeline, policies, Overview(), lambda: 5.0, clock)


def test_policies_are_described_the_less_often_the_longer_it_takes():
    """A large set costs the loop one part in fifty at most; a new generation is shown at once."""
    clock = Clock()
    session = FakeSession()
    policies = SlowPolicies(clock, 0.2)
    made = beats(policies, clock, session)
    for _ in range(10):
        clock.now += 1
        made.line()
    assert 1 == policies.asked

    clock.now += 10
    made.line()
    assert 2 == policies.asked
    session.generation += 1
    health = json.loads(made.line())["health"]

    assert 3 == policies.asked
    assert 128 == len(health["policies"])
    assert 200 == health["policyCount"]
    assert [512, 1 << 20] == health["rings"]["decisions"]


def test_a_kernel_that_does_not_answer_is_told():
    """The records are shown all the same."""

    class Deaf(FakeSession):
        def ring_use(self):
            raise KernelError("no map")

    session = Deaf()
    beat = json.loads(beats(None, Clock(), session).line())

    assert "no map" == beat["problem"]
    assert "health" not in beat
    assert "totals" in beat


# ---- The socket ----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "enforcer.sock"


@pytest.fixture
def served(path):
    made = Served(path)
    made.server.overview = Overview()
    yield made
    made.close()


def test_watchers_get_beats(served, path):
    """Who watches gets the past first, then what is new; records go to followers only."""
    with Client.connect(path) as watcher:
        assert {"ok", "at", "history", "newest"} == watcher.ask("watch").keys()
        served.call(lambda: served.server.publish(denied()))
        served.call(lambda: served.server.beat(b'{"kind":"beat"}\n'))
        assert {"kind": "beat"} == watcher.next_message()
        assert served.server.has_watchers
        assert not served.server.has_followers


def test_a_watcher_that_does_not_read_is_sent_nothing_more(served, path):
    """It holds one beat at most, however long it sleeps; others get theirs."""
    line = encode({"kind": "beat", "filler": "x" * 100_000})
    with Client.connect(path) as slow, Client.connect(path) as quick:
        slow.ask("watch")
        quick.ask("watch")
        for _ in range(50):
            served.call(lambda: served.server.beat(line))
            assert quick.next_message()["kind"] == "beat"
        held = [c.held for c in served.server._connections]

    assert max(held) <= len(line)


def test_one_record_and_what_policies_are_made_of(served, path):
    """Asked for by id; what is not kept is a sentence."""
    kept = denied()
    served.server.overview.observe(kept)
    served.server.sources = lambda: {"paths": ["/etc/enforcer"]}
    with Client.connect(path) as client:
        found = client.ask("record", id=str(RecordId.of(kept.event)))["record"]
        assert "/srv/vault/secret" == found["object"]["path"]
        assert {"paths": ["/etc/enforcer"]} == client.ask("sources")["sources"]
        with pytest.raises(ControlError, match="record '00000000-1-1-1' is no longer in memory"):
            client.ask("record", id="00000000-1-1-1")


def test_a_daemon_without_overview_says_so(served, path):
    """Neither beats nor records are promised."""
    served.server.overview = None
    with Client.connect(path) as client:
        for command in ("watch", "record", "sources"):
            with pytest.raises(ControlError, match="this daemon"):
                client.ask(command, **({"id": "x"} if command == "record" else {}))
        served.call(lambda: served.server.beat(b"{}\n"))
        assert not served.server.has_watchers


# ---- The other end -------------------------------------------------------------------------------


@pytest.fixture
def reactor():
    made = Reactor()
    yield made
    made.close()


def turn_until(reactor, condition):
    for _ in range(2000):
        if condition():
            return
        reactor.turn(0.02)
    raise AssertionError("it never happened")


def test_a_feed_finds_the_daemon_and_finds_it_again(path, reactor, monkeypatch):
    """No daemon, a daemon, none, another one: each is told, and the next is found by itself."""
    from enforcer.runtime.control import dashboard_client as module

    monkeypatch.setattr(module, "_AGAIN", 0.01)
    told = []
    feed = Feed(path, reactor, lambda a: told.append("open"), told.append, told.append)
    feed.start()
    turn_until(reactor, lambda: told)
    assert told[0].startswith("no daemon is running")
    for _ in range(2):
        reached_and_lost(path, reactor, told)
    feed.close()


def reached_and_lost(path, reactor, told):
    told.clear()
    served = Served(path)
    served.server.overview = Overview()
    turn_until(reactor, lambda: "open" in told)
    served.call(lambda: served.server.beat(b'{"kind":"beat","at":1}\n'))
    turn_until(reactor, lambda: {"kind": "beat", "at": 1} in told)
    served.close()
    turn_until(reactor, lambda: "the daemon closed the connection" in told)


def test_questions_have_answers(served, path, reactor):
    """Good ones and refusals, beside the beats."""
    answers = []
    feed = Feed(path, reactor, lambda _: None, lambda _: None, lambda _: None)
    feed.ask("status", answers.append)
    feed.ask("record", answers.append, id="x")
    feed.ask("policy-set-mode", answers.append, name="web", mode="audit")
    turn_until(reactor, lambda: len(answers) == 3)
    feed.close()

    assert 2 == sum(answer["ok"] for answer in answers)
    assert ("set_mode", "web", "audit", None) in served.policies.asked


def test_a_question_to_nobody_has_an_answer(path, reactor):
    """The sentence of the error."""
    answers = []
    Feed(path, reactor, print, print, print).ask("status", answers.append)

    assert not answers[0]["ok"]
    assert "no daemon is running" in answers[0]["error"]


@pytest.mark.parametrize("said", [b"garbage\n", b"[1]\n", b"\xff\n"])
def test_nonsense_ends_a_conversation(tmp_path, reactor, said):
    """With a reason, and without harm."""
    ended = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def answer():
            peer, _ = listener.accept()
            with peer:
                peer.recv(100)
                peer.sendall(said)
                peer.recv(100)

        thread = threading.Thread(target=answer)
        thread.start()
        Conversation.begin(
            tmp_path / "s", reactor, {"command": "watch"}, hear=print, ended=ended.append
        )
        turn_until(reactor, lambda: ended)
        thread.join()

    assert 1 == len(ended)


def test_a_tree_in_short():
    """The parent first, and not too far up."""
    above = tuple(Actor(pid=n, name=f"p{n}") for n in range(20))

    assert list(range(8)) == [
        actor["pid"] for actor in brief(attrs.evolve(denied(), ancestors=above))["ancestors"]
    ]
