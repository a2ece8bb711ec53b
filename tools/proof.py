"""Numbers in prose that nothing produces: `python tools/book.py numbers`, a part of `check`.

A number with a decimal point, with % or with a unit, in the text of a chapter, must stand in that chapter's code, as a number, or in its output. The easy way is not
to type it: `Markdown(f'...')` in a cell with `#| echo: false` writes a sentence from a file of nbs/results, or from the cell above. What the paper says, and what was
made by others, stands in tools/facts.yml, below the reason why it may. A solution that has code must show its numbers itself: `pytest -m slow -k solutions` runs it.
"""
import ast, json, re
from pathlib import Path

import yaml

NUMBER = r'(?<![\w.\-/])(\d[\d,]*(?:\.\d+)?|\.\d+)(?!\.?\d)'
UNIT = r'( ?%| (?:dB|ms|seconds?|minutes?|hours?|days?|weeks?|months?|bytes|MB|GB|million|billion|megapixels?|points|CIE|units)\b)?'
NO_PROSE = [r'```.*?```', r'`[^`]*`', r'\$\$.*?\$\$', r'\$[^$]*\$', r'\]\([^)]*\)', r'<!--.*?-->', r'</?\w[^>]*>', r'^ *\d+\. ', r'[Ss]ections? \d[\d., and to]*\d', r'\(\d\.\d+\)']
SOLUTION = r'<details>.*?</details>|^::: \{\.callout-tip collapse="true"\}.*?^:::$'

def text_of(o): return o if isinstance(o, str) else ''.join(o)

def solutions(text):
    "Each hidden solution that has code: its text, and the pieces of code"
    for o in re.findall(SOLUTION, text, re.M | re.S):
        code = [re.sub(f'^{indent}', '', c, flags=re.M) for indent, c in re.findall(r'^( *)```python\n(.*?)^ *```$', o, re.M | re.S)]
        if code: yield o, code

def claims(prose):
    "The numbers of a text that somebody must have measured or looked up: as written, as a number, what stands around it"
    for o in NO_PROSE: prose = re.sub(o, ' ', prose, flags=re.M | re.S)
    for m in re.finditer(NUMBER + UNIT, prose):
        digits = m[1].rstrip(',')
        if '.' in digits or m[2]: yield m[0], float(digits.replace(',', '')), ' '.join(prose[max(0, m.start()-40):m.end()+20].split())

def numbers_in(output):
    "The numbers that an output shows, without their signs"
    return {float(o.replace(',', '')) for o in re.findall(r'(?<![\w.])(?:\d[\d,]*)?\.?\d+(?:e[-+]?\d+)?', output)}

def shown(written, value, found):
    "Is a number among those found? 47 % is also .47"
    return value in found or '%' in written and round(value/100, 6) in found

def nearly_shown(written, value, found):
    "The same for what code prints: rounded to the digits that are written, and in millions where these are written"
    half = .5001*10**-len(re.sub(r'^[\d,]*\.?', '', re.match(r'[\d,.]+', written)[0]))
    units = [1, *(u for word, some in dict(million=[1e6], billion=[1e3, 1e9]).items() if word in written for u in some), *[.01]*('%' in written)]
    return any(abs(o/u - value) <= half for o in found for u in units)

def _typed(node):
    "The texts in a piece of code, but for what stands in the braces of f-strings"
    if isinstance(node, ast.Constant) and isinstance(node.value, str): yield node.value
    if not isinstance(node, ast.FormattedValue):
        for o in ast.iter_child_nodes(node): yield from _typed(o)

def of_cell(cell):
    "The prose of a cell, also that inside Markdown(...), and the numbers that the cell produces"
    source = text_of(cell['source'])
    if cell['cell_type'] == 'markdown': return source, set()
    nodes = [*ast.walk(ast.parse(re.sub(r'^( *)[!%].*$', r'\1pass', source, flags=re.M)))]
    prose = ' '.join(text for call in nodes if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'Markdown' for text in _typed(call))
    shows = ' '.join(text_of(o.get('text', '')) + ' '.join(text_of(v) for k, v in o.get('data', {}).items() if k in ('text/plain', 'text/markdown'))
                     for o in cell.get('outputs', ()))
    typed = {value for _, value, _ in claims(prose)}
    return prose, {float(abs(o.value)) for o in nodes if isinstance(o, ast.Constant) and type(o.value) in (int, float)} | numbers_in(shows) - typed

def _without(text, facts):
    for fact in facts: text = text.replace(fact, ' ')
    return text

def of_chapter(cells, facts=()):
    "The numbers in the text of a chapter that neither it nor one of the `facts` produces"
    done = [(c['id'], *of_cell(c)) for c in cells if c['id'] not in ('head0000', 'colab000')]
    found = set().union(*(numbers for _, _, numbers in done))
    for id, text, _ in done:
        for solution, _ in solutions(text): text = text.replace(solution, '')
        for written, value, around in claims(_without(text, facts)):
            if not shown(written, value, found): yield f'cell {id}: where does {written} come from? "... {around} ..."'

def of_solution(text, said, cells=(), facts=()):
    "The numbers of a hidden solution that neither its code printed nor its chapter has"
    found = set().union(*(of_cell(c)[1] for c in cells), numbers_in(' '.join(re.findall(r'```.*?```|`[^`]*`', text, re.S))))
    for written, value, around in claims(_without(text, facts)):
        if not shown(written, value, found) and not nearly_shown(written, value, numbers_in(said)): yield f'its code does not print {written}: "... {around} ..."'

def facts(root):
    "The phrases of tools/facts.yml, the longest first"
    return sorted((o for row in yaml.safe_load((root/'tools/facts.yml').read_text(encoding='utf-8')).values() for o in row), key=len, reverse=True)

def unproved(root:Path):
    "Every number in the book's text that nothing produces, and every fact that no text needs"
    phrases, text = facts(root), ''
    for p in sorted((root/'nbs').glob('*.ipynb')):
        cells = json.loads(p.read_text(encoding='utf-8'))['cells']
        text += '\n'.join(of_cell(c)[0] for c in cells)
        yield from (f'{p.name}: {o}' for o in of_chapter(cells, phrases))
    yield from (f'tools/facts.yml: no chapter says {o!r}' for o in phrases if o not in text)
