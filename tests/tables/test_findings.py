"""What records say of the paper's claims."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from tables.__main__ import main
from tables.claims import CLAIMS
from tables.findings import AGREES, DISAGREES, PARTIAL, UNCLEAR, UNLIKE, conclusions, page, printed, verdict
from tables.sources.runs import files, load
from tables.stats import Estimate, combination

ROOT = Path(__file__).parents[2]
BY_TITLE = {claim.title: claim for claim in CLAIMS}
CLONES, INTERACTION = BY_TITLE["Drifting clones better than MeanFlow"], BY_TITLE["Top-K helps drifting more than MeanFlow"]
ONLINE, ROBUST = BY_TITLE["The online phase helps"], BY_TITLE["DFP is robust to λ"]


def test_the_committed_page_is_what_the_committed_records_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["findings", "--check"]) == 0, "python -m tables findings writes it"


def test_a_weighted_sum_of_means_is_welch_s_for_two():
    a, b = np.array([1.0, 2.0, 4.0]), np.array([0.0, 5.0, 5.0, 9.0])
    welch = scipy.stats.ttest_ind(a, b, equal_var=False)
    found = combination([(1.0, a), (-1.0, b)])
    assert found.value == a.mean() - b.mean() and found[1:] == pytest.approx(tuple(welch.confidence_interval()))
    assert combination([(1.0, a), (-1.0, b)], [0.1, 0.1]) == found, "what is known is less than what is seen"
    known = combination([(1.0, a), (-1.0, b)], [300.0, 400.0])
    assert known.high - known.value == pytest.approx(1.96 * (300 / 3 + 400 / 4) ** 0.5, rel=1e-4)
    assert combination([(2.0, a)])[0] == 2 * a.mean() and np.isnan(combination([(1.0, a[:1])]).low)
    assert np.isnan(combination([(1.0, np.ones(3))]).low), "no spread shows nothing of a fourth seed"


@pytest.mark.parametrize(
    ("claim", "intervals", "said"),
    [
        (CLONES, [(1, 3)], AGREES),
        (CLONES, [(-3, -1)], DISAGREES),
        (CLONES, [(-1, 3)], UNCLEAR),
        (CLONES, [(np.nan, np.nan)], UNCLEAR),
        (ROBUST, [(-4, 4), (-5, 1), (0, 1)], AGREES),
        (ROBUST, [(-4, 4), (-6, 1), (0, 1)], UNCLEAR),
        (ROBUST, [(-4, 4), (-5, 1)], PARTIAL),
        (ROBUST, [(np.nan, np.nan), (-9, -6)], DISAGREES),
    ],
)
def test_a_verdict_is_where_intervals_lie(claim, intervals, said):
    assert verdict(claim, [Estimate(0.0, *interval) for interval in intervals]) == said


def test_an_interaction_is_a_difference_of_differences(write_run, tmp_path):
    for method, solved in (("dfp", 9), ("dfp-no-top-k", 5), ("mvp-top-k", 4), ("mvp", 3)):
        for task, more in (("lift", 0), ("can", 1)):
            seeds = {seed: [1] * (solved + more * (method == "dfp")) + [0] * (10 - solved) for seed in range(2)}
            write_run(f"{method}-{task}", {0: seeds[0], 1: [*seeds[1], 0]}, method=method, task=task)
    said, finding, paper = conclusions(INTERACTION, load(files([tmp_path])), [])[0]
    rates = {m: [100 * k / 10, 100 * k / 11] for m, k in (("dfp", 9), ("no", 5), ("top", 4), ("mvp", 3))}
    dfp = np.mean([rates["dfp"], [100 * 10 / 11, 100 * 10 / 12]])
    mean = {m: np.mean(r) for m, r in rates.items()}
    assert finding.estimate.value == pytest.approx(dfp - mean["no"] - mean["top"] + mean["mvp"])
    assert (finding.seeds, list(finding.by_task), finding.preset) == ((2, 2), ["can", "lift"], "paper")
    assert said == AGREES and paper == pytest.approx(95.78 - 88.43 - (82.7 - 80.33), abs=0.05)


def test_one_row_in_both_phases_is_paired_by_seed(write_run, tmp_path):
    write_run("a", {0: [1, 1, 1, 0], 1: [1, 1, 0, 0]}, preset="quick")
    path = tmp_path / "a.jsonl"
    text = path.read_text()
    assert text.count('"step": 10, "success": [1, 1') == 2
    text = text.replace('"step": 10, "success": [1, 1, 1, 0]', '"step": 10, "success": [1, 0, 1, 0]')
    path.write_text(text.replace('"step": 10, "success": [1, 1, 0, 0]', '"step": 10, "success": [0, 0, 0, 0]'))
    said, finding, _ = conclusions(ONLINE, load(files([tmp_path])), [])[0]
    half = scipy.stats.t.ppf(0.975, 1) * np.std([25, 50], ddof=1) / 2**0.5
    assert finding.estimate == pytest.approx((37.5, 37.5 - half, 37.5 + half)) and said == UNCLEAR
    assert finding.preset == "quick"


def test_some_rows_of_an_ablation_can_disagree_but_not_agree(write_run, tmp_path):
    """All others may be outside the margin."""
    solved = {0: [1, 1, 0, 0], 1: [1, 1, 1, 0], 2: [1, 0, 0, 0]}
    write_run("default", solved, preset="quick")
    weight = {"changes": {"algo.elite_weight": 5.0}, "algo": {"elite_weight": 5.0, "num_elites": 4}}
    write_run("same", solved, preset="quick", **weight)
    said, finding, _ = conclusions(ROBUST, load(files([tmp_path])), [])[0]
    assert (said, finding.row) == (PARTIAL, "λ = 5.0")
    write_run("worse", {seed: [0] * 4 for seed in solved} | {3: [0] * 4}, preset="quick", **weight)
    assert conclusions(ROBUST, load(files([tmp_path])), [])[0][0] == PARTIAL, "its interval reaches to the margin"
    narrow = {seed: [1] * 50 + [0] * (50 + seed) for seed in range(3)}
    write_run("default, later", narrow, preset="quick")
    write_run("worse, later", {seed: [0] * 99 + [1] for seed in range(3)} | {3: [0] * 98 + [1]}, preset="quick", **weight)
    assert conclusions(ROBUST, load(files([tmp_path])), [])[0][0] == DISAGREES


def test_seeds_that_agree_by_chance_are_not_sure_beyond_their_episodes(write_run, tmp_path):
    write_run("a", {seed: [1] * (8 + seed) + [0] * 2 for seed in range(2)}, method="dfp-no-top-k", preset="quick")
    write_run("b", {seed: [1] + [0] * (9 + seed) for seed in range(2)}, method="mvp", preset="quick")
    ((_, finding, _),) = conclusions(CLONES, load(files([tmp_path])), [])
    rates, episodes = np.array([[80, 90 / 1.1], [10, 10 / 1.1]]), [10, 11]
    noise = (rates * (100 - rates) / episodes).mean(1).sum()
    assert finding.estimate.high - finding.estimate.value == pytest.approx(1.96 * (noise / 2) ** 0.5, rel=1e-3)


def test_the_nearest_preset_counts_and_the_others_are_told(write_run, tmp_path):
    for method, solved in (("dfp-no-top-k", [1, 1]), ("mvp", [0, 1])):
        for preset in ("quick", "small"):
            write_run(f"{method}-{preset}", {0: solved, 1: solved}, method=method, preset=preset)
    runs = load(files([tmp_path]))
    assert [finding.preset for _, finding, _ in conclusions(CLONES, runs, [])] == ["small", "quick"]
    text = page(runs, []).split(f"## {CLONES.title}")[1].split("## ")[0]
    assert "*Result.* +50.0" in text and "preset small" in text and "*Another size.* +50.0" in text and "preset quick" in text


def test_rows_on_other_data_have_no_verdict(write_run, tmp_path):
    for data, said in (("same", AGREES), ("other", UNLIKE)):
        for method, solved, name in (("dfp-no-top-k", 9, "same"), ("mvp", 1, data)):
            seeds = {seed: [1] * solved + [0] * (10 - solved + seed) for seed in range(2)}
            write_run(method, seeds, method=method, preset="quick", dataset={"source": "fetched", "sha256": name})
        runs = load(files([tmp_path]))
        ((found, finding, _),) = conclusions(CLONES, runs, [])
        assert found == said and finding.estimate.value > 70
        section = page(runs, []).split(f"## {CLONES.title}")[1].split("## ")[0]
        assert ("To be known: cube-double-task2: not all rows are comparable" in section) == (said == UNLIKE)


def test_a_page_is_of_the_paper_s_tasks(write_run, tmp_path):
    """A probe, or a task that is judged by its return, has no place in a mean of success rates."""
    for task in ("lift", "probe-chain", "d4rl-pen-human"):
        for method, solved in (("dfp-no-top-k", [1, 0]), ("mvp", [0, 1, 0])):
            write_run(f"{method}-{task}", {0: solved, 1: solved}, method=method, task=task)
    ((_, finding, _),) = conclusions(CLONES, load(files([tmp_path])), [])
    assert list(finding.by_task) == ["lift"] and finding.by_task["lift"] == finding.estimate


def test_the_paper_s_own_numbers_are_those_that_it_names():
    named = {
        "Drifting is better without top-K too": 8.1,
        "DFP is above QC-FQL": 9.0,
        "One step is above ten at equal updates": 12.0,
    }
    for title, points in named.items():
        assert printed(BY_TITLE[title].contrasts[0]) == pytest.approx(points, abs=0.06)


def test_a_page_without_runs_says_so_and_an_old_page_is_refused(tmp_path, refused):
    page, runs = tmp_path / "page.md", tmp_path / "none"
    runs.mkdir()
    arguments = ["findings", "--runs", str(runs), "--out", str(page)]
    assert main(arguments) == 0
    text = page.read_text()
    assert text.count("| no runs") == len(CLAIMS) and main([*arguments, "--check"]) == 0
    page.write_text(text.replace("| no runs", "| agrees ", 1))
    assert ": '| Drifting clones" in refused(*arguments, "--check") and "agrees" in page.read_text()
