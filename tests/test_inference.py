"""`basicsr-infer` on pictures of all kinds, judged by Pillow, by the network itself, and by what identity must keep."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from basicsr.archs.nafnet_arch import NAFNet
from basicsr.inference import infer, main, process
from basicsr.inference_jobs import Job, find_jobs
from basicsr.utils.errors import UserError
from basicsr.utils.logger import close_root_logger

DATA = Path(__file__).resolve().parents[2] / 'shared' / 'data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the shared data folder')


@pytest.fixture(autouse=True)
def _logger():
    yield
    close_root_logger()


@pytest.fixture
def weights(tmp_path) -> str:
    """A NAFNet that changes pictures visibly."""
    net = NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1])
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.15)
    torch.save({'params': net.state_dict()}, tmp_path / 'net.pth')
    return str(tmp_path / 'net.pth')


def smooth(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    """Return a picture with soft transitions over most of the range, (H, W, channels) or (H, W)."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [0.5 + 0.4 * np.sin(3 * x + 2 * y + phase) for phase in range(channels)]
    pixels = (np.stack(waves, axis=-1) * np.iinfo(dtype).max).astype(dtype)
    return pixels[..., 0] if channels == 1 else pixels


def save(array: np.ndarray, path: Path, **options) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def through(path: Path, target: Path, restorer=lambda image: image, **options) -> Path:
    assert process([Job(path, target, path.name)], restorer, **options) == []
    return target


def read(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as img:
        return np.asarray(img)


# What the network is given, and what becomes of its output.


@torch.no_grad()
def test_results_are_the_networks(tmp_path, weights):
    pixels = smooth(37, 51)
    save(pixels, tmp_path / 'in' / 'a.png')
    infer([weights, str(tmp_path / 'in'), '-o', str(tmp_path / 'out')])

    net = NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1]).eval()
    net.load_state_dict(torch.load(weights, weights_only=True)['params'])
    image = torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]
    expected = (net(image)[0].permute(1, 2, 0).clamp(0, 1) * 255).numpy()
    result = read(tmp_path / 'out' / 'a.png')
    assert np.abs(result - expected).max() <= 0.501
    assert np.abs(result.astype(int) - pixels).mean() > 3


@pytest.mark.parametrize('size', [(4, 4), (1, 1), (1, 30)])
def test_small_pictures(tmp_path, weights, size):
    save(smooth(*size), tmp_path / 'in' / 'a.png')
    infer([weights, str(tmp_path / 'in' / 'a.png'), '-o', str(tmp_path / 'out'), '--bf16'])
    assert read(tmp_path / 'out' / 'a.png').shape == (*size, 3)


def test_tiles_on_request(tmp_path, weights, capsys):
    save(smooth(100, 150), tmp_path / 'a.png')
    infer([weights, str(tmp_path / 'a.png'), '-o', str(tmp_path / 'whole'), '--tile', '0'])
    infer([weights, str(tmp_path / 'a.png'), '-o', str(tmp_path / 'tiles'), '--tile', '64', '--local', '16'])
    assert read(tmp_path / 'tiles' / 'a.png').shape == read(tmp_path / 'whole' / 'a.png').shape


# What identity must keep.


@pytest.mark.parametrize('ending', ['png', 'tif'])
@pytest.mark.parametrize('is_grey', [False, True])
def test_sixteen_bits_are_exact(tmp_path, ending, is_grey):
    import cv2

    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = values if is_grey else np.stack([values, values.T, values[::-1]], axis=-1)
    cv2.imwrite(str(tmp_path / f'a.{ending}'), pixels)
    out = through(tmp_path / f'a.{ending}', tmp_path / 'out' / f'a.{ending}')
    result = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize(('ending', 'mode'), [('png', 'RGBA'), ('tif', 'RGBA'), ('webp', 'RGBA'), ('png', 'LA')])
