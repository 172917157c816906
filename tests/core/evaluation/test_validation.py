"""Validation: a model's answers to held-out samples, cut where the template ends an answer."""

import copy
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from attrs import evolve, frozen
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase

from remgcl import Batch, Dataset, Piece, Sample, Template, Turn, exact_match
from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder
from remgcl.core.evaluation.validation import answer_all
from remgcl.core.model.model import Model
from remgcl.core.model.objective import Objective
from remgcl.core.recipe.recipe import Validation
from remgcl.plugins.datasets.synthetic import Synthetic
from remgcl.plugins.templates.chatml import ChatML
from remgcl.plugins.templates.llama_2 import Llama2
from remgcl.plugins.templates.plain import Plain
from remgcl.plugins.templates.v1 import V1

TEMPLATES: dict[str, Template] = {
    "plain": Plain(),
    "v1": V1(system=""),
    "llama_2": Llama2(system=""),
    "chatml": ChatML(system=""),
}
ENDINGS = {"plain": "\n", "v1": "</s>", "llama_2": "</s>", "chatml": "<|im_end|>"}
UNUSED: Dataset = Synthetic()

Ask = Callable[..., Sample]
BuildModel = Callable[..., Model]


def settings(batch_size: int = 32, max_new_tokens: int = 12) -> Validation:
    """Make the settings of a validation."""
    return Validation(data=UNUSED, batch_size=batch_size, max_new_tokens=max_new_tokens)


class Parrot:
    """A model that says what it is told to, and remembers what it was asked."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, says: Sequence[str]) -> None:
        """Learn what to say to the samples, in order."""
        self.evaluates = False
        self.asked: list[tuple[Batch, int, dict[str, object]]] = []
        self._ids = [tokenizer(text, add_special_tokens=False).input_ids for text in says]

    def parameters(self) -> Iterator[Tensor]:
        """Give one, which tells where the model is."""
        yield torch.zeros(1)

    def eval(self) -> None:
        """Go into evaluation mode."""
        self.evaluates = True

    def generate(self, batch: Batch, max_new_tokens: int, **options: object) -> Tensor:
        """Say the next texts, padded to one length."""
        done = sum(len(before["ids"]) for before, _, _ in self.asked)
        self.asked.append((batch, max_new_tokens, options))
        ids = [torch.tensor(each) for each in self._ids[done : done + len(batch["ids"])]]
        return torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=0)


@pytest.fixture
def parrot(bytewise: PreTrainedTokenizerBase) -> Callable[..., Parrot]:
    """Make a parrot that speaks in bytes."""
    return lambda *says: Parrot(bytewise, says)


def answers(model: object, samples: Sequence[Sample], encoder: Encoder, **changes: int) -> list[str]:
    """Give the answers alone."""
    return [each.answer for each in answer_all(model, samples, encoder, settings(**changes))]  # type: ignore[arg-type]


# -- where an answer ends


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("true", ["no", "two words", "", " spaces ", "line\nbreak", "a", "</s>"])
def test_an_answer_is_cut_at_the_ending_of_the_template_whatever_the_true_one_is(
    true: str, template: str, encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    """The other ending is that of the first sample of the batch, and none may depend on it."""
    model = parrot(f" a stop{ENDINGS[template]}and more{ENDINGS[template]}", "short", f" {ENDINGS[template]}x")
    samples = [ask(true), ask("sign", size=None), ask("sign")]

    found = answers(model, samples, evolve(encoder, template=TEMPLATES[template]))

    assert found == ["a stop", "short", ""]


def test_spaces_of_an_answer_stay_whatever_the_tokenizer_cleans_up(
    encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.clean_up_tokenization_spaces = True
    model = parrot("1 , 2 . n't</s>")
    assert answers(model, [ask()], evolve(encoder, tokenizer=tokenizer)) == ["1 , 2 . n't"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_stands_after_the_end_of_a_sequence_or_on_padding_is_never_part_of_an_answer(
    template: str, encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    model = parrot("a stop</s>and more", "a stop<pad>and more", "a stop")

    assert answers(model, [ask()] * 3, evolve(encoder, template=TEMPLATES[template])) == ["a stop"] * 3


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("true", ["no", " no "])
def test_generation_stops_at_an_ending_of_one_token_and_at_the_end_of_a_sequence(
    true: str, template: str, encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    """Bytes write a line break as one token, and ChatML's ending as ten."""
    model = parrot("yes")

    answers(model, [ask(true)], evolve(encoder, template=TEMPLATES[template]))

    [(_, _, options)] = model.asked
    line_break = encoder.tokenizer.encode("\n", add_special_tokens=False)
    assert options == {"eos_token_id": [2, *line_break] if template == "plain" else [2], "pad_token_id": 0}


@frozen(kw_only=True)
class Spaced(Template):
    """Writes a space before the line break that ends an answer."""

    def render(self, turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> tuple[Piece, ...]:
        """Write the turns, a line each."""
        del tokenizer
        return tuple(piece for turn in turns for piece in _line(turn))


def _line(turn: Turn) -> tuple[Piece, ...]:
    return (Piece(f"{turn.text} \n", learned=True),) if turn.role == "assistant" else (*turn.pieces, Piece("\n"))


def test_space_before_an_ending_is_no_part_of_it(encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]) -> None:
    model = parrot("a stop\nand more", "a stop \nand more")

    assert answers(model, [ask()] * 2, evolve(encoder, template=Spaced())) == ["a stop"] * 2
    assert model.asked[0][2]["eos_token_id"] == [2, *encoder.tokenizer.encode("\n", add_special_tokens=False)]


