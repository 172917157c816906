"""Templates that depend on the tokenizer are tried by a check on what may stop a training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import Engine, FaultsError, Recipe
from remgcl.plugins.backbones.tiny import TinyBackbone

Read = Callable[..., Recipe]

WRITTEN = (
    "{% for m in messages %}{{ m.role + ': ' + m.content }}</s>{% endfor %}{{ 'assistant: ' if add_generation_prompt }}"
)
REFUSALS = {
    "a second question": "{{ raise_exception('no') if messages | length > 2 }}" + WRITTEN,
    "a thought": "{% if '</think>' in messages[-1].content %}{{ raise_exception('no') }}{% endif %}" + WRITTEN,
    "today's date": "{% if messages | length > 2 %}{{ strftime_now('%d') }}{% endif %}" + WRITTEN,
}


@pytest.fixture
def chatting(read: Read, tmp_path: Path) -> Callable[[str], Recipe]:
    """Read the small recipe with the template `chat` and a tokenizer that has a chat template."""

    def give(template: str) -> Recipe:
        tokenizer = TinyBackbone().build_tokenizer()
        tokenizer.chat_template = template
        tokenizer.save_pretrained(tmp_path / "tokenizer")
        return read(f"backbone.tokenizer={tmp_path / 'tokenizer'}", "stages.tune.template=chat")

    return give


def test_a_template_that_writes_everything_passes(engine: Engine, chatting: Callable[[str], Recipe]) -> None:
    engine.check(chatting(WRITTEN), "a.toml")


@pytest.mark.parametrize("what", REFUSALS)
def test_a_chat_template_is_tried_on_two_questions_and_on_thoughts(
    what: str, engine: Engine, chatting: Callable[[str], Recipe]
) -> None:
    with pytest.raises(FaultsError, match=r"^a\.toml: stages\.tune\.template: template 'chat': the tokenizer's templ"):
        engine.check(chatting(REFUSALS[what]), "a.toml")
