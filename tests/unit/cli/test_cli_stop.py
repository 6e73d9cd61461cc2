# SPDX-License-Identifier: MIT
"""Ending enforcement: in order, by force, and what a lost daemon left."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import attrs
import pytest
from control_fakes import Served
from printed import document

from enforcer import places
from enforcer.cli import stop as module
from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.errors import HeldError
from enforcer.runtime.instance.lock import InstanceLock
from enforcer.runtime.instance.lost_daemon import is_held

HANG = """
import pathlib, socket, sys, time
from enforcer.runtime.instance.lock import InstanceLock
path = pathlib.Path(sys.argv[1]).with_suffix(".lock")
if len(sys.argv) > 3:
    lock = InstanceLock.of_daemon(path, pathlib.Path(sys.argv[3]) if sys.argv[3] else None)
else:
    lock = InstanceLock.take(path)  # as an earlier version, which does not say where it pins
with socket.socket(socket.AF_UNIX) as listener:
    if sys.argv[2] == "listens":
        listener.bind(sys.argv[1])
        listener.listen()
    print("hangs", flush=True)
    time.sleep(600)
"""


ELSEWHERE = Path("/sys/fs/bpf/elsewhere")


class Pins:
    """What lies below the BPF file system."""

    sessions = 0
    is_held = False

    def clear(self, directory):
        assert directory == places.PINS
        cleared, self.sessions = self.sessions, 0
        return cleared


@pytest.fixture
def pins(monkeypatch):
    made = Pins()
    monkeypatch.setattr(module, "_clear", made.clear)
    monkeypatch.setattr(module, "is_left", lambda _: made.sessions > 0)
    monkeypatch.setattr(module, "_is_held", lambda _: made.is_held)
    monkeypatch.setattr(module, "_left_places", list)
    monkeypatch.setattr(module, "require_root", lambda _: None)
    return made


@attrs.define
class Folders:
    """Folders of pins: how many sessions in each enforce, which a daemon holds, which have only names left."""

    sessions: dict[Path, int] = attrs.field(factory=dict)
    held: set[Path] = attrs.field(factory=set)
    named: set[Path] = attrs.field(factory=set)
    cleared: list[Path] = attrs.field(factory=list)

    def is_left(self, pins):
        return self.sessions.get(pins, 0) > 0

    def has_names(self, pins):
        return self.is_left(pins) or pins in self.named

    def clear(self, pins):
        if pins in self.held:
            raise HeldError(f"another daemon holds {pins}")
        self.cleared.append(pins)
        return self.sessions.pop(pins, 0)

    def left_places(self):
        return [pins for pins in self.sessions if pins not in self.held]


@pytest.fixture
def folders(monkeypatch):
    made = Folders()
    monkeypatch.setattr(module, "is_left", made.is_left)
    monkeypatch.setattr(module, "_is_held", lambda pins: pins in made.held)
    monkeypatch.setattr(module, "_has_names", made.has_names)
    monkeypatch.setattr(module, "_clear", made.clear)
    monkeypatch.setattr(module, "_left_places", made.left_places)
    monkeypatch.setattr(module, "require_root", lambda _: None)
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "enforcer.sock"


@pytest.fixture
def stop(path, capsys):
    def call(*words):
        code = main(["stop", *words, "--socket", str(path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def served(path):
    """A daemon that ends in order when it is asked to."""
    made = Served(path)
    made.on_stop = lambda: made.reactor.after(0, made.server.close)
    yield made
    made.close()


@pytest.fixture
def hang(path, monkeypatch):
    """Start a daemon that holds the lock and does not answer."""
    monkeypatch.setattr(module, "_SHORT", 0.3)
    started = []

    def start(how, *pins):
        argv = [sys.executable, "-c", HANG, str(path), how, *map(str, pins)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "hangs\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)
        process.stdout.close()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_daemon_is_asked(served, stop, pins, force):
    """By force, too: whoever answers ends in order."""
    code, out, err = stop(*force)

    assert (code, out, err) == (Exit.OK, "enforcer: stopped, nothing is enforced any more\n", "")
    assert served.stops == 1


def test_the_end_as_a_document(served, stop, pins):
    """Who was there, and what is left."""
    pins.sessions = 1

    assert {"version": 1, "daemon": True, "killed": None, "removed": 0, "pinned": True} == document(
        "stop", stop("--json")[1]
    )
    assert {"version": 1, "daemon": False, "killed": None, "removed": 1, "pinned": False} == (
        document("stop", stop("--json", "--force")[1])
    )


def test_what_outlives_its_daemon_is_told(served, stop, pins):
    """An end that leaves enforcement active does not claim the opposite."""
    pins.sessions = 1

    assert stop()[1] == (
        "enforcer: stopped, what was pinned stays active: enforcer stop --force ends it\n"
    )
    assert pins.sessions == 1


def test_a_daemon_that_listens_elsewhere_is_not_taken_for_lost(stop, pins):
    """Pins that somebody holds were not left."""
    pins.sessions, pins.is_held = 1, True

    code, _, err = stop()

    assert (code, err.count("\n")) == (Exit.USAGE, 1)
    assert "name its --socket" in err


def test_what_a_lost_daemon_left_is_told(stop, pins):
    """Without a daemon nothing is ended by a plain stop, but nobody is left in the dark."""
    pins.sessions = 2

    code, out, err = stop()

    assert (code, out) == (Exit.USAGE, "")
    assert err == (
        "enforcer: enforcement of a lost daemon is still active: "
        "enforcer start takes it over, enforcer stop --force ends it\n"
    )
    assert pins.sessions == 2


def test_what_a_lost_daemon_left_is_removed_by_force(stop, pins):
    """And told."""
    pins.sessions = 2

    assert stop("--force") == (
        Exit.OK,
        "enforcer: stopped, what 2 sessions left was removed, nothing is enforced any more\n",
        "",
    )
    assert pins.sessions == 0


def test_force_without_anything_to_end(stop, pins):
    """That is not an error: what was asked for holds."""
    assert stop("--force") == (
        Exit.OK, "enforcer: no daemon is running, and nothing is left active\n", "",
    )  # fmt: skip


@pytest.mark.parametrize("how", ["listens", "starts"])
def test_a_daemon_that_hangs_is_killed(hang, stop, pins, path, how):
    """After a short time, whether it hangs before or after it listens; then what it left goes."""
    pins.sessions = 1
    process = hang(how)

    code, out, _ = stop("--force")

    assert code == Exit.OK
    assert out == (
        f"enforcer: stopped, by killing the daemon (pid {process.pid}), which did not answer, "
        "what 1 session left was removed, nothing is enforced any more\n"
    )
    assert process.wait(30) == -signal.SIGKILL
    assert pins.sessions == 0
    assert not is_held(path.with_suffix(".lock"))


def test_a_daemon_that_hangs_is_left_alone_without_force(hang, stop):
    """The sentence says that it hangs."""
    process = hang("listens")

    code, _, err = stop()

    assert code == Exit.USAGE
    assert "does not answer" in err
    assert process.poll() is None


def test_a_daemon_that_is_about_to_listen_is_asked(stop, pins, path):
    """Holding the lock without a socket is how a daemon starts: it is waited for, not killed."""
    with InstanceLock.take(path.with_suffix(".lock")) as lock:
        late = []

        def listen_and_end():
            served = Served(path)
            served.on_stop = lambda: (
                served.reactor.after(0, served.server.close),
                served.reactor.after(0, lock.release),
            )
            late.append(served)

        timer = threading.Timer(0.3, listen_and_end)
        timer.start()
        code, out, _ = stop("--force")
        timer.join()

        assert (code, out) == (Exit.OK, "enforcer: stopped, nothing is enforced any more\n")
        assert late[0].stops == 1
        late[0].close()


def test_no_daemon_starts_while_things_are_removed(stop, pins, path, monkeypatch):
    """The lock is held for as long as that takes."""
    seen = []
    monkeypatch.setattr(
        module, "_clear", lambda _: seen.append(is_held(path.with_suffix(".lock"))) or 0
    )

    stop("--force")

    assert seen == [True]


def test_pins_of_another_place(stop, tmp_path):
    """Really looked for where they are said to be; a folder without sessions, or with an empty one, has none."""
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "other").mkdir()
    assert "no daemon is running" in stop("--pins", str(pins))[2]

    (pins / "1").mkdir()
    assert "no daemon is running" in stop("--pins", str(pins))[2]
    (pins / "1/link-000-enf_exec").touch()

    assert "of a lost daemon is still active" in stop("--pins", str(pins))[2]


def test_force_is_for_root(stop, monkeypatch):
    """Said before anything is tried."""
    monkeypatch.setattr("enforcer.cli.arguments.os.geteuid", lambda: 1000)

    code, _, err = stop("--force")

    assert code == Exit.USAGE
    assert "needs root" in err


# ---- Where it is pinned --------------------------------------------------------------------------


@pytest.fixture
def lost(path):
    """Let the lock say that a daemon which is gone has pinned in a folder."""

    def note(pins):
        InstanceLock.of_daemon(path.with_suffix(".lock"), pins).release()

    return note


def test_the_daemon_says_where_it_is_pinned(served, stop, folders):
    """What it leaves there is neither overlooked nor taken for ended."""
    folders.sessions[ELSEWHERE] = 1
    served.leaves |= {"pinned": str(ELSEWHERE), "persists": True}

    assert stop() == (
        Exit.OK,
        "enforcer: stopped, what was pinned stays active: enforcer stop --force ends it\n",
        "",
    )


def test_force_ends_what_an_orderly_end_leaves_where_the_daemon_says(served, stop, folders):
    """And nothing else, if nothing else is there."""
    folders.sessions[ELSEWHERE] = 1
    served.leaves |= {"pinned": str(ELSEWHERE), "persists": True}

    code, out, err = stop("--force")

    assert (code, err) == (Exit.OK, "")
    assert out == (
        "enforcer: stopped, what 1 session left was removed, nothing is enforced any more\n"
    )
    assert [ELSEWHERE] == folders.cleared


def test_what_was_removed_from_a_daemon_that_persists_has_ended(served, stop, folders):
    """It says where it was pinned, and that it does not stay."""
    served.leaves |= {"pinned": str(ELSEWHERE), "persists": False}

    assert stop() == (Exit.OK, "enforcer: stopped, nothing is enforced any more\n", "")


def test_what_persists_and_is_not_seen_is_not_taken_for_ended(served, stop, folders):
    """As where the folder is one of a container's; by force, too."""
    served.leaves |= {"pinned": str(ELSEWHERE), "persists": True}

    for force in ([], ["--force"]):
        code, out, err = stop(*force)

        assert (code, out) == (Exit.USAGE, "")
        assert f"active, pinned in {ELSEWHERE}, where this command sees nothing" in err
        served.call(served.server.open)


