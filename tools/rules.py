"""The rules of the house, which `tools/book.py check` enforces: rooms small enough to see into, and doors that open downwards only."""
import ast, json, re
from itertools import groupby
from pathlib import Path

COLUMNS, CELL, MODULE, ROW = 110, 30, 300, 2  # most columns, lines of an exported cell, lines of a module, exported cells in a row

def _source(cell): return ''.join(cell['source'])
def _directives(cell): return {o.split(':')[0].strip() for line in re.findall(r'^#\|(.*)$', _source(cell), re.M) for o in line.split(',')}
def _code(cell): return [o for o in _source(cell).split('\n') if not o.startswith('#|')]

def _kind(cell):
    "`export`, `import`, `shown` (a result between exports), or None for what does not count: prose and hidden cells"
    if cell['cell_type'] != 'code': return None
    if not {'export', 'exports'} & _directives(cell): return None if {'hide', 'default_exp', 'include'} & _directives(cell) else 'shown'
    body = ast.parse('\n'.join(_code(cell))).body
    return 'import' if all(isinstance(o, (ast.Import, ast.ImportFrom)) for o in body) else 'export'

def of_cells(cells):
    "What is wrong with the exported cells of a notebook"
    kinds = [(kind, c) for c in cells if (kind := _kind(c)) in ('export', 'shown')]
    for c in (c for kind, c in kinds if kind == 'export'):
        if len(_code(c)) > CELL: yield f'cell {c["id"]}: {len(_code(c))} lines, at most {CELL} are exported by one cell'
        for line in _code(c):
            if len(line) > COLUMNS: yield f'cell {c["id"]}: {len(line)} columns, at most {COLUMNS}: {line.strip()[:60]} ...'
    for kind, row in groupby(kinds, lambda o: o[0]):
        if kind == 'export' and len(row := list(row)) > ROW: yield f'cell {row[ROW][1]["id"]}: {len(row)} exported cells in a row, show what they do after {ROW}'

def of_module(text, above, below):
    "What is wrong with a module; `above` and `below`: names of the modules before and after it"
    n = text.count('\n')
    if n > MODULE: yield f'{n} lines, a module has at most {MODULE}'
    tree = ast.parse(text)
    ours = {o.asname or o.name for i in ast.walk(tree) if isinstance(i, ast.ImportFrom) and i.level for o in i.names} & above
    for o in ast.walk(tree):
        if isinstance(o, ast.Attribute) and isinstance(o.value, ast.Name) and o.value.id in ours and o.attr.startswith('_'):
            yield f'line {o.lineno}: {o.value.id}.{o.attr} is private'
        if not isinstance(o, ast.ImportFrom) or not o.level: continue
        for name in {o.module} if o.module else {a.name for a in o.names}:
            if name in below: yield f'line {o.lineno}: imports {name}, which comes after it'
        private = [a.name for a in o.names if re.match(r'_(?!_)', a.name)]
        if private: yield f'line {o.lineno}: {", ".join(private)} of {o.module}: private names stay in their module'

def broken(root:Path):
    "Every rule that a chapter of the book or its module breaks"
    books = {p: json.loads(p.read_text(encoding='utf-8'))['cells'] for p in sorted((root/'nbs').glob('[0-9]*.ipynb'))}
    module = {p: m[1] for p, cells in books.items() if (m := re.search(r'#\| *default_exp (\w+)', '\n'.join(map(_source, cells))))}
    order = list(module.values())
    for p, cells in books.items():
        yield from (f'{p.name}: {o}' for o in of_cells(cells))
        if p not in module: continue
        i, path = order.index(module[p]), root/f'letthere_color/{module[p]}.py'
        yield from (f'{path.name}: {o}' for o in of_module(path.read_text(encoding='utf-8'), {*order[:i]}, {*order[i+1:]}))
