"""Thin edges, one technology each, strangers to one another.

Imports: presence.core, presence.config, presence.ports; one another as pyproject.toml draws it.
"""
