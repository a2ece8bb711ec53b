"""Free photos that turn on global features: those on which two networks, with and without them, differ most. Pictures for notebook 08b.

python benchmarks/global_pictures.py WITH WITHOUT --photos FILE ... --panoramas FOLDER [-o nbs/images/global] [--most 6] [--json nbs/results/global_pictures.json]

Every photo is coloured by both, as `letthere colorize` does it; those where the distance to the truth (mean CIEDE2000) changes most become pictures,
whichever of the two is nearer, one view of a panorama at most: truth, with and without, side by side. FOLDER is `hdri` of the npm package @pmndrs/assets: panoramas of Poly Haven in OpenEXR, each
wrapped in a .js file (`pip install OpenEXR` reads them). A camera stands in the middle of each and looks in three directions."""
import argparse, base64, json, re, sys, tempfile
from pathlib import Path

import numpy as np, torch
from PIL import Image
from letthere_color.core import open_photo, photo2tensor, rgb2lab
from letthere_color.evaluation import ciede2000
from letthere_color.inference import Colorizer
from letthere_color.judging import measured_with
from letthere_color.models import load_model

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('models', type=Path, nargs=2, help='folders of the network with global features and of that without')
p.add_argument('--photos', type=Path, nargs='*', default=[])
p.add_argument('--panoramas', type=Path)
p.add_argument('-o', '--output', type=Path, default=Path('nbs/images/global'))
p.add_argument('--most', type=int, default=6, help='how many become pictures')
p.add_argument('--size', type=int, default=384, help='longest side of what is coloured, in pixels')
p.add_argument('--json', type=Path, default=Path('nbs/results/global_pictures.json'))
a = p.parse_args()

def panorama(path):
    "Linear RGB (H,W,3) of the OpenEXR file within a .js file"
    import OpenEXR
    with tempfile.TemporaryDirectory() as t:
        file = Path(t)/'o.exr'
        file.write_bytes(base64.b64decode(re.search(r'base64,([A-Za-z0-9+/=]+)', path.read_text())[1]))
        with OpenEXR.File(str(file)) as f: x = f.channels()['RGB'].pixels[..., :3].astype(np.float32)
    return np.clip(np.nan_to_num(x, nan=0, posinf=1e4, neginf=0), 0, 1e4)

def view(x, degrees, w=240, h=160, wide=75):
    "What a camera sees that looks to one side; the brightest twentieth is white"
    (H, W, _), f = x.shape, np.tan(np.radians(wide)/2)
    X, Y = np.meshgrid(f*np.linspace(-1, 1, w), f*h/w*np.linspace(-1, 1, h))
    u = (np.arctan(X) + np.radians(degrees))/(2*np.pi) % 1*W - .5
    v = (.5 + np.arctan2(Y, np.sqrt(1 + X*X))/np.pi)*H - .5
    u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = (u - u0)[..., None], (v - v0)[..., None]
    def at(v, u): return x[np.clip(v, 0, H - 1), u % W]
    x = (at(v0, u0)*(1 - fu) + at(v0, u0 + 1)*fu)*(1 - fv) + (at(v0 + 1, u0)*(1 - fu) + at(v0 + 1, u0 + 1)*fu)*fv
    x = np.clip(x/np.quantile(x.max(-1), .95), 0, 1)
    return Image.fromarray((255*np.where(x <= .0031308, 12.92*x, 1.055*x**(1/2.4) - .055)).round().astype(np.uint8))

def photos():
    for file in a.photos:
        photo = open_photo(file).convert('RGB')
        photo.thumbnail((a.size, a.size))
        yield file.stem, photo
    for file in sorted(a.panoramas.glob('*.exr.js')) if a.panoramas else []:
        x = panorama(file)
        for degrees in (0, 120, 240): yield f'{file.name.split(".")[0]}-{degrees}', view(x, degrees)

def lab(photo): return rgb2lab(photo2tensor(photo, torch.float32))[None]

colorizers, found = [Colorizer(load_model(o)) for o in a.models], []
for name, photo in photos():
    painted = [o(photo) for o in colorizers]
    one, other = map(lab, painted)
    errors = dict(difference=(one, other), error_with=(one, lab(photo)), error_without=(other, lab(photo)))
    found.append((dict(name=name, **{k: round(ciede2000(*o).mean().item(), 3) for k, o in errors.items()}), [photo, *painted]))
    print(found[-1][0], flush=True)
found.sort(key=lambda o: -abs(o[0]['error_without'] - o[0]['error_with']))
most = {o[0]['name'].split('-')[0] if o[0]['name'][-1].isdigit() else o[0]['name']: o for o in reversed(found)} # one of each panorama
most = sorted(most.values(), key=found.index)[:a.most]
a.output.mkdir(parents=True, exist_ok=True)
for old in a.output.glob('*.jpg'): old.unlink()
for row, pictures in most:
    pictures = [o.resize((200, round(200*o.height/o.width)), Image.Resampling.LANCZOS) for o in pictures]
    strip = Image.new('RGB', (600, pictures[0].height))
    for i, o in enumerate(pictures): strip.paste(o, (200*i, 0))
    strip.save(a.output/f'{row["name"]}.jpg', quality=85)
command = ' '.join(['python benchmarks/global_pictures.py', *(Path(o).name if Path(o).exists() or '/' in o else o for o in sys.argv[1:])])
a.json.write_text(json.dumps(dict(command=command, data=f'{len(found)} free photos', seed=0, **measured_with(), shown=[o['name'] for o, _ in most], photos=[o for o, _ in found]), indent=1) + '\n')
