# SPDX-License-Identifier: MIT
"""Images made in a process of their own."""

import os
import pickle
import select
import signal

import attrs
import pytest
from patience import scaled

from enforcer.compiler import LocalHost, verify
from enforcer.errors import (
    ControlError,
    EnforcerBug,
    EnforcerError,
    FileError,
    KernelError,
    PolicyError,
    PolicyErrors,
    VerifierError,
)
from enforcer.identity.container_links import Asked
from enforcer.libbpf.child import end_with
from enforcer.mountinfo import Mount
from enforcer.policy.lint.degradation import Gap
from enforcer.policy.writers.printer import print_policy
from enforcer.runtime.policies import compilation, compile_process
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import (
    Order,
    changed_apart,
    make,
    make_apart,
    print_apart,
)
from enforcer.runtime.policies.followed_links import Followed
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.span import Span

TEXT = (
    "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: NAME}\n"
    "spec: {rules: [{name: r, exec: {}, match: {path: /x}, action: deny}]}\n"
)


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "web.yaml").write_text(TEXT.replace("NAME", "web"))
    return Sources((tmp_path,))


def test_what_is_made_apart_is_what_would_be_made_here(sources):
    made = make_apart(Order(sources, Overlay(), generation=7))

    verify(made.data)
    here = make(Order(sources, Overlay(), generation=7))
    assert (here.now, here.warnings, here.change) == (made.now, made.warnings, made.change)
    assert (7, 1) == (made.now.generation, made.now.n_rules)
    assert ["web"] == [policy.name for policy in made.now.wanted().policies]


def test_ctrl_c_does_not_meet_a_process_that_does_not_ignore_it_yet(sources, monkeypatch):
    """The terminal sends it to both; the new one would print a traceback."""
    waits = []
    fork = os.fork

    def watched():
        waits.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return fork()

    monkeypatch.setattr(os, "fork", watched)
    make_apart(Order(sources, Overlay(), generation=1))

    assert [True] == waits
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_policy_is_printed_apart(sources):
    """The text is the same."""
    (policy,) = sources.load().policies

    assert print_policy(policy) == print_apart(policy)


def test_files_are_read_again_only_if_asked_for(sources, tmp_path):
    first = make_apart(Order(sources, Overlay(), generation=1)).now
    (tmp_path / "db.yaml").write_text(TEXT.replace("NAME", "db"))

    kept = make_apart(
        Order(sources, Overlay(), generation=2, files=first.files, since=first.digests)
    )
    read = make_apart(Order(sources, Overlay(), generation=2, since=first.digests))

    assert kept.change.is_empty
    assert ["db"] == [added.name for added in read.change.added]


def test_an_empty_folder_makes_an_image_that_decides_nothing(tmp_path):
    """Where a service may be there before its policies; else it is an error."""
    empty = Sources((tmp_path,), may_be_empty=True)

    made = make_apart(Order(empty, Overlay(), generation=1))

    verify(made.data)
    assert (0, ()) == (made.now.n_rules, made.now.facts)
    with pytest.raises(PolicyErrors, match="has no policy"):
        make_apart(Order(attrs.evolve(empty, may_be_empty=False), Overlay(), generation=1))


def test_errors_of_policies_arrive_whole(sources, tmp_path):
    (tmp_path / "bad.yaml").write_text("kind: Nothing\n")
    (tmp_path / "worse.yaml").write_text("{")

    with pytest.raises(PolicyErrors) as caught:
        make_apart(Order(sources, Overlay(), generation=1))

    places = {error.span.file for error in caught.value.errors}
    assert {str(tmp_path / "bad.yaml"), str(tmp_path / "worse.yaml")} == places


def test_what_was_added_once_does_not_keep_a_start_from_what_files_say(sources):
    overlay = Overlay().add(TEXT.replace("NAME", "web"), "late.yaml")

    with pytest.raises(ControlError, match="already"):
        make_apart(Order(sources, overlay, generation=1))
    made = make_apart(Order(sources, overlay, generation=1, may_drop=True))

    assert "already" in made.dropped
    assert made.now.overlay.is_empty


def test_the_end_of_the_maker_is_an_error(sources, monkeypatch):
    monkeypatch.setattr(compile_process, "make", lambda _: os.kill(os.getpid(), signal.SIGKILL))

    with pytest.raises(EnforcerError, match="signal 9"):
        make_apart(Order(sources, Overlay(), generation=1))