def test_alpha_is_kept(tmp_path, ending, mode):
    from PIL import Image

    channels = smooth(30, 44, 4)
    alpha = channels[..., 3:].copy()
    alpha[:5] = 0
    pixels = np.concatenate([channels[..., : len(mode) - 1], alpha], axis=-1)
    options = {'lossless': True, 'exact': True} if ending == 'webp' else {}
    save(pixels, tmp_path / f'a.{ending}', **options)
    out = through(tmp_path / f'a.{ending}', tmp_path / 'out' / f'a.{ending}', lambda image: 1 - image)
    with Image.open(out) as img:
        assert img.mode == mode
    result = read(out)
    np.testing.assert_array_equal(result[..., -1], pixels[..., -1])
    if ending != 'webp':  # which loses a little
        np.testing.assert_array_equal(result[..., :-1], 255 - pixels[..., :-1])


def test_alpha_grows_with_the_picture(tmp_path):
    pixels = smooth(20, 30, 4)
    save(pixels, tmp_path / 'a.png')
    doubled = torch.nn.Upsample(scale_factor=2)
    out = through(tmp_path / 'a.png', tmp_path / 'out.png', doubled)
    result = read(out)
    assert result.shape == (40, 60, 4)
    nearest = pixels[..., 3].repeat(2, 0).repeat(2, 1).astype(int)
    assert np.abs(result[..., 3] - nearest).max() < 12


def test_grey_stays_grey_with_the_luma_of_the_result(tmp_path):
    pixels = smooth(20, 30, 1)
    save(pixels, tmp_path / 'a.png')
    np.testing.assert_array_equal(read(through(tmp_path / 'a.png', tmp_path / 'same.png')), pixels)

    tint = torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1)
    result = read(through(tmp_path / 'a.png', tmp_path / 'tinted.png', lambda image: image * tint))
    expected = pixels * (0.299 + 0.587 * 0.5 + 0.114 * 0.25)  # ITU-R BT.601
    assert result.ndim == 2 and np.abs(result - expected).max() <= 0.501


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientation_is_applied_and_not_left_in_the_file(tmp_path, orientation):
    from PIL import Image, ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    source = save(smooth(24, 40), tmp_path / 'a.jpg', quality=100, subsampling=0, exif=exif.tobytes())
    out = through(source, tmp_path / 'out' / 'a.jpg', quality=100)
    with Image.open(source) as img:
        expected = np.asarray(ImageOps.exif_transpose(img)).astype(int)
    with Image.open(out) as img:
        assert img.getexif().get(0x0112, 1) == 1
        assert img.format == 'JPEG'
    assert np.abs(read(out) - expected).max() <= 4


@needs_data
@pytest.mark.parametrize('ending', ['png', 'tif', 'jpg', 'webp'])
def test_wide_colours_come_out_in_their_profile(tmp_path, ending):
    """The profile is embedded again, and identity shows the same colours: compared in Lab, through Little CMS."""
    from PIL import Image, ImageCms

    with Image.open(DATA / 'odd_sharp' / 'tifftag-photoshop.tiff') as img:
        profile = img.info['icc_profile']
    assert 'Adobe RGB' in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    pixels = (smooth(40, 60) * 0.6 + 50).astype(np.uint8)  # colours that sRGB has too
    options = {'quality': 100, 'subsampling': 0} if ending == 'jpg' else {'lossless': True} if ending == 'webp' else {}
    source = save(pixels, tmp_path / f'a.{ending}', icc_profile=profile, **options)
    out = through(source, tmp_path / 'out' / f'a.{ending}', quality=100)
    with Image.open(out) as img:
        assert img.info['icc_profile'] == profile
    difference = np.abs(read(out)[..., :3].astype(int) - read(source)[..., :3])
    assert difference.mean() < 1 and difference.max() <= {'png': 2, 'tif': 2}.get(ending, 8)


