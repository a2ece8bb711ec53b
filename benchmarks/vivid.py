"""A painter against a judge (notebook 08c): train on photos, or judge models beside the truth.

python benchmarks/vivid.py train TRAIN... --valid VALID -o RUN [--start small] [--n 1536 --epochs 5 ...]
python benchmarks/vivid.py judge VALID --start small [--models RUN/epochs/001 ...] [--json nbs/results/vivid.json]
TRAIN, VALID: folders or .tar shards of colour photos. A class `people` is no scene: its photos teach colour alone."""
import argparse, json
from dataclasses import replace
from pathlib import Path

import numpy as np, torch
from letthere_color.core import rgb2lab
from letthere_color.judging import measured_with
from letthere_color.models import load_model
from letthere_color.photos import cache_photos
from letthere_color.runs import train_colorizer
from letthere_color.training import RECIPES
from letthere_color.vivid import choose_epoch, vividness

GPU_TRY = dict( # What the log of one short run on a GPU said; 112 px crops of 1,000 of these validation photos
    note='the first try, before this code: one H100, 130 s, 167,316 photos, batches of 192, weight of the judge 3e-4 of the joint loss',
    start=dict(variation=.49, chroma=.58, gain=1.74), end=dict(variation=.64, chroma=.63, gain=1.16))
LOOKED = dict(photos=100, with_spot=5, epoch='002', note='looked at once, by eye, at 112 px: a red or orange patch where the thing has none')
FACTORS = 1., 1.15, 1.3, 1.5, 1.75, 2.

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

def rounded(o):
    if isinstance(o, dict): return {k: rounded(v) for k, v in o.items()}
    if isinstance(o, list): return [rounded(v) for v in o]
    return round(o, 4) if isinstance(o, float) else o

def judge(a):
    "Adds to the JSON what it does not yet hold: judging can be stopped, and models can come later"
    names = load_model(a.start).config.class_names
    photos = some(a.valid, a.cache/'valid-128', names, a.n_valid, a.seed).photos
    edge = (photos.shape[1] - a.size)//2
    crops = photos[:, edge:edge+a.size, edge:edge+a.size].permute(0,3,1,2)
    batches = [(rgb2lab(o), None) for o in crops.split(25)]
    known = json.loads(a.json.read_text()) if a.json and a.json.exists() else {}
    asked = dict(photos=len(photos), size=a.size, seed=a.seed, start=Path(a.start).name, data=[o.name for o in a.valid])
    if any(known.get(k) != v for k, v in asked.items()): known = {}
    files = ' '.join(asked['data'])
    command = f'python benchmarks/vivid.py judge {files} --cache CACHE --start {asked["start"]} --n-valid {a.n_valid} --models RUN/epochs/*'
    known = dict(command=command) | measured_with() | asked | dict(began=known.get('began'), models=known.get('models', {}), gpu_try=GPU_TRY, looked=LOOKED)
    def write():
        if a.json: a.json.write_text(json.dumps(rounded(known), indent=1) + '\n')
    def say(name, o): print(f'{name:>16}', *[f'{k} {v:.4g}' for k, v in o.items()], flush=True)
    if not known['began']: known['began'] = vividness(load_model(a.start), batches, FACTORS); write()
    for o in known['began']: say(asked['start'], o)
    for path in a.models:
        if path.name not in known['models']: known['models'][path.name] = vividness(load_model(path), batches)[0]
        run = path.parent.parent
        if (run/'recipe.json').exists():
            r = json.loads((run/'recipe.json').read_text())
            how = f'--n {a.looks} --epochs {r["epochs"]} --bs {r["bs"]} --lr {r["lr"]} --ema {r["ema"]} --judge {r["judge"]} --nf {r["judge_nf"]}'
            known['run'] = dict(command=f'python benchmarks/vivid.py train TRAIN... --valid {files} -o RUN --cache CACHE --start {asked["start"]} {how}') | {k: r[k] for k in ('epochs', 'bs', 'size', 'lr', 'ema', 'judge', 'judge_nf', 'judge_alone')} | dict(looks_per_epoch=a.looks)
        say(path.name, known['models'][path.name]); write()
    if known['models']: known['chosen'] = choose_epoch(known['models'], known['began']); print('chosen:', known['chosen']); write()

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
sub = p.add_subparsers(dest='what', required=True)
t = sub.add_parser('train')
t.add_argument('photos', nargs='+', type=Path)
t.add_argument('--valid', nargs='+', type=Path, required=True)
t.add_argument('-o', type=Path, required=True, help='folder of the run')
t.add_argument('--cache', type=Path, required=True, help='folder for decoded photos')
for name, default in dict(start='small', n=0, n_valid=0, epochs=20, bs=128, lr=2e-4, ema=.995, judge=3e-4, nf=64, seed=0).items():
    t.add_argument('--' + name.replace('_', '-'), type=type(default), default=default)
j = sub.add_parser('judge')
j.add_argument('valid', nargs='+', type=Path)
j.add_argument('--cache', type=Path, required=True, help='folder for decoded photos')
j.add_argument('--models', nargs='*', type=Path, default=[], help='folders of models, as a run keeps them')
j.add_argument('--looks', type=int, default=0, help='photos that an epoch of the run saw, for the JSON')
j.add_argument('--json', type=Path)
for name, default in dict(start='small', n_valid=0, size=112, seed=1).items():
    j.add_argument('--' + name.replace('_', '-'), type=type(default), default=default)
a = p.parse_args()
dict(train=train, judge=judge)[a.what](a)
