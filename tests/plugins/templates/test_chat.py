"""The chat template that comes with a tokenizer."""

import copy
import re
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
    "### user:\nIts colour?\n\n### assistant:\n{Red.\n\n</s>}"
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
        ("brackets", "<s>[INST] [image]\nWhat is it? [/INST]{ A sign. </s>}<s>[INST] Its colour? [/INST]{ Red. </s>}"),
        ("trimmed", "USER: [image]\nWhat is it?\nASSISTANT:{ A sign.</s>}\nUSER: Its colour?\nASSISTANT:{ Red.</s>}\n"),
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
        ("brackets", "<s>[INST] Hello. [/INST]{ Hi! </s>}<s>[INST] [image]\nWhat is it? [/INST]"),
        ("trimmed", "USER: Hello.\nASSISTANT:{ Hi!</s>}\nUSER: [image]\nWhat is it?\nASSISTANT:"),
    ],
)
def test_without_the_last_answer_the_text_ends_where_it_begins(
    write: Write, late: tuple[Turn, ...], chatting: Give, name: str, written: str
) -> None:
    assert write(Chat(), late, chatting(TEMPLATES[name])) == written


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("answer", ["A sign.", " \n{% if %}[INST]  ", "{{ 7 * 6 }}", "two\nlines", ""])
def test_what_is_trained_is_the_text_of_apply_chat_template(name: str, answer: str, chatting: Give) -> None:
    tokenizer = chatting(TEMPLATES[name])
    turns = (Turn("user", "  What?"), Turn("assistant", "Hi!"), Turn("user", "And?"), Turn("assistant", answer))
    said = [{"role": turn.role, "content": turn.text} for turn in turns]

    trained = Chat().render(turns, tokenizer)
    prompt = "".join(piece.text for piece in Chat().render(turns[:-1], tokenizer))

    due = tokenizer.apply_chat_template(said, tokenize=False)
    added = "</s>" * (name == "no special token")
    assert "".join(piece.text for piece in trained) == due + added
    assert prompt == tokenizer.apply_chat_template(said[:-1], tokenize=False, add_generation_prompt=True)
    last = max(place for place, piece in enumerate(trained) if piece.learned)
    assert "".join(piece.text for piece in trained[:last]) == prompt


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_question_alone_is_a_prompt_and_nothing_of_it_is_learned(name: str, chatting: Give) -> None:
    tokenizer = chatting(TEMPLATES[name])
    due = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What?"}], tokenize=False, add_generation_prompt=True
    )

    pieces = Chat().render([Turn("user", "What?")], tokenizer)

    assert "".join(piece.text for piece in pieces) == due
    assert not any(piece.learned for piece in pieces)


THINKING = (
    "{% for m in messages %}{% if m.role == 'user' %}<|im_start|>user\n{{ m.content }}<|im_end|>\n{% else %}"
    "{% set said = m.content.split('</think>')[-1].lstrip('\n') %}"
    "{% set thought = m.content.split('</think>')[0].split('<think>')[-1].strip('\n') if '</think>' in m.content %}"
    "<|im_start|>assistant\n{% if loop.last %}<think>\n{{ thought }}\n</think>\n\n{% endif %}{{ said }}<|im_end|>\n"
    "{% endif %}{% endfor %}{{ '<|im_start|>assistant\n' if add_generation_prompt }}"
)


@pytest.mark.parametrize("answer", ["It is 4.", "<think>\nadd\n</think>\n\n4"])
def test_a_thought_that_the_template_writes_is_learned_behind_the_prompt(
    answer: str, write: Write, chatting: Give
) -> None:
    thought = "add" if "add" in answer else ""
    said = (Turn("user", "1+1?"), Turn("assistant", answer), Turn("user", "2+2?"), Turn("assistant", answer))
    shown = answer.rpartition("\n")[2]

    assert write(Chat(), said, chatting(THINKING)) == (
        f"<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n{{{shown}<|im_end|>}}\n"
        f"<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
        f"{{<think>\n{thought}\n</think>\n\n{shown}<|im_end|>}}\n"
    )


SHORT = ("n", "k", "1", "think", "assistant", "<", "user", "|", "im_end", ">")


