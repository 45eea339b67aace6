"""Render the simulated world: seeded procedural scenes with one or two objects of six categories.

A scene is a coloured 1/f background with objects of varied pose, size, colour and light. Everything is drawn
from signed distances with soft edges about one pixel wide, so there is nothing to download.
"""

import numpy as np

CATEGORIES = ("face", "body", "house", "corridor", "vehicle", "plant")
PREFERRED = {"FFA": ("face",), "EBA": ("body",), "PPA": ("house", "corridor")}


def render(rng, size):
    """Render one scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws everything: background, number of objects (1 or 2), categories, poses, colours, light.
    size : int
        Pixels on a side.

    Returns
    -------
    image : float32 array (3, size, size)
        RGB in [0, 1].
    labels : bool array (6,)
        Which of `CATEGORIES` are in the scene.
    """
    canvas, chosen = background(rng, size), choose(rng)
    if len(chosen) == 1:
        places = [(*rng.uniform(-0.3, 0.3, 2), rng.uniform(0.5, 0.85))]
    else:
        side = rng.choice([-1.0, 1.0])
        shift = rng.uniform(0.42, 0.55)
        places = [(sign * shift, rng.uniform(-0.4, 0.4), rng.uniform(0.42, 0.55)) for sign in (side, -side)]
    for category, (x, y, scale) in zip(chosen, places, strict=True):
        draw(canvas, rng, CATEGORIES[category], x, y, scale)
    labels = np.zeros(len(CATEGORIES), bool)
    labels[chosen] = True
    return _lit(canvas, rng), labels


def choose(rng):
    """Choose the categories of a scene, as places in `CATEGORIES`."""
    return rng.choice(len(CATEGORIES), size=1 + (rng.random() < 0.4), replace=False)


def categories_of(seed, scene, size):
    """Tell which categories a scene of `render_many` shows, without painting it: names, in no order."""
    rng = np.random.default_rng([seed, scene])
    background(rng, size)  # it draws first
    return [CATEGORIES[place] for place in choose(rng)]


def render_many(seed, n, size):
    """Render `n` scenes, each from its own seed, so that scene i is the same whatever n is.

    Returns
    -------
    images : uint8 array (n, size, size, 3)
    labels : bool array (n, 6)
    """
    images = np.empty((n, size, size, 3), np.uint8)
    labels = np.empty((n, len(CATEGORIES)), bool)
    for i in range(n):
        image, labels[i] = render(np.random.default_rng([seed, i]), size)
        images[i] = np.round(image.transpose(1, 2, 0) * 255)
    return images, labels


def render_object(rng, category, size, scale=0.85):
    """Render one object at the centre of a grey image (3, size, size), as a localiser would show it."""
    canvas = np.full((3, size, size), 0.5, np.float32)
    draw(canvas, rng, category, 0.0, 0.0, scale)
    return _lit(canvas, rng)


