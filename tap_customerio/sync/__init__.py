"""One run: what it reads, writes, validates, counts and shows."""
