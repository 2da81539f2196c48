"""Backfills: a range read once, with a separate state, into a target or a pipe."""
