"""A shop recognises a customer who asked to be recognised, and nobody else."""

__version__ = "0.1.0"
