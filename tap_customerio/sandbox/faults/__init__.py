"""Faults, injected on request."""
