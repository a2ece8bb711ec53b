"What of a photo the network is shown (nbs/06k_frame.ipynb, nbs/06l_seen.ipynb): the picture without its frame, stretched where it must be; and what is told of it."
import io, json

import numpy as np, pytest, torch
from helpers import letthere
from PIL import Image
from letthere_color.core import PhotoError, photo2tensor, rgb2l, rgb2lab, sample_photos
from letthere_color.folders import colorize_files
from letthere_color.frame import find_frame, Frame, Inside, only_inside, parse_frame
from letthere_color.inference import Colorizer
from letthere_color.photo_files import read_photo
from letthere_color.seen import along, colour_rest, is_page, Readable, tone_lines, TONED
from letthere_color.small_copy import look_around, paint, small_copy, tiled_chroma, working_size

PICTURE = np.asarray(sample_photos()['china'].convert('L'))  # 640 x 427
CUP = np.asarray(sample_photos()['coffee'].convert('L'))     # 600 x 400

@pytest.fixture(scope='module')
def tiny(): return Colorizer.from_pretrained('tiny')
def copy_of(x):
    p = read_photo(x)
    return small_copy(p, working_size(*x.shape[:2]))
def chroma(im): return np.ptp(np.asarray(im).astype(int), axis=-1)  # 0 for grey, exactly

def put(x, m, value, grain=0, seed=0): # a frame of left, top, right, bottom pixels
    l, t, r, b = m
    out = np.full((x.shape[0] + t + b, x.shape[1] + l + r), float(value))
    out += grain*np.random.default_rng(seed).standard_normal(out.shape)
    out[t:t+x.shape[0], l:l+x.shape[1]] = x
    return out.round().clip(0, 255).astype(np.uint8)

def film(x): # bars left and right with holes in them
    out = put(x, (80, 16, 80, 16), 8)
    for y in range(11, out.shape[0], 42):
        for at in (20, out.shape[1] - 60): out[y:y+24, at:at+40] = 235
    return out
def captioned(x):
    out = put(x, (30, 30, 30, 90), 240)
    for at in range(100, 500, 12): out[-60:-40, at:at+5] = 60
    return out
def deckled(x):
    out, rng = put(x, (40,)*4, 240), np.random.default_rng(0)
    wave = lambda n: np.convolve(rng.standard_normal(n + 14), np.ones(15)/15, 'valid')*15 + 10
    yy, xx = np.mgrid[:out.shape[0],:out.shape[1]]
    off = (xx < wave(len(yy))[:,None]) | (xx > out.shape[1] - wave(len(yy))[:,None]) | (yy < wave(xx.shape[1])) | (yy > out.shape[0] - wave(xx.shape[1]))
    return put(np.where(off, 20, out), (45, 30, 60, 35), 20)
KINDS = { # name -> scan, left, top, right, bottom of the picture
    'white': (lambda x: put(x, (40, 25, 60, 70), 250), (40, 25, 640, 425)),
    'black': (lambda x: put(x, (40, 25, 60, 70), 4, 1), (40, 25, 640, 425)),
    'grey': (lambda x: put(x, (90, 80, 90, 120), 150, 2), (90, 80, 690, 480)),
    'rough': (lambda x: put(x, (50, 50, 40, 40), 215, 9), (50, 50, 650, 450)),
    'narrow': (lambda x: put(x, (9, 9, 9, 9), 245), (9, 9, 609, 409)),
    'bars': (lambda x: put(x, (0, 60, 0, 60), 3), (0, 60, 600, 460)),
    'film': (film, (80, 16, 680, 416)),
    'caption': (captioned, (30, 30, 630, 430)),
    'on black': (lambda x: put(put(x, (30,)*4, 240), (70, 30, 50, 40), 12), (100, 60, 700, 460)),
    'deckle': (deckled, (85, 70, 685, 470))}

@pytest.mark.parametrize('kind', KINDS)
def test_frames_to_the_pixel(tiny, kind):
    scan, (l, t, r, b) = KINDS[kind][0](CUP), KINDS[kind][1]
    job = tiny.prepare(scan)
    assert job.frame and max(abs(o - p) for o, p in zip(job.frame.box, (l, t, r, b))) <= 1, job.frame
    assert any('frame' in o and '--frame' in o for o in job.notes)
    result = tiny(scan)
    outside = np.ones(scan.shape, bool)
    outside[max(0, t-1):b+1, max(0, l-1):r+1] = False
    assert chroma(result)[outside].max() == 0, 'colour outside'
    assert chroma(result)[t+2:b-2, l+2:r-2].mean() > 8, 'no colour inside'
    assert (rgb2l(photo2tensor(result)) - rgb2l(photo2tensor(Image.fromarray(scan)))).abs().max() <= 100/255

