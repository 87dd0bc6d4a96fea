"""How fast everything is, and where the time goes: `python -m eval.bench`.

For each method, phase, number of seeds, mode, precision of products and of the ranking: the time of an update (median and
quartiles); the kernels that it launches where it is neither compiled nor recorded, its floating-point operations and the bytes
that its kernels read and write; the time that the operations would take at the device's measured rate of torch's own products
`x @ w`, and the bytes at that of a copy; and how many times the larger of these it takes (below 1 where other kernels are
faster, or kernels are fused). Then the parts of a hidden layer; for each method one action and one episode of evaluation; the
task's simulator and the generation of its data (`--updates-only` leaves these out). Lines are timed in turn, round after round,
beside a product and a copy, so other load on the machine moves all of them. `--vary` times further values of an option, to see
how cost grows with it; `--plot` draws that.
"""

import argparse
import json
import re
import resource
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from tabulate import tabulate

from algos.base import Phase
from algos.select import Precision, refuse_slow
from backbones.dense import kernel
from envs.command import Parser, positive, run_command
from envs.files.whole import replaced
from eval.bench.acting import time_actions, time_episodes, time_generation, time_simulator
from eval.bench.clock import ROWS, WIDTH
from eval.bench.layers import time_layers
from eval.bench.updates import Line, Mode, Products, time_updates
from eval.config.config import Config
from eval.config.configure import configure
from eval.config.methods import COMPARED, METHODS
from eval.results.provenance import commit, device_name, processor, versions
from eval.run import choose_device


def variants(options: argparse.Namespace) -> Iterator[tuple[Config, dict[str, Any]]]:
    """Each method, those that rank candidates in each precision; then with one option at another value than the preset's."""
    for method in options.methods:
        plain = configure(options.task, method, preset=options.preset)
        for precision in options.ranking if hasattr(plain.algo, "ranking") else [None]:
            ranking = {"algo.ranking": precision} if precision else {}
            yield configure(options.task, method, preset=options.preset, **ranking), {}
            for names, values in options.vary:
                default, *_ = [number(plain, name) for name in names]
                for value in values:
                    changes = ranking | dict.fromkeys(names, value)
                    varied = {"vary": "+".join(names), "value": value, "default": default}
                    yield configure(options.task, method, preset=options.preset, **changes), varied


def number(config: Config, name: str) -> float:
    """The value of an option that is a number. ValueError for any other name."""
    try:
        value = attrgetter(name)(config)
    except AttributeError:
        value = None
    if type(value) not in (int, float):
        raise ValueError(f"--vary {name}: no option of {config.method} that is a number, as algo.horizon or backbone.width are")
    return value


def option_values(text: str) -> tuple[list[str], list[int]]:
    """`algo.num_candidates=4,8` as names and values; names joined by + take the same values."""
    names, _, values = text.partition("=")
    if not re.fullmatch(r"-?\d+(,-?\d+)*", values):
        raise argparse.ArgumentTypeError(f"{text!r} is not OPTION=INT,..., whole numbers with commas between")
    return names.split("+"), [int(value) for value in values.split(",")]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m eval.bench", description=__doc__)
    parser.add_argument("--methods", nargs="+", default=COMPARED, help=", ".join(METHODS))
    parser.add_argument("--task", default="cube-double-task2", help="whose sizes and simulator to use")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", type=positive, nargs="+", default=[1], help="numbers of seeds trained together")
    parser.add_argument("--modes", nargs="+", choices=get_args(Mode), default=["eager"], help="graph: a GPU's CUDA graph")
    parser.add_argument("--phases", nargs="+", choices=get_args(Phase), default=list(get_args(Phase)))
    parser.add_argument("--ranking", nargs="+", choices=get_args(Precision), default=["float32"], help="of methods that rank")
    parser.add_argument(
        "--products", nargs="+", choices=get_args(Products), help="of float32 matrices (default: tf32 on a GPU, as runs)"
    )
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
    parser.add_argument("--updates-only", action="store_true", help="no layers, actions, episodes and simulator")
    parser.add_argument("--out", type=Path, help="also write the numbers to this file, as JSON")
    parser.add_argument("--plot", type=Path, help="also draw how an update's time grows, into this png or pdf file")
    options = parser.parse_args(arguments)
    if options.repeats < 2:
        raise ValueError(f"repeats {options.repeats}: at least 2")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    device = choose_device(options.device)
    products = options.products or ["float32" if device == "cpu" else "tf32"]
    configs = {name: configure(options.task, name, preset=options.preset) for name in options.methods}
    wanted = list(variants(options))
    check(options, device, products, [config for config, _ in wanted])
    with replaced(options.out) if options.out else nullcontext() as whole:
        lines = [
            Line(replace(config, seeds=tuple(range(seeds))), phase, device, mode, precision, varied)
            for mode in options.modes
            for precision in products
            for config, varied in wanted
            for seeds in (options.seeds[:1] if varied else options.seeds)
            for phase in options.phases
        ]
        record = measure(options, device, lines, configs)
        show(record)
        if whole:
            whole.write_text(json.dumps(record, indent=1) + "\n")
    if options.plot:
        from tables.figures.growth import growth_picture  # here, since pictures take a second to import

        growth_picture(record, options.plot)


