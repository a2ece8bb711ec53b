"Photos as people have them: from file to file with depth, pages, profiles and notes (nbs/06a, 06b, 07)"
import io, itertools, json, random, shutil, signal, struct, subprocess, warnings, zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import imagecodecs, numpy as np, pytest, tifffile, torch
from PIL import ExifTags, Image, ImageCms, ImageFile, PngImagePlugin
from letthere_color.colorization import Colorization, ModelConfig, predict_ab
from letthere_color.models import DEFAULT_MODEL, load_model
from letthere_color.core import open_photo, photo2tensor, PhotoError, rgb2l, rgb2lab, sample_photos
from letthere_color.fast import lean_model
from letthere_color.inference import Colorizer
from letthere_color.small_copy import halo
from letthere_color.metadata import label_xmp, SOURCE_TYPE
from letthere_color.photo_files import MAX_PIXELS, read_photo
from letthere_color.photo_writing import write_photo

exiftool = pytest.mark.skipif(not shutil.which('exiftool'), reason='exiftool is not installed')

@pytest.fixture(scope='module')
def colorizer(): return Colorizer(load_model(), size=64)

@pytest.fixture(scope='module')
def rgb(): return sample_photos()['coffee'].resize((97, 65))

@pytest.fixture(scope='module')
def grey16(rgb):
    fine = np.random.default_rng(0).integers(0, 257, (65, 97))
    return (np.asarray(rgb.convert('L')).astype(int)*256 + fine).clip(0, 65535).astype(np.uint16)

def lightness(p, page=0):
    photo = read_photo(p, page=page)
    return photo.lightness(0, photo.size[1])

def is_coloured(p): return rgb2lab(photo2tensor(Image.open(p).convert('RGB')))[1:].norm(dim=0).mean() > 1

# -- what goes in comes out

MODES = dict(JPEG='1 L RGB CMYK', PNG='1 L LA P RGB RGBA I;16', TIFF='1 L LA P RGB RGBA CMYK I;16 F', WEBP='1 L LA P RGB RGBA CMYK', BMP='1 L P RGB RGBA')

@pytest.mark.parametrize('fmt,mode', [(fmt, mode) for fmt, modes in MODES.items() for mode in modes.split()])  # what each format has
def test_formats_and_modes(tmp_path, rgb, grey16, colorizer, fmt, mode):
    im = {'I;16': lambda: Image.fromarray(grey16), 'F': lambda: Image.fromarray((grey16/65535).astype(np.float32))}.get(mode, lambda: rgb.convert(mode))()
    if mode in ('LA', 'RGBA'): im.putalpha(Image.linear_gradient('L').resize(rgb.size))
    source, out = tmp_path/f'in.{fmt.lower()}', tmp_path/f'out.{fmt.lower()}'
    im.save(source, fmt)
    colorizer.colorize_file(source, out)
    before, after = read_photo(source), read_photo(out)
    assert (after.size, after.bits) == (rgb.size, before.bits) and after.mode == ('RGBA' if before.mode in ('LA', 'RGBA') else 'RGB')
    assert is_coloured(out) or mode == '1'
    if fmt in ('PNG', 'TIFF', 'BMP'):
        assert (lightness(out) - lightness(source)).abs().max() < (.02 if before.bits == 16 else 100/255)
        if after.mode == 'RGBA': assert np.array_equal(after.rows(0, 65)[..., 3], before.rows(0, 65)[..., -1])
    else: assert (lightness(out) - lightness(source)).abs().mean() < 1.5
    assert colorizer(source).size == rgb.size

@pytest.mark.parametrize('kw', [dict(compression='lzw'), dict(compression='zlib', predictor=True), dict(tile=(16,16)), dict(planarconfig='separate'),
                                dict(byteorder='>'), dict(bigtiff=True), dict(compression='zstd')])
def test_deep_tiff(tmp_path, rgb, colorizer, kw):
    x = np.asarray(rgb).astype(np.uint16)*256 + 99
    byteorder, bigtiff = kw.pop('byteorder', '<'), kw.pop('bigtiff', False)
    data = np.moveaxis(x, -1, 0) if 'planarconfig' in kw else x
    tifffile.imwrite(tmp_path/'in.tif', data, photometric='rgb', byteorder=byteorder, bigtiff=bigtiff, **kw)
    assert np.array_equal(read_photo(tmp_path/'in.tif').pixels, x)
    for out in ('out.tif', 'out.png'):
        colorizer.colorize_file(tmp_path/'in.tif', tmp_path/out)
        assert (lightness(tmp_path/out) - lightness(tmp_path/'in.tif')).abs().max() < .02
    by_tifffile, by_codecs = tifffile.imread(tmp_path/'out.tif'), imagecodecs.png_decode((tmp_path/'out.png').read_bytes())
    assert np.array_equal(by_tifffile, by_codecs) and by_tifffile.dtype == np.uint16
    assert Image.open(tmp_path/'out.tif').size == rgb.size  # Pillow reads it too

