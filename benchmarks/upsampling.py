"""How should small chroma be enlarged? (notebook 07)

python benchmarks/upsampling.py PHOTOS [--model tiny] [--json nbs/results/upsampling.json]
PHOTOS: a folder or .tar shard of colour photos that the model was not trained on. They are halved first, because JPEG
stores chroma at half size; then their true chroma is shrunk and enlarged again. Mean distance of a, b, CIE units."""
import argparse, json, platform, subprocess
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from letthere_color.models import load_model
from letthere_color.core import open_photo, photo2tensor, rgb2lab
from letthere_color.photos import is_colourful, read_photos
from letthere_color.small_copy import box_mean, enlarge_chroma, look_around, paint

FACTORS = [2, 4, 8]

def ours(ab, copy, L, guided): return enlarge_chroma(ab, copy, L.shape[-2:], guided)(0, L.shape[2], L*100)

def fast_guided(ab, copy, L, r=1, eps=0.001):
    "The fast guided filter as published (He and Sun 2015); radius and eps are the best of those tried"
    mean, mean_ab = box_mean(copy, r), box_mean(ab, r)
    a = (box_mean(copy*ab, r) - mean*mean_ab)/(box_mean(copy*copy, r) - mean*mean + eps)
    a, b = F.interpolate(box_mean(torch.cat([a, mean_ab - a*mean], 1), r), L.shape[-2:], mode='bilinear').split(2, 1)
    return a*L + b

def joint_bilateral(ab, copy, L, r=1, space=0.5, light=0.1):
    "Joint bilateral upsampling (Kopf et al. 2007); widths of both Gaussians are the best of those tried"
    (H, W), (h, w) = L.shape[-2:], copy.shape[-2:]
    y, x = (torch.arange(H) + .5)*h/H - .5, (torch.arange(W) + .5)*w/W - .5
    total, weights = 0, 0
    for dy in range(-r, r+1):
        for dx in range(-r, r+1):
            i, j = y.round().long() + dy, x.round().long() + dx
            def at(o, i=i, j=j): return o[:, :, i.clamp(0, h-1)][..., j.clamp(0, w-1)]
            near = torch.exp(-((i - y)[:, None]**2 + (j - x)**2)/(2*space**2))
            k = near*torch.exp(-((at(copy) - L)/light)**2/2) + 1e-8
            total, weights = total + k*at(ab), weights + k
    return total/weights

METHODS = {'bilinear': partial(ours, guided=False), 'guided': partial(ours, guided=True), 'fast guided filter': fast_guided,
           'joint bilateral': joint_bilateral}

def measure(source, model):
    "Mean distance for each factor and method; the last row is for predicted chroma, at a quarter of the photo's side"
    rows = []
    for _, _, data in read_photos(source):
        photo = open_photo(data).convert('RGB')
        if not is_colourful(photo): continue
        photo = photo.resize((photo.width//2, photo.height//2), Image.Resampling.LANCZOS)
        L, ab = rgb2lab(photo2tensor(photo))[None].split((1, 2), 1)
        L, row = L/100, []
        for f in FACTORS:
            shrink = partial(F.interpolate, size=[max(8, n//f) for n in L.shape[-2:]], mode='bilinear', antialias=True)
            row.append([(m(shrink(ab), shrink(L), L) - ab).norm(dim=1).mean().item() for m in METHODS.values()])
            if f == 2:
                guess = paint(model, shrink(L), look_around(model, shrink(L)))
                predicted = [(m(guess, shrink(L), L) - ab).norm(dim=1).mean().item() for m in METHODS.values()]
        rows.append([*row, predicted])
    return np.array(rows)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('photos', type=Path)
p.add_argument('--model', default='tiny')
p.add_argument('--json', type=Path)
a = p.parse_args()
rows = measure(a.photos, load_model(a.model))
*error, predicted = rows.mean(0).round(3).tolist()
for name, e in zip([*FACTORS, 'predicted'], [*error, predicted]):
    print(f'{name:>9}', *(f'{m} {o:.3f}' for m, o in zip(METHODS, e)), sep='  ')
commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
if a.json:
    a.json.write_text(json.dumps(dict(command=f'python benchmarks/upsampling.py {a.photos.name} --model {a.model}', data=a.photos.name,
                                      photos=len(rows), model=a.model, commit=commit, date=str(date.today()), torch=torch.__version__,
                                      python=platform.python_version(), factors=FACTORS, methods=list(METHODS), error=error,
                                      predicted=predicted), indent=1) + '\n')
