# SPDX-License-Identifier: MIT
"""The C of the fast lane under the compiler's sanitizers, and what it refuses."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fakes import raw_event

from enforcer.errors import KernelError
from enforcer.libbpf.batch import Batch
from enforcer.libbpf.lane import End, Field, Form, Lane, Piece

ROOT = Path(__file__).parents[3]
FLAGS = (
    *("-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Werror", "-Wno-unused-function"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *(f"-I{ROOT / 'bpf' / 'include'}", f"-I{ROOT / 'enforcer' / 'libbpf'}"),
)


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    """The driver of tests/fuzz; skips where the compiler has no sanitizers."""
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    made = tmp_path_factory.mktemp("fuzz") / "lane"
    probe = subprocess.run(
        [compiler, "-fsanitize=address,undefined", "-x", "c", "-", "-o", str(made)],
        input=b"int main(void) { return 0; }",
        check=False,
        capture_output=True,
    )
    if probe.returncode:
        pytest.skip("the compiler has no sanitizers")
    command = [compiler, *FLAGS, str(ROOT / "tests" / "fuzz" / "lane.c"), "-o", str(made)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("seed", range(1, 5))
def test_no_bytes_lead_outside_their_bounds(fuzzer, seed):
    """Records, batches, fields and templates that make little sense, and some that do."""
    done = subprocess.run([fuzzer, str(seed), "20000"], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    lines, templates = map(int, re.findall(r"\d+", done.stdout))
    assert lines > 1000
    assert templates > 1000


def test_a_template_of_nonsense_is_refused():
    """Fields that are not there, addresses that are numbers, text that does not end."""
    lane = Lane.make()
    lane.vary(1, 3, [Field(8, 8), Field(80, 16)])
    raw = raw_event(op=3, path=b"/x")

    for pieces in (
        [Piece(b"a", Form.DEC, 2), Piece(b"", Form.END)],
        [Piece(b"a", Form.DEC, 1), Piece(b"", Form.END)],
        [Piece(b"a", Form.ADDRESS, 0), Piece(b"", Form.END)],
        [Piece(b"a", Form.PATH)],
        [Piece(b"a", Form.END), Piece(b"b", Form.END)],
    ):
        with pytest.raises(KernelError, match="cannot learn a template"):
            lane.learn(raw, pieces, 10)
    with pytest.raises(KernelError, match="cannot describe a record"):
        lane.vary(1, 3, [Field(1 << 12, 8)])
    with pytest.raises(KernelError, match="cannot describe a record"):
        lane.vary(1, 3, [Field(8, 3)])
    lane.close()
    lane.close()


def test_a_batch_that_is_none_is_an_error():
    """A length that leads outside is told, not followed."""
    lane = Lane.make()

    for packed in (b"\x01", b"\xff" * 8, b"\x10\0\0\0\0\0\0\0abc"):
        with pytest.raises(KernelError, match="cannot read a batch"):
            lane.run(Batch(packed), 0, 0, 0)
    lane.close()


def test_a_shape_is_learnt_when_it_comes_again():
    """The first record of a shape makes no template: most shapes come once."""
    lane = Lane.make()
    lane.vary(1, 3, [Field(8, 8)])
    raws = [raw_event(op=3, path=b"/%d" % n, time_ns=n) for n in range(1, 5)]
    batch = Batch.of(raws)

    first = lane.run(batch, 0, now=5, offset=0)
    after = batch.at(first.at)[1]
    second = lane.run(batch, after, now=5, offset=0)
    made = lane.learn(
        raws[1], [Piece(b"<", Form.DEC), Piece(b" ", Form.PATH), Piece(b">", Form.END)], until=9
    )
    rest = lane.run(batch, batch.at(second.at)[1], now=8, offset=0)

    assert (End.PLAIN, End.LEARN) == (first.end, second.end)
    assert (End.DONE, b"<3 /3><4 /4>", 2) == (rest.end, rest.text, rest.lines)
    assert [(made, 2)] == lane.counts()
    assert [] == lane.counts()
    late = lane.run(batch, 0, now=9, offset=0)
    assert (End.STALE, made) == (late.end, late.template)
    lane.extend(made, 20)
    assert lane.run(batch, 0, now=9, offset=0).lines == 4
    lane.forget()
    assert End.PLAIN == lane.run(batch, 0, now=9, offset=0).end
    lane.close()


def test_batches_are_sequences():
    """Whoever wants records one by one gets them so."""
    batch = Batch.of([b"a", b"", b"12345678"], source=1)

    assert (3, [b"a", b"", b"12345678"], [1, 1, 1]) == (len(batch), list(batch), batch.sources())
    assert (b"12345678", [b"a", b""]) == (batch[2], batch[:2])
    assert batch == [b"a", b"", b"12345678"]
    assert batch
    assert not Batch(b"")
