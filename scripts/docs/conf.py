# SPDX-License-Identifier: MIT
"""
The documentation as a site, for Sphinx; ``make.py`` (make docs) runs it.

The documents stay what they are: files that read as well where code is hosted. Their order here is that of
"Read on" in the README.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from enforcer import __version__  # noqa: E402 (it is found only now)

PAGES = "build/pages"  # what make.py makes
LABORATORY = "tests/vm/lab/README"  # for contributors: the README does not name it

project = "enforcer"
version = release = __version__
project_copyright = "The enforcer authors"

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "policies/README.md",
    f"{LABORATORY}.md",
    f"{PAGES}/*.md",
]
exclude_patterns = [".*", "build/[!p]*", "dist", "enforcer", "**/__pycache__"]

myst_heading_anchors = 6
suppress_warnings = ["myst.header"]  # documents may begin with any level
highlight_language = "none"

html_theme = "furo"
html_title = f"enforcer {__version__}"
html_copy_source = False
html_show_sphinx = False


def read_on(text):
    """Return the documents that the README names under "Read on", in its order."""
    _, _, section = text.partition("\n## Read on\n")
    found = re.findall(r"\]\(([^)#]+)\.md[^)]*\)", section)
    return list(dict.fromkeys(found))


def add_navigation(_app, document, source):
    """Let the README lead to all other pages, without a word of that in the README."""
    if document == root_doc:
        made = sorted(f"{PAGES}/{path.stem}" for path in (ROOT / PAGES).glob("*.md"))
        pages = "\n".join([*read_on(source[0]), LABORATORY, *made])
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def setup(app):
    app.connect("source-read", add_navigation)
