"""What stands and moves on a street, and where."""

import math

import numpy as np

from keras_imas.data.scenes.boundaries import boundary
from keras_imas.data.scenes.buildings import backdrop, build_row, close_street
from keras_imas.data.scenes.chance import choose
from keras_imas.data.scenes.cycles import cycle, cyclist, motorcyclist
from keras_imas.data.scenes.furniture import (
    bollard,
    clutter,
    gantry,
    pole,
    sign,
    traffic_light,
)
from keras_imas.data.scenes.people import person
from keras_imas.data.scenes.plants import tree
from keras_imas.data.scenes.vehicles import bus, car, tram, truck


def populate(rng, street, weather):
    """List everything on the street but the ground."""
    items = backdrop(rng, street)
    for side in street.sides:
        if side.backing in ("buildings", "houses"):
            items += build_row(rng, street, weather, side)
        if side.boundary != "none":
            items += boundary(rng, street, side)
        items += _greenery(rng, street, weather, side)
        items += _furniture(rng, street, weather, side)
        items += _sidewalk_life(rng, street, weather, side)
        items += _parked(rng, street, weather, side)
    if street.closed:
        items += close_street(rng, street, weather)
    items += _traffic(rng, street, weather)
    if street.crossing:
        items += _crossing_life(rng, street, weather)
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
            items.append(tree(rng, side.sign * out, z, weather))
    if side.backing == "buildings" and not side.lot:
        return items
    spacing, deep = {"trees": (2.0, 12), "open": (16, 25)}.get(side.backing, (13, 1))
    for z in _along(rng, street, spacing, 5, 120, 0.6):
        deeper = rng.uniform(0, deep) + (3.5 if side.backing == "trees" else 0)
        out = side.edge + max(rng.uniform(0.4, 0.9) * side.lot, 1) + deeper
        items.append(tree(rng, side.sign * out, z, weather))
    return items


def _furniture(rng, street, weather, side):
    """Lamps, poles, signs, traffic lights and clutter."""
    items, out = [], side.sign * (side.kerb + rng.uniform(0.35, 0.7))
    if rng.random() < (0.5 if street.theme == "park" else 0.85):
        for z in _along(rng, street, rng.uniform(14, 32), 5):
            items.append(pole(rng, side.sign, out, z, weather))
    for z in _along(rng, street, rng.uniform(10, 45), 6, 80, 0.7):
        items.append(sign(rng, out + rng.normal(0, 0.15), z))
    if side.walk and street.theme != "arterial":
        for z in _along(rng, street, 22, 6, 50, 0.9):
            spot = side.walk_start + rng.choice([0.7, max(side.walk - 0.5, 0.7)])
            items.append(clutter(rng, side.sign * spot, z))
    if street.theme == "downtown" and rng.random() < 0.4:
        gray, spot = np.full(3, rng.uniform(40, 170)), side.sign * (side.kerb + 0.3)
        items += [bollard(spot, z, gray) for z in _along(rng, street, 1.7, 5, 40, 0)]
    lights = {"downtown": 0.85, "arterial": 0.9}.get(street.theme, 0.3)
    if street.crossing and rng.random() < lights:
        for z in (street.crossing[0] - 4.4, street.crossing[1] + 1.5):
            if z < street.end:
                items.append(traffic_light(rng, out, z, side.sign))
    if street.theme == "arterial" and side.sign > 0 and rng.random() < 0.35:
        span = side.kerb + street.sides[0].kerb + 1.2
        z = rng.uniform(25, 70)
        items.append(gantry(rng, -street.sides[0].kerb - 0.6, z, span))
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
                items.append(person(rng, side.sign * out, z, weather))
            out, z = out + rng.uniform(0.4, 0.6), z + rng.normal(0, 0.3)
    if side.walk and rng.random() < (0.4 if street.theme == "downtown" else 0.15):
        z, motor, turn = rng.uniform(5, 25), rng.random() < 0.3, rng.uniform(0.3, 2.8)
        for _ in range(rng.integers(1, 6)):
            out = side.walk_start + rng.uniform(0.7, 0.9)
            if street.free(z):
                place = (side.sign * out, z, turn + rng.normal(0, 0.1))
                items.append(cycle(rng, place, weather, motor, False))
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
            make = choose(rng, {car: 40, truck: 1})
            items.append(make(rng, place, weather))
    return items


def _traffic(rng, street, weather):
    """Vehicles and riders under way, and the tram on its tracks."""
    items, tram_lane = [], None
    if street.tracks is not None and rng.random() < 0.65:
        tram_lane = street.tracks
        place = (tram_lane, rng.uniform(26, 60), math.pi if tram_lane < 0 else 0.0)
        if street.free(place[1], 8):
            items.append(tram(rng, place, weather))
    mix = {car: 84, truck: 7, bus: 5, motorcyclist: 6, cyclist: 7}
    if street.theme == "arterial":
        mix |= {truck: 18, cyclist: 1}
    for x, heading in street.lanes:
        z = rng.uniform(8, 42) + (6 if heading else 0)
        while z < min(120, street.end) and x != tram_lane:
            make, drift = choose(rng, mix), rng.normal(0, 0.2)
            drift += (0.9 if make is cyclist else 0) * math.cos(heading)
            long = 3.5 if make in (truck, bus) else 0
            z += long
            if street.free(z, 3 + long):
                place = (x + drift, z, heading + rng.normal(0, 0.02))
                items.append(make(rng, place, weather))
            z += 7 + long + rng.exponential(24) / street.busy
    if street.theme in ("park", "residential") and rng.random() < 0.35:
        edge = street.sides[1].kerb - street.sides[1].parking - 0.6
        z = rng.uniform(6, 22)
        if street.free(z):
            items.append(cyclist(rng, (edge, z, 0.0), weather))
    return items


def _crossing_life(rng, street, weather):
    """People on the zebra crossing and vehicles on the street that crosses."""
    items, (start, end) = [], street.crossing
    mix = {car: 60, truck: 6, bus: 7, cyclist: 12, motorcyclist: 8}
    for _ in range(rng.poisson(2.0 * street.busy)):
        x = rng.uniform(-street.sides[0].kerb, street.sides[1].kerb)
        items.append(person(rng, x, start - rng.uniform(0.8, 3.2), weather))
    for lane, heading in ((0.28, math.pi / 2), (0.72, -math.pi / 2)):
        x = rng.uniform(-22, 0)
        while x < 22:
            place = (x, start + lane * (end - start), heading + rng.normal(0, 0.04))
            if rng.random() < 0.3 * street.busy:
                items.append(choose(rng, mix)(rng, place, weather))
            x += rng.uniform(9, 16)
    return items