@needs_data
def test_the_network_sees_srgb(tmp_path):
    from PIL import Image, ImageCms

    with Image.open(DATA / 'odd_sharp' / 'tifftag-photoshop.tiff') as img:
        profile = img.info['icc_profile']
    source = save((smooth(40, 60) * 0.6 + 50).astype(np.uint8), tmp_path / 'a.png', icc_profile=profile)
    seen = []
    through(source, tmp_path / 'out.png', lambda image: seen.append(image) or image)
    with Image.open(source) as img:
        srgb = ImageCms.profileToProfile(img, io.BytesIO(profile), ImageCms.createProfile('sRGB'))
    expected = np.asarray(srgb) / 255
    assert np.abs(seen[0][0].permute(1, 2, 0).numpy() - expected).max() < 2.5 / 255
    assert np.abs(expected - read(source) / 255).max() > 10 / 255


# Pictures that are odd or broken.


@needs_data
@pytest.mark.parametrize('as_png', [False, True])
def test_odd_pictures_come_out_or_are_refused_by_name(tmp_path, as_png):
    folders = [str(DATA / name) for name in ('odd_pillow', 'odd_sharp', 'linear_exr')]
    jobs, left_out = find_jobs(folders, tmp_path)
    if as_png:
        jobs = [Job(job.source, tmp_path / f'{job.target.name}.png', job.name) for job in jobs]
    refused = dict(process(jobs, lambda image: image))

    assert len(jobs) > 70
    assert all(path.name.startswith('LICENSE') for path in map(Path, left_out))
    for job in jobs:
        assert job.target.is_file() != (job in refused), job
    for job, reason in refused.items():
        assert 'unexpected' not in reason, (job, reason)
    reasons = {job.source.name: reason for job, reason in refused.items()}
    assert {'truncated.jpg', 'truncated_jpeg.jpg', 'truncated.png', 'corrupt-header.jpg'} <= reasons.keys()
    assert 'linear light' in reasons['Desk.exr'] and 'NaN' in reasons['BrightRingsNanInf.exr']
    assert 'hopper.jpg' not in reasons and 'p3.png' not in reasons
    assert ('hopper_16bit.pgm' in reasons) == (not as_png)


def test_refusals_are_listed_and_the_others_done(tmp_path, weights, capsys, monkeypatch):
    save(smooth(8, 8), tmp_path / 'in' / 'a.png')
    save(smooth(8, 8), tmp_path / 'in' / 'c.png')
    (tmp_path / 'in' / 'b.png').write_bytes(b'no picture')
    (tmp_path / 'in' / 'notes.txt').write_text('no picture either')
    monkeypatch.setattr('sys.argv', ['basicsr-infer', weights, str(tmp_path / 'in'), '-o', str(tmp_path / 'out')])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    text = capsys.readouterr().err
    assert '1 of 3 pictures were refused' in text and text.count('b.png') == 1 and 'notes.txt' in text
    assert 'Traceback' not in text
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.png', 'c.png']


def test_an_unforeseen_error_ends_one_picture_only(tmp_path):
    save(smooth(8, 8), tmp_path / 'a.png')
    save(smooth(8, 9), tmp_path / 'b.png')

    def restorer(image: torch.Tensor) -> torch.Tensor:
        if image.shape[-1] == 8:
            raise KeyError('x')
        return image

    jobs, _ = find_jobs([str(tmp_path)], tmp_path / 'out')
    refused = process(jobs, restorer)
    assert [(job.name, reason) for job, reason in refused] == [('a.png', "unexpected KeyError: 'x'")]
    assert (tmp_path / 'out' / 'b.png').is_file()


# Names.


def test_folders_patterns_and_pictures(tmp_path):
    for name in ('in/a.png', 'in/b.JPG', 'in/sub/a.png', 'in/.hidden.png', 'in/out/old.png'):
        save(smooth(4, 4), tmp_path / name)
    (tmp_path / 'in' / 'x.txt').touch()

    def names(inputs: list[str], **options) -> list[str]:
        jobs, _ = find_jobs([str(tmp_path / i) for i in inputs], tmp_path / 'in' / 'out', **options)
        return [str(job.target.relative_to(tmp_path / 'in' / 'out')) for job in jobs]

    assert names(['in']) == ['a.png', 'b.JPG']
    assert names(['in'], recursive=True) == ['a.png', 'b.JPG', 'sub/a.png']
    assert names(['in/*.png', 'in/a.png'], suffix='_x') == ['a_x.png']
    assert names(['in/b.JPG'], ext='png') == ['b.png']
    assert names(['in/x.txt']) == ['x.txt']  # what is named is tried


