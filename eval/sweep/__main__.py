"""Many runs, from a plan to filled tables, on this machine, on Ray or on Slurm.

    python -m eval.sweep quick --methods dfp mvp                            what the table lacks of these methods
    python -m eval.sweep 1 2 --preset paper --dry-run                       what would run, and what it costs
    python -m eval.sweep --methods dfp mvp-top-k --tasks lift can --seeds 0-4 --set algo.num_elites=1,2,4
    python -m eval.sweep --from commands.txt                                lines of `python -m eval.run ...`
    python -m eval.sweep status                                             from another terminal

The same command again continues it. Several sweeps may share a folder of runs: nothing is run twice. Ctrl-C saves every run.
"""

import math
import os
import shlex
import socket
import sys
import time
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import torch

from envs.command import Parser, in_words, non_negative, positive, run_command
from envs.signals import stopped_by_signals
from envs.task import find_task
from eval.config.options import Together, check_seeds, whole_numbers
from eval.config.presets import DEFAULT_PRESET, PRESETS
from eval.results.provenance import cpu_name
from eval.sweep import status, wanted
from eval.sweep.attempt import Attempt, Job, Outcome, stop_file
from eval.sweep.cost import costs
from eval.sweep.data import prepare
from eval.sweep.drive import Sweep, ask_to_stop
from eval.sweep.engines import Engine
from eval.sweep.screen import Screen
from eval.sweep.wanted import Recorded
from tables.build import NAMES, check
from tables.costs import load_benches
from tables.rates import Rates
from tables.sources.runs import files, load

TOGETHER = 8  # seeds that share a GPU in one process
HOURS = 24  # time limit of a Slurm job
ENGINES_WITH = {"parallel": ["local"], "address": ["ray"], "gpus": ["ray", "slurm"], "hours": ["slurm"], "slurm": ["slurm"]}


def parse(arguments: list[str]) -> Namespace:
    parser = Parser(prog="python -m eval.sweep", description=__doc__)
    what = parser.add_argument_group("what to run")
    what.add_argument("tables", nargs="*", metavar="TABLE", help=f"what it lacks: of {', '.join(NAMES)}")
    what.add_argument("--preset", choices=PRESETS, help=f"default: {DEFAULT_PRESET}; the paper's size is paper")
    methods_help = "of a grid, also as RULE+BACKBONE (fql+shortcut, dfp+./nets.py); or of the tables only these"
    what.add_argument("--methods", nargs="+", default=[], help=methods_help)
    what.add_argument("--tasks", nargs="+", default=[], help="of a grid, or of the tables only these")
    what.add_argument(
        "--seeds",
        nargs="+",
        type=whole_numbers,
        action=Together,
        default=[],
        help="as 0 1 2 or 0-4 (default: 0, and of tables all that are missing)",
    )
    what.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE,...", help="options of every run of a grid")
    what.add_argument("--from", type=Path, dest="file", metavar="FILE", help="a file of commands")
    what.add_argument(
        "--dry-run", action="store_true", help="say which runs would run, which have a record, and the cost, and stop there"
    )
    where = parser.add_argument_group("where and how (no result depends on these, up to rounding)")
    where.add_argument("--runs", type=Path, default=Path("runs"), help="folder for records and checkpoints")
    where.add_argument(
        "--records",
        type=Path,
        nargs="*",
        help="folders whose runs are not made again, besides --runs (default: records; may be none)",
    )
    where.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets")
    where.add_argument("--generate", type=positive, metavar="ROWS", help="make missing data instead of fetching them")
    where.add_argument("--engine", choices=("local", "ray", "slurm"), default="local", help="default: local")
    where.add_argument("--parallel", type=positive, help="local: runs at once (default: one a GPU, else one a core)")
    where.add_argument("--threads", type=positive, help="cores of a run (default: this machine's over --parallel; elsewhere 1)")
    where.add_argument("--compile", action="store_true", help="torch.compile the updates")
    where.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU where there is one")
    where.add_argument("--together", type=positive, help=f"seeds in a process (default: {TOGETHER} on a GPU, else 1)")
    where.add_argument("--retries", type=non_negative, default=3, help="times that a run which died is taken up again")
    where.add_argument("--address", help="ray: the cluster's address (default: its own discovery, else Ray on this machine)")
    where.add_argument("--gpus", type=amount, help="ray and slurm: GPUs of a run; ray also parts of one (default: 0)")
    where.add_argument("--hours", type=amount, help=f"slurm: time limit of a job (default: {HOURS})")
    where.add_argument("--slurm", nargs="+", metavar="NAME=VALUE", help="further parameters of submitit, as partition=gpu")
    options = parser.parse_args(arguments)
    refuse_contradictions(options)
    options.preset, options.gpus = options.preset or DEFAULT_PRESET, options.gpus or 0
    return options


