# SPDX-License-Identifier: MIT
"""Messages of rules that have none, and lines that say nothing twice."""

import pytest
from fakes import ENFORCED, denied, record
from hypothesis import given
from hypothesis import strategies as st

from enforcer.events.brief import brief
from enforcer.events.document import as_document
from enforcer.events.sentence import default_message_of
from enforcer.events.types import Origin, RowFlag
from enforcer.identity.container import Container
from enforcer.identity.resolver import Identity
from enforcer.identity.workload_files import Bundle
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.terminal import terminal_line

GUARDS = {
    Op.GUARD: "rename, link or removal of",
    Op.NAME_GUARD: "removal or replacement of",
    Op.MOUNT_GUARD: "change of mounts at",
}
READS = Origin("vault", "reads", "vault.yaml:9:3")


def guarded(op, **values):
    return denied(
        **{"op": op, "row_flags": RowFlag.GUARD, "path": b"/srv", "origin": READS, **values}
    )


@given(
    op=st.sampled_from([op for op in OPERATION_TABLE if op is not Op.ATTEMPT]),
    action=st.sampled_from(Verb),
    flags=st.sampled_from([0, ENFORCED]),
    row_flags=st.sampled_from([0, RowFlag.GUARD]),
    path=st.binary(max_size=8),
    exe=st.binary(max_size=8),
)
def test_a_document_gives_the_message_of_its_record(**values):
    """So a reader of JSON knows that a message is nobody's own words."""
    found = record(origin=READS, **values)

    assert found.message == default_message_of(as_document(found))


@pytest.mark.parametrize("op", GUARDS)
def test_a_guard_says_what_it_is(op):
    """What it kept from happening, and which rule that would have got around."""
    words = f"{GUARDS[op]} /srv"

    assert guarded(op).message == (f"{words} by /usr/bin/tee refused: it would bypass vault/reads")
    assert terminal_line(as_document(guarded(op)))[9:] == (
        f"denied      tee[12345] {words} [EPERM]: it would bypass the rule (vault/reads)"
    )


ROOT = "/var/lib/containers/storage/overlay/x/merged"


@pytest.mark.parametrize(
    ("path", "name", "shown"),
    [
        (f"{ROOT}/data/secret", "web", "/data/secret in web"),
        (f"{ROOT}/data/secret", None, "/data/secret in abababababab"),
        (ROOT, "web", "/ in web"),
        (f"{ROOT}-2/data", "web", f"{ROOT}-2/data"),
        ("/srv/volume", "web", "/srv/volume"),
    ],
)
def test_people_read_names_as_the_container_has_them(path, name, shown):
    """With the container's own name; what does not lie in its root keeps the host's name, as all has in the record."""
    bundle = Bundle(name=name, root=ROOT)
    identity = Identity(container=Container("podman", "ab" * 32), bundle=bundle)
    exe = f"{ROOT}/bin/cat".encode()

    found = denied(path=path.encode(), exe=exe, origin=READS, identity=identity)

    document = as_document(found)
    assert path == document["object"]["path"]
    assert terminal_line(document)[9:] == (
        f"denied      tee[12345] write {shown} [EPERM] by /bin/cat (vault/reads)"
    )
    assert shown == brief(found)["target"]
    assert "/bin/cat" == brief(found)["process"]["exe"]


def test_records_of_earlier_versions_are_read():
    """They do not say where the root of a container is."""
    bundle = Bundle(name="web", root=ROOT)
    identity = Identity(container=Container("podman", "ab" * 32), bundle=bundle)
    document = as_document(denied(path=f"{ROOT}/x".encode(), origin=READS, identity=identity))
    del document["container"]["root"]

    assert f"write {ROOT}/x " in terminal_line(document)


def test_a_guard_in_audit_mode_claims_no_refusal():
    """It would have."""
    assert " would be refused: it would bypass " in guarded(Op.GUARD, flags=0, error=0).message


def test_a_guard_of_a_rule_with_a_message():
    """The words are the policy's, and the line says what they are about."""
    own = Origin("vault", "reads", "vault.yaml:9:3", message="the vault is closed")

    found = guarded(Op.GUARD, origin=own)

    assert "the vault is closed" == found.message
    assert terminal_line(as_document(found)).endswith(
        " rename, link or removal of /srv [EPERM]: it would bypass the rule: the vault is closed (vault/reads)"
    )


def test_other_operations_of_a_guard_are_called_by_their_names():
    """Whatever the flag of the row says."""
    found = denied(row_flags=RowFlag.GUARD)

    assert found.message.startswith("denied: file.write ")


def test_a_process_without_a_known_program():
    """Its name stands in the line already."""
    found = denied(exe=b"")

    assert found.message.endswith(" by tee")
    assert terminal_line(as_document(found)).endswith(" [EPERM] (vault/no-writes)")
