"""Files become specs, mistakes become sentences: file, line, key, what was found, what was expected.

YAML is read by the rules of its core schema (``on`` and ``yes`` are words, ``1e3`` is a number), a key
that stands twice is refused, and every mistake that can be seen is reported at once.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from windtunnel.spec.frozen import PATTERNS
from windtunnel.spec.problem import Problem, SpecError, did_you_mean

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]

LARGEST_BYTES = 4_000_000
LARGEST_NODES = 500_000
"""Aliases counted as often as they are used: a few lines of YAML can expand to gigabytes."""


class CoreLoader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema)."""


def _joined(text: str) -> str:
    """With the pairs of escapes by which JSON writes characters beyond 16 bits. ValueError for half a pair."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError(f"half a character in {ascii(text)[:60]}") from None


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} as a truth value")
    return text.lower() == "true"


def _scalar(read: Callable[[str], Any]) -> Callable[[CoreLoader, yaml.Node], Any]:
    def construct(_: CoreLoader, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a list or keys with the tag of a word", node.start_mark
            )
        return read(node.value)

    return construct


CoreLoader.yaml_implicit_resolvers = {}
# nothing else has a tag in the core schema: no dates, bytes, sets
core = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map", None)
CoreLoader.yaml_constructors = {tag: CoreLoader.yaml_constructors[tag] for tag in core}
CoreLoader.add_constructor("tag:yaml.org,2002:str", _scalar(_joined))
for tag, pattern, first, construct in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""], lambda _: None),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF"), _truth),
    # "007" is the integer 7, not octal: the safe loader's own constructor would read it in base 8
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789"), int),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789"), float),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
    CoreLoader.add_constructor(f"tag:yaml.org,2002:{tag}", _scalar(construct))


def read(path: Path, model: type[Model]) -> Model:
    """The spec in a YAML (or JSON) file. SpecError with every mistake; also where the file cannot be read."""
    return parse(_text(path), model, str(path))


def plain(path: Path) -> dict[str, Any]:
    """What a file says, unchecked: enough to tell which kind of file it is. SpecError where it is no mapping."""
    data, _ = _compose(_text(path), str(path))
    if not isinstance(data, dict):
        raise SpecError([Problem("", _show(data), "keys and values", str(path))])
    return data


def value(text: str) -> Any:
    """What a text says by the same rules, unchecked: also a single word or number. SpecError where it is no YAML."""
    try:
        return _compose(text, "")[0] if text.strip() else None
    except SpecError as error:
        raise SpecError(replace(problem, line=None) for problem in error.problems) from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise SpecError([Problem("", f"{path.stat().st_size:,} bytes", f"at most {LARGEST_BYTES:,}", str(path))])
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = [entry.name for entry in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside)
        raise SpecError([Problem("", "no such file", "a YAML file", str(path), suggestion=hint)]) from None
    except IsADirectoryError:
        raise SpecError([Problem("", "a folder", "a YAML file", str(path))]) from None
    except UnicodeDecodeError as error:
        raise SpecError([Problem("", f"byte {error.object[error.start]:#04x}", "text in UTF-8", str(path))]) from None
    except OSError as error:
        raise SpecError([Problem("", error.strerror or str(error), "a readable file", str(path))]) from None


def parse(text: str, model: type[Model], file: str = "") -> Model:
    """The spec in a text. SpecError with every mistake, in the order of the lines."""
    data, lines = _compose(text, file)
    return validate(data, model, file, lines)


def validate(data: Any, model: type[Model], file: str = "", lines: Mapping[Place, int] | None = None) -> Model:
    """The spec in plain data. SpecError with every mistake; ``lines`` maps places in it to line numbers."""
    lines = lines or {}
    if not isinstance(data, dict):
        raise SpecError([Problem("", _show(data), f"keys and values of {_article(model.__name__)}", file)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [
            _problem(detail, data, model, file, lines)
            for detail in details
            # a list whose members are wrong is called too short as well: that is no second mistake
            if not (detail["type"] == "too_short" and any(_below(other["loc"], detail["loc"]) for other in details))
        ]
    # a misspelt key is one mistake, not an unknown key and a missing one
    misspelt = {
        problem.path.rpartition(".")[0] + f".{problem.suggestion}" for problem in problems if problem.suggestion
    }
    problems = [
        p for p in problems if not (p.found == "nothing" and f"{'' if '.' in p.path else '.'}{p.path}" in misspelt)
    ]
    unique = {str(problem): problem for problem in problems}
    raise SpecError(sorted(_one_per_value(unique.values()), key=lambda problem: problem.line or 0))


def _one_per_value(problems: Iterable[Problem]) -> list[Problem]:
    """A value that may be of several kinds, and is none of them, is one mistake."""
    found: dict[tuple[str, str, int | None], Problem] = {}
    for problem in problems:
        value = (problem.path, problem.found, problem.line)
        if (known := found.get(value)) is not None:
            expected = f"{known.expected}, or {problem.expected.removeprefix('one of ')}"
            problem = replace(known, expected=expected, suggestion=known.suggestion or problem.suggestion)
        found[value] = problem
    return list(found.values())


def _compose(text: str, file: str) -> tuple[Any, dict[Place, int]]:
    """Data and the line of every place in it."""
    try:
        loader = CoreLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise SpecError([Problem("", "an empty file", "keys and values", file)])
        lines: dict[Place, int] = {}
        for count, (place, line) in enumerate(_places(root, (), frozenset(), file)):
            lines[place] = line
            if count > LARGEST_NODES:
                raise SpecError([Problem("", "aliases that expand without end", "a smaller file", file)])
        return loader.construct_document(root), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = " ".join(part for part in (error.context, error.problem) if part)
        raise SpecError([Problem("", found, "well-formed YAML", file, mark.line + 1 if mark else None)]) from None
    except yaml.YAMLError as error:
        raise SpecError([Problem("", str(error).splitlines()[0], "well-formed YAML", file)]) from None
    except (ValueError, RecursionError) as error:
        found = "nesting without end" if isinstance(error, RecursionError) else str(error)
        if isinstance(error, SpecError):
            raise
        raise SpecError([Problem("", found, "well-formed YAML", file)]) from None


def _places(node: yaml.Node, place: Place, above: frozenset[int], file: str) -> Iterator[tuple[Place, int]]:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise SpecError(
            [Problem(_dotted(place), "an alias to itself, a cycle without an end", "a file that ends", file, line)]
        )
    yield place, line
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            here = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError([Problem(_dotted(place), "a key that is no word", "a word", file, here)])
            if name in seen:
                expected = f"it once; it stands in line {seen[name]} already"
                raise SpecError([Problem(_dotted((*place, name)), "the key a second time", expected, file, here)])
            seen[name] = here
            yield (*place, name), here
            yield from _inside(_places(value, (*place, name), above | {id(node)}, file), (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _places(value, (*place, index), above | {id(node)}, file)


def _inside(places: Iterator[tuple[Place, int]], parent: Place) -> Iterator[tuple[Place, int]]:
    """Without the parent itself: a key's line says more than its value's."""
    return ((place, line) for place, line in places if place != parent)


def _below(loc: Place, above: Place) -> bool:
    return len(loc) > len(above) and loc[: len(above)] == above


def _problem(detail: ErrorDetails, data: Any, model: type[BaseModel], file: str, lines: Mapping[Place, int]) -> Problem:
    place, around, declared, value = _follow(detail["loc"], data, model)
    error = detail.get("ctx", {}).get("error")
    if error is not None and hasattr(error, "problem"):  # raised by spec.architecture.problem_at, below this place
        inner, found, expected, hint = error.problem
        place = (*place, *_split(inner))
        return Problem(_dotted(place), found, expected, file, _line(place, lines), hint)
    kind = detail["type"]
    line = _line(place, lines)
    if kind in ("recursion_loop", "recursion_depth_exceeded"):
        return Problem(_dotted(place[:4]), "nesting without end", "steps that a person can read", file, line)
    if kind == "extra_forbidden":
        fields = sorted(_fields(around))
        key = str(place[-1])
        expected = f"one of {', '.join(fields)}" if fields else "nothing"
        return Problem(_dotted(place), "an unknown key", expected, file, line, did_you_mean(key, fields))
    if kind == "missing":
        what = _describe(declared)
        return Problem(_dotted(place), "nothing", what, file, line)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tags = re.findall(r"'([^']+)'", str(detail["ctx"].get("expected_tags", ""))) or sorted(_tags(declared))
        key = str(detail["ctx"].get("discriminator", "kind")).strip("'")
        found = value.get(key) if isinstance(value, dict) else value
        shown = repr(found) if isinstance(value, dict) and key in value else "nothing"
        hint = did_you_mean(found, tags) if isinstance(found, str) else None
        where = (*place, key) if isinstance(value, dict) else place
        return Problem(_dotted(where), shown, f"one of {', '.join(tags)}", file, _line(where, lines), hint)
    if error is not None and str(error).startswith("found "):  # our own validators already speak so
        found, _, expected = str(error).removeprefix("found ").partition(", expected ")
        return Problem(_dotted(place), found, expected, file, line)
    if kind == "literal_error":
        words = re.findall(r"'([^']+)'", str(detail["ctx"]["expected"]))
        word = str(place[-1]) if detail["loc"] and detail["loc"][-1] == "[key]" else value
        hint = did_you_mean(word, words) if isinstance(word, str) else None
        return Problem(_dotted(place), _show(word), f"one of {', '.join(words)}", file, line, hint)
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return Problem(_dotted(place), f"the key {place[-1]!r}", _expected(detail), file, line)
    return Problem(_dotted(place), _show(value), _expected(detail), file, line)


def _follow(loc: Place, data: Any, declared: Any) -> tuple[Place, Any, Any, Any]:
    """pydantic's location without the names of union members and validators; what is declared around its
    end and at its end; what was found there."""
    place: list[str | int] = []
    value = data
    around: Any = declared
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        declared = _bare(declared)
        if step == "[key]" and not (isinstance(value, dict) and step in value):
            continue
        if not _is_model(declared) and step in _tags(declared):  # a union's member, by its tag
            declared = next(member for member in get_args(declared) if step in _tags(member))
        elif isinstance(value, dict) and step == "target" and "target" not in value:  # written `latency: app->llm`
            kind = next(iter(_tags(declared)))
            place.append(kind)
            around, declared, value = declared, _field_type(declared, "target"), value.get(kind)
        elif isinstance(value, dict) and (step in value or str(step) in value or (last and _is_model(declared))):
            value = value.get(step, value.get(str(step)))
            place.append(step)
            around = declared
            declared = _field_type(declared, str(step)) if _is_model(declared) else (get_args(declared) or (Any,))[-1]
        elif isinstance(value, (list, tuple)) and isinstance(step, int):
            value = value[step] if step < len(value) else None
            place.append(step)
            around = declared
            inner = [arg for arg in get_args(declared) if arg is not Ellipsis]
            declared = inner[0] if inner else Any
    return tuple(place), around, declared, value


def _bare(declared: Any) -> Any:
    """Without Annotated, and without the None of an optional."""
    while get_origin(declared) is Annotated:
        declared = get_args(declared)[0]
    if get_origin(declared) in (typing.Union, types.UnionType):
        members = [member for member in get_args(declared) if member is not type(None)]
        if len(members) == 1:
            return _bare(members[0])
    return declared


def _is_model(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, BaseModel)


def _fields(declared: Any) -> set[str]:
    """The keys a model takes, as they are written in a file."""
    bare = _bare(declared)
    if _is_model(bare):
        return {field.alias or name for name, field in bare.model_fields.items()}
    return set()


def _field_type(declared: Any, key: str) -> Any:
    bare = _bare(declared)
    if _is_model(bare):
        for name, field in bare.model_fields.items():
            if key in (name, field.alias):
                return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return Any


def _tags(declared: Any) -> set[str]:
    """The kinds that a model or a union of models goes by: its ``kind``, or the tag of a union's member."""
    if get_origin(declared) is Annotated:
        tags = {tag.tag for tag in get_args(declared)[1:] if isinstance(tag, Tag)}
        if tags:
            return tags
    bare = _bare(declared)
    if _is_model(bare):
        field = bare.model_fields.get("kind")
        return set(get_args(field.annotation)) if field else set()
    if get_origin(bare) in (typing.Union, types.UnionType):
        return set().union(*(_tags(member) for member in get_args(bare)))
    return set()


