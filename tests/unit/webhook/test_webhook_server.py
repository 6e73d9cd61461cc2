# SPDX-License-Identifier: MIT
"""The server of the webhook: what it answers, and what callers cannot do to each other."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from kube_fakes import authority
from patience import scaled

from enforcer.cluster.agent.troubles import Troubles
from enforcer.cluster.webhook.certificate import Certificate
from enforcer.cluster.webhook.checkers import BusyError
from enforcer.cluster.webhook.counts import Counts
from enforcer.cluster.webhook.http_request import MAX_BODY, MAX_HEAD
from enforcer.cluster.webhook.server import Bounds, LostError, WebhookServer

QUICK = Bounds(handshake=scaled(0.5), request=scaled(0.5), idle=scaled(20), ending=scaled(20))
LONG = attrs.evolve(QUICK, request=scaled(20), handshake=scaled(20))


async def until(holds):
    """Wait until *holds* returns something true; each scenario has a limit."""
    while not holds():  # noqa: ASYNC110 - what is waited for is not only an event
        await asyncio.sleep(0.01)


@attrs.define(eq=False)
class FakeCheckers:
    """Checkers that answer with the body, once *goes* is set."""

    lost: asyncio.Future = None
    goes: asyncio.Event = None
    asked: int = 0

    async def open(self):
        self.lost = asyncio.get_running_loop().create_future()
        self.goes = asyncio.Event()
        self.goes.set()

    async def leave(self):
        """Leave nothing."""

    async def check(self, text):
        self.asked += 1
        await self.goes.wait()
        if text == b"busy":
            raise BusyError("too many wait")
        return {"status": 200, "outcome": "allowed", "body": text.decode(), "told": ""}


@attrs.define(eq=False)
class Running:
    """A server in the loop of a test, with clients of it."""

    server: WebhookServer
    port: int
    trusted: Path
    said: list[str]
    writers: list[asyncio.StreamWriter] = attrs.field(factory=list)

    @property
    def checkers(self):
        return self.server.checkers

    async def connect(self):
        return await self.open(ssl.create_default_context(cafile=self.trusted))

    async def open(self, context=None, peer="127.0.0.1"):
        streams = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, local_addr=(peer, 0)
        )
        self.writers.append(streams[1])
        return streams

    async def close(self):
        """Leave nothing open."""
        for each in self.writers:
            each.transport.abort()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    async def ask(self, text, streams=None):
        """Send *text* as it is, and return the status, the headers and the body of the answer."""
        reader, writer = streams or await self.connect()
        writer.write(text)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(fields["Content-Length"]))
        return int(first.split()[1]), fields, body


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority(folder)
    return folder


@pytest.fixture
def run(tls, tmp_path):
    """Run a scenario with a server beside it."""
    for name in ("ca.crt", "key.pem"):
        shutil.copy(tls / name, tmp_path)

    def outer(scenario, bounds=LONG, most=60):
        async def inner():
            said, told = [], []
            listener = socket.create_server(("127.0.0.1", 0))
            certificate = Certificate(
                *(tmp_path / "ca.crt", tmp_path / "key.pem", Troubles(said.append), told.append)
            )
            certificate.read()
            server = WebhookServer(
                listener,
                certificate,
                FakeCheckers(),
                Counts(said.append),
                Troubles(said.append),
                bounds,
            )
            running = Running(server, listener.getsockname()[1], tmp_path / "ca.crt", said)
            serving = asyncio.create_task(server.serve())
            await until(lambda: server.checkers.goes)
            try:
                async with asyncio.timeout(scaled(most)):
                    return await scenario(running)
            finally:
                await running.close()
                server.stop()
                with contextlib.suppress(LostError):
                    await serving

        return asyncio.run(inner())

    return outer


def post(body, *lines, path="/validate", kind="application/json"):
    head = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {kind}", *lines)
    return "\r\n".join((*head, f"Content-Length: {len(body)}", "", "")).encode() + body


GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


def test_questions_on_one_connection(run):
    """API servers keep theirs, and name a time behind a question mark."""

    async def scenario(running):
        streams = await running.connect()
        return [
            await running.ask(post(b"one", path="/validate?timeout=5s"), streams),
            await running.ask(post(b"two", kind="Application/JSON; charset=utf-8"), streams),
            await running.ask(GET % b"/healthz", streams),
            await running.ask(GET % b"/metrics", streams),
        ]

    first, second, health, metrics = run(scenario)

    assert (200, b"one") == (first[0], first[2])
    assert "application/json" == first[1]["Content-Type"]
    assert b"two" == second[2]
    assert b"ok\n" == health[2]
    assert b'enforcer_webhook_reviews_total{outcome="allowed"} 2\n' in metrics[2]
    assert b'enforcer_webhook_reviews_total{outcome="refused"} 0\n' in metrics[2]
    assert b"\nenforcer_webhook_certificate_end_timestamp_seconds " in metrics[2]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (GET % b"/validate", 405),
        (post(b"", path="/healthz"), 405),
        (post(b"{}", path="/metrics"), 405),
        (GET % b"/", 404),
        (GET % b"/../validate", 404),
        (post(b"{}", kind="application/yaml"), 415),
        (post(b"{}", kind=""), 415),
        (b"POST /validate HTTP/1.1\r\nContent-Type: application/json\r\n\r\n", 411),
        (b"POST /validate HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"POST /validate HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /validate HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (post(b"", "Transfer-Encoding: chunked"), 501),
        (post(b"", "Expect: 100-continue"), 417),
        (post(b"", "no header"), 400),
        (post(b"", " folded: yes"), 400),
        (post(b"", *(f"X-{n}: 1" for n in range(70))), 400),
        (GET.replace(b"1.1", b"2.0") % b"/healthz", 400),
        (b"GET /healthz HTTP/1.1\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01 garbage\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 2 * MAX_HEAD), 431),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 413),
    ],
)
def test_other_requests_get_an_error(run, text, status):
    """And the end of their connection, since what follows could be taken for a request. Nothing is checked."""

    async def scenario(running):
        reader, writer = await running.connect()
        found = await running.ask(text, (reader, writer))
        return found, await reader.read(), running.checkers.asked, running.server.counts.errors

    found, rest, asked, errors = run(scenario)

    assert status == found[0]
    assert "close" == found[1]["Connection"]
    assert b"" == rest
    assert 0 == asked
    assert {status: 1} == errors
    if status == 405:
        assert found[1]["Allow"] in {"GET", "POST"}


@pytest.mark.parametrize("part", [b"P", b"POST /validate HTTP/1.1\r\n", post(b"whole")[:-1]])
def test_slow_callers_are_ended(run, part):
    """They hold nobody up meanwhile, and are counted."""

    async def scenario(running):
        reader, writer = await running.connect()
        writer.write(part)
        await writer.drain()
        other = await running.ask(post(b"quick"))
        return other, await reader.read(), running.server.counts.errors

    other, rest, errors = run(scenario, QUICK)

    assert b"quick" == other[2]
    assert b"" == rest
    assert {408: 1} == errors


def test_what_is_no_tls_is_counted(run):
    """Nobody waits for it."""

    async def scenario(running):
        reader, writer = await running.open()
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        silent, _ = await running.open()
        await silent.read()
        return running.server.counts.handshakes, (await running.ask(post(b"x")))[2]

    assert (2, b"x") == run(scenario, QUICK)


def test_connections_have_a_number(run):
    """Who holds one and says nothing is ended for the next; who is being answered is not."""

    async def scenario(running):
        running.checkers.goes.clear()
        busy = asyncio.create_task(running.ask(post(b"first")))
        await until(lambda: running.checkers.asked)
        idle = [await running.connect() for _ in range(6)]
        rest = [await reader.read() for reader, _ in idle[:-1]]
        running.checkers.goes.set()
        last = await running.ask(post(b"last"), idle[-1])
        return (await busy)[2], rest, last[2], running.server.counts.dropped

    assert (b"first", [b""] * 5, b"last", 5) == run(scenario, attrs.evolve(LONG, connections=2))


def test_connections_that_come_faster_than_they_are_encrypted(run):
    """Those that are ended in the middle of that take nothing from the next, which gets the same descriptor."""

    async def scenario(running):
        silent = await asyncio.gather(*(running.open() for _ in range(60)))
        found = [(await running.ask(post(b"x")))[2] for _ in range(3)]
        ended = [await reader.read() for reader, _ in silent[:-3]]
        return found, ended, running.said

    found, ended, said = run(scenario, attrs.evolve(LONG, connections=4))

    assert [b"x"] * 3 == found
    assert [b""] * 57 == ended
    assert [] == said


@pytest.mark.parametrize("peers", [1, 5])
def test_who_says_nothing_does_not_push_out_an_api_server(run, peers):
    """Which waits between two questions; neither do many peers, as long as they ask nothing."""

    async def scenario(running):
        streams = await running.connect()
        first = (await running.ask(post(b"first"), streams))[2]
        for number in range(60):
            await running.open(peer=f"127.0.0.{2 + number % peers}")
        await until(lambda: running.server.counts.dropped >= 60 - 7)
        return first, (await running.ask(post(b"second"), streams))[2], len(running.server._open)

    assert (b"first", b"second", 8) == run(scenario, attrs.evolve(LONG, connections=8))


def test_who_asks_much_pushes_out_itself_alone(run):
    """Beyond its share, and not those who asked before."""

    async def scenario(running):
        streams = await running.connect()
        await running.ask(post(b"first"), streams)
        context = ssl.create_default_context(cafile=running.trusted)
        for _ in range(12):
            other = await running.open(context, peer="127.0.0.2")
            await running.ask(post(b"other"), other)
        return (await running.ask(post(b"second"), streams))[2], running.server.counts.dropped

    assert (b"second", 5) == run(scenario, attrs.evolve(LONG, connections=8))


def test_a_connection_is_kept_longer_once_a_question_was_answered(run):
    """What has not asked has a time, and what asks only for the health is no API server."""

    async def scenario(running):
        heard, quiet, probe = [await running.connect() for _ in range(3)]
        await running.ask(post(b"first"), heard)
        await running.ask(GET % b"/healthz", probe)
        ends = [await quiet[0].read(), await probe[0].read()]
        return ends, (await running.ask(post(b"second"), heard))[2]

    assert ([b"", b""], b"second") == run(scenario, attrs.evolve(LONG, quiet=scaled(0.5)))


def test_no_room_but_for_those_that_are_answered(run):
    """One more is not let in: its API server goes by its failurePolicy."""

    async def scenario(running):
        running.checkers.goes.clear()
        busy = asyncio.create_task(running.ask(post(b"first")))
        await until(lambda: running.checkers.asked)
        with pytest.raises((OSError, EOFError)):
            await running.connect()
        running.checkers.goes.set()
        return (await busy)[2], running.server.counts.dropped

    assert (b"first", 1) == run(scenario, attrs.evolve(LONG, connections=1))


def test_bodies_have_room_together(run):
    """Who says that more will come than there is room for gets an answer at once."""

    async def scenario(running):
        reader, writer = await running.connect()
        writer.write(post(b"x" * 60)[:-1])
        await writer.drain()
        await until(lambda: running.server._held)
        refused = await running.ask(post(b"x" * 60))
        writer.write(b"x")
        await reader.readuntil(b"\r\n\r\n")
        return refused, running.server._held, await running.ask(post(b"y" * 60))

    refused, held, later = run(scenario, attrs.evolve(LONG, held=100))

    assert 503 == refused[0]
    assert 0 == held
    assert b"y" * 60 == later[2]


def test_too_many_questions(run):
    """Without an answer, the API server goes by its failurePolicy. It is counted, told once, and the connection stays."""

    async def scenario(running):
        streams = await running.connect()
        found = [await running.ask(post(b"busy"), streams) for _ in range(3)]
        found.append(await running.ask(post(b"x"), streams))
        return [each[0] for each in found], running.server.counts.outcomes, running.said

    statuses, outcomes, said = run(scenario)

    assert [503, 503, 503, 200] == statuses
    assert {"undecided": 3, "allowed": 1} == outcomes
    assert ["checks: too many wait; trying again", "checks: works again after 0 s"] == said


def test_who_goes_away_leaves_the_others(run):
    """A caller that closes in the middle of a check."""

    async def scenario(running):
        running.checkers.goes.clear()
        _, writer = await running.connect()
        writer.write(post(b"gone"))
        await until(lambda: running.checkers.asked)
        writer.transport.abort()
        running.checkers.goes.set()
        return (await running.ask(post(b"here")))[2]

    assert b"here" == run(scenario)


def test_the_end_waits_for_answers(run):
    """And not for those who ask nothing."""

    async def scenario(running):
        running.checkers.goes.clear()
        reader, _ = await running.connect()
        busy = asyncio.create_task(running.ask(post(b"late")))
        await until(lambda: running.checkers.asked)
        running.server.stop()
        idle = await reader.read()
        running.checkers.goes.set()
        return idle, (await busy)[2]

    assert (b"", b"late") == run(scenario)


def test_a_lost_checker_ends_the_server(tls):
    """Whoever runs it starts it anew: it cannot make another without having its key in it."""

    async def scenario():
        certificate = Certificate(tls / "ca.crt", tls / "key.pem", Troubles(print), print)
        listener = socket.create_server(("127.0.0.1", 0))
        server = WebhookServer(
            listener, certificate, FakeCheckers(), Counts(print), Troubles(print), LONG
        )
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.checkers.lost)
        server.checkers.lost.set_result("it is lost")
        await serving

    with pytest.raises(LostError, match="it is lost"):
        asyncio.run(scenario())


# ---- The certificate ----------------------------------------------------------------------------


async def seen(running):
    """Return the certificate that a new connection gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await running.open(context)
    return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


