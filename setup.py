"""Packaging. Needs nothing but setuptools, and writes no file."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name='basicsr',
    version='2.0.0',
    description='Image restoration and enhancement training: any list of loss terms, each with its own curve',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['basicsr', 'basicsr.*']),
    python_requires='>=3.10',
    install_requires=(HERE / 'requirements.txt').read_text(encoding='utf-8').split(),
    extras_require={
        'audit': ['imagehash>=4.3'],
        'report': ['matplotlib>=3.8'],
        'ray': ['ray>=2.9'],
        'exr': ['OpenEXR>=3.3'],
        'vips': ['pyvips[binary]>=3.0'],
        'lmdb': ['lmdb>=1.4'],
        'safetensors': ['safetensors>=0.4'],
        'onnx': ['onnx>=1.16', 'onnxruntime>=1.18'],
        'test': [
            'pytest>=8',
            'ray>=2.9',
            'imagehash>=4.3',
            'OpenEXR>=3.3',
            'pyvips[binary]>=3.0',
            'lmdb>=1.4',
            'safetensors>=0.4',
            'onnx>=1.16',
            'onnxruntime>=1.18',
            'ruff>=0.8',
            'matplotlib>=3.8',
            'scikit-image>=0.24',
            'colour-science>=0.4.6',
            'kornia>=0.8',
            'pytorch-msssim>=1.0',
        ],
    },
    entry_points={
        'console_scripts': [
            'basicsr-train=basicsr.train:main',
            'basicsr-test=basicsr.test:main',
            'basicsr-infer=basicsr.inference:main',
        ]
    },
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
)
