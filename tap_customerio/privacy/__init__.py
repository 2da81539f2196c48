"""Requests of people about their own data: what is held on them, and its erasure."""
