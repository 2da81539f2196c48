"""A page of figures from the dbt models."""
