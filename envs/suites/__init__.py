"""Suites of tasks: one file each, which says how its environments are made and where its data come from.

MuJoCo and robosuite load the OpenGL library that MUJOCO_GL names when they are first imported. Training and evaluation draw no
pictures, so what the shell says is put aside here. A command that does draw imports MuJoCo before this, with the library of its
choice.
"""

import os
import sys

if "mujoco" not in sys.modules:
    os.environ["MUJOCO_GL"] = "disable"

from envs.suites import d4rl, ogbench_locomotion, ogbench_manipulation, probe, robomimic
from envs.task import Task

SUITES = (ogbench_manipulation, ogbench_locomotion, robomimic, d4rl, probe)
TASKS: dict[str, Task] = {task.name: task for suite in SUITES for task in suite.TASKS}
"""All tasks by name."""
