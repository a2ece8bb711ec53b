"Nothing that a file says is damaged or lost without a word (nbs/05e, 05f, 05g, 06a, 06m, 07b)"
import io, json, shutil, struct, subprocess, sys
from pathlib import Path
from xml.dom import minidom

import imagecodecs, numpy as np, pytest, tifffile
from PIL import Image, ImageCms, PngImagePlugin
from helpers import letthere
from letthere_color.core import PhotoError, sample_photos
from letthere_color.exif import edit_block, EXIF, move_note, NOTE, open_block, read_notes
from letthere_color.inference import Colorizer
from letthere_color.luma import jpeg_segments, segment, splice_planes
from letthere_color.models import load_model
from letthere_color.photo_files import read_photo

exiftool = pytest.mark.skipif(not shutil.which('exiftool'), reason='exiftool is not installed')

@pytest.fixture(scope='module')
def colorizer(): return Colorizer(load_model('tiny'), size=32)

@pytest.fixture(scope='module')
def grey(): return sample_photos()['coffee'].convert('L').resize((75, 50))

def saved(im, fmt='JPEG', **kw): im.save(f := io.BytesIO(), fmt, **kw); return f.getvalue()
def with_segments(jpeg, *new): return jpeg[:2] + b''.join(segment(n, d) for n, d in new) + jpeg[2:]
def said(p): return read_photo(p).metadata

# -- EXIF, written by hand: what Pillow would write can't show what a camera does

def directory(entries, at, o): # [(tag, type, count, bytes)] -> a directory at `at`, with its values behind
    lines, values, behind = b'', b'', at + 2 + 12*len(entries) + 4
    for tag, kind, count, data in sorted(entries):
        field = data.ljust(4, b'\0')
        if len(data) > 4: field = struct.pack(o+'I', behind + len(values)); values += data + b'\0'*(len(data)%2)
        lines += struct.pack(o+'HHI', tag, kind, count) + field
    return struct.pack(o+'H', len(entries)) + lines + bytes(4) + values

WORDS = b'FIRMWARE OF THE CAMERA 1.00\0'
def maker_note(at, o, head=b''): # a directory of one line, that counts from the begin of EXIF
    return head + struct.pack(o+'HHHII', 1, 7, 2, len(WORDS), at + len(head) + 18) + bytes(4) + WORDS

THUMB = saved(Image.new('L', (8, 8), 77))
def camera_block(o, head=b'', turn=6, note=None):
    "A block with a maker's note, tags of the old pixels, and a thumbnail"
    def short(v): return struct.pack(o+'H', v)
    def first(sub): return directory([(256, 3, 1, short(4000)), (258, 3, 1, short(8)), (270, 2, 9, b'A bridge\0'), (271, 2, 6, b'Maker\0'), (274, 3, 1, short(turn)),
                                      (282, 5, 1, struct.pack(o+'II', 180, 1)), (EXIF, 4, 1, struct.pack(o+'I', sub))], 8, o)
    sub = 8 + len(first(0))
    def exif(at): return directory([(36867, 2, 20, b'1956:10:23 12:00:00\0'), (NOTE, 7, len(note or maker_note(0, o, head)), note or maker_note(at, o, head)),
                                    (40961, 3, 1, short(65535)), (40962, 4, 1, struct.pack(o+'I', 4000))], sub, o)
    at = sub + exif(0).index(note or maker_note(0, o, head))
    body = first(sub) + exif(at)
    end = 8 + len(body)
    small = directory([(513, 4, 1, struct.pack(o+'I', end + 30)), (514, 4, 1, struct.pack(o+'I', len(THUMB)))], end, o) + THUMB
    n = struct.unpack_from(o+'H', body)[0]
    body = body[:2+12*n] + struct.pack(o+'I', end) + body[6+12*n:] # the first directory leads to the thumbnail's
    return (b'II*\0' if o == '<' else b'MM\0*') + struct.pack(o+'I', 8) + body + small

