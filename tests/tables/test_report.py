"""The report: one file that loads nothing, and says what the tables say."""

import base64
import csv
import html
import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from eval import pictures
from eval.config.command_line import parse
from eval.results import record
from eval.running.rollout import Episode
from eval.sweep.claims import Claims
from tables import report
from tables.__main__ import main
from tables.build import NAMES
from tables.commands import again
from tables.sources.runs import files, load

ROOT = Path(__file__).parents[2]
TASK = "cube-double-task2"
EVIL = "<img src=x onerror=document.title='pwned'></script><!--"


@pytest.fixture
def write_report(tmp_path, monkeypatch):
    """Writes the report of the test's folder, or of another, and gives its text and its data, without published results, which
    take seconds."""
    monkeypatch.setattr(report, "PUBLIC", tmp_path)

    def write(*arguments: str, runs: Path = tmp_path) -> tuple[str, dict]:
        path = tmp_path / "report.html"
        assert main(["report", *arguments, "--runs", str(runs), "--out", str(path)]) == 0
        page = path.read_text(encoding="utf-8")
        return page, json.loads(page.partition('id="data">')[2].partition("</script>")[0])

    return write


def cell_of(data: dict, table: str, label: str, title: str) -> dict:
    (found,) = [one for one in data["tables"] if one["name"] == table]
    place = [column["label"] for column in found["columns"]].index(title)
    return next(line for line in found["lines"] if line["label"] == label)["cells"][place]


def test_a_cell_shows_the_strips_of_its_runs_alone(write_run, write_report, tmp_path):
    (of_a, of_b) = (record.read(write_run(name, {0: [1, 0]}, method=method)) for name, method in (("a", "dfp"), ("b", "mvp")))
    frames = [np.zeros((240, 320, 3), np.uint8)] * 2
    films = [pictures.Film(Episode(0, i, i == 0, 0.0, 4), frames) for i in range(2)]
    about = {"record": record.identity(of_a.start), "phase": "offline", "seed": 0, "step": 10, "camera": "front"}
    shown = [{"episode": 0, "success": True}, {"episode": 1, "success": False}]
    path = of_a.path.with_name("any-name.png")
    pictures.write(path, films, {**about, "episodes": shown})
    of_a.path.with_name("broken.png").write_bytes(b"no picture")
    _, data = write_report()
    strips = {run["path"]: run["strips"] for run in data["runs"]}
    assert strips[str(of_b.path)] == []
    (strip,) = strips[str(of_a.path)]
    assert base64.b64decode(strip["png"]) == path.read_bytes()
    assert strip["title"] == "offline, seed 0, step 10: episode 0 a success, episode 1 a failure; camera front"


def test_the_numbers_are_those_of_the_tables(write_run, write_report, tables):
    write_run("a", {0: [1, 1, 0, 1], 1: [1, 0, 0, 1]})
    write_run("b", {0: [1, 0], 2: [1, 1]}, method="mvp")
    _, data = write_report()
    assert {table["name"] for table in data["tables"]} == {*NAMES, "runs"}
    lines = list(csv.DictReader(io.StringIO(tables("--all", "--format", "csv"))))
    assert sum(line["mean"] != "" for line in lines) > 6
    for line in lines:
        cell = cell_of(data, line["table"], line["row"], line["column"])
        number = next(
            (n for n in cell["numbers"] if n["phase"] == line["phase"]), {"mean": None, "std": None, "n": 0, "mark": ""}
        )
        shown = ["" if number[key] is None else f"{number[key]:.10g}" for key in ("mean", "std")]
        assert [*shown, number["mark"], cell["word"]] == [line[key] for key in ("mean", "std", "mark", "text")], line
        assert "; ".join(note for _, note in cell["notes"]) == line["notes"]


def test_a_cell_leads_to_its_episodes_its_conditions_and_its_commands(write_run, write_report):
    path = write_run("a", {0: [1, 0], 3: [1, 1]}, dataset={"source": "generated", "sha256": "abc"})
    write_run("failed", {4: [0]}, status="failed")
    _, data = write_report()
    cell = cell_of(data, "6", TASK, "DFP")
    assert [number["rates"] for number in cell["numbers"]] == [{TASK: {"0": 50, "3": 100}}] * 2
    assert cell["gaps"][0]["seeds"] == [1, 2, 4] and "--seeds 1 2 4" in cell["gaps"][0]["command"]
    (place,) = cell["runs"]
    found = data["runs"][place]
    assert len(cell_of(data, "5", "Drift weight λ", "OGBench")["runs"]) == 1
    assert len(cell_of(data, "10", "Total", "DFP")["runs"]) == 2
    assert found["path"] == str(path) and found["about"]["dataset"] == {"source": "generated", "sha256": "abc"}
    assert found["seeds"][0]["curve"] == [[5, 0], [10, 50], [15, 0], [30, 50]], "online steps follow the 10 offline ones"
    assert found["seeds"][1]["phases"][1] == {"phase": "online", "episodes": [[1, None, None]] * 2, "score": 100}
    assert any("failed, loss is nan" in note for _, note in cell["notes"])
    assert {one["status"] for one in data["runs"]} == {"finished", "failed"}, "every record is there, also what does not count"