def test_a_bug_in_the_maker_is_an_error(sources, monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(compile_process, "make", fail)

    with pytest.raises(EnforcerError, match="exit code 1"):
        make_apart(Order(sources, Overlay(), generation=1))


def test_the_maker_ends_with_who_is_killed(sources, monkeypatch):
    """It would keep the lock of a daemon, so that no other can start, and what is attached in the kernel."""
    reading, writing = os.pipe()

    def endless(_):
        os.write(writing, b"!")
        signal.pause()

    monkeypatch.setattr(compile_process, "make", endless)
    daemon = os.fork()
    if daemon == 0:
        try:
            make_apart(Order(sources, Overlay(), generation=1))
        finally:
            os._exit(1)
    os.close(writing)
    assert os.read(reading, 1) == b"!"

    os.kill(daemon, signal.SIGKILL)
    os.waitpid(daemon, 0)

    # The end of the pipe: nobody is left who could write.
    assert select.select([reading], [], [], scaled(60))[0]
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_maker_whose_parent_is_gone_ends_at_once():
    """It may have been killed before the kernel was told: then another process is the parent."""
    child = os.fork()
    if child == 0:
        try:
            end_with(os.getpid())  # not the parent
        finally:
            os._exit(1)

    assert -signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_there_is_time_for_other_things_meanwhile(sources, monkeypatch):
    read, write = os.pipe()
    idles = []

    def slow(_):
        os.read(read, 1)  # until the parent has been idle

    def idle():
        idles.append(1)
        os.write(write, b"!")

    monkeypatch.setattr(compile_process, "make", slow)

    make_apart(Order(sources, Overlay(), generation=1), idle)

    os.close(read)
    os.close(write)
    assert idles


@pytest.mark.parametrize(
    "error",
    [
        PolicyError("no", Span("a", 1, 2)),
        PolicyErrors([PolicyError("no", Span("a", 1, 2)), PolicyError("none")]),
        KernelError("cannot", 13),
        VerifierError("refused", 22, "why"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_to_another_process(error):
    back = pickle.loads(pickle.dumps(error))

    assert (type(error), str(error)) == (type(back), str(back))
    assert vars(error).keys() == vars(back).keys()
    assert getattr(error, "errno", None) == getattr(back, "errno", None)


def test_a_file_that_cannot_be_opened_is_told_as_such(tmp_path):
    """So that a start ends with the exit code for that, and not with that for an invalid policy."""
    with pytest.raises(PolicyErrors) as caught:
        make_apart(Order(Sources((tmp_path / "none.yaml",)), Overlay(), generation=1))

    assert [FileError] == [type(error) for error in caught.value.errors]


def test_digests_that_were_put_away_come_back_equal(sources):
    digests = make(Order(sources, Overlay(), generation=1)).now.digests

    assert CompactCopy.of(digests.unpack()).unpack() == digests.unpack()


def test_an_image_that_the_kernel_could_not_follow_is_not_handed_out(sources, monkeypatch):
    """Whatever the compiler did wrong ends here, before anything is activated."""
    compiled = compilation.compile_policies

    def damaged(*args, **options):
        image = compiled(*args, **options)
        return attrs.evolve(image, image=image.image[:-4])

    monkeypatch.setattr(compilation, "compile_policies", damaged)
    with pytest.raises(EnforcerBug):
        make(Order(sources, Overlay(), generation=7))


def test_what_passes_hooks_refuses_what_would_prevent(sources):
    """In the maker, as everything else about policies; who only records is not asked."""
    gap = Gap("it preempts", "boot otherwise")
    order = Order(sources, Overlay(), generation=1, gaps=(gap,))

    with pytest.raises(PolicyErrors, match="it preempts, so policy 'web'"):
        make_apart(order)
    recording = attrs.evolve(sources, audit=True)
    assert 1 == make_apart(attrs.evolve(order, sources=recording)).now.generation


def test_automata_of_the_active_image_serve_the_next_one(tmp_path, monkeypatch):
    """For a container that begins all of them, and nobody is told again what was said of the policies."""
    (tmp_path / "wild.yaml").write_text(TEXT.replace("NAME", "wild").replace("/x", '"/bin/*sh"'))
    sources = Sources((tmp_path,))
    first = make_apart(Order(sources, Overlay(), generation=1, seed=7))
    order = Order(
        *(sources, Overlay()), generation=2, seed=7, files=first.now.files, since=first.now.digests
    )
    told = make_apart(order)

    def never(*_args, **_options):
        raise EnforcerBug("an automaton was made again")

    monkeypatch.setattr("enforcer.compiler.glob._some_of_group", never)

    again = make_apart(attrs.evolve(order, automata=first.now.automata, is_renewal=True))

    assert (told.data, told.now) == (again.data, again.now)
    assert told.warnings == first.warnings != ()
    assert () == again.warnings
    assert first.now.automata == again.now.automata


@pytest.mark.parametrize(
    ("number", "kind", "is_apart"), [(3, b"ext4", False), (3, b"nfs4", True), (300, b"ext4", True)]
)
def test_few_links_on_this_machine_are_looked_up_here(
    tmp_path, monkeypatch, number, kind, is_apart
):
    """A process for it costs more. Another machine may not answer, and many take long."""
    (tmp_path / "link").symlink_to("else")
    heads = (b"/link", *(b"/other-%d" % n for n in range(number - 1)))
    followed = Followed(asked={b"/c": Asked(os.fsencode(tmp_path), heads)})
    mounts = (Mount(1, b"/", b"/", kind),)
    monkeypatch.setattr(LocalHost, "read", classmethod(lambda cls, **_: cls(mounts)))
    apart = []
    monkeypatch.setattr(compile_process, "apart", lambda work, idle: apart.append(idle) or work())

    assert changed_apart(followed)

    assert is_apart == bool(apart)
