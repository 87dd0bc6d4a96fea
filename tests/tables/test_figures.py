"""What the figures draw: the right runs, at the right steps, with the right means, in colours that stay apart."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import pytest
import scipy.stats

from eval.config.methods import METHODS
from eval.results.record import Run, find, read
from tables.__main__ import main
from tables.figures.curves import common, final_scores, points, rows_of, summary
from tables.figures.diagnostics import by_set, run_picture, series
from tables.figures.estimates import improvements
from tables.figures.figure import FIGURES, drawings, write_figure
from tables.figures.style import COLOURS, looks
from tables.figures.success import online_curves, success_curves, time_curves
from tables.sources.runs import files, load
from tables.spec import TABLES, Row, rows

ROOT = Path(__file__).parents[2]
TASK = "cube-double-task2"
OFFLINE_STEPS = 30


def make_run(
    seeds: dict[int, float], method: str = "dfp", task: str = TASK, status: str = "finished", created: str = "", **config: Any
) -> Run:
    """A run whose seeds solve these shares of ten episodes at the end, and half of that when the offline phase ends."""
    evaluations = [
        {"seed": seed, "phase": phase, "step": step, "success": [1] * round(10 * share) + [0] * round(10 - 10 * share)}
        for seed, last in seeds.items()
        for phase, step, share in (("offline", 10, 0), ("offline", 30, last / 2), ("online", 10, 0), ("online", 20, last))
        if phase == "offline" or config.get("protocol") != "offline"
    ]
    changes = config.get("changes", {})
    algo = {"elite_weight": 0.5, "num_elites": 4} | {name.partition(".")[2]: value for name, value in changes.items()}
    common = {"preset": "paper", "protocol": "offline-to-online", "offline_steps": OFFLINE_STEPS, "changes": {}, "algo": algo}
    start = {"created": created, "config": common | {"method": method, "task": task, "seeds": list(seeds)} | config}
    clock = {("offline", 10): 60.0, ("offline", 30): 120.0, ("online", 10): 180.0, ("online", 20): 240.0}
    return Run(Path("made-up"), start, evaluations, [], {"status": status}, clock=clock)


def test_steps_count_from_the_start_of_the_offline_phase():
    data = points([make_run({0: 0.4, 1: 0.8})], rows("dfp"), "paper")
    assert data[data["seed"] == 1][["step", "success"]].to_numpy().tolist() == [[10, 0], [30, 40], [40, 0], [50, 80]]


def test_time_is_that_of_training_and_the_mean_over_seeds():
    slow = replace(make_run({1: 0.8}), clock={place: 3 * seconds for place, seconds in make_run({}).clock.items()})
    old = replace(make_run({0: 0.4}, "mvp"), clock={})
    data = points([make_run({0: 0.8}), slow, old], rows("dfp", "mvp"), "paper")
    (dfp,) = [line for line in time_curves(data, rows("dfp", "mvp")).axes[0].lines if len(line.get_xdata())]
    assert dfp.get_xdata().tolist() == [2, 4, 6, 8] and dfp.get_ydata().tolist() == [0, 40, 0, 80]
    with pytest.raises(ValueError, match="no record here says how long"):
        time_curves(data[data["label"] == "MVP"], rows("mvp"))


def test_clocks_of_several_machines_are_said_not_to_compare():
    there = make_run({1: 0.8})
    there.start["device"] = "NVIDIA H100"
    (legend,) = time_curves(points([make_run({0: 0.8}), there], rows("dfp"), "paper"), rows("dfp")).legends
    assert "on 2 kinds of machine: not to be compared" in legend.get_title().get_text()


def test_a_label_is_no_wider_than_the_picture():
    row = Row("DFP, " + ", ".join(f"a_rather_long_option {n}" for n in range(9)), "dfp", {})
    picture = success_curves(points([make_run({0: 0.4})], [row], "paper"), [row])
    picture.draw_without_rendering()
    (text,) = picture.legends[0].get_texts()
    assert " ".join(text.get_text().split()) == row.label
    assert 0 <= text.get_window_extent().x0 < text.get_window_extent().x1 <= picture.bbox.x1


@pytest.mark.parametrize(
    "other",
    [
        {"status": "failed"},
        {"status": "stopped"},
        {"preset": "quick"},
        {"method": "mvp"},
        {"changes": {"algo.num_elites": 8}},
        {"changes": {"online_steps": 7}},
    ],
)
def test_other_runs_are_not_drawn(other):
    assert points([make_run({0: 1.0}, **other)], rows("dfp"), "paper").empty


def test_of_two_runs_for_a_seed_the_later_one_is_drawn():
    runs = [make_run({0: 1.0, 1: 1.0}, created="2026-02"), make_run({0: 0.2}, created="2026-01")]
    assert points(runs, rows("dfp"), "paper")["success"].max() == 100
    assert len(points(runs, rows("dfp"), "paper")) == 8


def test_a_variant_of_a_figure_is_its_value_whether_changed_or_not():
    runs = [make_run({0: 0.8}), make_run({0: 0.4}, changes={"algo.num_elites": 1})]
    last = final_scores(common(points(runs, TABLES["4"].rows, "paper")))
    assert {label: tasks[0].tolist() for label, tasks in last.items()} == {"K = 1": [40], "K = 4": [80]}


def test_rows_and_tasks_keep_the_paper_s_order():
    runs = [make_run({0: 1.0}, method, task) for task in ("scene-task2", "can", "lift") for method in ("dfp", "bfn")]
    data = points(runs, TABLES["1"].rows, "paper")
    assert list(data["label"].unique()) == ["BFN", "DFP"]
    assert list(data["task"].unique()) == ["lift", "can", "scene-task2"]


def test_without_rows_every_method_and_variant_is_one():
    runs = [
        make_run({0: 1.0}, "fql-drifting"),
        make_run({0: 1.0}, changes={"online_steps": 7}),
        make_run({0: 1.0}),
        make_run({1: 1.0}),
        make_run({0: 1.0}, "mvp"),
    ]
    labels = [row.label for row in rows_of(runs)]
    assert labels == ["MVP", "DFP", "DFP, online_steps 7", "fql-drifting"]
    assert list(points(runs, rows_of(runs[:1] + runs[2:]), "paper")["label"].unique()) == ["MVP", "DFP", "fql-drifting"]


def test_seeds_of_different_data_are_not_averaged(tmp_path):
    runs = [make_run({0: 1.0}), replace(make_run({1: 0.6}), path=Path("another"))]
    runs[1].start["dataset"] = {"sha256": "abc"}
    with pytest.raises(ValueError, match=f"DFP on {TASK}: made-up and another differ in dataset"):
        write_figure("1", runs, tmp_path / "a.png")


def test_generated_data_is_known_as_such():
    run = make_run({0: 1.0})
    assert not points([run], rows("dfp"), "paper")["generated"].any()
    run.start["dataset"] = {"source": "generated"}
    assert points([run], rows("dfp"), "paper")["generated"].all()


def test_a_curve_is_the_mean_over_seeds_with_student_s_interval():
    last = {0: 0.2, 1: 0.6, 2: 1.0}
    curve = summary(points([make_run(last)], rows("dfp"), "paper")).set_index("step").loc[50]
    expected = scipy.stats.ttest_1samp([20, 60, 100], 0).confidence_interval(0.95)
    assert curve["mean"] == 60 and (curve["low"], curve["high"]) == pytest.approx(tuple(expected))
    assert summary(points([make_run({0: 0.2})], rows("dfp"), "paper"))["low"].isna().all()


def test_aggregates_take_the_last_evaluation_on_the_tasks_that_all_have():
    runs = [make_run({0: 0.4, 1: 0.6}, "mvp", "can"), make_run({0: 0.8}, "dfp", "can"), make_run({0: 1.0}, "dfp", "lift")]
    last = final_scores(common(points(runs, rows("mvp", "dfp"), "paper")))
    assert {label: [task.tolist() for task in tasks] for label, tasks in last.items()} == {"MVP": [[40, 60]], "DFP": [[80]]}


def test_runs_of_each_protocol_are_drawn_apart_at_the_end_of_its_last_phase():
    runs = [make_run({0: 0.4}, "fql", "lift", protocol="offline"), make_run({0: 0.8}, "fql", "lift")]
    found = drawings("aggregates", runs)
    assert [one.protocol for one in found] == ["offline-to-online", "offline"]
    assert [common(points(one.runs, one.rows, "paper"))["success"].tolist() for one in found] == [[80], [20]]
    assert [one.runs for one in drawings("1", runs)] == [runs[1:]], "Table 1 has no others"
    with pytest.raises(ValueError, match="figure 1: no finished run of preset paper belongs to it"):
        drawings("1", runs[:1])


def test_a_second_protocol_has_a_file_beside_the_first_and_one_alone_the_name_that_was_given(tmp_path, capsys):
    offline = [make_run({0: 0.4}, method, task, protocol="offline") for method, task in (("dfp", "lift"), ("fql", "can"))]
    path, beside = tmp_path / "a.png", tmp_path / "a-offline.png"
    assert write_figure("curves", offline[:1], path) == [path]
    assert write_figure("curves", [*offline[:1], make_run({0: 0.4})], path) == [path, beside] and beside.exists()
    capsys.readouterr()
    assert write_figure("aggregates", [*offline, make_run({0: 0.4})], path) == [path]
    drawn, left_out = capsys.readouterr().err.splitlines()
    assert drawn == f"{path}: preset paper, protocol offline-to-online"
    assert left_out == f"left out: {beside}: no task has finished offline runs of all of FQL, DFP"


@pytest.mark.parametrize("name", ["aggregates", "profiles", "improvement"])
def test_methods_without_a_common_task_are_not_aggregated(tmp_path, name):
    runs = [make_run({0: 0.4}, "mvp", "can"), make_run({0: 0.8}, "dfp", "lift")]
    with pytest.raises(ValueError, match="no task has finished online runs of all of MVP, DFP"):
        write_figure(name, runs, tmp_path / "a.png")


@pytest.mark.parametrize("name", ["1", "aggregates", "profiles", "improvement"])
def test_one_seed_has_no_interval_but_a_picture(tmp_path, name):
    write_figure(name, [make_run({0: 0.4}, "mvp"), make_run({0: 0.8})], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5_000


def drawn(picture: Any) -> dict[str, list[list[float]]]:
    """By label, the points of the lines of a picture's first panel."""
    legend = picture.legends[0]
    labels = {line.get_color(): text.get_text() for line, text in zip(legend.get_lines(), legend.get_texts(), strict=True)}
    lines = [line for line in picture.axes[0].get_lines() if len(line.get_xdata())]
    return {labels[line.get_color()]: np.transpose(line.get_data()).tolist() for line in lines}


