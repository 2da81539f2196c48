"""The demo: tap, loader and dbt, each in a separate process."""
