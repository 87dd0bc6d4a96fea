"""The command line: what it says and does when nothing is wrong."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval import run
from eval.config.command_line import parse
from eval.config.presets import PRESETS
from eval.results.record import Run
from eval.running.train import How

ROOT = Path(__file__).parents[2]


def test_sigterm_saves_and_stops(tmp_path):
    options = "--task probe-chain --horizon 2 --offline-steps 100000 --workers 1 --eval-every 10 --eval-episodes 5".split()
    command = [sys.executable, "-m", "eval.run", *options, "--runs", str(tmp_path)]
    environment, pipe = os.environ | {"TQDM_DISABLE": "1"}, subprocess.PIPE
    running = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment)
    while not list(tmp_path.glob("*/checkpoint.pt")):
        assert running.poll() is None, running.communicate()[1]
    running.send_signal(signal.SIGTERM)
    output, errors = running.communicate(timeout=600)
    assert errors == "", "TQDM_DISABLE turns off every bar"
    assert running.returncode == 128 + signal.SIGTERM
    assert "continue with: python -m eval.run --task probe-chain" in output and output.strip().endswith("--resume")


def test_a_record_that_ends_between_two_seeds_of_an_evaluation_has_a_summary():
    """A disk can be full there."""
    one = {"seed": 0, "phase": "offline", "step": 1, "success": [1, 0]}
    lines = run.summary(Run(Path("record.jsonl"), {"config": {"seeds": [0, 1]}}, [one])).splitlines()
    assert [line.split() for line in lines[-2:]] == [["0", "50.0", "-", "2"], ["1", "-", "-", "0"]]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_option_that_help_shows_changes_the_configuration(preset, capsys):
    with pytest.raises(SystemExit):
        run.main(["--help", "--preset", preset])
    shown = set(re.findall(r"^  --([\w.-]+)", capsys.readouterr().out, re.M))
    changes = {"--algo.num-elites": "3", "--backbone.temperatures": "0.3", "--offline-steps": "7", "--seeds": "4"}
    for option, value in changes.items():
        assert option[2:] in shown
        _, config = parse(["--preset", preset, option, value])
        assert config != parse(["--preset", preset])[1]
        assert config.digest() != parse(["--preset", preset])[1].digest()


def test_seeds_are_numbers_and_ranges():
    assert parse("--seeds 7 0-2 5-5".split())[1].seeds == (7, 0, 1, 2, 5)


def test_an_equal_configuration_is_resumed_however_its_numbers_are_written(tiny):
    _, run = tiny()
    run.path.write_text("".join(run.path.read_text().splitlines(keepends=True)[:-1]))  # as if it had not ended
    code, again = tiny("--updates-per-step", "1", "--resume")  # read as 1.0, where the default is 1
    assert code == 0 and again.path == run.path and again.status == "finished"


def test_a_run_that_goes_on_is_compiled_as_the_one_before(tiny, tiny_options, refused, tmp_path):
    _, config = parse([])
    assert (
        run.as_before({"compile": True}, config, How())[0].compile and run.as_before({}, config, How(compile=True))[0].compile
    )
    _, plain = tiny()
    assert plain.start["compile"] is False
    plain.path.write_text("".join(plain.path.read_text().splitlines(keepends=True)[:-1]))
    assert "not compiled" in refused(*tiny_options, "--runs", str(tmp_path / "runs"), "--resume", "--compile")


def test_a_picture_that_cannot_be_written_is_no_fault_of_the_run(tiny, monkeypatch, capsys):
    def full(made):
        raise OSError(errno.ENOSPC, "No space left on device", "record.png")

    monkeypatch.setattr(run, "plot", full)
    code, made = tiny("--plot")
    assert code == 0 and made.status == "finished" and "no space left on device" in capsys.readouterr().err


def test_two_online_steps_have_room_for_a_chunk(tiny):
    assert tiny("--online-steps", "2", "--online-warmup", "0", "--algo.horizon", "5")[0] == 0


def test_plot_draws_the_run_beside_its_record(tiny, capsys):
    code, run = tiny("--plot")
    picture = run.path.with_suffix(".png")
    assert code == 0 and f"picture: {picture}" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_list_names_everything(capsys):
    assert run.main(["--list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("drifting", "meanflow", "dfp", "cube-quadruple-task[1-5]", "square", *PRESETS))


def test_a_pattern_lists_the_tasks_that_match_and_nothing_else(capsys):
    assert run.main(["--list", "--task", "antmaze-l*"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [
        f"antmaze-large-{kind}-task[1-5]" for kind in ("navigate", "stitch", "explore")
    ]
    with pytest.raises(SystemExit, match="2"):
        run.main(["--list", "--task", "antmouse*"])
    assert "no task is called 'antmouse*'" in capsys.readouterr().err
