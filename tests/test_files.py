"""Files are replaced atomically, but never links, pipes or devices."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tap_customerio.files import write_private

if TYPE_CHECKING:
    from pathlib import Path


def test_a_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    target, link = tmp_path / "volume" / "state.json", tmp_path / "state.json"
    link.symlink_to(target)
    for text in ("first", "second"):
        write_private(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert [*target.parent.iterdir()] == [target]


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is not a regular file"):
        write_private(pipe, "text")
    assert pipe.is_fifo()
