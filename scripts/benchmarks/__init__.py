"""Benchmarks: what `scripts/bench` runs. Each module has `figures()`, a generator of Figure."""
