"""`--set fit.lr=3e-4`: one field of a nested configuration changed from text, strictly."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from typing import Any, TypeVar

from dd3g.core.errors import InputError

Config = TypeVar("Config")


def override(config: Config, assignment: str) -> Config:
    """Returns ``config`` with one field changed.

    Args:
        config: A frozen dataclass, whose fields may be frozen dataclasses.
        assignment: ``path.to.field=value``; lists and tuples as JSON (``[64, 128]``), None as ``none``.

    Raises:
        InputError: No such field (the nearest name is told), or a value of another type.
    """
    path, equals, text = assignment.partition("=")
    if not equals:
        raise InputError(f"--set {assignment}: expected NAME=VALUE, for example fit.lr=3e-4")
    return _replaced(config, path.strip().split("."), text.strip(), assignment)


def _replaced(config: Any, names: list[str], text: str, assignment: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(config)}
    name = names[0]
    if name not in fields:
        near = difflib.get_close_matches(name, fields, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"--set {assignment}: {type(config).__name__} has no '{name}'{hint} (it has {', '.join(fields)})")
    value = getattr(config, name)
    if len(names) > 1:
        if not dataclasses.is_dataclass(value):
            raise InputError(f"--set {assignment}: '{name}' is a single value and has no '{names[1]}'")
        return dataclasses.replace(config, **{name: _replaced(value, names[1:], text, assignment)})
    if dataclasses.is_dataclass(value):
        inner = ", ".join(f"{name}.{field.name}" for field in dataclasses.fields(value))
        raise InputError(f"--set {assignment}: '{name}' has fields of its own ({inner}); set one of them")
    return dataclasses.replace(config, **{name: _parsed(text, typing.get_type_hints(type(config))[name], assignment)})


def _parsed(text: str, wanted: Any, assignment: str) -> Any:
    origin, options = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Literal:
        if text in options:
            return text
        raise InputError(f"--set {assignment}: expected one of {', '.join(map(str, options))}")
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none":
            return None
        return _parsed(text, next(option for option in options if option is not type(None)), assignment)
    try:
        if wanted is bool:
            return {"true": True, "false": False}[text.lower()]
        if origin is tuple:
            return _tuple(json.loads(text))
        return wanted(text)
    except (ValueError, KeyError):
        kind = "true or false" if wanted is bool else "a JSON list" if origin is tuple else wanted.__name__
        raise InputError(f"--set {assignment}: '{text}' is not {kind}") from None


def _tuple(value: Any) -> Any:
    return tuple(_tuple(v) for v in value) if isinstance(value, list) else value