def _describe(declared: Any) -> str:
    bare = _bare(declared)
    if bare is str:
        return "a text"
    if bare in (int, float):
        return "a number"
    if bare is bool:
        return "true or false"
    if get_origin(bare) is typing.Literal:
        return f"one of {', '.join(map(str, get_args(bare)))}"
    if get_origin(bare) in (tuple, list):
        return "a list"
    if (
        get_origin(bare) in (typing.Union, types.UnionType)
        and not _tags(bare)
        and not any(map(_is_model, get_args(bare)))
    ):
        return ", or ".join(_describe(each).removeprefix("one of ") for each in get_args(bare))
    return "keys and values" if get_origin(bare) is dict or _is_model(bare) or _tags(bare) else "a value"


EXPECTED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length}",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "{pattern}",
}


def _expected(detail: ErrorDetails) -> str:
    template = EXPECTED.get(detail["type"])
    if template is None:
        return detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    context = dict(detail.get("ctx", {}))
    if "pattern" in context:
        context["pattern"] = PATTERNS.get(context["pattern"], f"a text like {context['pattern']}")
    return template.format(**context)


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys and values" if value else "nothing"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name.lower()}"


def _dotted(place: Place) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _split(path: str) -> Place:
    """``links[0].from`` as ("links", 0, "from")."""
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path))


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    """The line of a place, or of what is nearest around it: a missing key has no line of its own."""
    for end in range(len(place), -1, -1):
        if place[:end] in lines:
            return lines[place[:end]]
    return None
