"Files as people have them: raw, HEIC, JPEG XL, Photoshop, PDF, and odd ones of the common kinds (nbs/00aa, 00ab, 00ac, 00b, 06b, 06f)"
import io, os, signal, struct, subprocess, sys, zlib

import imagecodecs, numpy as np, pytest, tifffile, torch
from PIL import Image, PngImagePlugin
from helpers import PATIENCE
from letthere_color.core import open_photo, photo2tensor, PhotoError, rgb2l, sample_photos, save_photo
from letthere_color.files import READABLE, WRITABLE
from letthere_color.formats import FORMATS, has_reader, RAW, READERS
from letthere_color.inference import Colorizer
from letthere_color.models import load_model
from letthere_color.photo_files import read_photo
from letthere_color.photo_writing import write_photo
from profiles import extreme_profile

extra = {kind: pytest.mark.skipif(not has_reader(kind) and 'CI' not in os.environ, reason=f'{FORMATS[kind][1]} is not installed') for kind in FORMATS}

@pytest.fixture(scope='module')
def colorizer(): return Colorizer(load_model(), size=64)

@pytest.fixture(scope='module')
def rgb(): return sample_photos()['coffee'].resize((97, 65))

def ramp(top=255, h=20, w=64): return np.tile(np.linspace(0, top, w).round(), (h, 1)).astype(np.uint8 if top == 255 else np.uint16)

def lightness(p, **kw):
    photo = read_photo(p, **kw)
    return photo.lightness(0, photo.size[1])[0,0].numpy()

def L_of(Y): return np.where(Y > .008856, 116*np.cbrt(Y) - 16, 903.3*Y)

def agree(p, most=.6): # what training sees, and what colouring sees
    ours, theirs = rgb2l(photo2tensor(open_photo(p).convert('RGB')))[0].numpy(), lightness(p)
    assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < most, np.abs(ours - theirs).max()

# -- kinds of their own

def raw_file(p, subfile=True):
    "A camera's raw photo (DNG): a thumbnail first, and below it the red, green and blue cells of the sensor"
    cells = np.full((128, 192), 1000, np.uint16); cells[:, 96:] = 3000  # dark to the left
    dng = [(50706, 1, 4, (1, 4, 0, 0), True), (50708, 2, 0, 'Model X', True)]
    cfa = dict(photometric=32803, metadata=None)
    tags = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True), (50717, 4, 1, 4095, True)]
    with tifffile.TiffWriter(p) as t:
        if subfile: t.write(np.full((24, 32, 3), 200, np.uint8), photometric='rgb', subfiletype=1, subifds=1, metadata=None, extratags=[*dng, (271, 2, 0, 'Maker', True)])
        t.write(cells, extratags=tags if subfile else dng + tags, **cfa)

@extra[RAW]
@pytest.mark.parametrize('subfile', [True, False])
@pytest.mark.parametrize('name', ['a.dng', 'a.tif'])
def test_raw_is_developed(tmp_path, colorizer, name, subfile):
    raw_file(tmp_path/name, subfile)
    photo = read_photo(tmp_path/name)
    assert photo.size == (192, 128) and photo.bits == 16 and photo.format == RAW  # not the thumbnail
    L = photo.lightness(0, 128)[0,0]
    assert L[20:-20, 20:80].mean() + 10 < L[20:-20, -80:-20].mean()
    assert open_photo(tmp_path/name).size == (192, 128) and open_photo((tmp_path/name).read_bytes()).size == (192, 128)
    colorizer.colorize_file(tmp_path/name, tmp_path/'out.png')
    assert read_photo(tmp_path/'out.png').size == (192, 128)
    if subfile: assert photo.metadata.exif.get(271) == 'Maker' and not [k for k in photo.metadata.exif if k > 50000]

@pytest.mark.parametrize('kind,name', [(RAW, 'a.dng'), (RAW, 'a.nef'), ('HEIC', 'a.heic'), ('PDF', 'a.pdf')])
def test_without_its_library(tmp_path, rgb, monkeypatch, kind, name):
    "Refused by name, with the extra that reads it; a thumbnail never"
    module, extra = FORMATS[kind][1:]
    if name == 'a.dng': raw_file(tmp_path/name)
    elif name == 'a.nef': rgb.save(tmp_path/name, 'TIFF')
    elif kind == 'PDF': rgb.save(tmp_path/name)
    else: (tmp_path/name).write_bytes(b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(100))
    monkeypatch.setitem(sys.modules, module, None)
    for read in (read_photo, open_photo):
        with pytest.raises(PhotoError, match=rf'{name}: is .*{kind}.*letthere_color\[{extra}\]') as e: read(tmp_path/name)
        assert '\n' not in str(e.value)

