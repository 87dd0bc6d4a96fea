"""The headline command: the preset that has runs, the paper's numbers beside ours, and how far the ranks agree."""

import numpy as np
import pytest
import scipy.stats

from tables.agreement import agreement, tau
from tables.headline import nearest
from tables.render import render
from tables.result import Cell, Line, Number, Result
from tables.sources.runs import files, load

LIFT = {"task": "lift"}


def test_a_table_is_of_the_nearest_preset_that_has_runs(write_run, tmp_path, tables):
    assert tables("1").startswith("Table 1. Success rate (%), offline-to-online. Preset paper.\n"), "while none has any"
    write_run("a", {0: [1]}, preset="quick", **LIFT)
    assert tables("1").startswith(
        "Table 1. Success rate (%), offline-to-online. Preset quick. Not the paper's: 18,000 steps offline (1,000,000), "
    )
    assert "Preset paper.\n" in tables("1", "--preset", "paper")
    assert "Preset paper.\n" in tables("3"), "no run of quick is one of Table 3's"
    write_run("b", {0: [1]}, preset="release", **LIFT)
    assert "Preset release. Not the paper's: temperatures 0.1 (0.05)." in tables("1")
    write_run("c", {0: [1]}, preset="paper", **LIFT)
    assert nearest("1", load(files([tmp_path])), []) == "paper" and nearest("quick", [], []) == "quick"


def test_a_title_says_where_a_preset_has_other_values(write_run, tables):
    def on(name):
        return {"source": "fetched", "sha256": name, "name": name}

    write_run("a", {0: [1]}, preset="small", dataset=on("lift-mh"), **LIFT)
    assert "5,000 steps offline on lift-mh, 5,000 steps online on lift-mh.\n" in tables("1") and "0.99 on" not in tables("1")
    write_run("b", {0: [1]}, preset="small", dataset=on("can-mh"), task="can")
    told = tables("1")
    assert "discount 0.99 on can-mh, online_share 0.0 on can-mh, num_elites 4 on robomimic (2)" in told
    assert "best_of 4 (16)" in told and "best_of 4 on robomimic" not in told, "which is what the paper has there"
    double = {"task": "cube-double-task2", "dataset": on("cube-double-play-v0")}
    write_run("c", {0: [1]}, preset="small", method="fql", protocol="offline", **double)
    title, rest = tables("7").split("\n", 1)
    assert "54,000 steps offline" in title and "final_rate 0.1" in rest and "discount 0.99 on cube-double-play-v0" in rest
    assert "steps online" not in title and "online_share" not in rest and "online_warmup" not in rest
    assert "best_of" not in rest, "with the offline protocol there is one sample, ours and the paper's"
    assert "num_elites 4," in rest, "where the paper has another K on each task"
    for name in ("bc", "fql"):
        write_run(name, {0: [1]}, preset="small", method=name, protocol="offline", dataset=on("lift-mh"), **LIFT)
    assert "5,000 steps offline on lift-mh" in tables("7").split("\n", 1)[0]


def test_of_two_presets_the_one_with_a_whole_column_is_shown(write_run, tables):
    for weight in (0.1, 0.5, 1.0, 5.0):
        write_run(f"q{weight}", {0: [1]}, preset="quick", algo={"elite_weight": weight}, **LIFT)
    assert "Preset quick." in tables("3")
    write_run("one", {0: [1]}, preset="small", algo={"elite_weight": 0.1}, **LIFT)
    assert "Preset quick." in tables("3"), "small is nearer to the paper's, but has nothing to compare"
    for weight in (0.5, 1.0, 5.0):
        write_run(f"s{weight}", {0: [1]}, preset="small", algo={"elite_weight": weight}, **LIFT)
    assert "Preset small." in tables("3")