def test_beside_a_number_stands_the_published_one(write_run, write_report):
    write_run("a", {seed: [1, 1, 0] for seed in range(5)}, task="cube-triple-task2")
    _, data = write_report("1", "2")
    published = [cell_of(data, table, "DFP", "cube-triple-task2")["published"] for table in ("1", "2")]
    assert published[0] == published[1] and published[0][0]["text"] == "98.4 ± 1.1"
    assert dict(zip(data["contrast"], published[0][0]["contrast"], strict=True))["difference"] == "-31.7"


@pytest.mark.parametrize(
    "options",
    [
        "--method mvp --task lift --preset paper --seeds 0 3",
        "--task cube-double-task2 --preset quick --algo.elites-offline --backbone.temperatures 0.05 0.2 --horizon 2",
        "--method fql --task cube-single-task2 --preset small --protocol offline --eval-every 6000",
        "--backbone meanflow --algo fql --task scene-task2 --preset paper --online-steps 7 --algo.learning-rate 1e-5",
    ],
)
def test_the_command_that_makes_a_run_again_gives_its_configuration(options):
    _, config = parse(options.split())
    command = shlex.split(again(config.to_json()))
    assert command[:3] == ["python", "-m", "eval.run"]
    assert parse(command[3:])[1] == config


def test_the_command_of_a_stranger_s_record_is_quoted():
    config = parse([])[1].to_json() | {"task": "lift; rm -rf ~"}
    assert "'lift; rm -rf ~'" in again(config)


def test_what_is_looked_up_by_a_table_s_name_is_no_selector(write_run, write_report):
    """Leaderboards have names of families, which may be `mine.py`."""
    page, _ = write_report()
    assert not re.search(r"querySelector(All)?\(`[^`\"]*\$\{", page)


def test_the_file_loads_nothing(write_run, write_report):
    write_run("a", {0: [1]})
    page, _ = write_report()
    markup = page.replace('"http://www.w3.org/2000/svg"', "")
    assert not re.search(r"""https?://|\bsrc=["']|href=|@import|url\(|innerHTML""", markup)
    assert "default-src 'none'" in page


def test_no_text_of_a_record_becomes_markup(write_run, write_report):
    write_run("a", {0: [1]}, method=EVIL, task=EVIL, changes={EVIL: EVIL})
    page, data = write_report()
    assert "<img" not in page and page.count("</script>") == 2
    assert data["runs"][0]["config"]["method"] == EVIL


def test_equal_records_give_equal_files(write_run, write_report):
    write_run("a", {0: [1], 1: [0]})
    write_run("b", {0: [1]}, method="mvp")
    page, data = write_report("1")
    assert write_report("1")[0] == page
    assert [("png" in figure) for figure in data["figures"]] == [True] * 4


def test_each_protocol_of_a_preset_has_figures_of_its_own(write_run, tmp_path, monkeypatch):
    write_run("a", {0: [1]}, protocol="offline")
    write_run("b", {0: [1]})
    monkeypatch.setattr(report, "picture", lambda *_: {})
    titles = [figure["title"] for figure in report.pictures(load(files([tmp_path])), "paper")]
    about = "Success rate over training steps, of all that there is. Preset paper, protocol"
    assert titles == [f"{about} offline-to-online.", f"{about} offline."]


def test_an_empty_folder_and_damaged_records_give_a_report(tmp_path, write_run, write_report, capsys):
    _, data = write_report()
    assert data["runs"] == data["figures"] == [] and cell_of(data, "1", "DFP", "lift")["gaps"]
    path = write_run("odd", {0: [1]})
    odd = path.read_text().replace('"source": "fetched"', '"source": NaN').replace('"seconds": 36.0', '"seconds": null')
    path.write_text(odd.replace('"success": [1]', '"success": [1], "return": "?", "length": [1, 2]'))
    (tmp_path / "broken.jsonl").write_text("nonsense\n")
    _, data = write_report()
    assert f"left out: {tmp_path / 'broken.jsonl'}" in capsys.readouterr().err
    (found,) = data["runs"]
    assert found["seeds"][0]["phases"][1]["episodes"] == [[1, None, None]] and found["about"]["dataset"]["source"] == "NaN"


