"""How an update's time grows with the candidates, the samples, the networks' width, the batch and the seeds: a figure."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter, NullLocator

from tables.figures.style import COLUMN, MARKERS, check_suffix, save, style

SYMBOLS = {
    "algo.num_candidates": "N",
    "algo.num_elites": "K",
    "algo.batch_size": "batch",
    "algo.best_of": "N'",
    "algo.target_best_of": "N'",
    "backbone.num_generated": "N_gen",
    "backbone.width": "width",
    "algo.critic_width": "width",
}
Curve = list[tuple[float, float]]  # multiples of the preset's value, and of its update's time


def growth(record: Mapping[str, Any], phase: str) -> dict[str, Curve]:
    """By option and the preset's value, the time of an update of the first method as a multiple of the preset's own.

    ValueError where the record of `eval.bench` varies nothing.
    """
    updates = [u for u in record["updates"] if u["phase"] == phase]
    updates = [u for u in updates if all(u[key] == updates[0][key] for key in ("method", "mode", "ranking"))]
    base, curves = updates[0], defaultdict(list)
    for update in updates:
        if "vary" in update:
            symbol = " and ".join(dict.fromkeys(SYMBOLS.get(name, name) for name in update["vary"].split("+")))
            label, multiple = f"{symbol} ({update['default']})", update["value"] / update["default"]
        else:
            label, multiple = f"seeds ({base['seeds']})", update["seeds"] / base["seeds"]
        curves[label].append((multiple, update["ms"] / base["ms"]))
    grown = {label: sorted({(1.0, 1.0), *curve}) for label, curve in curves.items()}
    grown = {label: curve for label, curve in grown.items() if len(curve) > 1}
    if not grown:
        raise ValueError("nothing varies in this record; --vary or --seeds name what should")
    return grown


def growth_picture(record: Mapping[str, Any], path: Path) -> None:
    """The growth of the last phase in a record of `eval.bench`, as a picture into a png or pdf file."""
    check_suffix(path)
    phase = record["updates"][-1]["phase"]
    base = next(u for u in record["updates"] if u["phase"] == phase)
    with style():
        picture = Picture((COLUMN, 2.9), layout="constrained")
        ax = picture.subplots()
        for (label, curve), marker in zip(growth(record, phase).items(), MARKERS, strict=False):
            ax.plot(*zip(*curve, strict=True), label=label, marker=marker)
        low, high = ax.get_xlim()
        ax.plot([low, high], [low, high], color="0.8", zorder=0, label="in proportion")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axis.set_minor_locator(NullLocator())
        ax.set(
            xlabel="multiple of the preset's value, in brackets",
            ylabel=f"time, in updates of {base['ms']:.3g} ms",
            title=f"{base['method']}, {phase}\n{record['task']}, preset {record['preset']}, {record['device']}",
        )
        ax.legend(ncols=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(picture, path)
