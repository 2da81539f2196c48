"""What `tap-customerio demo` runs: tap, loader and dbt, each in a process of its own."""
