"""Private files: readable only by their owner, and written atomically."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_private(path: Path, text: str) -> None:
    """Write or replace a file, or the target of a link, atomically, and sync it to disk.

    Raises:
        OSError: It cannot be written, or is a device; an earlier file stays unchanged.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def explain_writing(path: Path) -> Iterator[None]:
    """Turn an OSError into a sentence with the path.

    Raises:
        TapError: Instead of the OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise errors.commands.unwritable(str(path), reason) from None
