"""What the mock can be told as JSON, by its environment and at run time: frozen, and unknown keys are refused."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from windtunnel.reference_service.environment import SettingError

Told = TypeVar("Told")


class Frozen(BaseModel):
    """The base of everything that is read from JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def understood(kind: TypeAdapter[Told], text: bytes | str) -> Told:
    """What a JSON text says. Raises `SettingError` with every mistake, by its path."""
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise SettingError("; ".join(_sentence(dict(mistake)) for mistake in error.errors())) from None


def _sentence(mistake: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in mistake["loc"])
    return f"{path}: {mistake['msg']}" if path else str(mistake["msg"])