@extra['HEIC']
@pytest.mark.parametrize('bits', [8, 10])
def test_heic(tmp_path, rgb, bits):
    import pillow_heif
    x = np.asarray(rgb) if bits == 8 else np.asarray(rgb).astype(np.uint16)*257
    exif = Image.Exif(); exif[271], exif[274] = 'Maker', 6  # the writer turns by its own means: once is enough
    im = pillow_heif.from_pillow(rgb) if bits == 8 else pillow_heif.from_bytes('RGB;16', rgb.size, x.tobytes())
    im.save(str(tmp_path/'a.heic'), quality=95, chroma=444, exif=exif.tobytes())
    photo = read_photo(tmp_path/'a.heic')
    assert (photo.size, photo.bits, photo.format) == (rgb.size[::-1], 8 if bits == 8 else 16, 'HEIC') and photo.metadata.exif[271] == 'Maker'
    assert np.abs(photo.pixels.astype(float)/np.iinfo(photo.pixels.dtype).max - np.asarray(rgb.transpose(Image.Transpose.ROTATE_270))/255).mean() < .02
    if bits == 10: assert np.ptp(photo.pixels.astype(int) % 257) > 100 # more than eight of them
    agree(tmp_path/'a.heic')

@extra['PDF']
def test_pdf_pages_at_their_own_resolution(tmp_path, rgb, colorizer):
    rgb.save(tmp_path/'a.pdf', resolution=300, save_all=True, append_images=[rgb.crop((0, 0, 50, 60)).rotate(180)], quality=95)
    pages = [read_photo(tmp_path/'a.pdf', page=i) for i in (0, 1)]
    assert [p.size for p in pages] == [(97, 65), (50, 60)] and pages[0].n_pages == 2 and round(pages[0].metadata.dpi[0]) == 300
    assert np.abs(lightness(tmp_path/'a.pdf') - rgb2l(photo2tensor(rgb))[0].numpy()).mean() < 2
    note, = colorizer.colorize_file(tmp_path/'a.pdf', tmp_path/'out.tif')
    assert note.startswith('is in colour already') and read_photo(tmp_path/'out.tif').n_pages == 2
    with pytest.raises(PhotoError, match='97 x 65 pixels.*limit'): read_photo(tmp_path/'a.pdf', 1000)
    agree(tmp_path/'a.pdf')

def psd_file(x, mode, depth=8, packed=False, wide=False, layers=b'', resources=b''):
    h, w, n = x.shape
    planes = [np.ascontiguousarray(x[..., i]).astype(f'>u{depth//8}').tobytes() for i in range(n)]
    body = b''.join(planes)
    if packed:
        row = w*depth//8
        rows = [[imagecodecs.packbits_encode(p[i*row:(i+1)*row]) for i in range(h)] for p in planes]
        body = b''.join(struct.pack('>I' if wide else '>H', len(o)) for p in rows for o in p) + b''.join(o for p in rows for o in p)
    size = '>Q' if wide else '>I'
    return (b'8BPS' + struct.pack('>H6xHIIHH', 2 if wide else 1, n, h, w, depth, mode) + bytes(4) + struct.pack('>I', len(resources)) + resources
            + struct.pack(size, len(layers)) + layers + struct.pack('>H', packed) + body)

@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('depth', [8, 16])
@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'CMYK', 'PSB'])
def test_psd(tmp_path, rgb, mode, depth, packed):
    im = rgb.convert('RGB' if mode == 'PSB' else mode)
    x = np.asarray(im)
    x = x.reshape(65, 97, -1).copy()
    if mode == 'RGBA': x[..., 3] = np.arange(97)
    if depth == 16: x = x.astype(np.uint16)*257
    layers = struct.pack('>Ih', 2, -1) if mode == 'RGBA' else b''  # minus: the fourth channel is the transparency
    data = psd_file((255 if depth == 8 else 65535) - x if mode == 'CMYK' else x, {'L': 1, 'CMYK': 4}.get(mode, 3), depth, packed, mode == 'PSB', layers)
    (tmp_path/'a.psd').write_bytes(data)
    photo = read_photo(tmp_path/'a.psd')
    assert (photo.mode, photo.bits, photo.format) == (im.mode, depth, 'PSD') and np.array_equal(photo.pixels, x)
    agree(tmp_path/'a.psd', 1)

def test_psd_says_what_it_has_not(tmp_path, rgb):
    version = struct.pack('>IB', 1, 0) + bytes(10)
    (tmp_path/'a.psd').write_bytes(psd_file(np.asarray(rgb), 3, resources=b'8BIM' + struct.pack('>HHI', 1057, 0, len(version)) + version + bytes(1)))
    with pytest.raises(PhotoError, match='PSD without a flat picture.*maximize compatibility'): read_photo(tmp_path/'a.psd')
    (tmp_path/'a.psd').write_bytes(psd_file(np.asarray(rgb), 3)[:5000])
    with pytest.raises(PhotoError, match='damaged or cut off'): read_photo(tmp_path/'a.psd')

