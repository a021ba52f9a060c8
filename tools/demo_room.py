"""Invents rooms for `make_demo_data.py`: painted or neutral walls, a window, a door, furniture."""

from dataclasses import dataclass, field

import numpy as np
import torch

from basicsr.color import srgb_to_linear

# Faces of the room, then boxes. x points right, y up, z away from the camera, in metres; the floor is y = 0.
LEFT, RIGHT, FLOOR, CEILING, BACK, FIRST_BOX = range(6)

# Paint comes by hue (blue, teal, green, red): successive painted rooms walk through all four.
PAINTS = (
    ('#2b5c9e', '#3a70b0', '#34508c'),
    ('#1f7f86', '#2e9090', '#256e7c'),
    ('#3f7f52', '#5b8f4c', '#2c7260'),
    ('#ad3d38', '#ba5046', '#97394a'),
)
NEUTRALS = ('#e9e6df', '#dcdad5', '#d3d5d6', '#e4ddd0', '#c9c7c2', '#efeeea')
WOODS = ('#cbb69a', '#b9a48a', '#ab9c8b', '#93806d', '#d3c5af')
FABRICS = ('#8d8f93', '#b7b1a6', '#666b72', '#d8d2c6', '#857e77')
ACCENTS = ('#d9a441', '#c9643f', '#4f7f9a', '#7a8f5a', '#e8e2d6')
WHITE, DARK = '#f2f1ee', '#3a3835'


Span = tuple[float, float]


def linear(code: str) -> np.ndarray:
    """'#rrggbb' in sRGB -> linear light in [0, 1], (3,)."""
    srgb = torch.tensor(list(bytes.fromhex(code[1:])), dtype=torch.float64) / 255
    return srgb_to_linear(srgb).numpy()


@dataclass
class Room:
    """What the renderer needs to know; colours are linear albedos in [0, 1].

    Attributes:
        size: width, height, depth; x is 0 in the middle of the room.
        planes: colours of the faces, (5, 3).
        side: the face that holds the window, LEFT or RIGHT.
        window: y0, y1, z0, z1.
        sun: unit vector towards the sun, (3,).
        camera: x, y and yaw in radians; z is fixed, in front of the room.
        noise: the source of all texture, (64, 64) in [0, 1].
        boxes: low corner (3, 1), high corner (3, 1), colour (3,), depth of folds.
        decals: flat patches: face, low corner (3, 1), high corner (3, 1), colour (3,); later ones lie on top.
    """

    size: tuple[float, float, float]
    planes: np.ndarray
    side: int
    window: tuple[float, float, float, float]
    sun: np.ndarray
    camera: tuple[float, float, float]
    noise: np.ndarray
    boxes: list[tuple] = field(default_factory=list)
    decals: list[tuple] = field(default_factory=list)

    def add_box(self, x: Span, y: Span, z: Span, code: str, folds: float = 0.0) -> None:
        """Put a box into the room."""
        low, high = np.array([x, y, z], np.float32).T[..., None]
        self.boxes.append((low, high, linear(code), folds))

    def add_decal(self, face: int, x: Span, y: Span, z: Span, code: str) -> None:
        """Paint a rectangle on a face of the room."""
        low, high = np.array([x, y, z], np.float32).T[..., None]
        self.decals.append((face, low - 0.001, high + 0.001, linear(code)))


def invent_room(rng: np.random.Generator, hue: int | None) -> Room:
    """Return a random room; `hue` indexes PAINTS, None makes the walls neutral."""
    width, height, depth = rng.uniform(4.2, 5.2), rng.uniform(2.5, 2.8), rng.uniform(4.4, 5.4)
    wall = rng.choice(NEUTRALS if hue is None else PAINTS[hue])
    side = int(rng.integers(2))
    to_sun = np.array([-1 if side == LEFT else 1, rng.uniform(0.6, 0.9), rng.uniform(-0.35, 0.35)])
    z0 = depth * rng.uniform(0.40, 0.5)
    room = Room(
        size=(width, height, depth),
        planes=np.stack([linear(code) for code in (wall, wall, rng.choice(WOODS), WHITE, wall)]),
        side=side,
        window=(rng.uniform(0.5, 0.9), height - 0.4, z0, z0 + rng.uniform(1.3, 1.7)),
        sun=to_sun / np.linalg.norm(to_sun),
        camera=(rng.uniform(-0.5, 0.5), rng.uniform(1.2, 1.5), rng.uniform(-0.1, 0.1)),
        noise=rng.random((64, 64), dtype=np.float32),
    )
    add_window(room, rng)
    add_door(room, depth * rng.uniform(0.5, 0.62))
    furnish = add_living_room if rng.random() < 0.6 else add_bedroom
    furnish(room, rng)
    return room


