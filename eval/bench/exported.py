"""Exported policies beside ours, for one observation on one CPU thread: `python -m eval.bench.exported`.

So long waits a robot. What bounds a pass is memory: a product of one row reads every weight once and does little else, so the
time to read the networks of one pass is the least that it can take.
"""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from algos.learner import Actor
from envs.command import Parser, first_line, run_command
from envs.files.whole import replaced
from eval.bench.acting import untrained
from eval.config.config import Config
from eval.config.configure import configure
from eval.config.methods import METHODS
from eval.config.presets import PRESETS
from eval.export import examples, from_onnx, one_sample, to_onnx, trace
from eval.results.policy import needed
from eval.results.provenance import commit, device_name, versions
from eval.running.threads import one_thread

HEADERS = {
    "ours": "ours",
    "choice": "exported choice",
    "actor": "exported sample",
    "reading": "reading a sample's weights",
    "megabytes": "MB of them",
}


@one_thread()
def measure(config: Config, repeats: int) -> dict[str, float]:
    """Median milliseconds of an untrained policy's chunk: by our actor, by its exported choice, by its exported single sample;
    and of reading the weights of the latter once, with their megabytes."""
    actor, obs_dim = untrained(config), config.task.obs_dim
    obs, rng, one = np.zeros((1, obs_dim), np.float32), [np.random.default_rng(0)], one_sample(actor)
    weights = torch.ones(sum(p.numel() for name in needed(one, obs_dim) for p in one.modules[name].parameters()))
    calls = {
        "ours": lambda: actor(obs, rng),
        "choice": exported(actor, obs_dim),
        "actor": exported(one, obs_dim),
        "reading": lambda: torch.dot(weights, weights),
    }
    return {name: milliseconds(call, repeats) for name, call in calls.items()} | {"megabytes": weights.nbytes / 1e6}


def exported(actor: Actor, obs_dim: int) -> Callable[[], Any]:
    run, inputs = from_onnx(to_onnx(trace(actor, obs_dim), {})), examples(actor, obs_dim, 1)
    return lambda: run(*inputs)


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    """The median of calls in a row: the networks of a policy in use lie in the cache, as far as it holds them."""
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        took.append(1e3 * (time.perf_counter() - begun))
    return median(took)


def main() -> None:
    parser = Parser(prog="python -m eval.bench.exported", description=first_line(__doc__))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["dfp", "mvp", "fql", "qc-fql", "qc-bfn"])
    parser.add_argument("--task", default="cube-double-task2")
    parser.add_argument("--preset", choices=PRESETS, default="paper")
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--out", type=Path, help="also write the numbers to this file, as JSON")
    options = parser.parse_args()
    configs = {name: configure(options.task, name, preset=options.preset) for name in options.methods}
    with replaced(options.out) if options.out else nullcontext() as whole:
        found = {name: measure(config, options.repeats) for name, config in configs.items()}
        print(f"ms a chunk, sizes of {options.task}, preset {options.preset}, {device_name('cpu')}, one thread\n")
        rows = [[name, *(f"{times[key]:.2f}" for key in HEADERS)] for name, times in found.items()]
        print(tabulate(rows, ["method", *HEADERS.values()], disable_numparse=True))
        if whole:
            about: dict[str, Any] = {"versions": versions(), "commit": commit(), "device": device_name("cpu")}
            about |= {"preset": options.preset, "task": options.task, "exported_ms": found}
            whole.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    run_command(main)
