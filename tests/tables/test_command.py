"""The command line: every table, every command that it prints, and what it may import."""

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from eval.config.command_line import parse
from tables import spec
from tables.__main__ import COMMANDS, main
from tables.build import COMPARABLE, IN_PAPER, NAMES, from_records
from tables.document import with_table
from tables.figures.curves import points, rows_of
from tables.figures.figure import with_imports, write_figure
from tables.sources.runs import files, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_every_command_of_every_table_parses_and_makes_a_run_that_its_cell_counts(preset):
    commands = {gap.command: gap for name in NAMES for gap in from_records(name, [], [], preset).gaps() if gap.seeds}
    assert len(commands) > 150
    rows = {(row.label, row.method): row for table in spec.TABLES.values() for row in table.rows}
    for command, gap in commands.items():
        _, config = parse(shlex.split(command)[3:])
        plain = config.to_json()
        assert (plain["method"], plain["task"], plain["protocol"], plain["preset"]) == (
            gap.method,
            gap.task,
            gap.protocol,
            gap.preset,
        )
        assert plain["seeds"] == list(gap.seeds) and spec.belongs(plain, rows[gap.label, gap.method]), command


def test_from_an_empty_folder_every_table_is_empty_cells_with_a_command(tables):
    text = tables("--all")
    assert all(f"Table {name}. " in text for name in IN_PAPER)
    assert text.count("the first is\n  python -m eval.") == len(NAMES) - 2, "Table 10 is a sum, own has what there is"


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "html", "csv"])
def test_every_table_of_the_paper_renders_in_every_format(tables, format):
    text = tables("--all", "--source", "paper", "--format", format)
    assert "97.6" in text and ("3500" if format == "csv" else "3,500") in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["11"], "unknown table '11'"),
        (["plam", "1"], "unknown table 'plam'"),
        ([], "name a table"),
        (["1", "--preset", "papr"], "'papr' (choose from"),
        (["1", "--formt", "csv"], "did you mean --format?"),
        (["quick", "--source", "paper"], "table quick is not in the paper"),
        (["9", "--against", "paper"], "table 9 has no success rates of the paper"),
        (["compare"], "runs"),
        (["small", "--preset", "laptop"], "--preset laptop: table small is of preset small"),
        (["plan", "1", "small", "--preset", "laptop"], "--preset laptop: table small is of preset small"),
        (["report", "qam", "--preset", "paper"], "--preset paper: table qam is of preset qam"),
    ],
)
def test_what_is_mistyped_is_refused_in_one_line(refused, arguments, words):
    line = refused(*arguments)
    assert line.startswith("error: ") and words in line


