"""A template that fails when it is needed costs nobody their reminder: the last good one goes, and a person is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from local.stage import Stage
from reminders.messages import Catalogue, Template, load_defaults
from reminders.model import Channel, Language
from tests.builders import NOW, a_clinic, a_patient, a_session


@pytest.fixture
def told() -> list[tuple[str, Mapping[str, object]]]:
    return []


@pytest.fixture
def stage(told: list[tuple[str, Mapping[str, object]]]) -> Iterator[Stage]:
    with Stage(NOW, lambda event, facts: told.append((event, facts))) as stage:
        stage.store.put_clinic(a_clinic(sms_from="+12135550199"))
        stage.store.put_patient(a_patient())
        yield stage


@pytest.mark.parametrize(
    "source",
    ["{{ nobody_knows_this }}", "{% if %}", "{{ clinic_name.__class__ }}", "x" * 5000, ""],
    ids=["unknown name", "syntax", "hostile", "far too long", "empty"],
)
def test_the_last_good_version_goes_and_a_task_names_the_broken_one(
    stage: Stage, told: list[tuple[str, Mapping[str, object]]], source: str
) -> None:
    broken = Template(
        step="booked",
        language=Language.EN,
        channel=Channel.SMS,
        source=source,
        version="clinic-2",
        name="booked/en.sms",
    )
    shipped = load_defaults()
    kept = [
        version
        for step in shipped.steps()
        for language in Language
        for channel in Channel
        for version in shipped.versions(step, language, channel)
    ]
    stage.desk = replace(stage.desk, catalogue=Catalogue(kept, newer=[broken]))

    stage.at(NOW, lambda: stage.store.put_session(a_session()))
    stage.run(NOW + timedelta(minutes=2))

    assert [message.body.startswith("Harbor Clinic: Hi Ana") for message in stage.sandbox.log] == [True]
    tasks = [facts for event, facts in told if event == "task"]
    assert [task["kind"] for task in tasks] == ["template"]
