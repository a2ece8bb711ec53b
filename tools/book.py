"""The book's own commands: `python tools/book.py run [NB...] | readme | site | check`

run     execute notebooks in place and store their outputs (all of nbs/ when none is named)
readme  write README.md from nbs/index.ipynb
site    build the site into _docs/, with Quarto where it is installed, with smalldocs otherwise
check   clean, export and write the README again: exit 1 if that changes a file or a module has lost its notebook
"""
import argparse, base64, json, os, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

root = Path(__file__).resolve().parent.parent
nbs = root/'nbs'
os.chdir(root)  # nbdev looks for settings.ini from here
os.environ['PYTHONPATH'] = str(root)  # for worker processes
sys.path.insert(0, str(root))
sys.path.insert(0, str(root/'tools'))

import web

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
    try: shell.run_all(nb, exc_stop=True, preproc=skip)
    except BaseException: return [shell.prettytb(path.name)]
    clean_nb(nb)
    write_nb(nb, path)
    return list(_complaints(nb))

def run(paths):
    paths = [Path(p).resolve() for p in paths] or sorted(nbs.glob('*.ipynb'))
    if missing := [str(p) for p in paths if not p.is_file()]: sys.exit(f'no such notebook: {", ".join(missing)}')
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    bad = 0
    with ProcessPoolExecutor(2, get_context('spawn'), max_tasks_per_child=1) as ex:
        for p,wrong in zip(paths, ex.map(run_one, paths)):
            print(f'{"FAILED" if wrong else "ok":7}{p.name}', *wrong, sep='\n  ' if wrong else '', flush=True)
            bad += bool(wrong)
    sys.exit(bad > 0)

# ---- readme

def _from_top(md):
    "Links of a notebook, seen from the top folder; other links stay"
    md = re.sub(r'(\]\()(?!\w+:|#|/)([^)]+)', r'\1nbs/\2', md)
    return re.sub(r'(<(?:img|source)\b[^>]*?\b(?:src|srcset)=")(?!\w+:|/)', r'\1nbs/', md)

def _output_md(o, name):
    "One stored output as GitHub's Markdown; a figure goes to nbs/images/NAME"
    data = o.get('data', {})
    if 'text/markdown' in data: return _lines(data['text/markdown'])
    for kind in ('png', 'jpeg'):
        if f'image/{kind}' not in data: continue
        (nbs/'images').mkdir(exist_ok=True)
        (nbs/'images'/f'{name}.{kind}').write_bytes(base64.b64decode(_lines(data[f'image/{kind}'])))
        return f'![](nbs/images/{name}.{kind})'
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
        out += [_output_md(o, f"readme-{c['id']}-{i}") for i,o in enumerate(c['outputs'])]
    (root/'README.md').write_text('\n\n'.join(o for o in out if o) + '\n')

# ---- site

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
    page = re.compile(rf'\b({"|".join(names)})\.html')
    for p in [*{*site.glob('*.html')} - {site/web.NAME}, site/'search.json', site/'sitemap.xml']:
        t = page.sub(lambda m: f'{names[m[1]]}.html', p.read_text())
        if p.suffix == '.html':
            p.unlink()
            p = site/f'{names.get(p.stem, p.stem)}.html'
            t = re.sub(r'"https:[^"]*/katex@[^"/]*/dist/', '"katex/', t)
            t = t.replace(f'href="{home}/', 'href="').replace('</head>', SEARCH + '\n</head>', 1)
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
    proc = proc_nbs(force=True, n_workers=2)
    web.copy_to(proc, home)
    if shutil.which('quarto'): subprocess.run(['quarto', 'render', '--no-cache'], cwd=proc, check=True)
    else:
        names, yml = _page_names(proc), proc/'_quarto.yml'
        yml.write_text(re.sub(r'.*html-math-method.*\n', '', yml.read_text()))  # for Quarto only
        subprocess.run([sys.executable, '-m', 'smalldocs.cli', 'render', '--strict', str(proc)], check=True)
        _offline(proc/cfg.doc_path.name, names, home)
    shutil.rmtree(cfg.doc_path, ignore_errors=True)
    shutil.move(proc/cfg.doc_path.name, cfg.doc_path)
    print(f'The site is in {cfg.doc_path.name}/: open {cfg.doc_path.name}/index.html')

# ---- check

def _files():
    "Every file that git tracks or would track, with its content's hash"
    ls = subprocess.run(['git', 'ls-files', '-coz', '--exclude-standard'], capture_output=True, text=True, check=True).stdout
    return {f: sha256(Path(f).read_bytes()).hexdigest() for f in ls.split('\0') if f and Path(f).is_file()}

def check():
    from nbdev.clean import nbdev_clean
    from nbdev.doclinks import nbdev_export
    from nbdev.quarto import refresh_quarto_yml
    before = _files()
    for step in (nbdev_clean.__wrapped__, nbdev_export.__wrapped__, refresh_quarto_yml, readme): step()
    after = _files()
    wrong = [f'{f}: out of step with its notebook (now written anew: look at `git diff`)' for f in sorted(before.keys() | after.keys())
             if before.get(f) != after.get(f)]
    for p in sorted((root/'letthere_color').glob('**/*.py')):
        m = re.search(r'File to edit: \.\./(\S+\.ipynb)', p.read_text())
        if m and not (nbs.parent/m[1]).is_file(): wrong.append(f'{p.relative_to(root)}: its notebook {m[1]} is gone')
        if m and (nbs.parent/m[1]).is_file() and f'default_exp {p.stem}' not in (nbs.parent/m[1]).read_text():
            wrong.append(f'{p.relative_to(root)}: {m[1]} no longer exports it')
    print('\n'.join(wrong) or 'Notebooks, modules and README.md are in step.')
    sys.exit(bool(wrong))

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=['run', 'readme', 'site', 'check'])
    p.add_argument('notebooks', nargs='*', help='for run: the notebooks, all when none is named')
    a = p.parse_args()
    if a.notebooks and a.command != 'run': p.error(f'{a.command} takes no notebooks')
    run(a.notebooks) if a.command == 'run' else globals()[a.command]()
