"""SQL transactions in the dialect of a database; they work even if some tables are missing."""

from __future__ import annotations

from typing import NamedTuple

SPARE = "tap_customerio_spare"
_WRONG = "None of the tables is in this schema: name it with --warehouse-schema. Nothing was done."


class Dialect(NamedTuple):
    """Syntax of a database where there is no standard SQL."""

    check: str
    here: str
    there: str
    path_here: str
    path_there: str
    path_back: str


DIALECTS = {
    "postgres": Dialect(
        check="DO $$ BEGIN IF NOT EXISTS (SELECT FROM information_schema.tables WHERE {where} "
        "AND table_name IN ({names})) THEN RAISE EXCEPTION '{wrong}'; END IF; END $$;",
        here="table_schema = ANY (current_schemas(false))",
        there="table_schema = '{last}'",
        path_here="DO $$ BEGIN PERFORM set_config('search_path', "
        "current_setting('search_path') || ', {spare}', true); END $$;",
        path_there="SET LOCAL search_path TO {schema}, {spare};",
        path_back="SET LOCAL search_path TO DEFAULT;",
    ),
    "duckdb": Dialect(
        check="SELECT CASE WHEN count(*) = 0 THEN error('{wrong}') END "
        "FROM information_schema.tables WHERE {where} AND table_name IN ({names});",
        here="table_schema = 'main'",
        there="lower(table_schema) = '{last}'",
        path_here="SET search_path = 'main,{spare}';",
        path_there="SET search_path = '{schema},{spare}';",
        path_back="RESET search_path;",
    ),
}
"""Dialects by the name of the database."""

OTHER = "other"
"""Any other database: plain statements, which need all tables."""


class Stage(NamedTuple):
    """SQL before and after the statements."""

    before: list[str]
    after: list[str]


def stage(dialect: str, schema: str, names: list[str], empty: list[str]) -> Stage:
    """Wrap statements in a transaction in which each missing table exists as an empty one.

    `empty` creates those in a schema that follows the real one in the search path. If all tables
    are missing, the script stops before any change.
    """
    words = DIALECTS[dialect]
    catalog, _, last = schema.rpartition(".")
    spare = f"{catalog}.{SPARE}" if catalog else SPARE
    where = words.there.format(last=last.lower()) if schema else words.here
    quoted = ", ".join(f"'{name}'" for name in names)
    path = words.path_there if schema else words.path_here
    before = [
        "BEGIN;",
        words.check.format(where=where, names=quoted, wrong=_WRONG),
        f"CREATE SCHEMA {spare};",
        *(statement.format(spare=spare) for statement in empty),
        path.format(schema=schema, spare=spare),
    ]
    return Stage(before, [words.path_back, f"DROP SCHEMA {spare} CASCADE;", "COMMIT;"])
