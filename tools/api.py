"""What nbdev says of each exported function, moved out of the reader's way.

Behind every exported cell nbdev puts a heading, a signature and the docstring. Where the page shows the source, that says everything twice: an anchor stays. Where it does not,
a line stays, name and docstring, and the signature goes to the end of the page, folded, in the order of the module.
"""
import ast, json, re
from pathlib import Path

from proof import text_of

def _shown(cells):
    "Names of what is defined in cells whose source the page shows; `Class.method` for patched ones"
    from nbdev.showdoc import showdoc_nm
    code = [text_of(c['source']) for c in cells if c['cell_type'] == 'code' and '#| code-summary: "Exported source"' in text_of(c['source'])]
    return {showdoc_nm(o) for src in code for o in ast.parse(src).body if isinstance(o, (ast.FunctionDef, ast.ClassDef))}

def _reference(cell):
    "Name, docstring, line in the module and the reference of one function, as nbdev wrote them; None for other cells"
    name = re.search(r'^show_doc\((.*)\)', text_of(cell['source']), re.M)
    if cell['cell_type'] != 'code' or not name: return
    said = ''.join(text_of(o.get('data', {}).get('text/markdown', '')) for o in cell['outputs']).replace('*Call self as a function.*', '')  # what inspect says where there is no docstring
    line, source = re.search(r'\.py#L(\d+)', said), re.search(r'^\[source\].*$', said, re.M)  # none for what was wrapped
    doc = re.search(r'^\*(.*)\*$', said, re.M | re.S)
    body = said[said.find('```'):]
    def plain(code): return re.sub(r'\[(`[^`]*`)\]\([^)]*\)', r'\1', code)  # no links where they would be read as text
    body = re.sub(r'```.*?```', lambda m: plain(m[0]), body, flags=re.S)
    body = re.sub(r'\(\s*after_create:NoneType=None.*?\n\)', '()', body, flags=re.S)  # what fastai gives every callback
    head = f'<div id="{name[1].lower()}"></div>\n\n**{name[1]}**' + (f' {source[0]}' if line and source else '')
    return name[1], ' '.join(doc[1].split()) if doc else '', int(line[1]) if line else 0, f'{head}\n\n{body}'

def _markdown(text): return dict(cell_type='markdown', metadata={}, source=text.splitlines(keepends=True))

def tidied(cells):
    "The cells of a page, as the reader wants them"
    shown, out, rest = _shown(cells), [], []
    for c in cells:
        if not (found := _reference(c)): out.append(c); continue
        name, doc, line, body = found
        if name.startswith('_'): continue  # a method of what is private
        if name in shown: out.append(_markdown(f'<div id="{name.lower()}"></div>')); continue
        rest.append((line, name, body))
        entry = line, f'- [`{name}`](#{name.lower()}){": " + doc if doc else ""}\n'
        if out and 'entries' in out[-1]: out[-1]['entries'].append(entry)
        else: out.append(_markdown('') | dict(entries=[entry]))
    for c in out: c['source'] = [text for _, text in sorted(c.pop('entries'))] if 'entries' in c else c['source']
    if rest:
        names = ', '.join(f'<code>{name}</code>' for _, name, _ in sorted(rest))
        out.append(_markdown(f'<details class="reference"><summary>Reference: {names}</summary>\n\n' + '\n\n'.join(body for *_, body in sorted(rest)) + '\n\n</details>'))
    return out

def tidy(proc:Path):
    "All notebooks of a folder that `proc_nbs` has written"
    for p in proc.glob('*.ipynb'):
        nb = json.loads(p.read_text(encoding='utf-8'))
        nb['cells'] = tidied(nb['cells'])
        p.write_text(json.dumps(nb), encoding='utf-8')
