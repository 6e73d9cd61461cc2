# SPDX-License-Identifier: MIT
"""
What is loaded follows what the policies ask for, and no change of it leaves a gap.

All the while somebody tries to read what is forbidden before and after.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from daemon import Daemon, every_map, leftovers, managed, until
from many_rules import MOST_MAPS, VERY_MANY, write, write_very_many
from map_memory import growth

from enforcer.kernel.host import possible_cpus

ROOT = Path("/opt/enforcer-test-growth")
MANY = 3000  # more rows than an ordinary session has room for
LEAST_RESIDENT, MOST_RESIDENT = 20_000_000, 60_000_000
LEAST_MAPS = 8_000_000
ATTACK = """
import os, signal, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
tries = done = 0
print("begun", flush=True)
while not ended:
    tries += 1
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY))
        done += 1
    except PermissionError:
        time.sleep(0.01)  # each is a record, and whoever writes them shall have time for a reload
print(tries, done)
"""


def refuses_connect(port: int) -> bool:
    """Whether a connection to the loopback is refused by the engine."""
    with closing(socket.socket()) as ours:
        try:
            ours.connect(("127.0.0.1", port))
        except PermissionError:
            return True
    return False


def refuses_read(path: Path) -> bool:
    """Whether the file may not be read."""
    try:
        path.read_bytes()
    except PermissionError:
        return True
    return False


@contextmanager
def attacked(path: Path) -> Iterator[None]:
    """Let somebody read *path* again and again until the block ends; none of it may succeed."""
    argv = [sys.executable, "-ISc", ATTACK, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        pipe = process.stdout
        assert pipe is not None
        assert "begun\n" == pipe.readline()
        try:
            yield
        finally:
            process.terminate()
        tries, done = map(int, pipe.read().split())
    assert 0 == done
    assert tries > 20


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Files that are read, and proof that nobody minds without policies."""
    shutil.rmtree(ROOT, ignore_errors=True)
    (ROOT / "policies").mkdir(parents=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name in ("secret", "late"):
        (ROOT / name).write_text("content")
        assert not refuses_read(ROOT / name)
    yield ROOT
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def listener(place: Path) -> Iterator[int]:
    """A port that can be connected to."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        port = server.getsockname()[1]
        assert not refuses_connect(port)
        yield port


@pytest.fixture(scope="module")
def daemon(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with one small policy."""
    folder = place / "policies"
    write(
        folder,
        "first",
        [f"file: read, guard: false, match: {{path: {place}/secret}}, action: deny"],
    )
    with managed(tmp_path_factory.mktemp("growth"), folder, is_executed=True) as daemon:
        daemon.start()
        yield daemon


def test_a_program_is_attached_once_a_rule_needs_it(daemon: Daemon, place: Path, listener: int):
    """Not before; it decides when the reload is answered, and nothing passes meanwhile."""
    before = leftovers()["links"]
    assert "enf_file_open" in before
    assert not [name for name in before if name.startswith(("enf_socket", "enf_path"))]
    assert not refuses_connect(listener)

    with attacked(place / "secret"):
        write(
            place / "policies",
            "net",
            [f"network: connect, match: {{port: {listener}}}, action: deny"],
        )
        daemon.request("reload")
        assert refuses_connect(listener)
        after = leftovers()["links"]
        assert "enf_socket_connect" in after
        assert set(before) <= set(after)
        assert not [name for name in after if name.startswith("enf_path")]

        (place / "policies" / "net.yaml").unlink()
        daemon.request("reload")
        assert not refuses_connect(listener)
        assert refuses_read(place / "secret")


def test_policies_that_outgrow_the_maps_replace_them_without_a_gap(daemon: Daemon, place: Path):
    """The room is measured by the policies; what has none in it gets more, in between nothing passes."""
    small = daemon.status()["memory"]["maps"]["image"]

    with attacked(place / "secret"):
        rules = [
            f"file: read, guard: false, match: {{path: /srv/none/{n}/f}}, action: deny"
            for n in range(MANY)
        ]
        late = f"file: read, guard: false, match: {{path: {place}/late}}, action: deny"
        write(place / "policies", "many", [*rules, late])
        daemon.request("reload")
        assert refuses_read(place / "late")

    status = daemon.status()
    assert status["memory"]["maps"]["image"] > small
    assert refuses_read(place / "secret")
    assert 1 == leftovers()["links"].count("enf_file_open")


def test_within_their_room_the_maps_stay(daemon: Daemon, place: Path):
    """A change that fits is one update: programs and maps are those of before."""
    for name in ("many", "late"):
        (place / "policies" / f"{name}.yaml").unlink(missing_ok=True)
    daemon.request("reload")
    # The old ones go when they can.
    until(lambda: leftovers()["programs"].count("enf_file_open") == 1)
    room = daemon.status()["memory"]["maps"]
    programs = leftovers()["programs"]

    with attacked(place / "secret"):
        late = f"file: read, guard: false, match: {{path: {place}/late}}, action: deny"
        write(place / "policies", "late", [late])
        daemon.request("reload")
        assert refuses_read(place / "late")
        (place / "policies" / "late.yaml").unlink()
        daemon.request("reload")
        assert not refuses_read(place / "late")

    assert room == daemon.status()["memory"]["maps"]
    assert programs == leftovers()["programs"]


@pytest.mark.long
def test_ten_thousand_rules_leave_the_daemon_and_the_maps_small(daemon: Daemon, place: Path):
    """
    The daemon stays below 60 MB with all that it has mapped, and the maps below 16 MB.

    No page of it is a huge one: such a page is also made of what was given back.

    Counted are all maps that there are, with the image, the rings and what a successor must know. The maps
    would also be below with 256 processors, by the formulas of the kernel; test_many_processors.py measures that.
    Rules are of four kinds, with their guards, in equal parts; after a change and not only after the start.
    """
    write_very_many(place / "policies")
    assert daemon.request("reload")["rules"] > VERY_MANY
    until(lambda: leftovers()["programs"].count("enf_file_open") == 1)
    late = f"file: read, guard: false, match: {{path: {place}/late}}, action: deny"
    write(place / "policies", "late", [late])
    daemon.request("reload")
    assert refuses_read(place / "late")
    assert refuses_read(place / "secret")
    until(lambda: daemon.resident() < MOST_RESIDENT, 60)  # what was freed is given back by then
    assert daemon.resident() > LEAST_RESIDENT
    assert "THP_enabled:\t0\n" in Path(f"/proc/{daemon.pid}/status").read_text()

    maps = every_map()
    size = sum(each["bytes_memlock"] for each in maps)
    print(f"{daemon.resident():,} bytes resident, {size:,} in maps on {possible_cpus()} processors")
    assert LEAST_MAPS < size
    assert size + growth(maps, from_cpus=possible_cpus(), to_cpus=256) < MOST_MAPS
    by_kind = {each["name"]: each["type"] for each in maps}
    assert ("array", "percpu_array") == (by_kind["hits"], by_kind["hit_slots"])
