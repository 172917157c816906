"""The mask of stop words of a batch: one word at a time, or all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import frozen

from bench import naive
from bench.comparison import Row, alternate
from remgcl import Engine

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT.parent / "shared" / "golden" / "p14" / "llava-tiny"

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@frozen(eq=False, kw_only=True)
class Case:
    """A batch of texts and the stop words to find in it.

    Attributes:
        ids: Token ids `[B, T]`.
        words: The ids of each stop word.
        keep: The built filter, as a loader worker calls it: a row at a time.
        tokenizer: Which tokenizer, in words.
    """

    ids: Ids
    words: Sequence[Sequence[int]]
    keep: Callable[[Ids], Mask]
    tokenizer: str

    def naive(self) -> Mask:
        """Filter the batch the plain way `[B, T]`."""
        mask: Mask = naive.stop_mask(torch.from_numpy(self.ids), self.words).numpy()
        return mask

    def ours(self) -> Mask:
        """Filter the batch as remgcl does `[B, T]`."""
        return np.stack([self.keep(row) for row in self.ids])

    def exact(self) -> Mask:
        """Compare every window with every word, as whole numbers `[B, T]`."""
        kept = np.ones(self.ids.shape, dtype=np.bool_)
        for word in self.words:
            windows = np.lib.stride_tricks.sliding_window_view(self.ids, len(word), axis=1)
            for row, start in zip(*(windows == np.array(word)).all(axis=2).nonzero(), strict=True):
                kept[row, start : start + len(word)] = False
        return kept


def make(*, quick: bool) -> Case:
    """Make a batch of the English of the licence, with REMGCL's stop words.

    Args:
        quick: Whether to make a small one, of bytes.
    """
    import json

    from remgcl.plugins.text_filters.stopwords import ENGLISH

    registry = Engine.installed().registry
    llama = GOLDEN.is_dir() and not quick
    text = " ".join((ROOT / "LICENSE").read_text(encoding="utf-8").split())
    tokenizer: Any
    if llama:
        from remgcl.plugins.backbones.tokenizer import read_tokenizer

        tokenizer = read_tokenizer(str(GOLDEN))
    elif quick:
        tokenizer = registry.find("backbones", "tiny")().build_tokenizer()  # type: ignore[attr-defined]
    else:
        tokenizer = trained(text)
    words = json.loads(ENGLISH.read_text(encoding="utf-8"))
    encoded = tokenizer.encode(text, add_special_tokens=False, verbose=False)
    return Case(
        ids=np.resize(np.array(encoded, dtype=np.int64), (2, 128) if quick else (8, 2048)),
        words=[ids for word in words if (ids := _inside(word, tokenizer))],
        keep=registry.find("text_filters", "stopwords")().build(tokenizer),  # type: ignore[attr-defined]
        tokenizer="Llama 2" if llama else "bytes" if quick else "byte-level BPE trained on the licence",
    )


def trained(text: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Train a byte-level BPE tokenizer.

    Args:
        text: What to train on.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def measure(case: Case, *, quick: bool) -> list[Row]:
    """Time both ways.

    Args:
        case: What to filter.
        quick: Whether to time once only.
    """
    slow = alternate({"naive": case.naive}, 1 if quick else 3)["naive"]
    ours = alternate({"ours": case.ours}, 2 if quick else 200, warm_up=5)["ours"]
    exact = case.exact()
    wrong = {name: int((mask() != exact).sum()) for name, mask in (("naive", case.naive), ("remgcl", case.ours))}
    shape = " x ".join(map(str, case.ids.shape))
    return [
        Row(
            what=f"stop-word mask of a batch of {shape} tokens ({case.tokenizer})",
            naive=slow,
            ours=ours,
            goal=3000,
            differences=f"wrong positions: naive {wrong['naive']}, remgcl {wrong['remgcl']}",
        )
    ]


def _inside(word: str, tokenizer: Any) -> list[int]:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Encode a word of REMGCL's list as it stands inside a text."""
    before = "a" if word[0].isspace() else "\n"
    encoding = tokenizer(before + word, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
    return [token for token, (start, _) in pairs if start >= len(before)]
