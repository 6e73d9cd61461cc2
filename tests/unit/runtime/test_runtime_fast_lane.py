# SPDX-License-Identifier: MIT
"""The fast lane writes what Python would have written, byte for byte, and nothing is lost or counted twice."""

import errno
import json
import random
from ipaddress import IPv6Address

import attrs
import header
import pytest
from fakes import DECODER, ENFORCED, PREVENTED, FakeSession, FakeSink, Nobody, enricher, raw_event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enforcer.events.operations import OPERATIONS
from enforcer.events.template import Templates, varying
from enforcer.events.types import GuardAct, Lost, Origin
from enforcer.identity.actor import Actor
from enforcer.identity.container import Container
from enforcer.identity.lineage import Ancestry
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.libbpf import abi
from enforcer.libbpf.lane import ROOM
from enforcer.policy.language.templates import PLACEHOLDERS
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.records import fast_lane as module
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.redaction import Redactor
from enforcer.sinks.selection import Selection
from enforcer.sinks.spec import Common, FileOutput

EVERYTHING = Origin(
    "vault",
    "no-writes",
    "vault.yaml:9:3",
    message=" ".join(f"{{{name}}}" for name in PLACEHOLDERS),
    tags=("mitre/T1059",),
)
PLAIN = Origin("watch", "tools", "watch.yaml:5:7", severity="low")
IDENTITY = Identity(
    ProcessFacts(b"/usr/bin/\xff", (b"sh", b"-c", b"--token", b"hunter2"), b"/x"),
    Ancestry((Actor(id="1-1", pid=1, name='a"\n', exe="/usr/bin/bash", cmdline=("b", "-l")),)),
    "/system.slice/docker-0123.scope",
    Container("docker", "0123456789abcdef" * 4),
    user="näme",
    cwd=b"/srv/\x01",
)


@attrs.define
class Bench:
    """One pipeline with a log on the fast lane; the slow lane's line beside it."""

    session: FakeSession
    pipeline: Pipeline
    log: object
    now: list[int]
    audience: Nobody

    def send(self, *raw):
        self.session.happen(*raw)
        self.pipeline.pump()

    def finish(self):
        """Move all that waits in one turn, however slow the machine: first the batches, then who is behind."""
        self.pipeline.pump(clock=lambda: 0.0)
        assert not self.pipeline.is_behind

    @property
    def lines(self):
        return self.log.read_bytes().splitlines(keepends=True)

    @property
    def fast(self):
        """Count the records that Python did not make."""
        return self.pipeline.stats.records - self.made[0]

    made: list[int] = attrs.field(factory=lambda: [0])

    def close(self):
        self.pipeline.fanout.close()
        self.session.close()


@pytest.fixture
def make(tmp_path):
    begun = []

    def bench(*, origins=(EVERYTHING, PLAIN), common=None, others=(), redact=()):
        session, now, audience = FakeSession(), [10**9], Nobody()
        place = tmp_path / f"log{len(begun)}"
        log = FileOutput(path=place, common=common or Common()).open()
        said = []
        made = enricher(*origins, identity=IDENTITY)
        pipeline = Pipeline(
            session,
            DECODER,
            made,
            Fanout.to([log, *others], said.append),
            audience,
            redactor=Redactor.of(redact),
        )
        one = Bench(session, pipeline, place, now, audience)
        if pipeline._express is not None:
            pipeline._express.clock = lambda: now[0]
            pipeline._express.calm = 0
        real = pipeline.decoder.decode

        @attrs.define
        class Counting:
            def decode(self, raw):
                one.made[0] += 1
                return real(raw)

        pipeline.decoder = Counting()
        begun.append(one)
        return one

    yield bench
    for one in begun:
        one.close()


def slow_line(bench, raw):
    record = bench.pipeline.enricher.enrich(DECODER.decode(raw))
    return json_line(bench.pipeline.redactor.apply(record))


