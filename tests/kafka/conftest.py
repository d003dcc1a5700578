"""These tests need what `scripts/test-kafka` brings; elsewhere none is collected."""

import os

if "PRESENCE_KAFKA" not in os.environ:
    collect_ignore_glob = ["*"]
