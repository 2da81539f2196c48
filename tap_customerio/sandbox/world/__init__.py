"""The made-up workspace."""
