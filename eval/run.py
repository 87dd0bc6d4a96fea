"""Train and evaluate a policy, and leave a record: `python -m eval.run --backbone drifting --algo dfp`.

exit codes:
  0        the run is finished
  1        it failed for a reason of its own, and would again
  2        it was refused before it began, in one line
  75       something outside it failed: a full disk, a process that was killed; --resume continues
  128 + n  signal n stopped it; --resume continues
"""

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from tabulate import tabulate

from algos.select import refuse_slow
from envs.command import refuse
from envs.dataset import Dataset
from envs.outside import Fault
from envs.rows import Starts
from envs.signals import stopped_by_signals
from eval import video
from eval.config.command_line import parse, pattern_to_list
from eval.config.config import Config
from eval.config.listing import listing, tasks_like
from eval.results import record
from eval.results.beginning import Afresh, FromOfflinePhase, Resumed
from eval.results.folder import keep_compile, keep_kernel
from eval.results.policy import Keeper
from eval.results.provenance import describe, threads_of
from eval.running.faults import Diverged, from_outside
from eval.running.rollout import Evaluator
from eval.running.threads import set_threads
from eval.running.train import How, Training


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "eval.run", *arguments])
    with ExitStack() as held:
        with refusals():
            if pattern := pattern_to_list(arguments):
                print(tasks_like(pattern))
                return 0
            options, config = parse(arguments, __doc__)
            if options.list:
                print(listing(config.task, config.preset))
                return 0
            training, saved = prepare(options, config, command, held)
        code = run_to_end(training, saved)
    if training.record.path.exists():  # not on a disk that is gone
        try:
            report(record.read(training.record.path), command, code, options)
        except OSError as error:  # a picture that cannot be written does not make a finished run a failed one
            print(f"error: {from_outside(error) or error}", file=sys.stderr)
    return code


