"""Scripted behaviour: where generated data come from."""
