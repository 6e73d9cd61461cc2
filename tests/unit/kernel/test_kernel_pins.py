# SPDX-License-Identifier: MIT
"""Enforcement that outlives who began it, and images that expire, on a kernel that enforces."""

import contextlib
import errno
import os
import shutil
import time

import header
import pytest
from kernel_images import image_for_everybody

from enforcer.errors import HeldError, KernelError
from enforcer.kernel import pin_store, pins
from enforcer.kernel.image_map import ImageHead, restamp
from enforcer.kernel.leftover import Leftover
from enforcer.kernel.maps import Notes
from enforcer.kernel.pin_store import PinStore
from enforcer.kernel.session import Session
from enforcer.libbpf import abi

pytestmark = pytest.mark.kernel

ACTIONS = header.enumeration("enf_action", "ENF_ACT_")
DENY, LOG = ACTIONS["DENY"], ACTIONS["LOG"]


def is_refused(path):
    """Whether nobody may make a FIFO."""
    try:
        os.mkfifo(path)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return True
    path.unlink()
    return False


def denying(generation=1):
    return image_for_everybody("MKNOD", DENY, error=errno.EROFS, generation=generation)


def in_seconds(seconds):
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(seconds * 1e9)


@pytest.fixture
def store(lsm):
    with contextlib.closing(PinStore.open()) as held:
        assert [] == held.sessions()
        yield held
        for session in held.sessions():
            session.remove()


def test_a_session_that_was_left_stays_active_and_can_be_taken_over(store, tmp_path):
    """There is no moment without enforcement, and nothing stays behind in the end."""
    first = Session.open(denying(7), pins=store.create(), states={7: b"what was"})
    is_refused(tmp_path / "a")
    first.note(Notes(5, 6, 7))
    first.leave()
    assert is_refused(tmp_path / "a")

    left = Leftover.open(store.newest())
    assert (7, 7, b"what was", None) == (
        left.generation,
        left.last_generation,
        left.state,
        left.problem,
    )
    assert Notes(5, 6, 7) == left.notes()
    assert 2 == left.hits()[0].enforced
    assert 2 == len(left.drain())
    with Session.open(
        denying(8), pins=store.create(), states={8: b""}, carry=left.carried
    ) as second:
        left.detach()
        assert is_refused(tmp_path / "a")
        left.remove()
        assert 1 == len(store.sessions())
        assert 1 == second.hits()[0].enforced
    assert not is_refused(tmp_path / "a")
    assert [] == store.sessions()


def test_who_has_ended_touches_nothing_of_the_next(store, tmp_path):
    """The end comes before the programs are gone, and a session of the next daemon may have the same number."""
    old = Session.open(denying(), pins=store.create(), states={1: b"old"})
    old.end()
    assert not is_refused(tmp_path / "a")
    assert [] == store.sessions()
    store.close()
    with contextlib.closing(PinStore.open()) as following:
        new = Session.open(denying(), pins=following.create(), states={1: b"new"})
        assert old.pinned_at == new.pinned_at
        before = sorted(new.pinned_at.iterdir())

        old.close()

        assert before == sorted(new.pinned_at.iterdir())
        assert is_refused(tmp_path / "a")
        new.close()
        assert not is_refused(tmp_path / "a")


def test_what_a_lost_daemon_left_can_be_cleared(store, tmp_path):
    """As the stop of a daemon that is gone does."""
    Session.open(denying(), pins=store.create(), states={1: b"state"}).leave()
    store.close()
    assert pin_store.left()

    assert 1 == pin_store.clear()

    assert not is_refused(tmp_path / "a")
    assert not pin_store.left()
    assert 0 == pin_store.clear()


def test_one_daemon_at_a_time(store):
    """The directory is held while it lives."""
    with pytest.raises(HeldError, match="another daemon"):
        PinStore.open(patience=0.0)


