"""A recipe as TOML: `extends`, overrides and `[paths]` applied, nothing else interpreted.

Each value remembers where it was written, so that a fault can name its file.
This module knows tables and keys, no part and no recipe.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeAlias

from attrs import Factory, define

from remgcl.core.errors import Fault, RecipeError
from remgcl.core.files.regular import read_regular
from remgcl.core.recipe.bounds import DEEPEST, LARGEST_FILE, parse
from remgcl.core.recipe.paths import fill, here

Table: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, ...]

LONGEST = 200
"""Most characters of an override that an error shows."""

LONGEST_FAULT = 1000
"""Most characters of what is wrong with a key: a wrong value may be long."""

MOST_EXTENDED = 50
"""Maximum length of a chain of `extends`."""

EXTENDS = "extends"
USE = "use"


@define
class Document:
    """Nested tables, and where each key was written.

    Attributes:
        name: The file that was read first.
        table: The tables; lists and scalars are as in TOML.
        origins: The file or option that wrote a key, where it is not `name`.
    """

    name: str
    table: Table = Factory(dict)
    origins: dict[Key, str] = Factory(dict)

    def origin(self, key: Key) -> str:
        """Return which file or option wrote a key, or the nearest table above it.

        Args:
            key: The path of the key.
        """
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        return self.name

    def fault(self, key: Key, what: str) -> Fault:
        """Word what is wrong with a key.

        Args:
            key: The path of the key.
            what: What is wrong, and what there is instead.
        """
        short = what if len(what) <= LONGEST_FAULT else f"{what[:LONGEST_FAULT]} ..."
        return Fault(self.origin(key), dotted(key), short)

    def copy(self) -> Document:
        """Copy the tables, so that the copy can be changed by itself."""
        return Document(self.name, _copy(self.table), dict(self.origins))

    def overlay(self, table: Mapping[str, Any], origin: str, at: Key = ()) -> None:
        """Lay a table over this one, key by key.

        Tables merge, all else replaces. A table whose `use` names another part
        replaces the old part's table with all its settings.

        Args:
            table: What to lay over.
            origin: Where it was written.
            at: The path of the table to lay it over.
        """
        for name, value in table.items():
            key = (*at, name)
            old = _tabled(self.get(key))
            if isinstance(value, Mapping) and isinstance(old, dict) and not _another_part(name, old, value):
                self._put(key, old)
                self.overlay(value, origin, key)
            else:
                self.set(key, _copy(value), origin)

    def set(self, key: Key, value: Any, origin: str) -> None:  # noqa: ANN401 - any TOML value
        """Set one key, whatever was there; the tables above it are made.

        Setting `use` to another part drops the old part's settings.

        Args:
            key: The path of the key.
            value: A TOML value.
            origin: Where it was written.
        """
        for length in range(1, len(key)):
            above, table = key[:length], _tabled(self.get(key[:length]))
            dropped = (
                key[length:] == (USE,) and isinstance(table, dict) and _another_part(above[-1], table, {USE: value})
            )
            if dropped or not isinstance(table, dict):
                table = {}
                self._wrote(above, origin, replaced=True)
            self._put(above, table)
        replaced = self.get(key) is not None
        self._put(key, value)
        self._wrote(key, origin, replaced=replaced)

    def remove(self, key: Key) -> None:
        """Take a key out, with all that it holds; nothing happens if it is not there.

        Args:
            key: The path of the key.
        """
        above = self.get(key[:-1])
        if isinstance(above, dict):
            above.pop(key[-1], None)

    def get(self, key: Key) -> Any:  # noqa: ANN401 - any TOML value
        """Return the value of a key, or None if it is absent.

        Args:
            key: The path of the key.
        """
        value: Any = self.table
        for name in key:
            value = _tabled(value)
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _put(self, key: Key, value: Any) -> None:  # noqa: ANN401 - any TOML value
        """Place a value in a table that is there."""
        self.get(key[:-1])[key[-1]] = value

    def _wrote(self, key: Key, origin: str, *, replaced: bool) -> None:
        """Remember who wrote a key, and forget who wrote what it replaces."""
        if replaced:
            self.origins = {old: where for old, where in self.origins.items() if old[: len(key)] != key}
        self.origins[key] = origin


def read(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Read a TOML file with all that it extends, apply overrides, and fill in the paths.

    Args:
        path: The file.
        overrides: ``key=value`` each, with dots in the key and a TOML value; a
            value that is not TOML is read as a string.

    Raises:
        RecipeError: A file cannot be read, is not TOML or extends itself, an
            override has no key, or a text names a path that is not there.
    """
    document = load(path)
    override(document, overrides)
    fill_paths(document)
    return document


