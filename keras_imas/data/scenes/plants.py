"""Trees, bushes and leaves."""

import math

import numpy as np

from keras_imas.data.scenes.chance import choose
from keras_imas.data.scenes.classes import VEGETATION
from keras_imas.data.scenes.item import Item


def tree(rng, x, z, weather):
    """A tree: broad-leaved, slim, bare, or a bush."""
    kind = choose(rng, {"broad": 6, "slim": 1, "bush": 2, "bare": 0.7})
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
        leaves(canvas, local, centers, local.uniform(0.1, 0.27, count) * radius, tint)

    reach = radius * 0.8 if weather.contrast > 0.1 else 0.3
    return Item(z, paint, (x - reach, x + reach, z - reach, z + reach), height * 0.8)


def leaves(canvas, rng, centers, radii, tint):
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
