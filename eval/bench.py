"""How fast an update is, and how fast this machine's arithmetic would let it be: `python -m eval.bench`.

For each phase, number of seeds and mode: the time of an update (median and quartiles), its floating-point operations, the
time that these would take at the machine's measured rate of matrix products, and the ratio of the two. Then the time of one
action on the CPU for each backbone and for the method. Products and updates are timed in turn, so other load on the machine
moves both.
"""

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from algos.base import Batch
from algos.learner import Learner
from backbones.base import Backbone, find, names
from envs.command import Parser, refuse
from eval.methods import METHODS
from eval.protocol import Config, configure
from eval.provenance import versions
from eval.run import choose_device


def random_batch(config: Config, device: str) -> Batch:
    """A batch of the configuration's shapes: the time of an update does not depend on its values."""
    seeds, b, h = len(config.seeds), config.algo.batch_size, config.algo.horizon
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(seeds, b, *shape, generator=generator, device=device)

    obs, next_obs = normal(config.task.obs_dim), normal(config.task.obs_dim)
    action = normal(h * config.task.action_dim).clamp(-1, 1)
    return Batch(obs, action, normal(h), torch.ones(seeds, b, h, device=device), next_obs, action)


def seconds(function: Callable[[], Any], device: str) -> float:
    """Wall time of one call, the device's queue empty before and after."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    begun = time.perf_counter()
    function()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def matrix_product(device: str) -> tuple[Callable[[], None], float]:
    """A large product of the networks' kind, repeated to last a while, and its floating-point operations."""
    repeats = 8 if device == "cpu" else 64
    x, w = torch.randn(4096, 512, device=device), torch.randn(512, 512, device=device)

    def run() -> None:
        for _ in range(repeats):
            x @ w

    return run, 2.0 * 4096 * 512 * 512 * repeats


def time_update(config: Config, phase: str, device: str, compile: bool, repeats: int) -> dict[str, Any]:
    """One line of the benchmark."""
    task = config.task
    learner = Learner(config.algo, config.backbone, task.obs_dim, task.action_dim, config.seeds, device, compile)
    learner.begin(phase)  # type: ignore[arg-type]
    batch = random_batch(config, device)

    def update() -> None:
        learner.update(batch, learner.draw())

    product, product_flops = matrix_product(device)
    for _ in range(3):
        update()
        product()
    flops = count_operations(config, phase, batch, device)
    times, limits = [], []
    for _ in range(repeats):
        rate = product_flops / seconds(product, device)
        times.append(seconds(update, device))
        limits.append(flops / rate)
    low, median, high = statistics.quantiles(times, n=4)
    return {
        "phase": phase,
        "seeds": len(config.seeds),
        "mode": "compiled" if compile else "eager",
        "ms": 1e3 * median,
        "ms_quartiles": [1e3 * low, 1e3 * high],
        "gflop": flops / 1e9,
        "limit_ms": 1e3 * statistics.median(limits),
        "share_of_limit": statistics.median(limit / t for limit, t in zip(limits, times, strict=True)),
    }


def count_operations(config: Config, phase: str, batch: Batch, device: str) -> int:
    """Floating-point operations of one update, in unfused kernels: the counter does not know the fused ones."""
    task = config.task
    learner = Learner(config.algo, config.backbone, task.obs_dim, task.action_dim, config.seeds, device)
    learner.begin(phase)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # switching the kernels speaks of GPUs that are not there
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            learner.update(batch, learner.draw())
    return counter.get_total_flops()


def time_action(config: Config, threads: int, repeats: int) -> float:
    """Milliseconds of one policy call for one observation on the CPU."""
    task = config.task
    actor = Learner(config.algo, config.backbone, task.obs_dim, task.action_dim, (0,)).actor(0).snapshot()
    rng, obs = np.random.default_rng(0), np.zeros(task.obs_dim, np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(5):
            actor(obs, rng)
        return 1e3 * statistics.median(seconds(lambda: actor(obs, rng), "cpu") for _ in range(repeats))
    finally:
        torch.set_num_threads(before)


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m eval.bench", description=__doc__)
    parser.add_argument("--method", default="dfp", help=", ".join(METHODS))
    parser.add_argument("--task", default="cube-double-task2", help="whose sizes to use")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 4], help="numbers of seeds trained together")
    parser.add_argument("--modes", nargs="+", choices=("eager", "compiled"), default=["eager"])
    parser.add_argument("--phases", nargs="+", choices=("offline", "online"), default=["offline", "online"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=10, help="timed updates of each line")
    parser.add_argument("--out", type=Path, help="also write the numbers to this file, as JSON")
    options = parser.parse_args(arguments)
    try:
        device = choose_device(options.device)
        configs = {
            n: configure(options.task, options.method, preset=options.preset, seeds=tuple(range(n))) for n in options.seeds
        }
        families: dict[str, type[Backbone]] = {name: find("backbones", Backbone, name) for name in names("backbones", Backbone)}
        generative = [name for name, family in families.items() if not family.deterministic]
        actors = {name: configure(options.task, backbone=name, preset=options.preset) for name in generative}
        actors[options.method] = configure(options.task, options.method, preset=options.preset)
    except ValueError as error:
        refuse(error)
    if options.repeats < 2:
        refuse(f"repeats {options.repeats}: at least 2")

    updates = [
        time_update(config, phase, device, mode == "compiled", options.repeats)
        for mode in options.modes
        for config in configs.values()
        for phase in options.phases
    ]
    shown = [[u["phase"], u["seeds"], u["mode"], f"{u['ms']:.1f}", "{:.1f}-{:.1f}".format(*u["ms_quartiles"]),
              f"{u['gflop']:.1f}", f"{u['limit_ms']:.1f}", f"{u['share_of_limit']:.0%}"] for u in updates]  # fmt: skip
    print(f"{options.method}, sizes of {options.task}, preset {options.preset}, {device}\n")
    headers = ["phase", "seeds", "mode", "ms an update", "quartiles", "GFLOP", "limit ms", "of the limit"]
    print(tabulate(shown, headers, disable_numparse=True))

    latencies = {name: time_action(config, 1, 50) for name, config in actors.items()}
    print(f"\none action of dfp with each backbone, and of {options.method}, on the CPU, one thread\n")
    print(tabulate([(n, f"{ms:.2f}") for n, ms in latencies.items()], ["actor", "ms"], disable_numparse=True))
    if options.out:
        record = {"versions": versions(), "device": device, "threads": torch.get_num_threads(), "preset": options.preset,
                  "method": options.method,
            "task": options.task,
                  "updates": updates, "action_ms": latencies}  # fmt: skip
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
