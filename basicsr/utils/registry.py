"""Tables from names in option files to classes and functions.

The interface is BasicSR's (`register`, `get`, `in`, iteration, `keys`), so packages written for it register themselves
as they are. What differs is when modules are imported: a registry imports its home package on the first look-up, and
files that somebody dropped into the home folder (`*_arch.py`, `*_loss.py`, ...) only when a name is still unknown.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

from basicsr.utils.errors import OptionError, suggest


class Registry:
    """Maps names to classes or functions.

    Args:
        name: what the entries are, for messages (`loss`).
        home: package that registers the built-in entries (`basicsr.losses`), imported on the first look-up.
        pattern: ending of the module names in `home` that may register entries (`_loss`).
    """

    def __init__(self, name: str, home: str | None = None, pattern: str = '') -> None:
        self._name = name
        self._home = home
        self._pattern = pattern
        self._obj_map: dict[str, object] = {}
        self._failed_imports: dict[str, str] = {}

    def register(self, obj: Callable | None = None, suffix: str | None = None) -> Callable:
        """Register `obj` under its `__name__`; usable as `@REGISTRY.register()` or `REGISTRY.register(obj)`.

        A name that both this package and a client register belongs to the client, in whichever order they come.

        Raises:
            ValueError: when two definitions of equal rank share a name.
        """
        if obj is None:
            return lambda decorated: self.register(decorated, suffix)

        name = f'{obj.__name__}_{suffix}' if isinstance(suffix, str) else obj.__name__
        known = self._obj_map.get(name)
        if known is None or _same_definition(known, obj) or (_is_built_in(known) and not _is_built_in(obj)):
            self._obj_map[name] = obj
        elif _is_built_in(known) or not _is_built_in(obj):
            raise ValueError(f"{self._name} '{name}' is defined twice: in {known.__module__} and in {obj.__module__}")
        return obj

    def get(self, name: str, suffix: str = 'basicsr') -> Callable:
        """Return what is registered as `name`, or as `<name>_<suffix>`.

        Raises:
            OptionError: when the name is unknown; the message suggests the nearest one and names modules that failed to
                import.
        """
        for load in (self._import_home, self._import_dropped_in_files):
            if name in self._obj_map:
                return self._obj_map[name]
            load()
        for key in (name, f'{name}_{suffix}'):
            if key in self._obj_map:
                return self._obj_map[key]
        raise OptionError(self._explain_missing(name))

    def is_own(self, obj: object) -> bool:
        """True for what the home package itself exports: no client's, and no file dropped into its folder."""
        home = importlib.import_module(self._home) if self._home else None
        return getattr(home, getattr(obj, '__name__', ''), None) is obj

    def __contains__(self, name: str) -> bool:
        self._import_home()
        return name in self._obj_map

    def __iter__(self) -> Iterator[tuple[str, object]]:
        self._import_home()
        return iter(self._obj_map.items())

    def keys(self):
        """Return the registered names."""
        self._import_home()
        return self._obj_map.keys()

    def import_all(self) -> None:
        """Import the home package and every module of it that may register entries."""
        self._import_home()
        self._import_dropped_in_files()

    def _import_home(self) -> None:
        if self._home is not None:
            importlib.import_module(self._home)

    def _import_dropped_in_files(self) -> None:
        if self._home is None:
            return
        home = importlib.import_module(self._home)
        for module in pkgutil.iter_modules(getattr(home, '__path__', [])):
            if not module.name.endswith(self._pattern):
                continue
            full_name = f'{self._home}.{module.name}'
            try:
                importlib.import_module(full_name)
            except Exception as error:  # a broken plug-in must not hide the others; it is named if its entry is missed
                self._failed_imports[full_name] = f'{type(error).__name__}: {error}'

    def _explain_missing(self, name: str) -> str:
        lines = [f"'{name}' is not a registered {self._name}{suggest(name, self._obj_map)}"]
        lines += [f'    (could not import {module}: {error})' for module, error in self._failed_imports.items()]
        return '\n'.join(lines)


def _is_built_in(obj: object) -> bool:
    return obj.__module__.split('.')[0] in ('basicsr', 'torch')


def _same_definition(first: object, second: object) -> bool:
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)


ARCH_REGISTRY = Registry('arch', 'basicsr.archs', '_arch')
DATASET_REGISTRY = Registry('dataset', 'basicsr.data', '_dataset')
DEGRADATION_REGISTRY = Registry('degradation', 'basicsr.data.degradations', '_degradation')
LOSS_REGISTRY = Registry('loss', 'basicsr.losses', '_loss')
METRIC_REGISTRY = Registry('metric', 'basicsr.metrics', '')
MODEL_REGISTRY = Registry('model', 'basicsr.models', '_model')
OPTIMIZER_REGISTRY = Registry('optimizer', 'basicsr.engine.optim')
SCHEDULER_REGISTRY = Registry('scheduler', 'basicsr.engine.lr_scheduler')