def words_of_note(tiff, o, inner, head): # what the offset in the maker's note leads to; `inner`: the note's byte order
    f, at = io.BytesIO(tiff), struct.unpack_from(o+'I', tiff, 4)[0]
    note, = [e.data for d in read_notes(f, at, o)[0] for e in d.below or [] if e.tag == NOTE]
    return tiff[struct.unpack_from(inner+'I', note, len(head) + 10)[0]:][:len(WORDS)]

def exif_of(p): # the bytes in the file
    if p.suffix == '.tif': return p.read_bytes()
    return Image.open(p).info['exif'].removeprefix(b'Exif\0\0')

@pytest.mark.parametrize('o', '<>')
@pytest.mark.parametrize('head', [b'', b'Panasonic\0\0\0', b'SONY DSC \0\0\0'])
@pytest.mark.parametrize('ext', ['jpg', 'png', 'webp', 'tif'])
def test_makers_note_can_be_read(tmp_path, grey, colorizer, o, head, ext):
    block = camera_block(o, head)
    grey.save(tmp_path/'in.jpg', exif=b'Exif\0\0' + block)
    assert colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/f'out.{ext}') == []
    after = exif_of(tmp_path/f'out.{ext}')
    assert words_of_note(block, o, o, head) == words_of_note(after, '<' if ext == 'tif' else o, o, head) == WORDS
    tags = said(tmp_path/f'out.{ext}').exif
    assert (tags[270], tags.get(274, 1), tags[EXIF][40961], tags[EXIF][40962]) == ('A bridge', 1, 1, 50)
    assert THUMB not in (tmp_path/f'out.{ext}').read_bytes()
    if ext != 'tif': assert after.index(b'A bridge') == block.index(b'A bridge') and after.index(WORDS) == block.index(WORDS) and len(after) < len(block) - len(THUMB)

def test_only_what_is_named_changes(grey):
    for o in '<>':
        block = camera_block(o)
        new = edit_block(block, (50, 75))
        lines = range(8, 10 + 12*7 + 4)  # of the first directory: one of them goes
        f, at, _ = open_block(block)
        inner = next(e for e in read_notes(f, at, o)[0] if e.tag == EXIF)
        start = inner.number(o)
        for i, (a, b) in enumerate(zip(block, new)): assert a == b or i in lines or start <= i < start + 2 + 12*4, (o, i)
        f, at, _ = open_block(new)
        assert {e.tag: e.number(o) for e in read_notes(f, at, o, but=())[0] if e.tag in (256, 258, 274)} == {256: 50, 274: 1}
        assert read_notes(*open_block(edit_block(block, None)), but=())[0][3].number(o) == 6  # what stays turned says so

def test_note_that_nobody_knows(tmp_path, grey, colorizer):
    "TIFF is the only format in which it moves; then it is said"
    grey.save(tmp_path/'in.jpg', exif=b'Exif\0\0' + camera_block('<', note=b'KDK secret of the maker'))
    for ext, moved in dict(jpg=False, png=False, webp=False, tif=True).items():
        notes = colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/f'out.{ext}')
        assert any('had to move' in n for n in notes) == moved and b'KDK secret' in (tmp_path/f'out.{ext}').read_bytes()
    again = colorizer.colorize_file(tmp_path/'out.tif', tmp_path/'again.tif')
    assert sum('had to move' in n for n in again) == 1

def test_a_note_that_was_moved_before_is_not_moved_again():
    canon = maker_note(600, '<') + b'II*\0' + struct.pack('<I', 600)
    assert move_note(canon, 600, 900) == maker_note(900, '<') + b'II*\0' + struct.pack('<I', 900)
    assert move_note(canon, 700, 900) is None and move_note(b'Nikon\0\2' + canon, 600, 900) == b'Nikon\0\2' + canon

