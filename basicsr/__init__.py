"""Image restoration and enhancement training. Importing the package imports nothing else."""

__version__ = '2.0.0'