def test_colours_are_those_of_the_picture_alone(tiny):
    scan = put(CUP, (40, 25, 60, 70), 250)
    inside = np.asarray(tiny(scan))[25:425, 40:640].astype(int)
    assert np.abs(inside - np.asarray(tiny(CUP))).mean() < .5
    in_view = np.asarray(Colorizer(tiny.model, frame='none')(scan))
    assert np.abs(in_view[25:425, 40:640] - inside).mean() > 2 and chroma(in_view)[:20].max() > 0

@pytest.mark.parametrize('degrees', [1.5, -2])
def test_a_scan_that_lies_askew(tiny, degrees):
    turned = Image.fromarray(put(CUP, (60,)*4, 245)).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=245)
    true = np.asarray(Image.fromarray(put(np.full_like(CUP, 255), (60,)*4, 0)).rotate(degrees)) > 127
    job = tiny.prepare(np.asarray(turned))
    mask = job.frame.mask(0, true.shape[0]).numpy()
    assert (mask != true).mean() < .006
    result = job.photo.image(tiny.chroma(job, tiny.predict(job.copy)))
    assert chroma(result)[~mask].max() == 0 and chroma(result)[mask].mean() > 8

def scenes(): # what might be taken for a frame
    y, x = np.mgrid[:300,:400]
    rng = np.random.default_rng(0)
    tree = lambda at, wide: (abs(x - at) < wide*(1.2 - y/300)) & (y > 80 + at%50)
    yield 'white sky over woods', np.where((y > 150 + 40*np.sin(x/30) + 10*np.sin(x/7)), 60 + rng.integers(0, 80, y.shape), 252)
    yield 'sea and horizon', np.where(y > 160, 70 + 20*np.sin(y*y/90 + x/15), 235)
    yield 'night with lamps', np.where(((x - 120)**2 + (y - 150)**2 < 900) | ((x - 290)**2 + (y - 190)**2 < 1600), 230, 3)
    yield 'snow with trees', np.where(tree(90, 8) | tree(210, 12) | tree(330, 6), 40, 248)
    yield 'a studio', np.where((x - 200)**2/80**2 + (y - 150)**2/120**2 < 1, 60 + x/3, 255)
    yield 'all white', np.full(y.shape, 255)
    yield 'all black', np.zeros(y.shape)
    yield 'a ramp', y*.8
    yield 'noise', rng.integers(0, 256, y.shape)

@pytest.mark.parametrize('name, x', [pytest.param(n, x.round().astype(np.uint8), id=n) for n, x in scenes()])
def test_no_false_alarm(name, x): assert find_frame(copy_of(x)) is None

def test_photos_without_a_frame_stay_as_they_are(tiny):
    for im in sample_photos().values():
        job = tiny.prepare(im.convert('L'))
        assert job.frame is None and tone_lines(job.copy) is None and not job.notes
        assert job.photo.image(tiny.chroma(job, tiny.predict(job.copy))) == Colorizer(tiny.model, frame='none')(im.convert('L'))

def test_full_size_and_pages_and_sixteen_bits(tiny, tmp_path):
    import tifffile
    scan = put(CUP, (40, 25, 60, 70), 250).astype(np.uint16)*257
    tifffile.imwrite(tmp_path/'two.tif', np.stack([scan, np.pad(PICTURE, 34, constant_values=250)[:495,:700].astype(np.uint16)*257]), photometric='minisblack')
    for size in (176, 'full'):
        Colorizer(Colorizer.from_pretrained('tiny', size=size).model, size=size).colorize_file(tmp_path/'two.tif', tmp_path/'out.tif', overwrite=True)
        for i, edge in ((0, 20), (1, 30)):
            page = tifffile.imread(tmp_path/'out.tif', key=i)
            assert page.dtype == np.uint16 and np.ptp(page[:edge].astype(int), axis=-1).max() <= 24  # rounding of 16 bits, no colour
            assert np.ptp(page[100:300, 100:500].astype(int), axis=-1).mean() > 1500

def test_the_frame_that_is_named(tiny):
    result = Colorizer(tiny.model, frame=(100, 50, 500, 350))(CUP)
    outside = np.ones(CUP.shape, bool); outside[50:350, 100:500] = False
    assert chroma(result)[outside].max() == 0 and chroma(result)[50:350, 100:500].mean() > 8
    assert Colorizer(tiny.model, frame='0,0,600,400')(CUP) == Colorizer(tiny.model, frame=None)(CUP)
    with pytest.raises(PhotoError, match='600 x 400 pixels.*goes beyond'): Colorizer(tiny.model, frame='0,0,601,400')(CUP)
    for wrong in ('left', '1,2,3', '1,2,3,4,5', '9,9,12,300', '-1,0,90,90', '1.5,0,90,90'):
        with pytest.raises(ValueError, match='frame is'): parse_frame(wrong)

