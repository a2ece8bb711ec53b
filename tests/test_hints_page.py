"Colours that a person tells, in the page (letthere_color/web/try): in a real browser, against the command and SciPy."
import json, re

import numpy as np, pytest, test_try
from PIL import Image
from scipy import ndimage, sparse
from scipy.sparse import linalg
from letthere_color.core import photo2tensor, rgb2l, rgb2lab, sample_photos
from helpers import letthere
from test_try import answer, choose, coded, difference, download, give, says, shown

serve, url, visit = test_try.serve, test_try.url, test_try.visit

# ---- what a visitor does

def correct(visit, im, name='photo.png', **window):
    "A page with a photo, ready for hints"
    page = visit(**window)
    give(page, name, coded(im))
    page.click('#correct')
    return page

def place(page, x, y):
    "Where a pixel of the photo lies on the screen"
    w, h = (int(o) for o in page.locator('#caption').text_content().split(', ')[-1].split(' pixels')[0].split(' × '))
    box = page.locator('#marks').bounding_box()
    return box['x'] + (x + .5)*box['width']/w, box['y'] + (y + .5)*box['height']/h

def click(page, x, y): page.mouse.click(*place(page, x, y))

def draw(page, *points):
    page.mouse.move(*place(page, *points[0])); page.mouse.down()
    for p in points[1:]: page.mouse.move(*place(page, *p), steps=4)
    page.mouse.up()

def painted(page):
    "The picture, when it is up to date"
    page.locator('#picture[aria-busy=false]').wait_for()
    return shown(page, 'after')

def take(page, name): page.get_by_role('radio', name=name, exact=True).check()

def saved(page):
    "The file of hints, as the page gives it"
    with page.expect_download() as got: page.click('#save-hints')
    return got.value.suggested_filename, json.loads(open(got.value.path()).read())

def chroma(picture, x, y): return rgb2lab(photo2tensor(Image.fromarray(picture)))[1:, y-2:y+3, x-2:x+3].mean((1,2)).tolist()

def ab_of(colour): return rgb2lab(photo2tensor(Image.new('RGB', (1, 1), colour)))[1:, 0, 0].tolist()

# ---- the solver

def by_scipy(L, base, hints):
    "What hints ({cells, reach in pixels of the copy, ab or None}) do to the chroma `base` (h,w,2), written once more: exact distances, a sparse direct solver"
    h, w = L.shape
    cur, base, pinned = base.astype(float).copy(), base.astype(float), np.zeros(h*w, bool)
    for reach in sorted({o['reach'] for o in hints}, reverse=True):
        target = {c: o['ab'] for o in hints if o['reach'] == reach for c in o['cells']}
        own = np.zeros(h*w, bool); own[list(target)] = True
        rho = ndimage.distance_transform_edt(~own.reshape(h, w)).ravel()
        pinned |= own
        free = (rho <= reach - 5) & ~pinned
        d = np.zeros((h*w, 2))
        for c, ab in target.items(): d[c] = (base.reshape(-1, 2)[c] if ab is None else ab) - cur.reshape(-1, 2)[c]
        i = np.arange(h*w).reshape(h, w)
        p, q = np.concatenate([i[:, :-1].ravel(), i[:-1].ravel()]), np.concatenate([i[:, 1:].ravel(), i[1:].ravel()])
        k = (np.exp(-(L.ravel()[p] - L.ravel()[q])**2/(2*.03**2)) + .0001)/(1 + (rho[p] + rho[q])/2)
        K = sparse.coo_matrix((k, (p, q)), (h*w, h*w)); K = K + K.T
        A = (sparse.diags(np.asarray(K.sum(1)).ravel() + .0001/(1 + rho)) - K).tocsr()
        if free.any(): d[free] = linalg.spsolve(A[free][:, free].tocsc(), -A[free][:, ~free] @ d[~free])
        cur += d.reshape(h, w, 2)
    return cur

