"""The tables of the canary, of operators' tokens and of the console, for any database."""

from psycopg2 import connect
from sqlalchemy import create_engine, func, select
from sqlalchemy.pool import NullPool

from detection_api.canary.state.postgres import metadata
from detection_api.models.base import Base
from detection_api.models.sessions import OperatorSession
from detection_api.models.tokens import OperatorToken

LOCK = "detection-api create tables"
OPERATORS = [Base.metadata.tables[m.__tablename__] for m in (OperatorToken, OperatorSession)]


def create_tables(database_url: str) -> None:
    """Create the tables that do not exist yet, in one transaction; one host at a time does it.

    `database_url` is libpq's. Raises SQLAlchemy's DBAPIError.
    """
    engine = create_engine(
        "postgresql+psycopg2://", creator=lambda: connect(database_url), poolclass=NullPool
    )
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(LOCK, 0))))
        metadata.create_all(connection)
        Base.metadata.create_all(connection, tables=OPERATORS)
