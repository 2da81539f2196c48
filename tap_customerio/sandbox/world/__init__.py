"""The generated workspace."""