def test_more_links_come_before_the_newest_name_and_none_change_nothing(tmp_path, monkeypatch):
    """That name is the newest again; a change that attaches nothing finds it in its place."""
    monkeypatch.setattr(pins.calls, "pin", lambda fd, path: open(path, "xb").close())  # noqa: PTH123
    monkeypatch.setattr(pins.calls, "get_pinned", lambda path: os.open(path, os.O_RDONLY))
    directory = pins.PinDirectory(tmp_path)
    directory.keep([("enf_a", 3)], [("images", 4), ("held", 5), ("hits", 6)], {})

    directory.pin_links([])
    after_none = sorted(entry.name for entry in tmp_path.iterdir())
    directory.pin_links([("enf_b", 7)])

    kept = ["link-000-enf_a", "map-hits", "map-images"]
    assert sorted([*kept, "last-001"]) == after_none
    assert sorted([*kept, "link-001-enf_b", "last-002"]) == sorted(
        e.name for e in tmp_path.iterdir()
    )


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Pins of a session, as files."""
    monkeypatch.setattr(pins.calls, "pin", lambda fd, path: open(path, "xb").close())  # noqa: PTH123
    monkeypatch.setattr(pins.calls, "get_pinned", lambda path: os.open(path, os.O_RDONLY))
    directory = pins.PinDirectory(tmp_path)
    directory.keep([("enf_a", 3)], [("images", 4), ("held", 5), ("hits", 6)], {})
    (tmp_path / "state-1").touch()
    return directory


@pytest.mark.parametrize(
    "name", ["link-000-enf_a", "last-001", "map-images", "map-hits", "state-1", ""]
)
def test_names_that_somebody_removes_are_missed(kept, name):
    """Each of them, or all with the directory."""
    assert kept.is_whole

    if name:
        (kept.path / name).unlink()
    else:
        shutil.rmtree(kept.path)

    assert not kept.is_whole


def test_names_that_go_in_order_are_not_missed(kept):
    """Another state takes the place of one, and a link may be the newest after another."""
    kept.pin_links([("enf_b", 7)])
    (kept.path / "state-2").touch()
    (kept.path / "state-1").unlink()

    assert kept.is_whole


@pytest.fixture(params=["link", "directory", "file"])
def replaced(request, tmp_path, monkeypatch):
    """Pins whose directory has gone, what has its place, and files of others that lie there."""
    monkeypatch.setattr(pins.calls, "pin", lambda fd, path: open(path, "xb").close())  # noqa: PTH123
    monkeypatch.setattr(pins.calls, "get_pinned", lambda path: os.open(path, os.O_RDONLY))
    base, others = tmp_path / "enforcer", tmp_path / "others"
    base.mkdir()
    with contextlib.closing(PinStore(base, os.open(base, os.O_RDONLY))) as store:
        directory = store.create()
        directory.keep([("enf_a", 3)], [("images", 4), ("held", 5), ("hits", 6)], {})
        others.mkdir()
        names = [others / name for name in ("link-000-enf_a", "state-1", "passwd")]
        for name in names:
            name.touch()
        shutil.rmtree(directory.path)
        if request.param == "link":
            directory.path.symlink_to(others)
        elif request.param == "directory":
            others.rename(directory.path)
            names = [directory.path / name.name for name in names]
        else:
            directory.path.touch()
        yield store, directory, names


def test_what_has_taken_the_place_of_a_directory_is_left_alone(replaced):
    """Whoever may write there may have root's daemon remove no file but its own."""
    _, directory, names = replaced

    assert not directory.is_whole
    assert directory.is_empty
    directory.detach()
    with pytest.raises(KernelError, match="No such file"):
        directory.forget_states(())
    assert "" == directory.discard()

    assert all(name.exists() for name in names)


def test_more_links_where_the_directory_is_gone_are_an_error_of_the_kernel(replaced, monkeypatch):
    """The change is refused, with the reason, and the daemon goes on."""
    _, directory, names = replaced

    def refuse(*_):
        raise KernelError("pin", errno.EPERM)

    monkeypatch.setattr(pins.calls, "pin", refuse)

    with pytest.raises(KernelError, match="pin: Operation not permitted"):
        directory.pin_links([("enf_b", 7)])
    assert all(name.exists() for name in names)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_directory_is_no_session(tmp_path, monkeypatch, kind):
    """An end that looks for what was left follows no link out of the place of the pins."""
    monkeypatch.setattr(pin_store.bpffs, "require", lambda directory: None)
    monkeypatch.setattr(pins.calls, "get_pinned", lambda path: os.open(path, os.O_RDONLY))
    base, others = tmp_path / "enforcer", tmp_path / "others"
    (base / "3").mkdir(parents=True)
    (base / "3/state-1").touch()
    others.mkdir()
    (others / "passwd").touch()
    for name in ("2", "99"):
        (base / name).symlink_to(others) if kind == "link" else (base / name).touch()

    assert [3] == [each.number for each in pin_store.sessions_in(base)]
    assert 1 == pin_store.clear(base)

    assert (others / "passwd").exists()
    assert ["2", "99"] == sorted(each.name for each in base.iterdir())


def test_what_has_the_next_number_keeps_no_session_from_another(tmp_path, monkeypatch):
    """Else whoever may make names there would keep enforcement from being pinned anew."""
    monkeypatch.setattr(pin_store.bpffs, "require", lambda directory: None)
    base = tmp_path / "enforcer"
    with contextlib.closing(PinStore.open(base)) as store:
        for number in (1, 2):
            (base / str(number)).symlink_to(tmp_path)

        assert 3 == store.create().number

        for number in range(4, 100):
            (base / str(number)).touch()
        with pytest.raises(KernelError, match="something else has its name"):
            store.create()


