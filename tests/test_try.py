"The page that colours photos (nbs/11a_page.ipynb, letthere_color/web): in a real browser, against the command and the library."
import base64, fcntl, io, json, os, re, shutil, signal, subprocess, sys, threading
from pathlib import Path
from urllib.request import urlopen

import numpy as np, pytest, torch
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab as lab_of
from helpers import COMMAND, letthere, PATIENCE
from letthere_color import inference
from letthere_color.colorization import pad8
from letthere_color.core import fit_gamut, lab2rgb, open_photo, photo2tensor, rgb2l, sample_photos
from letthere_color.inference import Colorizer
from letthere_color.small_copy import edge_slope, enlarge_chroma
from letthere_color.page import page_folder, PageServer

root = Path(__file__).parent.parent

# ---- the page and its visitors

@pytest.fixture(scope='module')
def serve(page_files):
    "A function that serves a folder (None: the page) and gives its server"
    servers = []
    def start(folder=None):
        servers.append(server := PageServer(0, folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server
    yield start
    for o in servers: o.shutdown(); o.server_close()

@pytest.fixture(scope='module')
def url(serve): return serve().url

@pytest.fixture
def visit(browser, url):
    "A function that opens the page and waits until it is ready. Nothing may leave the origin, nothing may go wrong."
    contexts, wrong, asked = [], [], []
    def go(address=url, ready=True, script=None, **window):
        context = browser.new_context(**{'viewport': dict(width=1280, height=900), **window})
        contexts.append(context)
        if script: context.add_init_script(script)
        page = context.new_page()
        context.on('request', lambda r: asked.append(r.url))
        page.on('pageerror', lambda e: wrong.append(str(e))); page.on('console', lambda m: m.type == 'error' and wrong.append(m.text))
        page.goto(address)
        if ready: says(page, 'Ready')
        return page
    go.asked, go.wrong, go.expected = asked, wrong, 'nothing'  # what the browser may say, early or late
    yield go
    for c in contexts: c.close()
    assert not [o for o in wrong if go.expected not in o]
    assert all(re.match(r'(blob:)?http://127\.0\.0\.1:|file:', o) for o in asked), asked

def says(page, text, where='#status'):
    from playwright.sync_api import expect
    expect(page.locator(where)).to_contain_text(text)

def file(name, data): return dict(name=name, mimeType='image/jpeg' if name.endswith('jpg') else 'image/png', buffer=data)

def coded(im, format='PNG', **kw):
    out = io.BytesIO()
    im.save(out, format, **kw)
    return out.getvalue()

def give(page, name, data):
    page.set_input_files('#file', file(name, data))
    says(page, f'{name} is coloured')

def answer(page, function, given):
    "What a JavaScript function answers; many numbers go there and back as one text, which Playwright does not look into"
    return json.loads(page.evaluate(f'async (given) => JSON.stringify(await ({function})(JSON.parse(given)))', json.dumps(given)))

def download(page, button='#png'):
    with page.expect_download() as got: page.click(button)
    return Image.open(got.value.path())

def shown(page, canvas):
    "The pixels of a canvas"
    data = page.evaluate('id => document.getElementById(id).toDataURL()', canvas).split(',')[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert('RGB'))

def choose(page, id, value):
    "Move a slider or a menu, as a visitor does"
    page.evaluate('''([id, value]) => {
        const o = document.getElementById(id);
        o.value = value;
        o.dispatchEvent(new Event(o.tagName === "SELECT" ? "change" : "input"));
    }''', [id, str(value)])

def difference(a, b):
    "Mean CIEDE2000 of two photos, of every second pixel of every second row"
    a, b = (np.asarray(o)[..., :3] for o in (a, b))
    assert a.shape == b.shape
    a, b = a[::2, ::2], b[::2, ::2]
    return deltaE_ciede2000(lab_of(a), lab_of(b)).mean()

# ---- equal colours

def photos():
    "Ten files: formats, sizes, modes, one turned by EXIF, one that is larger than the screen's copy"
    s = sample_photos()
    turned = Image.Exif(); turned[274] = 6
    see_through = s['coffee'].resize((61,250)).convert('RGBA')
    see_through.putalpha(Image.linear_gradient('L').resize((61,250)).point(lambda x: 60 + x*3//4))
    return {'astronaut.png': coded(s['astronaut']), 'chelsea.jpg': coded(s['chelsea'], 'JPEG', quality=90), 'coffee.webp': coded(s['coffee'], 'WEBP', quality=90),
            'rocket.jpg': coded(s['rocket'], 'JPEG', progressive=True), 'flower.png': coded(s['flower'].resize((333,217))), 'grey.png': coded(s['china'].convert('L')),
            'turned.jpg': coded(s['china'], 'JPEG', exif=turned), 'large.jpg': coded(s['flower'].resize((1801,1203)), 'JPEG', quality=92),
            'small.png': coded(s['chelsea'].resize((40,9))), 'through.png': coded(see_through)}

@pytest.fixture(scope='module')
def by_command(tmp_path_factory):
    "What `letthere colorize` makes of the ten photos, as PNG"
    folder, out = tmp_path_factory.mktemp('in'), tmp_path_factory.mktemp('out')
    for name, data in photos().items(): (folder/name).write_bytes(data)
    r = letthere(folder, 'colorize', folder, '-o', out, '--model', 'tiny', '--format', 'png')
    assert r.returncode == 0, r.stderr
    return {p.stem: Image.open(p) for p in out.rglob('*.png')}

def test_ten_photos(visit, by_command):
    "The file that the page gives is the file that the command writes, up to a step or two of 255"
    page, found = visit(), {}
    for name, data in photos().items():
        give(page, name, data)
        got, wanted = download(page), by_command[Path(name).stem]
        assert got.size == wanted.size, name
        a, b = np.asarray(got.convert('RGB'), int), np.asarray(wanted.convert('RGB'), int)
        assert np.abs(np.diff(a, axis=2)).mean() > 2, f'{name} is grey'
        found[name] = difference(got, wanted)
        if name != 'through.png': assert np.abs(a - b).max() <= 3, name  # a browser keeps colours multiplied by alpha
        else: assert (np.asarray(got)[..., 3] == np.asarray(wanted)[..., 3]).all()
    print({k: round(v, 4) for k, v in found.items()})
    assert len(found) == 10 and found.pop('through.png') < 1 and max(found.values()) < .1

def test_screen_and_jpeg(visit):
    "What is seen is what is saved; grey on the left; JPEG too; both carry the note of a model"
    page, im = visit(), sample_photos()['rocket']
    give(page, 'a.b.png', coded(im))
    saved = download(page)
    assert (shown(page, 'after') == np.asarray(saved.convert('RGB'))).all()
    grey = shown(page, 'before')
    assert (grey.max(2) - grey.min(2)).max() <= 1
    assert (rgb2l(photo2tensor(Image.fromarray(grey))) - rgb2l(photo2tensor(im))).abs().max() < .4
    with page.expect_download() as got: page.click('#jpeg')
    assert got.value.suggested_filename == 'a.b_color.jpg'
    jpeg = Image.open(got.value.path())
    assert jpeg.format == 'JPEG' and difference(jpeg, saved) < 2
    for o in (jpeg, saved):
        o.load()
        assert b'compositeWithTrainedAlgorithmicMedia' in (o.info.get('xmp') or o.info['XML:com.adobe.xmp'].encode())
        assert inference.__version__ in str(o.info) and open_photo(o)

def test_moods_and_strength(visit):
    "A preset, half of it, another photo, strength: as the library does it"
    page, s = visit(), sample_photos()
    im, other = s['china'], s['coffee'].resize((301,200))
    give(page, 'china.png', coded(im))
    def same(**kw): assert difference(download(page), Colorizer.from_pretrained('tiny', **kw)(im)) < .1, kw
    choose(page, 'strength', 150); same(saturation=1.5)
    choose(page, 'strength', 0); assert (np.ptp(np.asarray(download(page))[..., :3], axis=2) <= 1).all()
    choose(page, 'strength', 100); choose(page, 'mood', 'sunset'); same(style='class:sunset')
    choose(page, 'weight', 50); same(style='class:sunset', style_strength=.5)
    choose(page, 'mood', 'photo')
    page.set_input_files('#style-file', file('other.png', coded(other)))
    says(page, 'in the mood of other.png')
    choose(page, 'weight', 100); same(style=other)
    page.set_input_files('#style-file', file('more.png', coded(s['flower'])))
    says(page, 'in the mood of more.png'); same(style=s['flower'])
    page.set_input_files('#style-file', file('text.png', b'no photo'))
    says(page, 'text.png is not a photo', '#problem'); same(style=s['flower'])
    give(page, 'again.png', coded(im)); same()  # a new photo begins in its own mood

def test_scenes(visit):
    "Five scenes, named and measured as by the network itself"
    page, im = visit(), sample_photos()['china']
    give(page, 'china.png', coded(im))
    painter = Colorizer.from_pretrained('tiny', fast=False)
    with torch.no_grad(): scores = painter.model(pad8(painter.prepare(im).copy))[1].softmax(1)[0]
    top = scores.topk(5)
    assert page.locator('#scenes li').count() == 5
    for li, i, p in zip(page.locator('#scenes li').all(), top.indices, top.values):
        name, share = li.locator('span').all_inner_texts()
        assert name == painter.model.config.class_names[i].removeprefix('obj_').replace('_', ' ') and abs(int(share.split()[0]) - 100*p) < .7

def test_colour_maths(visit):
    "The modules of the page, number by number, against the library"
    page, rng = visit(ready=False), np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3,60,70), np.uint8)
    lab = torch.from_numpy(np.stack([rng.uniform(0, 100, (60,70)), *rng.uniform(-110, 110, (2,60,70))]).astype(np.float32))
    x = torch.from_numpy(rng.random((1,1,61,43), np.float32))
    ab, copy = torch.from_numpy(rng.uniform(-60, 60, (1,2,61,43)).astype(np.float32)), x
    sizes = [(30,20), (61,43), (100,90), (8,8), (1,200)]
    big = torch.rand(1,1,97,131)*100
    def interpolate(h, w): return torch.nn.functional.interpolate(x, (h,w), mode='bilinear', antialias=True)
    wanted = dict(L=rgb2l(torch.from_numpy(rgb)), rgb=lab2rgb(fit_gamut(lab), torch.uint8), slope=edge_slope(ab, copy)[0,0],
                  painted=lab2rgb(fit_gamut(torch.cat([big, enlarge_chroma(ab, copy, (97,131))(0, 97, big)], 1)), torch.uint8)[0])
    found = answer(page, '''async ({rgb, lab, x, w, h, a, b, big, W, H, sizes}) => {
        const at = (name) => import(new URL(`try/${name}.js`, location));
        const [color, resize, chroma] = await Promise.all(["color", "resize", "chroma"].map(at));
        const rgba = new Uint8ClampedArray(rgb[0].flatMap((_, i) => [rgb[0][i], rgb[1][i], rgb[2][i], 255]));
        const result = {L: Array.from(color.lightness(rgba))};
        const planes = (rgba) => [0, 1, 2].map((c) => Array.from(rgba.filter((_, i) => i % 4 === c)));
        lab[0].forEach((L, i) => color.writeColour(rgba, 4 * i, L, lab[1][i], lab[2][i]));
        result.rgb = planes(rgba);
        const plane = (data) => resize.plane(w, h, new Float32Array(data));
        result.resized = sizes.map(([h, w]) => Array.from(resize.resized(plane(x), w, h).data));
        result.strips = Array.from(resize.resizedStrips([0, 20, 60].map((y, i) => resize.plane(w, [20, 40, 1][i],
            new Float32Array(x.slice(y * w, (y + [20, 40, 1][i]) * w)))), 20, 30).data);
        result.slope = Array.from(chroma.edgeSlope(plane(a), plane(x)).data);
        const out = new Uint8ClampedArray(4 * W * H);
        const paint = chroma.painter([{chroma: [plane(a), plane(b)], copy: plane(x)}], W, H);
        for (const [y0, y1] of [[0, 50], [50, H]]) paint(y0, new Float32Array(big.slice(y0 * W, y1 * W)), out.subarray(4 * y0 * W, 4 * y1 * W), 1);
        result.painted = planes(out);
        return result;
    }''', dict(rgb=rgb.reshape(3,-1).tolist(), lab=lab.flatten(1).tolist(), x=x.flatten().tolist(), w=43, h=61, a=ab[0,0].flatten().tolist(),
               b=ab[0,1].flatten().tolist(), big=big.flatten().tolist(), W=131, H=97, sizes=sizes))
    def apart(name): return np.abs(np.array(found[name], float).ravel() - wanted[name].double().numpy().ravel()).max()
    assert apart('L') < 1e-3 and apart('slope') < 1e-2 and apart('rgb') <= 1 and apart('painted') <= 1
    for size, numbers in zip(sizes, found['resized']): assert np.abs(np.array(numbers) - interpolate(*size).flatten().numpy()).max() < 1e-5, size
    assert np.abs(np.array(found['strips']) - interpolate(30, 20).flatten().numpy()).max() < 1e-5
    for w, h in [(1,1), (640,427), (4000,6000), (7,3000), (224,224), (225,223)]:
        js = page.evaluate('async ([w, h]) => (await import(new URL("try/photo.js", location))).workingSize(w, h)', [w, h])
        assert tuple(js[::-1]) == inference.working_size(h, w), (w, h)

# ---- what is not a photo, and what hardly is one

def animation(format):
    frames = [Image.new('RGB', (64,48), c) for c in ('#777', '#fff', '#000')]
    return coded(frames[0], format, save_all=True, append_images=frames[1:], duration=100, **(dict(lossless=True) if format == 'WEBP' else {}))

def huge():
    "A PNG of 100 megapixels in 100 kB"
    return coded(Image.new('1', (10_000,10_000)))

BAD = {'empty.jpg': (b'', 'is empty (0 bytes)'), 'text.jpg': (b'Dear Sir or Madam, ' * 50, 'is not a photo: this page reads JPEG, PNG and WebP'),
       'film.mp4': (b'\0\0\0\x20ftypisom', 'is a film: the command colours it'), 'film.mkv': (b'\x1aE\xdf\xa3 matroska', 'is a film'),
       'scan.tif': (lambda: coded(Image.new('L', (9,9)), 'TIFF'), 'is TIFF'), 'huge.png': (huge, 'has 100 million pixels'),
       'cut.jpg': (lambda: photos()['rocket.jpg'][:400], 'is damaged or cut off'), 'head.png': (lambda: photos()['grey.png'][:40], 'is damaged or cut off'),
       'short.webp': (b'RIFF\x04\0\0\0WEBP', 'is damaged or cut off'), 'one.jpg': (b'\xff\xd8\xff', 'is damaged or cut off')}

def test_bad_files(visit):
    "A sentence that names the file; the photo before it stays, and the next one works"
    page = visit()
    for i, (name, (data, why)) in enumerate(BAD.items()):
        page.set_input_files('#file', file(name, data if isinstance(data, bytes) else data()))
        says(page, f'{name} {why}', '#problem')
        assert page.locator('#problem').get_attribute('role') == 'alert'
        if i == 3:
            give(page, 'good.png', coded(sample_photos()['chelsea']))
            assert page.locator('#problem').is_hidden()
    assert page.locator('#picture').is_visible() and 'good.png' in page.locator('#caption').inner_text()
    assert difference(download(page), Colorizer.from_pretrained('tiny')(sample_photos()['chelsea'])) < .1

def test_odd_files(visit):
    "One pixel, one row, an animation: the right result"
    page = visit()
    for size in [(1,1), (300,1), (3,500)]:
        im = sample_photos()['coffee'].resize(size)
        give(page, f'{size[0]}.png', coded(im))
        assert np.abs(np.asarray(download(page), int)[..., :3] - np.asarray(Colorizer.from_pretrained('tiny')(im), int)).max() <= 2, size
    for format in ('GIF', 'WEBP', 'PNG'):
        give(page, f'film.{format.lower()}', animation(format))
        assert 'animated' in page.locator('#caption').inner_text(), format
        assert abs(rgb2l(photo2tensor(download(page))).mean() - rgb2l(photo2tensor(Image.new('RGB', (1,1), '#777'))).mean()) < .5, format

def test_what_the_browser_decodes(visit):
    "BMP and AVIF are coloured; HEIC, where the browser has none, is called by its name"
    page, im = visit(), sample_photos()['coffee'].resize((60,40))
    for fmt in ('BMP', 'AVIF'):
        give(page, f'a.{fmt.lower()}', coded(im, fmt))
        assert download(page).size == (60, 40) and difference(download(page), Colorizer.from_pretrained('tiny')(im)) < 4
    box = b'ispe' + bytes(4) + (40).to_bytes(4) + (30).to_bytes(4)
    page.set_input_files('#file', file('phone.heic', b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + box + bytes(99)))
    says(page, 'phone.heic is HEIC, which this browser does not read', '#problem')

def test_newest_photo_wins(visit):
    page, s = visit(), sample_photos()
    for name in ('flower', 'china', 'coffee'): page.set_input_files('#file', file(f'{name}.png', coded(s[name])))
    says(page, 'coffee.png is coloured')
    assert difference(download(page), Colorizer.from_pretrained('tiny')(s['coffee'])) < .1
    assert (shown(page, 'after') == np.asarray(download(page).convert('RGB'))).all()

def test_drop_and_paste(visit):
    page, data = visit(), base64.b64encode(coded(sample_photos()['chelsea'])).decode()
    for kind in ('drop', 'paste'):
        page.evaluate('''([kind, data]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            transfer.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
            document.dispatchEvent(kind === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }''', [kind, data])
        says(page, f'{kind}.png is coloured')

# ---- where the network can't run

def test_no_webassembly(visit):
    page = visit(ready=False, script='delete window.WebAssembly')
    says(page, 'no WebAssembly', '#problem')
    assert page.locator('#sample').is_disabled()

def test_broken_network(page_files, serve, visit, tmp_path):
    "No picture, no grey one either: a sentence"
    shutil.copytree(page_files, tmp_path/'web')
    path = tmp_path/'web/try/assets/model.onnx'
    path.write_bytes(path.read_bytes()[:1000])
    visit.expected = '404'
    page = visit(serve(tmp_path/'web').url, ready=False)
    says(page, 'could not be started', '#problem')
    assert page.locator('#sample').is_disabled() and page.locator('#picture').is_hidden()
    path.unlink(); page.reload()
    says(page, 'model.onnx: 404', '#problem')

def test_opened_from_a_folder(page_files, browser):
    page = browser.new_page()
    page.goto((page_files/'try.html').as_uri())
    page.locator('#dead').wait_for(state='visible')
    assert page.locator('#app').is_hidden() and 'letthere serve' in page.locator('#dead').inner_text()
    page.close()

# ---- nothing leaves the machine

def test_works_offline_and_sends_nothing(visit, serve, url):
    page = visit()
    assert sum('model.onnx' in o for o in visit.asked) == 1, 'requests of the worker are seen'
    before = len(visit.asked)
    page.context.set_offline(True)
    page.click('#sample'); says(page, 'is coloured'); choose(page, 'mood', 'sunset'); download(page); download(page, '#jpeg')
    assert all(o.startswith('blob:') for o in visit.asked[before:])
    page.context.set_offline(False)
    other = serve()  # another origin: the policy holds in the page and in its worker
    for place in (page, page.workers[0]):
        assert place.evaluate('u => fetch(u, {mode: "no-cors"}).then(() => "sent", () => "refused")', other.url) == 'refused'
    assert page.workers[0].evaluate('u => fetch(u).then((r) => r.status)', url) == 200
    visit.expected = 'Content Security Policy'
    while not visit.wrong: page.wait_for_timeout(20)  # until the browser says so
    visit.asked[:] = [o for o in visit.asked if not o.startswith(other.url)]

def test_loads_in_20_megabytes(visit):
    visit()
    total = 0
    for o in {*visit.asked}:
        if o.startswith('http'): total += len(urlopen(o).read())
    print(f'{total/1e6:.2f} MB')
    assert 10e6 < total < 20e6

# ---- for everybody

def test_keyboard_only(visit):
    "From the first Tab to the file, and every control by its name"
    page = visit()
    page.on('filechooser', lambda o: None)  # from now on, choosers come to us
    def tab_to(name):
        for _ in range(25):
            page.keyboard.press('Tab')
            at = page.evaluate('''() => { const o = document.activeElement;
                return [o.getAttribute("aria-label") || o.labels?.[0]?.innerText || o.innerText, getComputedStyle(o.id === "cut" ? o.parentElement : o).outlineWidth] }''')
            assert at[0].strip() and float(at[1].removesuffix('px')) >= 2, at
            if name in at[0]: return
        pytest.fail(f'no way to {name}')
    tab_to('Choose a photo')
    with page.expect_file_chooser() as chooser: page.keyboard.press('Enter')
    assert not chooser.value.is_multiple()
    tab_to('sample photo'); page.keyboard.press('Enter'); says(page, 'is coloured')
    tab_to('Boundary'); page.keyboard.press('Home')
    assert page.evaluate('getComputedStyle(document.getElementById("compare")).getPropertyValue("--cut")') == '0%'
    tab_to('Strength'); page.keyboard.press('ArrowRight'); says(page, '105 %', '#strength-value')
    tab_to('Mood'); page.keyboard.type('sunset'); says(page, '100 %', '#weight-value')
    assert page.locator('#mood').input_value() == 'sunset'
    tab_to('How much'); page.keyboard.press('PageDown')
    tab_to('PNG')
    with page.expect_download() as got: page.keyboard.press('Enter')
    im = sample_photos()['rocket'].convert('L')
    weight = page.evaluate('+document.getElementById("weight").value')/100
    expected = Colorizer.from_pretrained('tiny', style='class:sunset', style_strength=weight, saturation=1.05)(Image.open(page_folder()/'try/assets/sample.jpg'))
    assert weight < 1 and im.size == expected.size and difference(Image.open(got.value.path()), expected) < .1

def luminance(rgb): return sum(k*(c/12.92 if c <= .04045 else ((c + .055)/1.055)**2.4) for k, c in zip((.2126, .7152, .0722), (o/255 for o in rgb)))

@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_phone(visit, scheme):
    "390 pixels: nothing sticks out, buttons are large enough for a finger, text can be read"
    page = visit(viewport=dict(width=390, height=844), color_scheme=scheme, reduced_motion='reduce')
    def fits(): assert page.evaluate('document.documentElement.scrollWidth') <= 390
    fits(); page.click('#sample'); says(page, 'is coloured'); fits()
    choose(page, 'mood', 'photo'); choose(page, 'mood', 'sunset'); fits()
    give(page, 'a_name_without_any_blank_'*9 + '.png', coded(sample_photos()['coffee'].resize((900,30)))); fits()
    give(page, 'tower.png', coded(sample_photos()['coffee'].resize((30,900)))); fits()
    page.set_input_files('#file', file('x'*200 + '.jpg', b'')); says(page, 'is empty', '#problem'); fits()
    for b in page.locator('button:visible, select:visible').all(): assert b.bounding_box()['height'] >= 44
    pairs = page.evaluate('''() => [...document.querySelectorAll("a, p, h1, h2, label, output, button, select, span, figcaption")].filter((o) => o.checkVisibility()).map((o) => {
        let back = o; while (back.parentElement && getComputedStyle(back).backgroundColor === "rgba(0, 0, 0, 0)") back = back.parentElement;
        return [o.outerHTML, getComputedStyle(o).color, getComputedStyle(back).backgroundColor] })''')
    assert len(pairs) > 20
    for what, *pair in pairs:
        if 'class="tag"' in what: continue  # white on a picture, behind it a shade
        a, b = sorted(luminance([float(o) for o in re.findall(r'[\d.]+', c)[:3]]) for c in pair)
        assert (b + .05)/(a + .05) >= 4.5, (what, pair)
    assert page.evaluate('getComputedStyle(document.querySelector("button")).transitionDuration') in ('0s', '')

def test_words_for_all(visit):
    page = visit()
    page.click('#sample'); says(page, 'is coloured')
    assert page.locator('html').get_attribute('lang') == 'en' and page.title()
    assert page.locator('h1').count() == 1 and page.locator('#status').get_attribute('role') == 'status'
    unnamed = page.evaluate('''() => [...document.querySelectorAll("input:not([hidden]), select, button, canvas, progress")].filter((o) =>
        !(o.getAttribute("aria-label") || o.labels?.length || o.innerText)).map((o) => o.id)''')
    assert not unnamed
    ids = page.evaluate('[...document.querySelectorAll("[id]")].map((o) => o.id)')
    assert len(ids) == len(set(ids))

# ---- large photos

def test_24_megapixels(visit):
    "It finishes, it is right, and the page answers meanwhile"
    page, im = visit(), sample_photos()['china'].resize((6000,4000))
    data = coded(im, 'JPEG', quality=90)
    page.evaluate('window.turns = 0; setInterval(() => turns++, 20)')
    def turns(do):  # of the page's own loop, while a worker reckons: one or two if it stood still
        before = page.evaluate('turns'); do()
        return page.evaluate('turns') - before
    assert turns(lambda: give(page, 'large.jpg', data)) > 10
    with page.expect_download() as got: assert turns(lambda: (page.click('#jpeg'), got.value)) > 10
    result = Image.open(got.value.path())
    assert result.size == im.size
    wanted = Colorizer.from_pretrained('tiny')(Image.open(io.BytesIO(data)))
    crop = (2500, 1500, 3500, 2300)
    assert difference(result.crop(crop), wanted.crop(crop)) < 1

# ---- the command

def test_serve(page_files):
    "One line with the address; Ctrl-C ends it quietly; a port that is taken is one line"
    command = [sys.executable, '-c', COMMAND, 'serve', '--no-browser', '--port']
    p = subprocess.Popen([*command, '0'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONPATH': str(root)},
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # also where a shell has ignored it
    address = next(o for o in p.stdout if 'http' in o).split()[0]
    assert re.fullmatch(r'http://127\.0\.0\.1:\d+/try\.html', address)
    assert b'Colour a photo' in urlopen(address).read()
    assert urlopen(address.replace('try.html', 'try/assets/ort-wasm-simd-threaded.wasm')).headers['Content-Type'] == 'application/wasm'
    r = subprocess.run([*command, address.split(':')[2].split('/')[0]], capture_output=True, text=True)
    assert r.returncode == 1 and len(r.stderr.splitlines()) == 1 and '--port' in r.stderr
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 0 and not err and not out.strip()

def test_site_has_the_page(page_files, tmp_path):
    "What the site gets: the page with all its files, and a link to the book beside it"
    sys.path.insert(0, str(root/'tools'))
    import web
    web.copy_to(tmp_path, 'https://letthere-color.github.io/letthere_color')
    text = (tmp_path/'try.html').read_text()
    assert 'href="index.html"' in text and 'github.io' not in text
    assert not (tmp_path/'study').exists()  # the page of a study is one that study_page writes
    assert {p.name for p in (tmp_path/'try/assets').iterdir()} >= {'model.onnx', 'model.json', *web.RUNTIME, 'sample.jpg'}
    about = json.loads((tmp_path/'try/assets/model.json').read_text())
    for name, size in about['files'].items(): assert (tmp_path/'try/assets'/name).stat().st_size == size

def test_linter():
    "This page and that of the study pass the linter and the formatter, as `npm run check` in tools/web says"
    if not os.environ.get('CI') and not shutil.which('npm'): pytest.skip('the linter needs npm: install Node.js')
    package, quiet = root/'tools/web', dict(cwd=root/'tools/web', capture_output=True, text=True)
    with open(package/'.npmrc') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (package/'node_modules/.bin/eslint').exists():
            r = subprocess.run(['npm', 'ci'], **quiet)
            assert r.returncode == 0, r.stderr
        r = subprocess.run(['npm', 'run', 'check'], **quiet)
    assert r.returncode == 0, r.stdout + r.stderr

def test_no_npm(tmp_path):
    "The site build says what is missing and how to get it"
    tools = tmp_path/'tools'
    shutil.copytree(root/'tools', tools, ignore=shutil.ignore_patterns('node_modules'))
    r = subprocess.run([sys.executable, tools/'web.py'], capture_output=True, text=True, env={'PATH': '/none', 'PYTHONPATH': str(root)})
    assert r.returncode == 1 and 'npm' in r.stderr and 'Node.js' in r.stderr and len(r.stderr.splitlines()) == 1
