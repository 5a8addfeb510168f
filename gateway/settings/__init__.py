"""The configuration: TOML with the environment over it, every key documented, secrets never shown."""

from gateway.settings.carrier import Alphabet, BindKind, Carrier, LongMessages
from gateway.settings.errors import ConfigError, Place, Problem
from gateway.settings.load import load
from gateway.settings.mail import Smtp
from gateway.settings.models import Settings
from gateway.settings.numbers import Number
from gateway.settings.routing import App, Handler
from gateway.settings.secret import Secret
from gateway.settings.service import Limits, Log, Metrics, Socket, Store

__all__ = [
    "Alphabet",
    "App",
    "BindKind",
    "Carrier",
    "ConfigError",
    "Handler",
    "Limits",
    "Log",
    "LongMessages",
    "Metrics",
    "Number",
    "Place",
    "Problem",
    "Secret",
    "Settings",
    "Smtp",
    "Socket",
    "Store",
    "load",
]
