"""The command line: what it says and does when nothing is wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval import run
from eval.bench import __main__ as bench
from eval.config.command_line import parse
from eval.config.presets import PRESETS
from tables.figures.growth import growth

ROOT = Path(__file__).parents[2]


def test_sigterm_saves_and_stops(tmp_path):
    options = "--task probe-chain --horizon 2 --offline-steps 100000 --workers 1 --eval-every 10 --eval-episodes 5".split()
    command = [sys.executable, "-m", "eval.run", *options, "--runs", str(tmp_path)]
    environment, pipe = os.environ | {"TQDM_DISABLE": "1"}, subprocess.PIPE
    running = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment)
    while not list(tmp_path.glob("*/checkpoint.pt")):
        assert running.poll() is None, running.communicate()[1]
    running.send_signal(signal.SIGTERM)
    output, errors = running.communicate(timeout=60)
    assert errors == "", "TQDM_DISABLE turns off every bar"
    assert running.returncode == 128 + signal.SIGTERM
    assert "continue with: python -m eval.run --task probe-chain" in output and output.strip().endswith("--resume")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_option_that_help_shows_changes_the_configuration(preset, capsys):
    with pytest.raises(SystemExit):
        run.main(["--help", "--preset", preset])
    shown = set(re.findall(r"^  --([\w.-]+)", capsys.readouterr().out, re.M))
    changes = {"--algo.num-elites": "3", "--backbone.temperatures": "0.3", "--offline-steps": "7", "--seeds": "4"}
    for option, value in changes.items():
        assert option[2:] in shown
        _, config = parse(["--preset", preset, option, value])
        assert config != parse(["--preset", preset])[1]
        assert config.digest() != parse(["--preset", preset])[1].digest()


def test_plot_draws_the_run_beside_its_record(tiny, capsys):
    code, run = tiny("--plot")
    picture = run.path.with_suffix(".png")
    assert code == 0 and f"picture: {picture}" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_list_names_everything(capsys):
    assert run.main(["--list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("drifting", "meanflow", "dfp", "cube-quadruple-task[1-5]", "square", *PRESETS))


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