def test_inside_and_outside_of_strips():
    frame = Frame(np.array([[3, 3], [5, 5], [17, 17], [11, 11]], float), (20, 16))
    ab = only_inside(frame, lambda y0, y1, L: torch.ones(1, 2, *L.shape[2:]))
    whole = ab(0, 16, torch.zeros(1, 1, 16, 20))
    assert frame.box == (3, 5, 17, 11) and whole.sum() == 2*14*6
    parts = torch.cat([ab(y, y+4, torch.zeros(1, 1, 4, 20)) for y in range(0, 16, 4)], 2)
    assert torch.equal(parts, whole)
    x = np.arange(320, dtype=np.uint8).reshape(16, 20)%251
    p = read_photo(x)
    assert torch.equal(Inside(p, frame).lightness(0, 6), p.lightness(5, 11)[..., 3:17])

# Tones
@pytest.mark.parametrize('name, change, chosen', [('bleached', lambda x: 190 + x*.25, True), ('dark', lambda x: x*.2, True), ('as it is', lambda x: x, False), ('faded a little', lambda x: 40 + x*.7, False),
                                                  ('blank', lambda x: x*0 + 130, False)])
def test_stretched_where_it_must_be(tiny, name, change, chosen):
    x = change(CUP.astype(float)).astype(np.uint8)
    copy = copy_of(x)
    lines = tone_lines(copy)
    assert (lines is not None) == chosen
    shown = along(copy, lines)
    if chosen: assert shown.min() < .2 and shown.max() > .8
    else: assert shown is copy
    result = tiny(x)
    assert (rgb2l(photo2tensor(result)) - rgb2l(photo2tensor(Image.fromarray(x)))).abs().max() <= 100/255, 'the lightness changed'

def test_a_dark_photo_gets_the_colours_of_the_bright_one(tiny):
    dark = read_photo((CUP*.2).astype(np.uint8))
    def colours(x):
        job = tiny.prepare(x)
        return tiny.predict(job.copy)
    good, shown = colours(CUP), colours(dark)
    copy = tiny.prepare(dark).copy
    untouched = paint(tiny.model, copy, look_around(tiny.model, copy))
    assert (shown - good).square().mean() < .7*(untouched - good).square().mean()

def test_a_batch_is_stretched_one_by_one():
    a, b = copy_of(CUP), copy_of((190 + CUP*.25).astype(np.uint8))
    shown = along(torch.cat([a, b]), tone_lines(torch.cat([a, b])))
    assert torch.equal(shown[:1], a) and torch.allclose(shown[1:], along(b, tone_lines(b)))

def test_tiles_follow_the_line_of_the_whole():
    x = (190 + CUP*.25).astype(np.uint8)
    full = Colorizer.from_pretrained('tiny', size='full')
    job = full.prepare(x)
    view = Readable(job.seen, tone_lines(job.copy))
    assert view.lightness(0, 400).max() > 70 and view.lightness(0, 400).min() < 40
    bright = full.prepare(np.asarray((view.lightness(0, 400)[0,0]*2.55).round().byte()))
    around = full.predict(job.copy)
    ab = full.chroma(job, around)(0, 400, job.photo.lightness(0, 400))
    assert (ab - tiled_chroma(full.model, view, around)(0, 400, job.photo.lightness(0, 400))).abs().max() < 1e-4
    assert ab.norm(dim=1).mean() > 3 and bright.photo.size == job.photo.size

# What is told
def toned(x, quality=None): # from a brown black to a yellow white
    dark, light = np.array([30, 18, 8]), np.array([252, 238, 205])
    im = Image.fromarray((dark + (light - dark)*(x[...,None]/255)).round().astype(np.uint8))
    if not quality: return im
    out = io.BytesIO(); im.save(out, 'JPEG', quality=quality)
    return Image.open(out)

@pytest.mark.parametrize('depth', [8, 16])
def test_colour_and_tone(depth):
    def rest(im):
        x = np.asarray(im)
        return colour_rest(read_photo(x if depth == 8 else x.astype(np.uint16)*257))
    for im in sample_photos().values():
        assert rest(im) > TONED and rest(im.convert('L')) == 0
        assert rest(toned(np.asarray(im.convert('L')))) < TONED/2
    assert colour_rest(read_photo(toned(CUP, 75))) < TONED/2

