"""Chat templates in published folders: which of a recipe's templates writes the same, and the other way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from remgcl import WeightsError, read_json

V1 = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)

PROMPTS: dict[str, dict[str, Any]] = {
    f"{V1} USER: <image>\nWhat? ASSISTANT:": {"use": "v1"},
    "USER: <image>\nWhat? ASSISTANT:": {"use": "v1", "system": ""},
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\nWhat?<|im_end|>\n"
    "<|im_start|>assistant\n": {"use": "chatml"},
    "<|im_start|>user\n<image>\nWhat?<|im_end|>\n<|im_start|>assistant\n": {"use": "chatml", "system": ""},
    "[INST] <image>\nWhat? [/INST]": {"use": "llama_2", "system": ""},
}
"""What templates write of one question about an image, and their tables."""


MARKED = "<im_start><image><im_end>"
"""An image between tokens of its own."""


def recognised(folder: Path) -> tuple[dict[str, Any] | None, str, bool]:
    """Find the template that writes what a folder's chat template writes, and say what was found.

    Args:
        folder: The folder.

    Returns:
        The template's table, or None if none of a recipe's writes the same; a sentence; and whether images stand
        between tokens of their own.

    Raises:
        WeightsError: The folder's template cannot be used.
    """
    text = template_of(folder)
    if text is None:
        return {"use": "v1"}, "the folder holds no chat template; LLaVA-1.5's 'v1' is taken", False
    written = _written(folder, text)
    markers = MARKED in written
    bare = (
        written.replace(MARKED, "<image>")
        .removeprefix("<s>")
        .replace("\n<image>", "<image>")
        .replace("<image> ", "<image>\n")
    )
    for prompt, table in PROMPTS.items():
        if bare.strip() == prompt.strip():
            note = f"the folder's chat template is {table['use']!r}" + ", without a system text" * ("system" in table)
            return table, note, markers
    return None, f"the folder's chat template writes {written!r}, which no template of a recipe writes", markers


def template_of(folder: Path) -> str | None:
    """Read a folder's chat template, from any of the files that releases of transformers kept it in.

    Args:
        folder: The folder.
    """
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        text = (read_json(str(folder), name) or {}).get("chat_template")
        if isinstance(text, str):
            return text
    return None


def _written(folder: Path, text: str) -> str:
    """Render one question about an image."""
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    parts = [{"type": "image"}, {"type": "text", "text": "What?"}]
    try:
        rendered, _ = render_jinja_template(
            [[{"role": "user", "content": parts}]],
            chat_template=text,
            add_generation_prompt=True,
            bos_token="<s>",  # noqa: S106 - no password
            eos_token="</s>",  # noqa: S106 - no password
        )
    except (TemplateError, TypeError) as error:
        raise WeightsError(f"{folder}: its chat template cannot be used; {error}") from None
    return str(rendered[0])