def test_alpha_of_tiff(tmp_path, rgb, colorizer):
    alpha = np.linspace(1, 65535, 97*65).astype(np.uint16).reshape(65, 97, 1)
    x = np.asarray(rgb).astype(np.uint16)*257
    tifffile.imwrite(tmp_path/'straight.tif', np.concatenate([x, alpha], 2), photometric='rgb', extrasamples=['unassalpha'])
    times = (x*(alpha/65535)).round().astype(np.uint16)
    tifffile.imwrite(tmp_path/'multiplied.tif', np.concatenate([times, alpha], 2), photometric='rgb', extrasamples=['assocalpha'])
    a, b = read_photo(tmp_path/'straight.tif').pixels, read_photo(tmp_path/'multiplied.tif').pixels
    assert a.shape == b.shape == (65, 97, 4) and np.abs(a[32:].astype(int) - b[32:]).max() <= 2
    colorizer.colorize_file(tmp_path/'straight.tif', tmp_path/'out.tif')
    assert np.array_equal(read_photo(tmp_path/'out.tif').pixels[..., 3:], alpha)

def test_few_bits(tmp_path, grey16):
    x = grey16 >> 4
    tifffile.imwrite(tmp_path/'in.tif', x, bitspersample=12)
    assert np.abs(read_photo(tmp_path/'in.tif').pixels[..., 0]/65535 - x/4095).max() < 1e-4

@pytest.mark.parametrize('top', [1, 255, 65535])
def test_float_tiff(tmp_path, grey16, colorizer, top):
    x = np.float32(grey16/65535*top)
    x[0,0], x[0,1] = np.nan, top
    tifffile.imwrite(tmp_path/'in.tif', x)
    assert np.abs(read_photo(tmp_path/'in.tif').pixels[1:, :, 0].astype(int) - grey16[1:]).max() <= 2
    colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.png')
    assert read_photo(tmp_path/'out.png').bits == 16

def test_pages(tmp_path, rgb, grey16, colorizer):
    with tifffile.TiffWriter(tmp_path/'in.tif') as t:  # a grey page, a thumbnail, a smaller page in colour
        t.write(grey16, metadata=None); t.write(grey16[::8,::8], subfiletype=1, metadata=None)
        t.write(np.asarray(rgb)[:40], photometric='rgb', metadata=None)
    note, = colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.tif')
    assert note.startswith('page 2: is in colour already')
    out = [read_photo(tmp_path/'out.tif', page=i) for i in (0,1)]
    assert [(p.size, p.bits, p.mode) for p in out] == [((97,65), 16, 'RGB'), ((97,40), 8, 'RGB')]
    assert read_photo(tmp_path/'out.tif').n_pages == 2
    notes = colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.jpg')
    assert any('2 pages' in n for n in notes) and any('16 bits' in n for n in notes)
    both = Image.open(tmp_path/'out.tif'); both.seek(1)
    assert both.n_frames == 2 and both.size == (97,40)

@pytest.mark.parametrize('fmt', ['GIF', 'WEBP', 'PNG'])
def test_animation(tmp_path, rgb, colorizer, fmt):
    rgb.save(tmp_path/f'in.{fmt}', fmt, save_all=True, append_images=[rgb.rotate(90)], duration=50)
    assert any('animated' in n for n in colorizer.colorize_file(tmp_path/f'in.{fmt}', tmp_path/'out.png'))
    assert not getattr(Image.open(tmp_path/'out.png'), 'is_animated', False)

@pytest.mark.parametrize('turn', range(1, 9))
@pytest.mark.parametrize('name', ['in.jpg', 'in.tif', 'deep.tif', 'deep.png'])
def test_orientation(tmp_path, rgb, grey16, colorizer, turn, name):
    exif = Image.Exif(); exif[274] = turn
    deep = np.asarray(rgb).astype(np.uint16)*257
    if name == 'deep.tif': tifffile.imwrite(tmp_path/name, deep, photometric='rgb', extratags=[(274, 3, 1, turn, True)])
    elif name == 'deep.png': Image.fromarray(grey16).save(tmp_path/name, exif=exif)
    else: rgb.save(tmp_path/name, exif=exif, quality=95)
    colorizer.colorize_file(tmp_path/name, tmp_path/'out.png')
    out = Image.open(tmp_path/'out.png')
    assert out.size == (rgb.size if turn < 5 else rgb.size[::-1]) and out.getexif().get(274, 1) == 1
    upright = read_photo(np.asarray(rgb) if name != 'deep.png' else grey16)
    with warnings.catch_warnings(): warnings.simplefilter('ignore'); want = Image.fromarray(upright.lightness(0, 65)[0,0].numpy())
    names = [None, *(Image.Transpose(i) for i in (0, 3, 1, 5, 4, 6, 2))]
    want = np.asarray(want.transpose(names[turn-1]) if turn > 1 else want)
    assert np.abs(lightness(tmp_path/'out.png')[0,0].numpy() - want).mean() < (2 if name == 'in.jpg' else .5)

# -- profiles

def test_profiles(tmp_path, rgb, colorizer):
    adobe, gamma = imagecodecs.cms_profile('adobergb'), imagecodecs.cms_profile('gray', gamma=1.8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB'))
    grey = rgb.convert('L')
    grey.save(tmp_path/'plain.png'); grey.save(tmp_path/'gamma.png', icc_profile=gamma); grey.save(tmp_path/'srgb.png', icc_profile=srgb.tobytes())
    rgb.save(tmp_path/'adobe.png', icc_profile=adobe); grey.save(tmp_path/'mixed.png', icc_profile=adobe)
    plain = lightness(tmp_path/'plain.png')
    Y = (np.asarray(grey)/255.)**1.8
    assert np.abs(lightness(tmp_path/'gamma.png')[0,0].numpy() - np.where(Y > .008856, 116*np.cbrt(Y) - 16, 903.3*Y)).max() < .02
    assert torch.equal(lightness(tmp_path/'srgb.png'), plain)
    in_srgb = ImageCms.profileToProfile(rgb, ImageCms.ImageCmsProfile(io.BytesIO(adobe)), srgb, renderingIntent=1)
    assert (lightness(tmp_path/'adobe.png') - rgb2l(photo2tensor(in_srgb))).abs().mean() < 1  # white of D50 against D65
    for name in ('gamma.png', 'adobe.png', 'mixed.png'):
        colorizer.colorize_file(tmp_path/name, tmp_path/f'out-{name}')
        out = Image.open(tmp_path/f'out-{name}')
        assert 'sRGB' in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(out.info['icc_profile'])))
        assert (lightness(tmp_path/f'out-{name}') - lightness(tmp_path/name)).abs().mean() < .3

