"""Prompts of conversations, byte for byte those of LLaVA's own code."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from remgcl import Template, Turn
from remgcl.core.data.ending import ending_of
from remgcl.plugins.templates.chatml_direct import ChatMLDirect
from remgcl.plugins.templates.llama_2 import Llama2
from remgcl.plugins.templates.llava_v1 import LlavaV1
from remgcl.plugins.templates.mpt import Mpt
from remgcl.plugins.templates.v1 import V1

TEMPLATES: dict[str, Template] = {
    "vicuna_v1": V1(),
    "llava_v1": LlavaV1(),
    "mpt": Mpt(),
    "chatml_direct": ChatMLDirect(),
    "llava_llama_2": Llama2(),
}
IMAGE = "<image>\n"
LLAMA = SimpleNamespace(bos_token="<s>", eos_token="</s>")  # noqa: S106 - no passwords


def prompt_of(name: str, said: list[str]) -> str:
    """Render turns, the user's first, with the placeholder where the image stands."""
    turns = [
        Turn("assistant" if place % 2 else "user", text.removeprefix(IMAGE), image=text.startswith(IMAGE))
        for place, text in enumerate(said)
    ]
    pieces = TEMPLATES[name].render(turns, LLAMA)
    return "".join("<image>" if piece.image else piece.text for piece in pieces)


@pytest.mark.parametrize("name", TEMPLATES)
def test_prompts_are_the_published_ones(name: str, recorded: Path) -> None:
    """The space that Llama 2's code writes before `</s>` is dropped by its tokenizer, and is not written here."""
    cases = json.loads((recorded / "scorers" / "chat_prompts.json").read_text(encoding="utf-8"))
    chosen = [case for case in cases if case["template"] == name]
    assert len(chosen) == 6
    for case in chosen:
        expected = case["prompt"]
        if name == "llava_llama_2":
            expected = f"<s>{expected}".replace(" </s><s>", "</s><s>")
        assert prompt_of(name, case["turns"]) == expected


@pytest.mark.parametrize(("name", "stop"), [("vicuna_v1", "</s>"), ("llava_v1", "</s>"), ("mpt", "<|im_end|>")])
def test_answers_end_where_the_published_ones_do(name: str, stop: str, tokenizer: object) -> None:
    assert ending_of(TEMPLATES[name], tokenizer).text == stop
