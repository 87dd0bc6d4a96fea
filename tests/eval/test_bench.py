"""The benchmark: what a record of it holds, and what is drawn of it."""

import json
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from algos.select import Precision
from backbones.dense import Kernel, has_bfloat16
from envs.command import run_command
from envs.task import find_task
from eval.bench import __main__ as bench
from eval.bench import exported
from eval.bench.acting import time_generation
from eval.bench.kernels import Kernels
from eval.bench.updates import Line, time_updates
from eval.config.configure import configure
from tables.figures.growth import growth


def test_a_record_has_every_line(tmp_path, capsys):
    out = tmp_path / "b.json"
    precisions = get_args(Precision) if has_bfloat16() else ["float32"]
    options = f"--methods fql dfp --task probe-chain --preset quick --ranking {' '.join(precisions)} --repeats 2 --out {out}"
    bench.main(options.split())
    record = json.loads(out.read_text())
    assert record["device"].startswith("cpu, ") and "commit" in record
    lines = {(u["method"], u["phase"], u["ranking"]): u for u in record["updates"]}
    assert lines.keys() == {
        (method, phase, ranking)
        for method, ranking in [("fql", "float32"), *(("dfp", precision) for precision in precisions)]
        for phase in ("offline", "online")
    }
    assert lines["dfp", "online", "float32"]["gflop"] > lines["dfp", "offline", "float32"]["gflop"] > 0
    layers = record["layers"]
    assert {"x @ w", "Dense", "GELU", "LayerNorm", "tanh"} < layers.keys() and record["kernel"] in get_args(Kernel)
    assert all(ms > 0 for took in layers.values() for ms in took.values())
    assert record["action_ms"].keys() == record["episode_s"].keys() == {"fql", "dfp"} and record["env_steps_per_s"] > 0
    assert all(u["kernels"] > 0 and u["moved_mb"] > u["state_mb"] and u["products"] == "float32" for u in record["updates"])
    assert record["processor"] in record["device"] and "x the larger" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["qam", "fmq"])
def test_updates_that_differentiate_on_their_way_are_counted(method):
    config = configure("probe-chain", method, **{"backbone.width": 16, "algo.batch_size": 8})
    line = Line(config, "online", "cpu", "eager", "float32", {})
    assert line.operations > 0 and line.kernels.count > 0


def test_operations_are_those_of_the_products():
    x, w = torch.ones(3, 5), torch.ones(5, 7, requires_grad=True)
    with Kernels() as kernels:
        (x @ w).sum().backward()
    assert kernels.operations == 2 * 3 * 5 * 7 * 2  # x @ w, and w's gradient


def test_data_are_generated_at_some_rate():
    assert time_generation(find_task("cube-single-task2")) > 0


def test_one_option_varies_at_a_time(tmp_path):
    out, picture = tmp_path / "b.json", tmp_path / "b.png"
    vary = "algo.num_candidates=4,64 backbone.width+algo.critic_width=32"
    options = f"--methods dfp --task cube-single-task2 --preset quick --seeds 1 2 --vary {vary} --repeats 2"
    bench.main([*options.split(), "--phases", "online", "--updates-only", "--out", str(out), "--plot", str(picture)])
    record = json.loads(out.read_text())
    base, two_seeds, *varied = record["updates"]
    assert [(u["vary"], u["value"], u["seeds"]) for u in varied] == [
        ("algo.num_candidates", 4, 1),
        ("algo.num_candidates", 64, 1),
        ("backbone.width+algo.critic_width", 32, 1),
    ]
    assert two_seeds["gflop"] == 2 * base["gflop"] and two_seeds["state_mb"] == pytest.approx(2 * base["state_mb"], rel=0.01)
    assert varied[2]["gflop"] < varied[0]["gflop"] < base["gflop"] < varied[1]["gflop"]
    assert record["peak_mb"] > 0
    curves = growth(record, "online")
    assert curves.keys() == {"seeds (1)", "N (8)", "width (256)"}
    assert curves["N (8)"] == [(0.5, varied[0]["ms"] / base["ms"]), (1, 1), (8, varied[1]["ms"] / base["ms"])]
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def words(refused, monkeypatch):
    """How a command refuses its options, before it measures anything."""
    for module in (bench, exported):
        monkeypatch.setattr(module, "measure", None)

    def start(options: str, module=bench) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *options.split()])
        return refused(main=lambda _: run_command(module.main))

    return start


def test_a_precision_that_the_processor_lacks_is_refused(words, monkeypatch):
    monkeypatch.setattr("algos.select.has_bfloat16", lambda: False)
    options = "--methods dfp --task probe-chain --preset quick --ranking float32 bfloat16"
    assert "this processor has no such products" in words(options)


def test_tf32_is_refused_on_a_cpu(words):
    options = "--methods bc --task probe-chain --device cpu --products float32 tf32"
    assert words(options) == "error: products tf32: they need a GPU; a CPU has float32"


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("foo=1", "--vary foo: no option of dfp that is a number, as algo.horizon"),
        ("backbone.width+algo.no_such=1", "--vary algo.no_such: no option of dfp that is a number"),
        ("task=1", "--vary task: no option of dfp that is a number"),
        ("backbone.temperatures=1", "--vary backbone.temperatures: no option of dfp that is a number"),
        ("algo.num_candidates=x", "'algo.num_candidates=x' is not OPTION=INT,..., whole numbers"),
        ("algo.num_candidates", "'algo.num_candidates' is not OPTION=INT,..., whole numbers"),
        ("algo.num_candidates=2", "K must lie in 1..N"),
    ],
)
def test_what_cannot_vary_is_refused(words, vary, said):
    assert said in words(f"--methods dfp --preset quick --task probe-chain --vary {vary}")


def test_a_task_without_an_environment_has_updates_alone(words):
    assert words("--methods bc --task data:11x3").endswith("no environment to time; --updates-only leaves it out")


@pytest.mark.parametrize("module", [bench, exported])
def test_a_file_that_cannot_be_written_is_refused_at_once(words, tmp_path, module):
    (tmp_path / "file").touch()
    options = "--methods bc --task probe-chain --preset quick --out"
    assert words(f"{options} {tmp_path / 'file' / 'b.json'}", module).endswith("file exists")
    assert words(f"{options} {tmp_path}", module).endswith("is a directory")


def test_every_line_is_compiled(monkeypatch):
    """Also those after the eighth: from then on Dynamo runs a function as it is."""
    traced = CompileCounterWithBackend("eager")
    for rate in ("matrix_product", "memory_copy"):
        monkeypatch.setattr(f"eval.bench.updates.{rate}", lambda device: (list, 1))

    def line(width):
        net, x = torch.nn.Linear(width, 1), torch.ones(1, width)
        update = torch.compile(lambda: net(x), backend=traced, dynamic=False)
        return SimpleNamespace(
            mode="compiled", untimed=2, precision=nullcontext, update=update, time=lambda *_: update(), result=dict
        )

    time_updates([line(width) for width in range(1, 11)], "cpu", 2)
    assert traced.frame_count == 10