def test_the_panels_show_the_curves_and_shade_the_offline_phase():
    data = points([make_run({0: 0.4, 1: 0.8}), make_run({0: 0.2}, "mvp")], rows("mvp", "dfp", "bfn"), "paper")
    picture = success_curves(data, rows("mvp", "dfp", "bfn"))
    assert drawn(picture) == {"MVP": [[10, 0], [30, 10], [40, 0], [50, 20]], "DFP": [[10, 0], [30, 30], [40, 0], [50, 60]]}
    (shade,) = picture.axes[0].patches
    assert (shade.get_x(), shade.get_width()) == (0, OFFLINE_STEPS)


def test_online_curves_begin_where_the_offline_phase_ends():
    data = points([make_run({0: 0.4, 1: 0.8})], rows("dfp"), "paper")
    assert drawn(online_curves(data, rows("dfp"))) == {"DFP": [[0, 30], [10, 0], [20, 60]]}


def test_improvement_needs_another_method():
    with pytest.raises(ValueError, match="finished runs of DFP and of another method"):
        improvements(points([make_run({0: 1.0})], rows("dfp"), "paper"), rows("dfp"))


def test_a_method_looks_the_same_in_every_figure():
    own = [Row("mine", "fql-drifting")]
    everywhere = [looks(figure.rows) for figure in FIGURES.values()] + [looks([*rows("dfp", "bfn"), *own])]
    for label in (method.label for method in METHODS.values()):
        assert len({look[label]["color"] + look[label]["marker"] for look in everywhere if label in look}) <= 1


