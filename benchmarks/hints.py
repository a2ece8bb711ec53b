"""How much do hints bring? (notebook 10a)

python benchmarks/hints.py PHOTOS [--photos 24] [--five 60] [--model small] [--json nbs/results/hints.json]
PHOTOS: a folder or .tar shard of colour photos that the model was not trained on, drawn by lot with a seed. The curves: photos at the size of the
network's copy; points of one pixel, drawn by lot, are told their true chroma. `five`: whole photos through `Colorizer`, five points each,
colours as an 8-bit file has them."""
import argparse, json, platform, subprocess
from datetime import date
from pathlib import Path

import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from scipy.ndimage import distance_transform_edt
from letthere_color.core import fit_gamut, lab2rgb, open_photo, photo2tensor, rgb2lab
from letthere_color.colorization import pad8
from letthere_color.photos import is_colourful, read_photos
from letthere_color.metrics import psnr
from letthere_color.small_copy import look_around, small_copy, working_size
from letthere_color.photo_files import read_photo
from letthere_color.inference import Colorizer
from letthere_color.evaluation import ciede2000
from letthere_color.hints import FLOOR, Hint, MARGIN, MU, relax, SHARE, SIGMA, spread

COUNTS, TAUS = [1, 2, 5, 10, 20, 50, 100, 200], [.05, .1, .2]

def usual(L): return SHARE*max(L.shape) - MARGIN

def hints(L, pins, d, reach=None): return spread(d, pins, L, reach or usual(L))

def equal_springs(L, pins, d):
    "As Levin et al. (2004): springs do not weaken with the distance from the hints"
    rho = distance_transform_edt(~pins)
    def k(a, b): return np.exp(-(a - b)**2/(2*SIGMA**2)) + FLOOR
    return relax(d, (rho <= usual(L)) & ~pins, k(L[:,:-1], L[:,1:]), k(L[:-1], L[1:]), MU)

def gaussian(L, pins, d):
    "Mean of the differences, weighted by a Gaussian that is at one half where `hints` is: at half of the reach"
    width, (h, w), total, weights, most = usual(L)/2/(2*np.log(2))**.5, L.shape, 0, 1e-12, 0
    for y, x in np.argwhere(pins):
        k = np.exp(-(((np.arange(h) - y)/width)**2)/2)[:,None]*np.exp(-(((np.arange(w) - x)/width)**2)/2)
        total, weights, most = total + k[...,None]*d[y,x], weights + k, np.maximum(most, k)
    return total/np.asarray(weights)[...,None]*most[...,None]

def by_features(features, tau):
    "As `hints`, and springs slacken with the distance of features, too; 1 is the typical distance of two places"
    def solve(L, pins, d):
        rho = distance_transform_edt(~pins)
        def k(a, b):
            alike = -(L[a] - L[b])**2/(2*SIGMA**2) - ((features[a] - features[b])**2).sum(-1)/(2*tau**2)
            return (np.exp(alike) + FLOOR)/(1 + (rho[a] + rho[b])/2)
        s = np.s_
        return relax(d, (rho <= usual(L)) & ~pins, k(s[:,:-1], s[:,1:]), k(s[:-1], s[1:]), MU/(1 + rho))
    return solve

@torch.no_grad()
def features_of(model, copy):
    "Mid-level and fused features at the size of the copy, `(h,w,C)`, scaled so that the typical distance is 1"
    mid = model.mid_level(model.low_level(pad8(copy)))
    for f in (mid, model.fusion(mid, look_around(model, copy))):
        f = F.interpolate(f, scale_factor=8, mode='bilinear')[0,:,:copy.shape[-2],:copy.shape[-1]].double()
        yield (f/(2*f.var((1, 2)).sum()).sqrt()).permute(1, 2, 0).numpy()

def score(L, ab, true):
    lab = fit_gamut(torch.cat([100*L[None], torch.from_numpy(ab).permute(2, 0, 1).float()])[None])
    return psnr(lab2rgb(lab), lab2rgb(true)).item(), ciede2000(lab, true).mean().item()

