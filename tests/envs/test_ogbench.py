import json
import shutil
import zipfile

import gymnasium
import numpy as np
import pytest

from envs.suites.ogbench import OGBenchTask
from envs.suites.ogbench_manipulation import FAMILIES, InfoOnce
from envs.task import find_task


def roll(env, seed, steps=40):
    """Observations, rewards and successes of a fixed action sequence, in one array."""
    obs, _ = env.reset(seed=seed)
    rows = [[*obs, 0, 0]]
    for action in np.random.default_rng(1).uniform(-1, 1, (steps, 5)):
        obs, reward, _, _, info = env.step(action)
        rows.append([*obs, reward, info["success"]])
    return np.array(rows)


OBJECTS = {  # cubes, buttons, drawers and windows; the reward counts those that are not as the goal has them
    **{"cube-single": 1, "cube-double": 2, "cube-triple": 3, "cube-quadruple": 4, "cube-octuple": 8},
    **{"scene": 5, "puzzle-3x3": 9, "puzzle-4x4": 16, "puzzle-4x5": 20, "puzzle-4x6": 24},
}
SLOW_TO_MAKE = ("cube-octuple", "puzzle-4x5", "puzzle-4x6")  # their numbers follow from those of the smaller ones, below


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name not in SLOW_TO_MAKE], ids=lambda f: f.name)
def test_task_describes_its_environment(family):
    task = find_task(f"{family.name}-task4")
    env = task.make_env()
    obs, _ = env.reset(seed=0)
    step_obs, reward, *_ = env.step(np.zeros(5))
    assert obs.shape == step_obs.shape == env.observation_space.shape == (task.obs_dim,)
    assert obs.dtype == step_obs.dtype == np.float32
    assert env.action_space.shape == (task.action_dim,)
    assert env.spec.max_episode_steps == task.time_limit
    assert env.unwrapped.model.nq == task.qpos_dim
    successes = env.unwrapped._compute_successes()
    objects = sum(np.size(part) for part in successes) if isinstance(successes, tuple) else len(successes)
    assert objects == OBJECTS[family.name] and -objects <= reward <= 0


def test_sizes_grow_with_the_number_of_objects():
    for name, obs_dim, qpos_dim, num_buttons, _ in FAMILIES:
        num_objects = OBJECTS[name]
        if name.startswith("cube"):
            assert (obs_dim, qpos_dim, num_buttons) == (19 + 9 * num_objects, 14 + 7 * num_objects, 0)
        if name.startswith("puzzle"):
            assert (obs_dim, qpos_dim, num_buttons) == (19 + 4 * num_objects, 14 + num_objects, num_objects)


class Rewarding(gymnasium.Env):
    """Gives one reward after the other."""

    compute_ob_info = data = None

    def __init__(self, rewards):
        self.rewards = iter(rewards)

    def step(self, action):
        return None, next(self.rewards), False, False, {}


def test_sparse_rewards_are_minus_one_until_all_is_solved(monkeypatch):
    task, dense = find_task("puzzle-4x4-100m-task4-sparse"), np.float32([-16, -1, 0])
    labels = {"rewards": dense, "masks": np.float32([1, 1, 0])}
    monkeypatch.setattr(OGBenchTask, "make_simulator", lambda *_: Rewarding(dense))
    monkeypatch.setattr(OGBenchTask, "relabel", lambda *_: iter([labels]))
    env = task.make_simulator("post")
    assert [env.step(None)[1] for _ in dense] == [-1, -1, 0]
    (found,) = task.relabel([])
    assert found["rewards"].tolist() == [-1, -1, 0] and found["rewards"].dtype == np.float32
    assert task.protocols == () and task.dataset == "puzzle-4x4-play-100m-v0"
    assert next(find_task("puzzle-4x4-task4").relabel([]))["rewards"] is dense


def test_names_are_ogbench_s_and_tell_the_data():
    data = {name: find_task(name).dataset for name in ("cube-triple-task2", "cube-triple-noisy-task2", "cube-octuple-task1")}
    assert list(data.values()) == ["cube-triple-play-v0", "cube-triple-noisy-v0", "cube-octuple-play-100m-v0"]
    assert find_task("puzzle-4x6-task3-sparse").env == find_task("puzzle-4x6-task3").env


def test_same_seed_gives_the_same_bits_whatever_came_before():
    env = find_task("scene-task2").make_env()
    first = roll(env, seed=3)
    other = roll(env, seed=4)
    np.random.seed(99)
    np.testing.assert_array_equal(roll(env, seed=3), first)
    np.testing.assert_array_equal(roll(find_task("scene-task2").make_env(), seed=3), first)
    assert not np.array_equal(other, first)


