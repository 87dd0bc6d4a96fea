"""Data on disk: one format a file; what is read is checked, what is written appears whole."""
