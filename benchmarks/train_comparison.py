"""The networks of section 4 of the paper, trained alike: same photos, batches, optimiser and number of steps. (notebook 08b)

python benchmarks/train_comparison.py SHARDS... --valid SHARD -o FOLDER [--epochs 3] [--only NAME ...] [--resume]

Trains them one after the other, each into its own folder below FOLDER. One that has ended is left as it is; one that was interrupted goes
on with --resume. Each is judged once by the measures of `letthere evaluate` on the validation photos, and the table of all that have ended
is written as JSON. `--cache` names folders of decoded photos to share."""
import os
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')  # large memory pages for PyTorch, as `letthere train` sets it
import argparse, csv, json, sys, time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from fastai.callback.core import Callback
from torch.utils.flop_counter import FlopCounterMode
from letthere_color.models import load_model
from letthere_color.photos import cache_photos
from letthere_color.judging import judge_photos, mean_and_error, measured_with
from letthere_color.inference import Colorizer
from letthere_color.low_level import n_params
from letthere_color.colorization import ModelConfig
from letthere_color.training import Recipe
from letthere_color.runs import load_recipe, train_colorizer

BASE = Recipe(ModelConfig(width=.25), bs=64, size=112, cache_size=128, opt='adamw', lr=2e-3, wd=1e-2, schedule='cosine', seed=0)
RUNS = dict(ours={}, # What each has of its own
            no_global=dict(use_global=False),
            unet=dict(network='unet', use_global=False),
            zhang=dict(network='zhang', use_global=False),
            wide_no_global=dict(network='wide', use_global=False), # as many parameters as ours
            no_class_loss=dict(alpha=0.),
            no_color_loss=dict(use_color=False, alpha=1.),
            yuv=dict(color_space='yuv'),
            rgb=dict(color_space='rgb'))

def recipe_of(name, **kw):
    "What all have in common, and what is its own: of the network, or of the training"
    of_network = {k: v for k,v in RUNS[name].items() if hasattr(BASE.model, k)}
    return replace(BASE, model=replace(BASE.model, **of_network), **{k: v for k,v in RUNS[name].items() if k not in of_network}, **kw)

class Stopwatch(Callback):
    "Seconds of each epoch, by the clock and of processor time, in `seconds.json`; of an interrupted epoch those since it was resumed."
    def __init__(self, folder): self.path = folder/'seconds.json'
    def before_epoch(self): self.begun = time.monotonic(), time.process_time()
    def after_epoch(self):
        seconds = json.loads(self.path.read_text()) if self.path.exists() else {}
        wall, cpu = (round(now - then, 1) for now,then in zip((time.monotonic(), time.process_time()), self.begun))
        self.path.write_text(json.dumps(seconds | {self.dls.train.epoch: dict(wall=wall, cpu=cpu)}))

def ended(folder): return (folder/'model/config.json').exists()

def judged(name, folder):
    "What judge_photos says of a run that has ended, kept in its folder; None for one that learnt no colours"
    if not RUNS[name].get('use_color', True): return None
    path = folder/'judged.json'
    if not path.exists(): path.write_text(json.dumps(judge_photos(Colorizer(load_model(folder)), a.valid, mean_ab=train.mean_ab())))
    return json.loads(path.read_text())

def multiply_adds(model, size):
    "Multiplications with additions of convolutions and matrices for one photo"
    with torch.no_grad(), FlopCounterMode(display=False) as counter: model(torch.zeros(1, 1, size, size))
    return counter.get_total_flops()//2

def errors(found): return [o[found['photos']['columns'].index('ciede2000')] for o in found['photos']['rows']]

def row(name, folder, n_photos):
    "What the table says about a run that has ended"
    recipe, seconds = load_recipe(folder), json.loads((folder/'seconds.json').read_text())
    with open(folder/'history.csv') as f: epochs = [{k: float(v) for k,v in o.items()} for o in csv.DictReader(f)]
    model, found = load_model(folder), judged(name, folder)
    def against(other):  # CIEDE2000, photo by photo
        if not found or name == other or not ended(a.output/other): return None
        return mean_and_error([x - y for x,y in zip(errors(found), errors(judged(other, a.output/other)))])
    return dict(name=name, differs=RUNS[name], recipe=asdict(recipe), photos_seen=n_photos//recipe.bs*recipe.bs*len(epochs),
                multiply_adds=multiply_adds(model, recipe.size), parameters=n_params(model),
                seconds={k: round(sum(o[k] for o in seconds.values())) for k in ('wall', 'cpu')}, history=epochs,
                judged=found and {k: found[k] for k in ('data', 'methods', 'classes')},
                against_ours=against('ours'), against_no_global=against('no_global'))

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('photos', type=Path, nargs='+', help='class folders or .tar shards to learn from')
p.add_argument('--valid', type=Path, nargs='+', required=True, help='photos to judge by')
p.add_argument('-o', '--output', type=Path, required=True, help='folder for the runs')
p.add_argument('--cache', type=Path, nargs=2, metavar=('TRAIN', 'VALID'), help='folders of the decoded photos; default: below the output folder')
p.add_argument('--epochs', type=int, default=3)
p.add_argument('--size', type=int, default=BASE.size, help='side of the crops, in pixels')
p.add_argument('--seed', type=int, default=BASE.seed, help='of weights and batches; another one needs another output folder')
p.add_argument('--only', nargs='+', choices=RUNS, default=list(RUNS), help='the runs to train')
p.add_argument('--resume', action='store_true', help='go on with a run that was interrupted')
p.add_argument('--json', type=Path, default=Path('nbs/results/comparison.json'))
a = p.parse_args()

paths = [str(o) for o in [*a.photos, *a.valid, a.output, *(a.cache or []), a.json]]
command = ' '.join(['python benchmarks/train_comparison.py', *(Path(o).name if o in paths else o for o in sys.argv[1:])])
train_cache, valid_cache = a.cache or (a.output/'cache/train', a.output/'cache/valid')
train = cache_photos(a.photos, train_cache, BASE.cache_size)
valid = cache_photos(a.valid, valid_cache, BASE.cache_size, train.classes)
for name in a.only:
    folder, recipe = a.output/name, recipe_of(name, epochs=a.epochs, size=a.size, seed=a.seed)
    if ended(folder) and load_recipe(folder) == recipe: print(f'{name}: has ended already', flush=True)
    else:
        print(f'{name}: {RUNS[name] or "the reference"}', flush=True)
        try: train_colorizer(train, valid, folder, recipe, a.resume, cbs=[Stopwatch(folder)])
        except (ValueError, KeyboardInterrupt) as e: sys.exit(f'{name}: {e or "stopped"}')
    rows = [row(o, a.output/o, len(train)) for o in RUNS if ended(a.output/o)]
    data = {k: dict(files=[o.name for o in files], photos=len(cache), left_out=len(cache.skipped))
            for k,files,cache in (('train', a.photos, train), ('valid', a.valid, valid))}
    a.json.parent.mkdir(parents=True, exist_ok=True)
    a.json.write_text(json.dumps(dict(command=command, data=data, **measured_with(), runs=rows), indent=1) + '\n')
