"""Damaged records are named, and the rest goes on."""

import json
import os
from pathlib import Path

import pytest

from eval.results.record import find
from tables.__main__ import main


def rewrite(change):
    """A damage done to the first line."""

    def damage(text: str) -> str:
        first, rest = text.split("\n", 1)
        start = json.loads(first)
        change(start)
        return json.dumps(start) + "\n" + rest

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "nonsense\n", "line 1 is not JSON"),
        (lambda text: "", "a record begins with"),
        (lambda text: "[1]\n", "line 1 has no kind"),
        (lambda text: text.replace('"schema": 1', '"schema": 9'), "schema 9"),
        (lambda text: text.replace('"step": 20', '"stop": 20'), "a line without 'step'"),
        (lambda text: text.replace('"step": 20', '"step": null'), "whose seed, phase or step"),
        (lambda text: text.replace('"success": [1]', '"success": []'), "no outcomes of episodes"),
        (lambda text: text.replace('"success": [1]', '"success": ["x"]'), "no outcomes of episodes"),
        (lambda text: text.replace('"success": [1]', '"success": [97]'), "no outcomes of episodes"),
        (lambda text: text.replace('"success": [1]', '"success": [NaN]'), "no outcomes of episodes"),
        (rewrite(lambda start: start.update(config="dfp")), "has config 'dfp'"),
        (rewrite(lambda start: start.pop("created")), "its first line has no created"),
        (rewrite(lambda start: start["config"].pop("task")), "its configuration has no task"),
        (rewrite(lambda start: start["config"].update(seeds=3)), "has seeds 3"),
        (rewrite(lambda start: start["config"].pop("offline_steps")), "its configuration has no offline_steps"),
        (rewrite(lambda start: start["config"].update(method=["dfp"])), "has method"),
    ],
)
def test_a_damaged_record_is_named_and_left_out(tmp_path, capsys, write_run, damage, words):
    write_run("a", {0: [1]})
    broken = write_run("broken", {1: [1]})
    broken.write_text(damage(broken.read_text()))
    for command in (["1"], ["--all"], ["plan", "1"]):
        assert main([*command, "--runs", str(tmp_path)]) == 0
        captured = capsys.readouterr()
        (line,) = (line for line in captured.err.splitlines() if "figure" not in line)
        assert line.startswith(f"left out: {broken}: ") and words in line
        assert "(1/5)" in captured.out or "1/5" in captured.out


def test_a_torn_last_line_leaves_a_run_unfinished(write_run, cell):
    path = write_run("a", {0: [1]})
    path.write_text(path.read_text()[:-5])
    assert cell("1")["notes"] == f"not counted: {path} (unfinished)"


def test_a_missing_file_is_named(tmp_path, capsys, write_run):
    write_run("a", {0: [1]})
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    assert main(["1", "--runs", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert f"left out: {tmp_path / 'gone.jsonl'}: No such file" in captured.err and "(1/5)" in captured.out


def test_records_may_lack_what_only_provenance_needs(write_run, cell):
    path = write_run("a", {0: [1]})
    path.write_text(rewrite(lambda start: start.update(physics=None, dataset="none"))(path.read_text()))
    assert cell("1")["mean"] == "100"


def test_a_record_found_twice_counts_once(tmp_path, write_run, capsys):
    path = write_run("a", {0: [1]})
    assert main(["1", "--runs", str(tmp_path), str(path), "--format", "csv"]) == 0
    assert "has 2 runs" not in capsys.readouterr().out


def test_of_copies_of_a_record_the_one_that_goes_furthest_counts(tmp_path, write_run, tables, cell):
    whole = write_run("a", {0: [1]})
    (tmp_path / "copied").mkdir()
    copy = tmp_path / "copied" / "early.jsonl"
    copy.write_text("".join(whole.read_text().splitlines(keepends=True)[:-1]))
    assert cell("1")["mean"] == "100" and "not counted" not in tables("1")
    copy.write_text(whole.read_text())
    assert "has 2 runs" not in tables("1") and cell("1")["n"] == "1"


def test_records_behind_a_link_count_and_each_once(tmp_path, write_run, tables):
    record = write_run("a", {0: [1]})
    elsewhere, runs = tmp_path / "elsewhere", tmp_path / "runs"
    (elsewhere / "back").mkdir(parents=True)
    runs.mkdir()
    record.rename(elsewhere / "a.jsonl")
    (runs / "linked").symlink_to(elsewhere)
    (elsewhere / "back" / "again").symlink_to(runs)
    assert find(runs) == [runs / "linked" / "a.jsonl"]
    assert "100.0 (1/5)" in tables("1")


def test_a_folder_that_cannot_be_read_is_named(tmp_path, write_run, monkeypatch, capsys):
    write_run("a", {0: [1]})
    (tmp_path / "locked").mkdir()

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return everything(path)

    everything = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["1", "--runs", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"left out: {tmp_path / 'locked'}: Permission denied\n" and "(1/5)" in captured.out


def test_a_folder_that_is_not_there_is_refused(refused, tmp_path):
    assert "nowhere: no such file or folder" in refused("1", "--runs", str(tmp_path / "nowhere"))


def test_metrics_need_not_be_whole_where_nobody_reads_them(write_run, cell):
    path = write_run("a", {0: [1]})
    path.write_text(path.read_text() + '{"kind":"metrics", nonsense\n')
    assert cell("1")["mean"] == "100"


def test_the_time_of_a_run_is_that_of_all_its_sessions(write_run, tables):
    path = write_run("a", {0: [1]}, status="stopped", seconds=3600)
    path.write_text(path.read_text() + '{"kind": "resume"}\n{"kind": "end", "status": "finished", "seconds": 1800}\n')
    assert "10,Total,Total,,1.5," in tables("10", "--format", "csv")
    path.write_text(path.read_text() + '{"kind": "resume"}\n')
    text = tables("10")
    assert "do not say how long they took: 1, the first of them" in text
