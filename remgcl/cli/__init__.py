"""The command line: one module for each command.

A command imports libraries only when it runs, so that ``--help`` is fast.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from traceback import walk_tb
from typing import Annotated

import typer

from remgcl.cli import (
    answer,
    ask,
    chat,
    check,
    compare,
    elicit,
    evaluate,
    export,
    grid,
    import_,
    inspect,
    new_plugin,
    ocr,
    output,
    parts,
    run,
    schema,
    score,
    serve,
    view,
)

app = typer.Typer(
    name="remgcl",
    help="Build, train and study vision-language models on text-rich images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _options(
    without: Annotated[
        list[str],
        typer.Option("--without", metavar="PLUGIN", help="Leave a plugin out; REMGCL_WITHOUT=NAME,NAME does the same."),
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    from remgcl.core.registry.loading import WITHOUT

    os.environ[WITHOUT] = ",".join([*filter(None, [os.environ.get(WITHOUT)]), *without])


app.command("run")(run.run)
app.command("answer")(answer.answer)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("check")(check.check)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("elicit")(elicit.elicit)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("inspect")(inspect.inspect)
app.add_typer(grid.app, name="grid")
app.command("ocr")(ocr.ocr)
app.command("parts")(parts.parts)
app.command("score")(score.score)
app.command("schema")(schema.schema)
app.command("serve")(serve.serve)
app.command("view")(view.view)
app.command("new-plugin")(new_plugin.new_plugin)


def main() -> None:
    """Run a command; print errors meant for the user without a traceback, and exit with code 2.

    If an error was raised by a third-party plugin, its name is printed too.
    """
    from remgcl.core.errors import RemgclError
    from remgcl.core.registry.culprit import culprit

    warnings.simplefilter("ignore", FutureWarning)  # meant for developers of libraries
    # transformers imports DeepSpeed wherever it is installed, which then warns that there is no GPU
    logging.getLogger("DeepSpeed").addFilter(lambda record: "Setting accelerator" not in record.getMessage())
    output.readable()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in output.AWAY or error.filename is not None:
            raise
        output.lose(sys.stdout)
        typer.secho(f"error: the output cannot be written; {str(error.strerror).lower()}", fg="red", err=True)
        sys.exit(2)
    except RemgclError as error:
        message = "\n".join(filter(None, [str(error), culprit(error)]))
        typer.secho(f"error: {message}".replace("\n", "\nerror: "), fg="red", err=True)
        sys.exit(2)
    except SystemExit as error:
        if ended := culprit(SystemExit().with_traceback(error.__traceback__)) or _ended_by(error):
            typer.secho(f"error: {ended}", fg="red", err=True)
            sys.exit(2)
        raise
    except Exception as error:
        if plugin := culprit(error):
            error.add_note(plugin)
        raise


def _ended_by(error: SystemExit) -> str:
    """Name the line of a library that ended the program; empty if the command line did so itself."""
    frame, line = list(walk_tb(error.__traceback__))[-1]
    if frame.f_globals.get("__name__", "").partition(".")[0] in {"click", "typer", "remgcl"}:
        return ""
    if frame.f_code.co_name == "on_broken_pipe":  # of rich, where the reader of a pipe has gone
        return "the output cannot be written; broken pipe"
    return f"{frame.f_code.co_filename}:{line}: raised {error!r}, which ends the program without a message"
