# SPDX-License-Identifier: MIT
"""
Watch what the running daemon decides.

The dashboard attaches to the daemon's control socket. There may be any number of dashboards. The
daemon sends one summary a second and never waits for a dashboard.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import selectors
import signal
import sys
import time
from typing import TYPE_CHECKING, cast

import attrs

from enforcer.cli.arguments import add_socket, file_path
from enforcer.cli.exits import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rich.console import Console

    from enforcer.cli.explaining import Explainer
    from enforcer.cli.screen import Screen
    from enforcer.events.document_types import BriefDocument, MatchDocument
    from enforcer.runtime.control.answers import ChangeAnswer, RecordAnswer, Refusal, SourcesAnswer
    from enforcer.runtime.control.dashboard_client import Feed
    from enforcer.runtime.control.policy_answers import PolicyAnswer
    from enforcer.runtime.control.watch_answers import Beat, Opening
    from enforcer.runtime.reactor import Reactor
    from enforcer.workbench.dashboard.board import Board
    from enforcer.workbench.dashboard.keys import Keyboard
    from enforcer.workbench.dashboard.model import Model
    from enforcer.workbench.dashboard.painter import Painter
    from enforcer.workbench.dashboard.rows import Frame, Glyphs

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer dashboard
  enforcer dashboard --once                 print one frame and exit
  enforcer dashboard --svg frame.svg --size 160x50

Press ? for the keys. q closes the dashboard; enforcement goes on.
NO_COLOR and dumb terminals are respected.
"""

_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
_SECOND = 1.0
_DUMB_EVERY = 5.0  # seconds between frames where every frame is printed below the last
_ESCAPE = 0.05  # seconds in which the rest of a key's sequence must have come
_FIRST = 10.0  # seconds for the first beat of a daemon that is there
_PLAIN_SIZE = (80, 24)
_LARGEST = (1000, 500)  # every character costs, and no terminal has more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--once", action="store_true", help="print one frame and exit")
    parser.add_argument(
        "--svg", metavar="FILE", type=file_path, help="save one frame as SVG and exit"
    )
    parser.add_argument(
        "--size",
        metavar="COLUMNSxLINES",
        type=_size,
        help="size of that frame (default: the terminal's, else 80x24)",
    )
    add_socket(parser)


