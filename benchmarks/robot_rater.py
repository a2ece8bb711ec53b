"""How often do coloured photos fool a robot rater? (notebook 09; a stand-in, no user study)

python benchmarks/robot_rater.py TRAIN TEST [--models tiny small] [--json nbs/results/robot_rater.json]
TRAIN, TEST: folders or .tar shards of colour photos; those of TEST must be unknown to the models and to the robot."""
import argparse, hashlib, json, os, platform, subprocess, time
from pathlib import Path

import numpy as np, torch
from torch import nn
from letthere_color import __version__
from letthere_color.models import load_model
from letthere_color.core import fit_gamut, lab2rgb, rgb2lab
from letthere_color.photos import cache_photos
from letthere_color.study_report import PAPER, wilson
from letthere_color.robot import recolour, train_robot

def some(source, folder, size, n, seed):
    "`n` photos drawn from a source, uint8 `(n,3,size,size)`"
    cache = cache_photos(source, folder/f'{Path(source).name}-{size}', size)
    which = np.random.default_rng(seed).permutation(len(cache))[:n or None]
    return cache.photos[torch.from_numpy(np.sort(which))].permute(0,3,1,2).contiguous()

def coloured(name, photos, folder):
    "What a model makes of photos, from `folder` if these weights have met these photos before"
    model = load_model(name)
    key = hashlib.sha256(photos.numpy().tobytes())
    for o in model.state_dict().values(): key.update(o.numpy().tobytes())
    path = folder/f'{Path(name).name}-{key.hexdigest()[:12]}.npy'
    if path.exists(): return torch.from_numpy(np.load(path))
    done = recolour(model, photos)
    with open(path.with_suffix('.part'), 'wb') as f: np.save(f, done.numpy())
    os.replace(path.with_suffix('.part'), path)
    return done

def saturated(photos, by):
    lab = rgb2lab(photos)
    lab[:,1:] *= by
    return lab2rgb(fit_gamut(lab), torch.uint8)

class Statistics(nn.Module):
    "A rater that sees twelve statistics of a and b, and no picture"
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(12, affine=False), nn.Linear(12, 1)
    def features(self, rgb):
        ab = rgb2lab(rgb)[:,1:]
        chroma = ab.norm(dim=1).flatten(1)
        grain = torch.stack([(ab[...,1:] - ab[...,:-1]).abs().mean((2,3)), (ab[...,1:,:] - ab[...,:-1,:]).abs().mean((2,3))], 2).flatten(1)
        return torch.cat([ab.mean((2,3)), ab.std((2,3)), grain, chroma.quantile(torch.tensor([.1, .5, .9]), dim=1).T, chroma.std(1)[:,None]], 1)
    def forward(self, x): return self.linear(self.norm(x))[:,0]
    @torch.no_grad()
    def score(self, photos): 
        self.eval()
        return torch.cat([self(self.features(o)) for o in photos.split(128)])

def train_statistics(real, methods, seed):
    "Logistic regression on the statistics: real photos against the methods, of equal weight"
    torch.manual_seed(seed)
    rater = Statistics()
    sets = [torch.cat([rater.features(o) for o in x.split(128)]) for x in (real, *methods)]
    x, y = torch.cat(sets), torch.tensor([i == 0 for i, s in enumerate(sets) for _ in s]).float()
    rater.norm.momentum = None  # statistics of everything it sees
    rater.norm(x); rater.norm.eval()
    opt = torch.optim.LBFGS(rater.linear.parameters(), max_iter=300, line_search_fn='strong_wolfe')
    loss = nn.BCEWithLogitsLoss(weight=torch.where(y > 0, float(len(methods)), 1.))
    def step():
        opt.zero_grad(); o = loss(rater(x), y) + 1e-4*rater.linear.weight.square().sum(); o.backward(); return o
    opt.step(step)
    return rater

def auc(real, fake):
    "Share of pairs in which the real photo gets the higher score"
    order = torch.cat([real, fake]).argsort().argsort().double() + 1
    return ((order[:len(real)].sum() - len(real)*(len(real) + 1)/2)/(len(real)*len(fake))).item()

def rate(score, border): 
    k, n = int((score > border).sum()), len(score)
    return dict(natural=k, n=n, share=k/n, interval=wilson(k, n))

def judged(rater, pictures, lenient_on):
    "Fooling rates at both borders, held-out accuracy against real photos, and area under the ROC curve, for every method"
    score = {m: rater.score(o) for m, o in pictures.items()}
    lenient = rater.score(lenient_on).quantile(1 - PAPER['real']).item()
    found = {m: dict(fooling=rate(s, 0), as_lenient_as_people=rate(s, lenient)) for m, s in score.items()}
    for m in found.keys() - {'real'}:
        found[m] |= dict(accuracy=(found['real']['fooling']['share'] + 1 - found[m]['fooling']['share'])/2, auc=auc(score['real'], score[m]))
    return found

