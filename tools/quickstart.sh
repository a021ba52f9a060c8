#!/usr/bin/env bash
# From a fresh clone to a trained network: environment, demo data, training. Run it again at any time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh

# So small a network gains little from a second thread, and loses much by it when the machine has other work.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

make_environment ""
# Demo data that is there already is kept, also if it was made with other sizes.
[ -e datasets/demo/demo.json ] || .venv/bin/python tools/make_demo_data.py
.venv/bin/python basicsr/train.py -opt options/quickstart.yml

cat <<END

Done.
  weights:  experiments/quickstart/models/net_g_latest.pth
  pictures: experiments/quickstart/visualization/val/
  colours:  experiments/quickstart/val/gallery.html
  curves:   .venv/bin/tensorboard --logdir tb_logger

Next, your own pairs: copy options/ablate_full.yml to options/mine.yml, change the lines marked (*), and
  .venv/bin/python basicsr/train.py -opt options/mine.yml
END
