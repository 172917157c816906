"""Texts in LaTeX."""

import pytest

from remgcl.core.tables.latex import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("50 % & more", r"50 \% \& more"),
        ("a_b#1 {x} $", r"a\_b\#1 \{x\} \$"),
        ("\\~^", r"\textbackslash{}\textasciitilde{}\textasciicircum{}"),
        ("[x] *", "{[}x] {*}"),
        ("--set a-b", "-{}-set a-b"),
        ('"q" `', r"\textquotedbl{}q\textquotedbl{} \textasciigrave{}"),
        ("− ± –", r"$-$ $\pm$ \textendash{}"),
        ("two\n lines", "two lines"),
    ],
)
def test_signs_that_mean_something_are_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
