"Colours that a person tells, in the page (letthere_color/web/try): in a real browser, against the command and SciPy."
import json, subprocess, sys

import numpy as np, pytest, test_try
from PIL import Image
from letthere_color.core import rgb2lab, photo2tensor, sample_photos
from test_try import CODE, SLOW, coded, difference, download, file, give, says, shown

page_files, serve, url, visit = test_try.page_files, test_try.serve, test_try.url, test_try.visit

# ---- what a visitor does

def correct(visit, im, name='photo.png', **window):
    "A page with a photo, ready for hints"
    page = visit(**window)
    give(page, name, coded(im))
    page.click('#correct')
    return page

def place(page, x, y):
    "Where a pixel of the photo lies on the screen"
    w, h = (int(o) for o in page.locator('#caption').text_content().split(', ')[-1].split(' pixels')[0].split(' × '))
    box = page.locator('#marks').bounding_box()
    return box['x'] + (x + .5)*box['width']/w, box['y'] + (y + .5)*box['height']/h

def click(page, x, y): page.mouse.click(*place(page, x, y))

def draw(page, *points):
    page.mouse.move(*place(page, *points[0])); page.mouse.down()
    for p in points[1:]: page.mouse.move(*place(page, *p), steps=4)
    page.mouse.up()

def painted(page):
    "The picture, when it is up to date"
    page.locator('#picture[aria-busy=false]').wait_for(timeout=SLOW)
    return shown(page, 'after')

def take(page, name): page.get_by_role('radio', name=name, exact=True).check()

def saved(page):
    "The file of hints, as the page gives it"
    with page.expect_download(timeout=SLOW) as got: page.click('#save-hints')
    return got.value.suggested_filename, json.loads(open(got.value.path()).read())

def chroma(picture, x, y): return rgb2lab(photo2tensor(Image.fromarray(picture)))[1:, y-2:y+3, x-2:x+3].mean((1,2)).tolist()
