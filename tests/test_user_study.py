"The user study (nbs/09_user_study.ipynb): blind, fair, nothing lost; its page in a real browser; its statistics against SciPy."
import io, json, re, socket, subprocess, sys, time
from types import SimpleNamespace

import imagecodecs, numpy as np, pytest
from PIL import Image, ImageCms
from scipy import stats
from helpers import letthere, PATIENCE
from letthere_color import rating, user_study
from letthere_color.user_study import Answer, append_answer, FIELDS, load_study, make_study, order_for, read_answers
from letthere_color.rating import page_html, Rating, study_page
from letthere_color.study_report import answers_needed, planned_study, report, shuffle_test, simulated_answers
from letthere_color.robot import fooling_rates, train_robot

def photo(seed, size=(160,120)):
    "A colourful landscape that never was"
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (4,5,3), np.uint8)).resize(size, Image.Resampling.BICUBIC)

METHODS = dict(ours=lambda im: im.convert('L').convert('RGB'), swapped=lambda im: Image.merge('RGB', im.split()[::-1]))

@pytest.fixture(scope='session')
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photos')
    for i in range(20): photo(i).save(folder/f'{i}, "the {i}th".png')
    return folder

@pytest.fixture
def study(photos, tmp_path): return make_study(photos, tmp_path/'study', METHODS, size=64)[0]

# ---- a study

def test_nothing_but_colour_differs(tmp_path):
    (tmp_path/'in/below').mkdir(parents=True)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    notes = Image.Exif(); notes[270] = 'the real one'
    photo(1, (400,300)).save(tmp_path/'in/a.jpg', exif=notes, icc_profile=icc, comment=b'the real one')
    photo(2, (90,200)).save(tmp_path/'in/below/b.png', dpi=(72,72))
    see_through = photo(3); see_through.putalpha(100); see_through.save(tmp_path/'in/c.png')
    photo(4).convert('L').save(tmp_path/'in/grey.jpg'); (tmp_path/'in/broken.jpg').write_bytes(b'no photo')
    study, skipped = make_study(tmp_path/'in', tmp_path/'out', METHODS, size=96)
    assert sorted(skipped) == ['broken.jpg', 'grey.jpg'] and 'is grey' in skipped['grey.jpg']
    assert sorted(study.photos) == ['a.jpg', 'below/b.png', 'c.png'] and study.methods == ['real', 'ours', 'swapped']
    for v in study.versions:
        im = Image.open(study.folder/v.file)
        assert (im.mode, max(im.size), im.info, im.format) == ('RGB', 96, {}, 'PNG')
        assert re.fullmatch(r'\d{4}\.png', v.file)
    numbers = [int(v.file[:4]) for v in study.versions]
    assert sorted(numbers) == list(range(9)) and numbers != sorted(numbers)

def test_wide_profile_becomes_srgb(tmp_path):
    "Without it the real photo, and only that, would look dull"
    im, srgb, foreign = photo(1), ImageCms.createProfile('sRGB'), ImageCms.ImageCmsProfile(ImageCms.createProfile('LAB'))
    prophoto = imagecodecs.cms_profile('rgb', whitepoint=(.3457, .3585, 1), primaries=(.7347, .2653, .1596, .8404, .0366, .0001), gamma=1.8)
    wide = ImageCms.profileToProfile(im, srgb, ImageCms.ImageCmsProfile(io.BytesIO(prophoto)))
    def off(a, b): return np.abs(np.asarray(a, int) - np.asarray(b)).mean()
    assert off(wide, im) > 15
    (tmp_path/'in').mkdir()
    for name, o, icc in (('wide', wide, prophoto), ('damaged', im, b'no profile'), ('foreign', im, foreign.tobytes())): o.save(tmp_path/f'in/{name}.png', icc_profile=icc)
    study, skipped = make_study(tmp_path/'in', tmp_path/'out', METHODS, size=160)
    shown = {v.photo: Image.open(study.folder/v.file) for v in study.versions if v.method == 'real'}
    assert sorted(shown) == ['damaged.png', 'foreign.png', 'wide.png'] and not skipped
    for o in shown.values(): assert off(o, im) < 2

