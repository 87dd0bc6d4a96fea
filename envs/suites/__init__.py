"""Tasks by suite: one family of environments a file."""
