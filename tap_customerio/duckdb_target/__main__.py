"""`python -m tap_customerio.duckdb_target` is the command `tap-customerio-duckdb`."""

from tap_customerio.duckdb_target import main

main()
