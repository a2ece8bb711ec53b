"Colours that a person tells (nbs/10a_hints.ipynb): as far as the reach and no further, with the lightness of every pixel."
import json, sys

import numpy as np, pytest, tifffile, torch
from PIL import Image, ImageDraw, ImageFilter
from letthere_color.cli import main
from letthere_color.core import lab2rgb, photo2tensor, PhotoError, rgb2lab, sample_photos
from letthere_color.evaluation import ciede2000
from letthere_color.hints import FLOOR, Hint, MU, SIGMA, corrections, parse_hint, read_hints, spread, write_hints
from letthere_color.inference import Colorizer

@pytest.fixture
def letthere(tmp_path, monkeypatch, capsys):
    "The command, in the folder of the test: its exit code, and what it wrote on standard error"
    def run(*args):
        monkeypatch.chdir(tmp_path); monkeypatch.setattr(sys, 'argv', ['letthere', *args])
        try: main()
        except SystemExit as e: return e.code, capsys.readouterr().err
        return 0, capsys.readouterr().err
    return run

@pytest.fixture(scope='module')
def colorizer(): return Colorizer.from_pretrained('tiny')

def lab(im): return rgb2lab(photo2tensor(im.convert('RGB')))[None]
def apart(a, b): return np.abs(np.asarray(a.convert('RGB'), int) - np.asarray(b.convert('RGB'), int)).max(-1)
def distance(im, *places): return np.min([np.hypot(np.arange(im.width) - x, np.arange(im.height)[:,None] - y) for x, y in places], 0)

def world(seed):
    "Discs of one colour each on a coloured ground, as grey as it would be and in colour"
    rng = np.random.default_rng(seed)
    im = Image.new('RGB', (480, 360), tuple(rng.integers(60, 200, 3).tolist()))
    for _ in range(6):
        x, y, r = rng.integers((0, 0, 50), (480, 360, 120)).tolist()
        ImageDraw.Draw(im).ellipse((x - r, y - r, x + r, y + r), tuple(rng.integers(20, 235, 3).tolist()))
    im = im.filter(ImageFilter.GaussianBlur(1))
    L = lab(im)*torch.tensor([1., 0, 0])[:,None,None]
    return Image.fromarray(lab2rgb(L, torch.uint8)[0,0].numpy()), im

@pytest.mark.parametrize('shape', [(9, 7), (1, 12), (12, 1)])
def test_at_rest(shape):
    "Each pixel within reach is the mean of its neighbours and of zero, weighted by the formula of the chapter; written anew, pixel by pixel"
    rng = np.random.default_rng(0)
    L, pins = rng.random(shape)*.2, np.zeros(shape, bool)
    pins.flat[[3, pins.size - 4]] = True
    d = spread(np.where(pins[...,None], rng.normal(0, 20, (*shape, 2)), 0), pins, L, 2)
    told = np.argwhere(pins)
    rho = {o: min(np.hypot(*(np.array(o) - p)) for p in told) for o in np.ndindex(*shape)}
    free = [o for o in np.ndindex(*shape) if rho[o] <= 2 and not pins[o]]
    assert free and any(rho[o] > 2 for o in np.ndindex(*shape))
    for y, x in free:
        near = [o for o in ((y-1, x), (y+1, x), (y, x-1), (y, x+1)) if o in rho]
        k = [(np.exp(-(L[y,x] - L[o])**2/(2*SIGMA**2)) + FLOOR)/(1 + (rho[y,x] + rho[o])/2) for o in near]
        np.testing.assert_allclose(d[y,x], sum(w*d[o] for w, o in zip(k, near))/(sum(k) + MU/(1 + rho[y,x])), atol=1e-9)
    for o in rho:
        if rho[o] > 2: assert not d[o].any()

@pytest.mark.parametrize('size, guided', [((640, 427), True), ((301, 500), False), ((1500, 1000), True), ((150, 120), True)])
def test_not_beyond_the_reach(colorizer, size, guided):
    grey = sample_photos()['china'].convert('L').resize(size)
    painter = Colorizer(colorizer.model, guided=guided)
    for share, place in ((.25, (.5, .5)), (.25, (0, .999)), (.1, (.31, .42))):
        at, reach = (int(place[0]*size[0]), int(place[1]*size[1])), share*max(size)
        changed = apart(painter(grey), painter(grey, hints=[Hint(at, 'red', None if share == .25 else reach)]))
        assert changed[distance(grey, at) > reach].max() == 0
        assert changed[at[1], at[0]] > 10