def test_same_seed_same_study(photos, tmp_path):
    a, b, other = (make_study(photos, tmp_path/n, METHODS, n=5, size=48, seed=s)[0] for n, s in (('a', 0), ('b', 0), ('c', 1)))
    assert a.versions == b.versions != other.versions and len(a.photos) == 5
    for v in a.versions: assert (a.folder/v.file).read_bytes() == (b.folder/v.file).read_bytes()

@pytest.mark.parametrize('change,says', [
    (lambda d: d.pop('versions'), 'is no study'), (lambda d: d['versions'].clear(), 'nothing to rate'), (lambda d: d['versions'].pop(), 'is missing'),
    (lambda d: d['versions'].append(d['versions'][0]), 'twice'), (lambda d: d['versions'][0].update(file='x.png'), 'x.png is not in the folder'),
    (lambda d: d.update(colour=1), 'is no study')])
def test_damaged_study(study, change, says):
    path = study.folder/'study.json'
    what = json.loads(path.read_text()); change(what); path.write_text(json.dumps(what))
    with pytest.raises(ValueError, match=says) as e: load_study(study.folder)
    assert 'study.json' in str(e.value)

def test_wrong_use(photos, study, tmp_path):
    with pytest.raises(FileNotFoundError, match='study.json'): load_study(tmp_path/'nowhere')
    (study.folder/'study.json').write_text('{"versions": ')
    with pytest.raises(ValueError, match='is no study'): load_study(study.folder)
    with pytest.raises(ValueError, match='not empty'): make_study(photos, study.folder, METHODS)
    with pytest.raises(ValueError, match='must keep the size'): make_study(photos, tmp_path/'new', dict(small=lambda im: im.resize((3,3))))
    (tmp_path/'grey').mkdir(); photo(0).convert('L').save(tmp_path/'grey/1.png')
    with pytest.raises(ValueError, match='None of the 1 photos'): make_study(tmp_path/'grey', tmp_path/'other', METHODS)
    for wrong in (dict(n=0), dict(size=8)):
        with pytest.raises(ValueError): make_study(photos, tmp_path/'other', METHODS, **wrong)
    assert not (tmp_path/'new/study.json').exists() and not (tmp_path/'other').exists()

def test_each_version(study):
    study.each = True
    seen = order_for(study, 'Ada')
    assert len(seen) == 60 and set(seen) == set(study.versions) and seen != order_for(study, 'Bob')

# ---- widgets

@pytest.fixture
def clock(monkeypatch):
    "The widget's clock, moved by hand: `clock.now = 3`"
    clock = SimpleNamespace(now=0., monotonic=lambda: clock.now)
    monkeypatch.setattr(rating, 'time', clock)
    return clock

@pytest.fixture
def quick(monkeypatch): monkeypatch.setattr(rating, 'FASTEST', 0)

def begin(study, path, rater='Ada', **kw):
    widget = Rating(study, path, rater, **kw)
    widget.start.click()
    return widget

def test_widget(study, tmp_path, clock):
    path = tmp_path/'answers.csv'
    first = begin(study, path)
    shown = []
    for i in range(7):
        clock.now += 1 + i
        shown.append(first.picture.value.split('base64,')[1][:3000]); (first.yes if i%2 else first.no).click()
    bob = begin(study.folder, path, 'Bob'); clock.now += 1; bob.yes.click()
    again = begin(study, path, ' Ada ')
    assert (again.progress.value, again.progress.max) == (7, 20) and '7 of 20' in again.said.value
    while not again.yes.disabled: clock.now += 2; again.yes.click()
    answers, notes = read_answers(path)
    ada = [a for a in answers if a.rater == 'Ada']
    assert [(a.photo, a.method) for a in ada] == [(v.photo, v.method) for v in order_for(study, 'Ada')] and not notes
    assert [a.natural for a in ada] == [False, True]*3 + [False] + [True]*13 and len(answers) == 21 and len(set(shown)) == 7
    for method in study.methods: assert method not in first.picture.value and method not in again.said.value
    assert [a.seconds for a in answers] == [*range(1, 8), 1] + [2]*13
    assert not begin(study, path).picture.value and 'Thank you' in begin(study, path).said.value

