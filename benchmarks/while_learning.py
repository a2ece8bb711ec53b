"""A network while it learns: four free photos in its colours, at moments of one pass over the photos of a shard. The film of notebook 06.

python benchmarks/while_learning.py SHARDS --valid SHARD --shown FILE FILE FILE FILE [-o nbs/images/learning.jpg] [--json nbs/results/while_learning.json]

The recipe is `tiny` but for one epoch, smaller batches, a learning rate to match (times the root of their share), and no average of weights, which is
for longer runs. Every moment is judged on validation photos, too. The frames go into one picture, --columns in a row, from the left and from the top;
the last one is the truth."""
import argparse, json, sys, tempfile
from dataclasses import asdict, replace
from pathlib import Path

import torch
from fastai.learner import Callback
from PIL import Image, ImageOps
from letthere_color.colorization import predict_ab
from letthere_color.core import lab2rgb_fitted, open_photo, photo2tensor, rgb2lab, tensor2photo
from letthere_color.judging import measured_with
from letthere_color.photos import cache_photos
from letthere_color.training import colorizer_learner, RECIPES

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('photos', type=Path, nargs='+', help='folders or shards to learn from')
p.add_argument('--valid', type=Path, nargs='+', required=True, help='photos to judge by')
p.add_argument('--shown', type=Path, nargs=4, required=True, help='photos that may be shown')
p.add_argument('--most', type=int, default=12288, help='how many photos to learn from')
p.add_argument('--judged', type=int, default=200, help='how many photos to judge by')
p.add_argument('--moments', type=int, nargs='+', default=[0, 32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144],
               help='photos seen; the end is one more')
p.add_argument('--columns', type=int, default=4)
p.add_argument('--width', type=int, default=200, help='of a photo, in pixels')
p.add_argument('--bs', type=int, default=16)
p.add_argument('--seed', type=int, default=0)
p.add_argument('--cache', type=Path, help='folder of the decoded photos; default: one that is deleted')
p.add_argument('-o', '--output', type=Path, default=Path('nbs/images/learning.jpg'))
p.add_argument('--limit', type=int, default=150_000, help='bytes of the picture')
p.add_argument('--json', type=Path, default=Path('nbs/results/while_learning.json'))
a = p.parse_args()

size = a.width, a.width*2//3
shown = [rgb2lab(photo2tensor(ImageOps.fit(open_photo(p).convert('RGB'), size, Image.Resampling.LANCZOS)))[None] for p in a.shown]

def frame(*photos):
    "Four photos, two by two: Lab `(1,3,H,W)` to RGB `(3,2*H,2*W)`"
    a, b, c, d = (lab2rgb_fitted(o)[0] for o in photos)
    return torch.cat([torch.cat([a, b], 2), torch.cat([c, d], 2)], 1)

def some(cache, n):
    "`n` photos of a cache, drawn by the seed"
    which = torch.randperm(len(cache), generator=torch.Generator().manual_seed(a.seed))[:n].sort().values
    return replace(cache, photos=cache.photos[which], labels=cache.labels[which])

class Film(Callback):
    "At each moment: a frame, and what another learner finds on the validation photos"
    order = 70  # after all that changes the model
    def __init__(self, judge, moments): self.judge, self.moments, self.frames, self.found = judge, moments, [], []
    def before_fit(self): self.look(0)
    def after_batch(self):
        if self.training: self.look(self.train_iter*self.dls.train.bs)
    def look(self, seen):
        if seen not in self.moments: return
        with self.judge.no_bar(), self.judge.no_logging(): loss, *values = self.judge.validate()
        self.model.eval()
        self.frames.append(frame(*(torch.cat([o[:,:1], predict_ab(self.model, o[:,:1]/100)], 1) for o in shown)))
        self.model.train()
        names = [o.func.__name__ for o in self.judge.metrics]
        self.found.append(dict(photos_seen=seen, loss=round(loss, 6), **{k: round(v, 4) for k, v in zip(names, values)}))
        print(self.found[-1], flush=True)

r = RECIPES['tiny']
r = replace(r, epochs=1, bs=a.bs, lr=r.lr*(a.bs/r.bs)**.5, ema=0., seed=a.seed)
with tempfile.TemporaryDirectory() as t:
    known = cache_photos(a.photos, (a.cache or Path(t))/'train', r.cache_size)
    valid = cache_photos(a.valid, (a.cache or Path(t))/'valid', r.cache_size, known.classes)
    left_out, known, valid = len(known.skipped), some(known, a.most), some(valid, a.judged)
    learn, judge = (colorizer_learner(known, valid, r, 'cpu') for _ in range(2))
    judge.model, end = learn.model, len(learn.dls.train)*a.bs
    film = Film(judge, [o for o in a.moments if o < end] + [end])
    with learn.no_bar(), learn.no_logging(): learn.fit(1, cbs=film)

frames = [*film.frames, frame(*shown)]
frames += [torch.zeros_like(frames[0])]*(-len(frames)%a.columns)
rows = [frames[i:i + a.columns] for i in range(0, len(frames), a.columns)]
sheet = tensor2photo(torch.cat([torch.cat(o, 2) for o in rows], 1))
a.output.parent.mkdir(parents=True, exist_ok=True)
for quality in range(85, 20, -5):
    sheet.save(a.output, quality=quality, optimize=True)
    if a.output.stat().st_size <= a.limit: break
command = ' '.join(['python benchmarks/while_learning.py', *(Path(o).name if Path(o).exists() or '/' in o else o for o in sys.argv[1:])])
data = dict(train=dict(files=[o.name for o in a.photos], photos=len(known), left_out=left_out, classes=len(known.classes)),
            valid=dict(files=[o.name for o in a.valid], photos=len(valid)))
result = dict(command=command, data=data, recipe=asdict(r), seed=a.seed, **measured_with(), picture=dict(shown=[o.stem for o in a.shown], columns=a.columns, rows=len(rows)), moments=film.found)
a.json.parent.mkdir(parents=True, exist_ok=True)
a.json.write_text(json.dumps(result, indent=1) + '\n')
print(f'{a.output}: {sheet.width} x {sheet.height} pixels, {a.output.stat().st_size:,} bytes, quality {quality}')