def test_a_daemon_that_could_not_end_enforcement(served, stop, folders):
    """Its process has ended, and that is not what was asked for."""
    folders.sessions[ELSEWHERE] = 1
    served.leaves |= {"pinned": str(ELSEWHERE)}

    code, out, err = stop()

    assert (code, out) == (Exit.USAGE, "")
    assert f"has not ended enforcement, which is pinned in {ELSEWHERE}" in err


def test_the_next_daemon_is_not_taken_for_the_one_that_ended(served, stop, folders):
    """It may have begun by then, in the same folder: that is no failure, and no end, either."""
    folders.sessions[ELSEWHERE] = 1
    folders.held.add(ELSEWHERE)
    served.leaves |= {"pinned": str(ELSEWHERE)}

    code, out, err = stop()

    assert (code, err) == (Exit.OK, "")
    assert "stopped, what was pinned stays active" in out


def test_names_that_stay_of_what_has_ended(served, stop, folders):
    """As the daemon says itself: nothing is enforced, and something could not be removed."""
    folders.named.add(ELSEWHERE)
    served.leaves |= {"pinned": str(ELSEWHERE)}

    code, out, err = stop()

    assert (code, out) == (Exit.OK, "enforcer: stopped, nothing is enforced any more\n")
    assert f"still pinned in {ELSEWHERE} enforces nothing, and could not be removed" in err


