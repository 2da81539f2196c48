"""A report from the dbt models."""