@contextmanager
def refusals() -> Iterator[None]:
    """What goes wrong in here, before a run began, ends the command: in one line, or as it is where nobody foresaw it."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped before the run began", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        outside = from_outside(error)
        if not outside and not isinstance(error, ValueError | ImportError):
            raise
        refuse(outside or error)


def prepare(options: argparse.Namespace, config: Config, command: str, held: ExitStack) -> tuple[Training, dict[str, Any]]:
    """A training whose record has begun, and what was saved where it goes on; `held` gives its folder free again.

    All that a run can be refused for is met here, and a refused one leaves nothing behind.
    """
    how = how_to_compute(options, config)
    beginning = choose_beginning(options, config, held)
    dataset = data_for(config, options.data)
    refuse_unrunnable(config, dataset)
    how, threads = as_before(beginning.goes_on_from, config, how)
    start = describe(config, dataset, how.device, how.compile, command)
    saved = beginning.state(config, start)
    writer = beginning.record(config, options.runs, held)
    evaluator = Evaluator(config.task, config.success_timing, options.workers) if config.task.simulated else None
    training = Training(config, dataset, writer, evaluator, Keeper(writer.path, options.keep_policies), how)
    if threads:
        print(threads)
    writer.write_all(beginning.lines(start))
    return training, saved


def how_to_compute(options: argparse.Namespace, config: Config) -> How:
    """As the options say. ValueError for what this machine cannot do."""
    device = choose_device(options.device)
    refuse_slow(config.algo, device)
    if options.compile and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise ValueError("--compile: there is no C++ compiler here; it takes g++, clang++ or what CXX names")
    if options.video:
        video.refuse_undrawable(config.task, options.keep_policies)
    graph = options.graph and device.startswith("cuda")
    return How(device, options.compile, graph, options.workers > 0, options.one_sample_episodes)


def choose_beginning(options: argparse.Namespace, config: Config, held: ExitStack) -> Afresh:
    if options.resume:
        return Resumed(config, options.runs, options.offline_from, held)
    return FromOfflinePhase(options.offline_from) if options.offline_from else Afresh()


def refuse_unrunnable(config: Config, dataset: Dataset) -> None:
    """ValueError for a horizon that no episode has, or a timing of success that the suite does not have. Says what a run lacks
    that may begin all the same: an environment, or online updates."""
    Starts(dataset.ends, config.algo.horizon)  # refuses one that no episode of the data has
    if config.task.simulated and config.task.time_limit < config.algo.horizon:
        raise ValueError(
            f"algo.horizon {config.algo.horizon}: an episode of {config.task.name} has {config.task.time_limit} steps"
        )
    if config.task.simulated or config.online_steps:
        config.task.make_env(config.success_timing).close()
    else:
        print(f"{config.task.name}: there is no environment, so nothing is evaluated")
    if 0 < config.online_steps <= config.online_warmup:
        print(f"online_steps {config.online_steps}: no more than online_warmup {config.online_warmup}, so none has an update")


def as_before(begun: dict[str, Any], config: Config, how: How) -> tuple[How, str]:
    """This process computes as the run that began with this line, if there is one; says in words how many threads it takes."""
    threads = "" if how.device.startswith("cuda") else set_threads(config, threads_of(begun.get("device", "")))
    keep_kernel(begun)
    return replace(how, compile=keep_compile(begun, how.compile)), threads


def data_for(config: Config, folder: Path) -> Dataset:
    """The data to learn from. ValueError where there are none, and the run needs some."""
    task, name = config.task, config.dataset
    data = task.find_dataset(folder) if name == "own" else task.no_data() if name == "none" else task.read_dataset(name)
    if not len(data.obs) and (config.offline_steps or config.normalize_obs):
        why = "normalize_obs" if config.normalize_obs else f"{config.offline_steps} offline steps"
        raise ValueError(f"{task.name}: no data for {why}; --dataset FILE names some, --offline-steps 0 learns online alone")
    return data


def choose_device(name: str) -> str:
    """cuda where there is one, for "auto"; it multiplies float32 matrices in TF32, as the published runs' GPUs did by JAX's
    default. ValueError for a device that is not here."""
    device = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        if torch.empty(0, device=device).device.type not in ("cpu", "cuda"):
            raise RuntimeError
    except (RuntimeError, AssertionError):
        raise ValueError(f"device '{name}': not available here; use auto, cpu or cuda") from None
    torch.backends.cuda.matmul.allow_tf32 = True  # of torch's three switches for it, the one that leaves a CPU's products alone
    return device


def run_to_end(training: Training, saved: dict[str, Any]) -> int:
    """Runs to the end, to a signal, or to a failure; the record says which. Returns the exit code."""
    begun = time.monotonic()

    def end(status: str, reason: str = "") -> None:
        training.record.write("end", status=status, reason=reason, seconds=round(time.monotonic() - begun, 1))

    with stopped_by_signals(training.ask_to_stop) as received:
        try:
            with closing(training):
                if saved:
                    training.restore(saved)
                finished = training.run()
            end(*("finished",) if finished else ("stopped", signal.Signals(received[-1]).name))
            return 0 if finished else 128 + received[-1]
        except Exception as error:
            outside, own = from_outside(error), isinstance(error, Diverged | Fault)
            if received and not outside:  # what the signal ended first, such as a compiler, is no fault of the run
                end("stopped", signal.Signals(received[-1]).name)
                return 128 + received[-1]
            with suppress(OSError):  # a full disk has no room for this either
                end("stopped" if outside else "failed", outside or (str(error) if own else f"{type(error).__name__}: {error}"))
            if not outside and not own:
                raise
            print(f"error: {outside or f'{error}; the run is recorded as failed'}", file=sys.stderr)
            return os.EX_TEMPFAIL if outside else 1


def report(run: record.Run, command: str, code: int, options: argparse.Namespace) -> None:
    """Prints what has come of the run, and what can be done now."""
    if run.evaluations:
        algo, backbone, task, preset = (run.start["config"][key] for key in ("algo", "backbone", "task", "preset"))
        print(f"\n{algo['name']} with {backbone['name']} on {task}, preset {preset}\n")
        print(summary(run))
    print(f"\nrecord: {run.path}")
    if options.plot and (run.evaluations or run.metrics):
        print(f"picture: {plot(run)}")
    if options.video:
        print("shown:", *video.show_ends(run.path.parent))
    print(next_step(command, code, options))


def summary(run: record.Run) -> str:
    """The run's result: the score of each seed at the end of each phase, over how many episodes."""
    rows = []
    for seed in run.start["config"]["seeds"]:
        ends = {phase: run.last(seed, phase) for phase in ("offline", "online")}
        rates = [f"{record.score(e):.1f}" if e else "-" for e in ends.values()]
        rows.append([seed, *rates, max((len(e["success"]) for e in ends.values() if e), default=0)])
    by = record.scored_by(run.start)
    headers = ["seed", f"offline {by}", f"online {by}", "episodes"]
    return tabulate(rows, headers, disable_numparse=True) + alone(run)


def alone(run: record.Run) -> str:
    """A line of what the policies alone are worth at the end of each phase, over all seeds; nothing where that is unknown."""
    told = []
    for phase in record.PHASES:
        ends = [e for seed in run.start["config"]["seeds"] if (e := run.last(seed, phase)) and "one_sample" in e]
        if ends:
            episodes = sum(len(e["one_sample"]) for e in ends)
            told.append(f"{phase} {fmean(map(record.of_one_sample, ends)):.1f} ({episodes} episodes)")
    return f"\n\none sample, not chosen by the critic: {', '.join(told)}" if told else ""


def plot(run: record.Run) -> Path:
    """Draws the run beside its record."""
    from tables.figures.diagnostics import run_picture  # the one place where a run asks for what is made of records

    path = run.path.with_suffix(".png")
    run_picture(run, path)
    return path


def next_step(command: str, code: int, options: argparse.Namespace) -> str:
    """What to do now, in one line."""
    if code == 0:
        runs = shlex.quote(str(options.runs))
        return f"what the records say: python -m tables report --preset {options.preset} --runs {runs}"
    resume = "" if options.resume else " --resume"
    return f"continue with: {command}{resume}" if code > 2 else "see the record's last lines for the reason"


if __name__ == "__main__":
    sys.exit(main())
