"""The command line of `python -m eval.run`: what is to run is read first, since it says which other options there are."""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any, get_args

from algos.base import Algorithm
from backbones.base import Backbone, names
from envs.command import Parser, non_negative
from envs.task import Protocol
from eval.config.config import Config, name_of
from eval.config.configure import configure
from eval.config.methods import METHODS
from eval.config.options import add_fields
from eval.config.presets import DEFAULT_PRESET, PRESETS
from eval.results.policy import Keep

USAGE = """python -m eval.run [--method M | --backbone B --algo A] [--task T] [--preset P] [OPTION ...]"""


def parse(arguments: list[str], about: str | None = None) -> tuple[argparse.Namespace, Config]:
    """The command line's choices, and the configuration they make; --help begins with what it is `about`. ValueError for
    impossible ones."""
    chooser = Parser(add_help=False)
    add_what_to_run(chooser)
    chosen, _ = chooser.parse_known_args(arguments)
    parts: dict[str, Any] = {name: value for name, value in vars(chosen).items() if "." not in name}
    defaults = configure(**parts)

    parser = Parser(prog="python -m eval.run", usage=USAGE, description=about, parents=[chooser])
    add_where_and_how(parser)
    add_fields(parser, "seeds, lengths, evaluations", defaults, skip={*parts, "changes"})
    add_fields(parser, f"algorithm {name_of(defaults.algo)}", defaults.algo, "algo.")
    add_fields(parser, f"backbone {name_of(defaults.backbone)}", defaults.backbone, "backbone.")
    options = parser.parse_args(arguments)
    fields = {f.name for f in dataclasses.fields(Config)}
    given = {name: value for name, value in vars(options).items() if name in fields or "." in name}
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return options, configure(**values)


def pattern_to_list(arguments: list[str]) -> str | None:
    """The pattern of `--list --task 'antmaze*'`; None where a run or one task is meant."""
    chooser = Parser(add_help=False)
    add_what_to_run(chooser)
    chosen, others = chooser.parse_known_args(arguments)
    return chosen.task if "--list" in others and set("*?[") & set(chosen.task) else None


def add_what_to_run(parser: argparse.ArgumentParser) -> None:
    """The options on which the others depend: which there are, and their defaults."""
    group = parser.add_argument_group("what to run")
    group.add_argument("--method", help=f"a row of the paper's tables: {', '.join(METHODS)}")
    group.add_argument(
        "--backbone", help=f"policy family: {', '.join(names('backbones', Backbone))}, or ./FILE.py (default: drifting)"
    )
    group.add_argument("--algo", help=f"learning rule: {', '.join(names('algos', Algorithm))}, or ./FILE.py (default: dfp)")
    group.add_argument(
        "--task",
        default="cube-single-task2",
        help="what to solve: of --list, gym:ENV_ID, ./FILE.py or data:OBSxACTIONS (default: cube-single-task2)",
    )
    group.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        help=f"where the defaults below come from: {', '.join(PRESETS)} (default: {DEFAULT_PRESET})",
    )
    group.add_argument(
        "--protocol",
        choices=get_args(Protocol),
        help="whether there is an online phase (default: the paper's for the task; laptop, quick, small and qam: there is)",
    )
    group.add_argument(
        "--horizon", type=int, metavar="INT", dest="algo.horizon", default=argparse.SUPPRESS, help="short for --algo.horizon"
    )


def add_where_and_how(parser: argparse.ArgumentParser) -> None:
    """The options that are no part of a configuration."""
    group = parser.add_argument_group(
        "where and how (no result depends on these, but for the rounding of --device and --compile)"
    )
    group.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets; the suites' own are searched too")
    group.add_argument("--runs", type=Path, default=Path("runs"), help="folder for records and checkpoints")
    group.add_argument(
        "--resume", action="store_true", help="continue the newest unfinished run of this configuration in --runs"
    )
    group.add_argument(
        "--offline-from",
        type=Path,
        metavar="RUN",
        help="begin with the online phase, from where the offline phase of this run's folder ended; it must be the same phase",
    )
    group.add_argument(
        "--workers",
        type=non_negative,
        default=len(os.sched_getaffinity(0)),
        help="processes that evaluate; 0 evaluates and simulates here",
    )
    group.add_argument(
        "--keep-policies",
        choices=get_args(Keep),
        default="ends",
        help="policies to leave in the run's folder: none, of the phases' ends, of all evaluations (default: ends)",
    )
    group.add_argument(
        "--one-sample-episodes",
        type=non_negative,
        default=20,
        metavar="N",
        help="where a critic chooses among samples: an evaluation's episodes of one sample that it did not choose "
        "(default: 20; at most as many as eval_episodes)",
    )
    group.add_argument("--device", default="auto", help="auto, cpu or cuda")
    group.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile the update; a run that goes on from another is compiled as that was",
    )
    group.add_argument(
        "--graph",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="on a GPU, launch an update at once, as a CUDA graph",
    )
    group.add_argument("--plot", action="store_true", help="also draw success and diagnostics over steps into the run's folder")
    group.add_argument(
        "--video", action="store_true", help="also show a success and a failure at each phase's end, mp4 and png"
    )
    group.add_argument("--list", action="store_true", help="show backbones, algorithms, tasks, presets and methods")
