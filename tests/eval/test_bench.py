"""The benchmark: what a record of it holds, and what is drawn of it."""

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from algos.select import Precision
from backbones.dense import Kernel, has_bfloat16
from envs.task import find_task
from eval.bench import __main__ as bench
from eval.bench.acting import time_generation
from eval.bench.kernels import Kernels
from eval.bench.updates import Line, time_updates
from eval.config.configure import configure
from tables.figures.growth import growth


def test_a_record_has_every_line(tmp_path, capsys):
    out = tmp_path / "b.json"
    precisions = get_args(Precision) if has_bfloat16() else ["float32"]
    options = f"--methods fql dfp --task probe-chain --preset quick --ranking {' '.join(precisions)} --repeats 2 --out {out}"
    assert bench.main(options.split()) == 0
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


def test_one_option_varies_at_a_time(tmp_path, capsys):
    out, picture = tmp_path / "b.json", tmp_path / "b.png"
    vary = "algo.num_candidates=4,64 backbone.width+algo.critic_width=32"
    options = f"--methods dfp --task cube-single-task2 --preset quick --seeds 1 2 --vary {vary} --repeats 2"
    assert (
        bench.main([*options.split(), "--phases", "online", "--updates-only", "--out", str(out), "--plot", str(picture)]) == 0
    )
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
    with pytest.raises(SystemExit):
        bench.main(["--vary", "algo.no_such=1"])
    assert "no_such" in capsys.readouterr().err


def test_a_precision_that_the_processor_lacks_is_refused(refused, monkeypatch):
    monkeypatch.setattr("algos.select.has_bfloat16", lambda: False)
    options = "--methods dfp --task probe-chain --preset quick --ranking float32 bfloat16"
    assert "this processor has no such products" in refused(*options.split(), main=bench.main)


def test_tf32_is_refused_on_a_cpu(refused):
    options = "--methods bc --task probe-chain --device cpu --products float32 tf32"
    assert refused(*options.split(), main=bench.main) == "error: products tf32: they need a GPU; a CPU has float32"


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