@pytest.mark.parametrize("answer", SHORT)
@pytest.mark.parametrize("template", ["thinking", "blocks", "a token only added"])
def test_an_answer_that_the_template_also_writes_by_itself_is_learned_where_it_is_said(
    answer: str, template: str, write: Write, chatting: Give
) -> None:
    turns = (Turn("user", answer), Turn("assistant", answer), Turn("user", answer), Turn("assistant", answer))
    tokenizer = chatting({**TEMPLATES, "thinking": THINKING}[template])
    written = write(Chat(), turns, tokenizer)
    end = "<|end|>" if template == "a token only added" else "<|im_end|>"
    thought = "<think>\n\n</think>\n\n" if template == "thinking" else ""
    assert re.findall(r"\{(.*?)\}", written, re.DOTALL) == [answer + end, thought + answer + end]


def test_answers_that_end_where_the_next_role_begins_learn_the_end_of_a_sequence(
    write: Write, two: tuple[Turn, ...], chatting: Give
) -> None:
    """As GLM's: a role's token begins each turn, and none ends it."""
    glm = (
        "{% for m in messages %}{{ '<|im_start|>' if m.role == 'user' else '<|end|>' }}\n{{ m.content }}{% endfor %}"
        "{{ '<|end|>\n' if add_generation_prompt }}"
    )

    assert write(Chat(), two, chatting(glm)) == (
        "<|im_start|>\n[image]\nWhat is it?<|end|>\n{A sign.}<|im_start|>\nIts colour?<|end|>\n{Red.</s>}"
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}", "another prompt for turn 2"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "leaves out turn 1, or changes it"),
        ("{% for m in messages %}{{ m.content if m.role == 'user' else '?' }}{% endfor %}", "leaves out turn 2"),
        ("{{ strftime_now('%d') }}{% for m in messages %}{{ m.content }}{% endfor %}", "writes today's date"),
    ],
    ids=["prompt", "changed", "dropped", "date"],
)
def test_a_template_that_cannot_be_trained_with_is_refused(
    template: str, message: str, write: Write, one: tuple[Turn, ...], chatting: Give
) -> None:
    with pytest.raises(WeightsError, match=f"^template 'chat': the tokenizer's template .*{message}"):
        write(Chat(), one, chatting(template))


@pytest.mark.parametrize(
    ("call", "written"),
    [
        ("{% set form = '%d %b %Y' %}{{ strftime_now(form) }}", "26 Jul 2024"),
        ("{% set now = strftime_now %}{{ now('%-d. %m.') }}", "26. 07."),
        ("{{ strftime_now('%Y' + '-%m') }}", "2024-07"),
        ('{{ strftime_now("100 %% on %A") }}', "100 % on Friday"),
        ("{% macro day() %}{{ strftime_now('%j') }}{% endmacro %}{{ day() }}", "208"),
        ("{{ strftime_now('%d') if strftime_now is defined }}", "26"),
    ],
)
def test_every_way_to_ask_for_the_date_gives_the_one_that_is_set(
    call: str, written: str, write: Write, one: tuple[Turn, ...], chatting: Give
) -> None:
    dated = chatting(f"{call} " + TEMPLATES["trimmed"])

    assert write(Chat(date="2024-07-26"), one, dated).startswith(f"{written} USER: ")
    with pytest.raises(WeightsError, match=r"writes today's date, .*; give one: date = '2024-07-26'$"):
        write(Chat(), one, dated)


def test_a_date_that_is_never_written_needs_no_setting(write: Write, one: tuple[Turn, ...], chatting: Give) -> None:
    template = "  {% if tools %}{{ strftime_now('%d') }}{% endif %}\n" + TEMPLATES["trimmed"]
    tokenizer = chatting(template)

    assert write(Chat(), one, tokenizer) == write(Chat(), one, chatting(TEMPLATES["trimmed"]))


def test_a_date_is_a_setting(write: Write, one: tuple[Turn, ...], chatting: Give) -> None:
    dated = chatting("{{ strftime_now('%d %b %Y') }} " + TEMPLATES["trimmed"])

    assert write(Chat(date="2024-07-26"), one, dated).startswith("26 Jul 2024 USER: ")
    with pytest.raises(ValueError, match="Invalid isoformat string"):
        Chat(date="today")


def test_turns_of_two_digits_keep_their_places(write: Write, chatting: Give) -> None:
    said = [Turn("assistant" if place % 2 else "user", f"<{place}>") for place in range(24)]
    expected = [f"{{<{place}></s>}}" if place % 2 else f"<{place}>" for place in range(24)]
    text = write(Chat(), said, chatting(TEMPLATES["trimmed"])).replace("USER: ", "").replace("ASSISTANT:{ ", "{")
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
    message = (
        rf"^template 'chat': the tokenizer's template (leaves out turn {turn}, or changes it$|writes another prompt)"
    )
    with pytest.raises(WeightsError, match=message):
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
