"""A slower method at the time at which a run of another has ended."""

import json
import math

import pytest

from tables.claims import CLAIMS
from tables.costs import load_benches, updates_ms
from tables.equal_time import at_equal_time, moment_of, share
from tables.findings import UNTIMED, conclusions
from tables.sources.runs import files, load

CONFIG = {"offline_steps": 10, "online_steps": 20, "online_warmup": 2}
ONE = {"offline": 1.0, "online": 1.0}
CLAIM = next(claim for claim in CLAIMS if claim.equal_time)


def test_the_time_of_updates_leaves_out_the_warm_up_and_counts_updates_a_step():
    times = {"offline": 2.0, "online": 3.0}
    assert updates_ms(times, CONFIG, "offline", 4) == 8
    assert [updates_ms(times, CONFIG, "online", step) for step in (2, 3, 20)] == [20, 23, 74]
    assert updates_ms(times, CONFIG | {"updates_per_step": 0.5}, "online", 12) == 35


@pytest.mark.parametrize(
    ("slower", "moment", "after"),
    [
        (0.5, ("online", 20), 0.5),
        (1.0, ("online", 20), 1),
        (1.1, ("online", 20), 1.1),
        (2.2, ("online", 5), 2.2 * 13 / 28),
        (2.9, ("offline", 10), 2.9 * 10 / 28),
        (6.0, ("offline", 5), 6 * 5 / 28),
    ],
)
def test_a_run_ends_with_its_first_evaluation_that_is_not_earlier(write_run, tmp_path, slower, moment, after):
    """The other's 28 updates take 28; this one's evaluations are after 5 and 10 updates offline, and 13 and 28 in all."""
    write_run("a", {0: [1, 0], 1: [1, 1]}, **CONFIG)
    (run,) = load(files([tmp_path]))
    own = {"offline": slower, "online": slower}
    assert moment_of(run, own, ONE) == moment and share(run, own, ONE, moment) == pytest.approx(after)
    cut = at_equal_time(run, own, ONE)
    for seed in (0, 1):
        (then,) = (e for e in run.of(seed, moment[0]) if e["step"] == moment[1])
        assert cut.of(seed, "online") == [then | {"phase": "online", "step": 20}]
        assert cut.of(seed, "offline") == run.of(seed, "offline")


@pytest.mark.parametrize(("ms", "difference"), [(12.0, 20), (22.0, 90), (40.0, 20)])
def test_the_claim_needs_times_of_both_methods_and_says_them(write_run, tmp_path, ms, difference):
    """QC-BFN's evaluations: 70 % at the ends of both phases, 0 within them; it counts at the end, online, offline."""
    for method, solved in (("dfp", 8), ("qc-bfn", 6)):
        rates = {seed: [1] * (solved + seed) + [0] * (10 - solved - seed) for seed in range(3)}
        write_run(method, rates, method=method, preset="small", **CONFIG)
    (tmp_path / "theirs.csv").write_text("method,task,seed,success\nqc-bfn,lift,0,10\n")
    runs = load(files([tmp_path]))
    assert conclusions(CLAIM, runs, [])[0][0] == UNTIMED
    updates = [
        {"method": method, "phase": phase, "seeds": 1, "ranking": "float32", "ms": time}
        for method, time in (("dfp", 10.0), ("qc-bfn", ms))
        for phase in ("offline", "online")
    ]
    bench = {"preset": "small", "updates": updates, "action_ms": {}, "device": "a processor", "commit": "c"}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    _, finding, paper = conclusions(CLAIM, runs, load_benches(files([tmp_path])))[0]
    assert finding.estimate.value == pytest.approx(difference) and math.isnan(paper)
    assert f"DFP 10.0 and 10.0 ms, QC-BFN {ms} and {ms} ms (a processor; " in finding.times
