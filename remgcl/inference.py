"""Models in use, for authors of applications: load one, ask it, stream its answers.

`load` is the door to any model; `LoadedModel` is what it returns.
"""

from remgcl.core.inference.answer import Answer
from remgcl.core.inference.images import ImageSource, open_image
from remgcl.core.inference.load import load
from remgcl.core.inference.loaded import LoadedModel
from remgcl.core.inference.question import Message, Question
from remgcl.core.model.decoding import Decoding

__all__ = ["Answer", "Decoding", "ImageSource", "LoadedModel", "Message", "Question", "load", "open_image"]
