"""Every word that a spec can say, and those that some files do say: what a fuzzing has drawn and what it never did."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.scenario import Scenario

NEVER = {"Retries.on=ok", "Retries.on=hit", "Retries.on=miss"}
"""Successes are not tried again."""
FILES: tuple[type[BaseModel], ...] = (Architecture, Deployment, Scenario, Parameters)


def said(part: Any) -> Iterator[str]:
    """``Link.pool`` and ``Link.balance=hash`` of everything that is written below a spec."""
    if isinstance(part, BaseModel):
        for name in part.model_fields_set:
            value = getattr(part, name)
            yield f"{type(part).__name__}.{name}"
            kinds = _literals(type(part).model_fields[name].annotation)
            yield from (f"{type(part).__name__}.{name}={word}" for word in _words(value) if word in kinds)
            yield from said(value)
    elif isinstance(part, dict):
        for inner in part.values():
            yield from said(inner)
    elif isinstance(part, tuple):
        for inner in part:
            yield from said(inner)


def _words(value: Any) -> Iterator[str]:
    """The words that a value is, or is made of; also the keys in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _words(inner)
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _words(inner)


def sayable() -> frozenset[str]:
    """All there are."""
    seen: set[type[BaseModel]] = set()
    found: set[str] = set()

    def visit(declared: Any) -> None:
        if isinstance(declared, type) and issubclass(declared, BaseModel):
            if declared not in seen:
                seen.add(declared)
                for name, field in declared.model_fields.items():
                    found.add(f"{declared.__name__}.{name}")
                    found.update(f"{declared.__name__}.{name}={word}" for word in _literals(field.annotation))
                    visit(field.annotation)
            return
        for inner in get_args(declared):
            if not isinstance(inner, str):
                visit(inner)

    for file in FILES:
        visit(file)
    return frozenset(found) - NEVER


def _literals(declared: Any) -> frozenset[str]:
    """The words that stand for themselves, also as a list's members or a mapping's keys."""
    if get_origin(declared) is Literal:
        return frozenset(word for word in get_args(declared) if isinstance(word, str))
    if get_origin(declared) in (Annotated, Union, UnionType, tuple, dict):
        return frozenset[str]().union(*(_literals(inner) for inner in get_args(declared)))
    return frozenset()
