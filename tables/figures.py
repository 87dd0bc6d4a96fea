"""Figures from run records."""

from pathlib import Path

from eval.record import Run

COLUMNS = ("task", "method", "step", "success rate (%)")


def learning_curve(runs: list[Run], path: Path) -> None:
    """Success over steps, one panel a task: mean and 95 % interval over seeds, the offline phase shaded (Figure 1)."""
    import matplotlib

    matplotlib.use("Agg")
    import pandas as pd
    import seaborn as sns

    rows, offline_steps = [], {}
    for run in runs:
        config = run.start["config"]
        label = f"{config['method']} ({config['preset']})"
        offline_steps[config["task"]] = config["offline_steps"]
        for e in run.evaluations:
            step = e["step"] + (config["offline_steps"] if e["phase"] == "online" else 0)
            rows.append((config["task"], label, step, 100 * sum(e["success"]) / len(e["success"])))
    sns.set_theme(style="whitegrid", context="paper", font_scale=1.2)
    grid = sns.relplot(
        pd.DataFrame(rows, columns=COLUMNS), x="step", y="success rate (%)", hue="method", style="method", col="task",
        col_wrap=min(4, len(offline_steps)), kind="line", errorbar=("ci", 95), seed=0, marker="o", dashes=False,
        palette="colorblind", height=3.2, aspect=1.35, facet_kws={"sharex": False},
    )  # fmt: skip
    for task, axes in grid.axes_dict.items():
        axes.axvspan(0, offline_steps[task], color="0.9", zorder=0)
        axes.set(ylim=(0, 103), xlim=(0, None), title=task)
    grid.savefig(path, dpi=150)
