# SPDX-License-Identifier: MIT
"""
What the engine adds to the start of a container, in instructions of the whole machine.

    tests/bench/containers.py [--times 9]

From the call of the runtime until it has returned, when the first program runs: everything that any process and the
kernel did by then, but for the time in which nothing could be done. Runtimes differ from start to start by more than
the engine takes, so what is its own is told apart: its programs in the kernel, the daemon, and the hook. Packages of
Debian are fetched here, and the rest runs in a guest whose clock counts instructions.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[2]
GUEST: Final = ROOT / "tests/vm"
sys.path[:0] = [str(ROOT / "tests"), str(GUEST), str(GUEST / "containers")]

import runtime_packages  # noqa: E402 - of tests
import runtimes  # noqa: E402
from engine import ENFORCER, engine  # noqa: E402

from enforcer import places  # noqa: E402
from enforcer.hook.files import NAME, STAGE  # noqa: E402

_OUT: Final = ROOT / "build/bench/containers"
_FOUND: Final = Path("/run/vm/containers.json")
_TIMEOUT: Final = 2 * 3600
_STATISTICS: Final = Path("/proc/sys/kernel/bpf_stats_enabled")
_REST: Final = 0.2  # seconds
_QUIET: Final = 3_000_000  # in that time; a daemon that looks for containers takes a million
_POLICY: Final = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: bench}
spec:
  selector: {container: {name: strict-*}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
"""
_SHIPPED: Final = [
    str(file)
    for file in sorted((ROOT / "policies").glob("*.yaml"))
    # They refuse what is done here: to ask containerd, to install the hook, and to remove logs.
    if file.stem not in {"container-sockets", "enforcer-itself", "logs"}
]
_HOOKED: Final = ("container-hook", "install", "--wait", "60s", "--on-failure", "refuse")


# ---- In the guest -----------------------------------------------------------------------------


def _worked() -> int:
    """
    Instructions until now: the time for which tasks ran.

    /proc/stat tells idle time in hundredths of a second, which is three percent of a start: Documentation/scheduler/
    sched-stats.rst has the seventh number of a processor's line in nanoseconds.
    """
    (processor,) = (
        line.split()
        for line in Path("/proc/schedstat").read_text().splitlines()
        if line.startswith("cpu")
    )
    return int(processor[7])


def _settle() -> None:
    """Wait until nobody does much: what the end of a container leaves to do would count as the next one's start."""
    while True:
        before = _worked()
        time.sleep(_REST)
        if _worked() - before < _QUIET:
            return


def _of_programs() -> int:
    """Instructions of the engine's programs in the kernel until now."""
    shown = subprocess.check_output(["bpftool", "--json", "prog", "show"])
    ours = (each for each in json.loads(shown) if each.get("name", "").startswith("enf_"))
    return sum(each.get("run_time_ns", 0) for each in ours)