def test_jpeg_xl(tmp_path, rgb):
    (tmp_path/'a.jxl').write_bytes(imagecodecs.jpegxl_encode(np.asarray(rgb), lossless=True))
    assert np.array_equal(read_photo(tmp_path/'a.jxl').pixels, np.asarray(rgb))
    agree(tmp_path/'a.jxl')
    f = io.BytesIO(); exif = Image.Exif(); exif[271] = 'Maker'
    rgb.save(f, 'JPEG', quality=95, exif=exif, icc_profile=extreme_profile())  # a JPEG file, packed: all it says comes along
    (tmp_path/'b.jxl').write_bytes(imagecodecs.jpegxl_encode_jpeg(f.getvalue()))
    packed, plain = read_photo(tmp_path/'b.jxl'), read_photo(f.getvalue())
    assert packed.metadata.exif[271] == 'Maker' and np.array_equal(lightness(tmp_path/'b.jxl'), plain.lightness(0, 65)[0,0].numpy())
    with pytest.raises(PhotoError, match='97 x 65 pixels.*limit'): read_photo(tmp_path/'a.jxl', 1000)

@pytest.mark.parametrize('kind', ['uint16', 'float32', 'rgba'])
def test_jpeg_xl_says_which_colours_it_has(tmp_path, kind):
    "imagecodecs marks 16 bits and floats as linear light: so they are read, and ours are marked as what they are"
    x = np.repeat(ramp(65535)[..., None], 4 if kind == 'rgba' else 3, -1)
    (tmp_path/'a.jxl').write_bytes(imagecodecs.jpegxl_encode((x/65535).astype(np.float32) if kind == 'float32' else x, lossless=True))
    assert np.abs(lightness(tmp_path/'a.jxl') - L_of(ramp(65535)/65535)).max() < .05
    write_photo([(read_photo(tmp_path/'a.jxl'), lambda y0, y1, L: torch.zeros(1, 2, *L.shape[2:]))], tmp_path/'b.jxl', quality=100)
    assert read_photo(tmp_path/'b.jxl').icc is None and np.abs(lightness(tmp_path/'b.jxl') - lightness(tmp_path/'a.jxl')).max() < .05
    agree(tmp_path/'a.jxl')

@pytest.mark.parametrize('ext', ['jxl', 'avif', pytest.param('heic', marks=extra['HEIC'])])
@pytest.mark.parametrize('deep', [False, True])
def test_written(tmp_path, rgb, colorizer, ext, deep):
    "The photo's lightness, what it says, transparency; 16 bits where the format has them"
    x = np.asarray(rgb.convert('L')).astype(np.uint16)*257 + deep*99 if deep else np.asarray(rgb.convert('L'))
    exif = Image.Exif(); exif[315] = 'A. Photographer'
    (Image.fromarray(x)).save(tmp_path/'in.png', exif=exif)
    notes = colorizer.colorize_file(tmp_path/'in.png', tmp_path/f'out.{ext}')
    photo = read_photo(tmp_path/f'out.{ext}')
    assert photo.size == rgb.size and photo.bits == (16 if deep and ext == 'jxl' else 8) and any('16 bits' in n for n in notes) == (deep and ext != 'jxl')
    assert np.abs(lightness(tmp_path/f'out.{ext}') - lightness(tmp_path/'in.png')).mean() < 1.5
    assert photo.metadata.exif[315] == 'A. Photographer' and b'letthere_color' in photo.metadata.xmp
    clear = rgb.copy(); clear.putalpha(Image.linear_gradient('L').resize(rgb.size))
    colorizer.colorize_file(clear, tmp_path/f'clear.{ext}')
    assert read_photo(tmp_path/f'clear.{ext}').mode == 'RGBA'
    assert np.abs(np.asarray(open_photo(save_photo(rgb, tmp_path/f'saved.{ext}')), int) - np.asarray(rgb)).mean() < 5

def test_quality_of_jxl(tmp_path, rgb):
    flat = [(read_photo(rgb), lambda y0, y1, L: torch.zeros(1, 2, *L.shape[2:]))]
    sizes = [write_photo(flat, tmp_path/f'{q}.jxl', quality=q).stat().st_size for q in (10, 60, 95, 100)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]/4
    assert np.abs(lightness(tmp_path/'100.jxl') - rgb2l(photo2tensor(rgb))[0].numpy()).max() < .4  # loses nothing

