"""target-duckdb: a Singer target that loads DuckDB as fast as the API returns records.

It is independent of the tap: any Singer tap can pipe into it.
"""
