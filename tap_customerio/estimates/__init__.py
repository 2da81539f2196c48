"""Estimates of requests, for `init` and `backfill --plan`."""
