"""Runs on tasks, data, backbones and algorithms from outside."""

import json
from pathlib import Path

import numpy as np
import pytest

from eval.policy import load
from eval.results import record

TASK = "gym:Pendulum-v1,time_limit=6"
TASK_FILE = """
import gymnasium
from envs.own import own_task

TASK = own_task(lambda: gymnasium.make("Pendulum-v1", max_episode_steps=6))
"""
FAULT = """

class Faulty(gymnasium.Wrapper):
    episodes = 0

    def reset(self, **options):
        self.episodes += 1
        return self.env.reset(**options)

    def step(self, action):
        if self.episodes > 1:
            raise KeyError("a fault of mine")
        return self.env.step(action)

TASK = own_task(lambda: Faulty(gymnasium.make("Pendulum-v1", max_episode_steps=6)))
"""
BACKBONE_FILE = """
from dataclasses import dataclass
from backbones.base import PerPositive
from backbones.nets import MLP

class Net(MLP):
    pass

@dataclass(frozen=True)
class Regression(PerPositive):
    def network(self, obs_dim, action_dim):
        return Net(obs_dim, action_dim, self.width, self.depth, layer_norm=False)

    def errors(self, net, obs, positives, noise):
        return (net(obs) - positives).square().mean(-1), {}

    def sample(self, net, obs, noise):
        return (net(obs) + 0.1 * noise).clamp(-1, 1)
"""


@pytest.fixture
def own(tiny, tmp_path: Path):
    """A short run of FQL or another rule on Pendulum, with twelve short episodes as data; returns its record."""
    rng = np.random.default_rng(0)
    states, data = rng.normal(3, 2, (12, 7, 3)), tmp_path / "rows.npz"  # of an episode each, the final one included
    obs, next_obs = (part.reshape(72, 3) for part in (states[:, :-1], states[:, 1:]))
    columns = {
        "observations": obs,
        "actions": rng.uniform(-2, 2, (72, 1)),
        "rewards": -obs[:, 0],
        "next_observations": next_obs,
    }
    np.savez(data, **columns, terminals=np.zeros(72, bool), timeouts=np.arange(72) % 6 == 5)

    def start(*options: str) -> record.Run:
        code, made = tiny("--algo", "fql", "--dataset", str(data), *options)
        assert code == 0
        return made

    return start


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def outcomes(made: record.Run) -> tuple:
    return made.evaluations, made.metrics


def test_a_gymnasium_name_and_an_equal_file_give_the_same_bits(own, tmp_path):
    by_file = own("--task", written(tmp_path / "pendulum_task.py", TASK_FILE))
    by_name = own("--task", TASK)
    assert outcomes(by_file) == outcomes(by_name) and by_file.evaluations
    assert by_file.start["physics"] == by_name.start["physics"] and by_file.start["dataset"] == by_name.start["dataset"]
    assert [*by_file.start["files"]] == [str(tmp_path / "pendulum_task.py")] and "files" not in by_name.start


def test_returns_count_where_nothing_is_a_success(own, capsys):
    made = own("--task", TASK)
    assert made.start["task"] == {"score": "return"} and "offline return" in capsys.readouterr().out
    for evaluation in made.evaluations:
        assert evaluation["score"] == evaluation["return"] and evaluation["success"] == [0, 0, 0]
        assert record.score(evaluation) == pytest.approx(np.mean(evaluation["return"]))
    policy = load(made.path.parent, step="best")
    assert policy.task.name == TASK and policy.about.score == record.score(made.last(0, "online"))


