"""The files of a tokenizer, and the tokens that only a format needs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from remgcl import WeightsError

FILES = (
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
"""What may make up a tokenizer."""

OWN = ("tokenizer.model", "tokenizer.json", "vocab.json")
"""One of these must be there."""


def tokenizer_files(folder: Path) -> dict[str, bytes]:
    """Read the files of a tokenizer.

    Args:
        folder: Where they lie.

    Raises:
        WeightsError: There is no tokenizer.
    """
    files = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
    if not any(name in files for name in OWN):
        raise WeightsError(f"{folder}: holds no tokenizer; expected tokenizer.model or tokenizer.json")
    return files


def tokenizer_length(files: dict[str, bytes]) -> int:
    """Count the tokens of a tokenizer, added ones included: the rows that a model needs for it.

    Args:
        files: Its files.
    """
    highest = max(added_tokens(files).values(), default=-1)
    if "tokenizer.json" in files:
        vocabulary = json.loads(files["tokenizer.json"]).get("model", {}).get("vocab", {})
        own = 1 + max(vocabulary.values(), default=-1) if isinstance(vocabulary, dict) else len(vocabulary)
    elif "tokenizer.model" in files:
        from sentencepiece import SentencePieceProcessor

        own = SentencePieceProcessor(model_proto=files["tokenizer.model"]).get_piece_size()
    else:
        own = 1 + max(json.loads(files["vocab.json"]).values(), default=-1)
    return max(own, 1 + highest)


def added_tokens(files: Mapping[str, bytes]) -> dict[str, int]:
    """Return the added tokens and their ids, wherever a tokenizer's files list them.

    Args:
        files: Its files.
    """
    added = dict(json.loads(files.get("added_tokens.json", b"{}")))
    decoder = json.loads(files.get("tokenizer_config.json", b"{}")).get("added_tokens_decoder") or {}
    added |= {token["content"]: int(place) for place, token in decoder.items()}
    fast = json.loads(files["tokenizer.json"]).get("added_tokens", ()) if "tokenizer.json" in files else ()
    return added | {token["content"]: int(token["id"]) for token in fast}


def without_tokens(files: dict[str, bytes], tokens: Collection[str]) -> dict[str, bytes]:
    """Take added tokens out of a tokenizer.

    Args:
        files: Its files.
        tokens: The tokens; where one of them pads, nothing pads any more.
    """

    def kept(token: Any) -> bool:  # noqa: ANN401 - a text or a table
        return (token.get("content") if isinstance(token, dict) else token) not in tokens

    changed = dict(files)
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json"):
        if name not in files:
            continue
        held = json.loads(files[name])
        if name == "added_tokens.json":
            held = {token: place for token, place in held.items() if token not in tokens}
        elif name == "tokenizer.json":
            held["added_tokens"] = [token for token in held.get("added_tokens", ()) if kept(token)]
        else:
            held = {key: value for key, value in held.items() if not key.endswith("_token") or kept(value)}
            decoder = held.get("added_tokens_decoder", {})
            if decoder:
                held["added_tokens_decoder"] = {place: token for place, token in decoder.items() if kept(token)}
            for key in ("extra_special_tokens", "additional_special_tokens"):
                extra = held.get(key)
                if isinstance(extra, dict):
                    held[key] = {each: token for each, token in extra.items() if kept(token)}
                elif isinstance(extra, list):
                    held[key] = [token for token in extra if kept(token)]
            held.pop("processor_class", None)
        changed[name] = (json.dumps(held, indent=2, ensure_ascii=False) + "\n").encode()
    return changed
