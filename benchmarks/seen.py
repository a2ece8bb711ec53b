"""Does it help to show the network the picture alone, and to stretch what is faded? And what can be told of a photo? (notebooks 06j and 06k)

python benchmarks/seen.py VALID [--more OTHER ...] [--n 100] [--framed 0 ...] [--only STEP] [--json nbs/results/seen.json]
VALID, OTHER: folders or .tar shards of colour photos that the model was not trained on. --framed: how many of the photos in which a frame is found have one to
the eye, for each source; --list writes their names for that purpose."""
import argparse, io, json, subprocess
from pathlib import Path

import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from letthere_color.core import lab2rgb, open_photo, photo2tensor, rgb2lab
from letthere_color.film import aged, faded, grainy
from letthere_color.frame import find_frame
from letthere_color.inference import Colorizer
from letthere_color.models import load_model
from letthere_color.photos import is_colourful, read_photos
from letthere_color.seen import along, beyond_tone, SPAN, tone_lines, tone_of
from letthere_color.small_copy import look_around, paint, working_size

def photos_of(source, n=None, seed=0):
    "Colour photos, drawn by lot: name and Lab (1,3,H,W)"
    files = list(read_photos(source))
    for i in np.random.default_rng(seed).permutation(len(files)):
        photo = open_photo(files[i][2]).convert('RGB')
        if is_colourful(photo):
            yield files[i][0], rgb2lab(photo2tensor(photo, torch.float32))[None]
            n = n and n - 1
            if n == 0: return

def copy_of(L): return F.interpolate(L/100, working_size(*L.shape[-2:]), mode='bilinear', antialias=True)
def rms(errors): return round(float(np.sqrt(np.mean(errors))), 3)
def grey(L): return (L[0,0]*2.55).round().clamp(0, 255).byte().numpy()

# Frames
def margins(s, low, high, rng): return [max(2, round(s*rng.uniform(low, high))) for _ in range(4)]
def paper(L, m, tone, grain, rng):
    l, t, r, b = m
    sheet = F.pad(L, (l, r, t, b), value=float('nan'))
    noise = tone + grain*torch.from_numpy(rng.standard_normal(sheet.shape)).float()
    return torch.where(sheet.isnan(), noise, sheet).clamp(0, 100), (l, t, l + L.shape[3], t + L.shape[2])
def askew(L, m, rng):
    "Turned by .5 to 2 degrees on white paper; the box holds all of the picture"
    x, _ = paper(L, m, 95, 1, rng)
    a, (h, w) = np.deg2rad(rng.uniform(.5, 2)*rng.choice([-1, 1])), x.shape[2:]
    turn = torch.tensor([[np.cos(a), np.sin(a)*h/w, 0], [-np.sin(a)*w/h, np.cos(a), 0]]).float()[None]
    return 95 + F.grid_sample(x - 95, F.affine_grid(turn, x.shape, align_corners=False), align_corners=False), turn
