"""`python -m tap_customerio.duckdb_target` is the command `tap-customerio-duckdb`."""

from tap_customerio.start import duckdb_target

duckdb_target()
