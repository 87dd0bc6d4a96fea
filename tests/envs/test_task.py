import os
import subprocess
import sys

import pytest

from envs.suites import TASKS
from envs.task import find_task


def said_by(code, **variables):
    """What a fresh Python process prints, with these variables in its environment."""
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout


def test_finds_a_task_by_its_name():
    assert find_task("cube-double-task3").name == "cube-double-task3"


def test_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"^unknown task 'cube-sngle-task2'; did you mean cube-single-task2\?$"):
        find_task("cube-sngle-task2")


def test_family_is_refused_with_its_goals():
    goals = ", ".join(f"cube-single-task{goal}" for goal in range(1, 6))
    with pytest.raises(ValueError, match=rf"^unknown task 'cube-single'; its goals are {goals}$"):
        find_task("cube-single")


def test_name_unlike_any_other_is_refused_with_where_the_list_is():
    with pytest.raises(ValueError, match=r"unknown task 'q7'; `python -m eval.run --list` shows all"):
        find_task("q7")


def test_protocols_are_those_of_the_paper():
    cubes = {f"cube-{count}-task{goal}" for count in ("double", "triple", "quadruple") for goal in (2, 3, 4)}
    section_5 = {name for name, task in TASKS.items() if "offline-to-online" in task.protocols}
    appendix = {name for name, task in TASKS.items() if "offline" in task.protocols}
    assert section_5 == cubes | {"lift", "can", "square"}
    assert appendix == {"cube-single-task2", "cube-double-task2", "scene-task2", "puzzle-3x3-task4", "puzzle-4x4-task4"}


def test_importing_the_registry_imports_no_simulator():
    code = "import sys, envs.task; print({'mujoco', 'ogbench', 'robosuite', 'torch'} & set(sys.modules) or 'light')"
    assert said_by(code) == "light\n"


def test_environments_need_no_opengl_whatever_the_shell_says():
    code = "from envs.task import find_task; print(find_task('cube-single-task2').make_env().action_space.shape)"
    assert said_by(code, MUJOCO_GL="no-such-library") == "(5,)\n"


def test_robosuite_does_not_choose_how_others_draw():
    pytest.importorskip("robosuite")
    code = "import os; from envs.task import find_task; find_task('lift').make_env(); print(os.environ['MUJOCO_GL'])"
    assert said_by(code, MUJOCO_GL="osmesa") == "disable\n"


def test_who_imports_mujoco_first_chooses_how_it_draws():
    code = "import mujoco, os, envs.suites; print(os.environ['MUJOCO_GL'])"
    assert said_by(code, MUJOCO_GL="off") == "off\n"
