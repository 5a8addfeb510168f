"""An SMSC to try things against: settable behaviour, everything on the air shown, inbound messages on
request.

It stands on the protocol alone (`gateway.smpp`, `gateway.sms`, `gateway.link`), so that what it says of the
gateway is said from outside.
"""

from .air import Message, OnAir
from .config import SimulatorConfig
from .smsc import Simulator
from .stats import Stats
from .submit import Submit
from .terminal import simulate

__all__ = ["Message", "OnAir", "Simulator", "SimulatorConfig", "Stats", "Submit", "simulate"]