def assert_same(bench, raws):
    """Compare the log with what Python makes of *raws*; shows the first difference only."""
    lines = bench.lines
    for line, raw in zip(lines, raws, strict=False):
        assert line == slow_line(bench, raw)
    assert len(lines) == len(raws)


def kind_of(op):
    return header.constant("ENF_EVENT_GUARD" if isinstance(op, GuardAct) else "ENF_EVENT_VERDICT")


# ---- The same bytes ---------------------------------------------------------------------------

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
NUMBER = st.sampled_from([0, 1, 9, 10, 1 << 31, U32, (1 << 63) - 1, 1 << 63, U64]) | st.integers(
    0, U64
)
TEXT = st.tuples(
    st.sampled_from([b"", b"/", b"/etc/shadow", b"\xff" * 40, b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
    | st.binary(max_size=60)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([1, 1, 1, 4096]),
)
ADDRESS = (
    st.tuples(st.just(0), st.integers(0xFFFF << 32, (0xFFFF << 32) + U32))
    | st.tuples(NUMBER, NUMBER)
    | st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0x20]), min_size=8, max_size=8).map(
        lambda groups: divmod(int("".join(f"{g:04x}" for g in groups), 16), 1 << 64)
    )
)
VARIED = st.fixed_dictionaries(
    {
        "time_ns": st.integers(1, 1 << 60),
        "tid": NUMBER.map(lambda n: n & U32),
        "ino": NUMBER,
        "port": st.integers(0, 65535),
        "address": ADDRESS,
        "path": TEXT,
        "name": TEXT,
        "arguments": st.lists(NUMBER, min_size=6, max_size=6),
    }
)
OPS = st.sampled_from(sorted(OPERATIONS, key=str))
SHAPE = st.fixed_dictionaries(
    {
        "action": st.sampled_from(list(Verb)),
        "flags": st.sampled_from([0, ENFORCED, ENFORCED | PREVENTED]),
        "row": st.sampled_from([0, 1, 2]),
        "signal": st.sampled_from([9, 15, 64]),
        "error": st.sampled_from([0, errno.EPERM, 4000]),
        "family": st.sampled_from([1, 2, 10, 99]),
        "type": st.sampled_from([1, 2, 77]),
        "mode": st.integers(0, 0o7777),
        "code": st.integers(0, 460),
        "bits": st.sampled_from([0, 2, U32]),
        "dev": st.integers(0, U32),
        "obj_flags": st.integers(0, 0x7FF),
        "unknown": st.sampled_from([0, 1, 0x3F, 0x15 << Dim.N0]),
        "start_ns": st.integers(0, 1 << 50),
        "exec_ns": st.integers(0, 1 << 50),
        "exe": st.sampled_from([b"", b"/usr/bin/bash", b"/x\xff\n"]),
        "comm": st.sampled_from([b"sh", b'"\\\x1b']),
    }
)


def text_of(drawn):
    some, times = drawn
    return (some * times)[:4096]


def raw_of(op, shape, varied):
    high, low = varied["address"]
    values = dict(shape)
    values |= {key: varied[key] for key in ("time_ns", "tid", "ino", "port")}
    values |= {key: text_of(varied[key]) for key in ("path", "name")}
    values |= {f"arg[{i}]": number for i, number in enumerate(varied["arguments"])}
    values |= {"op": op.value, "kind": kind_of(op), "addr_hi": high, "addr_lo": low}
    return raw_event(**values)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(OPS, SHAPE, st.lists(VARIED, min_size=3, max_size=8))