def test_damaged_exif_is_no_error():
    rng, block, read = np.random.default_rng(0), camera_block('<'), 0
    for i in range(300):
        bad = bytearray(block[:rng.integers(8, len(block))] if i%3 == 0 else block)
        for _ in range(rng.integers(1, 5)): bad[rng.integers(8, len(bad))] = rng.integers(256)
        try: new = edit_block(bytes(bad), (50, 75))
        except (ValueError, struct.error, IndexError): continue
        assert len(new) <= len(bad)
        read += 1
    assert read > 100

@exiftool
@pytest.mark.parametrize('o', '<>')
def test_exiftool_finds_nothing_wrong(tmp_path, grey, colorizer, o):
    grey.save(tmp_path/'in.jpg', exif=b'Exif\0\0' + camera_block(o))
    for ext in ('jpg', 'png', 'webp', 'tif'):
        colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/f'out.{ext}')
        found = json.loads(subprocess.run(['exiftool', '-j', '-G1', '-n', tmp_path/f'out.{ext}'], capture_output=True, check=True).stdout)[0]
        assert found['IFD0:ImageDescription'] == 'A bridge' and found['ExifIFD:ExifImageWidth'] == 50 and not [k for k in found if 'Warning' in k or k.startswith('IFD1')], found

@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('o', '<>')
def test_big_tiff_of_both_orders(tmp_path, grey, colorizer, o, big):
    x = np.asarray(grey).astype(np.uint16)*257
    tifffile.imwrite(tmp_path/'in.tif', x, byteorder=o, bigtiff=big, metadata=None, description='The bridge', resolution=(300, 300), resolutionunit=2,
                     extratags=[(274, 3, 1, 6, True), (315, 2, 0, 'D. Lange', True)])
    assert read_photo(tmp_path/'in.tif').size == (50, 75)
    assert colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.tif') == []
    m = said(tmp_path/'out.tif')
    assert (m.exif[270], m.exif[315], m.orientation) == ('The bridge', 'D. Lange', 1) and round(m.dpi[0]) == 300
    assert colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.jpg') == ['has 16 bits: JPEG keeps 8 of them; TIFF and PNG keep all']
    assert said(tmp_path/'out.jpg').exif[315] == 'D. Lange'

@pytest.mark.parametrize('dtype, most', [('float32', 1), ('uint32', 2**32 - 1)])
def test_fewer_bits_are_told(tmp_path, grey, colorizer, dtype, most):
    tifffile.imwrite(tmp_path/'in.tif', (np.asarray(grey)/255*most).astype(dtype))
    assert colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.tif') == ['has 32 bits: 16 of them are kept']
    assert tifffile.imread(tmp_path/'out.tif').dtype == 'uint16'

@pytest.mark.parametrize('top, says', [(1, []), (255, []), (3, ['says nowhere what is white: 3 was taken']), (1023, ['says nowhere what is white: 1023 was taken'])])
def test_fractions_of_any_scale(tmp_path, grey, colorizer, top, says):
    "What is white is found out, and told where it was a guess: none comes out dark"
    x = 1 - np.asarray(grey)/510  # half of white, and more
    x[:5] = 1
    tifffile.imwrite(tmp_path/'in.tif', (x*top).astype('float32'))
    assert colorizer.colorize_file(tmp_path/'in.tif', tmp_path/'out.tif') == [*says, 'has 32 bits: 16 of them are kept']
    assert np.abs(read_photo(tmp_path/'in.tif').lightness(0, 50).numpy()/100 - ((x > .008856)*(116*np.cbrt(((x + .055)/1.055)**2.4) - 16)/100)).max() < .01

def test_other_colours_are_told(tmp_path, grey, colorizer):
    for ext in ('jpg', 'tif'):
        grey.convert('CMYK').save(tmp_path/f'in.{ext}')
        assert colorizer.colorize_file(tmp_path/f'in.{ext}', tmp_path/f'out.{ext}') == ['is in inks of a press (CMYK): the result is in RGB']
        assert Image.open(tmp_path/f'out.{ext}').mode == 'RGB'

