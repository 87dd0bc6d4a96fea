"""Environments: what is solved, and with which data. Nothing here knows backbones or algorithms."""
