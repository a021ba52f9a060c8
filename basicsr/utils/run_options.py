"""The sections of an option file: every key, its type, default and meaning. `docs/options.md` is made of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from basicsr.utils.schema import Bool, Count, Float, Int, RootPath, Section, Str
from basicsr.utils.tile_options import TileOptions


def check_folder_name(name: str) -> str:
    """Return a name that folders and files are called by.

    Raises:
        ValueError: it would lead out of the folder it belongs in, or name that folder itself.
    """
    path = Path(name)
    if not path.parts or path.is_absolute() or '..' in path.parts or not name.isprintable() or len(name) > 150:
        raise ValueError(f'cannot be the name of a folder: {name[:100]!r}')
    return name


FolderName = Annotated[Str, AfterValidator(check_folder_name)]


def _key(default: Any, description: str, **constraints: Any) -> Any:
    return Field(default, description=description, **constraints)


class DistOptions(Section):
    """Distributed training."""

    backend: Literal['nccl', 'gloo'] | None = _key(None, 'communication backend; by default nccl where there is a GPU')
    port: Int | None = _key(None, 'port of the first node, for `--launcher slurm`')


class PathOptions(Section):
    """Files a run starts from, and folders it writes to. Relative paths start at the project root."""

    pretrain_network_g: RootPath | None = _key(None, 'weights to start `net_g` from')
    param_key_g: Str | None = _key(
        'auto',
        'key of the weights in that file; `auto` takes `params_ema` if present, else `params`, else the file itself; '
        '`~` takes the file itself',
    )
    strict_load_g: Bool = _key(True, 'false: load what fits and list the rest')
    resume_state: RootPath | None = _key(None, 'training state (`.state`) to continue from, for `train.mode: resume`')
    ignore_resume_networks: list[Str] = _key([], 'networks that keep their `pretrain_network_*` weights on resume')
    experiments_root: RootPath = _key('experiments', 'folder of the run folders; `<name>` is appended')
    tb_root: RootPath = _key('tb_logger', 'folder of the TensorBoard files; `<name>` is appended')
    results_root: RootPath = _key('results', 'folder of the test results; `<name>` is appended')

    @field_validator('experiments_root', 'tb_root', 'results_root', mode='before')
    @classmethod
    def _empty_is_the_default(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].default if value is None else value


class GradClipOptions(Section):
    """Gradient clipping. The norm before clipping is logged as `grad/norm` whatever the type."""

    type: Literal['none', 'norm', 'value'] = _key(
        'norm', 'clip the norm of the whole gradient, each element, or nothing'
    )
    max_norm: Float | None = _key(None, 'largest norm, for `type: norm`', gt=0)
    max_value: Float | None = _key(None, 'largest absolute value of an element, for `type: value`', gt=0)

    @model_validator(mode='after')
    def _has_its_limit(self):
        wanted = {'none': None, 'norm': 'max_norm', 'value': 'max_value'}[self.type]
        for name in ('max_norm', 'max_value'):
            if (getattr(self, name) is not None) != (name == wanted):
                verb = 'needs' if name == wanted else 'takes no'
                raise ValueError(f'`type: {self.type}` {verb} `{name}`')
        return self


class TrainOptions(Section):
    """Training."""

    mode: Literal['scratch', 'resume', 'finetune'] | None = _key(
        None,
        '`scratch`: random weights. `resume`: continue this run, or `path.resume_state`. `finetune`: weights from '
        '`path.pretrain_network_g`, everything else fresh. Without it: resume if `path.resume_state` is given, else '
        'finetune if `path.pretrain_network_g` is given, else scratch',
    )
    total_iter: Int = _key(..., 'number of iterations', gt=0)
    warmup_iter: Int = _key(-1, 'iterations over which the learning rate rises linearly to its value; -1 for none')
    losses: list = _key(..., 'the objective: a list of terms, each with a `type`; see docs/losses.md')
    optim_g: dict = _key(..., '`type`: any optimizer of torch.optim; the other keys are its arguments')
    scheduler: dict = _key({'type': 'Constant'}, 'learning rate schedule: `type` and its arguments')
    grad_clip: GradClipOptions | None = _key(
        None, 'gradient clipping; by default norm 0.01 for ImageRestorationModel, as NAFNet, and none for SRModel'
    )
    split_backward: Bool = _key(
        True,
        "split the backward pass at the output, so that each term's part in it is known; same result and cost",
    )
    last_layer: Str | None = _key(
        None, 'module of the network at whose parameters gradients are compared; by default the last layer that runs'
    )
    calibration_iter: Int = _key(100, 'iterations after which the weights of terms with a `share` are frozen', gt=0)
    ema_decay: Float = _key(0.0, 'decay of the exponential moving average of the weights; 0 for none', ge=0, lt=1)


class GateOptions(Section):
    """Limits of one metric, on the mean over a set."""

    min: Float | None = _key(None, 'the mean must not be lower')
    max: Float | None = _key(None, 'the mean must not be higher')
    min_delta: Float | None = _key(None, 'the mean difference to the reference must not be lower')
    max_delta: Float | None = _key(None, 'the mean difference to the reference must not be higher')

    @model_validator(mode='after')
    def _has_a_limit(self):
        if all(limit is None for _, limit in self):
            raise ValueError('give a limit: `min`, `max`, `min_delta` or `max_delta`')
        return self

    @property
    def compares(self) -> bool:
        """True if it asks for a difference to a reference."""
        return self.min_delta is not None or self.max_delta is not None


class GalleryOptions(Section):
    """Pictures of the worst images of every set, and of those that are named."""

    worst: Count = _key(4, 'how many of the worst images of each set')
    metric: Str = _key('de00_mean', 'what is worst: a metric of `val.metrics`, or of `val.color_fidelity`')
    images: list[Str] = _key([], 'names of images that are always shown, with or without ending')


class ValOptions(Section):
    """Validation during training, and the metrics of `test.py`."""

    val_freq: Int | None = _key(None, 'validate every so many iterations, and after the last; `~` for never', gt=0)
    save_img: Bool = _key(False, 'write the output pictures')
    suffix: Str | None = _key(None, '`test.py`: ending of the picture names; by default the name of the run')
    metrics: dict[str, dict] | None = _key(None, 'label -> metric: `type` and its arguments; `better: higher|lower`')
    color_fidelity: Bool = _key(
        False, 'measure colours as well, on the float output: delta E, and what became of saturated colours'
    )
    gates: dict[str, GateOptions] | None = _key(
        None, 'metric -> limits on its mean, `{min, max, min_delta, max_delta}`: PASS or FAIL at every validation'
    )
    gates_reference: RootPath | None = _key(
        None, 'what `min_delta` and `max_delta` compare with: the folder of a run, or a CSV file of scores'
    )
    key_metric: Str | None = _key(
        None,
        'metric by which the best weights are kept as `net_g_best.pth`: `de00_mean`, or `val_color/de00_mean` for that '
        'of one set; without a set, of the first with targets',
    )
    gallery: GalleryOptions | None = _key(None, 'pictures of the worst images; by default with `color_fidelity`')
    tile: TileOptions | None = _key(
        None, 'cut images that are larger than `size` into overlapping tiles: `{size: 512, overlap: 64}`'
    )
    pbar: Bool = _key(True, 'show a progress bar on a terminal')
    use_image: Bool = _key(
        True, 'measure the 8-bit picture that is saved; false measures the float output, not clamped'
    )


class LoggerOptions(Section):
    """What is logged, and how often."""

    print_freq: Int = _key(100, 'log every so many iterations; logged values are means since the last line', gt=0)
    save_checkpoint_freq: Int = _key(
        5000, 'save weights and training state every so many iterations, and at the end', gt=0
    )
    use_tb_logger: Bool = _key(True, 'write TensorBoard files')
    hparams: dict[Str, Bool | Int | Float | Str] | None = _key(
        None, "the run's row in TensorBoard's table HPARAMS: column -> value; grids fill it in"
    )
    ledger_freq: Int | None = _key(
        100, 'compare the gradients of the terms every so many iterations; `~` for never', gt=0
    )


class RunOptions(Section):
    """The top level of an option file."""

    name: FolderName | None = _key(None, 'name of the run and of its folder; by default the name of the option file')
    model_type: Str = _key(..., 'name of a registered model: ImageRestorationModel, SRModel')
    scale: Int = _key(1, 'size of the target over the size of the input', ge=1)
    num_gpu: Count | Literal['auto'] = _key('auto', '0: train on the CPU; otherwise the GPU that is there')
    manual_seed: Int | None = _key(None, 'seed of the run; drawn and noted in `resolved.yml` when not given', ge=0)
    deterministic: Bool = _key(False, 'use deterministic algorithms only, for bit-equal runs on a GPU')
    find_unused_parameters: Bool = _key(False, 'argument of DistributedDataParallel')
    network_g: dict = _key(..., 'the network: `type` and its arguments')
    datasets: dict[str, dict] = _key(..., '`train`, `val`, and any number of `val_<name>` (for test.py: any keys)')
    path: dict = _key({}, 'see below')
    train: dict | None = _key(None, 'see below')
    val: dict | None = _key(None, 'see below')
    logger: dict = _key({}, 'see below')
    dist_params: dict = _key({}, 'see below')


# The sections below the top level that are checked by themselves.
SECTIONS = {
    'path': PathOptions,
    'train': TrainOptions,
    'val': ValOptions,
    'logger': LoggerOptions,
    'dist_params': DistOptions,
}


class LoaderOptions(Section):
    """Keys of every dataset, beside those of its type."""

    name: FolderName | None = _key(None, 'name shown in logs, folders and TensorBoard; by default the key of the set')
    type: Str = _key(..., 'name of a registered dataset')
    batch_size_per_gpu: Int = _key(1, 'pairs per iteration and GPU (training)', gt=0)
    num_worker_per_gpu: Int = _key(0, 'processes that read images, per GPU; 0 reads in the training process', ge=0)
    mix: list[dict] | None = _key(
        None, 'training: several sets in fixed proportions, `[{name: ..., weight: ..., <keys of a set>}, ...]`'
    )
    pin_memory: Bool | None = _key(
        None, 'page-locked memory, for faster copies to a GPU; by default where there is one'
    )


class MixOptions(Section):
    """Keys of every entry of `datasets.train.mix`, beside those of its type; the others it has from the set itself."""

    name: FolderName = _key(..., 'name of the entry in the log')
    weight: Float = _key(1.0, 'share of the samples, relative to the other entries', gt=0)


class DegradationOptions(Section):
    """Keys of every entry of `degradations`, beside the arguments of its type."""

    type: Str = _key(..., 'name of a registered degradation')
    name: Str | None = _key(None, 'name of the entry; by default derived from the type', pattern=r'^[A-Za-z0-9_-]+$')
    prob: Float = _key(1.0, 'share of the samples that it is applied to', ge=0, le=1)


class TermOptions(Section):
    """Keys of every entry of `train.losses`, beside the arguments of its type."""

    type: Str = _key(..., 'name of a registered loss')
    name: Str | None = _key(
        None, 'name of the term in logs (`l_<name>`); by default derived from the type', pattern=r'^[A-Za-z0-9_-]+$'
    )
    loss_weight: Float | Annotated[dict[Count, Float], Field(min_length=1)] = _key(
        1.0, 'weight of the term: a number, or `{iteration: weight}`, linear between the points and constant outside'
    )
    share: Float | None = _key(
        None,
        'in place of `loss_weight`: share of the gradient, in (0, 1); the weight is found in the first iterations',
        gt=0,
        lt=1,
    )
    start_iter: Int | None = _key(None, 'the weight is 0 before this iteration')
    end_iter: Int | None = _key(None, 'the weight is 0 from this iteration on')
    outputs: Literal['all', 'last'] = _key('all', 'which outputs the term sees when the network returns several')


def start_contradiction(mode: str | None, path: dict) -> str | None:
    """Return what is wrong with `train.mode` beside the files that `path` names, or None."""
    state, weights = path['resume_state'], path['pretrain_network_g']
    if mode in ('scratch', 'finetune') and state:
        return f'{mode} starts afresh, but path.resume_state is given: remove one of them'
    if mode == 'finetune' and not weights:
        return 'finetune needs weights: give path.pretrain_network_g'
    if mode == 'scratch' and weights:
        return 'scratch starts from random weights, but path.pretrain_network_g is given: remove it'
    return None
