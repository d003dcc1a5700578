"""The helper: what it opens for whom, what it refuses, and that it is as small as it is said to
be.
"""

import ast
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.hci.report_filter import FEW_REPORTS, MAX_REPORTS
from presence.core.recognition.beacons import eddystone, ibeacon
from presence.edges.kernel import opener
from presence.edges.kernel.opener import KernelAdapter, RequestRefused, opened_for
from tests.support.hci_reports import event, in_monitor, in_user_channel, legacy_report
from tests.support.paths import ROOT
from tests.support.radio_helpers import HCI0, FakeKernel

PREFIX = "5072657365636531"
E1 = eddystone.payload(bytes(8), tx_power_dbm=-18)
E2 = ibeacon.payload(bytes.fromhex(PREFIX), bytes(8), tx_power_dbm=-59)


def request(mode: str = "monitor", adapter: str = "hci0", prefix: str = "") -> bytes:
    return json.dumps({"mode": mode, "adapter": adapter, "ibeacon_prefix": prefix}).encode()


def refusal(asked: bytes, kernel: FakeKernel) -> dict[str, str]:
    with pytest.raises(RequestRefused) as refused:
        opened_for(asked, kernel)
    told: dict[str, str] = refused.value.args[0]
    return told


def passes(kernel: FakeKernel, opened: socket.socket, packet: bytes) -> bool:
    kernel.channels[-1].send(packet)
    opened.setblocking(False)
    try:
        return opened.recv(512) == packet
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    "name", ["hci0", "00:00:5E:00:53:01", "00:00:5e:00:53:01", "usb:1-1.4", ""]
)
def test_an_adapter_is_found_by_each_of_its_names(name: str) -> None:
    with FakeKernel(there=[HCI0, KernelAdapter("hci1", "00:00:5E:00:53:02", "")]) as kernel:
        answer, opened = opened_for(request(adapter=name), kernel)
        opened.close()
    assert answer == {**HCI0._asdict(), "reports": MAX_REPORTS}
    assert kernel.opened_for == [("monitor", 0)]


@pytest.mark.requirement("R-04")
def test_the_descriptor_lets_our_formats_pass_and_no_more() -> None:
    with FakeKernel() as kernel:
        heard = in_monitor(event(legacy_report(E1)))
        chains = in_monitor(event(legacy_report(E2)))
        _, opened = opened_for(request(), kernel)
        with opened:
            assert passes(kernel, opened, heard)
            assert not passes(kernel, opened, chains)
        _, opened = opened_for(request(prefix=PREFIX), kernel)
        with opened:
            assert passes(kernel, opened, heard)
            assert passes(kernel, opened, chains)
            with pytest.raises(PermissionError):  # locked
                opener.attach(opened, ())
        _, opened = opened_for(request("user"), kernel)
        with opened:
            assert passes(kernel, opened, in_user_channel(event(legacy_report(E1))))
            assert not passes(kernel, opened, in_user_channel(event(legacy_report(E2))))


def test_a_kernel_with_little_memory_for_filters_gets_the_small_one() -> None:
    with FakeKernel(filter_bytes=20_480) as kernel:
        answer, opened = opened_for(request(prefix=PREFIX), kernel)
        opened.close()
    assert answer["reports"] == FEW_REPORTS


def test_what_the_kernel_refuses_is_said_by_its_name() -> None:
    kernel = FakeKernel(refuses={"user": errno.EUSERS})
    assert refusal(request("user"), kernel) == {"error": "EUSERS", "what": "bind", "hci": "hci0"}
    assert refusal(request(), FakeKernel(filter_bytes=0))["error"] == "ENOMEM"


def test_an_adapter_that_is_not_there_or_is_two_is_nobodys() -> None:
    twin = KernelAdapter("hci1", HCI0.address, "usb:1-1.3")
    assert refusal(request(adapter="hci7"), FakeKernel())["error"] == "ENODEV"
    assert refusal(request(adapter=""), FakeKernel(there=[]))["error"] == "ENODEV"
    kernel = FakeKernel(there=[HCI0, twin])
    assert refusal(request(adapter=HCI0.address), kernel)["error"] == "ENOTUNIQ"
    assert not kernel.opened_for


@pytest.mark.requirement("T-05")
@given(
    st.one_of(
        st.binary(max_size=64),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["mode", "adapter", "ibeacon_prefix"]), inner, max_size=3
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_a_request_of_any_kind_is_answered_and_opens_nothing_it_should_not(asked: bytes) -> None:
    kernel = FakeKernel()
    try:
        _, opened = opened_for(asked, kernel)
    except RequestRefused as refused:
        told = refused.args[0]
        assert set(told) == {"error", "what", "hci"}
        assert not kernel.opened_for
    else:
        opened.close()
        kernel.channels[0].close()
        assert kernel.opened_for[0][0] in ("monitor", "user")


@pytest.mark.parametrize(
    "asked",
    [b"", b"{}", request("raw"), request(prefix="12"), request(prefix="zz" * 8), b"[1]", b"\xff"],
)
def test_a_request_that_is_none_opens_nothing(asked: bytes) -> None:
    kernel = FakeKernel()
    assert refusal(asked, kernel)["error"] == "EINVAL"
    assert not kernel.opened_for


def test_the_program_answers_one_request_on_its_standard_input_and_ends() -> None:
    """As systemd starts it; whatever this machine's kernel says to Bluetooth."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-sPB", "-m", "presence.edges.kernel.opener"]
    with ours, its:
        ours.send(request(adapter="hci99"))
        done = subprocess.run(command, stdin=its, cwd=ROOT, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        answer, descriptors, _, _ = socket.recv_fds(ours, 512, 1)
    assert not descriptors
    # Without Bluetooth in the kernel the question for adapters fails; with it hci99 is not there.
    assert json.loads(answer)["error"] in ("EAFNOSUPPORT", "ENODEV")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
def test_rights_once_dropped_are_gone_for_good() -> None:
    """What the helper holds as it hands the descriptor over, by the kernel's own word."""
    asked = (
        "import socket\n"
        "from presence.edges.kernel.opener import drop_rights\n"
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()  # takes CAP_NET_RAW\n"
        "drop_rights()\n"
        "print(open('/proc/self/status').read())\n"
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
    )
    done = subprocess.run(
        [sys.executable, "-sPBc", asked], cwd=ROOT, capture_output=True, text=True, check=False
    )
    held = dict(line.split(":\t") for line in done.stdout.splitlines() if line.startswith("Cap"))
    assert {held["CapEff"], held["CapPrm"], held["CapInh"]} == {"0" * 16}
    assert "PermissionError" in done.stderr


def test_the_helper_needs_nothing_but_python_and_the_rules_of_the_formats() -> None:
    """What has a right must be small enough to be read: no package of somebody else's."""
    asked = (
        "import sys, presence.edges.kernel.opener; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, check=True)
    others = set(done.stdout.decode().split()) - {"sitecustomize", "usercustomize", "__main__"}
    assert {name for name in others if not name.startswith("_")} == {"presence"}


def test_the_helper_has_at_most_150_lines_of_code() -> None:
    """Without docstrings, comments and empty lines."""
    source = Path(opener.__file__).read_text()
    words = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code = [
        line
        for number, line in enumerate(source.splitlines(), 1)
        if number not in words and line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) <= 150
