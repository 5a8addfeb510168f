"""Hostile octets: seeded mutations and hypothesis over all that reads what a peer sends.

`python -m tests.fuzz` runs millions of inputs over every target and prints inputs a second, memory, and each failure
with the command that repeats it. A quick form runs with the other tests. An input is always octets, so that any of
them can be printed, repeated, and kept in `regressions.toml`.
"""
