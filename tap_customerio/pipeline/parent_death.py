"""Runs a command (arguments: process id, command); on Linux, it ends when that process dies.

Started by its path, so that it imports nothing of this package. When the process dies for any
reason, the kernel sends SIGTERM to the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_FOUND = 127


def main(parent: str, *command: str) -> None:
    """Replace this process with the command."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before prctl took effect
        sys.exit(128 + signal.SIGTERM)
    try:
        os.execvp(command[0], command)  # noqa: S606 - without a shell, on purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(*sys.argv[1:])
