import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from envs.physics import physics_fingerprint
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


def test_name_unlike_any_other_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"unknown task 'q7'; the tasks are .*puzzle-4x4-task5.*square"):
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


def test_who_imports_mujoco_first_chooses_how_it_draws():
    code = "import mujoco, os, envs.suites; print(os.environ['MUJOCO_GL'])"
    assert said_by(code, MUJOCO_GL="off") == "off\n"


def test_fingerprint_is_the_same_for_equal_physics_and_differs_between_tasks():
    first, again = (physics_fingerprint(find_task("cube-single-task2")) for _ in range(2))
    assert first == again
    assert len(first["last_obs"]) == 28
    assert first["hash"] != physics_fingerprint(find_task("cube-single-task1"))["hash"]


@pytest.mark.skipif(importlib.util.find_spec("robosuite") is None, reason="robosuite is optional")
@pytest.mark.parametrize("name", ["lift", "can", "square"])
def test_robomimic_environment_shows_the_object_and_repeats_with_its_seed(name):
    task = find_task(name)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 7))

    def roll(env, seed):
        rows = [env.reset(seed=seed)[0]]
        for action in actions:
            obs, reward, terminated, truncated, info = env.step(action)
            assert (reward, terminated, truncated, info["success"]) == (-1.0, False, False, False)
            rows.append(obs)
        return np.stack(rows)

    env = task.make_env()
    first, other, again = roll(env, 7), roll(env, 8), roll(env, 7)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (6, task.obs_dim)
    assert first.dtype == np.float32
    assert np.count_nonzero(first[0, 9:16]) >= 5, "the object is hidden right after the reset"
