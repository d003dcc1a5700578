"""The rules: values in, values out; no clock, socket, file, task, log or randomness.

Imports: nothing of presence but presence.errors.
"""
