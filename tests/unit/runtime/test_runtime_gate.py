# SPDX-License-Identifier: MIT
"""Proofs of the key, and the gate that asks for them at the control socket."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from types import SimpleNamespace

import pytest
from control_fakes import Served
from patience import scaled

from enforcer.errors import ControlError, KernelError
from enforcer.kernel.verifier import Answer, Verifier, ask, claim, release
from enforcer.runtime.control import server as module
from enforcer.runtime.control.peer import Peer
from enforcer.runtime.control.protocol import Client, KeyNeededError, encode
from enforcer.runtime.protection.gate import Gate, Visit
from enforcer.runtime.protection.key import canonical, is_proof, key_of, proof_of, stored_of

SALT, NONCE = bytes(range(16)), b"n" * 32
KEY = bytes(range(32))
VERIFIER = Verifier(SALT, stored_of(KEY))
ROOT = Peer(9, 0)
STOP = {"command": "stop"}


def proof(key=KEY, nonce=NONCE, request=STOP):
    return proof_of(key, nonce, canonical(request))


def is_taken(given, nonce=NONCE, request=STOP):
    return is_proof(given, VERIFIER.stored, nonce, canonical(request))


# ---- Proofs ------------------------------------------------------------------------------------


def test_a_proof_is_for_one_key_one_number_and_one_request():
    """And what is kept makes none."""
    assert is_taken(proof())
    assert not is_taken(proof(key=VERIFIER.stored))
    assert not is_taken(proof(), nonce=b"m" * 32)
    assert not is_taken(proof(), request={"command": "reload"})
    assert not is_taken(proof()[:-1])
    assert not is_taken(b"")


def test_a_proof_does_not_show_the_key_to_who_lacks_the_verifier():
    """Each hides it under another mask."""
    one, other = proof(), proof(nonce=b"m" * 32)

    assert KEY not in {one, other}
    assert one != other


def test_both_sides_write_a_request_alike():
    """The order of keys, what was not given, and the proof itself do not count."""
    assert canonical({"name": "ä", "command": "x"}) == canonical(
        {"command": "x", "proof": "00", "mode": None, "name": "ä"}
    )


def test_a_passphrase_makes_one_key_for_each_salt():
    """Slowly: it takes 64 MiB, and no test in a machine says so, where each is made for less."""
    key = key_of("a passphrase of some length", SALT)

    slow = hashlib.scrypt(
        b"a passphrase of some length", salt=SALT, n=1 << 16, r=8, p=1, maxmem=1 << 28, dklen=32
    )
    assert key == hmac.digest(slow, b"enforcer: the key to a protected engine", "sha256")
    assert key == key_of("a passphrase of some length", SALT)
    assert key != key_of("a passphrase of some length", bytes(16))


def test_a_verifier_is_a_line():
    """That tells what made it."""
    assert VERIFIER == Verifier.read(f"{VERIFIER.text}\n")
    assert VERIFIER.stored == hashlib.sha256(KEY).digest()
    for text in ("", "enforcer-key:2:00:00", "enforcer-key:1:00:00", VERIFIER.text + "0", "x" * 99):
        with pytest.raises(ValueError, match=r"enforcer key|incomplete|hexadecimal"):
            Verifier.read(text)


def test_that_of_the_newest_session_is_found(tmp_path):
    """Others, and what another version kept, are passed over."""
    assert Verifier.kept(tmp_path / "none") is None
    for name, text in (("2", VERIFIER.text), ("10", "enforcer-key:9:"), ("x", "y")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").symlink_to(text)
    (tmp_path / "11").mkdir()

    assert VERIFIER == Verifier.kept(tmp_path)

    (tmp_path / "12").mkdir()
    Verifier(SALT, bytes(32)).keep(tmp_path / "12")
    assert Verifier(SALT, bytes(32)) == Verifier.kept(tmp_path)


def test_the_kernels_answers_are_words():
    """What is none is an error of the kernel's."""
    asked = []

    def knock(request):
        asked.append(request)
        return Answer.LOCKED.value

    assert {Answer.LOCKED} == {ask(knock), claim(KEY, knock), release(KEY, knock)}
    assert [0, 1, 2] == [request[0] for request in asked]
    assert [bytes(32), KEY, KEY] == [request[8:] for request in asked]
    with pytest.raises(KernelError, match="who guards"):
        ask(lambda _: 38)


# ---- The gate ----------------------------------------------------------------------------------


@pytest.fixture
def said():
    return []


def gate(said, verifier=VERIFIER, *, is_managers=False):
    return Gate(verifier, lambda _: is_managers, said.append)


def asked(gate, visit, given=None, command="stop"):
    request = canonical({"command": command})
    return gate.refusal(visit, ROOT, command, request, None if given is None else given.hex())


def test_without_a_key_only_the_manager_is_let_in(said):
    """Others are told whom to ask, each for what it wanted."""
    closed = gate(said, None)

    assert asked(gate(said, None, is_managers=True), Visit()) is None
    assert "systemctl stop" in asked(closed, Visit())["error"]
    assert "systemctl reload" in asked(closed, Visit(), command="reload")["error"]
    assert "challenge" not in asked(closed, Visit())


def test_what_is_refused_is_told_and_does_not_flood(said):
    """Who tried to end enforcement, and what: 1, 2, 4, …"""
    closed = gate(said, None)
    for _ in range(5):
        asked(closed, Visit(), command="policy-disable")

    assert 3 == len(said)
    assert "policy-disable, asked for by root without a login (pid 9), was refused" in said[0]
    assert "(4 so far)" in said[2]


