"""Answers are told from failures by their class."""

import pytest

from detection_api import errors
from detection_api.errors import (
    ConfigurationError,
    DeadlineExceededError,
    DetectionError,
    InvalidTokenError,
    ThrottledError,
    UnauthenticatedError,
)


@pytest.mark.parametrize("failure", [ConfigurationError, DeadlineExceededError])
def test_a_failure_is_not_an_answer(failure: type[Exception]) -> None:
    assert not issubclass(failure, DetectionError)


def test_every_other_error_of_the_module_is_an_answer() -> None:
    every = {item for item in vars(errors).values() if isinstance(item, type)}
    failures = {ConfigurationError, DeadlineExceededError}
    assert all(issubclass(error, DetectionError) for error in every - failures)


def test_a_wrong_token_is_handled_like_a_missing_one() -> None:
    assert issubclass(InvalidTokenError, UnauthenticatedError)


def test_a_throttled_client_learns_when_to_try_again() -> None:
    error = ThrottledError("Too many wrong tokens.", retry_after=7)
    assert (str(error), error.retry_after) == ("Too many wrong tokens.", 7)
