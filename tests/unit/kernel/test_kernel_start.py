# SPDX-License-Identifier: MIT
"""Links, labels, the table of programs and the sentences about kernels that cannot; no kernel."""

import errno

import attrs
import header
import pytest

from enforcer.errors import EnforcerBug, KernelError, UnsupportedError, VerifierError
from enforcer.kernel import host, loader, needs, pin_store, programs
from enforcer.kernel.image_map import PlainImage
from enforcer.kernel.labels import MAX_ROUNDS, label_tasks
from enforcer.kernel.links import LinkSet
from enforcer.kernel.pins import PinDirectory
from enforcer.kernel.session import Session
from enforcer.libbpf import abi


@attrs.define
class FakeProgram:
    """Attaches, and writes down what happens."""

    name: str
    journal: list
    refuse: str = ""

    def attach(self):
        if "attach" in self.refuse:
            raise KernelError(f"cannot attach {self.name}", errno.EPERM)
        self.journal.append(f"+{self.name}")
        return self

    def close(self):
        self.journal.append(f"-{self.name}")
        if "close" in self.refuse:
            raise KernelError(f"cannot detach {self.name}", errno.EBUSY)


@attrs.define
class FakeIterator:
    """Prints one answer after the other, the last for ever."""

    answers: list
    runs: int = 0

    def read_iterator(self):
        answer = self.answers[min(self.runs, len(self.answers) - 1)]
        self.runs += 1
        return answer


# ---- Links ----


def test_links_are_detached_in_the_opposite_order():
    """What was attached last goes first."""
    journal = []
    links = LinkSet()
    links.attach(FakeProgram(name, journal) for name in "abc")

    links.close()

    assert ["+a", "+b", "+c", "-c", "-b", "-a"] == journal


def test_closing_links_twice_detaches_once():
    """close() is idempotent."""
    journal = []
    links = LinkSet()
    links.attach([FakeProgram("a", journal)])

    links.close()
    links.close()

    assert ["+a", "-a"] == journal


def test_a_refused_program_leaves_none_of_its_call():
    """Attaching is all or nothing; what an earlier call attached stays."""
    journal = []
    links = LinkSet()
    links.attach([FakeProgram("first", journal)])
    batch = [
        FakeProgram("a", journal),
        FakeProgram("b", journal),
        FakeProgram("c", journal, "attach"),
    ]

    with pytest.raises(KernelError, match="attach c"):
        links.attach(batch)

    assert ["+first", "+a", "+b", "-b", "-a"] == journal
    assert 1 == len(links)


def test_a_link_that_will_not_go_does_not_keep_the_others():
    """The first refusal is raised after all were tried."""
    journal = []
    links = LinkSet()
    links.attach([FakeProgram("a", journal), FakeProgram("b", journal, "close")])

    with pytest.raises(KernelError, match="detach b"):
        links.close()

    assert ["-b", "-a"] == journal[2:]


# ---- Labels ----


def test_labels_run_until_nothing_changes():
    """A child may be met before its parent, so one round is not enough."""
    iterator = FakeIterator([b"5\n", b"2\n", b"0\n"])

    assert 3 == label_tasks(iterator)
    assert 3 == iterator.runs


def test_labels_that_never_settle_are_an_error():
    """Enforcement never starts on labels that are not whole."""
    iterator = FakeIterator([b"1\n"])

    with pytest.raises(KernelError, match="did not settle"):
        label_tasks(iterator)

    assert MAX_ROUNDS == iterator.runs


@pytest.mark.parametrize("printed", [b"", b"many\n"])
def test_an_iterator_that_prints_no_count_is_an_error(printed):
    """Silence is not zero."""
    with pytest.raises(KernelError, match="instead of a count"):
        label_tasks(FakeIterator([printed]))


# ---- The table ----


def test_table_and_object_have_the_same_programs():
    """A program that is in one of them only would never be active."""
    with loader.open_object(loader.ENGINE) as engine:
        built = {
            name: program.section
            for name, program in engine.programs.items()
            if program.section.startswith("lsm") and not name.startswith(programs.AT_POINT)
        }

        assert programs.LABEL_TASKS in engine.programs
    assert {p.name for p in programs.PROGRAMS} == built.keys()
    assert {p.name: p.hook for p in programs.PROGRAMS} == {
        name: section.partition("/")[2] for name, section in built.items()
    }


def test_every_operation_is_decided_by_a_program():
    """No operation of the language is without a hook."""
    served = programs.CALLS | programs.POINTS | programs.ATTEMPTS
    for spec in programs.HOOKS:
        served |= spec.ops

    assert set(abi.OPS) == set(programs.names(served))


def test_identity_is_always_needed_and_first():
    """Labels are kept even by an image without rows."""
    assert programs.IDENTITY == programs.needed(0)
    assert (*programs.IDENTITY, *programs.NAMES) == programs.needed(programs.mask("MKDIR"))[:-2]


def test_what_looks_at_code_is_attached_with_identity_where_some_policy_asks():
    """Before the image that asks is committed: what it maps until then would go unseen."""
    found = programs.needed(programs.mask("MMAP_EXEC"), header.constant("ENF_SF_TRUSTED_CODE"))

    first = (*programs.IDENTITY, *programs.CODE, *programs.NAMES)
    assert first == found[: len(first)]
    assert {programs.Role.IDENTITY} == {spec.role for spec in programs.CODE}
    assert not set(programs.CODE) & set(programs.needed((1 << 64) - 1))


