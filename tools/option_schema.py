"""Turns the option sections into a JSON Schema for editors."""

from typing import Any

from basicsr.utils.legacy import LOSS_OPTS, NO_EFFECT, REFUSED, RENAMED, REWRITTEN
from basicsr.utils.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    SCHEDULER_REGISTRY,
    Registry,
)
from basicsr.utils.run_options import SECTIONS, LoaderOptions, RunOptions, TermOptions
from basicsr.utils.schema import Section

# pydantic's names of limits, which it leaves as they are inside a union.
LIMITS = {'ge': 'minimum', 'gt': 'exclusiveMinimum', 'le': 'maximum', 'lt': 'exclusiveMaximum'}


def make_schema() -> dict:
    """Return the schema of an option file.

    It is milder than the program: nothing is required, as a file may inherit, and the arguments of components are free.
    """
    run = section_schema(RunOptions)
    for key, section in SECTIONS.items():
        run['properties'][key] = optional(section_schema(section))
    keys = run['properties']
    keys['model_type'] |= {'anyOf': [{'enum': names(MODEL_REGISTRY)}, {'type': 'string'}]}
    keys['network_g'] = component_schema(ARCH_REGISTRY)
    keys['datasets']['additionalProperties'] = optional(dataset_schema())
    train, val = keys['train']['anyOf'][0]['properties'], keys['val']['anyOf'][0]['properties']
    train['losses']['items'] = named(section_schema(TermOptions), LOSS_REGISTRY)
    train['optim_g'] = component_schema(None)  # torch's, and they differ from version to version
    train['scheduler'] = component_schema(SCHEDULER_REGISTRY)
    val['metrics']['anyOf'][0]['additionalProperties'] = optional(component_schema(METRIC_REGISTRY))

    add_legacy_keys(run)
    keys['base'] = {'type': 'string', 'description': 'option file to inherit from'}
    keys['override'] = {'type': 'object', 'description': 'colon paths to change, such as `train:optim_g:lr: 1e-4`'}
    return {'$schema': 'http://json-schema.org/draft-07/schema#', 'title': 'Options of a run', **run}


def section_schema(section: type[Section]) -> dict:
    """Return the schema of a section without titles, references and required keys."""
    schema = section.model_json_schema()
    definitions = schema.pop('$defs', {})
    return without_titles(schema, definitions)


def without_titles(node: Any, definitions: dict, is_names: bool = False) -> Any:
    """Copy a schema: no `title` or `required`, and definitions in place of references to them."""
    if isinstance(node, list):
        return [without_titles(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if '$ref' in node:
        return without_titles(definitions[node['$ref'].rpartition('/')[2]], definitions)
    return {
        LIMITS.get(key, key): without_titles(value, definitions, is_names=key == 'properties')
        for key, value in node.items()
        if is_names or key not in ('title', 'required')
    }


def names(registry: Registry) -> list[str]:
    """Return the names this package registers."""
    registry.import_all()
    return sorted(name for name, obj in registry if obj.__module__.split('.')[0] in ('basicsr', 'torch'))


def named(schema: dict, registry: Registry | None) -> dict:
    """Let `type` be one of the registered names, or a client's, and leave the other keys free."""
    schema.pop('additionalProperties', None)
    known = [] if registry is None else [{'enum': names(registry)}]
    schema['properties']['type'] = {'anyOf': [*known, {'type': 'string'}]}
    return schema


def component_schema(registry: Registry | None) -> dict:
    """Return the schema of `{type: ..., argument: ...}`."""
    return named({'type': 'object', 'properties': {}}, registry)


def dataset_schema() -> dict:
    """Return the schema of a set: the keys of the loader, and those of the datasets that declare theirs."""
    schema = named(section_schema(LoaderOptions), DATASET_REGISTRY)
    for name in names(DATASET_REGISTRY):
        schema['properties'] |= section_schema(DATASET_REGISTRY.get(name).Options)['properties']
    return schema


def optional(schema: dict) -> dict:
    """Return a schema that also takes `~`."""
    return {'anyOf': [schema, {'type': 'null'}]}


def add_legacy_keys(run: dict) -> None:
    """Let editors show what becomes of a key of BasicSR's."""
    notes = {**NO_EFFECT, **REFUSED, **REWRITTEN}
    notes |= {key: f'is called `{"`, `".join(new)}` here' for key, new in RENAMED.items()}
    notes |= {f'train.{key}': f'is the entry `{name}` of `losses` here' for key, name in LOSS_OPTS.items()}
    for path, note in notes.items():
        *parents, key = path.split('.')
        node = run
        for part in parents:
            node = node['additionalProperties'] if part == '*' else node['properties'][part]
            node = node['anyOf'][0] if 'anyOf' in node else node
        node['properties'][key] = {'deprecated': True, 'description': note}
