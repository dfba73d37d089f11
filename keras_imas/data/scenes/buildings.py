"""Buildings along the street, across its end and in the distance."""

from dataclasses import dataclass

import numpy as np

from keras_imas.data.scenes.camera import FAR, NEAR
from keras_imas.data.scenes.classes import BUILDING, VEGETATION
from keras_imas.data.scenes.item import Item
from keras_imas.data.scenes.shapes import rectangle, upright


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


def build_row(rng, street, weather, side):
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


def close_street(rng, street, weather):
    """Buildings across the end of a street that ends in a junction."""
    items, x, z = [], -70.0, street.end + 4
    while x < 70:
        look = _plan_facade(rng, weather, street.theme, "buildings")
        width = rng.uniform(8, 22)

        def paint(canvas, look=look, x=x, width=width):
            _facade_wall(canvas, look, (x, z), (1.0, 0.0), width, (0, 0, -1))

        items.append(Item(z + 1, paint))
        x += width
    return items


def backdrop(rng, street):
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
            outline = rectangle(x, -1, x + 14, top * (0.7 if wood else 2.5))
            block = upright(outline, depth)
            if not wood:
                canvas.polygon(block, gray, BUILDING, (0, 0, -1))
                return
            canvas.polygon(block, green * 0.9, VEGETATION)
            spots = [(x + k * 2.3, 0.7 * top + (k % 3), depth) for k in range(7)]
            tints = green * np.linspace(0.75, 1.15, 7)[:, None]
            canvas.discs(spots, np.full(7, 3.4), tints, VEGETATION)

        items.append(Item(depth, paint, (x, x + 14, depth, depth)))
    return items


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
        length, normal = end - start, (-side, 0, 0)
        _facade_wall(canvas, look, (face, start), (0.0, 1.0), length, normal)

    footprint = (min(face, back), max(face, back), start, end)
    return Item(end, paint, footprint, top)


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
        a, y = np.empty((2, max(np.size(start), np.size(low)), 4))
        a.T[[0, 3]], a.T[1:3], y.T[:2], y.T[2:] = start, end, low, high
        return np.stack([origin[0] + a * along[0], y, origin[1] + a * along[1]], -1)

    edges = np.arange(columns) * bay
    walls = rectangles(edges, edges + bay, 0, top)
    extent = canvas.quads(walls, look.wall, BUILDING, normal)
    if extent.min(1).max(initial=0) < 1.5:
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
