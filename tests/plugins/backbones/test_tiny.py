"""The small backbone and its tokenizer of bytes."""

import math
import re
from pathlib import Path

import pytest
import torch
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from remgcl.plugins.backbones.tiny import TinyBackbone

SMALL = TinyBackbone(width=16, layers=1, heads=2, mlp=12, max_length=64)


@settings(deadline=None, max_examples=25)
@given(
    heads=st.integers(1, 4),
    pairs=st.integers(1, 4),
    layers=st.integers(1, 3),
    mlp=st.integers(1, 40),
    tied=st.booleans(),
)
def test_its_parameters_are_counted_without_building_it(
    heads: int, pairs: int, layers: int, mlp: int, *, tied: bool
) -> None:
    backbone = TinyBackbone(width=2 * heads * pairs, heads=heads, layers=layers, mlp=mlp, tied=tied)
    with torch.device("meta"):
        built = sum(each.numel() for each in backbone.build().parameters())
    assert backbone.parameters() == built


def test_it_declares_what_it_builds() -> None:
    spec, model = SMALL.spec(), SMALL.build()
    assert (spec.width, spec.vocabulary, spec.max_length) == (16, 259, 64)
    assert model.get_input_embeddings().weight.shape == (spec.vocabulary, spec.width)
    assert model.config.max_position_embeddings == spec.max_length


@pytest.mark.parametrize("tied", [True, False])
def test_input_and_output_may_share_one_table(tied: bool) -> None:  # noqa: FBT001 - a setting
    model = evolve(SMALL, tied=tied).build()
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied


@pytest.mark.parametrize("deviation", [0.01, 0.3])
def test_its_weights_are_random_with_the_deviation_given(deviation: float) -> None:
    backbone = TinyBackbone(width=64, layers=1, deviation=deviation)
    first, second = backbone.build(), backbone.build(pretrained=False)
    weights = first.model.layers[0].mlp.up_proj.weight
    assert weights.std().item() == pytest.approx(deviation, rel=0.05)
    assert not torch.equal(weights, second.model.layers[0].mlp.up_proj.weight)
    assert not backbone.restorable


def test_it_answers_embeddings_with_logits() -> None:
    output = SMALL.build()(inputs_embeds=torch.randn(2, 5, 16), attention_mask=torch.ones(2, 5, dtype=torch.int64))
    assert output.logits.shape == (2, 5, 259)
    assert output.logits.isfinite().all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 12}, "width 12 is no multiple of twice the heads; there are 4"),
        ({"width": 10, "heads": 2}, "width 10 is no multiple of twice the heads; there are 2"),
        ({"width": 1}, "'width' must be >= 2: 1"),
        ({"heads": 0}, "'heads' must be >= 1: 0"),
        ({"layers": 0}, "'layers' must be >= 1: 0"),
        ({"mlp": 0}, "'mlp' must be >= 1: 0"),
        ({"deviation": 0.0}, "'deviation' must be > 0: 0.0"),
        ({"deviation": math.nan}, "'deviation' must be > 0: nan"),
        ({"max_length": 1}, "'max_length' must be >= 2: 1"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TinyBackbone(**setting)


@given(st.text())
@example("two  spaces , a dot . isn't 've")
@example("\x00\r\n\t é e\u0301 \U0001f469\u200d\U0001f680 \ufeff中文")
def test_the_tokenizer_of_bytes_gives_back_any_text(bytewise: PreTrainedTokenizerBase, text: str) -> None:
    ids = bytewise(text).input_ids
    assert ids[0] == bytewise.bos_token_id
    assert bytewise.decode(ids[1:]) == text


@given(st.text(alphabet=st.characters(exclude_characters="<", codec="utf-8")))
def test_the_tokenizer_of_bytes_tells_the_character_of_each_byte(bytewise: PreTrainedTokenizerBase, text: str) -> None:
    encoding = bytewise(text, add_special_tokens=False, return_offsets_mapping=True)
    expected = [(place, place + 1) for place, character in enumerate(text) for _ in character.encode()]
    assert encoding["offset_mapping"] == expected


def test_the_tokenizer_of_bytes_has_one_token_for_each_byte(bytewise: PreTrainedTokenizerBase) -> None:
    assert len(bytewise) == 256 + 3
    assert bytewise.convert_tokens_to_ids(["<pad>", "<s>", "</s>"]) == [0, 1, 2]
    assert (bytewise.pad_token_id, bytewise.bos_token_id, bytewise.eos_token_id) == (0, 1, 2)
    assert bytewise("a</s>b").input_ids == [1, *bytewise("a").input_ids[1:], 2, *bytewise("b").input_ids[1:]]
    assert bytewise.is_fast


def test_the_beginning_of_a_sequence_comes_first_once(bytewise: PreTrainedTokenizerBase) -> None:
    assert bytewise("").input_ids == [1]
    assert bytewise("a", "b").input_ids.count(1) == 1
    assert bytewise("a", add_special_tokens=False).input_ids == bytewise("a").input_ids[1:]


def test_a_tokenizer_may_be_named(tmp_path: Path, bytewise: PreTrainedTokenizerBase) -> None:
    """Its vocabulary and its special tokens become the model's."""
    own = AutoTokenizer.from_pretrained(_saved(tmp_path / "first", bytewise))
    own.add_tokens(["sign", "<begin>", "<end>", "<fill>"])
    own.bos_token, own.eos_token, own.pad_token = "<begin>", "<end>", "<fill>"
    backbone = evolve(SMALL, tokenizer=_saved(tmp_path / "second", own))
    assert backbone.build_tokenizer()("sign", add_special_tokens=False).input_ids == [259]
    assert backbone.spec().vocabulary == 263
    config = backbone.build().config
    assert (config.vocab_size, config.bos_token_id, config.eos_token_id, config.pad_token_id) == (263, 260, 261, 262)
    assert backbone.parameters() == SMALL.parameters() + 4 * 16


def _saved(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    tokenizer.save_pretrained(folder)
    return str(folder)
