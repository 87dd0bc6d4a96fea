"""A slower method at the time at which a faster one has ended."""

import json

import pytest

from tables.claims import CLAIMS
from tables.costs import load_benches
from tables.equal_time import took, until_as_long
from tables.findings import NOTHING, conclusions
from tables.sources.runs import files, load

CONFIG = {"offline_steps": 10, "online_steps": 20, "online_warmup": 5}
CLAIM = next(claim for claim in CLAIMS if claim.equal_time)


def test_the_time_of_updates_leaves_out_the_warm_up_and_counts_updates_a_step():
    times = {"offline": 2.0, "online": 3.0}
    assert took(times, CONFIG, "offline", 4) == 8
    assert [took(times, CONFIG, "online", step) for step in (5, 6, 20)] == [20, 23, 65]
    assert took(times, CONFIG | {"updates_per_step": 0.5}, "online", 15) == 35


@pytest.mark.parametrize(
    ("slower", "ends"),
    [(1.0, ("online", 20)), (1.1, ("online", 20)), (2.2, ("online", 5)), (2.9, ("offline", 10)), (6.0, ("offline", 5))],
)
def test_a_run_ends_with_the_first_evaluation_that_is_not_earlier(write_run, tmp_path, slower, ends):
    """The other's 28 updates take 28; this one's evaluations are after 5 and 10 updates offline, and 13 and 28 in all."""
    steps = CONFIG | {"online_warmup": 2}
    write_run("a", {0: [1, 0], 1: [1, 1]}, method="qc-bfn", **steps)
    write_run("b", {0: [1, 0]}, method="dfp", **steps)
    own, other = {"offline": slower, "online": slower}, {"offline": 1.0, "online": 1.0}
    runs = load(files([tmp_path]))
    cut = {run.start["config"]["method"]: run for run in until_as_long(runs, "qc-bfn", own, other)}
    for seed in (0, 1):
        last = max((e for e in cut["qc-bfn"].evaluations if e["seed"] == seed), key=cut["qc-bfn"].training_step)
        assert (last["phase"], last["step"]) == ends
    assert cut["dfp"] in runs


def test_the_claim_needs_times_of_both_methods_and_says_them(write_run, tmp_path):
    for method, solved in (("dfp", 8), ("qc-bfn", 5)):
        rates = {seed: [1] * (solved + seed) + [0] * (10 - solved - seed) for seed in range(3)}
        write_run(method, rates, method=method, preset="small", **CONFIG)
    runs = load(files([tmp_path]))
    assert conclusions(CLAIM, runs)[0][0] == NOTHING
    updates = [
        {"method": method, "phase": phase, "seeds": 1, "ranking": "float32", "ms": ms}
        for method, ms in (("dfp", 10.0), ("qc-bfn", 12.0))
        for phase in ("offline", "online")
    ]
    bench = {"preset": "small", "updates": updates, "action_ms": {}, "device": "a processor", "commit": "c"}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    said, finding, paper = conclusions(CLAIM, runs, load_benches(files([tmp_path])))[0]
    assert said == "agrees" and paper != paper, "the paper has no number at equal time"
    times = "DFP 10.0 and 10.0 ms, QC-BFN 12.0 and 12.0 ms"
    assert finding.notes[-1] == f"preset small: an update offline and online takes {times} ({tmp_path / 'bench.json'})"
