"Photos that are not what they seem: reading, writing, and the colours on the way (nbs/00_color.ipynb to 00d_core.ipynb)"
import io, os, struct, threading
from concurrent.futures import ThreadPoolExecutor
import imagecodecs, numpy as np, pytest, torch
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageCms, ImageFile
from helpers import PATIENCE
from letthere_color.core import (fit_gamut, lab2rgb, open_photo, photo2tensor, PhotoError, rgb2l, rgb2lab,
                                 sample_photos, save_photo, tensor2photo)
from letthere_color import files
from letthere_color.photo_files import read_photo

@pytest.fixture(scope='module')
def rgb(): return sample_photos()['coffee'].resize((97, 131))

@pytest.fixture
def jpg(tmp_path, rgb):
    rgb.save(tmp_path/'ok.jpg', quality=95)
    return tmp_path/'ok.jpg'

def says(p, f, *a, **kw):
    "The call raises a `PhotoError` of one line that names `p`"
    with pytest.raises(PhotoError) as e: f(*a, **kw)
    msg = str(e.value)
    assert str(p) in msg and '\n' not in msg and ';' in msg
    return msg

# -- reading

@pytest.mark.parametrize('name,content', [('text.jpg', b'dear diary'), ('empty.jpg', b''), ('zeros.png', b'\0'*500), ('x.jpg', b'\xff\xd8\xff')])
def test_no_photo(tmp_path, name, content):
    (tmp_path/name).write_bytes(content)
    says(tmp_path/name, open_photo, tmp_path/name)
    says(tmp_path/name, open_photo, str(tmp_path/name))

def test_missing_and_folder(tmp_path):
    assert 'no such file' in says(tmp_path/'no.jpg', open_photo, tmp_path/'no.jpg')
    assert 'folder' in says(tmp_path, open_photo, tmp_path)

@pytest.mark.parametrize('fmt', ['JPEG', 'PNG', 'TIFF', 'WEBP'])
@pytest.mark.parametrize('part', [.3, .6, .9])
@pytest.mark.parametrize('tolerant', [False, True])
def test_truncated(tmp_path, rgb, fmt, part, tolerant, monkeypatch):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', tolerant)
    p = tmp_path/f'half.{fmt.lower()}'
    rgb.save(p, format=fmt)
    b = p.read_bytes(); p.write_bytes(b[:int(len(b)*part)])
    says(p, open_photo, p)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is tolerant

