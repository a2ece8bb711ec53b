"""How much colour does old film cost, and what brings it back? (notebook 11)

python benchmarks/history.py VALID [--models tiny small] [--n 100] [--json nbs/results/history.json]
VALID: class folders or a .tar shard of colour photos that the models were not trained on. Each is damaged, the network paints the damaged lightness, and its
colours are judged on the true one, so that only colour counts."""
import argparse, json, platform, subprocess, tempfile
from datetime import date
from pathlib import Path

import torch
from letthere_color.models import load_model
from letthere_color.core import lab2rgb, rgb2lab
from letthere_color.photos import cache_photos
from letthere_color.metrics import psnr
from letthere_color.film import blurred, bordered, faded, grainy, on_film, scratched, stretched
from letthere_color.models import load_styles
from letthere_color.small_copy import look_around, paint

def median(L): # 3 x 3
    x = torch.nn.functional.pad(L, (1,)*4, mode='replicate').unfold(2, 3, 1).unfold(3, 3, 1)
    return x.flatten(4).median(4).values

def stretch(L): return stretched(L/100)*100
def blur(L): return blurred(L, 1)
def old(rgb, L): return scratched(grainy(faded(on_film(rgb), .4), 5), 3)

DAMAGE = { # name -> strength -> function of (rgb, L)
    'none': {'': lambda rgb, L: L},
    'film': {f: (lambda rgb, L, f=f: on_film(rgb, f)) for f in ('orthochromatic', 'blue plate')},
    'faded': {s: (lambda rgb, L, s=s: faded(L, s)) for s in (.25, .75)},
    'grain': {s: (lambda rgb, L, s=s: grainy(L, s)) for s in (3, 6, 12)},
    'blur': {s: (lambda rgb, L, s=s: blurred(L, s)) for s in (1,)},
    'scratches': {s: (lambda rgb, L, s=s: scratched(L, s)) for s in (6,)},
    'border': {s: (lambda rgb, L, s=s: bordered(L, s)) for s in (.05, .2)},
    'old photo': {'': old}}
REMEDIES = {'none': [stretch, median], 'film': [stretch], 'faded': [stretch], 'grain': [blur, median], 'scratches': [median], 'border': [], 'blur': [], 'old photo': [stretch, median, blur]}

def coloured(L, ab): return lab2rgb(torch.cat([L, ab], 1))
def score(L, ab, rgb):
    gain = psnr(coloured(L, ab), rgb) - psnr(coloured(L, 0*ab), rgb)
    return torch.stack([gain, ab.norm(dim=1).mean((1,2))], 1)  # (B,2)
def painted(model, L, around=None): return paint(model, L/100, look_around(model, L/100) if around is None else around)

def inside(ab, size): # the photo without its border
    m = (ab.shape[-1] - size)//2
    return ab[..., m:m+size, m:m+size]

def measure(model, name, photos, labels, classes):
    "Gain in dB over grey and mean chroma, for each damage, remedy and choice"
    rows, styles = {}, load_styles(name)
    def add(key, *a): rows.setdefault(key, []).append(score(*a))
    for chunk, lab in zip(photos.split(50), labels.split(50)):
        rgb = chunk.permute(0,3,1,2)/255
        L, true = rgb2lab(rgb).split((1,2), 1)
        for kind, strengths in DAMAGE.items():
            for s, fn in strengths.items():
                hurt = fn(rgb, L)
                add((kind, s, 'nothing'), L, inside(painted(model, hurt), L.shape[-1]), rgb)
                for r in REMEDIES[kind]: add((kind, s, r.__name__), L, inside(painted(model, r(hurt)), L.shape[-1]), rgb)
        ab, own = painted(model, L), look_around(model, L/100)
        preset = torch.stack([styles[classes[i]] for i in lab])
        for k in (.75, 1, 1.25, 1.5, 2): add(('saturation', k, ''), L, ab*k, rgb)
        for k in (.5, 1): add(('style of its class', k, ''), L, painted(model, L, own.lerp(preset, k)), rgb)
        add(('true', '', ''), L, true, rgb)
    return [dict(what=k[0], strength=k[1], remedy=k[2], gain=round(v[:,0].mean().item(), 3), chroma=round(v[:,1].mean().item(), 2),
                 better=round((v[:,0] > 0).float().mean().item(), 3)) for k,o in rows.items() for v in [torch.cat(o)] if k[0] != 'true'] + \
           [dict(what='true', chroma=round(torch.cat(rows['true', '', ''])[:,1].mean().item(), 2))]

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('photos', type=Path)
p.add_argument('--models', nargs='+', default=['tiny', 'small'])
p.add_argument('--n', type=int, default=100, help='photos, drawn at random')
p.add_argument('--seed', type=int, default=0)
p.add_argument('--json', type=Path)
a = p.parse_args()
found = dict(command='', data=a.photos.name, seed=a.seed, date=str(date.today()),
             torch=torch.__version__, machine=f'{platform.system()} {platform.machine()}',
             commit=subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip(), models={})
with tempfile.TemporaryDirectory() as tmp, torch.no_grad():
    cache = cache_photos(a.photos, tmp, 128)
    some = torch.randperm(len(cache), generator=torch.Generator().manual_seed(a.seed))[:a.n]
    for name in a.models:
        found['models'][name] = measure(load_model(name), name, cache.photos[some], cache.labels[some], cache.classes)
        for o in found['models'][name]: print(name, *o.values(), flush=True)
        found['photos'] = len(some)
        found['command'] = f'python benchmarks/history.py {a.photos.name} --n {a.n} --models {" ".join(found["models"])}'
        if a.json: a.json.write_text(json.dumps(found, indent=1) + '\n')
