"""What the arms' answers to one request tell of the domain: what operators read in the store."""

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, ClassVar

import pytest
from marshmallow import Schema, fields
from prometheus_client import REGISTRY

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.link import FleetLink
from detection_api.canary.serving.engine import Engine, Route
from detection_api.canary.serving.observation import DeadlinePool
from detection_api.canary.serving.settings import SETTLE, CanarySettings
from detection_api.canary.shadow.comparer import Comparer
from detection_api.canary.shadow.queue import Job
from detection_api.canary.state.ledger import Ledger, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import AcceptedDifference, Arm, Mismatch, Shared
from tests.canary.stores import ALL, summed

ENDPOINT = "shop.item"
STALE_AFTER = 60.0


class Moment(fields.AwareDateTime):
    wire_type: ClassVar = datetime


class Stats(Schema):
    persons = fields.Integer(required=True, strict=True)
    at = fields.Float(required=True)


class Row(Schema):
    id = fields.Integer(required=True, strict=True)
    seen = Moment(required=True)
    fps = fields.Float(required=True, allow_none=True)


class Page(Schema):
    rows = fields.List(fields.Nested(Row), required=True)
    total = fields.Integer(required=True, strict=True)
    running = fields.Boolean(required=True)
    stats = fields.Nested(Stats, required=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(strict=True), required=True)


class NotHereError(Exception):
    """An answer."""


def rows(*ids: int) -> list[dict[str, Any]]:
    seen = datetime(2026, 11, 23, tzinfo=UTC)
    return [{"id": n, "seen": seen + timedelta(seconds=n), "fps": n / 2} for n in ids]


def page(*ids: int, **others: Any) -> dict[str, Any]:
    """An answer that has these rows."""
    return {
        "rows": rows(*ids),
        "total": len(ids),
        "running": True,
        "stats": {"persons": 2, "at": 1.5},
        "counts": {"ANN": 1},
        **others,
    }


Implementation = Callable[[], Any]


def saying(*answers: Any) -> Implementation:
    """Gives these answers in turn, and then the last for ever; raises those that are errors."""
    left = list(answers)

    def implementation() -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return implementation


def outcomes() -> Counter[str]:
    """How many comparisons came to what, in Prometheus."""
    return Counter(
        {
            outcome: int(REGISTRY.get_sample_value("canary_comparisons_total", labels) or 0)
            for outcome in ("equal", "mismatch", "noise", "accepted", "failed")
            if (labels := {"endpoint": ENDPOINT, "outcome": outcome})
        }
    )


class Exam:
    """A worker that compares the answers of two implementations, and the store it tells."""

    def __init__(
        self, legacy: Implementation, domain: Implementation, *, store_values: bool = False
    ) -> None:
        self.now = 1000.0
        self.is_away = False
        self.store = MemoryStore(lambda: datetime.fromtimestamp(self.now, UTC))
        states = AppliedStates(stale_after=STALE_AFTER, clock=lambda: self.now)
        ledger = Ledger(lambda: self.now)
        self.sync = FleetLink(self.store, states, ledger, clock=lambda: self.now)
        self._engine = Engine(CanarySettings(pinned={}), (NotHereError,), DeadlinePool(1))
        self._comparer = Comparer(
            self._engine,
            states,
            ledger,
            store_values=store_values,
            settle=SETTLE,
            clock=lambda: self.now,
        )
        self._route = Route(
            domain=domain, legacy=legacy, contract=Contract(Page), rule=rules_of(Page())
        )
        self._before = outcomes()
        self.sync.step()

    def answer(self, arm: Arm = Arm.LEGACY) -> Job:
        """Have a client be answered by `arm`."""
        answered = self._engine.run(arm, self._route, {}, ENDPOINT)
        return Job(
            endpoint=ENDPOINT,
            route=self._route,
            arguments={},
            answered=answered,
            request_id="request-1",
        )

    def look(self, job: Job) -> None:
        """Look at an answer as often as it takes, each look when it is due."""
        waiting: Job | None = job
        while waiting is not None:
            self.now = max(self.now, waiting.due)
            waiting = self._comparer.compare(waiting)

    def compare(self, arm: Arm = Arm.LEGACY) -> None:
        self.look(self.answer(arm))

    @property
    def outcomes(self) -> dict[str, int]:
        return dict(outcomes() - self._before)

    @property
    def found(self) -> dict[tuple[str, str], int]:
        """How often the arms differed, by path and kind, as the store has it."""
        return {(m.path, m.kind): m.count for m in self.mismatches}

    @property
    def mismatches(self) -> list[Mismatch]:
        self.sync.step()
        return self.store.mismatches(ENDPOINT)

    def tally(self, arm: Arm = Arm.LEGACY) -> Tally:
        self.sync.step()
        return summed(self.store.ledger(ALL)).get((ENDPOINT, arm.value), Tally())

    @property
    def sample(self) -> dict[str, Any]:
        (mismatch,) = self.mismatches
        (sample,) = mismatch.samples
        return sample