# -- IPTC, comments, segments, chunks, boxes

def iptc(text): return b'\x1c\x02\x78' + len(text).to_bytes(2) + text
def resource(number, data): return b'8BIM' + number.to_bytes(2) + b'\0\0' + len(data).to_bytes(4) + data + b'\0'*(len(data)%2)

def test_iptc_in_both_places_and_twice(tmp_path, grey, colorizer):
    block = b'II*\0\x08\0\0\0' + directory([(33723, 7, len(iptc(b'of EXIF')), iptc(b'of EXIF'))], 8, '<')
    irb = b'Photoshop 3.0\0' + resource(0x0404, iptc(b'the first')) + resource(0x0404, iptc(b'the second')) + resource(0x0408, b'grid')
    (tmp_path/'in.jpg').write_bytes(with_segments(saved(grey), (0xe1, b'Exif\0\0' + block), (0xed, irb)))
    for ext in ('jpg', 'tif', 'png'):
        assert colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/f'out.{ext}') == []
        m = said(tmp_path/f'out.{ext}')
        held = m.irb + m.iptc + m.block
        assert all(o in held for o in (b'the first', b'the second', b'of EXIF')) and m.resources[0x0408] == b'grid'
    assert any('IPTC' in n and "Photoshop's resources" in n for n in colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.webp'))
    colorizer.colorize_file(tmp_path/'out.tif', tmp_path/'again.jpg')  # and back
    m = said(tmp_path/'again.jpg')
    assert all(o in m.irb for o in (b'the first', b'the second', b'of EXIF'))

def test_segments_and_comments(tmp_path, grey, colorizer):
    (tmp_path/'in.jpg').write_bytes(with_segments(saved(grey), (0xec, b'Ducky\0what'), (0xe1, b'FLIR\0heat'), (0xfe, b'one'), (0xfe, b'two'), (0xeb, b'JP\0\1c2pa jumb')))
    note, = colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.jpg')
    assert 'Content Credentials' in note
    found = [(n, d) for n, d, _ in jpeg_segments((tmp_path/'out.jpg').read_bytes())]
    assert {(0xec, b'Ducky\0what'), (0xe1, b'FLIR\0heat'), (0xfe, b'one'), (0xfe, b'two')} <= {*found} and not any(d.startswith(b'JP\0') for _, d in found)
    lost = colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.png')[0]
    assert 'APP12 Ducky' in lost and 'APP1 FLIR' in lost and Image.open(tmp_path/'out.png').text['Comment'] == 'one'

def test_old_profiles_of_png(tmp_path, grey, colorizer):
    def raw(name, data): info.add_text(f'Raw profile type {name}', f'\n{name}\n{len(data):>8}\n{data.hex()}\n', zip=True)
    info, packet = PngImagePlugin.PngInfo(), xmp('<dc:source>box 7</dc:source>')
    block = b'II*\0\x08\0\0\0' + directory([(315, 2, 9, b'D. Lange\0')], 8, '<')
    raw('xmp', packet); raw('exif', b'Exif\0\0' + block); raw('iptc', iptc(b'A caption')); info.add_itxt('Title', 'Büro', 'de', 'Titel')
    info.add(b'prVt', b'private, safe'); info.add(b'prVT', b'private, not')
    grey.save(tmp_path/'in.png', pnginfo=info)
    assert colorizer.colorize_file(tmp_path/'in.png', tmp_path/'out.png') == ['the result is without the chunk prVT']
    m = said(tmp_path/'out.png')
    assert b'box 7' in m.xmp and m.exif[315] == 'D. Lange' and m.resources[0x0404] == iptc(b'A caption')
    assert (m.text['Title'], m.text['Title'].lang, m.parts) == ('Büro', 'de', [(b'prVt', b'private, safe')])
    assert any('its texts: Title' in n for n in colorizer.colorize_file(tmp_path/'in.png', tmp_path/'out.tif'))

def test_boxes_and_extensions(tmp_path, grey, colorizer):
    def box(uuid, data): return (24 + len(data)).to_bytes(4) + b'uuid' + uuid + data
    data = saved(grey, 'JPEG2000'); i = data.index(b'jp2c') - 4
    block = b'II*\0\x08\0\0\0' + directory([(315, 2, 9, b'D. Lange\0')], 8, '<')
    boxes = box(b'JpgTiffExif->JP2', block) + box(bytes.fromhex('be7acfcb97a942e89c71999491e3afac'), xmp('<dc:source>box 7</dc:source>')) + box(b'x'*16, b'own')
    (tmp_path/'in.jp2').write_bytes(data[:i] + boxes + data[i:])
    note, = colorizer.colorize_file(tmp_path/'in.jp2', tmp_path/'out.png')
    m = said(tmp_path/'out.png')
    assert 'uuid' in note and m.exif[315] == 'D. Lange' and b'box 7' in m.xmp
    gif = saved(grey, 'GIF', comment=b'shelf 9')
    (tmp_path/'in.gif').write_bytes(gif[:-1] + b'!\xff\x0bXMP DataXMP' + xmp('<dc:source>box 8</dc:source>') + b'\1' + bytes(range(255, -1, -1)) + b'\0;')
    assert colorizer.colorize_file(tmp_path/'in.gif', tmp_path/'gif.png') == []
    assert b'box 8' in said(tmp_path/'gif.png').xmp and said(tmp_path/'gif.png').text['Comment'] == 'shelf 9'

def test_further_pictures(tmp_path, grey, colorizer):
    (tmp_path/'film.jpg').write_bytes(saved(grey) + b'\0\0\0\x18ftypmp42' + bytes(99))
    ns = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
    (tmp_path/'hdr.jpg').write_bytes(with_segments(saved(grey), (0xe1, b'http://ns.adobe.com/xap/1.0/\0' + xmp('<dc:source>box 7</dc:source>', ns))) + saved(grey.resize((9, 9))))
    grey.save(tmp_path/'two.jpg', 'MPO', save_all=True, append_images=[grey.rotate(9)])
    wanted = dict(film='film (motion photo)', hdr='gain map (HDR)', two='1 further picture (MPO)')
    for name, what in wanted.items():
        note, = colorizer.colorize_file(tmp_path/f'{name}.jpg', tmp_path/f'{name}_out.jpg')
        assert note.startswith('the result is without') and what in note and b'hdrgm:Version' not in (tmp_path/f'{name}_out.jpg').read_bytes()
        assert colorizer.colorize_file(tmp_path/f'{name}_out.jpg', tmp_path/f'{name}_again.jpg') == ['was coloured by letthere_color before: it is coloured anew, from its lightness']
    assert b'box 7' in said(tmp_path/'hdr_out.jpg').xmp

# -- XMP

def xmp(inner, ns=''):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
            f'xmlns:dc="http://purl.org/dc/elements/1.1/" {ns}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>').encode()

