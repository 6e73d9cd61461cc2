# SPDX-License-Identifier: MIT
"""
The part that runs in the guest: load, measure, write down, for each case that is selected.

The engine is activated as the daemon does it, but without the daemon, whose own work would be
measured with it. Images come from the host, since compiling takes long in an emulated machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
from cases import (
    BUILD,
    FILES,
    MOUNT,
    NOWHERE,
    PLAIN,
    PROGRAM,
    SHAPES,
    SOURCES,
    Family,
    Operation,
    Record,
    Scope,
    Selection,
    Shape,
    User,
)
from peers import peers
from texts import variants

from enforcer.kernel.image_map import PlainImage, restamp
from enforcer.kernel.session import Session
from enforcer.libbpf.handles import BpfObject

__all__ = ["main"]

FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "bench"
OUT: Final = Path("/run/vm")
_SCRATCH: Final = Path("/mnt/scratch")
_QUIET: Final = 3.0  # seconds after boot, until what the kernel does by itself has been done


@attrs.define
class Bench:
    """Measures, and keeps what came out."""

    selection: Selection
    bases: dict[tuple[str, Shape, User], int] = attrs.field(factory=dict)
    records: list[Record] = attrs.field(factory=list)
    maps: dict[str, int] = attrs.field(factory=dict)

    def measure(self, op: Operation, shape: Shape, user: User, confinement: str = "") -> int:
        """Run work.c once, as *user*."""
        confined = ("-c", confinement) if confinement else ()
        done = subprocess.run(
            [FOLDER / "work", "-u", str(int(user)), *confined, op.work, *op.argument(shape)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"bench: {op.name} {shape} as {user}: {done.stderr.strip()}")
        return int(done.stdout)

    def add(
        self, op: Operation, shape: Shape, user: User, *, confinement: str = "", **known: Any
    ) -> None:
        """Measure, and write down what it costs more than the base."""
        base = self.bases[op.name, shape, user]
        total = self.measure(op, shape, user, confinement)
        record = Record(
            op=op.name,
            depth=shape.depth,
            path_length=shape.length,
            base=base,
            added=total - base,
            **known,
        )
        self.records.append(record)
        # Should the machine come to an end, what was measured is still there.
        with (OUT / "so-far.jsonl").open("a") as file:
            file.write(json.dumps(attrs.asdict(record)) + "\n")

    # ---- What there is to measure ----------------------------------------------------------------

    def measure_bases(self) -> None:
        """Nothing is loaded."""
        for op in self.selection.operations:
            for shape in self.selection.shapes(op):
                for user in User:
                    if user is User.OUT_OF_SCOPE and Scope.OUT not in op.scopes:
                        continue
                    self.bases[op.name, shape, user] = self.measure(op, shape, user)
                self.add(op, shape, User.IN_SCOPE, engine="none", scope="", rules=0)

    def measure_empty(self) -> None:
        """A program that does nothing, on the hooks that matter."""
        for op in self.selection.operations:
            with empty_programs(op.hooks):
                self.add(op, plain(op), User.IN_SCOPE, engine="empty", scope="", rules=0)

    def measure_peers(self) -> None:
        """Others."""
        found = list(peers(FOLDER))
        largest = {peer.engine: peer for peer in found}.values()
        for peer in found:
            for op in self.selection.operations:
                if op.is_long and peer not in largest:
                    continue
                self.add(
                    op,
                    plain(op),
                    User.IN_SCOPE,
                    confinement=peer.confinement,
                    engine=peer.engine,
                    scope="",
                    rules=peer.rules,
                )

    def measure_engine(self) -> None:
        """The engine, with all numbers of rules."""
        if 0 in self.selection.rules:
            self._measure_idle()
        for family in self.selection.families:
            for rules in self.selection.sizes(family):
                say(f"{family} with {rules:,} rules")
                self._measure_rules(family, rules)

    def _measure_idle(self) -> None:
        say("no rules")
        with Session.open(PlainImage((FOLDER / "images" / "none").read_bytes())):
            for op in self.selection.operations:
                if not op.is_long:
                    self.add(op, plain(op), User.IN_SCOPE, engine="enforcer", scope="", rules=0)

    def _measure_rules(self, family: Family, rules: int) -> None:
        """Activate one variant after the other, in one session as long as they fit into it."""
        sizes = {
            scope: image_path(family, rules, scope).stat().st_size for scope in variants(family)
        }
        with contextlib.ExitStack() as stack:
            session: Session | None = None
            for scope in sorted(sizes, key=lambda scope: -sizes[scope]):
                data = image_path(family, rules, scope).read_bytes()
                generation = session.generation + 1 if session is not None else 1
                image = restamp(data, generation=generation)
                if session is not None and session.fits(image):
                    session.commit(image)
                else:
                    stack.close()
                    start = time.monotonic()
                    session = stack.enter_context(Session.open(image))
                    say(f"active after {time.monotonic() - start:.1f} s")
                    self.maps[f"{family} {rules}"] = sum(session.map_bytes().values())
                self._measure_scope(session, family, rules, scope)

    def _measure_scope(self, session: Session, family: Family, rules: int, scope: Scope) -> None:
        scopes = (Scope.OUT, Scope.IN) if scope is Scope.IN else (scope,)
        for each in scopes:
            for op, shape in self.selection.measures(rules, each, family):
                before = decided(session)
                self.add(op, shape, each.user, engine="enforcer", scope=str(each), rules=rules)
                # A figure of something else than what it says would be worse than none.
                if (decided(session) > before) is not (each in {Scope.ALLOW, Scope.LISTED}):
                    raise SystemExit(
                        f"bench: {op.name}, scope {each}: rules met what they should not"
                    )


def decided(session: Session) -> int:
    """How often some rule has decided."""
    return sum(row.enforced for row in session.hits())


def plain(op: Operation) -> Shape:
    """The shape that is measured where shapes are not the question."""
    return NOWHERE if op.last is None else PLAIN


def image_path(family: Family, rules: int, scope: Scope) -> Path:
    """Where the host has put an image."""
    return FOLDER / "images" / f"{family}-{rules}-{scope}"


@contextlib.contextmanager
def empty_programs(hooks: tuple[str, ...]) -> Iterator[None]:
    """Have a program that does nothing on each of *hooks*."""
    with contextlib.ExitStack() as stack:
        data = (FOLDER / "empty.bpf.o").read_bytes()
        programs = stack.enter_context(BpfObject.open(data, "empty"))
        for program in programs.programs.values():
            program.set_autoload(enabled=program.name.removeprefix("empty_") in hooks)
        programs.load()
        for hook in hooks:
            link = programs.programs[f"empty_{hook}"].attach()
            stack.enter_context(contextlib.closing(link))
        yield


def lay_out() -> None:
    """Make the files that are used; everybody may use them."""
    os.umask(0)
    Path(MOUNT).mkdir()
    subprocess.run(["mount", "--move", _SCRATCH, MOUNT], check=True)
    Path(MOUNT).chmod(0o777)
    program = (FOLDER / "true").read_bytes()
    for shape in SHAPES:
        shape.directory.mkdir(mode=0o777, parents=True, exist_ok=True)
        for last in (*FILES, "=", "+"):
            path = Path(shape.path(last))
            path.write_bytes(b"content")
            path.chmod(0o666)
        run = Path(shape.path("!"))
        run.write_bytes(program)
        run.chmod(0o755)


def lay_out_program() -> None:
    """Put the dynamic program where it says that its libraries are."""
    shutil.copytree(FOLDER / "lib", Path(PROGRAM).parent)


_SOURCE: Final = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int part_{n}(const char *text)
{{
	char line[64];

	snprintf(line, sizeof(line), "%s %d", text, {n});
	return (int)strlen(line) + abs({n});
}}
"""
_MAKEFILE: Final = """\
OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
all: program
program: $(OBJECTS)
	cc -o $@ $(OBJECTS)
%.o: %.c
	cc -O1 -c -o $@ $<
clean:
	rm -f program $(OBJECTS)
"""


