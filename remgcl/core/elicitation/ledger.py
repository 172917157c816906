"""What was asked and what was replied: a SQLite database, in which each reply is committed when it comes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from remgcl.core.errors import RunError
from remgcl.core.files.images import digest
from remgcl.core.parts import ChatReply, ChatRequest, ChatUsage

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, model TEXT, reply TEXT NOT NULL, cost REAL);
CREATE TABLE IF NOT EXISTS images (name TEXT PRIMARY KEY, stamp TEXT, digest TEXT NOT NULL, size TEXT NOT NULL);
"""


@frozen
class Paid:
    """A reply, and what it took.

    Attributes:
        reply: The reply.
        cost: Its price; None where the model has none.
    """

    reply: ChatReply
    cost: float | None


class Ledger:
    """The replies of a folder, by the digests of what was asked."""

    def __init__(self, path: Path) -> None:
        """Open the database, or make it.

        Args:
            path: Its file.

        Raises:
            RunError: It cannot be read or written.
        """
        self._path = path
        with self._working():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")  # a kill loses nothing; a power cut the last replies
            self._database.executescript(SCHEMA)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def find(self, key: str) -> Paid | None:
        """Look up the reply to a call.

        Args:
            key: What `key_of` made.
        """
        with self._working():
            row = self._database.execute("SELECT reply, cost FROM calls WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        held = json.loads(row[0])
        return Paid(ChatReply(**{**held, "usage": ChatUsage(**held["usage"])}), row[1])

    def keep(self, key: str, model: str, paid: Paid) -> None:
        """Commit the reply to a call.

        Args:
            key: What `key_of` made.
            model: The chat model's identity.
            paid: The reply, and its price.
        """
        reply = json.dumps(asdict(paid.reply), ensure_ascii=True)
        with self._working():
            self._database.execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?)", (key, model, reply, paid.cost))

    def spent(self) -> float:
        """Add up what all replies took."""
        with self._working():
            return float(self._database.execute("SELECT COALESCE(SUM(cost), 0) FROM calls").fetchone()[0])

    def __len__(self) -> int:
        """Count the replies."""
        with self._working():
            return int(self._database.execute("SELECT COUNT(*) FROM calls").fetchone()[0])

    def image(self, name: str, stamp: str) -> tuple[str, tuple[int, int]] | None:
        """Look up the digest and the size of an image that has not changed.

        Args:
            name: Its name.
            stamp: Size and time of change of its file.
        """
        with self._working():
            row = self._database.execute(
                "SELECT digest, size FROM images WHERE name = ? AND stamp = ?", (name, stamp)
            ).fetchone()
        return None if row is None else (row[0], tuple(json.loads(row[1])))

    def keep_image(self, name: str, stamp: str, content: str, size: tuple[int, int]) -> None:
        """Remember the digest and the size of an image.

        Args:
            name: Its name.
            stamp: Size and time of change of its file.
            content: Its digest.
            size: Width and height in pixels.
        """
        row = (name, stamp, content, json.dumps(size))
        with self._working():
            self._database.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", row)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit what is kept inside at once, for things that may be found out again."""
        with self._working():
            self._database.execute("BEGIN")
        try:
            yield
        finally:
            with self._working():
                self._database.execute("COMMIT")

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RunError(
                f"{self._path}: cannot be used; {str(error).lower()}; replies until here are kept"
            ) from error


def key_of(identity: str, request: ChatRequest, image: str) -> str:
    """Name a call: the chat model and the whole request.

    Args:
        identity: The chat model's.
        request: The request, with places for the image in place of it.
        image: The digest of the image; empty if none is shown.
    """
    keyed: dict[str, Any] = {
        "identity": identity,
        "image": image,
        "messages": [dict(message) for message in request.messages],
        "settings": [request.max_new_tokens, request.temperature, request.top_p, request.seed, request.stop],
    }
    return digest(json.dumps(keyed, sort_keys=True).encode())