def _of_daemon(pid: int | None) -> int:
    """Instructions of the daemon until now, in all its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat") if pid else ()
    return sum(int(thread.read_text().split()[0]) for thread in threads)


def _of_hook(runtime: Any) -> int:
    """Instructions of the hook's program, run by hand for a container that runs."""
    hook = json.loads((places.HOOKS / NAME).read_text())["hook"]
    with runtimes.started(runtime, "by-hand") as container:
        state = json.dumps({"id": container.id, "pid": container.process}).encode()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([hook["path"], *hook["args"][1:]], input=state, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return round(seconds * 1e9)


def _started(runtime: Any, name: str, daemon: int | None) -> dict[str, int]:
    """What the start of a container took, with the share of the *daemon*."""
    _settle()
    before = _of_daemon(daemon), _worked()
    if isinstance(runtime, runtimes.Podman):
        runtime.begin(name, runtimes.IMAGE, *runtimes.images.SERVE)
        pod = None
    else:
        asked, pod = runtime.sandbox(name, "prod")
        runtime.begin((asked, pod), name, runtimes.IMAGE, runtimes.images.SERVE)
    whole = _worked() - before[1]
    took = {
        "whole": whole,
        "daemon": _of_daemon(daemon) - before[0],
    }
    runtime.remove(runtimes.Running(runtime, name, "", 0, pod=pod))
    return took


def _with_programs(runtime: Any, name: str) -> int:
    """What the engine's programs in the kernel took of one more start: to tell it, the kernel takes more itself."""
    _STATISTICS.write_text("1")
    before = _of_programs()
    _started(runtime, name, None)
    took = _of_programs() - before
    _STATISTICS.write_text("0")
    return took


@contextlib.contextmanager
def _hook() -> Iterator[None]:
    subprocess.run([ENFORCER, *_HOOKED], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([ENFORCER, "container-hook", "remove"], check=True, capture_output=True)


@contextlib.contextmanager
def _idle_hook() -> Iterator[None]:
    """Let podman run a hook that does nothing: what it costs to have one."""
    file = places.HOOKS / "bench.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    hook = {"path": "/bin/true", "args": ["true"]}
    when = {"always": True}
    file.write_text(json.dumps({"version": "1.0.0", "hook": hook, "when": when, "stages": [STAGE]}))
    try:
        yield
    finally:
        file.unlink()


def guest(times: int) -> None:
    """Measure each runtime under policies, and with the hook; before, between and after under nothing."""
    runtime_packages.put_in_place()
    runtimes.make_ready(on_disk=False)
    # A collection of garbage takes as much as the engine: it would come to some starts, and not to others.
    os.environ["GOGC"] = "off"
    subprocess.run(["systemctl", "set-environment", "GOGC=off"], check=True)
    kinds: list[Any] = [runtimes.Podman("crun", "systemd"), runtimes.Podman("runc", "systemd")]
    for each in (*kinds, runtimes.Cri("hooked")):
        each.prepare()
    found: dict[str, dict[str, list[dict[str, int]]]] = {}
    numbers = itertools.count()

    def measure(what: str, *cri: str, daemon: int | None = None) -> None:
        for runtime in (*kinds, *map(runtimes.Cri, cri)):
            of = runtime.name.partition("-")[0]
            names = [f"strict-{of}-{next(numbers)}" for _ in range(times + 1)]
            took = [_started(runtime, each, daemon) for each in names][1:]
            programs = _with_programs(runtime, f"strict-{of}-{next(numbers)}") if daemon else 0
            took = [{**each, "programs": programs} for each in took]
            found.setdefault(of, {}).setdefault(what, []).extend(took)
            print(what, of, took, flush=True)
            _FOUND.write_text(json.dumps(found))

    with tempfile.TemporaryDirectory() as place:
        one = Path(place, "bench.yaml")
        one.write_text(_POLICY)
        # The first pod makes a bridge, which others then look at.
        for runtime in (*kinds, runtimes.Cri("based")):
            _started(runtime, "first", None)
        measure("nothing", "based")
        with _idle_hook():
            measure("idle-hook")
        shipped = [str(one), *_SHIPPED]
        for name, words in (("one", [str(one)]), ("policies", shipped)):
            with engine(words, Path(place, name), "--no-watch") as on:
                daemon = on.process.pid
                measure(name, "based", daemon=daemon)
                with _hook():
                    measure(f"{name}-hook", "hooked", daemon=daemon)
                    print("the hook by itself", _of_hook(kinds[0]), flush=True)
            # What else changes while the machine runs is no doing of the engine's.
            measure("nothing", "based")


# ---- Here -------------------------------------------------------------------------------------


def _table(found: dict[str, dict[str, list[dict[str, int]]]]) -> Table:
    table = Table(
        "runtime",
        "under",
        "all",
        "least, most",
        "added",
        "programs",
        "daemon",
        title="The start of a container, in millions of instructions",
    )
    for runtime, of in found.items():
        base = statistics.median(each["whole"] for each in of["nothing"])
        for what, took in of.items():
            whole = [each["whole"] for each in took]
            middle = statistics.median(whole)
            added = "" if what == "nothing" else f"{(middle / base - 1) * 100:+.1f} %"
            spread = f"{min(whole) / 1e6:,.0f}, {max(whole) / 1e6:,.0f}"
            shares = (
                f"{statistics.median(each[share] for each in took) / 1e6:,.2f}"
                for share in ("programs", "daemon")
            )
            table.add_row(runtime, what, f"{middle / 1e6:,.0f}", spread, added, *shares)
    return table


def main() -> None:
    """Prepare here, measure in a guest, show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--guest", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.guest:
        guest(told.times)
        return
    subprocess.run([sys.executable, GUEST / "runtime_packages.py"], check=True)
    machine = [
        "--systemd",
        "--icount",
        "--cpu=max",
        "--mem=3G",
        f"--timeout={_TIMEOUT}",
        f"--out={_OUT}",
    ]
    command = [sys.executable, __file__, "--guest", f"--times={told.times}"]
    done = subprocess.run([GUEST / "run", *machine, "--", *command], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"bench: the guest's part failed ({done.returncode})")
    Console().print(_table(json.loads((_OUT / "containers.json").read_text())))


if __name__ == "__main__":
    main()
