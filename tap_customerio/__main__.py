"""Run with `python -m tap_customerio`."""

from tap_customerio.cli import main

main()