def test_reset_leaves_the_global_generator_of_the_caller_alone():
    env = find_task("cube-single-task1").make_env()
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    env.reset(seed=123)
    assert np.random.random() == expected


def steps_until_success(timing):
    env = find_task("cube-single-task2").make_env(success_timing=timing)
    env.reset(seed=0)
    env.step(np.zeros(5))
    env.unwrapped.data.joint("object_joint_0").qpos[:3] = [0.50, 0.0, 0.02]  # the goal
    for step in range(1, 5):
        _, reward, terminated, _, info = env.step(np.zeros(5))
        assert info["success"] is terminated
        if terminated:
            return step, reward
    raise AssertionError("the cube lies at its goal, but the environment does not see it")


def test_success_is_seen_one_step_later_with_pre_timing():
    assert steps_until_success("post") == (1, 0.0)
    assert steps_until_success("pre") == (2, 0.0)


@pytest.mark.parametrize("name", ["cube-double-task2", "puzzle-3x3-task4"])
def test_info_computed_once_changes_no_bit(name):
    def make(wrap):
        return wrap(gymnasium.make(find_task(name).env, success_timing="post", disable_env_checker=True))

    plain, once = make(lambda env: env), make(InfoOnce)
    np.testing.assert_array_equal(roll(once, seed=2), roll(plain, seed=2))
    plain_info, once_info = plain.step(np.ones(5))[-1], once.step(np.ones(5))[-1]
    assert plain_info.keys() == once_info.keys()
    for key, value in plain_info.items():
        np.testing.assert_array_equal(once_info[key], value, err_msg=key)


def test_info_computed_once_follows_a_state_set_from_outside():
    env = find_task("puzzle-3x3-task4").make_env()
    env.reset(seed=0)
    env.step(np.zeros(5))
    inner = env.unwrapped
    qpos = inner.data.qpos.copy()
    qpos[14:] = -0.03  # every button down: from here, no press is a new one
    inner.set_state(qpos, inner.data.qvel.copy(), np.zeros(9, dtype=int))
    env.step(np.zeros(5))
    np.testing.assert_array_equal(inner._prev_ob_info["privileged/button_4_pos"], [-0.03])


def save(path, task, episodes=4, length=50, **changes):
    """A file in OGBench's format with random rows, some of which solve a task; `changes` replace arrays."""
    rng = np.random.default_rng(0)
    rows = episodes * length
    env = task.make_env()
    env.reset(seed=0)
    qpos = rng.normal(size=(rows, task.qpos_dim)).astype(np.float32)
    if task.family.startswith("cube"):
        for cube, target in enumerate(env.unwrapped.data.mocap_pos):
            start = 14 + 7 * cube
            at_goal = rng.random(rows) < 0.6
            qpos[at_goal, start : start + 3] = target + rng.uniform(-0.03, 0.03, (at_goal.sum(), 3))
    arrays = {
        "observations": rng.normal(size=(rows, task.obs_dim)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (rows, 5)).astype(np.float32),
        "terminals": np.arange(rows) % length == length - 1,
        "qpos": qpos,
        "qvel": np.zeros((rows, 3), np.float32),
    }
    if task.num_buttons:
        arrays["button_states"] = rng.integers(0, 2, (rows, task.num_buttons))
        solved = rng.random(rows) < 0.1
        arrays["button_states"][solved] = env.unwrapped._target_button_states
    np.savez_compressed(path, **(arrays | changes))


def assert_loads_as_ogbench_does(task, folder):
    import ogbench

    path = folder / f"{task.dataset}.npz"
    name = f"{task.family}-play-singletask-{task.name.rpartition('-')[2]}-v0"
    _, theirs, _ = ogbench.make_env_and_datasets(name, dataset_path=str(path))
    ours = task.load_dataset([folder])
    rows = np.setdiff1d(np.arange(len(ours.obs)), ours.ends)
    pairs = {
        "observations": ours.obs[rows],
        "actions": ours.action[rows],
        "rewards": ours.reward[rows],
        "masks": ours.mask[rows],
        "next_observations": ours.obs[rows + 1],
    }
    for key, values in pairs.items():
        np.testing.assert_array_equal(values, theirs[key], err_msg=key)
        assert values.dtype == np.float32
    return ours


@pytest.mark.parametrize("name", ["cube-double-task2", "scene-task2", "puzzle-3x3-task4"])
def test_loads_what_ogbench_loads(name, tmp_path):
    task = find_task(name)
    save(tmp_path / f"{task.dataset}.npz", task)
    shutil.copy(tmp_path / f"{task.dataset}.npz", tmp_path / f"{task.dataset}-val.npz")  # OGBench wants both
    ours = assert_loads_as_ogbench_does(task, tmp_path)
    assert len(np.unique(ours.reward)) > 1
    assert name == "scene-task2" or 0 < ours.mask.mean() < 1, "some rows should solve the task"
    np.testing.assert_array_equal(ours.ends, [49, 99, 149, 199])
    assert ours.origin["source"] == "local"


