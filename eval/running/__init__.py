"""A run while it runs: both phases of training, episodes, simulators."""
