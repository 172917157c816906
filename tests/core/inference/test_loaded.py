"""A loaded model: answers alone, in batches and piece by piece, and how they end."""

import time
from collections.abc import Callable

import pytest
from attrs import evolve
from PIL import Image

from remgcl import RequestError, Sample
from remgcl.core.inference.loaded import Asked, LoadedModel
from remgcl.plugins.templates.llama_2 import Llama2
from remgcl.plugins.templates.plain import Plain

Ask = Callable[..., Sample]

LENGTHS = ("What?", "Is there any text in this picture, and if so, which?", "A", "Read. " * 9, "Where? Why?")


@pytest.fixture
def mixed(ask: Ask) -> list[Asked]:
    """Questions of mixed lengths, with and without images of mixed sizes."""
    pictures = [ask("yes" * place, size=(20 + place, 30)).image for place in range(len(LENGTHS))]
    return [*LENGTHS, *((picture, text) for picture, text in zip(pictures, LENGTHS, strict=True))]


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_batched_answers_equal_single_ones(asked_model: LoadedModel, mixed: list[Asked], batch_size: int) -> None:
    alone = [asked_model.generate([question], max_new_tokens=12)[0] for question in mixed]
    assert len(set(alone)) > len(mixed) // 2
    together = asked_model.generate(mixed, batch_size=batch_size, max_new_tokens=12)
    assert together == alone
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]


def test_sampled_answers_follow_their_seed_alone(asked_model: LoadedModel, mixed: list[Asked]) -> None:
    def sample(questions: list[Asked], seed: int) -> list[str]:
        return list(asked_model.generate(questions, max_new_tokens=12, temperature=1.0, seed=seed))

    alone = [sample([question], 5)[0] for question in mixed]
    assert sample(mixed, 5) == alone
    assert sample(mixed, 6) != alone


def test_greedy_is_the_default_whatever_the_weights_say(asked_model: LoadedModel) -> None:
    before = asked_model.ask(None, "What?", max_new_tokens=20)
    config = asked_model.model.backbone.generation_config
    config.do_sample, config.temperature, config.top_k = True, 5.0, 3
    assert [asked_model.ask(None, "What?", max_new_tokens=20) for _ in range(3)] == [before] * 3


def test_a_small_nucleus_is_greedy(asked_model: LoadedModel) -> None:
    greedy = asked_model.ask(None, "What?", max_new_tokens=20)
    assert asked_model.ask(None, "What?", max_new_tokens=20, temperature=2.0, top_p=1e-6) == greedy


def test_an_answer_ends_before_a_stop_string(asked_model: LoadedModel) -> None:
    whole = asked_model.ask(None, "What?", max_new_tokens=40)
    stop = whole[10:13]
    short = asked_model.ask(None, "What?", max_new_tokens=40, stop=stop)
    assert short == whole[: whole.find(stop)].strip()
    assert short.finish == "stop"
    assert short.tokens < whole.tokens
    assert asked_model.ask(None, "What?", max_new_tokens=40, stop=["not there", stop]) == short


def test_an_answer_that_reaches_its_limit_says_so(asked_model: LoadedModel) -> None:
    answer = asked_model.ask(None, "What?", max_new_tokens=3)
    assert (answer.finish, answer.tokens) == ("length", 3)


def test_the_pieces_of_a_stream_are_the_answer(asked_model: LoadedModel, mixed: list[Asked]) -> None:
    for question in mixed[::3]:
        whole = asked_model.generate([question], max_new_tokens=30)[0]
        pieces = list(asked_model.stream(question, max_new_tokens=30))
        assert "".join(pieces) == whole
        assert len(pieces) > 1
    stop = whole[8:11]
    assert "".join(asked_model.stream(question, max_new_tokens=30, stop=stop)) == whole.partition(stop)[0].strip()


def test_leaving_a_stream_ends_the_generation(asked_model: LoadedModel) -> None:
    began = time.monotonic()
    pieces = asked_model.stream("What?", max_new_tokens=200)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    left = time.monotonic() - began
    assert asked_model.ask(None, "What?", max_new_tokens=2).tokens <= 2
    assert left < 60


def test_messages_are_a_conversation(asked_model: LoadedModel, ask: Ask) -> None:
    image = ask().image
    parts = [{"type": "image", "image": image}, {"type": "text", "text": "What?"}]
    assert asked_model.chat([{"role": "user", "content": parts}], max_new_tokens=9) == asked_model.ask(
        image, "What?", max_new_tokens=9
    )
    longer = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "Where?"},
    ]
    assert asked_model.chat(longer, max_new_tokens=9) == asked_model.generate([longer], max_new_tokens=9)[0]


def test_a_system_message_replaces_the_system_text_of_the_template(asked_model: LoadedModel) -> None:
    question = {"role": "user", "content": "What?"}
    spoken = [{"role": "system", "content": "Be brief."}, question]
    asked_model.encoder = evolve(asked_model.encoder, template=Llama2(system="Be brief."))
    expected = asked_model.chat([question], max_new_tokens=9)
    asked_model.encoder = evolve(asked_model.encoder, template=Llama2(system="Be long."))
    assert asked_model.chat(spoken, max_new_tokens=9) == expected
    asked_model.encoder = evolve(asked_model.encoder, template=Plain())
    with pytest.raises(RequestError, match="the template has no system text"):
        asked_model.chat(spoken)


def test_a_prompt_longer_than_the_context_is_cut_and_counted(asked_model: LoadedModel) -> None:
    answer = asked_model.ask(Image.new("RGB", (9, 9)), "word " * 100, max_new_tokens=10)
    assert answer.cut > 0
    assert answer.tokens <= 10


def test_an_answer_longer_than_the_context_is_refused(asked_model: LoadedModel) -> None:
    with pytest.raises(RequestError, match="max_new_tokens: 256 leave no room for a question; the context has 256"):
        asked_model.ask(None, "What?", max_new_tokens=256)
    with pytest.raises(RequestError, match="max_new_tokens: 240 leave no room for a question"):
        asked_model.ask(Image.new("RGB", (9, 9)), "What?", max_new_tokens=240)
    assert asked_model.ask(None, "What?").tokens <= 256


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"temperature": -1}, "temperature: must be a number of at least 0; it is -1"),
        ({"temperature": float("nan")}, "temperature: must be a number of at least 0; it is nan"),
        ({"top_p": 0}, "top_p: must be above 0 and at most 1; it is 0"),
        ({"max_new_tokens": 0}, "max_new_tokens: must be a whole number of at least 1; it is 0"),
        ({"max_new_tokens": 1.5}, "max_new_tokens: must be a whole number of at least 1; it is 1.5"),
        ({"seed": 2**64}, "seed: must be a whole number of 64 bits"),
        ({"stop": [""]}, "stop: must be texts that are not empty"),
        ({"temprature": 1}, "no setting 'temprature'; did you mean 'temperature'"),
        ({"batch_size": 0}, "batch_size: must be at least 1; it is 0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(asked_model: LoadedModel, setting: dict[str, object], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        asked_model.generate(["What?"], **setting)  # type: ignore[arg-type]
