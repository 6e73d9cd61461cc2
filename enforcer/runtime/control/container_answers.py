# SPDX-License-Identifier: MIT
"""What the daemon says of containers that were announced before their first program, for type checkers."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict, final

__all__ = ["ContainerOutcome", "MetAnswer", "MetContainers"]

ContainerOutcome = Literal["known", "unasked", "unknown"]
"""
What is said of such a container: the kernel knows it; no active policy asks for containers; no file
describes it, so conditions on it stay unknown.
"""


@final
class MetAnswer(TypedDict):
    """The answer to ``container-begins``; *missing*: the fields of policies that stay unknown all the same."""

    outcome: ContainerOutcome
    missing: list[str]


class MetContainers(TypedDict):
    """``metContainers``: containers that a hook of their runtime announced before their first program."""

    known: Annotated[int, "Those that the kernel knew before their first program."]
    unasked: Annotated[int, "Those that no active policy asked for."]
    unknown: Annotated[int, "Those that no file of the host describes."]
    refused: Annotated[int, "Announcements that were not believed or came to nothing."]
    late: Annotated[int, "Answers after the hook had stopped waiting."]
    slowestSeconds: Annotated[float, "The longest time from the begin of a hook to its answer."]
