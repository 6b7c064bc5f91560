"""The numbered sources of a report: statements for psql, and commands of ours.

A number in the report is what its source says when somebody asks it again.
"""

from datetime import UTC, datetime

from detection_api.canary.state import COUNTS, GAMMA, RolloutEvent
from detection_api.rollout.report.document import Facts, Source

_SUMS = ",\n    ".join(f"sum({name}) AS {name}" for name in COUNTS)

_WHERE = """\
WHERE endpoint = '{endpoint}'
    AND bucket >= '{since}' AND bucket < '{until}'"""

_MS = f"(2000 * power({GAMMA!r}::float8, min(bin)) / {GAMMA + 1!r}::float8)::numeric"

COUNTED = f"""\
SELECT arm, {_SUMS}
FROM canary_ledger
{_WHERE}
GROUP BY arm ORDER BY arm;"""  # noqa: S608 - a text to be read

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
GROUP BY arm, percent ORDER BY arm, percent;"""  # noqa: S608 - a text to be read

SERIES = f"""\
SELECT date_bin('{{step}} seconds', bucket, '{{since}}') AS at, arm,
    sum(requests) AS requests, sum(errors + timeouts + violations) AS failures
FROM canary_ledger
{_WHERE}
GROUP BY at, arm ORDER BY at, arm;"""  # noqa: S608 - a text to be read


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
GROUP BY at, arm ORDER BY at, arm;"""  # noqa: S608 - a text to be read

EVENT = "SELECT * FROM rollout_event WHERE {where} ORDER BY id;"


class Sources:
    """Hands out the numbers; the same source has the same number wherever it is used."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._sources: dict[str, Source] = {}

    @property
    def all(self) -> tuple[Source, ...]:
        """Every source that was used, by number."""
        return tuple(self._sources.values())

    def event(self, event: RolloutEvent) -> int:
        """An event of the audit."""
        text = EVENT.format(where=f"id = {event.id}")
        return self._number("source.event", {"id": str(event.id), "kind": event.kind.value}, text)

    def events(self) -> int:
        """All events of the run."""
        run = self._run
        text = EVENT.format(where=f"id = {run} OR run = {run}")
        return self._number("source.events", {"run": str(run)}, text)

    def around(self, since: datetime, until: datetime) -> int:
        """All events while the run went on, its own or not."""
        text = EVENT.format(where=f"at >= '{_moment(since)}' AND at <= '{_moment(until)}'")
        return self._number("source.around", {}, text)

    def counts(self, endpoint: str, since: datetime, until: datetime) -> int:
        """What the ledger counted of an endpoint in a window."""
        return self._ledger("source.counts", COUNTED, endpoint, since, until)

    def percentiles(
        self, endpoint: str, since: datetime, until: datetime, histogram: str = "latency"
    ) -> int:
        """The percentiles of the ledger's histograms of an endpoint in a window."""
        key = f"source.percentiles.{histogram}"
        return self._ledger(key, PERCENTILES, endpoint, since, until, histogram=histogram)

    def series(self, endpoint: str, since: datetime, until: datetime, step: int) -> int:
        """Counts of an endpoint over time; `step` is in seconds."""
        return self._ledger("source.series", SERIES, endpoint, since, until, step=str(step))

    def p95_series(self, endpoint: str, since: datetime, until: datetime, step: int) -> int:
        """P95 of an endpoint over time; `step` is in seconds."""
        key = "source.p95_series"
        return self._ledger(key, P95_SERIES, endpoint, since, until, step=str(step))

    def code(self, name: str) -> int:
        """A constant of this application's code."""
        return self._number("source.code", {"name": name}, name)

    def _ledger(
        self, key: str, statement: str, endpoint: str, since: datetime, until: datetime, **more: str
    ) -> int:
        text = statement.format(
            endpoint=endpoint.replace("'", "''"), since=_moment(since), until=_moment(until), **more
        )
        facts: Facts = {"endpoint": endpoint, "since": since, "until": until}
        return self._number(key, facts, text)

    def _number(self, key: str, facts: Facts, text: str) -> int:
        if text not in self._sources:
            number = len(self._sources) + 1
            self._sources[text] = Source(number=number, key=key, facts=facts, text=text)
        return self._sources[text].number


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