def curves(photos, colorizer, rng):
    "Name -> count -> PSNR and CIEDE2000 of each photo"
    found, counts_of_features = {}, [5, 20, 100]
    for data in photos:
        p, colour = read_photo(data), rgb2lab(photo2tensor(open_photo(data).convert('RGB')))[None]
        copy = small_copy(p, working_size(*p.size[::-1]))
        true, L = F.interpolate(colour, copy.shape[-2:], mode='bilinear', antialias=True), copy[0,0].double().numpy()
        true = torch.cat([100*copy, true[:,1:]], 1)
        answer, goal = (o[0].permute(1, 2, 0).double().numpy() for o in (colorizer.predict(copy), true[:,1:]))
        places = rng.choice(L.size, max(COUNTS), replace=False)  # those of fewer hints are among those of more
        mid, fused = features_of(colorizer.model, copy)
        methods = {'hints': (answer, hints), 'hints, any reach': (answer, lambda L, p, d: hints(L, p, d, 1e9)),
                   'equal springs': (answer, equal_springs), 'Gaussian': (answer, gaussian),
                   'no network': (0*answer, hints), 'no network, any reach': (0*answer, lambda L, p, d: hints(L, p, d, 1e9))}
        more = {f'mid-level features, {t}': (answer, by_features(mid, t)) for t in TAUS}
        more |= {f'fused features, {t}': (answer, by_features(fused, t)) for t in TAUS}
        for name, (start, method) in (methods | more).items():
            if name in methods: found.setdefault(name, {}).setdefault(0, []).append(score(copy[0,0], start, true))
            for n in COUNTS if name in methods else counts_of_features:
                pins = np.zeros(L.shape, bool); pins.flat[places[:n]] = True
                d = method(L, pins, np.where(pins[...,None], goal - start, 0))
                found.setdefault(name, {}).setdefault(n, []).append(score(copy[0,0], start + d, true))
        print('.', end='', flush=True)
    return {name: {n: np.mean(o, 0).round(3).tolist() for n, o in by_n.items()} for name, by_n in found.items()}

def five_points(photos, colorizer, rng):
    "Whole photos: how many come nearer to the truth, and what changes beyond the reach"
    before, after, most = [], [], 0
    for data in photos:
        im = open_photo(data).convert('RGB')
        (w, h), pixels = im.size, np.asarray(im)
        places = [(int(rng.integers(w)), int(rng.integers(h))) for _ in range(5)]
        told = [Hint(o, '#{:02x}{:02x}{:02x}'.format(*pixels[o[1], o[0]])) for o in places]
        grey = Image.fromarray(np.asarray(lab2rgb(rgb2lab(photo2tensor(im))*torch.tensor([1.,0,0])[:,None,None], torch.uint8)[0]))
        ims = [colorizer(grey), colorizer(grey, hints=told)]
        true, *labs = (rgb2lab(photo2tensor(o))[None] for o in (im, *ims))
        for errors, lab in zip((before, after), labs): errors.append(ciede2000(lab, true).mean().item())
        far = np.min([np.hypot(np.arange(w) - x, np.arange(h)[:,None] - y) for x, y in places], 0) > SHARE*max(w, h)
        apart = np.abs(np.asarray(ims[0], int) - np.asarray(ims[1], int)).max(-1)[far]
        most = max(most, int(apart.max(initial=0)))
    return dict(photos=len(photos), nearer=round(float(np.mean(np.less(after, before))), 3), before=round(np.mean(before), 2),
                after=round(np.mean(after), 2), most_change_beyond_reach=most)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('source', metavar='PHOTOS', type=Path)
p.add_argument('--photos', type=int, default=24, help='for the curves')
p.add_argument('--five', type=int, default=60, help='for the five points')
p.add_argument('--model', default='small')
p.add_argument('--seed', type=int, default=0)
p.add_argument('--json', type=Path)
a = p.parse_args()
rng = np.random.default_rng(a.seed)
photos = [data for *_, data in read_photos(a.source) if is_colourful(open_photo(data).convert('RGB'))]
rng.shuffle(photos)
colorizer = Colorizer.from_pretrained(a.model, fast=False)
five = five_points(photos[-a.five:], colorizer, rng)
print(five, flush=True)
found = curves(photos[:a.photos], colorizer, rng)
for name, by_n in found.items(): print(f'{name:26}', *(f'{n}: {psnr:.2f} {ciede:.2f}' for n, (psnr, ciede) in by_n.items()), sep='  ')
commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
if a.json:
    options = f' --photos {a.photos} --five {a.five} --model {a.model} --seed {a.seed}'
    a.json.write_text(json.dumps(dict(command=f'python benchmarks/hints.py {a.source.name}{options}', data=a.source.name, model=a.model,
                                      photos=a.photos, seed=a.seed, commit=commit, date=str(date.today()), torch=torch.__version__,
                                      python=platform.python_version(), measures=['psnr', 'ciede2000'], five=five, curves=found), indent=1) + '\n')
