# SPDX-License-Identifier: MIT
"""
The rows of ``attempts``: what they ask of a call that the kernel itself refused.

The core is told of such a call which operations it would have been, as bits, and the error as a number.
"""

from __future__ import annotations

import attrs

from enforcer.policy.language.vocabulary import Dim, FieldSpec, Kind
from enforcer.policy.model.policy import Condition, Interval, Mask, Rule
from enforcer.policy.readers.attempts import attempted, left_out

__all__ = ["asking"]

_OPERATIONS = FieldSpec("operations", Kind.FLAGS, "What the call would have been.", Dim.BITS)
_ERROR = FieldSpec("error", Kind.NUMBER, "The error that the kernel gave.", Dim.N0)


def asking(rule: Rule) -> Rule:
    """Return *rule* with the conditions that it has on attempts."""
    bits = sum(1 << op for op in attempted(rule))
    more = [Condition(_OPERATIONS, (Mask(bits),))]
    asked = rule.attempts.errors if rule.attempts is not None else ()
    if numbers := asked or left_out(rule):
        errors = tuple(Interval(number, number) for number in numbers)
        more.append(Condition(_ERROR, errors, negate=not asked))
    return attrs.evolve(rule, conditions=(*rule.conditions, *more))