def _size(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write 160x50")
    from enforcer.workbench.dashboard.frames import LEAST

    columns, lines = int(found[1]), int(found[2])
    if columns < LEAST[0] or lines < LEAST[1]:
        raise argparse.ArgumentTypeError(
            f"{text!r} is too small: write {LEAST[0]}x{LEAST[1]} or more"
        )
    if columns > _LARGEST[0] or lines > _LARGEST[1]:
        raise argparse.ArgumentTypeError(
            f"{text!r} is too large: write {_LARGEST[0]}x{_LARGEST[1]} or less"
        )
    return columns, lines


def run(args: argparse.Namespace) -> int:
    """Show it."""
    if args.once or args.svg is not None:
        _show_once(args)
        return Exit.OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the dashboard needs a terminal: without one, use --once or --svg FILE")
    _live(args.socket)
    return Exit.OK


# ---- One frame ----------------------------------------------------------------------------------


def _show_once(args: argparse.Namespace) -> None:
    from enforcer.errors import ControlError
    from enforcer.runtime.control.protocol import WATCH, Client
    from enforcer.workbench.dashboard.painter import Painter
    from enforcer.workbench.dashboard.picture import SVG

    model = _model()
    with Client.connect(args.socket, timeout=_FIRST) as client:
        now = time.monotonic()
        model.open(client.ask(WATCH), now)
        beat = client.next_message()
        if beat is None:
            raise ControlError("the daemon ended before it answered")
        model.beat(cast("Beat", beat), now)
    columns, lines = args.size or _size_here()
    if args.svg is not None:
        console = _console(columns, lines, is_recording=True)
        console.print(_draw(model, columns, lines, _glyphs(console)), crop=False, soft_wrap=True)
        console.save_svg(str(args.svg), title="enforcer dashboard", code_format=SVG)
    if args.once:
        console = _console(columns, lines)
        frame = _draw(model, columns, lines, _glyphs(console))
        sys.stdout.flush()
        sys.stdout.buffer.write(Painter(console, can_move=False).paint(frame).rstrip() + b"\n")


def _size_here() -> tuple[int, int]:
    try:
        found = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return _PLAIN_SIZE
    return (found.columns, found.lines - 1) if found.columns else _PLAIN_SIZE


def _model() -> Model:
    from enforcer.workbench.dashboard.model import Model

    return Model(host=os.uname().nodename)


def _console(columns: int, lines: int, *, is_recording: bool = False) -> Console:
    """Make a console of that size: without *lines* rich takes a dumb terminal for one of 80 columns."""
    from rich.console import Console

    if is_recording:
        # What is recorded is a picture: it has all colours, whatever this terminal has.
        return Console(
            file=io.StringIO(),
            width=columns,
            height=lines,
            record=True,
            force_terminal=True,
            color_system="truecolor",
            no_color=False,
            highlight=False,
        )
    return Console(width=columns, height=lines, highlight=False)


def _glyphs(console: Console) -> Glyphs:
    from enforcer.workbench.dashboard.rows import Glyphs

    return Glyphs() if console.encoding.startswith("utf") else Glyphs.plain()


def _draw(model: Model, columns: int, lines: int, glyphs: Glyphs) -> Frame:
    from enforcer.workbench.dashboard.frames import draw

    return draw(model, columns, lines, glyphs, time.monotonic())


# ---- Live -----------------------------------------------------------------------------------------


def _live(socket: Path) -> None:
    from enforcer.cli.screen import Screen
    from enforcer.runtime.control.protocol import Client, NoDaemonError
    from enforcer.runtime.reactor import Reactor
    from enforcer.workbench.dashboard.keys import Keyboard
    from enforcer.workbench.dashboard.painter import Painter

    # A daemon that is not there yet is waited for; that we may not ask it is said at once.
    with contextlib.suppress(NoDaemonError):
        Client.connect(socket).close()
    reactor = Reactor()
    is_dumb = os.environ.get("TERM", "dumb") in {"dumb", "unknown"}
    screen = Screen(sys.stdin.fileno(), sys.stdout.fileno(), reactor, is_dumb)
    painter = Painter(_console(*screen.size()), can_move=not is_dumb)
    dashboard = _Dashboard(reactor, screen, painter, Keyboard(), _model(), socket)
    try:
        dashboard.run()
    finally:
        reactor.close()


@attrs.define(eq=False)
class _Dashboard:
    """One dashboard on a terminal; also does what its keys ask for."""

    reactor: Reactor
    screen: Screen
    painter: Painter
    keyboard: Keyboard
    model: Model
    socket: Path
    _feed: Feed = attrs.field(init=False)
    _board: Board = attrs.field(init=False)
    _glyphs: Glyphs = attrs.field(init=False)
    _explainer: Explainer = attrs.field(init=False)
    _drawn: float = 0.0

    def __attrs_post_init__(self) -> None:
        from enforcer.cli.explaining import Explainer
        from enforcer.runtime.control.dashboard_client import Feed
        from enforcer.workbench.dashboard.board import Board

        self._explainer = Explainer(self.reactor)
        self._feed = Feed(self.socket, self.reactor, self._opened, self._beat, self._gone)
        self._board = Board(self.model, self)
        self._glyphs = _glyphs(self.painter.console)

    def run(self) -> None:
        """Show until told to leave."""
        calls: dict[int, Callable[[], None]] = {
            signal.SIGINT: self.leave,
            signal.SIGTERM: self.leave,
            signal.SIGHUP: self.leave,
            signal.SIGTSTP: self._suspend,
            signal.SIGWINCH: self.redraw,
        }
        try:
            with self.screen, self.reactor.signals(calls):
                self.reactor.watch(self.screen.fd_in, selectors.EVENT_READ, self._read)
                self._feed.start()
                self._draw()
                self.reactor.every(_SECOND, self._tick)
                self.reactor.run()
        except OSError:
            if os.isatty(self.screen.fd_out):
                raise
            # The terminal has gone, and whoever looked at it: that is an end, too.
        finally:
            self._feed.close()

    # ---- Errands of the keys ---------------------------------------------------------------------

    def leave(self) -> None:
        """End the dashboard."""
        self.reactor.stop()

    def redraw(self) -> None:
        """Redraw everything in the present size of the terminal."""
        self.painter.console = _console(*self.screen.size())
        self.screen.write(self.painter.forget())
        self._draw()

    def look_up(self, event: BriefDocument) -> None:
        """Ask the daemon for the whole record and for its policies, and explain the one by the other."""
        from enforcer.runtime.control.protocol import RECORD, SOURCES
        from enforcer.workbench.dashboard.detail import lines_of, lines_of_brief

        def show(lines: Iterable[tuple[str, str]], *, is_all: bool = True) -> None:
            self._show_detail(event, lines, is_all=is_all)

        def found(answer: RecordAnswer | Refusal) -> None:
            if "error" in answer:
                show([(str(answer["error"]), "bad"), ("", ""), *lines_of_brief(event)])
                return
            record = answer["record"]
            show(lines_of(record, [("", ""), ("  explaining it", "dim")]), is_all=False)
            self._feed.ask(SOURCES, lambda sources: policies(record, sources))

        def policies(record: MatchDocument, answer: SourcesAnswer | Refusal) -> None:
            def explained(lines: list[tuple[str, str]]) -> None:
                show(lines_of(record, [("", ""), *lines]))

            if "error" in answer:
                explained([(f"no explanation: {answer['error']}", "bad")])
            else:
                self._explainer.explain(record, answer["sources"], explained)

        self._feed.ask(RECORD, found, id=event["id"])

    def look_up_policy(self, name: str) -> None:
        """Ask the daemon for the rules of policy *name*."""
        from enforcer.runtime.control.protocol import POLICY_SHOW
        from enforcer.workbench.dashboard.detail import lines_of_policy

        def answered(answer: PolicyAnswer | Refusal) -> None:
            if "error" in answer:
                self._show_detail(name, [(str(answer["error"]), "bad")])
            else:
                self._show_detail(name, lines_of_policy(answer["policy"]))

        self._feed.ask(POLICY_SHOW, answered, name=name)

    def _show_detail(
        self, of: BriefDocument | str, lines: Iterable[tuple[str, str]], *, is_all: bool = True
    ) -> None:
        detail = self.model.detail
        if detail is not None and detail.of is of:  # else another one is looked at by now
            detail.lines, detail.is_waiting = list(lines), not is_all
            self._draw()

    def set_mode(self, policy: str, mode: str) -> None:
        """Ask the daemon for the change."""
        from enforcer.runtime.control.protocol import POLICY_SET_MODE

        def answered(answer: ChangeAnswer | Refusal) -> None:
            if "error" in answer:
                self.model.say(str(answer["error"]), badly=True)
            else:
                self.model.say(f"policy {policy}: mode {mode}, generation {answer['generation']}")
            self._draw()

        self._feed.ask(POLICY_SET_MODE, answered, name=policy, mode=mode)

    # ---- What comes ------------------------------------------------------------------------------

    def _read(self, _: int) -> None:
        data = os.read(self.screen.fd_in, 4096)
        if not data:
            self.leave()
        for key in self.keyboard.keys(data):
            self._board.press(key)
        if self.keyboard.is_waiting:
            self.reactor.after(_ESCAPE, self._settle)
        self._draw()

    def _settle(self) -> None:
        for key in self.keyboard.settle():
            self._board.press(key)
            self._draw()

    def _opened(self, answer: Opening) -> None:
        self.model.open(answer, time.monotonic())

    def _beat(self, beat: Beat) -> None:
        try:
            self.model.beat(beat, time.monotonic())
        except (KeyError, TypeError, ValueError) as error:
            self.model.lose(f"the daemon uses another protocol: {error!r}", time.monotonic())
        self._draw_by_itself()

    def _gone(self, why: str) -> None:
        self.model.lose(why, time.monotonic())
        self._draw_by_itself()

    def _tick(self) -> None:
        """While the daemon says nothing, at least the time goes on."""
        from enforcer.workbench.dashboard.model import Link

        now = time.monotonic()
        if self.model.link is not Link.LIVE or self.model.silence(now):
            self._draw_by_itself()

    def _suspend(self) -> None:
        self.screen.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.screen.enter()
        self.redraw()

    # ---- Drawing -----------------------------------------------------------------------------------

    def _draw_by_itself(self) -> None:
        if not self.screen.is_dumb or time.monotonic() >= self._drawn + _DUMB_EVERY:
            self._draw()

    def _draw(self) -> None:
        if self.screen.is_busy:
            return  # a slow terminal gets the next frame when it has taken this one
        columns, lines = self.screen.size()
        self._drawn = time.monotonic()
        self.screen.write(self.painter.paint(_draw(self.model, columns, lines, self._glyphs)))
