"""A table as text, markdown, LaTeX (booktabs), HTML, or CSV with a line for each number."""

import csv
import html
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tabulate import tabulate

from tables.result import Cell, Number, Result
from tables.rules import GENERATED


def render(result: Result, format: str) -> str:
    """The table with its title and its notes; CSV has neither."""
    return to_csv([result]) if format == "csv" else FORMATS[format](result)


def to_text(result: Result) -> str:
    return "\n\n".join([heading(result), grid(result, TEXT, "simple"), *footer(result, TEXT)])


def to_markdown(result: Result) -> str:
    return "\n\n".join([heading(result), grid(result, MARKDOWN, "pipe"), *footer(result, MARKDOWN)])


def to_html(result: Result) -> str:
    table = grid(result, HTML, "unsafehtml")
    return "\n".join([f"<p>{html.escape(heading(result))}</p>", table, *(f"<p>{note}</p>" for note in footer(result, HTML))])


def to_latex(result: Result) -> str:
    head = [LATEX.escape(result.corner), *map(LATEX.escape, result.columns)]
    table = [
        rf"\begin{{tabular}}{{l{'r' * len(result.columns)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in body(result, LATEX)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    notes = [rf"\par{{\footnotesize {note}}}" for note in footer(result, LATEX)]
    return "\n".join([f"% {heading(result)}", *table, *notes])


def to_csv(results: Iterable[Result]) -> str:
    """A line for each number: full precision, mean, std and n apart, no title. Several tables share one header."""
    file = io.StringIO()
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["table", "row", "column", "phase", "mean", "std", "n", "wanted", "mark", "text", "notes", "low", "high"])
    for result in results:
        for line in result.lines:
            for column, cell in zip(result.columns, line.cells, strict=True):
                for phase, number in zip(result.phases, cell.numbers or (Number(),), strict=False):
                    values = ["" if value is None else f"{value:.10g}" for value in (number.mean, number.std)]
                    seeds = (number.n, cell.wanted) if cell.wanted else ("", "")
                    told = (number.mark, cell.word, "; ".join(cell.notes))
                    bounds = [f"{bound:.10g}" for bound in number.interval or ()] or ["", ""]
                    out.writerow([result.name, line.label, column, phase, *values, *seeds, *told, *bounds])
    return file.getvalue()


@dataclass(frozen=True)
class Style:
    """How a format writes emphasis, footnote marks and characters."""

    best: str
    second: str
    symbol: str
    escape: Callable[[str], str] = str
    dagger: str = "†"
    stacked: bool = False  # headers in two lines
    grey: str = "‹{}›"  # what the paper prints beside a number of ours


def escape_latex(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        **{c: rf"\{c}" for c in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    symbols = {
        "±": r"$\pm$",
        "→": r"$\rightarrow$",
        "λ": r"$\lambda$",
        "γ": r"$\gamma$",
        "τ": r"$\tau$",
        "×": r"$\times$",
        "†": r"$\dagger$",
        **{c: f"${c}$" for c in "<>|"},  # in LaTeX's default font encoding these print as other signs
    }
    return "".join((special | symbols).get(c, c) for c in text)


def escape_markdown(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\|*_<[`$~" else c for c in text)


TEXT = Style("*{}*", "_{}_", "{}", stacked=True)
MARKDOWN = Style("**{}**", "<ins>{}</ins>", "<sup>{}</sup>", escape_markdown, grey="<sub>‹{}›</sub>")
LATEX = Style(r"\textbf{{{}}}", r"\underline{{{}}}", r"$^{{{}}}$", escape_latex, r"\dagger", grey=r"\textcolor{{gray}}{{({})}}")
HTML = Style("<b>{}</b>", "<u>{}</u>", "<sup>{}</sup>", html.escape, grey='<small style="color: gray">‹{}›</small>')
FORMATS = {"text": to_text, "markdown": to_markdown, "latex": to_latex, "html": to_html}


def heading(result: Result) -> str:
    return f"Table {result.name}. {result.title}" if result.name.isdigit() else result.title


def grid(result: Result, style: Style, tablefmt: str) -> str:
    def header(text: str) -> str:
        return style.escape(text.replace("-task", "\ntask") if style.stacked else text)

    return tabulate(body(result, style), [result.corner, *map(header, result.columns)], tablefmt, disable_numparse=True)


def body(result: Result, style: Style) -> list[list[str]]:
    symbols = footnotes(result, style)
    return [
        [style.escape(line.label), *(cell_text(cell, result.decimals, symbols, style) for cell in line.cells)]
        for line in result.lines
    ]


def cell_text(cell: Cell, decimals: tuple[int, int], symbols: Mapping[str, str], style: Style) -> str:
    """Its word or its numbers, how many seeds there are where not as many as wanted, and its footnotes' symbols."""
    numbers = style.escape(" → ").join(number_text(number, decimals, style) for number in cell.numbers)
    known = [number.n for number in cell.numbers if number.mean is not None]
    n = min(known, default=0)
    seeds = f"({n}/{cell.wanted})" if n and cell.wanted and n != cell.wanted else ""
    marks = "".join(symbols[note] for note in cell.notes)
    beside = style.grey.format(cell_text(unmarked(cell.beside), decimals, {}, style)) if cell.beside else ""
    return " ".join(filter(None, [style.escape(cell.word) or (numbers if known else "-"), seeds, marks, beside]))


def unmarked(cell: Cell) -> Cell:
    return replace(cell, numbers=tuple(replace(number, mark="") for number in cell.numbers))


def number_text(number: Number, decimals: tuple[int, int], style: Style) -> str:
    """mean ± std as the paper prints them, its interval where there is one; bold or underlined."""
    if number.mean is None:
        return "-"
    mean, std = decimals
    spread = "" if number.std is None else f" ± {number.std:.{std}f}"
    if number.interval:
        spread += " [{:.{d}f}, {:.{d}f}]".format(*number.interval, d=mean)
    text = style.escape(f"{number.mean:,.{mean}f}{spread}")
    return {"best": style.best, "second": style.second, "": "{}"}[number.mark].format(text)


def footnotes(result: Result, style: Style) -> dict[str, str]:
    """The symbol of every note of a cell, in the order of the table: a dagger for generated data, else a number."""
    notes = dict.fromkeys(note for line in result.lines for cell in line.cells for note in cell.notes)
    numbered = [note for note in notes if note != GENERATED]
    symbols = {note: f"[{number}]" for number, note in enumerate(numbered, 1)} | {GENERATED: style.dagger}
    return {note: style.symbol.format(symbols[note]) for note in notes}


def footer(result: Result, style: Style) -> list[str]:
    """The footnotes and the table's own notes, one paragraph each."""
    notes = [f"{symbol} {style.escape(note)}" for note, symbol in footnotes(result, style).items()]
    return notes + [style.escape(note) for note in result.notes]
