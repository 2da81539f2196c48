"""A run: what is read, written, validated, counted and shown."""
