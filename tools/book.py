"""The book's own commands: `python tools/book.py run [NB...] | heads [NB...] | numbers | pages | thumbs | readme | site | check`

run     execute notebooks in place and store their outputs (all of nbs/ when none is named)
heads   write what stands at the top of each chapter: the badge, the time to read and to run, the cell for Colab
numbers what stands in the text of a chapter although nothing in it produces that number (tools/proof.py)
pages   write nbs/paper_vs_here.md and nbs/models.md from the notebooks' tables, the model cards and CITATION.cff
thumbs  cut the small pictures of the index out of the chapters' stored outputs (nbs/images/chapters)
readme  write README.md from nbs/index.ipynb
site    build the site into _docs/, with Quarto where it is installed, with smalldocs otherwise
check   clean, export and write heads, pages and README again: exit 1 if that changes a file, a module has lost its notebook,
        one breaks a rule of the house (tools/rules.py), or a number in prose comes from nowhere
"""
import argparse, base64, io, json, os, re, shutil, subprocess, sys, tempfile, time
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

root = Path(__file__).resolve().parent.parent
nbs = root/'nbs'
CHAPTERS = sorted(nbs.glob('[0-9]*.ipynb'))
os.chdir(root)  # nbdev looks for settings.ini from here
os.environ['PYTHONPATH'] = str(root)  # for worker processes
os.environ.setdefault('LETTHERE_ENGINE', 'ncnn')  # the same outputs on every machine
sys.path.insert(0, str(root))
sys.path.insert(0, str(root/'tools'))

import api, proof, rules, web

def _lines(o): return o if isinstance(o, str) else ''.join(o)

def _directives(src):
    "The names after `#|` in a cell, `eval: false` and the like without blanks"
    return {re.sub(r'\s', '', o) for o in re.findall(r'^#\|\s*(.+)$', src, re.M)}

# ---- run

def _complaints(nb):
    "What a reader should not find in stored outputs: a path of this machine, a warning, a progress bar"
    here = '|'.join(re.escape(str(p)) for p in (root.parent, Path.home(), tempfile.gettempdir()) if len(str(p)) > 1)
    for i,c in enumerate(nb.cells):
        for o in c.get('outputs', []):
            txt = _lines(o.get('text', '')) + ''.join(_lines(v) for k,v in o.get('data', {}).items() if 'image' not in k)
            if m := re.search(rf'({here})/[\w.]\S*', txt): yield f'cell {i}: a path of this machine in the output: {m[0][:80]}'
            if o.get('name') == 'stderr': yield f'cell {i}: writes to stderr: {txt.strip()[:200]}'
            if '\r' in txt or '<progress' in txt: yield f'cell {i}: a progress bar in the output'
            if any('image' in k for k in o.get('data', {})) and not {'hide', 'include:false'} & _directives(c.source) and '#| fig-alt:' not in c.source:
                yield f'cell {i}: a picture without a text for those who do not see it: add `#| fig-alt: "..."`'

def run_one(path):
    "Execute one notebook and store its outputs; return what went wrong, empty when nothing did"
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell
    from nbdev.clean import clean_nb
    from nbdev.config import get_config
    skips = {*get_config().tst_flags.split(), 'eval:false'}
    nb, shell = read_nb(path), CaptureShell(mpl_format='png')
    def skip(cell):
        if cell.cell_type != 'code' or skips & _directives(cell.source): return True  # a skipped cell keeps its outputs
        cell.outputs = []
    os.chdir(nbs)
    start = time.perf_counter()
    try: shell.run_all(nb, exc_stop=True, preproc=skip)
    except BaseException: return [shell.prettytb(path.name)]
    took = time.perf_counter() - start
    clean_nb(nb)
    write_nb(nb, path)
    if path in CHAPTERS: head(path, took)
    return list(_complaints(nb))

def run(paths):
    paths = [Path(p).resolve() for p in paths] or sorted(nbs.glob('*.ipynb'))
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    bad = 0
    with ProcessPoolExecutor(2, get_context('spawn'), max_tasks_per_child=1) as ex:
        for p,wrong in zip(paths, ex.map(run_one, paths)):
            print(f'{"FAILED" if wrong else "ok":7}{p.name}', *wrong, sep='\n  ' if wrong else '', flush=True)
            bad += bool(wrong)
    sys.exit(bad > 0)

