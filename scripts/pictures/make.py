# SPDX-License-Identifier: MIT
"""
Make the pictures of the README anew: ``make pictures``, in about ten minutes.

A run in the virtual machine (``scene.py``) leaves the dashboard and the page of a dry run. Chromium looks at the page,
of which the picture has as much as a reader wants to see at once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs/pictures"
UNTRUSTED = ("/tmp", "/var/tmp")  # noqa: S108 (what policies/trusted-exec.yaml calls so)
TIMEOUT = 1800  # seconds of the machine
MOST = 150 << 10  # bytes of a picture
WIDTH, HEIGHT = 900, 3000  # of the page; what is empty is cut off
MARGIN = 24
COLORS = 64


def act(into: Path) -> None:
    """Run the scene in a machine of its own."""
    machine = ("tests/vm/run", "--systemd", f"--timeout={TIMEOUT}", "--out", str(into), "--")
    scene = (".venv/bin/python", "scripts/pictures/scene.py", "/run/vm")
    subprocess.run([*machine, *scene], cwd=ROOT, check=True)


def photograph(page: Path, picture: Path) -> None:
    """Look at the head of *page* and its first rule with Chromium, and keep a few colours."""
    head, first, *_ = page.read_text("utf-8").split("<h2>")
    with tempfile.TemporaryDirectory() as folder:
        shown_page = Path(folder, "page.html")
        shown_page.write_text(f"{head}<h2>{first}</body></html>", encoding="utf-8")
        whole = Path(folder, "whole.png")
        subprocess.run(
            [
                "chromium",
                "--headless=new",
                "--no-sandbox",
                "--hide-scrollbars",
                "--blink-settings=preferredColorScheme=1",  # light
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={whole}",
                shown_page.as_uri(),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with Image.open(whole) as image:
            shown = image.convert("RGB")
    empty = Image.new("RGB", shown.size, shown.getpixel((0, 0)))
    _, _, _, bottom = ImageChops.difference(shown, empty).getbbox()
    cut = shown.crop((0, 0, WIDTH, min(HEIGHT, bottom + MARGIN)))
    cut.quantize(COLORS).save(picture, optimize=True)


def main() -> None:
    if shutil.which("chromium") is None:
        sys.exit("pictures: chromium is not installed, which looks at the page of the dry run")
    if any(ROOT.is_relative_to(folder) for folder in UNTRUSTED):
        sys.exit(
            f"pictures: {ROOT} is a place from which a policy of the scene lets nobody run enforcer"
        )
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        act(into)
        for name in ("dashboard.svg", "dry-run.html"):
            shutil.copyfile(into / name, PICTURES / name)
    photograph(PICTURES / "dry-run.html", PICTURES / "dry-run.png")
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    if large := [path.name for path in PICTURES.iterdir() if path.stat().st_size > MOST]:
        sys.exit(f"pictures: larger than {MOST:,} bytes: {', '.join(large)}")


if __name__ == "__main__":
    main()
