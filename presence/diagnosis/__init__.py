"""What `check` and the survey ask of configuration, broker, list, radio and machine; each answer
with its next step.

Imports: presence.edges and what lies below; never presence.cli.
"""
