"""The command line: what it refuses, and what it says."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eval import run
from eval.bench import __main__ as bench
from eval.config.configure import configure
from eval.config.presets import PRESETS
from tables.figures.growth import growth
from tables.spec import TABLES

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--backbone drfting", "did you mean drifting"),
        ("--algo sac", "there are"),
        ("--task cube-sngle-task2", "did you mean cube-single-task2"),
        ("--method qc-fq", "did you mean qc-fql"),
        ("--method mvp --backbone flow", "method mvp is dfp with meanflow"),
        ("--preset huge", "quick, paper, release"),
        ("--algo rebrac --backbone flow", "rebrac with flow: its penalties are distances to one action"),
        ("--algo srpo --backbone flow", "srpo with flow: it follows the score of a diffusion model"),
        ("--algo dfp --backbone deterministic", "dfp with deterministic: it chooses among samples"),
        ("--method iql --algo.num-samples 4", "iql with deterministic: it chooses among samples"),
        ("--algo.num-elite 3", "did you mean --algo.num-elites"),
        ("--preset paper --algo.num-elites 20", "algo.num_candidates is 16"),
        ("--algo.num-elites many", "invalid int"),
        ("--backbone.temperatures 0.1 0", "every temperature must be > 0"),
        ("--backbone.temperatures -0.1", "every temperature must be > 0"),
        ("--backbone.field both", "joint"),
        ("--offline-steps -1", "must not be negative"),
        ("--online-steps -5", "must not be negative"),
        ("--eval-episodes 0", "at least 1"),
        ("--algo.learning-rate inf", "must be a finite number"),
        ("--backbone.temperatures 0.1 nan", "must be"),
        ("--algo.target-rate -3", "must lie in [0, 1]"),
        ("--seeds 99999999999999999999", "numbers from 0 to"),
        ("--device meta", "not available"),
        ("--seeds 1 1", "different numbers"),
        ("--seeds", "expected at least one argument"),
        ("--workers -1", "must not be negative"),
        ("--device tpu", "not available"),
        ("--horizon 0", "at least 1"),
        ("--backbone.width -5", "at least 1"),
        ("--algo.critic-depth 0", "at least 1"),
        ("--task probe-chain --horizon 9", "longer than every episode of the dataset (at most 8 actions)"),
        ("--task probe-chain --replay-capacity 3", "must exceed the horizon"),
        ("--task probe-chain --resume", "nothing to resume"),
        ("--task lift", "python -m envs.generate lift"),
    ],
)
def test_impossible_choices_are_refused_in_one_line(refused, tmp_path, monkeypatch, options, words):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    monkeypatch.setenv("HOME", str(tmp_path))
    assert words in refused(*options.split(), "--runs", str(tmp_path / "runs"), "--data", str(tmp_path / "data"))


def test_a_checkpoint_of_another_configuration_is_refused(tiny, refused, tmp_path):
    _, killed = tiny()
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join(lines))
    unfinished = ["--task", "probe-chain", "--resume", "--runs", str(tmp_path / "runs")]
    assert "of another configuration: its algo.batch_size is 16, here" in refused(*unfinished)


@pytest.mark.parametrize(
    ("was", "words"),
    [
        ({"dataset": {"sha256": "f95d"}}, "its dataset has sha256 f95d, here it is"),
        ({"physics": {"hash": "e4b0"}}, "its physics has hash e4b0, here it is"),
        ({"device": "NVIDIA H200, TF32"}, "its device is NVIDIA H200, TF32, here it is cpu"),
    ],
)
def test_a_run_goes_on_only_with_its_data_its_simulator_and_its_kind_of_device(
    tiny, tiny_options, refused, tmp_path, was, words
):
    _, killed = tiny()
    first, *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join([json.dumps({**json.loads(first), **was}) + "\n", *lines]))
    assert words in refused(*tiny_options, "--resume", "--runs", str(tmp_path / "runs"))


def test_a_checkpoint_or_record_that_is_old_or_damaged_is_named(tiny, tiny_options, refused, tmp_path, capsys):
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


def test_no_dataset_and_no_network_is_refused_with_the_way_out(tmp_path):
    environment = os.environ | {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "eval.run", "--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=README.parent)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "python -m envs.generate cube-single-task2" in line
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


def test_sigterm_saves_and_stops_and_the_run_can_be_resumed(tmp_path):
    options = [
        "--task",
        "probe-chain",
        "--horizon",
        "2",
        "--offline-steps",
        "100000",
        "--workers",
        "2",
        "--eval-every",
        "10",
        "--eval-episodes",
        "5",
    ]
    command = [sys.executable, "-m", "eval.run", *options, "--runs", str(tmp_path)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=README.parent)
    while not list(tmp_path.glob("*/checkpoint.pt")):
        assert running.poll() is None, running.communicate()[1]
    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert "continue with: python -m eval.run --task probe-chain" in output and output.strip().endswith("--resume")


def test_presets_hold_the_paper_s_numbers():
    cube = configure("cube-double-task2", preset="paper")
    assert (cube.algo.horizon, cube.algo.num_candidates, cube.algo.num_elites, cube.algo.best_of) == (5, 16, 4, 16)
    assert (cube.algo.elite_weight, cube.algo.old_policy_rate, cube.algo.target_rate) == (0.5, 1e-4, 5e-3)
    assert (cube.backbone.num_generated, cube.backbone.temperatures, cube.backbone.width, cube.backbone.depth) == (
        8,
        (0.05,),
        512,
        4,
    )
    assert (cube.algo.batch_size, cube.algo.discount, cube.algo.learning_rate, cube.algo.num_critics) == (256, 0.99, 3e-4, 2)
    assert (cube.offline_steps, cube.online_steps, cube.online_warmup, cube.eval_episodes) == (10**6, 10**6, 5000, 100)
    lift = configure("lift", preset="paper")
    assert (lift.algo.num_elites, lift.algo.best_of, lift.backbone.temperatures) == (2, 4, (0.005, 0.05))
    puzzle = configure("puzzle-4x4-task4", preset="paper")
    assert (puzzle.protocol, puzzle.algo.horizon, puzzle.algo.best_of, puzzle.online_steps) == ("offline", 1, 1, 0)
    assert (puzzle.algo.num_candidates, puzzle.algo.num_elites, puzzle.backbone.temperatures) == (32, 16, (0.01, 0.05))
    assert puzzle.algo.elites_offline and puzzle.algo.elite_weight == 0.5
    double = configure("cube-double-task2", preset="paper", protocol="offline")
    assert (double.algo.elite_weight, double.algo.num_elites, double.algo.horizon) == (0.55, 8, 1)
    assert configure("cube-double-task2", preset="release").backbone.temperatures == (0.1,)


def test_methods_hold_their_papers_numbers():
    def paper(task, method):
        config = configure(task, method, preset="paper")
        return config.algo, config.backbone

    assert [paper(f"cube-{n}-task2", "qc-fql")[0].distill_weight for n in ("double", "triple", "quadruple")] == [300, 100, 100]
    assert [paper(task, "fql")[0].distill_weight for task in ("cube-triple-task4", "square")] == [300, 10_000]
    assert [paper(task, "qc-bfn")[0].best_of for task in ("cube-double-task2", "can")] == [32, 16]
    assert (paper("can", "bfn")[0].target_best_of, paper("can", "bfn")[0].horizon) == (4, 1)
    assert [paper(f"cube-{n}-task3", "mvp")[1].constraint_weight for n in ("double", "triple")] == [1, 0]
    assert paper("lift", "mvp")[0].elite_weight == paper("lift", "dfp-no-top-k")[0].elite_weight == 0
    assert paper("cube-double-task2", "mvp-top-k")[0] == paper("cube-double-task2", "dfp")[0]


TABLE_7 = ("cube-single-task2", "cube-double-task2", "scene-task2", "puzzle-3x3-task4", "puzzle-4x4-task4")


@pytest.mark.parametrize(
    ("method", "option", "values"),
    [
        ("iql", "inverse_temperature", (1, 0.3, 10, 10, 3)),
        ("rebrac", "actor_penalty", (1, 0.1, 0.1, 0.3, 0.3)),
        ("rebrac", "critic_penalty", (0, 0, 0.01, 0.01, 0.01)),
        ("idql", "num_samples", (32, 32, 32, 32, 32)),
        ("srpo", "q_weight", (0.03, 0.1, 0.1, 0.1, 0.1)),
        ("cac", "q_weight", (0.003, 0.3, 0.3, 0.01, 0.01)),
        ("fawac", "inverse_temperature", (1, 0.3, 0.3, 0.3, 0.3)),
        ("fbrac", "data_weight", (100, 100, 100, 100, 300)),
        ("ifql", "num_samples", (32, 32, 32, 32, 32)),
        ("fql", "distill_weight", (300, 300, 300, 1000, 1000)),
    ],
)
def test_baselines_of_table_7_have_their_numbers_on_its_tasks(method, option, values):
    """In the offline protocol: evaluated every 100,000 of a million steps, actions one at a time."""
    configs = [configure(task, method, preset="paper", protocol="offline") for task in TABLE_7]
    assert [getattr(c.algo, option) for c in configs] == list(values)
    assert {(c.algo.horizon, c.offline_steps, c.online_steps, c.eval_every) for c in configs} == {(1, 10**6, 0, 10**5)}


def test_every_row_of_table_7_is_a_method_of_its_own_numbers():
    rows = [row.method for row in TABLES["7"].rows]
    assert rows == "bc iql rebrac idql srpo cac fawac fbrac ifql fql dfp".split()
    iql = configure("scene-task2", "iql", preset="paper")
    assert (iql.backbone.width, iql.backbone.depth, iql.algo.critic_width, iql.algo.critic_depth) == (256, 4, 256, 4)
    assert (iql.algo.expectile, iql.algo.pessimism, iql.backbone.squash) == (0.9, 1, False)
    rebrac = configure("scene-task2", "rebrac", preset="paper")
    assert (rebrac.algo.target_std, rebrac.algo.target_clip, rebrac.algo.actor_every) == (0.2, 0.5, 2)
    assert rebrac.backbone.squash and not configure("scene-task2", "bc", preset="paper").backbone.squash


def test_a_choice_of_algorithm_and_backbone_is_a_method_and_its_variants_are_named():
    assert configure(algo="dfp", backbone="drifting").to_json() == configure(method="dfp").to_json()
    assert configure(algo="bc", backbone="flow").method == "bc-flow"
    changed = configure(method="dfp", **{"algo.num_elites": 2, "algo.elite_weight": 0.5, "offline_steps": 3})
    assert changed.changes == {"algo.num_elites": 2, "offline_steps": 3}
    assert configure(seeds=(7,), eval_every=5).changes == {}


def test_the_offline_protocol_has_no_chunks_and_no_best_of_n_in_any_preset():
    for preset in PRESETS:
        config = configure("cube-double-task2", preset=preset, protocol="offline")
        assert (config.algo.horizon, config.algo.best_of, config.algo.target_best_of, config.online_steps) == (1, 1, 1, 0)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_option_that_help_shows_changes_the_configuration(preset, capsys):
    with pytest.raises(SystemExit):
        run.main(["--help", "--preset", preset])
    shown = set(re.findall(r"^  --([\w.-]+)", capsys.readouterr().out, re.M))
    changes = {"--algo.num-elites": "3", "--backbone.temperatures": "0.3", "--offline-steps": "7", "--seeds": "4"}
    for option, value in changes.items():
        assert option[2:] in shown
        _, config = run.parse(["--preset", preset, option, value])
        assert config != run.parse(["--preset", preset])[1]
        assert config.digest() != run.parse(["--preset", preset])[1].digest()


def test_plot_draws_the_run_beside_its_record(tiny, capsys):
    code, run = tiny("--plot")
    picture = run.path.with_suffix(".png")
    assert code == 0 and f"picture: {picture}" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_list_names_everything(capsys):
    assert run.main(["--list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("drifting", "meanflow", "dfp", "cube-quadruple-task4", "square", *PRESETS))


def test_the_readme_s_commands_parse():
    commands = re.findall(r"^(?:\$ )?python -m (eval\.run|eval\.bench) ?(.*)$", README.read_text(), re.M)
    assert commands
    for module, options in commands:
        words = shlex.split(options, comments=True)
        if module == "eval.run" and "--list" not in words:
            run.parse(words)


def test_the_benchmark_counts_a_matrix_product_s_operations_and_leaves_a_record(tmp_path, capsys):
    out = tmp_path / "b.json"
    options = f"--methods fql dfp --task probe-chain --preset quick --ranking float32 bfloat16 --repeats 2 --out {out}"
    assert bench.main(options.split()) == 0
    record = json.loads(out.read_text())
    assert record["device"].startswith("cpu, ") and "commit" in record
    lines = {(u["method"], u["phase"], u["ranking"]): u for u in record["updates"]}
    assert lines.keys() == {
        (method, phase, ranking)
        for method, ranking in (("fql", "float32"), ("dfp", "float32"), ("dfp", "bfloat16"))
        for phase in ("offline", "online")
    }
    assert lines["dfp", "online", "float32"]["gflop"] > lines["dfp", "offline", "float32"]["gflop"] > 0
    assert record["action_ms"].keys() == record["episode_s"].keys() == {"fql", "dfp"} and record["env_steps_per_s"] > 0
    assert "of x @ w" in capsys.readouterr().out


def test_the_benchmark_varies_one_option_at_a_time_and_draws_what_it_costs(tmp_path, capsys):
    out, picture = tmp_path / "b.json", tmp_path / "b.png"
    vary = "algo.num_candidates=4,64 backbone.width+algo.critic_width=32"
    options = f"--methods dfp --task cube-single-task2 --preset quick --seeds 1 2 --vary {vary} --repeats 2"
    assert bench.main([*options.split(), "--phases", "online", "--out", str(out), "--plot", str(picture)]) == 0
    record = json.loads(out.read_text())
    base, two_seeds, *varied = record["updates"]
    assert [(u["vary"], u["value"], u["seeds"]) for u in varied] == [
        ("algo.num_candidates", 4, 1),
        ("algo.num_candidates", 64, 1),
        ("backbone.width+algo.critic_width", 32, 1),
    ]
    assert two_seeds["gflop"] == 2 * base["gflop"] and two_seeds["state_mb"] == pytest.approx(2 * base["state_mb"], rel=0.01)
    assert varied[2]["gflop"] < varied[0]["gflop"] < base["gflop"] < varied[1]["gflop"]
    assert record["generated_rows_per_s"] > 0 and record["peak_mb"] > 0
    curves = growth(record, "online")
    assert curves.keys() == {"seeds (1)", "N (8)", "width (256)"}
    assert curves["N (8)"] == [(0.5, varied[0]["ms"] / base["ms"]), (1, 1), (8, varied[1]["ms"] / base["ms"])]
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        bench.main(["--vary", "algo.no_such=1"])
    assert "no_such" in capsys.readouterr().err


def test_one_line_for_a_broken_dataset(refused, tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "cube-single-play-v0.npz"
    path.write_bytes(b"PK\x03\x04 cut")
    assert "truncated" in refused("--data", str(path.parent), "--runs", str(tmp_path / "runs"))
    np.savez(path, observations=np.zeros((4, 37), np.float32))
    assert str(path) in refused("--data", str(path.parent), "--runs", str(tmp_path / "runs"))
