"""Procedural street scenes in the 19 classes of Cityscapes.

A stand-in for Cityscapes that needs no download: a pinhole camera drives through
randomly planned streets, and every object is drawn from 3-D geometry, far to near, into
the image and the label map at once. The order of events in `draw`:

    plan the street -> paint the ground -> paint the objects -> light and weather

Lengths are in meters. The camera stands at x = 0, z = 0: x points right, y up, z ahead.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from keras_imas.data.cityscapes import CLASSES, COLORS

__all__ = ["CLASSES", "COLORS", "IGNORE_CLASS", "draw", "load"]

IGNORE_CLASS = 255

(
    ROAD,
    SIDEWALK,
    BUILDING,
    WALL,
    FENCE,
    POLE,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
    VEGETATION,
    TERRAIN,
    SKY,
    PERSON,
    RIDER,
    CAR,
    TRUCK,
    BUS,
    TRAIN,
    MOTORCYCLE,
    BICYCLE,
) = range(len(CLASSES))

# The image is painted at this multiple of its size and averaged, for smooth edges.
SUPERSAMPLING = 2
NEAR, FAR, SKY_DEPTH = 1.2, 170.0, 2000.0
# Radiance of a surface that glows fully, relative to a white one in daylight.
GLOW_RADIANCE = 3.0


def load(count, *, seed=0, height=128, width=256):
    """Draw a data set of street scenes.

    Scene `i` depends on `(seed, i)` and the size alone, so a larger data set begins
    with the scenes of a smaller one, and two seeds share no scene.

    Args:
        count: Number of scenes, a positive integer.
        seed: Integer in [0, 2**32). Defaults to `0`.
        height: Height of the scenes in pixels, at least 16. Defaults to `128`.
        width: Width of the scenes in pixels, at least 16. Defaults to `256`.

    Returns:
        A tuple `(images, label_maps)` of uint8 arrays: RGB images of shape
        `(count, height, width, 3)`, and label maps of shape `(count, height, width)`
        that hold a class in [0, 18] or 255, to be ignored.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from keras_imas.data import scenes
        >>> images, label_maps = scenes.load(2, seed=1, height=32, width=64)
        >>> images.shape, label_maps.shape
        ((2, 32, 64, 3), (2, 32, 64))
    """
    _check_integer("count", count, 1, "a positive integer")
    _check_integer("seed", seed, 0, "an integer in [0, 2**32)", 2**32 - 1)
    pairs = [draw((seed, index), height, width) for index in range(count)]
    images, label_maps = zip(*pairs, strict=True)
    return np.stack(images), np.stack(label_maps)


def draw(seed, height=128, width=256):
    """Draw one street scene.

    Args:
        seed: Integer in [0, 2**32), or a pair `(seed, index)` of such integers: the
            scene at `index` of the data set `load(..., seed=seed)`.
        height: Height of the scene in pixels, at least 16. Defaults to `128`.
        width: Width of the scene in pixels, at least 16. Defaults to `256`.

    Returns:
        A tuple `(image, label_map)`: a uint8 RGB image of shape `(height, width, 3)`
        and a uint8 label map of shape `(height, width)` that holds a class in [0, 18]
        or 255, to be ignored.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from keras_imas.data import scenes
        >>> image, label_map = scenes.draw(7, height=32, width=64)
        >>> scenes.CLASSES[label_map[-1, 32]]
        'road'
    """
    entropy = tuple(seed) if isinstance(seed, (tuple, list)) else (seed,)
    if len(entropy) > 2:
        raise ValueError(
            f"`seed` must be an integer or a pair of integers. Received: seed={seed!r}"
        )
    for word in entropy:
        _check_integer("seed", word, 0, "an integer in [0, 2**32)", 2**32 - 1)
    _check_integer("height", height, 16, "an integer of at least 16")
    _check_integer("width", width, 16, "an integer of at least 16")

    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
    street = _plan_street(rng)
    weather = _plan_weather(rng)
    camera = _plan_camera(rng, height * SUPERSAMPLING, width * SUPERSAMPLING)
    items = _populate(rng, street, weather)
    canvas = _paint_ground(rng, camera, street, weather, items)
    for item in sorted(items, key=lambda item: -item.depth):
        if camera.sees(item):
            item.paint(canvas)
    if rng.random() < 0.3:
        _paint_bonnet(rng, canvas)
    return _develop(rng, canvas, weather, items)


def _check_integer(name, value, low, rule, high=math.inf):
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}")


# Shapes


def _numbers(table):
    """Read rows of numbers, separated by commas, into an array."""
    return np.array([row.split() for row in table.split(",")], np.float64)


def _rectangle(left, low, right, high):
    """Corners (4, 2) of a rectangle."""
    return np.array(
        [(left, low), (right, low), (right, high), (left, high)], np.float64
    )


def _upright(outline, z):
    """Stand an outline (n, 2) up to face the camera at depth z: (n, 3)."""
    return np.column_stack([outline, np.full(len(outline), z)])


_TO_CAMERA = (0.0, 0.2, -1.0)


# Camera and canvas


@dataclass(frozen=True)
class _Camera:
    """A pinhole camera over a road that may bend sideways and up."""

    height: int
    width: int
    focal: float  # pixels
    center: float  # column of the vanishing point
    horizon: float  # row of the vanishing point
    eye: float  # height above the ground
    roll: float
    curve: float  # sideways acceleration of the road, 1/m
    hill: float  # upward acceleration of the road, 1/m

    def bend(self, x, y, z):
        """Lay points of the straight road along the bent one: (x, y)."""
        half = z * z / 2
        return x + self.curve * half, y + self.hill * half

    def project(self, points):
        """Map points (..., 3) to pixels (..., 2) and their depths (...)."""
        points = np.asarray(points, np.float64)
        # Long edges run along z, where moving a point to the near plane clips exactly.
        depth = np.maximum(points[..., 2], NEAR)
        x, y = self.bend(points[..., 0], points[..., 1], depth)
        pixels = np.empty((*depth.shape, 2))
        column = self.focal * x / depth
        pixels[..., 0] = self.center + column
        row = self.horizon + self.roll * column
        pixels[..., 1] = row - self.focal * (y - self.eye) / depth
        return pixels, depth

    def ground(self, column, row):
        """Find where the rays through pixels meet the road: (x, z), z inf in the sky.

        With slope d = (row - horizon) / focal, z solves hill z^2 / 2 + d z - eye = 0.
        """
        slope = (row - self.horizon - self.roll * (column - self.center)) / self.focal
        square = slope**2 + 2 * self.hill * self.eye
        below = slope + np.sqrt(np.maximum(square, 0))
        hit = (square >= 0) & (below > 1e-6)
        z = np.where(hit, 2 * self.eye / np.where(hit, below, 1), np.inf)
        far = np.minimum(z, SKY_DEPTH)
        return (column - self.center) / self.focal * far - self.curve * far**2 / 2, z

    def sees(self, item):
        """Tell whether an item may stand in view, judging by its footprint."""
        if item.footprint is None:
            return True
        x0, x1, z0, z1 = item.footprint
        if z1 < NEAR:
            return False
        ends = [(x, max(z, NEAR)) for z in (z0, z1) for x in (x0, x1)]
        columns = [
            self.center + self.focal * self.bend(x, 0, z)[0] / z for x, z in ends
        ]
        margin = 3.0 * self.focal / max(z0, NEAR)
        return max(columns) > -margin and min(columns) < self.width + margin


class _Canvas:
    """The image and the label map, painted together.

    `surface` holds color and glow as RGBA; `geometry` holds label + 256 * depth in cm.
    """

    def __init__(self, camera, weather, surface, geometry):
        self.camera, self.weather = camera, weather
        self._surface = Image.fromarray(surface)
        self._geometry = Image.fromarray(geometry)
        self._pens = ImageDraw.Draw(self._surface), ImageDraw.Draw(self._geometry)

    def layers(self):
        """Return (surface, label, depth) as arrays."""
        geometry = np.asarray(self._geometry)
        return np.asarray(self._surface), geometry & 255, (geometry >> 8) / 100.0

    def shape(self, outline, depth, color, label, glow=0.0):
        """Fill a polygon given in pixels as a flat list.

        Without a color it is labeled but not painted, like the gaps of a fence;
        without a label it is painted on what is already there, like a window.
        """
        if color is not None:
            self._pens[0].polygon(outline, fill=(*color, int(255 * glow)))
        if label is not None:
            self._pens[1].polygon(outline, fill=label + 256 * int(100 * depth))

    def quads(self, points, color, label, normal=_TO_CAMERA, glow=0.0):
        """Fill polygons in space, shape (k, n, 3), of one color or of k colors.

        Returns the largest extent of those in view, in pixels, or 0.
        """
        outlines, depths = self.camera.project(points)
        low, high = outlines.min(1), outlines.max(1)
        seen = (high > 0) & (low < (self.camera.width, self.camera.height))
        if label is None:  # details below the size of a sample would only flicker
            seen &= high - low > 0.7
        kept = np.flatnonzero(seen[:, 0] & seen[:, 1])
        if not len(kept):
            return 0.0
        colors = np.asarray(color) * self.weather.shade(normal)
        colors = np.minimum(np.maximum(colors, 0), 255).astype(int).tolist()
        flat, depths = (
            outlines.reshape(len(outlines), -1).tolist(),
            depths[:, 0].tolist(),
        )
        single, even = not isinstance(colors[0], list), np.ndim(glow) == 0
        for k in kept.tolist():
            paint = colors if single else colors[k]
            self.shape(flat[k], depths[k], paint, label, glow if even else glow[k])
        return float((high - low)[kept].min(1).max())

    def polygon(self, points, color, label, normal=_TO_CAMERA, glow=0.0):
        """Fill one polygon in space, shape (n, 3); without a color, only its label."""
        if color is not None:
            self.quads(np.asarray(points)[None], color, label, normal, glow)
        else:
            outline, depth = self.camera.project(points)
            self.shape(outline.ravel().tolist(), depth[0], None, label)

    def limb(self, start, end, radius, color, label, glow=0.0):
        """Draw a rod with round ends between two points in space."""
        camera, ends = self.camera, []
        for x, y, z in (start, end):
            z = max(z, NEAR)
            x, y = camera.bend(x, y, z)
            column = camera.focal * x / z
            row = camera.roll * column - camera.focal * (y - camera.eye) / z
            ends.append((camera.center + column, camera.horizon + row))
        (u0, v0), (u1, v1) = ends
        depth = max((start[2] + end[2]) / 2, NEAR)
        pixels = max(camera.focal * radius / depth, 0.3)
        angle, outline = math.atan2(v1 - v0, u1 - u0), []
        for u, v, side in ((u1, v1, -0.5), (u0, v0, 0.5)):
            for k in range(6):
                turn = angle + math.pi * (k / 5 + side)
                outline += (u + pixels * math.cos(turn), v + pixels * math.sin(turn))
        shade = self.weather.shade(_TO_CAMERA)
        color = [min(max(int(channel * shade), 0), 255) for channel in color]
        self.shape(outline, depth, color, label, glow)

    def discs(self, centers, radii, colors, label):
        """Draw discs that face the camera; centers (k, 3), radii (k), colors (k, 3)."""
        middles, depths = self.camera.project(centers)
        radii = np.maximum(self.camera.focal * np.asarray(radii) / depths, 0.4)[:, None]
        boxes = np.concatenate([middles - radii, middles + radii], 1).tolist()
        colors = np.clip(colors, 0, 255).astype(int).tolist()
        value = label + 256 * int(100 * depths.mean())
        for box, color in zip(boxes, colors, strict=True):
            self._pens[0].ellipse(box, fill=(*color, 0))
            self._pens[1].ellipse(box, fill=value)


@dataclass
class _Item:
    """Something on the street: what paints it, how far it is, and where it stands."""

    depth: float
    paint: Callable
    footprint: tuple | None = None  # (x0, x1, z0, z1), shaded from the sky
    height: float = 0.0  # of the shadow it casts
    lamp: tuple | None = None  # (x, z) lit at night


# Plans: what kind of street, weather and camera


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


def _plan_street(rng):
    theme = _choose(
        rng, {"downtown": 5, "residential": 3, "arterial": 1.7, "park": 1.2}
    )
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
    boundary, backing = (_choose(rng, weights) for weights in choice)
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


def _plan_camera(rng, height, width):
    bend = rng.random() < 0.45
    return _Camera(
        height=height,
        width=width,
        focal=width * rng.uniform(0.72, 1.15),
        center=width * rng.normal(0.5, 0.06),
        horizon=height * min(max(rng.normal(0.43, 0.045), 0.3), 0.56),
        eye=rng.uniform(1.15, 1.75) + (rng.random() < 0.1) * rng.uniform(0.3, 0.9),
        roll=rng.normal(0, 0.008),
        curve=rng.normal(0, 0.0025) if bend else 0.0,
        # What lies behind a crest would have to be hidden; streets only rise.
        hill=max(rng.normal(0.0, 0.0005), 0.0),
    )


@dataclass(frozen=True)
class _Weather:
    """Light and air. Colors are linear RGB; daylight on the ground is about 1."""

    kind: str
    light: np.ndarray  # falls on a level surface
    zenith: np.ndarray
    haze: np.ndarray  # the sky at the horizon and the air in between
    sun: tuple  # unit vector
    contrast: float  # share of the light that comes from the sun itself
    clouds: float
    fog: float  # 1/m
    wet: float
    exposure: float
    noise: float

    @property
    def lamps(self):
        """How brightly lamps are lit, in [0, 1]."""
        return {"night": 1.0, "dusk": 0.8, "rain": 0.5, "fog": 0.5}.get(self.kind, 0.0)

    def shade(self, normal):
        """Scale of the display colors on a face, relative to level ground."""
        x, y, z = normal
        length = math.sqrt(x * x + y * y + z * z) or 1.0
        toward = (x * self.sun[0] + y * self.sun[1] + z * self.sun[2]) / length
        direct = max(toward, 0.0) / max(self.sun[1], 0.35)
        diffuse = 0.72 + 0.28 * y / length
        # Display colors are square roots of radiances.
        light = (1 - self.contrast) * diffuse + self.contrast * direct
        return math.sqrt(min(light, 1.6))


def _plan_weather(rng):
    kind = _choose(rng, {"clear": 45, "dusk": 13, "rain": 16, "fog": 11, "night": 15})
    azimuth, elevation = rng.uniform(0, 2 * math.pi), rng.uniform(0.45, 1.1)
    clouds, fog, wet = rng.random() ** 1.8, rng.uniform(0.0003, 0.002), 0.0
    contrast = 0.75 * max(0.0, 1 - 1.2 * clouds)
    zenith, haze = np.array([0.16, 0.34, 0.75]), np.array([0.72, 0.85, 1.0])
    light, exposure = np.array([1.0, 0.97, 0.92]), rng.uniform(1.4, 3.0)
    gray = np.array([0.8, 0.84, 0.88]) * rng.uniform(0.6, 1.1)
    if kind == "clear":
        zenith, haze = _mix(zenith, gray, clouds), _mix(haze, gray * 1.15, clouds)
        light = _mix(light, np.array([0.85, 0.9, 0.95]), clouds)
    elif kind == "dusk":
        elevation, contrast = rng.uniform(0.12, 0.3), rng.uniform(0.1, 0.5)
        zenith, haze = np.array([0.1, 0.13, 0.27]), np.array([0.8, 0.42, 0.2])
        zenith, haze = zenith * rng.uniform(0.4, 1.5), haze * rng.uniform(0.4, 1.2)
        light = np.array([0.42, 0.3, 0.26]) * rng.uniform(0.5, 1.1)
    elif kind == "rain":
        contrast, clouds, fog = 0.0, rng.uniform(0.6, 1), rng.uniform(0.002, 0.009)
        zenith, haze, light = gray * 0.45, gray * 0.62, gray * rng.uniform(0.4, 0.75)
        wet = rng.uniform(0.5, 1.0)
    elif kind == "fog":
        contrast, clouds, fog = 0.0, 0.1, rng.uniform(0.012, 0.045)
        zenith = haze = gray * rng.uniform(0.75, 1.0)
        light = gray * rng.uniform(0.6, 0.9)
    else:
        contrast, clouds = 0.0, rng.uniform(0, 0.6)
        zenith = np.array([0.004, 0.005, 0.012]) * rng.uniform(0.5, 3)
        haze = np.array([0.035, 0.025, 0.018]) * rng.uniform(0.4, 1.6)
        light = np.array([0.045, 0.042, 0.048]) * rng.uniform(0.5, 1.8)
        wet = rng.uniform(0.3, 1.0) * (rng.random() < 0.35)
        exposure = rng.uniform(1.8, 3.2)
    if kind in ("clear", "dusk") and rng.random() < 0.12:
        wet = rng.uniform(0.2, 0.6)
    level = math.cos(elevation)
    sun = (level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth))
    return _Weather(
        kind,
        light,
        zenith,
        haze,
        sun,
        contrast,
        clouds,
        fog,
        wet,
        exposure,
        rng.uniform(0.006, 0.016) * (1.8 if kind == "night" else 1.0),
    )


# Ground


def _paint_ground(rng, camera, street, weather, items):
    """Paint sky and ground, with the shadows that the items cast on it."""
    rows = np.arange(camera.height, dtype=np.float32)[:, None] + np.float32(0.5)
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5)
    x, z = camera.ground(columns, rows)
    hit = np.flatnonzero(z < (street.end + 4 if street.closed else FAR))
    surface = np.zeros((camera.height * camera.width, 4), np.uint8)
    geometry = np.full(len(surface), SKY + 256 * int(100 * SKY_DEPTH), np.int32)
    x, z = x.ravel()[hit].astype(np.float32), z.ravel()[hit].astype(np.float32)
    color, label = _ground_cover(rng, street, weather, x, z)
    color = _mix(color, *_markings(street, camera.focal, x, z))
    light = np.sqrt(1 - _ground_shadows(camera, weather, items).ravel()[hit])
    color = np.minimum(np.maximum(color * light[:, None], 0), 255)
    surface[hit, :3] = color.astype(np.uint8)
    geometry[hit] = label + 256 * (100 * z).astype(np.int32)
    size = camera.height, camera.width
    surface, geometry = surface.reshape(*size, 4), geometry.reshape(size)
    return _Canvas(camera, weather, surface, geometry)


def _ground_cover(rng, street, weather, x, z):
    """Color (n, 3) and label (n) of the ground at (x, z), without markings."""
    dark = 18 * weather.wet
    asphalt = rng.uniform(72, 125) + rng.normal(0, 4, 3) - dark
    paving = rng.uniform(105, 165) + rng.normal(0, 9, 3) - dark
    grass = np.array([88, 108, 52]) + rng.normal(0, 14, 3)
    if rng.random() < 0.2:  # dry grass, or bare soil
        grass = np.array([138, 122, 84]) + rng.normal(0, 12, 3)
    curb = paving + rng.uniform(5, 40)
    edges, kinds, tints = [], [ROAD], [asphalt]
    for side in street.sides:
        yard = (paving, SIDEWALK) if side.backing == "buildings" else (grass, TERRAIN)
        strips = [(side.walk, paving, SIDEWALK), (side.verge, grass, TERRAIN)]
        strips = [(0.16, curb, SIDEWALK), *strips[:: -1 if side.verge_first else 1]]
        strips, bounds = [*strips, (0.0, *yard)], [side.kerb]
        for extent, _, _ in strips[:-1]:
            bounds.append(bounds[-1] + extent)
        step = side.sign
        edges = edges + bounds if step > 0 else [-b for b in bounds[::-1]]
        kinds = [kinds, [s[2] for s in strips]][::step]
        tints = [tints, [s[1] for s in strips]][::step]
        kinds, tints = kinds[0] + kinds[1], tints[0] + tints[1]
    kinds, tints = np.array([*kinds, ROAD], np.int32), np.array([*tints, asphalt])
    band = np.searchsorted(np.array(edges, np.float32), x)
    if street.crossing is not None:
        start, end = street.crossing
        band[(z > start) & (z < end)] = len(kinds) - 1
        if street.closed:
            kinds, tints = np.append(kinds, SIDEWALK), np.vstack([tints, paving])
            band[z > end] = len(kinds) - 1
    label, color = kinds[band], tints.astype(np.float32)[band]
    tile, offset = _noise_tile(), rng.uniform(0, 256, 2).astype(np.float32)

    def noise(grain_x, grain_z):
        i = (x * np.float32(grain_x) + offset[0]).astype(np.int32) & 255
        return tile[i, (z * np.float32(grain_z) + offset[1]).astype(np.int32) & 255]

    coarse, fine, near = noise(3, 1.2), noise(25, 12), np.exp(z / np.float32(-14))
    road, paved = label == ROAD, label == SIDEWALK
    wear = sum(np.abs(np.abs(x - lane) - 0.8) < 0.35 for lane, _ in street.lanes)
    patches = noise(1.1, 0.35) > rng.uniform(1.0, 2.4)
    width, length = rng.uniform(0.3, 0.9, 2).astype(np.float32)
    joints = ((x / width) % 1 < 0.09) | ((z / length) % 1 < 0.09)
    relief = 5 * coarse + np.where(road, 5 * near, 12 * (0.3 + near)) * fine
    relief -= road * (3 * wear + 14 * patches) + paved * 22 * near * joints
    relief += ~(road | paved) * 6 * coarse
    if street.tracks is not None:
        rails = np.abs(np.abs(x - street.tracks) - 0.72) < 0.05 + z * 0.0008
        relief -= 40 * (rails & road)
    return color + relief[:, None], label


def _markings(street, focal, x, z):
    """Color and cover, in [0, 1], of the lines painted on the road."""
    footprint = z / focal

    def line(middle, width):
        reach = (width + footprint) / 2 - np.abs(x - middle)
        return np.clip(reach / footprint, 0, 1) * np.minimum(1, width / footprint)

    cover = np.zeros(len(x), np.float32)
    dash = (z + 7 * street.busy) % 9 < 4
    for middle, dashed in street.dividers:
        cover = np.maximum(cover, line(middle, 0.15) * (dash if dashed else 1))
    left, right = street.sides
    for side in street.sides:
        if street.dividers and (side.parking or street.theme == "arterial"):
            edge = side.sign * (side.kerb - max(side.parking, 0.4))
            cover = np.maximum(cover, line(edge, 0.12))
    if street.crossing is not None:
        start, end = street.crossing
        on_road = (x > -left.kerb) & (x < right.kerb)
        cover *= (z < start - 4.5) | (z > end + 4.5)
        for low in (start - 3.6, end + 0.6):
            stripes = (x % 1.0 < 0.5) & (z > low) & (z < low + 3.0)
            cover = np.maximum(cover, 0.9 * (on_road & stripes))
        halt = (z > start - 4.7) & (z < start - 4.3) & (x > -1.7)
        cover = np.maximum(cover, on_road & halt)
        if street.closed:
            cover *= z < end
    return np.array([215, 215, 208], np.float32), np.float32(0.8) * cover[:, None]


def _ground_shadows(camera, weather, items):
    """Darkness in [0, 1] of the ground at every sample."""
    shadow = Image.new("L", (camera.width, camera.height))
    pen = ImageDraw.Draw(shadow)
    drift = -np.array(weather.sun)[[0, 2]] / max(weather.sun[1], 0.2)
    casts = weather.contrast > 0.1
    fill = int(255 * (0.9 * weather.contrast if casts else 0.5))
    for item in items:
        if item.footprint is None or item.footprint[2] > 90:
            continue
        x0, x1, z0, z1 = item.footprint
        base = _rectangle(x0, z0, x1, z1)
        faces = base[None]
        if casts and item.height:
            top, after = base + item.height * drift, [1, 2, 3, 0]
            swept = np.stack([base, base[after], top[after], top], 1)
            faces = np.concatenate([faces, swept, top[None]])
        outlines, _ = camera.project(np.insert(faces, 1, 0.0, axis=2))
        for outline in outlines.reshape(len(faces), -1).tolist():
            pen.polygon(outline, fill=fill)
    blur = ImageFilter.BoxBlur(camera.width / 512 if casts else camera.width / 200)
    return np.asarray(shadow.filter(blur), np.float32) / 255


# Buildings and what bounds the street


@dataclass
class _Facade:
    """The look of a building."""

    wall: np.ndarray
    glass: np.ndarray
    frame: np.ndarray
    bay: float  # width of a column of windows
    storey: float
    floors: int
    window: tuple  # share of the bay and of the storey
    shop: bool
    gable: bool
    lit: float  # share of windows lit
    seed: int


def _plan_facade(rng, weather, theme, backing):
    warm = rng.random()
    wall = np.array([120 + 80 * warm, 112 + 68 * warm, 104 + 52 * warm])
    wall = wall + rng.normal(0, 17, 3) + rng.normal(0, 20)
    if rng.random() < 0.2:  # brick
        wall = np.array([140, 84, 66]) + rng.normal(0, 14, 3)
    office = theme != "residential" and rng.random() < 0.25
    house = backing == "houses"
    lit = {"night": 0.3, "dusk": 0.25}.get(weather.kind, 0.03)
    return _Facade(
        wall=np.clip(wall, 45, 238),
        glass=np.array([58, 68, 78]) + rng.normal(0, 12, 3) + 25 * office,
        frame=np.clip(wall + rng.choice([-45, 30, 55]), 30, 245),
        bay=rng.uniform(1.6, 3.4),
        storey=rng.uniform(2.9, 3.7),
        floors=int(rng.integers(1, 4) if house else rng.integers(2, 9)),
        window=(0.92, 0.6) if office else tuple(rng.uniform((0.3, 0.4), (0.62, 0.68))),
        shop=not house and rng.random() < (0.65 if theme == "downtown" else 0.2),
        gable=house or rng.random() < 0.15,
        lit=lit * rng.uniform(0.2, 1.6),
        seed=int(rng.integers(2**31)),
    )


def _facade_wall(canvas, look, origin, along, length, normal):
    """Paint a wall with its windows from `origin` (x, z) along a direction (x, z)."""
    rng = np.random.default_rng(look.seed)
    columns = max(int(length / look.bay), 1)
    bay, top = length / columns, look.floors * look.storey

    def rectangles(start, end, low, high):
        start, end, low, high = np.broadcast_arrays(start, end, low, high)
        a = np.stack([start, end, end, start], -1)
        y = np.stack([low, low, high, high], -1)
        return np.stack([origin[0] + a * along[0], y, origin[1] + a * along[1]], -1)

    edges = np.arange(columns) * bay
    walls = rectangles(edges, edges + bay, 0, top)
    if canvas.quads(walls, look.wall, BUILDING, normal) < 1.5:
        return  # out of sight, or too far for windows
    ledges = np.arange(1, look.floors + 1) * look.storey
    strips = rectangles(0.0, length, ledges - 0.22, ledges)
    canvas.quads(strips[-1:] if look.seed % 2 else strips, look.frame, None, normal)
    column, floor = np.meshgrid(edges, np.arange(look.shop, look.floors))
    column, floor = column.ravel(), floor.ravel() * look.storey
    share, tall = look.window
    start, low = column + bay * (1 - share) / 2, floor + look.storey * (1 - tall) * 0.6
    end, high = start + bay * share, low + look.storey * tall
    frames = rectangles(start - 0.1, end + 0.1, low - 0.15, high + 0.1)
    canvas.quads(frames, look.frame, None, normal)
    panes = look.glass + rng.normal(0, 14, (len(start), 1))
    curtain = rng.random(len(start)) < 0.2
    panes[curtain] = panes[curtain] * 0.5 + 90
    lit = rng.random(len(start)) < look.lit
    panes[lit] = (250, 205, 130) + rng.normal(0, 12, (lit.sum(), 3))
    glow = lit * rng.uniform(0.1, 0.5, len(start))
    canvas.quads(rectangles(start, end, low, high), panes, None, normal, glow)
    if look.shop:
        _shop_fronts(canvas, rng, look, rectangles, edges, bay, normal)


def _shop_fronts(canvas, rng, look, rectangles, edges, bay, normal):
    count = len(edges)
    bright = rng.random(count) < (0.7 if look.lit > 0.06 else 0.1)
    panes = np.where(bright[:, None], (235, 215, 175), (52, 54, 58))
    panes = panes + rng.normal(0, 18, (count, 3))
    panels = rectangles(edges + 0.15, edges + bay - 0.15, 0.3, look.storey - 0.8)
    canvas.quads(panels, panes, None, normal, bright * rng.uniform(0.1, 0.4, count))
    tints = np.repeat(rng.uniform(25, 225, (count // 3 + 1, 3)), 3, 0)[:count]
    signs = rectangles(edges, edges + bay, look.storey - 0.75, look.storey - 0.15)
    canvas.quads(signs, tints, None, normal, 0.12 * (look.lit > 0.06))


def _building(look, side, distance, start, end, roof, hidden):
    """A building beside the street, from z = start to z = end."""
    depth = 14.0 if not look.gable else 9.0
    face, back = side * distance, side * (distance + depth)
    top = look.floors * look.storey

    def paint(canvas):
        if not hidden:
            _facade_wall(canvas, look, (face, start), (side, 0.0), depth, (0, 0, -1))
        if look.gable:
            peak, ridge = top + 0.4 * depth, side * (distance + depth / 2)
            slope = [(face, top, start), (face, top, end)]
            slope += [(ridge, peak, end), (ridge, peak, start)]
            canvas.polygon(slope, roof, BUILDING, (-side * 0.7, 0.7, 0))
            front = [(face, top, start), (ridge, peak, start), (back, top, start)]
            canvas.polygon(front, look.wall, BUILDING, (0, 0, -1))
        _facade_wall(
            canvas, look, (face, start), (0.0, 1.0), end - start, (-side, 0, 0)
        )

    footprint = (min(face, back), max(face, back), start, end)
    return _Item(end, paint, footprint, top)


def _build_row(rng, street, weather, side):
    """Fill the side of the street with buildings or houses."""
    items, z = [], rng.uniform(-12, 0)
    gap = {"houses": 0.8, "buildings": 0.12}[side.backing]
    height, roofline = rng.integers(0, 3), 0.0
    while z < street.end:
        look = _plan_facade(rng, weather, street.theme, side.backing)
        look.floors += int(height) if side.backing == "buildings" else 0
        length = rng.uniform(7, 13) if side.backing == "houses" else rng.uniform(8, 26)
        step = rng.uniform(-0.4, 0.8) if side.lot else rng.uniform(0, 0.25)
        if street.crossing and z + length > street.crossing[0] - 2.5:
            if z < street.crossing[0] - 7:
                length = street.crossing[0] - 2.5 - z
            elif z < street.crossing[1] + 2.5:
                z, roofline = street.crossing[1] + 2.5, 0.0
                continue
        roof = np.array([120, 70, 55]) + rng.normal(0, 22, 3)
        roof = roof if rng.random() < 0.6 else np.full(3, rng.uniform(55, 100))
        if z + length > NEAR:
            distance = side.edge + side.lot + step
            hidden = look.floors * look.storey <= roofline and not look.gable
            item = _building(look, side.sign, distance, z, z + length, roof, hidden)
            items.append(item)
        apart = rng.random() < gap
        roofline = 0.0 if apart else look.floors * look.storey
        z += length + (rng.uniform(1.5, 9) if apart else 0)
    return items


def _close_street(rng, street, weather):
    """Buildings across the end of a street that ends in a junction."""
    items, x, z = [], -70.0, street.end + 4
    while x < 70:
        look = _plan_facade(rng, weather, street.theme, "buildings")
        width = rng.uniform(8, 22)

        def paint(canvas, look=look, x=x, width=width):
            _facade_wall(canvas, look, (x, z), (1.0, 0.0), width, (0, 0, -1))

        items.append(_Item(z + 1, paint))
        x += width
    return items


def _boundary(rng, street, side):
    """A wall, fence or hedge along the side of the street, in pieces of 4 m."""
    x, height = side.sign * side.edge, rng.uniform(0.8, 2.2)
    tall = side.boundary == "wall" and street.theme == "arterial"
    height = rng.uniform(2.2, 4.5) if tall else height
    palette = {
        "wall": [(150, 145, 136), (142, 92, 72), (186, 178, 160), (108, 106, 102)],
        "fence": [(70, 78, 72), (122, 92, 62), (168, 170, 172), (205, 202, 194)],
        "hedge": [(58, 82, 40), (70, 92, 44), (48, 70, 44)],
    }[side.boundary]
    tint = np.array(palette[rng.integers(len(palette))]) + rng.normal(0, 9, 3)
    style = _choose(rng, {"bars": 3, "mesh": 2, "boards": 2, "rails": 1})
    items, start = [], rng.uniform(-4, 0)
    while start < min(street.end, 110):
        low, high, start = max(start, NEAR), start + 4, start + 4
        if not (street.free(low) and street.free(high)) or high <= NEAR:
            continue
        if street.theme == "residential" and rng.random() < 0.07:
            continue  # a gate
        seed = int(rng.integers(2**31))

        def paint(canvas, low=low, high=high, seed=seed):
            local = np.random.default_rng(seed)
            span = _panel(x, 0, height, low, high)
            if side.boundary == "hedge":
                _hedge(canvas, local, x, side.sign, height, low, high, tint)
            elif side.boundary == "wall":
                _wall(canvas, local, x, side.sign, height, low, high, tint)
            else:
                canvas.polygon(span, None, FENCE)
                _fence(canvas, x, side.sign, height, low, high, tint, style)

        reach = (min(x, x + 0.3 * side.sign), max(x, x + 0.3 * side.sign))
        items.append(_Item(high, paint, (*reach, low, high), height))
    return items


def _panel(x, bottom, top, start, end):
    """An upright rectangle along the street."""
    return [(x, bottom, start), (x, bottom, end), (x, top, end), (x, top, start)]


def _wall(canvas, rng, x, side, height, start, end, tint):
    normal = (-side, 0, 0)
    face = [_panel(x, 0, height, start, end)]
    end_face = [(x, 0, start), (x + side * 0.3, 0, start)]
    end_face += [(x + side * 0.3, height, start), (x, height, start)]
    canvas.polygon(end_face, tint, WALL, (0, 0, -1))
    canvas.quads(face, tint + rng.normal(0, 3), WALL, normal)
    rows = np.arange(0.35, height, 0.45)
    joints = [_panel(x, y, y + 0.05, start, end) for y in rows]
    joints += [_panel(x, 0, height, z, z + 0.07) for z in (start, (start + end) / 2)]
    canvas.quads(np.array(joints), tint * 0.82, None, normal)
    canvas.quads([_panel(x, height - 0.12, height, start, end)], tint * 1.12, None)
    if rng.random() < 0.15:  # graffiti
        low, color = rng.uniform(0.2, 0.5) * height, rng.uniform(20, 235, 3)
        scrawl = _panel(x, low, low + 0.35 * height, start + 0.6, end - 0.8)
        canvas.quads([scrawl], color, None, normal)


def _fence(canvas, x, side, height, start, end, tint, style):
    normal = (-side, 0.2, -0.5)
    posts = [_panel(x, 0, height * 1.04, z, z + 0.12) for z in (start, end)]
    rails = [_panel(x, height - 0.1, height, start, end)]
    step, width = {"bars": (0.3, 0.07), "mesh": (0.18, 0.03)}.get(style, (0.4, 0.32))
    if style == "rails":
        rails += [_panel(x, y, y + 0.14, start, end) for y in (0.3, height * 0.6)]
    else:
        rails += [_panel(x, 0.15, 0.22, start, end)]
        bars = np.arange(start, end, max(step, start / 100))
        posts += [_panel(x, 0.1, height, z, z + width) for z in bars]
    if style == "mesh":
        wires = np.arange(0.3, height, 0.3)
        rails += [_panel(x, y, y + 0.03, start, end) for y in wires]
    canvas.quads(np.array(posts), tint * 0.9, FENCE, normal)
    canvas.quads(np.array(rails), tint, FENCE, normal)


def _hedge(canvas, rng, x, side, height, start, end, tint):
    canvas.polygon(_panel(x, 0, height * 0.9, start, end), tint * 0.7, VEGETATION)
    count = int(np.clip(500 / start, 10, 70))
    spots = rng.uniform((0, 0.15, start), (0.4, height, end), (count, 3))
    spots[:, 0] = x + side * spots[:, 0]
    _leaves(canvas, rng, spots, rng.uniform(0.1, 0.24, count), tint)


def _leaves(canvas, rng, centers, radii, tint):
    """Draw clumps of foliage, bright where they stick out towards the light."""
    low, high = centers[:, 1].min(), centers[:, 1].max()
    rise = (centers[:, 1] - low) / max(high - low, 0.1)
    spread = max(np.ptp(centers[:, 0]), 0.1)
    lit = (centers[:, 0] - centers[:, 0].mean()) / spread * canvas.weather.sun[0]
    level = 0.55 + 0.4 * rise + 0.5 * canvas.weather.contrast * lit
    level = level + rng.normal(0, 0.13, len(centers))
    order = np.argsort(level)
    colors = (tint * np.maximum(level, 0.25)[:, None])[order]
    canvas.discs(centers[order], radii[order], colors, VEGETATION)


def _tree(rng, x, z, weather):
    """A tree: broad-leaved, slim, bare, or a bush."""
    kind = _choose(rng, {"broad": 6, "slim": 1, "bush": 2, "bare": 0.7})
    height = rng.uniform(1.0, 2.4) if kind == "bush" else rng.uniform(5, 13)
    radius = height * {"bush": 0.55, "slim": 0.16}.get(kind, rng.uniform(0.26, 0.42))
    base = {"bush": 0.1, "slim": 0.12}.get(kind, rng.uniform(0.25, 0.4)) * height
    season = [(84, 112, 48), (104, 128, 56), (66, 94, 50), (150, 118, 48)]
    tint = np.array(season[rng.choice(4, p=[0.4, 0.25, 0.25, 0.1])], np.float64)
    tint = tint + rng.normal(0, 10, 3)
    bark = np.array([88, 74, 60]) + rng.normal(0, 10)
    seed = int(rng.integers(2**31))

    def paint(canvas):
        local = np.random.default_rng(seed)
        thick = 0.014 * height
        fork = (x, base + 0.3 * height, z)
        if kind != "bush":
            canvas.limb((x, 0, z), fork, thick, bark, VEGETATION)
        if kind == "bare":
            for _ in range(26):
                turn, lift = local.uniform(0, math.tau), local.uniform(0.45, 1.0)
                reach = radius * math.sin(math.pi * min(lift, 0.9))
                tip = (x + reach * math.cos(turn), height * lift, z)
                low = (x, local.uniform(0.25, 0.7) * height * lift, z)
                canvas.limb(low, tip, thick * 0.22, bark, VEGETATION)
            return
        count = int(np.clip(900 * radius / z, 14, 160))
        ball = local.normal(size=(count, 3))
        ball /= np.linalg.norm(ball, axis=1, keepdims=True)
        ball *= local.uniform(0.35, 1.0, (count, 1)) ** 0.6
        half = (height - base) / 2
        if kind == "slim":
            ball[:, [0, 2]] *= (1.1 - ball[:, 1:2]) / 1.4
        centers = np.array([x, base + half, z]) + ball * (radius, half, radius * 0.6)
        _leaves(canvas, local, centers, local.uniform(0.1, 0.27, count) * radius, tint)

    reach = radius * 0.8 if weather.contrast > 0.1 else 0.3
    return _Item(z, paint, (x - reach, x + reach, z - reach, z + reach), height * 0.8)


# Poles, signs and traffic lights


def _pole(rng, side, x, z, weather):
    """A street lamp, or a plain pole."""
    height, lamp = rng.uniform(4.5, 9), rng.random() < 0.7
    gray = np.full(3, rng.uniform(55, 165)) + rng.normal(0, 6, 3)
    reach = -side * rng.uniform(0.6, 2.2)
    thick = rng.uniform(0.05, 0.11)

    def paint(canvas):
        canvas.limb((x, 0, z), (x, height, z), thick, gray, POLE)
        canvas.limb((x, 0, z), (x, 0.9, z), thick * 1.5, gray, POLE)
        if lamp:
            tip = (x + reach, height + 0.3, z)
            canvas.limb((x, height, z), tip, thick * 0.7, gray, POLE)
            end = (x + reach * 1.25, height + 0.3, z)
            on = canvas.weather.lamps >= 0.8
            color = (255, 225, 165) if on else gray
            canvas.limb(tip, end, 0.1, color, POLE, 1.0 if on else 0.0)

    lit = (x + reach, z) if lamp and weather.lamps >= 0.8 else None
    return _Item(z, paint, (x - 0.06, x + 0.06, z - 0.06, z + 0.06), height, lit)


_TURNS = (np.arange(12) + 0.5) * math.tau / 12
_DISC = np.stack([np.cos(_TURNS), np.sin(_TURNS)], -1)
_WHITE, _RED, _BLUE, _GOLD = np.array(
    [(235, 235, 230), (190, 30, 36), (30, 80, 165), (235, 190, 40)]
)
_SIGNS = [  # outline around the origin, rim, face
    (_DISC, _RED, _WHITE),
    (_DISC, _WHITE, _BLUE),
    (_DISC[::2], _WHITE, _RED),
    (_numbers("-1 -0.8, 1 -0.8, 0 1"), _RED, _WHITE),
    (_numbers("-1 0.8, 1 0.8, 0 -1"), _RED, _WHITE),
    (_numbers("-1 0, 0 -1, 1 0, 0 1"), _WHITE, _GOLD),
    (_rectangle(-1, -1, 1, 1), _WHITE, _BLUE),
    (_rectangle(-2, -0.6, 2, 0.6), _WHITE, _GOLD),
    (_rectangle(-2, -0.6, 2, 0.6), _WHITE, (40, 110, 70)),
]


def _bollard(x, z, gray):
    def paint(canvas):
        canvas.limb((x, 0, z), (x, 0.9, z), 0.06, gray, POLE)

    return _Item(z, paint, (x, x, z, z))


def _sign(rng, x, z):
    """Traffic signs on a pole; some are seen from behind."""
    height, size = rng.uniform(2.1, 3.2), rng.uniform(0.28, 0.48)
    picks = rng.integers(len(_SIGNS), size=1 + int(rng.random() < 0.35))
    behind, symbol = rng.random() < 0.2, rng.random() < 0.7

    def paint(canvas):
        canvas.limb((x, 0, z), (x, height, z), 0.04, (135, 136, 138), POLE)
        y = height
        for pick in picks:
            outline, rim, face = _SIGNS[pick]
            rim, face = ((128,) * 3, (140,) * 3) if behind else (rim, face)
            canvas.polygon(_upright(outline * size + (x, y), z), rim, TRAFFIC_SIGN)
            canvas.polygon(_upright(outline * size * 0.78 + (x, y), z), face, None)
            if symbol and not behind:
                ink = np.subtract(255, face) // 3
                inner = outline * size * (0.2, 0.45) + (x, y)
                canvas.polygon(_upright(inner, z), ink, None)
            y -= 2.0 * size

    return _Item(z, paint, (x, x, z, z))


def _gantry(rng, x, z, span):
    """Boards over the road, with directions."""
    color, steel = rng.uniform((20, 70, 60), (50, 110, 160)), (140, 142, 145)

    def paint(canvas):
        for post in (x, x + span):
            canvas.limb((post, 0, z), (post, 6.6, z), 0.16, steel, POLE)
        canvas.limb((x, 6.2, z), (x + span, 6.2, z), 0.14, steel, POLE)
        for low in np.arange(0.08, 0.8, 0.34) * span + x:
            board = _rectangle(low, 5.4, low + 0.3 * span, 7.4)
            canvas.polygon(_upright(board, z - 0.2), color, TRAFFIC_SIGN)
            for y in (5.9, 6.6):
                text = _rectangle(low + 0.05 * span, y, low + 0.22 * span, y + 0.25)
                canvas.polygon(_upright(text, z - 0.2), _WHITE, None)

    return _Item(z, paint)


def _traffic_light(rng, x, z, side):
    """Traffic lights on a pole, and above the road on an arm."""
    arm = rng.uniform(2.5, 5) if rng.random() < 0.35 else 0.0
    case, gray = rng.choice([28, 45, 130]) + rng.normal(0, 4, 3), rng.uniform(60, 150)
    state, behind = int(rng.integers(3)), rng.random() < 0.2
    heads = [(x - side * 0.2, 2.7)] + ([(x - side * arm, 5.6)] if arm else [])

    def paint(canvas):
        canvas.limb((x, 0, z), (x, 6.0 if arm else 3.4, z), 0.08, (gray,) * 3, POLE)
        if arm:
            canvas.limb((x, 6, z), (x - side * arm, 6, z), 0.06, (gray,) * 3, POLE)
        for head in heads:
            box = _rectangle(-0.2, -0.52, 0.2, 0.52) + head
            canvas.polygon(_upright(box, z), case, TRAFFIC_LIGHT)
            for k in range(0 if behind else 3):
                lamp = np.array(((235, 45, 35), (245, 170, 40), (60, 225, 140))[k])
                disc = _upright(0.13 * _DISC + head + (0, 0.33 - 0.33 * k), z)
                color = lamp if k == state else lamp // 6 + 18
                canvas.polygon(disc, color, None, glow=0.9 * (k == state))

    return _Item(z, paint)


def _clutter(rng, x, z):
    """A bin, bench or box on the sidewalk, which Cityscapes does not score."""
    width, height, deep = rng.uniform((0.35, 0.5, 0.35), (0.9, 1.1, 0.7))
    color = rng.uniform(40, 130, 3)
    profile = _rectangle(-deep / 2, 0, deep / 2, height)[[0, 3, 2, 1]]

    def paint(canvas):
        _extrude(canvas, (x, z, 0.0), profile, width, IGNORE_CLASS, color)

    return _Item(z, paint, (x - width / 2, x + width / 2, z - deep / 2, z + deep / 2))


# Vehicles


def _locate(place, along, across, up):
    """Map a vehicle's own coordinates to the street's, shape (..., 3)."""
    x, z, heading = place
    sin, cos = math.sin(heading), math.cos(heading)
    x, z = x + along * sin + across * cos, z + along * cos - across * sin
    points = np.empty((*np.shape(x), 3))
    points[..., 0], points[..., 1], points[..., 2] = x, up, z
    return points


def _extrude(canvas, place, profile, width, label, color, ends=(), flanks=(), taper=0):
    """Paint a body whose outline from the side is `profile`, as wide as `width`.

    Args:
        canvas: The canvas.
        place: Center and heading `(x, z, heading)`.
        profile: Points (along, up) from the lower back over the top to the lower
            front.
        width: Width of the body.
        label: Class of the body.
        color: Color of the body.
        ends: Details `(strip, left, low, right, high, color, glow)` on the strip
            between two points of the profile, in shares of its sides.
        flanks: Details `(points, color, glow)` on both sides, points (along, up).
        taper: How much narrower the body gets over each meter above 0.9 m.
    """
    along, up = np.asarray(profile, np.float64).T

    def half(up):
        return width / 2 - taper * np.maximum(up - 0.9, 0)

    def visible(face, outward):
        x, y, z = face.sum(0) / len(face)
        x, y = canvas.camera.bend(x, y, z)
        return x * outward[0] + (y - canvas.camera.eye) * outward[1] < -z * outward[2]

    left = _locate(place, along, -half(up), up)
    right = _locate(place, along, half(up), up)
    strips = np.stack([left[:-1], right[:-1], right[1:], left[1:]], 1)
    normals = np.cross(strips[:, 3] - strips[:, 0], strips[:, 1] - strips[:, 0])
    for k in np.argsort(-strips[:, :, 2].sum(1)).tolist():
        if not visible(strips[k], normals[k]):
            continue
        canvas.polygon(strips[k], color, label, normals[k])
        if place[1] > 70:
            continue  # too far for details
        a, b, c, d = strips[k]
        for strip, west, low, east, high, tint, glow in ends:
            if strip == k:
                corners = _rectangle(west, low, east, high)
                face = [_mix(_mix(a, b, s), _mix(d, c, s), t) for s, t in corners]
                canvas.polygon(face, tint, None, normals[k], glow)
    across = np.array([math.cos(place[2]), 0.0, -math.sin(place[2])])
    for sign, outline in ((-1, left), (1, right)):
        if not visible(outline, sign * across):
            continue
        canvas.polygon(outline, color, label, sign * across)
        for points, tint, glow in flanks if place[1] < 70 else ():
            points = np.asarray(points, np.float64)
            face = _locate(place, points[:, 0], sign * half(points[:, 1]), points[:, 1])
            kind = label if glow < 0 else None
            canvas.polygon(face, tint, kind, sign * across, max(glow, 0))


def _wheels(spots, radius):
    """Flank details for wheels; a negative glow labels them, as they stand out."""
    details = []
    for along in spots:
        disc = _DISC * radius + (along, radius)
        details.append((disc, (22, 22, 24), -1))
        details.append((_DISC * radius * 0.55 + (along, radius), (120, 122, 125), 0))
    return details


def _lights(weather, first, last, low, high, share=0.2):
    """End details for the tail lights on strip `first` and headlights on `last`."""
    on = weather.lamps
    back, front = (200, 24, 26) if on else (150, 25, 28), (250, 246, 225)
    details = []
    for left, right in ((0.03, 0.03 + share), (0.97 - share, 0.97)):
        details.append((first, left, low, right, high, back, 0.45 * on))
        # The front is listed from the top down.
        details.append((last, left, 1 - high, right, 1 - low, front, 1.0 * on))
    return details


_PAINTS = _numbers(
    "38 40 44, 38 40 44, 62 64 68, 62 64 68, 128 130 134, 128 130 134, 178 180 184,"
    "178 180 184, 226 226 224, 226 226 224, 150 28 30, 34 58 110, 60 84 120, 72 92 72,"
    "170 150 110, 196 120 40, 88 50 44"
)


_LIVERIES = _numbers(
    "205 170 50, 170 38 40, 222 222 218, 40 90 150, 60 120 80, 200 110 50, 180 182 186"
)
_GLASS = (44, 52, 60)
# (back, height) pairs from the lower back to the lower front; strip 2 or 1 is the rear
# window and the strip after the roof the windscreen.
_CARS = {
    "sedan": "-2.25 0.3, -2.25 0.92, -1.6 1, -0.9 1.43, 0.35 1.45, 1.15 0.98,"
    "2.15 0.82, 2.25 0.3",
    "hatch": "-1.95 0.3, -2 0.85, -1.95 0.95, -1.5 1.46, 0.4 1.5, 1.2 1,"
    "1.9 0.82, 1.95 0.3",
    "suv": "-2.2 0.38, -2.25 0.95, -2.2 1.08, -1.85 1.66, 0.35 1.7, 1.1 1.12,"
    "2.15 1, 2.2 0.38",
    "van": "-2.4 0.32, -2.42 0.95, -2.4 1.1, -2.3 1.92, 1.2 1.95, 1.85 1.15,"
    "2.4 0.95, 2.45 0.32",
}


def _car(rng, place, weather):
    kind = _choose(rng, {"sedan": 4, "hatch": 4, "suv": 3, "van": 1})
    profile = _numbers(_CARS[kind]) * rng.uniform((0.93, 0.96), (1.1, 1.06))
    color = _PAINTS[rng.integers(len(_PAINTS))] + rng.normal(0, 8, 3)
    color = rng.uniform(30, 220, 3) if rng.random() < 0.06 else color
    dark, (reach, low) = (34, 34, 36), profile[-1]
    (b2, y2), (b3, y3), (f4, _), (f5, y5) = profile[2:6]
    ends = [(k, 0.06, 0.08, 0.94, 0.9, _GLASS, 0) for k in (2, 4)]
    ends += [(0, 0.36, 0.45, 0.64, 0.63, (215, 215, 210), 0)]
    ends += [(0, 0, 0, 1, 0.2, dark, 0), (6, 0, 0.78, 1, 1, dark, 0)]
    ends += [(6, 0.3, 0.25, 0.7, 0.5, dark, 0), *_lights(weather, 0, 6, 0.62, 0.92)]
    sill, roof, pillar = max(y2, y5) + 0.02, y3 - 0.07, (b3 + f4) / 2
    rear = _rectangle(b2 + 0.25, sill, pillar - 0.05, roof)
    front = _rectangle(pillar + 0.05, sill, f5 - 0.25, roof)
    rear[3, 0], front[2, 0] = b3 + 0.1, f4 - 0.05
    rocker = _rectangle(-reach, low, reach, low + 0.1)
    flanks = [(rear, _GLASS, 0), (front, _GLASS, 0), (rocker, color * 0.5, 0)]
    flanks += _wheels((-0.63 * reach, 0.66 * reach), 0.33)
    body = profile, rng.uniform(1.7, 1.95), CAR, color, ends, flanks, 0.28
    return _vehicle(place, [body])


def _truck(rng, place, weather):
    box, height, cab = rng.uniform((4.2, 2.8, 2.3), (9.5, 3.9, 3.0))
    rear, dark = -box / 2 - 1, (45, 45, 48)
    nose, front = rear + box, rear + box + 2.1
    color = _PAINTS[rng.integers(len(_PAINTS))] * 0.7 + rng.uniform(30, 70, 3)
    cargo = _LIVERIES[rng.integers(len(_LIVERIES))] + rng.normal(0, 12, 3)
    lights = _lights(weather, 0, 3, 0.1, 0.35, 0.15)
    load = _rectangle(rear, 0.9, nose, height)[[0, 3, 2, 1]]
    chassis = _rectangle(rear, 0.5, nose, 0.9)[[0, 3, 2, 1]]
    doors = [(0, 0.49, 0, 0.51, 1, cargo * 0.6, 0), (0, 0, 0, 1, 0.04, cargo * 0.5, 0)]
    logo = _rectangle(rear + 0.5, height * 0.5, nose - 0.5, height * 0.7)
    logo = [(logo, rng.uniform(20, 230, 3), 0)] if rng.random() < 0.6 else []
    outline = [
        (nose, 0.45),
        (nose, cab),
        (front - 0.3, cab),
        (front, 1.5),
        (front, 0.45),
    ]
    screen = [(2, 0.06, 0.1, 0.94, 0.95, _GLASS, 0), *lights[1::2]]
    window = [(_rectangle(nose + 0.6, 1.5, front - 0.4, cab - 0.2), _GLASS, 0)]
    parts = [
        (chassis, 2.3, TRUCK, dark, lights[::2], _wheels((rear + 0.9, rear + 2), 0.48)),
        (load, 2.5, TRUCK, cargo, doors, logo),
        (outline, 2.3, TRUCK, color, screen, window + _wheels([front - 1.1], 0.48)),
    ]
    return _vehicle(place, [parts[2], *parts[:2]] if math.cos(place[2]) > 0 else parts)


def _bus(rng, place, weather):
    return _coach(rng, place, weather, BUS, rng.uniform(9, 13), 3.05, 0.0)


def _tram(rng, place, weather):
    return _coach(rng, place, weather, TRAIN, rng.uniform(20, 32), 3.5, 0.7)


def _coach(rng, place, weather, label, long, height, slant):
    """A bus or, with slanted ends and no wheels in sight, a tram."""
    color = _LIVERIES[rng.integers(len(_LIVERIES))] + rng.normal(0, 12, 3)
    reach, low, belt = long / 2, 0.35 if label == BUS else 0.2, rng.uniform(1.1, 1.4)
    profile = [(-reach, low), (-reach, belt), (slant - reach, height)]
    profile += [(reach - slant, height), (reach, belt), (reach + 0.02, low)]
    lit = weather.lamps * 0.22
    glass = np.array((225, 210, 175) if lit else _GLASS)
    tint = color * 0.55 if rng.random() < 0.5 else np.full(3, 228.0)
    flanks = [(_rectangle(-reach, low + 0.3, reach, low + 0.6), tint, 0)]
    for start in np.arange(slant + 0.4 - reach, reach - slant - 1.2, 1.55):
        sill = low + 0.2 if rng.random() < 0.25 else belt  # a door, or a window
        flanks.append((_rectangle(start, sill, start + 1.4, height - 0.5), glass, lit))
    ends = [
        (1, 0.08, 0.02, 0.92, 0.75, glass, lit),
        (1, 0.2, 0.8, 0.8, 0.95, _GOLD, 0.3),
    ]
    ends += [
        (3, 0.08, 0.22, 0.92, 0.95, glass, lit),
        (3, 0.2, 0.06, 0.8, 0.18, _GOLD, 0.3),
    ]
    ends += _lights(weather, 0, 4, 0.15, 0.35, 0.14)
    if label == BUS:
        flanks += _wheels((-reach * 0.55, reach * 0.58), 0.48)
    return _vehicle(place, [(profile, 2.5, label, color, ends, flanks, 0.03)])


def _vehicle(place, bodies):
    """A vehicle of one or more bodies, far to near, as `_extrude` takes them."""

    def paint(canvas):
        for body in bodies:
            _extrude(canvas, place, *body)

    along, up = np.concatenate([body[0] for body in bodies]).T
    return _moving(place, along.min(), along.max(), bodies[0][1], up.max() * 0.8, paint)


def _moving(place, back, front, width, height, paint):
    """An item that stands on a turned rectangle."""
    along = np.array([back, back, front, front])
    corners = _locate(place, along, np.array([-1, 1, 1, -1]) * width / 2, 0.0)
    (x0, _, z0), (x1, _, z1) = corners.min(0), corners.max(0)
    return _Item(min(z0 + 1.0, (z0 + z1) / 2), paint, (x0, x1, z0, z1), height)


# People and cycles

_SKINS = [(226, 184, 156), (196, 146, 112), (140, 98, 72), (92, 64, 50)]


def _clothes(rng):
    """Colors of skin, hair, top and trousers."""
    skin = np.array(_SKINS[rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])])
    hair = np.array([38, 32, 30]) + rng.uniform(0, 90) * np.array([1, 0.75, 0.45])
    colorful, dark = rng.uniform(25, 230, 3), np.full(3, rng.uniform(25, 120))
    trousers = np.array([52, 58, 78]) * rng.uniform(0.5, 1.9) + rng.normal(0, 8, 3)
    return skin, hair, colorful if rng.random() < 0.5 else dark, trousers


def _person(rng, x, z, weather):
    """A pedestrian, standing or walking."""
    skin, hair, top, trousers = _clothes(rng)
    scale = rng.uniform(0.93, 1.1) * (0.65 if rng.random() < 0.08 else 1.0)
    stride, sway, broad = rng.uniform((-0.28, 0.14, 0.14), (0.28, 0.26, 0.19))
    skirt, bag, umbrella = rng.random(3) < (0.15, 0.25, 0.4 * (weather.kind == "rain"))
    canopy, bag_color = rng.uniform(25, 220, 3), rng.uniform(30, 160, 3)

    def paint(canvas):
        def limb(x0, y0, x1, y1, radius, color):
            start, end = (
                (x + x0 * scale, y0 * scale, z),
                (x + x1 * scale, y1 * scale, z),
            )
            canvas.limb(start, end, radius * scale, color, PERSON)

        for sign in (-1, 1):
            foot = sign * (0.07 + stride)
            limb(sign * 0.07, 0.85, foot, 0.1, 0.075, trousers)
            limb(foot, 0.05, foot + 0.06, 0.05, 0.055, (36, 32, 32))
        if skirt:
            limb(0, 0.95, 0, 0.6, 0.19, top)
        for sign in (-1, 1):
            elbow, hand = sign * (0.2 + sway / 3), sign * (0.1 + sway)
            limb(sign * broad, 1.38, elbow, 1.1, 0.055, top * 0.85)
            limb(elbow, 1.1, hand, 0.85, 0.045, top * 0.85)
        limb(0, 0.92, 0, 1.36, broad, top)
        if bag:
            limb(0.22, 0.75, 0.24, 0.95, 0.13, bag_color)
        limb(0, 1.45, 0, 1.52, 0.06, skin)
        limb(0, 1.6, 0, 1.64, 0.105, skin)
        limb(0, 1.68, 0, 1.7, 0.1, hair)
        if umbrella:
            limb(0.2, 1.0, 0.15, 2.0, 0.015, (40, 40, 40))
            canvas.polygon(_upright(_CANOPY + (x, 1.85), z), canopy, PERSON)

    return _Item(z, paint, (x - 0.25, x + 0.25, z - 0.2, z + 0.2), 1.6 * scale)


_CANOPY = _numbers("-0.4 0, 0.7 0, 0.5 0.28, 0.15 0.38, -0.2 0.28")


_BICYCLE_FRAME = _numbers(
    "-0.53 0.34 -0.1 0.32 0.03, -0.53 0.34 -0.18 0.85 0.03, -0.1 0.32 -0.2 0.92 0.03,"
    "-0.1 0.32 0.36 0.82 0.03, -0.17 0.8 0.36 0.84 0.03, 0.53 0.34 0.34 1 0.03,"
    "-0.3 0.95 -0.1 0.95 0.05"
)


_MOTORCYCLE_FRAME = _numbers(
    "0.65 0.3 0.42 1 0.05, -0.2 0.4 0.3 0.4 0.16, -0.1 0.5 0.45 0.75 0.2,"
    "-0.75 0.7 0.1 0.72 0.12"
)


def _cycle(rng, place, weather, motor, ridden):
    """A bicycle or motorcycle, with or without its rider."""
    frame = rng.uniform(20, 200, 3) if rng.random() < 0.6 else np.full(3, 40.0)
    label = MOTORCYCLE if motor else BICYCLE
    base, radius, tire = (0.68, 0.31, 0.08) if motor else (0.53, 0.34, 0.025)
    rods, black = _MOTORCYCLE_FRAME if motor else _BICYCLE_FRAME, (32, 32, 34)
    bar, toward = 1.03, math.cos(place[2]) < -0.5
    paint_rider = _rider(rng, place, motor, bar)

    def paint(canvas):
        def limb(start, end, thick, color, glow=0.0):
            start, end = _locate(place, *np.transpose([start, end]))
            canvas.limb(start, end, thick, color, label, glow)

        for along in (-base, base) if toward else (base, -base):
            rim = _DISC * radius + (along, radius)
            rim = _locate(place, rim[:, 0], 0.0, rim[:, 1])
            canvas.polygon(rim, black if motor else None, label)
            for a, b in zip(rim, np.roll(rim, -1, 0), strict=True):
                canvas.limb(a, b, tire, black, label)
        for k, (a0, y0, a1, y1, thick) in enumerate(rods):
            color = black if k in (3, 6) else frame
            limb((a0, 0, y0), (a1, 0, y1), thick, color)
        limb((0.36, -0.28, bar), (0.36, 0.28, bar), 0.03, black)
        spot = (base - 0.2, 0.0, 0.85) if toward else (-base - 0.1, 0.0, 0.72)
        color = (250, 245, 225) if toward else (205, 26, 28)
        limb(spot, spot, 2 * tire**0.6 / 5, color, 0.7 * weather.lamps * ridden)
        if ridden:
            paint_rider(canvas)

    return _moving(place, -base, base, 0.4, 1.4 if ridden else 0.7, paint)


def _cyclist(rng, place, weather):
    return _cycle(rng, place, weather, motor=False, ridden=True)


def _motorcyclist(rng, place, weather):
    return _cycle(rng, place, weather, motor=True, ridden=True)


def _rider(rng, place, motor, bar):
    """Return a function that paints the rider of a cycle."""
    skin, hair, top, trousers = _clothes(rng)
    helmet = rng.uniform(30, 230, 3) if motor or rng.random() < 0.4 else hair
    seat, pedal = 0.82 if motor else 0.98, rng.uniform(-0.12, 0.12)

    def paint(canvas):
        def limb(start, end, thick, color):
            start, end = _locate(place, *np.transpose([start, end]))
            canvas.limb(start, end, thick, color, RIDER)

        for sign in (1, -1) if math.sin(place[2]) > 0 else (-1, 1):
            turn = pedal * sign
            knee = (0.15 + turn, 0.14 * sign, seat - 0.28 + 0.5 * turn)
            shoulder, hand = (0.12, 0.2 * sign, seat + 0.5), (0.34, 0.26 * sign, bar)
            limb((-0.2, 0.1 * sign, seat), knee, 0.085, trousers)
            limb(knee, (turn - 0.02, 0.13 * sign, 0.28 + 0.9 * turn), 0.065, trousers)
            limb(shoulder, hand, 0.055, top * 0.85)
        limb((-0.2, 0, seat + 0.08), (0.08, 0, seat + 0.46), 0.17, top)
        limb((0.16, 0, seat + 0.7), (0.17, 0, seat + 0.75), 0.11, skin)
        crown = (0.14, 0, seat + 0.8)
        limb(crown, crown, 0.12 if motor else 0.1, helmet)

    return paint


# What stands and moves on the street


def _populate(rng, street, weather):
    """List everything on the street but the ground."""
    items = _backdrop(rng, street)
    for side in street.sides:
        if side.backing in ("buildings", "houses"):
            items += _build_row(rng, street, weather, side)
        if side.boundary != "none":
            items += _boundary(rng, street, side)
        items += _greenery(rng, street, weather, side)
        items += _furniture(rng, street, weather, side)
        items += _sidewalk_life(rng, street, weather, side)
        items += _parked(rng, street, weather, side)
    if street.closed:
        items += _close_street(rng, street, weather)
    items += _traffic(rng, street, weather)
    if street.crossing:
        items += _crossing_life(rng, street, weather)
    return items


def _backdrop(rng, street):
    """Woods and skyline where the street is lost in the distance."""
    if street.closed:
        return []
    woods = {"downtown": 0.2, "residential": 0.5}.get(street.theme, 0.8)
    green = np.array([72, 92, 58]) + rng.normal(0, 10, 3)
    items = []
    for x in np.arange(-260, 260, 13.0):
        wood, top = rng.random() < woods, rng.uniform(5, 13)
        gray = np.array([150, 140, 132]) + rng.normal(0, 22)
        depth = FAR + rng.uniform(2, 10)

        def paint(canvas, x=x, wood=wood, top=top, gray=gray, depth=depth):
            outline = _rectangle(x, -1, x + 14, top * (0.7 if wood else 2.5))
            block = _upright(outline, depth)
            if not wood:
                canvas.polygon(block, gray, BUILDING, (0, 0, -1))
                return
            canvas.polygon(block, green * 0.9, VEGETATION)
            spots = [(x + k * 2.3, 0.7 * top + (k % 3), depth) for k in range(7)]
            tints = green * np.linspace(0.75, 1.15, 7)[:, None]
            canvas.discs(spots, np.full(7, 3.4), tints, VEGETATION)

        items.append(_Item(depth, paint, (x, x + 14, depth, depth)))
    return items


def _along(rng, street, spacing, first=4.0, last=110.0, jitter=0.3):
    """Positions off the crossing, about `spacing` apart nearby and sparser far away."""
    z = first + rng.uniform(0, spacing)
    while z < min(last, street.end):
        if street.free(z):
            yield z
        z += spacing * rng.uniform(1 - jitter, 1 + jitter) * (1 + z / 80)


def _greenery(rng, street, weather, side):
    items = []
    chance = {"downtown": 0.25, "residential": 0.25, "arterial": 0.25, "park": 0.6}
    if rng.random() < chance[street.theme] and side.walk + side.verge > 1:
        inside = side.verge > 0 and side.verge_first
        out = side.kerb + (side.verge / 2 if inside else rng.uniform(0.7, 1.2))
        for z in _along(rng, street, rng.uniform(7, 20)):
            items.append(_tree(rng, side.sign * out, z, weather))
    if side.backing == "buildings" and not side.lot:
        return items
    spacing, deep = {"trees": (2.0, 12), "open": (16, 25)}.get(side.backing, (13, 1))
    for z in _along(rng, street, spacing, 5, 120, 0.6):
        deeper = rng.uniform(0, deep) + (3.5 if side.backing == "trees" else 0)
        out = side.edge + max(rng.uniform(0.4, 0.9) * side.lot, 1) + deeper
        items.append(_tree(rng, side.sign * out, z, weather))
    return items


def _furniture(rng, street, weather, side):
    """Lamps, poles, signs, traffic lights and clutter."""
    items, out = [], side.sign * (side.kerb + rng.uniform(0.35, 0.7))
    if rng.random() < (0.5 if street.theme == "park" else 0.85):
        for z in _along(rng, street, rng.uniform(14, 32), 5):
            items.append(_pole(rng, side.sign, out, z, weather))
    for z in _along(rng, street, rng.uniform(10, 45), 6, 80, 0.7):
        items.append(_sign(rng, out + rng.normal(0, 0.15), z))
    if side.walk and street.theme != "arterial":
        for z in _along(rng, street, 22, 6, 50, 0.9):
            spot = side.walk_start + rng.choice([0.7, max(side.walk - 0.5, 0.7)])
            items.append(_clutter(rng, side.sign * spot, z))
    if street.theme == "downtown" and rng.random() < 0.4:
        gray, spot = np.full(3, rng.uniform(40, 170)), side.sign * (side.kerb + 0.3)
        items += [_bollard(spot, z, gray) for z in _along(rng, street, 1.7, 5, 40, 0)]
    lights = {"downtown": 0.85, "arterial": 0.9}.get(street.theme, 0.3)
    if street.crossing and rng.random() < lights:
        for z in (street.crossing[0] - 4.4, street.crossing[1] + 1.5):
            if z < street.end:
                items.append(_traffic_light(rng, out, z, side.sign))
    if street.theme == "arterial" and side.sign > 0 and rng.random() < 0.35:
        span = side.kerb + street.sides[0].kerb + 1.2
        z = rng.uniform(25, 70)
        items.append(_gantry(rng, -street.sides[0].kerb - 0.6, z, span))
    return items


def _sidewalk_life(rng, street, weather, side):
    """Pedestrians and parked cycles."""
    items = []
    rate = {"downtown": 9, "residential": 2, "arterial": 0.7, "park": 2.5}[street.theme]
    wide = max(side.walk, 1.0)
    for _ in range(rng.poisson(rate * rng.uniform(0.1, 1.6))):
        z = rng.uniform(4.5, 9) if rng.random() < 0.2 else 8 + rng.exponential(18)
        out = side.walk_start + rng.uniform(0.35, wide - 0.2)
        for _ in range(1 + int(rng.random() < 0.3)):
            if street.free(z, 0):
                items.append(_person(rng, side.sign * out, z, weather))
            out, z = out + rng.uniform(0.4, 0.6), z + rng.normal(0, 0.3)
    if side.walk and rng.random() < (0.4 if street.theme == "downtown" else 0.15):
        z, motor, turn = rng.uniform(5, 25), rng.random() < 0.3, rng.uniform(0.3, 2.8)
        for _ in range(rng.integers(1, 6)):
            out = side.walk_start + rng.uniform(0.7, 0.9)
            if street.free(z):
                place = (side.sign * out, z, turn + rng.normal(0, 0.1))
                items.append(_cycle(rng, place, weather, motor, False))
            z += rng.uniform(0.6, 1.2)
    return items


def _parked(rng, street, weather, side):
    """Vehicles in the parking lane."""
    items = []
    if not side.parking:
        return items
    heading = 0.0 if side.sign > 0 or rng.random() < 0.3 else math.pi
    fill = rng.uniform(0.3, 0.95)
    for z in _along(rng, street, 5.6, 4, 90, 0.1):
        if rng.random() < fill and street.free(z, 5):
            out = side.sign * (side.kerb - 1.1 + rng.normal(0, 0.08))
            place = (out, z, heading + rng.normal(0, 0.03))
            make = _choose(rng, {_car: 40, _truck: 1})
            items.append(make(rng, place, weather))
    return items


def _traffic(rng, street, weather):
    """Vehicles and riders under way, and the tram on its tracks."""
    items, tram_lane = [], None
    if street.tracks is not None and rng.random() < 0.65:
        tram_lane = street.tracks
        place = (tram_lane, rng.uniform(26, 60), math.pi if tram_lane < 0 else 0.0)
        if street.free(place[1], 8):
            items.append(_tram(rng, place, weather))
    mix = {_car: 84, _truck: 7, _bus: 5, _motorcyclist: 6, _cyclist: 7}
    if street.theme == "arterial":
        mix |= {_truck: 18, _cyclist: 1}
    for x, heading in street.lanes:
        z = rng.uniform(8, 42) + (6 if heading else 0)
        while z < min(120, street.end) and x != tram_lane:
            make, drift = _choose(rng, mix), rng.normal(0, 0.2)
            drift += (0.9 if make is _cyclist else 0) * math.cos(heading)
            long = 3.5 if make in (_truck, _bus) else 0
            z += long
            if street.free(z, 3 + long):
                place = (x + drift, z, heading + rng.normal(0, 0.02))
                items.append(make(rng, place, weather))
            z += 7 + long + rng.exponential(24) / street.busy
    if street.theme in ("park", "residential") and rng.random() < 0.35:
        edge = street.sides[1].kerb - street.sides[1].parking - 0.6
        z = rng.uniform(6, 22)
        if street.free(z):
            items.append(_cyclist(rng, (edge, z, 0.0), weather))
    return items


def _crossing_life(rng, street, weather):
    """People on the zebra crossing and vehicles on the street that crosses."""
    items, (start, end) = [], street.crossing
    mix = {_car: 60, _truck: 6, _bus: 7, _cyclist: 12, _motorcyclist: 8}
    for _ in range(rng.poisson(2.0 * street.busy)):
        x = rng.uniform(-street.sides[0].kerb, street.sides[1].kerb)
        items.append(_person(rng, x, start - rng.uniform(0.8, 3.2), weather))
    for lane, heading in ((0.28, math.pi / 2), (0.72, -math.pi / 2)):
        x = rng.uniform(-22, 0)
        while x < 22:
            place = (x, start + lane * (end - start), heading + rng.normal(0, 0.04))
            if rng.random() < 0.3 * street.busy:
                items.append(_choose(rng, mix)(rng, place, weather))
            x += rng.uniform(9, 16)
    return items


def _paint_bonnet(rng, canvas):
    """The bonnet of the camera's own car, at the bottom edge."""
    height, width = canvas.camera.height, canvas.camera.width
    rise, turn = rng.uniform(0.03, 0.1) * height, np.linspace(0, math.pi, 24)
    color = np.array([40, 42, 46]) * rng.uniform(0.6, 2.2)
    for share in (1.0, 0.7, 0.35):
        column = width * (0.5 + 0.56 * np.cos(turn))
        row = height + 2 - share * rise * (0.4 + 0.75 * np.sin(turn) ** 0.6)
        row[[0, -1]] = height + 2
        outline = np.stack([column, row], -1).ravel().tolist()
        tint = (color * (1.5 - 0.5 * share)).astype(int).tolist()
        canvas.shape(outline, NEAR, tint, IGNORE_CLASS)


