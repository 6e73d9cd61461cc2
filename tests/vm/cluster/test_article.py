# SPDX-License-Identifier: MIT
"""The article, from its first line to its last, as the page types it."""

from __future__ import annotations

from pages.sessions import problems


def test_the_page_prints_what_comes_out(read):
    """From a cluster without enforcer to a line, a refusal and a process that ends."""
    found = [line for outcome in read for line in problems(outcome)]

    assert [] == found, "\n".join(found)


def test_the_line_has_what_the_article_says(read, installed):
    """Pod and namespace, from the API server's list of pods, and who ran it."""
    (line,) = (
        each for each in installed.log() if "Suspicious /bin/bash execution detected" in each
    )

    assert (
        'msg="Suspicious /bin/bash execution detected in pod my-app-pod-xyz12 (namespace default)"'
        in line
    )
