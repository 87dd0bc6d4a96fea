"""What a dataset holds: the first thing to run on data of your own.

    python -m envs.inspect my_data.hdf5
    python -m envs.inspect minari:D4RL/pen/human-v2 --out pen.png
    python -m envs.inspect cube-single-task2 --horizon 5

Prints episodes, lengths, returns, successes, the range of every action and how many chunks there are, and draws one picture.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from envs.command import Parser, first_line, positive, run_command
from envs.dataset import Dataset
from envs.files.outside import is_source, read
from envs.files.whole import replaced
from envs.task import find_task

PICTURES = (".png", ".pdf", ".svg")
BINS = 20
"""Equal parts of an action's range, of which so many hold data."""


class Contents(NamedTuple):
    """Of E episodes, N transitions and A numbers an action."""

    lengths: np.ndarray
    """[E], in transitions."""
    returns: np.ndarray
    """[E]"""
    ended: np.ndarray
    """[E], whether the task ended in it; else it was cut off, by a time limit as a rule."""
    rewards: np.ndarray
    """[N]"""
    actions: np.ndarray
    """[N, A]"""
    bounds: np.ndarray
    """[2, A]: -1 and 1 where all actions lie within, else the least and the greatest that there are."""


def contents(data: Dataset) -> Contents:
    """What a dataset holds in its transitions; an episode's last row is none."""
    first = np.append(0, data.ends[:-1] + 1)
    taken = np.ones(len(data.obs), bool)
    taken[data.ends] = False
    actions = np.asarray(data.action)[taken]
    reach = np.stack([actions.min(0), actions.max(0)])
    return Contents(
        lengths=data.ends - first,
        returns=np.add.reduceat(np.where(taken, data.reward, 0), first, dtype=np.float64),
        ended=np.add.reduceat(taken & (data.mask == 0), first) > 0,
        rewards=np.asarray(data.reward)[taken],
        actions=actions,
        bounds=np.array([-1, 1])[:, None].repeat(actions.shape[1], 1) if np.abs(reach).max() <= 1 else reach,
    )


def coverage(found: Contents) -> np.ndarray:
    """[A, BINS]: which share of the actions lies in each part of the range between the bounds."""
    low, high = found.bounds
    parts = ((found.actions - low) / np.where(high > low, high - low, 1) * BINS).astype(int).clip(max=BINS - 1)
    return np.stack([np.bincount(column, minlength=BINS) for column in parts.T]) / len(parts)


def described(data: Dataset, found: Contents, horizon: int) -> str:
    """The contents in words and numbers."""
    origin, episodes = data.origin, len(found.lengths)
    dropped = f", and {n} whose next observation is missing, dropped" if (n := origin.get("dropped")) else ""
    wins = origin.get("successes")
    success = "the file does not say" if wins is None else f"{wins} of {episodes} episodes ({wins / episodes:.0%})"
    constant = np.flatnonzero(np.ptp(data.obs, axis=0) == 0)
    same = f", always the same: {', '.join(map(str, constant))}" if len(constant) else ""
    lines = [
        ["data", f"{origin.get('name')} ({origin.get('source')}), SHA-256 {str(origin.get('sha256'))[:12]}"],
        ["transitions", f"{len(found.actions)} in {episodes} episodes{dropped}"],
        ["observations", f"{data.obs.shape[1]} numbers from {data.obs.min():.4g} to {data.obs.max():.4g}{same}"],
        ["lengths", spread(found.lengths)],
        ["returns", spread(found.returns)],
        ["rewards", spread(found.rewards)],
        [
            "ends",
            f"{found.ended.sum()} episodes reach the task's end, {episodes - found.ended.sum()} are cut off (time limits)",
        ],
        ["success", success],
        ["chunks", f"{np.maximum(found.lengths - horizon + 1, 0).sum()} of {horizon} actions"],
    ]
    return f"{tabulate(lines, tablefmt='plain', disable_numparse=True)}\n\n{actions_table(found)}"


def actions_table(found: Contents) -> str:
    """A line for each number of an action."""
    shares, head = coverage(found), ["action", "least", "greatest", "mean", "std", "at its bounds", "parts of the range used"]
    at_bounds = np.isclose(found.actions, found.bounds[0], atol=1e-4) | np.isclose(found.actions, found.bounds[1], atol=1e-4)
    lines = [
        [i, *(f"{f(column):.3g}" for f in (np.min, np.max, np.mean, np.std)), f"{hits.mean():.1%}", f"{(share > 0).mean():.0%}"]
        for i, (column, hits, share) in enumerate(zip(found.actions.T, at_bounds.T, shares, strict=True))
    ]
    return tabulate(lines, head, disable_numparse=True, stralign="right")


def spread(values: np.ndarray) -> str:
    least, low, middle, high, most = np.quantile(values, [0, 0.1, 0.5, 0.9, 1])
    return f"{least:.5g} to {most:.5g}, median {middle:.5g}, four fifths within {low:.5g} and {high:.5g}"


def draw(found: Contents, title: str, path: Path) -> None:
    """Lengths, returns and where actions lie between their bounds, in one picture."""
    from matplotlib.figure import Figure

    picture = Figure((9, 2.8), layout="constrained")
    picture.suptitle(title, fontsize=9)
    lengths, returns, actions = picture.subplots(1, 3)
    for ax, values, label in ((lengths, found.lengths, "transitions an episode"), (returns, found.returns, "return")):
        ax.hist(values, bins=min(40, max(5, len(values) // 2)), color="#0173B2")
        ax.set(xlabel=label, ylabel="episodes")
        ax.ticklabel_format(useOffset=False)
    actions.imshow(coverage(found), aspect="auto", cmap="Blues", interpolation="nearest", vmin=0)
    actions.set(xlabel="from the least to the greatest", ylabel="number of the action", xticks=[])
    actions.set_title("where actions lie", fontsize=8)
    with replaced(path) as whole:
        picture.savefig(whole, format=path.suffix.removeprefix("."), dpi=150)


def main() -> None:
    parser = Parser(prog="python -m envs.inspect", description=first_line(__doc__))
    parser.add_argument("what", metavar="FILE|TASK", help="an .npz or .hdf5 file, minari:<id>, or a task, whose data are taken")
    parser.add_argument("--keys", nargs="+", default=(), help="parts of a dict observation that make one, in this order")
    parser.add_argument("--horizon", type=positive, default=5, help="actions of a chunk (default: 5)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets (default: data)")
    parser.add_argument("--out", type=Path, default=Path("inspect.png"), help="the picture (default: inspect.png)")
    options = parser.parse_args()
    what = options.what
    if options.out.suffix not in PICTURES:
        raise ValueError(f"--out {options.out}: a picture is a {', '.join(PICTURES[:-1])} or {PICTURES[-1]} file")
    data = read(what, options.keys) if is_source(what) else find_task(what).find_dataset(options.data)
    if not len(data.obs):
        raise ValueError(f"{what}: the task has no data of its own; name a file")
    found = contents(data)
    print(described(data, found, options.horizon))
    draw(found, what, options.out)
    print(f"\n{options.out}: the picture")


if __name__ == "__main__":
    run_command(main)