def test_a_certificate_that_is_replaced(run, tmp_path):
    """New connections get the new one; those that are open go on. Half of it, and the old one stays."""
    new = tmp_path / "new"
    new.mkdir()
    authority(new)

    async def scenario(running):
        streams = await running.connect()
        old = await seen(running)
        shutil.copy(new / "ca.crt", tmp_path / "ca.crt")
        half = await seen(running)
        shutil.copy(new / "key.pem", tmp_path / "key.pem")
        whole = await seen(running)
        (tmp_path / "key.pem").unlink()
        gone = await seen(running)
        return old, half, whole, gone, (await running.ask(post(b"x"), streams))[2], running.said

    old, half, whole, gone, kept, said = run(scenario)

    assert old == half != whole == gone
    assert ssl.PEM_cert_to_DER_cert((new / "ca.crt").read_text()) == whole
    assert b"x" == kept
    assert said[0].startswith("certificate: the new files are not used: ")
    assert said[1].startswith("certificate: works again after ")


def test_a_volume_of_a_secret_that_is_replaced(tls, tmp_path):
    """Kubelets let a link lead to another folder; the names stay."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        authority(tmp_path / name)
    (tmp_path / "data").symlink_to("old")
    data = tmp_path / "data"
    certificate = Certificate(data / "ca.crt", data / "key.pem", Troubles(print), print)
    first = certificate.context

    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(data)

    assert first is not certificate.context
    assert certificate.context is certificate.context


def test_old_tls_is_refused(tls):
    """1.2 at least, and no renegotiation, by which one caller could keep the server busy."""
    context = Certificate(tls / "ca.crt", tls / "key.pem", Troubles(print), print).context

    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_keys_with_a_passphrase_are_refused(tls, tmp_path):
    """Instead of asking a terminal for it."""
    import subprocess

    words = ("openssl", "ec", "-aes256", "-passout", "pass:x", "-in", tls / "key.pem")
    subprocess.run([*words, "-out", tmp_path / "key.pem"], check=True, capture_output=True)

    with pytest.raises(ValueError, match="the key has a passphrase"):
        Certificate(tls / "ca.crt", tmp_path / "key.pem", Troubles(print), print).read()


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        (
            0.1,
            "the certificate ends on 2026-03-01 12:00 UTC: policies are stored unchecked after that",
        ),
        (
            29.9,
            "the certificate ends on 2026-03-01 12:00 UTC: policies are stored unchecked after that",
        ),
        (
            -0.1,
            "the certificate has ended, on 2026-03-01 12:00 UTC: API servers refuse it, and store policies unchecked",
        ),
        (31.1, None),
    ],
)
def test_an_end_that_is_near_is_told_once_a_day(tls, monkeypatch, days, sentence):
    """Nothing else would tell: API servers that refuse a certificate only close the connection."""
    end = datetime(2026, 3, 1, 12, tzinfo=UTC)
    life = (datetime(2025, 3, 1, tzinfo=UTC), end)
    monkeypatch.setattr("enforcer.cluster.webhook.certificate.validity_of", lambda _: life)
    now, said = [end.timestamp() - days * 86400], []
    files = (tls / "ca.crt", tls / "key.pem", Troubles(print))
    certificate = Certificate(*files, said.append, clock=lambda: now[0])

    for _ in range(3):
        assert certificate.context

    assert ([sentence] if sentence else []) == said
    now[0] += 86400.0
    assert certificate.context
    assert (2 if sentence else 0) == len(said)


def test_one_of_some_days_is_made_anew_when_most_are_over(tls, monkeypatch):
    """Whoever makes such does so when a third is left, so nothing is wrong before a quarter is."""
    begin, end = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 9))
    monkeypatch.setattr("enforcer.cluster.webhook.certificate.validity_of", lambda _: (begin, end))
    said = []
    for left in (2.1, 1.9):
        files = (tls / "ca.crt", tls / "key.pem", Troubles(print))
        clock = end.timestamp() - left * 86400
        assert Certificate(*files, said.append, clock=lambda clock=clock: clock).context

    assert 1 == len(said)


def test_a_certificate_whose_end_cannot_be_read_serves(tls, tmp_path, monkeypatch):
    monkeypatch.setattr("enforcer.cluster.webhook.validity._SEQUENCE", 0x31)
    said = []
    certificate = Certificate(tls / "ca.crt", tls / "key.pem", Troubles(print), said.append)

    assert certificate.context
    assert certificate.end is None
    assert b"_end_timestamp_seconds " not in Counts(print).text(certificate.end).split(b"\n# ")[-1]
    assert said == [
        "the end of the certificate cannot be read: there is a tag 0x30 where 0x31 must be"
    ]


# ---- What is told -------------------------------------------------------------------------------


def test_lines_have_a_limit():
    """Whoever reaches the port can cause them: those of a minute, and then how many were left out."""
    said, now = [], [0.0]
    counts = Counts(said.append, lambda: now[0])

    for number in range(100):
        counts.tell(str(number))
    now[0] = 61.0
    counts.tell("next")

    assert [*map(str, range(30)), "70 more lines were left out", "next"] == said
