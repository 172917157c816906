"""The chat template that comes with a tokenizer."""

import copy
from collections.abc import Callable

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from remgcl import Turn, WeightsError
from remgcl.plugins.templates.chat import Chat

Write = Callable[..., str]
Give = Callable[[str | None], PreTrainedTokenizerBase]

TEMPLATES = {
    "blocks": (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "blocks and a system text": (
        "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe helpful.<|im_end|>\n{% endif %}"
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{{ '<|im_start|>assistant\n' if add_generation_prompt }}"
    ),
    "brackets": (
        "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}{% else %}"
        "{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
    ),
    "trimmed": (
        "{% for message in messages %}{% if message.role == 'user' %}USER: {{ message.content | trim }}\n"
        "{% else %}ASSISTANT: {{ message.content | trim }}{{ eos_token }}\n{% endif %}{% endfor %}"
        "{{ 'ASSISTANT:' if add_generation_prompt }}"
    ),
    "a token only added": (
        "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}"
        "{{ '<|assistant|>\n' if add_generation_prompt else eos_token }}"
    ),
    "no special token": (
        "{% for message in messages %}### {{ message.role }}:\n{{ message.content }}\n\n{% endfor %}"
        "{{ '### assistant:\n' if add_generation_prompt }}"
    ),
}
BLOCKS = (
    "<|im_start|>user\n[image]\nWhat is it?<|im_end|>\n<|im_start|>assistant\n{A sign.<|im_end|>}\n"
    "<|im_start|>user\nIts colour?<|im_end|>\n<|im_start|>assistant\n{Red.<|im_end|>}\n"
)
OPEN_BLOCKS = (
    "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n{Hi!<|im_end|>}\n"
    "<|im_start|>user\n[image]\nWhat is it?<|im_end|>\n<|im_start|>assistant\n"
)
ADDED = (
    "<|user|>\n[image]\nWhat is it?<|end|>\n<|assistant|>\n{A sign.<|end|>}\n"
    "<|user|>\nIts colour?<|end|>\n<|assistant|>\n{Red.<|end|>}\n</s>"
)
HEADINGS = (
    "### user:\n[image]\nWhat is it?\n\n### assistant:\n{A sign.}\n\n"
    "### user:\nIts colour?\n\n### assistant:\n{Red.}\n\n"
)
SYSTEM = "<|im_start|>system\nBe helpful.<|im_end|>\n"


@pytest.fixture
def chatting(tokenizer: PreTrainedTokenizerBase) -> Give:
    """A function that gives the tokenizer a chat template."""

    def give(template: str | None) -> PreTrainedTokenizerBase:
        own = copy.deepcopy(tokenizer)
        own.add_tokens([AddedToken(each, special=True) for each in ("<|im_start|>", "<|im_end|>", "<|end|>")])
        own.chat_template = template
        return own

    return give


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("blocks", BLOCKS),
        ("blocks and a system text", SYSTEM + BLOCKS),
        ("brackets", "<s>[INST] [image]\nWhat is it? [/INST] {A sign. </s>}<s>[INST] Its colour? [/INST] {Red. </s>}"),
        ("trimmed", "USER: [image]\nWhat is it?\nASSISTANT: {A sign.</s>}\nUSER: Its colour?\nASSISTANT: {Red.</s>}\n"),
        ("a token only added", ADDED),
        ("no special token", HEADINGS),
    ],
)
def test_what_is_learned_is_each_answer_and_the_special_token_that_ends_it(
    write: Write, two: tuple[Turn, ...], chatting: Give, name: str, written: str
) -> None:
    assert write(Chat(), two, chatting(TEMPLATES[name])) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("blocks", OPEN_BLOCKS),
        ("blocks and a system text", SYSTEM + OPEN_BLOCKS),
        ("brackets", "<s>[INST] Hello. [/INST] {Hi! </s>}<s>[INST] [image]\nWhat is it? [/INST]"),
        ("trimmed", "USER: Hello.\nASSISTANT: {Hi!</s>}\nUSER: [image]\nWhat is it?\nASSISTANT:"),
    ],
)
def test_without_the_last_answer_the_text_ends_where_it_begins(
    write: Write, late: tuple[Turn, ...], chatting: Give, name: str, written: str
) -> None:
    assert write(Chat(), late, chatting(TEMPLATES[name])) == written


def test_what_is_said_stays_as_it_is(write: Write, chatting: Give) -> None:
    """A template that trims, or looks for marks of its own, sees none of it."""
    said = (Turn("user", "  {{ 7 * 6 }} </s>"), Turn("assistant", " \n{% if %}[INST]  "))
    assert (
        write(Chat(), said, chatting(TEMPLATES["trimmed"]))
        == "USER:   {{ 7 * 6 }} </s>\nASSISTANT: { \n{% if %}[INST]  </s>}\n"
    )


def test_turns_of_two_digits_keep_their_places(write: Write, chatting: Give) -> None:
    said = [Turn("assistant" if place % 2 else "user", f"<{place}>") for place in range(24)]
    expected = [f"{{<{place}></s>}}" if place % 2 else f"<{place}>" for place in range(24)]
    text = write(Chat(), said, chatting(TEMPLATES["trimmed"])).replace("USER: ", "").replace("ASSISTANT: ", "")
    assert text.split() == expected


def test_a_tokenizer_without_a_template_is_an_error(write: Write, one: tuple[Turn, ...], chatting: Give) -> None:
    message = r"^template 'chat': the tokenizer has no chat template; name another template$"
    with pytest.raises(WeightsError, match=message):
        write(Chat(), one, chatting(None))


@pytest.mark.parametrize(
    ("template", "turn"),
    [
        ("{{ messages[0].content }}", 2),
        ("{{ messages[-1].content }}", 1),
        ("{{ messages | map(attribute='content') | reverse | join }}", 2),
        ("{{ messages | map(attribute='role') | join }}", 1),
    ],
    ids=["the last", "the first", "out of order", "all"],
)
def test_a_template_that_leaves_out_a_turn_is_an_error_that_tells_which(
    write: Write, one: tuple[Turn, ...], chatting: Give, template: str, turn: int
) -> None:
    with pytest.raises(WeightsError, match=rf"^template 'chat': the tokenizer's template leaves out turn {turn}$"):
        write(Chat(), one, chatting(template))


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (TEMPLATES["brackets"], "roles must alternate"),
        ("{{ messages[0].content.more.still }}", "'str object' has no attribute 'more'"),
        ("{% for", "unexpected 'end of template'|Unexpected end of template|expected token"),
    ],
    ids=["refusal", "failure", "no template at all"],
)
def test_a_template_that_refuses_the_conversation_is_an_error_that_tells_why(
    write: Write, one: tuple[Turn, ...], chatting: Give, template: str, reason: str
) -> None:
    message = rf"^template 'chat': the tokenizer's template refuses the conversation; .*({reason})"
    with pytest.raises(WeightsError, match=message):
        write(Chat(), one[::-1], chatting(template))
