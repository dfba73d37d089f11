"""The weather: the light that falls on the street and the air in between."""

import math
from dataclasses import dataclass

import numpy as np

from keras_imas.data.scenes.chance import choose
from keras_imas.data.scenes.shapes import mix


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


def plan_weather(rng):
    """Plan the light and the air of a scene."""
    kind = choose(rng, {"clear": 45, "dusk": 13, "rain": 16, "fog": 11, "night": 15})
    azimuth, elevation = rng.uniform(0, 2 * math.pi), rng.uniform(0.45, 1.1)
    clouds, fog, wet = rng.random() ** 1.8, rng.uniform(0.0003, 0.002), 0.0
    contrast = 0.75 * max(0.0, 1 - 1.2 * clouds)
    zenith, haze = np.array([0.16, 0.34, 0.75]), np.array([0.72, 0.85, 1.0])
    light, exposure = np.array([1.0, 0.97, 0.92]), rng.uniform(1.4, 3.0)
    gray = np.array([0.8, 0.84, 0.88]) * rng.uniform(0.6, 1.1)
    if kind == "clear":
        zenith, haze = mix(zenith, gray, clouds), mix(haze, gray * 1.15, clouds)
        light = mix(light, np.array([0.85, 0.9, 0.95]), clouds)
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