both_arms = pytest.mark.parametrize("arm", Arm)


@both_arms
def test_equal_answers_are_compared_once_and_counted_for_who_had_answered(arm: Arm) -> None:
    exam = Exam(saying(page(1, 2)), saying(page(1, 2)))
    exam.compare(arm)
    tally = exam.tally(arm)
    assert (tally.compared, tally.mismatched, tally.noise, tally.accepted) == (1, 0, 0, 0)
    assert exam.outcomes == {"equal": 1}
    assert exam.found == {}


@both_arms
def test_the_time_of_every_run_that_was_made_to_compare_is_in_the_ledger(arm: Arm) -> None:
    equal = Exam(saying(page()), saying(page()))
    equal.compare(arm)
    runs = [sum(equal.tally(each).shadow.values()) for each in Arm]
    assert runs == [int(each is not arm) for each in Arm]
    unequal = Exam(saying(page(1)), saying(page(2)))
    unequal.compare(Arm.DOMAIN)
    legacy, domain = unequal.tally(Arm.LEGACY), unequal.tally(Arm.DOMAIN)
    assert (sum(legacy.shadow.values()), sum(domain.shadow.values())) == (2, 1)
    assert not legacy.latency
    assert not domain.latency


WRONG = {
    "raises": (saying(RuntimeError("broken")), "$", "status"),
    "times out": (saying(TimeoutError("late")), "$", "timeout"),
    "is not JSON": (saying(page(total=object())), "$", "status"),
    "drops a field": (
        saying({k: v for k, v in page().items() if k != "total"}),
        "$.total",
        "missing",
    ),
    "another type": (saying(page(total="2")), "$.total", "type"),
    "null": (saying(page(total=None)), "$.total", "null"),
    "not a number": (saying(page(stats={"persons": 2, "at": math.nan})), "$.stats.at", "value"),
    "no zone": (
        saying(page(rows=[{**rows(1)[0], "seen": datetime(2026, 11, 23)}])),
        "$.rows[*].seen",
        "type",
    ),
    "no rows": (saying(page(rows=[])), "$.rows", "length"),
    "wrong total": (saying(page(1, 2, total=7)), "$.total", "value"),
    "unordered": (saying(page(2, 1)), "$.rows", "order"),
    "not found": (saying(NotHereError("no item")), "$", "status"),
    "a type of its own": (saying(page(1, counts={"BEN": 1})), "$.counts.*", "extra"),
}


@both_arms
@pytest.mark.parametrize(("domain", "path", "kind"), WRONG.values(), ids=WRONG)
def test_a_domain_that_always_answers_wrongly_is_found(
    arm: Arm, domain: Implementation, path: str, kind: str
) -> None:
    """Whoever answers: a domain that fails does not answer, but is found from behind legacy."""
    exam = Exam(saying(page(1, 2)), domain)
    if arm is Arm.DOMAIN and exam.answer(arm).answered.cause is not None:
        arm = Arm.LEGACY
    exam.compare(arm)
    assert exam.found[path, kind] == 1
    assert exam.tally(arm).mismatched == 1
    assert exam.outcomes == {"mismatch": 1}
    assert {m.samples[0]["request_id"] for m in exam.mismatches} == {"request-1"}


