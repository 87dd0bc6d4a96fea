"""What a run is, whole: its options, and the presets and methods that fill them in."""
