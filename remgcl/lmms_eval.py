"""Chat models as models of lmms-eval: ``--model remgcl --model_args model=runs/quickstart``.

lmms-eval finds `manifest` by the entry-point group ``lmms_eval.models``. It needs ``pip install 'remgcl[lmms-eval]'``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmms_eval.api.instance import GenerationResult, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest

from remgcl.core.engine import Engine
from remgcl.core.errors import RequestError, RunError
from remgcl.core.evaluation.asking import ask_all
from remgcl.core.files.decoding import to_rgb
from remgcl.core.parts import ChatReply, ChatRequest

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

    from remgcl.core.parts import ChatModel

MAX_NEW_TOKENS = 1024
"""Longest answer in tokens, where a task names none."""

SHOWN = 3
"""Most failed requests that an error names."""


class _Asked(lmms):
    """A chat model that lmms-eval asks.

    A request that fails ends the evaluation: its error is never an answer.
    """

    def __init__(self, model: str, chat: str = "remgcl", **settings: Any) -> None:  # noqa: ANN401 - fields of the chat model
        """Choose the chat model.

        Args:
            model: What its field `model` holds.
            chat: Its name among the parts of the kind `chat_models`.
            **settings: Its further fields; `batch_size` and `device` may also be those of lmms-eval.
        """
        super().__init__()
        engine = Engine.installed()
        known = {each.name for each in _fields(engine, chat)}
        given = {key: value for key, value in settings.items() if value is not None and _is_meant(key, known)}
        if "batch_size" in given:
            given["batch_size"] = int(given["batch_size"])
        self.part: ChatModel = engine.part(
            "chat_models", chat, [f"{key}={json.dumps(value)}" for key, value in {**given, "model": model}.items()]
        )

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refuse tasks that compare probabilities: a chat model gives texts.

        Args:
            requests: The requests.
        """
        del requests
        raise RequestError("remgcl: gives no probabilities; choose a task that generates")

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuse tasks of several rounds.

        Args:
            requests: The requests.
        """
        del requests
        raise RequestError("remgcl: tasks of several rounds are not supported; choose one that asks once")

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer all requests, in their order.

        Args:
            requests: The requests of a task.
        """
        replies: dict[str, ChatReply] = {}
        asks = [(str(place), lambda each=each: self._request(each)) for place, each in enumerate(requests)]
        failed = ask_all(self.part, asks, replies.__setitem__)
        if failed:
            shown = "; ".join(list(failed.values())[:SHOWN])
            raise RunError(f"remgcl: {len(failed):,} of {len(requests):,} requests have no reply: {shown}")
        return [_result(replies[str(place)]) for place in range(len(requests))]

    def _request(self, instance: Instance) -> ChatRequest:
        messages, settings = self._asked(instance)
        until = settings.get("until") or ()
        sampled = settings.get("do_sample", True) is not False
        return ChatRequest(
            messages=messages,
            max_new_tokens=int(settings.get("max_new_tokens") or MAX_NEW_TOKENS),
            temperature=float(settings.get("temperature") or 0.0) if sampled else 0.0,
            top_p=float(settings.get("top_p") or 1.0),
            stop=(until,) if isinstance(until, str) else tuple(until),
        )

    def _asked(self, instance: Instance) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
        raise NotImplementedError

    def _document(self, task: str, split: str, place: int) -> Any:  # noqa: ANN401 - a row of a dataset
        return self.task_dict[task][split][place]


class Remgcl(_Asked):
    """A chat model that is asked a text about images: lmms-eval's simple form."""

    is_simple = True

    def _asked(self, instance: Instance) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
        context, settings, visuals, place, task, split = instance.args
        shown = visuals(self._document(task, split, place)) or []
        images = [{"type": "image", "image": to_rgb(each)} for each in _flat(shown)]
        return [{"role": "user", "content": [*images, {"type": "text", "text": context}]}], settings


class RemgclChat(_Asked):
    """A chat model that is asked by messages: lmms-eval's chat form."""

    is_simple = False

    def _asked(self, instance: Instance) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
        _, messages, settings, place, task, split = instance.args
        told: Sequence[Mapping[str, Any]] = messages(self._document(task, split, place))
        return [{"role": each["role"], "content": [_part(part) for part in each["content"]]} for each in told], settings


def manifest() -> ModelManifest:
    """Name both forms for lmms-eval."""
    return ModelManifest(
        model_id="remgcl", simple_class_path=f"{__name__}.Remgcl", chat_class_path=f"{__name__}.RemgclChat"
    )


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    if part["type"] == "image":
        return {"type": "image", "image": to_rgb(part["url"])}
    raise RequestError(f"remgcl: takes texts and images; the task shows {part['type']!r}")


def _flat(shown: Any) -> Iterator[Any]:  # noqa: ANN401 - images, in lists of any depth
    for each in shown:
        if isinstance(each, list | tuple):
            yield from _flat(each)
        else:
            yield each


def _result(reply: ChatReply) -> GenerationResult:
    used = reply.usage
    counts = TokenCounts(input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens)
    return GenerationResult(text=reply.text, token_counts=counts)


def _fields(engine: Engine, chat: str) -> Sequence[Any]:
    import attrs

    return attrs.fields(engine.registry.find("chat_models", chat))  # type: ignore[no-any-return]


def _is_meant(key: str, known: set[str]) -> bool:
    """Tell whether a setting is for the chat model; lmms-eval always hands over three of its own."""
    return key in known or key not in {"batch_size", "max_batch_size", "device"}
