"""The first hour on a GPU, as one command: `python -m eval.gpu_day --minutes 60`.

device   what it is, and whether its products are right
tests    those that need a GPU
bench    updates: kernel by kernel, as a graph, compiled; of one seed, five and eight; by precision; of every method
cells    runs that no record has, the most telling first: all seeds of a method on a task in one process

A stage may take half of the time that is left, the last one all. A step that ends well leaves its output in --out as a .txt
file, below the step's own command, by which it is not made again; one that fails or runs out of time leaves a .log file, and
the same command goes on with it: runs from their checkpoints.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from envs.command import Parser, positive, run_command
from envs.files.whole import replaced
from envs.task import find_task
from eval.config.methods import METHODS
from eval.config.presets import PRESETS
from eval.results.provenance import device_name, processor
from eval.run import choose_device

TESTS = Path(__file__).parents[1] / "tests" / "gpu"
STAGES = ("tests", "bench", "cells")
RIVALS = ("dfp", "qc-fql", "mvp", "qc-bfn", "dfp-no-top-k", "mvp-top-k", "fql", "bfn")
TASKS = ("cube-double-task2", "cube-triple-task2", *(f"cube-{n}-task{goal}" for goal in (3, 4) for n in ("double", "triple")))
TAIL = 40  # lines of a step's output that are shown


@dataclass(frozen=True)
class Step:
    """A module with its arguments, run as a process of its own."""

    name: str
    module: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        """Its command."""
        return shlex.join(["python", "-m", self.module, *self.arguments])

    def is_done(self, out: Path) -> bool:
        """Whether it ended well by this command: with other options a step of the same name is another."""
        done = out / f"{self.name}.txt"
        return done.exists() and done.read_text(errors="replace").partition("\n")[0] == str(self)

    def run(self, out: Path, deadline: float) -> str:
        """done, failed, or that it ran out of time."""
        log, done = out / f"{self.name}.log", out / f"{self.name}.txt"
        command = [sys.executable, "-m", "eval.sweep.tied", str(os.getpid()), self.module, *self.arguments]
        with log.open("w") as file:
            print(self, file=file, flush=True)
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "TQDM_DISABLE": "1"}
            )
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "out of time"
        finally:
            process.terminate()  # a sweep's runs save
            process.wait()
        if code:
            return f"failed with exit code {code}"
        log.replace(done)
        return "done"


def tests(options: argparse.Namespace, device: str) -> Iterator[Step]:
    yield Step("tests", "pytest", (str(TESTS), "-m", "gpu"))


def bench(options: argparse.Namespace, device: str) -> Iterator[Step]:
    """The first method in all ways, then the others: a short time suffices for the most telling lines."""
    gpu = device != "cpu"
    launched, recorded, compiled = ("eager graph", "graph", "'compiled graph'") if gpu else ("eager", "eager", "compiled")
    precisions = "--products float32 tf32 --ranking float32 bfloat16" if gpu else ""
    first, *others = options.methods
    updates = "--updates-only --phases online --seeds"
    lines = {
        "launched": f"--methods {first} {updates} 1 5 8 --modes {launched}",
        "precision": f"--methods {first} {updates} 1 8 --modes {recorded} {precisions}",
        **{f"compiled-{n}": f"--methods {first} {updates} {n} --modes {compiled}" for n in (1, 8, 5)},
        "methods": f"--methods {' '.join(options.methods)} --modes {recorded}",
        **{method: f"--methods {method} {updates} 1 8 --modes {recorded} {compiled}" for method in others},
    }
    for name, line in lines.items():
        where = f"--task {options.tasks[0]} --preset {options.preset} --device {device} --repeats {options.repeats}"
        out = options.out / f"bench-{name}.json"
        yield Step(f"bench-{name}", "eval.bench", (*shlex.split(f"{line} {where}"), "--out", str(out)))


def cells(options: argparse.Namespace, device: str) -> Iterator[Step]:
    """A sweep of one cell after another, so that what comes first does not depend on what it costs."""
    for task in options.tasks:
        for method in options.methods:
            words = ["--methods", method, "--tasks", task, "--seeds", *options.seeds, "--preset", options.preset]
            words += ["--set", *options.set] if options.set else []
            words += ["--generate", str(options.generate)] if options.generate else []
            words += ["--data", str(options.data), "--runs", str(options.out / "runs"), "--device", device, "--together", "8"]
            yield Step(f"cell-{method}-{task}", "eval.sweep", tuple(words))


def check(device: str) -> str:
    """What the device is, in one line. ValueError where its products are not those of the processor."""
    x, w = torch.randn(2, 512, 512, generator=torch.Generator().manual_seed(0))
    exact, found = x.double() @ w.double(), (x.to(device) @ w.to(device)).cpu().double()
    error = float((found - exact).norm() / exact.norm())
    if not error < 2e-3:  # TF32 rounds to eleven bits
        raise ValueError(f"device {device}: a product is wrong by {error:.1e}")
    about = [device_name(device), f"torch {torch.__version__}"]
    if device != "cpu":
        gpu = torch.cuda.get_device_properties(device)
        about[1:1] = [f"{gpu.total_memory / 2**30:.0f} GiB", f"capability {gpu.major}.{gpu.minor}", f"driver {driver()}"]
        about += [f"CUDA {torch.version.cuda}", f"{len(os.sched_getaffinity(0))} cores of {processor()}"]
    return ", ".join([*about, f"products right to {error:.0e}"])


def driver() -> str:
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m eval.gpu_day", description=__doc__)
    parser.add_argument("--minutes", type=positive, default=60, help="all that it may take (default: 60)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="default: all; the device comes first")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="default: paper")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, metavar="METHOD", default=RIVALS, help="the most telling first"
    )
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", default=TASKS, help="the most telling first; bench takes the sizes of the first"
    )
    parser.add_argument("--seeds", nargs="+", default=["0-4"], help="of every cell (default: 0-4)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="options of every cell's run, as eval.sweep")
    parser.add_argument("--repeats", type=positive, default=20, help="timed updates of each line of bench")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets")
    parser.add_argument("--generate", type=positive, metavar="ROWS", help="make missing data instead of fetching them")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU where there is one")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-day"), help="default: runs/gpu-day")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    end = time.monotonic() + 60 * options.minutes
    for task in options.tasks:
        find_task(task)  # refuses an unknown one
    device = choose_device(options.device)
    about = check(device)
    with replaced(options.out / "device.txt") as whole:
        whole.write_text(about + "\n")
    print(f"{about}\n{options.minutes} minutes, what they bring is in {options.out}", flush=True)
    results = {}
    stages = [stage for stage in (tests, bench, cells) if stage.__name__ in options.stages]
    for stage in stages:
        now = time.monotonic()
        limit = end if stage is stages[-1] else now + (end - now) / 2
        for step in stage(options, device):
            results[step.name] = take(step, options.out, limit)
    return conclude(results)


def take(step: Step, out: Path, limit: float) -> str:
    """Makes a step, unless it is done or no time is left, and shows what it printed last."""
    begun = time.monotonic()
    if step.is_done(out):
        return "done"
    if begun >= limit:
        return "no time"
    print(f"\n{time.strftime('%H:%M:%S')} {step.name}: {step}", flush=True)
    result = step.run(out, limit)
    output = (out / f"{step.name}.{'txt' if result == 'done' else 'log'}").read_text(errors="replace").splitlines()
    print("\n".join(output[1:][-TAIL:]))
    print(f"{step.name}: {result} after {time.monotonic() - begun:.0f} s", flush=True)
    return result


def conclude(results: dict[str, str]) -> int:
    """The exit code: 1 where a step failed."""
    failed = [name for name, result in results.items() if result.startswith("failed")]
    left = [name for name, result in results.items() if result in ("no time", "out of time")]
    print(f"\n{len(results) - len(failed) - len(left)} of {len(results)} steps are done")
    for words, names in {"failed": failed, "left for another time, by the same command": left}.items():
        if names:
            print(f"{words}: {' '.join(names)}")
    return 1 if failed else 0


def stop(number: int, _: object) -> NoReturn:
    print("stopped; the same command goes on", file=sys.stderr)
    sys.exit(128 + number)


def start() -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    sys.exit(main())


if __name__ == "__main__":
    run_command(start)