# ---- heads: the top of each chapter

COLAB = """#| hide
import sys
if 'google.colab' in sys.modules:  # a fresh machine: fetch the book, add what it lacks, work beside its results and images
    !test -d /content/book || git clone -q --depth 1 GIT_URL /content/book
    !python -m pip list --format=freeze --exclude letthere_color > /content/here.txt
    %pip install -q -c /content/here.txt "/content/book[train,onnx,video]"
    %cd -q /content/book/nbs"""

def _read_time(cells):
    "Minutes to read: 160 words of text or 20 lines of code in a minute, in steps of five"
    text = ' '.join(_lines(c['source']) for c in cells if c['cell_type'] == 'markdown')
    code = [_lines(c['source']) for c in cells if c['cell_type'] == 'code' and not {'hide', 'echo:false'} & _directives(_lines(c['source']))]
    minutes = len(text.split())/160 + sum(o.count('\n') + 1 for o in code)/20
    return f'{max(5, 5*round(minutes/5))} minutes to read'

def _run_time(s):
    "Seconds in words, the same for a faster and a slower day"
    return ('seconds' if s < 12 else 'half a minute' if s < 40 else 'a minute' if s < 90 else f'{s/60:.0f} minutes') + ' to run on two CPU cores'

def head(path, took=None):
    "Write the two cells below a chapter's title. `took` is how long it ran, in seconds; without it the time that stands there stays"
    from nbdev.config import get_config
    cfg, text = get_config(), path.read_text()
    nb = json.loads(text)
    old = next((_lines(c['source']) for c in nb['cells'] if c['id'] == 'head0000'), '')
    cells = [c for c in nb['cells'] if c['id'] not in ('head0000', 'colab000')]
    run = _run_time(took) if took else next(iter(re.findall(r'· ([^·]* to run .*)', old)), '')
    where = f'{cfg.git_url.replace("github.com", "colab.research.google.com/github")}/blob/{cfg.branch}/nbs/{path.name}'
    line = f'[![Open in Colab](images/colab.svg)]({where}) ' + ' · '.join(o for o in (_read_time(cells), run) if o)
    cells[1:1] = [dict(cell_type='markdown', id='head0000', metadata={}, source=[line]),
                  dict(cell_type='code', execution_count=None, id='colab000', metadata={}, outputs=[],
                       source=COLAB.replace('GIT_URL', cfg.git_url).splitlines(keepends=True))]
    nb['cells'] = cells
    new = json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + '\n'
    if new != text: path.write_text(new)

def heads(paths=()):
    for p in [Path(o).resolve() for o in paths] or CHAPTERS: head(p)

# ---- pages made from what other files say

MADE = """---
title: {title}
description: {about}
---

<!-- Made by `python tools/book.py pages` from {source}: edit there. -->

"""

def _differences():
    "The tables `Paper vs. here` of all chapters"
    out = [MADE.format(title='Paper vs. here', about='Every place where this book departs from the paper, and why', source='the notebooks'),
           'Each chapter ends with such a table. Here they are together, in the order of the book. [?]: as summaries of the paper give it.\n']
    for p in CHAPTERS:
        cells = json.loads(p.read_text())['cells']
        found = re.search(r'^## Paper vs\. here\s*\n(.*?)(?=^## |\Z)', '\n\n'.join(_lines(c['source']) for c in cells if c['cell_type'] == 'markdown'), re.M | re.S)
        title = re.match('# (.*)', _lines(cells[0]['source']))[1]
        if found: out.append(f'## {_number(p)} [{title}]({p.name})\n\n{found[1].strip()}\n')
    return '\n'.join(out)

def _number(path): return re.sub(r'^0(?=\d)', '', path.stem.split('_')[0])

def _bibtex(c, key, kind):
    "One work of CITATION.cff as BibTeX"
    names = ' and '.join(f"{a['given-names']} {a['family-names']}" if 'family-names' in a else f"{{{a['name']}}}" for a in c['authors'])
    rows = dict(author=names, title='{' + c['title'] + '}', **{k: c[k] for k in ('journal', 'volume', 'number', 'year', 'doi', 'version', 'url') if k in c})
    if 'issue' in c: rows['number'] = c['issue']
    width = max(map(len, rows))
    return f'@{kind}{{{key},\n' + ',\n'.join(f'  {k:<{width}} = {{{v}}}' for k,v in rows.items()) + '\n}'

