from typing import Any, NamedTuple

try:
    from gateway.sms.address import AddressError, normalise_sender
except ImportError:

    class _A(NamedTuple):
        value: str

    class AddressError(ValueError):  # type: ignore
        pass

    def normalise_sender(raw: str, region: str | None) -> Any:  # type: ignore
        return _A(raw)
