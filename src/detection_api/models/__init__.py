"""The tables; one file per domain. Importing this package registers all of them."""

from detection_api.models import cameras, ingestion, records, sessions, statistics, tokens

__all__ = [
    "cameras",
    "ingestion",
    "records",
    "sessions",
    "statistics",
    "tokens",
]
