"""D4RL's tasks on small Minari datasets made here: sizes, bits, rewards and normalised scores."""

import gymnasium
import numpy as np
import pytest

from envs.suites.d4rl import HANDS, PARTS
from envs.task import find_task

minari = pytest.importorskip("minari")
robotics = pytest.importorskip("gymnasium_robotics")
gymnasium.register_envs(robotics)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", HANDS)
def test_a_hand_has_the_sizes_and_the_same_bits_again(name):
    task = find_task(f"d4rl-{name}-cloned")
    env, runs = task.make_env(), []
    for _ in range(2):
        obs, _ = env.reset(seed=3)
        actions = np.random.default_rng(0).uniform(-1, 1, (10, task.action_dim)).astype(np.float32)
        steps = [env.step(action) for action in actions]
        runs.append(np.stack([obs, *(step[0] for step in steps)]))
        assert not any(terminated or truncated for _, _, terminated, truncated, _ in steps)
        assert {type(step[1]) for step in steps} == {float} and {type(step[4]["success"]) for step in steps} == {bool}
    assert runs[0].shape == (11, task.obs_dim) and runs[0].dtype == np.float32
    np.testing.assert_array_equal(*runs)
    assert env.get_wrapper_attr("_max_episode_steps") == task.time_limit


def test_scores_are_normalised_by_a_random_and_an_expert_policy():
    task = find_task("d4rl-pen-human")
    assert [round(task.scored(total)) for total in (96.262799, 3076.833, 1586.5479)] == [0, 100, 50]


def test_a_pen_that_falls_ends_the_episode():
    env = find_task("d4rl-pen-human").make_env()
    env.reset(seed=0)
    inner = env.unwrapped
    assert not env.step(np.zeros(24, np.float32))[2]
    inner.data.joint("OBJTx").qpos[0] += 0.3  # down: its frame is turned
    assert env.step(np.zeros(24, np.float32))[2]


def test_a_hand_s_data_are_minari_s(minari_store):
    minari_store("D4RL/pen/human-v2", gymnasium.make("AdroitHandPen-v1"), steps=6)
    data = find_task("d4rl-pen-human").load_dataset([])
    assert data.obs.shape == (14, 45) and data.ends.tolist() == [6, 13]
    assert data.mask[:6].all(), "a time limit is no end of the task"
    assert (data.origin["name"], data.origin["source"], data.origin["episodes"]) == ("D4RL/pen/human-v2", "own", 2)


def test_a_maze_is_the_one_that_the_data_name_and_its_rewards_are_minus_one_until_the_goal(minari_store):
    collected, evaluated = (
        gymnasium.make("AntMaze_UMaze-v4", maze_map=[[1] * 4, [1, *row, 1], [1] * 4]) for row in ("rg", "gr")
    )
    minari_store("D4RL/antmaze/umaze-v1", collected, steps=6, eval_env=evaluated)
    task = find_task("d4rl-antmaze-umaze")
    data = task.load_dataset([])
    assert data.obs.shape == (14, task.obs_dim) and set(data.reward[:6]) == {-1} and data.mask[:6].all()
    env = task.make_env()
    obs, _ = env.reset(seed=0)
    assert obs[2] < data.obs[0, 2], "the goal is on the other side for evaluation"
    inner = env.unwrapped
    _, reward, terminated, _, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, info["success"]) == (-1, False, False)
    inner.goal = inner.ant_env.data.qpos[:2].copy()  # here
    _, reward, terminated, _, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, info["success"]) == (0, True, True)
    assert len(PARTS) == 3


def test_what_is_not_there_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(minari, "load_dataset", lambda *_, **__: (_ for _ in ()).throw(OSError("no route to host")))
    with pytest.raises(
        FileNotFoundError, match=r"^no .*D4RL/door/expert-v2/data, and Minari cannot fetch it \(no route to host\)$"
    ):
        find_task("d4rl-door-expert").load_dataset([])
    with pytest.raises(ValueError, match=r"no script makes data like these; `python -m envs.fetch d4rl-door-expert`"):
        find_task("d4rl-door-expert").generate(tmp_path)
