"""What a run leaves: its record, its folder and checkpoint, and what they say of code, data and machine."""
