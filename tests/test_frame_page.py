"The frame around a picture and faded photos, in the page (letthere_color/web/try): in a real browser, against the command and the library."
import base64, json, re

import numpy as np, pytest, test_try
from helpers import letthere
from PIL import Image
from letthere_color.core import photo2tensor, rgb2l, sample_photos
from letthere_color.frame import find_frame, settle
from letthere_color.inference import Colorizer
from letthere_color.photo_files import read_photo
from letthere_color.seen import along, tone_lines
from letthere_color.small_copy import small_copy, working_size
from test_hints_page import click, painted, saved, take
from test_seen import chroma, CUP, KINDS, PICTURE, put, scenes
from test_try import answer, coded, difference, download, file, give, says, shown

serve, url, visit = test_try.serve, test_try.url, test_try.visit

def askew(degrees, value=245):
    "A print that lies askew on the scanner's lid, with the same paper all around"
    return np.asarray(Image.fromarray(put(CUP, (60,)*4, value)).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=value))

def large():
    "A scan of 1.6 megapixels: the screen shows a smaller one"
    return put(np.asarray(Image.fromarray(PICTURE).resize((1300, 867), Image.Resampling.BICUBIC)), (90, 120, 110, 90), 8, 1)

SCANS = {'white': lambda: KINDS['white'][0](CUP), 'black': lambda: KINDS['black'][0](CUP), 'bars': lambda: KINDS['bars'][0](CUP), 'askew': lambda: askew(1.5),
         'large': large, 'faded': lambda: (190 + CUP*.25).astype(np.uint8), 'dark': lambda: (PICTURE*.12).astype(np.uint8),
         'faded print': lambda: put(170 + CUP*.2, (40,)*4, 245)}
FRAMELESS = 'faded', 'dark'

# ---- number by number

LOOK = '''async ({L, w, h, copy}) => {
    const at = (name) => import(new URL(`try/${name}.js`, location));
    const [frame, settle, seen, resize] = await Promise.all(["frame", "settle", "seen", "resize"].map(at));
    const small = resize.plane(...copy.shape, new Float32Array(copy.data));
    const found = frame.findFrame(small);
    const shown = Array.from(seen.readable(small).data);
    if (!found) return {found, shown};
    const light = new Float32Array(Uint8Array.from(atob(L), (c) => c.charCodeAt(0)).buffer);
    const strips = [];
    for (let y = 0; y < h; y += 50) strips.push({y, L: light.slice(y * w, (y + 50) * w)});
    return {found: found.map((o) => [o.depth, o.lean]), shown, ...settle.settled(found, small, w, h, strips)};
}'''

def test_lines_and_tones_of_the_library(visit):
    "The same lines on the small copy, the same to the pixel of the photo, the same copy for the network"
    page, n = visit(ready=False), 0
    scans = [make(CUP) for make, _ in KINDS.values()] + [askew(o) for o in (-2, -.7, 1.5)] + [x.round().astype(np.uint8) for _, x in scenes()]
    for x in [*scans, SCANS['faded'](), SCANS['dark'](), np.full((30, 20), 250, np.uint8)]:
        photo, (h, w) = read_photo(x), x.shape
        copy = small_copy(photo, working_size(h, w))
        wanted, shown = find_frame(copy), along(copy, tone_lines(copy))
        got = answer(page, LOOK, dict(L='' if wanted is None else base64.b64encode(photo.lightness(0, h).numpy().tobytes()).decode(), w=w, h=h, copy=dict(shape=list(copy.shape[:1:-1]), data=copy.flatten().tolist())))
        assert np.abs(np.array(got['shown']) - shown.flatten().numpy()).max() < 1e-6
        assert (wanted is None) == (got['found'] is None)
        if wanted is None: continue
        frame = settle(photo, copy, wanted)
        assert np.abs(np.array(got['found']) - wanted).max() < 1e-5
        assert tuple(got['box']) == frame.box and np.abs(np.array(got['lines']) - frame.lines).max() < 1e-6
        n += 1
    assert n == len(KINDS) + 3

# ---- as a whole

@pytest.fixture(scope='module')
def by_command(tmp_path_factory):
    "What `letthere colorize` makes of the scans, and what it says"
    folder, out = tmp_path_factory.mktemp('in'), tmp_path_factory.mktemp('out')
    for name, make in SCANS.items(): Image.fromarray(make()).save(folder/f'{name}.png')
    r = letthere(folder, 'colorize', folder, '-o', out, '--model', 'tiny', '--format', 'png', '--json')
    assert r.returncode == 0, r.stderr
    return {p.stem: Image.open(p).convert('RGB') for p in out.rglob('*.png')}

def test_the_picture_of_the_command(visit, by_command):
    "Framed, askew, faded, dark: the same file, its frame grey to the bit; the screen shows the same"
    page, found = visit(), {}
    for name, make in SCANS.items():
        scan = make()
        give(page, f'{name}.png', coded(Image.fromarray(scan)))
        says(page, 'None was found' if name in FRAMELESS else 'One was found; it stays grey', '#frame-note')
        got = download(page).convert('RGB')
        found[name] = difference(got, by_command[name])
        assert np.abs(np.asarray(got, int) - np.asarray(by_command[name], int)).max() <= 3, name
        assert (rgb2l(photo2tensor(got)) - rgb2l(photo2tensor(Image.fromarray(scan)))).abs().max() < .5, 'the lightness changed'
        assert chroma(got).mean() > 3, f'{name} is grey'
        if name not in FRAMELESS:
            grey = chroma(by_command[name]) == 0
            grey[60:-60, 60:-60] = False
            assert grey[:8].all() and grey[-8:].all() and chroma(got)[grey].max() == 0, name
        if name != 'large': assert (shown(page, 'after') == np.asarray(got)).all()
        else:
            screen = shown(page, 'after')
            assert screen.shape[0] < scan.shape[0] and difference(screen, got.resize(screen.shape[1::-1], Image.Resampling.BOX)) < 1 and chroma(screen)[:60].max() == 0
    print({k: round(v, 4) for k, v in found.items()})
    assert max(found.values()) < .1

