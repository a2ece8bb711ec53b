"The book's tools find what they are to find, and its tables say what the code does"
import json, re, sys
from pathlib import Path

import pytest

root = Path(__file__).parent.parent
sys.path.insert(0, str(root/'tools'))
import api, proof

# ---- numbers in prose

def cell(kind, source, *outputs): return dict(cell_type=kind, id='abcd', source=source, outputs=[dict(data={'text/markdown': o}) if '|' in o or '.md' in o else dict(text=o) for o in outputs])
def text(source): return cell('markdown', source)
def code(source, *outputs): return cell('code', source, *outputs)

@pytest.mark.parametrize('cells, wrong', [
    ([text('It has 24.53 dB, as measured.')], ['24.53 dB']),
    ([text('It has 24.53 dB.'), code('print(x)', 'psnr 24.53\n')], []),
    ([text('It has 24.5 dB.'), code('print(x)', 'psnr 24.53\n')], ['24.5 dB']),
    ([text('For 47 % of the photos.'), code('share = .47')], []),
    ([text('For 47 % of the photos.'), code('print(f"{x:.0%}")', '47%\n')], []),
    ([text('For 47 % of the photos.'), code('print(f"{x:4.47f}")  # 47')], ['47 %']),
    ([text('| a | 3.5 |\n|---|---|\n| b | 7 % |')], ['3.5', '7 %']),
    ([text('See section 3.2 and 3.4, `x = 4.7`, $y = 4.8$, [here](a/5.9.html), 127.0.0.1 and 12 pictures.')], []),
    ([text('1. Why?\n2. In 3 seconds.')], ['3 seconds']),
    ([code('Markdown(f"It took 5.25 seconds, {a}.")', 'It took 5.25 seconds, 7. .md')], ['5.25 seconds']),
    ([code('Markdown(f"It took {x:.2f} seconds.")', 'It took 5.25 seconds. .md'), text('That is 5.25 seconds.')], []),
    ([code('%pip install x\nif a:\n    !ls\nb = 2.5'), text('2.5')], []),
    ([text('<details>\n\n8.25 dB, by\n\n```python\nf()\n```\n\n</details>')], []),  # its code is run by test_notebooks
    ([text('<details>\n\n8.25 dB, by thought.\n\n</details>')], ['8.25 dB']),
])
def test_numbers_that_nothing_produces(cells, wrong):
    found = [*proof.of_chapter(cells)]
    assert len(found) == len(wrong) and all(f'where does {w} come' in o for w, o in zip(wrong, found)), found

def test_facts_may_stand():
    cells = [text('It is 2.3 million photos, and 2.4 million.')]
    assert len([*proof.of_chapter(cells)]) == 2 and not [*proof.of_chapter(cells, ['2.3 million photos', '2.4 million'])]

@pytest.mark.parametrize('claim, said, wrong', [('6.4', 'error 6.3798', 0), ('6.4', 'error 6.31', 1), ('6.4', '', 1), ('6.4', 'tensor(6.4)', 0), ('10.6 million', '10,619,904', 0),
                                                ('47 %', '0.471', 0), ('47 %', '0.481', 1)])
def test_solutions_print_their_numbers(claim, said, wrong):
    (solution, pieces), = proof.solutions(f'1. Why?\n\n   <details><summary>Solution</summary>\n\n   It is {claim}.\n\n   ```python\n   f(1)\n   ```\n\n   </details>')
    assert pieces == ['f(1)\n'] and len([*proof.of_solution(solution, said)]) == wrong

def test_numbers_of_the_book():
    "Each number in the text comes from somewhere; `python tools/book.py numbers` says so, too"
    assert not (wrong := [*proof.unproved(root)]), '\n'.join(wrong)

# ---- Paper vs. here, against the code

def rows(chapter):
    "What a chapter says of itself: the column `here` of its table, by row"
    found = {}
    for c in json.loads((root/f'nbs/{chapter}.ipynb').read_text(encoding='utf-8'))['cells']:
        table = re.search(r'^## Paper vs\. here\s*\n(.*?)(?=^## |\Z)', proof.text_of(c['source']), re.M | re.S)
        for line in table[1].splitlines() if table and c['cell_type'] == 'markdown' else ():
            if line.startswith('| '): name, paper, here, _ = (o.strip() for o in line.strip().strip('|').split('|')); found[name] = paper, here
    return found

