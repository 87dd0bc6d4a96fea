"""What `python -m eval.run` refuses: in one line, with exit code 2, and nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eval import run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--backbone drfting", "did you mean drifting"),
        ("--algo sarsa", "there are"),
        ("--task cube-sngle-task2", "did you mean cube-single-task2"),
        ("--method qc-fq", "did you mean qc-fql"),
        ("--method mvp --backbone flow", "method mvp is dfp with meanflow"),
        ("--preset huge", "quick, small, paper, release"),
        ("--algo rebrac --backbone flow", "rebrac with flow: its penalties are distances to one action"),
        ("--algo srpo --backbone flow", "srpo with flow: it needs a policy with a score; take the backbone diffusion"),
        ("--algo dfp --backbone deterministic", "dfp with deterministic: it chooses among samples"),
        ("--method iql --algo.num-samples 4", "iql with deterministic: it chooses among samples"),
        ("--algo.num-elite 3", "did you mean --algo.num-elites"),
        ("--preset paper --algo.num-elites 20", "algo.num_candidates is 16"),
        ("--algo.num-elites many", "invalid int"),
        ("--backbone.temperatures 0.1 0", "every temperature must be > 0"),
        ("--backbone.temperatures -0.1", "every temperature must be > 0"),
        ("--backbone.field both", "joint"),
        ("--offline-steps -1", "must not be negative"),
        ("--offline-steps 0 --online-steps 0", "there is nothing to run; one must be above 0"),
        ("--protocol offline --offline-steps 0", "there is nothing to run"),
        ("--method fmq --offline-steps 0", "offline_steps 0: fmq keeps to what its offline phase learned; at least 1"),
        ("--online-steps -5", "must not be negative"),
        ("--online-share 1.5", "a share lies in [0, 1]"),
        ("--updates-per-step 0", "above 0"),
        ("--act qgbs", "act qgbs for dfp with drifting: a round asks for a velocity; take no round, or the backbone flow"),
        ("--algo fmq --backbone flow", "it needs a policy with a mean velocity; take the backbone flow_map or meanflow"),
        ("--algo sac", "it needs a policy with a density; take the backbone gaussian or tanh_gaussian"),
        ("--eval-episodes 0", "at least 1"),
        ("--algo.learning-rate inf", "must be a finite number"),
        ("--backbone.temperatures 0.1 nan", "must be"),
        ("--algo.target-rate -3", "must lie in [0, 1]"),
        ("--seeds 99999999999999999999", "numbers from 0 to"),
        ("--device meta", "not available"),
        ("--seeds 1 1", "different numbers"),
        ("--seeds 0-2 2", "different numbers"),
        ("--seeds 2-0", "'2-0' is neither a whole number nor a range as 0-4"),
        ("--seeds 0-", "'0-' is neither a whole number nor a range as 0-4"),
        ("--seeds few", "'few' is neither a whole number nor a range as 0-4"),
        ("--seeds", "expected at least one argument"),
        ("--workers -1", "'-1' is not a whole number of at least 0"),
        ("--device tpu", "not available"),
        ("--horizon 0", "at least 1"),
        ("--backbone.width -5", "at least 1"),
        ("--algo.critic-depth 0", "at least 1"),
        ("--task probe-chain --horizon 9", "longer than every episode of the dataset (at most 8 actions)"),
        (
            "--task probe-bandit --dataset none --offline-steps 0 --horizon 5",
            "algo.horizon 5: an episode of probe-bandit has 1 steps",
        ),
        ("--task probe-chain --replay-capacity 3", "must exceed the horizon"),
        ("--task probe-chain --resume", "nothing to resume"),
        ("--task lift", "python -m envs.generate lift"),
    ],
)
def test_an_impossible_choice_is_refused(refused, tmp_path, monkeypatch, options, words):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    monkeypatch.setenv("HOME", str(tmp_path))
    assert words in refused(*options.split(), "--runs", str(tmp_path / "runs"), "--data", str(tmp_path / "data"))


def test_a_user_without_a_home_learns_how_to_get_data(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)  # whom the system's list of users does not have
    assert "python -m envs.generate lift" in refused("--task", "lift", "--data", str(tmp_path), "--runs", str(tmp_path))


def test_a_precision_that_the_processor_lacks_is_refused(refused, monkeypatch):
    monkeypatch.setattr("algos.select.has_bfloat16", lambda: False)
    assert "this processor has no such products" in refused("--task", "probe-chain", "--algo.ranking", "bfloat16")


def test_a_run_keeps_its_kernel(tiny, tiny_options, refused, tmp_path, monkeypatch):
    monkeypatch.setenv("DENSE_KERNEL", "torch")
    _, killed = tiny()
    assert killed.start["kernel"] == "torch"
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join(lines))
    again = [*tiny_options, "--resume", "--runs", str(tmp_path / "runs")]
    monkeypatch.setenv("DENSE_KERNEL", "onednn")
    assert "kernel onednn: the run to go on from has torch" in refused(*again)
    monkeypatch.delenv("DENSE_KERNEL")
    assert run.main(again) == 0 and os.environ["DENSE_KERNEL"] == "torch"


def test_a_run_of_another_configuration_is_not_resumed(tiny, refused, tmp_path):
    _, killed = tiny()
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join(lines))
    unfinished = ["--task", "probe-chain", "--resume", "--runs", str(tmp_path / "runs")]
    assert "of another configuration: its algo.batch_size is 16, here" in refused(*unfinished)


def test_a_run_of_an_older_version_is_resumed(tiny, tiny_options, refused, tmp_path):
    """Its files lack options that came later, and mean their defaults."""

    def older(config):
        del config["updates_per_step"], config["algo"]["max_grad_norm"]
        return config

    _, killed = tiny()
    first, *lines, _end = killed.path.read_text().splitlines(keepends=True)
    first = json.loads(first)
    killed.path.write_text("".join([json.dumps(first | {"config": older(first["config"])}) + "\n", *lines]))
    checkpoint = killed.path.parent / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save(state | {"config": older(state["config"])}, checkpoint)
    again = [*tiny_options, "--resume", "--runs", str(tmp_path / "runs")]
    assert "its algo.max_grad_norm is 0.0, here 0.5" in refused(*again, "--algo.max-grad-norm", "0.5")
    assert "its updates_per_step is 1, here 2.0" in refused(*again, "--updates-per-step", "2")
    assert run.main(again) == 0


@pytest.mark.parametrize(
    ("was", "words"),
    [
        ({"dataset": {"sha256": "f95d"}}, "its dataset has sha256 f95d, here it is"),
        ({"physics": {"hash": "e4b0"}}, "its physics has hash e4b0, here it is"),
        ({"device": "NVIDIA H200, TF32"}, "its device is NVIDIA H200, TF32, here it is cpu"),
    ],
)
def test_a_run_is_not_resumed_on_other_ground(tiny, tiny_options, refused, tmp_path, was, words):
    _, killed = tiny()
    first, *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join([json.dumps({**json.loads(first), **was}) + "\n", *lines]))
    assert words in refused(*tiny_options, "--resume", "--runs", str(tmp_path / "runs"))


def test_an_old_or_damaged_file_is_named(tiny, tiny_options, refused, tmp_path, capsys):
    _, killed = tiny()
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join(lines))
    again = [*tiny_options, "--resume", "--runs", str(tmp_path / "runs")]
    checkpoint = killed.path.parent / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save({key: value for key, value in state.items() if key != "format"}, checkpoint)
    assert "checkpoint.pt has format 1, written by another version" in refused(*again)
    checkpoint.write_bytes(b"not a checkpoint")
    assert "not a readable checkpoint" in refused(*again)
    killed.path.write_text("[]\n")
    with pytest.raises(SystemExit):
        run.main(again)
    first, last = capsys.readouterr().err.strip().splitlines()
    assert str(killed.path) in first and "nothing to resume" in last


def test_no_data_and_no_network_are_refused_with_the_way_out(tmp_path):
    environment = os.environ | {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "eval.run", "--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "python -m envs.generate cube-single-task2" in line
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


def test_a_broken_dataset_is_refused(refused, tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "cube-single-play-v0.npz"
    path.write_bytes(b"PK\x03\x04 cut")
    assert "truncated" in refused("--data", str(path.parent), "--runs", str(tmp_path / "runs"))
    np.savez(path, observations=np.zeros((4, 37), np.float32))
    assert str(path) in refused("--data", str(path.parent), "--runs", str(tmp_path / "runs"))