def test_a_table_of_one_s_own_is_an_entry(tmp_path):
    """In a process of its own, which has the entry before anything asks for tables."""
    code = """if True:
        from tables import spec
        spec.TABLES["mine"] = spec.Table("Own", spec.rows("dfp", "mvp"), spec.each("lift"), seeds=1)
        from tables.__main__ import main
        main(["mine"])
        main(["plan", "mine", "--shell"])
        main(["report", "mine"])
        main(["mine", "--source", "paper"])
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("error: table mine is not in the paper; there are 1, 2"), done.stderr
    command = "python -m eval.run --method mvp --task lift --preset paper --protocol offline-to-online --seeds 0"
    assert done.stdout.startswith("Own. Preset paper.") and f"{command}\n" in done.stdout
    assert "Own. Preset paper." in (tmp_path / "report.html").read_text()


def test_all_against_the_paper_is_every_table_of_success_rates(tables):
    assert COMPARABLE == ["1", "2", "3", "4", "6", "7"]
    assert tables("--all", "--against", "paper").count(", against arXiv") == len(COMPARABLE)


def test_against_the_paper_a_table_is_of_the_nearest_preset_that_has_any_of_its_tasks(write_run, tables):
    for preset, tasks in (("quick", ("lift", "can")), ("small", ("lift",))):
        for task in tasks:
            write_run(f"{preset}-{task}", {0: [1]}, preset=preset, task=task)
    assert ", against arXiv 2605.07727. Preset small. Not the paper's: 16,000 steps offline" in tables(
        "1", "--against", "paper"
    )
    assert "Preset quick.\n" in tables("1", "--against", "paper", "--preset", "quick")


def test_tables_load_neither_torch_nor_gymnasium_and_import_no_more_than_they_may():
    heavy = "{'torch', 'gymnasium', 'mujoco'} & sys.modules.keys()"
    code = f"import sys, tables.__main__, {', '.join(COMMANDS.values())}; print({heavy} or 'light')"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "light\n"
    ours = {"algos", "backbones", "envs", "eval"}
    allowed = {f"eval.{name}" for name in ("results.record", "config.methods", "config.presets")}
    allowed |= {f"eval.sweep.{name}" for name in ("claims", "progress", "status")}
    allowed |= {"envs.command", "envs.outside", "envs.files.whole"}
    for path in (ROOT / "tables").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
            if isinstance(node, ast.Import | ast.ImportFrom):
                used = {name for name in names if name.split(".")[0] in ours}
                assert used <= allowed, path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("small", "README.md"),
        ("quick", "records/README.md"),
        ("7", "records/README.md"),
        ("rivals", "records/README.md"),
    ],
)
def test_a_readme_s_table_is_what_the_records_give(tables, capsys, monkeypatch, name, path):
    monkeypatch.chdir(ROOT)
    capsys.readouterr()
    command = f"{name} --runs records"
    assert main([*command.split(), "--format", "markdown"]) == 0
    readme = (ROOT / path).read_text(encoding="utf-8")
    table = capsys.readouterr().out.strip()
    assert with_table(readme, name, table) == readme, f"python -m tables {command} --into {path}"


@pytest.mark.parametrize("preset", ["quick", "small"])
def test_the_readme_s_pictures_are_what_the_records_give(tmp_path, preset):
    write_figure("curves", load(files([ROOT / "records" / preset])), tmp_path / "curve.png", preset)
    stored = (ROOT / "records" / preset / "learning_curve.png").read_bytes()
    assert (tmp_path / "curve.png").read_bytes() == stored, "records/README.md has the command that draws it"


def test_a_table_is_written_into_its_place_alone(tmp_path, tables, refused):
    path = tmp_path / "a.md"
    path.write_text("before\n<!-- table: quick -->\nold\n<!-- end -->\nafter\n<!-- table: 1 -->\n<!-- end -->\n")
    tables("quick", "--into", str(path))
    text = path.read_text()
    assert text.startswith("before\n<!-- table: quick -->\n\nAll eight") and "old" not in text
    assert text.endswith("<!-- end -->\nafter\n<!-- table: 1 -->\n<!-- end -->\n")
    before = path.read_text()
    assert "0 places between '<!-- table: 2 -->'" in refused("2", "--runs", str(tmp_path), "--into", str(path))
    assert path.read_text() == before


def test_figures_are_drawn_into_a_file_or_a_folder(tmp_path, write_run, tables, refused):
    out = tmp_path / "figures"
    assert "figure 1: no finished run" in refused("figure", "1", "--runs", str(tmp_path), "--out", str(out / "1.png"))
    assert not out.exists()
    write_run("a", {0: [1], 1: [0]})
    (tmp_path / "theirs.csv").write_text("method,task,seed,step,success\nqc-fql,cube-double-task2,0,20,0.5\n")
    tables("figure", "1", "5", "curves", "--out", str(out))
    assert {path.name for path in out.iterdir()} == {
        f"figure-{name}.{suffix}" for name in ("1", "curves") for suffix in ("png", "pdf")
    }
    tables("--all", "--figures", str(tmp_path / "all"))
    assert sorted(path.name for path in (tmp_path / "all").glob("*.png")) == [f"figure-{name}.png" for name in "134"]
    assert (out / "figure-1.png").read_bytes().startswith(b"\x89PNG")
    assert "one file for 2 figures" in refused("figure", "1", "3", "--out", str(out / "a.png"), "--runs", str(tmp_path))


def test_imported_curves_are_methods_of_their_own_beside_ours(tmp_path, write_run):
    write_run("a", {0: [1]})
    (tmp_path / "theirs.csv").write_text("method,task,seed,step,success\ndfp,cube-double-task2,0,20,0.5\n")
    runs = with_imports(load(files([tmp_path])), "paper")
    assert {row.label for row in rows_of(runs)} == {"DFP", "DFP (imported)"}
    assert set(points(runs, rows_of(runs), "paper")["label"]) == {"DFP", "DFP (imported)"}
