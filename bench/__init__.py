"""Benchmarks: each names a figure, how it was measured, and something to hold it against in the same run."""