def test_what_voids_is_attached_before_anything_is_remembered_of_files():
    """Every program that decides what is remembered has it, and no other asks for it."""
    for spec in programs.HOOKS:
        found = programs.needed(spec.ops)
        uses = bool(spec.ops & programs.NAMES[0].voids)

        assert uses == (programs.NAMES[0] in found), spec
        assert not uses or found.index(programs.NAMES[0]) < found.index(spec)
    assert {programs.Role.IDENTITY} == {spec.role for spec in programs.NAMES}


def test_argv_is_attached_after_identity():
    """Of two programs on one hook the later attached runs first, and argv must."""
    order = [spec.name for spec in programs.needed(programs.mask("EXEC_ARGV"))]

    assert order.index("enf_exec_argv") > order.index("enf_committed")


def test_unknown_operation_is_our_error():
    """A misspelt word in the table is found at import."""
    with pytest.raises(EnforcerBug, match="FLY"):
        programs.mask("MKDIR FLY")


# ---- Sentences ----


def test_missing_helper_means_an_old_kernel():
    """The verifier's words about an unknown helper become advice."""
    refusal = VerifierError(
        "cannot load", errno.EINVAL, "10: call unknown#181\ninvalid func unknown#181"
    )

    explained = loader.explain(refusal)

    assert isinstance(explained, UnsupportedError)
    assert "Linux 6.1 or later" in str(explained)


def test_missing_hook_means_an_old_kernel():
    """libbpf's words about a missing hook become advice."""
    refusal = KernelError("cannot load", errno.ESRCH)
    refusal.add_note("libbpf: failed to find kernel BTF type ID of 'bpf_lsm_path_chmod': -ESRCH")

    explained = loader.explain(refusal)

    assert isinstance(explained, UnsupportedError)
    assert "path_chmod" in str(explained)


@pytest.mark.parametrize(
    ("pinned", "reason"),
    [
        ([], "virtual machine"),
        (["1"], "virtual machine"),  # as the start that is refused has just made it
        (["1", "2"], "virtual machine"),
        (["1", "1/link-000-enf_exec"], "another enforcer daemon"),
        (["1", "2", "2/map-images"], "another enforcer daemon"),
    ],
)
def test_refusal_to_root_is_explained(tmp_path, monkeypatch, pinned, reason):
    """EPERM although root is not the user's mistake; only what is pinned can be another daemon's."""
    for name in pinned:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(pin_store.left, "__defaults__", (tmp_path,))

    explained = loader.explain(KernelError("cannot load", errno.EPERM))

    assert isinstance(explained, UnsupportedError)
    assert reason in str(explained)


def test_a_start_that_the_machine_refuses_leaves_no_directory(tmp_path, monkeypatch):
    """Nothing is loaded by then, and `enforcer stop` would take an empty directory for enforcement."""

    def refuse():
        raise UnsupportedError("this kernel cannot")

    monkeypatch.setattr(needs, "check_lsm", refuse)
    (tmp_path / "1").mkdir()

    with pytest.raises(UnsupportedError):
        Session.open(PlainImage(b""), pins=PinDirectory(tmp_path / "1"))

    assert [] == list(tmp_path.iterdir())


def test_an_empty_directory_is_removed_and_is_no_session(tmp_path, monkeypatch):
    """As an interrupted start leaves it: nothing is left active, and a forced stop clears it away."""
    monkeypatch.setattr(pin_store.bpffs, "require", lambda directory: None)
    (tmp_path / "pins/1").mkdir(parents=True)

    assert not pin_store.left(tmp_path / "pins")
    assert 0 == pin_store.clear(tmp_path / "pins")
    assert [] == list(tmp_path.iterdir())


def test_other_errors_stay_what_they_are():
    """An explanation is never guessed."""
    for error in (
        KernelError("cannot load", errno.ENOMEM),
        VerifierError("cannot load", errno.EACCES, "R1 invalid mem access 'scalar'"),
    ):
        assert error is loader.explain(error)


@pytest.mark.parametrize(
    ("mask", "enough"),
    [
        ("000001ffffffffff", True),
        ("0000000000200000", True),
        ("000000c000000000", True),
        ("0000008000000000", False),
        ("0000000000000000", False),
    ],
)
def test_privileges_are_capabilities(tmp_path, monkeypatch, mask, enough):
    """Root in name is not asked for; what the kernel asks for is."""
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapEff:\t{mask}\n")
    monkeypatch.setattr(host, "_STATUS", status)

    if enough:
        host.require_privileges()
    else:
        with pytest.raises(UnsupportedError, match="sudo"):
            host.require_privileges()


def test_host_mount_namespace_is_a_number():
    """The host's mount namespace, or our own, is found on any machine with /proc."""
    assert host.host_mount_namespace() > 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n", True),
        ("0000000000000000 A fixed_percpu_data\n0000000000000000 T _text\n", False),
        ("", False),
        ("nonsense\n", False),
    ],
)
def test_symbols_are_shown_or_hidden_as_a_whole(tmp_path, text, shown):
    """The first ones may be zero by themselves."""
    file = tmp_path / "kallsyms"
    file.write_text(text)

    assert shown is host.shows_symbols(file)
    assert not host.shows_symbols(tmp_path / "missing")