def test_solver(visit):
    "Chroma with hints, cell by cell, as SciPy gives it: points, a stroke, a box, a pinned place, two reaches, a hint at the border"
    page, rng, (w, h) = visit(ready=False), np.random.default_rng(1), (70, 47)
    y, x = np.mgrid[:h, :w]
    L = (.5 + .3*np.sin(x/9)*np.cos(y/7) + (x > 40)*.15 + .02*rng.standard_normal((h, w))).clip(0, 1).astype(np.float32)
    base = rng.uniform(-30, 30, (h, w, 2)).astype(np.float32)
    hints = [dict(points=[[205, 105]], reach=250, colour='#3a5f2b'), dict(points=[[0, 469]], reach=1, colour='#ff0000'), dict(points=[[350, 300]], reach=250, colour=None),
             dict(points=[[500, 50], [620, 170], [560, 300]], reach=120, width=40, colour='#2040c0'), dict(points=[[300, 350], [420, 430]], box=True, reach=2000, colour='#cccc00')]
    hints = [dict(box=False, width=0) | o for o in hints]
    found = answer(page, '''async ({L, a, b, w, h, hints}) => {
        const at = (name) => import(new URL(`try/${name}.js`, location));
        const [hint, spread, resize] = await Promise.all(["hints", "spread", "resize"].map(at));
        const [copy, ...ab] = [L, a, b].map((o) => resize.plane(w, h, new Float32Array(o)));
        const photo = {copy, a: ab[0], b: ab[1], width: 10 * w, height: 10 * h};
        const now = spread.withHints(photo, 0.5, hints);
        return {cells: hints.map((o) => hint.cellsOf(o, copy, photo)), now: now.map((o) => Array.from(o.data)), none: spread.withHints(photo, 0.5, []).map((o) => Array.from(o.data)),
                pale: spread.tooColourful(photo, hints)};
    }''', dict(L=L.ravel().tolist(), a=base[..., 0].ravel().tolist(), b=base[..., 1].ravel().tolist(), w=w, h=h, hints=hints))
    assert [len(o) for o in found['cells']][:3] == [1, 1, 1] and found['cells'][0] == [10*w + 20] and len(found['cells'][4]) == 13*9
    assert 60 < len(found['cells'][3]) < 160
    told = [dict(cells=c, reach=max(8, o['reach']/10), ab=o['colour'] and ab_of(o['colour'])) for o, c in zip(hints, found['cells'])]
    wanted = by_scipy(L.astype(float), base/2, told)
    now = np.array(found['now']).reshape(2, h, w).transpose(1, 2, 0)
    print('apart by', np.abs(now - wanted).max(), 'of changes of', np.abs(wanted - base/2).max())
    assert np.abs(now - wanted).max() < .05 and np.abs(wanted - base/2).max() > 50
    assert (np.array(found['none']).reshape(2, -1).T == (base/2).reshape(-1, 2)).all()

# ---- what a visitor does, and what comes of it

def test_a_shirt_in_a_minute(visit):
    "Click, choose: the colour is there, spreads, ends at the reach, keeps the lightness; then the next thing"
    page, im = correct(visit, sample_photos()['astronaut']), sample_photos()['astronaut']
    before = painted(page)
    says(page, 'Click on a thing', '#advice')
    click(page, 130, 400); says(page, 'Which colour is it?', '#advice')
    assert (painted(page) == before).all()  # until one chooses
    take(page, 'green'); says(page, 'Too little?', '#advice')
    after = painted(page)
    a, b = chroma(after, 130, 400)
    assert a < -15 and b > 5
    y, x = np.mgrid[:512, :512]
    far = np.hypot(x - 130, y - 400) > 128
    assert (after == before)[far].all() and (after != before)[~far].mean() > .5
    assert (rgb2l(photo2tensor(Image.fromarray(after))) - rgb2l(photo2tensor(im))).abs().max() < 1
    click(page, 300, 60)  # the next hint begins with the colour chosen last
    assert chroma(painted(page), 300, 60)[0] < -10
    page.get_by_role('button', name='As it is').click()
    assert np.abs(np.subtract(chroma(painted(page), 300, 60), chroma(before, 300, 60))).max() < 1
    page.click('#correct')
    assert page.locator('#marks').is_hidden() and page.locator('#cut').is_visible()
    page.click('#correct')
    name, o = saved(page)
    assert name == 'photo_hints.json' and o['size'] == [512, 512]
    assert [h['at'] for h in o['hints']] == [[130, 400], [300, 60]] and o['hints'][1]['colour'] is None and {h['reach'] for h in o['hints']} == {128}

