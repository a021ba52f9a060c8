"""VGG features: layer names, which layers are built, and where the weights come from."""

import logging
import shutil
import urllib.error
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import vgg

from basicsr.archs.vgg_arch import VGGFeatureExtractor, layer_names, load_vgg_weights
from basicsr.utils.errors import CheckpointError, OptionError, UserError

CONFIGURATIONS = {'vgg11': 'A', 'vgg13': 'B', 'vgg16': 'D', 'vgg19': 'E'}
VGG11_FILE, VGG16_FILE = 'vgg11-8a719046.pth', 'vgg16-397923af.pth'


@pytest.fixture(scope='module')
def weight_file(tmp_path_factory) -> Path:
    """A seeded VGG11, convolutional part, as torchvision's files have it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = vgg.make_layers(vgg.cfgs['A'], batch_norm=False)
    path = tmp_path_factory.mktemp('vgg') / 'any_name.pth'
    torch.save({f'features.{key}': value for key, value in features.state_dict().items()}, path)
    return path


@pytest.fixture
def empty_machine(tmp_path, monkeypatch):
    """A working directory and a cache without weights, and no network; returns the calls to the network."""
    calls = []

    def refuse(request, timeout=None):
        calls.append((request.full_url, timeout))
        raise urllib.error.URLError('Temporary failure in name resolution')

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    monkeypatch.setattr('urllib.request.urlopen', refuse)
    return calls


@pytest.fixture
def log(caplog):
    """Records of the package's logger, whatever its set-up."""
    logger = logging.getLogger('basicsr')
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)
    logger.propagate = propagate


def equal_states(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize('base', CONFIGURATIONS)
@pytest.mark.parametrize('suffix', ['', '_bn'])
def test_layer_names_fit_torchvision(base, suffix):
    with torch.device('meta'):
        layers = vgg.make_layers(vgg.cfgs[CONFIGURATIONS[base]], batch_norm=bool(suffix))
    kinds = {nn.Conv2d: 'conv', nn.BatchNorm2d: 'bn', nn.ReLU: 'relu', nn.MaxPool2d: 'pool'}

    names = layer_names(base + suffix)
    assert [name.rstrip('_0123456789') for name in names] == [kinds[type(layer)] for layer in layers]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    'vgg_type, name, index',
    [
        ('vgg19', 'conv1_2', 2),
        ('vgg19', 'conv3_4', 16),
        ('vgg19', 'conv5_4', 34),
        ('vgg19', 'pool5', 36),
        ('vgg16', 'relu5_3', 29),
        ('vgg16_bn', 'bn1_2', 4),
    ],
)
def test_known_indices(vgg_type, name, index):
    assert layer_names(vgg_type)[index] == name


def test_features_are_those_of_torchvision_before_the_relu(weight_file):
    wanted = ['conv1_1', 'relu2_1', 'conv3_1', 'pool3']
    extractor = VGGFeatureExtractor(wanted, 'vgg11', use_input_norm=False, weights=str(weight_file))
    reference = vgg.make_layers(vgg.cfgs['A'], batch_norm=False)
    state = torch.load(weight_file, weights_only=True)
    reference.load_state_dict({key.removeprefix('features.'): value for key, value in state.items()})

    image = torch.rand(1, 3, 32, 32)
    features = extractor(image)
    assert list(features) == wanted
    assert features['conv3_1'].min() < 0
    with torch.no_grad():
        for name, index in zip(wanted, (0, 4, 6, 10)):
            torch.testing.assert_close(features[name], reference[: index + 1](image))


def test_layers_above_the_last_wanted_one_are_not_built():
    extractor = VGGFeatureExtractor(['conv2_1', 'conv1_1'], 'vgg11', weights='random')
    assert [name for name, _ in extractor.vgg_net.named_children()] == ['conv1_1', 'relu1_1', 'pool1', 'conv2_1']


@pytest.mark.parametrize(
    'options, size, min_size',
    [({}, 8, 4), ({'remove_pooling': True}, 32, 1), ({'pooling_stride': 1}, 30, 3)],
    ids=['pooling', 'no pooling', 'stride 1'],
)
def test_pooling_options(options, size, min_size):
    extractor = VGGFeatureExtractor(['conv3_1'], 'vgg11', weights='random', **options)
    assert extractor(torch.rand(1, 3, 32, 32))['conv3_1'].shape[-2:] == (size, size)
    assert extractor.min_size == min_size
    assert extractor(torch.rand(1, 3, min_size, min_size))['conv3_1'].shape[-2:] == (1, 1)


def test_a_frozen_network_stays_in_evaluation_mode():
    holder = nn.Sequential(VGGFeatureExtractor(['conv2_1'], 'vgg11_bn', weights='random')).train()
    before = {key: value.clone() for key, value in holder.state_dict().items()}
    holder(torch.rand(2, 3, 16, 16))
    assert equal_states(before, holder.state_dict())
    assert not any(parameter.requires_grad for parameter in holder.parameters())

    trained = VGGFeatureExtractor(['conv2_1'], 'vgg11_bn', requires_grad=True, weights='random').train()
    assert trained.training and all(parameter.requires_grad for parameter in trained.parameters())