# Machado, Oliveira, Fernandes (2009): how dichromats see linear RGB.
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]


def lab(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as seen."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.clip(vision @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ linear / to_xyz.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["full", "deuteranopia", "protanopia"])
def test_colours_stay_apart_for_colour_blind_readers(vision):
    """Twenty units of CIELAB are ten times what is just noticeable."""
    figures = [figure.rows for figure in FIGURES.values()] + [rows(*COLOURS)]
    for shown in figures:
        colours = {look["color"] for look in looks(shown[:9]).values()}
        seen = [lab(colour, np.array(vision)) for colour in colours]
        assert all(np.linalg.norm(a - b) > 20 for a, b in combinations(seen, 2))


@pytest.fixture
def every_run() -> list[Run]:
    """Two seeds of the eight methods and of each ablation on two tasks."""
    tasks, rng = ("lift", "cube-quadruple-task3"), np.random.default_rng(0)
    variants = [row for name in "1234" for row in TABLES[name].rows]
    return [
        make_run(dict(enumerate(rng.uniform(0.2, 0.9, 2))), row.method, task, changes=row.changes)
        for row in variants
        for task in tasks
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_equal_records_give_equal_pictures(tmp_path, every_run, name):
    for file in ("a.png", "b.png"):
        write_figure(name, every_run, tmp_path / file)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_pdf_is_the_same_each_time_too(tmp_path, every_run):
    for file in ("a.pdf", "b.pdf"):
        write_figure("1", every_run, tmp_path / file)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_the_reader_s_matplotlib_settings_change_no_picture(tmp_path, every_run):
    write_figure("improvement", every_run, tmp_path / "plain.png")
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "black", "savefig.bbox": "tight"}):
        write_figure("improvement", every_run, tmp_path / "theirs.png")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()


