"""Photos that may be shown, for pictures in the notebooks: files, and views out of panoramas.

A folder of panoramas is `hdri` of the npm package @pmndrs/assets: those of Poly Haven in OpenEXR, each wrapped in a .js file (`pip install OpenEXR`
reads them). A camera stands in the middle of each and looks in one direction or more."""
import base64, re, tempfile
from pathlib import Path

import numpy as np, torch
from PIL import Image
from letthere_color.core import open_photo, photo2tensor, rgb2lab

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

def free_photos(files, panoramas, directions=(0, 120, 240), size=384):
    "Pairs of a name and a photo, RGB, of `size` pixels at most"
    for file in files:
        photo = open_photo(file).convert('RGB')
        photo.thumbnail((size, size))
        yield file.stem, photo
    for file in sorted(panoramas.glob('*.exr.js')) if panoramas else []:
        x = panorama(file)
        for degrees in directions: yield f'{file.name.split(".")[0]}-{degrees}', view(x, degrees)

def lab(photo): return rgb2lab(photo2tensor(photo, torch.float32))[None]

def side_by_side(pictures, width=200):
    "Pictures of one shape in a row"
    h = round(width*pictures[0].height/pictures[0].width)
    strip = Image.new('RGB', (width*len(pictures), h))
    for i, o in enumerate(pictures): strip.paste(o.resize((width, h), Image.Resampling.LANCZOS), (width*i, 0))
    return strip
