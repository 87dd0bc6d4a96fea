"""The first hour on a GPU: what it does in which order, and that it goes on where it was."""

from pathlib import Path
from typing import Any

import pytest

from eval import gpu_day
from eval.bench import __main__ as bench
from eval.gpu_day import Step, cells, main, parse
from eval.gpu_day import bench as bench_steps
from eval.sweep import __main__ as sweep

TINY = "--methods bc dfp --tasks probe-chain --preset quick --repeats 2 --device cpu"


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A day whose steps take no time and end as told: its exit code, and the steps with the share of the time each may take."""

    def start(*options: str, failing: str = "") -> tuple[int, list[tuple[str, float]]]:
        made = []

        def run(step: Step, out: Path, deadline: float) -> str:
            result = "failed with exit code 1" if step.name == failing else "done"
            made.append((step.name, deadline))
            (out / f"{step.name}.{'txt' if result == 'done' else 'log'}").write_text(f"{step}\n")
            return result

        monkeypatch.setattr(Step, "run", run)
        monkeypatch.setattr("time.monotonic", lambda: 0)
        code = main([*TINY.split(), "--minutes", "8", "--out", str(tmp_path), *options])
        return code, [(name, deadline / 480) for name, deadline in made]

    return start


def test_each_stage_takes_half_of_what_is_left_and_the_last_all(day):
    code, steps = day()
    benches = "launched precision compiled-1 compiled-8 compiled-5 methods dfp".split()
    names = ["tests", *(f"bench-{name}" for name in benches)]
    assert code == 0 and steps == [
        *((name, 0.5) for name in names),
        ("cell-bc-probe-chain", 1.0),
        ("cell-dfp-probe-chain", 1.0),
    ]


def test_what_is_done_is_not_made_again(day, capsys):
    code, steps = day("--stages", "bench", failing="bench-precision")
    assert code == 1 and len(steps) == 7 and "failed: bench-precision" in capsys.readouterr().out
    assert day("--stages", "bench") == (0, [("bench-precision", 1.0)])


def test_with_other_options_it_is_another_step(day):
    cell = "--stages cells --methods bc --seeds".split()
    assert len(day(*cell, "0")[1]) == 1 and day(*cell, "0") == (0, [])
    assert len(day(*cell, "0", "--set", "log_every=7")[1]) == len(day(*cell, "0-9")[1]) == 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_commands_of_bench_exist(device: str):
    for step in bench_steps(parse(TINY.split()), device):
        assert step.module == "eval.bench" and bench.parse([*step.arguments]).device == device


def test_a_bench_leaves_its_record(tmp_path, monkeypatch):
    for rate in ("matrix_product", "memory_copy"):
        monkeypatch.setattr(f"eval.bench.updates.{rate}", lambda device: (lambda: None, 1))
    first, *_ = bench_steps(parse([*TINY.split(), "--out", str(tmp_path)]), "cpu")
    bench.main([*first.arguments])
    assert (tmp_path / "bench-launched.json").exists()


def test_a_cell_is_a_sweep_of_its_seeds_in_one_process(tmp_path, capsys):
    options = parse([*TINY.split(), "--out", str(tmp_path), "--set", "offline_steps=12", "--seeds", "0-2"])
    first, _ = cells(options, "cpu")
    assert sweep.main([*first.arguments, "--dry-run"]) == 0
    (job,), _ = sweep.plan(sweep.parse([*first.arguments]), 8, "")
    assert (job.method, job.seeds, "12" in job.options) == ("bc", (0, 1, 2), True)


def test_a_step_leaves_what_it_printed(tmp_path):
    assert Step("good", "platform", ()).run(tmp_path, float("inf")) == "done"
    assert Step("bad", "no_such_module", ()).run(tmp_path, float("inf")) == "failed with exit code 1"
    assert Step("long", "timeit", ("__import__('time').sleep(600)",)).run(tmp_path, 0) == "out of time"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.log", "good.txt", "long.log"]
    assert "no_such_module" in (tmp_path / "bad.log").read_text()
    first, second = (tmp_path / "good.txt").read_text().splitlines()
    assert first == "python -m platform" and "Linux" in second


def test_the_device_is_named_and_multiplies_right(monkeypatch):
    assert gpu_day.check("cpu").startswith("cpu, 1 threads")
    monkeypatch.setattr("torch.Tensor.cpu", lambda x: 1.01 * x)
    with pytest.raises(ValueError, match="device cpu: a product is wrong by 1"):
        gpu_day.check("cpu")


def test_an_unknown_task_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no-such"):
        main(["--tasks", "no-such", "--out", str(tmp_path / "day")])
    assert not (tmp_path / "day").exists()


def test_a_device_that_a_sweep_would_refuse_is_refused_at_once(capsys):
    with pytest.raises(SystemExit):
        parse(["--device", "cuda:1"])
    assert "invalid choice: 'cuda:1' (choose from 'auto', 'cpu', 'cuda')" in capsys.readouterr().err
