"""Renders the rooms of `demo_room.py` by ray tracing: light from window and sun, one coloured bounce, dark corners.

Points, normals, rays and colours are (3, N) arrays: one contiguous row per axis or channel.
"""

import numpy as np
from demo_room import BACK, CEILING, FIRST_BOX, FLOOR, LEFT, RIGHT, Room

from basicsr.utils.misc import import_cv2

NORMALS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, -1]], np.float32)  # of the faces
RAYS = 2  # per pixel, in each direction


def render(room: Room, height: int, width: int) -> np.ndarray:
    """Return the room in linear light in [0, 1], RGB, (height, width, 3) float32."""
    cv2 = import_cv2()
    rows, columns = RAYS * height, RAYS * width
    point, normal, surface = trace(room, *camera_rays(room, rows, columns))

    # Light is computed once per pixel and surface, albedo per sub-pixel: smooth edges at a quarter of the cost.
    pixel = np.arange(rows)[:, None] // RAYS * width + np.arange(columns) // RAYS
    _, first, inverse = np.unique(pixel.ravel() * 1024 + surface, return_index=True, return_inverse=True)
    light = irradiance(room, np.take(point, first, axis=1), np.take(normal, first, axis=1))
    light *= 0.68 / np.median(light.mean(axis=0))  # metered without the colours: dark paint is no dark room
    colour, glow = albedo(room, point, surface)
    radiance = (colour * np.take(light, inverse.ravel(), axis=1) + glow).T.astype(np.float32).reshape(rows, columns, 3)

    image = cv2.resize(radiance, (width, height), interpolation=cv2.INTER_AREA)
    return np.where(image > 0.6, 0.6 + 0.4 * (1 - np.exp((0.6 - image) / 0.4)), image)  # highlights roll off