def test_as_told_and_as_light(colorizer):
    grey = Image.new('L', (300, 200), 120)
    hints = [Hint((60, 100), '#b04040', 90), Hint((200, 40, 260, 160), 'steelblue', 60)]
    im = colorizer(grey, hints=hints)
    for (x, y), hint in zip([(60, 100), (230, 100), (205, 150)], [hints[0], hints[1], hints[1]]):
        assert (lab(im)[0,1:,y,x] - torch.tensor(hint.chroma)).norm() < 3
    assert (lab(im) - lab(grey))[:,0].abs().max() <= 100/255

def test_strength_is_that_of_the_network(colorizer):
    grey, told = sample_photos()['astronaut'].convert('L'), Hint((160, 440), '#a0705a')
    faint = Colorizer(colorizer.model, saturation=.5)(grey, hints=[told])
    assert (lab(faint)[0,1:,440,160] - torch.tensor(told.chroma)).norm() < 3

def test_keep_and_shorter_reach(colorizer):
    grey = sample_photos()['rocket'].convert('L')
    sky, star = Hint((100, 100), 'darkred', 400), Hint((250, 100), None, 90)
    plain, red, kept = (colorizer(grey, hints=o) for o in ([], [sky], [star, sky]))
    assert apart(plain, red)[100, 250] > 40 and apart(plain, kept)[100, 250] <= 10
    assert apart(red, kept)[distance(grey, (250, 100)) > 90].max() == 0

def test_five_true_points_bring_it_nearer(colorizer):
    rng, nearer = np.random.default_rng(0), []
    for seed in range(10):
        grey, true = world(seed)
        places = [(int(rng.integers(480)), int(rng.integers(360))) for _ in range(5)]
        told = [Hint(o, '#{:02x}{:02x}{:02x}'.format(*true.getpixel(o))) for o in places]
        ims = colorizer(grey), colorizer(grey, hints=told)
        before, after = (ciede2000(lab(o), lab(true)).mean() for o in ims)
        nearer.append(bool(after < before))
        assert apart(*ims)[distance(grey, *places) > .25*480].max(initial=0) == 0
    assert sum(nearer) >= 9, nearer

def test_size_full(colorizer):
    grey, told = sample_photos()['astronaut'].convert('L').resize((160, 160)), Hint((50, 130), '#d8622f', 50)
    full = Colorizer.from_pretrained('tiny', size='full')
    a, b = full(grey), full(grey, hints=[told])
    assert (lab(b)[0,1:,130,50] - torch.tensor(told.chroma)).norm() < 8 < (lab(a)[0,1:,130,50] - torch.tensor(told.chroma)).norm()
    assert apart(a, b)[distance(grey, (50, 130)) > 50].max() == 0

def test_mask(colorizer, tmp_path):
    grey = sample_photos()['flower'].convert('L')
    mask = Image.new('L', grey.size); mask.paste(255, (0, 0, 320, 427))
    half = colorizer(grey, only=mask)
    assert apart(half, colorizer(grey))[:,:320].max() == 0 and lab(half)[:,1:,:,320:].norm(dim=1).max() < 1
    both = colorizer(grey, hints=[Hint((300, 230), 'orange')], only=mask)
    assert apart(both, half)[:,320:].max() == 0 < apart(both, half)[230, 300]
    mask.resize((320, 214)).save(tmp_path/'small.png')
    assert apart(colorizer(grey, only=tmp_path/'small.png'), half)[:,:310].max() == 0
    def vivid(o): return lab(o)[:,1:].norm(dim=1).mean()
    assert .4 < vivid(colorizer(grey, only=Image.new('L', grey.size, 128)))/vivid(colorizer(grey)) < .6
    with pytest.raises(PhotoError, match='the mask is 427 x 640'): colorizer(grey, only=mask.transpose(Image.Transpose.ROTATE_90))

def test_hints_of_another_size(colorizer, tmp_path):
    "Saved on a photo of half the size: as if told on this one"
    grey, told = sample_photos()['china'].convert('L').resize((640, 428)), Hint((401, 211), 'red', 200)
    write_hints([Hint((200, 105), 'red', 100), Hint([(10, 20), (30, 25)], None, 60, width=4)], (320, 214), tmp_path/'h.json')
    point, stroke = read_hints(tmp_path/'h.json')
    assert apart(colorizer(grey, hints=[point]), colorizer(grey, hints=[told])).max() <= 2
    assert (stroke.width, stroke.reach, stroke.at) == (4, 60, [[10, 20], [30, 25]])
    with pytest.raises(PhotoError, match='another'): colorizer(grey.transpose(Image.Transpose.ROTATE_90), hints=[point])

