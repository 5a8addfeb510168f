"""Any text an app or a phone can give is stored, told and shown unchanged."""

from __future__ import annotations

from typing import Any

import msgspec
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import State
from gateway.store.ends import End, EndOp
from gateway.store.inbound import InboundOp
from gateway.store.messages import View
from gateway.store.submits import SubmitOp
from tests.support.inbound import single
from tests.support.stores import Desk

texts = st.text(max_size=200)  # all of Unicode but surrogates, which are no characters
meta = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 53), 1 << 53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
metas = st.none() | st.dictionaries(texts, meta, max_size=4)
few = settings(max_examples=25, deadline=None)


Meant = tuple[str, Any, str | None]


@given(given_=st.lists(st.tuples(texts, metas, st.none() | texts), min_size=1, max_size=20), name=texts)
@few
async def test_what_an_app_gives(given_: list[Meant], name: str) -> None:
    async with trio.open_nursery() as nursery:
        desk = Desk(nursery)
        await desk.open(name)
        kept: dict[int, Meant] = {}
        for text, meta, ref in given_:
            packed = msgspec.json.encode(meta).decode() if meta is not None else None
            message = desk.new(body=text.encode(), encoding="ucs2", meta=packed, ref=ref)
            await desk.do(SubmitOp([message]))
            if message.duplicate_of is None:
                kept[message.id] = (text, meta, ref)
            else:
                assert kept[message.duplicate_of][2] == ref
        refs = [ref for _, _, ref in given_ if ref is not None]
        assert len(kept) == len(given_) - len(refs) + len(set(refs))
        await desk.do(EndOp([End(mid, 0, State.CANCELLED, "cancelled", high=1) for mid in kept]))
        view = View(desk.store.id_text, 0)
        shown = desk.store.read_now(lambda con: view.messages(con, list(kept), desk.now, app="app", with_text=True))
        read = {mid: msgspec.json.decode(msgspec.json.encode(message)) for mid, message in shown.items()}
        assert {mid: (m["text"], m["meta"], m["ref"]) for mid, m in read.items()} == kept
        assert [(e["meta"], e["ref"]) for e in desk.told()] == [(meta, ref) for _, meta, ref in kept.values()]
        await desk.close()


@given(given_=st.lists(st.tuples(texts, texts), min_size=1, max_size=20))
@few
async def test_what_a_phone_sends(given_: list[tuple[str, str]]) -> None:
    async with trio.open_nursery() as nursery:
        desk = Desk(nursery)
        await desk.open()
        await desk.do(InboundOp([single(text, peer=peer) for text, peer in given_]))
        assert [(e["text"], e["peer"]) for e in desk.told("inbound")] == given_
        assert desk.rows("SELECT text, peer FROM inbound ORDER BY id") == given_
        await desk.close()
