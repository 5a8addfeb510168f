"""The whole daemon in one thread from a seed: its flows, its crashes, and a carrier for every bad day.

`world` runs a seed, `laws` says what has to hold. `python -m tests.sim --seed 7 --trace` plays one again.
"""