def test_widget_goes_on_after_a_power_cut(study, tmp_path, quick):
    path = tmp_path/'answers.csv'
    first = begin(study, path)
    for _ in range(3): first.yes.click()
    path.write_bytes(path.read_bytes()[:-9])
    again = begin(study, path)
    assert again.progress.value == 2
    for _ in range(18): again.no.click()
    assert len(read_answers(path)[0]) == 20 and not read_answers(path)[1]

def test_widget_takes_no_double_click(study, tmp_path, clock):
    widget = begin(study, tmp_path/'answers.csv')
    clock.now += .9*rating.FASTEST; widget.yes.click(); widget.yes.click()
    assert not (tmp_path/'answers.csv').exists()
    clock.now += .2*rating.FASTEST; widget.yes.click(); widget.yes.click()
    assert len(read_answers(tmp_path/'answers.csv')[0]) == 1

def test_widget_says_when_nothing_is_stored(study, tmp_path, quick):
    widget = begin(study, tmp_path/'no folder/answers.csv')
    before = widget.picture.value
    widget.yes.click()
    assert 'could not be stored' in widget.said.value and widget.picture.value == before and widget.progress.value == 0

def test_widget_hides_the_picture_in_the_browser(study, tmp_path):
    assert '0s 1.5s forwards' in begin(study, tmp_path/'a.csv', seconds=1.5).picture.value
    assert 'animation' not in begin(study, tmp_path/'a.csv', seconds=0).picture.value

# ---- answers

HEAD, GOOD = ','.join(FIELDS), 'Ada,a.jpg,real,yes,1.20,2026-12-24T18:00:00Z'

@pytest.mark.parametrize('text,says', [
    ('', 'no answers'), (HEAD + '\n', 'no answers'), ('rater;photo;method;answer;seconds;time\n' + GOOD + '\n', 'line 1: the columns must be'),
    (f'{HEAD}\n{GOOD}\n{GOOD[:20]}\n{GOOD}\n', 'line 3: .* fields'), (f'{HEAD}\n{GOOD.replace("yes", "ja")}\n', "line 2: the answer is 'ja'"),
    (f'{HEAD}\n\n{GOOD.replace("1.20", "nan")}\n', "line 3: seconds are 'nan'"), (f'{HEAD}\n{GOOD[:-1]}\n', 'line 2: the time is'),
    (f'{HEAD}\n{GOOD}\n{GOOD.replace("1.20", "1.30")}\n', 'line 3: Ada has answered a.jpg .*line 2'), (f'{HEAD}\n,{GOOD[4:]}\n', 'line 2: rater'),
    (f'{HEAD}\nA\x00da{GOOD[3:]}\n{GOOD},more\n', 'line 3: 7 fields')])
def test_wrong_answers(tmp_path, text, says):
    (tmp_path/'some answers.csv').write_text(text)
    with pytest.raises(ValueError, match=says) as e: report(tmp_path/'some answers.csv')
    assert 'some answers.csv' in str(e.value) and len(str(e.value).splitlines()) == 1

