"""Pictures of episodes: which are shown, what the files say, and that the renderer changes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from envs.command import run_command
from eval import pictures, video
from eval.running.rollout import Episode

ROOT = Path(__file__).parents[2]
EPISODES = [Episode(0, i, success, 0.0, 10) for i, success in enumerate([True, False, True, False])]


@pytest.mark.parametrize(
    ("show", "numbers"),
    [
        (["failures"], [1, 3, 0]),
        (["successes"], [0, 2, 1]),
        (["both"], [0, 1]),
        (["first"], [0, 1, 2]),
        (["3", "0"], [3, 0]),
    ],
)
def test_episodes_are_chosen(show, numbers):
    assert [e.episode for e in video.choose(EPISODES, show, 3)] == numbers


def test_an_episode_that_was_not_evaluated_is_refused():
    with pytest.raises(ValueError, match="show 9: there are failures, successes, both, first, and numbers"):
        video.choose(EPISODES, ["9"], 3)


@pytest.mark.parametrize("suffix", video.SUFFIXES)
def test_files_say_what_they_show(tmp_path, suffix):
    path = tmp_path / f"shown{suffix}"
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    frames = [np.full((240, 320, 3), 10 * i, np.uint8) for i in range(12)]
    pictures.write(path, [pictures.Film(e, frames) for e in EPISODES[:2]], {"camera": "front"})
    if suffix == ".mp4":
        assert b'{"camera":"front"}' in path.read_bytes()
        return
    with Image.open(path) as image:
        text = image.info["policy"] if suffix == ".png" else image.info["comment"]
        assert json.loads(text) == {"camera": "front"}
        assert image.size == ((1200, 300) if suffix == ".png" else (320, 240))


SHORT = """
import dataclasses, sys
from pathlib import Path
from eval import pictures as video
video.open_renderer()
import gymnasium, numpy as np
from eval.policy import load
from eval.running.rollout import rollouts
policy = load(sys.argv[1])
make = type(policy.task).make_env
type(policy.task).make_env = lambda self, timing="post": gymnasium.wrappers.TimeLimit(make(self, timing), 12)
one, two = (video.film(policy, 3, "post") for _ in range(2))
(unseen,) = rollouts([policy.task.make_env()], policy.actor, policy.about.seed, [3])
assert one.episode == two.episode == unseen, (one.episode, unseen)
assert len(one.frames) == 7 and one.frames[0].shape == (240, 320, 3)
assert all(np.array_equal(a, b) for a, b in zip(one.frames, two.frames))
assert one.frames[0].std() > 10 and np.abs(one.frames[0].astype(int) - one.frames[-1]).max() > 50
"""


@pytest.mark.parametrize("task", ["cube-single-task2", "lift"])
def test_the_episode_shown_is_the_recorded_one(kept_policy, task):
    if task == "lift":
        pytest.importorskip("robosuite")
    try:
        pictures.find_renderer()
    except ImportError as error:
        pytest.skip(str(error))
    done = subprocess.run([sys.executable, "-c", SHORT, kept_policy(task)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def command(monkeypatch, refused):
    def start(*options: object) -> str:
        monkeypatch.setattr(sys, "argv", ["video", *map(str, options)])
        return refused(main=lambda _: run_command(video.main))

    return start


def test_without_a_renderer_the_package_is_named(kept_policy, command, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "TRIAL", "raise SystemExit(1)")
    assert "apt-get install libegl1" in command(kept_policy("cube-single-task2"), "--out", tmp_path / "a.gif")


def test_what_cannot_be_drawn_is_refused(kept_policy, command, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "find_renderer", lambda: "egl")
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert "pictures end in .mp4, .gif, .png" in command(kept_policy("probe-bandit"), "--out", tmp_path / "a.webm")
    assert "probe-bandit: there is nothing to see" in command(kept_policy("probe-bandit"), "--out", tmp_path / "a.gif")
    (tmp_path / "file").touch()
    assert "file exists" in command(kept_policy("cube-single-task2"), "--out", tmp_path / "file" / "a.gif")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert "imageio_ffmpeg is not installed: pip install -c constraints.txt -e '.[video]'" in command(
        kept_policy("probe-bandit"), "--out", tmp_path / "a.mp4"
    )


def test_a_run_ends_with_pictures_of_its_phases(tiny, tmp_path, monkeypatch):
    """Of each phase's first seed; the drawing itself is another process's, stood in for here."""
    monkeypatch.setattr(video, "refuse_undrawable", lambda *_: None)
    drawn = []
    monkeypatch.setattr(video, "draw_apart", drawn.append)
    _, run = tiny("--seeds", "3", "5", "--video")
    folder = run.path.parent
    assert [(c[c.index("--phase") + 1], c[c.index("--show") + 1]) for c in drawn] == [("offline", "both"), ("online", "both")]
    assert all(c[0] == str(folder) and str(folder / f"{c[c.index('--phase') + 1]}.png") in c for c in drawn)


def test_a_run_that_cannot_be_shown_is_refused_before_it_begins(refused, tiny_options, tmp_path):
    options = [*tiny_options, "--runs", str(tmp_path / "runs"), "--video"]
    assert "probe-chain: there is nothing to see" in refused(*options)
    assert "--video shows policies that were kept" in refused(*options, "--keep-policies", "none")
