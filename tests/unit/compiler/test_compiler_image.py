# SPDX-License-Identifier: MIT
"""The image as a whole: repeatable, checked, and harmless when damaged."""

from __future__ import annotations

import time
import zlib
from random import Random

import pytest
from compiler_text import compiled, load
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.compiler import BareHost, compile_policies, layout, verify
from enforcer.compiler.strings import BELOW, GLOB
from enforcer.errors import EnforcerBug
from enforcer.libbpf._ffi import ffi, lib
from enforcer.policy.language.vocabulary import Op, SubjectFlag
from enforcer.policy.model.policy import PolicySet

RULES = (
    "{file: any, match: {path: [/etc/shadow, '/home/*/.ssh/**', /srv/**]}, action: deny}",
    "{exec: {}, match: {path: {suffix: .sh}, process: {uid: 5}, parent: {gid: 1}}, action: kill}",
    "{network: connect, match: {address: 10.0.0.0/8, port: [25, 80-90]}, action: log}",
    "{file: chmod, match: {mode: {mask: '06000'}}, action: deny, onError: log}",
)
CRC_AT = layout.HEAD.offset("crc")


def sealed(image: bytearray) -> bytes:
    """Give *image* a checksum that fits."""
    image[CRC_AT : CRC_AT + 4] = bytes(4)
    image[CRC_AT : CRC_AT + 4] = zlib.crc32(image).to_bytes(4, "little")
    return bytes(image)


def test_the_same_policies_and_seed_give_the_same_image() -> None:
    """Nothing depends on the order of sets or on the time."""
    assert compiled(*RULES, seed=1).image == compiled(*RULES, seed=1).image


def test_no_policies_are_an_image_too() -> None:
    """Of which no operation can match."""
    empty = compile_policies(PolicySet(()), host=BareHost())

    verify(empty.image)
    assert frozenset() == empty.ops
    assert () == empty.rows


def test_the_head_says_what_refuses_when_nothing_can_be_decided() -> None:
    """Rows that deny on error count, but not those of audit."""
    policies = load("{file: read, action: deny}", "{file: write, action: log}").policies
    audit = load("{file: chmod, action: deny}", spec="  mode: audit\n").policies
    image = compile_policies(PolicySet((*policies, *audit)), host=BareHost()).image

    head = layout.HEAD.named(image)

    assert 1 << Op.READ == head["refuse_ops"]
    assert head["ops"] >> Op.CHMOD & 1
    assert head["ops"] == head["everybody_ops"]


def test_the_head_says_on_what_rows_ask_for_drift() -> None:
    """So that the kernel side looks there, and nowhere else; and no row is found by it."""
    asks = ("{exec: {}, match: {drift: true}, action: deny}", "{file: read, action: log}")
    image = bytearray(compiled(*asks).image)
    at = layout.HEAD.offset("drift_ops")
    head = layout.HEAD.named(bytes(image))

    assert 1 << Op.EXEC | 1 << Op.EXEC_LOADED == head["drift_ops"]
    assert 0 == layout.HEAD.named(compiled(*RULES).image)["drift_ops"]
    image[at : at + 8] = bytes(8)
    with pytest.raises(EnforcerBug, match="ask about drift"):
        verify(sealed(image))


def test_the_head_says_what_conditions_on_processes_ask_for() -> None:
    """So that the kernel side keeps it; a label that asks for more is found."""
    asks = "{file: read, match: {notProcess: {binary: /a, trustedCode: true}}, action: deny}"
    image = bytearray(compiled(asks).image)
    at = layout.HEAD.offset("asked_flags")

    assert SubjectFlag.TRUSTED_CODE == layout.HEAD.named(bytes(image))["asked_flags"]
    assert 0 == layout.HEAD.named(compiled(*RULES).image)["asked_flags"]
    image[at : at + 8] = bytes(8)
    with pytest.raises(EnforcerBug, match="hides what it asks"):
        verify(sealed(image))


