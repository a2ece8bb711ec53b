"""At which working size does a model colour best? (notebook 07)

python benchmarks/working_size.py PHOTOS [--model tiny] [--json nbs/results/working_size.json]
PHOTOS: a folder or .tar shard of colour photos that the model was not trained on."""
import argparse, json, subprocess
from pathlib import Path

import numpy as np, torch, torch.nn.functional as F
from letthere_color.models import load_model
from letthere_color.core import lab2rgb, open_photo, photo2tensor, rgb2lab
from letthere_color.photos import is_colourful, read_photos
from letthere_color.colorization import predict_ab
from letthere_color.metrics import psnr
from letthere_color.small_copy import working_size

SIZES = [80, 112, 144, 176, 224, 288, 352]

def predict_chroma(model, L, size):
    "As chapter 7 does it: colour at full size from a small copy, bilinear"
    copy = F.interpolate(L/100, working_size(*L.shape[-2:], size), mode='bilinear', antialias=True)
    return F.interpolate(predict_ab(model, copy), L.shape[-2:], mode='bilinear')

def measure(source, model, sizes):
    "Mean PSNR at each size, and of the grey photos"
    model, rows = load_model(model), []
    for _, _, data in read_photos(source):
        photo = open_photo(data).convert('RGB')
        if not is_colourful(photo): continue
        truth = photo2tensor(photo, torch.float32)[None]
        L = rgb2lab(truth)[:,:1]
        painted = [torch.cat([L, predict_chroma(model, L, s)], 1) for s in sizes] + [torch.cat([L, 0*L, 0*L], 1)]
        rows.append([psnr(lab2rgb(lab), truth).item() for lab in painted])
    return np.array(rows)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('photos', type=Path)
p.add_argument('--model', default='tiny')
p.add_argument('--sizes', type=int, nargs='+', default=SIZES)
p.add_argument('--json', type=Path)
a = p.parse_args()
rows = measure(a.photos, a.model, a.sizes)
*found, grey = rows.mean(0).round(3).tolist()
for s,o in zip(a.sizes, found): print(f'{s:>4} px: {o:.2f} dB')
print(f'grey:    {grey:.2f} dB, {len(rows)} photos')
commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
if a.json:
    a.json.write_text(json.dumps(dict(command=f'python benchmarks/working_size.py {a.photos.name} --model {a.model} --sizes {" ".join(map(str, a.sizes))}', data=a.photos.name,
                                      photos=len(rows), model=a.model, commit=commit, sizes=a.sizes, psnr=found, grey=grey), indent=1) + '\n')