MASTER = xmp('<xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource"><stEvt:action xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#">saved</stEvt:action></rdf:li></rdf:Seq>'
             '</xmpMM:History><xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description xmpMM:DocumentID="of an ingredient"/></rdf:li></rdf:Bag></xmpMM:Pantry>',
             'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmpMM:DocumentID="xmp.did:master" xmpMM:InstanceID="xmp.iid:saved" xmpMM:OriginalDocumentID="xmp.did:scan"')

def one(packet, name): # the values of a property, attribute or element
    doc = minidom.parseString(packet)
    nodes = [*doc.getElementsByTagName('*')]
    return [o.firstChild.data for o in nodes if o.localName == name and o.firstChild.nodeType == 3] + [a.value for o in nodes for a in o.attributes.values() if a.localName == name]

def test_identity_of_a_rendition(tmp_path, grey, colorizer):
    grey.save(tmp_path/'in.jpg', xmp=MASTER)
    def result(name, **kw): colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/name, overwrite=True, **kw); return said(tmp_path/name).xmp
    a, b, png, fine = result('a.jpg'), result('b.jpg'), result('a.png'), result('a.jpg', quality=99)
    assert a == b  # the same again
    ids = [one(o, 'InstanceID') for o in (a, png, fine)]
    assert len({o for some in ids for o in some if 'xmp.iid:saved' not in o}) == 3
    assert one(a, 'OriginalDocumentID') == ['xmp.did:scan'] and one(a, 'originalDocumentID') == ['xmp.did:scan']
    assert one(a, 'documentID') == ['xmp.did:master'] and 'xmp.iid:saved' in one(a, 'instanceID') and 'xmp.did:master' not in one(a, 'DocumentID')
    assert 'of an ingredient' in one(a, 'DocumentID')  # what is not the photo's own stays
    assert one(a, 'action') == ['saved', 'derived'] and 'letthere_color tiny' in one(a, 'softwareAgent')[0] and 'size=32, saturation=1.0' in one(a, 'parameters')[0]
    bare = result('bare.jpg', label=False)
    assert one(bare, 'action') == ['saved'] and one(bare, 'documentID') == ['xmp.did:master']
    stripped = result('stripped.jpg', strip=True)
    assert b'master' not in stripped and one(stripped, 'action') == ['derived']

