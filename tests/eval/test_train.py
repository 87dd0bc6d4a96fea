"""Runs: both phases for every pair, and interruption that changes nothing."""

import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch

from algos.learner import Learner
from backbones.base import Backbone, names
from envs import replay
from eval.config.config import Config
from eval.config.methods import METHODS
from eval.running.train import Training

PAIRS = sorted({(m.algo, m.backbone) for m in METHODS.values()} | {("bc", name) for name in names("backbones", Backbone)})


def checkpoint(run) -> dict:
    return torch.load(run.path.parent / "checkpoint.pt", weights_only=True)


def lines(run) -> list:
    return [run.evaluations, run.metrics]


@pytest.mark.parametrize(("algo", "backbone"), PAIRS)
def test_every_pair_trains_through_both_phases(tiny, algo, backbone):
    code, run = tiny("--algo", algo, "--backbone", backbone, "--seeds", "3", "5")
    assert code == 0 and run.status == "finished"
    assert [(e["phase"], e["step"], e["seed"]) for e in run.evaluations] == [
        (phase, step, seed) for phase, step in (("offline", 4), ("offline", 6), ("online", 4), ("online", 8)) for seed in (3, 5)
    ]
    assert all(len(e["success"]) == len(e["return"]) == len(e["length"]) == 3 for e in run.evaluations)
    assert {"config", "versions", "dataset", "physics", "device", "command", "digest"} <= run.start.keys()
    assert all(np.isfinite(values).all() for m in run.metrics for values in m["values"].values())
    config = Config.from_json(run.start["config"])
    before = Learner(config.algo, config.backbone, config.task.obs_dim, config.task.action_dim, config.seeds).params
    for name, net in checkpoint(run)["learner"]["params"].items():
        assert any(not torch.equal(p, before[name][key]) for key, p in net.items()), f"{name} did not move"


def test_the_same_command_gives_the_same_numbers(tiny):
    (_, first), (_, second) = tiny(), tiny()
    assert first.path != second.path and lines(first) == lines(second)


SHARDS, TURNING = "--data-order shards", "--data-order turning-shards"
RLPD = "--warmup-actions random --updates-per-step 2 --online-share 0.5"


@pytest.mark.parametrize(
    ("stop_at", "replay_options"),
    [*((n, "") for n in (3, 4, 6, 9, 11, 14)), (3, SHARDS), (11, TURNING), (7, RLPD)],
    ids=lambda value: f"after {value} updates and steps" if isinstance(value, int) else value,
)
def test_interrupted_and_resumed_equals_uninterrupted(tiny, monkeypatch, stop_at, replay_options):
    monkeypatch.setattr("envs.rows.SHARD_ROWS", 300)
    monkeypatch.setattr(replay, "SHARD_STEPS", 2)
    options = f"--seeds 0 1 --algo.final-rate 0.1 {replay_options}".split()
    _, whole = tiny(*options)
    steps = 0

    def count_steps(one_step):
        def counted(self, step):
            nonlocal steps
            steps += 1
            if steps == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return one_step(self, step)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_explore_and_update", count_steps(Training._explore_and_update))
        patch.setattr(Training, "_update_offline", count_steps(Training._update_offline))
        code, stopped = tiny(*options)
    assert code == 128 + signal.SIGTERM and stopped.status == "stopped"
    code, resumed = tiny(*options, "--resume")
    assert code == 0 and resumed.path == stopped.path and resumed.status == "finished"
    assert lines(resumed) == lines(whole)
    assert [*resumed.clock] == [*whole.clock] and [*resumed.clock.values()] == sorted(resumed.clock.values())
    ours, theirs = checkpoint(resumed), checkpoint(whole)
    assert str(ours["learner"]) == str(theirs["learner"])
    assert str(ours["explorers"]) == str(theirs["explorers"])


def test_half_an_update_a_step_is_one_at_every_second(tiny):
    """Counted from the phase's first step, also while warming up; so a resumed run takes the same."""
    _, run = tiny("--updates-per-step", "0.5", "--online-warmup", "3")
    assert checkpoint(run)["learner"]["updates"] == 6 + len([4, 6, 8])
    assert [m["step"] for m in run.metrics if m["phase"] == "online"] == [4, 6, 8]


def test_two_updates_a_step_are_two_updates(tiny, monkeypatch):
    _, two = tiny("--updates-per-step", "2")
    explore = Training._explore_and_update

    def update_once_more(self, step):
        return explore(self, step) and self._update(self.config.offline_steps)

    monkeypatch.setattr(Training, "_explore_and_update", update_once_more)
    _, twice = tiny()
    ours, theirs = checkpoint(two)["learner"], checkpoint(twice)["learner"]
    assert ours["updates"] == 6 + 2 * (8 - 2) and str(ours) == str(theirs) and lines(two) == lines(twice)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (SHARDS, [1, 2, 3, 4, 5, 6, *[6] * 6]),
        (TURNING, [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14]),
        (f"{SHARDS} --offline-steps 0", [3, 4, 5, 6, 7, 8]),
    ],
)
def test_shards_turn_online_where_asked_to(tiny, monkeypatch, options, told):
    """By the step that the replay is told: six offline, then two to warm up and six with an update. Without an offline phase
    they turn unasked."""
    steps, sample = [], replay.Replay.sample
    monkeypatch.setattr(replay.Replay, "sample", lambda self, *args: steps.append(args[2]) or sample(self, *args))
    tiny(*options.split())
    assert steps == told


def test_random_actions_warm_up(tiny):
    """They are those of no policy."""

    def taken(*options):
        _, run = tiny("--offline-steps", "0", "--online-warmup", "8", *options)
        return checkpoint(run)["replay"]["rings"][0]["rows"][1][:8]

    actions = taken("--warmup-actions", "random")
    assert torch.equal(actions, taken("--warmup-actions", "random", "--algo", "bc"))
    assert not torch.equal(actions, taken()) and actions.abs().max() <= 1 and len(actions.unique()) == actions.numel()


def test_seeds_together_give_each_seed_s_own_curve(tiny):
    _, together = tiny("--seeds", "0", "1")
    _, alone = tiny("--seeds", "1")
    own = [{k: v for k, v in e.items()} for e in together.evaluations if e["seed"] == 1]
    assert own == alone.evaluations
    for one, two in zip(alone.metrics, together.metrics, strict=True):
        assert {name: values[0] for name, values in one["values"].items()} == {n: v[1] for n, v in two["values"].items()}


def test_a_loss_that_is_not_finite_fails_the_run(tiny, capsys):
    code, run = tiny("--algo.learning-rate", "1e20")
    assert code == 1 and run.status == "failed" and "seed 0" in run.end["reason"]
    assert "recorded as failed" in capsys.readouterr().err


def test_simulating_apart_changes_no_number(tiny, monkeypatch):
    options = "--seeds 0 1 --online-steps 60 --eval-every 30".split()
    _, here = tiny(*options, "--workers", "0")
    explore = Training._explore_and_update

    def stop_in_a_chunk(self, step):
        self.stop = step == 33
        if self.stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return explore(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_explore_and_update", stop_in_a_chunk)
        code, stopped = tiny(*options, "--workers", "1")
        assert code == 128 + signal.SIGTERM
    _, apart = tiny(*options, "--workers", "1", "--resume")
    assert apart.path == stopped.path and lines(apart) == lines(here)
    ours, theirs = checkpoint(apart), checkpoint(here)
    assert str(ours["explorers"]) == str(theirs["explorers"]) and str(ours["learner"]) == str(theirs["learner"])
    assert not multiprocessing.active_children()