def _models():
    "The cards of the shipped models, and how to cite"
    import yaml
    cff = yaml.safe_load((root/'CITATION.cff').read_text())
    out = [MADE.format(title='Models, and how to cite', about='What the shipped models learnt from, how good they are, and where they fail',
                       source='letthere_color/weights/*/README.md and CITATION.cff')]
    for p in sorted((root/'letthere_color/weights').glob('*/README.md')):
        out.append(re.sub(r'^#', '##', re.sub(r'\A---\n.*?\n---\n', '', p.read_text(), flags=re.S), flags=re.M).strip() + '\n')
    out.append(f"""## How to cite

The paper first: the idea is its authors'.

```bibtex
{_bibtex(cff['preferred-citation'], 'IizukaSIGGRAPH2016', 'article')}
```

This book and its models, if you used them:

```bibtex
{_bibtex(cff, 'letthere_color', 'software')}
```
""")
    return '\n'.join(out)

def pages():
    (nbs/'paper_vs_here.md').write_text(_differences())
    (nbs/'models.md').write_text(_models())

THUMBS = """00_color 4 0 .18 .5 .97     01_photos 0 0 .2 .5 .97       01a_film 0 0 .18 .67 .97     02_low_level 1 .34 .16 .66 .97  03_global_features 0 .5 .18 1 .97
05_colorization 0 .34 .2 .66 .97  06_training 1 0 .03 .5 .52    06i_small_copy 3 0 .16 .33 .97  07_inference 0 .345 .08 .655 .49
08_evaluation 0 0 .08 .66 .48  08a_judging 3 0 .16 .5 .97  08b_rivals 5 .33 .045 1 .235    08c_vivid 2 .17 .08 .34 .5   09_user_study 0 .005 .1 .325 .48   10_style_transfer 2 .5 .2 1 .97
10a_hints 4 0 .16 .66 .97     11_history 0 0 .16 .4 .97      12_cli 0 .5 .12 1 .97        13_results 2 .34 .08 1 .48
11b_steady 6 0 .2 .33 .95""" # Chapter, which of its pictures, left, top, right, bottom; that of chapter 4 stays, whose figure moves

def thumbs():
    from PIL import Image, ImageOps
    (nbs/'images/chapters').mkdir(exist_ok=True)
    words = iter(THUMBS.split())
    for name, i, *box in zip(*[words]*6):
        shown = [o['data'][k] for c in json.loads((nbs/f'{name}.ipynb').read_text())['cells'] for o in c.get('outputs', ()) for k in ('image/jpeg', 'image/png') if k in o.get('data', {})]
        im = Image.open(io.BytesIO(base64.b64decode(_lines(shown[int(i)])))).convert('RGB')
        part = im.crop([round(float(o)*side) for o, side in zip(box, im.size*2)])
        ImageOps.fit(part, (240,160), Image.Resampling.LANCZOS).save(nbs/f'images/chapters/{name}.jpg', quality=72, optimize=True)

# ---- readme

def _from_top(md):
    "Links of a notebook, seen from the top folder; other links stay"
    md = re.sub(r'(\]\()(?!\w+:|#|/)([^)]+)', r'\1nbs/\2', md)
    return re.sub(r'(<(?:img|source)\b[^>]*?\b(?:src|srcset)=")(?!\w+:|/)', r'\1nbs/', md)

def _output_md(o, name, alt=''):
    "One stored output as GitHub's Markdown; a figure goes to nbs/images/NAME"
    data = o.get('data', {})
    if 'text/markdown' in data: return _lines(data['text/markdown'])
    for kind in ('png', 'jpeg'):
        if f'image/{kind}' not in data: continue
        (nbs/'images').mkdir(exist_ok=True)
        (nbs/'images'/f'{name}.{kind}').write_bytes(base64.b64decode(_lines(data[f'image/{kind}'])))
        return f'![{alt}](nbs/images/{name}.{kind})'
    return '```\n' + _lines(o.get('text') or data.get('text/plain', '')).rstrip('\n') + '\n```'