def test_ordinary_photos_have_none(visit):
    page = visit()
    for name, im in sample_photos().items():
        give(page, f'{name}.png', coded(im))
        says(page, 'None was found: the picture goes to the edge.', '#frame-note')
        assert page.locator('#frame').is_disabled()

# ---- what a visitor does

def test_by_keyboard(visit):
    "The menu has a name, takes keys, and does as --frame none; the next photo begins anew"
    page, scan = visit(), SCANS['white']()
    give(page, 'print.png', coded(Image.fromarray(scan)))
    found = painted(page)
    menu = page.get_by_label('Frame')
    menu.focus(); page.keyboard.press('ArrowDown')
    says(page, 'it is coloured, too', '#frame-note')
    assert menu.input_value() == 'none' and chroma(painted(page))[:20].max() > 0
    assert difference(download(page), Colorizer.from_pretrained('tiny', frame='none')(scan)) < .1
    menu.focus(); page.keyboard.press('ArrowUp')
    says(page, 'it stays grey', '#frame-note')
    assert (painted(page) == found).all()
    page.keyboard.press('ArrowDown'); says(page, 'it is coloured, too', '#frame-note')
    give(page, 'again.png', coded(Image.fromarray(scan)))
    assert menu.input_value() == 'auto' and (painted(page) == found).all()

def test_moods_and_strength(visit):
    "The mood of another photo and half of the strength, inside the frame alone"
    page, scan = visit(), SCANS['black']()
    give(page, 'print.png', coded(Image.fromarray(scan)))
    test_try.choose(page, 'mood', 'sunset'); test_try.choose(page, 'strength', 50)
    assert difference(download(page), Colorizer.from_pretrained('tiny', style='class:sunset', saturation=.5)(scan)) < .1
    test_try.choose(page, 'mood', 'photo')
    faded = Image.fromarray(SCANS['faded']())  # a style is looked at as it is
    page.set_input_files('#style-file', file('style.png', coded(faded)))
    says(page, 'in the mood of style.png')
    assert difference(download(page), Colorizer.from_pretrained('tiny', style=faded, saturation=.5)(scan)) < .1

# ---- hints

@pytest.mark.parametrize('name, places', [('white', [(300, 200), (500, 330)]), ('large', [(600, 500), (1000, 800)])])
def test_hints_in_a_framed_photo(visit, tmp_path, name, places):
    "They count in pixels of the whole photo, and make the picture that the command makes; at another strength, too"
    page, scan = visit(), SCANS[name]()
    give(page, f'{name}.png', coded(Image.fromarray(scan)))
    before = painted(page)
    page.click('#correct')
    for place, colour in zip(places, ('red', 'blue')): click(page, *place); take(page, colour)
    after = painted(page)
    assert (after != before).any(axis=2).mean() > .05 and chroma(after)[:12].max() == 0
    test_try.choose(page, 'strength', 80)
    scaled = painted(page)
    (tmp_path/'hints.json').write_text(json.dumps(saved(page)[1]))
    Image.fromarray(scan).save(tmp_path/'scan.png')
    r = letthere(tmp_path, 'colorize', 'scan.png', '-o', 'out.png', '--model', 'tiny', '--hints', 'hints.json', '--saturation', '.8')
    assert r.returncode == 0, r.stderr
    got, wanted = download(page).convert('RGB'), Image.open(tmp_path/'out.png').convert('RGB')
    assert difference(got, wanted) < .1 and np.abs(np.asarray(got, int) - np.asarray(wanted, int)).max() <= 4
    if name == 'white': assert (scaled == np.asarray(got)).all(), 'what is painted in part is painted wrong'
    for _ in range(4):
        if page.locator('#undo').is_enabled(): page.click('#undo')
    page.locator('#undo:disabled').wait_for()
    test_try.choose(page, 'strength', 100)
    assert (painted(page) == before).all()

def test_a_hint_on_the_frame(visit, tmp_path):
    "Changes nothing and says so, where the command refuses it; without the frame it counts"
    page, scan = visit(), SCANS['white']()
    give(page, 'print.png', coded(Image.fromarray(scan)))
    before = painted(page)
    page.click('#correct'); click(page, 350, 10); take(page, 'red')
    assert (painted(page) == before).all()
    says(page, 'This is the frame around the picture, which stays grey', '#pale')
    says(page, 'a hint on it changes nothing', '#frame-note')
    (tmp_path/'hints.json').write_text(json.dumps(saved(page)[1]))
    Image.fromarray(scan).save(tmp_path/'scan.png')
    r = letthere(tmp_path, 'colorize', 'scan.png', '-o', 'out.png', '--model', 'tiny', '--hints', 'hints.json')
    assert r.returncode == 1 and re.search('lies in the frame', r.stderr)
    page.get_by_label('Frame').select_option('none')
    says(page, 'it is coloured, too', '#frame-note')
    assert chroma(painted(page))[5:15, 340:360].mean() > 5 and page.locator('#pale').is_hidden()
