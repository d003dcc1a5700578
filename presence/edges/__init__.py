"""Thin edges, one technology each, strangers to one another."""
