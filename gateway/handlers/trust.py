"""Whose certificates are believed, where a handler connects to others."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import certifi


def trusted(ca: Path | None = None) -> ssl.SSLContext:
    """Certificates of a file's authorities; without one, the system's, and where it has none, those of certifi."""
    if ca is not None:
        return ssl.create_default_context(cafile=ca)
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and os.listdir(paths.capath)):
        context = ssl.create_default_context(cafile=certifi.where())
    return context
