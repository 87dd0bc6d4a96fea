"""The learner: many seeds of one algorithm at once, on a CPU or a GPU; it alone knows optimisers, graphs and the device."""

from algos.learner.actor import Actor
from algos.learner.learner import Learner

__all__ = ["Actor", "Learner"]
