import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from envs.files.ogbench import data_files
from envs.files.whole import staged
from envs.scripts.play import Script, cube_stays_reachable
from envs.scripts.play_dataset import generate


def test_files_hold_whole_episodes_of_valid_actions(generated):
    train, val = (np.load(generated / f"cube-single-play-v0{suffix}.npz") for suffix in ("", "-val"))
    assert len(train["observations"]) == 400 and len(val["observations"]) == 200
    np.testing.assert_array_equal(np.flatnonzero(train["terminals"]), [199, 399])
    assert np.abs(train["actions"]).max() <= 1
    assert not np.array_equal(train["observations"][0], val["observations"][0]), "validation repeats the training data"


def test_oracle_moves_the_cube_to_many_places(generated):
    data = np.load(generated / "cube-single-play-v0.npz")
    x, y, z = data["qpos"][:, 14:17].T
    lifts = np.count_nonzero((z[1:] > 0.05) & (z[:-1] <= 0.05))
    assert lifts >= 3, "the oracle picks the cube up about once in 90 steps"
    assert np.ptp(x) > 0.1 and np.ptp(y) > 0.2


def test_observation_of_a_row_is_the_state_before_its_action(generated):
    data = np.load(generated / "cube-single-play-v0.npz")
    joints, velocities = data["observations"][:, :6], data["observations"][:, 6:12]
    np.testing.assert_array_equal(joints, data["qpos"][:, :6])
    np.testing.assert_array_equal(velocities, data["qvel"][:, :6])


def test_two_workers_write_the_same_bytes_as_one(generated, tmp_path):
    script = Script("cube-single", "play", seed=5, episode_rows=200)
    generate(script, "cube-single-play-v0", tmp_path, rows=301, workers=2)
    for name in ("cube-single-play-v0.npz", "cube-single-play-v0-val.npz", "cube-single-play-v0.json"):
        assert (tmp_path / name).read_bytes() == (generated / name).read_bytes()


def test_sidecar_tells_where_the_data_come_from(generated):
    facts = json.loads((generated / "cube-single-play-v0.json").read_text())
    assert facts["source"] == "generated" and facts["rows"] == 400 and facts["episodes"] == 2
    assert set(facts["sha256"]) == {"cube-single-play-v0.npz", "cube-single-play-v0-val.npz"}
    assert facts["versions"].keys() == {"ogbench", "mujoco", "numpy"}


@pytest.mark.parametrize(("env", "kind"), [("cube-double", "noisy"), ("scene", "play"), ("puzzle-3x3", "noisy")])
def test_episode_depends_on_its_number_alone(env, kind):
    script = Script(env, kind, seed=0, episode_rows=120)
    used, fresh = script.make_env(), script.make_env()
    before = script.episode(used, 0, 0)
    after_another, alone = script.episode(used, 0, 1), script.episode(fresh, 0, 1)
    for key, rows in alone.items():
        np.testing.assert_array_equal(after_another[key], rows, err_msg=key)
    assert not np.array_equal(before["actions"], alone["actions"])
    if env != "cube-double":
        assert alone["button_states"].dtype == np.int64


def test_only_noisy_data_have_random_actions():
    assert Script("cube-single", "noisy", 0).random_action == 0.1
    assert Script("puzzle-3x3", "noisy", 0).random_action == 0.2
    assert Script("puzzle-3x3", "play", 0).random_action == 0


@pytest.mark.parametrize(
    ("position", "reachable"),
    [((0.4, 0.0, 0.02), True), ((0.4, 0.3, 0.02), False), ((0.4, -0.35, 0.02), False), ((0.4, -0.35, 0.07), True)],
)
def test_scenes_whose_cube_is_lost_are_rejected(position, reachable):
    qpos = np.zeros((10, 25))
    qpos[:, 14:17] = 0.4, 0.0, 0.02
    qpos[5, 14:17] = position
    assert cube_stays_reachable({"qpos": qpos}) is reachable


def test_existing_data_are_not_overwritten(generated):
    content = (generated / "cube-single-play-v0.npz").read_bytes()
    with pytest.raises(FileExistsError, match="exists already; --overwrite replaces it"):
        generate(Script("cube-single", "play", seed=6), "cube-single-play-v0", generated, rows=1)
    assert (generated / "cube-single-play-v0.npz").read_bytes() == content


def test_a_locked_folder_is_found_out_first(monkeypatch):
    monkeypatch.setattr("envs.scripts.play_dataset.roll_splits", lambda *_: pytest.fail("rows are made"))
    with pytest.raises(OSError):
        generate(Script("cube-single", "play", seed=6), "cube-single-play-v0", Path("/proc/self"), rows=1)


def test_interrupted_writing_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged(*data_files(tmp_path, "half")) as (val, _, _):
        val.write_bytes(b"half of it")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["probe-chain"], "error: probe-chain: no script makes data for it, there is nothing to generate"),
        (["cube-sngle-task2"], "error: unknown task 'cube-sngle-task2'; did you mean cube-single-task2?"),
        (["cube-single-task2", "--rows", "0"], "error: argument --rows: '0' is not a whole number of at least 1"),
        (["cube-single-task2", "--row-count", "5"], "error: unknown option '--row-count'"),
    ],
)
def test_command_refuses_in_one_line(arguments, words, tmp_path):
    command = [sys.executable, "-m", "envs.generate", *arguments, "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(words) and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["generate", "fetch", "unpack"])
def test_commands_work_where_python_drops_docstrings(command):
    done = subprocess.run([sys.executable, "-OO", "-m", f"envs.{command}", "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stdout[:6]) == (0, "usage:"), done.stderr
