"""Records survive what happens to files."""

import threading
from pathlib import Path

import pytest

from envs.files.whole import claim
from eval.results.record import SCHEMA, Writer, append, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = Writer(tmp_path / "record.jsonl")
    writer.write("start", schema=SCHEMA, created="2026-01-01")
    writer.write("evaluation", seed=0, phase="online", step=2, success=[1])
    writer.write("evaluation", seed=0, phase="offline", step=9, success=[0])
    return writer.path


def test_evaluations_are_in_the_order_of_their_steps(path):
    run = read(path)
    assert [(e["phase"], e["step"]) for e in run.evaluations] == [("offline", 9), ("online", 2)]
    assert run.status == "unfinished"
    assert run.last(0, "online")["success"] == [1] and run.last(1, "online") is None


def test_a_torn_last_line_is_ignored_and_dropped_by_the_next_writer(path):
    with open(path, "a") as file:
        file.write('{"kind": "evaluation", "se')
    assert len(read(path).evaluations) == 2
    Writer(path).write("end", status="finished", reason="", seconds=1.0)
    assert read(path).status == "finished"


def test_what_is_said_twice_counts_once(path):
    writer = Writer(path)
    writer.write("end", status="stopped", reason="SIGTERM", seconds=1.0)
    assert read(path).status == "stopped"
    writer.write("resume", created="2026-01-02")
    writer.write("evaluation", seed=0, phase="online", step=2, success=[1], later_key=3)
    run = read(path)
    assert run.status == "unfinished" and len(run.evaluations) == 2 and run.evaluations[-1]["later_key"] == 3


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text.replace('"kind":"start"', '"kind":"x"'), "begins with"),
        (lambda text: text.replace(f'"schema":{SCHEMA}', '"schema":99'), "schema 99"),
        (lambda text: text.replace("offline", 'off"line'), "line 3 is not JSON"),
        (lambda text: "", "begins with"),
    ],
)
def test_a_file_that_is_no_record_is_refused_by_name(path, damage, words):
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=words) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_failed_write_leaves_the_record_as_it_was(path, monkeypatch):
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        Writer(path).write("end", status="finished")
    assert path.read_bytes() == before


def test_lines_are_added_in_turn(tmp_path):
    """After a line that another process has not finished: it was killed."""
    path = tmp_path / "lines.ndjson"
    adding = threading.Thread(target=append, args=(path, [{"kind": "b"}, {"kind": "c"}]))
    with path.open("ab", buffering=0) as other:
        claim(other)
        adding.start()
        adding.join(0.05)
        other.write(b'{"kind":"a"}\n{"kin')
        assert adding.is_alive()
    adding.join()
    assert path.read_text() == '{"kind":"a"}\n{"kind":"b"}\n{"kind":"c"}\n'
