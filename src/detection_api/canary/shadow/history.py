"""Remember how legacy answered each question, so that two looks bracket an answer."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from detection_api.canary.comparison import ComparedOutcome
from detection_api.canary.contract import fingerprint

MAX_QUESTIONS = 2_000
"""Questions that a worker remembers; the one not asked for longest is forgotten first."""
MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all remembered answers, as MessagePack."""
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asked for: an endpoint with its path and query, and the client's identity."""

    endpoint: str
    request: str
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """An answer of legacy at a monotonic time, in seconds."""

    at: float
    content: bytes
    error: tuple[str, str] | None = None

    @classmethod
    def of(cls, at: float, outcome: ComparedOutcome) -> "Look":
        """Pack an answer."""
        return cls(at, b"" if outcome.error else fingerprint(outcome.value), outcome.error)

    @property
    def outcome(self) -> ComparedOutcome:
        """The answer."""
        return ComparedOutcome(error=self.error) if self.error else ComparedOutcome(self._value)

    @property
    def _value(self) -> Any:
        if self.content.startswith(b"\xc1"):
            return json.loads(self.content[1:])
        return msgspec.msgpack.decode(self.content)

    def equals(self, other: "Look") -> bool:
        """Return whether both answers have the same bytes."""
        return (self.content, self.error) == (other.content, other.error)


@dataclass(slots=True)
class _Entry:
    """The looks at a question, at least `settle` apart, and when an answer to it last counted."""

    looks: list[Look] = field(default_factory=list)
    judged_at: float = float("-inf")


class LegacyHistory:
    """The newest looks at legacy by question; `settle` is in seconds."""

    def __init__(
        self, settle: float, *, max_questions: int = MAX_QUESTIONS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._settle = settle
        self._max_questions = max_questions
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()
        self._identities: dict[tuple[str, str], str] = {}
        self.bytes = 0

    def add(self, question: Question, look: Look) -> tuple[Look, ...]:
        """Remember a look that follows another by `settle`; return the three newest then."""
        entry = self._entries.setdefault(question, _Entry())
        self._entries.move_to_end(question)
        self._identities[question.endpoint, question.request] = question.identity
        looks = entry.looks
        if looks and look.at - looks[-1].at < self._settle:
            return ()
        looks.append(look)
        self.bytes += len(look.content)
        if len(looks) > _LOOKS:
            self.bytes -= len(looks.pop(0).content)
        self._forget()
        return tuple(looks)

    def before(self, question: Question, at: float) -> Look | None:
        """Return the newest look at a question that is not later than `at`; None if there is none.

        `at` is in seconds on the monotonic clock.
        """
        entry = self._entries.get(question)
        looks = entry.looks if entry else ()
        return next((look for look in reversed(looks) if look.at <= at), None)

    def before_by_anyone(self, question: Question, at: float) -> Look | None:
        """Like `before`, for the client that asked it last."""
        identity = self._identities.get((question.endpoint, question.request))
        if identity is None:
            return None
        return self.before(Question(question.endpoint, question.request, identity), at)

    def is_due(self, question: Question, at: float) -> bool:
        """Return whether an answer at `at` counts: one in `settle` seconds of each question."""
        entry = self._entries.get(question)
        if entry is None or at - entry.judged_at < self._settle:
            return False
        entry.judged_at = at
        return True

    def _forget(self) -> None:
        while self._entries and (
            len(self._entries) > self._max_questions or self.bytes > self._max_bytes
        ):
            question, entry = self._entries.popitem(last=False)
            self.bytes -= sum(len(look.content) for look in entry.looks)
            key = question.endpoint, question.request
            if self._identities.get(key) == question.identity:
                del self._identities[key]
