"""The rules of tables/rules.py."""

import pytest

from eval.results.record import read
from tables.result import Cell, Number
from tables.rules import GENERATED, REMADE, average, marks, ranked, summarise, unlike


def test_marks_bold_every_tie_and_underline_the_next_lower_ones():
    assert marks([99.8, 99.8, 99.6, None, 99.6, 3.0]) == ["best", "best", "second", "", "second", ""]
    assert marks([1.0, 1.0]) == ["best", "best"]
    assert marks([1.0, None]) == ["", ""], "one number is not compared with anything"


def test_what_prints_the_same_ties_and_nothing_is_ranked_beside_a_mean_that_lacks_seeds():
    def ranks(*numbers: tuple[float | None, int]) -> list[str]:
        grid = [[Cell((Number(mean, 0.0, n),), wanted=5)] for mean, n in numbers]
        return [line[0].numbers[0].mark for line in ranked(grid, 1)]

    assert ranks((99.84, 5), (99.76, 5), (99.7, 5), (None, 0)) == ["best", "best", "second", ""]
    assert ranks((99.84, 5), (99.76, 5), (99.7, 5), (100.0, 4)) == ["", "", "", ""]


def test_ranks_are_those_of_one_phase():
    grid = [[Cell((Number(a, n=1), Number(b, n=1)), wanted=1)] for a, b in ((1.0, 2.0), (3.0, 0.0))]
    assert [[n.mark for n in line[0].numbers] for line in ranked(grid, 1)] == [["second", "best"], ["best", "second"]]


def test_a_mean_over_tasks_has_no_std_and_as_many_seeds_as_its_poorest_task():
    number = summarise({"a": {0: 1.0, 1: 3.0}, "b": {0: 4.0}})
    assert (number.mean, number.std, number.n) == (3.0, None, 1)
    assert summarise({"a": {0: 1.0}, "b": {}}).mean is None


def test_one_seed_has_no_std():
    assert summarise({"a": {0: 1.0}}).std is None
    assert summarise({"a": {0: 1.0, 1: 3.0}}).std == pytest.approx(2**0.5)


def test_an_average_needs_every_column():
    full, empty = Cell((Number(1.0, n=5),), wanted=5), Cell((Number(),), wanted=5)
    assert average([full, empty]).numbers[0].mean is None
    assert average([full, Cell((Number(2.0, n=3),), wanted=5)]).numbers[0] == Number(1.5, None, 3)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"physics": {"hash": "other", "last_obs": [1.0, 2.5]}}, "physics (a fixed rollout ends 0.5 apart)"),
        ({"dataset": {"sha256": "other"}}, "dataset (sha256 same, other)"),
        ({"algo": {"name": "dfp", "num_elites": 5}}, "algo.num_elites (4, 5)"),
    ],
)
def test_runs_on_different_ground_are_refused_and_footnoted_when_forced(write_run, cell, tables, other, words):
    a, b = write_run("a", {0: [1]}), write_run("b", {1: [0]}, **other)
    refused = cell("1")
    assert (refused["mean"], refused["text"]) == ("", "refused")
    assert refused["notes"] == f"refused: {a} and {b} differ in {words}; --mixed shows the mean"
    forced = cell("1", "--mixed")
    assert (forced["mean"], forced["notes"]) == ("50", f"mixed: {a} and {b} differ in {words}")
    assert "refused [1]" in tables("1")


def test_a_rounding_difference_is_the_same_simulator(write_run, cell):
    write_run("a", {0: [1]})
    write_run("b", {1: [0]}, physics={"hash": "other processor", "last_obs": [1.0, 2.0001]})
    assert (cell("1")["mean"], cell("1")["notes"]) == ("50", "")


def test_one_script_on_two_processors_is_one_kind_of_data(write_run, cell):
    """Rounding made other rows of it: they are averaged, and the cell says so; another number of episodes is refused."""
    made = {"source": "generated", "generator": 1, "script": {"seed": 0}, "episodes": 100, "versions": {"mujoco": "3.4.0"}}
    write_run("a", {0: [1]}, dataset={**made, "sha256": "one"})
    write_run("b", {1: [0]}, dataset={**made, "sha256": "other"})
    assert cell("1")["mean"] == "50" and "round differently" in cell("1")["notes"]
    rows = [Cell(runs=(read(write_run(name, {0: [1]}, dataset={**made, "sha256": name})),)) for name in ("a", "b")]
    assert unlike("lift", rows) == f"lift: {REMADE}" and unlike("lift", rows[:1]) is None
    write_run("b", {1: [0]}, dataset={**made, "sha256": "other", "episodes": 10})
    assert cell("1")["text"] == "refused" and "round differently" not in cell("1")["notes"]


def test_how_often_a_run_was_evaluated_is_no_difference(write_run, cell):
    write_run("a", {0: [1]}, eval_every=10)
    write_run("b", {1: [0]}, eval_every=20, log_every=3)
    assert cell("1")["mean"] == "50"


def test_means_of_other_evaluations_are_not_averaged_and_a_table_says_which_its_own_are(write_run, cell, tables):
    often = write_run("a", {0: [1]}, protocol="offline", offline=(500, 800, 900, 1000))
    where = {"row": "cube-double-task2", "column": "DFP", "phase": "offline"}
    three, one = "3 evaluations, at 80, 90 and 100 % of training", "one evaluation, at 100 % of training"
    assert float(cell("7", **where)["mean"]) == pytest.approx(100 / 3)
    assert f"A seed's number is the mean of {three}." in tables("7")
    once = write_run("b", {1: [1]}, protocol="offline", offline=(1000,))
    refused = cell("7", **where)
    assert (refused["text"], refused["mean"]) == ("refused", "")
    assert f"refused: {often} is the mean of {three}, {once} of {one}; --mixed" in refused["notes"]


def test_cells_that_differ_in_what_is_averaged_say_it_each(write_run, tables):
    write_run("a", {0: [1]}, protocol="offline", offline=(800, 1000))
    write_run("b", {0: [1]}, protocol="offline", offline=(1000,), method="fql")
    text = tables("7")
    assert "] a seed's number is the mean of 2 evaluations, at 80 and 100 % of training" in text
    assert "] a seed's number is the mean of one evaluation, at 100 % of training" in text


def test_rows_on_different_data_are_compared_with_a_note(write_run, tables):
    write_run("a", {0: [1]})
    write_run("b", {0: [1]}, method="mvp", dataset={"sha256": "other", "source": "fetched"})
    assert "cube-double-task2: not all rows are comparable" in tables("1")


def test_generated_data_is_marked(write_run, tables):
    write_run("a", {0: [1]}, dataset={"sha256": "same", "source": "generated"})
    text = tables("1")
    assert "100.0 (1/5) †" in text and f"† {GENERATED}" in text