def test_stroke_reach_undo_delete(visit):
    "Drawn, moved, a shorter reach, taken back, made again, deleted; by buttons and by keys"
    page = correct(visit, sample_photos()['coffee'])
    states = [painted(page)]
    def hints(): return saved(page)[1]['hints'] if page.locator('#save-hints').is_enabled() else []
    take(page, 'blue')  # the colour first, then the place
    draw(page, (100, 100), (160, 130), (160, 200)); states.append(painted(page))
    [stroke] = hints()
    assert len(stroke['at']) > 4 and stroke['at'][0] == [100, 100] and np.abs(np.subtract(stroke['at'][-1], [160, 200])).max() < 8
    assert all(np.abs(np.subtract(p, q)).max() < 40 for p, q in zip(stroke['at'], stroke['at'][1:]))
    draw(page, (160, 165), (200, 195)); states.append(painted(page))  # on the stroke: it moves
    [moved] = hints()
    shift = np.subtract(moved['at'], stroke['at'])
    assert (shift == shift[0]).all() and np.abs(shift[0] - [40, 30]).max() < 8
    page.locator('#reach').fill('10'); states.append(painted(page))
    assert hints()[0]['reach'] == 60 and (states[3] != states[2]).any()
    for i in (2, 1, 0):
        assert page.locator('#undo').is_enabled()
        page.click('#undo') if i else page.keyboard.press('Control+z')
        assert (painted(page) == states[i]).all(), i
    assert page.locator('#undo').is_disabled() and not hints()
    for i in (1, 2, 3):
        page.keyboard.press('Control+Shift+Z') if i == 2 else page.click('#redo')
        assert (painted(page) == states[i]).all(), i
    click(page, 500, 300); painted(page)
    page.keyboard.press('Delete'); assert (painted(page) == states[3]).all() and len(hints()) == 1
    page.keyboard.press('Escape'); assert page.locator('#remove').is_disabled()
    click(page, 200, 195); page.click('#remove')
    assert (painted(page) == states[0]).all() and not hints()
    page.keyboard.press('Control+z'); assert (painted(page) == states[3]).all()

def test_pipette_any_colour_and_near_ones(visit):
    page = correct(visit, sample_photos()['chelsea'])
    click(page, 100, 100)
    page.locator('#colour').fill('#8040c0'); picture = painted(page)
    assert saved(page)[1]['hints'][0]['colour'] == '#8040c0'
    page.click('#pipette'); says(page, 'Click on the colour to take', '#advice')
    click(page, 300, 150)
    [hint] = saved(page)[1]['hints']
    taken = [int(hint['colour'][i:i+2], 16) for i in (1, 3, 5)]
    assert np.abs(picture[149:152, 299:302].mean((0, 1)) - taken).max() <= 1 and hint['at'] == [100, 100]
    near = page.locator('#near button').all()
    paler, stronger = (ab_of(o.get_attribute('value')) for o in near[:2])
    assert np.hypot(*paler) < np.hypot(*ab_of(hint['colour'])) < np.hypot(*stronger) and 'paler' in near[0].get_attribute('aria-label')
    wanted = near[1].get_attribute('value')
    near[1].click()
    [hint] = saved(page)[1]['hints']
    assert hint['colour'] == wanted
    page.keyboard.press('Escape'); page.click('#pipette'); draw(page, (50, 50), (150, 90))  # no hint is chosen: the colour is for the next one
    assert saved(page)[1]['hints'] == [hint] and page.locator('#colour').input_value() != wanted
    says(page, 'Click on what is', '#advice')

def test_too_colourful(visit):
    "A note where the lightness does not allow a colour, and none where it does"
    page = correct(visit, Image.new('L', (200, 150), 30))
    click(page, 100, 75)
    page.locator('#colour').fill('#00ff00'); painted(page)
    says(page, 'too dark for so strong a colour', '#pale')
    page.locator('#colour').fill('#202520'); painted(page)
    assert page.locator('#pale').is_hidden()

