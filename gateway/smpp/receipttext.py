"""Receipts whose text is of a carrier's own form: a template of words and named fields, and what it finds.

No regular expression of an operator's: a template is walked once from left to right, each word between two fields is
looked for with `str.find`, and no octets take longer than the text is.
"""

from __future__ import annotations

import re
from typing import Final

FIELDS: Final = ("id", "stat", "err", "submit", "done", "text", "")
LONGEST: Final = 2048
"""Characters of a text that are looked at: a receipt's is short, a message_payload need not be."""
MAX_PIECES: Final = 30

_field: Final = re.compile(r"\{([^{}]*)\}")
_spaces: Final = re.compile(r"\s+")


class ReceiptText:
    """A template, such as ``Message {id} to {} is {stat}``.

    Words are compared without case and with any white space for a blank. A field ends where the word behind it begins,
    `{id}` and `{err}` at the first white space; `{text}` and a field at the end take the rest. Raises ValueError for a
    template that cannot be told from a message or that has two fields side by side.
    """

    __slots__ = ("_fields", "_words", "template")

    def __init__(self, template: str) -> None:
        pieces = _field.split(_spaces.sub(" ", template.strip()))
        self.template = template
        self._words = [word.lower() for word in pieces[0::2]]
        self._fields = pieces[1::2]
        if len(pieces) > MAX_PIECES:
            raise ValueError("it has too many fields")
        if any("{" in word or "}" in word for word in self._words):
            raise ValueError("a brace has no other")
        for name in self._fields:
            if name not in FIELDS:
                raise ValueError(f"{{{name}}} is no field: {', '.join(f'{{{n}}}' for n in FIELDS)}")
            if name and self._fields.count(name) > 1:
                raise ValueError(f"{{{name}}} is there twice")
        for needed in ("id", "stat"):
            if needed not in self._fields:
                raise ValueError(f"it has no {{{needed}}}")
        if any(not word for word in self._words[1:-1]):
            raise ValueError("two fields need something between them")
        if sum(len(word.strip()) for word in self._words) < 3:
            raise ValueError("too few words: any message would do")

    def read(self, text: str) -> dict[str, str] | None:
        """The fields by name, stripped; None where the text is not of this form."""
        text = _spaces.sub(" ", text[:LONGEST].strip(" \t\r\n\0"))
        low = text.lower()
        if len(low) != len(text):  # a letter whose lower case is two: none of a receipt's
            return None
        words = self._words
        if not low.startswith(words[0]):
            return None
        at = len(words[0])
        found: dict[str, str] = {}
        last = len(self._fields) - 1
        for index, name in enumerate(self._fields):
            word = words[index + 1]
            if index == last and not word:
                end = len(text)
            else:
                end = low.rfind(word, at) if index == last else low.find(word, at)
                if end < 0 or (index == last and end + len(word) != len(text)):
                    return None
            value = text[at:end].strip()
            if name in ("id", "stat") and (not value or (" " in value and name == "id")):
                return None
            if name:
                found[name] = value
            at = end + len(word)
        return found
