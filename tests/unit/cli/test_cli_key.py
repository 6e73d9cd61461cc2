# SPDX-License-Identifier: MIT
"""Passphrases: chosen, read, proven; and what is said where there is none."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

import pytest
from printed import document

from enforcer.cli import passphrase as module
from enforcer.cli.exits import UsageError
from enforcer.cli.main import main
from enforcer.cli.passphrase import Passphrase, let_go, let_in, read_passphrase
from enforcer.cli.settings import Settings, verifier_of
from enforcer.errors import ControlError
from enforcer.kernel import verifier as kernel
from enforcer.kernel.verifier import Answer, Verifier
from enforcer.runtime.protection.key import key_of, stored_of

SAID = "a passphrase of some length"


@contextmanager
def descriptor(said):
    """A descriptor on which *said* is read."""
    reading, writing = os.pipe()
    os.write(writing, said)
    os.close(writing)
    try:
        yield reading
    finally:
        os.close(reading)


@pytest.mark.parametrize("said", [b"secret", b"secret\n", b"secret\nmore"])
def test_a_passphrase_is_a_line(said):
    """With or without its end."""
    with descriptor(said) as fd:
        assert read_passphrase(fd, "?") == "secret"


@pytest.mark.parametrize(
    ("said", "why"),
    [(b"", "no passphrase"), (b"\n", "no passphrase"), (b"x" * 5000, "longer than 4096")],
)
def test_what_is_no_passphrase(said, why):
    """Nothing, and too much."""
    with descriptor(said) as fd, pytest.raises(UsageError, match=why):
        read_passphrase(fd, "?")


def test_where_nobody_can_be_asked(monkeypatch):
    """No terminal, no descriptor that is open."""
    monkeypatch.setattr("sys.stdin", None)

    with pytest.raises(UsageError, match="--key-fd 0"):
        read_passphrase(None, "?")
    with pytest.raises(UsageError, match="--key-fd 999 cannot be read"):
        read_passphrase(999, "?")


def test_the_verifier_tells_the_passphrase(tmp_path, capsys):
    """It is for its owner only, and is never replaced."""
    file = tmp_path / "key"
    with descriptor(f"{SAID}\n".encode()) as fd:
        assert 0 == main(["key", "--key-fd", str(fd), str(file)])
    with descriptor(f"{SAID}\n".encode()) as fd:
        assert 2 == main(["key", "--key-fd", str(fd), str(file)])

    found = Verifier.read(file.read_text())
    assert found.stored == stored_of(key_of(SAID, found.salt))
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert SAID not in file.read_text()
    assert "name another file" in capsys.readouterr().err


def test_short_passphrases_are_not_taken(tmp_path, capsys):
    """Who has the file can try them."""
    with descriptor(b"elevenchars\n") as fd:
        assert 2 == main(["key", "--key-fd", str(fd), str(tmp_path / "key")])

    assert "has 11 characters: use 12 or more" in capsys.readouterr().err
    assert not (tmp_path / "key").exists()


def test_one_that_is_generated_is_printed_once(tmp_path, capsys):
    """And is the one of the file."""
    assert 0 == main(["key", "--generate", str(tmp_path / "key")])

    said = capsys.readouterr().out.splitlines()[0]
    found = Verifier.read((tmp_path / "key").read_text())
    assert found.stored == stored_of(key_of(said, found.salt))
    assert len(said) > 30


def test_a_key_as_a_document(tmp_path, capsys):
    """Only a passphrase that was generated is in it."""
    with descriptor(f"{SAID}\n".encode()) as fd:
        assert 0 == main(["key", "--json", "--key-fd", str(fd), str(tmp_path / "a")])
    told = document("key", capsys.readouterr().out)
    assert 0 == main(["key", "--json", "--generate", str(tmp_path / "b")])
    made = document("key", capsys.readouterr().out)

    assert (str(tmp_path / "a"), None) == (told["file"], told["passphrase"])
    found = Verifier.read((tmp_path / "b").read_text())
    assert found.stored == stored_of(key_of(made["passphrase"], found.salt))


@pytest.mark.parametrize("unlocked", [True, False])
def test_unlocked_or_not_as_a_document(monkeypatch, capsys, unlocked):
    """And as the sentence."""
    monkeypatch.setattr("enforcer.cli.unlock.require_root", lambda _: None)
    monkeypatch.setattr("enforcer.cli.unlock.let_go", lambda *_: unlocked)

    assert 0 == main(["unlock", "--json"])
    assert {"version": 1, "unlocked": unlocked} == document("unlock", capsys.readouterr().out)
    assert 0 == main(["unlock"])
    assert ("nothing is locked" in capsys.readouterr().out) is not unlocked


def test_a_typing_error_is_found(tmp_path, monkeypatch, capsys):
    """At a terminal it is asked for twice."""
    answers = iter([SAID, f"{SAID}!"])
    monkeypatch.setattr("enforcer.cli.key.read_passphrase", lambda *_: next(answers))

    assert 2 == main(["key", str(tmp_path / "key")])
    assert "differ" in capsys.readouterr().err
    assert not (tmp_path / "key").exists()


# ---- Of what is started ------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "key"
    path.write_text(Verifier(bytes(16), bytes(32)).text + "\n")
    path.chmod(0o600)
    return path


def test_the_verifier_of_a_start(file):
    """None, or that of the file."""
    assert verifier_of(Settings()) is None
    assert verifier_of(Settings(protect=True, key=file)) == Verifier(bytes(16), bytes(32))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"protect": False}, "give both"),
        ({"pins": None}, "leave --no-pins out"),
        ({"content": "x"}, "not made by: enforcer key"),
        ({"content": "enforcer-key:1:zz:zz"}, "not a verifier of a key"),
        ({"content": "é"}, "not a verifier of a key"),
        ({"mode": 0o620}, "chmod go-w"),
        ({"missing": True}, "No such file"),
    ],
)
def test_what_would_protect_nothing_is_refused(file, change, why):
    """Before anything is started."""
    if "content" in change:
        file.write_text(change["content"])
    if "missing" in change:
        file.unlink()
    if "mode" in change:
        file.chmod(change["mode"])
    settings = Settings(protect=change.get("protect", True), key=file)
    if "pins" in change:
        settings = Settings(protect=True, key=file, pins=None)

    with pytest.raises(UsageError, match=why):
        verifier_of(settings)


# ---- At the kernel -----------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """What a lost daemon left, and the kernel's answers to a question and to a key."""

    def set_up(asked, shown):
        (tmp_path / "1").mkdir()
        Verifier(bytes(16), bytes(32)).keep(tmp_path / "1")
        monkeypatch.setattr(kernel, "ask", lambda: asked)
        monkeypatch.setattr(kernel, "claim", lambda _: shown)
        monkeypatch.setattr(kernel, "release", lambda _: shown)
        monkeypatch.setattr(module.Passphrase, "key", lambda *_: bytes(32))
        return tmp_path

    return set_up