def lay_out_project() -> None:
    """Write a project in C."""
    folder = Path(BUILD)
    folder.mkdir(mode=0o777)
    (folder / "Makefile").write_text(_MAKEFILE)
    for n in range(SOURCES):
        (folder / f"part{n}.c").write_text(_SOURCE.format(n=n))
    declared = "".join(f"int part_{n}(const char *text);\n" for n in range(SOURCES))
    calls = "".join(f"\tsum += part_{n}(argv[0]);\n" for n in range(SOURCES))
    main = f"int main(int argc, char **argv)\n{{\n\tint sum = argc;\n\n{calls}\treturn !sum;\n}}\n"
    (folder / "main.c").write_text(f"{declared}\n{main}")


def say(what: str) -> None:
    """Tell whoever waits where it is."""
    print(f"bench: {time.monotonic():6.1f} {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure what is selected; leaves records and sizes of maps in the shared directory."""
    bench = Bench(Selection.parse())
    lay_out()
    lay_out_program()
    lay_out_project()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    time.sleep(_QUIET)
    say("without anything")
    bench.measure_bases()
    say("empty programs")
    bench.measure_empty()
    say("others")
    bench.measure_peers()
    bench.measure_engine()
    (OUT / "records.json").write_text(json.dumps([attrs.asdict(r) for r in bench.records]))
    (OUT / "maps.json").write_text(json.dumps(bench.maps))


if __name__ == "__main__":
    main()
