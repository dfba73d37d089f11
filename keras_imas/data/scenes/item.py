from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Item:
    """Something on the street: what paints it, how far it is, and where it stands."""

    depth: float
    paint: Callable
    footprint: tuple | None = None  # (x0, x1, z0, z1), shaded from the sky
    height: float = 0.0  # of the shadow it casts
    lamp: tuple | None = None  # (x, z) lit at night
