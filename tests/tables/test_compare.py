"""A method of one's own against published cells and against other records."""

import csv
import io

import pytest
import scipy.stats

from tables.__main__ import main
from tables.against import COLUMNS

SEEDS = {seed: [1] * (8 - seed) + [0] * (2 + seed) for seed in range(4)}  # 80, 70, 60, 50 %


def read(text: str) -> dict[str, dict[str, dict[str, str]]]:
    """A table of contrasts, by row and column."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for line in csv.DictReader(io.StringIO(text)):
        rows.setdefault(line["row"], {})[line["column"]] = line
    return rows


@pytest.fixture
def compare(tmp_path, capsys):
    def run(*arguments: str):
        assert main(["compare", *arguments, "--format", "csv"]) == 0
        return read(capsys.readouterr().out)

    return run


def test_welch_s_test_against_a_published_cell_is_scipy_s(write_run, compare):
    path = write_run("a", SEEDS, task="cube-triple-task4")
    row = compare(str(path))["DFP (paper), cube-triple-task4, online"]
    samples = [80.0, 70.0, 60.0, 50.0]
    mean, std = 65.0, scipy.stats.tstd(samples)
    expected = scipy.stats.ttest_ind_from_stats(mean, std, 4, 81.2, 5.6, 5, equal_var=False)
    assert row["theirs"]["mean"] == "81.2" and row["theirs"]["std"] == "5.6" and row["against"]["text"] == "DFP"
    assert float(row["difference"]["mean"]) == pytest.approx(65 - 81.2)
    assert row["p"]["text"] == f"{expected.pvalue:.3f}"
    a, b = std**2 / 4, 5.6**2 / 5
    half = scipy.stats.t.ppf(0.975, (a + b) ** 2 / (a**2 / 3 + b**2 / 4)) * (a + b) ** 0.5
    assert [float(row[c]["mean"]) for c in ("95 % from", "to")] == pytest.approx([-16.2 - half, -16.2 + half])
    assert float(row["detectable"]["mean"]) > half, "what is found four times in five lies beyond the interval's half-width"


def test_tables_lay_ours_beside_the_paper_s(write_run, tables):
    write_run("a", SEEDS, task="cube-triple-task4")
    rows = read(tables("1", "--against", "paper", "--format", "csv"))
    row = rows["DFP, cube-triple-task4"]
    assert (row["ours"]["mean"], row["ours"]["n"], row["published"]["std"]) == ("65", "4", "5.6"), "the std of Table 6"
    assert row["n"]["text"] == "4, 5" and float(row["difference"]["mean"]) == pytest.approx(-16.2)
    assert rows["BFN, lift"]["published"]["mean"] == "97.6" and rows["BFN, lift"]["difference"]["mean"] == ""
    full = read(tables("6", "--against", "paper", "--format", "csv"))
    assert full["DFP, cube-triple-task4, offline"]["published"]["mean"] == "1"
    assert len(rows) == 6 * 13 and len(full) == 2 * 8 * 13


def test_one_seed_shows_a_difference_and_nothing_of_its_worth(write_run, compare):
    path = write_run("a", {0: [1]}, task="lift")
    row = compare(str(path))["DFP (paper), lift, offline"]
    assert float(row["difference"]["mean"]) == pytest.approx(14.8)
    assert [row[column]["mean"] + row[column]["text"] for column in COLUMNS[2:]] == [""] * 4


def test_a_method_that_the_paper_does_not_have_meets_all_or_the_one_named(write_run, compare, refused, capsys):
    path = str(write_run("a", SEEDS, task="lift", method="fql-drifting"))
    assert main(["compare", path, "--against", "paper"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fql-drifting (paper), lift, online")]
    assert len(lines) == 8
    one = compare(path, "--against-method", "qc-fql")["fql-drifting (paper), lift, online"]
    assert one["against"]["text"] == "QC-FQL" and one["theirs"]["mean"] == "100"
    assert "unknown --against-method 'qcfql'" in refused("compare", path, "--against-method", "qcfql")


def test_other_conditions_are_named(write_run, compare):
    path = write_run("a", SEEDS, task="lift", preset="quick", changes={"algo.num_elites": 8}, algo={"num_elites": 8})
    row = compare(str(path))["DFP, num_elites 8 (quick), lift, online"]
    assert row["ours"]["notes"] == "preset quick, theirs is paper"


def test_offline_numbers_are_compared_as_the_paper_averages_them(write_run, compare):
    path = write_run("a", {0: [1], 1: [1]}, protocol="offline", offline=(700, 800, 900, 1000))
    ours = compare(str(path))["DFP (paper), cube-double-task2, offline"]["ours"]
    assert float(ours["mean"]) == pytest.approx(100 / 3) and "the mean of 3 evaluations, at 80, 90 and 100 %" in ours["notes"]


def test_records_against_records(write_run, compare):
    ours = str(write_run("a", SEEDS, method="fql-drifting"))
    theirs = str(write_run("b", {seed: [1, 0] for seed in range(3)}, dataset={"sha256": "other"}))
    row = compare(ours, "--against", theirs)["fql-drifting (paper), cube-double-task2, online"]
    assert (row["against"]["text"], row["theirs"]["mean"], row["n"]["text"]) == ("DFP (paper)", "50", "4, 3")
    assert "theirs differs in dataset" in row["ours"]["notes"]


def test_where_there_is_nothing_to_compare_that_is_said(write_run, capsys, refused, tmp_path):
    path = write_run("a", SEEDS, task="cube-single-task1")
    assert main(["compare", str(path)]) == 0
    said = capsys.readouterr().out
    assert "DFP (paper) on cube-single-task1, online: nothing to compare with" in said and "--against-method METHOD" in said
    (tmp_path / "empty").mkdir()
    assert "no finished run" in refused("compare", str(tmp_path / "empty"))


def test_of_a_method_s_variants_the_exact_one_is_met(write_run, capsys, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    eight = {"changes": {"algo.num_elites": 8}, "algo": {"num_elites": 8}}
    for path in (write_run("a", SEEDS), write_run("b", SEEDS, **eight)):
        path.rename(theirs / path.name)
    own = write_run("c", SEEDS, method="fql-drifting")
    for path, arguments, met in (
        (write_run("d", SEEDS), (), "DFP (paper)"),
        (write_run("e", SEEDS, **eight), (), "DFP, num_elites 8 (paper)"),
        (own, ("--against-method", "dfp"), "DFP (paper)"),
    ):
        assert main(["compare", str(path), "--against", str(theirs), *arguments, "--format", "csv"]) == 0
        lines = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert [line["text"] for line in lines if line["column"] == "against"] == [met] * 2