def test_notes_and_pages(colorizer, tmp_path):
    page = np.full((120, 160), 25, np.uint8)
    for append in (False, True): tifffile.imwrite(tmp_path/'scan.tif', page, append=append)
    told = [Hint((40, 60), 'yellow'), Hint((100, 60), 'gray', reach=2)]
    notes = colorizer.colorize_file(tmp_path/'scan.tif', tmp_path/'out.tif', hints=told)
    colorizer.colorize_file(tmp_path/'scan.tif', tmp_path/'plain.tif')
    for said in ('hint at 40,60: yellow is too colourful', 'hint at 100,60: a reach of 2 pixels is too fine', 'first page only'):
        assert sum(said in o for o in notes) == 1, notes
    (one, two), (plain, other) = (tifffile.TiffFile(tmp_path/o).asarray(key=range(2)) for o in ('out.tif', 'plain.tif'))
    assert (two == other).all() and (one != plain).any()

@pytest.mark.parametrize('make, says', [
    (lambda: Hint((1, 2, 3), 'red'), 'give (x, y)'), (lambda: Hint('1,2', 'red'), 'give (x, y)'), (lambda: Hint((1, float('nan')), 'red'), 'numbers'),
    (lambda: Hint((1, 2), 'reddish'), 'no colour'), (lambda: Hint((1, 2), 7), 'no colour'), (lambda: Hint((1, 2), 'red', -3), 'reach'),
    (lambda: Hint((1, 2), 'red', width=float('inf')), 'width'), (lambda: parse_hint('12=red'), 'X,Y=COLOUR'), (lambda: parse_hint('1.2.3,4=red'), 'X,Y=COLOUR'), (lambda: parse_hint('1,2=red@-5'), 'reach is -5.0, give 1'), (lambda: parse_hint('1,2=reddish'), 'no colour')])
def test_wrong_hints(make, says):
    with pytest.raises(ValueError) as e: make()
    assert says in str(e.value) and '\n' not in str(e.value)

@pytest.mark.parametrize('at', [(-1, 5), (640, 5), (5, 427), [(5, 5), (700, 5)], (5, 5, 700, 50)])
def test_outside(colorizer, at):
    with pytest.raises(PhotoError, match='outside of the photo, which has 640 x 427'): colorizer(sample_photos()['china'], hints=[Hint(at, 'red')])

@pytest.mark.parametrize('text, says', [
    ('{"letthere_hints": 1,\n"size": [4 4]}', 'line 2'), ('[1]', 'no hints'), ('{"letthere_hints": 1, "size": 4, "hints": []}', 'no hints'),
    ('{"letthere_hints": 1, "size": [4, 4], "hints": [{"at": [1, 2], "colour": "red"}, {"at": [1, 2]}]}', 'hint 2'),
    ('{"letthere_hints": 1, "size": [4, 4], "hints": [{"at": [1, 2], "colour": "red", "color": 1}]}', 'hint 1'),
    ('{"letthere_hints": 1, "size": [0, 4], "hints": []}', 'no hints'), ('{"letthere_hints": 1, "size": [4, 4], "hints": [5]}', 'hint 1'),
    ('{"letthere_hints": 1, "size": [4, 4], "hints": [{"at": "here", "colour": "red"}]}', 'hint 1')])
def test_wrong_files(tmp_path, text, says):
    (tmp_path/'h.json').write_text(text)
    with pytest.raises(ValueError) as e: read_hints(tmp_path/'h.json')
    assert 'h.json' in str(e.value) and says in str(e.value) and '\n' not in str(e.value)

def test_command(colorizer, letthere, tmp_path):
    "From a file, typed, and in Python: the same picture"
    grey = sample_photos()['coffee'].convert('L').resize((300, 200)); grey.save(tmp_path/'cup.png')
    hints = [Hint((90, 135), '#a03018'), Hint((150, 60), None), Hint((20, 180), '#a06030', 60)]
    write_hints(hints[:1], grey.size, tmp_path/'h.json')
    code, said = letthere('colorize', 'cup.png', '--model', 'tiny', '--hints', 'h.json', '--hint', '150,60=keep', '--hint', '20,180=#a06030@60')
    assert code == 0 and 'too colourful' in said
    assert apart(Image.open(tmp_path/'cup_color.png'), colorizer(grey, hints=hints)).max() <= 1
    assert apart(colorizer(grey), colorizer(grey, hints=hints)).max() > 20

def test_command_with_a_style_and_a_mask(letthere, tmp_path):
    grey = sample_photos()['astronaut'].convert('L').resize((256, 256)); grey.save(tmp_path/'suit.png')
    mask = Image.new('L', grey.size, 255); mask.paste(0, (180, 0, 256, 256)); mask.save(tmp_path/'mask.png')
    assert letthere('colorize', 'suit.png', '--model', 'tiny', '--style', 'class:bar', '--hint', '80,220=#a0705a', '--only', 'mask.png') == (0, '')
    im = lab(Image.open(tmp_path/'suit_color.png'))[0,1:]
    assert (im[:,220,80] - torch.tensor(Hint((0,0), '#a0705a').chroma)).norm() < 4 and im[:,:,182:].norm(dim=0).max() < 1

