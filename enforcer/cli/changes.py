# SPDX-License-Identifier: MIT
"""Ask the daemon for a change of the active policies, and show what it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.amounts import plural
from enforcer.cli.formats import JSON, print_document
from enforcer.cli.messages import tell_warnings
from enforcer.cli.passphrase import Passphrase, ask_with_key
from enforcer.runtime.control.protocol import Client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enforcer.runtime.control.answers import ChangeAnswer, Confirmation
    from enforcer.runtime.control.protocol import AnswerT, Word

__all__ = ["ask", "print_answer", "show_change", "stays"]

_PATIENCE = 300.0  # seconds: large sets are compiled while we wait, on a machine that may be busy


def ask(
    socket: Path, command: Word[AnswerT], key_fd: int | None = None, **fields: object
) -> AnswerT:
    """
    Ask for *command* and return the answer; *key_fd* is where a passphrase is read, if one is needed.

    Raises:
        PolicyErrors: policies are wrong, with every place; the previous policies stay active.
        ControlError: the daemon cannot do it, or is not there.
    """
    with Client.connect(socket, timeout=_PATIENCE) as client:
        return ask_with_key(client, Passphrase(key_fd), command, **fields)


def print_answer(answer: Mapping[str, object]) -> None:
    """Print *answer* as one JSON object."""
    said = {key: value for key, value in answer.items() if key != "ok"}
    print_document({"version": 1, **said})


def show_change(form: str, answer: ChangeAnswer) -> None:
    """Print what a change did in *form*; as text, warnings go to standard error."""
    from enforcer.safe_text import neutral

    if form == JSON:
        print_answer(answer)
        return
    for line in answer.get("lines", ()):
        print(neutral(line))
    tell_warnings(map(neutral, answer.get("warnings", ())), of_daemon=True)
    print(f"enforcer: {_summary(answer)}")
    if within := answer.get("confirmWithin"):
        print(f"enforcer: active for {within:g} s{_unless(answer)}")


def _unless(answer: ChangeAnswer) -> str:
    """Say how the change is confirmed, if it can be."""
    how = posture["confirm"] if (posture := answer.get("posture")) else "enforcer confirm"
    return f" unless confirmed: {how}" if how is not None else ", and nothing can confirm it"


def stays(answer: ChangeAnswer | Confirmation) -> str:
    """Say which generation stays active, and what it enforces."""
    posture = answer.get("posture")
    what = f": {posture['sentence']}" if posture is not None else ""
    return f"generation {answer['generation']} stays active{what}"


def _summary(answer: ChangeAnswer) -> str:
    if answer.get("unchanged"):
        return f"nothing differs, {stays(answer)}"
    said = [f"generation {answer['generation']} active"]
    if posture := answer.get("posture"):
        said[0] += f": {posture['sentence']}"
    elif "rules" in answer:
        said.append(plural(answer["rules"], "rule"))
    if seconds := answer.get("seconds"):
        said.append(f"compiled in {seconds['compile']:.2f} s")
        said.append(f"swapped in {seconds['swap'] * 1000:.1f} ms")
    if answer.get("successor"):
        said.append("in a new session")
    return ", ".join(said)
