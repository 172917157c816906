"""``remgcl chat``: talk to a model in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remgcl.cli.asking import (
    Base,
    Conv,
    Device,
    Dtype,
    MaxNewTokens,
    Run,
    Seed,
    Stage,
    Temperature,
    TopP,
    Tower,
    loaded,
    named_image,
)

if TYPE_CHECKING:
    from remgcl.core.inference.conversation import Conversation

HELP = """/image IMAGE   start over with another image; /image alone starts without one
/reset         clear the conversation; the image stays
/history       print the conversation
/help          print this
/quit          end; so does the end of the input
Ctrl-C ends an answer."""


def chat(  # noqa: PLR0913 - the options of a command
    run: Run,
    image: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help="A file or an https:// address.")] = None,
    *,
    stage: Stage = None,
    conv: Conv = None,
    base: Base = None,
    tower: Tower = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Talk to a model, turn by turn, with or without an image; /help lists the commands."""
    from remgcl.core.inference.conversation import Conversation

    shown = None if image is None else named_image(image)
    model = loaded(run, stage=stage, template=conv, base=base, tower=tower, device=device, dtype=dtype)
    conversation = Conversation(model, shown)
    settings = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    for line in _lines():
        if line.startswith("/"):
            if _command(line, conversation):
                break
        elif line:
            _answer(conversation, line, settings)


def _lines() -> Iterator[str]:
    """Read lines from the terminal or a pipe."""
    prompted = sys.stdin.isatty()
    while True:
        try:
            line = input("you: ") if prompted else next(sys.stdin)
        except (EOFError, StopIteration):
            return
        except KeyboardInterrupt:
            typer.echo()
            return
        yield line.strip()


def _command(line: str, conversation: Conversation) -> bool:
    """Run a command; return whether it ends the conversation."""
    from remgcl.core.errors import Hint, RemgclError

    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name == "/image":
        try:
            conversation.show(named_image(rest) if rest else None)
        except RemgclError as error:
            _complain(error)
    elif name == "/reset":
        conversation.reset()
    elif name == "/history":
        for turn in conversation.turns:
            typer.echo(f"{turn.role}: {'[image] ' * turn.image}{turn.text}")
    elif name == "/help":
        typer.echo(HELP)
    elif name != "/quit":
        commands = ("/image", "/reset", "/history", "/help", "/quit")
        _complain(f"no command {name!r}; {Hint(name, commands)}")
    return name == "/quit"


def _answer(conversation: Conversation, line: str, settings: dict[str, Any]) -> None:
    """Print an answer while it is generated; Ctrl-C ends it."""
    from contextlib import closing

    from remgcl.core.errors import RemgclError

    try:
        with closing(conversation.say(line, **settings)) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                typer.echo(piece, nl=False)
        typer.echo()
    except KeyboardInterrupt:
        typer.echo(" ...")
    except RemgclError as error:
        _complain(error)


def _complain(what: object) -> None:
    typer.secho(f"error: {what}", fg="red", err=True)