def test_other_encodings(tmp_path):
    (tmp_path/'a.csv').write_bytes(f'{HEAD}\nZo\xeb{GOOD[3:]}\n'.encode('latin1'))
    with pytest.raises(ValueError, match='a.csv: is no text in UTF-8'): read_answers(tmp_path/'a.csv')
    (tmp_path/'a.csv').write_bytes(b'\xef\xbb\xbf' + f'{HEAD}\r\nZo\xeb{GOOD[3:]}\r\n'.encode())
    assert read_answers(tmp_path)[0][0].rater == 'Zo\xeb'
    with pytest.raises(FileNotFoundError, match='b.csv'): read_answers([tmp_path/'a.csv', tmp_path/'b.csv'])

def test_every_cut_is_mended(tmp_path):
    some, path = [Answer(r, 'Zürich, "Kreis" 5.jpg', 'real', True, 1., '2026-12-24T18:00:00Z') for r in ('Zoë', '李', 'Ada')], tmp_path/'a.csv'
    for a in some: append_answer(path, a)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        try: have = read_answers(path)[0]
        except ValueError: have = []
        for a in some[len(have):]: append_answer(path, a)
        assert path.read_bytes() in (whole, whole[:-1]), cut

# ---- statistics

def test_no_difference_is_rarely_found():
    "Under the null hypothesis p < 0.05 in at most 5 % of all studies, though raters and photos differ; both designs"
    for each in (False, True):
        plan = planned_study(24, ['real', 'ours'], each=each)
        ps = [report(simulated_answers(plan, dict(real=.8, ours=.8), 6, seed=s), times=2).comparisons[0].p for s in range(400)]
        assert np.mean(np.array(ps) < .05) < .07, each

def test_interval_of_a_difference_holds_it():
    plan, hits = planned_study(60, ['real', 'ours']), 0
    for seed in range(100):
        lo, hi = report(simulated_answers(plan, dict(real=.9, ours=.7), 12, seed=seed), times=300).comparisons[0].interval
        hits += lo <= .2 <= hi
    assert hits >= 90

def test_shuffling_many_groups_stays_exact():
    rng = np.random.default_rng(0)
    pairs = [(int(a), 1, int(b), 1) for a, b in rng.random((3000, 2)) < (.9, .88)]
    won, differ = sum(a > b for a, _, b, _ in pairs), sum(a != b for a, _, b, _ in pairs)
    assert np.isclose(shuffle_test(pairs), stats.binomtest(won, differ).pvalue, rtol=1e-6)
    table = [[700, 300], [640, 360]]
    assert np.isclose(shuffle_test([(700, 1000, 640, 1000)]), stats.fisher_exact(table).pvalue, rtol=1e-6)
    assert shuffle_test([(5, 5, 5, 5)]) == 1 and answers_needed(.9, .8) == answers_needed(.8, .9) == 199

def test_report_of_known_answers(tmp_path):
    rows = [Answer(r, f'{i}.jpg', m, i < k, 1.5, '2026-12-24T18:00:00Z')
            for r in ('Ada', 'Bob') for m, k in (('ours', 6), ('real', 9)) for i in range(10)]
    found = report(rows)
    real, ours = found.methods
    assert (real.method, real.natural, real.n, ours.natural, ours.share) == ('real', 18, 20, 12, .6) and real.raters == dict(Ada=.9, Bob=.9)
    c, = found.comparisons
    assert c.paired and np.isclose(c.difference, .3) and np.isclose(c.p, stats.binomtest(6, 6).pvalue) and '97.2' in str(found)
    assert report(rows[:1]).comparisons == [] and report(rows) == found

# ---- the page, in a browser

RATER = 'Zoë  O\u2019Hara, "李" 🙂'

@pytest.fixture
def visit(browser, tmp_path):
    "A function that opens a study in a window of 390 px without a network; nothing may be requested, nothing may go wrong"
    wrong = []
    context = browser.new_context(viewport=dict(width=390, height=780), offline=True, accept_downloads=True)
    def go(study):
        path = tmp_path/'page.html'
        if not path.exists(): study_page(study, path)
        page = context.new_page()
        page.on('request', lambda r: r.url.startswith(('file:', 'data:', 'blob:')) or wrong.append(r.url))
        page.on('pageerror', lambda e: wrong.append(str(e))); page.on('console', lambda m: m.type == 'error' and wrong.append(m.text))
        page.goto(path.as_uri())
        return page
    go.context = context
    yield go
    context.close()
    assert not wrong

