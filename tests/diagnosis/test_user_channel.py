"""`presence check` of a radio without bluetoothd."""

import pytest

from presence.config import parse_settings
from presence.diagnosis.findings import Verdict
from presence.diagnosis.user_channel import look_at_user_channel
from presence.edges.host.clock import SystemClock
from presence.edges.kernel.descriptor import Descriptor, DescriptorRefused
from presence.edges.kernel.user_channel import UserChannelScanner
from presence.errors import RadioError, RadioFault
from tests.support.settings_texts import MINIMAL

SETTINGS = parse_settings(MINIMAL, name="presence.yaml")


@pytest.mark.parametrize(
    ("refusal", "verdict", "step"),
    [
        (DescriptorRefused("EUSERS", "bind", "hci0"), Verdict.WARN, "presence status"),
        (DescriptorRefused("EBUSY", "bind", "hci0"), Verdict.FAIL, "mask --now bluetooth"),
        (DescriptorRefused("ENODEV", "adapter", ""), Verdict.FAIL, "plug the adapter in"),
        (DescriptorRefused("ERFKILL", "bind", "hci0"), Verdict.FAIL, "rfkill unblock"),
        (RadioError(RadioFault.NO_HELPER, "no answer"), Verdict.FAIL, "presence-radio.socket"),
    ],
)
async def test_what_the_kernel_refuses_is_told_with_the_next_step(
    refusal: RadioError, verdict: Verdict, step: str
) -> None:
    async def ask(_adapter: str) -> Descriptor:
        raise refusal

    radio = UserChannelScanner(ask, adapter="", clock=SystemClock(), emit=lambda _event: None)
    [found] = await look_at_user_channel(SETTINGS, listen_s=0.05, radios=[radio])

    assert (found.name, found.verdict) == ("radio", verdict)
    assert step in found.next_step
    assert refusal.detail in found.found