def test_lines_are_the_same_on_both_lanes(make, op, shape, varied):
    """Whatever the numbers, names and bytes in records of one shape."""
    bench = make()
    raws = [raw_of(op, shape, each) for each in varied]

    bench.send(*raws, *raws, *raws)

    assert_same(bench, raws * 3)
    assert bench.pipeline.stats.malformed == 0
    if max(times for each in varied for _, times in (each["path"], each["name"])) == 1:
        assert bench.fast >= len(raws)  # else the line might be longer than there is room for
    assert bench.pipeline.stats.records == bench.audience.observed == 3 * len(raws)
    bench.close()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_arguments_belong_to_the_shape(make, data):
    """Of an exec and of a system call: other arguments are another template."""
    bench = make(redact=("--token *", "--password=*"))
    words = st.sampled_from([b"sh", b"--token", b"hunter2", b"--password=x", b"\xff", b"", b'"'])
    raws = []
    for _ in range(data.draw(st.integers(2, 6))):
        op = data.draw(st.sampled_from([Op.EXEC, Op.EXEC_ARGV, Op.SYSCALL, Op.POINT]))
        args = data.draw(st.lists(words, max_size=4))
        passed = {f"arg[{i}]": data.draw(NUMBER) for i in range(6)}
        raws.append(
            raw_event(
                op=op,
                path=text_of(data.draw(TEXT)),
                name=b"".join(a + b"\0" for a in args),
                argc=data.draw(st.sampled_from([len(args), 6])),
                code=data.draw(st.sampled_from([0, 1, 59, 257, 9999])),
                **passed,
            )
        )

    bench.send(*raws * 4)

    assert_same(bench, raws * 4)
    assert bench.fast > 0
    bench.close()


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_numbers_at_a_point_vary(make, data):
    """With sign, without, and not shown at all; a string belongs to the shape."""
    operands = (("arg0", 0, "signed"), ("arg1.x", 1, "unsigned"), ("name", 0, "text"))
    bench = make(origins=(attrs.evolve(PLAIN, point="lsm file_open", operands=operands),))
    raws = []
    for _ in range(data.draw(st.integers(4, 12))):
        passed = {f"arg[{i}]": data.draw(NUMBER) for i in range(6)}
        name = data.draw(st.sampled_from([b"", b"a\0"]))
        raws.append(raw_event(op=Op.POINT, name=name, argc=len(name) // 2, **passed))

    bench.send(*raws * 4)

    assert_same(bench, raws * 4)
    assert bench.fast > 0
    bench.close()


def test_every_operation_has_templates(make):
    """No operation is left to Python for good without anybody noticing."""
    for op in (*OPERATIONS, Op.ATTEMPT):
        bench = make()
        one = {"bits": 1 << Op.READ, "arg[0]": 13} if op is Op.ATTEMPT else {}
        one |= {"op": op.value, "kind": kind_of(op), "path": b"/a", "ino": 1, "family": 2, "row": 0}

        bench.send(*(raw_event(**one | {"ino": n, "time_ns": n}) for n in range(1, 11)))

        assert bench.fast == 8, op
        assert bench.pipeline._express.unlearnt == 0


def test_dates_are_those_of_the_calendar(make):
    """Leap days, ends of years and of centuries; beyond four digits Python is asked."""
    bench = make()
    days = [0, 58, 59, 60, 364, 365, 789, 10_957, 11_016, 11_017, 19_782, 47_540, 47_541]
    dice = random.Random(3)
    moments = [day * 86_400 * 10**9 + 999_999_999 for day in days]
    moments += [dice.randrange(1 << 62) for _ in range(500)]
    raws = [raw_event(time_ns=moment + 1) for moment in moments]

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.fast >= len(raws) - 3


def test_addresses_are_written_as_python_writes_them(make):
    """Zeros are shortened where, and only where, the library does it."""
    bench = make(origins=(PLAIN,))
    groups = [tuple(n >> i & 1 for i in range(8)) for n in range(256)]
    raws = []
    for bits in groups:
        number = int(IPv6Address(":".join("2f0" if bit else "0" for bit in bits)))
        raws.append(
            raw_event(
                op=Op.CONNECT,
                family=10,
                addr_hi=number >> 64,
                addr_lo=number & U64,
                port=443,
            )
        )

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.fast == len(raws) - 2


# ---- When a template counts --------------------------------------------------------------------


def test_what_is_known_of_processes_does_not_grow_stale(make):
    """When the caches of identities would look again, so does the fast lane."""
    bench = make()
    bench.send(*(raw_event(path=b"/%d" % n) for n in range(5)))
    bench.pipeline.enricher.resolver.identity = attrs.evolve(IDENTITY, cwd=b"/elsewhere")
    bench.send(raw_event(path=b"/5"))
    bench.now[0] += 200_000_000

    bench.send(*(raw_event(path=b"/%d" % n) for n in range(6, 9)))

    shown = [json.loads(line)["process"]["cwd"] for line in bench.lines]
    assert shown == ["/srv/\x01"] * 6 + ["/elsewhere"] * 3
    assert bench.made[0] == 3


def test_what_has_not_changed_is_not_made_again_before_a_second(make):
    """A look at who acts is enough, once for all shapes of a process; a whole record comes later."""
    bench = make()
    raws = [raw_event(row=row, time_ns=n + 1) for n in range(3) for row in range(2)]
    bench.send(*raws)
    assert bench.made[0] == 4

    for _ in range(4):
        bench.now[0] += 200_000_000
        bench.send(*raws)
    assert bench.made[0] == 4

    bench.now[0] += 200_000_000
    bench.send(*raws)
    assert bench.made[0] == 6
    assert_same(bench, raws * 6)


def test_denials_are_kept_one_by_one_until_they_are_many(make):
    """Whoever looks on finds each; a flood of them is written fast, and found again when it is over."""
    bench = make()
    bench.pipeline._express.calm = 100
    base = {"op": Op.WRITE, "action": Verb.DENY, "flags": ENFORCED | PREVENTED}

    def deny(number):
        bench.send(*(raw_event(**base, path=b"/%d" % n) for n in range(number)))

    deny(100)
    assert bench.made[0] == 100
    deny(1000)
    assert bench.made[0] == 101
    for seen in range(102, 107):
        bench.now[0] += 200_000_000
        deny(1)
        assert bench.made[0] == seen
    assert bench.pipeline.stats.by_outcome == {"denied": 1105}


def test_what_stands_for_others_is_left_to_python(make):
    """No other record has its number, so that it is no template; those around it are written fast."""
    bench = make()
    plain = [raw_event(time_ns=n) for n in range(1, 9)]
    many = [raw_event(time_ns=n, repeats=n, last_ns=n + 10**9) for n in range(20, 26)]
    raws = [*plain[:4], *many, *plain[4:]]

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.made[0] == 2 + len(many)
    assert bench.pipeline._express.unlearnt == 0
    assert bench.pipeline.stats.records == len(plain) + sum(range(20, 26)) + len(many)


def test_steps_of_the_clock_are_followed(make):
    """A template holds no moments, not even that of the start of the process."""
    bench = make()
    bench.send(*(raw_event(time_ns=n, start_ns=77_000) for n in range(1, 5)))
    bench.pipeline.enricher.clock.wall_ns = lambda: 1_000_000_000_123_000
    bench.pipeline.check_losses()
    late = raw_event(time_ns=9, start_ns=77_000)

    bench.send(late)

    assert bench.lines[-1] == slow_line(bench, late)
    assert bench.made[0] == 2


@pytest.mark.parametrize(
    "other",
    [
        {"pid": 7},
        {"start_ns": 5},
        {"exec_ns": 5},
        {"uid": 5},
        {"cgroup": 5},
        {"generation": 5},
        {"row": 1},
        {"ppid": 5},
        {"exe": b"/bin/b"},
        {"comm": b"b"},
        {"flags": 0},
        {"action": Verb.DENY},
        {"mode": 5},
        {"dev": 5},
        {"family": 2},
        {"caps": 1},
        {"to_uid": 1},
        {"fstype": b"ext4"},
        {"argc": 1},
    ],
    ids=str,
)
def test_all_that_is_no_field_of_the_template_tells_shapes_apart(make, other):
    """A record that differs in anything else is Python's."""
    bench = make()
    base = {"path": b"/a", "exe": b"/bin/a", "op": Op.WRITE}
    bench.send(*(raw_event(**base) for _ in range(3)))
    assert bench.made[0] == 2

    odd = raw_event(**base | other)
    bench.send(odd)

    assert bench.made[0] == 3
    assert bench.lines[-1] == slow_line(bench, odd)


def test_a_value_with_words_of_its_own_is_left_to_python(make):
    """A form that shows some numbers by name is found out by the record itself, or by its marks."""
    bench = make(origins=(PLAIN,))
    real = bench.pipeline._express._form

    def named(record):
        line = real(record)
        return line.replace(b'"inode":7', b'"inode":"seven"') if record.event.ino == 7 else line

    bench.pipeline._express._form = named
    bench.send(*(raw_event(ino=7, dev=1, op=Op.READ) for _ in range(5)))

    assert bench.made[0] == 5
    assert bench.pipeline._express.unlearnt == 1


def test_parts_of_names_make_no_template():
    """What is cut from a name is not a field: both marks would have to look alike."""
    event = DECODER.decode(raw_event(path=b"/a/b", op=Op.READ))

    made = Templates().find(event, lambda shown, _: b"%b;%d" % (shown.path[:6], shown.ino))

    assert made is None


def test_more_shapes_than_there_is_room_for(make):
    """The oldest give way; every line and every count stays right."""
    bench = make(origins=(PLAIN,))
    raws = [raw_event(pid=n + 1, path=b"/x") for n in range(1500) for _ in range(4)]

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.made[0] == 3000
    assert bench.pipeline.stats.records == bench.audience.observed == 6000


def test_malformed_records_are_counted_and_the_rest_goes_on(make):
    """Bytes that make no record cost themselves alone, and the order stays."""
    bench = make()
    good = [raw_event(path=b"/%d" % n) for n in range(40)]
    bad = [b"", b"\0" * 20, good[0][:-1], raw_event(kind=9), raw_event(size=60_000)]
    mixed = [good[n] if n % 5 else bad[n // 5 % 5] for n in range(40)]

    bench.send(*mixed)

    assert_same(bench, [raw for n, raw in enumerate(mixed) if n % 5])
    assert bench.pipeline.stats.malformed == 8
    assert bench.pipeline.stats.records == 32


def test_a_line_that_is_longer_than_the_buffer_is_written_by_python(make):
    """A path of 4,096 control characters, at each of its places, beside fields that are long."""
    fields = {"site": "x" * (ROOM // 2)}
    bench = make(origins=(PLAIN,), common=Common(fields=fields))
    raws = [raw_event(path=bytes([n + 1]) * 4096) for n in range(6)]

    bench.send(*raws)

    assert len(bench.lines[0]) > ROOM
    records = [bench.pipeline.enricher.enrich(DECODER.decode(raw)) for raw in raws]
    assert bench.lines == [json_line(record, fields=fields) for record in records]
    assert bench.made[0] == 6


PATH = "seen: {path} by {process}"
CUT = [
    ("no message of its own", None, 10),
    ("one that does not quote it", "{process} of {user} did {operation}", 10),
    ("one that quotes it", PATH, 4),
    ("what does not fit whole", " ".join(["{path}"] * 20), 0),
]


@pytest.mark.parametrize(("message", "fast"), [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_a_path_that_a_message_cuts_is_written_by_python(make, message, fast):
    """The mark of the cut is in both; what a message does not cut is written fast, however long it is."""
    bench = make(origins=(attrs.evolve(PLAIN, message=message),))
    sizes = [7, 8, 100, 200, 300, 384, 385, 400, 513, 700, 4000]
    raws = [raw_event(op=Op.READ, path=b"/" + b"a" * (size - 1)) for size in sizes]
    raws.append(raw_event(op=Op.READ, path=b"\xff" * 128))

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.fast == fast


def test_paths_that_are_no_text_are_longer_in_a_message(make):
    """Four characters a byte; letters of other alphabets are one each."""
    bench = make(origins=(attrs.evolve(PLAIN, message=PATH),))
    base = [raw_event(op=Op.READ, path=b"/%d" % n) for n in range(2)]
    fast = [b"\xff" * 96, "ж".encode() * 192, b"\xff" + b"a" * 95]
    slow = [b"\xff" * 97, b"a" * 96 + b"\xff", "ж".encode() * 193, b"a" * 383 + b"\xff"]
    raws = [*base, *(raw_event(op=Op.READ, path=path) for path in [*fast, *slow])]

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.fast == len(fast)


@pytest.mark.parametrize("word", ["address", "port", "tid"])
@pytest.mark.parametrize("address", [(0, 0xFFFF_7F7F_7F7F), (0x2001_1DB8_1111_1111, U64)])
def test_what_stands_before_a_cut_moves_it(make, word, address):
    """An address or a number: with other digits the message ends elsewhere, and is no template."""
    message = f"{{{word}}} " + "{cgroup} " * 10
    bench = make(origins=(attrs.evolve(PLAIN, message=message),))
    resolver = bench.pipeline.enricher.resolver
    resolver.identity = attrs.evolve(resolver.identity, cgroup="/" + "x" * 600)
    high, low = address
    many = {"addr_hi": high, "addr_lo": low, "port": 65535, "tid": U32}
    few = {"addr_hi": high, "addr_lo": low & 0xFFFF << 32 | 1, "port": 1, "tid": 1}
    raws = [raw_event(op=Op.CONNECT, family=10, **each) for each in (many, many, many, few, few)]

    bench.send(*raws)

    assert_same(bench, raws)
    assert bench.fast == 0


def test_order_is_that_of_the_ring(make):
    """Also where lines of both lanes alternate."""
    bench = make(origins=(PLAIN,))
    raws = [raw_event(time_ns=n, pid=1 if n % 3 else n) for n in range(1, 2000)]

    bench.send(*raws)

    numbers = [int(json.loads(line)["id"].split("-")[1], 16) for line in bench.lines]
    assert numbers == list(range(1, 2000))
    assert 1000 < bench.fast


# ---- Who is on it -------------------------------------------------------------------------------


def on_the_lane(tmp_path, *specs):
    fanout = Fanout.to([spec.open() for spec in specs], print)
    pipeline = Pipeline(FakeSession(), DECODER, enricher(), fanout, Nobody())
    express = pipeline._express
    fast = express.outlets if express is not None else []
    places = [outlet in fast for outlet in fanout.outlets]
    fanout.close()
    pipeline.session.close()
    return places


def test_only_what_takes_all_records_as_they_are_is_on_it(tmp_path):
    """Choice, hiding, other forms and other fields are Python's."""
    names = iter("abcdefg")

    def file(**values):
        form = values.pop("form", "json")
        return FileOutput(path=tmp_path / next(names), form=form, common=Common(**values))

    places = on_the_lane(
        tmp_path,
        file(fields={"site": "x"}),
        file(),
        file(fields={"site": "x"}),
        file(selection=Selection(actions=frozenset({"deny"}))),
        file(redact=("--token *",)),
        file(form="logfmt"),
        file(form="ocsf"),
    )

    assert places == [True, False, True, False, False, False, False]


def test_fields_of_an_output_are_in_its_lines(make):
    """They are constants of every template."""
    bench = make(common=Common(fields={"site": 'rack "7"\\ö'}))

    bench.send(*(raw_event(path=b"/%d" % n) for n in range(10)))

    assert [json.loads(line)["fields"] for line in bench.lines] == [{"site": 'rack "7"\\ö'}] * 10
    assert bench.fast == 8


def test_others_get_everything_in_order_behind_it(make):
    """An output that Python serves, and followers."""
    sink = FakeSink()
    bench = make(others=(sink,))
    bench.audience.is_following = True
    raws = [raw_event(time_ns=n, pid=1 if n % 3 else n) for n in range(1, 600)]

    bench.send(*raws)
    bench.finish()

    numbers = [record.event.time_ns for record in sink.records]
    assert numbers == [r.event.time_ns for r in bench.audience.published] == list(range(1, 600))
    assert len(bench.lines) == 599
    assert bench.pipeline.stats.records == bench.audience.observed == 599


def test_what_is_too_much_for_others_costs_the_file_nothing(make):
    """They are told how much they missed."""
    sink = FakeSink()
    bench = make(others=(sink,), origins=(PLAIN,))
    bench.audience.is_following = True
    bench.pipeline._behind.limit = 64 << 10
    for first in range(0, 6000, 300):
        bench.session.happen(*(raw_event(time_ns=n + 1) for n in range(first, first + 300)))

    bench.finish()

    assert len(bench.lines) == 6000
    assert sink.dropped > 1000
    assert len(sink.records) + sink.dropped == 6000
    told = [r.dropped for r in bench.audience.published if isinstance(r, Lost)]
    assert sum(told) == sink.dropped
    assert sink.records[-1].event.time_ns == 6000


@pytest.mark.parametrize("is_mixed", [False, True])
def test_a_flood_of_what_is_logged_costs_no_reader_a_denial(make, is_mixed):
    """An output that wants denials alone gets each, in order; what repeats is dropped for it."""
    sink = FakeSink()
    bench = make(others=(sink,), origins=(PLAIN,))
    bench.audience.is_following = True
    bench.pipeline._behind.limit = 64 << 10
    raws = [
        raw_event(time_ns=n + 1, action=Verb.DENY if n % 100 == 50 else Verb.LOG)
        for n in range(6000)
    ]
    if not is_mixed:  # as the rings give them: denials first
        raws.sort(key=lambda raw: -raw[abi.offsetof("enf_event", "action")])
    for first in range(0, 6000, 300):
        bench.session.happen(*raws[first : first + 300])

    bench.finish()

    got = [record.event for record in sink.records]
    assert 60 == sum(event.action is Verb.DENY for event in got)
    assert sink.dropped > 1000
    assert 6000 == len(got) + sink.dropped == len(bench.lines)
    if is_mixed:
        assert got == sorted(got, key=lambda event: event.time_ns)
    assert DECODER.decode(raws[-1]).time_ns == got[-1].time_ns


def test_a_denial_that_is_kept_holds_nothing_else(make):
    """The bytes of what was dropped around it are free: the bound is one on memory."""
    bench = make(others=(FakeSink(),), origins=(PLAIN,))
    bench.pipeline._behind.limit = 64 << 10
    for first in range(0, 6000, 300):
        bench.pipeline._move(
            [
                raw_event(time_ns=n + 1, action=Verb.LOG if n % 100 else Verb.DENY)
                for n in range(first, first + 300)
            ]
        )

    waiting = [item for queue in bench.pipeline._behind._queues for _, item in queue]
    ranges = [item for item in waiting if hasattr(item, "batch")]
    assert len(ranges) > 30
    assert sum(len(each.batch.packed) for each in ranges) < 2 * bench.pipeline._behind.limit


def test_what_waits_is_as_long_as_it_is(make):
    """Records that Python made count with what processes chose: arguments, paths, messages."""
    bench = make(others=(FakeSink(),))
    bench.pipeline._behind.limit = 256 << 10
    bench.pipeline._move(
        [raw_event(time_ns=n + 1, path=b"/short", action=Verb.DENY) for n in range(100)]
        + [
            raw_event(
                time_ns=n + 1,
                pid=n + 1,
                path=b"/" * 4096,
                name=b"a\0" * 8192,
                argc=8192,
                action=Verb.DENY,
            )
            for n in range(100)
        ]
    )

    waiting = [item for queue in bench.pipeline._behind._queues for _, item in queue]
    made = [each.event for each in waiting if not hasattr(each, "batch")]
    assert 1 < len(made)
    assert sum(len(each.path + each.name) for each in made) < bench.pipeline._behind.limit


def test_templates_are_bounded_in_bytes(make, monkeypatch):
    """Each holds a line and a record, which processes make long. It begins anew, and counts all the same."""
    monkeypatch.setattr(module, "_ROOM", 20_000)
    bench = make(origins=(PLAIN,))
    raws = [
        raw_event(time_ns=n + 1, exe=b"/%d" % (n // 3 % 40), path=b"/%d" % n) for n in range(240)
    ]

    for first in range(0, 240, 60):
        bench.send(*raws[first : first + 60])
        lane = bench.pipeline._express
        assert 0 < lane._held <= 20_000
        assert lane._held == sum(each.size for each in lane._shown.values())
        bench.pipeline.settle()

    assert_same(bench, raws)
    assert 240 == bench.audience.observed
    assert bench.fast > 0


def test_what_waits_counts_ancestors_and_the_cgroup(make):
    """Which processes choose as well, and each record may have its own."""
    bench = make(others=(FakeSink(),))
    bench.pipeline._behind.limit = 256 << 10
    above = tuple(Actor(pid=n, name="n", exe=f"/{n}/" + "e" * 500) for n in range(64))
    identity = attrs.evolve(IDENTITY, ancestry=Ancestry(above), cgroup="/" * 4096)
    bench.pipeline.enricher = bench.pipeline._express.enricher = enricher(
        EVERYTHING, identity=identity
    )
    bench.pipeline._move(
        [raw_event(time_ns=n + 1, action=Verb.DENY) for n in range(50)]
        + [raw_event(time_ns=n + 1, pid=n + 100, action=Verb.DENY) for n in range(50)]
    )

    waiting = [item for queue in bench.pipeline._behind._queues for _, item in queue]
    made = [each for each in waiting if not hasattr(each, "batch")]
    assert 1 < len(made) < bench.pipeline._behind.limit // (64 * 500 + 4096)


def test_if_there_are_only_denials_the_oldest_go(make):
    """And the newest arrive, whole."""
    sink = FakeSink()
    bench = make(others=(sink,), origins=(PLAIN,))
    bench.audience.is_following = True
    bench.pipeline._behind.limit = 64 << 10
    for first in range(0, 3000, 300):
        bench.session.happen(
            *(raw_event(time_ns=n + 1, action=Verb.DENY) for n in range(first, first + 300))
        )

    bench.finish()

    assert 3000 == len(sink.records) + sink.dropped
    assert sink.dropped > 1000
    assert 3000 == sink.records[-1].event.time_ns


def test_what_nobody_gets_any_more_is_counted(make):
    """At the end there is only so much time for others; the file has everything."""
    sink = FakeSink()
    bench = make(others=(sink,), origins=(PLAIN,))
    bench.audience.is_following = True
    bench.pipeline._move([raw_event(time_ns=n + 1) for n in range(500)])

    bench.pipeline._behind.abandon()
    bench.pipeline.empty(0.0)

    told = sum(r.dropped for r in bench.audience.published if isinstance(r, Lost))
    assert len(bench.lines) == 500
    assert told == sink.dropped > 0
    assert len(sink.records) + sink.dropped == 500


def test_an_output_that_trips_costs_itself_a_record(make):
    """The loop goes on, and the file has everything."""

    class Tripping(FakeSink):
        def write(self, item):
            if item.event.time_ns % 10 == 0:
                raise ValueError("no way")
            super().write(item)

    sink = Tripping()
    bench = make(others=(sink,), origins=(PLAIN,))

    bench.send(*(raw_event(time_ns=n + 1) for n in range(500)))
    bench.finish()

    assert len(bench.lines) == 500
    assert (450, 50) == (len(sink.records), sink.dropped)


def test_fields_that_vary_lie_where_the_abi_says():
    """The two halves of an address are one field."""
    high, low = (abi.offsetof("enf_event", name) for name in ("addr_hi", "addr_lo"))

    assert low == high + 8
    assert {"time_ns", "tid", "ino", "port", "addr_hi", "start_ns"} == set(varying(Op.CONNECT))
