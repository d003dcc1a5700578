"""`presence config`: the first file of settings, what is in force and where each value is from, and
the schema for editors.

Imports: everything below presence.cli.
"""
