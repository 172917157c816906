"""What the host waits for is told, and what it does not wait for is not."""

import torch

from remgcl.testing.operations import Recorder


def test_moving_to_where_a_tensor_is_and_sizes_that_are_given_make_nobody_wait() -> None:
    numbers, counts = torch.arange(3.0), torch.tensor([1, 2, 3])
    with Recorder() as recorder:
        numbers.to(counts.device).to(torch.bfloat16).to(counts)
        numbers.repeat_interleave(counts, output_size=6).repeat_interleave(2)
    assert recorder.waiting == []


def test_what_is_read_after_the_recording_is_not_told() -> None:
    with Recorder() as recorder:
        numbers = torch.arange(3.0) + 1
    numbers.tolist()
    assert recorder.waiting == []
