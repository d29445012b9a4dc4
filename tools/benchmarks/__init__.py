"""The tasks of tools/benchmark.py, one a file: a function from the options to rows of a table."""
