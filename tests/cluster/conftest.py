"""These tests need the brokers that `scripts/test-cluster` brings; elsewhere none is collected."""

import os

import pytest

from tests.cluster.machine import RAN
from tests.cluster.rabbitmq import CHAIN

if "PRESENCE_CLUSTER" not in os.environ:
    collect_ignore_glob = ["*"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rabbitmq", default=CHAIN, help="settings of the nodes, parted by ;")
    parser.addoption("--mqtt", default="will_delay_s: 0", help="of the gateways' section mqtt")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in RAN:
        terminalreporter.write_line(f"presence: {line}")
