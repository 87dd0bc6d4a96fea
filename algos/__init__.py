"""One learning rule a file; a new file here is a new algorithm everywhere (command line, tests, tables)."""
