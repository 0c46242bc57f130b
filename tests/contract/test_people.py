"""Ways back: from a phone to its patients, and from the address of a text to its clinic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from reminders.errors import BadInput
from reminders.model import Channel, Patient, PatientStatus
from reminders.ports import PatientRef
from tests.builders import a_clinic, a_patient
from tests.contract.builders import REF

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PHONE = "+12135550123"
OTHER = "+12135550124"
NUMBER = "+12135550199"
SERVICE = "MG0123456789abcdef0123456789abcdef"


def partition(dynamodb: DynamoDBClient, table: str, pk: str) -> list[str]:
    found = dynamodb.query(
        TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}}
    )
    return [item["sk"]["S"] for item in found["Items"]]


# --- from a phone -----------------------------------------------------------------------------------


def test_a_phone_nobody_has_leads_to_nobody(store: DynamoStore) -> None:
    store.put_patient(a_patient(phone=None))
    assert store.patients_at("harbor", PHONE) == []
    assert store.patients_at("harbor", "") == []


def test_all_who_share_a_phone_are_found_in_the_order_of_their_ids(store: DynamoStore) -> None:
    for patient_id in ("p2", "p10", "p1"):
        store.put_patient(a_patient(id=patient_id))
    store.put_patient(a_patient(id="p3", phone=OTHER))
    store.put_patient(a_patient(id="p4", clinic_id="other"))
    assert [ref.patient_id for ref in store.patients_at("harbor", PHONE)] == ["p1", "p10", "p2"]
    assert store.patients_at("other", PHONE) == [PatientRef("other", "p4")]


@pytest.mark.parametrize("status", PatientStatus)
def test_whoever_has_left_can_still_be_in_danger(store: DynamoStore, status: PatientStatus) -> None:
    store.put_patient(a_patient(status=status))
    assert store.patients_at("harbor", PHONE) == [REF]


CHANGES: dict[str, Callable[[DynamoStore, Patient], object]] = {
    "put again": lambda store, patient: store.put_patient(patient),
    "changed": lambda store, patient: store.change_patient(REF, lambda _: patient),
}


@pytest.mark.parametrize("write", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize(("before", "after"), [(PHONE, OTHER), (PHONE, None), (None, PHONE), (PHONE, PHONE)], ids=str)
def test_a_way_back_follows_the_phone(
    store: DynamoStore,
    dynamodb: DynamoDBClient,
    table: str,
    write: Callable[[DynamoStore, Patient], object],
    before: str | None,
    after: str | None,
) -> None:
    store.put_patient(a_patient(phone=before))
    write(store, a_patient(phone=after))
    for phone in (PHONE, OTHER):
        found = [REF] if phone == after else []
        assert store.patients_at("harbor", phone) == found
        links = partition(dynamodb, table, f"CLINIC#harbor#PHONE#{phone}")
        assert links == ["PATIENT#p1"] * len(found)


def test_a_phone_that_is_changed_back_meanwhile_still_leads_to_its_patient(store: DynamoStore) -> None:
    store.put_patient(a_patient())
    seen: list[str | None] = []

    def moving(patient: Patient) -> Patient:
        if not seen:
            store.put_patient(a_patient(phone=OTHER))
        seen.append(patient.phone)
        return replace(patient, phone=PHONE)

    assert store.change_patient(REF, moving) == a_patient()
    assert seen == [PHONE, OTHER]
    assert store.patients_at("harbor", PHONE) == [REF]
    assert store.patients_at("harbor", OTHER) == []


def test_an_address_that_is_marked_dead_still_leads_to_its_patient(store: DynamoStore) -> None:
    store.put_patient(a_patient())
    store.change_patient(REF, lambda patient: replace(patient, unreachable={Channel.SMS: PHONE}, consent={}))
    assert store.patients_at("harbor", PHONE) == [REF]


def test_a_way_back_that_others_left_behind_leads_nowhere(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str
) -> None:
    store.put_patient(a_patient(phone=OTHER))
    for patient_id in ("p1", "gone"):
        link = {"pk": {"S": f"CLINIC#harbor#PHONE#{PHONE}"}, "sk": {"S": f"PATIENT#{patient_id}"}}
        dynamodb.put_item(TableName=table, Item=link)
    assert store.patients_at("harbor", PHONE) == []


def test_a_phone_that_many_share_is_read_whole(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    ids = [f"p{number:03}" for number in range(130)]
    for patient_id in ids:
        pk = f"CLINIC#harbor#PATIENT#{patient_id}"
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"S": "PATIENT"}, "phone": {"S": PHONE}})
        link = {"pk": {"S": f"CLINIC#harbor#PHONE#{PHONE}"}, "sk": {"S": f"PATIENT#{patient_id}"}}
        dynamodb.put_item(TableName=table, Item=link)
    assert [ref.patient_id for ref in store.patients_at("harbor", PHONE)] == ids


# --- from the address of a text ---------------------------------------------------------------------


@pytest.mark.parametrize("address", [NUMBER, SERVICE])
def test_the_address_a_clinic_texts_from_leads_to_it(store: DynamoStore, address: str) -> None:
    assert store.clinic_of(address) is None
    store.put_clinic(a_clinic(sms_from=address))
    assert store.clinic_of(address) == "harbor"
    assert store.clinic("harbor") == a_clinic(sms_from=address)


@pytest.mark.parametrize("changes", [{"sms_from": SERVICE}, {"sms_from": None}, {"sms_from": NUMBER, "paused": True}])
def test_a_clinic_that_texts_from_elsewhere_is_found_there_only(store: DynamoStore, changes: dict[str, Any]) -> None:
    store.put_clinic(a_clinic(sms_from=NUMBER))
    store.put_clinic(a_clinic(**changes))
    for address in (NUMBER, SERVICE):
        assert store.clinic_of(address) == ("harbor" if address == changes["sms_from"] else None)


def test_a_clinic_without_an_address_is_no_ones(store: DynamoStore) -> None:
    store.put_clinic(a_clinic())
    assert store.clinic_of("") is None


def test_no_clinic_takes_anothers_replies(store: DynamoStore) -> None:
    store.put_clinic(a_clinic(sms_from=NUMBER))
    with pytest.raises(BadInput, match="sms_from"):
        store.put_clinic(a_clinic(id="other", sms_from=NUMBER))
    assert store.clinic_of(NUMBER) == "harbor"
    assert store.clinic("other") is None
    store.put_clinic(a_clinic(sms_from=SERVICE))  # given up, so it is free
    store.put_clinic(a_clinic(id="other", sms_from=NUMBER))
    assert store.clinic_of(NUMBER) == "other"


def test_an_address_that_leads_elsewhere_by_now_is_left_alone(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str
) -> None:
    store.put_clinic(a_clinic(sms_from=NUMBER))
    link = {"pk": {"S": f"SENDER#{NUMBER}"}, "sk": {"S": "CLINIC"}, "clinic": {"S": "other"}}
    dynamodb.put_item(TableName=table, Item=link)
    store.put_clinic(a_clinic(sms_from=SERVICE))
    assert store.clinic_of(NUMBER) == "other"
    assert store.clinic_of(SERVICE) == "harbor"