def test_a_row_says_where_it_is_from() -> None:
    """Place, policy, rule, verdict."""
    found = compiled("{name: x, file: read, match: {path: /a/b}, action: deny}")

    assert "p.yaml:6:7: policy 'p', rule 'x': deny" == found.explain(0)
    assert found.explain(1).endswith("rule 'x', guard: deny")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_is_found(data) -> None:
    """The checksum covers the whole image."""
    image = bytearray(compiled(*RULES, seed=1).image)
    at = data.draw(st.integers(0, len(image) - 1))
    image[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(EnforcerBug):
        verify(bytes(image))


@pytest.mark.parametrize(
    "field",
    [
        name
        for name in layout.HEAD.fields
        if name.startswith(("off_", "n_")) or name in {"magic", "version", "size", "generation"}
    ],
)
def test_a_head_that_leads_astray_is_found_behind_a_right_checksum(field) -> None:
    """Bounds are checked for themselves."""
    image = bytearray(compiled(*RULES, seed=1).image)
    at = layout.HEAD.offset(field)
    wrong = 0 if field == "generation" else 0xFFFFFFF0
    image[at : at + 4] = wrong.to_bytes(4, "little")

    with pytest.raises(EnforcerBug):
        verify(sealed(image))


def test_a_string_that_hides_what_paths_could_match_is_found() -> None:
    """Else the prefilter would exclude files that a row is about."""
    image = compiled(
        "{file: read, match: {path: [/a/b, '/c/*/d', '/c/e*', /f/**]}, guard: false, action: deny}"
    ).image
    head = layout.HEAD.named(image)
    found = 0
    for at in range(head["off_slots"], head["off_text"], layout.SLOT.size):
        slot = layout.SLOT.named(image, at)
        if not slot["paths"]:
            continue
        found += 1
        for wrong in (0, 4):
            changed = bytearray(image)
            changed[at + layout.SLOT.offset("paths")] = wrong
            with pytest.raises(EnforcerBug, match=r"paths|passed over"):
                verify(sealed(changed))
    assert 3 == found  # /a/b, /c and /f


def test_a_string_that_hides_a_glob_is_found() -> None:
    """Else one name below it would be permitted because another was."""
    image = compiled(
        "{file: read, match: {path: ['/c/**', '/c/*/d', '/d/**']}, guard: false, action: deny}"
    ).image
    head = layout.HEAD.named(image)
    found = []
    for at in range(head["off_slots"], head["off_text"], layout.SLOT.size):
        slot = layout.SLOT.named(image, at)
        found.append(slot["paths"])
        if slot["paths"] & GLOB:
            changed = bytearray(image)
            changed[at + layout.SLOT.offset("paths")] = slot["paths"] & ~GLOB
            with pytest.raises(EnforcerBug, match="a glob is passed over"):
                verify(sealed(changed))
    assert 1 == sum(bool(paths & GLOB) for paths in found)
    assert 2 == sum(bool(paths & BELOW) for paths in found)


def test_strings_that_are_alike_are_found() -> None:
    """The core compares with the first of the hash, kind and length."""
    paths = ", ".join(f"/srv/{n}" for n in range(1000, 1400))
    image = compiled(f"{{exec: {{}}, match: {{path: [{paths}]}}, action: deny}}").image
    head = layout.HEAD.named(image)
    places = range(head["off_slots"], head["off_text"], layout.SLOT.size)
    slots = [layout.SLOT.named(image, at) for at in places]
    one = next(
        n
        for n in range(len(slots) - 1)
        if (slots[n]["kind"], slots[n]["len"])
        == (1, 9)
        == (slots[n + 1]["kind"], slots[n + 1]["len"])
        and (n - slots[n]["hash"]) % len(slots) == 0
    )
    changed = bytearray(image)
    at = places[one + 1] + layout.SLOT.offset("hash")
    changed[at : at + 8] = slots[one]["hash"].to_bytes(8, "little")

    with pytest.raises(EnforcerBug, match="alike"):
        verify(sealed(changed))


def test_a_cut_image_is_found() -> None:
    """Down to nothing."""
    image = compiled(*RULES, seed=1).image

    for size in (0, 1, 255, 256, len(image) - 1):
        with pytest.raises(EnforcerBug):
            verify(image[:size])


def test_a_damaged_image_never_leads_the_core_outside() -> None:
    """Were one ever active, the core would stay within it, and come to an end."""
    random = Random(3)  # the same damage every time
    good = compiled(*RULES, seed=1).image
    # Counts of what is looked at one by one: the kernel bounds its loops, the native build does not.
    counts = [layout.HEAD.offset(name) for name in ("n_rows", "n_labels", "n_subjects")]
    places = [at for at in range(8, len(good)) if not any(c <= at < c + 4 for c in counts)]
    in_head = [at for at in places if at < layout.HEAD.size]
    given_input = ffi.new("struct enf_test_input *")
    path = b"/home/x/.ssh/id_rsa.sh"
    for _ in range(3000):
        image = bytearray(good)
        for _ in range(random.randint(1, 4)):
            at = random.choice(random.choice([in_head, places]))
            image[at] = random.randrange(256)
        o = given_input.object
        given_input.reval = 1
        o.present, o.path_len, o.n_ops = 1 | 1 << 24 | 1 << 26, len(path), 4
        for i in range(4):
            o.op[i] = random.randrange(28)
        ffi.memmove(given_input.path, path, len(path))
        code = lib.enf_native_decide(bytes(image), len(image), given_input)
        assert code in {0, -22, -74}
        # Nothing of this decision may be left for the next one.
        assert 0 == lib.enf_native_decide(good, len(good), given_input)


def mixed(count: int) -> list[str]:
    """Exact paths, subtrees, globs and networks in equal parts."""
    made = (
        lambda i: f"{{file: read, match: {{path: /srv/app{i % 97}/f{i}.db}}, action: deny}}",
        lambda i: f"{{file: write, match: {{path: /srv/t{i % 89}/s{i}/**}}, action: deny}}",
        lambda i: f"{{exec: {{}}, match: {{path: '/home/*/b{i % 50}/t-{i}*.sh'}}, action: kill}}",
        lambda i: (
            f"{{network: connect, match: {{address: 10.{i >> 8}.{i & 255}.0/24}}, action: log}}"
        ),
    )
    return [made[i % 4](i) for i in range(count)]


def test_ten_thousand_mixed_rules_fit(capsys) -> None:
    """Size and time are printed; that they are decided rightly is what is asserted."""
    policies = load(*mixed(10_000))
    start = time.perf_counter()
    found = compile_policies(policies, host=BareHost())
    took = time.perf_counter() - start
    with capsys.disabled():
        print(f"\n10,000 mixed rules: {took:.2f} s, {len(found.image):,} bytes, {found.counts}")

    verify(found.image)
    asked = ffi.new("struct enf_test_input *")
    asked.reval = 1
    for i in (2, 402, 9998):
        path = b"/home/jo/b%d/t-%d-x.sh" % (i % 50, i)
        asked.object.present, asked.object.path_len, asked.object.n_ops = 1, len(path), 1
        asked.object.op[0] = Op.EXEC
        ffi.memmove(asked.path, path, len(path))
        assert 0 == lib.enf_native_decide(found.image, len(found.image), asked)
        assert i == found.rows[asked.verdict.row].rule_index
