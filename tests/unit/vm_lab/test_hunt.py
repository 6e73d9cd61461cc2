# SPDX-License-Identifier: MIT
"""What the hunt finds is made small, and its program means the same by the same text."""

import subprocess
import sys
from pathlib import Path

import pytest

_VM = Path(__file__).parents[2] / "vm"
sys.path.insert(0, str(_VM))

from hunt.searcher import BROKEN, FORBIDDEN, Searcher  # noqa: E402
from hunt.shrinking import shrink  # noqa: E402

# Three steps upwards reach what is forbidden; others crash, hang and do nothing.
_SOURCE = """
#include "hunt.h"
#include <errno.h>
#include <unistd.h>
static unsigned int height;
static long up(const uint32_t *dice) { return dice[0] % 2 ? -EDOM : (long)++height; }
static long idle(const uint32_t *dice) { return dice[0] % 2 ? -ENOENT : HUNT_IDLE; }
static long crash(const uint32_t *dice) { if (dice[0] % 50 == 0) *(volatile int *)0 = 1; return 0; }
static long hang(const uint32_t *dice) { if (dice[0] % 500 == 1) pause(); return 0; }
static void look(void) { if (height == 3) hunt_forbidden("height %u", height); }
int main(int argc, char **argv)
{
	static const struct hunt_step steps[] = {
		{ "up", up, 1 }, { "idle", idle, 9 }, { "crash", crash, 3 }, { "hang", hang, 3 },
	};
	const struct hunt it = { .steps = steps, .count = 4, .refusal = EDOM, .patience = 1, .look = look };

	return hunt_main(&it, argc, argv);
}
"""


def test_a_sequence_is_made_small() -> None:
    lines = ["as 9", *(f"step {number} 1 2 3" for number in range(40))]

    def holds(tried: list[str]) -> bool:
        numbers = [line.split()[1] for line in tried if line.startswith("step")]
        return {"7", "31"} <= set(numbers)

    assert ["step 7 0 0 0", "step 31 0 0 0"] == shrink(lines, holds)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory) -> Searcher:
    directory = tmp_path_factory.mktemp("hunt")
    source, program = directory / "searcher.c", directory / "searcher"
    source.write_text(_SOURCE)
    hunt = _VM / "hunt"
    sources = [source, *sorted(hunt.glob("hunt*.c"))]
    subprocess.run(["gcc", "-Wall", "-Werror", f"-I{hunt}", "-o", program, *sources], check=True)
    return Searcher(program, (), directory)


def test_what_is_found_is_found_again(searcher) -> None:
    report = searcher.search(1, seconds=60)
    assert report.code == FORBIDDEN
    assert report.finding == "height 3"
    assert report.kinds["up"].succeeded
    assert report.kinds["up"].refused
    assert {"idle": report.kinds["idle"]} == report.poor(0.1)
    least = shrink(report.lines, lambda lines: searcher.replay(lines).code == FORBIDDEN)
    assert ["up 0 0 0 0"] * 3 == least
    assert searcher.told(least).count("up 0 0 0 0\n        = done\n") == 3


def test_a_control_goes_on(searcher) -> None:
    report = searcher.search(1, seconds=60, sequences=300, is_control=True)
    assert report.sequences == 300
    assert 1 < report.findings < 300
    assert report.crashed
    assert report.code not in {FORBIDDEN, BROKEN} or report.finding


def test_an_unknown_step_is_refused(searcher) -> None:
    with pytest.raises(AssertionError, match="no step has this name"):
        searcher.replay(["down 1 2 3 4"])