def add_window(room: Room, rng: np.random.Generator) -> None:
    """Frame, sill and curtains of the window; baseboards and mouldings of all walls."""
    (w, h, d), (y0, y1, z0, z1) = room.size, room.window
    left, right = (-w / 2, -w / 2), (w / 2, w / 2)
    for face, x, z in (LEFT, left, (0, d)), (RIGHT, right, (0, d)), (BACK, (-w / 2, w / 2), (d, d)):
        room.add_decal(face, x, (0, 0.11), z, WHITE)
        room.add_decal(face, x, (h - 0.07, h), z, WHITE)

    frame = (y0 - 0.08, y1 + 0.08), (z0 - 0.08, z1 + 0.08)
    room.add_decal(room.side, left if room.side == LEFT else right, *frame, WHITE)
    for y in (y0 - 0.08, y0), (y1, y1 + 0.08):
        room.add_box(from_wall(room, room.side, 0, 0.05), y, (z0, z1), WHITE)
    room.add_box(from_wall(room, room.side, 0, 0.16), (y0 - 0.11, y0 - 0.06), (z0 - 0.1, z1 + 0.1), WHITE)
    room.add_box(from_wall(room, room.side, 0.06, 0.1), (h - 0.16, h - 0.13), (z0 - 0.45, z1 + 0.45), DARK)
    fabric = rng.choice(FABRICS)
    for z in (z0 - 0.32, z0 - 0.02), (z1 + 0.02, z1 + 0.32):
        room.add_box(from_wall(room, room.side, 0.02, 0.12), (0.03, h - 0.15), z, fabric, folds=1)


def add_door(room: Room, z: float) -> None:
    """A panelled door in the wall across from the window."""
    face = across(room)
    x = from_wall(room, face, 0, 0)
    room.add_decal(face, x, (0, 2.12), (z - 0.08, z + 0.93), WHITE)
    room.add_decal(face, x, (0, 2.05), (z, z + 0.85), '#dedcd7')
    for low, high in (0.2, 0.95), (1.08, 1.9):
        room.add_decal(face, x, (low, high), (z + 0.13, z + 0.72), '#cfccc6')
        room.add_decal(face, x, (low + 0.025, high - 0.03), (z + 0.155, z + 0.7), '#e2e0db')
    room.add_box(from_wall(room, face, 0, 0.06), (1.0, 1.03), (z + 0.04, z + 0.16), DARK)


def across(room: Room) -> int:
    """Return the wall across from the window."""
    return RIGHT if room.side == LEFT else LEFT


def from_wall(room: Room, face: int, start: float, end: float) -> Span:
    """Return the x of what reaches from `start` to `end` metres off the left or right wall."""
    half = room.size[0] / 2
    return (-half + start, -half + end) if face == LEFT else (half - end, half - start)


def add_pictures(room: Room, rng: np.random.Generator, x: float, y: float) -> None:
    """One to three framed pictures on the back wall, centred at (x, y)."""
    depth, count = room.size[2], int(rng.integers(1, 4))
    w, h = ((1.1, 0.7), (0.5, 0.65), (0.4, 0.55))[count - 1]
    for left in x + (np.arange(count) - count / 2) * (w + 0.14) + 0.07:
        layers = ((0.0, 0.025, DARK), (0.025, 0.03, WHITE), (0.09, 0.032, rng.choice(ACCENTS)))
        for inset, thickness, code in layers:
            sides = (left + inset, left + w - inset), (y - h / 2 + inset, y + h / 2 - inset)
            room.add_box(*sides, (depth - thickness, depth), code)
        ground = y - h / 2 + 0.09
        horizon = ground + (h - 0.18) * rng.uniform(0.25, 0.6)
        room.add_box((left + 0.09, left + w - 0.09), (ground, horizon), (depth - 0.034, depth), rng.choice(FABRICS))


def add_lamp(room: Room, x: float, z: float, low: float, high: float) -> None:
    """A lamp with a pole and a shade, standing on something at height `low`."""
    room.add_box((x - 0.1, x + 0.1), (low, low + 0.03), (z - 0.1, z + 0.1), DARK)
    room.add_box((x - 0.015, x + 0.015), (low, high - 0.2), (z - 0.015, z + 0.015), DARK)
    room.add_box((x - 0.15, x + 0.15), (high - 0.26, high), (z - 0.15, z + 0.15), '#eee6d6')