@pytest.mark.parametrize(
    'arguments, message',
    [
        ((['conv3_9'], 'vgg11'), "vgg11 has no layer 'conv3_9'; did you mean 'conv3_[12]'"),
        ((['conv5_4'], 'vgg16'), "vgg16 has no layer 'conv5_4'.* its last convolution is conv5_3"),
        ((['conv1_1'], 'vgg91'), "vgg_type 'vgg91' is not one of .* did you mean 'vgg1[19]'"),
        (([], 'vgg11'), 'no layers are named'),
    ],
)
def test_unknown_layers_and_types_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        VGGFeatureExtractor(*arguments, weights='random')


def test_random_weights_do_not_depend_on_the_random_state_nor_change_it(log):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = load_vgg_weights('vgg11', 'random')
    assert torch.equal(torch.get_rng_state(), state)
    assert 'random weights' in log.text

    torch.manual_seed(2)
    assert equal_states(first, load_vgg_weights('vgg11', 'random'))
    # He initialisation by fan-out: 3 x 3 x 512 of conv5_2.
    assert first['features.18.weight'].std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=1e-2)


def test_building_from_a_file_leaves_the_random_state_alone(weight_file):
    state = torch.get_rng_state()
    VGGFeatureExtractor(['conv5_2'], 'vgg11', weights=str(weight_file))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('key', [None, 'state_dict', 'params'])
def test_files_hold_a_state_dict_bare_or_under_a_key(weight_file, tmp_path, key):
    state = torch.load(weight_file, weights_only=True)
    full = {**state, 'classifier.0.bias': torch.zeros(1)}
    torch.save(full if key is None else {key: full}, tmp_path / 'file.pth')
    assert equal_states(load_vgg_weights('vgg11', str(tmp_path / 'file.pth')), state)


def test_wrong_files_are_refused_by_name(weight_file, tmp_path):
    with pytest.raises(
        CheckpointError, match=r'any_name\.pth: not the weights of vgg13; missing .* features\.2\.weight'
    ):
        load_vgg_weights('vgg13', str(weight_file))

    state = torch.load(weight_file, weights_only=True)
    torch.save({**state, 'features.3.bias': torch.zeros(64)}, tmp_path / 'thin.pth')
    with pytest.raises(CheckpointError, match=r'thin\.pth: not the weights of vgg11; other shapes: features\.3\.bias'):
        load_vgg_weights('vgg11', str(tmp_path / 'thin.pth'))

    (tmp_path / 'page.pth').write_text('<html>not found</html>')
    with pytest.raises(CheckpointError, match=r'page\.pth: cannot be read as vgg11 weights'):
        load_vgg_weights('vgg11', str(tmp_path / 'page.pth'))

    with pytest.raises(OptionError, match=r"'pretraind' are neither a file .*; did you mean 'pretrained'"):
        load_vgg_weights('vgg11', 'pretraind')


@pytest.mark.parametrize('folder', ['experiments/pretrained_models', 'hub/checkpoints'])
@pytest.mark.parametrize('weights', ['pretrained', 'auto'])
def test_pretrained_files_at_hand_are_used_without_network(empty_machine, weight_file, folder, weights):
    Path(folder).mkdir(parents=True)
    shutil.copy(weight_file, Path(folder, VGG11_FILE))
    assert equal_states(load_vgg_weights('vgg11', weights), torch.load(weight_file, weights_only=True))
    assert empty_machine == []


def test_offline_pretrained_says_which_file_goes_where(empty_machine, weight_file, tmp_path):
    folder = tmp_path / 'experiments/pretrained_models'
    folder.mkdir(parents=True)
    shutil.copy(weight_file, folder / VGG11_FILE)  # of another type: not to be taken

    with pytest.raises(UserError) as error:
        load_vgg_weights('vgg16', 'pretrained')
    message = str(error.value)
    assert f'https://download.pytorch.org/models/{VGG16_FILE}' in message
    assert str(folder / VGG16_FILE) in message
    assert str(tmp_path / 'hub/checkpoints' / VGG16_FILE) in message
    assert '`weights: random`' in message and '`weights: auto`' in message
    assert 'name resolution' in message


def test_offline_auto_is_random_with_a_loud_warning(empty_machine, log):
    state = load_vgg_weights('vgg11', 'auto')
    assert equal_states(state, load_vgg_weights('vgg11', 'random'))
    warnings = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert 'RANDOM vgg11 weights' in warnings[0] and 'comparisons with other runs mean little' in warnings[0]
    ((url, timeout),) = empty_machine
    assert url.endswith(VGG11_FILE) and timeout <= 5


@pytest.mark.parametrize('weights', ['pretrained', 'auto'])
def test_online_the_file_is_downloaded_into_the_cache_and_its_hash_checked(
    empty_machine, weight_file, tmp_path, monkeypatch, weights
):
    def download(url, dst, hash_prefix=None, progress=True):
        assert url == f'https://download.pytorch.org/models/{VGG11_FILE}'
        assert hash_prefix == '8a719046'
        shutil.copy(weight_file, dst)

    monkeypatch.setattr('urllib.request.urlopen', lambda request, timeout: nullcontext())
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    assert equal_states(load_vgg_weights('vgg11', weights), torch.load(weight_file, weights_only=True))
    assert (tmp_path / 'hub/checkpoints' / VGG11_FILE).is_file()


def test_a_damaged_file_is_an_error_even_with_auto(empty_machine):
    folder = Path('experiments/pretrained_models')
    folder.mkdir(parents=True)
    (folder / VGG11_FILE).write_bytes(b'half a download')
    with pytest.raises(CheckpointError, match=VGG11_FILE):
        load_vgg_weights('vgg11', 'auto')