def test_keyboard_sets_a_hint(visit):
    "From the photo to a coloured place and its file without a pointer"
    page = visit()
    give(page, 'coffee.png', coded(sample_photos()['coffee']))
    before = painted(page)
    def tab_to(name):
        for _ in range(30):
            page.keyboard.press('Tab')
            if page.evaluate('document.activeElement === document.body'): continue  # round the end
            at, outline = page.evaluate("""() => { const o = document.activeElement; const seen = o.closest("#compare") ?? o;
                return [o.getAttribute("aria-label") || o.labels?.[0]?.innerText || o.innerText, getComputedStyle(seen).outlineWidth] }""")
            assert at.strip() and float(outline.removesuffix('px')) >= 2, at
            if name in at: return
        pytest.fail(f'no way to {name}')
    tab_to('Correct it'); page.keyboard.press('Enter')
    assert page.evaluate('document.activeElement.id') == 'marks'
    assert page.evaluate('getComputedStyle(document.querySelector("#marks .cross")).visibility') == 'visible'
    for key in ['ArrowLeft']*5 + ['ArrowUp']*3 + ['Shift+ArrowDown']: page.keyboard.press(key)
    page.keyboard.press('Enter'); says(page, 'Which colour is it?', '#advice')
    tab_to('grey'); page.keyboard.press('ArrowRight'); page.keyboard.press('ArrowLeft'); page.keyboard.press('ArrowLeft')  # from the first to the last
    after = painted(page)
    [hint] = saved(page)[1]['hints']
    assert hint['at'] == [300 - 5*12, 200 - 3*12 + 1] and (after != before).any()
    assert page.locator('#common :checked').get_attribute('value') == hint['colour']
    tab_to('Reach'); page.keyboard.press('Home'); painted(page)
    assert saved(page)[1]['hints'][0]['reach'] < hint['reach']
    page.keyboard.press('Delete'); assert (painted(page) == before).all()
    page.keyboard.press('Control+Z'); assert (painted(page) != before).any()
    tab_to('Undo'); tab_to('Save hints'); tab_to('Open hints'); tab_to('Download PNG')

# ---- files

def hints_file(page, o, name='hints.json'):
    page.set_input_files('#hints-file', dict(name=name, mimeType='application/json', buffer=o if isinstance(o, bytes) else json.dumps(o).encode()))

FOUR = [dict(at=[130, 400], colour='#3a5f2b', reach=128), dict(at=[[260, 330], [300, 420], [330, 500]], width=9, colour='darkorange'),
        dict(at=[400, 30, 480, 200], colour='#888', reach=90.5), dict(at=[225, 110], colour=None, reach=128)]

def test_save_and_open(visit):
    "A point, a stroke, a box and a pinned place come back as they were; names of colours become numbers; one step back undoes it"
    page = correct(visit, sample_photos()['astronaut'])
    before = painted(page)
    hints_file(page, dict(letthere_hints=1, size=[512, 512], hints=FOUR)); says(page, '4 hints from hints.json')
    after = painted(page)
    _, o = saved(page)
    assert o['hints'] == [FOUR[0], FOUR[1] | dict(colour='#ff8c00', reach=128), FOUR[2] | dict(colour='#888888'), FOUR[3]] and (after != before).mean() > .2
    page.click('#undo'); assert (painted(page) == before).all()
    hints_file(page, o, 'again.json'); says(page, 'from again.json')
    assert (painted(page) == after).all() and (np.asarray(download(page).convert('RGB')) == after).all()
    half = dict(o, size=[256, 256], hints=[dict(at=[65, 200], colour='#3a5f2b', reach=64)])
    hints_file(page, half, 'half.json'); says(page, 'one hint from half.json')
    assert saved(page)[1]['hints'] == [dict(at=[131, 401], colour='#3a5f2b', reach=128)]

