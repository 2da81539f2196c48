"""Builds the models with dbt on data loaded by a target."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import psycopg
from harness import config_for, run_tap
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dbt.contracts.graph.manifest import Manifest
    from harness import Output

    from tap_customerio.sandbox import Sandbox

ROOT = Path(__file__).parent.parent.parent
TRANSFORM = ROOT / "transform"
Row = dict[str, Any]
PARSED: dict[str, Manifest] = {}
"""The parsed project by database; parsing takes half of the time of a build."""
FOR_MARTS = "+path:models/marts"
"""Selects the marts and the models that they read, which are half of all."""
READ_BY_MARTS = {
    path.stem.removeprefix("stg_customerio__")
    for path in (TRANSFORM / "models" / "staging").glob("*.sql")
} & {
    word.removeprefix("stg_customerio__")
    for folder in ("intermediate", "marts")
    for path in (TRANSFORM / "models" / folder).glob("*.sql")
    for word in re.findall(r"\w+", path.read_text())
}
"""The streams that these models read."""
QUIET = ("--quiet", "--no-use-colors", "--no-send-anonymous-usage-stats", "--no-write-json")


@dataclass
class Built:
    """A warehouse filled by the tap and modelled by dbt.

    Attributes:
        folder: The folder of the DuckDB database and of dbt's output.
        postgres: URI of a PostgreSQL database; without it, DuckDB is used.
    """

    folder: Path
    postgres: str = ""
    state: dict[str, Any] | None = None
    variables: Row = field(default_factory=dict)

    def sync(
        self,
        sandbox: Sandbox,
        streams: Iterable[str] | None = None,
        schema: str = "customerio",
        **settings: Any,
    ) -> Output:
        """Load new data."""
        config = config_for(sandbox, customers_sync="full", **settings)
        output = run_tap(config, streams=streams, state=self.state)
        self.state = output.states[-1]
        self.load(output.messages, schema)
        return output

    def load(self, messages: Iterable[Row], schema: str = "customerio") -> None:
        """Load Singer messages with the target settings of meltano.yml."""
        config = self.folder / "target.json"
        settings: Row = {"default_target_schema": schema}
        if self.postgres:
            command = [sys.executable, "-c", "from target_postgres.target import TargetPostgres"]
            command[-1] += "; TargetPostgres.cli()"
            url = self.postgres.replace("postgresql:", "postgresql+psycopg:")
            settings |= {"sqlalchemy_url": url, "use_copy": True, "validate_records": False}
            settings |= {"hard_delete": True, "add_record_metadata": True}
        else:
            command = [sys.executable, "-m", "tap_customerio.duckdb_target"]
            settings |= {"path": str(self.folder / "warehouse.duckdb")}
        config.write_text(json.dumps(settings))
        lines = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        _run([*command, "--config", str(config)], input=lines)

    def dbt(self, *arguments: str, succeeds: bool = True) -> str:
        """Run a dbt command; returns its output."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: PLC0415
        from dbt.cli.main import dbtRunner  # noqa: PLC0415 - takes seconds

        profiles = self.folder / "profiles.yml"
        profile = {"target": "it", "outputs": {"it": self._output()}}
        profiles.write_text(json.dumps({"customerio": profile}))
        options = ["--project-dir", str(TRANSFORM), "--profiles-dir", str(self.folder)]
        options += ["--target-path", str(self.folder / "target"), "--log-level-file", "none"]
        said: list[str] = []

        def hear(event: Any) -> None:
            said.append(event.info.msg)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dbt and its dependencies
            if self.postgres not in PARSED:
                parsed = dbtRunner().invoke(["parse", *options, *QUIET])
                PARSED[self.postgres] = cast("Manifest", parsed.result)
            runner = dbtRunner(PARSED[self.postgres], callbacks=[hear])
            variables = ["--vars", json.dumps(self.variables)]  # models read them when they run
            ran = runner.invoke([*arguments, *options, *variables, *QUIET])
            close: Callable[[], None] = DuckDBConnectionManager.close_all_connections
            close()  # otherwise the target cannot open the file
        text = "\n".join([*said, str(ran.exception or "")])
        assert ran.success == succeeds, text[-6000:]
        return text

    def ask(self, query: str) -> list[Row]:
        """The rows of a query; models are in the schema `analytics`."""
        connection: Any
        if self.postgres:
            connection = psycopg.connect(self.postgres, options="-c search_path=analytics")
        else:
            connection = duckdb.connect(str(self.folder / "warehouse.duckdb"))
            connection.execute("set schema = 'analytics'")
        with connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description or ()]
            if not names:
                return []
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _output(self) -> Row:
        """The database in a dbt profile."""
        if not self.postgres:
            path = str(self.folder / "warehouse.duckdb")
            return {"type": "duckdb", "path": path, "schema": "analytics", "threads": 2}
        place = conninfo_to_dict(self.postgres)
        named = {"host": "host", "user": "user", "password": "password", "dbname": "dbname"}
        output = {name: place.get(given) or "" for name, given in named.items()}
        port = int(place.get("port") or 5432)
        return {"type": "postgres", "port": port, "schema": "analytics", "threads": 2, **output}


def _run(command: list[str], *, input: bytes = b"", succeeds: bool = True) -> str:  # noqa: A002
    ran = subprocess.run(command, input=input, capture_output=True, check=False)
    text = ran.stdout.decode() + ran.stderr.decode()
    assert (ran.returncode == 0) == succeeds, text[-4000:]
    return text
