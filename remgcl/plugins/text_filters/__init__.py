"""Text filters: the tokens of an answer that the contrastive losses use."""

from collections.abc import Mapping

from remgcl import TextFilter, hookimpl
from remgcl.plugins.text_filters.stopwords import StopWords


@hookimpl
def remgcl_register_text_filters() -> Mapping[str, type[TextFilter]]:
    """Name the built-in text filters."""
    return {"stopwords": StopWords}
