"""The results: rows of `results.json`, and tables."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.load import Load

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over `runs` turns of one part, on one endpoint, in a world of `rows` rows."""

    part: str
    server: str
    endpoint: str
    rows: int
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    runs: int

    @classmethod
    def of(cls, part: str, server: str, endpoint: str, rows: int, turns: Sequence[Load]) -> Self:
        """Return the medians of `turns`."""

        def median(figure: str) -> float:
            return round(float(statistics.median(getattr(t, figure) for t in turns)), 3)

        return cls(
            part=part,
            server=server,
            endpoint=endpoint,
            rows=rows,
            requests_per_s=median("requests_per_s"),
            p50_ms=median("p50_ms"),
            p95_ms=median("p95_ms"),
            p99_ms=median("p99_ms"),
            runs=len(turns),
        )

    def __str__(self) -> str:
        return (
            f"  {self.part:<24}{self.server:<18}{self.requests_per_s:>9,.0f}/s"
            f"{self.p50_ms:>10.2f}{self.p95_ms:>10.2f}{self.p99_ms:>10.2f} ms"
        )


def shares(ours: Sequence[Load], others: Sequence[Load], figure: str) -> list[float]:
    """Return our `figure`, such as `p99_ms`, divided by theirs, for each turn."""
    pairs = zip(ours, others, strict=True)
    return [getattr(mine, figure) / getattr(theirs, figure) for mine, theirs in pairs]


def ratio(ours: Sequence[Load], others: Sequence[Load], figure: str) -> float:
    """Return the median of the `shares`."""
    return statistics.median(shares(ours, others, figure))


def ratios(title: str, columns: Sequence[str], table: Mapping[str, Sequence[float]]) -> str:
    """Return a table of ratios, with the geometric mean of each line."""
    heads = [column.rsplit(".", 1)[-1] for column in columns]
    lines = [f"{title:<38}" + "".join(f"{head[:10]:>11}" for head in [*heads, "geo mean"])]
    for name, values in table.items():
        cells = [*values, statistics.geometric_mean(values)]
        lines.append(f"  {name:<36}" + "".join(f"{cell:>10.2f}x" for cell in cells))
    return "\n".join(lines)


def save(results: Iterable[Result], path: Path = FILE) -> None:
    """Write results to the file; they replace earlier results of the same measurement."""
    kept = {_key(result): result for result in _load(path)}
    kept.update({_key(result): result for result in results})
    lines = ",\n".join(json.dumps(asdict(result)) for result in kept.values())
    path.write_text(f"[\n{lines}\n]\n")


def _key(result: Result) -> tuple[str, str, str, int]:
    return result.part, result.server, result.endpoint, result.rows


def _load(path: Path) -> list[Result]:
    return [Result(**entry) for entry in json.loads(path.read_text())] if path.exists() else []