@pytest.mark.parametrize(
    "name", ["raises", "drops a field", "another type", "null", "not a number", "no zone"]
)
def test_a_domain_that_fails_is_a_mismatch_at_once(name: str) -> None:
    domain, path, kind = WRONG[name]
    exam = Exam(saying(page(1, 2), AssertionError("looked at once more")), domain)
    exam.compare()
    assert (path, kind) in exam.found


def test_of_an_answer_that_broke_its_contract_only_that_counts() -> None:
    """The rest of it is no answer that a client would have got."""
    exam = Exam(saying(page(1, 2)), saying(page(1, 2, 3, total=None, running=False)))
    exam.compare()
    assert exam.found == {("$.total", "null"): 1}


def test_a_domain_that_fails_when_it_is_looked_at_once_more_is_a_mismatch() -> None:
    exam = Exam(saying(page(1)), saying(page(1, 2), RuntimeError("broken")))
    exam.compare()
    assert exam.found == {("$", "status"): 1}


@pytest.mark.parametrize(
    "legacy",
    [
        pytest.param(saying(RuntimeError("down")), id="at first"),
        pytest.param(saying(page(1), RuntimeError("down")), id="then"),
    ],
)
def test_without_a_reference_nothing_is_compared(legacy: Implementation) -> None:
    exam = Exam(legacy, saying(page(2)))
    exam.compare(Arm.DOMAIN)
    assert exam.outcomes == {"failed": 1}
    assert exam.tally(Arm.DOMAIN).compared == 0
    assert exam.store.branches() == {}


def test_both_finding_nothing_is_equal_and_a_branch_of_its_own() -> None:
    exam = Exam(saying(NotHereError("no item")), saying(NotHereError("no item")))
    exam.compare()
    assert exam.outcomes == {"equal": 1}
    exam.sync.step()
    assert exam.store.branches() == {(ENDPOINT, "error:NotHereError"): 1}


def test_data_that_moved_between_the_arms_is_noise() -> None:
    exam = Exam(saying(page(1), page(2, 1)), saying(page(2, 1)))
    exam.compare()
    assert exam.outcomes == {"noise": 1}
    assert (exam.tally().compared, exam.tally().noise, exam.tally().mismatched) == (1, 1, 0)


def test_data_that_moves_during_the_second_look_is_noise_too() -> None:
    """Whichever arm a run is of, it finds the data as it is then."""
    runs = saying(page(1), page(2, 1), page(2, 1), page(3, 2, 1))
    exam = Exam(runs, runs)
    exam.compare(Arm.DOMAIN)
    assert exam.outcomes == {"noise": 1}


@pytest.mark.parametrize("answer", [page(2, 1), NotHereError("no item")], ids=["page", "error"])
def test_what_the_domain_sees_a_moment_after_legacy_is_noise(answer: Any) -> None:
    exam = Exam(saying(page(1)), saying(answer, page(1)))
    exam.compare()
    assert exam.outcomes == {"noise": 1}


def test_noise_is_no_evidence_for_any_branch() -> None:
    exam = Exam(saying(page(1), page(2, 1)), saying(page(2, 1)))
    exam.compare()
    exam.sync.step()
    assert exam.store.branches() == {}


def test_branches_are_counted_once_for_each_answer_that_was_compared() -> None:
    exam = Exam(saying(page(1, 2)), saying(page(1, 2)))
    exam.compare()
    exam.compare(Arm.DOMAIN)
    exam.sync.step()
    assert exam.store.branches() == {
        (ENDPOINT, "$.rows:items"): 2,
        (ENDPOINT, "$.rows[*].fps:value"): 2,
        (ENDPOINT, "$.counts:items"): 2,
    }


def moving(domain_of: Callable[[dict[str, Any]], Any]) -> Exam:
    """An exam of data that every run of legacy finds changed, and what the domain makes of it."""
    answers = [page(*range(n, 0, -1), stats={"persons": n, "at": n / 10}) for n in range(3, 30)]
    turn = iter(answers)
    return Exam(lambda: next(turn), lambda: domain_of(next(turn)))