def _front(md):
    "Turn YAML front matter into a heading and a description"
    import yaml
    if not (m := re.match(r'---\n(.*?)\n---\n?', md, re.S)): return md
    y = yaml.safe_load(m[1])
    return f"# {y['title']}\n\n> {y['description']}\n\n" + md[m.end():]

def readme():
    out = ['<!-- Made from nbs/index.ipynb by `python tools/book.py readme`: edit the notebook. -->']
    for c in json.loads((nbs/'index.ipynb').read_text())['cells']:
        src = _lines(c['source'])
        if c['cell_type'] != 'code':
            out.append(_from_top(re.sub(r'^:::.*\n?', '', _front(src), flags=re.M)).strip())
            continue
        d = _directives(src)
        if d & {'hide', 'export', 'include:false'} or any(o.startswith('default_exp') for o in d): continue
        src = re.sub(r'^#\|.*\n?', '', src, flags=re.M).strip()
        if src and 'echo:false' not in d: out.append(f'```python\n{src}\n```')
        alt = next(iter(re.findall(r'^#\| fig-alt: "?(.*?)"?$', _lines(c['source']), re.M)), '')
        if drawing := re.search(r'images/[\w-]+\.svg', src): out.append(f'![{alt}](nbs/{drawing[0]})')
        else: out += [_output_md(o, f"readme-{c['id']}-{i}", alt) for i,o in enumerate(c['outputs'])]
    (root/'README.md').write_text('\n\n'.join(o for o in out if o) + '\n')

# ---- site

MOVED = dict(data='photos') # Pages that readers may have linked to, and where they are now

SEARCH = '''<script>
if (location.protocol === "file:") {  // a page opened from a folder may not fetch: load the search index as a script
  const fetch_ = window.fetch;
  window.fetch = (url, ...a) => !String(url).endsWith("search.json") ? fetch_(url, ...a) : new Promise((ok, no) => {
    const s = document.createElement("script");
    s.src = String(url).replace(/json$/, "js"); s.onload = () => ok(new Response(JSON.stringify(window.searchIndex))); s.onerror = no;
    document.head.append(s);
  });
}
</script>'''

def _page_names(proc):
    "nbdev asks for core.html from 00_core.ipynb, which Quarto obeys: take the wish out of the pages, and return {'00_core': 'core'}"
    names = {}
    for p in proc.glob('*.ipynb'):
        t = p.read_text()
        if m := re.search(r'output-file: ([\w-]+)\.html\\n', t): names[p.stem] = m[1]
        p.write_text(t.replace(m[0], '', 1) if m else t)
    return names

def _offline(site, names, home):
    "Make smalldocs' pages work from a folder: KaTeX comes from nbs/katex, search needs no server"
    page = re.compile(rf'\b({"|".join(names)})\.html|(?<=href=")({"|".join(names)})\.ipynb(?=")')
    for p in [*{*site.rglob('*.html')} - {site/web.NAME}, site/'search.json', site/'sitemap.xml']:
        t = page.sub(lambda m: f'{names[m[1] or m[2]]}.html', p.read_text())
        if p.suffix == '.html':
            p.unlink()
            p = p.with_stem(names.get(p.stem, p.stem))
            up = '../'*(len(p.relative_to(site).parts) - 1)
            t = re.sub(r'"https:[^"]*/katex@[^"/]*/dist/', f'"{up}katex/', t)
            t = t.replace(f'href="{home}/', f'href="{up}').replace('</head>', SEARCH + '\n</head>', 1)
            if m := re.search(r'<(script|img|source|iframe)\b[^>]*\bsrc="https?:[^>]*>|<link rel="stylesheet"[^>]*https?:[^>]*>', t):
                sys.exit(f'{p.name} loads something from the network: {m[0][:200]}')
        p.write_text(t)
    (site/'search.js').write_text('window.searchIndex = ' + (site/'search.json').read_text())

