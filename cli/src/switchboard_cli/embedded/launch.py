"""Becomes another program that dies with its parent: `launch.py PARENT_PID SIGNAL UID GID PROGRAM [ARGUMENT …]`.

Linux sends SIGNAL when the thread that started us ends, however it ends (`man 2 prctl`, PR_SET_PDEATHSIG); the setting
survives exec, but not a change of user, which therefore comes first (UID -1 changes nothing). Elsewhere the program simply
starts. Run with `python -I -S`: it starts in a few milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Change the user, ask for the signal, make sure that the parent had not ended before, become the program."""
    parent, number, uid, gid, *command = sys.argv[1:]
    if int(uid) >= 0:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # Python's own handler would note a SIGINT for later, and there is no later if it comes just before exec.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != int(parent):
            sys.exit(1)
    os.execv(command[0], command)


main()
