"""From painted surfaces to a photograph: light, air, rain and sensor."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from keras_imas.data.scenes.camera import SUPERSAMPLING
from keras_imas.data.scenes.chance import noise_tile
from keras_imas.data.scenes.classes import (
    BUILDING,
    CAR,
    ROAD,
    SIDEWALK,
    SKY,
    TERRAIN,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
    VEGETATION,
    WALL,
)
from keras_imas.data.scenes.shapes import mix

# Radiance of a surface that glows fully, relative to a white one in daylight.
_GLOW = 3.0

# Relative unevenness of the surface of a class.
_GRAIN = np.full(256, 0.05)
_GRAIN[[VEGETATION, TERRAIN, BUILDING, WALL]] = 0.3, 0.14, 0.08, 0.1
_GRAIN[[SKY, CAR, TRAFFIC_SIGN, TRAFFIC_LIGHT]] = 0, 0.03, 0.02, 0.02


def develop(rng, canvas, weather, items):
    """Light the surfaces, add air, rain and noise; return (image, label_map)."""
    camera, k = canvas.camera, SUPERSAMPLING
    size = camera.height // k, camera.width // k
    diffuse = emitted = clear = open_sky = 0.0
    for color, glow, label, depth in canvas.samples(k):
        is_sky = (label == SKY)[..., None]
        linear = np.where(is_sky, 0, np.square(color, dtype=np.float32) / 255**2)
        haze = np.exp(depth[..., None].astype(np.float32) * -weather.fog)
        diffuse += linear / k**2
        emitted += linear * (glow.astype(np.float32) * (_GLOW / 255)) / k**2
        clear += np.where(is_sky, 1, haze) / k**2
        open_sky += is_sky / k**2
    label_map = label.astype(np.uint8)  # of the last sample, near the middle
    row = (np.arange(size[0])[:, None] + 0.5) * k
    column = (np.arange(size[1]) + 0.5) * k

    diffuse *= 1 + _grain(rng, label_map)[..., None]
    radiance = diffuse * _illumination(rng, camera, weather, items, row, column, depth)
    radiance = (radiance + emitted) * clear + weather.haze * (1 - clear)
    end = size[0] - np.argmax(open_sky[::-1].any((1, 2)))  # no sky from this row on
    radiance[:end] += open_sky[:end] * _sky(rng, camera, weather, row[:end], column)
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
    grain = _GRAIN[label_map] * noise_tile()[i & 255, j & 255]
    return np.clip(grain, -0.75, 0.9)


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
    sky = mix(weather.haze, weather.zenith, (1 - np.exp(-4 * rise))[..., None])
    tile, (i, j) = noise_tile(True), rng.integers(0, 256, 2)
    high = 60 / (0.12 + rise)
    u = (column - camera.center) / camera.focal * high * 1.2
    puff = tile[(high * 1.5).astype(int) + i & 255, u.astype(int) + j & 255]
    cover = np.clip(puff * 0.5 + 1.6 * weather.clouds - 0.8, 0, 1)
    cover *= min(rise.max() * 9, 1)
    white = weather.haze * (1.1 if weather.kind in ("clear", "night") else 0.8) + 0.003
    sky = mix(sky, white * (0.92 + 0.06 * puff[..., None]), 0.85 * cover[..., None])
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
    puddles = noise_tile(True)[rows * 2 & 255, (np.arange(width) // 2)[None] & 255]
    share = weather.wet * np.clip(0.28 + 0.16 * puddles, 0.05, 0.7) * wet
    return mix(radiance, mirrored, share[..., None])


def _rain(rng, radiance, weather):
    """Streaks of falling rain, and drops on the lens."""
    height, width = radiance.shape[:2]
    streaks = Image.new("L", (width, height))
    pen, slant = ImageDraw.Draw(streaks), rng.normal(0, 0.15)
    count = int(180 * weather.wet)
    for x, y, long in rng.uniform((0, 0, 0.02), (1, 1, 0.09), (count, 3)):
        end = ((x + slant * long) * width, (y + long) * height)
        pen.line((x * width, y * height, *end), fill=int(rng.uniform(30, 110)))
    veil = np.asarray(streaks)[..., None] / 255.0
    drops = Image.new("L", (width, height))
    pen = ImageDraw.Draw(drops)
    count = rng.integers(0, 14)
    for x, y, size in rng.uniform((0, 0, 0.004), (1, 1, 0.02), (count, 3)):
        box = np.array([x - size, 2 * y - size, x + size, 2 * y + size]) * width
        pen.ellipse(box.tolist(), fill=230)
    lens = np.asarray(drops.filter(ImageFilter.BoxBlur(1)))[..., None] / 255.0
    radiance = mix(radiance, _blur(radiance, width / 40), lens)
    return mix(radiance, weather.haze * 1.1, 0.5 * veil)


def _blur(radiance, spread):
    """Blur an (H, W, 3) array of radiances."""
    peak = max(float(radiance.max()), 1e-6)
    pixels = np.sqrt(np.clip(radiance / peak, 0, 1))
    image = Image.fromarray((255 * pixels).astype(np.uint8))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(spread)))
    return peak * (blurred / 255.0) ** 2
