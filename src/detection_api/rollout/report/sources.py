"""The numbered sources of a report: SQL statements for psql, and names of constants.

A reader who runs a source's statement gets the number that the report shows.
"""

from datetime import UTC, datetime

from detection_api.canary.state import COUNTS, GAMMA, RolloutEvent
from detection_api.rollout.report.document import Facts, Source, Text
from detection_api.rollout.report.record import Figures, RunRecord

_SUMS = ",\n    ".join(f"sum({name}) AS {name}" for name in COUNTS)

_WHERE = """\
WHERE endpoint = '{endpoint}'
    AND bucket >= '{since}' AND bucket < '{until}'"""

_MS = f"(2000 * power({GAMMA!r}::float8, min(bin)) / {GAMMA + 1!r}::float8)::numeric"

COUNTED = f"""\
SELECT arm, {_SUMS}
FROM canary_ledger
{_WHERE}
GROUP BY arm ORDER BY arm;"""  # noqa: S608 - never executed here

PERCENTILES = f"""\
WITH bins AS (
    SELECT arm, key::int AS bin, sum(value::bigint) AS n
    FROM canary_ledger, jsonb_each_text({{histogram}})
    {_WHERE}
    GROUP BY arm, bin
), ranked AS (
    SELECT arm, bin, sum(n) OVER (PARTITION BY arm ORDER BY bin) AS up_to,
        sum(n) OVER (PARTITION BY arm) AS total
    FROM bins
)
SELECT arm, percent, round({_MS}, 3) AS ms
FROM ranked, unnest(ARRAY[50, 95, 99]) AS percent
WHERE up_to >= ceil(total * percent / 100.0)
GROUP BY arm, percent ORDER BY arm, percent;"""  # noqa: S608 - never executed here

SERIES = f"""\
SELECT date_bin('{{step}} seconds', bucket, '{{since}}') AS at, arm,
    sum(requests) AS requests, sum(errors + timeouts + violations + deaths) AS failures
FROM canary_ledger
{_WHERE}
GROUP BY at, arm ORDER BY at, arm;"""  # noqa: S608 - never executed here


P95_SERIES = f"""\
WITH bins AS (
    SELECT date_bin('{{step}} seconds', bucket, '{{since}}') AS at, arm, key::int AS bin,
        sum(value::bigint) AS n
    FROM canary_ledger, jsonb_each_text(latency)
    {_WHERE}
    GROUP BY at, arm, bin
), ranked AS (
    SELECT at, arm, bin, sum(n) OVER (PARTITION BY at, arm ORDER BY bin) AS up_to,
        sum(n) OVER (PARTITION BY at, arm) AS total
    FROM bins
)
SELECT at, arm, round({_MS}, 3) AS p95_ms
FROM ranked WHERE up_to >= ceil(total * 0.95)
GROUP BY at, arm ORDER BY at, arm;"""  # noqa: S608 - never executed here

EVENT = "SELECT * FROM rollout_event WHERE {where} ORDER BY id;"


class Sources:
    """Numbers the sources. The same source has the same number wherever it is used."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._sources: dict[str, Source] = {}

    @property
    def all(self) -> tuple[Source, ...]:
        """Return every source that was used, by number."""
        return tuple(self._sources.values())

    def event(self, event: RolloutEvent | None) -> int:
        """Return the number of an event of the audit, or of all the run's events without one."""
        if event is None:
            return self.events()
        facts: Facts = {"id": str(event.id), "kind": Text(f"event.{event.kind.value}")}
        return self._number(EVENT.format(where=f"id = {event.id}"), "source.event", facts)

    def events(self) -> int:
        """Return the number of all events of the run."""
        run = str(self._record.run.id)
        where = f"id = {run} OR run = {run}"
        return self._number(EVENT.format(where=where), "source.events", {"run": run})

    def all_events(self) -> int:
        """Return the number of all events from the run's begin to its end, its own or not."""
        since, until = _moment(self._record.since), _moment(self._record.until)
        where = f"at >= '{since}' AND at <= '{until}'"
        return self._number(EVENT.format(where=where), "source.all_events", {})

    def counts(self, figures: Figures) -> int:
        """Return where the counts of figures come from."""
        if figures.is_recorded:
            return self.event(figures.decision)
        return self._ledger("source.counts", COUNTED, figures)

    def percentiles(self, figures: Figures, histogram: str = "latency") -> int:
        """Return where the percentiles of figures come from."""
        if figures.is_recorded:
            return self.event(figures.decision)
        key = f"source.percentiles.{histogram}"
        return self._ledger(key, PERCENTILES, figures, histogram=histogram)

    def series(self, figures: Figures) -> int:
        """Return where the chart of an endpoint's requests comes from."""
        return self._ledger("source.series", SERIES, figures, step=self._step())

    def p95_series(self, figures: Figures) -> int:
        """Return where the chart of an endpoint's P95 comes from."""
        return self._ledger("source.p95_series", P95_SERIES, figures, step=self._step())

    def code(self, name: str) -> int:
        """Return the number of a constant or function of this application, by its full name."""
        return self._number(name, "source.code", {"name": name})

    def _step(self) -> str:
        return str(int(self._record.step.total_seconds()))

    def _ledger(self, key: str, statement: str, figures: Figures, **parts: str) -> int:
        text = statement.format(
            endpoint=figures.endpoint.replace("'", "''"),
            since=_moment(figures.since),
            until=_moment(figures.until),
            **parts,
        )
        facts: Facts = {
            "endpoint": figures.endpoint,
            "since": figures.since,
            "until": figures.until,
        }
        return self._number(text, key, facts)

    def _number(self, text: str, key: str, facts: Facts) -> int:
        if text not in self._sources:
            number = len(self._sources) + 1
            self._sources[text] = Source(number=number, title=Text(key, facts), text=text)
        return self._sources[text].number


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