def test_no_two_photos_share_an_identity(tmp_path, grey, colorizer):
    for i in range(2): grey.rotate(i).save(tmp_path/f'{i}.png')
    sources = [tmp_path/'0.png', tmp_path/'1.png', (tmp_path/'0.png').read_bytes(), np.asarray(grey), np.asarray(grey.rotate(9)), grey.rotate(20)]
    found = []
    for s in sources: colorizer.colorize_file(s, tmp_path/'out.png', overwrite=True); found += one(said(tmp_path/'out.png').xmp, 'DocumentID')
    assert found[0] == found[2] and len({*found}) == 5

def test_sidecar_is_read(tmp_path, grey, colorizer):
    grey.save(tmp_path/'a.jpg', xmp=xmp('<dc:source>box 7</dc:source><dc:format>old</dc:format>'))
    assert colorizer.colorize_file(tmp_path/'a.jpg', tmp_path/'out.jpg') == []
    (tmp_path/'a.xmp').write_bytes(xmp('<dc:source>box 8</dc:source>', 'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:SidecarForExtension="NEF"'))
    assert colorizer.colorize_file(tmp_path/'a.jpg', tmp_path/'out.jpg', overwrite=True) == []  # that of a raw photo
    for name in ('a.xmp', 'a.jpg.xmp'):
        (tmp_path/name).write_bytes(xmp('<dc:source>box 9</dc:source>'))
        note, = colorizer.colorize_file(tmp_path/'a.jpg', tmp_path/'out.jpg', overwrite=True)
        packet = said(tmp_path/'out.jpg').xmp
        assert name in note and one(packet, 'source') == ['box 9'] and one(packet, 'format') == ['old']
        (tmp_path/name).unlink()
    (tmp_path/'a.xmp').write_bytes(b'<torn')
    note, = colorizer.colorize_file(tmp_path/'a.jpg', tmp_path/'out.jpg', overwrite=True)
    assert 'a.xmp is damaged' in note and one(said(tmp_path/'out.jpg').xmp, 'source') == ['box 7']

