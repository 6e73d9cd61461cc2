# SPDX-License-Identifier: MIT
"""The parts of a rule, each with what it asks for, what it found, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import guards
from enforcer.compiler.implied import is_on_code
from enforcer.compiler.patterns import Exact
from enforcer.events.folded import Folded
from enforcer.policy.language.subject_parts import SUBJECT_PARTS, Whose
from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op, SubjectFlag
from enforcer.policy.model.policy import Subject, Verb
from enforcer.policy.model.workloads import by_root, named_inside, seen_inside
from enforcer.policy.readers.syscalls import NAMED
from enforcer.workbench.explain.logic import Gap, Truth, every, negated, of_views, some, truth
from enforcer.workbench.explain.names import Name
from enforcer.workbench.explain.numbers import accepts_any
from enforcer.workbench.explain.part import GAPS, Part, as_one, nearest, together
from enforcer.workbench.explain.processes import of_code, of_gap, of_workload
from enforcer.workbench.explain.texts import accepts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enforcer.compiler.atoms import Atoms
    from enforcer.compiler.patterns import Form
    from enforcer.policy.model.points import Operand as OperandAtPoint
    from enforcer.policy.model.policy import Condition, Flag, Policy, Process, Rule, Value, Within
    from enforcer.workbench.explain.access import Facts, Operand, ProcessFacts

__all__ = ["NO_NAME", "Part", "Parts"]

NO_NAME = b""
"""The path of what the host does not show: no path is empty, and no pattern is met by it."""


_OF_NODES = frozenset((Op.READ, Op.WRITE, Op.APPEND, Op.MMAP_EXEC, Op.FD_READ, Op.FD_WRITE))
"""What is decided by the device that a node leads to, as the kernel side does it."""


@attrs.frozen
class Parts:
    """
    Asks rules about one access.

    *is_bare*: names that the host does not show are none, and others are as they are spelled. What is another name of a
    file is none of its names: by its number, it could be another file by now.
    """

    facts: Facts
    atoms: Atoms
    is_bare: bool = False

    # ---- Rules -------------------------------------------------------------------------------

    def of_rule(self, policy: Policy, rule: Rule, *, favours: bool) -> list[Part]:
        """Return the parts of *rule*, which holds if all of them do; *favours*: the rule is in favour of the subject."""
        named = named_inside(policy, rule)
        return [
            *self._in_views(lambda view: view._objects(named), favours=favours),  # noqa: SLF001 — another of these
            *self._subject(policy, rule, favours=favours),
            *(self._within(policy, asked) for asked in rule.within),
        ]

    def of_guard(self, policy: Policy, rule: Rule, *, is_linked: bool, favours: bool) -> list[Part]:
        """Return the parts of what keeps the names of *rule* in place; *is_linked*: of linked files."""
        is_strict = rule.action.verb >= Verb.DENY
        kept = named_inside(policy, rule) if is_strict else by_root(policy, rule)
        names = self._in_views(
            lambda view: list(view._names(kept, is_linked=is_linked)),  # noqa: SLF001 — another of these
            favours=favours,
        )
        return [*names, *self._subject(policy, rule, favours=favours)]

    def _in_views(self, parts: Callable[[Parts], list[Part]], *, favours: bool) -> list[Part]:
        """Return the parts by the view of the object that counts."""
        claimed = parts(self)
        flags, inode = self.facts.flags, self.facts.inode
        is_claimed = self._is_off_host or Folded.of_object(flags) or inode is not None
        if not is_claimed:
            return claimed
        bare = parts(attrs.evolve(self, is_bare=True))
        so, else_so = every(p.holds for p in claimed), every(p.holds for p in bare)
        return claimed if of_views(so, else_so, favours=favours) is so else bare

    def _objects(self, rule: Rule) -> list[Part]:
        return [
            *(self._flag(flag, self.facts.flags, flag.field.name) for flag in rule.flags),
            *(self._object(c) for c in rule.conditions if rule.point is None or c.field != NAMED),
        ]

    def of_default(self, policy: Policy) -> list[Part]:
        """Return the parts of a default: only to whom the policy applies."""
        selector, _ = seen_inside(policy)
        return together(self._process("selector", selector))

    # ---- The object --------------------------------------------------------------------------

    def _flag(self, flag: Flag, known: int | Gap, where: str) -> Part:
        mask = flag.field.flag or 0
        if isinstance(known, Gap):
            return Part(where, flag, known, of_gap(known), span=flag.span)
        is_so = bool(known & mask)
        return Part(where, flag, int(is_so), truth(is_so == flag.wanted), span=flag.span)

    def _object(self, condition: Condition) -> Part:
        if condition.operand is not None:
            return self._at_point(condition, condition.operand)
        if condition.field.dim == Dim.ARG_ANY:
            return self._arguments(condition)
        where = condition.field.name
        if condition.index is not None:
            where = f"{where}[{condition.index}]"
        operand = self.facts.operand(condition)
        if condition.field.dim == Dim.PATH and isinstance(operand, bytes):
            return self._named(where, condition, self._name(operand))
        if self._is_nameless and condition.field.dim == Dim.PATH and operand is not None:
            operand = NO_NAME
        return self._compared(where, condition, operand)

    @property
    def _is_off_host(self) -> bool:
        return bool(self.facts.flags & ObjectFlag.OFFHOST)

    @property
    def _is_nameless(self) -> bool:
        return self.is_bare and self._is_off_host

    def _name(self, path: bytes) -> Name:
        """Return the path of the object as it is looked at."""
        if self._is_nameless:
            return Name(NO_NAME)
        flags = self.facts.flags
        is_cut = bool(flags & ObjectFlag.CUT)
        return Name(path, is_cut, Folded.of_object(flags), self.is_bare)

    def _at_point(self, condition: Condition, operand: OperandAtPoint) -> Part:
        where = f"{operand}.{condition.field.name}" if operand.type.is_socket else str(operand)
        part = self._compared(where, condition, self.facts.operand(condition))
        passing = self.facts.passing
        if part.holds is Truth.TRUE and passing is not None and passing.may_be_absent(operand):
            return attrs.evolve(part, holds=Truth.UNRECORDED)
        return part

    def _compared(self, where: str, condition: Condition, operand: Operand | None) -> Part:
        if operand is None:
            return Part(where, condition, None, Truth.FALSE, span=condition.span)
        if isinstance(operand, Gap):
            return Part(where, condition, operand, of_gap(operand), span=condition.span)
        value = self._met(condition, operand)
        holds = truth((value is not None) != condition.negate)
        return Part(where, condition, operand, holds, value, span=condition.span)

    def _named(self, where: str, condition: Condition, name: Name) -> Part:
        """Compare the name of a file."""
        found = {
            value: name.meets(forms, is_same=self._is_same(condition, forms, name.text))
            for value, forms in self.atoms.spelled(condition).items()
            if name.text != NO_NAME
        }
        met = next((value for value, one in found.items() if one is Truth.TRUE), None)
        holds = some(found.values())
        holds = negated(holds) if condition.negate else holds
        return Part(where, condition, name.text, holds, met, span=condition.span)

    def _arguments(self, condition: Condition) -> Part:
        facts, index = self.facts, condition.index
        if Op.EXEC_LOADED in facts.ops and facts.argc is None:  # behind those of the loader
            return self._compared(_argument(index), condition, Gap.UNKNOWN)
        if facts.argc is None or (index is not None and index >= facts.argc):
            return self._compared(_argument(index), condition, None)
        if index is not None:
            known = index < len(facts.args)
            return self._compared(
                _argument(index), condition, facts.args[index] if known else Gap.UNKNOWN
            )
        met = [self._met(condition, arg) for arg in facts.args]
        found = [truth(value is not None) for value in met]
        if len(facts.args) < facts.argc:
            found.append(Truth.UNKNOWN)
        holds = negated(some(found)) if condition.negate else some(found)
        value = next((each for each in met if each is not None), None)
        return Part(_argument(None), condition, facts.args, holds, value, span=condition.span)

    def _met(self, condition: Condition, operand: bytes | int) -> Value | None:
        """Return the first value of *condition* that accepts *operand*."""
        if isinstance(operand, int):
            counted = condition.field.counted(operand)
            return next((v for v in condition.values if accepts_any(v, counted)), None)
        if operand == NO_NAME and condition.field.dim in {Dim.PATH, Dim.EXE}:
            return None
        for text, forms in self.atoms.spelled(condition).items():
            if any(accepts(form, operand) for form in forms):
                return text
        return None

    def _is_same(self, condition: Condition, forms: Iterable[Form], path: bytes) -> bool:
        """Tell whether one of *forms* names the object by another name, or its device by another node."""
        if condition.field.dim != Dim.PATH:
            return False
        host, inode = self.atoms.names.host, self.facts.inode
        named = [form.value for form in forms if isinstance(form, Exact)]
        is_known = inode is not None and not self.is_bare
        if is_known and any(host.hard_linked(name) == inode for name in named):
            return True
        node = host.node(path) if named and self.facts.ops & _OF_NODES else None
        return node is not None and any(host.node(name) == node for name in named)

    # ---- Marks -------------------------------------------------------------------------------

    def _within(self, policy: Policy, asked: Within) -> Part:
        word = "notWithin" if asked.negate else "within"
        name = f"{asked.policy or policy.name}/{asked.mark}"
        where = f"{word} {name}"
        if name not in self.facts.marks:
            return Part(where, asked, Gap.UNRECORDED, Truth.UNRECORDED, span=asked.span)
        ago = self.facts.marks[name]
        holds = truth((ago is not None and ago <= asked.last_ns) != asked.negate)
        return Part(where, asked, ago, holds, span=asked.span)

    # ---- Names that are kept -----------------------------------------------------------------

    def _names(self, rule: Rule, *, is_linked: bool) -> Iterator[Part]:
        paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
        if not paths:
            return
        operand = self.facts.operands.get(Dim.PATH)
        asks_above = rule.action.verb >= Verb.DENY and not is_linked
        above = list(self._directories(paths)) if asks_above else []
        is_code = is_on_code(rule)
        own = [(c.negate, self._kept(c, is_code=is_code, is_linked=is_linked)) for c in paths]
        is_itself_kept = all(kept for _, kept in own)
        if isinstance(operand, bytes):
            name = self._name(operand)
            operand = name.text
            kept_by = [(no, _of_name(name, kept)) for no, kept in own]
            over = _of_name(name, above)
            turned = [negated(one) if no else one for no, one in kept_by]
            holds = some((over, every(turned))) if is_itself_kept else over
        elif isinstance(operand, Gap) and (above or is_itself_kept):
            if self._is_nameless:
                operand = NO_NAME
                holds = truth(is_itself_kept and all(no for no, _ in own))
            else:
                holds = of_gap(operand)
        else:
            holds = Truth.FALSE
        yield Part("path", None, operand, holds, span=paths[0].span)

    def _directories(self, paths: list[Condition]) -> Iterator[Form]:
        """Yield the directories that names of *paths* lie in."""
        for condition in paths:
            if not condition.negate:
                for forms in self.atoms.spelled(condition).values():
                    for form in forms:
                        yield from self.atoms.linked.directories(form)

    def _kept(self, condition: Condition, *, is_code: bool, is_linked: bool) -> list[Form]:
        """Return what of *condition* names files that must keep their own names."""
        spelled = self.atoms.spelled(condition)
        if condition.negate:
            return [form for forms in spelled.values() for form in forms]
        others = self.atoms.has_other_names
        return [
            kept
            for text, forms in spelled.items()
            for form in forms
            for kept in guards.itself(form, text.kind, is_code=is_code)
            if not is_linked or others(kept)
        ]

    # ---- Who acts ----------------------------------------------------------------------------

    def _subject(self, policy: Policy, rule: Rule, *, favours: bool) -> list[Part]:
        """Return the parts about who acts; what is asked of a lineage is asked of it part by part."""
        selector, subject = seen_inside(policy, rule)
        own = list(self._process("selector", selector))
        of_lineage = SUBJECT_PARTS["lineage"].whose if subject.lineage else (Whose.PROCESS,)
        ways = [together([*own, *self._acts(subject, way)]) for way in of_lineage]
        return nearest(ways, favours=favours)

    def _acts(self, subject: Subject, way: Whose) -> Iterator[Part]:
        """Yield the parts of *subject*; *way*: whom of several a description is to fit."""
        for word, part in SUBJECT_PARTS.items():
            wanted: Process = getattr(subject, part.attribute)
            is_choice = len(part.whose) > 1 and not part.negate
            for whose in (way,) if is_choice else part.whose:
                if whose is Whose.PROCESS:
                    yield from self._process(word, wanted, turned=part.negate)
                else:
                    is_parent = whose is Whose.PARENT
                    whom = self.facts.parents if is_parent else self.facts.ancestors
                    yield from self._above(word, wanted, whom, turned=part.negate)

    def _process(self, word: str, wanted: Process, *, turned: bool = False) -> Iterator[Part]:
        if not wanted:
            return
        parts = self._one(word, wanted, self.facts.process)
        if not turned:
            yield from parts
            return
        yield as_one(word, parts, negated(every(part.holds for part in parts)))

    def _above(
        self, word: str, wanted: Process, whom: tuple[ProcessFacts, ...], *, turned: bool
    ) -> Iterator[Part]:
        if not wanted:
            return
        each = [self._one(word, wanted, who) for who in whom]
        found = some(every(part.holds for part in parts) for parts in each)
        if found is Truth.FALSE and self.facts.lineage is not None:
            found = of_gap(self.facts.lineage)
        met = next((p for p in each if every(part.holds for part in p) is found), None)
        parts = met or (each[0] if each else [])
        yield as_one(word, parts, negated(found) if turned else found, is_turned=turned)

    def _one(self, word: str, wanted: Process, who: ProcessFacts) -> list[Part]:
        claimed = self._of(word, wanted, who)
        if isinstance(who.flags, Gap):
            return claimed
        none = who
        if who.flags & SubjectFlag.OFFHOST and who.exe is not None:
            none = attrs.evolve(none, exe=NO_NAME)
        if who.flags & SubjectFlag.USERNS:
            none = attrs.evolve(none, caps=0)
        if none is who and (who.exe is None or not Folded.of_process(who.flags)):
            return claimed
        bare = self._of(word, wanted, none, is_bare=True)
        so, else_so = every(p.holds for p in claimed), every(p.holds for p in bare)
        if so is else_so or so in GAPS:
            return claimed
        if else_so in GAPS:
            return bare
        return [
            attrs.evolve(part, holds=Truth.CLAIMED) if part.holds is not other.holds else part
            for part, other in zip(claimed, bare, strict=True)
        ]

    def _of(
        self, word: str, wanted: Process, who: ProcessFacts, *, is_bare: bool = False
    ) -> list[Part]:
        flags = who.flags
        if not isinstance(flags, Gap) and who.exe is Gap.UNKNOWN:
            flags |= SubjectFlag.EXE_UNKNOWN
        return [
            *(
                self._flag(flag, of_code(flag, flags), f"{word}.{flag.field.name}")
                for flag in wanted.flags
            ),
            *(
                of_workload(f"{word}.{c.field.name}", c, who)
                if c.field.dim == Dim.CONTAINER
                else self._of_process(f"{word}.{c.field.name}", c, who, is_bare=is_bare)
                for c in wanted.conditions
                if c.field.dim is not None
            ),
        ]

    def _of_process(
        self, where: str, condition: Condition, who: ProcessFacts, *, is_bare: bool
    ) -> Part:
        if condition.field.dim != Dim.EXE or not isinstance(who.exe, bytes):
            operand = None if condition.field.dim is None else who.operand(condition.field.dim)
            return self._compared(where, condition, operand)
        folded = None if isinstance(who.flags, Gap) else Folded.of_process(who.flags)
        return self._named(where, condition, Name(who.exe, folded=folded, is_bare=is_bare))


def _argument(index: int | None) -> str:
    return "args" if index is None else f"args[{index}]"


def _of_name(name: Name, forms: Iterable[Form]) -> Truth:
    """Tell whether *name* is one of *forms*; what is none is not a form."""
    return Truth.FALSE if name.text == NO_NAME else name.meets(forms)