def test_our_sizes_show_the_tasks_that_have_runs_and_say_which_are_not_the_paper_s(write_run, tables):
    for name in ("mvp", "dfp"):
        write_run(f"{name}-lift", {0: [1]}, preset="quick", method=name, **LIFT)
    write_run("alone", {0: [1]}, preset="quick", task="cube-single-task3")
    text = tables("2")
    assert "cube-single" not in text and "square, can" in text.split("No runs of ")[1]
    write_run("other", {0: [1]}, preset="quick", method="mvp", task="cube-single-task3")
    text = tables("2")
    assert "The paper's table does not have cube-single-task3." in text and "Avg." not in text
    whole = tables("2", "--preset", "quick")
    assert "cube-single" not in whole and "square" in whole and "Avg." in whole
    asked = [shown.split("asks for: ")[1].split(" (")[0] for shown in (whole, text)]
    assert asked[0] == asked[1], "the plan is the whole table's"


def test_what_several_tables_are_to_be_told_of_is_said_once(write_run, tables):
    for name in ("mvp", "dfp"):
        write_run(name, {0: [1]}, preset="quick", method=name, task="cube-single-task3")
    differs, added = "Preset quick also differs", "The paper's table does not have cube-single-task3."
    alone = tables("2")
    assert f"\n{differs}" in alone and f"\n{added}" in alone
    both = tables("1", "2")
    assert both.count(differs) == both.count(added) == 1 and f"\nTables 1, 2: {added}" in both
    assert both.index(differs) > both.index("tables plan 2"), "after the last table"
    assert tables("1", "2", "--format", "markdown").count(added) == 2, "a document's tables stand alone"


@pytest.mark.parametrize(
    ("format", "shown"),
    [
        ("text", "50.0 (1/5) ‹100.0 ± 0›"),
        ("markdown", "50.0 (1/5) <sub>‹100.0 ± 0›</sub>"),
        ("latex", r"50.0 (1/5) \textcolor{gray}{(100.0 $\pm$ 0)}"),
        ("html", '50.0 (1/5) <small style="color: gray">‹100.0 ± 0›</small>'),
    ],
)
def test_published_numbers_stand_beside_ours_where_asked(write_run, tables, format, shown):
    write_run("a", {0: [1, 0]}, **LIFT)
    assert shown in tables("1", "--published", "--format", format)
    assert shown not in tables("1", "--format", format)


def test_published_numbers_beside_ours_are_no_csv(refused):
    assert "--against paper has more" in refused("1", "--published", "--format", "csv")


def test_tau_is_scipy_s_within_a_column_and_pools_pairs_over_columns():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (2, 9)).astype(float)
    assert tau([(x, y)]) == pytest.approx(scipy.stats.kendalltau(x, y).statistic)
    up = np.arange(4.0)
    assert tau([(up, up), (up, -up)]) == 0 and tau([(up, up + 100), (up + 50, up)]) == 1
    assert np.isnan(tau([(up, np.zeros(4))]))


def test_agreement_names_its_columns_and_needs_three_methods():
    def table(*means: float) -> Result:
        rates = [{"lift": {seed: mean + seed for seed in range(3)}} for mean in means]
        numbers = [Number(mean + 1, 1.0, 3, rate) for mean, rate in zip(means, rates, strict=True)]
        return Result("x", "", ("lift",), tuple(Line(str(i), (Cell((n,)),)) for i, n in enumerate(numbers)))

    printed = {(str(i), "lift"): Cell((Number(10.0 * i, 1.0, 5),)) for i in range(4)}
    said = agreement(table(0, 10, 20, 30), False, printed)
    assert "tau 1.00, 95 % from 1.00 to 1.00 (4 methods on lift;" in said
    assert agreement(table(0, 10, 20, 30).transposed(""), True, printed) == said
    assert "tau -1.00" in agreement(table(3, 2, 1), False, printed)
    assert agreement(table(0, 10), False, printed) == ""


def test_a_cell_shows_what_the_paper_has_as_a_word_too():
    cell = Cell(word="0.1", beside=Cell(word="0.05"))
    result = Result("8", "", ("lift",), (Line("h", (cell,)),))
    assert "0.1 ‹0.05›" in render(result, "text")
