"""How fast everything is, beside this machine's rate of matrix products: `python -m eval.bench`.

For each method, phase, number of seeds, mode and precision of the ranking: the time of an update (median and quartiles), its
floating-point operations, the time that these would take at the machine's measured rate of torch's own products `x @ w`, and
the ratio of the two (above 1 where fused kernels are faster). Then for each method one action on the CPU, by one thread and by
all, and one episode of evaluation; and the task's simulator and the generation of its data. Lines are timed in turn, round
after round, beside a product, so other load on the machine moves all of them. `--vary` times further values of an option, to
see how cost grows with it; `--plot` draws that.
"""

import argparse
import json
import math
import os
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from tabulate import tabulate
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from algos.base import Batch, Phase
from algos.learner import Actor, Learner
from algos.learner.graph import WARM_UP
from algos.select import Precision
from envs.command import Parser, progress, refuse
from envs.files.whole import replaced
from envs.task import Task
from eval.config.config import Config
from eval.config.configure import configure
from eval.config.methods import METHODS
from eval.results.provenance import commit, device_name, versions
from eval.run import choose_device
from eval.running.rollout import LIVE, rollouts
from eval.running.simulator import outcomes

Mode = Literal["eager", "compiled", "graph", "compiled graph"]
COMPARED = ("bfn", "qc-bfn", "fql", "qc-fql", "mvp", "mvp-top-k", "dfp-no-top-k", "dfp")


def random_batch(config: Config, device: str) -> Batch:
    """A batch of the configuration's shapes: the time of an update does not depend on its values."""
    seeds, b, h = len(config.seeds), config.algo.batch_size, config.algo.horizon
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(seeds, b, *shape, generator=generator, device=device)

    obs, next_obs = normal(config.task.obs_dim), normal(config.task.obs_dim)
    action = normal(h * config.task.action_dim).clamp(-1, 1)
    return Batch(obs, action, normal(h), torch.ones(seeds, b, h, device=device), next_obs, action)


def seconds(function: Callable[[], Any], device: str = "cpu") -> float:
    """Wall time of one call, the device's queue empty before and after."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    begun = time.perf_counter()
    function()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def matrix_product(device: str) -> tuple[Callable[[], None], float]:
    """A large float32 product of the networks' kind, repeated to last a while, and its floating-point operations."""
    repeats = 8 if device == "cpu" else 64
    x, w = torch.randn(4096, 512, device=device), torch.randn(512, 512, device=device)

    def run() -> None:
        for _ in range(repeats):
            x @ w

    return run, 2.0 * 4096 * 512 * 512 * repeats


@dataclass
class Line:
    """Updates of one configuration in one phase, and what they took."""

    config: Config
    phase: Phase
    device: str
    mode: Mode
    varied: dict[str, Any]  # the option whose value is not the preset's, that value and the preset's
    times: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learner, self.batch = self._learner(self.mode), random_batch(self.config, self.device)
        # Graphs are recorded in the first updates, one for each set of networks that wait.
        self.untimed = (WARM_UP + 2) * math.lcm(*self.config.algo.delays().values())
        self.operations = count_operations(self._learner("eager"), self.batch)

    def _learner(self, mode: Mode) -> Learner:
        config, task = self.config, self.config.task
        compile, graph = mode.startswith("compiled"), mode.endswith("graph")
        learner = Learner(
            config.algo, config.backbone, task.obs_dim, task.action_dim, config.seeds, self.device, compile, graph
        )
        learner.begin(self.phase)
        return learner

    def update(self) -> None:
        self.learner.update(self.batch, self.learner.draw())

    def time(self, rate: float) -> None:
        """One more update, beside what its operations would take at this rate of products."""
        self.times.append(seconds(self.update, self.device))
        self.limits.append(self.operations / rate)

    def result(self) -> dict[str, Any]:
        low, median, high = statistics.quantiles(self.times, n=4)
        state = tree_leaves(self.learner.state_dict())
        return {
            **self.varied,
            "method": self.config.method,
            "phase": self.phase,
            "seeds": len(self.config.seeds),
            "mode": self.mode,
            "ranking": getattr(self.config.algo, "ranking", "float32"),
            "ms": 1e3 * median,
            "ms_quartiles": [1e3 * low, 1e3 * high],
            "gflop": self.operations / 1e9,
            "state_mb": sum(x.nbytes for x in state if isinstance(x, torch.Tensor)) / 1e6,
            "limit_ms": 1e3 * statistics.median(self.limits),
            "share_of_limit": statistics.median(limit / t for limit, t in zip(self.limits, self.times, strict=True)),
        }