def load(path: Path) -> Document:
    """Read a TOML file and the files that it extends.

    Args:
        path: The file.

    Raises:
        RecipeError: A file cannot be read, is not TOML or extends itself.
    """
    document = Document(str(path))
    for file, table in reversed(_chain(path)):
        document.overlay(here(table, file.parent), str(file))
    return document


def fill_paths(document: Document) -> None:
    """Fill `[paths]` into the texts of a document.

    Args:
        document: What to change.

    Raises:
        RecipeError: A text names a path that is not there.
    """
    document.table, faults = fill(document.table)
    if faults:
        raise RecipeError([document.fault(key, what) for key, what in faults])


def override(document: Document, overrides: Sequence[str], option: str = "--set", at: Key = ()) -> None:
    """Set keys of a document from the command line.

    Args:
        document: What to change.
        overrides: ``key=value`` each, as in `read`.
        option: The option that gave them, for errors.
        at: The table that the keys start from.

    Raises:
        RecipeError: An override has no key.
    """
    for given in overrides:
        name, equals, text = given.partition("=")
        key = _key(name)
        if not equals or not key:
            raise RecipeError([Fault(option, _shown(given), "is not key=value")])
        if not _is_text(text):
            raise RecipeError([Fault(option, _shown(given), "is not UTF-8 text")])
        document.set((*at, *key), _value(text, f"{option} {_shown(given)}"), f"{option} {_shown(given)}")


def dotted(key: Key) -> str:
    """Write the path of a key with dots.

    Args:
        key: The path.
    """
    return ".".join(key)


def _chain(path: Path) -> list[tuple[Path, Table]]:
    """Read a file and the files it extends, nearest first."""
    chain: list[tuple[Path, Table]] = []
    seen: set[Path] = set()
    asked_by = ""
    while True:
        if path.resolve() in seen:
            raise RecipeError([Fault(asked_by, EXTENDS, f"{str(path)!r} extends itself")])
        if len(seen) == MOST_EXTENDED:
            raise RecipeError([Fault(asked_by, EXTENDS, f"is a chain of more than {MOST_EXTENDED} files")])
        seen.add(path.resolve())
        table = _parse(path, asked_by)
        chain.append((path, table))
        base = table.pop(EXTENDS, None)
        if base is None:
            return chain
        if not isinstance(base, str):
            raise RecipeError([Fault(str(path), EXTENDS, f"must be the path of a recipe; it is {base!r}")])
        asked_by, path = str(path), path.parent / base


def _parse(path: Path, asked_by: str) -> Table:
    where, key = (asked_by, EXTENDS) if asked_by else (str(path), "")
    try:
        text = read_regular(path, LARGEST_FILE).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise RecipeError([Fault(str(path), "", "is not TOML; it is not even UTF-8 text")]) from None
        what = f"{str(path)!r} cannot be read" if asked_by else "cannot be read"
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise RecipeError([Fault(where, key, f"{what}; {reason}")]) from None
    try:
        return parse(text)
    except ValueError as error:
        raise RecipeError([Fault(str(path), "", f"is not TOML; {error}")]) from None


def _value(text: str, option: str) -> Any:  # noqa: ANN401 - any TOML value
    """Read the value of an override; what is not TOML is a string."""
    try:
        tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError) as error:
        if isinstance(error, tomllib.TOMLDecodeError):
            return text
    try:
        table = parse(f"value = {text}")
    except ValueError as error:
        raise RecipeError([Fault(option, "", f"cannot be read; {error}")]) from None
    if len(table) > 1:
        raise RecipeError([Fault(option, "", "holds more than one value; give --set once for each key")])
    return table["value"]


def _is_text(given: str) -> bool:
    """Return whether an argument of the command line is text: other bytes become lone surrogates."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(given: str) -> str:
    """Write an override in an error or as an origin: in one line, and not too long."""
    line = given if given.isprintable() else given.encode("unicode_escape").decode()
    return shorten(line, LONGEST, placeholder=" ...") if len(line) > LONGEST else line


def _key(name: str) -> Key:
    """Read the dotted key of an override, if it is one that a recipe can have."""
    key = tuple(part.strip() for part in name.split("."))
    return key if all(key) and len(key) <= DEEPEST and name.isprintable() else ()


def _tabled(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    """Write a part given by its name alone as a table."""
    return {USE: value} if isinstance(value, str) else value


def _another_part(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a table names another part than the one that it would override."""
    return USE in new and new[USE] != old.get(USE, name)


def _copy(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    """Copy tables, so that no two documents share one."""
    return {name: _copy(below) for name, below in value.items()} if isinstance(value, Mapping) else value