def test_colour_is_said_and_left_out(tmp_path):
    sample_photos()['coffee'].resize((300, 200)).save(tmp_path/'a_colour.png')
    toned(CUP).resize((300, 200)).save(tmp_path/'b_toned.png')
    Image.fromarray(CUP).resize((300, 200)).save(tmp_path/'c_grey.png')
    c = Colorizer.from_pretrained('tiny')
    notes = {n: c.prepare(tmp_path/n).notes for n in ('a_colour.png', 'b_toned.png', 'c_grey.png')}
    assert 'in colour already' in notes['a_colour.png'][0] and not notes['b_toned.png'] and not notes['c_grey.png']
    plan = [(tmp_path/n, tmp_path/'out'/n) for n in notes]
    done = {o.photo.name: o for o in colorize_files(c, plan, skip_colour=True, processes=False)}
    assert done['a_colour.png'].in_colour and not done['a_colour.png'].error and not (tmp_path/'out/a_colour.png').exists()
    assert (tmp_path/'out/b_toned.png').exists() and (tmp_path/'out/c_grey.png').exists() and not done['c_grey.png'].in_colour

def test_the_command(tmp_path):
    (tmp_path/'in').mkdir()
    sample_photos()['coffee'].resize((300, 200)).save(tmp_path/'in/a.png')
    Image.fromarray(put(CUP, (40,)*4, 250)).save(tmp_path/'in/b.png')
    r = letthere(tmp_path, 'colorize', 'in', '-o', 'out', '--skip-colour', '--model', 'tiny', '--json')
    *lines, end = map(json.loads, r.stdout.splitlines())
    by = {o['photo'][-5:]: o for o in lines}
    assert by['a.png']['status'] == 'in colour' and by['b.png']['status'] == 'coloured' and 'frame' in by['b.png']['notes'][0]
    assert (end['coloured'], end['in colour'], end['failed']) == (1, 1, 0) and [o.name for o in (tmp_path/'out').iterdir()] == ['b.png']
    r = letthere(tmp_path, 'colorize', 'in/a.png', '--skip-colour', '--model', 'tiny', '-o', 'x.png')
    assert r.returncode == 0 and 'left out (in colour already)' in r.stdout and not (tmp_path/'x.png').exists()
    r = letthere(tmp_path, 'colorize', 'in', '-o', 'out2', '--frame', '0,0,400,300', '--model', 'tiny')
    assert r.returncode == 1 and 'a.png: has 300 x 200 pixels' in r.stderr and '1 coloured, 1 failed' in r.stdout
    assert chroma(Image.open(tmp_path/'out2/b.png'))[300:].max() == 0
    for args, says in ((['in/a.png', '--frame', 'wide'], 'left,top,right,bottom'), (['-', '--skip-colour'], '--skip-colour')):
        r = letthere(tmp_path, 'colorize', *args)
        assert r.returncode == 2 and says in r.stderr and 'Traceback' not in r.stderr, r.stderr

def test_ink_that_is_kept(tiny):
    im = toned(CUP)
    x = np.asarray(im).copy(); x[100:160, 100:200] = 180, 40, 50
    kept, gone = Colorizer(tiny.model, keep_ink=True), tiny
    a, b = (rgb2lab(photo2tensor(c(Image.fromarray(x)))) for c in (kept, gone))
    stamp = (slice(1, 3), slice(104, 156), slice(104, 196))
    assert (a[stamp] - rgb2lab(photo2tensor(Image.fromarray(x)))[stamp]).abs().max() < 3 and a[stamp][0].mean() > 40
    assert b[stamp][0].mean() < 30
    away = (slice(None), slice(200, 400), slice(0, 600))
    assert (a[away] - b[away]).abs().mean() < .6, 'the tone is not ink'
    assert not any('in colour' in o for o in kept.prepare(Image.fromarray(x)).notes)
    assert kept(CUP) == gone(CUP)

def test_pages_are_said():
    rng, page = np.random.default_rng(0), np.full((800, 600), 245, np.uint8)
    for y in range(40, 770, 18):
        at = 40
        while at < 540:
            n = rng.integers(10, 60); page[y:y+9, at:at+n:3] = 30; at += n + 8
    assert is_page(copy_of(page))
    drawing = Image.new('L', (600, 500), 250)
    from PIL import ImageDraw
    for a in rng.integers(0, 500, (90, 4)): ImageDraw.Draw(drawing).line([*map(int, a)], fill=10, width=2)
    assert is_page(copy_of(np.asarray(drawing)))
    assert not any(is_page(copy_of(np.asarray(im.convert('L')))) for im in sample_photos().values())
    assert not any(is_page(copy_of(x.round().astype(np.uint8))) for n, x in scenes() if n != 'noise')
