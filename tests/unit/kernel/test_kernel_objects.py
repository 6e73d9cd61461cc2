# SPDX-License-Identifier: MIT
"""Objects, maps, counters and records, with a program that needs no hook."""

import re
import select
import struct

import pytest

from enforcer.errors import KernelError, VerifierError
from enforcer.kernel.image_map import ImageMap
from enforcer.kernel.ringbuf import RingBuffer, ring_use
from enforcer.libbpf import calls, log
from enforcer.libbpf.handles import BpfObject
from enforcer.libbpf.ring import Ring

_IO = struct.Struct("=QIIII")
_RECORD_BYTES = 100


def run(loaded, value=0, first=0, second=0):
    """Run the fixture program; return its result and what it wrote back."""
    result, after = calls.run(loaded.programs["fixture"].fd, _IO.pack(value, first, second, 0, 0))
    return result, _IO.unpack(after)


def test_open_lists_programs_and_maps(opened):
    """An object can be read without any privilege."""
    assert {"fixture", "refused"} == opened.programs.keys()
    assert {"images", "counts", "first", "second"} <= opened.maps.keys()
    assert "syscall" == opened.programs["fixture"].section


def test_test_objects_compile(compiled):
    """The sources of tests/bpf build, also those that only another kernel runs."""
    assert all(compiled(name).startswith(b"\x7fELF") for name in ("fixture", "hits", "order"))


def test_open_of_rubbish_says_what_libbpf_says():
    """Bytes that are no object are an error with libbpf's reason, of its own codes, too."""
    with pytest.raises(KernelError, match="cannot open the BPF object rubbish"):
        BpfObject.open(b"rubbish" * 100, "rubbish")


def test_constants_are_read_and_set(opened):
    """A const volatile variable has its initial value until it is set."""
    assert 1 == opened.get_constant("fixture_bias")

    opened.set_constant("fixture_bias", 40)

    assert 40 == opened.get_constant("fixture_bias")


def test_unknown_constant_is_an_error(opened):
    """A misspelt constant is never silently not set."""
    with pytest.raises(KernelError, match="fixture_typo"):
        opened.set_constant("fixture_typo", 1)


def test_constant_of_another_size_is_an_error(opened):
    """A constant that changed its type is found."""
    with pytest.raises(KernelError, match="fixture_bias"):
        opened.set_constant("fixture_bias", 1, size=8)


def test_close_is_idempotent(opened):
    """Closing twice is closing once."""
    opened.close()
    opened.close()

    assert {} == opened.programs


@pytest.mark.kernel
def test_constant_reaches_the_program(bpf, opened):
    """What was set before the load is what the program reads."""
    opened.set_constant("fixture_bias", 40)
    opened.load()
    idle = ImageMap.create(16)
    idle.write((2).to_bytes(8, "little"))
    idle.commit(opened.maps["images"].fd)

    assert (0, 42) == (run(opened)[0], run(opened)[1][0])


@pytest.mark.kernel
def test_verifier_error_has_one_line_and_the_whole_log(bpf, fixture_bytes):
    """A refusal by the verifier says why in one sentence and keeps everything."""
    with BpfObject.open(fixture_bytes, "fixture") as opened, pytest.raises(VerifierError) as caught:
        opened.load()

    assert re.search(
        "of refused: R1 invalid mem access 'scalar'|of refused: .+: R1 is an integer scalar here,",
        str(caught.value),
    )
    assert "\n" not in str(caught.value)
    assert "LOAD LOG" not in caught.value.log
    assert "processed " in caught.value.log


@pytest.mark.kernel
def test_messages_of_a_failure_do_not_stick_to_the_next(bpf, fixture_bytes):
    """What libbpf said belongs to one error."""
    with BpfObject.open(fixture_bytes, "fixture") as opened, pytest.raises(VerifierError):
        opened.load()

    assert "" == log.take()


@pytest.mark.kernel
def test_map_of_maps_takes_the_size_of_its_model(bpf, opened):
    """The image map is sized by the first image, not by the object."""
    model = ImageMap.create(4096)
    opened.maps["images"].set_inner(model.fd)
    opened.load()
    model.write(b"\7")

    model.commit(opened.maps["images"].fd)

    assert (0, 8) == (run(opened)[0], run(opened)[1][0])


