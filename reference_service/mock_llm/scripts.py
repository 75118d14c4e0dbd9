"""Scripted answers: what to say to which requests, in place of seeded words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, model_validator

from windtunnel.reference_service.mock_llm.answer import Line
from windtunnel.reference_service.mock_llm.frozen import Frozen
from windtunnel.reference_service.mock_llm.when import Asked, When


class ToolCall(Frozen):
    """A tool by its name, with the input of the call."""

    name: str
    input: Mapping[str, Any] = {}


class Script(Frozen):
    """One of `say`, `echo` and `tool`. A list of texts is said in turn, the last one from then on."""

    when: When = When()
    say: str | tuple[str, ...] | None = None
    echo: bool = False
    """Says the text of the last message."""
    tool: ToolCall | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Script:
        if [self.say is not None, self.echo, self.tool is not None].count(True) != 1 or self.say == ():
            raise ValueError("expected one of say, echo and tool")
        return self


SCRIPTS: TypeAdapter[tuple[Script, ...]] = TypeAdapter(tuple[Script, ...])


class Scripts:
    """The scripts in force; the first that meets a request counts."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.scripts = tuple(scripts)
        self._said: Counter[int] = Counter()

    def line(self, asked: Asked) -> Line | None:
        """What is to be said to this request, if any script says it."""
        for place, script in enumerate(self.scripts):
            if script.when.meets(asked):
                self._said[place] += 1
                return self._line(script, self._said[place], asked)
        return None

    def _line(self, script: Script, time: int, asked: Asked) -> Line:
        if script.tool is not None:
            return Line(tool=script.tool.name, tool_input=script.tool.input)
        if script.echo:
            return Line(text=asked.last)
        if isinstance(script.say, str):
            return Line(text=script.say)
        texts = script.say or ()
        return Line(text=texts[min(time, len(texts)) - 1])