@pytest.mark.parametrize('args, says', [
    (['cup.png', '--hint', '300,10=red'], 'outside of the photo, which has 300 x 200 pixels'), (['cup.png', '--hint', '30,10=reddish'], "'reddish' is no colour"),
    (['.', '--hint', '30,10=red'], 'one photo'), (['cup.png', 'two.png', '--only', 'cup.png'], 'one photo'), (['cup.png', '--hints', 'bad.json'], 'bad.json, line 1'),
    (['cup.png', '--hints', 'none.json'], 'none.json'), (['cup.png', '--only', 'none.png'], 'none.png'), (['cup.png', '--only', 'tall.png'], 'the mask is 200 x 300')])
def test_command_says_what_is_wrong(letthere, tmp_path, args, says):
    for name, size in (('cup', (300, 200)), ('two', (300, 200)), ('tall', (200, 300))): Image.new('L', size, 90).save(tmp_path/f'{name}.png')
    (tmp_path/'bad.json').write_text('hints!')
    before = sorted(tmp_path.iterdir())
    code, said = letthere('colorize', '--model', 'tiny', *args)
    assert code == 1 and says in said and len(said.strip().splitlines()) == 1, said
    assert sorted(tmp_path.iterdir()) == before

def test_hints_of_nobody(colorizer):
    with pytest.raises(ValueError, match='no hint'): colorizer(Image.new('L', (40, 40)), hints=[((1, 2), 'red')])
    d, notes = corrections(torch.zeros(1, 2, 20, 30), torch.full((1, 1, 20, 30), .5), [], (30, 20))
    assert not d.any() and notes == []

def test_saved_as_the_page_does(tmp_path):
    "The file by its letters: what chapter 11a reads and writes"
    write_hints([Hint((5, 6), '#ff0000', 50), Hint((1, 2, 3, 4), None)], (40, 20), tmp_path/'h.json')
    assert json.loads((tmp_path/'h.json').read_text()) == {'letthere_hints': 1, 'size': [40, 20], 'hints': [
        {'at': [5, 6], 'colour': '#ff0000', 'reach': 50}, {'at': [1, 2, 3, 4], 'colour': None, 'reach': 10.}]}

def test_in_a_frame():
    "A hint counts from the photo's corner, colours the picture and nothing of the mount, and is refused on it"
    photo = np.full((200, 260), 245, np.uint8)
    photo[40:160, 50:210] = np.asarray(sample_photos()['chelsea'].convert('L').resize((160, 120)))
    c = Colorizer.from_pretrained('tiny')
    assert c.prepare(photo).frame
    plain, told = (np.asarray(c(photo, hints=o)).astype(int) for o in ((), [Hint((130, 100), '#0000ff', reach=200)]))
    apart = abs(told - plain).max(-1)
    assert apart[100, 130] > 20 and not apart[:38].any() and not apart[:, :48].any()
    assert not np.ptp(told[:38], axis=-1).any(), 'the mount has colour'
    with pytest.raises(PhotoError, match='lies in the frame'): c(photo, hints=[Hint((10, 10), 'red')])

def test_one_photo_alone(tmp_path):
    "Hints of one photo do not reach others without a word; a wrong key in a file is named"
    c, cat = Colorizer.from_pretrained('tiny'), sample_photos()['chelsea']
    with pytest.raises(ValueError, match='belong to one photo'): c([cat, cat], hints=[Hint((9, 9), 'red')])
    (tmp_path/'h.json').write_text('{"letthere_hints": 1, "size": [451, 300], "hints": [{"at": [9, 9], "color": "red"}]}')
    with pytest.raises(ValueError, match='hint 1: color: write at, colour'): read_hints(tmp_path/'h.json')

def test_black_of_the_mask(tmp_path):
    "A hint that the mask hides is told"
    cat = sample_photos()['chelsea'].convert('L'); cat.save(tmp_path/'in.png')
    mask = Image.new('L', cat.size); mask.paste(255, (0, 0, 200, cat.height))
    notes = Colorizer.from_pretrained('tiny').colorize_file(tmp_path/'in.png', tmp_path/'out.png', hints=[Hint((100, 99), '#804020'), Hint((400, 99), '#804020')], only=mask)
    assert [o for o in notes if 'mask is black' in o] == ['hint at 400,99: the mask is black there']
