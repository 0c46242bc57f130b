"""moto's DynamoDB without the costs that grow with the table, so that a clinic of thousands fits on a laptop.

Before every transaction moto copies all tables it names, once for each action, to be able to go back; here only the
items that the transaction writes are kept. For every query it sorts all items there are; here only those of the
partition that is asked for. For every attribute of a projection it spells out the whole item, and in every value it
answers it looks for ten members by four names; here both are simply taken. Answers stay the same;
tests/contract/test_embedded.py holds that.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

_transact = DynamoDBBackend.transact_write_items
_query = Table.query
_project = Item.project
_serialize = BaseJSONSerializer._serialize_type_structure
_PLAIN = frozenset({"S", "N", "SS", "NS", "BOOL", "NULL"})  # the same in moto as on the wire
_kept: ContextVar[frozenset[int]] = ContextVar("tables whose items this transaction keeps", default=frozenset())


def install() -> None:
    """For this whole process. Safe to repeat."""
    backend: Any = DynamoDBBackend  # Any: moto has no seam for it
    table: Any = Table
    backend.transact_write_items = _lean_transact
    table.query = _lean_query
    table.__deepcopy__ = _copy_of_table
    item: Any = Item
    item.project = _lean_projection
    serializer: Any = BaseJSONSerializer
    serializer._serialize_type_structure = _lean_answer


# --- transactions -----------------------------------------------------------------------------------


class _Kept:
    """The items of one table that a transaction may change, as they were."""

    def __init__(self, table: Table, keys: Iterable[tuple[DynamoType, DynamoType | None]]) -> None:
        self._table = table
        self._items = [(*key, copy.deepcopy(_item(table, *key))) for key in keys]
        self._streamed = len(table.stream_shard.items) if table.stream_shard else 0

    def put_back(self) -> None:
        items: Any = self._table.items
        for partition, sort, item in self._items:
            place, key = (items, partition) if sort is None else (items[partition], sort)
            if item is None:
                place.pop(key, None)
            else:
                place[key] = item
        if self._table.stream_shard:
            del self._table.stream_shard.items[self._streamed :]


def _lean_transact(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    kept = [_Kept(backend.tables[name], keys) for name, keys in _written(backend, transact_items).items()]
    token = _kept.set(frozenset(id(table) for table in backend.tables.values()))
    try:
        _transact(backend, transact_items)
    except Exception:
        for table in kept:
            table.put_back()
        raise
    finally:
        _kept.reset(token)


def _written(
    backend: DynamoDBBackend, actions: list[dict[str, Any]]
) -> dict[str, set[tuple[DynamoType, DynamoType | None]]]:
    """The keys of all that is to be written, by table; what moto will refuse anyway is left to it."""
    written: dict[str, set[tuple[DynamoType, DynamoType | None]]] = defaultdict(set)
    for action in actions:
        for verb, asked in action.items():
            table = backend.tables.get(asked.get("TableName", ""))
            key = asked.get("Item" if verb == "Put" else "Key", {})
            if verb == "ConditionCheck" or table is None or not set(table.table_key_attrs) <= set(key):
                continue
            sort = DynamoType(key[table.range_key_attr]) if table.range_key_attr else None
            written[asked["TableName"]].add((DynamoType(key[table.hash_key_attr]), sort))
    return written


def _item(table: Table, partition: DynamoType, sort: DynamoType | None) -> Item | None:
    items: Any = table.items
    found: Item | None = items.get(partition) if sort is None else items.get(partition, {}).get(sort)
    return found


def _copy_of_table(table: Table, memo: dict[int, Any]) -> Table:
    """Itself while a transaction keeps its items; else a copy as anybody expects it."""
    if id(table) in _kept.get():
        return table
    made: Table = object.__new__(type(table))
    memo[id(table)] = made
    made.__dict__.update(copy.deepcopy(table.__dict__, memo))
    return made


# --- queries ----------------------------------------------------------------------------------------


def _lean_query(
    table: Table,
    hash_key: DynamoType | None,
    range_comparison: str | None,
    range_objs: list[DynamoType],
    limit: int,
    exclusive_start_key: dict[str, Any],
    scan_index_forward: bool,
    projection_expressions: list[list[str]] | None,
    index_name: str | None = None,
    *given: Any,
    **named: Any,
) -> Any:
    part = copy.copy(table)
    part.items = defaultdict(dict, _asked(table, hash_key, index_name, named.get("hash_key_conditions")))
    return _query(
        part,
        hash_key,
        range_comparison,
        range_objs,
        limit,
        exclusive_start_key,
        scan_index_forward,
        projection_expressions,
        index_name,
        *given,
        **named,
    )


def _asked(
    table: Table, hash_key: Any, index: str | None, conditions: list[tuple[str, DynamoType]] | None
) -> dict[DynamoType, Any]:
    items: Any = table.items
    if index is None:
        return {hash_key: items[hash_key]} if hash_key in items else {}
    if not table.range_key_attr:
        return dict(items)
    wanted = [(name, value.value) for name, value in conditions or ()]
    found: dict[DynamoType, Any] = {}
    for partition, sorted_items in items.items():
        for sort, item in sorted_items.items():
            attrs = item.attrs
            if all(name in attrs and attrs[name].value == value for name, value in wanted):
                found.setdefault(partition, {})[sort] = item
    return found


# --- projections ------------------------------------------------------------------------------------


def _lean_projection(item: Item, projection_expressions: list[list[str]]) -> Item:
    if any(len(path) > 1 or "[" in path[0] for path in projection_expressions):  # into an attribute
        return _project(item, projection_expressions)
    part = Item(item.hash_key, item.range_key, attrs={})
    for (name,) in projection_expressions:
        if name in item.attrs:
            dict.__setitem__(part.attrs, name, item.attrs[name])  # its size is checked when it is written
    return part


# --- answers ----------------------------------------------------------------------------------------


def _lean_answer(serializer: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
    if shape.name == "AttributeValue" and isinstance(value, dict) and value.keys() <= _PLAIN:
        serialized[key] = value
    else:
        _serialize(serializer, serialized, value, shape, key)
