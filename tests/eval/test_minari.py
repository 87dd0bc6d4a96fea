"""From a Minari dataset to a finished record: a pendulum with a scripted controller, and D4RL's pen with its score."""

import sys

import gymnasium
import numpy as np
import pytest

from envs import inspect
from eval.results import record

pytestmark = pytest.mark.filterwarnings("ignore")


def swing_up(obs: np.ndarray) -> np.ndarray:
    """A torque that pumps energy into the pendulum until it stands."""
    cos, sin, speed = obs
    torque = -5 * sin - speed if cos > 0.9 else np.sign(speed)
    return np.clip([torque], -2, 2).astype(np.float32)


def test_a_minari_dataset_runs_the_whole_way(minari_store, tiny, tmp_path, monkeypatch, capsys):
    minari_store("own/pendulum-v0", gymnasium.make("Pendulum-v1"), steps=20, episodes=4, act=swing_up)
    monkeypatch.setattr(sys, "argv", ["inspect", "minari:own/pendulum-v0", "--horizon", "2", "--out", str(tmp_path / "a.png")])
    inspect.main()
    said = capsys.readouterr().out
    assert "80 in 4 episodes" in said and "76 of 2 actions" in said and "0 episodes reach the task's end, 4 are cut off" in said
    task = "gym:Pendulum-v1,time_limit=6"
    code, made = tiny("--algo", "fql", "--task", task, "--dataset", "minari:own/pendulum-v0")
    assert code == 0 and made.status == "finished"
    assert made.start["dataset"]["rows"] == 84 and made.start["dataset"]["name"] == "minari:own/pendulum-v0"
    assert [e["phase"] for e in made.evaluations] == ["offline", "offline", "online", "online"]


def test_d4rl_s_pen_is_judged_by_its_normalised_score(minari_store, tiny):
    gymnasium.register_envs(pytest.importorskip("gymnasium_robotics"))
    minari_store("D4RL/pen/human-v2", gymnasium.make("AdroitHandPen-v1"), steps=8)
    code, made = tiny("--method", "bc", "--task", "d4rl-pen-human", "--online-steps", "0", "--eval-episodes", "1")
    assert code == 0 and made.start["task"] == {"score": "normalised score", "reference": [96.262799, 3076.833]}
    (total,) = made.last(0, "offline")["return"]
    assert record.score(made.last(0, "offline")) == pytest.approx(100 * (total - 96.262799) / (3076.833 - 96.262799))
