"""Where results come from: records of runs, and results of others."""