def said():
    "Chapter, row, column, and what must stand there as long as the code is as it is"
    from inspect import signature
    from letthere_color.color import AB_MAX
    from letthere_color.colorization import ModelConfig
    from letthere_color.inference import Colorizer
    from letthere_color.photos import is_colourful
    from letthere_color.training import RECIPES
    paper, small, tiny, config = RECIPES['paper'], RECIPES['small'], RECIPES['tiny'], ModelConfig()
    default = {k: p.default for k, p in signature(Colorizer).parameters.items()}
    yield '00_color', 'range of ab', 1, f'±{AB_MAX}'
    yield '05_colorization', 'range of a, b', 1, f'{AB_MAX}'
    yield '01_photos', 'photos', 0, f'{paper.cache_size} x {paper.cache_size}'
    yield '01_photos', 'grey photos', 1, f"std of a and of b below {signature(is_colourful).parameters['min_std'].default}"
    yield '01a_film', 'training with damage', 1, {.2: 'a fifth'}[small.aged] if small.aged == tiny.aged and not paper.aged else None
    yield '11_history', 'training with damage', 1, {.2: 'a fifth'}[small.aged]
    yield '03_global_features', 'input', 1, f'{small.size} x {small.size}'
    yield '03_global_features', 'input', 0, f'{config.global_size} x {config.global_size}'
    yield '03_global_features', 'classifier', 0, f'{config.n_classes} classes'
    yield '06_training', r'$\alpha$', 1, f'1/{round(1/paper.alpha)}'
    yield '06_training', 'optimiser', 1, 'Adadelta in `paper`; AdamW with a cosine in the others' if (paper.opt, small.opt, tiny.opt, small.schedule) == ('adadelta', 'adamw', 'adamw', 'cosine') else None
    yield '06_training', 'batch, crops, epochs', 0, f'{paper.bs}, {paper.size} of {paper.cache_size} px, about {paper.epochs}'
    yield '06_training', 'batch, crops, epochs', 1, f'{small.bs}, {small.size} of {small.cache_size} px, {tiny.epochs} and {small.epochs} in `tiny` and `small`'
    yield '06_training', 'arithmetic', 1, 'bfloat16' if paper.bf16 else '32 bits'
    yield '06e_runs', 'width', 0, f'{config.width:g}'
    yield '06e_runs', 'width', 1, ' and '.join(f'1/{1/r.model.width:g}' for r in (tiny, small))
    yield '06i_small_copy', 'chroma at full size', 1, 'along the lightness, by a guided filter' if default['guided'] else 'bilinear'

def test_paper_vs_here():
    wrong = [f'{chapter}, {name}: {want!r} is not in {(rows(chapter).get(name) or ("no such row",)*2)[column]!r}' for chapter, name, column, want in said()
             if not want or want not in (rows(chapter).get(name) or ('', ''))[column]]
    assert not wrong, '\n'.join(wrong)

# ---- the index

def test_index():
    "Every chapter has its place there; those with a picture have it (`python tools/book.py thumbs`)"
    text = '\n'.join(proof.text_of(c['source']) for c in json.loads((root/'nbs/index.ipynb').read_text(encoding='utf-8'))['cells'])
    missing = [p.name for p in sorted((root/'nbs').glob('[0-9]*.ipynb')) if f'({p.name})' not in text]
    missing += [o for o in re.findall(r'images/chapters/\w+\.jpg', text) if not (root/'nbs'/o).is_file()]
    assert not missing, f'not in the index: {missing}'

# ---- the reference at the end of a page

def doc(name, line, signature='()', about='What it does.'):
    return code(f'#| echo: false\nshow_doc({name})') | dict(outputs=[dict(data={'text/markdown':
        f'---\n\n[source](https://x/y.py#L{line}){{target="_blank"}}\n\n### {name}\n\n```python\ndef {name}{signature}:\n```\n\n*{about}*'})])

def test_reference():
    "Where the source is shown, an anchor; else a line, and the rest at the end, in the order of the code and without links in code"
    shown = code('#| code-fold: show\n#| code-summary: "Exported source"\ndef seen(): pass')
    page = [text('# A'), doc('seen', 1), shown, doc('late', 30), doc('early', 20, '(x) # As of [`late`](https://x/late.html#late)'), text('## End')]
    out = api.tidied(page)
    texts = [proof.text_of(c['source']) for c in out]
    assert texts[:3] == ['# A', '<div id="seen"></div>', shown['source']] and texts[4] == '## End'
    assert texts[3].splitlines() == ['- [`early`](#early): What it does.', '- [`late`](#late): What it does.']
    end = texts[5]
    assert end.startswith('<details class="reference">') and '###' not in end and 'def seen' not in end
    assert end.index('id="early"') < end.index('id="late"') and '# As of `late`' in end and len(out) == 6