def start(page, rater=RATER):
    page.get_by_label('Your name').fill(rater)
    page.keyboard.press('Enter')

def until(page, says):
    "Wait until a line of JavaScript is true (wait_for_function needs eval, which the page forbids)"
    end = time.monotonic() + PATIENCE
    while not page.evaluate(says):
        assert time.monotonic() < end, says
        time.sleep(.02)

def answer(page, i, how):
    "Answer picture i by a key or a button, when it can be answered"
    until(page, f'answers.length == {i} && shown && performance.now() - begun > 1000*study.fastest')
    page.get_by_role('button', name=how).click() if how in ('Yes', 'No') else page.keyboard.press(how)

def test_page_rates_twenty_photos(study, visit, tmp_path):
    begun, page, how = time.monotonic(), visit(study), ['y', 'n', 'ArrowRight', 'ArrowLeft', 'Yes', 'No', 'Y']
    start(page)
    for i in range(9): answer(page, i, how[i%7])
    until(page, 'answers.length == 9'); page.close()
    page = visit(study)  # tomorrow
    start(page, f' {RATER} ')
    assert '9 of 20' in page.get_by_role('status').inner_text()
    with page.expect_download() as got: page.get_by_role('button', name='so far').click()
    got.value.save_as(tmp_path/'answers/early.csv')
    for i in range(9, 20): answer(page, i, how[i%7])
    with page.expect_download() as got: page.get_by_role('button', name='Download the answers', exact=True).click()
    got.value.save_as(tmp_path/'answers/late.csv')
    assert len(read_answers(tmp_path/'answers/early.csv')[0]) == 9
    answers, notes = read_answers(tmp_path/'answers')  # what is in both files counts once
    expected = order_for(study, user_study.clean_name(RATER))
    assert [(a.photo, a.method) for a in answers] == [(v.photo, v.method) for v in expected] and not notes
    assert [a.natural for a in answers] == [[True, False, True, False, True, False, True][i%7] for i in range(20)]
    assert {a.rater for a in answers} == {user_study.clean_name(RATER)} and all(.2 <= a.seconds <= time.monotonic() - begun for a in answers)
    found = report(tmp_path/'answers')
    assert found.answers == 20 and sum(o.natural for o in found.methods) == sum(a.natural for a in answers) and 'real' in str(found)

def test_page_has_the_order_of_python(study, visit):
    page = visit(study)
    for rater in ('Ada', 'x', 'Ünï çødé 🙂', 'a|b', '0'):
        assert page.evaluate('r => orderFor(r).map(v => v.file)', rater) == [v.file for v in order_for(study, rater)]
    page.evaluate('study.each = true'); study.each = True
    assert page.evaluate('orderFor("Ada").map(v => v.file)') == [v.file for v in order_for(study, 'Ada')]

def test_page_hides_the_picture(study, visit):
    study.seconds = .3
    page = visit(study); start(page)
    until(page, "document.getElementById('picture').style.visibility == 'hidden'")
    page.evaluate('study.seconds = 1e5')  # the next one stays
    height = page.locator('#frame').bounding_box()['height']
    answer(page, 0, 'y')
    until(page, "answers.length == 1 && document.getElementById('picture').style.visibility == 'visible'")
    assert page.locator('#frame').bounding_box()['height'] == height

