"""Filters for the log."""

from __future__ import annotations

import logging

_IDLE = ("Skipping deselected stream", "Skipping parse of env var")
"""Prefixes of log lines of the SDK that say nothing useful."""


def drop_idle_lines(name: str) -> None:
    """Drop log lines of the SDK that say nothing useful."""
    logging.getLogger(name).addFilter(lambda line: not str(line.msg).startswith(_IDLE))


def hide_metrics(logger: logging.Logger) -> None:
    """Drop METRIC lines, unless the level is DEBUG."""
    if logger.level > logging.DEBUG:
        logger.setLevel(logging.WARNING)