def test_pictures_need_no_notebook_s_backend():
    code = "import tables.figures.figure, matplotlib; print(matplotlib.get_backend())"
    theirs = {**os.environ, "MPLBACKEND": "module://a_notebook_s"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=theirs, capture_output=True, text=True)
    assert done.stdout == "agg\n", done.stderr


def test_a_name_with_dollars_is_drawn(tmp_path):
    name = "c$\\frac{$"
    write_figure("curves", [make_run({0: 0.5}, method=name)], tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()


def test_refusals_are_one_line_and_leave_no_file(tmp_path, every_run):
    with pytest.raises(ValueError, match=r"a figure is a .png or .pdf file"):
        write_figure("1", every_run, tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="figure 1: no finished run of preset quick"):
        write_figure("1", every_run, tmp_path / "a.png", "quick")
    assert not list(tmp_path.iterdir())


def with_metrics(run: Run) -> Run:
    """The same run with one line of metrics a phase, two numbers a seed's place in the list."""
    offline = {"loss": [3.0, 5.0], "q_data": [1.0, 2.0], "q_target": [1.0, 3.0], "drift_force_0": [0.1, 0.3]}
    online = {**offline, "drift_force_0": [0.5, 0.7], "drift_force_1": [0.2, 0.4], "q_elites": [4.0, 6.0]}
    run.metrics.extend(
        {"phase": phase, "step": 20, "values": values} for phase, values in (("offline", offline), ("online", online))
    )
    return run


def test_a_run_s_series_name_the_sets_and_follow_the_seeds():
    data = series(with_metrics(make_run({3: 0.5, 7: 0.5})))
    found = {(panel, line, seed, step): value for panel, line, seed, step, value in data.itertuples(index=False)}
    assert found["drift_force", "data", 3, 20] == 0.1 and found["drift_force", "data", 7, 50] == 0.4
    assert found["drift_force", "elites", 3, 50] == 0.5 and ("drift_force", "elites", 3, 20) not in found
    assert found["q", "elites", 7, 50] == 6 and found["success rate (%)", "", 7, 50] == 50
    assert set(data["panel"]) == {"success rate (%)", "q", "drift_force"}


def test_metrics_named_after_their_sets_are_where_numbered_ones_were():
    run = with_metrics(make_run({3: 0.5, 7: 0.5}))
    named = [{**m, "values": by_set(m["values"])} for m in run.metrics]
    assert "drift_force_elites" in named[1]["values"] and "drift_force_1" not in named[1]["values"]
    assert series(replace(run, metrics=named)).equals(series(run))


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_a_run_s_picture_needs_no_end_and_is_the_same_each_time(tmp_path, suffix):
    run = with_metrics(make_run({0: 0.5, 1: 0.7}, status="failed"))
    for name in "ab":
        run_picture(run, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_run_without_metrics_or_without_evaluations_is_drawn_and_one_without_both_is_refused(tmp_path):
    run = make_run({0: 0.5, 1: 0.7})
    run_picture(run, tmp_path / "a.png")
    run.evaluations.clear()
    with pytest.raises(ValueError, match="nothing to draw"):
        run_picture(run, tmp_path / "b.png")
    run_picture(with_metrics(run), tmp_path / "c.png")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "c.png"}


def test_a_committed_record_has_its_picture(tmp_path):
    record, *_ = find(ROOT / "records")
    run_picture(read(record), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_without_a_preset_a_figure_is_of_the_nearest_that_has_runs_and_of_their_tasks(tmp_path, write_run, tables, capsys):
    for weight in (0.1, 0.5, 1.0, 5.0):
        write_run(f"{weight}", {0: [1]}, preset="small", task="cube-single-task2", algo={"elite_weight": weight})
    out = tmp_path / "one.png"
    assert main(["figure", "5", "--runs", str(tmp_path), "--out", str(out)]) == 0
    assert out.exists() and capsys.readouterr().err == f"{out}: preset small, protocol offline-to-online\n"
    assert [one.preset for one in drawings("curves", load(files([tmp_path])))] == ["small"]
    with pytest.raises(ValueError, match="figure 5: no finished run of preset small"):
        write_figure("5", load(files([tmp_path])), out, "small")