def count_operations(learner: Learner, batch: Batch) -> int:
    """Floating-point operations of one update, in unfused kernels: the counter does not know the fused ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # switching the kernels speaks of GPUs that are not there
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            learner.update(batch, learner.draw())
    return counter.get_total_flops()


def time_updates(lines: list[Line], device: str, repeats: int) -> list[dict[str, Any]]:
    """Every line once a round, each beside a matrix product, after the first updates of all."""
    product, operations = matrix_product(device)
    for line in progress(lines, desc="first updates", leave=False):
        for _ in range(line.untimed):
            line.update()
    for _ in progress(range(repeats), desc="updates", leave=False):
        for line in lines:
            line.time(operations / seconds(product, device))
    return [line.result() for line in lines]


def time_actions(configs: dict[str, Config], threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of one policy call for one observation on the CPU, by method: `repeats` rounds of the methods in turn, each
    with ten calls in a row, since the networks of a policy in use lie in the cache."""
    actors = {name: untrained(config) for name, config in configs.items()}
    times: dict[str, list[float]] = {name: [] for name in configs}
    rng, before = np.random.default_rng(0), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(repeats):
            for name, actor in actors.items():
                act = partial(actor, np.zeros((1, configs[name].task.obs_dim), np.float32), [rng])
                times[name] += [seconds(act) for _ in range(10)]
    finally:
        torch.set_num_threads(before)
    return {name: 1e3 * statistics.median(took) for name, took in times.items()}


def untrained(config: Config) -> Actor:
    """The policy of a fresh learner, on the CPU."""
    task = config.task
    return Learner(config.algo, config.backbone, task.obs_dim, task.action_dim, (0,)).actor(0).snapshot()


def time_episodes(configs: dict[str, Config]) -> dict[str, float]:
    """Seconds of an evaluation episode of an untrained policy in this process, which lasts as long as the task allows; as in an
    evaluation, several run side by side."""
    envs = [next(iter(configs.values())).task.make_env("post") for _ in range(LIVE)]
    episodes = range(LIVE)
    return {name: seconds(partial(rollouts, envs, untrained(config), 0, episodes)) / LIVE for name, config in configs.items()}


def time_simulator(task: Task, steps: int = 300) -> float:
    """Environment steps a second of one simulator under random actions, resets left out."""
    env, rng, done, took = task.make_env("post"), np.random.default_rng(0), 0, 0.0
    while done < steps:
        env.reset(seed=done)
        actions = rng.uniform(-1, 1, (steps - done, task.action_dim)).astype(np.float32)
        begun = time.perf_counter()
        done += sum(1 for _ in outcomes(env, actions))
        took += time.perf_counter() - begun
    return steps / took


def time_generation(task: Task) -> float | None:
    """Rows a second of the task's data that one process generates, over one episode; None where there is no script."""
    if not (episode := task.scripted_episode()):
        return None
    begun = time.perf_counter()
    rows = episode()
    return rows / (time.perf_counter() - begun)


def variants(options: argparse.Namespace) -> Iterator[tuple[Config, dict[str, Any]]]:
    """Each method, those that rank candidates in each precision; then with one option at another value than the preset's."""
    for method in options.methods:
        plain = configure(options.task, method, preset=options.preset)
        for precision in options.ranking if hasattr(plain.algo, "ranking") else [None]:
            ranking = {"algo.ranking": precision} if precision else {}
            yield configure(options.task, method, preset=options.preset, **ranking), {}
            for names, values in options.vary:
                default = attrgetter(names[0])(plain)
                for value in values:
                    changes = ranking | dict.fromkeys(names, value)
                    varied = {"vary": "+".join(names), "value": value, "default": default}
                    yield configure(options.task, method, preset=options.preset, **changes), varied


