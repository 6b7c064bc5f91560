"""The last good answer is kept no longer than allowed, and in bounded memory."""

import pytest

from detection_api.canary.serving.last_good import OVERHEAD, Good, LastGood

BODY = b"x" * 1000
ROOM = len(BODY) + OVERHEAD + 1
"""Bytes that one answer of BODY to a question of one letter takes."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def good(body: bytes = BODY) -> Good:
    return Good(body, {})


def test_an_answer_is_found_with_its_age_until_it_is_too_old(clock: Clock) -> None:
    last = LastGood(60, clock=clock)
    last.keep("a", good())
    clock.now += 60
    assert last.find("a") == (good(), 60)
    clock.now += 0.1
    assert last.find("a") is None


def test_a_newer_answer_takes_the_place_of_the_older_one(clock: Clock) -> None:
    last = LastGood(60, clock=clock)
    last.keep("a", good(b"old"))
    clock.now += 50
    last.keep("a", good(b"new"))
    clock.now += 50
    assert last.find("a") == (good(b"new"), 50)


def test_another_question_has_no_answer(clock: Clock) -> None:
    last = LastGood(60, clock=clock)
    last.keep("a", good())
    assert last.find("b") is None


def test_what_was_not_asked_for_longest_goes_when_there_is_no_more_room(clock: Clock) -> None:
    last = LastGood(60, max_bytes=2 * ROOM, clock=clock)
    for question in ("a", "b", "a", "c"):
        last.keep(question, good())
    assert [question for question in "abc" if last.find(question)] == ["a", "c"]


def test_room_is_found_again_however_often_answers_are_replaced(clock: Clock) -> None:
    last = LastGood(60, max_bytes=2 * ROOM, clock=clock)
    for _ in range(10):
        last.keep("a", good())
        last.keep("b", good())
    assert last.find("a")
    assert last.find("b")


def test_an_answer_that_is_too_large_is_not_kept(clock: Clock) -> None:
    last = LastGood(60, max_bytes=ROOM - 1, clock=clock)
    last.keep("a", good())
    assert last.find("a") is None


def test_nothing_is_kept_where_it_may_not_be_old() -> None:
    assert not LastGood(0).is_on
    assert LastGood(0.5).is_on