def test_wrong_profile(tmp_path, rgb):
    for bad in (b'x'*200, imagecodecs.cms_profile('gray', gamma=2.)):
        rgb.save(tmp_path/'in.png', icc_profile=bad)
        photo = read_photo(tmp_path/'in.png')
        assert photo.icc is None and any('profile' in n for n in photo.notes)

WIDE = dict(adobe=imagecodecs.cms_profile('adobergb'),
            linear=imagecodecs.cms_profile('rgb', whitepoint=(.3127, .329, 1), primaries=(.64, .33, .3, .6, .15, .06), gamma=1.),
            prophoto=imagecodecs.cms_profile('rgb', whitepoint=(.3457, .3585, 1), primaries=(.7347, .2653, .1596, .8404, .0366, .0001), gamma=1.8))

@pytest.fixture(params=WIDE)
def wide_photos(tmp_path, rgb, request):
    "Files with a profile, vivid colours as well, and what they are in sRGB: all colours lie inside it"
    srgb, wide = (ImageCms.ImageCmsProfile(o) for o in (ImageCms.createProfile('sRGB'), io.BytesIO(WIDE[request.param])))
    vivid, found = Image.fromarray(np.random.default_rng(0).integers(0, 256, (65,97,3)).astype(np.uint8)), {}
    for i, im in enumerate((rgb, vivid)):
        there = ImageCms.profileToProfile(im, srgb, wide, renderingIntent=1)
        there.save(tmp_path/f'{i}.png', icc_profile=WIDE[request.param])
        numbers = rgb2l(photo2tensor(np.asarray(there)))  # alone they say something else
        assert (rgb2l(photo2tensor(im)) - numbers).abs().mean() > 1
        found[tmp_path/f'{i}.png'] = ImageCms.profileToProfile(there, wide, srgb, renderingIntent=1)
    return found

def test_lightness_as_in_srgb(wide_photos):
    for p, srgb in wide_photos.items(): assert (lightness(p) - rgb2l(photo2tensor(srgb))).abs().max() < .5

def test_profile_means_the_same_everywhere(wide_photos):
    for p in wide_photos: assert (lightness(p) - rgb2l(photo2tensor(open_photo(p)))).abs().max() < 1

def cmyk_profile():
    "The smallest one: version 2, a table of 2x2x2x2 colours, all of them grey"
    lightness = [(1-.4*c)*(1-.5*m)*(1-.1*y)*(1-k) for c, m, y, k in itertools.product((0, 1), repeat=4)]
    ramp, white = bytes(range(256)), struct.pack('>3i', 63190, 65536, 54061)
    table = b'mft1' + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack('>9i', *(65536*(i % 4 == 0) for i in range(9))) + ramp*4
    table += b''.join(bytes([round(255*L), 128, 128]) for L in lightness) + ramp*3
    tags = {b'desc': b'desc' + bytes(4) + struct.pack('>I', 5) + b'test' + bytes(80), b'wtpt': b'XYZ ' + bytes(4) + white, b'A2B0': table}
    places, at = b'', 132 + 12*len(tags)
    for name, data in tags.items(): places += name + struct.pack('>II', at, len(data)); at += len(data)
    head = struct.pack('>II', at, 0) + bytes([2, 64, 0, 0]) + b'prtrCMYKLab ' + struct.pack('>6H', 2020, 1, 1, 0, 0, 0) + b'acsp' + bytes(28) + white
    return head.ljust(128, b'\0') + struct.pack('>I', len(tags)) + places + b''.join(tags.values())

def test_profile_for_print(tmp_path):
    inks = Image.fromarray(np.uint8([[[0,0,0,0], [255,0,0,0], [0,255,0,0], [0,0,0,128], [0,0,0,255]]]), 'CMYK')
    inks.save(tmp_path/'in.tif', icc_profile=cmyk_profile())
    assert read_photo(tmp_path/'in.tif').icc and np.abs(lightness(tmp_path/'in.tif')[0,0,0].numpy() - [100, 60, 50, 49.8, 0]).max() < .5

# -- what a file says

PACKET = (b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
          b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
          b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" xmlns:mine="http://example.org/" mine:shelf="7"><dc:title><rdf:Alt><rdf:li '
          b'xml:lang="x-default">Budapest &amp; Pest</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>')
IPTC = b'\x1c\x02\x00\x00\x02\x00\x04\x1c\x02\x78\x00\x08A bridge\x1c\x02\x74\x00\x05(c) M'