def add_legs(room: Room, x: Span, z: Span, height: float, code: str) -> None:
    """Four legs below a table top."""
    for left in (x[0] + 0.03, x[1] - 0.08):
        for front in (z[0] + 0.03, z[1] - 0.08):
            room.add_box((left, left + 0.05), (0, height), (front, front + 0.05), code)


def add_living_room(room: Room, rng: np.random.Generator) -> None:
    """Sofa with cushions, coffee table on a rug, pictures, floor lamp and a sideboard."""
    d, fabric, wood = room.size[2], rng.choice(FABRICS), rng.choice(WOODS)
    x, half, back = rng.uniform(-0.3, 0.3), rng.uniform(0.95, 1.15), d - 0.12
    front = back - 0.9
    room.add_box((x - half, x + half), (0.1, 0.42), (front, back), fabric)
    room.add_box((x - half, x + half), (0.1, 0.82), (back - 0.22, back), fabric)
    for left in (x - half - 0.2, x + half):
        room.add_box((left, left + 0.2), (0.05, 0.6), (front, back), fabric)
    for left in (x - half + 0.02, x + 0.01):
        room.add_box((left, left + half - 0.03), (0.42, 0.52), (front - 0.02, back - 0.22), fabric)
    for left in (x - half + 0.08, x + half - 0.5):
        room.add_box((left, left + 0.42), (0.52, 0.86), (back - 0.38, back - 0.24), rng.choice(ACCENTS))

    table = (x - 0.5, x + 0.5), (front - 1.15, front - 0.6)
    room.add_decal(FLOOR, (x - 1.3, x + 1.3), (0, 0), (front - 1.6, front + 0.3), rng.choice(FABRICS))
    room.add_decal(FLOOR, (x - 1.2, x + 1.2), (0, 0), (front - 1.5, front + 0.2), rng.choice((WHITE, *NEUTRALS)))
    room.add_box(table[0], (0.36, 0.4), table[1], wood)
    add_legs(room, *table, 0.36, DARK)
    room.add_box((x - 0.3, x - 0.02), (0.4, 0.43), (front - 1.0, front - 0.8), rng.choice(ACCENTS))
    room.add_box((x + 0.2, x + 0.3), (0.4, 0.58), (front - 0.9, front - 0.8), rng.choice(ACCENTS))
    add_pictures(room, rng, x, 1.55)
    add_lamp(room, x + (half + 0.5) * (1 if across(room) == LEFT else -1), d - 0.35, 0, 1.6)
    room.add_box(from_wall(room, across(room), 0, 0.4), (0.12, 0.75), (d * 0.28, d * 0.28 + 1.0), wood)


def add_bedroom(room: Room, rng: np.random.Generator) -> None:
    """Bed with headboard, pillows and a throw, nightstands with lamps, pictures."""
    d, fabric, wood = room.size[2], rng.choice(FABRICS), rng.choice(WOODS)
    x, half, back = rng.uniform(-0.25, 0.25), 0.85, d - 0.1
    front = back - 2.0
    room.add_decal(FLOOR, (x - 1.6, x + 1.6), (0, 0), (front - 0.7, back - 0.9), rng.choice(NEUTRALS))
    room.add_box((x - half - 0.05, x + half + 0.05), (0.1, 1.1), (back - 0.1, back), fabric)
    room.add_box((x - half - 0.03, x + half + 0.03), (0.08, 0.3), (front - 0.03, back), wood)
    room.add_box((x - half, x + half), (0.3, 0.54), (front, back - 0.1), WHITE)
    room.add_box((x - half - 0.02, x + half + 0.02), (0.3, 0.57), (front - 0.02, front + 1.2), rng.choice(NEUTRALS))
    room.add_box((x - half - 0.03, x + half + 0.03), (0.28, 0.585), (front + 0.1, front + 0.6), rng.choice(ACCENTS))
    for left in (x - 0.75, x + 0.1):
        room.add_box((left, left + 0.65), (0.54, 0.86), (back - 0.3, back - 0.12), WHITE)
    room.add_box((x - 0.25, x + 0.25), (0.54, 0.8), (back - 0.45, back - 0.32), rng.choice(ACCENTS))
    for centre in (x - half - 0.4, x + half + 0.4):
        room.add_box((centre - 0.25, centre + 0.25), (0.08, 0.5), (back - 0.4, back), wood)
        room.add_box((centre - 0.22, centre + 0.22), (0.24, 0.26), (back - 0.405, back), DARK)
        add_lamp(room, centre, back - 0.2, 0.5, 0.98)
    add_pictures(room, rng, x, 1.65)