def test_sidecar_is_written(tmp_path, grey, colorizer):
    grey.save(tmp_path/'a.png')
    for ext in ('jpg', 'tif', 'png', 'webp'):
        assert colorizer.colorize_file(tmp_path/'a.png', tmp_path/f'out.{ext}', sidecar=True) == []
        assert (tmp_path/f'out.{ext}.xmp').read_bytes() == Image.open(tmp_path/f'out.{ext}').info.get('xmp', said(tmp_path/f'out.{ext}').xmp)
    assert colorizer.colorize_file(tmp_path/'a.png', tmp_path/'out.bmp', sidecar=True) == []  # nothing is lost: it lies beside
    (tmp_path/'out.jpg').unlink()
    with pytest.raises(PhotoError, match=r'out\.jpg\.xmp: exists already'): colorizer.colorize_file(tmp_path/'a.png', tmp_path/'out.jpg', sidecar=True)
    assert not (tmp_path/'out.jpg').exists()

# -- luma

def in_grey(p):
    with Image.open(p) as im: im.draft('L', im.size); return np.asarray(im)

KINDS = dict(baseline=dict(quality=80), progressive=dict(quality=70, progressive=True), fine=dict(quality=98, optimize=True), restarts=dict(quality=85, restart_marker_blocks=3))

@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('size', [(75, 50), (64, 48), (9, 130)])
def test_luma_stays_to_the_bit(tmp_path, grey, colorizer, kind, size):
    grey.resize(size).save(tmp_path/'in.jpg', **KINDS[kind])
    assert colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.jpg', keep_luma=True) == []
    assert np.array_equal(in_grey(tmp_path/'out.jpg'), in_grey(tmp_path/'in.jpg'))
    scans = [[scan for *_, scan in jpeg_segments((tmp_path/f'{o}.jpg').read_bytes()) if scan] for o in ('in', 'out')]
    assert scans[1][:len(scans[0])] == scans[0]  # the compressed bytes themselves
    im = Image.open(tmp_path/'out.jpg')
    assert im.mode == 'RGB' and im.size == size and im.layer[0][1:3] == im.layer[1][1:3] == (1, 1)
    assert np.ptp(np.asarray(im).astype(int), axis=2).mean() > 1  # and it is coloured

@pytest.mark.parametrize('turn', range(1, 9))
@pytest.mark.parametrize('strip', [False, True])
def test_luma_and_orientation(tmp_path, grey, colorizer, turn, strip):
    exif = Image.Exif(); exif[274] = turn
    grey.save(tmp_path/'in.jpg', exif=exif)
    colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.jpg', keep_luma=True, strip=strip)
    colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'other.png')
    assert Image.open(tmp_path/'out.jpg').getexif().get(274, 1) == turn and np.array_equal(in_grey(tmp_path/'out.jpg'), in_grey(tmp_path/'in.jpg'))
    a, b = (read_photo(tmp_path/o).pixels.convert('RGB') for o in ('out.jpg', 'other.png'))
    assert a.size == b.size and np.abs(np.asarray(a, int) - np.asarray(b)).mean() < 4  # the colours are where they belong

def test_luma_with_a_grey_profile(tmp_path, grey, colorizer):
    grey.save(tmp_path/'in.jpg', icc_profile=imagecodecs.cms_profile('gray', gamma=1.6), quality=98)
    colorizer.colorize_file(tmp_path/'in.jpg', tmp_path/'out.jpg', keep_luma=True, quality=100)
    assert np.array_equal(in_grey(tmp_path/'out.jpg'), in_grey(tmp_path/'in.jpg'))
    assert ImageCms.ImageCmsProfile(io.BytesIO(Image.open(tmp_path/'out.jpg').info['icc_profile'])).profile.xcolor_space.strip() == 'RGB'
    L = [read_photo(tmp_path/o).lightness(0, 50) for o in ('in.jpg', 'out.jpg')]
    assert (L[0] - L[1]).abs().mean() < 1.5  # with sRGB in its place it would be 10