def refuse_contradictions(options: Namespace) -> None:
    """ValueError for options that do not go together: none is ignored."""
    given = [bool(options.tables), bool(options.file), not options.tables and bool(options.methods or options.tasks)]
    if sum(given) != 1:
        raise ValueError("say what to run: tables, or --methods and --tasks, or --from FILE; one of the three")
    if (options.tables or options.file) and options.set:
        raise ValueError("--set is for a grid; a table's runs are what the table says")
    if given[2] and not (options.methods and options.tasks):
        raise ValueError("a grid needs --methods and --tasks")
    if options.seeds:
        check_seeds(options.seeds)
    for name in ("seeds", "preset"):
        if options.file and getattr(options, name):
            raise ValueError(f"--{name}: a line of {options.file} has its own; name them there")
    for name, engines in ENGINES_WITH.items():
        if getattr(options, name) is not None and options.engine not in engines:
            raise ValueError(f"--{name}: is for --engine {' or '.join(engines)}, and this sweep has --engine {options.engine}")
    if options.engine == "slurm" and (options.gpus or 0) % 1:
        raise ValueError(f"--gpus {options.gpus}: Slurm gives whole ones; --engine ray also parts")


def amount(text: str) -> float:
    """A number of at least 0, from the command line."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number


def plan(options: Namespace, together: int, here: str) -> tuple[list[Job], list[Recorded]]:
    """The jobs that no record of --runs and --records has, and what they have."""
    usual = [*filter(Path.exists, [Path("records")])]
    folders = [*filter(Path.exists, [options.runs]), *(usual if options.records is None else options.records)]
    counted = {path.resolve() for path in files(folders)} if folders else set()
    found = files([*folders, *usual]) if folders or usual else []
    known, benches = load(found), load_benches(found)
    runs = [run for run in known if run.path.resolve() in counted]
    if options.tables:
        check(options.tables, NAMES)
        keep = {"methods": options.methods, "tasks": options.tasks, "seeds": options.seeds}
        wanted.refuse_absent(options.tables, runs, benches, options.preset, keep)
        lines = [*wanted.of_tables(options.tables, runs, benches, options.preset, keep)]
        have = [*wanted.in_tables(options.tables, runs, benches, options.preset, keep)]
    elif options.file:
        lines = [*wanted.of_file(options.file)]
        have = [*wanted.in_records(lines, runs)]
    else:
        common = ["--preset", options.preset]
        lines = [*wanted.of_grid(options.methods, options.tasks, options.seeds or [0], options.set, common)]
        have = [*wanted.in_records(lines, runs)]
    return wanted.jobs(lines, runs, Rates(known, benches), together, here), have


def engine_of(options: Namespace, gpus: int, parallel: int, threads: int) -> Engine:
    """The one that was asked for."""
    if options.engine == "ray":
        from eval.sweep.engines.on_ray import OnRay

        return OnRay(options.address, threads, options.gpus)
    if options.engine == "slurm":
        from eval.sweep.engines.on_slurm import OnSlurm

        given = {f"slurm_{name}": value for name, _, value in (text.partition("=") for text in options.slurm or [])}
        hours = HOURS if options.hours is None else options.hours
        needs = {"timeout_min": round(60 * hours), "cpus_per_task": threads}
        needs |= {"gpus_per_node": round(options.gpus)} if options.gpus else {}
        return OnSlurm(options.runs / ".sweep" / "slurm", needs | given)
    from eval.sweep.engines.local import Local, environments

    return Local(environments(parallel, gpus))


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    options.runs, options.data = options.runs.absolute(), options.data.absolute()
    local = options.engine == "local"
    gpus = (torch.cuda.device_count() if local else options.gpus) if options.device != "cpu" else 0
    cores = len(os.sched_getaffinity(0))
    parallel = options.parallel or gpus or max(1, cores // (options.threads or 1))
    threads = options.threads or (max(1, cores // parallel) if local else 1)
    here = cpu_name(threads) if not gpus else ""
    jobs, have = plan(options, options.together or (TOGETHER if gpus else 1), here)
    if options.dry_run and (jobs or have):
        print(f"{wanted.listed(jobs, have)}\n")
    if not jobs:
        print("nothing is missing")
        return 0
    print(f"{costs(jobs, parallel if local else 1)}\n", flush=True)
    if options.dry_run:
        return 0

    engine = engine_of(options, int(gpus), parallel, threads)
    failures = made_ready(jobs, options)
    sweep_name = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
    command = shlex.join(["python", "-m", "eval.sweep", *arguments])
    status.write_plan(options.runs, sweep_name, command, jobs)
    how = ("--data", str(options.data), "--device", options.device, "--workers", str(threads if threads > 1 else 0))
    how += ("--compile",) * options.compile
    pinned = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

    def attempt(job: Job) -> Attempt:
        ready = (
            "eval.sweep.data",
            job.task,
            "--data",
            str(options.data),
            *(("--generate", str(options.generate)) if options.generate else ()),
        )
        return Attempt(job, options.runs, sweep_name, how, pinned, () if local or not has_own_data(job) else (ready,))

    screen = Screen(jobs, options.runs, engine.slots)
    for job in jobs:
        if job in failures:
            screen.ended(job, Outcome("failed", failures[job]), False)
    longest_first = sorted((job for job in jobs if job not in failures), key=screen.foresee, reverse=True)
    sweep = Sweep(longest_first, engine, attempt, options.retries, screen)
    received = run_to_end(sweep, screen, options.runs, sweep_name)
    return report(received, screen, command, options)


def run_to_end(sweep: Sweep, screen: Screen, runs: Path, name: str) -> list[int]:
    """Runs the sweep, and returns the signals that stopped it. What fails in here first asks the runs under way to stop."""

    def stop() -> None:
        sweep.stop = True
        ask_to_stop(runs, name)
        screen.say("stopping: every run saves first; once more ends this at once")

    with stopped_by_signals(stop) as received:
        try:
            sweep.run()
        except BaseException:
            ask_to_stop(runs, name)  # this stays, for what a cluster has queued
            raise
        finally:
            sweep.engine.close()
            screen.close()
    stop_file(runs, name).unlink(missing_ok=True)
    return received


def has_own_data(job: Job) -> bool:
    """Whether it learns from its task's data: not from a file, nor from none."""
    return wanted.config_of(job.options).dataset == "own"


