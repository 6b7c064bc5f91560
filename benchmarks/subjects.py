"""The subjects of the measurements: parts, their servers and their paths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks import servers
from benchmarks.servers import Command

_PLAIN: Mapping[str, str] = {"SHADOW_PERCENT": "0", "CACHE_TTL_S": "0", "THREADS": "1"}
"""No comparisons and no cache, because the peers have none. The workers of gunicorn are set up for
throughput, as documented; those of granian have one thread, too.
"""
ALL_DOMAIN: Mapping[str, str] = {"ROLLOUT_PERCENT": "100", **_PLAIN}
ALL_LEGACY: Mapping[str, str] = {"ROLLOUT_PERCENT": "0", **_PLAIN}


@dataclass(frozen=True, slots=True)
class Subject:
    """One server with one application; `query` is added to every path."""

    part: str
    server: str
    command: Command
    app: str = "wsgi:app"
    environ: Mapping[str, str] = field(default_factory=lambda: ALL_DOMAIN)
    query: str = ""

    @property
    def name(self) -> str:
        """Return the name, which is unique."""
        return f"{self.part} ({self.server})"

    def paths(self, paths: Sequence[str]) -> list[str]:
        """Return `paths` with the query of this subject."""
        return [path + self.query for path in paths]


def _ours(server: str, command: Command) -> list[Subject]:
    return [
        Subject("canary", server, command),
        Subject("domain", server, command, environ=ALL_LEGACY, query="?force_domain=true"),
        Subject("canary-cached", server, command, environ={**ALL_DOMAIN, "CACHE_TTL_S": "1"}),
        Subject("bare-flask", server, command, "benchmarks.bare:app"),
    ]


def _peer(part: str, module: str) -> Subject:
    return Subject(part, "gunicorn+uvicorn", servers.uvicorn, f"benchmarks.peers.{module}:app")


CANARY = Subject("canary", "gunicorn", servers.gunicorn)
SHADOWED = replace(CANARY, part="canary-shadow-10", environ={**ALL_DOMAIN, "SHADOW_PERCENT": "10"})
UNDECORATED = replace(CANARY, part="undecorated", app="benchmarks.undecorated:app")
SUBJECTS = (
    *_ours("gunicorn", servers.gunicorn),
    *_ours("granian", servers.granian),
    Subject("legacy", "gunicorn", servers.gunicorn, environ=ALL_LEGACY),
    _peer("peer-fastapi", "plain"),
    _peer("peer-fastapi-typed", "typed"),
    _peer("peer-fastapi-tuned", "tuned"),
)
"""The subjects that are compared with `canary` in one run; `overhead` has the others."""