def test_lists_of_extensions():
    assert {'.jpg', '.png', '.tif', '.webp', '.bmp', '.jxl', '.avif'} <= WRITABLE <= READABLE and '.pdf' not in READABLE
    assert {'.psd', '.jp2', '.j2k', '.gif', '.pgm', '.jfif'} <= READABLE
    for kind, exts in {RAW: '.nef .dng', 'HEIC': '.heic .heif'}.items(): assert (has_reader(kind)) == ({*exts.split()} <= READABLE)
    assert all(kind in READERS or not FORMATS[kind][2] for kind in FORMATS)

@pytest.mark.parametrize('head,kind', [(b'v/1\1', 'OpenEXR'), (b'II\xbc\1', 'JPEG XR'), (b'AT&TFORM', 'DjVu'), (b'%!PS-Adobe', 'PostScript'),
                                       (bytes(128) + b'DICM', 'DICOM')])
def test_others_are_refused_by_name(tmp_path, head, kind):
    (tmp_path/'a.jpg').write_bytes(head + bytes(200))
    for read in (read_photo, open_photo):
        with pytest.raises(PhotoError, match=rf'a\.jpg: is .*{kind}.*save it as'): read(tmp_path/'a.jpg')

def test_archive(tmp_path):
    (tmp_path/'photos.zip').write_bytes(b'PK\3\4' + bytes(200))
    with pytest.raises(PhotoError, match='is a ZIP or office file; unpack it'): read_photo(tmp_path/'photos.zip')

def test_a_film_by_another_name(tmp_path):
    (tmp_path/'a.jpg').write_bytes(b'\0\0\0\x18ftypisom' + bytes(200))
    for read in (read_photo, open_photo):
        with pytest.raises(PhotoError, match=r'a\.jpg: is a film; .*film\.mp4'): read(tmp_path/'a.jpg')

# -- numbers

def tif(p, x, **kw): tifffile.imwrite(p, x, metadata=None, **{'photometric': 'minisblack' if x.ndim == 2 else 'rgb', **kw}); return p

@pytest.mark.parametrize('light', [1.2, 1.9])
def test_a_light_does_not_darken(tmp_path, light):
    x = (ramp()/255).astype(np.float32)
    tif(tmp_path/'plain.tif', x)
    x = x.copy(); x[:2, -2:], x[5, :3] = light, -.01  # lights, and what is left of sharpening
    photo = read_photo(tif(tmp_path/'a.tif', x))
    assert photo.bits == 16 and any('cut off at white' in n for n in photo.notes)
    assert np.abs(lightness(tmp_path/'a.tif') - lightness(tmp_path/'plain.tif'))[:, 4:-2].max() < .01
    agree(tmp_path/'a.tif')

@pytest.mark.parametrize('icc', [None, imagecodecs.cms_profile('gray', gamma=1.)])
def test_hdr_stays_float(tmp_path, colorizer, icc):
    x = np.repeat(ramp()[..., None]/np.float32(255), 3, -1); x[4:8, 20:30] = 7.5
    x = tif(tmp_path/'a.tif', x if icc is None else x[..., 0], iccprofile=icc)
    photo = read_photo(x)
    whole = photo.lightness(0, 20, whole=True)[0,0].numpy()
    Y = 7.5 if icc else ((7.5 + .055)/1.055)**2.4
    assert photo.bits == 32 and abs(whole[5, 25] - L_of(Y)) < .05 and photo.lightness(0, 20).max() <= 100
    assert colorizer.colorize_file(x, tmp_path/'out.tif') == []
    out = tifffile.imread(tmp_path/'out.tif')
    after = read_photo(tmp_path/'out.tif').lightness(0, 20, whole=True)[0,0].numpy()
    assert out.dtype == np.float32 and np.abs(after - whole).max() < .05 and out[5, 25].max() > 2
    assert any('HDR' in n for n in colorizer.colorize_file(x, tmp_path/'out.png')) and read_photo(tmp_path/'out.png').bits == 16
    if icc is None: agree(x)

@pytest.mark.parametrize('dtype,top', [('uint32', 2**32-1), ('uint32', 65535), ('uint32', 255), ('int32', 65535), ('int16', 2**15-1), ('float64', 255), ('float32', 65535)])
def test_numbers_keep_their_scale(tmp_path, dtype, top):
    "A photo of little contrast: a third to two thirds of the scale"
    x = ((ramp()/255. + 1)/3*top).astype(dtype)
    L = lightness(tif(tmp_path/'a.tif', x))
    if (dtype, top) != ('uint32', 2**32-1): x[0, 0] = top  # else nobody could know
    want = rgb2l(torch.tensor(((ramp()/255 + 1)/3)[None].repeat(3, 0))).numpy()[0]
    assert np.abs(lightness(tif(tmp_path/'b.tif', x)) - want)[1:].max() < .6
    if dtype == 'uint32': assert np.abs(L - want).max() < .6
    agree(tmp_path/'b.tif')

