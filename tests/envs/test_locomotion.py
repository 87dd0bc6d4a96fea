"""OGBench's mazes: their sizes, their bits, their rewards on data, and random motion that stands in for the data."""

import shutil

import numpy as np
import pytest

from envs.scripts.play_dataset import generate
from envs.scripts.wander import Wander
from envs.suites.ogbench_locomotion import MAZES, TASKS
from envs.task import find_task


@pytest.mark.parametrize("maze", MAZES)
def test_a_task_describes_its_environment(maze):
    task = find_task(f"{maze}-navigate-task5")
    env = task.make_env()
    obs, _ = env.reset(seed=0)
    _, reward, terminated, _, info = env.step(np.zeros(task.action_dim, np.float32))
    assert (obs.shape, obs.dtype) == ((task.obs_dim,), np.float32)
    assert env.env.action_space.shape == (task.action_dim,) and env.unwrapped.model.nq == task.qpos_dim
    assert env.spec.max_episode_steps == task.time_limit
    assert (reward, terminated, info["success"]) == (-1, False, False)


def test_there_are_five_goals_of_each_kind_of_data():
    assert len(TASKS) == len({task.name for task in TASKS}) == 145
    assert {"antmaze-medium-explore-v0", "humanoidmaze-giant-stitch-v0"} <= {task.dataset for task in TASKS}
    assert "antmaze-giant-explore-v0" not in {task.dataset for task in TASKS}, "OGBench has no such data"


@pytest.mark.parametrize("name", ["pointmaze-teleport-navigate-task3", "antsoccer-medium-navigate-task1"])
def test_a_reset_s_seed_decides_all_bits_teleports_included(name):
    def roll(env, seed, draws):
        rows = [env.reset(seed=seed)[0]]
        for step in range(150):
            np.random.rand(draws)
            rows.append(env.step(np.float32(np.cos(np.arange(1, 1 + len(env.action_space.low)) * step / 40)))[0])
        return np.stack(rows)

    env = find_task(name).make_env()
    first = roll(env, 3, 0)
    if "teleport" in name:
        assert np.abs(np.diff(first, axis=0)).max() > 4, "it went through a teleport"
    roll(env, 4, 0)
    np.testing.assert_array_equal(roll(env, 3, 1), first)


@pytest.mark.parametrize("name", ["pointmaze-medium-stitch-task1", "antsoccer-arena-navigate-task4"])
def test_random_motion_loads_as_ogbench_loads_it(name, tmp_path):
    import ogbench

    task = find_task(name)
    facts = generate(Wander(task.family, seed=0, episode_rows=80), task.dataset, tmp_path, rows=160)
    assert (facts["source"], facts["script"]["kind"], facts["episodes"]) == ("generated", "wander", 2)
    path = tmp_path / f"{task.dataset}.npz"
    rows = dict(np.load(path))
    place = 15 if "soccer" in name else 0
    env = task.make_env()
    env.reset(seed=0)
    rows["qpos"][[3, 100], place : place + 2] = env.unwrapped.cur_goal_xy  # two rows at the goal
    (tmp_path / "edited").mkdir()
    np.savez(tmp_path / "edited" / path.name, **rows)
    shutil.copy(tmp_path / "edited" / path.name, tmp_path / "edited" / f"{task.dataset}-val.npz")
    ogbench_name = f"{task.dataset.removesuffix('-v0')}-singletask-task{task.name[-1]}-v0"
    _, theirs, _ = ogbench.make_env_and_datasets(ogbench_name, dataset_path=str(tmp_path / "edited" / path.name))
    ours = task.load_dataset([tmp_path / "edited"])
    kept = np.setdiff1d(np.arange(160), ours.ends)
    for values, key in ((ours.obs, "observations"), (ours.action, "actions"), (ours.reward, "rewards"), (ours.mask, "masks")):
        np.testing.assert_array_equal(values[kept], theirs[key], err_msg=key)
    assert np.flatnonzero(ours.mask == 0).tolist() == [3, 100] and ours.reward.min() == -1


def test_what_no_script_can_make_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(ValueError, match=r"no script walks .*--kind wander .* makes random motion"):
        find_task("antmaze-large-navigate-task1").generate(tmp_path, rows=10)
    with pytest.raises(FileNotFoundError, match=r"envs.fetch antmaze-large-explore-task2` downloads it, .*--kind wander"):
        find_task("antmaze-large-explore-task2").load_dataset([tmp_path])
