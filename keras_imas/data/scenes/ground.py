"""The ground: road, sidewalks and grass, their markings and the shadows on them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from keras_imas.data.scenes.camera import FAR, SKY_DEPTH
from keras_imas.data.scenes.canvas import Canvas
from keras_imas.data.scenes.chance import noise_tile
from keras_imas.data.scenes.classes import ROAD, SIDEWALK, SKY, TERRAIN
from keras_imas.data.scenes.shapes import mix

_MARKING = np.array([215, 215, 208], np.float32)


def paint_ground(rng, camera, street, weather, items):
    """Paint sky and ground, with the shadows that the items cast on it."""
    rows = np.arange(camera.height, dtype=np.float32)[:, None] + np.float32(0.5)
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5)
    x, z = camera.ground(columns, rows)
    hit = np.flatnonzero(z < (street.end + 4 if street.closed else FAR))
    surface = np.zeros((camera.height * camera.width, 4), np.uint8)
    geometry = np.full(len(surface), SKY + 256 * int(100 * SKY_DEPTH), np.int32)
    x, z = x.ravel()[hit].astype(np.float32), z.ravel()[hit].astype(np.float32)
    color, label = _ground_cover(rng, street, weather, x, z)
    cover = _markings(street, camera.focal, x, z)
    lines = np.flatnonzero(cover)
    color[lines] = mix(color[lines], _MARKING, cover[lines, None])
    light = np.sqrt(1 - _shadows(camera, weather, items).ravel()[hit])
    color *= light[:, None]
    surface[hit, :3] = np.clip(color, 0, 255, out=color).astype(np.uint8)
    geometry[hit] = label + 256 * (100 * z).astype(np.int32)
    size = camera.height, camera.width
    surface, geometry = surface.reshape(*size, 4), geometry.reshape(size)
    return Canvas(camera, weather, surface, geometry)


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
    tile, offset = noise_tile(), rng.uniform(0, 256, 2).astype(np.float32)

    def noise(grain_x, grain_z):
        i = (x * np.float32(grain_x) + offset[0]).astype(np.int32) & 255
        j = (z * np.float32(grain_z) + offset[1]).astype(np.int32) & 255
        return tile.take(256 * i + j)

    coarse, fine, near = noise(3, 1.2), noise(25, 12), np.exp(z / np.float32(-14))
    road, paved = label == ROAD, label == SIDEWALK
    wear = sum(np.abs(np.abs(x - lane) - 0.8) < 0.35 for lane, _ in street.lanes)
    patches = noise(1.1, 0.35) > rng.uniform(1.0, 2.4)
    width, length = rng.uniform(0.3, 0.9, 2).astype(np.float32)
    across, along = x / width, z / length  # in stones of the pavement
    joints = (across - np.floor(across) < 0.09) | (along - np.floor(along) < 0.09)
    relief = 5 * coarse + np.where(road, 5 * near, 12 * (0.3 + near)) * fine
    relief -= road * (3 * wear + 14 * patches) + paved * 22 * near * joints
    relief += ~(road | paved) * 6 * coarse
    if street.tracks is not None:
        rails = np.abs(np.abs(x - street.tracks) - 0.72) < 0.05 + z * 0.0008
        relief -= 40 * (rails & road)
    return color + relief[:, None], label


def _markings(street, focal, x, z):
    """Cover, in [0, 1], of the lines painted on the road."""
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
            stripes = (x - np.floor(x) < 0.5) & (z > low) & (z < low + 3.0)
            cover = np.maximum(cover, 0.9 * (on_road & stripes))
        halt = (z > start - 4.7) & (z < start - 4.3) & (x > -1.7)
        cover = np.maximum(cover, on_road & halt)
        if street.closed:
            cover *= z < end
    return np.float32(0.8) * cover


def _shadows(camera, weather, items):
    """Darkness in [0, 1] of the ground at every sample."""
    shadow = Image.new("L", (camera.width, camera.height))
    pen = ImageDraw.Draw(shadow)
    casts = weather.contrast > 0.1
    fill = int(255 * (0.9 * weather.contrast if casts else 0.5))
    near = [item for item in items if item.footprint and item.footprint[2] <= 90]
    x0, x1, z0, z1 = np.reshape([item.footprint for item in near], (-1, 4)).T
    base = np.stack([x0, z0, x1, z0, x1, z1, x0, z1], 1).reshape(-1, 4, 2)
    faces = [base]
    if casts:
        height = np.array([item.height for item in near])
        drift = -np.array(weather.sun)[[0, 2]] / max(weather.sun[1], 0.2)
        base = base[height > 0]
        top = base + height[height > 0, None, None] * drift
        after = np.roll(base, -1, 1), np.roll(top, -1, 1)
        faces += [np.stack([base, *after, top], 2).reshape(-1, 4, 2), top]
    outlines, _ = camera.project(np.insert(np.concatenate(faces), 1, 0.0, axis=2))
    for outline in outlines.reshape(-1, 8).tolist():
        pen.polygon(outline, fill=fill)
    blur = ImageFilter.BoxBlur(camera.width / 512 if casts else camera.width / 200)
    return np.asarray(shadow.filter(blur), np.float32) / 255