def test_page_keys_have_limits(study, visit):
    page = visit(study); page.keyboard.press('y'); start(page)
    until(page, 'shown')
    page.evaluate('study.fastest = 1e5'); page.keyboard.press('y')  # too fast
    page.evaluate('study.fastest = .2'); until(page, 'performance.now() - begun > 1000*study.fastest')
    for key in ('Control+y', 'q', 'Shift', 'Alt+n'): page.keyboard.press(key)
    assert page.evaluate('answers.length') == 0
    page.keyboard.down('y'); [page.keyboard.down('y') for _ in range(20)]; until(page, 'shown && performance.now() - begun > 1000*study.fastest'); page.keyboard.down('y')  # held down
    assert page.evaluate('answers.length') == 1

def luminance(rgb): return sum(k*(c/12.92 if c <= .04045 else ((c + .055)/1.055)**2.4) for k, c in zip((.2126, .7152, .0722), (o/255 for o in rgb)))

def test_page_is_accessible(study, visit):
    page = visit(study)
    assert page.locator('html').get_attribute('lang') == 'en' and page.title() == study.question
    def fits(): assert page.evaluate('document.documentElement.scrollWidth') <= 390
    fits(); start(page); until(page, 'shown'); fits()
    assert page.get_by_role('progressbar').get_attribute('aria-label') and page.get_by_role('img', name='Picture 1').count() == 1
    assert page.get_by_role('heading', name=study.question).evaluate('e => e == document.activeElement')
    for name in ('Yes', 'No'): assert page.get_by_role('button', name=name).bounding_box()['height'] >= 44
    page.keyboard.press('Tab')
    outline = page.evaluate('getComputedStyle(document.activeElement).outlineWidth')
    assert page.evaluate('document.activeElement.id') == 'no' and float(outline.removesuffix('px')) >= 2
    pairs = page.evaluate("""[['body', 'body'], ['#yes', '#yes'], ['#count', 'body'], ['button.plain', 'body']].map(([front, back]) =>
        [getComputedStyle(document.querySelector(front)).color, getComputedStyle(document.querySelector(back)).backgroundColor])""")
    for pair in pairs:
        a, b = sorted(luminance([float(o) for o in re.findall(r'[\d.]+', c)[:3]]) for c in pair)
        assert (b + .05)/(a + .05) >= 4.5, pair

def test_page_without_memory(study, visit):
    visit.context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('forbidden') }})")
    page = visit(study); start(page)
    assert 'keeps nothing' in page.get_by_role('alert').inner_text()
    answer(page, 0, 'y'); until(page, 'answers.length == 1')

def test_page_stands_alone(study, tmp_path):
    study.question = 'Is <b>this</b> "natural" & fine?</script>'
    text = page_html(study)
    assert '<b>this' not in text and text.count('</script>') == 2 and "default-src 'none'" in text and 'http' not in re.sub('http-equiv', '', text)
    study_page(study, tmp_path/'p.html')
    with pytest.raises(ValueError, match='exists already'): study_page(study, tmp_path/'p.html')
    assert study_page(study, tmp_path/'p.html', overwrite=True).read_text(encoding='utf-8') == text

# ---- the widgets, in JupyterLab