def background(rng, size):
    """Draw coloured noise whose amplitude falls as 1/f^a, a in 0.9..1.5: float32 (3, size, size)."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    f[0, 0] = np.inf
    spectrum = rng.standard_normal((3, *f.shape, 2)) @ [1, 1j] * f ** -rng.uniform(0.9, 1.5)
    noise = np.fft.irfft2(spectrum, s=(size, size))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    grey, colour = noise[:1], noise - noise[:1]
    mean = rng.uniform(0.3, 0.7) + rng.uniform(-0.1, 0.1, (3, 1, 1))
    return np.clip(mean + rng.uniform(0.05, 0.11) * grey + 0.05 * colour, 0, 1).astype(np.float32)


def draw(canvas, rng, category, x, y, scale):
    """Paint one object into `canvas` (3, h, w), centred at (x, y) in [-1, 1], `scale` half widths large."""
    DRAW[category](_Brush(canvas, rng, x, y, scale), rng)


def _lit(canvas, rng):
    """Light a canvas: overall strength and a gradient from one side."""
    size = canvas.shape[-1]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    gradient = np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None]
    return np.clip(canvas * rng.uniform(0.8, 1.15) * (1 + 0.15 * gradient), 0, 1).astype(np.float32)


class _Brush:
    """Paint shapes given in an object's own coordinates: u to the right, v down, both about -1 to 1."""

    def __init__(self, canvas, rng, x, y, scale):
        self.canvas, self.size = canvas, canvas.shape[-1]
        angle, flip = rng.normal(0, 0.15), rng.choice([-1.0, 1.0])
        axis = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size * 2 - 1
        dx, dy = (axis[None] - x) / scale, (axis[:, None] - y) / scale
        self.u = flip * (np.cos(angle) * dx + np.sin(angle) * dy)
        self.v = -np.sin(angle) * dx + np.cos(angle) * dy
        self.pixel = 2 / self.size / scale

    def paint(self, distance, colour):
        """Blend `colour` (3,) in where the signed distance is negative, over about one pixel."""
        alpha = np.clip(0.5 - distance / self.pixel, 0, 1)
        self.canvas += alpha * (np.asarray(colour, np.float32)[:, None, None] - self.canvas)

    def ellipse(self, u, v, a, b, colour):
        """Paint an ellipse at (u, v) with the semi-axes a and b."""
        radius = np.sqrt(((self.u - u) / a) ** 2 + ((self.v - v) / b) ** 2)
        self.paint((radius - 1) * min(a, b), colour)

    def box(self, u, v, a, b, colour):
        """Paint a rectangle at (u, v), 2a wide and 2b high."""
        self.paint(np.maximum(np.abs(self.u - u) - a, np.abs(self.v - v) - b), colour)

    def capsule(self, start, end, radius, colour):
        """Paint a line from `start` to `end` with round ends."""
        (u0, v0), (u1, v1) = start, end
        du, dv = u1 - u0, v1 - v0
        along = np.clip(((self.u - u0) * du + (self.v - v0) * dv) / (du * du + dv * dv + 1e-9), 0, 1)
        self.paint(np.hypot(self.u - u0 - along * du, self.v - v0 - along * dv) - radius, colour)

    def polygon(self, corners, colour):
        """Paint a convex polygon; corners run clockwise as seen with v down."""
        distance = np.full_like(self.u, -np.inf)
        for (u0, v0), (u1, v1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            length = np.hypot(u1 - u0, v1 - v0) + 1e-9
            normal = (v1 - v0) / length, -(u1 - u0) / length
            distance = np.maximum(distance, (self.u - u0) * normal[0] + (self.v - v0) * normal[1])
        self.paint(distance, colour)


def _skin(rng):
    return np.array([0.93, 0.72, 0.58]) * rng.uniform(0.5, 1.0) + rng.uniform(-0.03, 0.03, 3)


def _colour(rng, low=0.15, high=0.9):
    return rng.uniform(low, high, 3)


def _face(brush, rng):
    skin, hair = _skin(rng), _colour(rng, 0.05, 0.4)
    wide, yaw = rng.uniform(0.6, 0.72), rng.normal(0, 0.08)
    brush.ellipse(0, -0.15, wide + 0.14, 0.85, hair)
    brush.ellipse(0, 0.08, wide, 0.86, skin)
    spacing, level = rng.uniform(0.26, 0.34), rng.uniform(-0.18, -0.08)
    for side in (-1, 1):
        u = side * spacing + yaw
        brush.capsule((u - 0.13, level - 0.17), (u + 0.13, level - 0.17), 0.045, hair * 0.8)
        brush.ellipse(u, level, 0.15, 0.085, (0.95, 0.95, 0.93))
        brush.ellipse(u + yaw / 3, level, 0.075, 0.08, _colour(rng, 0.03, 0.3))
    brush.capsule((1.3 * yaw, level + 0.1), (1.6 * yaw, 0.3), 0.05, skin * 0.75)
    brush.ellipse(1.6 * yaw, 0.32, 0.11, 0.05, skin * 0.6)
    width = rng.uniform(0.18, 0.3)
    brush.ellipse(yaw, rng.uniform(0.54, 0.62), width, rng.uniform(0.05, 0.1), (0.62, 0.2, 0.2))


def _body(brush, rng):
    skin, shirt, trousers = _skin(rng), _colour(rng), _colour(rng, 0.05, 0.6)

    def limb(start, angle, bend, length, radius, upper, lower):
        middle = start + length * np.array([np.sin(angle), np.cos(angle)])
        end = middle + length * np.array([np.sin(angle + bend), np.cos(angle + bend)])
        brush.capsule(start, middle, radius, upper)
        brush.capsule(middle, end, 0.85 * radius, lower)

    shins = trousers if rng.random() < 0.6 else skin
    for side in (-1, 1):
        hip = np.array([0.17 * side, 0.12])
        limb(hip, side * rng.uniform(0, 0.6), side * rng.uniform(-0.5, 0.2), 0.4, 0.14, trousers, shins)
    brush.polygon([(-0.4, -0.55), (0.4, -0.55), (0.29, 0.2), (-0.29, 0.2)], shirt)
    for side in (-1, 1):
        shoulder = np.array([0.36 * side, -0.46])
        limb(shoulder, side * rng.uniform(0.2, 1.9), side * rng.uniform(-0.6, 0.9), 0.34, 0.11, shirt, skin)
    brush.capsule((0, -0.58), (0, -0.66), 0.1, skin)
    brush.ellipse(0, -0.8, 0.16, 0.19, skin * 0.95)


def _house(brush, rng):
    wall, roof = _colour(rng, 0.35, 0.95), _colour(rng, 0.1, 0.5)
    wide, eaves = rng.uniform(0.65, 0.9), rng.uniform(-0.3, -0.05)
    if rng.random() < 0.6:
        brush.box(rng.uniform(-0.4, 0.4), -0.65, 0.09, 0.28, roof * 0.8)
    brush.box(0, (0.9 + eaves) / 2, wide, (0.9 - eaves) / 2, wall)
    peak = rng.uniform(-0.95, -0.75)
    brush.polygon([(-wide - 0.1, eaves), (-0.15, peak), (0.15, peak), (wide + 0.1, eaves)], roof)
    door = rng.uniform(-0.25, 0.25)
    brush.box(door, 0.62, 0.12, 0.28, _colour(rng, 0.05, 0.45))
    pane = np.array([0.2, 0.25, 0.35]) + rng.uniform(-0.1, 0.2)
    for u in (-0.62 * wide, 0.62 * wide):
        for v in (eaves + 0.25, eaves + 0.62)[: rng.integers(1, 3)]:
            brush.box(u, v, 0.17, 0.13, (0.9, 0.9, 0.88))
            brush.box(u, v, 0.13, 0.09, pane)


def _corridor(brush, rng):
    wall, floor, ceiling = _colour(rng, 0.35, 0.8), _colour(rng, 0.15, 0.5), _colour(rng, 0.7, 0.97)
    u, v, a = rng.normal(0, 0.12), rng.normal(0, 0.1), rng.uniform(0.16, 0.3)
    outer = [(-0.95, -0.95), (0.95, -0.95), (0.95, 0.95), (-0.95, 0.95)]
    inner = [(u - a, v - a), (u + a, v - a), (u + a, v + a), (u - a, v + a)]
    shades = (ceiling, wall * 0.8, floor, wall)
    for i, shade in enumerate(shades):
        j = (i + 1) % 4
        brush.polygon([outer[i], outer[j], inner[j], inner[i]], shade)
    brush.polygon(inner, wall * 0.55)

    def between(corner, depth):
        return tuple(np.array(outer[corner]) * (1 - depth) + np.array(inner[corner]) * depth)

    for depth in (0.25, 0.55, 0.8):
        for corner in (0, 1):
            top, bottom = np.array(between(corner, depth)), np.array(between(3 - corner, depth))
            brush.capsule(top + 0.25 * (bottom - top), bottom, 0.06 * (1.2 - depth), wall * 0.4)
        left, right = np.array(between(0, depth)), np.array(between(1, depth))
        brush.capsule(
            left + 0.35 * (right - left), left + 0.65 * (right - left), 0.05 * (1.2 - depth), (1, 1, 0.95)
        )


def _vehicle(brush, rng):
    paint, glass = _colour(rng), np.array([0.25, 0.32, 0.4]) + rng.uniform(-0.1, 0.15)
    roof, front = rng.uniform(-0.55, -0.4), rng.uniform(0.25, 0.45)
    brush.polygon([(-0.7, -0.02), (-0.5, roof), (front - 0.1, roof), (front + 0.2, -0.02)], paint * 0.9)
    brush.polygon([(-0.58, -0.04), (-0.45, roof + 0.09), (-0.12, roof + 0.09), (-0.12, -0.04)], glass)
    brush.polygon(
        [(-0.02, -0.04), (-0.02, roof + 0.09), (front - 0.14, roof + 0.09), (front + 0.06, -0.04)], glass
    )
    brush.box(0, 0.16, 0.95, 0.22, paint)
    brush.ellipse(0.88, 0.1, 0.07, 0.08, (0.98, 0.95, 0.7))
    brush.box(-0.9, 0.1, 0.05, 0.08, (0.7, 0.1, 0.1))
    for u in (-0.55, 0.55):
        brush.ellipse(u, 0.4, 0.23, 0.23, (0.08, 0.08, 0.08))
        brush.ellipse(u, 0.4, 0.1, 0.1, (0.65, 0.65, 0.68))


def _plant(brush, rng):
    green = np.array([0.2, 0.5, 0.15]) * rng.uniform(0.6, 1.5)
    foot = 0.45
    if rng.random() < 0.7:
        pot = _colour(rng, 0.25, 0.75)
        brush.polygon([(-0.3, 0.45), (0.3, 0.45), (0.2, 0.95), (-0.2, 0.95)], pot)
    else:
        foot = 0.95
    for _ in range(rng.integers(5, 9)):
        angle, length = rng.uniform(-1.2, 1.2), rng.uniform(0.7, 1.25)
        tip = np.array([np.sin(angle) * length * 0.8, foot - np.cos(angle) * length])
        middle = np.array([tip[0] * 0.4, (foot + tip[1]) / 2])
        shade = green * rng.uniform(0.7, 1.25)
        brush.capsule((0, foot), middle, 0.035, shade * 0.8)
        brush.capsule(middle, tip, rng.uniform(0.06, 0.11), shade)
        if rng.random() < 0.25:
            brush.ellipse(*tip, 0.12, 0.12, _colour(rng, 0.4, 1.0))


DRAW = {
    "face": _face,
    "body": _body,
    "house": _house,
    "corridor": _corridor,
    "vehicle": _vehicle,
    "plant": _plant,
}
