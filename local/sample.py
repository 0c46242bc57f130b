"""The sample clinic: what the demo shows, and what a scenario's clinic leaves out."""

from __future__ import annotations

from datetime import UTC, datetime

from reminders.model import Clinic, OnCall

SAMPLE_CLINIC = Clinic(
    id="harbor",
    name="Harbor Clinic",
    phone="+12135550100",
    time_zone="America/Los_Angeles",
    on_call=(
        OnCall(
            name="Dana Reyes",
            phone="+12135550111",
            email="dana@harbor.example",
            tested_at=datetime(2026, 1, 5, 17, tzinfo=UTC),
        ),
    ),
    address="12 Pier Street, Los Angeles",
    sms_from="+12135550199",
    email_from="Harbor Clinic <visits@harbor.example>",
)
