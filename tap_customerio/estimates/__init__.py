"""Estimates of requests: one home for `init` and `backfill --plan`."""