@pytest.mark.parametrize('photometric', ['cielab', 'icclab'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_lab_has_its_lightness_already(tmp_path, colorizer, photometric, dtype):
    top = np.iinfo(dtype).max
    white = 65280 if (photometric, dtype) == ('icclab', np.uint16) else top
    x = np.zeros((20, 64, 3), dtype); x[..., 0] = (ramp()/255.*white).round()
    if photometric == 'icclab': x[..., 1:] = top//2 + 1  # grey
    tif(tmp_path/'a.tif', x, photometric=photometric)
    assert np.abs(lightness(tmp_path/'a.tif') - x[..., 0]/white*100).max() < 1e-2
    agree(tmp_path/'a.tif', 1)
    x[..., 1] += 40 if dtype == np.uint8 else 40*256
    assert np.asarray(open_photo(tif(tmp_path/'b.tif', x, photometric=photometric)), int)[10, 30] @ [1, -1, 0] > 50  # red, for training
    colorizer.colorize_file(tmp_path/'a.tif', tmp_path/'out.tif')
    assert np.abs(lightness(tmp_path/'out.tif') - lightness(tmp_path/'a.tif')).max() < (.02 if dtype == np.uint16 else .4)

# -- transparency

def png(p, w, h, depth, kind, rows, chunks=()):
    def chunk(t, d): return struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    n = len(rows)//h
    body = b''.join(b'\0' + rows[i*n:(i+1)*n] for i in range(h))
    p.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, depth, kind, 0, 0, 0)) + b''.join(chunk(t, d) for t, d in chunks)
                  + chunk(b'IDAT', zlib.compress(body)) + chunk(b'IEND', b''))
    return p

@pytest.mark.parametrize('bits', [1, 2, 4, 8, 16])
def test_a_transparent_grey(tmp_path, colorizer, bits):
    x = (np.arange(64)[None].repeat(8, 0) % 2**bits).astype(np.uint16 if bits == 16 else np.uint8)
    rows = x.astype('>u2').tobytes() if bits == 16 else np.packbits(np.unpackbits(x[..., None], axis=2)[..., 8-bits:].reshape(8, -1), axis=1).tobytes()
    p = png(tmp_path/'a.png', 64, 8, bits, 0, rows, [(b'tRNS', b'\0\1')])
    photo = read_photo(p)
    assert photo.mode == 'LA' and np.array_equal(photo.rows(0, 8)[..., 1] == 0, x == 1)
    assert np.array_equal(np.asarray(open_photo(p).getchannel('A')) == 0, x == 1)
    colorizer.colorize_file(p, tmp_path/'out.png')
    assert np.array_equal(read_photo(tmp_path/'out.png').rows(0, 8)[..., 3] == 0, x == 1)

def test_a_transparent_colour_of_16_bits(tmp_path):
    x = np.zeros((8, 64, 3), np.uint16); x[:4] = 300; x[4:] = 301  # alike in eight bits
    p = png(tmp_path/'a.png', 64, 8, 16, 2, x.astype('>u2').tobytes(), [(b'tRNS', struct.pack('>3H', 300, 300, 300))])
    assert np.array_equal(read_photo(p).rows(0, 8)[..., 3] == 0, x[..., 0] == 300)

