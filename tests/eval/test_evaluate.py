"""`python -m eval.evaluate`: what a run kept, evaluated again."""

import json
import os
import re
import sys
import threading
from pathlib import Path

import pytest

from envs.command import run_command
from envs.files.whole import claim
from eval import critic, evaluate, video
from eval.evaluate import average, rate
from eval.policy import load
from eval.running.rollout import Episode

RUN = "--task probe-bandit --algo.horizon 1 --eval-episodes 12".split()


@pytest.fixture
def again(monkeypatch, capsys):
    """The command's lines in the file beside the policies, and what it printed."""

    def start(run, *options: str):
        monkeypatch.setattr(sys, "argv", ["evaluate", str(run.path.parent), "--workers", "0", *options])
        run_command(evaluate.main)
        path = run.path.parent / "policies" / evaluate.EVALUATIONS
        return [json.loads(line) for line in path.read_text().splitlines()], capsys.readouterr().out

    return start


def test_the_recorded_episodes_come_out_as_recorded(tiny, again):
    _, run = tiny(*RUN, "--seeds", "0", "3")
    before = run.path.read_bytes()
    lines, printed = again(run)
    assert [(e["seed"], e["phase"], e["step"], e["first"]) for e in lines] == [(0, "online", 8, 0), (3, "online", 8, 0)]
    for line in lines:
        recorded = run.last(line["seed"], "online")
        assert all(line[name] == recorded[name] for name in ("success", "return", "length"))
    assert printed.count("12 of 12") == 2 and run.path.read_bytes() == before


def test_other_episodes_of_one_seed_and_phase(tiny, again):
    _, run = tiny(*RUN, "--seeds", "0", "3")
    again(run, "--seed", "3", "--phase", "offline", "--episodes", "30")
    lines, printed = again(run, "--seed", "3", "--phase", "offline", "--episodes", "8", "--first", "20")
    assert len(lines) == 2 and lines[1]["first"] == 20
    assert lines[1]["return"] == lines[0]["return"][20:28], "an episode is its number's, whatever is asked for"
    assert "of 8" in printed


def test_best_of_n_is_another_policy(tiny, again):
    _, run = tiny(*RUN)
    lines, _ = again(run, "--best-of", "40")
    assert lines[0]["algo"]["best_of"] == 40 and lines[0]["return"] != run.last(0, "online")["return"]
    assert lines[0]["record"] and "evaluation again" in lines[0]["kind"]


def test_a_run_also_tells_what_one_sample_is_worth(tiny, again, capsys):
    """Where a critic chooses what acts; by the episodes that an evaluation of the kept policy with one sample has."""
    _, run = tiny(*RUN, "--one-sample-episodes", "9")
    recorded = run.last(0, "online")
    told = r"not chosen by the critic: offline \d+\.\d \(9 episodes\), online \d+\.\d \(9 episodes\)\n"
    assert re.search(told, capsys.readouterr().out)
    (line,), _ = again(run, "--best-of", "1")
    assert recorded["one_sample"] == line["success"][:9] != recorded["success"][:9]


@pytest.mark.parametrize(
    ("options", "episodes"),
    [
        ("--one-sample-episodes 0", 0),
        ("--one-sample-episodes 13", 12),
        ("--workers 2 --eval-episodes 6", 6),
        ("--algo.best-of 1", 0),
        ("--algo iql", 0),
        ("--algo iql --algo.num-samples 3", 12),
        ("--algo fql --act qgbs --qgbs-rounds 0", 12),
    ],
)
def test_one_sample_acts_where_a_critic_chooses(tiny, options, episodes):
    recorded = tiny(*RUN, *options.split())[1].last(0, "offline")
    assert len(recorded.get("one_sample", ())) == episodes
    assert len(recorded["success"]) == (6 if "--workers" in options else 12)


def test_a_search_acts_in_the_policy_s_place(tiny, again):
    """Asked for afterwards, it acts as in a run that had it from the start, which trains alike."""
    search = "--act qgbs --qgbs-rounds 0".split()
    (_, run), (_, searched) = tiny(*RUN), tiny(*RUN, *search)
    assert searched.start["config"]["act"] == "qgbs" and searched.metrics == run.metrics
    (line,), (same,) = again(run, *search)[0], again(searched)[0]
    assert line["act"] == "qgbs" and line["qgbs_rounds"] == 0
    assert line["return"] == same["return"] == searched.last(0, "online")["return"] != run.last(0, "online")["return"]


