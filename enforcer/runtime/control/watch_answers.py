# SPDX-License-Identifier: MIT
"""What dashboards get after ``watch``, for type checkers only."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from enforcer.events.document_types import BriefDocument
from enforcer.runtime.control.answers import Health, PoliciesState

__all__ = ["Beat", "BeatHealth", "BeatPolicies", "HealthKeys", "Opening", "Sums"]


class Opening(TypedDict):
    """The answer to ``watch``: what was before; an item of *history* is a time and totals by outcome."""

    at: float
    history: list[list[Any]]
    newest: list[BriefDocument]


class Sums(TypedDict):
    """What is new since the last beat; items of lists are a name and a number, of *notices* a time and a text."""

    at: float
    totals: dict[str, int]
    newest: list[BriefDocument]
    rules: list[list[str | int]]
    binaries: list[list[str | int]]
    containers: list[list[str | int]]
    paths: list[list[str | int]]
    notices: list[list[float | str]]


class BeatPolicies(PoliciesState, total=False):
    """What a beat says of policies: *policies* are the first of *policyCount*."""

    policyCount: int  # noqa: N815 (a key of JSON)
    refusedCount: int  # noqa: N815 (a key of JSON)


class BeatHealth(Health, BeatPolicies):
    """``health`` of a beat."""


class HealthKeys(TypedDict, total=False):
    """The health, or why it cannot be told."""

    health: BeatHealth
    problem: str


class Beat(Sums, HealthKeys):
    """What comes after ``watch``, once a second."""

    kind: Literal["beat"]
    version: Literal[1]
