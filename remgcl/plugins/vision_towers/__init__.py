"""Vision towers: images to patch features."""

from collections.abc import Mapping

from remgcl import VisionTower, hookimpl
from remgcl.plugins.vision_towers.clip import Clip
from remgcl.plugins.vision_towers.open_clip import OpenClip
from remgcl.plugins.vision_towers.siglip import Siglip
from remgcl.plugins.vision_towers.timm import Timm
from remgcl.plugins.vision_towers.tiny import TinyTower


@hookimpl
def remgcl_register_vision_towers() -> Mapping[str, type[VisionTower]]:
    """Name the built-in vision towers."""
    return {"clip": Clip, "open_clip": OpenClip, "siglip": Siglip, "timm": Timm, "tiny": TinyTower}
