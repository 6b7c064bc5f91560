"""Models have the column types and constraint names that the migrations created."""

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateTable

from detection_api.models.base import Base
from detection_api.models.tokens import OperatorToken


def _ddl(model: type[Base]) -> str:
    statement = CreateTable(Base.metadata.tables[model.__tablename__])
    dialect = PGDialect()  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect))


def test_annotations_become_the_types_of_postgresql() -> None:
    types = {column.name: str(column.type) for column in OperatorToken.__table__.columns}
    assert types["id"] == "BIGINT"
    assert types["name"] == "TEXT"
    assert "created_at TIMESTAMP WITH TIME ZONE" in _ddl(OperatorToken)


def test_constraints_are_named_after_table_and_columns() -> None:
    ddl = _ddl(OperatorToken)
    assert "CONSTRAINT pk_operator_token PRIMARY KEY" in ddl
    assert "CONSTRAINT ck_operator_token_role CHECK" in ddl
    assert "CONSTRAINT uq_operator_token_digest UNIQUE" in ddl
