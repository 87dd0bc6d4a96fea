"""Forks a process for every line that it reads, a JSON list of a command's module and arguments, so that none imports anew.

For each it writes two lines: the process's number, and its exit code when it has ended.
"""

import json
import os
import runpy
import sys
import traceback
from importlib import import_module


def live(module: str, arguments: list[str]) -> int:
    """What `python -m module arguments` does; its exit code."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as exit:
        return exit.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    for module in sys.argv[1:]:
        import_module(module)
    talk = os.dup(1)
    os.dup2(2, 1)  # what commands print goes where their errors go
    os.write(talk, b"ready\n")
    for line in sys.stdin:
        module, *arguments = json.loads(line)
        born = os.fork()
        if not born:
            os._exit(live(module, arguments))
        os.write(talk, b"%d\n" % born)
        os.write(talk, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(born, 0)[1]))
