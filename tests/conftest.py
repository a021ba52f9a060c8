"""Shared by all tests."""

import torch

# Two threads that share a busy core wait for each other far longer than one thread computes.
torch.set_num_threads(1)
