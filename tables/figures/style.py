"""How every figure looks: one colour a method, sizes in inches on paper, equal bytes for equal records."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from envs.files.whole import replaced
from eval.config.methods import METHODS
from tables.spec import Row

COLUMN, PAGE = 3.4, 7.0
"""Widths of a column and of a page, in inches."""

RC: Any = {
    **seaborn.axes_style("whitegrid"),
    "axes.edgecolor": "0.6",
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8,
    "figure.labelsize": 7.5,
    "figure.titlesize": 8.5,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 7.5,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.2,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a dollar sign in a name is one
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}

COLOURS = {
    "bfn": "#56B4E9",
    "qc-bfn": "#0173B2",
    "fql": "#8B5A2B",
    "qc-fql": "#EDB120",
    "mvp": "#029E73",
    "mvp-top-k": "#000000",
    "dfp-no-top-k": "#8E2A70",
    "dfp": "#D55E00",
    "bc": "#B8B8B8",
}
"""After seaborn's "colorblind" palette. A method keeps its colour in every figure; others take the next ones."""

OTHER_COLOURS = ("#FBAFE4", "#5B5F97", "#8C8C00", "#7A3B2E", "#3F7F93")
MARKERS = "*s^vDPXo<>hpd"
METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
}


@contextmanager
def style() -> Iterator[None]:
    """To draw and save in: matplotlib's own settings with ours, none of the user's."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def looks(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Colour and marker by label. A method has its own; variants of a method run from dark to bright."""
    named = [*COLOURS, *(method for method in METHODS if method not in COLOURS)]
    methods = named + sorted({row.method for row in rows} - set(named))
    palette = [*COLOURS.values(), *OTHER_COLOURS]
    variants = [row.label for row in rows if row.changes]
    shades = seaborn.color_palette("viridis", len(variants)).as_hex()

    def look(row: Row) -> dict[str, Any]:
        place, colours = (variants.index(row.label), shades) if row.changes else (methods.index(row.method), palette)
        return {"color": colours[place % len(colours)], "marker": MARKERS[place % len(MARKERS)]}

    return {row.label: look(row) for row in rows}


def in_steps(axes: Axes, ticks: int) -> None:
    """At most so many intervals on an axis of training steps: 500k, 1M."""
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def shade_offline(axes: Axes, offline_steps: int) -> None:
    axes.axvspan(0, offline_steps, color="0.93", linewidth=0, zorder=0)


def check_suffix(path: Path) -> None:
    """ValueError unless the file's format is one that `save` writes."""
    if path.suffix not in METADATA:
        raise ValueError(f"{path}: a figure is a {' or '.join(METADATA)} file")


def save(picture: Figure, path: Path) -> None:
    """Writes a picture without dates and versions, so that equal pictures are equal files."""
    with replaced(path) as whole:
        picture.savefig(whole, dpi=200, metadata=METADATA[path.suffix])
