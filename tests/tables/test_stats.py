"""Statistics agree with closed forms, with scipy's own computed another way, and with what they promise in simulations."""

import math

import numpy as np
import pytest
import scipy.stats

from tables.stats import (
    bootstrap,
    detectable,
    interquartile_mean,
    margin,
    mean,
    performance_profile,
    probability_of_improvement,
    welch,
)


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def ragged(seed: int, *seeds: int) -> list[np.ndarray]:
    """Success rates of some tasks, in steps of 2 %, as 50 episodes give them: ties occur."""
    rng = np.random.default_rng(seed)
    return [rng.binomial(50, rng.uniform(0.3, 0.9), n) * 2.0 for n in seeds]


def test_the_interquartile_mean_leaves_out_both_outer_quarters():
    assert interquartile_mean([np.array([100.0, 2, 4, 0])]) == 3
    assert interquartile_mean([np.array([7.0, -999, 3]), np.array([5.0, 1, 999])]) == 4  # of six runs one at each end
    assert interquartile_mean([np.arange(101.0)]) == 50


def test_the_interquartile_mean_is_over_runs_and_the_mean_over_tasks():
    scores = ragged(0, 5, 3, 8, 4)
    assert interquartile_mean(scores) == pytest.approx(scipy.stats.trim_mean(np.concatenate(scores), 0.25))
    assert mean([np.array([10.0, 20, 30]), np.array([60.0])]) == 40


def test_the_interquartile_mean_ignores_how_far_out_an_outlier_lies():
    scores = [np.array([1.0, 2, 3, 4, 5, 6, 7, 8])]
    assert interquartile_mean([np.where(scores[0] == 8, 1e6, scores[0])]) == interquartile_mean(scores)


def test_one_task_s_interval_is_the_plain_bootstrap():
    (task,) = ragged(1, 12)
    ours = bootstrap(mean, [task], generator())
    means = np.sort(generator().choice(task, (20_000, 12)).mean(-1))
    assert (ours.low, ours.high) == pytest.approx(np.percentile(means, (2.5, 97.5)), abs=0.6)


def test_tasks_are_strata():
    """Tasks far apart with equal seeds: only a bootstrap that mixes tasks would see any spread."""
    assert bootstrap(mean, [np.full(5, 0.0), np.full(5, 100.0)], generator()) == (50, 50, 50)
    scores = [np.array([0.0, 2]), np.array([100.0, 100])]
    assert bootstrap(mean, scores, generator()) == (50.5, 50, 51)


@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_the_order_of_seeds_and_tasks_does_not_matter(statistic):
    scores = ragged(2, 5, 3, 8)
    shuffled = [generator().permutation(task) for task in reversed(scores)]
    ours, theirs = bootstrap(statistic, scores, generator()), bootstrap(statistic, shuffled, generator())
    assert ours.value == pytest.approx(theirs.value)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.5)


def test_equal_generators_give_equal_intervals():
    scores = ragged(3, 5, 5)
    assert bootstrap(mean, scores, generator()) == bootstrap(mean, scores, generator())


def test_a_task_with_one_seed_has_no_interval():
    estimate = bootstrap(mean, [np.array([50.0]), np.array([40.0, 60])], generator())
    assert estimate.value == 50 and math.isnan(estimate.low) and math.isnan(estimate.high)


def test_the_interval_covers_the_truth_as_often_as_the_docstring_says():
    rng = generator()
    truth = np.linspace(20, 80, 6)
    hits = 0
    for _ in range(400):
        estimate = bootstrap(mean, [rng.normal(center, 10, 5) for center in truth], rng, resamples=500)
        hits += estimate.low <= truth.mean() <= estimate.high
    assert 0.88 < hits / 400 < 0.96


def test_probability_of_improvement_is_mann_whitney_s_u():
    ours, theirs = ragged(4, 5, 3, 8), ragged(5, 4, 3, 5)
    expected = [scipy.stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in zip(ours, theirs, strict=True)]
    estimate = probability_of_improvement(ours, theirs, generator())
    assert estimate.value == pytest.approx(np.mean(expected))
    assert estimate.low < estimate.value < estimate.high
    assert probability_of_improvement(theirs, ours, generator()).value == pytest.approx(1 - estimate.value)