def made_ready(jobs: list[Job], options: Namespace) -> dict[Job, str]:
    """Prepares the data that jobs need; why it could not, for those where that is so."""
    failures: dict[Job, str] = {}
    by_task: dict[str, list[Job]] = {}
    for job in filter(has_own_data, jobs):
        by_task.setdefault(job.task, []).append(job)
    for task, own in by_task.items():
        try:
            prepare(find_task(task), options.data, options.generate)
        except (ValueError, OSError, ImportError) as error:
            failures |= dict.fromkeys(own, in_words(error))
    return failures


def report(received: list[int], screen: Screen, command: str, options: Namespace) -> int:
    """What came of it, and what to do next. Returns the exit code; after a signal 128 + its number."""
    print(f"\n{screen.done - screen.failed} runs finished, {screen.failed} failed, {screen.total - screen.done} are left")
    for line in screen.failures:
        print(f"  {line}")
    if received:
        print(f"continue with: {command}")
        return 128 + received[-1]
    print(f"what the records say: python -m tables report --preset {options.preset} --runs {shlex.quote(str(options.runs))}")
    return 1 if screen.failed else 0


if __name__ == "__main__":
    command, rest = sys.argv[1:2], sys.argv[2:]
    run_command(lambda: status.main(rest) if command == ["status"] else sys.exit(main([*command, *rest])))
