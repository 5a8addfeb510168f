"""The tables, once for every dialect (SQLAlchemy Core). `hot` holds the statements of the hot path over them.

Times are milliseconds since 1970; ids are the rising 63-bit ids of `gateway.model`; states are `State` numbers.
``shard`` and ``epoch`` are there from the first migration, so that several nodes can share one database later.
"""

from __future__ import annotations

from gateway.store.schema import events, inbound, messages, meters, permission, state
from gateway.store.schema.base import metadata

__all__ = ["events", "inbound", "messages", "metadata", "meters", "permission", "state"]
