"""A program that runs another one, which is asked to end when this one's parent dies.

``python tied.py PARENT COMMAND...``; it imports nothing of this project, and
starts at once. Elsewhere than on Linux it only runs the other one.

It stays between the two, because Linux tells a child of every thread of its
parent that dies, and a training that is asked twice ends without a checkpoint.
"""

import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
"""See prctl(2): the signal to get when the parent dies."""


def tie(kind: int) -> None:
    """Let this process get a signal when its parent dies; where there is no such thing, do nothing.

    Args:
        kind: The signal.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, kind)


def main() -> int:
    """Run the command; hand on each SIGTERM, and the first word of the parent's death.

    Returns:
        The command's exit code.
    """
    parent, command = int(sys.argv[1]), sys.argv[2:]
    tie(signal.SIGHUP)
    if os.getppid() != parent:  # it died before
        return 1
    child = subprocess.Popen(command, preexec_fn=lambda: tie(signal.SIGTERM))  # noqa: PLW1509, S603 - there are no threads; the command of the task
    told: list[int] = []

    def hand_on(kind: int, _: object) -> None:
        if kind == signal.SIGTERM or kind not in told:
            child.send_signal(signal.SIGTERM)
        told.append(kind)

    for kind in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, hand_on)
    code = child.wait()
    if code < 0:  # end in the same way
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