@pytest.mark.parametrize(
    ('inputs', 'options', 'message'),
    [
        (['in', 'in/sub'], {}, 'would both become'),
        (['in'], {'ext': 'png'}, 'would both become'),
        (['nothing'], {}, 'no such file'),
        (['in/*.tif'], {}, 'no file fits'),
        (['empty'], {}, 'holds no pictures'),
        (['in'], {'ext': 'gif'}, '--ext gif'),
    ],
)
def test_inputs_that_cannot_be(tmp_path, inputs, options, message):
    for name in ('in/a.png', 'in/a.jpg', 'in/sub/a.png'):
        save(smooth(4, 4), tmp_path / name)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=message):
        find_jobs([str(tmp_path / i) for i in inputs], tmp_path / 'out', **options)


def test_inputs_are_never_replaced(tmp_path, weights):
    source = save(smooth(8, 8), tmp_path / 'in' / 'a.png')
    before = source.read_bytes()
    for folder in (tmp_path / 'in', tmp_path / 'x' / '..' / 'in'):
        with pytest.raises(UserError, match='is an input'):
            infer([weights, str(tmp_path / 'in'), '-o', str(folder)])
    with pytest.raises(UserError, match='is a file'):
        infer([weights, str(tmp_path / 'in'), '-o', str(source)])
    infer([weights, str(tmp_path / 'in'), '-o', str(tmp_path / 'in'), '--suffix', '_new'])
    assert source.read_bytes() == before and (tmp_path / 'in' / 'a_new.png').is_file()


def test_existing_results_can_be_left(tmp_path, weights):
    save(smooth(8, 8), tmp_path / 'in' / 'a.png')
    save(smooth(8, 8), tmp_path / 'in' / 'b.png')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'a.png').write_bytes(b'mine')
    infer([weights, str(tmp_path / 'in'), '-o', str(tmp_path / 'out'), '--skip-existing'])
    assert (tmp_path / 'out' / 'a.png').read_bytes() == b'mine'
    assert read(tmp_path / 'out' / 'b.png').shape == (8, 8, 3)


def test_strips_show_before_and_after(tmp_path):
    source = save(np.full((20, 30, 3), 200, np.uint8), tmp_path / 'a.png')
    jobs = [Job(source, tmp_path / 'out' / 'a.png', 'a.png')]
    process(jobs, lambda image: image / 2, strips=tmp_path / 'out' / 'compare')
    strip = read(tmp_path / 'out' / 'compare' / 'a.png.jpg')
    assert strip.shape == (20, 68, 3)
    assert abs(int(strip[10, 10, 1]) - 200) < 5 and abs(int(strip[10, 60, 1]) - 100) < 5


# The command line.


def test_networks_for_other_images_are_refused(tmp_path):
    torch.save(NAFNet(img_channel=4, width=4).state_dict(), tmp_path / 'raw.pth')
    save(smooth(8, 8), tmp_path / 'a.png')
    with pytest.raises(UserError, match='images of 4 channels'):
        infer([str(tmp_path / 'raw.pth'), str(tmp_path / 'a.png'), '-o', str(tmp_path / 'out')])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--device', 'cuda:99'], '--device cuda:99: cannot be used'),
        (['--device', 'gpu'], '--device gpu: cannot be used'),
        (['--tile', '64', '--overlap', '32'], 'below half'),
        (['--local'], '--local 256'),
        (['--opt', 'none.yml'], 'none.yml'),
    ],
)
def test_mistakes_end_in_one_message(tmp_path, weights, arguments, message):
    save(smooth(8, 8), tmp_path / 'a.png')
    with pytest.raises(UserError, match=message):
        infer([weights, str(tmp_path / 'a.png'), '-o', str(tmp_path / 'out'), *arguments])
    assert not (tmp_path / 'out').exists()
