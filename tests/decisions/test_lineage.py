# SPDX-License-Identifier: MIT
"""What fork and exec do to the labels of a task, in the C that the kernel runs."""

from __future__ import annotations

import attrs
import pytest
from builds import GENERATION, decide_access, fill, identify, run_native
from reference.semantics import Access, Identity

from enforcer.compiler import BareHost, compile_policies
from enforcer.libbpf._ffi import ffi, lib
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.store import load_text

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  rules:
    - {name: parent, file: read, match: {path: /x, parent: {binary: /bin/nginx}}, action: deny}
    - {name: ancestor, file: read, match: {path: /x, ancestors: {binary: /bin/bash}}, action: deny}
"""
READ = Access((Op.READ,), {Dim.PATH: b"/x"})


@attrs.define
class Task:
    """A label with its image, living through forks and execs."""

    compiled: object
    given: object

    def evaluate(self) -> Task:
        fill(self.given, READ)
        self.given.reval = 1
        self.given.cgroup_len = 1
        self.given.cgroup[0] = b"/"
        run_native(self.compiled.image, self.given)
        return self

    @property
    def sets(self) -> tuple[list[int], ...]:
        """What it was found to be: the sets that decisions go by."""
        task = self.given.task
        return list(task.self), list(task.subject), list(task.subject_unknown), [task.ops]

    def fork(self, *, same_parent: bool = False) -> Task:
        return self.fork_as_is(same_parent=same_parent).evaluate()

    def fork_as_is(self, *, same_parent: bool = False) -> Task:
        """The child as it begins, before anything is computed for it."""
        child = ffi.new("struct enf_test_input *")
        image = self.compiled.image
        code = lib.enf_native_fork(
            image,
            len(image),
            ffi.addressof(child, "task"),
            ffi.addressof(self.given, "task"),
            same_parent,
        )
        assert code == 0
        return Task(self.compiled, child)

    def exec(self, binary: bytes) -> Task:
        image = self.compiled.image
        task = ffi.addressof(self.given, "task")
        assert lib.enf_native_exec(image, len(image), task, 0, 9) == 0
        identify(task, Identity(exe=binary))
        return self.evaluate()

    def rule(self) -> int | None:
        self.given.reval = 0
        return decide_access(run_native, self.compiled, self.given, READ).enforced.rule


@pytest.fixture
def init() -> Task:
    """The first process, which no rule is about."""
    return first(POLICY)


def first(policy: str) -> Task:
    policies = load_text(policy, "p.yaml")
    compiled = compile_policies(policies, host=BareHost(), generation=GENERATION)
    given = ffi.new("struct enf_test_input *")
    identify(given.task, Identity(exe=b"/sbin/init"))
    return Task(compiled, given).evaluate()


def test_a_child_has_its_creator_as_parent(init) -> None:
    """Whatever the child runs."""
    nginx = init.fork().exec(b"/bin/nginx")

    assert nginx.rule() is None
    assert 0 == nginx.fork().rule()
    assert 0 == nginx.fork().exec(b"/bin/env").rule()
    assert nginx.fork().exec(b"/bin/env").fork().rule() is None


def test_a_sibling_made_by_clone_parent_has_its_makers_parent(init) -> None:
    """CLONE_PARENT gives it the parent of its creator, but the creator stays an ancestor."""
    bash = init.fork().exec(b"/bin/nginx").fork().exec(b"/bin/bash")

    assert 0 == bash.fork(same_parent=True).rule()
    assert 1 == init.fork().exec(b"/bin/bash").fork(same_parent=True).rule()


def test_exec_without_fork_sheds_nothing(init) -> None:
    """What a process was before an exec is its ancestor, and of its children too."""
    shell = init.fork().exec(b"/bin/bash")

    assert shell.rule() is None
    shell.exec(b"/bin/env")
    assert 1 == shell.rule()
    assert 1 == shell.fork().fork().exec(b"/bin/true").rule()


def test_labels_of_another_image_are_not_handed_down(init) -> None:
    """Their numbers may mean something else: the parent is brought up to date first."""
    init.given.task.generation = GENERATION + 1

    with pytest.raises(AssertionError):
        init.fork()


def test_a_child_begins_with_its_parents_sets_where_lineage_does_not_matter() -> None:
    """They are what would be computed for it; computing them is spared."""
    init = first(POLICY.replace("parent:", "process:").replace("ancestors:", "notProcess:"))

    child = init.fork().exec(b"/bin/nginx").fork_as_is()

    assert GENERATION == child.given.task.generation
    found = child.sets
    assert any(found[1])
    assert child.evaluate().sets == found


def test_a_childs_sets_are_void_where_lineage_matters(init) -> None:
    child = init.fork().exec(b"/bin/nginx").fork_as_is()

    assert 0 == child.given.task.generation
    before = child.sets
    assert child.evaluate().sets != before
