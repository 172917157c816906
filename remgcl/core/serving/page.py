"""A page for people: chat with one or two models, and see what their patches know of a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

import gradio

from remgcl.core.errors import RemgclError
from remgcl.core.inference.conversation import Conversation
from remgcl.core.inference.insight import regions_picture, similarity
from remgcl.core.samples import Turn

if TYPE_CHECKING:
    from fastapi import FastAPI
    from PIL.Image import Image

    from remgcl.core.inference.loaded import LoadedModel
    from remgcl.core.samples import Region

ReadText: TypeAlias = Callable[["Image"], Sequence["Region"]]
"""Finds the text in an image."""

Messages: TypeAlias = list[dict[str, str]]

SHOWN_AT_ONCE = 2
"""Models that stand side by side."""

THEME = gradio.themes.Default(font="sans-serif", font_mono="monospace")  # fetches no fonts
"""The look of the page."""


def mount(app: FastAPI, models: Sequence[LoadedModel], read_text: ReadText | None, key: str | None = None) -> None:
    """Add the page to an application, at its root.

    Args:
        app: The application; its own paths come first.
        models: One model, or two that answer side by side.
        read_text: Finds the text in an image; None shows no regions.
        key: The password of the user `remgcl`; with None there is no login.
    """
    page = build(models[:SHOWN_AT_ONCE], read_text)
    auth = None if key is None else ("remgcl", key)
    gradio.mount_gradio_app(
        app, page, path="/", auth=auth, theme=THEME, show_error=True, ssr_mode=False, footer_links=[]
    )


def build(models: Sequence[LoadedModel], read_text: ReadText | None) -> gradio.Blocks:
    """Make the page.

    Args:
        models: The models that answer side by side.
        read_text: Finds the text in an image; None shows no regions.
    """
    label = "the word and the patches"
    with gradio.Blocks(title="remgcl", analytics_enabled=False, fill_width=True) as page, gradio.Row():
        with gradio.Column(scale=1):
            image = gradio.Image(
                type="pil", label="Image", sources=["upload", "clipboard"], elem_id="image", height=320
            )
            word = gradio.Textbox(label="Word", placeholder="How similar is it to each patch?", elem_id="word")
            with gradio.Row():
                maps = [_picture(f"{model.name}: {label}", f"map-{place}") for place, model in enumerate(models)]
            regions = _picture("Text regions, and the patches that each covers", "regions") if read_text else None
        with gradio.Column(scale=2):
            with gradio.Row():
                chats = [
                    gradio.Chatbot(label=model.name, height=480, elem_id=f"chat-{place}")
                    for place, model in enumerate(models)
                ]
            said = gradio.Textbox(label="Message", placeholder="Ask", elem_id="message", submit_btn=True)
            temperature = gradio.Slider(0, 2, value=0, step=0.1, label="Temperature; 0 takes the most probable token")
            reset = gradio.Button("Start over")
        said.submit(_answers(models), [image, said, temperature, *chats], [said, *chats], api_visibility="private")
        reset.click(lambda: [[] for _ in chats], None, chats, api_visibility="private")
        image.change(lambda: [[] for _ in chats], None, chats, api_visibility="private")
        word.submit(_similar(models), [image, word], maps, api_visibility="private")
        if read_text is not None and regions is not None:
            image.change(_drawn(models[0], read_text), [image], [regions], api_visibility="private")
    made: gradio.Blocks = page
    return made


def _picture(label: str, name: str) -> gradio.Image:
    return gradio.Image(label=label, elem_id=name, interactive=False, format="png")


def _answers(models: Sequence[LoadedModel]) -> Callable[..., Iterator[list[Any]]]:
    """Return a function that answers a message with every model, piece by piece."""

    def answer(image: Image | None, said: str, temperature: float, *chats: Messages) -> Iterator[list[Any]]:
        if not said.strip():
            yield [said, *chats]
            return
        shown = [[*chat, {"role": "user", "content": said}, {"role": "assistant", "content": ""}] for chat in chats]
        streams = [_say(model, image, chat, said, temperature) for model, chat in zip(models, chats, strict=True)]
        yield ["", *shown]
        for pieces in zip_longest(*streams, fillvalue=""):
            for chat, piece in zip(shown, pieces, strict=True):
                chat[-1]["content"] += piece
            yield ["", *shown]

    return answer


def _say(model: LoadedModel, image: Image | None, chat: Messages, said: str, temperature: float) -> Iterator[str]:
    """Continue what a chat shows."""
    turns = [
        Turn("assistant" if place % 2 else "user", _text(message), image=image is not None and place == 0)
        for place, message in enumerate(chat)
    ]
    try:
        yield from Conversation(model, image, turns).say(said, temperature=temperature)
    except RemgclError as error:
        raise gradio.Error(str(error)) from None


def _text(message: Any) -> str:  # noqa: ANN401 - a text, or gradio's list of parts
    """Return the text of a message of the page."""
    content = message["content"]
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _similar(models: Sequence[LoadedModel]) -> Callable[[Image | None, str], Any]:
    """Make what draws the similarity of a word, for each model."""

    def draw(image: Image | None, word: str) -> Any:  # noqa: ANN401 - a picture, or a list of several
        if image is None:
            raise gradio.Error("give an image first")
        try:
            pictures = [similarity(model, image.convert("RGB"), word).picture for model in models]
        except RemgclError as error:
            raise gradio.Error(str(error)) from None
        return pictures[0] if len(pictures) == 1 else pictures

    return draw


def _drawn(model: LoadedModel, read_text: ReadText) -> Callable[[Image | None], Image | None]:
    """Make what draws the text regions of an image."""

    def draw(image: Image | None) -> Image | None:
        if image is None:
            return None
        shown = image.convert("RGB")
        try:
            return regions_picture(model, shown, read_text(shown))
        except RemgclError as error:
            raise gradio.Error(str(error)) from None

    return draw