def test_what_an_earlier_daemon_left_elsewhere_is_told(served, stop, folders):
    """Whoever came after it with other settings."""
    folders.sessions[ELSEWHERE] = 1
    served.leaves |= {"pinned": str(places.PINS), "elsewhere": [str(ELSEWHERE)]}

    assert "what was pinned stays active" in stop()[1]


def test_a_daemon_that_does_not_say_where_it_is_pinned(served, stop, folders):
    """One of an earlier version: whoever asks must say it, or look."""
    served.leaves = {}

    code, out, err = stop()

    assert (code, out) == (Exit.USAGE, "")
    assert "it is not known where it has pinned enforcement" in err
    assert "find /sys/fs/bpf" in err
    served.call(served.server.open)
    assert "nothing is enforced any more" in stop("--pins", str(ELSEWHERE))[1]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_daemon_with_another_socket_goes_on(served, stop, folders, force):
    """What it has pinned is not touched, and nobody says that nothing is enforced."""
    folders.sessions |= {ELSEWHERE: 0, places.PINS: 1}
    folders.held.add(places.PINS)
    served.leaves |= {"pinned": str(ELSEWHERE)}

    assert stop(*force) == (
        Exit.OK,
        f"enforcer: stopped, but another daemon enforces what is pinned in {places.PINS}\n",
        "",
    )
    assert 1 == folders.sessions[places.PINS]


