"""`python -m eval.sweep.tied PARENT MODULE ...`: becomes `python -m MODULE ...`, asked to stop when process PARENT has ended.

So a run whose sweep was killed saves and ends too, as after SIGTERM, and never runs beside the one that takes its place.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; it outlives exec

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(128 + signal.SIGTERM)  # it ended before it could be watched
    os.execv(sys.executable, [sys.executable, "-m", *command])
