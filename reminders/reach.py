"""May and can this patient be written to, and on which channel."""

from __future__ import annotations

from reminders.model import Channel, Chart, PermissionState, Reason


def usable(chart: Chart, channel: Channel) -> bool:
    """Whether this patient may and can be written to on this channel."""
    patient = chart.patient
    address = patient.address(channel)
    return (
        patient.permission(channel).state is PermissionState.GRANTED
        and address is not None
        and patient.unreachable.get(channel) != address
    )


def channel_for(chart: Chart) -> tuple[Channel | None, Reason | None]:
    """The channel to write on, the patient's preferred one first; or None and why there is none."""
    first = chart.patient.prefers
    for channel in (first, first.other):
        if usable(chart, channel):
            return channel, None
    states = {chart.patient.permission(channel).state for channel in Channel}
    if PermissionState.REVOKED in states:
        return None, Reason.OPTED_OUT
    return None, Reason.NO_ADDRESS if PermissionState.GRANTED in states else Reason.NO_CONSENT
