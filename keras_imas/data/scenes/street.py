"""The plan of a street: lanes, sides and crossing."""

import math
from dataclasses import dataclass

from keras_imas.data.scenes.camera import FAR
from keras_imas.data.scenes.chance import choose


@dataclass
class _Side:
    """One side of the street, from the kerb outwards."""

    sign: int
    kerb: float  # distance of the kerb from the camera
    parking: float  # width of the parking lane inside the kerb
    walk: float  # width of the sidewalk
    verge: float  # width of the strip of grass
    verge_first: bool
    boundary: str  # "none", "fence", "wall" or "hedge"
    lot: float  # width of the front yard
    backing: str  # "buildings", "houses", "trees" or "open"

    @property
    def edge(self):
        """Distance of the boundary."""
        return self.kerb + self.walk + self.verge

    @property
    def walk_start(self):
        """Distance of the inner edge of the sidewalk."""
        return self.kerb + (self.verge if self.verge_first else 0)


@dataclass
class _Street:
    """What lies where along the street."""

    theme: str
    lanes: list  # (x, heading): 0 drives away, pi comes towards the camera
    dividers: list  # (x, dashed)
    sides: tuple
    crossing: tuple | None  # (start, end) along z
    closed: bool  # ends at the crossing, in front of buildings
    tracks: float | None  # x of a tram line
    busy: float

    @property
    def end(self):
        """How far the street reaches."""
        return self.crossing[1] if self.closed else FAR

    def free(self, z, margin=2.0):
        """Tell whether z is on the street and off the crossing."""
        if self.crossing is None:
            return z < FAR
        start, end = self.crossing
        return z < start - margin or (z > end + margin and not self.closed)


def plan_street(rng):
    """Plan what lies where along a street."""
    theme = choose(rng, {"downtown": 5, "residential": 3, "arterial": 1.7, "park": 1.2})
    lane = rng.uniform(2.9, 3.6) + (0.3 if theme == "arterial" else 0)
    extra = {"downtown": 0.35, "arterial": 0.7}.get(theme, 0.0)
    right = int(rng.random() < extra)
    oncoming = 0 if rng.random() < 0.15 else 1 + int(rng.random() < extra)
    left = oncoming + int(oncoming == 0 and rng.random() < 0.4)
    lanes = [(k * lane, 0.0) for k in range(right + 1)]
    lanes += [(-k * lane, math.pi if oncoming else 0.0) for k in range(1, left + 1)]
    dividers = []
    if theme != "residential" or rng.random() < 0.35:
        solid = oncoming and rng.random() < 0.5
        for k in range(1 - left, right + 1):
            dividers.append((k * lane - lane / 2, k != 0 or not solid))
    tracks = None
    if theme == "downtown" and rng.random() < 0.3:
        tracks = -lane if oncoming else 0.0
    crossing = None
    if rng.random() < {"downtown": 0.5, "residential": 0.4}.get(theme, 0.15):
        start = rng.uniform(11, 55)
        crossing = (start, start + rng.uniform(7, 14))
    busy = {"downtown": 1.0, "residential": 0.5, "arterial": 1.2, "park": 0.35}[theme]
    left_side = _plan_side(rng, -1, theme, lane * (left + 0.5))
    right_side = _plan_side(rng, 1, theme, lane * (right + 0.5))
    return _Street(
        theme=theme,
        lanes=lanes,
        dividers=dividers,
        sides=(left_side, right_side),
        crossing=crossing,
        closed=crossing is not None and rng.random() < 0.3,
        tracks=tracks,
        busy=busy * rng.uniform(0.4, 1.5),
    )


def _plan_side(rng, sign, theme, roadway):
    choice = {
        "downtown": ({"none": 1}, {"buildings": 1}),
        "residential": (
            {"fence": 3, "wall": 2.5, "hedge": 1, "none": 2},
            {"houses": 5, "trees": 0.7, "buildings": 2},
        ),
        "arterial": (
            {"wall": 3, "fence": 3, "none": 3, "hedge": 0.6},
            {"trees": 2, "open": 2, "buildings": 3, "houses": 1},
        ),
        "park": (
            {"fence": 3, "wall": 1.5, "hedge": 1.5, "none": 3},
            {"trees": 4, "open": 1.5, "houses": 1},
        ),
    }[theme]
    if theme == "downtown" and rng.random() < 0.18:  # a square or a building site
        choice = {"fence": 2, "wall": 2}, {"trees": 1, "open": 1, "buildings": 1}
    boundary, backing = (choose(rng, weights) for weights in choice)
    walk, lot = rng.uniform(1.5, 2.8), rng.uniform(1.5, 9)
    verge = rng.uniform(0.8, 2.2) if rng.random() < 0.4 else 0.0
    if theme == "downtown":
        walk, verge = rng.uniform(2.2, 5.5), 1.6 if rng.random() < 0.15 else 0.0
        lot = 0.0 if boundary == "none" else 5.0
    elif theme != "residential":
        walk, verge = walk * (rng.random() < 0.6), rng.uniform(1.2, 7)
    parks = {"downtown": 0.55, "residential": 0.65, "arterial": 0.0, "park": 0.3}[theme]
    parking = 2.2 if rng.random() < parks else 0.0
    return _Side(
        sign=sign,
        kerb=roadway + parking,
        parking=parking,
        walk=walk,
        verge=verge,
        verge_first=rng.random() < 0.5,
        boundary=boundary,
        lot=lot,
        backing=backing,
    )