# Light and air


def _develop(rng, canvas, weather, items):
    """Light the surfaces, add air, rain and noise; return (image, label_map)."""
    camera, k = canvas.camera, SUPERSAMPLING
    surface, label, depth = canvas.layers()
    size = camera.height // k, camera.width // k

    def average(samples):
        return sum(samples[i::k, j::k] for i in range(k) for j in range(k)) / k**2

    is_sky = label == SKY
    linear = np.square(surface[..., :3], dtype=np.float32) / 255**2
    linear[is_sky] = 0
    clear = np.exp(depth.astype(np.float32) * -weather.fog)
    clear[is_sky] = 1
    glow = surface[..., 3:].astype(np.float32) * (GLOW_RADIANCE / 255)
    diffuse, emitted = average(linear), average(linear * glow)
    clear, open_sky = average(clear[..., None]), average(is_sky[..., None] * 1.0)
    label_map = label[k // 2 :: k, k // 2 :: k].astype(np.uint8)
    depth = depth[k // 2 :: k, k // 2 :: k]
    row = (np.arange(size[0])[:, None] + 0.5) * k
    column = (np.arange(size[1]) + 0.5) * k

    diffuse *= 1 + _grain(rng, label_map)[..., None]
    radiance = diffuse * _illumination(rng, camera, weather, items, row, column, depth)
    radiance = (radiance + emitted) * clear + weather.haze * (1 - clear)
    radiance += open_sky * _sky(rng, camera, weather, row, column)
    if weather.wet:
        radiance = _reflect(rng, radiance, label_map, weather)
    if weather.lamps:
        for spread, share in ((0.006, 0.8), (0.03, 0.5 + 6 * weather.fog)):
            radiance += share * _blur(emitted * clear, spread * size[1])
    if weather.kind == "rain":
        radiance = _rain(rng, radiance, weather)
    image = np.sqrt(1 - np.exp(-weather.exposure * np.maximum(radiance, 0)))
    corner = (row / camera.height - 0.5) ** 2 + (column / camera.width - 0.5) ** 2
    vignette = 1 - rng.uniform(0, 0.2) * corner[..., None]
    image = image * (vignette * (1 + rng.normal(0, 0.025, 3)))
    noise = rng.standard_normal(image.shape, np.float32)
    image += weather.noise * noise * (1.3 - np.clip(image, 0, 1))
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), label_map


def _grain(rng, label_map):
    """Relative unevenness of the surfaces, leaves above all."""
    i, j = np.ogrid[: label_map.shape[0], : label_map.shape[1]]
    # A pixel of a 128-row scene spans two of the tile, at any size of the scene.
    scale, shift = 256 / label_map.shape[0], rng.integers(0, 256, 2)
    i, j = (i * scale).astype(int) + shift[0], (j * scale).astype(int) + shift[1]
    grain = _GRAIN[label_map] * _noise_tile()[i & 255, j & 255]
    return np.clip(grain, -0.75, 0.9)


_GRAIN = np.full(256, 0.05)
_GRAIN[[VEGETATION, TERRAIN, BUILDING, WALL]] = 0.3, 0.14, 0.08, 0.1
_GRAIN[[SKY, CAR, TRAFFIC_SIGN, TRAFFIC_LIGHT]] = 0, 0.03, 0.02, 0.02


def _illumination(rng, camera, weather, items, row, column, depth):
    """Light on each pixel: of the day, the street lamps and the headlights."""
    if weather.lamps < 0.8:
        return weather.light
    depth = np.minimum(depth, 300).astype(np.float32)
    x = (column - camera.center) * depth / camera.focal
    drop = (row - camera.horizon) * depth / camera.focal  # below the eye
    x_road = x - camera.curve * depth**2 / 2
    warm = np.array([1.0, 0.72, 0.42] if rng.random() < 0.7 else [0.85, 0.95, 1.0])
    pools = np.zeros_like(depth)
    for item in items:
        if item.lamp is not None and item.depth < 90:
            square = (x_road - item.lamp[0]) ** 2 + (depth - item.lamp[1]) ** 2
            pools += 1 / (1 + square / 30) ** 2
    power = rng.uniform(0.25, 0.7) * (1.0 if weather.kind == "night" else 0.3)
    lamps = (power * np.minimum(pools, 1.6))[..., None] * warm
    beam = np.exp(-((x / (2 + 0.22 * depth)) ** 2)) / (1 + (depth / 17) ** 2)
    beam *= 1 / (1 + np.exp(-3 * np.clip(drop + 0.3, -9, 9))) * (1 - np.exp(-depth / 5))
    return weather.light + lamps + (1.3 * power * beam)[..., None] * (1.0, 0.95, 0.85)


def _sky(rng, camera, weather, row, column):
    """Radiance of the sky, with clouds and the glow around the sun."""
    rise = np.clip((camera.horizon - row) / camera.focal, 0, 1)
    sky = _mix(weather.haze, weather.zenith, (1 - np.exp(-4 * rise))[..., None])
    tile, (i, j) = _noise_tile(True), rng.integers(0, 256, 2)
    high = 60 / (0.12 + rise)
    u = (column - camera.center) / camera.focal * high * 1.2
    puff = tile[(high * 1.5).astype(int) + i & 255, u.astype(int) + j & 255]
    cover = np.clip(puff * 0.5 + 1.6 * weather.clouds - 0.8, 0, 1) * min(
        rise.max() * 9, 1
    )
    white = weather.haze * (1.1 if weather.kind in ("clear", "night") else 0.8) + 0.003
    sky = _mix(sky, white * (0.92 + 0.06 * puff[..., None]), 0.85 * cover[..., None])
    if weather.contrast > 0.1 and weather.sun[2] > 0.2:
        middle = camera.center + camera.focal * weather.sun[0] / weather.sun[2]
        top = camera.horizon - camera.focal * weather.sun[1] / weather.sun[2]
        square = ((column - middle) ** 2 + (row - top) ** 2) / camera.focal**2
        sky += (weather.contrast / (1 + 30 * square) ** 1.5)[..., None] * weather.light
    return sky


def _reflect(rng, radiance, label_map, weather):
    """Mirror what stands on a wet road in it."""
    height, width = label_map.shape
    rows = np.arange(height)[:, None]
    wet = (label_map == ROAD) | (label_map == SIDEWALK)
    edge = np.maximum.accumulate(np.where(wet, 0, rows), axis=0)
    source = np.clip(2 * edge - rows, 0, height - 1)
    source = np.clip(source + rng.integers(-1, 2, source.shape), 0, height - 1)
    mirrored = _blur(radiance[source, np.arange(width)], width / 170)
    puddles = _noise_tile(True)[rows * 2 & 255, (np.arange(width) // 2)[None] & 255]
    share = weather.wet * np.clip(0.28 + 0.16 * puddles, 0.05, 0.7) * wet
    return _mix(radiance, mirrored, share[..., None])


def _rain(rng, radiance, weather):
    """Streaks of falling rain, and drops on the lens."""
    height, width = radiance.shape[:2]
    streaks = Image.new("L", (width, height))
    pen, slant = ImageDraw.Draw(streaks), rng.normal(0, 0.15)
    for x, y, long in rng.uniform(
        (0, 0, 0.02), (1, 1, 0.09), (int(180 * weather.wet), 3)
    ):
        start, end = (
            (x * width, y * height),
            ((x + slant * long) * width, (y + long) * height),
        )
        pen.line((*start, *end), fill=int(rng.uniform(30, 110)))
    veil = np.asarray(streaks)[..., None] / 255.0
    drops = Image.new("L", (width, height))
    pen = ImageDraw.Draw(drops)
    for x, y, size in rng.uniform(
        (0, 0, 0.004), (1, 1, 0.02), (rng.integers(0, 14), 3)
    ):
        box = np.array([x - size, 2 * y - size, x + size, 2 * y + size]) * width
        pen.ellipse(box.tolist(), fill=230)
    lens = np.asarray(drops.filter(ImageFilter.BoxBlur(1)))[..., None] / 255.0
    radiance = _mix(radiance, _blur(radiance, width / 40), lens)
    return _mix(radiance, weather.haze * 1.1, 0.5 * veil)


def _blur(radiance, spread):
    """Blur an (H, W, 3) array of radiances."""
    peak = max(float(radiance.max()), 1e-6)
    pixels = np.sqrt(np.clip(radiance / peak, 0, 1))
    image = Image.fromarray((255 * pixels).astype(np.uint8))
    return (
        peak * (np.asarray(image.filter(ImageFilter.GaussianBlur(spread))) / 255.0) ** 2
    )


@functools.cache
def _noise_tile(smooth=False):
    """A tile of fractal noise, 256 x 256, that repeats without a seam."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.normal(size=(256, 256)))
    tile = np.fft.ifft2(spectrum / frequency ** (1.7 if smooth else 0.7)).real
    return tile / tile.std()


def _choose(rng, weights):
    """Draw a key of `weights` with a chance proportional to its value."""
    keys, values = list(weights), np.fromiter(weights.values(), np.float64)
    return keys[int(np.searchsorted(np.cumsum(values), rng.random() * values.sum()))]


def _mix(first, second, share):
    """Blend linearly from `first` to `second`."""
    return first + (np.asarray(second) - first) * share
