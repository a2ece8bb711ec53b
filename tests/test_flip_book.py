"The figures that a reader moves, as they are stored in the chapters: by keyboard and by click, on a phone and on a screen, without a network"
import json
from pathlib import Path

import pytest

nbs = Path(__file__).parent.parent/'nbs'

def stored(name):
    "The HTML of the first such figure in a notebook"
    cells = json.loads((nbs/f'{name}.ipynb').read_text(encoding='utf-8'))['cells']
    outputs = (''.join(o.get('data', {}).get('text/html', '')) for c in cells for o in c.get('outputs', []))
    return next(o for o in outputs if 'class="flip-book"' in o)

@pytest.fixture(params=[390, 1280])
def show(request, browser):
    "A function that opens a figure, and afterwards: no error, nothing asked of a network, nothing wider than the screen"
    context = browser.new_context(viewport=dict(width=request.param, height=900), color_scheme='dark')
    page, wrong = context.new_page(), []
    page.on('pageerror', lambda e: wrong.append(str(e)))
    page.on('console', lambda m: m.type == 'error' and wrong.append(m.text))
    page.on('request', lambda r: r.url.startswith(('data:', 'about:')) or wrong.append(r.url))
    def go(name):
        page.set_content(f'<meta name="viewport" content="width=device-width"><body>{stored(name)}')
        return page
    yield go
    assert not wrong
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    context.close()

def state(page):
    "What is seen: choice, line below, and which pieces of the sheet"
    return page.evaluate('''() => { const f = document.querySelector(".flip-book"), {across} = JSON.parse(f.dataset.book);
      return [+f.querySelector("input").value, f.querySelector("figcaption").textContent,
              [...f.querySelectorAll(".page")].map(e => +e.style.getPropertyValue("--x") + across*e.style.getPropertyValue("--y"))]; }''')

def agrees(page):
    "The choice that is seen, which must be that of the book"
    i, told, pieces = state(page)
    book = json.loads(page.locator('.flip-book').get_attribute('data-book'))
    assert told == book['told'][i] == page.locator('input').get_attribute('aria-valuetext') and pieces == book['shown'][i]
    return i

@pytest.mark.parametrize('name', ['02_low_level', '03_global_features'])
def test_map(name, show):
    page = show(name)
    columns, n = (book := json.loads(page.locator('.flip-book').get_attribute('data-book')))['columns'], len(book['told'])
    first = agrees(page)
    assert page.get_by_role('slider').get_attribute('aria-label')
    page.keyboard.press('Tab')
    for key, step in dict(ArrowRight=1, ArrowDown=columns, ArrowLeft=-1, ArrowUp=-columns).items():
        before = agrees(page)
        page.keyboard.press(key)
        assert agrees(page) == before + step, key
    assert agrees(page) == first
    page.keyboard.press('Home'); page.keyboard.press('ArrowUp')
    assert agrees(page) == 0
    page.keyboard.press('End'); page.keyboard.press('ArrowDown')
    assert agrees(page) == n - 1
    chart, mark = page.locator('.map'), page.locator('.choice')
    box = chart.bounding_box()
    for x, y in ((.02, .03), (.98, .03), (.02, .97), (.4, .5), (.61, .28)):
        chart.click(position=dict(x=x*box['width'], y=y*box['height']))
        agrees(page)
        m = mark.bounding_box()
        assert m['x'] - 1 <= box['x'] + x*box['width'] <= m['x'] + m['width'] + 1, (x, y)
        assert m['y'] - 1 <= box['y'] + y*box['height'] <= m['y'] + m['height'] + 1, (x, y)
    page.keyboard.press('ArrowLeft')  # a click leaves the keyboard at the slider
    agrees(page)

@pytest.mark.parametrize('name', ['00_color', '00c_show', '04_fusion'])
def test_slider(name, show):
    page = show(name)
    page.keyboard.press('Tab')
    page.keyboard.press('Home')
    seen, last = [agrees(page)], int(page.locator('input').get_attribute('max'))
    for _ in range(last):
        page.keyboard.press('ArrowRight')
        seen.append(agrees(page))
    assert seen == [*range(last + 1)]
    page.locator('.page').first.click()  # which is no map
    assert agrees(page) == last
    image = page.locator('.page').first.screenshot()
    page.locator('input').press('Home')
    assert page.locator('.page').first.screenshot() != image
