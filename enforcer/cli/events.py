# SPDX-License-Identifier: MIT
"""
Show records of the running daemon: the newest that it keeps, or with --follow those that come.

The daemon keeps the newest thousand denials and kills, and the newest thousand other records, since it
started. The logs have all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_socket, duration
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit, complain, discard
from enforcer.cli.formats import JSON, add_output
from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import EVENTS, RECENT, RECENT_MOST, Client

if TYPE_CHECKING:
    from enforcer.events.document_types import RecordDocument, SkippedDocument
    from enforcer.runtime.control.answers import RecentAnswer

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer events
  enforcer events --last 100 --policy 'web-*' --action deny --since 10m
  enforcer events --follow --unit nginx
  enforcer events --follow --json | jq 'select(.action == "kill")'
"""

_LAST = 20
_ACTIONS = ("allow", "log", "deny", "kill")
_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d)?")
_DAY = 86400
_HOW = "write 10m, 14:00 or '2026-01-31 14:00'"
_FILTERS = {
    "policy": "of this policy",
    "rule": "of this rule",
    "action": "with this verdict",
    "process": "of this process: its name, the path of its executable, or its number",
    "unit": "of processes of this systemd unit",
    "container": "of processes of this container: its name, or how its id begins",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--follow", "-f", action="store_true", help="print records as they come, until Ctrl-C"
    )
    parser.add_argument(
        "--last",
        "-n",
        metavar="N",
        type=_number,
        help=f"print the newest N that the daemon keeps, at most {RECENT_MOST} "
        f"(default: {_LAST}; with --since {RECENT_MOST}; with --follow none)",
    )
    parser.add_argument(
        "--since", metavar="TIME", type=_moment, help="only later ones: 10m ago, 14:00, 2026-01-31"
    )
    group = parser.add_argument_group(
        "filters", "All must hold. A name may have * and ?. Give an option again for one more name."
    )
    for name, meaning in _FILTERS.items():
        group.add_argument(
            f"--{name}",
            metavar=None if name == "action" else "NAME",
            action="append",
            type=_name,
            choices=_ACTIONS if name == "action" else None,
            help=f"only {meaning}",
        )
    add_color(add_output(parser, what="JSON, one object per line"))
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    """Show what is kept, then follow."""
    wanted = _wanted(args)
    with Client.connect(args.socket) as client:
        # Following begins first, so that nothing falls between; what comes twice is printed once.
        if args.follow:
            client.ask(EVENTS, filter=wanted)
        shown = _show_kept(args, wanted)
        if args.follow:
            _follow(args, client, shown)
    return Exit.OK


def _wanted(args: argparse.Namespace) -> dict[str, object] | None:
    """Say what is wanted as the daemon understands it; None: everything."""
    given = {name: getattr(args, name) for name in (*_FILTERS, "since")}
    return {name: value for name, value in given.items() if value is not None} or None


def _show_kept(args: argparse.Namespace, wanted: dict[str, object] | None) -> set[str]:
    """Print the newest of the records that the daemon keeps; return their ids."""
    last = args.last
    if last is None and args.since is not None:
        last = RECENT_MOST
    if last is None and not args.follow:
        last = _LAST
    if last is None:
        return set()
    with Client.connect(args.socket) as client:
        answer = client.ask(RECENT, last=last, filter=wanted)
    for record in answer["records"]:
        _print(args, record)
    if not args.follow:
        complain(_limit(answer))
    return {record["id"] for record in answer["records"] if record["kind"] == "match"}


def _follow(args: argparse.Namespace, client: Client, shown: set[str]) -> None:
    """
    Print records as they come, until Ctrl-C or until the reader of the output has gone.

    Raises:
        ControlError: the daemon ended it. A script that waits for a record must not take this for success.
    """
    try:
        for message in client.follow(reader=1):
            if message["kind"] != "match" or message["id"] not in shown:
                _print(args, message)
    except KeyboardInterrupt:
        pass  # how following is meant to end
    except BrokenPipeError:
        discard(1)  # so is `| head`
    else:
        raise ControlError(
            "no more records come: the daemon has closed the connection, as it does when it stops "
            "or restarts; enforcer status says whether it runs"
        )


def _print(args: argparse.Namespace, record: RecordDocument | SkippedDocument) -> None:
    from enforcer.sinks.terminal import terminal_line, wants_colour

    if args.form == JSON:
        print(json.dumps(record), flush=True)
    else:
        print(terminal_line(record, colour=wants_colour(1, os.environ)), flush=True)


def _limit(answer: RecentAnswer) -> str:
    """Say how many there are, and how far back the daemon remembers."""
    strict, other = (_clock(answer["since"]["strict"]), _clock(answer["since"]["other"]))
    since = f"everything since {strict}"
    if strict != other:
        since = f"denials and kills since {strict}, everything else since {other}"
    shown, found = len(answer["records"]), answer["found"]
    what = f"the newest {shown:,} of {found:,}" if found else "no such record"
    return f"{what}; the daemon keeps {since}; logs have all"


def _clock(time: str) -> str:
    from datetime import datetime

    moment = datetime.fromisoformat(time).astimezone()
    is_today = moment.date() == datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if is_today else f"{moment:%Y-%m-%d %H:%M:%S}"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= RECENT_MOST):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of records: write 1 to {RECENT_MOST}"
        )
    return int(text)


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the name is empty: name one")
    return text


def _moment(text: str) -> float:
    """Read ``10m`` (ago), a time of the last 24 hours, or a date, in local time; in seconds."""
    import time
    from datetime import datetime

    if _CLOCK.fullmatch(text):
        clock = text.rjust(len("00:00:00") if text.count(":") > 1 else len("00:00"), "0")
        moment = _moment_of(f"{datetime.now().astimezone():%Y-%m-%d} {clock}", text)
        return moment if moment <= time.time() else moment - _DAY
    try:
        return time.time() - duration(text)
    except argparse.ArgumentTypeError:
        moment = _moment_of(text, text)
    if moment > time.time():
        raise argparse.ArgumentTypeError(f"{text!r} is still to come: {_HOW}")
    return moment


def _moment_of(text: str, given: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is not a time: {_HOW}") from None