def test_probability_of_improvement_over_oneself_and_over_the_worse():
    scores = ragged(6, 5, 5)
    assert probability_of_improvement(scores, scores, generator()).value == 0.5
    assert probability_of_improvement(scores, [task - 101 for task in scores], generator()) == (1, 1, 1)
    with pytest.raises(ValueError, match="2 tasks against 1"):
        probability_of_improvement(scores, scores[:1], generator())


def test_a_profile_is_the_share_of_runs_above():
    scores = [np.array([10.0, 50]), np.array([50.0, 90, 90, 90])]
    profile = performance_profile(scores, np.array([0.0, 10, 49, 50, 90]), generator())
    assert profile.value == pytest.approx([1, 0.75, 0.75, 0.375, 0])
    assert (profile.low <= profile.value).all() and (profile.value <= profile.high).all()
    assert np.diff(performance_profile(ragged(7, 5, 5), np.arange(100), generator()).value).max() <= 0


def test_the_area_under_a_profile_is_the_mean():
    scores = ragged(8, 5, 3, 6)
    profile = performance_profile(scores, np.arange(100) + 0.5, generator(), resamples=10)
    assert profile.value.sum() == pytest.approx(mean(scores))


def test_the_margin_is_half_of_student_s_interval():
    x = ragged(9, 5)[0]
    interval = scipy.stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert x.mean() + margin(x.std(ddof=1), 5) == pytest.approx(interval.high)
    assert np.isnan(margin(np.array([1.0, np.nan]), np.array([5, 1]))).tolist() == [False, True]


@pytest.mark.parametrize("n", [(5, 5), (3, 8), (2, 20)])
def test_welch_s_test_is_scipy_s_on_samples_with_these_moments(n):
    a, b = ragged(10, *n)
    result = scipy.stats.ttest_ind(a, b, equal_var=False)
    ours = welch(a.mean(), a.std(ddof=1), n[0], b.mean(), b.std(ddof=1), n[1])
    assert ours == pytest.approx((a.mean() - b.mean(), *result.confidence_interval(0.95), result.pvalue))


@pytest.mark.parametrize("unknown", [(0, 5, 0, 5), (4, 5, 0, 8), (0, 3, 4, 8), (math.nan, 1, 3, 5), (3, 5, math.nan, 1)])
def test_without_a_spread_there_is_a_difference_and_no_test(unknown):
    std_a, n_a, std_b, n_b = unknown
    difference, *rest = welch(90, std_a, n_a, 80, std_b, n_b)
    assert difference == 10 and all(map(math.isnan, rest))
    assert math.isnan(detectable(std_a, std_b, n_a, n_b))


def test_the_test_is_significant_just_when_the_interval_leaves_out_zero():
    for difference in (1, 5, 9, 13):
        result = welch(80 + difference, 6, 5, 80, 5, 5)
        assert (result.p < 0.05) == (result.low > 0)
        assert welch(80, 5, 5, 80 + difference, 6, 5).low == pytest.approx(-result.high)


@pytest.mark.parametrize(("stds", "n"), [((5, 5), (5, 5)), ((2, 9), (5, 5)), ((4, 6), (3, 8)), ((4, 4), (5, 5))])
def test_a_detectable_difference_is_found_four_times_in_five(stds, n):
    rng = generator()
    a = rng.normal(detectable(*stds, *n), stds[0], (20_000, n[0]))
    b = rng.normal(0, stds[1], (20_000, n[1]))
    found = scipy.stats.ttest_ind(a, b, axis=-1, equal_var=False).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.05)


def test_a_detectable_difference_scales_with_the_spread_and_falls_with_seeds():
    assert detectable(10, 10, 5, 5) == pytest.approx(2 * detectable(5, 5, 5, 5))
    assert detectable(5, 5, 2, 2) > detectable(5, 5, 3, 3) > detectable(5, 5, 5, 5) > detectable(5, 5, 20, 20)
