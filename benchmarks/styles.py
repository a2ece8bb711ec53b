"""Do class presets move a photo's colours towards those of their class? And what do global features know? (notebook 10)

python benchmarks/styles.py VALID [--models tiny small] [--n 40] [--json nbs/results/styles.json]
VALID: class folders or a .tar shard of colour photos that the models were not trained on."""
import argparse, json, platform, subprocess, tempfile
from datetime import date
from pathlib import Path

import torch
from sklearn.manifold import TSNE
from letthere_color.models import load_model
from letthere_color.core import denorm_ab, rgb2lab
from letthere_color.photos import cache_photos
from letthere_color.models import load_styles
from letthere_color.small_copy import look_around

STRENGTHS = [.5, 1, 1.5]

def mean_ab(model, mid, around):
    "Mean chroma `(n,2)` that the network paints over mid-level features `mid` with global features `around`"
    return denorm_ab(model.colorization(model.fusion(mid, around.expand(len(mid), -1)))).mean((2,3))

def views(model, photos):
    "Mid-level and global features, true and predicted mean chroma of all photos"
    parts = []
    for chunk in photos.photos.split(64):
        lab = rgb2lab(chunk.permute(0,3,1,2)/255)
        L = lab[:,:1]/100
        mid, own = model.mid_level(model.low_level(L)), look_around(model, L)
        parts.append((mid, own, lab[:,1:].mean((2,3)), mean_ab(model, mid, own)))
    return [torch.cat(o) for o in zip(*parts)]

def by_class(x, labels, n): return torch.stack([x[labels == i].mean(0) for i in range(n)])

def closer(before, after, goal): # (n,1,2), (n,presets,2), (presets,2) -> share of pairs, for all and for the worst preset
    nearer = ((after - goal).norm(dim=2) < (before - goal).norm(dim=2)).float()
    return dict(all=round(nearer.mean().item(), 3), worst_preset=round(nearer.mean(0).min().item(), 3),
                presets_above_half=round((nearer.mean(0) > .5).float().mean().item(), 3))

def right_way(after, goal):
    "Share of photos and pairs of presets for which the change from one preset to the other goes the way from one class to the other; by chance 0.5"
    i, j = torch.triu_indices(len(goal), len(goal), 1)
    return round((((after[:,i] - after[:,j])*(goal[i] - goal[j])).sum(2) > 0).float().mean().item(), 3)

def shift(model, name, photos, n, seed):
    mid, own, true, painted = views(model, photos)
    styles, labels = load_styles(name), photos.labels
    vectors = torch.stack([styles[c] for c in photos.classes])
    goals = dict(true_of_training_photos=styles.chroma[[styles.names.index(c) for c in photos.classes]],
                 true=by_class(true, labels, len(vectors)), predicted=by_class(painted, labels, len(vectors)))
    some = torch.randperm(len(photos), generator=torch.Generator().manual_seed(seed))[:n]
    mid, mine, before = mid[some], own[some], painted[some,None]
    after = {s: torch.stack([mean_ab(model, mid, mine.lerp(v[None], s).clamp(min=0)) for v in vectors], 1) for s in STRENGTHS}
    average = mean_ab(model, mid, vectors.mean(0, keepdim=True))[:,None].expand(-1, len(vectors), -1)
    rows = []
    for s, a in after.items():
        rows.append(dict(strength=s, closer={k: closer(before, a, g) for k,g in goals.items()}, pairs_right={k: right_way(a, g) for k,g in goals.items()}, moved=round((a - before).norm(dim=2).mean().item(), 2),
                         distance=round((a - goals['true']).norm(dim=2).mean().item(), 2)))
    one = after[1]
    other = one[:, torch.arange(len(vectors)).roll(len(vectors)//2)]  # the preset of a class half the alphabet away
    control = {f'{kind}_{k}': closer(before, x, goals[k])['all'] for kind,x in (('average', average), ('other', other)) for k in goals}
    examples = {c: goals['true'][i].round(decimals=1).tolist() + (one[:,i] - before[:,0]).mean(0).round(decimals=1).tolist() for i,c in enumerate(photos.classes)}
    return dict(photos=n, presets=len(vectors), distance_before=round((before - goals['true']).norm(dim=2).mean().item(), 2), 
                strengths=rows, control=control, 
                classes=examples), own, true

def neighbours(own, labels):
    "Share of photos whose nearest neighbour (cosine) is of the same class"
    x = torch.nn.functional.normalize(own, dim=1)
    near = (x @ x.T).fill_diagonal_(-1).argmax(1)
    return round((labels[near] == labels).float().mean().item(), 3)

def plane(own, seed):
    "Global features laid out in two dimensions by t-SNE, in [0,1]"
    xy = TSNE(metric='cosine', init='pca', perplexity=40, random_state=seed).fit_transform(own.numpy())
    return ((xy - xy.min(0))/(xy.max(0) - xy.min(0))).round(3).tolist()

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('photos', type=Path)
p.add_argument('--models', nargs='+', default=['tiny', 'small'])
p.add_argument('--n', type=int, default=40, help='photos that are coloured with every preset')
p.add_argument('--seed', type=int, default=0)
p.add_argument('--json', type=Path)
a = p.parse_args()
found = dict(command=f'python benchmarks/styles.py {a.photos.name} --n {a.n} --models {" ".join(a.models)}', data=a.photos.name, seed=a.seed, date=str(date.today()),
             torch=torch.__version__, machine=f'{platform.system()} {platform.machine()}',
             commit=subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip(), models={})
with tempfile.TemporaryDirectory() as tmp, torch.no_grad():
    photos = cache_photos(a.photos, tmp, 128)
    for name in a.models:
        model = load_model(name)
        found['models'][name], own, true = shift(model, name, photos, a.n, a.seed)
        found['models'][name]['same_class_neighbour'] = neighbours(own, photos.labels)
        if a.json: a.json.write_text(json.dumps(found) + '\n')
        print(name, json.dumps({k:v for k,v in found['models'][name].items() if k != 'classes'}, indent=1), flush=True)
found['map'] = dict(model=a.models[-1], classes=photos.classes, xy=plane(own, a.seed), labels=photos.labels.tolist(), chroma=true.round(decimals=1).tolist())
if a.json: a.json.write_text(json.dumps(found) + '\n')