def site():
    from nbdev.config import get_config
    from nbdev.doclinks import _build_modidx
    from nbdev.quarto import proc_nbs, refresh_quarto_yml
    cfg = get_config()
    home = cfg.doc_host + cfg.doc_baseurl
    refresh_quarto_yml()
    _build_modidx()
    proc = proc_nbs(force=True, n_workers=0)  # two processes import everything twice and take longer
    api.tidy(proc)
    web.copy_to(proc, home)
    if shutil.which('quarto'): subprocess.run(['quarto', 'render', '--no-cache'], cwd=proc, check=True)
    else:
        names, yml = _page_names(proc), proc/'_quarto.yml'
        yml.write_text(re.sub(r'.*html-math-method.*\n', '', yml.read_text()))  # for Quarto only
        subprocess.run([sys.executable, '-m', 'smalldocs.cli', 'render', '--strict', str(proc)], check=True)
        _offline(proc/cfg.doc_path.name, names, home)
    for p in (proc/cfg.doc_path.name).glob('*.html'):  # an option stays on one line: no break behind its hyphens
        def whole(m): return re.sub(r'(?<![^\s>])--?[a-z][a-z-]*', r'<span class="option">\g<0></span>', m[0])
        p.write_text(re.sub(r'(?<!<pre>)<code>[^<\n]*</code>', whole, p.read_text()))
    for css in (proc/cfg.doc_path.name).rglob('*.css'):  # the themes ask for web fonts; ours are the reader's own
        css.write_text(re.sub(r'@import url\([^)]*\);', '', css.read_text()))
    for old, new in MOVED.items():
        (proc/cfg.doc_path.name/f'{old}.html').write_text(f'<!doctype html><title>Moved</title><meta http-equiv="refresh" content="0; url={new}.html"><a href="{new}.html">This chapter has moved.</a>\n')
    shutil.rmtree(cfg.doc_path, ignore_errors=True)
    shutil.move(proc/cfg.doc_path.name, cfg.doc_path)
    print(f'The site is in {cfg.doc_path.name}/: open {cfg.doc_path.name}/index.html')

# ---- check

def _files():
    "Every file that git tracks or would track, with its content's hash"
    ls = subprocess.run(['git', 'ls-files', '-coz', '--exclude-standard'], capture_output=True, text=True, check=True).stdout
    return {f: sha256(Path(f).read_bytes()).hexdigest() for f in ls.split('\0') if f and Path(f).is_file()}

def numbers():
    wrong = [*proof.unproved(root)]
    print('\n'.join(wrong) or 'Every number in the text is produced by its chapter, or is a fact with a reason.')
    sys.exit(bool(wrong))

def check():
    from nbdev.clean import nbdev_clean
    from nbdev.doclinks import nbdev_export
    from nbdev.quarto import refresh_quarto_yml
    before = _files()
    for step in (nbdev_clean.__wrapped__, nbdev_export.__wrapped__, refresh_quarto_yml, heads, pages, readme): step()
    after = _files()
    wrong = [f'{f}: out of step with its notebook (now written anew: look at `git diff`)' for f in sorted(before.keys() | after.keys())
             if before.get(f) != after.get(f)]
    for p in sorted((root/'letthere_color').glob('**/*.py')):
        m = re.search(r'File to edit: \.\./(\S+\.ipynb)', p.read_text())
        if m and not (nbs.parent/m[1]).is_file(): wrong.append(f'{p.relative_to(root)}: its notebook {m[1]} is gone')
        if m and (nbs.parent/m[1]).is_file() and f'default_exp {p.stem}' not in (nbs.parent/m[1]).read_text():
            wrong.append(f'{p.relative_to(root)}: {m[1]} no longer exports it')
    wrong += [*rules.broken(root), *proof.unproved(root)]
    print('\n'.join(wrong) or 'Notebooks, modules, pages and README.md are in step, and keep the rules of the house.')
    sys.exit(bool(wrong))

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=['run', 'heads', 'numbers', 'pages', 'thumbs', 'readme', 'site', 'check'])
    p.add_argument('notebooks', nargs='*', help='for run and heads: the notebooks, all when none is named')
    a = p.parse_args()
    if a.notebooks and a.command not in ('run', 'heads'): p.error(f'{a.command} takes no notebooks')
    if missing := [o for o in a.notebooks if not Path(o).is_file()]: p.error(f'no such notebook: {", ".join(missing)}')
    globals()[a.command](*[a.notebooks]*(a.command in ('run', 'heads')))
