"""Which unfinished runs a sweep has under way, from the claims beside them."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from eval.results.record import Run
from eval.sweep.claims import Claims
from eval.sweep.progress import progress
from eval.sweep.status import state


def under_way(runs: Iterable[Run], folders: Iterable[Path]) -> list[Run]:
    """The runs; those that a sweep has under way in one of the folders have that as their status, and how far they are as its
    reason."""
    claims = ((folder, claim) for folder in folders for claim in Claims(folder).all())
    live = {(folder / claim.facts["folder"]).resolve() for folder, claim in claims if state(claim) == "running"}

    def told(run: Run) -> Run:
        place = next((parent for parent in run.path.resolve().parents if parent in live), None)
        end = {"status": "running", "reason": progress(place)} if place and not run.end else run.end
        return replace(run, end=end)

    return [told(run) for run in runs]
