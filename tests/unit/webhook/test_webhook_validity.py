# SPDX-License-Identifier: MIT
"""When certificates end, as openssl says it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.cluster.webhook.validity import validity_of

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def made(tmp_path):
    """Make a certificate that ends at a time, or skip."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes certificates, is not installed")

    def make(end, *words):
        file = tmp_path / "made.crt"
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        argv = ["openssl", "req", "-x509", *kind, "-subj", "/CN=x", "-keyout", tmp_path / "key"]
        times = ("-not_before", "19700101000000Z", "-not_after", f"{end:%Y%m%d%H%M%S}Z")
        subprocess.run([*argv, *times, *words, "-out", file], check=True, capture_output=True)
        return file.read_text()

    return make


@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 2326])
def test_the_end_is_what_openssl_was_told(made, year):
    """Years of two digits and of four, one day before and behind the turn of a century of them."""
    for end in (datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(year, 1, 1, tzinfo=UTC)):
        assert (BEGIN, end) == validity_of(made(end))


def test_the_first_of_several_counts(made):
    """Those that vouch for it follow."""
    end, other = datetime(2031, 5, 6, tzinfo=UTC), datetime(2041, 5, 6, tzinfo=UTC)

    assert (BEGIN, end) == validity_of("a line\n" + made(end) + made(other))


def test_long_names_and_serial_numbers_are_passed_over(made):
    """Lengths of one byte and of several."""
    end = datetime(2031, 5, 6, tzinfo=UTC)
    subject = "".join(f"/OU={letter * 60}" for letter in "abcdefgh")

    assert (BEGIN, end) == validity_of(made(end, "-subj", subject, "-set_serial", "0x7" + "f" * 37))


def test_nothing_but_a_certificate_has_an_end():
    for text in ("", "no\n", f"{ssl.PEM_HEADER}\n", f"{ssl.PEM_HEADER}\nMAA=\n{ssl.PEM_FOOTER}\n"):
        with pytest.raises(ValueError, match=r"."):
            validity_of(text)


@given(st.binary(max_size=80))
def test_any_bytes_have_an_end_or_an_error(der):
    try:
        validity_of(ssl.DER_cert_to_PEM_cert(b"\x30" + der))
    except ValueError:
        return


def test_a_certificate_that_is_cut_off_anywhere_has_none(made):
    der = ssl.PEM_cert_to_DER_cert(made(datetime(2031, 5, 6, tzinfo=UTC)))
    for length in range(0, len(der) - 1, 7):
        with pytest.raises(ValueError, match=r"."):
            validity_of(ssl.DER_cert_to_PEM_cert(der[:length]))