def film(L, s, rng):
    m = [round(s*.12), round(s*.03)]*2
    x, box = paper(L, m, 4, .5, rng)
    for y in range(int(rng.integers(s//10)), x.shape[2], s//10):
        for at in (m[0]//4, x.shape[3] - m[0] + m[0]//4): x[..., y:y+s//18, at:at+m[0]//2] = 92
    return x, box
def deckle(L, s, rng):
    x, box = paper(L, margins(s, .03, .05, rng), 93, 1, rng)
    h, w = x.shape[2:]
    edge = [np.convolve(rng.standard_normal(n + 8), np.ones(9)/9, 'valid')*s/60 + s/90 for n in (h, h, w, w)]
    yy, xx = np.mgrid[:h,:w]
    off = (xx < edge[0][:,None]) | (w - xx < edge[1][:,None]) | (yy < edge[2]) | (h - yy < edge[3])
    m = margins(s, .04, .08, rng)
    x, outer = paper(x.masked_fill(torch.from_numpy(off), 8), m, 8, .5, rng)
    return x, tuple(o + outer[i%2] for i, o in enumerate(box))
def on_bed(L, s, rng):
    x, box = paper(L, margins(s, .03, .08, rng), 95, 1, rng)
    x, outer = paper(x, margins(s, .04, .1, rng), 5, 1, rng)
    return x, tuple(o + outer[i%2] for i, o in enumerate(box))
def short(L): return min(L.shape[2:])
FRAMES = {
    'white border': lambda L, rng: paper(L, margins(short(L), .03, .12, rng), 97, .5, rng),
    'narrow white border': lambda L, rng: paper(L, margins(short(L), .015, .03, rng), 97, .5, rng),
    'black border': lambda L, rng: paper(L, margins(short(L), .03, .12, rng), 2, .5, rng),
    'grey mount': lambda L, rng: paper(L, margins(short(L), .1, .3, rng), 60, 1, rng),
    'rough paper': lambda L, rng: paper(L, margins(short(L), .03, .12, rng), 85, 4, rng),
    'deckle edge on black': lambda L, rng: deckle(L, short(L), rng),
    'white border on black': lambda L, rng: on_bed(L, short(L), rng),
    'bars above and below': lambda L, rng: paper(L, [0, round(short(L)*.12)]*2, 2, .5, rng),
    'film with holes': lambda L, rng: film(L, short(L), rng)}

def frames(photos, colorizers, seed):
    rows, bare, none = [], [], []
    for kind, fn in {**FRAMES, 'scanned askew': None}.items():
        rng, errors, hits = np.random.default_rng(seed), {'none': [], 'auto': []}, 0
        for _, lab in photos:
            L, true = lab[:,:1], lab[:,1:]
            if fn: x, (l, t, r, b) = fn(L, rng)
            else:
                m = margins(short(L), .05, .1, rng)
                x, turn = askew(L, m, rng)
                l, t, r, b = 0, 0, x.shape[3], x.shape[2]
                true = F.pad(true, (m[0], m[2], m[1], m[3]), value=float('nan'))
                true = F.grid_sample(true, F.affine_grid(turn, true.shape, align_corners=False), align_corners=False)
            for way, c in colorizers.items():
                job = c.prepare(grey(x))
                ab = c.chroma(job, c.predict(job.copy))(0, x.shape[2], x)[..., t:b, l:r]
                off = (ab - true)[..., 2:-2, 2:-2].square()
                errors[way].append(off[~off.isnan()].mean().item())
                if way == 'auto': hits += job.frame is not None
        rows.append(dict(kind=kind, whole=rms(errors['none']), inside=rms(errors['auto']), found=hits/len(photos)))
        print(rows[-1], flush=True)
    c = colorizers['none']
    for _, lab in photos:
        job = c.prepare(grey(lab[:,:1]))
        bare.append((c.chroma(job, c.predict(job.copy))(0, lab.shape[2], lab[:,:1]) - lab[:,1:]).square().mean().item())
        none.append(lab[:,1:].square().mean().item())
    return dict(frames=rows, bare=rms(bare), grey=rms(none))

def alarms(sources, eye, listing):
    rows = []
    for i, source in enumerate(sources):
        n, names = 0, []
        for name, lab in photos_of(source):
            n += 1
            if find_frame(copy_of(lab[:,:1])) is not None: names.append(name)
        rows.append(dict(data=source.name, photos=n, framed=len(names), frames=eye[i] if i < len(eye) else 0))
        if listing: listing.open('a').write('\n'.join(names) + '\n')
        print(rows[-1], flush=True)
    return rows

# Tones
def exposed(lab, share, seed):
    "So much of the light, with the noise of a sensor, in 8 bits"
    linear = ((lab[:,:1] + 16)/116).clamp(min=.138)**3*share
    linear = linear + .002*torch.randn(linear.shape, generator=torch.Generator().manual_seed(seed))
    srgb = torch.where(linear > .0031308, 1.055*linear.clamp(min=.0031308)**(1/2.4) - .055, 12.92*linear).clamp(0, 1)
    return rgb2lab((srgb*255).round().div(255).expand(-1, 3, -1, -1))[:,:1]
DAMAGE = {
    'undamaged': lambda lab, i: lab[:,:1],
    'faded by a quarter': lambda lab, i: faded(lab[:,:1], .25),
    'faded by three quarters': lambda lab, i: grainy(faded(lab[:,:1], .75), .5, i),
    'bleached to half of the contrast': lambda lab, i: grainy(50 + lab[:,:1]/2, .5, i),
    'bleached to a quarter of it': lambda lab, i: grainy(75 + lab[:,:1]/4, .5, i),
    '12 % of the light': lambda lab, i: exposed(lab, .12, i),
    '6 % of the light': lambda lab, i: exposed(lab, .06, i),
    'old prints (chapter 1a)': lambda lab, i: aged(lab2rgb(lab), i)}

def error(model, shown, true):
    "Mean square of a and b"
    ab = paint(model, shown, look_around(model, shown))
    return (F.interpolate(ab, true.shape[2:], mode='bilinear') - true).square().mean().item()

def tones(photos, model):
    rows = []
    for kind, fn in DAMAGE.items():
        plain, always, chosen, n = [], [], [], 0
        for i, (_, lab) in enumerate(photos):
            copy = copy_of(fn(lab, i))
            low, high = (copy.flatten().kthvalue(k).values for k in (copy.numel()//1000 + 1, copy.numel() - copy.numel()//1000))
            full, lines = (.2 + (copy - low)*.6/(high - low)).clamp(0, 1), tone_lines(copy)
            a, b = error(model, copy, lab[:,1:]), error(model, full, lab[:,1:])
            plain.append(a); always.append(b); chosen.append(a if lines is None else error(model, along(copy, lines), lab[:,1:]))
            n += lines is not None
        change = np.sqrt(chosen) - np.sqrt(plain)
        rows.append(dict(kind=kind, plain=rms(plain), always=rms(always), chosen=rms(chosen), change=round(change.mean(), 3),
                         error=round(change.std()/len(change)**.5, 3), share=n/len(photos)))
        print(rows[-1], flush=True)
    return dict(span=SPAN, photos=len(photos), rows=rows)

# What can be told
def rest(lab): return beyond_tone(lab, tone_of(lab)).square().sum(0).mean().sqrt().item()
def small(lab): return F.interpolate(lab, (32, 32), mode='area')[0]
def toned(lab, i):
    "A print between two tones, by turns sepia, selenium and cyanotype, yellowed at one corner, as JPEG; Lab (1,3,H,W)"
    g = lab2rgb(torch.cat([lab[:,:1], 0*lab[:,1:]], 1))[0,:1]
    dark, light = torch.tensor([[[.1,.05,.02],[.98,.93,.8]], [[.15,.1,.12],[.9,.82,.7]], [[.05,.08,.2],[.92,.95,.97]]][i%3])[...,None,None]
    x = dark + (light - dark)*g
    y = torch.linspace(0, 1, g.shape[1])[:,None]*torch.linspace(0, 1, g.shape[2])
    x = (x*(1 - .05*y*torch.tensor([.2, .5, 1.])[:,None,None]*(i%2))).clamp(0, 1)
    out = io.BytesIO()
    Image.fromarray((x*255).byte().permute(1,2,0).numpy()).save(out, 'JPEG', quality=85)
    return rgb2lab(photo2tensor(Image.open(out)))[None]

def colours(photos):
    of_photos, of_prints = (sorted(rest(small(o)) for o in x) for x in ([p for _, p in photos], [toned(p, i) for i, (_, p) in enumerate(photos)]))
    return dict(photos=len(photos), least=round(of_photos[0], 2), toned=len(photos), most=round(of_prints[-1], 2))

def negatives(photos):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    def six(c):
        c = c[0,0].numpy(); z = (c - c.mean())/c.std(); h = len(c)//3
        edges = c[1:-1,1:-1]*4 - c[2:,1:-1] - c[:-2,1:-1] - c[1:-1,2:] - c[1:-1,:-2]
        return [(z**3).mean(), c.mean(), *np.quantile(c, [.01, .99]), np.clip((edges**3).mean()/edges.std()**3, -20, 20), c[:h].mean() - c[-h:].mean()]
    copies = [copy_of(lab[:,:1]) for _, lab in photos]
    x = np.array([six(o) for o in copies] + [six(1 - o) for o in copies])
    y = np.repeat([0, 1], len(copies))
    p = cross_val_predict(make_pipeline(StandardScaler(), LogisticRegression()), x, y, cv=4, method='predict_proba')[:,1]
    return dict(photos=len(copies), right=round(float(((p > .5) == y).mean()), 3), found=round(float((p[y == 1] > np.quantile(p[y == 0], .99)).mean()), 3))

def doubt(photos, model, factors=(.7, .85, 1, 1.2)):
    rows = []
    for _, lab in photos:
        copy = copy_of(lab[:,:1])
        side = (model.config.global_size,)*2
        around, hidden = model.encode_global(F.interpolate(copy, side, mode='bilinear', antialias=True))
        p = model.classifier(hidden).softmax(1)
        ab, true = paint(model, copy, around), F.interpolate(lab[:,1:], copy.shape[2:], mode='bilinear', antialias=True)
        rows.append([-(p*p.clamp(min=1e-9).log()).sum().item(), *((ab*k - true).square().mean().item() for k in factors)])
    rows = np.array(rows)
    quarters = np.array_split(rows[rows[:,0].argsort()], 4)
    return dict(photos=len(rows), factors=factors, correlation=round(float(np.corrcoef(rows[:,0], np.sqrt(rows[:,1+factors.index(1)]))[0,1]), 2),
                rows=[{'from': round(q[0,0], 2), 'to': round(q[-1,0], 2), 'error': [rms(q[:,i+1]) for i in range(len(factors))]} for q in quarters])

def halo(photos, model):
    "How blue a smooth sky is near a strong edge, as a share of what it is far from it, by distance in pixels of the copy"
    from scipy.ndimage import distance_transform_edt
    near = {o: {k: [] for k in (2, 3, 4, 6, 8, 10, 12)} for o in ('truth', 'truth at half the size', 'network', 'network, twice the working size')}
    for _, lab in photos:
        copy = copy_of(lab[:,:1])
        true, around = F.interpolate(lab[:,1:], copy.shape[2:], mode='bilinear', antialias=True), look_around(model, copy)
        span = (F.max_pool2d(copy, 3, 1, 1) + F.max_pool2d(-copy, 3, 1, 1))[0,0]
        sky, away = (true[0,1] < -12) & (copy[0,0] > .4) & (span < .06), torch.from_numpy(distance_transform_edt(span.numpy() < .25))
        if sky.float().mean() < .1 or not (sky & (away < 4)).any(): continue
        half, double = (tuple(round(o*k) for o in copy.shape[2:]) for k in (.5, 2))
        large = F.interpolate(copy, double, mode='bicubic').clamp(0, 1)
        ways = dict(zip(near, (true, F.interpolate(F.interpolate(true, half, mode='area'), copy.shape[2:], mode='bilinear'), paint(model, copy, around),
                               F.interpolate(paint(model, large, around), copy.shape[2:], mode='area'))))
        for name, ab in ways.items():
            b, far = ab[0,1], sky & (away > 14)
            if far.sum() < 20 or b[far].median() > -4: continue
            for k in near[name]:
                here = sky & (away >= k) & (away < k+1)
                if here.sum() > 3: near[name][k].append((b[here].median()/b[far].median()).item())
    return dict(photos=len(near['network'][6]), rows=[dict(kind=n, share={k: round(float(np.mean(v)), 2) for k, v in o.items()}) for n, o in near.items()])

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('photos', type=Path)
    p.add_argument('--more', type=Path, nargs='*', default=[])
    p.add_argument('--n', type=int, default=100)
    p.add_argument('--framed', type=int, nargs='*', default=[])
    p.add_argument('--model', default='small')
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--list', type=Path)
    p.add_argument('--only', help='one of the steps; the others stay as the file has them')
    p.add_argument('--json', type=Path)
    a = p.parse_args()
    ways = {o: Colorizer.from_pretrained(a.model, frame=o) for o in ('none', 'auto')}
    photos = [o for o in photos_of(a.photos, a.n, a.seed) if find_frame(copy_of(o[1][:,:1])) is None]
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    typed = ' '.join(['python benchmarks/seen.py', a.photos.name, *(['--more', *(o.name for o in a.more)] if a.more else []), f'--n {a.n} --model {a.model}'])
    found = dict(command=typed, data=a.photos.name, photos=len(photos), model=a.model, seed=a.seed, commit=commit, torch=torch.__version__)
    steps = dict(alarms=lambda: dict(alarms=alarms([a.photos, *a.more], a.framed, a.list)), tones=lambda: dict(tones=dict(data=a.photos.name, **tones(photos, ways['none'].model))),
                 frames=lambda: frames(photos, ways, a.seed), colours=lambda: dict(colours=colours(photos)), negatives=lambda: dict(negatives=negatives(photos)),
                 doubt=lambda: dict(doubt=doubt(photos, load_model(a.model))), halo=lambda: dict(halo=halo(photos, load_model(a.model))))
    if a.only: found |= json.loads(a.json.read_text())
    for name, step in steps.items():
        if a.only not in (None, name): continue
        print(name, flush=True)
        found |= step()
        if a.json: a.json.write_text(json.dumps(found, indent=1) + '\n')

if __name__ == '__main__':
    with torch.no_grad(): main()
