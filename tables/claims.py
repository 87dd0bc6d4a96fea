"""The claims of arXiv 2605.07727 that records can agree or disagree with: each a sentence and a contrast of success rates.

One is asked at equal time, too, which the paper does not do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eval.config.methods import METHODS
from tables.spec import TABLES, Row

Weights = Mapping[str, float]  # by phase


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of success rates, of rows at the end of phases, averaged over tasks; `table` is where the paper has them.

    What one row has in both phases is combined seed by seed.
    """

    table: str
    parts: tuple[tuple[Row, Weights], ...]


@dataclass(frozen=True)
class Claim:
    """What the paper says. Its contrast is above 0; or, with a `margin`, every one of them lies within it of 0.

    `equal_time`: the second row counts when its updates have taken as long as the first row's whole run. The paper has no such
    number.
    """

    title: str
    sentence: str
    test: str
    contrasts: tuple[Contrast, ...]
    margin: float | None = None
    equal_time: bool = False


def method(name: str) -> Row:
    return Row(METHODS[name].label, name)


def above(one: str, other: str, phase: str = "online") -> tuple[Contrast, ...]:
    return (Contrast("6", ((method(one), {phase: 1.0}), (method(other), {phase: -1.0}))),)


def from_default(table: str, default: int) -> tuple[Contrast, ...]:
    """Every other row of an ablation less the one that is the default."""
    rows = TABLES[table].rows
    base = (rows[default], {"online": -1.0})
    return tuple(Contrast(table, ((row, {"online": 1.0}), base)) for row in rows if row is not rows[default])


CLAIMS = (
    Claim(
        "Drifting clones better than MeanFlow",
        "The drifting parameterization has the stronger behavior cloning capability (section 5.3, Figure 1).",
        "DFP w/o top-K less MVP, at the end of the offline phase, where the critic chooses among N' samples, with our presets "
        "four.",
        above("dfp-no-top-k", "mvp", "offline"),
    ),
    Claim(
        "Drifting is better without top-K too",
        "Even without top-K, drifting is above MeanFlow after the online phase (Table 2).",
        "DFP w/o top-K less MVP, at the end of the online phase.",
        above("dfp-no-top-k", "mvp"),
    ),
    Claim(
        "Top-K helps drifting",
        "Adding top-K to the drifting backbone gains substantially (Table 2).",
        "DFP less DFP w/o top-K, at the end of the online phase.",
        above("dfp", "dfp-no-top-k"),
    ),
    Claim(
        "Top-K helps drifting more than MeanFlow",
        "Top-K benefits the two backbones asymmetrically: MeanFlow gains only marginally (Table 2).",
        "The interaction: DFP less DFP w/o top-K, less the same of MVP, at the end of the online phase.",
        (
            Contrast(
                "6",
                (
                    (method("dfp"), {"online": 1.0}),
                    (method("dfp-no-top-k"), {"online": -1.0}),
                    (method("mvp-top-k"), {"online": -1.0}),
                    (method("mvp"), {"online": 1.0}),
                ),
            ),
        ),
    ),
    Claim(
        "DFP is above QC-FQL",
        "DFP outperforms the strongest baseline, QC-FQL, by 9.0 points (Table 1).",
        "DFP less QC-FQL, at the end of the online phase.",
        above("dfp", "qc-fql"),
    ),
    Claim(
        "One step is above ten at equal updates",
        "In a single forward pass DFP surpasses even the best multi-step policy, QC-BFN, by 12.0 points (Table 1).",
        "DFP less QC-BFN, at the end of the online phase. With our presets both choose among four samples; the paper's QC-BFN "
        "chooses among 32, on robomimic 16.",
        above("dfp", "qc-bfn"),
    ),
    Claim(
        "One step is above ten at equal time",
        "The paper has times of updates, DFP 13.60 ms and QC-BFN 16.09 (Table 9), but no success rates at equal time.",
        "DFP at the end of the online phase less QC-BFN at its first evaluation for which its updates have taken as long, by "
        "the times that `eval.bench` measured; at its last one, where all of its updates take less.",
        above("dfp", "qc-bfn"),
        equal_time=True,
    ),
    Claim(
        "DFP is above MVP",
        "DFP improves the average score by 15.5 points over MVP (Table 1).",
        "DFP less MVP, at the end of the online phase.",
        above("dfp", "mvp"),
    ),
    Claim(
        "The online phase helps",
        "Offline pretraining is refined through online interaction (Table 6).",
        "DFP at the end of the online phase less the same seeds at the end of the offline phase.",
        (Contrast("6", ((method("dfp"), {"online": 1.0, "offline": -1.0}),)),),
    ),
    Claim(
        "DFP is robust to λ",
        "DFP is robust to the weight λ from 0.1 to 5 (Table 3).",
        "Every λ less λ = 0.5 is within 5 points (the paper's largest difference, rounded up), at the end of the online "
        "phase; shown is the largest.",
        from_default("3", 1),
        margin=5.0,
    ),
    Claim(
        "DFP is robust to K",
        "Top-K is overall robust to K from 1 to 8 (Table 4).",
        "Every K less K = 4 is within 10 points (the paper's largest difference, rounded up), at the end of the online phase; "
        "shown is the largest. With our presets K = 8 takes all of the N = 8 proposals; the paper has N = 16.",
        from_default("4", 2),
        margin=10.0,
    ),
)
