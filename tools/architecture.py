"""`python tools/architecture.py` draws nbs/images/architecture.svg: the network, each box linked to its chapter.

In a page its colours follow the theme; as an image (README) it stands on white."""
import base64, io
from pathlib import Path
import numpy as np
from letthere_color.core import sample_photos
from letthere_color.inference import Colorizer

STYLE = '''
.arch { --ink: #292524; --quiet: #57534e; --line: #78716c; --here: #0e7490; --whole: #c2410c; --both: #6d28d9; max-width: 480px; width: 100%; height: auto; }
html.quarto-dark .arch { --ink: #e4e0da; --quiet: #b5afa8; --line: #a8a29e; --here: #22d3ee; --whole: #fb923c; --both: #c4b5fd; }
.arch text { font: 11.5px system-ui, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; fill: var(--quiet); }
.arch .name { font-size: 14px; font-weight: 650; fill: var(--ink); }
.arch a { text-decoration: none; cursor: pointer; }
.arch a:hover .name, .arch a:focus .name { text-decoration: underline; }
.arch .box { fill: var(--c); fill-opacity: .1; stroke: var(--c); stroke-width: 1.5; }
.arch .cell { fill: var(--c); }
.arch .arrow { stroke: var(--line); stroke-width: 1.5; fill: none; marker-end: url(#arch-tip); }
.arch .train { stroke-dasharray: 4 3; }
.arch .tip { fill: var(--line); }
.arch .paper { fill: none; }
.arch:root .paper { fill: #fff; }
.here { --c: var(--here); } .whole { --c: var(--whole); } .both { --c: var(--both); } .plain { --c: var(--line); }'''

rng = np.random.default_rng(3)
SHADES = rng.uniform(.15, 1, (4,4))

def grid(x, y, bar=False):
    "4 x 4 cells, each with its own features; with the bar of the whole photo beside each"
    cells = [f'<rect class="cell" style="--c: var(--here)" x="{x+11*j:g}" y="{y+11*i:g}" width="{4.6 if bar else 10}" height="10" opacity="{SHADES[i,j]:.2f}"/>'
             + (f'<rect class="cell" style="--c: var(--whole)" x="{x+11*j+5.4:g}" y="{y+11*i:g}" width="4.6" height="10" opacity=".9"/>' if bar else '')
             for i in range(4) for j in range(4)]
    return ''.join(cells)

def box(kind, href, x, y, w, h, name, *lines, at=None, dashed=False):
    "A linked box: its name, and what it does"
    at = x + 12 if at is None else at
    texts = ''.join(f'<text x="{at}" y="{y+22+(i+1)*16}">{o}</text>' for i,o in enumerate(lines))
    return (f'<a class="{kind}" href="{href}"><rect class="box{" train" if dashed else ""}" x="{x}" y="{y}" width="{w}" height="{h}" rx="7"/>'
            f'<text class="name" x="{at}" y="{y+22}">{name}</text>{texts}</a>')

def arrow(path, dashed=False): return f'<path class="arrow{" train" if dashed else ""}" d="{path}"/>'

def picture(href, photo, x, y, alt, w=132, h=88):
    buf = io.BytesIO()
    photo.resize((2*w, 2*h)).save(buf, 'JPEG', quality=70)
    return (f'<a href="{href}"><title>{alt}</title><image x="{x}" y="{y}" width="{w}" height="{h}" '
            f'href="data:image/jpeg;base64,{base64.b64encode(buf.getvalue()).decode()}"/></a>')

def draw():
    photo = sample_photos()['china']
    photo = photo.crop((0, 0, photo.width, photo.width*2//3))
    grey, coloured = photo.convert('L'), Colorizer.from_pretrained()(photo.convert('L'))
    return '\n'.join([
        '<svg class="arch" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 380 640" width="380" role="group" aria-labelledby="arch-title">',
        '<title id="arch-title">The network: low-level features feed two branches, mid-level features for each place and global features '
        'for the whole photo; fusion joins them, and the colorization network paints</title>', f'<style>{STYLE}\n</style>',
        '<defs><marker id="arch-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0l8 4l-8 4z"/></marker></defs>',
        '<rect class="paper" width="380" height="640"/>',
        picture('00_color.ipynb', grey, 60, 6, 'A grey photo'),
        '<a href="00_color.ipynb"><text class="name" x="206" y="42">A grey photo</text><text x="206" y="58">lightness L,</text><text x="206" y="73">one number per pixel</text></a>',
        arrow('M126 98V114'),
        box('here', '02_low_level.ipynb', 6, 116, 368, 58, 'Low-level features', '6 convolutions: edges, corners, surfaces'),
        arrow('M96 174V204'), arrow('M284 174V204'),
        box('here', '04_fusion.ipynb', 6, 206, 180, 96, 'Mid-level features', '256 numbers', 'for each cell:', 'what is here?', at=18), grid(132, 238),
        box('whole', '03_global_features.ipynb', 194, 206, 180, 96, 'Global features', '256 numbers', 'for the whole photo:', 'what kind is it?', at=206),
        ''.join(f'<rect class="cell" style="--c: var(--whole)" x="350" y="{236+8*i}" width="10" height="7" opacity="{o:.2f}"/>' for i,o in enumerate(rng.uniform(.3, 1, 7))),
        arrow('M96 302V338'), arrow('M214 302V338'), arrow('M318 302V338', True),
        box('both', '04_fusion.ipynb', 6, 340, 232, 76, 'Fusion', 'what is here,', 'and in what kind of photo?'), grid(184, 356, bar=True),
        box('plain', '03_global_features.ipynb', 250, 340, 124, 76, 'Classifier', 'names the scene,', 'in training only', dashed=True),
        arrow('M126 416V442'), arrow('M318 416V442', True),
        box('both', '05_colorization.ipynb', 6, 444, 232, 58, 'Colorization network', 'from 1/8 of the size to 1/2: a, b'),
        box('plain', '06_training.ipynb', 250, 444, 124, 58, 'Training', 'colour and scene', dashed=True), arrow('M238 473H247', True),
        arrow('M126 502V528'),
        picture('07_inference.ipynb', coloured, 60, 532, 'The photo, coloured'),
        '<a href="07_inference.ipynb"><text class="name" x="206" y="568">The photo, coloured</text><text x="206" y="584">a and b enlarged,</text><text x="206" y="599">L its own</text></a>',
        '</svg>\n'])

if __name__ == '__main__': (Path(__file__).parent.parent/'nbs/images/architecture.svg').write_text(draw())