def test_bad_hints(visit):
    "A sentence that names the file and what is wrong; the hints that were there stay"
    page = visit()
    page.evaluate("""() => { const transfer = new DataTransfer(); transfer.items.add(new File(["{}"], "h.json"));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })) }""")
    says(page, 'h.json has hints: open their photo first', '#problem')
    give(page, 'photo.png', coded(sample_photos()['astronaut'])); page.click('#correct'); click(page, 130, 400); take(page, 'green')
    kept = saved(page)[1]
    def there(): return page.locator('#undo').is_enabled(), page.locator('#marks').inner_html()
    before = there()
    good = dict(letthere_hints=1, size=[512, 512], hints=[FOUR[0]])
    def one(**kw): return good | dict(hints=[FOUR[0], FOUR[0] | kw])
    bad = {'not JSON': b'photo', 'no file of hints': dict(hints=[]), 'newer version': good | dict(letthere_hints=2), 'has "more"': good | dict(more=1), 'size of its photo': good | dict(size=[512]),
           'no list of hints': good | dict(hints=[5]), 'has 512 × 400 pixels, and this one 512 × 512': good | dict(size=[512, 400]), 'hint 2 is outside': one(at=[512, 0]),
           'hint 2 has "at": [1,2,3]': one(at=[1, 2, 3]), 'hint 2 has "at": [[1,2],3]': one(at=[[1, 2], 3]), 'hint 2 has the colour "greenish"': one(colour='greenish'),
           'hint 2 has the colour "transparent"': one(colour='transparent'), 'hint 2 has the reach 0': one(reach=0), 'hint 2 has the width "3"': one(width='3'), 'hint 2 has "strength"': one(strength=1)}
    for why, o in bad.items():
        hints_file(page, o); says(page, why, '#problem')
        assert page.locator('#problem').text_content().startswith("hints.json can't be used: "), why
        assert there() == before, why
    assert saved(page)[1] == kept

def test_nothing_is_lost_without_a_word(visit):
    "Another photo has no hints, and says where those of the first are; with the first they are back; leaving asks"
    page, s = correct(visit, sample_photos()['astronaut'], 'first.png'), sample_photos()
    click(page, 130, 400); take(page, 'green'); after = painted(page)
    give(page, 'second.png', coded(s['coffee']))
    says(page, 'Your one hint for first.png will be back when you open it again')
    page.click('#correct'); assert page.locator('#save-hints').is_disabled() and page.locator('#undo').is_disabled()
    give(page, 'first.png', coded(s['astronaut'])); says(page, 'Your one hint for it: here again')
    assert (painted(page) == after).all()
    def asks():
        asked = []
        def answer(d): asked.append(d.type); d.accept()
        page.once('dialog', answer); page.reload(); page.remove_listener('dialog', answer) if not asked else None
        return asked
    assert asks() == ['beforeunload']
    says(page, 'Ready'); give(page, 'first.png', coded(s['astronaut'])); page.click('#correct'); click(page, 130, 400); take(page, 'green'); painted(page)
    saved(page); assert asks() == []

def test_page_and_command(visit, tmp_path):
    "The same hints file: the same picture, up to what an eye can't notice; the strength counts for the network's colours alone"
    page, found = visit(), {}
    for name, (w, h), strength in [('astronaut', (512, 512), 1), ('coffee', (1801, 1203), 1.5)]:
        photo, hints, out = (tmp_path/f'{name}{end}' for end in ('.png', '.json', '_color.png'))
        places = [(np.reshape(o['at'], (-1, 2))*[w/512, h/512]).astype(int).reshape(np.shape(o['at'])).tolist() for o in FOUR]
        hints.write_text(json.dumps(dict(letthere_hints=1, size=[w, h], hints=[o | dict(at=at) for o, at in zip(FOUR, places)])))
        sample_photos()[name].resize((w, h)).save(photo)
        r = letthere(tmp_path, 'colorize', photo, '-o', out, '--model', 'tiny', '--saturation', strength, '--hints', hints)
        assert r.returncode == 0, r.stderr
        give(page, photo.name, photo.read_bytes()); choose(page, 'strength', 100*strength); plain = painted(page)
        page.click('#correct'); hints_file(page, hints.read_bytes()); says(page, '4 hints')
        assert (painted(page) != plain).mean() > .2
        got, wanted = download(page), Image.open(out)
        found[name] = difference(got, wanted), np.abs(np.asarray(got.convert('RGB'), int) - np.asarray(wanted.convert('RGB'), int)).max()
    print(found)
    assert max(o for o, _ in found.values()) < .1 and max(o for _, o in found.values()) <= 4