@pytest.mark.parametrize('limit', [97*131 - 1, 97*131//3])  # Pillow's warning, Pillow's error
def test_bomb(jpg, limit, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)
    assert 'million pixels' in says(jpg, open_photo, jpg)

@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr', 'HSV', 'LAB', 'La', 'RGBa'])
def test_modes(rgb, mode):
    im = rgb.convert({'La':'LA', 'RGBa':'RGBA', 'PA':'P', 'LAB':'RGB'}.get(mode, mode)) if mode != 'RGB' else rgb
    if mode in ('La', 'RGBa', 'PA'): im = im.convert(mode)
    res = open_photo(im)
    assert res.mode == 'RGB' and res.size == rgb.size
    want = rgb.convert('L') if mode in ('L', 'LA', 'La') else rgb
    if mode not in ('1', 'P', 'PA'): assert np.abs(np.asarray(res, int) - np.asarray(want.convert('RGB'), int)).mean() < 3

@pytest.mark.parametrize('dtype,top', [('uint16', 65535), ('int32', 65535), ('int32', 255), ('float32', 1), ('float32', 255), ('float32', 65535), ('>u2', 65535)])
def test_deep_grey(tmp_path, rgb, dtype, top):
    g = np.asarray(rgb.convert('L')).copy(); g[0,0],g[0,1] = 0,255
    x = (g.astype(np.float64)/255*top).astype(dtype)
    if dtype == '>u2': im = Image.frombytes('I;16B', rgb.size, x.tobytes())
    else: im = Image.fromarray(x)
    res = np.asarray(open_photo(im))
    assert res.shape == (131,97,3) and np.abs(res.astype(int) - g[...,None]).max() <= 1
    if dtype == 'uint16':
        for ext in ('png', 'tif'):
            im.save(tmp_path/f'deep.{ext}')
            assert np.array_equal(np.asarray(open_photo(tmp_path/f'deep.{ext}')), res)

def test_transparency(tmp_path, rgb):
    im = rgb.convert('RGBA')
    assert open_photo(im).mode == 'RGB'           # all opaque
    im.putpixel((3,3), (1,2,3,0))
    assert open_photo(im).mode == 'RGBA'
    p = rgb.quantize(16); p.save(tmp_path/'p.png', transparency=p.getpixel((0,0)))
    assert open_photo(tmp_path/'p.png').mode == 'RGBA'

@pytest.mark.parametrize('turn', range(1,9))
def test_exif(tmp_path, rgb, turn):
    ex = Image.Exif(); ex[0x0112] = turn
    rgb.save(tmp_path/'t.png', exif=ex)
    res = open_photo(tmp_path/'t.png')
    names = [None, *(Image.Transpose(i) for i in (0, 3, 1, 5, 4, 6, 2))]
    assert np.array_equal(res, rgb.transpose(names[turn-1]) if turn > 1 else rgb)
    assert res.getexif().get(0x0112, 1) == 1

@pytest.mark.parametrize('shape', [(20,30), (20,30,1), (20,30,3), (20,30,4)])
def test_arrays(shape):
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    a,b,c = open_photo(x),open_photo(x/255),open_photo((x.astype(np.uint16)*257))
    assert a.size == (30,20) and a.mode == ('RGBA' if shape[-1] == 4 else 'RGB')
    assert np.array_equal(np.asarray(a), np.asarray(b)) and np.array_equal(np.asarray(a), np.asarray(c))

@pytest.mark.parametrize('x', [np.zeros((3,4,5)), np.zeros((4,4,2)), np.zeros(5), np.zeros((0,4,3)), np.zeros((4,4,3)) + 7,
                               np.full((4,4), np.nan), np.zeros((4,4), dtype=np.int64), np.array('x'), None, 3])
def test_bad_arrays(x):
    with pytest.raises(PhotoError): open_photo(x)

def test_bytes_and_open_files(jpg):
    want = np.asarray(open_photo(jpg))
    assert np.array_equal(open_photo(jpg.read_bytes()), want) and np.array_equal(open_photo(io.BytesIO(jpg.read_bytes())), want)
    with open(jpg, 'rb') as f: assert np.array_equal(open_photo(f), want)
    assert 'not a photo' in says('photo', open_photo, b'dear diary')
    assert 'damaged' in says('photo', open_photo, jpg.read_bytes()[:-99])

def test_threads_decode_side_by_side(jpg, monkeypatch):
    "Each decoder waits until the other one is decoding, too"
    both, load = threading.Barrier(2), ImageFile.ImageFile.load
    def meet(self):
        if not hasattr(self, 'met'): self.met = True; both.wait(PATIENCE)
        return load(self)
    monkeypatch.setattr(ImageFile.ImageFile, 'load', meet)
    with ThreadPoolExecutor(2) as ex: assert len({o.size for o in ex.map(open_photo, [jpg, jpg])}) == 1

# -- colour profiles

def cmyk_profile():
    "A printer whose inks are a little weaker than ideal ones: a table of Lab for the 16 corners, and nothing else"
    def s15(*v): return b''.join(struct.pack('>i', round(x*65536)) for x in v)
    ramp = bytes(range(256))
    table = b''
    for i in range(16):
        c, m, y, k = (i >> j & 1 for j in (3, 2, 1, 0))
        rgb = (1 - .9*np.array([[c, m, y]]))*(1 - .9*k)
        L, a, b = rgb2lab(torch.tensor(rgb.T[:,:,None])).flatten().tolist()
        table += bytes([round(L*2.55), round(a) + 128, round(b) + 128])
    a2b = b'mft1' + bytes(4) + bytes([4, 3, 2, 0]) + s15(1,0,0, 0,1,0, 0,0,1) + ramp*4 + table + ramp*3
    tags = {b'desc': b'desc' + bytes(4) + struct.pack('>I', 6) + b'Press\0' + bytes(80), b'A2B0': a2b, b'wtpt': b'XYZ ' + bytes(4) + s15(.9642, 1, .8249)}
    head, data, at = b'', b'', 128 + 4 + 12*len(tags)
    for name, o in tags.items():
        head += name + struct.pack('>II', at + len(data), len(o)); data += o + bytes(-len(o) % 4)
    body = struct.pack('>I', len(tags)) + head + data
    return (struct.pack('>I', 128 + len(body)) + b'lcms' + bytes([2, 0x40, 0, 0]) + b'prtrCMYKLab ' + bytes(12) + b'acsp' + bytes(28)
            + s15(.9642, 1, .8249) + bytes(48))[:128] + body

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
LINEAR = imagecodecs.cms_profile('rgb', gamma=1., whitepoint=(.3127, .329, 1.), primaries=(.64, .33, 1., .3, .6, 1., .15, .06, 1.))
WIDE = imagecodecs.cms_profile('rgb', gamma=1.8, whitepoint=(.3127, .329, 1.), primaries=(.7347, .2653, 1., .1596, .8404, 1., .0366, .0001, 1.))

@pytest.mark.parametrize('kind', ['linear', 'wide', 'grey', 'grey photo', 'grey and transparent', 'transparent', 'palette', 'press'])
def test_profile(tmp_path, rgb, kind):
    soft = Image.blend(rgb.convert('L').convert('RGB'), rgb, .3)  # colours that sRGB has, whatever the profile
    im, icc = {'linear': (soft, LINEAR), 'wide': (soft, WIDE), 'grey': (soft.convert('L'), imagecodecs.cms_profile('gray', gamma=1.)),
               'grey photo': (soft.convert('L'), WIDE), 'grey and transparent': (soft.convert('LA'), imagecodecs.cms_profile('gray', gamma=1.)),
               'transparent': (soft.convert('RGBA'), WIDE), 'palette': (soft.quantize(32), WIDE), 'press': (soft.convert('CMYK'), cmyk_profile())}[kind]
    if 'transparent' in kind: im.putalpha(soft.getchannel('R'))
    p = tmp_path/('x.tif' if kind == 'press' else 'x.png')
    im.save(p, icc_profile=icc)
    ours, plain = open_photo(p), open_photo(im)
    assert ours.mode == ('RGBA' if 'transparent' in kind else 'RGB') and 'icc_profile' not in ours.info
    if ours.mode == 'RGBA': assert np.array_equal(ours.getchannel('A'), soft.getchannel('R'))
    L, theirs = rgb2l(photo2tensor(ours)), read_photo(p).lightness(0, im.height)[0]
    assert (L - theirs).abs().mean() < .5 and (L - theirs).abs().max() < 2, (L - theirs).abs().max()
    assert (rgb2l(photo2tensor(plain)) - theirs).abs().mean() > 4  # the profile matters
    assert np.array_equal(open_photo(ours), ours)  # and is applied once
    assert np.array_equal(photo2tensor(Image.open(p)), photo2tensor(ours))

@pytest.mark.parametrize('icc', [SRGB, imagecodecs.cms_profile('srgb'), b'x'*200, b'', imagecodecs.cms_profile('gray', gamma=1.), SRGB[:300]],
                         ids=['srgb', 'also srgb', 'noise', 'empty', 'for grey', 'cut off'])
def test_profile_that_says_nothing(tmp_path, rgb, icc):
    rgb.save(tmp_path/'x.png', icc_profile=icc)
    assert np.array_equal(open_photo(tmp_path/'x.png'), rgb)

def test_profile_of_the_callers_image_stays(rgb):
    for im in rgb.copy(), rgb.convert('RGBA'):
        im.info['icc_profile'] = WIDE
        assert open_photo(im) is not im and im.info['icc_profile'] is WIDE

@pytest.mark.parametrize('ext', ['png', 'jpg', 'tif', 'webp'])
def test_profile_is_written(tmp_path, rgb, ext):
    im = rgb.copy(); im.info['icc_profile'] = WIDE
    found, want = open_photo(save_photo(im, tmp_path/f'x.{ext}')), open_photo(im)
    assert np.abs(np.asarray(found, int) - np.asarray(want, int)).mean() < 4 < np.abs(np.asarray(rgb, int) - np.asarray(want, int)).mean()

# -- writing

@pytest.mark.parametrize('ext', ['jpg', 'JPEG', 'png', 'webp', 'tif', 'bmp'])
@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'L', 'P', '1'])
def test_save(tmp_path, rgb, ext, mode):
    im = rgb.convert(mode)
    p = save_photo(im, tmp_path/f'x.{ext}')
    assert np.abs(np.asarray(open_photo(p).convert('RGB'), int) - np.asarray(im.convert('RGB'), int)).mean() < (15 if mode in '1P' else 6)  # noise is hard for JPEG and WebP
    assert os.listdir(tmp_path) == [p.name]

