"""Stores with several real gateways, brokers and an engine, for benchmarks and tests to play."""
