"""The site as its readers meet it: built anew, opened from a folder without a network, wide and narrow, light and dark."""
import fcntl, json, os, re, shutil, subprocess, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

root = Path(__file__).parent.parent
chapters = sorted((root/'nbs').glob('[0-9]*.ipynb'))
NOT_COPIED = shutil.ignore_patterns('.git', '.venv*', 'venv', '_docs', '_proc', '.*cache', '__pycache__', '.hypothesis', '*.egg-info', 'build', 'dist', 'data', 'runs', 'node_modules', 'tmp*')

@pytest.fixture(scope='session')
def site(page_files, tmp_path_factory):
    "The site, built once in a copy of the repository and of its page's files, whichever worker comes first"
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base  # workers share one run's folder, runs share nothing
    copy = shared/'copy'
    with open(shared/'site.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (copy/'_docs').exists():
            shutil.copytree(root, copy, symlinks=True, ignore=NOT_COPIED, dirs_exist_ok=True)
            r = subprocess.run([sys.executable, 'tools/book.py', 'site'], cwd=copy, capture_output=True, text=True)
            assert r.returncode == 0, r.stdout + r.stderr
    return copy/'_docs'

def report(wrong):
    if wrong: pytest.fail('\n'.join(wrong), pytrace=False)

class Page(HTMLParser):
    "What a page links to, what can be linked to, and its pictures"
    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.pictures = [], set(), []
        self.feed(path.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.ids |= {a[k] for k in ('id', 'name') if a.get(k)}
        self.links += [a[k] for k in ('href', 'src') if a.get(k)] + [o.split()[0] for o in (a.get('srcset') or '').split(',') if o.strip()]
        if tag == 'img': self.pictures.append(a)

@pytest.fixture(scope='session')
def pages(site): return {p.relative_to(site).as_posix(): Page(p) for p in sorted(site.rglob('*.html'))}

def test_pages(pages): assert {'index.html', 'fusion.html', 'glossary.html', 'paper_vs_here.html', 'models.html'} < pages.keys()

def test_links(site, pages):
    "Every internal link has its file and its anchor; so has every picture, script and style sheet"
    broken = []
    for name,page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc: continue
            target = (site/name).parent/unquote(url.path) if url.path else site/name
            if not target.exists(): broken.append(f'{name}: {link}'); continue
            there = pages.get(target.resolve().relative_to(site.resolve()).as_posix())
            if there and url.fragment and unquote(url.fragment) not in there.ids | {'top'}: broken.append(f'{name}: {link}: no such anchor')
    report(sorted(set(broken)))

def test_pictures_have_a_text(pages):
    bare = [f'{name}: {(img.get("src") or "")[:60]}' for name,page in pages.items() for img in page.pictures if not (img.get('alt') or '').strip()]
    report(bare)

# ---- in a browser

@pytest.fixture(scope='session')
def browser(launch):
    "One that lets pages from a folder read their neighbours"
    return launch('--allow-file-access-from-files')

CONTRAST = '''() => {  // texts that are harder to read than WCAG AA allows
  const rgba = s => { const [r, g, b, a = 1] = s.match(/[\\d.]+/g).map(Number); return s.startsWith("color(srgb") ? [r*255, g*255, b*255, a] : [r, g, b, a]; };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v*top[3] + under[i]*(1 - top[3]));
  const once = f => { const known = new Map(); return e => { if (!known.has(e)) known.set(e, f(e)); return known.get(e); }; };  // for many texts
  const background = once(e => {
    const c = e ? rgba(getComputedStyle(e).backgroundColor) : [255, 255, 255, 1];
    return c[3] === 1 ? c.slice(0, 3) : over(c, background(e.parentElement));
  });
  const seen = once(e => e ? getComputedStyle(e).opacity*seen(e.parentElement) : 1);
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v/12.92 : ((v + .055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b; };
  const bad = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement, s = getComputedStyle(e), rect = e.getBoundingClientRect();
    if (!n.data.trim() || e.closest("script, style, svg, .katex-mathml") || rect.width < 2 || !e.checkVisibility({visibilityProperty: true})) continue;
    const opacity = seen(e);
    if (opacity < .05) continue;  // shown on hover alone
    const ground = background(e), c = rgba(s.color), ink = over([...c.slice(0, 3), c[3]*opacity], ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x), ratio = (a + .05)/(b + .05), size = parseFloat(s.fontSize);
    const enough = size >= 24 || size >= 18.66 && s.fontWeight >= 700 ? 3 : 4.5;
    if (ratio < enough - .02) bad.add(`${ratio.toFixed(1)}:1 for ${e.tagName.toLowerCase()}.${e.className} "${n.data.trim().slice(0, 30)}"`);
  }
  return [...bad].slice(0, 8);
}'''

WIDE = '''() => [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 &&
  ![...function*(p) { while (p = p.parentElement) yield p; }(e)].some(p => ["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)))
  .slice(0, 3).map(e => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 40))'''

CUT = '() => [...document.querySelectorAll(".katex-display")].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 40))'

GROUND = 'getComputedStyle(document.body).backgroundColor'

DARK = f'''async (light) => {{
  while ({GROUND} === light) await new Promise(r => setTimeout(r, 5));
  await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));  // the page has been told, too
  await new Promise(r => setTimeout(r, 60));  // and its bar follows 50 ms later, by such a timer
}}'''

@pytest.mark.parametrize('part', [0, 1])
def test_in_a_browser(part, site, browser):
    "No error, no request to a network, no page wider than the screen, no formula cut off; in light and dark, wide and narrow no text that is hard to read"
    context = browser.new_context(color_scheme='light')
    page, wrong, name = context.new_page(), [], ''
    page.on('console', lambda m: m.type == 'error' and wrong.append(f'{name}: console: {m.text}'))
    page.on('pageerror', lambda e: wrong.append(f'{name}: {e}'))
    page.on('request', lambda r: r.url.startswith(('file:', 'data:', 'blob:')) or wrong.append(f'{name}: asks the network for {r.url}'))
    page.on('requestfailed', lambda r: wrong.append(f'{name}: {r.url} {r.failure}'))
    def look(width, scheme):
        page.set_viewport_size(dict(width=width, height=900))
        wrong.extend(f'{name}: {width} wide, {scheme}: {o}' for o in page.evaluate(CONTRAST))
        if scheme == 'dark': return
        if page.evaluate('document.documentElement.scrollWidth > innerWidth'): wrong.append(f'{name}: wider than {width}: {page.evaluate(WIDE)}')
        if width == 1280: wrong.extend(f'{name}: does not fit: {o}' for o in page.evaluate(CUT))
    for path in sorted({*site.glob('*.html')} - {site/'try.html', site/'data.html'})[part::2]:  # one has tests of its own, one only leads elsewhere
        name = path.name
        page.goto(path.as_uri(), wait_until='load')
        page.add_style_tag(content='*, ::before, ::after { transition: none !important }')  # or colours on their way are measured
        look(1280, 'light'); look(390, 'light')
        light = page.evaluate(GROUND)
        page.emulate_media(color_scheme='dark')
        page.evaluate(DARK, light)
        look(390, 'dark'); look(1280, 'dark')
        page.emulate_media(color_scheme='light')
    context.close()
    report(wrong)

def test_contrast_is_measured(browser):
    "The measure itself: black on white passes, grey on grey is found, half-transparent text too"
    page = browser.new_page()
    page.set_content('<p style="color:#000">well</p><div style="background:#888"><p style="color:#999">pale</p></div><p style="color:#000;opacity:.4">faint</p>')
    found = page.evaluate(CONTRAST)
    page.close()
    assert len(found) == 2 and '"pale"' in found[0] and '"faint"' in found[1]

def test_search_without_a_server(site, browser):
    page = browser.new_page()
    page.goto((site/'index.html').as_uri())
    page.fill('input[type=search], .smalldocs-search input', 'fusion')
    page.wait_for_selector('.search-result')
    assert 'fusion' in page.inner_text('.smalldocs-search-results').lower()
    page.close()

# ---- each chapter

@pytest.fixture(scope='module')
def desk(browser):
    "A page as wide as a desk's screen, for one chapter after the other"
    page = browser.new_page(viewport=dict(width=1280, height=900))
    yield page
    page.close()

@pytest.mark.parametrize('path', [pytest.param(p, id=p.stem) for p in chapters])
def test_chapter(path, site, desk):
    "A badge and a question; unless it calls itself plumbing: a picture within the first screen, exercises with hidden solutions"
    text = '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'markdown')
    exercises, plumbing = text.partition('## Exercises')[2], re.search(r'^\*\*(Plumbing|An appendix)', text, re.M)
    missing = [what for what,there in {
        'badge and times (`python tools/book.py heads`)': 'Open in Colab' in text and 'to read' in text,
        'a question': '?' in text[:2500],
        'exercises': plumbing or re.search(r'^(1\. |\*\*1\.\*\* )', exercises, re.M),
        'a hidden solution': plumbing or re.search(r'<details>|collapse="true"', exercises)}.items() if not there]
    if plumbing: return report([f'{path.name} lacks {o}' for o in missing])  # it needs no picture
    desk.goto((site/f'{re.sub(r"^[0-9]+[a-z]*_", "", path.stem)}.html').as_uri())
    tops = desk.evaluate('[...document.querySelectorAll("main img, main .cell svg, main table, main video")].filter(e => !(e.src || "").endsWith("colab.svg")).map(e => e.getBoundingClientRect().top)')
    if min(tops, default=1000) > 850: missing.append('a picture (or table) within the first screen')
    report([f'{path.name} lacks {o}' for o in missing])
