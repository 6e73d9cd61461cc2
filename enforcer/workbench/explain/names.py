# SPDX-License-Identifier: MIT
"""Whether patterns match the name of a file, by what is known of it and how it may be spelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.compiler.patterns import Below, Exact
from enforcer.compiler.spellings import forms_of, heads
from enforcer.workbench.explain.logic import Truth, some, truth
from enforcer.workbench.explain.texts import accepts, of_head

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.compiler.patterns import Form
    from enforcer.events.folded import Folded

__all__ = ["Name"]


@attrs.frozen
class Name:
    """
    A path, as far as it is known.

    Attributes:
        text: as it is spelled.
        is_cut: it goes on behind the text.
        folded: directories on the way find a name by several spellings.
        is_bare: what only another spelling or another name meets does not count.
    """

    text: bytes
    is_cut: bool = False
    folded: Folded | None = None
    is_bare: bool = False

    def meets(self, forms: Iterable[Form], *, is_same: bool = False) -> Truth:
        """Tell whether it is one of *forms*; *is_same*: it leads to what one of them is the name of."""
        forms = list(forms)
        found = Truth.TRUE if is_same else some(self._by_bytes(form) for form in forms)
        if self.folded is None:
            return found
        if self.is_bare:
            return truth(found is Truth.TRUE)
        return some((found, *self._by_spellings(forms, self.folded)))

    def _by_bytes(self, form: Form) -> Truth:
        return of_head(form, self.text) if self.is_cut else truth(accepts(form, self.text))

    def _by_spellings(self, forms: Iterable[Form], folded: Folded) -> Iterable[Truth]:
        head, goes_on = folded.head_of(self.text)
        for form in forms:
            for each in forms_of(form):
                if goes_on or self.is_cut:
                    yield _goes_on(each, head)
                else:
                    yield truth(accepts(each, head))


def _goes_on(form: Form, head: bytes) -> Truth:
    """Tell whether *form* accepts a path of which only the *head* is known, and that goes on; it may be longer."""
    found = of_head(form, head)
    if found is Truth.FALSE and isinstance(form, Exact | Below):
        return Truth.UNKNOWN if (head or b"/") in heads(form) else Truth.FALSE
    return found