def test_the_file_is_waited_for_and_free_while_pictures_are_drawn(tiny, again, monkeypatch):
    _, run = tiny(*RUN)
    path = run.path.parent / "policies" / evaluate.EVALUATIONS
    for module, name in ((evaluate, "open_renderer"), (video, "check_files"), (video, "check_camera")):
        monkeypatch.setattr(module, name, lambda *_: None)
    drawn = []

    def show(*_: object) -> list[str]:
        with path.open("ab") as file:
            drawn.append(claim(file))
        return []

    monkeypatch.setattr(video, "show", show)
    with path.open("ab") as beside:
        claim(beside)
        threading.Timer(0.3, beside.close).start()
        lines, _ = again(run, "--video", "a.gif")
    assert [line["kind"] for line in lines] == ["evaluation again"] and drawn == [True]


def test_what_is_asked_for_as_it_was_changes_nothing(tiny, again):
    _, run = tiny(*RUN, "--algo.best-of", "3")
    assert "12 of 12" in again(run, "--best-of", "3", "--act", "policy", "--success-timing", "post")[1]


@pytest.mark.parametrize("module", [evaluate, critic])
def test_as_many_workers_evaluate_as_there_are_cores_for_them(kept_policy, monkeypatch, module):
    class Asked(Exception):
        pass

    def evaluator(task, timing, workers):
        raise Asked(workers)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5, 6})
    monkeypatch.setattr(module, "Evaluator", evaluator)
    monkeypatch.setattr(sys, "argv", ["command", kept_policy("probe-bandit")])
    with pytest.raises(Asked, match="5"):
        module.main()


def test_wilsons_interval():
    """Of 8 successes in 10: Wilson (1927)."""
    assert rate([1] * 8 + [0] * 2) == pytest.approx((80, 49.01625, 94.33178), abs=1e-4)
    assert average([1.0, 2, 3]) == pytest.approx((2, 2 - 2.4841377, 2 + 2.4841377))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--best-of 4 --act qgbs --qgbs-rounds 0", "--best-of 4: a search acts"),
        ("--show 3 many", "show many: there are failures, successes, both, first, and numbers of episodes"),
        ("--show 4", "show 4: there are"),
    ],
)
def test_what_would_change_or_show_nothing_is_refused_first(kept_policy, refused, monkeypatch, options, said):
    monkeypatch.setattr(sys, "argv", ["evaluate", kept_policy("probe-bandit"), *options.split()])
    monkeypatch.setattr(evaluate, "Evaluator", None)  # nothing is evaluated
    assert said in refused(main=lambda _: run_command(evaluate.main))


def test_what_counts_is_kept(kept_policy):
    policy = load(Path(kept_policy("gym:Pendulum-v1,time_limit=6")))
    line = evaluate.line(policy, [Episode(0, 3, False, -7.5, 6)], "post")
    assert line["score"] == line["return"] == [-7.5] and line["success"] == [0] and line["first"] == 3


def test_what_cannot_be_is_refused_in_one_line(tiny, refused, tmp_path, monkeypatch):
    def words(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, options)])
        return refused(main=lambda _: run_command(evaluate.main))

    _, none = tiny("--keep-policies", "none")
    assert "no policy in this folder" in words(none.path.parent)
    _, run = tiny("--algo", "fql", "--backbone", "flow")
    folder = run.path.parent
    assert "no policy of online seed 4 was kept" in words(folder, "--seed", "4")
    assert "fql acts by its one sample" in words(folder, "--best-of", "4")
    assert "act qgbs for bc" in words(tiny("--algo", "bc")[1].path.parent, "--act", "qgbs")
    assert "pictures end in .mp4" in words(folder, "--video", tmp_path / "a.avi")
    monkeypatch.setattr(evaluate, "open_renderer", lambda: None)
    monkeypatch.setattr(evaluate, "Evaluator", None)  # nothing is evaluated
    assert "probe-chain: there is nothing to see" in words(folder, "--video", tmp_path / "a.gif")
    for act in ([], ["--act", "policy"]):
        assert "--qgbs-rounds 5: there is no search" in words(folder, "--qgbs-rounds", "5", *act)
    path = folder / "policies" / "online-8-seed0.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    assert "not a whole policy file" in words(path)
    (folder / "policies" / evaluate.EVALUATIONS).mkdir()
    assert "is a directory" in words(folder / "policies" / "offline-6-seed0.safetensors")
