"""The names of the built-in vision towers, and what naming them costs."""

import subprocess
import sys

from remgcl import Engine
from remgcl.plugins import vision_towers as kind


def test_each_tower_is_known_by_its_name(engine: Engine) -> None:
    named = kind.remgcl_register_vision_towers()
    assert named == {
        "clip": kind.Clip,
        "open_clip": kind.OpenClip,
        "siglip": kind.Siglip,
        "timm": kind.Timm,
        "tiny": kind.TinyTower,
    }
    for name, part in named.items():
        assert engine.registry.find("vision_towers", name) is part


def test_reading_settings_imports_no_heavy_library() -> None:
    program = (
        "import sys; from remgcl.plugins import vision_towers as kind; "
        "towers = kind.Clip(weights='x'), kind.Siglip(weights='x'), kind.Timm(model='x'), kind.OpenClip(model='x'); "
        "{tower.restorable for tower in towers}, kind.TinyTower().spec(), kind.TinyTower().parameters(); "
        "print({'torch', 'transformers', 'timm', 'open_clip', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (done.stdout, done.stderr) == ("set()\n", "")