# ---- for everybody, and large photos

@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_phone_with_a_finger(visit, scheme):
    "390 pixels wide, by touch: nothing sticks out, all is large enough, the photo stays in sight, text can be read"
    page = correct(visit, sample_photos()['astronaut'], viewport=dict(width=390, height=844), has_touch=True, color_scheme=scheme)
    before = painted(page)
    page.touchscreen.tap(*place(page, 130, 400)); says(page, 'Which colour is it?', '#advice')
    page.get_by_role('radio', name='green', exact=True).tap()
    assert (painted(page) != before).any()
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    for b in page.locator('button:visible, .swatch:visible, .any:visible').all(): assert min(b.bounding_box()[o] for o in ('width', 'height')) >= 44, b.evaluate('o => o.outerHTML')
    page.locator('#save-hints').scroll_into_view_if_needed()
    box = page.locator('#marks').bounding_box()
    assert box['y'] >= 0 and box['height'] <= 844*.46
    for o in page.locator('#advice, #wrong, #hints label, #hints button:not(.swatch)').all():
        color, back = o.evaluate("""(o) => { let b = o; while (b.parentElement && getComputedStyle(b).backgroundColor === "rgba(0, 0, 0, 0)") b = b.parentElement;
            return [getComputedStyle(o).color, getComputedStyle(b).backgroundColor] }""")
        a, b = sorted(test_try.luminance([float(c) for c in re.findall(r'[\d.]+', x)[:3]]) for x in (color, back))
        assert (b + .05)/(a + .05) >= 4.5, o.inner_text()
    unnamed = page.evaluate("""() => [...document.querySelectorAll("input:not([hidden]), button, #marks, [role=radiogroup], [role=group]")].filter((o) =>
        !(o.getAttribute("aria-label") || o.labels?.length || o.innerText)).map((o) => o.outerHTML)""")
    assert not unnamed

SPY = """() => { self.runs = 0; self.decoded = 0; self.largest = 0;
    const at = (name) => import(new URL(name, %r));
    return at("try/assets/ort.wasm.bundle.min.mjs").then(({ InferenceSession }) => {
        const run = InferenceSession.prototype.run;
        InferenceSession.prototype.run = function (...o) { self.runs++; return run.apply(this, o) };
        const bitmap = self.createImageBitmap;
        self.createImageBitmap = (o, ...more) => { if (o instanceof Blob) self.decoded++; else if (o instanceof ImageData) self.largest = Math.max(self.largest, o.width * o.height); return bitmap(o, ...more) };
    }) }"""

def test_24_megapixels(visit, url):
    "While one draws, the network does not run again, nothing is decoded again, and no more is painted than what is seen"
    page, im = visit(), sample_photos()['china'].resize((6000, 4000))
    worker = page.workers[0]
    worker.evaluate(SPY % url)
    give(page, 'large.jpg', coded(im, 'JPEG', quality=80)); page.click('#correct')
    before = painted(page)
    take(page, 'violet'); draw(page, (1000, 500), (2500, 700), (2600, 1500)); after = painted(page)
    page.locator('#reach').fill('40'); page.locator('#reach').fill('12'); painted(page)
    def counts(): return worker.evaluate('({runs, decoded, largest})')
    assert (before != after).any() and counts() | dict(largest=0) == dict(runs=1, decoded=1, largest=0) and 1e6 < counts()['largest'] <= 1.51e6
    hint = saved(page)[1]['hints'][0]
    assert hint['reach'] == 720 and len(hint['at']) > 5
    result = download(page, '#jpeg')
    assert result.size == im.size and counts()['runs'] == 1 and counts()['decoded'] == 2
    seen = Image.fromarray(painted(page))
    assert difference(result.resize(seen.size, Image.Resampling.BOX), seen) < 2
