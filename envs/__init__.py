"""Environments: what is solved, and with which data. Nothing here knows backbones or algorithms."""

import os

# Training and evaluation never render. Without a choice here, importing MuJoCo looks for a display and warns that there
# is none. Whoever wants pictures sets MUJOCO_GL=egl beforehand.
os.environ.setdefault("MUJOCO_GL", "disable")

from envs import task
from envs.suites import ogbench, probe, robomimic

for suite in (ogbench, robomimic, probe):
    task.TASKS.update({entry.name: entry for entry in suite.TASKS})