def test_save_refuses(tmp_path, rgb):
    p = save_photo(rgb, tmp_path/'x.png'); was = p.read_bytes()
    assert 'exists' in says(p, save_photo, rgb.rotate(90), p)
    assert p.read_bytes() == was
    save_photo(rgb.rotate(90), p, overwrite=True)
    assert p.read_bytes() != was
    for bad in ('x.xyz', 'x', 'no/x.jpg', 'x.png/x.jpg'): says(tmp_path/bad, save_photo, rgb, tmp_path/bad)
    (tmp_path/'dir.jpg').mkdir(); says(tmp_path/'dir.jpg', save_photo, rgb, tmp_path/'dir.jpg', overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ['dir.jpg', 'x.png']

@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write everywhere')
def test_unwritable_folder(tmp_path, rgb):
    tmp_path.chmod(0o500)
    try: says(tmp_path/'x.jpg', save_photo, rgb, tmp_path/'x.jpg')
    finally: tmp_path.chmod(0o700)

def test_not_permitted(tmp_path, rgb, monkeypatch):
    def no(*a, **kw): raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr('builtins.open', no)
    assert 'Permission denied' in says(tmp_path/'x.jpg', save_photo, rgb, tmp_path/'x.jpg')

@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'), KeyboardInterrupt(), MemoryError()])
def test_atomic(tmp_path, rgb, monkeypatch, error):
    p = save_photo(rgb, tmp_path/'x.png'); was = p.read_bytes()
    def half(self, f, **kw): f.write(b'half a photo'); raise error
    monkeypatch.setattr(Image.Image, 'save', half)
    with pytest.raises(PhotoError if isinstance(error, OSError) else type(error)): save_photo(rgb, p, overwrite=True)
    assert p.read_bytes() == was and os.listdir(tmp_path) == ['x.png']

@pytest.mark.skipif(os.name != 'posix', reason='Windows deletes no open file')
@pytest.mark.parametrize('waits', [False, True], ids=['is done', 'is at it'])
def test_taken_for_one_that_was_left(tmp_path, monkeypatch, waits):
    "Another run tidies the folder in the moment between the birth of a file and its lock"
    real, locks, locked = files.lock_file, [], threading.Event()
    tidy = threading.Thread(target=files.remove_unfinished, args=[tmp_path])
    def lock(f, *args, **kw): # the file's, the other run's, that of the next file
        locks.append(f)
        if len(locks) == 1: tidy.start(); locked.wait(PATIENCE) if waits else tidy.join()
        real(f, *args, **kw)
        locked.set()
    monkeypatch.setattr(files, 'lock_file', lock)
    with files.whole_file(tmp_path/'a.txt') as f: f.write(b'all of it')
    tidy.join()
    assert (tmp_path/'a.txt').read_bytes() == b'all of it' and os.listdir(tmp_path) == ['a.txt'] and len(locks) == 3

def test_jpeg_lays_transparency_on_white(tmp_path):
    im = Image.new('RGBA', (16,16), (255,0,0,0))
    assert np.asarray(open_photo(save_photo(im, tmp_path/'x.jpg'))).min() >= 254

# -- colours

@settings(max_examples=60)
@given(h=st.integers(1,40), w=st.integers(1,40), b=st.integers(1,4), seed=st.integers(0,2**31), u8=st.booleans())
def test_round_trip(h, w, b, seed, u8):
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (b,3,h,w), generator=g, dtype=torch.uint8)
    x = x if u8 else x/255.
    lab = rgb2lab(x)
    assert lab.shape == x.shape and lab.dtype == torch.float32
    assert torch.allclose(lab[:,:1], rgb2l(x), atol=1e-3)
    assert torch.allclose(lab2rgb(lab), x/255. if u8 else x, atol=1e-4)
    assert torch.equal(lab2rgb(lab, torch.uint8), x if u8 else (x*255).round().to(torch.uint8))
    assert torch.equal(fit_gamut(lab), lab)

