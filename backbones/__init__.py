"""One generative policy family a file; a new file here is a new backbone everywhere (command line, tests, tables)."""