def check(options: argparse.Namespace, device: str, products: list[Products], configs: list[Config]) -> None:
    """ValueError for what cannot be timed here."""
    if device == "cpu" and any(mode.endswith("graph") for mode in options.modes):
        raise ValueError("mode graph: CUDA graphs need a GPU; on a CPU there are eager and compiled")
    if device == "cpu" and "tf32" in products:
        raise ValueError("products tf32: they need a GPU; a CPU has float32")
    if not options.updates_only and not configs[0].task.simulated:
        raise ValueError(f"{configs[0].task.name}: there is no environment to time; --updates-only leaves it out")
    for config in configs:
        refuse_slow(config.algo, device)


def measure(options: argparse.Namespace, device: str, lines: list[Line], configs: dict[str, Config]) -> dict[str, Any]:
    """The record: what it was made with, and all times."""
    record: dict[str, Any] = {
        "versions": versions(),
        "commit": commit(),
        "device": device_name(device),
        "processor": processor(),
        "kernel": kernel(),
        "preset": options.preset,
        "task": options.task,
        "updates": time_updates(lines, device, options.repeats),
    }
    if not options.updates_only:
        task = next(iter(configs.values())).task
        record |= {
            "layers": time_layers(device, options.repeats),
            "action_ms": time_actions(configs, 20),
            "episode_s": time_episodes(configs),
            "env_steps_per_s": time_simulator(task),
            "generated_rows_per_s": time_generation(task),
        }
    return record | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


def show(record: dict[str, Any]) -> None:
    """The record as tables."""
    print(f"sizes of {record['task']}, preset {record['preset']}, {record['device']}\n")
    show_updates(record["updates"])
    if "layers" in record:
        show_others(record)


def show_updates(updates: list[dict[str, Any]]) -> None:
    """Ratios are to the first line of the same phase; what all lines have in common is not shown."""
    first = {update["phase"]: update["ms"] for update in reversed(updates)}
    same = [name for name in ("mode", "products", "ranking") if len({update[name] for update in updates}) == 1]
    varying = any("vary" in update for update in updates)
    shown = [
        {
            **{name: u[name] for name in ("method", "phase", "seeds", "mode", "products", "ranking") if name not in same},
            **({"varied": f"{u['vary']} {u['value']}" if "vary" in u else ""} if varying else {}),
            "ms an update": f"{u['ms']:.2f}",
            "quartiles": "{:.2f}-{:.2f}".format(*u["ms_quartiles"]),
            "ratio": f"{u['ms'] / first[u['phase']]:.2f}",
            "kernels": u["kernels"],
            "GFLOP": f"{u['gflop']:.1f}",
            "x @ w ms": f"{u['limit_ms']:.2f}",
            "GB": f"{u['moved_mb'] / 1e3:.2f}",
            "copy ms": f"{u['memory_ms']:.2f}",
            "x the larger": f"{u['times_larger']:.1f}",
            "state MB": f"{u['state_mb']:.0f}",
        }
        for u in updates
    ]
    if same:
        print(", ".join(f"{name} {updates[0][name]}" for name in same) + "\n")
    print(tabulate(shown, headers="keys", disable_numparse=True))


def show_others(record: dict[str, Any]) -> None:
    """Layers, actions and episodes."""
    print(f"\na hidden layer, {ROWS} x {WIDTH}, kernel {record['kernel']}\n")
    layers = [(name, *(f"{ms:.2f}" for ms in took.values())) for name, took in record["layers"].items()]
    print(tabulate(layers, ["part", "ms", "with gradients"], disable_numparse=True))
    rows = record["generated_rows_per_s"]
    made = f", a process generates {rows:.0f} rows of data a second" if rows else ""
    print(f"\non the CPU, by one thread; the simulator takes {record['env_steps_per_s']:.0f} steps a second{made}\n")
    actions = [(name, f"{ms:.2f}", f"{record['episode_s'][name]:.2f}") for name, ms in record["action_ms"].items()]
    print(tabulate(actions, ["method", "ms an action", "s an episode of evaluation"], disable_numparse=True))


if __name__ == "__main__":
    run_command(main)