@pytest.mark.parametrize(
    ("domain_of", "path", "kind"),
    [
        pytest.param(
            lambda answer: {**answer, "rows": [{**r, "extra": 1} for r in answer["rows"]]},
            "$.rows[*].extra",
            "extra",
            id="structure",
        ),
        pytest.param(lambda answer: {**answer, "rows": []}, "$.rows", "length", id="no rows"),
        pytest.param(lambda answer: {**answer, "counts": {}}, "$.counts.*", "missing", id="map"),
    ],
)
def test_what_movement_never_explains_is_found_while_the_data_moves(
    domain_of: Callable[[dict[str, Any]], Any], path: str, kind: str
) -> None:
    exam = moving(domain_of)
    exam.compare()
    assert exam.found == {(path, kind): 1}


def test_what_stands_still_beside_moving_data_is_found() -> None:
    exam = moving(lambda answer: {**answer, "stats": {"persons": 0, "at": 0.0}, "running": False})
    exam.compare()
    assert ("$.running", "value") not in exam.found, "the total beside it has moved"
    still = [page(1, stats={"persons": n, "at": n / 10}) for n in range(9)]
    turn = iter(still)
    exam = Exam(lambda: next(turn), lambda: {**next(turn), "running": False})
    exam.compare()
    assert exam.found == {("$.running", "value"): 1}


def test_an_object_moves_as_a_whole() -> None:
    """As live statistics do: the counts may well be the same in two of three messages."""
    legacy = saying(page(stats={"persons": 2, "at": 1.0}), page(stats={"persons": 2, "at": 3.0}))
    exam = Exam(legacy, saying(page(stats={"persons": 3, "at": 2.0})))
    exam.compare()
    assert exam.outcomes == {"noise": 1}


def test_a_key_that_a_map_has_gained_is_noise() -> None:
    gained = {"ANN": 1, "BEN": 1}
    exam = Exam(saying(page(), page(counts=gained)), saying(page(counts=gained), page()))
    exam.compare()
    assert exam.outcomes == {"noise": 1}


class MovingWorld:
    """Data that changes about once a second, by chance; `seen` is it as it was at a moment."""

    def __init__(self, random: Random, until: float) -> None:
        self._moments = [0.0]
        self._states = [page()]
        while self._moments[-1] < until:
            self._moments.append(self._moments[-1] + random.expovariate(1.0))
            self._states.append(self._changed(random, self._states[-1]))

    def _changed(self, random: Random, old: dict[str, Any]) -> dict[str, Any]:
        number = len(self._states)
        name = random.choice(("ANN", "BEN", f"GUEST {number % 50}"))
        counts = {**old["counts"], name: old["counts"].get(name, 0) + 1}
        return {
            "rows": (rows(number) + old["rows"])[:5],
            "total": number,
            "running": True,
            "stats": {"persons": random.randint(0, 3), "at": float(number)},
            "counts": counts if len(counts) < 20 else {"ANN": 1},
        }

    def seen(self, at: float) -> dict[str, Any]:
        """By bisection, as there are many moments."""
        low, high = 0, len(self._moments)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._moments[middle] <= at else (low, middle)
        return self._states[low]


@both_arms
def test_in_10_000_comparisons_of_moving_data_none_is_a_mismatch(arm: Arm) -> None:
    """The domain sees each change up to 1.5 s after legacy, and runs take some milliseconds."""
    random = Random(7)
    world = MovingWorld(random, until=40_000)

    def run(lag: float) -> Any:
        exam.now += random.uniform(0.001, 0.05)
        return world.seen(exam.now - lag)

    exam = Exam(lambda: run(0), lambda: run(random.uniform(0, 1.5)))
    for _ in range(5_000):
        job = exam.answer(arm)
        exam.now += random.uniform(0, 0.5)
        exam.look(job)
    exam.now += SETTLE
    assert exam.found == {}
    assert exam.tally(arm).compared == 5_000
    assert exam.tally(arm).noise > 1_000, "the data moves"
    assert exam.outcomes["equal"] > 1_000


SECRET = "hunter2"


