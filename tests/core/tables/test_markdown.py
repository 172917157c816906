"""Texts in Markdown."""

import pytest

from remgcl.core.tables.markdown import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("exact_match", "exact_match"),
        ("_a_", "\\_a\\_"),
        ("a|b\nc", "a\\|b c"),
        ("<b>*x*</b>", "\\<b\\>\\*x\\*\\</b\\>"),
        ("[1](2)", "\\[1\\](2)"),
        ("\\ ` ~ $ # &", "\\\\ \\` \\~ \\$ \\# \\&"),
    ],
)
def test_names_are_shown_as_they_are(text: str, shown: str) -> None:
    assert escaped(text) == shown
