"""Grids of runs that differ in a few options and the seed: planned, run, and compared."""
