"""Pictures of what a kept policy does: `python -m eval.video RUN --out failures.mp4 failures.gif strip.png`.

Shown are episodes of the recorded evaluation, run again: the same resets, the same noise. A png is a strip of frames, a line an
episode. Each file says in its metadata what it shows: the record, the policy, the camera, the episodes.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from envs.command import Parser, first_line, import_extra, positive, run_command
from envs.files.whole import staged
from envs.task import SuccessTiming, Task
from eval.pictures import film, find_renderer, open_renderer, outcome, write
from eval.policy import Policy, load
from eval.results.again import add_policy, place
from eval.results.policy import kept
from eval.results.record import PHASES, identity
from eval.running.rollout import Episode

SHOWN = "failures", "successes", "both", "first"
SUFFIXES = ".mp4", ".gif", ".png"
ENDS = ".mp4", ".png"  # what `eval.run --video` leaves of each phase


def check_files(paths: Sequence[Path]) -> None:
    """ValueError for a file that is no picture, ImportError for one that needs a package which is not here."""
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise ValueError(f"{path}: pictures end in {', '.join(SUFFIXES)}")
    if any(path.suffix == ".mp4" for path in paths):
        import_extra("imageio_ffmpeg", "video")


def check_camera(task: Task) -> None:
    """ValueError for a task of which there are no pictures."""
    if not task.camera:
        raise ValueError(f"{task.name}: there is nothing to see")


def episodes_of(policy: Policy) -> list[Episode]:
    """The recorded evaluation."""
    outcomes = zip(*(policy.about.evaluation[name] for name in ("success", "return", "length")), strict=True)
    return [Episode(policy.about.seed, i, bool(success), *rest) for i, (success, *rest) in enumerate(outcomes)]


def check_show(show: Sequence[str], episodes: Iterable[int]) -> None:
    """ValueError unless these words say what to show of the episodes with these numbers."""
    words = [] if len(show) == 1 and show[0] in SHOWN else show
    if missing := [word for word in words if word not in {str(episode) for episode in episodes}]:
        raise ValueError(f"show {missing[0]}: there are {', '.join(SHOWN)}, and numbers of episodes that were evaluated")


def choose(episodes: Sequence[Episode], show: Sequence[str], count: int) -> list[Episode]:
    """Failures or successes first, one of each, the first, or those with these numbers. ValueError for what is not there."""
    solved, failed = ([e for e in episodes if e.success is value] for value in (True, False))
    match show:
        case ["failures"]:
            return [*failed, *solved][:count]
        case ["successes"]:
            return [*solved, *failed][:count]
        case ["both"]:
            return [*solved[:1], *failed[:1]]
        case ["first"]:
            return list(episodes[:count])
    check_show(show, [e.episode for e in episodes])
    numbers = {str(e.episode): e for e in episodes}
    return [numbers[word] for word in show]


def show(policy: Policy, episodes: Sequence[Episode], timing: SuccessTiming, paths: Sequence[Path]) -> list[str]:
    """Runs these episodes again and writes what is seen, all files or none; says where one came out otherwise."""
    with ExitStack() as stack:
        whole = [stack.enter_context(staged(path))[0] for path in paths]
        films = [film(policy, e.episode, timing) for e in episodes]
        about = {
            "record": identity(policy.about.run),
            **place(policy.about),
            "task": policy.task.name,
            "camera": policy.task.camera,
            "episodes": [{"episode": f.episode.episode, "success": f.episode.success} for f in films],
        }
        for path in whole:
            write(path, films, about)
    pairs = zip(episodes, (f.episode for f in films), strict=True)
    return [
        f"episode {a.episode}: {outcome(b)} after {b.length} steps, before it was {outcome(a)} after {a.length} (rounding?)"
        for a, b in pairs
        if (a.success, a.length) != (b.success, b.length)
    ]


def refuse_undrawable(task: Task, keep: str) -> None:
    """ValueError or ImportError in one line for a run whose policies cannot be shown at its end."""
    if keep == "none":
        raise ValueError("--video shows policies that were kept; --keep-policies none keeps none")
    check_camera(task)
    check_files([Path(f"video{suffix}") for suffix in ENDS])
    find_renderer()


def show_ends(folder: Path) -> list[Path]:
    """Files in a run's folder that show a success and a failure at each phase's end."""
    shown = []
    for phase in [phase for phase in PHASES if any(about.phase == phase for about in kept(folder))]:
        paths = [folder / f"{phase}{suffix}" for suffix in ENDS]
        choice = ["--phase", phase, "--show", "both", "--out", *map(str, paths)]
        draw_apart([str(folder), *choice])
        shown += [path for path in paths if path.exists()]  # where one could not be drawn, its process has said why
    return shown


def draw_apart(options: Sequence[str]) -> None:
    """This command in a process of its own, since this one has loaded MuJoCo without a renderer."""
    subprocess.run([sys.executable, "-m", "eval.video", *options])


def add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--show",
        nargs="+",
        default=["failures"],
        help="episodes to show: failures (first, the default), successes (first), both (one of each), first, or their numbers",
    )
    parser.add_argument("--count", type=positive, default=3, help="of failures, successes or first episodes (default: 3)")


def main() -> None:
    parser = Parser(prog="python -m eval.video", description=first_line(__doc__))
    add_policy(parser)
    parser.add_argument("--out", type=Path, nargs="+", required=True, metavar="FILE", help="files ending in .mp4, .gif or .png")
    add_show(parser)
    options = parser.parse_args()
    check_files(options.out)
    open_renderer()
    policy = load(options.run, options.phase, options.seed)
    check_camera(policy.task)
    episodes = choose(episodes_of(policy), options.show, options.count)
    for line in show(policy, episodes, policy.config.success_timing, options.out):
        print(line, file=sys.stderr)
    print(*options.out)


if __name__ == "__main__":
    run_command(main)