def test_what_is_mistyped_is_refused_in_one_line_and_writes_nothing(tmp_path, refused):
    out = tmp_path / "report.html"
    assert "unknown table '11'" in refused("report", "11", "--out", str(out))
    assert "no such file" in refused("report", "1", "--runs", str(tmp_path), "--out", "/proc/gone/report.html")
    assert not out.exists()


def test_the_report_of_the_committed_records_is_small(write_report):
    page, data = write_report(runs=ROOT / "records")
    assert len(page.encode()) < 4e6
    assert any("png" in figure for figure in data["figures"]) and data["tables"][0]["filled"]


ACTIONS = """<script>
const rows = table => [...document.querySelectorAll(`#t-${table} tbody tr`)].map(row => row.cells[0].textContent);
const type = (id, text) => { byId(id).value = text; byId(id).dispatchEvent(new Event("input")); };
const found = { panel: byId("panel").open, solved: byId("panel").querySelectorAll("i.solved").length };
byId("panel").close();
type("method", "mvp, qc-");
found.filtered = rows(1);
type("method", "");
type("task", "lift");
found.columns = document.querySelectorAll("#t-1 thead th").length;
type("task", "");
for (const click of ["falling", "rising", "unsorted"]) {
  document.querySelectorAll("#t-1 thead button")[4].click();
  found[click] = rows(1);
}
byId("theme").click();
found.theme = document.documentElement.style.colorScheme;
document.body.append(el("pre", {}, JSON.stringify(found)));
</script></body>"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium")
def test_a_browser_draws_sorts_and_filters_without_errors(tmp_path, write_run, write_report):
    write_run("a", {seed: [1, 0, 1] for seed in range(5)})
    write_run("b", {0: [1]}, method="mvp")
    write_run("c", {0: [1]}, method=EVIL, changes={"algo.num_elites": 8})
    page, _ = write_report("1")
    path = tmp_path / "acted.html"
    path.write_text(page.replace("</body>", ACTIONS), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'chromium'}", "--dump-dom"]
    command = ["chromium", *options, "--enable-logging=stderr", f"{path.as_uri()}#1/DFP/{TASK}"]
    browser = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in browser.stderr, browser.stderr
    dom = browser.stdout.partition("<main")[2]
    assert "66.7 ± 0" in dom and html.escape(EVIL, quote=False) in dom and not re.search("<img(?! srcset)", dom)
    assert "<dt>algo.num_elites</dt><dd>4</dd>" in dom and "[object" not in dom
    found = json.loads(html.unescape(dom.rpartition("<pre>")[2].partition("</pre>")[0]))
    assert found["panel"] and found["solved"] == 20, "five seeds, two of three episodes, two phases"
    assert found["filtered"] == ["QC-BFN", "QC-FQL", "MVP"] and found["columns"] == 2
    unsorted = ["BFN", "QC-BFN", "FQL", "QC-FQL", "MVP", "DFP"]
    assert found["unsorted"] == unsorted and found["falling"] == ["MVP", "DFP", *unsorted[:4]]
    assert found["rising"] == ["DFP", "MVP", *unsorted[:4]] and found["theme"] == "dark"


def test_a_run_that_a_sweep_has_under_way_says_so_at_its_cell(write_run, write_report, tmp_path):
    path = write_run("a", {0: [1, 0]})
    *lines, _end = path.read_text().splitlines(keepends=True)
    for name in ("swept", "left"):
        (tmp_path / name / "run").mkdir(parents=True)
        begun = lines[0].replace('"created": "a"', f'"created": "{name}"')
        (tmp_path / name / "run" / "record.jsonl").write_text("".join([begun, *lines[1:]]))
    path.unlink()
    assert Claims(tmp_path).take(["unit"], bool, {"folder": "swept"})
    _, data = write_report()
    assert [note for _, note in cell_of(data, "1", "DFP", TASK)["notes"]] == [
        f"not counted: {tmp_path / 'left' / 'run' / 'record.jsonl'} (unfinished)",
        f"not counted: {tmp_path / 'swept' / 'run' / 'record.jsonl'} (running, online step 20, success 50 %)",
    ]