def said(rgb):
    "EXIF with GPS and a thumbnail, XMP, IPTC, grey ICC: arguments for Pillow"
    exif = Image.Exif()
    exif[271], exif[274], exif[315], exif[306] = 'Leica', 1, 'A. Photographer', '1956:10:23 12:00:00'
    exif[ExifTags.IFD.Exif] = {36867: '1956:10:23 12:00:00', 33434: (1, 125), 37510: b'ASCII\0\0\0hello', 40961: 65535, 40962: 1, 40963: 1}
    exif[ExifTags.IFD.GPSInfo] = {1: 'N', 2: (47.0, 29.0, 52.0), 3: 'E', 4: (19.0, 2.0, 24.0)}
    irb = b'8BIM\x04\x04\0\0' + len(IPTC).to_bytes(4) + IPTC + b'\0'*(len(IPTC) % 2) + b'8BIM\x04\x0c\0\0\0\0\0\x04old!'
    app13 = b'\xff\xed' + (len(irb)+16).to_bytes(2) + b'Photoshop 3.0\0' + irb
    return exif, app13, imagecodecs.cms_profile('gray', gamma=2.2)

@pytest.fixture
def archive_jpg(tmp_path, rgb):
    exif, app13, icc = said(rgb)
    rgb.convert('L').save(tmp_path/'in.jpg', exif=exif, xmp=PACKET, extra=app13, icc_profile=icc, comment=b'box 7', dpi=(600,600))
    return tmp_path/'in.jpg'

@pytest.mark.parametrize('ext', ['jpg', 'tif', 'png', 'webp'])
@pytest.mark.parametrize('deep', [False, True])
def test_notes_are_kept(tmp_path, archive_jpg, rgb, grey16, colorizer, ext, deep):
    source, out = archive_jpg, tmp_path/f'out.{ext}'
    if deep:  # first into a TIFF file of 16 bits
        photo = read_photo(archive_jpg)
        photo.pixels, photo.icc = grey16[..., None], None
        source = write_photo([(photo, lambda y0, y1, L: torch.zeros(1, 2, *L.shape[2:]))], tmp_path/'in.tif')
    notes = colorizer.colorize_file(source, out)
    m = read_photo(out).metadata
    assert (m.exif[271], m.exif[315]) == ('Leica', 'A. Photographer')
    assert m.exif[ExifTags.IFD.GPSInfo][2] == (47, 29, 52) and m.exif[ExifTags.IFD.GPSInfo][3] == 'E'
    assert m.exif[ExifTags.IFD.Exif][36867] == '1956:10:23 12:00:00' and m.exif[ExifTags.IFD.Exif][40962] == 97
    assert b'Budapest &amp; Pest' in m.xmp and b'mine:shelf="7"' in m.xmp and b'tiff:Orientation' not in m.xmp
    assert m.xmp.count(SOURCE_TYPE.encode()) == 1 and f'letthere_color {DEFAULT_MODEL}'.encode() in m.xmp
    if ext == 'webp': assert any('no place for IPTC' in n for n in notes)
    else: assert m.resources[0x0404] == IPTC and 0x040c not in m.resources
    if ext != 'webp': assert m.dpi and round(m.dpi[0]) == 600
    im = Image.open(out)
    assert im.getexif().get_ifd(ExifTags.IFD.IFD1) == {}

@exiftool
@pytest.mark.parametrize('ext', ['jpg', 'tif', 'png', 'webp'])
def test_exiftool_agrees(tmp_path, archive_jpg, colorizer, ext):
    def tags(p): return json.loads(subprocess.run(['exiftool', '-j', '-G1', '-struct', '-n', p], capture_output=True, text=True, check=True).stdout)[0]
    subprocess.run(['exiftool', '-q', '-overwrite_original', '-GPSAltitude=120', '-ISO=100', '-XMP-dc:Subject=bridge', '-Copyright=(c) M',
                    f'-ThumbnailImage<={archive_jpg}', archive_jpg], check=True)
    colorizer.colorize_file(archive_jpg, tmp_path/f'out.{ext}')
    before, after = tags(archive_jpg), tags(tmp_path/f'out.{ext}')
    groups = ('IFD0:', 'ExifIFD:', 'GPS:', 'XMP-', 'IPTC:')[:5 if ext != 'webp' else 4]
    changed = {'XMP-tiff:Orientation', 'IFD0:Orientation', 'ExifIFD:ExifImageWidth', 'ExifIFD:ExifImageHeight', 'ExifIFD:ColorSpace',
               'ExifIFD:ComponentsConfiguration', 'IFD0:YCbCrPositioning', 'XMP-x:XMPToolkit'}
    wanted = {k: v for k, v in before.items() if k.startswith(groups) and k not in changed}
    assert len(wanted) > 15 and {'GPS:GPSLatitude', 'GPS:GPSAltitude', 'ExifIFD:ISO', 'XMP-dc:Title', 'XMP-dc:Subject'} <= wanted.keys()
    assert {k: after.get(k) for k in wanted} == wanted
    assert after['XMP-iptcExt:DigitalSourceType'] == SOURCE_TYPE and after['ICC_Profile:ProfileDescription'].startswith('sRGB')
    assert 'IFD1:ThumbnailImage' not in after and not [k for k in after if 'Warning' in k or 'Error' in k], after