def camera_rays(room: Room, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera's position (3, 1) and one direction per sub-pixel (3, rows * columns)."""
    x, y, yaw = room.camera
    # The grid of sub-pixels is rotated: four heights per pixel, not two, smooth the nearly horizontal edges.
    row, col = np.mgrid[:rows, :columns]
    u = 0.66 * ((col + 0.25 + row % 2 / 2) / columns * 2 - 1)
    v = 0.66 * (1 - (row + 0.75 - col % 2 / 2) / rows * 2) * rows / columns - 0.04
    direction = np.stack([u * np.cos(yaw) + np.sin(yaw), v, np.cos(yaw) - u * np.sin(yaw)])
    return np.array([[x], [y], [-1.1]], np.float32), direction.reshape(3, -1).astype(np.float32)


def trace(room: Room, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the rays hit first: points (3, N), normals (3, N), surface numbers (N,)."""
    w, h, d = room.size
    walls = np.where(direction > 0, column(w / 2, h, d), column(-w / 2, 0, -1e9))
    with np.errstate(divide='ignore'):
        distances = (walls - origin) / direction
    axis, distance = distances.argmin(axis=0), distances.min(axis=0)
    faces = np.where(direction > 0, [[RIGHT], [CEILING], [BACK]], [[LEFT], [FLOOR], [BACK]])
    surface = np.take_along_axis(faces, axis[None], axis=0)[0]

    for number, (low, high, *_) in enumerate(room.boxes):
        near, enter, leave = cross_box(origin, direction, low, high)
        hit = np.flatnonzero((enter < leave) & (enter > 0) & (enter < distance))
        entered = near[:, hit].argmax(axis=0)
        distance[hit], axis[hit], surface[hit] = enter[hit], entered, FIRST_BOX + 3 * number + entered
    normal = -np.sign(direction) * (np.arange(3)[:, None] == axis)
    return origin + direction * distance, normal, surface


def column(*values: float) -> np.ndarray:
    """Return the values as one column, (len(values), 1)."""
    return np.array(values, np.float32)[:, None]


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(3, N), (3, N) -> (N,)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross_box(origin: np.ndarray, direction: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple:
    """Return where rays enter a box's slabs, (3, N), where they enter it and leave it, (N,), per `direction`."""
    with np.errstate(divide='ignore', invalid='ignore'):
        to_low, to_high = (low - origin) / direction, (high - origin) / direction
    near, far = np.minimum(to_low, to_high), np.maximum(to_low, to_high)
    return near, np.maximum(np.maximum(near[0], near[1]), near[2]), np.minimum(np.minimum(far[0], far[1]), far[2])


def irradiance(room: Room, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the light on points (3, N): window and sun, one bounce off the faces of the room, and the rest. (3, N)."""
    patch, facing, colour, area = face_patches(room)
    bounced = colour * window_light(room, patch, facing)
    light = np.zeros_like(point)
    for number in range(len(area)):
        one = slice(number, number + 1)
        light += bounced[:, one] * transfer(point, normal, patch[:, one], facing[:, one], area[number], softening=0.4)
    ambient = 0.5 * (bounced * area).sum(axis=1, keepdims=True) / area.sum()
    return (light + ambient) * openness(room, point, normal) + window_light(room, point, normal)


def transfer(
    point: np.ndarray, normal: np.ndarray, source: np.ndarray, facing: np.ndarray, area: float, softening: float
) -> np.ndarray:
    """Return the form factors of a small source seen from points (3, N); `softening` (m^2) tames it close by. (N,)."""
    ray = source - point
    squared = dot(ray, ray)
    cosines = np.maximum(dot(ray, normal), 0) * np.maximum(-dot(ray, facing), 0)
    return cosines / (squared + 1e-6) / (squared + softening) * (area / np.pi)


def window_light(room: Room, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the light that comes straight from the sky and the sun to points (3, N): (3, N)."""
    y0, y1, z0, z1 = room.window
    wall, facing = (-1 if room.side == LEFT else 1) * room.size[0] / 2, NORMALS[room.side][:, None]
    solid = [(low, high) for low, high, *_ in room.boxes if np.prod(high - low) > 0.012]

    sky = np.zeros(point.shape[1], np.float32)
    for y in np.linspace(y0, y1, 9)[1::2]:
        for z in np.linspace(z0, z1, 7)[1::2]:
            source = column(wall, y, z)
            form = transfer(point, normal, source, facing, (y1 - y0) * (z1 - z0) / 12, softening=0.05)
            lit = np.flatnonzero(form > 1e-5)
            sky[lit] += form[lit] * visibility(np.take(point, lit, axis=1), source, solid, softness=0.25)

    to_sun = room.sun[:, None]
    reach = (wall - point[0]) / to_sun[0]
    at_window = point + reach * to_sun
    sun = np.maximum(dot(normal, to_sun), 0) * glazing(room, at_window, blur=0.03)
    lit = np.flatnonzero(sun > 1e-3)
    sun[lit] *= visibility(np.take(point, lit, axis=1), np.take(at_window, lit, axis=1), solid, softness=0.04)
    return sky * column(6.0, 6.1, 6.2) + sun * column(1.0, 0.93, 0.83)


def visibility(point: np.ndarray, source: np.ndarray, boxes: list, softness: float) -> np.ndarray:
    """Return the share of light that gets from `source` to points (3, N); `softness` metres of box stop it all."""
    ray = source - point
    passed, length = np.ones(point.shape[1], np.float32), np.sqrt(dot(ray, ray))
    for low, high in boxes:
        _, enter, leave = cross_box(point, ray, low, high)
        inside = (np.fmin(leave, 1) - np.fmax(enter, 1e-3)) * length  # 0 / 0 above is NaN, and must not spread
        passed *= 1 - np.clip(inside / softness, 0, 1)
    return passed


def face_patches(room: Room, cells: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut the faces into cells: centres (3, P), normals (3, P), colours (3, P), areas (P,)."""
    u, v = (grid.ravel() for grid in np.meshgrid(*[(np.arange(cells) + 0.5) / cells] * 2))
    zero, one = 0 * u, 0 * u + 1
    unit = np.concatenate([(zero, u, v), (one, u, v), (u, zero, v), (u, one, v), (u, v, one)], axis=1)
    w, h, d = room.size
    areas = np.array([h * d, h * d, w * d, w * d, w * h]) / cells**2
    normals, colours, areas = (np.repeat(values.T, cells**2, axis=-1) for values in (NORMALS, room.planes, areas))
    return ((unit - column(0.5, 0, 0)) * column(w, h, d)).astype(np.float32), normals, colours, areas


def openness(room: Room, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return ambient occlusion in (0, 1]: how far steps off the surface stay clear of everything else, (N,).

    A. Evans, "Fast approximations for global illumination on dynamic scenes", SIGGRAPH 2006 courses.
    """
    w, h, d = room.size
    hidden = np.zeros(point.shape[1], np.float32)
    for step, weight in ((0.06, 0.3), (0.18, 0.3), (0.5, 0.4)):
        x, y, z = ahead = point + step * normal
        clear = np.minimum.reduce([w / 2 - abs(x), y, h - y, d - z])
        for low, high, *_ in room.boxes:
            outside = np.maximum(np.maximum(low - ahead, ahead - high), 0)
            clear = np.minimum(clear, np.sqrt(dot(outside, outside)))
        hidden += weight * np.clip(1 - clear / step, 0, 1)
    return 1 - 0.75 * hidden


def albedo(room: Room, point: np.ndarray, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the colour of points (3, N) and the light that the view through the window adds, (3, N) both."""
    x, y, z = point
    palette = np.concatenate([room.planes, np.repeat([colour for _, _, colour, _ in room.boxes], 3, axis=0)]).T
    folds = np.concatenate([np.zeros(FIRST_BOX), np.repeat([fold for _, _, _, fold in room.boxes], 3)])
    colour = np.take(palette, surface, axis=1) * (1 + folds[surface] * (0.16 * np.sin(z * 75) - 0.1))
    floor = np.flatnonzero(surface == FLOOR)
    colour[:, floor] *= planks(room, x[floor], z[floor])

    for face, low, high, decal in room.decals:
        covered = np.flatnonzero((surface == face) & ((point >= low) & (point <= high)).all(axis=0))
        colour[:, covered] = decal[:, None]
    plaster = smooth_noise(room, (x + z) * 9, y * 9) + 0.6 * smooth_noise(room, (x - z) * 2.3, y * 2.1)
    colour *= 1 + 0.06 * (plaster - 0.8)

    panes = np.where(surface == room.side, glazing(room, point, blur=0.004), 0)
    hills = (0.5 + 0.15 * smooth_noise(room, z * 3, 0 * y)) * room.size[1]
    return colour * (1 - panes), panes * np.where(y < hills, column(0.62, 0.74, 0.5), column(0.98, 1.12, 1.3))


def glazing(room: Room, point: np.ndarray, blur: float) -> np.ndarray:
    """Return 1 where points (3, N) of the wall are glass, 0 on bars and wall, with edges `blur` metres wide. (N,)."""
    (y0, y1, z0, z1), (_, y, z) = room.window, point
    inside = np.minimum(np.minimum(y - y0, y1 - y), np.minimum(z - z0, z1 - z))
    bars = np.minimum(abs(z - (z0 + z1) / 2), abs(y - (y0 + 2 * y1) / 3)) - 0.025
    return np.clip(np.minimum(inside, bars) / blur, 0, 1)


def planks(room: Room, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the brightness of floor boards that run away from the camera, (N,)."""
    row = np.floor(x / 0.17)
    along = z / 1.5 + room.noise[0, row.astype(int) % 64]
    board = room.noise[(np.floor(along) * 7 + 1).astype(int) % 64, row.astype(int) * 5 % 64]
    edge = np.minimum(abs((x / 0.17) % 1 - 0.5), 0.5) < 0.47
    end = abs(along % 1 - 0.5) < 0.495
    grain = smooth_noise(room, x * 60 + board * 50, z * 2.5)
    return (0.8 + 0.3 * board + 0.14 * grain) * np.where(edge & end, 1, 0.62)


def smooth_noise(room: Room, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the room's noise at (u, v), bilinear, periodic, in [0, 1]."""
    i, j = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    a, b = u - i, v - j
    i0, i1, j0, j1 = i % 64 * 64, (i + 1) % 64 * 64, j % 64, (j + 1) % 64
    noise = room.noise.ravel()
    near = (1 - b) * noise[i0 + j0] + b * noise[i0 + j1]
    return (1 - a) * near + a * ((1 - b) * noise[i1 + j0] + b * noise[i1 + j1])