def test_luma_of_a_colour_photo(tmp_path, colorizer):
    pytest.importorskip('jpeglib')
    for i, kw in enumerate((dict(subsampling=2), dict(subsampling=0, progressive=True))):
        sample_photos()['coffee'].resize((75, 50)).save(tmp_path/f'{i}.jpg', quality=85, **kw)
        colorizer.colorize_file(tmp_path/f'{i}.jpg', tmp_path/f'{i}_out.jpg', keep_luma=True)
        assert np.array_equal(in_grey(tmp_path/f'{i}_out.jpg'), in_grey(tmp_path/f'{i}.jpg'))

def test_luma_is_refused_by_name(tmp_path, grey, colorizer, monkeypatch):
    def fails(name, says, out='out.jpg'):
        with pytest.raises(PhotoError, match=says) as e: colorizer.colorize_file(tmp_path/name, tmp_path/out, keep_luma=True)
        assert '\n' not in str(e.value) and not (tmp_path/out).exists()
    grey.save(tmp_path/'a.png'); grey.save(tmp_path/'a.jpg'); grey.convert('CMYK').save(tmp_path/'ink.jpg'); grey.convert('RGB').save(tmp_path/'colour.jpg')
    fails('a.png', 'is no JPEG'); fails('a.jpg', 'writes JPEG', 'out.png'); fails('ink.jpg', 'holds no luma')
    monkeypatch.setitem(sys.modules, 'jpeglib', None)
    fails('colour.jpg', r'letthere_color\[archive\]')
    data = (tmp_path/'a.jpg').read_bytes(); i = data.index(b'\xff\xc0')
    for bad, says in ((data[:i+1] + b'\xc9' + data[i+2:], 'arithmetically'), (data[:i+4] + b'\x0c' + data[i+5:], 'bits'), (data[:i+5] + b'\0\0' + data[i+7:], 'height')):
        with pytest.raises(ValueError, match=says): splice_planes(bad, data, data)

# -- folders

def test_a_folder_says_what_it_left_out(tmp_path, grey):
    (tmp_path/'album').mkdir()
    grey.save(tmp_path/'album/a.jpg')
    for name in ('b.dds', 'c.DDS', 'd.xcf', 'notes.txt', '.hidden.dds', 'a.jpg.xmp'): (tmp_path/'album'/name).write_bytes(b'x')
    (tmp_path/'album/a.jpg.xmp').unlink()
    r = letthere(tmp_path, 'colorize', 'album', '-o', 'out', '--json')
    last = json.loads(r.stdout.splitlines()[-1])
    assert last['coloured'] == 1 and {k: [Path(o).name for o in v] for k, v in last['left_out'].items()} == {'other pictures (.dds)': ['b.dds', 'c.DDS'], 'GIMP (.xcf)': ['d.xcf']}
    assert '2 other pictures (.dds), 1 GIMP (.xcf)' in r.stderr
    (tmp_path/'album/a.jpg').unlink()
    r = letthere(tmp_path, 'colorize', 'album', '-o', 'out')
    assert r.returncode == 1 and 'other pictures (.dds), GIMP (.xcf)' in r.stderr

def test_options_of_the_command(tmp_path, grey):
    grey.save(tmp_path/'a.jpg', quality=80)
    r = letthere(tmp_path, 'colorize', 'a.jpg', '--keep-luma', '--sidecar')
    assert r.returncode == 0, r.stderr
    assert np.array_equal(in_grey(tmp_path/'a_color.jpg'), in_grey(tmp_path/'a.jpg')) and b'AISystemUsed' in (tmp_path/'a_color.jpg.xmp').read_bytes()

def test_black_and_white_alone(tmp_path):
    "Pixels of one bit are black or white in any colour: that is said"
    sample_photos()['china'].resize((96,64)).convert('1').save(tmp_path/'fax.tif', compression='group4')
    r = letthere(tmp_path, 'colorize', 'fax.tif', '--model', 'tiny')
    assert r.returncode == 0 and 'scan it in grey' in r.stderr, r.stderr
