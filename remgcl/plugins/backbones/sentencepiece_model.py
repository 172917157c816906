"""A SentencePiece model as a fast tokenizer with SentencePiece's own ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from remgcl import WeightsError, read_json

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""What SentencePiece writes for a space."""

PROBES = ("a", " a", "a  b", "\n  a\tb", "  ", "a ", "\N{GRINNING FACE} \u00e9", "1,234.50  %", "f(x):\n    return x\n")
"""Texts that each conversion is tried on before anything rests on it."""

BEGINS = ("LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer")
"""Classes that put a token before a text unless their settings say otherwise."""

ENDS = ("T5Tokenizer", "MT5Tokenizer", "UMT5Tokenizer")
"""Classes that put a token behind a text unless their settings say otherwise."""


def read_sentencepiece(folder: str, file: Path, named: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Read a tokenizer that is only a SentencePiece model.

    Args:
        folder: The folder, for settings and special tokens.
        file: The model.
        named: The class that the settings name; it decides which tokens stand
            around a text where they do not.

    Raises:
        WeightsError: Its ids cannot be made those of SentencePiece.
    """
    from sentencepiece import SentencePieceProcessor
    from transformers import TokenizersBackend

    bare = named.removesuffix("Fast")
    tokenizer = TokenizersBackend.from_pretrained(folder, trust_remote_code=False, **_around(folder, bare))
    own = SentencePieceProcessor(model_file=str(file))
    _follow(tokenizer.backend_tokenizer, own, legacy=tokenizer.init_kwargs.get("legacy") is not False)
    for text in PROBES:
        due, found = own.encode(text), tokenizer.encode(text, add_special_tokens=False)
        if due != found:
            raise WeightsError(
                f"{file}: cannot be made a fast tokenizer; {text!r} is {due} by SentencePiece and {found} by it; add "
                "the tokenizer.json of these weights"
            )
    return tokenizer


def _around(folder: str, named: str) -> dict[str, bool]:
    """Return the tokens added around a text where the settings leave this open."""
    config = read_json(folder, "tokenizer_config.json") or {}
    due = {"add_bos_token": named in BEGINS, "add_eos_token": named in ENDS}
    return {key: value for key, value in due.items() if not isinstance(config.get(key), bool)}


def _follow(backend: Any, own: Any, *, legacy: bool) -> None:  # noqa: ANN401 - both libraries are untyped
    """Put a dummy prefix before a text as SentencePiece does, also where it begins with a space."""
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import Regex, normalizers, pre_tokenizers

    model = sentencepiece_model_pb2.ModelProto.FromString(own.serialized_model_proto())  # type: ignore[attr-defined]
    spec = model.normalizer_spec
    if not (spec.add_dummy_prefix and spec.escape_whitespaces):
        return
    scheme = "always" if legacy else "first"
    steps: list[Any] = [normalizers.Precompiled(spec.precompiled_charsmap)] if spec.precompiled_charsmap else []
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(r"\A +\z| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        prefixed = [pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme, split=False)]
    else:  # no space is left in the text, so one is put before it whatever it begins with, and then written as a piece
        steps.append(normalizers.Replace(" ", SPACE))
        prefixed = [
            pre_tokenizers.Metaspace(replacement=" ", prepend_scheme=scheme, split=False),
            pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="never", split=False),
        ]
    backend.normalizer = normalizers.Sequence(steps)
    whole = sorted((piece.piece for piece in model.pieces if piece.type == piece.USER_DEFINED), key=len, reverse=True)
    apart = [pre_tokenizers.Split(Regex("|".join(map(re.escape, whole))), behavior="isolated")] if whole else []
    backend.pre_tokenizer = pre_tokenizers.Sequence([*prefixed, *apart])
