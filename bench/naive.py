"""The plainest way of doing what remgcl does, after what is known of the published code.

Written for this comparison: one stop word, one text region, one image at a
time, with the numeric types and the order of work of the original.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional


def stop_mask(ids: Tensor, words: Sequence[Sequence[int]]) -> Tensor:
    """Find stop words one at a time, longer ones by a float32 convolution with their ids.

    A window is looked at if its product with the word's ids is that of the word
    with itself, every window of every row by itself, and taken if its ids are
    those of the word. Large ids round, so that some words are missed (REMGCL,
    `llava/model/language_model/llava_llama.py` lines 1124 to 1154).

    Args:
        ids: Token ids `[B, T]`.
        words: The ids of each stop word.

    Returns:
        True where a token is kept `[B, T]`.
    """
    kept = torch.ones_like(ids, dtype=torch.bool)
    for word in words:
        if len(word) == 1:
            kept &= ids != word[0]
            continue
        kernel = torch.tensor(word).float()
        likely = functional.conv1d(ids.float()[:, None], kernel[None, None])[:, 0] == kernel.square().sum()
        for row in range(likely.shape[0]):
            for start in range(likely.shape[1]):
                window = slice(start, start + len(word))
                if likely[row, start] and torch.equal(ids[row, window].float(), kernel):
                    kept[row, window] = False
    return kept


def local_loss(
    patches: Tensor, table: Tensor, owned: Sequence[Sequence[Tensor]], texts: Sequence[Sequence[Tensor]], tau: float
) -> Tensor:
    """Compare each text region with its patches, one region at a time.

    Each region looks up its own text, so each makes a dense gradient of the
    whole embedding table.

    Args:
        patches: Projected patches `[N, P, D]`.
        table: The input embeddings `[V, D]`.
        owned: For each image, the places of each region's patches.
        texts: For each image, the token ids of each region's text.
        tau: The temperature.

    Returns:
        Minus the mean cosine over `tau` `[]`.
    """
    total = patches.new_zeros(())
    for image, places, lines in zip(patches, owned, texts, strict=True):
        for place, line in zip(places, lines, strict=True):
            shown, said = image[place].mean(dim=0), functional.embedding(line, table).mean(dim=0)
            total = total - torch.log(torch.exp(functional.cosine_similarity(shown, said, dim=0) / tau))
    return total / sum(map(len, texts))


def prepare(image: PIL.Image.Image, edge: int, mean: Sequence[float], std: Sequence[float]) -> npt.NDArray[np.float32]:
    """Pad to a square, resize, crop at the centre, rescale and normalise, as CLIP's processor does.

    Args:
        image: The original.
        edge: Height and width of the tower's input.
        mean: Mean of the input's colours.
        std: Standard deviation of the input's colours.

    Returns:
        Pixels `[3, edge, edge]`.
    """
    image = image.convert("RGB")
    square = max(image.size)
    canvas = PIL.Image.new("RGB", (square, square), tuple(int(255 * part) for part in mean))
    canvas.paste(image, ((square - image.width) // 2, (square - image.height) // 2))
    resized = np.array(canvas.resize((edge, edge), PIL.Image.Resampling.BICUBIC))
    top, left = (resized.shape[0] - edge) // 2, (resized.shape[1] - edge) // 2
    cropped = resized[top : top + edge, left : left + edge]
    rescaled = cropped.astype(np.float32) * np.float32(1 / 255)
    normalised = (rescaled - np.array(mean, dtype=np.float32)) / np.array(std, dtype=np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))
