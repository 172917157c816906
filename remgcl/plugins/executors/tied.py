"""A program that becomes another one, which is asked to end when its parent dies.

``python tied.py PARENT COMMAND...``; it imports nothing of this project, and
starts at once. Elsewhere than on Linux it only becomes the other one.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""See prctl(2): the signal to get when the parent dies; it stays over an exec."""


def main() -> None:
    """Tie this process to its parent, and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command of the task


if __name__ == "__main__":
    main()