@exiftool
@pytest.mark.parametrize('ext', ['jpg', 'tif', 'png'])
def test_notes_that_exiftool_wrote(tmp_path, rgb, colorizer, ext):
    source, out = tmp_path/f'in.{ext}', tmp_path/f'out.{ext}'
    rgb.convert('L').save(source)
    said = {'IFD0:ImageDescription': 'Café 日本', 'ExifIFD:UserComment': 'naïve', 'ExifIFD:LensModel': 'Elmar ½', 'GPS:GPSLatitude': 48.5, 'ExifIFD:DateTimeOriginal': '1936:03:01 10:00:00', 'IFD0:Artist': 'D. Lange', 'XMP-dc:Title': 'Dust',
            'IPTC:City': 'Nipomo', 'IPTC:Keywords': 'depression'}
    subprocess.run(['exiftool', '-q', '-m', '-overwrite_original', *(f'-{k}={v}' for k,v in said.items()), '-GPSLatitudeRef=N', source], check=True)
    assert colorizer.colorize_file(source, out) == []
    after = json.loads(subprocess.run(['exiftool', '-j', '-G1', '-n', out], capture_output=True, text=True, check=True).stdout)[0]
    assert {k: after.get(k) for k in said} == said
    types = subprocess.run(['exiftool', '-validate', '-warning', '-a', out], capture_output=True, text=True, check=True).stdout
    assert 'Non-standard format (int8u)' not in types, types  # bytes of their own meaning

