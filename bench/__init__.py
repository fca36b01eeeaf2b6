"""Benchmarks: each prints ratios against a named reference. `python -m bench` runs them all."""
