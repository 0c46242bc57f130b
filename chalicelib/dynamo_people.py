"""Clinics and patients, and the two ways back to them: from the address texts come from, and from a phone.

A way back is an item of its own, written in one transaction with what it leads to, so that no reply comes between.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib import dynamo_items as items
from chalicelib.dynamo_items import Item
from chalicelib.dynamo_table import CHANGE_TRIES, DynamoTable, answering
from chalicelib.dynamo_transactions import Action, Bundle, take
from chalicelib.dynamo_values import attributes, with_zone
from chalicelib.dynamo_writes import Change
from reminders.errors import BadInput, Unavailable
from reminders.model import Clinic, Patient
from reminders.ports import PatientRef


class People(DynamoTable):
    """The part of `reminders.ports.Store` that is about clinics and patients."""

    @answering
    def clinic(self, clinic_id: str) -> Clinic | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.clinic_key(clinic_id))
        return items.read_clinic(item) if item else None

    @answering
    def put_clinic(self, clinic: Clinic) -> None:
        """Overwrites. Raises BadInput for a time zone that does not exist, and for an `sms_from` that another clinic
        texts from: replies would reach the wrong one. Unavailable when others never let go."""
        item = items.clinic_item(with_zone(clinic))
        for _ in range(CHANGE_TRIES):
            if not take(self._client, [self._clinic_bundle(clinic, item, self._get(items.clinic_key(clinic.id)))]):
                return
            if clinic.sms_from and self._owner(clinic.sms_from) not in (None, clinic.id):
                raise BadInput("sms_from", "is another clinic's")
        raise Unavailable("this clinic keeps being changed by others")

    @answering
    def clinic_of(self, address: str) -> str | None:
        """The clinic that texts from this number or Messaging Service id (`sms_from`)."""
        return self._owner(address)

    @answering
    def patient(self, ref: PatientRef) -> Patient | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.patient_key(ref))
        return items.read_patient(item) if item else None

    @answering
    def put_patient(self, patient: Patient) -> None:
        """All of the patient's own fields; the list of live sessions stays. Raises BadInput for a wrong time zone,
        Unavailable when others never let go."""
        key = items.patient_key(PatientRef(patient.clinic_id, patient.id))
        for _ in range(CHANGE_TRIES):
            if self._replace_patient(self._get(key), patient):
                return
        raise Unavailable("this patient keeps being changed by others")

    @answering
    def change_patient(self, ref: PatientRef, change: Callable[[Patient], Patient]) -> Patient | None:
        """Change the patient as they are now, again if somebody else did meanwhile: no STOP is ever overwritten.

        Raises BadInput when the item is malformed or made so, Unavailable when others never let go.
        """
        for _ in range(CHANGE_TRIES):
            item = self._get(items.patient_key(ref))
            if item is None:
                return None
            changed = change(items.read_patient(item))
            if self._replace_patient(item, changed):
                return changed
        raise Unavailable("this patient keeps being changed by others")

    @answering
    def patients_at(self, clinic_id: str, phone: str) -> list[PatientRef]:
        """Whose phone this is now, active or not, by id; several share one, or nobody has it."""
        links = self._beginning(items.phone_partition(clinic_id, phone), items.AT_PHONE)
        refs = [PatientRef(clinic_id, link["sk"]["S"].removeprefix(items.AT_PHONE)) for link in links]
        found = self._batch(
            [items.patient_key(ref) for ref in refs],
            ProjectionExpression="pk, sk, phone",
        )
        return [ref for ref in refs if _text(found.get(items.patient_key(ref)), "phone") == phone]

    # --- writing with the ways back -----------------------------------------------------------------

    def _replace_patient(self, before: Item | None, patient: Patient) -> bool:
        """False when the item is no longer as `before`, or the table was too busy."""
        ref = PatientRef(patient.clinic_id, patient.id)
        change = _patient_change(patient)
        if before is not None:
            change.require_there()
        change.require_version(items.version_of(before or {}))
        bundle = Bundle(label=ref, writes={items.patient_key(ref): {"Update": change.arguments(self._table)}})
        old = _text(before, "phone")
        if old and old != patient.phone:
            key = items.phone_key(ref, old)
            bundle.writes[key] = {"Delete": {"TableName": self._table, "Key": items.named(key)}}
        if patient.phone:
            key = items.phone_key(ref, patient.phone)
            bundle.writes[key] = {"Put": {"TableName": self._table, "Item": items.named(key)}}
        return not take(self._client, [bundle])

    def _clinic_bundle(self, clinic: Clinic, item: Item, before: Item | None) -> Bundle:
        old = _text(before, "sms_from")
        put = {"TableName": self._table, "Item": item} | _sms_from_is(old)
        bundle = Bundle(label=clinic.id, writes={items.clinic_key(clinic.id): {"Put": put}})
        if old and old != clinic.sms_from and self._owner(old) == clinic.id:
            key = items.sender_key(old)
            gone = {"TableName": self._table, "Key": items.named(key)} | _leads_to(clinic.id)
            bundle.writes[key] = {"Delete": gone}
        if clinic.sms_from:
            key = items.sender_key(clinic.sms_from)
            link = {**items.named(key), "clinic": {"S": clinic.id}}
            bundle.writes[key] = {"Put": {"TableName": self._table, "Item": link} | _leads_to(clinic.id)}
        return bundle

    def _owner(self, address: str) -> str | None:
        return _text(self._get(items.sender_key(address)), "clinic") if address else None


def _text(item: Item | None, name: str) -> str | None:
    value = (item or {}).get(name, {}).get("S")
    return str(value) if value else None


def _sms_from_is(address: str | None) -> Action:
    if address is None:
        return {"ConditionExpression": "attribute_not_exists(sms_from)"}
    return {"ConditionExpression": "sms_from = :old", "ExpressionAttributeValues": {":old": {"S": address}}}


def _leads_to(clinic_id: str) -> Action:
    """To this clinic, or nowhere yet."""
    return {
        "ConditionExpression": "attribute_not_exists(pk) OR clinic = :clinic",
        "ExpressionAttributeValues": {":clinic": {"S": clinic_id}},
    }


def _patient_change(patient: Patient) -> Change:
    given = attributes(with_zone(patient), leave_out=("id", "clinic_id"))
    change = Change(items.patient_key(PatientRef(patient.clinic_id, patient.id)))
    change.set_all(given)
    for name in items.PATIENT_FIELDS:
        if name not in given:
            change.remove(name)
    change.raise_version()
    return change
