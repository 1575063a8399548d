"""Who runs a call: backends, and the choice among them."""

from importlib import import_module
from typing import Any

#: Name -> module it lives in.
_HOMES = {
    "BackendError": "base",
    "BackendWarning": "known",
    "Call": "base",
    "ComputeBackend": "base",
    "FallbackWarning": "dispatch",
    "use": "dispatch",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"accel.backend.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'accel.backend' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