def test_a_directory_that_was_removed_is_made_anew_with_another_number(tmp_path, monkeypatch):
    """What an earlier session removes by its path is never what a later one has pinned."""
    monkeypatch.setattr(pin_store.bpffs, "require", lambda directory: None)
    base = tmp_path / "enforcer"
    with contextlib.closing(PinStore.open(base)) as store:
        first = store.create()
        shutil.rmtree(base)

        second = store.create()

        assert ("1", "2") == (first.path.name, second.path.name)
        assert second.path.is_dir()
        assert pin_store.held(base)
    assert not pin_store.held(base)


def test_a_directory_that_cannot_be_made_anew_is_an_error_of_the_kernel(tmp_path, monkeypatch):
    """Whatever lies there instead, the daemon goes on."""
    monkeypatch.setattr(pin_store.bpffs, "require", lambda directory: None)
    base = tmp_path / "bpf" / "enforcer"
    base.parent.mkdir()
    with contextlib.closing(PinStore.open(base)) as store:
        base.rmdir()
        base.parent.rmdir()
        base.parent.write_text("no directory")

        with pytest.raises(KernelError, match="cannot create"):
            store.create()


def test_what_another_daemon_has_made_in_its_place_stays(tmp_path, monkeypatch):
    """The end of a daemon whose directory was removed takes none from another."""
    monkeypatch.setattr(pin_store.bpffs, "require", lambda directory: None)
    base = tmp_path / "enforcer"
    store = PinStore.open(base)
    base.rmdir()
    with contextlib.closing(PinStore.open(base)) as other:
        with pytest.raises(HeldError):
            store.create()

        store.close()

        assert pin_store.held(base)
        assert other.create().path.is_dir()


def test_an_interrupted_start_is_not_taken_over(store, tmp_path):
    """Without a state nobody could tell what it enforces; it is removed with the rest."""
    Session.open(denying(), pins=store.create()).leave()

    assert store.newest() is None
    assert is_refused(tmp_path / "a")


def test_what_another_version_left_is_replaced_without_being_read(store, tmp_path, monkeypatch):
    """Its maps may have any layout; its links are released like ours."""
    Session.open(denying(9), pins=store.create()).leave()
    with monkeypatch.context() as other:
        other.setattr(abi, "ABI_HASH", abi.ABI_HASH ^ 1)
        store.sessions()[0].pin_state(9, b"unreadable")
    left = Leftover.open(store.newest())

    assert "another version" in left.problem
    assert (9, 0, None, None) == (left.last_generation, left.generation, left.image, left.carried)
    assert ([], (), {}) == (left.drain(), left.hits(), left.stats())
    assert is_refused(tmp_path / "a")
    left.detach()
    assert not is_refused(tmp_path / "a")
    left.remove()
    assert [] == store.sessions()


def test_an_image_expires_without_anybody(lsm, tmp_path):
    """Then the fallback counts, by the kernel's own clock."""
    fallback = image_for_everybody("MKNOD", LOG, generation=5)
    with Session.open(image_for_everybody("MKNOD", LOG, generation=3)) as session:
        image = restamp(denying(4).data, expires_ns=in_seconds(3))
        session.commit(image, fallback=fallback)
        assert is_refused(tmp_path / "a")
        assert (4, True) == (session.generation, bool(session.expires_ns))
        while not ImageHead.of(image.data).is_expired:
            time.sleep(0.05)

        assert not is_refused(tmp_path / "a")
        assert 5 == session.generation
        session.fall_back()
        assert (5, False) == (session.generation, bool(session.expires_ns))
        assert not is_refused(tmp_path / "a")
        assert (2, 1) == (session.hits()[0].enforced, session.retired_hits()[1][0].enforced)
        assert (4, session.retired_hits()[1]) == session.commit(denying(6)).settled
        assert is_refused(tmp_path / "a")


def test_without_a_fallback_nothing_is_active_after_the_time(lsm, tmp_path):
    """A first start that nobody confirms."""
    with Session.open(denying(3)) as session:
        session.commit(restamp(denying(4).data, expires_ns=in_seconds(3)))
        assert is_refused(tmp_path / "a")
        while session.generation:
            time.sleep(0.05)

        assert not is_refused(tmp_path / "a")
        with pytest.raises(KernelError, match="too late"):
            session.confirm()


def test_a_confirmed_image_stays(lsm, tmp_path):
    """With its generation and its counts."""
    with Session.open(denying(1)) as session:
        assert is_refused(tmp_path / "a")
        image = restamp(denying(2).data, expires_ns=in_seconds(3))
        session.commit(image, fallback=restamp(denying(1).data, generation=3))
        assert is_refused(tmp_path / "a")
        session.confirm()
        while not ImageHead.of(image.data).is_expired:
            time.sleep(0.05)

        assert is_refused(tmp_path / "a")
        assert (2, False) == (session.generation, bool(session.expires_ns))
        assert 2 == session.hits()[0].enforced
        assert (1, 1) == (session.retired_hits()[0], session.retired_hits()[1][0].enforced)
