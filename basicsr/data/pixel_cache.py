"""The pixel cache: pictures are decoded once, and a crop then touches its own rows only."""

import itertools
import logging
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from basicsr.data.cache_build import Need, Outcome, Survey
from basicsr.data.disk_cache import DiskCache
from basicsr.data.exclude import unreadable
from basicsr.data.ram_cache import RamCache
from basicsr.utils.misc import sizeof_fmt
from basicsr.utils.schema import Float, RootPath, Section

_GB = 2**30
# What `auto` leaves to others: of the disk, 5 GB and a fifth of the rest.
_KEEP_FREE = 5 * _GB
_DISK_SHARE = 0.8
_RAM_SHARE = 0.6


class CacheOptions(Section):
    """Decoded pixels of the images of a set, shared by runs and workers. `cache: ram` is short for `{type: ram}`."""

    type: Literal['auto', 'disk', 'ram', 'none'] = Field(
        'auto',
        description='`disk`: files that are mapped into memory, kept for other runs; `ram`: in memory, per run; `auto`:'
        ' `disk` if all images fit in 80 % of what is free beyond 5 GB, else `none`; `none`: decode every time',
    )
    dir: RootPath = Field('pixel_cache', description='folder of the cache on disk; it can be deleted at any time')
    max_gb: Float | None = Field(None, gt=0, description='most that the images of this set may take, in 2^30 bytes')


def _from_name(value: Any) -> Any:
    return {'type': value} if isinstance(value, str) else value


# The type of an option: a section, or the name of a type.
Cache = Annotated[CacheOptions, BeforeValidator(_from_name)]
PixelCache = DiskCache | RamCache


def open_cache(
    options: CacheOptions, paths: Sequence[str], section: str, for_training: bool = False
) -> PixelCache | None:
    """Build the cache of a set of pictures as far as it is missing and fits; the log says what was chosen.

    Every rank and every run may do so at the same time: those that share a folder share the work.

    Args:
        section: where the set stands in the option file, for messages: `datasets.train`.
        for_training: every picture will be needed, so one that cannot be read is an error, and not a warning.

    Returns:
        None if all pictures are to be decoded whenever they are read.

    Raises:
        DataError: names pictures that cannot be read, with `for_training`.
    """
    paths = list(dict.fromkeys(paths))
    if options.type == 'none' or not paths:
        return None
    cache = RamCache() if options.type == 'ram' else DiskCache(options.dir)
    survey = cache.survey(paths)
    chosen, reason = _choose(survey, cache, options)
    title = f'Pixel cache of {section}'
    if chosen:
        size = sizeof_fmt(sum(need.num_bytes for need in chosen))
        _log().info(f'{title}: decoding {len(chosen):,} of {len(paths):,} images, {size}, into {cache.place}')

    outcome = cache.build(chosen, title)
    if outcome.failures and for_training:
        raise unreadable(outcome.failures, f'{len(paths):,} images', section)
    _report(title, survey, outcome, reason, cache, options.type == 'auto')
    return cache if survey.num_there or outcome.sizes else None


def _choose(survey: Survey, cache: PixelCache, options: CacheOptions) -> tuple[list[Need], str]:
    """Return what to build, and the reason for leaving out the rest."""
    num_float = sum(need.is_float for need in survey.needs)
    if options.type == 'auto' and num_float:
        return [], f'{num_float:,} of them hold floats, which only `type: disk` and `ram` take'

    room, limit = _room(survey, cache, options)
    if survey.bytes_needed <= room:
        return survey.needs, ''
    reason = f'they take {sizeof_fmt(survey.bytes_needed)}, and {limit}'
    if options.type == 'auto':
        return [], reason
    ends = itertools.accumulate(need.num_bytes for need in survey.needs)
    return [need for need, end in zip(survey.needs, ends) if end <= room], reason


def _room(survey: Survey, cache: PixelCache, options: CacheOptions) -> tuple[int, str]:
    """Return how many bytes may be added, and what limits them."""
    free = cache.free_bytes()
    usable = {'auto': _DISK_SHARE * (free - _KEEP_FREE), 'disk': free, 'ram': _RAM_SHARE * free}[options.type]
    usable = max(0, int(usable))
    limits = [(usable, f'{sizeof_fmt(usable)} of the {sizeof_fmt(free)} that are free in {cache.place} may be used')]
    if options.max_gb is not None:
        left = max(0, int(options.max_gb * _GB) - survey.bytes_there)
        limits.append((left, f'max_gb is {options.max_gb:g}'))
    return min(limits)


def _report(title: str, survey: Survey, outcome: Outcome, reason: str, cache: PixelCache, is_auto: bool) -> None:
    """Log what there is now, and why there is no more."""
    if outcome.failures:
        _log().warning(f'{title}: {len(outcome.failures):,} images cannot be read; the first: {outcome.failures[0]}')
    if outcome.stopped is not None:
        reason = f'{outcome.stopped.strerror or outcome.stopped}; make room, or choose another `dir` or `type: none`'

    num_images = survey.num_there + len(outcome.sizes)
    size = sizeof_fmt(survey.bytes_there + sum(outcome.sizes))
    num_left = len(survey.needs) - len(outcome.sizes) - len(outcome.failures)
    text = f'{cache.kind}, {num_images:,} images, {size} in {cache.place}' if num_images else 'none'
    if survey.num_there:
        text += f' ({survey.num_there:,} were there)'
    if num_left > 0:
        text += f'; {num_left:,} images are decoded whenever they are read: {reason}'
    is_expected = num_left <= 0 or (is_auto and outcome.stopped is None)
    _log().log(logging.INFO if is_expected else logging.WARNING, f'{title}: {text}')


def _log() -> logging.Logger:
    return logging.getLogger('basicsr')
