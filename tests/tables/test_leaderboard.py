"""The leaderboard: what others published beside our runs, protocol by protocol."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from eval.config.methods import METHODS
from tables import leaderboard as boards
from tables.__main__ import main
from tables.entries import of_runs
from tables.result import Line, Result
from tables.sources.means_file import read_means
from tables.sources.publications import publications
from tables.sources.runs import files, load

ROOT = Path(__file__).parents[2]
PUBLIC = ROOT / "records" / "public"


@pytest.fixture(scope="module")
def published() -> dict[str, Result]:
    """Reading 12,000 published lines takes a second: once for all tests."""
    families = ("nine-cubes", "cube-double", "cube-triple")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boards, "RESAMPLES", 200)
        return {result.name: result for result in boards.leaderboard(PUBLIC, [], families=families)}


def row(result: Result, label: str) -> Line:
    (found,) = [line for line in result.lines if line.label == label]
    return found


@pytest.mark.parametrize(
    ("protocol", "means"),
    [
        ("qam", {"qam-e": 99.1, "qam-f": 93.2, "qam": 89.5, "qc-fql-10": 88.3, "fedit": 79.1, "rlpd": 24.9}),
        ("dfp", {"dfp": 96.2, "qc-fql": 86.1}),
        ("qc", {"qc-bfn": 85.8, "qc-fql": 83.5, "rlpd": 44.6, "rlpd-ac": 36.8}),
    ],
)
def test_means_over_the_nine_cubes_are_the_published_ones(published, protocol, means):
    lines = published[f"leaderboard-nine-cubes-{protocol}"].lines
    found = {line.label: line.cells[-2].numbers[0].mean for line in lines}
    labels = {name: METHODS[name].label if name in METHODS else name for name in means}
    assert {name: round(found[label], 1) for name, label in labels.items()} == means
    assert [*found.values()] == sorted(found.values(), reverse=True)


def test_seeds_give_an_iqm_with_bounds_and_means_alone_the_published_bounds(published):
    first = published["leaderboard-nine-cubes-qam"].lines[0]
    scores = [rate for cell in first.cells[1:-2] for by_seed in cell.numbers[0].rates.values() for rate in by_seed.values()]
    iqm = first.cells[-1].numbers[0]
    assert len(scores) == 9 * 12 and iqm.mean == pytest.approx(scipy.stats.trim_mean(scores, 0.25))
    assert iqm.interval[0] <= iqm.mean <= iqm.interval[1]
    mean = first.cells[-2].numbers[0]
    assert mean.mean == pytest.approx(np.mean(scores)) and mean.interval[0] < mean.mean < mean.interval[1]
    triple = row(published["leaderboard-cube-triple-qc"], "QC-FQL")
    task, iqm = triple.cells[4].numbers[0], triple.cells[-1].numbers[0]
    assert (round(task.mean, 1), task.interval, task.std, task.n, iqm.mean) == (26.6, (10.0, 51.5), None, 4, None)


def test_a_run_of_ours_stands_beside_what_its_protocol_published_and_no_other(write_run, tmp_path):
    (tmp_path / "protocols.toml").write_text(
        '[dfp]\ntitle = "DFP"\nkind = "offline-to-online"\nsource = "its paper"\ntable = "6"\npresets = ["paper"]\n'
        '[offline]\ntitle = "FQL"\nkind = "offline"\nsource = "its paper"\ntable = "7"\npresets = ["paper"]\n'
    )
    write = {"task": "lift", "offline": (5, 10)}
    paths = [
        write_run("a", {0: [1], 1: [0]}, **write),
        write_run("b", {0: [1]}, preset="quick", **write),
        write_run("c", {0: [1]}, method="mvp", dataset={"source": "generated"}, **write),
        write_run("d", {0: [1]}, method="mvp", changes={"offline_steps": 10}, **write),
        write_run("e", {0: [1]}, protocol="offline", **write),
    ]
    found = boards.groups(tmp_path, of_runs(load(paths)))
    ours = {group.name: {e.method for e in group.entries if e.origin == "ours"} for group in found}
    assert {name: methods for name, methods in ours.items() if methods} == {
        "dfp": {"dfp"},
        "offline": {"dfp"},
        "quick-offline-to-online": {"dfp"},
        "paper-offline-to-online-generated-data": {"mvp"},
        "paper-offline-to-online-offline-steps-10": {"mvp"},
    }
    (group,) = [group for group in found if group.name == "dfp"]
    table = boards.board("robomimic", group, "online")
    assert table.columns == ("seeds", "can", "lift", "square", "mean", "IQM")
    ours, theirs = ([cell.numbers[0].mean for cell in row(table, label).cells[1:-1]] for label in ("DFP (ours, paper)", "DFP"))
    assert ours == [None, 50, None, None] and theirs == pytest.approx([90.6, 100, 93.2, 94.6])


def test_rows_on_other_data_are_told_apart(write_run, tmp_path):
    for name, method in (("a", "dfp"), ("b", "mvp")):
        write_run(name, {0: [1]}, method=method, preset="quick", task="lift", dataset={"source": "fetched", "sha256": name})
    (board,) = boards.leaderboard(PUBLIC, of_runs(load(files([tmp_path]))), families=["robomimic"])[-1:]
    assert any("lift: not all rows are comparable" in note and "differ in dataset" in note for note in board.notes)


def test_every_published_file_has_a_protocol_and_a_source():
    listed = [name for one in publications(PUBLIC) for name in one.files]
    assert sorted(listed) == sorted(path.name for path in PUBLIC.glob("*.csv"))
    readme = (PUBLIC / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in listed) and all(one.source for one in publications(PUBLIC))


def test_tables_of_runs_leave_published_results_out_unless_their_folder_is_named():
    assert not [path for path in files([ROOT / "records"]) if path.suffix == ".csv"]
    assert len([path for path in files([PUBLIC]) if path.suffix == ".csv"]) == 4


def test_means_without_seeds_are_read_and_bad_lines_named(tmp_path, capsys):
    path = tmp_path / "means.csv"
    path.write_text(
        "method,task,phase,step,mean,std,ci_low,ci_high,seeds\n"
        "QC-FQL,lift,online,5,0.25,,,,4\n"
        "QC-FQL,lift,online,10,0.5,,0.25,0.75,4\n"
        "mine,lift,offline,10,0.5,0.125,,,4\n"
        "mine,can,offline,10,50,,,,4\n"
    )
    one, two = read_means(path)
    assert (one.method, one.step, one.number.mean, one.number.interval) == ("qc-fql", 10, 50, (25, 75))
    assert (two.method, two.phase, two.number.std, two.number.n) == ("mine", "offline", 12.5, 4)
    assert capsys.readouterr().err == f"left out: {path}, line 5: mean '50': a share of episodes, from 0 to 1\n"
    path.write_text("method,task,mean\n")
    with pytest.raises(ValueError, match="no column step"):
        read_means(path)


def test_compare_takes_published_results_as_the_other_side(write_run, capsys):
    path = str(write_run("a", {0: [1], 1: [0]}, task="cube-triple-task2"))
    for file, method, text in (("qam_cubes", "qam-e", "98.0 ± 1.7"), ("qc_means", "qc-fql", "89.1 [84.5, 93.0]")):
        assert main(["compare", path, "--against", str(PUBLIC / f"{file}.csv"), "--against-method", method]) == 0
        assert text in capsys.readouterr().out


def test_the_command_shows_families_and_refuses_others(tmp_path, capsys, refused):
    (tmp_path / "theirs.csv").write_text("method,task,step,mean,seeds\nqam,cube-single-task1,10,0.5,4\n")
    (tmp_path / "protocols.toml").write_text(
        '[mine]\ntitle = "A protocol"\nkind = "offline-to-online"\nsource = "a paper"\nfiles = ["theirs.csv"]\n'
    )
    (tmp_path / "runs").mkdir()
    given = ["--public", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert main(["leaderboard", "cube-single", *given]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Cube-single, success rate (%) at the end of the online phase. A protocol.") and "50.0" in out
    assert "unknown family 'cube'; there are cube-single" in refused("leaderboard", "cube", *given)


def test_the_report_has_the_leaderboard(published):
    from tables.report import board

    shown = board(published["leaderboard-cube-double-qam"], {})
    assert all(line["method"] == line["label"] for line in shown["lines"])
    assert [column.get("task", "") for column in shown["columns"]][1:-2] == [f"cube-double-task{i}" for i in range(1, 6)]


def test_published_results_are_the_checkout_s_wherever_one_stands_and_where_there_are_none_that_is_said(tmp_path, capsys):
    assert boards.PUBLIC == PUBLIC
    with pytest.raises(SystemExit):
        main(["leaderboard", "--public", str(tmp_path), "--runs", str(tmp_path)])
    none, nothing = capsys.readouterr().err.splitlines()
    assert none == f"{tmp_path}: no protocols.toml, so nothing that was published"
    assert nothing == "error: no published result and no finished run on the suite's tasks: no leaderboard"