def secret_pages() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two answers that differ only in what a map holds under a telling key."""
    return page(counts={SECRET: 1}), page(counts={SECRET: 424242})


def test_samples_hold_no_data() -> None:
    legacy, domain = secret_pages()
    exam = Exam(saying(legacy), saying(domain))
    exam.compare()
    assert exam.sample == {
        "request_id": "request-1",
        "at": "$.counts.*",
        "legacy": "integer",
        "domain": "integer",
    }


def test_samples_hold_data_where_the_operator_wants_it() -> None:
    legacy, domain = secret_pages()
    exam = Exam(saying(legacy), saying(domain), store_values=True)
    exam.compare()
    assert exam.sample == {
        "request_id": "request-1",
        "at": f"$.counts.{SECRET}",
        "legacy": "1",
        "domain": "424242",
    }


def test_a_redacted_sample_says_which_item_it_was() -> None:
    wrong = page(1, 2, 3)
    wrong["rows"][2]["fps"] = None
    exam = Exam(saying(page(1, 2, 3)), saying(wrong))
    exam.compare()
    assert exam.sample["at"] == "$.rows[2].fps"


def test_a_sample_of_a_failure_names_the_error_and_hides_its_words() -> None:
    exam = Exam(saying(page()), saying(RuntimeError(f"password={SECRET}")))
    exam.compare()
    assert exam.sample["legacy"] == "object(5)"
    assert exam.sample["domain"] == "error(RuntimeError)"


def accept(exam: Exam, path: str, kind: str = "*", *, seconds: float = 1000) -> None:
    expires_at = datetime.fromtimestamp(exam.now + seconds, UTC)
    exam.store.accept(
        AcceptedDifference(
            endpoint=ENDPOINT,
            path=path,
            kind=kind,
            reason="agreed",
            by="ann",
            expires_at=expires_at,
        )
    )
    exam.sync.step()


def test_an_accepted_difference_is_counted_as_that_and_as_used() -> None:
    exam = Exam(saying(page(1)), saying(page(1, total=7)))
    accept(exam, "$.total", "value")
    exam.compare()
    assert exam.outcomes == {"accepted": 1}
    assert (exam.tally().compared, exam.tally().accepted, exam.tally().mismatched) == (1, 1, 0)
    (mismatch,) = exam.mismatches
    assert (mismatch.count, mismatch.accepted, mismatch.samples) == (0, 1, [])
    (accepted,) = exam.store.accepted()
    assert accepted.used == 1


def test_an_accepted_difference_excuses_no_other() -> None:
    exam = Exam(saying(page(1)), saying(page(1, total=7, running=False)))
    accept(exam, "$.total")
    exam.compare()
    assert exam.outcomes == {"mismatch": 1}
    assert exam.found == {("$.running", "value"): 1, ("$.total", "value"): 0}
    assert exam.tally().mismatched == 1
    assert exam.tally().accepted == 0


def test_an_accepted_difference_that_has_expired_counts_again() -> None:
    exam = Exam(saying(page(1)), saying(page(1, total=7)))
    accept(exam, "$.total", seconds=10)
    exam.now += 11
    exam.sync.step()
    exam.compare()
    assert exam.found == {("$.total", "value"): 1}


def test_a_worker_that_has_lost_the_store_excuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For it cannot know what has expired; until then it lets pass what it last knew of."""
    exam = Exam(saying(page(1)), saying(page(1, total=7)))
    accept(exam, "$.total")

    def away() -> Shared:
        raise ConnectionError("the store is away")

    with monkeypatch.context() as context:
        context.setattr(exam.store, "read", away)
        exam.now += STALE_AFTER / 2
        exam.sync.step()
        exam.compare()
        exam.now += STALE_AFTER
        exam.sync.step()
        exam.compare()
    assert exam.outcomes == {"accepted": 1, "mismatch": 1}
    assert exam.found == {("$.total", "value"): 1}


def test_a_mismatch_is_in_prometheus_by_kind() -> None:
    labels = {"endpoint": ENDPOINT, "kind": "value"}
    before = REGISTRY.get_sample_value("canary_mismatches_total", labels) or 0
    exam = Exam(saying(page(1)), saying(page(1, total=7)))
    exam.compare()
    assert REGISTRY.get_sample_value("canary_mismatches_total", labels) == before + 1


def test_a_failing_run_is_in_the_log_with_its_request(caplog: pytest.LogCaptureFixture) -> None:
    exam = Exam(saying(page(1)), saying(RuntimeError("broken")))
    exam.compare()
    assert "shadow_run_failed" in caplog.text
    assert "request-1" in caplog.text
    assert "RuntimeError: broken" in caplog.text
