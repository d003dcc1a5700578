"""The customer's app, played by a computer: what `scripts/app-emulator` runs
(docs/app-integration.md).
"""
