"""Benchmarks: voipsms beside Kannel, on this machine, in one run."""
