"""The domains of recipients, in the SQL of each warehouse."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import psycopg
import pytest
import sqlglot
from sqlglot import exp
from transform.dbt_run import TRANSFORM

DOMAINS = {
    "ada@x.com": "x.com",
    "Ada@X.Com": "x.com",
    "a@x.com, Bob <b@y.com>": "x.com",
    "a@x.com; b@y.com": "x.com",
    "a@x.com b": "x.com",
    "Ada <ada@mail.x.com>, b@y.com": "mail.x.com",
    "Lovelace, Ada <ada@x.com>": "x.com",
    "ada@old.example <ada@x.com>": "x.com",
    '"A <b" <a@x.com>': "x.com",
    '"Ada, b@y.com" <a@x.com>': "x.com",
    '"a@b"@x.com': "x.com",
    '"a\\"@y.com, "@x.com': "x.com",
    '"Ada <ada@x.com>': "x.com",
    "ada@x.com (b@y.com)": "x.com",
    "(b@y.com) ada@x.com": "x.com",
    "ada@x.com\t": "x.com",
    " \r\n\tada@x.com\r\nBcc: b@y.com": "x.com",
    "mailto:ada@x.com": "x.com",
    "<ada@x.com>": "x.com",
    "ada@x.com.": "x.com",
    "o'hara+news@x-y.co.uk": "x-y.co.uk",
    "ada": None,
    "ada@": None,
    "@x.com": None,
    "ada @ x.com": None,
    "ada@home": None,
    "ada@lovelace@x.com": None,
    'ada@lovelace"@x.com': None,
    "ada@x..com": None,
    "ada@x.com/lovelace": None,
    "Ada <>": None,
    "": None,
}


def rendered(dialect: str, column: str) -> str:
    """SQL of the macro."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    macros: dict[str, Any] = {}

    def dispatch(name: str, _package: str) -> Any:
        return macros.get(f"{dialect}__{name}", macros.get(f"default__{name}"))

    names = {
        "adapter": SimpleNamespace(dispatch=dispatch),
        "customerio": macros,
        "dbt": SimpleNamespace(string_literal=lambda text: f"'{text}'"),
        "return": lambda value: value,
        "target": SimpleNamespace(type=dialect),
    }
    source = (TRANSFORM / "macros" / "domains.sql").read_text()
    macros |= vars(environment.from_string(source, globals=names).module)
    return str(macros["email_domain"](column))


def in_duckdb(dialect: str) -> list[str | None]:
    """Domains by SQL of a dialect, which is translated for DuckDB."""
    query = f"select {rendered(dialect, 'address')} from addresses"
    parsed = sqlglot.parse_one(query, dialect=dialect)
    for function in parsed.find_all(exp.RegexpExtract):
        function.set("group", exp.Literal.number(1))  # which BigQuery returns without being asked
    translated = parsed.sql(dialect="duckdb")
    with duckdb.connect() as database:
        database.execute("create table addresses (address text)")
        database.executemany("insert into addresses values (?)", [[text] for text in DOMAINS])
        return [domain for (domain,) in database.execute(translated).fetchall()]


@pytest.mark.parametrize("dialect", ["duckdb", "bigquery", "snowflake"])
def test_a_domain_is_that_of_the_first_address(dialect: str) -> None:
    assert dict(zip(DOMAINS, in_duckdb(dialect), strict=True)) == DOMAINS


@pytest.mark.slow
def test_a_domain_is_that_of_the_first_address_in_postgres(postgres: str) -> None:
    query = f"select {rendered('postgres', '%s::text')}"
    with psycopg.connect(postgres) as connection:
        found = {text: connection.execute(query, [text]).fetchone() for text in DOMAINS}
    assert {text: row and row[0] for text, row in found.items()} == DOMAINS
