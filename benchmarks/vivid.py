"""A painter against a judge (notebook 08c): train on photos, or judge models beside the truth.

python benchmarks/vivid.py train TRAIN... --valid VALID -o RUN [--start small] [--n 1536 --epochs 5 ...]
python benchmarks/vivid.py judge VALID --start small [--models RUN/epochs/001 ...] [--json nbs/results/vivid.json]
TRAIN, VALID: folders or .tar shards of colour photos. A class `people` is no scene: its photos teach colour alone."""
import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np, torch
from letthere_color.models import load_model
from letthere_color.photos import cache_photos
from letthere_color.runs import train_colorizer
from letthere_color.training import RECIPES

def some(source, folder, names, n, seed, size=128):
    "`n` photos drawn from a source, or all"
    cache = cache_photos(source, folder, size, names)
    which = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(cache))[:n or None]))
    labels = cache.labels[which].clone()
    if 'people' in names: labels[labels == names.index('people')] = -1
    return replace(cache, photos=cache.photos[which], labels=labels)

def train(a):
    "A run that can be killed; the same command goes on"
    names = load_model(a.start).config.class_names
    known = some(a.photos, a.cache/'train-128', names, a.n, a.seed)
    valid = some(a.valid, a.cache/'valid-128', names, a.n_valid, a.seed)
    recipe = replace(RECIPES['vivid'], start=a.start, epochs=a.epochs, bs=a.bs, lr=a.lr, ema=a.ema, judge=a.judge, judge_nf=a.nf, seed=a.seed)
    train_colorizer(known, valid, a.o, recipe, resume=True)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
sub = p.add_subparsers(dest='what', required=True)
t = sub.add_parser('train')
t.add_argument('photos', nargs='+', type=Path)
t.add_argument('--valid', nargs='+', type=Path, required=True)
t.add_argument('-o', type=Path, required=True, help='folder of the run')
t.add_argument('--cache', type=Path, required=True, help='folder for decoded photos')
for name, default in dict(start='small', n=0, n_valid=0, epochs=20, bs=128, lr=2e-4, ema=.995, judge=3e-4, nf=64, seed=0).items():
    t.add_argument('--' + name.replace('_', '-'), type=type(default), default=default)
a = p.parse_args()
train(a)