def test_cmyk_with_alpha(tmp_path, colorizer):
    ink = np.stack([ramp()//4]*3 + [ramp()//2, ramp()], -1)
    p = tif(tmp_path/'a.tif', ink, photometric='separated', extrasamples=['unassalpha'])
    assert read_photo(p).mode == 'CMYKA' and open_photo(p).mode == 'RGBA'
    colorizer.colorize_file(p, tmp_path/'out.tif')
    assert np.array_equal(tifffile.imread(tmp_path/'out.tif')[..., 3], ink[..., 4]) and np.array_equal(np.asarray(open_photo(p))[..., 3], ink[..., 4])
    plain = tif(tmp_path/'b.tif', ink[..., :4], photometric='separated')
    assert np.array_equal(lightness(p), lightness(plain)) and np.array_equal(np.asarray(open_photo(p))[..., :3], np.asarray(open_photo(plain)))

# -- damaged, odd and endless

def pages(n):
    f = io.BytesIO()
    with tifffile.TiffWriter(f, byteorder='<') as t:
        for i in range(n): t.write(np.full((16, 16), 40*i, np.uint8), photometric='minisblack', metadata=None)
    f.seek(0)
    return bytearray(f.getvalue()), [p.offset for p in tifffile.TiffFile(f).pages]

def link_of(data, at): return at + 2 + 12*struct.unpack_from('<H', data, at)[0]

@pytest.mark.parametrize('back', [0, 1, 2])
def test_pages_in_a_circle(tmp_path, colorizer, back):
    data, at = pages(3)
    struct.pack_into('<I', data, link_of(data, at[2]), at[back])
    (tmp_path/'a.tif').write_bytes(data)
    notes = colorizer.colorize_file(tmp_path/'a.tif', tmp_path/'out.tif')
    assert read_photo(tmp_path/'out.tif').n_pages == 3 and any('chain of pages is damaged' in n for n in notes)
    assert open_photo(tmp_path/'a.tif').size == (16, 16)

@pytest.mark.parametrize('wrong', [60_000, 0, 77])
def test_wrong_lengths_of_strips(tmp_path, rgb, wrong):
    tifffile.imwrite(tmp_path/'a.tif', np.asarray(rgb), photometric='rgb', metadata=None, byteorder='<', rowsperstrip=30)
    with tifffile.TiffFile(tmp_path/'a.tif', mode='r+') as t: t.pages[0].tags[279].overwrite([wrong]*3)
    assert np.array_equal(read_photo(tmp_path/'a.tif').pixels, rgb) and np.array_equal(open_photo(tmp_path/'a.tif'), rgb)
    (tmp_path/'a.tif').write_bytes((tmp_path/'a.tif').read_bytes()[:9000])
    with pytest.raises(PhotoError, match='damaged or cut off'): read_photo(tmp_path/'a.tif')

@pytest.mark.parametrize('how', ['group4', 'group3', 'tiff_ccitt'])
def test_a_ruined_fax_is_refused(tmp_path, how):
    page = (np.random.default_rng(1).random((220, 200)) > .8).astype(np.uint8)*255
    Image.fromarray(page).convert('1').save(tmp_path/'a.tif', compression=how)
    assert np.array_equal(read_photo(tmp_path/'a.tif').rows(0, 220)[..., 0], page)
    with tifffile.TiffFile(tmp_path/'a.tif') as t: at, n = t.pages[0].dataoffsets[0], t.pages[0].databytecounts[0]
    data = bytearray((tmp_path/'a.tif').read_bytes())
    data[at+n//8:at+n] = bytes(n - n//8)
    (tmp_path/'a.tif').write_bytes(data)
    for read in (read_photo, open_photo):
        with pytest.raises(PhotoError, match='lines of the fax are missing'): read(tmp_path/'a.tif')

@pytest.mark.parametrize('kind', ['zTXt', 'iTXt', 'XMP'])
def test_long_text_of_png(tmp_path, rgb, colorizer, kind):
    info, text = PngImagePlugin.PngInfo(), 'x'*3_000_000
    if kind == 'zTXt': info.add_text('Comment', text, zip=True)
    else: info.add_itxt('XML:com.adobe.xmp' if kind == 'XMP' else 'Comment', text, zip=True)
    rgb.save(tmp_path/'a.png', pnginfo=info)
    photo = read_photo(tmp_path/'a.png')
    assert np.array_equal(photo.rows(0, 65), rgb) and np.array_equal(open_photo(tmp_path/'a.png'), rgb) and photo.notes == []
    assert (len(photo.metadata.xmp) if kind == 'XMP' else len(photo.metadata.text['Comment'])) == 3_000_000
    info = PngImagePlugin.PngInfo(); info.add_itxt('Comment', 'x'*40_000_000, zip=True)  # a bomb
    rgb.save(tmp_path/'a.png', pnginfo=info)
    assert any('text' in n and 'left out' in n for n in read_photo(tmp_path/'a.png').notes)

@pytest.mark.parametrize('fmt', ['GIF', 'PNG', 'WEBP'])
def test_grey_animations(tmp_path, colorizer, fmt):
    x = np.tile(np.arange(256, dtype=np.uint8), (32, 1))
    Image.fromarray(x).save(tmp_path/'a', fmt, save_all=True, optimize=False, append_images=[Image.fromarray(x[:, ::-1].copy())])
    notes = colorizer.colorize_file(tmp_path/'a', tmp_path/'out.png')
    assert any('animated' in n for n in notes) and np.abs(lightness(tmp_path/'out.png') - L_of(np.where(x <= 10, x/255/12.92, ((x/255 + .055)/1.055)**2.4))).max() < 1.5
    assert np.array_equal(np.asarray(open_photo(tmp_path/'a'))[..., 0], x) or fmt == 'WEBP'

def bmp(bits, masks, x, header=56):
    head = struct.pack('<IiiHHIIiiII', header, x.shape[1], x.shape[0], 1, bits, 3, x.nbytes, 2835, 2835, 0, 0) + struct.pack(f'<{len(masks)}I', *masks)
    return b'BM' + struct.pack('<IHHI', 14 + len(head) + x.nbytes, 0, 0, 14 + len(head)) + head + x.tobytes()

@pytest.mark.parametrize('bits,masks,step', [(16, (0xf00, 0xf0, 0xf, 0xf000), 17), (16, (0xf, 0xf0, 0xf00, 0), 17), (32, (0x3ff00000, 0xffc00, 0x3ff, 0), .25)])
def test_bmp_of_any_bit_fields(tmp_path, bits, masks, step):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 16 if bits == 16 else 1024, (9, 8, 3))
    x = sum(rgb[..., i]*(m & -m) for i, m in enumerate(masks[:3])) + masks[3]
    (tmp_path/'a.bmp').write_bytes(bmp(bits, masks, x[::-1].astype(f'<u{bits//8}')))
    for found in (np.asarray(open_photo(tmp_path/'a.bmp')), read_photo(tmp_path/'a.bmp').rows(0, 9)[..., :3]): assert np.abs(found - rgb*step).max() <= 1
    assert read_photo(tmp_path/'a.bmp').metadata.gone == []  # its bytes are no chunks of a PNG

@pytest.mark.parametrize('size', [16, 40, 64])
def test_heads_of_os2(tmp_path, size):
    x = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    head = (struct.pack('<IiiHH', size, 12, 8, 1, 24) + bytes(48))[:size]
    (tmp_path/'a.bmp').write_bytes(b'BM' + struct.pack('<IHHI', 14 + size + x.nbytes, 0, 0, 14 + size) + head + x[::-1, :, ::-1].tobytes())
    assert np.array_equal(open_photo(tmp_path/'a.bmp'), x) and np.array_equal(read_photo(tmp_path/'a.bmp').rows(0, 8), x)

def test_a_pipe_is_not_empty(tmp_path, colorizer):
    from letthere_color.folders import colorize_files
    os.mkfifo(tmp_path/'pipe.jpg')
    for read in (read_photo, open_photo):
        with pytest.raises(PhotoError, match='pipe.jpg: is a pipe'): read(tmp_path/'pipe.jpg')
    done, = colorize_files(colorizer, [(tmp_path/'pipe.jpg', tmp_path/'out.jpg')])  # and nobody waits for it
    assert 'is a pipe' in done.error

STUCK = '''
import os, signal, sys, time
from pathlib import Path
import letthere_color.photo_files as photo_files
from letthere_color.inference import Colorizer
from letthere_color.models import load_model
from letthere_color.progress import colour_all
def load_pixels(im): os.write(1, b'decoding\\n'); time.sleep(600)  # in one piece, whoever else writes
photo_files.load_pixels = load_pixels
me, plain = os.getpid(), signal.signal
def told(sign, handler):
    plain(sign, handler)
    if handler == signal.SIG_DFL and os.getpid() == me: os.write(1, b'asked\\n')
signal.signal = told
colour_all(Colorizer(load_model(), size=64), [(Path(o), Path(o + '.png')) for o in sys.argv[1:]])
'''
@pytest.mark.parametrize('n,sign', [(1, signal.SIGINT), (3, signal.SIGTERM)])  # a thread, and a process for each
def test_second_signal_ends_what_hangs(tmp_path, rgb, n, sign):
    for i in range(n): rgb.save(tmp_path/f'{i}.png')
    run = subprocess.Popen([sys.executable, '-c', STUCK, *(f'{i}.png' for i in range(n))], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        assert run.stdout.readline() == 'decoding\n'
        run.send_signal(sign)
        for _ in range(2):
            while run.stdout.readline() != 'asked\n': assert run.poll() is None  # the first one asks; the next of either kind will end it
        run.send_signal(sign)
        assert run.wait(PATIENCE) == -sign
        run.stdout.read()  # ends when the last worker has ended
    finally:
        try: os.killpg(run.pid, signal.SIGKILL)
        except ProcessLookupError: pass

# -- colours

def png_with(p, x, *chunks):
    grey = x.ndim == 2
    return png(p, x.shape[1], x.shape[0], 8, 0 if grey else 2, x.tobytes(), chunks)

def gama(g): return b'gAMA', struct.pack('>I', round(g*100_000))
def chrm(*xy): return b'cHRM', struct.pack('>8I', *(round(o*100_000) for o in xy))

@pytest.mark.parametrize('gamma', [1., .5556])
def test_png_gamma(tmp_path, gamma):
    x = ramp()
    p = png_with(tmp_path/'a.png', x, gama(gamma))
    assert np.abs(lightness(p) - L_of((x/255.)**(1/gamma))).max() < .1
    agree(p)
    plain, usual = png_with(tmp_path/'b.png', x), png_with(tmp_path/'c.png', x, gama(.45455))
    for q in (usual, png_with(tmp_path/'d.png', x, gama(gamma), (b'sRGB', b'\0'))): assert np.array_equal(lightness(q), lightness(plain))  # sRGB comes first

def test_png_primaries(tmp_path, rgb):
    "cHRM with the primaries of Adobe RGB, and an ICC profile of them, say the same; cICP comes before both"
    x = np.asarray(rgb)
    p = png_with(tmp_path/'a.png', x, gama(1/2.199), chrm(.3127, .329, .64, .33, .21, .71, .15, .06))
    rgb.save(tmp_path/'b.png', icc_profile=imagecodecs.cms_profile('adobergb'))
    rgb.save(tmp_path/'c.png')
    assert np.abs(lightness(p) - lightness(tmp_path/'b.png')).max() < .6 and np.abs(lightness(p) - lightness(tmp_path/'c.png')).max() > 2
    assert np.abs(np.asarray(open_photo(p), int) - np.asarray(open_photo(tmp_path/'b.png'))).mean() < 1
    assert np.abs(np.asarray(open_photo(p), int) - x).mean() > 3
    srgb = png_with(tmp_path/'d.png', x, (b'cICP', bytes([1, 13, 0, 1])), gama(1.))
    assert np.array_equal(open_photo(srgb), x)
    pq = read_photo(png_with(tmp_path/'e.png', x, (b'cICP', bytes([9, 16, 0, 1]))))
    assert pq.icc and any('HDR' in n for n in pq.notes)

def test_adobe_rgb_by_exif_alone(tmp_path, rgb):
    def exif(space, kind): e = Image.Exif(); e[271] = 'Camera'; e.get_ifd(0x8769).update({0xA001: space, 0xA005: {1: kind}}); return e
    rgb.save(tmp_path/'profile.png', icc_profile=imagecodecs.cms_profile('adobergb'))
    for name, space, kind, adobe in (('a', 65535, 'R03', True), ('b', 1, 'R98', False), ('c', 65535, 'R98', False), ('d', 1, 'R03', False)):
        rgb.save(tmp_path/f'{name}.png', exif=exif(space, kind))
        assert (read_photo(tmp_path/f'{name}.png').icc is not None) == adobe
        same = 'profile.png' if adobe else 'd.png'
        if adobe: assert np.array_equal(open_photo(tmp_path/'a.png'), open_photo(tmp_path/same)) and np.array_equal(lightness(tmp_path/'a.png'), lightness(tmp_path/same))
        else: assert np.array_equal(open_photo(tmp_path/f'{name}.png'), rgb)

def named(icc, name): # a profile under another name
    n = struct.unpack_from('>I', icc, 128)[0]
    entries = [struct.unpack_from('>4sII', icc, 132 + 12*i) for i in range(n)]
    parts = {tag: bytes(icc[at:at+size]) for tag, at, size in entries}
    parts[b'desc'] = b'desc' + bytes(4) + struct.pack('>I', len(name) + 1) + name + bytes(80)
    table, body, at = struct.pack('>I', n), b'', 132 + 12*n
    for tag, d in parts.items(): table += tag + struct.pack('>II', at + len(body), len(d)); body += d + bytes(-len(d) % 4)
    return struct.pack('>I', at + len(body)) + bytes(icc[4:128]) + table + body

@pytest.mark.parametrize('name', [b'sRGB IEC61966-2.1 (Linear RGB Profile)', b'Profil RVB lin\x8eaire'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_the_curve_counts_not_the_name(tmp_path, name, dtype):
    p = tif(tmp_path/'a.tif', np.full((8, 9, 3), round(.2140*np.iinfo(dtype).max), dtype), iccprofile=named(extreme_profile(1., swap=False), name))
    photo = read_photo(p)
    assert photo.notes == [] and abs(lightness(p).mean() - 53.4) < .5 and abs(np.asarray(open_photo(p)).mean() - 128) < 2

@pytest.mark.parametrize('deep', [False, True])
@pytest.mark.parametrize('gamma', [1., 1.8, 3.])
def test_grey_with_a_profile(tmp_path, gamma, deep):
    "Exact in the dark as well, and 16 bits are not cut before the profile is applied"
    x = ramp(65535 if deep else 255, w=256)
    Image.fromarray(x).save(tmp_path/'a.png', icc_profile=imagecodecs.cms_profile('gray', gamma=gamma))
    Y = (x/x.max())**gamma
    want = np.where(Y <= .0031308, 12.92*Y, 1.055*Y**(1/2.4) - .055)*255
    found = np.asarray(open_photo(tmp_path/'a.png'), float)
    assert np.abs(found - want[..., None]).max() < .75 and np.ptp(found, axis=2).max() == 0
    assert np.abs(lightness(tmp_path/'a.png') - L_of(Y)).max() < .05