def test_llamas_line_break_ends_an_answer_too(llama: PreTrainedTokenizerBase, encoder: Encoder, ask: Ask) -> None:
    model = Parrot(llama, ["The store\nand more"])

    found = answers(model, [ask()], evolve(encoder, tokenizer=llama, template=Plain()))

    assert found == ["The store"]
    assert model.asked[0][2] == {"eos_token_id": [2, llama.convert_tokens_to_ids("<0x0A>")], "pad_token_id": 0}


def test_a_tokenizer_that_ends_no_sequence_stops_generation_at_nothing(
    encoder: Encoder, ask: Ask, bytewise: PreTrainedTokenizerBase, build_model: BuildModel
) -> None:
    endless = copy.deepcopy(bytewise)
    endless.eos_token = None
    asks = evolve(encoder, tokenizer=endless, template=ChatML())
    model = Parrot(endless, ["a stop<|im_end|>"])

    found = answers(model, [ask()], asks)

    [(batch, _, options)] = model.asked
    assert found == ["a stop"]
    assert options == {"eos_token_id": [], "pad_token_id": 0}
    assert build_model().eval().generate(batch, 3, **options).shape == (1, 3)  # which generation understands


# -- what is asked, and what comes back


def test_each_sample_comes_back_in_order_with_its_answer(
    encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    samples = [ask(name=str(place)) for place in range(5)]

    found = list(answer_all(parrot("a", "b", "c", "d", "e"), samples, encoder, settings(batch_size=2)))  # type: ignore[arg-type]

    assert [each.sample for each in found] == samples
    assert [each.answer for each in found] == ["a", "b", "c", "d", "e"]


def test_samples_are_asked_so_many_at_once_for_so_many_tokens(
    encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    model = parrot(*"abcde")

    answers(model, [ask()] * 5, encoder, batch_size=2, max_new_tokens=7)

    assert [len(batch["ids"]) for batch, _, _ in model.asked] == [2, 2, 1]
    assert {length for _, length, _ in model.asked} == {7}


def test_prompts_end_where_the_answer_begins_and_are_padded_on_the_left(
    encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot], bytewise: PreTrainedTokenizerBase
) -> None:
    model = parrot("a", "b")

    answers(model, [ask(question="Who?", size=None), ask(question="Who is there?", size=None)], encoder)

    [(batch, _, _)] = model.asked
    assert bytewise.batch_decode(batch["ids"]) == [
        "<pad>" * 9 + "<s>USER: Who? ASSISTANT:",
        "<s>USER: Who is there? ASSISTANT:",
    ]
    assert batch["attention_mask"].tolist() == [[0] * 9 + [1] * 22, [1] * 31]
    assert len(batch["label_slots"]) == 0


def test_the_model_evaluates_before_it_is_asked(
    encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot], build_model: BuildModel
) -> None:
    model = parrot("a")
    answers(model, [ask()], encoder)
    assert model.evaluates

    real = build_model().train()
    answers(real, [ask()], encoder, max_new_tokens=1)
    assert not any(module.training for module in real.modules())


def test_samples_are_answered_when_they_are_asked_for(
    encoder: Encoder, ask: Ask, parrot: Callable[..., Parrot]
) -> None:
    """So a picture of a few need not wait for all."""
    model = parrot("a", "b")
    found = answer_all(model, [ask(), ask()], encoder, settings(batch_size=1))  # type: ignore[arg-type]

    assert model.asked == []
    next(found)
    assert len(model.asked) == 1


def test_no_samples_have_no_answers(encoder: Encoder, parrot: Callable[..., Parrot]) -> None:
    assert answers(parrot(), [], encoder) == []


# -- real models


def gpt2() -> GPT2LMHeadModel:
    """Make a model whose embeddings of places are absolute."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=259,
            n_positions=256,
            n_embd=32,
            n_layer=2,
            n_head=2,
            initializer_range=0.3,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


@pytest.mark.parametrize("backbone", [lambda: None, gpt2], ids=["rotary", "absolute"])
def test_padding_on_the_left_changes_no_answer(
    backbone: Callable[[], GPT2LMHeadModel | None], build_model: BuildModel, encoder: Encoder, ask: Ask
) -> None:
    model = build_model(backbone())
    questions = ["Who?", "What is written on the sign?", "Where is it, and why?", "?"]
    samples = [
        ask(question=question, size=None if place == 2 else (30, 40)) for place, question in enumerate(questions)
    ]

    together = answers(model, samples, encoder, batch_size=4)
    apart = answers(model, samples, encoder, batch_size=1)

    assert together == apart
    assert len(set(together)) > 1


@pytest.mark.parametrize("template", ["plain", "v1", "chatml"])
def test_a_model_that_has_learned_its_samples_answers_them(
    template: str, build_model: BuildModel, encoder: Encoder, ask: Ask
) -> None:
    """What training shows a model and what validation asks of it fit together, up to the ending."""
    encoder = evolve(encoder, template=TEMPLATES[template])
    samples = [
        evolve(ask("left", size=(40, 20)), turns=(Turn("user", "Where?", image=True), Turn("assistant", "left"))),
        evolve(ask("up", size=(20, 40)), turns=(Turn("user", "Where?", image=True), Turn("assistant", "up"))),
    ]
    model = build_model()
    objective = Objective(model, {})
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    batch = Collator(encoder.tower)([encoder(sample) for sample in samples])
    before = exact_match(list(answer_all(model, samples, encoder, settings())))
    objective.train()
    for _ in range(60):
        optimizer.zero_grad()
        objective(batch)[0].backward()
        optimizer.step()

    after = list(answer_all(model, samples, encoder, settings(max_new_tokens=24)))

    assert before == 0
    assert [each.answer for each in after] == ["left", "up"]
    assert exact_match(after) == 1