def test_normalized_observations_are_kept_in_record_policy_and_checkpoint(own, tmp_path, tiny_options):
    options = ["--task", TASK, "--normalize-obs", "--online-steps"]
    whole = own(*options, "8")
    data = np.load(tmp_path / "rows.npz")
    rows = np.concatenate([data["observations"], data["next_observations"][5::6]])
    kept = whole.start["normalize_obs"]
    np.testing.assert_allclose(kept["mean"], rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(kept["std"], rows.std(0), rtol=1e-5)
    policy = load(whole.path.parent)
    scale = policy.actor.modules["standardize"]
    assert scale.mean.tolist() == kept["mean"] and scale.std.tolist() == kept["std"]
    plain = own("--task", TASK)
    assert plain.evaluations != whole.evaluations and "normalize_obs" not in plain.start


def test_without_data_a_run_learns_online_alone(own):
    made = own("--task", TASK, "--dataset", "none", "--offline-steps", "0")
    assert made.start["dataset"] == {"source": "none", "rows": 0, "episodes": 0}
    assert {e["phase"] for e in made.evaluations} == {"online"} and made.metrics
    probe = own("--task", "probe-bandit", "--dataset", "none", "--offline-steps", "0", "--algo.horizon", "1")
    assert probe.metrics


def test_without_an_environment_a_run_learns_offline_alone(own, capsys):
    made = own("--task", "data:3x1,low=-2,high=2", "--online-steps", "0")
    assert capsys.readouterr().out.count("there is no environment, so nothing is evaluated") == 1
    assert made.status == "finished" and made.metrics and not made.evaluations and made.start["physics"] == {}
    policy = load(made.path.parent)
    assert policy([0.0, 1.0, 2.0]).shape == (1,) and policy.about.step == 6


def test_a_backbone_and_an_algorithm_may_be_files(own, tmp_path):
    algorithm = (
        "from dataclasses import dataclass\nfrom algos.bc import BC\n\n@dataclass(frozen=True)\nclass Mine(BC):\n  pass\n"
    )
    backbone, rule = (
        written(tmp_path / f"my_{name}.py", text) for name, text in (("nets", BACKBONE_FILE), ("rule", algorithm))
    )
    made = own("--task", TASK, "--backbone", backbone, "--algo", rule)
    config = made.start["config"]
    assert (config["method"], config["backbone"]["name"], config["algo"]["name"]) == (f"{rule}-{backbone}", backbone, rule)
    assert [*made.start["files"]] == [backbone, rule]
    policy = load(made.path.parent)
    assert type(policy.config.backbone).__name__ == "Regression" and policy.config.to_json() == config


def test_other_processes_find_what_a_file_defines(own, tmp_path):
    """They are started afresh, and get the task by its name and the networks by their class."""
    backbone = written(tmp_path / "their_nets.py", BACKBONE_FILE)
    task = written(tmp_path / "their_task.py", TASK_FILE)
    here, apart = (own("--task", task, "--algo", "bc", "--backbone", backbone, "--workers", n) for n in ("0", "1"))
    assert outcomes(here) == outcomes(apart)


def test_a_fault_of_an_environment_fails_the_run_in_one_line_wherever_it_steps(tiny, capfd, tmp_path):
    task = written(tmp_path / "faulty_task.py", TASK_FILE + FAULT)
    line = "faulty_task.py: step 1 of an episode fails, KeyError: 'a fault of mine' (line 17)"
    for n in ("0", "1"):
        alone = "--dataset", "none", "--offline-steps", "0", "--eval-every", "8"
        code, made = tiny("--algo", "fql", "--task", task, "--workers", n, *alone)
        said = capfd.readouterr().err
        assert (code, made.status) == (1, "failed") and made.end["reason"].endswith(line)
        assert f"{line}; the run is recorded as failed" in said and "Traceback" not in said
        made.path.unlink()


def test_networks_that_a_file_cannot_make_are_refused_with_its_line(refused, tiny_options, tmp_path):
    wrong = BACKBONE_FILE.replace("Net(obs_dim, action_dim, self.width", "Net(obs_dim, action_dim // 0, self.width")
    backbone = written(tmp_path / "nets_of_zero.py", wrong)
    words = refused(*tiny_options, "--runs", str(tmp_path / "runs"), "--algo", "bc", "--backbone", backbone)
    assert words.startswith(f"error: {backbone}: its networks cannot be made, ZeroDivisionError: integer ")
    assert words.endswith(" (line 12)")


def test_what_fails_outside_a_file_keeps_its_traceback(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("algos.learner.learner.trainable", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # although it is called as the suite's file that fails
        tiny("--algo", "bc", "--backbone", written(tmp_path / "learner.py", BACKBONE_FILE))


def test_a_run_is_not_resumed_with_another_file(own, refused, tmp_path, tiny_options):
    task = written(tmp_path / "changing_task.py", TASK_FILE)
    killed = own("--task", task)
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    first = json.loads(lines[0]) | {"files": {task: "0" * 64}}
    killed.path.write_text("".join([json.dumps(first) + "\n", *lines[1:]]))
    again = ["--algo", "fql", "--dataset", str(tmp_path / "rows.npz"), "--task", task, "--resume"]
    words = refused(*tiny_options, *again, "--runs", str(tmp_path / "runs"))
    assert f"{task} has changed since; start a new run" in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (f"--task {TASK} --dataset none", "no data for 6 offline steps; --dataset FILE names some, --offline-steps 0 learns"),
        (f"--task {TASK} --dataset none --offline-steps 0 --normalize-obs", "no data for normalize_obs"),
        (f"--task {TASK} --dataset nowhere.npz", "nowhere.npz"),
        (f"--task {TASK} --dataset rows.npz --success-timing pre", "success_timing 'pre' is OGBench's alone"),
        ("--task data:3x1 --dataset rows.npz", "rows.npz: actions row 0: "),
        (
            "--task data:2x1,low=-2,high=2 --dataset rows.npz",
            "observations [3] and actions [1]; data:2x1,low=-2,high=2 has [2]",
        ),
        ("--task data:3x1,low=-2,high=2 --dataset rows.npz", "there is no environment; --online-steps 0 trains on the data"),
        ("--task gym:CartPole-v1", "its actions are Discrete(2)"),
        ("--task probe-chain --backbone nowhere.py", "nowhere.py: no such file"),
        ("--task probe-chain --algo module:json", "module:json: defines no algorithm"),
    ],
)
def test_what_cannot_be_done_is_refused(own, refused, tmp_path, tiny_options, options, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(*tiny_options, *options.split())


def test_an_online_phase_without_an_update_is_named(own, capsys):
    made = own("--task", TASK, "--online-warmup", "8")
    assert "online_steps 8: no more than online_warmup 8, so none has an update" in capsys.readouterr().out
    assert {line["phase"] for line in made.metrics} == {"offline"}
