"""Registries: BasicSR's interface, lazy imports, who wins when two register one name."""

import subprocess
import sys
import textwrap

import pytest

from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY, MODEL_REGISTRY, OPTIMIZER_REGISTRY, Registry


def make(name, module):
    return type(name, (), {'__module__': module})


def test_interface_of_basicsr():
    registry = Registry('thing')

    @registry.register()
    class First:
        pass

    def second():
        pass

    assert registry.register(second) is second
    assert registry.get('First') is First
    assert 'second' in registry
    assert 'third' not in registry
    assert list(registry.keys()) == ['First', 'second']
    assert list(registry) == [('First', First), ('second', second)]


def test_suffix_of_built_ins():
    registry = Registry('thing')
    marked = registry.register(make('Net', 'basicsr.archs.net_arch'), suffix='basicsr')
    assert registry.get('Net') is marked
    own = registry.register(make('Net', 'client.net_arch'))
    assert registry.get('Net') is own
    assert registry.get('Net_basicsr') is marked


@pytest.mark.parametrize('order', [1, -1])
def test_a_client_wins_in_either_order(order):
    registry = Registry('thing')
    ours, theirs = make('Net', 'basicsr.archs.net_arch'), make('Net', 'client.net_arch')
    for obj in [ours, theirs][::order]:
        assert registry.register(obj) is obj
    assert registry.get('Net') is theirs


@pytest.mark.parametrize('package', ['basicsr', 'client'])
def test_two_definitions_of_one_rank(package):
    registry = Registry('thing')
    registry.register(make('Net', f'{package}.one'))
    with pytest.raises(ValueError, match=f"thing 'Net' is defined twice: in {package}.one and in {package}.two"):
        registry.register(make('Net', f'{package}.two'))


def test_the_same_definition_again_replaces():
    registry = Registry('thing')
    registry.register(make('Net', 'client.one'))
    reloaded = registry.register(make('Net', 'client.one'))
    assert registry.get('Net') is reloaded


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose home registers one thing, with a dropped-in file that is whole and one that is broken."""
    home = tmp_path / 'plug'
    home.mkdir()
    (tmp_path / 'reg.py').write_text(
        "from basicsr.utils.registry import Registry\nTHINGS = Registry('thing', 'plug', '_thing')\n"
    )
    (home / '__init__.py').write_text('from plug.first_thing import FirstThing\n')
    thing = 'from reg import THINGS\n@THINGS.register()\nclass {}:\n    pass\n'
    (home / 'first_thing.py').write_text(thing.format('FirstThing'))
    (home / 'second_thing.py').write_text(thing.format('SecondThing'))
    (home / 'broken_thing.py').write_text('import not_installed_library\n')
    (home / 'other.py').write_text('raise SystemExit\n')  # not a thing: never imported
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__('reg').THINGS
    for name in [name for name in sys.modules if name == 'reg' or name.split('.')[0] == 'plug']:
        del sys.modules[name]


def test_files_are_found_when_they_are_needed(package):
    assert 'plug' not in sys.modules
    assert package.get('FirstThing').__name__ == 'FirstThing'
    assert 'plug.second_thing' not in sys.modules
    assert package.get('SecondThing').__module__ == 'plug.second_thing'
    assert package.is_own(package.get('FirstThing'))
    assert not package.is_own(package.get('SecondThing'))


def test_what_is_missing(package):
    with pytest.raises(OptionError) as caught:
        package.get('SecndThing')
    assert str(caught.value) == (
        "'SecndThing' is not a registered thing; did you mean 'SecondThing'?\n"
        "    (could not import plug.broken_thing: ModuleNotFoundError: No module named 'not_installed_library')"
    )


def test_homes_are_imported_by_the_first_look_up():
    script = """
        import sys
        from basicsr.utils.registry import LOSS_REGISTRY, SCHEDULER_REGISTRY
        assert 'basicsr.losses' not in sys.modules and 'torch' not in sys.modules
        assert 'L1Loss' in LOSS_REGISTRY
        assert 'basicsr.losses' in sys.modules and 'basicsr.engine.lr_scheduler' not in sys.modules
        assert 'TrueCosineAnnealingLR' in SCHEDULER_REGISTRY.keys()
    """
    subprocess.run([sys.executable, '-c', textwrap.dedent(script)], check=True)


def test_inventories():
    assert {'L1Loss', 'ChromaLoss', 'SSIMLoss', 'PerceptualLoss'} <= set(LOSS_REGISTRY.keys())
    assert MODEL_REGISTRY.is_own(MODEL_REGISTRY.get('SRModel'))
    assert 'AdamW' in OPTIMIZER_REGISTRY
    # One needs a closure, the other sparse gradients; a training step has neither.
    assert not {'LBFGS', 'SparseAdam', 'Optimizer'} & set(OPTIMIZER_REGISTRY.keys())