def option_values(text: str) -> tuple[list[str], list[int]]:
    """`algo.num_candidates=4,8` as names and values; names joined by + take the same values."""
    names, _, values = text.partition("=")
    return names.split("+"), [int(value) for value in values.split(",")]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m eval.bench", description=__doc__)
    parser.add_argument("--methods", nargs="+", default=COMPARED, help=", ".join(METHODS))
    parser.add_argument("--task", default="cube-double-task2", help="whose sizes and simulator to use")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="numbers of seeds trained together")
    parser.add_argument("--modes", nargs="+", choices=get_args(Mode), default=["eager"], help="graph: a GPU's CUDA graph")
    parser.add_argument("--phases", nargs="+", choices=get_args(Phase), default=list(get_args(Phase)))
    parser.add_argument("--ranking", nargs="+", choices=get_args(Precision), default=["float32"], help="of methods that rank")
    parser.add_argument(
        "--vary",
        type=option_values,
        nargs="+",
        default=[],
        metavar="OPTION=INT,...",
        help="also time other values, as algo.num_candidates=8,32 or backbone.width+algo.critic_width=256,1024",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=10, help="timed updates of each line")
    parser.add_argument("--out", type=Path, help="also write the numbers to this file, as JSON")
    parser.add_argument("--plot", type=Path, help="also draw how an update's time grows, into this png or pdf file")
    options = parser.parse_args(arguments)
    if options.repeats < 2:
        refuse(f"repeats {options.repeats}: at least 2")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        device = choose_device(options.device)
        if device == "cpu" and any(mode.endswith("graph") for mode in options.modes):
            raise ValueError("mode graph: CUDA graphs need a GPU; on a CPU there are eager and compiled")
        configs = {name: configure(options.task, name, preset=options.preset) for name in options.methods}
        lines = [
            Line(replace(config, seeds=tuple(range(seeds))), phase, device, mode, varied)
            for mode in options.modes
            for config, varied in variants(options)
            for seeds in (options.seeds[:1] if varied else options.seeds)
            for phase in options.phases
        ]
    except (ValueError, AttributeError) as error:
        refuse(error)

    task = next(iter(configs.values())).task
    record: dict[str, Any] = {
        "versions": versions(),
        "commit": commit(),
        "device": device_name(device),
        "preset": options.preset,
        "task": options.task,
        "updates": time_updates(lines, device, options.repeats),
        "action_ms": time_actions(configs, 1, 20),
        "action_ms_all_cores": time_actions(configs, os.cpu_count() or 1, 20),
        "episode_s": time_episodes(configs),
        "env_steps_per_s": time_simulator(task),
        "generated_rows_per_s": time_generation(task),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    show(record)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with replaced(options.out) as whole:
            whole.write_text(json.dumps(record, indent=1) + "\n")
    if options.plot:
        from tables.figures.growth import growth_picture  # here, since pictures take a second to import

        growth_picture(record, options.plot)
    return 0


def show(record: dict[str, Any]) -> None:
    """The record as tables; ratios are to the first line of the same phase."""
    print(f"sizes of {record['task']}, preset {record['preset']}, {record['device']}\n")
    varying = any("vary" in update for update in record["updates"])
    first = {update["phase"]: update["ms"] for update in reversed(record["updates"])}
    shown = [
        {
            **{name: u[name] for name in ("method", "phase", "seeds", "mode", "ranking")},
            **({"varied": f"{u['vary']} {u['value']}" if "vary" in u else ""} if varying else {}),
            "ms an update": f"{u['ms']:.1f}",
            "quartiles": "{:.1f}-{:.1f}".format(*u["ms_quartiles"]),
            "ratio": f"{u['ms'] / first[u['phase']]:.2f}",
            "GFLOP": f"{u['gflop']:.1f}",
            "x @ w ms": f"{u['limit_ms']:.1f}",
            "of x @ w": f"{u['share_of_limit']:.0%}",
            "state MB": f"{u['state_mb']:.0f}",
        }
        for u in record["updates"]
    ]
    print(tabulate(shown, headers="keys", disable_numparse=True))
    one, every, episode = record["action_ms"], record["action_ms_all_cores"], record["episode_s"]
    rows = record["generated_rows_per_s"]
    made = f", a process generates {rows:.0f} rows of data a second" if rows else ""
    print(f"\non the CPU; the simulator takes {record['env_steps_per_s']:.0f} steps a second{made}\n")
    actions = [(name, f"{one[name]:.2f}", f"{every[name]:.2f}", f"{episode[name]:.2f}") for name in one]
    headers = ["method", "ms an action, one thread", "all cores", "s an episode of evaluation"]
    print(tabulate(actions, headers, disable_numparse=True))


if __name__ == "__main__":
    sys.exit(main())
