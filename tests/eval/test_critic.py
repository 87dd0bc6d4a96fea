"""`python -m eval.critic`: the critic's order of candidates beside what came of them."""

import json
import sys
from itertools import combinations

import numpy as np
import pytest

from envs.command import run_command
from eval import critic
from eval.critic import correlations, expected_best
from eval.policy import load
from eval.running.rollout import Arena, action_rng
from eval.running.worth import WORTH, Candidates, propose, try_candidates


@pytest.fixture
def measured(monkeypatch, capsys):
    """The command's lines in the file beside the policies, and what it printed."""

    def start(where, *options: str):
        monkeypatch.setattr(sys, "argv", ["critic", str(where), "--workers", "0", *options])
        run_command(critic.main)
        (path,) = where.rglob("evaluations.ndjson")
        return [json.loads(line) for line in path.read_text().splitlines()], capsys.readouterr().out

    return start


def test_the_best_of_n_is_the_mean_over_all_subsets():
    rng = np.random.default_rng(0)
    values, worth = rng.normal(size=(2, 6))
    for n in (1, 2, 4, 6):
        chosen = [worth[max(subset, key=lambda i: values[i])] for subset in combinations(range(6), n)]
        assert expected_best(values, worth, n) == pytest.approx(np.mean(chosen))


def test_states_in_which_all_come_to_the_same_say_nothing():
    told = Candidates(0, 0, (1.0, 2.0, 3.0), (-3.0, -2.0, -1.0), (False, False, True))
    silent = Candidates(1, 0, (1.0, 2.0, 3.0), (-3.0, -3.0, -3.0), (False, False, False))
    assert correlations([told, silent]) == [pytest.approx(1)]


def test_returns_count_from_the_state_to_the_end_of_the_episode(kept_policy):
    """On the chain: leaving state 7 earns 1, whatever is done."""
    policy = load(kept_policy("probe-chain"))
    found = [try_candidates(Arena("probe-chain", "post"), policy.actor, 0, episode, 7, 0.9) for episode in range(6)]
    assert len({state.step for state in found}) > 1
    for state in found:
        assert state.returns == pytest.approx([0.9 ** (7 - state.step)] * 7) and all(state.success)


def test_each_candidate_s_return_is_its_own(kept_policy):
    """On the bandit: its reward. A candidate's episode is its number's, however many there are."""
    policy, arena = load(kept_policy("probe-bandit")), Arena("probe-bandit", "post")
    for episode in range(3):
        state = try_candidates(arena, policy.actor, 0, episode, 7, 0.9)
        rng = action_rng(WORTH, 0, episode, 0)
        rng.integers(1)  # the state: there is one
        actions, values = propose(policy.actor, np.zeros(1, np.float32), rng, 7)
        assert state.returns == pytest.approx([policy.task.reward(chunk[0]) for chunk in actions])
        assert state.values == pytest.approx(values) and len(set(state.returns)) > 1


def test_every_seed_s_states_are_kept_and_printed(tiny, measured):
    _, run = tiny(*"--task probe-bandit --algo.horizon 1 --seeds 0 3".split())
    lines, printed = measured(run.path.parent, "--states", "5", "--candidates", "4")
    assert [(line["kind"], line["seed"], len(line["states"])) for line in lines] == [("critic", 0, 5), ("critic", 3, 5)]
    assert "best of" in printed and "Spearman's rho" in printed
    for state in lines[0]["states"]:
        values, returns = state["values"], state["returns"]
        for n in (2, 4):
            assert min(returns) <= expected_best(values, returns, n) <= expected_best(returns, returns, n) <= max(returns) < 1.5


def test_a_policy_without_a_critic_is_refused(kept_policy, refused, monkeypatch):
    path = kept_policy("probe-chain", algo="fql", backbone="flow")
    monkeypatch.setattr(sys, "argv", ["critic", path])
    assert "without its critic" in refused(path, main=lambda options: run_command(critic.main))
