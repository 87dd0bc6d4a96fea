"""Starting files for what is yours, which `python -m eval.template` prints: each runs as it is."""