@pytest.mark.parametrize('order', '<>')
def test_iptc_of_any_origin(tmp_path, rgb, order):
    tifffile.imwrite(tmp_path/'a.tif', np.asarray(rgb.convert('L')), byteorder=order,  # a number of 32 bits is how most programs write it
                     extratags=[(33723, 4, len(IPTC)//4, np.frombuffer(IPTC[:len(IPTC)//4*4], f'{order}u4').tolist(), True)])
    assert read_photo(tmp_path/'a.tif').metadata.resources[0x0404] == IPTC[:len(IPTC)//4*4]
    for name in ('iptc', 'IPTC profile'):
        text = PngImagePlugin.PngInfo()
        text.add_text('Raw profile type iptc', f'\n{name}\n{len(IPTC):>8}\n{IPTC.hex()}\n', zip=True)
        rgb.save(tmp_path/'a.png', pnginfo=text)
        assert read_photo(tmp_path/'a.png').metadata.resources[0x0404] == IPTC

def test_strip_and_no_label(tmp_path, archive_jpg, colorizer):
    for ext in ('jpg', 'tif', 'png', 'webp'):
        colorizer.colorize_file(archive_jpg, tmp_path/f'a.{ext}', strip=True)
        m = read_photo(tmp_path/f'a.{ext}').metadata
        assert not {k for k in m.exif if k not in (282, 283, 296)} and m.resources == {} and m.comment == b''
        if ext != 'webp': assert round(m.dpi[0]) == 600
        assert SOURCE_TYPE.encode() in m.xmp and b'Budapest' not in m.xmp
        colorizer.colorize_file(archive_jpg, tmp_path/f'b.{ext}', label=False)
        m = read_photo(tmp_path/f'b.{ext}').metadata
        assert b'Budapest' in m.xmp and b'Iptc4xmpExt' not in m.xmp
        colorizer.colorize_file(archive_jpg, tmp_path/f'c.{ext}', strip=True, label=False)
        assert read_photo(tmp_path/f'c.{ext}').metadata.xmp == b''

@pytest.mark.parametrize('packet', [PACKET[:200], b'\0\1\2', b'<!DOCTYPE x [<!ENTITY a "b">]>' + PACKET, b'<a/>', PACKET.replace(b'mine', b'\xff\xfe')])
def test_damaged_xmp_stays(tmp_path, rgb, colorizer, packet):
    rgb.save(tmp_path/'in.jpg', xmp=packet)
    notes = colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.jpg')
    assert read_photo(tmp_path/'out.jpg').metadata.xmp == packet.replace(b'Orientation="6"', b'Orientation="1"') and any('XMP' in n and '\n' not in n for n in notes)

def test_label_replaces_an_older_one():
    for old in (b'<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType="old"/>',
                b'<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><e:DigitalSourceType>old</e:DigitalSourceType></rdf:Description>'):
        new = label_xmp(PACKET.replace(b'</rdf:RDF>', old + b'</rdf:RDF>'), ('m', '1'))
        assert b'old' not in new and new.count(b'DigitalSourceType') == 1 and b'Budapest' in new

def test_what_is_said(tmp_path, rgb, colorizer):
    "Of transparency that is lost, and of a photo that is coloured a second time"
    for name, alpha in (('clear', 100), ('opaque', 255)):
        im = rgb.copy(); im.putalpha(alpha); im.save(tmp_path/f'{name}.png')
        notes = {ext: colorizer.colorize_file(tmp_path/f'{name}.png', tmp_path/f'{name}_out.{ext}') for ext in ('jpg', 'tif')}
        assert any('is transparent' in n for n in notes['jpg']) == (name == 'clear')
        assert [n.split(';')[0] for n in notes['tif']] == ['is in colour already']
    again, = colorizer.colorize_file(tmp_path/'clear_out.tif', tmp_path/'again.tif')
    assert 'coloured by letthere_color before' in again

def test_notes_of_later_pages(tmp_path, grey16, colorizer):
    with tifffile.TiffWriter(tmp_path/'in.tif') as t:
        t.write(grey16, metadata=None)
        for _ in range(2): t.write(grey16, metadata=None, iccprofile=b'x'*200)
        t.write(grey16, metadata=None, extratags=[(700, 1, 99, PACKET[:99], True)])
    profile, packet = colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.tif')
    assert profile.startswith('page 2, 3: its colour profile is damaged') and packet.startswith('page 4: the XMP packet is damaged')
    one, = colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.png')
    assert '4 pages' in one
    tifffile.imwrite(tmp_path/'same.tif', np.stack([grey16]*2), iccprofile=b'x'*200, metadata=None)  # on the first page, too: said once, as for any photo
    same, = colorizer.colorize_file(tmp_path/'same.tif', tmp_path/'out2.tif')
    assert same.startswith('its colour profile is damaged')

@pytest.mark.parametrize('deep', [False, True])
@pytest.mark.parametrize('ext', ['jpg', 'png', 'tif', 'webp', 'bmp'])
def test_no_unknown_options(tmp_path, rgb, grey16, colorizer, ext, deep):
    "An option that does nothing is an error; `quality` is allowed for all formats, as a folder may have several"
    source = np.asarray(grey16 if deep else rgb)
    with pytest.raises(TypeError, match='qualty'): write_photo([(read_photo(source), None)], tmp_path/f'a.{ext}', qualty=80)
    with pytest.raises(TypeError, match='qualty'): colorizer.colorize_file(source, tmp_path/f'a.{ext}', qualty=80)
    assert not list(tmp_path.iterdir())
    for quality in (10, 90): colorizer.colorize_file(source, tmp_path/f'{quality}.{ext}', quality=quality)
    small, large = ((tmp_path/f'{quality}.{ext}').stat().st_size for quality in (10, 90))
    assert small < large if ext in ('jpg', 'webp') else small == large

# -- limits and failures

def test_bomb(tmp_path, rgb):
    assert MAX_PIXELS >= 100_000_000
    rgb.save(tmp_path/'in.png'); tifffile.imwrite(tmp_path/'in.tif', np.zeros((65,97,3), np.uint16), photometric='rgb')
    for name in ('in.png', 'in.tif'):
        with pytest.raises(PhotoError, match=r'in\.\w+: has 97 x 65 pixels.*limit.*max_pixels \(--max-pixels\)'): read_photo(tmp_path/name, 97*65 - 1)
        assert read_photo(tmp_path/name, 97*65).size == (97, 65)
    claim = bytearray((tmp_path/'in.png').read_bytes())
    claim[16:24] = (60_000).to_bytes(4)*2
    claim[29:33] = zlib.crc32(claim[12:29]).to_bytes(4)
    (tmp_path/'bomb.png').write_bytes(claim)
    with pytest.raises(PhotoError, match='60000 x 60000 pixels.*limit'): read_photo(tmp_path/'bomb.png')

def test_limits_of_others(tmp_path, rgb, monkeypatch):
    "While a photo is opened and decoded, other threads have Pillow's limits as the program set them"
    seen, (plugin, accept), load = [], Image.OPEN['PNG'], ImageFile.ImageFile.load
    def look():
        with ThreadPoolExecutor(1) as ex: seen.append(ex.submit(lambda: (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)).result())
    monkeypatch.setitem(Image.OPEN, 'PNG', (lambda *args: (plugin(*args), look())[0], accept))
    monkeypatch.setattr(ImageFile.ImageFile, 'load', lambda self: (look(), load(self))[1])
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 97*65//3)
    rgb.save(tmp_path/'in.png')
    assert read_photo(tmp_path/'in.png').size == (97, 65)  # ours is another limit
    assert len(seen) >= 2 and set(seen) == {(97*65//3, False)}
    with pytest.raises(Image.DecompressionBombError): Image.open(tmp_path/'in.png')

@pytest.mark.parametrize('name', ['in.jpg', 'in.png', 'in.tif'])
def test_cut_off_is_an_error_even_if_pillow_is_tolerant(tmp_path, rgb, monkeypatch, name):
    rgb.save(tmp_path/name)
    (tmp_path/name).write_bytes((tmp_path/name).read_bytes()[:-500])
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)
    with pytest.raises(PhotoError, match='is damaged or cut off'): read_photo(tmp_path/name)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True

def test_a_large_photo_is_no_bomb(tmp_path):
    Image.new('1', (20_000, 10_000)).save(tmp_path/'in.png')  # beyond Pillow's own limit
    assert read_photo(tmp_path/'in.png').size == (20_000, 10_000)

def test_second_page_fails(tmp_path, grey16, colorizer):
    tifffile.imwrite(tmp_path/'in.tif', grey16, metadata=None); tifffile.imwrite(tmp_path/'in.tif', grey16, append=True, metadata=None)
    with tifffile.TiffFile(tmp_path/'in.tif', mode='r+') as t: t.pages[1].tags['StripOffsets'].overwrite(10**9)
    with pytest.raises(PhotoError, match=r'in\.tif: is damaged'): colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.tif')
    assert [p.name for p in tmp_path.iterdir()] == ['in.tif']

def test_original_stays(tmp_path, archive_jpg, colorizer):
    was = archive_jpg.read_bytes()
    with pytest.raises(PhotoError, match='the photo itself'): colorizer.colorize_file(archive_jpg, archive_jpg, overwrite=True)
    (tmp_path/'link.jpg').symlink_to(archive_jpg)
    with pytest.raises(PhotoError, match='the photo itself'): colorizer.colorize_file(archive_jpg, tmp_path/'link.jpg', overwrite=True)
    colorizer.colorize_file(archive_jpg, tmp_path/'out.jpg')
    with pytest.raises(PhotoError, match='exists already'): colorizer.colorize_file(archive_jpg, tmp_path/'out.jpg')
    assert archive_jpg.read_bytes() == was

# -- mutated files

def originals(rgb, grey16):
    "Name -> bytes of small files of many kinds"
    exif, app13, icc = said(rgb)
    stored = Image.Exif(); stored.load(exif.tobytes())
    def pil(im, fmt, **kw): f = io.BytesIO(); im.save(f, fmt, **kw); return f.getvalue()
    def tif(x, **kw): f = io.BytesIO(); tifffile.imwrite(f, x, **kw); return f.getvalue()
    deep = np.asarray(rgb).astype(np.uint16)*257
    return {'a.jpg': pil(rgb.convert('L'), 'JPEG', exif=exif, xmp=PACKET, extra=app13, icc_profile=icc), 'b.jpg': pil(rgb, 'JPEG', progressive=True),
            'c.jpg': pil(rgb.convert('CMYK'), 'JPEG'), 'a.png': pil(rgb, 'PNG', exif=exif), 'b.png': pil(rgb.quantize(20), 'PNG', transparency=0),
            'c.png': imagecodecs.png_encode(deep), 'd.png': pil(Image.fromarray(grey16), 'PNG'), 'a.webp': pil(rgb, 'WEBP', xmp=PACKET),
            'b.webp': pil(rgb.convert('RGBA'), 'WEBP', lossless=True), 'a.bmp': pil(rgb, 'BMP'), 'a.gif': pil(rgb, 'GIF'),
            'a.tif': pil(rgb, 'TIFF', exif=stored), 'h.tif': pil(rgb, 'TIFF', compression='tiff_lzw'), 'b.tif': tif(deep, photometric='rgb', compression='lzw', predictor=True),
            'c.tif': tif(np.stack([grey16]*2), compression='zlib'), 'd.tif': tif(np.float32(grey16), tile=(16,16)), 'e.tif': tif(deep, photometric='rgb'),
            'f.tif': pil(rgb.convert('1'), 'TIFF', compression='group4'), 'g.tif': pil(rgb, 'TIFF', compression='jpeg')}

def mutate(data, rng):
    "Cut, flipped, zeroed, doubled or overwritten with extreme numbers; near the head more often than elsewhere"
    data, at = bytearray(data), lambda: int(len(data)*rng.random()**rng.choice([1, 4]))
    for _ in range(rng.choice([1, 1, 2, 8])):
        i, n, kind = at(), rng.choice([1, 2, 4, 16, 300]), rng.choice(['cut', 'flip', 'flip', 'zero', 'double', 'number', 'number', 'noise'])
        if kind == 'cut': del data[max(8, i):]
        elif kind == 'flip' and i < len(data): data[i] ^= 1 << rng.randrange(8)
        elif kind == 'zero': data[i:i+n] = bytes(len(data[i:i+n]))
        elif kind == 'double': data[i:i] = data[i:i+n]
        elif kind == 'number': data[i:i+4] = rng.choice([b'\xff'*4, b'\0\0\0\1', b'\x7f\xff\xff\xff', b'\0\0\xff\xff', b'\1\0\0\0', b'\0\1\0\0'])
        else: data[i:i+n] = rng.randbytes(len(data[i:i+n]))
    return bytes(data)

@contextmanager
def at_most(seconds):
    def late(*_): raise TimeoutError(f'more than {seconds} s')
    was = signal.signal(signal.SIGPROF, late)  # processor time: a busy machine is no hang
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try: yield
    finally: signal.setitimer(signal.ITIMER_PROF, 0); signal.signal(signal.SIGPROF, was)

def survive(tmp_path, capfd, colorizer, files, seed, n):
    "How many of `n` mutated files were refused and how many coloured; anything else fails"
    rng, refused, names = random.Random(seed), 0, sorted(files)
    for i in range(n):
        name = rng.choice(names)
        source, out = tmp_path/name, tmp_path/f'out.{rng.choice(["jpg", "png", "tif", "webp"])}'
        source.write_bytes(mutate(files[name], rng))
        try:
            with at_most(60), warnings.catch_warnings():
                warnings.simplefilter('error')
                colorizer.colorize_file(source, out)
            photo = Image.open(out); photo.load()
            assert photo.size == read_photo(source).size
            out.unlink()
        except PhotoError as e:
            refused += 1
            assert str(source) in str(e) and '\n' not in str(e) and ';' in str(e) and len(str(e)) < 500, f'{seed}, {i}: {e}'
            assert 'cannot be written' not in str(e), f'{seed}, {i}: {e}'
        except BaseException as e: raise AssertionError(f'seed {seed}, file {i} ({name}): {e!r}') from e
        assert list(tmp_path.iterdir()) == [source], f'{seed}, {i}'
        source.unlink()
    assert capfd.readouterr() == ('', '')
    return refused, n - refused

@pytest.mark.parametrize('seed', range(3))
def test_mutated(tmp_path, capfd, rgb, grey16, colorizer, seed):
    refused, coloured = survive(tmp_path, capfd, colorizer, originals(rgb, grey16), seed, 60)
    assert refused > 10 and coloured > 5

@pytest.mark.slow
@pytest.mark.parametrize('seed', range(100, 110))
def test_mutated_2000(tmp_path, capfd, rgb, grey16, colorizer, seed): survive(tmp_path, capfd, colorizer, originals(rgb, grey16), seed, 200)

def test_from_tifffile(tmp_path, colorizer):
    "It describes the array that it writes; a description by people is kept"
    grey = np.asarray(sample_photos()['china'].resize((90,60)).convert('L')).astype(np.uint16)*257
    for name, kw in dict(own={}, people=dict(description='The palace', metadata=None)).items():
        tifffile.imwrite(tmp_path/f'{name}.tif', grey, **kw)
        colorizer.colorize_file(tmp_path/f'{name}.tif', tmp_path/f'{name}_color.tif')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert tifffile.imread(tmp_path/'own_color.tif').shape == (60,90,3)
    said = {n: tifffile.TiffFile(tmp_path/f'{n}_color.tif').pages[0].description for n in ('own', 'people')}
    assert said == dict(own='', people='The palace')

# -- full size, controls, stages

@pytest.mark.parametrize('size', [(333, 217), (641, 100), (8, 530), (5, 3)])
@pytest.mark.parametrize('kernel', [1, 3])
@pytest.mark.parametrize('lean', [False, True], ids=['plain', 'lean'])
def test_tiles_are_exact(size, kernel, lean):
    torch.manual_seed(0)
    model = Colorization(ModelConfig(width=.125, n_classes=3, global_size=32, fusion_kernel=kernel)).eval()
    for m in model.modules():  # batch norm with statistics of its own
        if isinstance(m, torch.nn.BatchNorm2d): m.running_mean.normal_(0, .1); m.running_var.uniform_(.5, 2)
    im = sample_photos()['china'].resize(size)
    if lean: model = lean_model(model)
    c = Colorizer(model, size='full')
    job = c.prepare(im)
    L = job.photo.lightness(0, size[1])
    from letthere_color.small_copy import tiled_chroma
    tiles = tiled_chroma(model, job.photo, c.predict(job.copy), 64)(0, size[1], L)
    if min(size) >= 8: assert (tiles - predict_ab(model, L/100)).abs().max() < .02
    assert tiles.shape == (1, 2, *size[::-1]) and c(im).size == size

def test_halo_is_as_small_as_it_can_be():
    model = Colorization(ModelConfig(width=.125, use_global=False)).double().eval()
    for p in model.parameters(): torch.nn.init.constant_(p, .01)
    L = torch.rand(1, 1, 8, 512, dtype=torch.float64, requires_grad=True)
    edge = halo(model)
    model(L)[0][..., 128:].sum().backward()  # colours from pixel 256 on
    assert L.grad[..., :256-edge].abs().sum() == 0 < L.grad[..., 256-edge:256-edge+8].abs().sum()

def test_saturation(rgb):
    model = load_model()
    chroma = [rgb2lab(photo2tensor(Colorizer(model, 64, saturation=s)(rgb)))[1:].norm(dim=0).mean().item() for s in (0, .5, 1, 3)]
    assert chroma[0] < .7 and chroma == sorted(chroma) and chroma[3] > 1.5*chroma[2]
    garish = Colorizer(model, 64, saturation=50)(rgb)
    assert (rgb2l(photo2tensor(garish)) - rgb2l(photo2tensor(rgb))).abs().max() < 100/255

def test_style(rgb):
    model, other = load_model(), sample_photos()['flower']
    by_photo = Colorizer(model, 64, style=other)
    assert by_photo.style.shape == (1, model.global_features.nf)
    by_vector = Colorizer(model, 64, style=by_photo.style[0])
    assert by_photo(rgb) == by_vector(rgb) != Colorizer(model, 64)(rgb)
    assert Colorizer(model, 'full', style=other)(rgb) != Colorizer(model, 'full')(rgb)
    with pytest.raises(ValueError, match='no global features'): Colorizer(Colorization(ModelConfig(width=.125, use_global=False)), style=other)
    with pytest.raises(PhotoError, match='no such file'): Colorizer(model, style='missing.jpg')

@pytest.mark.parametrize('bad', [dict(size=0), dict(size='big'), dict(size=2.5), dict(saturation=-1), dict(saturation=float('nan')), dict(style=torch.ones(5))])
def test_bad_controls(bad):
    with pytest.raises(ValueError): Colorizer(load_model(), **bad)

@pytest.mark.parametrize('size', [64, 'full'])
def test_stages_batch(tmp_path, rgb, size):
    c = Colorizer(load_model(), size)
    for i in range(3): rgb.rotate(10*i).save(tmp_path/f'{i}.png')
    jobs = [c.prepare(tmp_path/f'{i}.png') for i in range(3)]
    answers = c.predict(torch.cat([j.copy for j in jobs]))
    for i, (job, answer) in enumerate(zip(jobs, answers.split(1))):
        c.finish(job, answer, tmp_path/f'out{i}.png')
        c.colorize_file(tmp_path/f'{i}.png', tmp_path/f'alone{i}.png')
        a, b = (np.asarray(Image.open(tmp_path/f'{n}{i}.png'), int) for n in ('out', 'alone'))
        assert np.abs(a - b).max() <= 1

def test_device_and_dtype(rgb):
    c = Colorizer.from_pretrained(device='auto', size=64, dtype=torch.bfloat16, fast=False)
    assert next(c.model.parameters()).dtype == torch.bfloat16 and c(rgb).size == rgb.size
    with pytest.raises(ValueError, match='abacus'): Colorizer.from_pretrained(device='abacus')

def test_image_without_pixels():
    with pytest.raises(PhotoError, match='image: has no pixels'): read_photo(Image.new('L', (0, 5)))