def rounded(o):
    if isinstance(o, dict): return {k: rounded(v) for k, v in o.items()}
    if isinstance(o, (list, tuple)): return [rounded(v) for v in o]
    return round(o, 4) if isinstance(o, float) else o

def processor():
    "Its name, as Linux tells it"
    info = Path('/proc/cpuinfo').read_text() if Path('/proc/cpuinfo').exists() else ''
    return next((o.split(':')[1].strip() for o in info.splitlines() if o.startswith('model name')), platform.machine())

def show(name, found):
    print(f'\n{name:<24}{"fooling rate":>14}{"95 %":>18}{"as lenient as people":>24}{"AUC":>8}')
    for m, o in found.items():
        f, lenient = o['fooling'], o['as_lenient_as_people']['share']
        lo, hi = f['interval']
        print(f'{m:<24}{f["share"]:>14.1%}{lo:>11.1%} -{hi:>5.1%}{lenient:>24.1%}{o.get("auc", .5):>8.3f}')

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('train', type=Path)
p.add_argument('test', type=Path)
p.add_argument('--models', nargs='+', default=['tiny', 'small'], help='shipped models or folders')
p.add_argument('--unseen', nargs='*', default=[], help='of these, the ones that the robot is not trained on')
p.add_argument('--n', type=int, default=1000, help='photos to train on; a fifth as many more set the leniency')
p.add_argument('--n-test', type=int, default=1000, help='photos to judge; 0: all')
p.add_argument('--size', type=int, default=128, help='side of the photos')
p.add_argument('--crop', type=int, default=112, help='side of what the robot sees')
p.add_argument('--epochs', type=int, default=8)
p.add_argument('--seed', type=int, default=0)
p.add_argument('--cache', type=Path, default=Path('runs/robot_rater'), help='folder for photos and their coloured versions')
p.add_argument('--json', type=Path)
a = p.parse_args()
models, unseen, spare = {Path(m).name: m for m in a.models}, {Path(m).name for m in a.unseen}, a.n//5
if len(models) < len(a.models) or not models.keys() - unseen: p.error('models need different names, and the robot at least one to train on')
begun = time.monotonic()
a.cache.mkdir(parents=True, exist_ok=True)
train, test = some(a.train, a.cache, a.size, a.n + spare, a.seed), some(a.test, a.cache, a.size, a.n_test, a.seed)
if len(train) < a.n + spare: p.error(f'{a.train} has {len(train)} photos, not {a.n + spare}')
learned, pictures = [{name: coloured(m, photos, a.cache) for name, m in models.items()} for photos in (train, test)]
pictures = dict(real=test, **pictures, **{f'{m}, saturation 1.4': saturated(o, 1.4) for m, o in pictures.items()}, grey=saturated(test, 0.))
# most of the drawn photos to train on, the others for the leniency
parts, edge = torch.from_numpy(np.random.default_rng([a.seed, 1]).permutation(len(train))), (a.size - a.crop)//2
def middle(photos): return photos[..., edge:edge+a.crop, edge:edge+a.crop]
learn, against = parts[:a.n], [o[parts[:a.n]] for m, o in learned.items() if m not in unseen]
raters = dict(network=train_robot(train[learn], against, a.epochs, a.crop, seed=a.seed), statistics=train_statistics(train[learn], against, a.seed))
pictures, lenient = {m: middle(o) for m, o in pictures.items()}, middle(train[parts[a.n:]])
results = {name: judged(r, pictures, lenient) for name, r in raters.items()}
for name, found in results.items(): show(name, found)

if a.json:
    command = f'python benchmarks/robot_rater.py {a.train.name} {a.test.name} --models {" ".join(models)}'
    for o in ('unseen', 'n', 'n_test', 'size', 'crop', 'epochs', 'seed'):
        value = getattr(a, o)
        if value != p.get_default(o): command += f' --{o.replace("_", "-")} {" ".join(sorted(unseen)) if o == "unseen" else value}'
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    what = dict(command=command, note='A robot rater: a stand-in, no user study.', train=a.train.name, test=a.test.name, photos_train=a.n,
                photos_leniency=spare, photos_test=len(test), size=a.size, crop=a.crop, epochs=a.epochs, seed=a.seed, unseen=sorted(unseen),
                minutes=(time.monotonic() - begun)/60, hardware=processor(), threads=torch.get_num_threads(), torch=torch.__version__,
                version=__version__, commit=commit, date=time.strftime('%Y-%m-%d'), results=results)
    a.json.write_text(json.dumps(rounded(what), indent=1) + '\n')