@settings(max_examples=60)
@given(seed=st.integers(0,2**31))
def test_gamut(seed):
    r = torch.rand(3, 17, 23, generator=torch.Generator().manual_seed(seed))
    lab = torch.stack([r[0]*100, r[1]*220 - 110, r[2]*220 - 110])
    y = fit_gamut(lab)
    assert torch.equal(y[0], lab[0])
    more = y*torch.tensor([1, 1.02, 1.02])[:,None,None]
    changed = (y != lab).any(0)
    assert (fit_gamut(more) != more).any(0)[changed].float().mean() > .9  # hardly more is taken away than must be
    assert (rgb2l(lab2rgb(y, torch.uint8))[0] - lab[0]).abs().max() <= 100/255

@pytest.fixture
def two_threads():
    n = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(n)

def test_threads(two_threads):
    "Several do what one does, and their number does not stay changed"
    x = torch.rand(3, 1100, 900, generator=torch.Generator().manual_seed(0))
    several = rgb2lab(x)
    with torch.inference_mode(): back = lab2rgb(several)
    rgb2lab(x[:, :9, :9])  # for one thread
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert torch.equal(several, rgb2lab(x)) and torch.equal(back, lab2rgb(several))

def test_tensor(rgb): assert torch.equal(photo2tensor(tensor2photo(photo2tensor(rgb))), photo2tensor(rgb))
