"""Training tools that know tensors, optimizers and files, but nothing of images."""
