"""Every check of every kind fails on a part that breaks its promise, and on no other; it says how to mend it."""

import re
from ast import literal_eval
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from remgcl.core.registry.registry import KINDS
from remgcl.testing.checks import PartChecks, docs_of

Failures = Callable[[str], dict[str, dict[str, str]]]

SHAPE = "a batch that lacks something gives a finite number and the same graph"
RANKS = "two ranks agree with one that holds all"
TRAINS = "it trains every stage to its end and saves what was learned"

BROKEN: dict[str, dict[str, dict[str, str]]] = {
    "losses": {
        "Vector": {
            "it answers one finite number": "a usual batch: must return a scalar tensor; it returned a tensor [3]"
        },
        "Detached": {"its gradient is finite and reaches an input": "no gradient reaches patches, answers or region"},
        "Disconnected": {SHAPE: "no image: the graph does not reach the region texts; add features.zero() to the loss"},
        "One": {"where there is nothing it is zero": "a batch without a sample: is 1; return features.zero() there"},
        "Float32": {"it is finite in every precision": "features of torch.bfloat16: raises "},
        "Ordered": {"the order of samples images and regions does not matter": "in another order of samples, images"},
        "Places": {"it can do without the places of regions": "with regions.of_image, and"},
        "Greedy": {"its inputs stay as they are": "changes features.answer_key in place; compute on copies"},
        "Padded": {"padding of answers changes nothing": "with 3 columns of padding; look at answer_mask"},
        "Highest": {"padding of answers changes nothing": "with 3 columns of padding; look at answer_mask"},
        "Dropped": {"padding of answers changes nothing": "with other numbers where answer_mask is False; look at"},
        "Square": {"it works with the grid of any tower": "a grid of (1, 1): raises no second row; read the shape off"},
        "Uneven": {RANKS: "where one process holds all; gather both sides, and let count return"},
        "Cut": {RANKS: "two ranks, unequal counts: patches get other gradients than in one process; use remgcl.gather"},
        "Chance": {RANKS: "rank 0: differs on each run; seed its randomness"},
        "Raises": {RANKS: "two ranks, unequal counts: rank 1 raises ValueError('not here'); call gather on every rank"},
        "Hangs": {RANKS: "two ranks, one without an image: rank 0 does not respond within 30 s; call gather on every"},
        "Waits": {"the host never waits": "waits for the accelerator by _local_scalar_dense; use where and masks"},
        "Picks": {"the host never waits": "waits for the accelerator by nonzero; use where and masks"},
        "Reads": {"the host never waits": "waits for the accelerator by __array__, cpu, numpy, to, tolist; use"},
        "Counts": {"the host never waits": "waits for the accelerator by bincount, repeat_interleave; use"},
        "Loops": {"the number of operations does not depend on the regions": "compute all regions at once"},
        "Wide": {"it counts from masks and regions alone": "of whole features; count masks and regions"},
        "Idle": {"what it learns has gradients and can be saved": "build: no gradient reaches idle; use every"},
        "Forgets": {
            "what it learns has gradients and can be saved": "build: returns another value once it is built again"
        },
        "Tells": {
            "what it tells of itself are scalars": "diagnose: 'rows': a usual batch: must return a scalar tensor"
        },
        "Silent": {
            "its docstring tells every setting": "its docstring does not document 'margin'; say under 'Attributes:'"
        },
        "Untyped": {"its settings survive toml": "once it was written as TOML; give fields types of TOML"},
    },
    "projectors": {
        "Noise": {
            "it gives the same for the same input": "leave dropout and noise to train()",
            "rows do not look at each other": "returns other outputs for rows in another order",
            "what it learned survives saving": "keep state in parameters and buffers",
        },
        "Rows": {"rows do not look at each other": "returns other outputs for rows alone; in eval() each row"},
        "Detached": {
            "gradients reach what learns": "its output is detached from its parameters; leave no_grad()",
            "rows do not look at each other": "alone",
        },
        "Lost": {
            "what it learned survives saving": "returns another output once it is saved and loaded; keep state in"
        },
        "Shape": {"it joins the widths": "build: returns [0, 6, 1] for [0, 6, 8]; expected [0, 6, 16]"},
        "Features": {"the gradient reaches the vision tower": "no finite gradient reaches the patch features; leave"},
        "Miscounts": {"its parameters are counted as they are": "counts 145, and build returns 144; count those"},
        "Refuses": {"widths that it cannot join are an error of remgcl": "build(12, 12): raises ValueError('equal'); "},
    },
    "vision_towers": {
        "Short": {
            "its patches fill the declared grid": "spec declares 2 x 3 patches, so expected [2, 6, 4]; declare the"
        },
        "Outside": {"it declares a grid on its input": "spec: 2 rows of 16 pixels leave the input of 16; declare"},
        "Bytes": {"its colours are those of an input from 0 to 1": "give three numbers from 0 to 1, not to 255"},
        "Restorable": {"restorable weights are the same each time": "'convolution.weight' differs in each build; let"},
    },
    "backbones": {
        "Deep": {"it declares what it builds": "tied as (259, 16, 2, True); build returns (259, 16, 1, True); declare"},
        "Narrow": {"it answers embeddings with logits": "returns logits [2, 5, 9]; expected [2, 5, 259], by the"},
        "Foresees": {
            "a token sees those before it only": "a token's logits depend on those after it; mask attention causally",
            "padding on the right changes no logit": "logits change with padding on the right; respect attention_mask",
        },
        "Unmasked": {
            "padding on the left changes no answer": "with padding on the left; respect attention_mask, in the"
        },
        "Detached": {"the gradient reaches the embeddings": "no finite gradient reaches the input embeddings; leave"},
        "Placeless": {"its tokenizer tells the characters of each token": "Slow gives no offsets; return a fast"},
        "Unpadded": {"every token has an embedding": "build_tokenizer: has no token for padding; set its pad_token"},
    },
    "templates": {
        "Blind": {"the image stands where it is shown and nowhere else": "renders 0 images; 1 are shown; use the"},
        "Repeats": {"no utterance is repeated": "one question: writes 'What is it?' 2 times; write each answer once"},
        "Parrot": {"what is learned are the answers": "learn the answers, in order, and no question"},
        "Empty": {"every piece that is learned has a text": "one question: a learned piece has no text; leave it out"},
        "Open": {"the prompt is where training began to learn": "before the answer; let both agree"},
    },
    "metrics": {
        "Raises": {"it scores any text": "raises ZeroDivisionError('division by zero') for the prediction ''"},
        "Infinite": {"it scores any text": "must return a number, or a label or pair; it returned inf"},
        "Counts": {"it scores the same each time": "returns another score the second time; remove randomness and"},
        "Sums": {"its summary can be written": "has a summary that JSON cannot hold: Object of type set"},
    },
    "text_filters": {
        "Numbers": {"it answers a mask of the tokens": "returns int64 [32] for 32 tokens; expected a bool array [32]"},
        "Writes": {"it leaves the tokens as they are": "changes the token ids; work on a copy"},
        "Chance": {
            "it keeps the same tokens each time": "keeps other tokens of the same text each time; remove",
            "it goes to loader workers": "differs once it is pickled",
        },
        "Nameless": {"it goes to loader workers": "cannot be pickled: Can't pickle local object"},
    },
    "datasets": {
        "Miscounts": {"its census counts what it builds": "as (3, 1); build has (2, 1); count those"},
        "Restless": {"its digest stays": "make it of the records alone"},
        "Silent": {"its samples are conversations": "sample 'one': its turns are ['user']; user and assistant"},
        "Mute": {"its samples are conversations": "sample 'one': an answer is empty; leave the sample out"},
        "Hidden": {"an image is shown once and in rgb": "has an image, and 0 of its turns show one; mark one turn"},
        "Grey": {"an image is shown once and in rgb": "sample 'one': its image is L; convert it to RGB"},
        "Outside": {"regions lie in the image": "the corner (9, 0) lies outside of 6 x 4; give pixels of the original"},
        "Sure": {"regions lie in the image": "has the confidence 1.5; give one from 0 to 1"},
        "Blank": {"regions lie in the image": "region ' ': has no text; leave it out"},
        "Mirrored": {"regions lie in the image": "are not clockwise; begin with the text's upper left"},
        "Chance": {
            "a sample is the same each time": "differs each time; draw from random, numpy or torch",
            "its samples go to loader workers": "keep all of their state",
        },
        "Long": {"lengths tell the kind of each sample": "returns 3 lengths of 2 samples; return one for each"},
        "Unsigned": {
            "its census counts what it builds": "words: 5 is the length of no sample",
            "lengths tell the kind of each sample": "has an image, and the length -5; count its words, negative",
        },
        "Locked": {"its samples go to loader workers": "cannot be pickled: cannot pickle '_thread.lock' object; open"},
    },
    "ocr_engines": {
        "Restless": {"its version is a text that stays": "name the library and its models, each with its version"},
        "Writes": {"the image stays as it is": "changes the image; draw on a copy"},
        "Blind": {"it finds lines of text": "finds nothing in an image of the words 'HELLO 4217'; return a Region"},
        "Outside": {"its lines lie in the image": "the corner (800, 0) lies outside of 400 x 120; give pixels of the"},
        "Chance": {"it reads the same each time": "reads the same image differently each time; remove randomness"},
    },
    "runners": {
        "Lazy": {TRAINS: "run: leaves stage 'first' unfinished; end it with job.finish(objective, results)"},
        "Nowhere": {
            TRAINS: "unfinished",
            "its layout is one that can be": "processes are 1 or more, and states are",
        },
        "Refuses": {TRAINS: "cannot finish", "it verifies a usual recipe": "built-in parts: not 'conformance'; raise"},
        "Words": {TRAINS: "run: finishes stage 'first' with seconds = '3 s'; reports read a number there"},
    },
    "executors": {
        "Verify": {
            "it can be used here": "verify: refuses to be used here: not here; raise only for what would stop tasks"
        },
        "Code": {"a task answers its exit code": "returns 0 for a command that ends with 3; return its exit code"},
        "Folder": {"many tasks are all run": "run each once, in its folder"},
        "Log": {"what a task says is appended to its log": "append both outputs to what was there"},
        "Raises": {"a command that cannot be started is told": "raises FileNotFoundError(2, 'No such file or"},
        "Cancelled": {"a cancelled task never runs": "tasks ran that were cancelled before: [0, 1, 2, 3]; call set_"},
        "Kills": {"tasks are stopped and waited for at the end": "was not stopped at the end; send SIGTERM"},
    },
    "formats": {
        "Greedy": {"it does not take what is no model": "detect: takes 'empty', which holds no model; check for what"},
        "Crashes": {"what is no model is refused with a clear error": "read: raises KeyError("},
        "Invents": {"what is no model is refused with a clear error": "read: makes a model of 'empty'; raise Weights"},
    },
}
"""What each broken part fails, by kind and class: the check as a sentence, and a piece of what it says."""