def test_no_daemon_but_another_one(stop, folders, lost):
    """The other one is not called absent."""
    folders.sessions[places.PINS] = 1
    folders.held.add(places.PINS)
    lost(ELSEWHERE)

    assert (
        f"enforcer: no daemon is there, but another daemon enforces what is pinned in {places.PINS}\n"
    ) == stop("--force")[1]


def test_what_else_is_lost_goes_by_force(served, stop, folders):
    """The default folder is looked at wherever the daemon was pinned."""
    folders.sessions |= {ELSEWHERE: 1, places.PINS: 1}
    served.leaves |= {"pinned": str(ELSEWHERE), "persists": True}

    assert "what 2 sessions left was removed" in stop("--force")[1]
    assert {} == folders.sessions


def test_a_daemon_that_is_killed_has_written_where_it_is_pinned(hang, stop, folders):
    """That is cleared, and no other."""
    folders.sessions[ELSEWHERE] = 1
    process = hang("listens", ELSEWHERE)

    code, out, _ = stop("--force")

    assert code == Exit.OK
    assert out == (
        f"enforcer: stopped, by killing the daemon (pid {process.pid}), which did not answer, "
        "what 1 session left was removed, nothing is enforced any more\n"
    )
    assert [ELSEWHERE] == folders.cleared


@pytest.mark.parametrize("is_found", [False, True])
def test_no_end_is_claimed_of_a_killed_daemon_that_has_not_written_it(
    hang, stop, folders, is_found
):
    """The command says what is not known, and how to look; or what it has found."""
    if is_found:
        folders.sessions[ELSEWHERE] = 1
    process = hang("listens")

    code, out, err = stop("--force")

    assert (code, out) == (Exit.USAGE, "")
    assert process.wait(30) == -signal.SIGKILL
    assert ("it is not known where it has pinned" in err) is not is_found
    assert (f"enforcer stop --force --pins {ELSEWHERE}" in err) is is_found
    assert folders.sessions == ({ELSEWHERE: 1} if is_found else {})


def test_a_folder_that_was_given_is_known(hang, stop, folders):
    """Then an end is an end."""
    hang("listens")

    code, out, _ = stop("--force", "--pins", str(ELSEWHERE))

    assert code == Exit.OK
    assert "nothing is enforced any more" in out
    assert [ELSEWHERE] == folders.cleared


def test_what_a_lost_daemon_left_in_another_folder(stop, folders, lost):
    """A plain stop tells of it, and by force it goes."""
    folders.sessions[ELSEWHERE] = 2
    lost(ELSEWHERE)

    assert "of a lost daemon is still active" in stop()[2]
    assert "what 2 sessions left was removed, nothing is enforced any more" in stop("--force")[1]
    assert "nothing is left active" in stop("--force")[1]
    assert {} == folders.sessions


def test_nothing_is_called_ended_while_it_is_seen_elsewhere(stop, folders):
    """The lock may be gone with its folder, as that of a service; others may have left it."""
    folders.sessions[ELSEWHERE] = 1

    code, out, err = stop("--force")

    assert (code, out) == (Exit.USAGE, "")
    assert f"{ELSEWHERE} is still active: end it with: enforcer stop --force --pins" in err
    assert folders.sessions == {ELSEWHERE: 1}


def test_a_daemon_that_pins_nothing_is_ended_by_killing_it(hang, stop, folders):
    """With its process everything ends, and that is known."""
    hang("listens", "")

    code, out, _ = stop("--force")

    assert code == Exit.OK
    assert "nothing is enforced any more" in out
