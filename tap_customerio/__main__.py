"""Run with `python -m tap_customerio`."""

from tap_customerio.start import tap

tap()
