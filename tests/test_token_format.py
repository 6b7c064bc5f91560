"""Tokens cannot be guessed, and are known wherever they turn up."""

import io
import logging
import sys

import pytest
import structlog

from detection_api import token_format
from detection_api.telemetry import logs


def test_tokens_are_long_random_and_begin_with_the_known_prefix() -> None:
    tokens = {token_format.new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(t.startswith("dapi_") and len(t) >= len("dapi_") + 43 for t in tokens)


def test_a_digest_is_sha_256_of_the_token() -> None:
    """So that anybody can find out by hand whose a leaked token is."""
    assert token_format.digest("dapi_x").hex() == (
        "25cefedb1eaa86a267a158a6d9298178a460d1c6ff51293b696224b1527a970a"
    )


def test_whatever_looks_like_a_token_is_taken_out_of_text() -> None:
    first, second = token_format.new_token(), token_format.new_token()
    text = token_format.redacted(f"GET /x?a={first}&b=1 'Bearer {second}' end")
    assert text == "GET /x?a=dapi_[redacted]&b=1 'Bearer dapi_[redacted]' end"
    assert token_format.redacted("nothing of the kind") == "nothing of the kind"
    assert token_format.is_in(f"x{first}")
    assert not token_format.is_in("dapi_ is only the prefix")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What this process logs to standard error from now on."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("INFO")
    monkeypatch.undo()
    return stream


def test_no_line_of_the_log_has_a_token_whoever_writes_it(written: io.StringIO) -> None:
    token = token_format.new_token()
    try:
        int(token)
    except ValueError:
        structlog.get_logger("ours").error("failed", header=f"Bearer {token}", exc_info=True)
    logging.getLogger("theirs").warning("got %s", token)
    logs.configure("INFO")
    lines = written.getvalue()
    assert lines.count("dapi_[redacted]") >= 3
    assert token not in lines


def test_gunicorns_own_lines_have_none_either(written: io.StringIO) -> None:
    token = token_format.new_token()
    own, stream = logging.getLogger("gunicorn.error"), io.StringIO()
    handler = logging.StreamHandler(stream)
    own.addHandler(handler)
    own.warning("Invalid request from ip=%s: Invalid HTTP Header: %r", "::1", f"A {token}")
    own.removeHandler(handler)
    logs.configure("INFO")
    assert stream.getvalue() == (
        "Invalid request from ip=::1: Invalid HTTP Header: 'A dapi_[redacted]'\n"
    )
    assert token not in written.getvalue()