@pytest.mark.kernel
def test_counters_are_summed_over_cpus(loaded):
    """A per-CPU counter reads as one number."""
    for value in (5, 7):
        run(loaded, value=value)

    assert ((2, 12),) == calls.percpu_sum(loaded.maps["counts"].fd, 0, 1, words=2)


@pytest.mark.kernel
def test_reading_past_the_end_of_counters_is_an_error(loaded):
    """A row that the map has not is an error, not a zero."""
    with pytest.raises(KernelError):
        calls.percpu_sum(loaded.maps["counts"].fd, 0, 2, words=2)


@pytest.mark.kernel
def test_memory_of_a_map_is_known(loaded):
    """The kernel's own account is at least the values of all CPUs."""
    assert calls.memory(loaded.maps["counts"].fd) >= 16 * calls.possible_cpus()


@pytest.mark.kernel
def test_records_arrive_whole_and_in_order(loaded):
    """Every record is read once, as it was written."""
    ring = RingBuffer.open(loaded.maps["second"].fd, loaded.maps["first"].fd)
    run(loaded, second=3)

    records = ring.drain()

    assert [0, 1, 2] == [int.from_bytes(record[:4], "little") for record in records]
    assert {_RECORD_BYTES} == {len(record) for record in records}
    assert [] == ring.drain()


@pytest.mark.kernel
def test_descriptor_is_readable_only_while_records_wait(loaded):
    """The loop sleeps until there is something."""
    ring = RingBuffer.open(loaded.maps["first"].fd, loaded.maps["second"].fd)
    assert ([], [], []) == select.select([ring.fileno()], [], [], 0)

    run(loaded, second=1)
    assert [ring.fileno()] == select.select([ring.fileno()], [], [], 5)[0]

    ring.drain()
    assert ([], [], []) == select.select([ring.fileno()], [], [], 0)


@pytest.mark.kernel
def test_how_full_a_ring_is(loaded):
    """What waits is known by bytes, and nothing waits once it was read."""
    fd = loaded.maps["first"].fd
    size = ring_use(fd)[1]
    run(loaded, first=2)

    waiting = ring_use(fd)
    RingBuffer.open(fd, loaded.maps["second"].fd).drain()

    assert waiting[0] >= 2 * _RECORD_BYTES
    assert (0, size) == ring_use(fd)


@pytest.mark.kernel
def test_what_is_no_ring_has_no_room(loaded):
    """The kernel does not let it be looked into."""
    with pytest.raises(KernelError, match="a ring buffer cannot be looked into"):
        ring_use(loaded.maps["counts"].fd)


@pytest.mark.kernel
def test_first_ring_is_emptied_first(loaded):
    """Denials do not wait behind noise."""
    ring = RingBuffer.open(loaded.maps["first"].fd, loaded.maps["second"].fd)
    run(loaded, first=2, second=2)

    marks = [record[-1] for record in ring.drain()]

    assert [0xF1, 0xF1, 0xF2, 0xF2] == marks


@pytest.mark.kernel
def test_full_first_ring_leaves_the_second_alone(loaded):
    """A flood in one ring takes no room from the other."""
    _, (_, _, _, _, refused) = run(loaded, first=100, second=100)

    ring = Ring.open([loaded.maps["first"].fd, loaded.maps["second"].fd], batch=1 << 20)
    sources = ring.drain().sources()

    assert refused > 0
    assert (100 - refused, 100) == (sources.count(0), sources.count(1))


@pytest.mark.kernel
def test_a_batch_is_bounded_and_loses_nothing(loaded):
    """Many records come in several drains, each once, in order."""
    ring = Ring.open([loaded.maps["second"].fd], batch=1024)
    run(loaded, second=250)

    batches = []
    while batch := ring.drain():
        batches.append([int.from_bytes(record[:4], "little") for record in batch])

    assert list(range(250)) == [number for batch in batches for number in batch]
    assert max(len(batch) for batch in batches) <= 1024 // _RECORD_BYTES + 1
    assert 0 == ring.oversized


@pytest.mark.kernel
def test_a_ring_over_no_ring_buffer_is_refused(loaded):
    """A wrong map is an error at once."""
    with pytest.raises(KernelError, match="ring buffers"):
        Ring.open([loaded.maps["counts"].fd], batch=1024)