for module in sorted((Path(__file__).parent / "broken").glob("*.py")):
    found = re.search(r"^FAILURES = (\{.*?^\})", module.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    BROKEN |= {module.stem: literal_eval(found[1])} if found else {}


REFUSED = {
    ("losses", "Tells"): "diagnose: must return a mapping from names to scalar tensors; it returned",
    ("backbones", "Placeless"): "build_tokenizer: must return a tokenizer of transformers; it returned",
    ("templates", "Blind"): "it returned pieces with 0 images for turns with 1",
    ("text_filters", "Numbers"): "the result of build must return an array of bool of shape (32,)",
    ("datasets", "Sure"): "one whose confidence is 1.5",
    ("datasets", "Long"): "modality_lengths: must return a whole number for each of 2 samples",
    ("runners", "Lazy"): "run returned without finishing stage 'first'",
    ("runners", "Nowhere"): "it returned one whose processes is 0",
}
"""Parts that the registry's boundary refuses at every call, in these words: each check that makes such a call fails."""

GENERAL = {"its settings survive toml", "its docstring tells every setting", "reading it imports no heavy library"}
OF_MODULES = {
    "it gives the same for the same input",
    "rows do not look at each other",
    "its parameters are counted as they are",
    "gradients reach what learns",
    "what it learned survives saving",
}
"""Checks that every kind inherits, and those that kinds with a module do: broken once is enough."""


def checks_of(kind: str) -> type[PartChecks]:
    """Find the checks of a kind."""
    checks: type[PartChecks] = import_module(f"remgcl.testing.{kind}").Checks
    return checks


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in BROKEN for name in BROKEN[kind]])
def test_a_broken_part_fails_its_check_and_no_other(kind: str, name: str, failures: Failures) -> None:
    failed = failures(kind)[name]
    told = {check.removeprefix("test_").replace("_", " "): message for check, message in failed.items()}
    if (kind, name) in REFUSED:
        assert told.keys() >= BROKEN[kind][name].keys()
        assert [message for message in told.values() if REFUSED[kind, name] not in message] == []
        return
    assert told.keys() == BROKEN[kind][name].keys()
    for check, words in BROKEN[kind][name].items():
        assert words in told[check]
        assert told[check].startswith(f"AssertionError: {kind}: ")


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - {"runners"}))
def test_a_part_that_keeps_every_promise_fails_no_check(kind: str, failures: Failures) -> None:
    assert failures(kind)["Good"] == {}


def test_every_kind_has_checks() -> None:
    assert BROKEN.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_is_failed_by_a_broken_part(kind: str) -> None:
    named = {check.removeprefix("test_").replace("_", " ") for check in docs_of(checks_of(kind))}
    failed = {check for checks in BROKEN[kind].values() for check in checks}
    restorable = {"restorable weights are the same each time"} if kind == "backbones" else set()
    assert named - failed - GENERAL - OF_MODULES == restorable


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_says_what_is_promised(kind: str) -> None:
    assert [name for name, promise in docs_of(checks_of(kind)).items() if not promise.endswith(".")] == []