@pytest.mark.slow
def test_keys_in_jupyterlab(photos, browser, tmp_path):
    "Y, N and the arrows answer, the picture hides itself, and the notebook's own shortcuts (Y, N, arrows) are not reached"
    make_study(photos, tmp_path/'study', METHODS, n=6, size=64, seconds=.5)
    code = "from letthere_color.rating import Rating\nRating('study')"
    cell = dict(cell_type='code', id='a', metadata={}, outputs=[], execution_count=None, source=code)
    kernel = dict(kernelspec=dict(name='python3', display_name='python3', language='python'))
    (tmp_path/'n.ipynb').write_text(json.dumps(dict(cells=[cell], metadata=kernel, nbformat=4, nbformat_minor=5)))
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    options = [f'--port={port}', '--ip=127.0.0.1', '--allow-root', '--no-browser', '--IdentityProvider.token=',
               f'--ServerApp.root_dir={tmp_path}', '--LabApp.news_url=None']
    server = subprocess.Popen([sys.executable, '-m', 'jupyter', 'lab', *options], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    page = browser.new_page()
    try:
        for _ in range(PATIENCE):
            try: page.goto(f'http://127.0.0.1:{port}/lab/tree/n.ipynb'); break
            except Exception: time.sleep(1)
        page.wait_for_selector('.jp-Cell .jp-InputArea-editor')
        for _ in range(PATIENCE//2):  # until the page has its kernel, it does not run cells
            page.click('.jp-Cell .jp-InputArea-editor'); page.keyboard.press('Control+Enter'); time.sleep(2)
            if page.locator('.jp-InputPrompt').first.inner_text().strip() not in ('[ ]:', '[]:', ''): break
        page.wait_for_selector('.letthere-study')
        page.fill('.letthere-study input', 'Ada'); page.click('.letthere-study button:has-text("Start")')
        for i, key in enumerate(['y', 'n', 'ArrowRight', 'ArrowLeft']):
            page.get_by_role('img', name=f'Picture {i + 1}').wait_for(state='attached')
            page.wait_for_selector('.letthere-study img', state='hidden')
            page.keyboard.press(key)
        page.get_by_role('img', name='Picture 5').wait_for(state='attached')
        assert [a.natural for a in read_answers(tmp_path/'answers.csv')[0]] == [True, False, True, False]
        assert page.locator('.jp-CodeCell').count() == 1 and page.locator('.jp-MarkdownCell').count() == 0
    finally: page.close(); server.terminate(); server.wait(PATIENCE)

# ---- robot and command

def test_robot_learns_what_differs():
    "Noise with and without chroma; a robot that may not see chroma learns nothing"
    import torch
    torch.manual_seed(0)
    grey = torch.randint(60, 200, (96,1,24,24), dtype=torch.uint8).expand(-1,3,-1,-1).contiguous()
    tinted = (grey.int() + torch.tensor([20,0,-20])[:,None,None]).clamp(0, 255).to(torch.uint8)
    robot = train_robot(tinted[:64], [grey[:64]], epochs=10, bs=16)
    rates = fooling_rates(robot, dict(real=tinted[64:], grey=grey[64:]))
    assert rates['real'].share > .9 and rates['grey'].share < .1 and rates['grey'].interval[0] == 0
    blind = train_robot(grey[:64], [grey[:64]], epochs=2, bs=16)
    rates = fooling_rates(blind, dict(real=grey[64:], same=grey[64:]))
    assert rates['real'] == rates['same']

def test_command(tmp_path):
    (tmp_path/'photos').mkdir()
    for i in range(3): photo(i).save(tmp_path/f'photos/{i}.png')
    make = ('study', 'make', 'photos', '-o', 'new', '--model', 'ours=tiny', '--size', 64, '--html', '--jpeg')
    r = letthere(tmp_path, *make)
    assert r.returncode == 0 and '3 photos, of each 2 versions: real, ours' in r.stdout and (tmp_path/'new.html').is_file(), r.stderr
    r = letthere(tmp_path, *make)
    assert r.returncode == 1 and 'new.html' in r.stderr and len(r.stderr.splitlines()) == 1
    study = load_study(tmp_path/'new')
    for rater in ('Ada', 'Bob'):
        for v in order_for(study, rater): append_answer(tmp_path/f'{rater}.csv', Answer(rater, v.photo, v.method, True, 1., '2026-12-24T18:00:00Z'))
    r = letthere(tmp_path, 'study', 'report', 'Ada.csv', 'Bob.csv', '--plot', 'p.png')
    assert r.returncode == 0 and '6 answers, 2 raters' in r.stdout and Image.open(tmp_path/'p.png').size[0] > 300, r.stderr
    r = letthere(tmp_path, 'study', 'report', 'Eve.csv')
    assert r.returncode == 1 and r.stderr.strip() == 'letthere: Eve.csv: no such file; name the answers of a study.'