def test_generated_data_load_as_ogbench_loads_them(generated):
    ours = assert_loads_as_ogbench_does(find_task("cube-single-task2"), generated)
    assert ours.origin.items() >= {"name": "cube-single-play-v0", "source": "generated", "rows": 400}.items()
    assert ours.origin["script"] == {"env": "cube-single", "kind": "play", "seed": 5, "episode_rows": 200}


def test_missing_data_name_the_commands_that_bring_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no scene-play-v0.npz in .*envs.fetch scene-task2.*envs.generate"):
        find_task("scene-task2").load_dataset([tmp_path])


def refusal(folder, name="cube-single-task2"):
    """The one line with which a file is refused; it names the file."""
    task = find_task(name)
    with pytest.raises(ValueError) as caught:
        task.load_dataset([folder])
    message = str(caught.value)
    assert message.startswith(str(folder / task.dataset)) and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observations": np.full((200, 28), np.nan, np.float32)}, "observations has values that are not finite"),
        ({"actions": np.full((200, 5), 1.01, np.float32)}, "actions reach to 1.01, allowed is -1 to 1"),
        ({"actions": np.zeros((200, 6), np.float32)}, "actions has shape [200, 6], needed is [any, 5]"),
        ({"actions": np.zeros((199, 5), np.float32)}, "arrays of different lengths"),
        ({"actions": np.full((200, 5), None)}, "actions holds object, not numbers"),
        ({"terminals": np.arange(200) == 0}, "the last row does not end an episode"),
        ({"terminals": np.arange(200) >= 198}, "an episode of fewer than two rows"),
    ],
)
def test_wrong_arrays_are_refused(change, words, tmp_path):
    task = find_task("cube-single-task2")
    save(tmp_path / f"{task.dataset}.npz", task, **change)
    assert words in refusal(tmp_path)


def test_missing_array_is_refused(tmp_path):
    np.savez(tmp_path / "cube-single-play-v0.npz", observations=np.zeros((3, 28), np.float32))
    assert "no array 'actions'; it has observations.npy" in refusal(tmp_path)


@pytest.mark.parametrize("size", [0, 1000, -1000])
def test_truncated_file_is_refused(size, tmp_path):
    task = find_task("cube-single-task2")
    path = tmp_path / f"{task.dataset}.npz"
    save(path, task)
    path.write_bytes(path.read_bytes()[:size])
    assert "truncated, locked or not an .npz file" in refusal(tmp_path)


def test_damaged_file_is_refused(tmp_path):
    task = find_task("cube-single-task2")
    path = tmp_path / f"{task.dataset}.npz"
    save(path, task)
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    assert "truncated, locked or not an .npz file" in refusal(tmp_path)


def test_a_file_with_a_password_is_refused(tmp_path):
    task = find_task("cube-single-task2")
    path = tmp_path / f"{task.dataset}.npz"
    save(path, task)
    content = path.read_bytes()
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        first, *others = content.split(header)
        content = header.join([first, *(other[: flags - 4] + b"\x01" + other[flags - 3 :] for other in others)])
    path.write_bytes(content)
    assert "locked" in refusal(tmp_path) and "password" in refusal(tmp_path)


def test_header_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    task = find_task("cube-single-task2")
    path = tmp_path / f"{task.dataset}.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key in ("observations", "actions", "terminals", "qpos"):
            with archive.open(f"{key}.npy", "w") as file:
                shape = (10**12, {"observations": 28, "actions": 5, "qpos": 21}.get(key, 1))
                shape = shape[:1] if key == "terminals" else shape
                np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    assert "observations claims 112000000000" in refusal(tmp_path)


def test_data_of_another_task_are_refused_though_the_observations_fit(tmp_path):
    puzzle, quadruple = find_task("puzzle-3x3-task4"), find_task("cube-quadruple-task2")
    assert puzzle.obs_dim == quadruple.obs_dim
    save(tmp_path / f"{quadruple.dataset}.npz", puzzle)
    assert "qpos has shape [200, 23], needed is [any, 42]; is it the data of another task?" in refusal(
        tmp_path, "cube-quadruple-task2"
    )


def test_file_that_its_sidecar_does_not_describe_is_refused(tmp_path):
    task = find_task("cube-single-task2")
    save(tmp_path / f"{task.dataset}.npz", task)
    sidecar = tmp_path / f"{task.dataset}.json"
    sidecar.write_text(json.dumps({"source": "fetched", "sha256": {f"{task.dataset}.npz": "0" * 64}}))
    assert "the SHA-256 differs" in refusal(tmp_path)
