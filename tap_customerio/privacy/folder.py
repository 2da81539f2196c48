"""A folder of private files, which are written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.files import explain_writing, write_private

if TYPE_CHECKING:
    from pathlib import Path

PURPOSE, KEY = "run.json", "evidence.key"


class Folder:
    """A folder for personal data and results; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        """Set the path; the folder is created on the first write."""
        self.path = path

    @classmethod
    def of_a_run(cls, path: Path) -> Folder:
        """A new or empty folder, or the folder of an earlier run.

        Raises:
            TapError: It holds anything else, or cannot be created.
        """
        folder = cls(path)
        with explain_writing(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not any(path.iterdir()):
                path.chmod(0o700)
            elif folder.read_json(PURPOSE) is None and not folder._is_barely_begun():
                raise errors.privacy.taken(str(path))
        return folder

    def _is_barely_begun(self) -> bool:
        """Whether it holds only what a run leaves that ended before `claim`."""
        names = {path.name for path in self.path.iterdir()}
        return all(name == KEY or name.startswith(f".{PURPOSE}.") for name in names)

    def claim(self, purpose: dict[str, Any]) -> None:
        """Reserve the folder for a purpose.

        Raises:
            TapError: It is reserved for another one.
        """
        taken = self.read_json(PURPOSE)
        if taken is None:
            self.write_json(PURPOSE, purpose)
        elif taken != purpose:
            raise errors.privacy.taken(str(self.path))

    def within(self, name: str) -> Folder:
        """A subfolder."""
        return Folder(self.path / name)

    def write(self, name: str, text: str) -> None:
        """Write or replace a file atomically."""
        path = self.path / name
        with explain_writing(path):
            self.path.mkdir(mode=0o700, exist_ok=True)
            write_private(path, text)

    def write_json(self, name: str, data: Any) -> None:
        """Write or replace a JSON file."""
        self.write(name, json.dumps(data, ensure_ascii=False, indent=2) + "\n")

    def read_json(self, name: str) -> Any:
        """The content of a JSON file; None if it does not exist."""
        try:
            return json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        (self.path / name).unlink(missing_ok=True)

    def described(self, name: str) -> dict[str, Any]:
        """A file's name, size in bytes, and hash."""
        content = (self.path / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return {"name": name, "bytes": len(content), "sha256": digest}


def append(path: Path, text: str) -> None:
    """Append lines to a file, and sync them to disk.

    Raises:
        TapError: The file cannot be written.
    """
    with explain_writing(path):
        _put(path, text, os.O_APPEND)


def secret(path: Path) -> bytes:
    """The key in a file, as hexadecimal digits; creates a missing file.

    Raises:
        TapError: The file holds no valid key.
    """
    with explain_writing(path):
        if not path.exists():
            _create(path, f"{secrets.token_hex(32)}\n")
        text = path.read_bytes().decode("ascii", "replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < 16:  # noqa: PLR2004 - 128 bits cannot be guessed
        raise errors.privacy.no_key(str(path))
    return key


def _create(path: Path, text: str) -> None:
    """Create a file that does not exist; if writing fails, it does not exist either."""
    try:
        _put(path, text, os.O_EXCL)
    except FileExistsError:
        raise
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _put(path: Path, text: str, how: int) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | how, 0o600), "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
