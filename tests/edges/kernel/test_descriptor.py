"""The descriptor's hand-over, and what comes of it where the helper does not answer as agreed."""

import contextlib
import errno
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from presence.edges.kernel.descriptor import DescriptorRefused, ask
from presence.errors import RadioError, RadioFault
from tests.support.radio_helpers import HCI0, FakeKernel, a_helper


async def test_a_descriptor_comes_with_what_is_known_of_its_adapter(tmp_path: Path) -> None:
    with a_helper(tmp_path / "socket", FakeKernel()):
        found = await ask("monitor", "usb:1-1.4", path=tmp_path / "socket")
    with found.sock:
        assert (found.hci, found.address, found.usb) == HCI0
        assert not found.sock.getblocking()
        assert not found.sock.get_inheritable()


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [
        (FakeKernel(there=[]), RadioFault.NO_ADAPTER),
        (FakeKernel(refuses={"monitor": errno.EPERM}), RadioFault.KERNEL_REFUSES),
        (FakeKernel(refuses={"monitor": errno.ERFKILL}), RadioFault.BLOCKED),
    ],
)
async def test_a_refusal_tells_what_to_do(
    tmp_path: Path, kernel: FakeKernel, fault: RadioFault
) -> None:
    with a_helper(tmp_path / "socket", kernel), pytest.raises(DescriptorRefused) as refused:
        await ask("monitor", "hci0", path=tmp_path / "socket")
    assert refused.value.fault is fault
    assert refused.value.error in str(refused.value)


async def test_the_kernel_is_not_asked_for_the_name_of_what_came(tmp_path: Path) -> None:
    """HCI's monitor channel has none and answers EBADFD (tests/system hands over a real one). Here:
    the family of a UDP socket would be another.
    """
    answer = json.dumps({"hci": "hci0", "address": "", "usb": "", "reports": 6}).encode()
    handed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()
    with a_helper_that_answers(tmp_path / "socket", answer, [handed]):
        found = await ask("monitor", "hci0", path=tmp_path / "socket")
    with found.sock:
        assert found.sock.family is socket.AF_UNIX


async def test_where_no_helper_is_the_next_step_is_to_switch_it_on(tmp_path: Path) -> None:
    with pytest.raises(RadioError, match=r"enable --now presence-radio\.socket") as refused:
        await ask("monitor", "hci0", path=tmp_path / "socket")
    assert refused.value.fault is RadioFault.NO_HELPER


@contextlib.contextmanager
def a_helper_that_answers(path: Path, answer: bytes, descriptors: list[int]) -> Iterator[None]:
    """Once, and with these descriptors, which it gives away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer_once() -> None:
            daemon, _ = listening.accept()
            with daemon:
                daemon.recv(512)
                if answer:
                    socket.send_fds(daemon, [answer], descriptors)
            for descriptor in descriptors:
                os.close(descriptor)

        answering = threading.Thread(target=answer_once)
        answering.start()
        try:
            yield
        finally:
            answering.join()


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b"{}", json.dumps({"hci": "hci0"}).encode()])
@pytest.mark.parametrize("handed", [0, 1])
async def test_an_answer_that_is_none_leaves_no_descriptor_open(
    tmp_path: Path, answer: bytes, handed: int
) -> None:
    kept, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    descriptors = [given.detach()] if handed else []
    with kept, given:
        with (
            a_helper_that_answers(tmp_path / "socket", answer, descriptors),
            pytest.raises(RadioError) as refused,
        ):
            await ask("monitor", "hci0", path=tmp_path / "socket")
        assert refused.value.fault is RadioFault.NO_HELPER
        if handed:
            with pytest.raises(ConnectionRefusedError):  # nobody has the other end any more
                kept.send(b"x")


async def test_a_helper_that_does_not_answer_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()
        with pytest.raises(RadioError, match="timed out"):
            await ask("monitor", "hci0", path=path, patience_s=0.05)