@pytest.mark.parametrize("deed", [let_in, let_go])
def test_who_may_or_has_the_key_is_let_in(guarded, deed):
    """And is asked for it only if that helps."""
    pins = guarded(Answer.LOCKED, Answer.OPEN)
    assert deed(pins, Passphrase(None)) in {None, True}


def test_nobody_is_asked_where_nothing_is_guarded(tmp_path, monkeypatch):
    """Nor is anything looked for."""
    monkeypatch.setattr(kernel, "ask", lambda: Answer.OPEN)

    let_in(tmp_path / "none", Passphrase(999))
    assert not let_go(tmp_path / "none", Passphrase(999))


@pytest.mark.parametrize("deed", [let_in, let_go])
def test_who_may_not_is_told_why(guarded, deed):
    """No key, or a wrong one."""
    pins = guarded(Answer.LOCKED, Answer.WRONG)
    with pytest.raises(ControlError, match="the passphrase is wrong"):
        deed(pins, Passphrase(None))
    with pytest.raises(UsageError, match="name the right --pins"):
        deed(pins / "1", Passphrase(None))


@pytest.mark.parametrize("deed", [let_in, let_go])
def test_without_a_key_the_manager_is_named(guarded, deed):
    """It alone may."""
    pins = guarded(Answer.CLOSED, Answer.CLOSED)
    with pytest.raises(UsageError, match="systemctl st"):
        deed(pins, Passphrase(None))


def test_a_living_daemon_is_not_unlocked(guarded):
    """It is to be asked."""
    pins = guarded(Answer.LOCKED, Answer.BUSY)
    with pytest.raises(UsageError, match="enforcer stop"):
        let_go(pins, Passphrase(None))