def test_with_a_key_the_manager_is_asked_for_it(said):
    """Whoever may give it orders has not the key for that."""
    assert "challenge" in asked(gate(said, is_managers=True), Visit())


def test_a_number_is_used_once(said):
    """Right or wrong, the next proof needs another; and one without a number is none."""
    it, visit = gate(said), Visit()
    assert asked(it, visit, proof())["isWrong"]

    nonce = bytes.fromhex(asked(it, visit)["challenge"]["nonce"])
    assert asked(it, visit, proof(nonce=nonce)) is None
    assert asked(it, visit, proof(nonce=nonce))["isWrong"]

    nonce = bytes.fromhex(asked(it, visit)["challenge"]["nonce"])
    assert asked(it, visit, secrets.token_bytes(32))["isWrong"]
    assert asked(it, visit, proof(nonce=nonce))["isWrong"]


def test_numbers_do_not_repeat(said):
    """Nor are those of one connection good on another."""
    it, one, other = gate(said), Visit(), Visit()
    nonces = {asked(it, visit)["challenge"]["nonce"] for visit in (one, one, other)}

    assert 3 == len(nonces)
    nonce = bytes.fromhex(asked(it, one)["challenge"]["nonce"])
    assert asked(it, other, proof(nonce=nonce))["isWrong"]


def test_wrong_proofs_are_told_and_do_not_flood(said):
    """1, 2, 4, …"""
    it, visit = gate(said), Visit()
    for _ in range(5):
        asked(it, visit)
        asked(it, visit, bytes(32))

    assert 5 == it.failures
    assert 3 == len(said)
    assert "root without a login (pid 9)" in said[0]


# ---- At the socket -----------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path, said):
    made = Served(tmp_path / "s")
    made.server.gate = gate(said)
    yield made
    made.close()


def prove(client, key, command, **fields):
    with pytest.raises(KeyNeededError) as needed:
        client.ask(command, **fields)
    assert SALT.hex() == needed.value.salt
    nonce = bytes.fromhex(needed.value.nonce)
    request = canonical({"command": command, **fields})
    return client.ask(command, proof=proof_of(key, nonce, request).hex(), **fields)


def test_changes_need_the_key_and_questions_do_not(served, tmp_path):
    """Nothing is asked of whoever carries changes out before."""
    with Client.connect(tmp_path / "s") as client:
        assert client.ask("status")["status"]
        assert client.ask("policy-list")["policies"]
        for command, fields in (("stop", {}), ("reload", {}), ("policy-disable", {"name": "a"})):
            with pytest.raises(KeyNeededError, match="protected by a key"):
                client.ask(command, **fields)
        assert [("policies",)] == served.policies.asked

        answer = prove(client, KEY, "policy-set-mode", name="web", mode="audit", confirmWithin=5.0)

    assert 7 == answer["generation"]
    assert ("set_mode", "web", "audit", 5.0) == served.policies.asked[-1]
    assert 0 == served.stops


def test_a_wrong_proof_holds_back_who_gave_it(served, tmp_path, monkeypatch):
    """Its next request waits, those of others do not, and what it sends meanwhile is not kept here."""
    monkeypatch.setattr(module, "_WRONG_SECONDS", 3600.0)
    with Client.connect(tmp_path / "s") as guesser, Client.connect(tmp_path / "s") as client:
        with pytest.raises(ControlError, match="wrong"):
            prove(guesser, bytes(32), "stop")
        guesser._socket.settimeout(0.3)
        guesser._socket.sendall(encode({"command": "status"}))
        with pytest.raises(ControlError, match="does not answer"):
            guesser.next_message()

        assert prove(client, KEY, "confirm")["generation"]

    assert 0 == served.stops


def test_who_was_held_back_is_heard_again(served, tmp_path, monkeypatch):
    """A typing error is no reason to connect anew."""
    monkeypatch.setattr(module, "_WRONG_SECONDS", 0.05)
    with Client.connect(tmp_path / "s") as client:
        with pytest.raises(ControlError, match="wrong"):
            prove(client, bytes(32), "stop")
        assert prove(client, KEY, "stop")["pid"]

    assert 1 == served.stops


def test_who_was_held_back_gets_the_rest_of_the_answer_first(served, tmp_path, monkeypatch):
    """However slowly it reads: here nothing of it until it is heard again."""
    monkeypatch.setattr(module, "_WRONG_SECONDS", 0.0)
    hear_again, waited, is_heard = module.ControlServer._hear_again, [], threading.Event()

    def noted(server, connection):
        hear_again(server, connection)
        waited.append(bool(connection.outgoing))
        is_heard.set()

    monkeypatch.setattr(module.ControlServer, "_hear_again", noted)
    wrong = {"ok": False, "error": "wrong " * (1 << 18), "isWrong": True}
    served.server.gate = SimpleNamespace(refusal=lambda *_: wrong)
    with Client.connect(tmp_path / "s", timeout=scaled(10)) as client:
        client._socket.sendall(encode({"command": "stop"}) + encode({"command": "status"}))
        assert is_heard.wait(scaled(60))
        assert [True] == waited

        assert wrong == client.next_message()
        assert client.next_message()["status"]


@pytest.mark.parametrize("given", [1, "x" * 65, ["00"]])
def test_what_is_no_proof_is_refused(served, tmp_path, given):
    """As any field of another kind."""
    with Client.connect(tmp_path / "s") as client, pytest.raises(ControlError, match="proof"):
        client.ask("stop", proof=given)
    with Client.connect(tmp_path / "s") as client, pytest.raises(ControlError, match="no field"):
        client.ask("status", proof="00")
