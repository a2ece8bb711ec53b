"""The authors' published network: a file of Torch7 that the test writes, and a plain definition of what it computes."""
import io, math, struct
from dataclasses import replace

import numpy as np, pytest, torch, torch.nn.functional as F
from PIL import Image
from helpers import fails, letthere, seeded
from letthere_color.choice import candidates, fast_model, with_engine
from letthere_color.color_spaces import COLOR_SPACES
from letthere_color.colorization import Colorization, ModelConfig, predict_ab
from letthere_color.core import lab2rgb, sample_photos
from letthere_color.inference import Colorizer
from letthere_color.judging import answers
from letthere_color.models import load_model, save_model
from letthere_color.onnx_files import OnnxColorization
from letthere_color.small_copy import look_around, paint
from letthere_color.torch7 import read_torch7, torch7_model

# ---- a writer, after Torch7's File.lua

class T(list):
    "A table: pairs; with `kind`, an object"
    def __init__(self, pairs=(), kind=None): super().__init__(pairs.items() if isinstance(pairs, dict) else pairs); self.kind = kind
def listed(*values): return T((i + 1, o) for i, o in enumerate(values))
class Storage:
    def __init__(self, x): self.x = x
NAMES = {'f4': 'Float', 'f8': 'Double', 'i8': 'Long', 'u1': 'Byte'}

def dump(o):
    out, known, stores = io.BytesIO(), {}, {}
    def put(form, *x): out.write(struct.pack('<' + form, *x))
    def text(s): put('i', len(s)); out.write(s.encode('latin1'))
    def write(o):
        if o is None: return put('i', 0)
        if isinstance(o, bool): return put('ii', 5, o)
        if isinstance(o, (int, float)): return put('id', 1, o)
        if isinstance(o, str): put('i', 2); return text(o)
        new = id(o) not in known
        number, _ = known.setdefault(id(o), (len(known) + 1, o)) # kept, so that no other gets its id
        put('ii', 3 if isinstance(o, T) and not o.kind else 4, number)
        if not new: return
        if isinstance(o, T) and o.kind: text('V 1'); text(o.kind); write(T(o)) # its fields are a table, which has a number, too
        elif isinstance(o, T):
            put('i', len(o))
            for pair in o: [write(x) for x in pair]
        elif isinstance(o, Storage):
            text('V 1'); text(f'torch.{NAMES[o.x.dtype.str[1:]]}Storage'); put('q', o.x.size); out.write(o.x.tobytes())
        else:
            text('V 1'); text(f'torch.{NAMES[o.dtype.str[1:]]}Tensor')
            if not o.size: put('iq', 0, 1); return write(None)
            base = o if o.base is None else o.base
            start = (o.__array_interface__['data'][0] - base.__array_interface__['data'][0])//o.itemsize
            put(f'i{2*o.ndim}qq', o.ndim, *o.shape, *(s//o.itemsize for s in o.strides), start + 1)
            write(stores.setdefault(id(base), Storage(base.ravel())))
    write(o)
    return out.getvalue()

# ---- their network, small: layers as tables, and as plain functions

rng = np.random.default_rng(5)
def numbers(*shape, scale=None):
    scale = scale or (2/math.prod(shape[1:]))**.5
    return rng.normal(0, scale, shape) # float64, as Torch7 has by default

class Net:
    "The layers of a branch: what Torch7 would store, and what they compute"
    def __init__(self, norm, package='nn'): self.modules, self.steps, self.norm, self.package = [], [], norm, package
    def add(self, kind, step, **fields): self.modules.append(T(fields, f'{self.package}.{kind}')); self.steps.append(step); return self
    def batch_norm(self, nf, kind):
        w, b, mean, var = 1 + .1*numbers(nf, scale=1), numbers(nf, scale=.1), numbers(nf, scale=.2), rng.uniform(.5, 2, nf)
        fields = dict(eps=1e-3, weight=w, bias=b, running_mean=mean, affine=True)
        fields |= {'running_std': (var + 1e-3)**-.5} if self.norm == 'old' else {'running_var': var}
        shape = (1, -1, 1, 1) if kind.startswith('Spatial') else (1, -1)
        w, b, mean, std = (torch.tensor(o, dtype=torch.float64).view(shape) for o in (w, b, mean, (var + 1e-3)**.5))
        self.add(kind, lambda x: (x - mean)/std*w + b, **fields)
    def conv(self, ni, nf, k=3, stride=1, norm=None, act='ReLU'):
        w, b = numbers(nf, ni, k, k), numbers(nf, scale=.1)
        sizes = dict(nInputPlane=ni, nOutputPlane=nf, kW=k, kH=k, dW=stride, dH=stride, padW=k//2, padH=k//2)
        self.add('SpatialConvolution', lambda x: F.conv2d(x, torch.tensor(w), torch.tensor(b), stride, k//2), **sizes,
                 weight=w, bias=b, gradBias=np.full_like(b, np.nan), output=np.empty(0))
        if norm is None and self.norm: self.batch_norm(nf, 'SpatialBatchNormalization')
        return self.add(act, dict(ReLU=torch.relu, Sigmoid=torch.sigmoid)[act], inplace=True)
    def linear(self, ni, nf, norm=None):
        w, b = numbers(nf, ni), numbers(nf, scale=.1)
        self.add('Linear', lambda x: x@torch.tensor(w).T + torch.tensor(b), weight=w, bias=b)
        if norm is None and self.norm: self.batch_norm(nf, 'BatchNormalization')
        return self.add('ReLU', torch.relu)
    def up(self): return self.add('SpatialUpSamplingNearest', lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3), scale_factor=2)
    def table(self): return T(dict(modules=listed(*self.modules), _type='torch.DoubleTensor', train=False), 'nn.Sequential')
    def __call__(self, x):
        for step in self.steps: x = step(x)
        return x

def build(norm=None, fusion=3, turned=False, package='nn', size=8, mean=.43):
    "A file as the authors' (widths of an eighth, 32 px for the global branch), and `(luma, its copy) -> answer`"
    global rng
    rng = np.random.default_rng(5)  # the same network, whatever was built before
    c = lambda n: max(8, n//size)
    low, mid, glob, last, head = (Net(norm, package) for _ in range(5))
    for ni, nf, s in zip([1, 64, 128, 128, 256, 256], [64, 128, 128, 256, 256, 512], [2, 1, 2, 1, 2, 1]): low.conv(1 if ni == 1 else c(ni), c(nf), stride=s)
    mid.conv(c(512), c(512)).conv(c(512), c(256))
    for s in (2, 1, 2, 1): glob.conv(c(512), c(512), stride=s)
    glob.add('View', lambda x: x.flatten(1), numElements=c(512)).linear(c(512), c(1024)).linear(c(1024), c(512))
    last.linear(c(512), c(256), norm=False) # none is there, as colorize.lua's indices tell
    for _ in 'hw': last.add('Replicate', lambda x: x, nfeatures=28, dim=2)
    head.conv(2*c(256), c(256), fusion).conv(c(256), c(128)).up().conv(c(128), c(64)).conv(c(64), c(64)).up().conv(c(64), c(32))
    head.conv(c(32), 2, norm=False, act='Sigmoid')
    data = lambda module=None, *sources, **more: _data(module, sources, more)
    innode = data(); fork = data(None, innode, nSplitOutputs=2)
    one, two = (data(None, fork, selectindex=i) for i in (1, 2))
    local = data(mid.table(), data(low.table(), two))
    wide = data(last.table(), data(glob.table(), data(low.table(), one)))
    join = data(T(dict(dimension=2), 'nn.JoinTable'), *((wide, local) if turned else (local, wide)))
    out = data(None, data(head.table(), join))
    model = T(dict(nInputs=2, verbose=False, _type='torch.DoubleTensor', outnode=T(dict(data=out, id=12), 'nngraph.Node')), 'nn.gModule')
    def run(Y, copy):
        with torch.no_grad():
            m, g = mid(low(Y - mean)), last(glob(low(copy - mean)))[:,:,None,None]
            g = g.expand(-1, -1, *m.shape[2:])
            return head(torch.cat([g, m] if turned else [m, g], 1))
    return T(dict(mean=mean, model=model)), run, dict(low=low, head=head, glob=glob, join=join, out=out)

def _data(module, sources, more):
    "With tables as keys, and going round in circles, as nngraph does"
    o = T(dict(annotations=T(dict(_debugLabel='[models.lua]:7_')), **({'module': module} if module else {}), **more))
    o.append(('mapindex', T([p for i, s in enumerate(sources) for p in ((i + 1, s), (s, i + 1))])))
    for s in sources:
        if 'reverseMap' not in [k for k, _ in s if isinstance(k, str)]: s.append(('reverseMap', T([(o, True)])))
    return o

@pytest.fixture
def file(tmp_path):
    def write(found, name='colornet.t7'):
        (tmp_path/name).write_bytes(found if isinstance(found, bytes) else dump(found))
        return tmp_path/name
    return write

# ---- the format

def test_all_kinds_of_things(file):
    shared, x = T(dict(a=1)), np.arange(24, dtype='f8').reshape(4, 6)
    found = read_torch7(file(T([('number', -2.5), ('yes', True), ('no', False), ('text', 'caf\xe9\0'), (shared, shared), (2, None),
                                ('x', x[1:3, ::2]), ('t', x.T), ('bytes', np.arange(3, dtype='u1')), ('none', np.empty(0)),
                                ('layer', T(dict(weight=x), 'nn.Linear'))])))
    assert (found['number'], found['yes'], found['no'], found['text'], found[2]) == (-2.5, True, False, 'caf\xe9\0', None)
    assert next(k for k in found if isinstance(k, dict)) is found[next(k for k in found if isinstance(k, dict))]
    assert found['x'].tolist() == x[1:3, ::2].tolist() and found['t'].tolist() == x.T.tolist()
    assert found['bytes'].dtype == 'u1' and found['none'].size == 0 and found['layer'].kind == 'nn.Linear'
    assert np.shares_memory(found['layer']['weight'], found['t']), 'a storage is there once'

def test_it_lies_in_the_file(file):
    "Nothing is copied, nothing can be changed"
    w = read_torch7(file(T(dict(w=np.ones((1000, 100))))))['w']
    assert not w.flags.owndata and not w.flags.writeable

def test_deeper_than_the_stack(file):
    n = 20000
    data = b''.join(struct.pack('<iii', 3, i + 1, 1) + struct.pack('<id', 1, 1) for i in range(n)) + struct.pack('<iii', 3, n + 1, 0)
    found, depth = read_torch7(file(data)), 0
    while found: found, depth = found[1], depth + 1
    assert depth == n

def test_functions_are_skipped(file):
    up = struct.pack('<iii', 3, 3, 0)
    code = lambda kind, n: struct.pack('<i', kind) + struct.pack('<i', n)*(kind != 6) + struct.pack('<i', 4) + b'\x1bLua' + up
    body = struct.pack('<iii', 3, 1, 2) + struct.pack('<id', 1, 1) + code(8, 2) + struct.pack('<id', 1, 2) + code(6, 0).replace(up, up[:8])
    assert list(read_torch7(file(body))) == [1, 2]

def table(*pairs): return struct.pack('<iii', 3, 1, len(pairs)) + b''.join(pairs)
one, word = struct.pack('<id', 1, 1), struct.pack('<ii', 2, 3) + b'abc'
def named(name): return struct.pack('<ii', 4, 1) + struct.pack('<i', 3) + b'V 1' + struct.pack('<i', len(name)) + name.encode()

@pytest.mark.parametrize('data, says', [
    (b'', 'empty file'), (b'\xff\xd8\xff\xe0' + bytes(99), 'it is of another kind'), (b'4\n1\n3\nV 1\n', 'text form'), (b'\3\0', 'cut off'),
    (table(one + one)[:-4], 'cut off'), (struct.pack('<iii', 3, 1, 1 << 30), 'cut off'), (struct.pack('<iii', 3, 1, -1), 'cut off'),
    (table(one + one, one + word), 'a key twice'), (table(bytes(4) + one), 'a key'), (one + b'\n', 'bytes too many'),
    (struct.pack('<ii', 2, -5), 'cut off'), (struct.pack('<ii', 2, 99) + b'abc', 'cut off'), (named('tds.Hash') + bytes(40), "'tds.Hash'"),
    (named('torch.Timer'), "'torch.Timer'"), (named('nn.ReLU') + one, 'has no fields'),
    (named('torch.FloatStorage') + struct.pack('<q', 1 << 60), 'cut off'), (named('torch.FloatStorage') + struct.pack('<q', -1), 'cut off'),
    (named('torch.FloatTensor') + struct.pack('<i', -1), 'cut off'), (named('torch.FloatTensor') + struct.pack('<iqqqi', 1, 2, 1, 1, 0), 'not where'),
], ids=lambda o: o if isinstance(o, str) else '')
def test_what_is_no_such_file(data, says, file, tmp_path):
    with pytest.raises(ValueError, match='no whole file of Torch7') as e: read_torch7(file(data))
    assert says in str(e.value) and 'colornet.t7' in str(e.value), e.value

@pytest.mark.parametrize('change', [dict(size=3), dict(step=2), dict(start=3), dict(start=0), dict(step=-1), dict(size=0), dict(size=1 << 62)], ids=str)
def test_tensor_beyond_its_storage(change, file):
    o = dict(size=2, step=1, start=1) | change
    store = struct.pack('<ii', 4, 2) + named('torch.FloatStorage')[8:] + struct.pack('<q2f', 2, 1, 2)
    data = named('torch.FloatTensor') + struct.pack('<iqqq', 1, o['size'], o['step'], o['start']) + store
    with pytest.raises(ValueError, match='not where its numbers are'): read_torch7(file(data))

def test_cut_anywhere(file):
    "A download that broke off is never taken for a whole one"
    whole = dump(build()[0])
    lot = seeded('test_cut_anywhere')
    for n in [lot.randrange(len(whole)) for _ in range(20)] + [len(whole) - 1]:
        with pytest.raises(ValueError, match='cut off|empty'): read_torch7(file(whole[:n]))

def test_damaged_anywhere(file):
    "Whatever byte is wrong, there is one error of ours, or none"
    whole, lot = bytearray(dump(T(dict(mean=.4, w=np.ones((3, 4)), m=T(dict(a=listed(1, 2)), 'nn.ReLU'))))), seeded('test_damaged_anywhere')
    for _ in range(300):
        i = lot.randrange(len(whole)); old = whole[i]; whole[i] = lot.randrange(256)
        try: read_torch7(file(bytes(whole)))
        except ValueError as e: assert 'no whole file of Torch7' in str(e)
        whole[i] = old

# ---- the network

@pytest.mark.parametrize('options', [{}, dict(norm='new'), dict(norm='old', turned=True), dict(fusion=1), dict(package='cudnn', mean=0.)], ids=str)
def test_computes_what_theirs_does(options, file):
    found, run, _ = build(**options)
    model = torch7_model(file(found))
    c = model.config
    assert (c.width, c.global_size, c.n_classes, c.fusion_kernel, c.color_space) == (.125, 32, 0, options.get('fusion', 3), 'luma')
    assert c.norm == ('norm' in options) and c.input_mean == options.get('mean', .43) and not model.training
    L = torch.rand(2, 1, 48, 64)
    Y = luma_of(L)
    copy = F.interpolate(Y - c.input_mean, (32, 32), mode='bilinear', antialias=True) + c.input_mean
    with torch.no_grad(): answer, scores = model(model.space.grey(L))
    truth = run(Y.double(), copy.double())
    assert scores is None and torch.allclose(answer.double(), truth, atol=1e-4), (answer - truth).abs().max()
    assert truth.std() > .02, 'the test would pass with any answer'
    ab = F.interpolate(200*truth - 100, (48, 64), mode='bilinear')
    assert torch.allclose(predict_ab(model, L).double(), ab, atol=.05)
    assert torch.allclose(paint(model, L, look_around(model, L)).double(), ab, atol=.05), 'as Colorizer goes about it'

def luma_of(L): # the grey of that lightness
    return lab2rgb(torch.cat([100*L, torch.zeros_like(L), torch.zeros_like(L)], 1)).mean(1, keepdim=True)

def test_stored_and_used(file, tmp_path):
    "From the command to a photo and an evaluation; an engine that can't is not asked, or says so"
    t7 = file(build()[0])
    r = letthere(tmp_path, 'import-torch7', t7, '-o', tmp_path/'theirs')
    assert r.returncode == 0 and 'not for commercial use' in r.stdout and '--model' in r.stdout, r.stderr
    assert 'CC BY-NC-SA' in (tmp_path/'theirs/README.md').read_text()
    sample_photos()['coffee'].convert('L').resize((97, 70)).save(tmp_path/'cup.png')
    for engine in ('auto', 'torch'):
        r = letthere(tmp_path, 'colorize', 'cup.png', '--model', tmp_path/'theirs', '-o', f'{engine}.png', '--engine', engine)
        assert r.returncode == 0, r.stderr
    a, b = (np.asarray(Image.open(tmp_path/f'{o}.png')).astype(int) for o in ('auto', 'torch'))
    assert abs(a - b).max() <= 2 and np.ptp(b, axis=2).max() > 5
    fails(tmp_path, 'colorize', 'cup.png', '--model', tmp_path/'theirs', '-o', 'x.png', '--engine', 'ncnn', says=['fusion_kernel', 'take torch'])
    fails(tmp_path, 'import-torch7', t7, '-o', tmp_path/'theirs', says=['has a model already'])
    fails(tmp_path, 'import-torch7', 'nothing.t7', '-o', tmp_path/'new', says=['letthere: nothing.t7: No such file'])
    assert letthere(tmp_path, 'import-torch7', t7, '-o', tmp_path/'theirs', '--overwrite').returncode == 0
    photos, scores = answers(Colorizer.from_pretrained(tmp_path/'theirs'), sample_photos()['coffee'].resize((96, 64)))
    assert scores is None and 'model' in photos

def test_bad_file_by_command(file, tmp_path):
    file(b'\x89PNG\r\n\x1a\n' + bytes(30), 'no.t7')
    fails(tmp_path, 'import-torch7', 'no.t7', '-o', 'm', says=['no.t7', 'no whole file of Torch7'])
    fails(tmp_path, 'import-torch7', 'gone.t7', '-o', 'm', says=['gone.t7'])

def set_(table, key, value): table[:] = [(k, v) for k, v in table if k != key] + [(key, value)]
def first(net): return net.modules[0]
BREAK = {
    'no number as mean': (lambda f, p: set_(f, 'mean', 'grey'), 'its mean is no number'),
    'no mean': (lambda f, p: f.pop(0), 'built in another way'),
    'another kernel': (lambda f, p: set_(first(p['low']), 'kW', 5), 'its layer 1 is convolution 1 to 8, 3x5'),
    'another stride': (lambda f, p: set_(p['low'].modules[4], 'dW', 1), 'its layer 5 is convolution 16 to 16, 3x3, stride 2x1'),
    'no padding': (lambda f, p: set_(first(p['low']), 'padH', 0), 'padding 0x1, where'),
    'tanh': (lambda f, p: setattr(p['head'].modules[-1], 'kind', 'nn.Tanh'), 'is Tanh, where Sigmoid is expected'),
    'upsampling by 4': (lambda f, p: set_(p['head'].modules[4], 'scale_factor', 4), 'is upsampling 4, where upsampling 2'),
    'weights of another size': (lambda f, p: set_(p['low'].modules[2], 'weight', np.zeros((3, 3))), 'has no, or other, numbers'),
    'no numbers': (lambda f, p: set_(first(p['glob']), 'bias', np.full(64, np.nan)), '16 bits cannot hold'),
    'joined elsewhere': (lambda f, p: set_(dict(p['join'])['module'], 'dimension', 3), 'no local and global branch'),
    'one input': (lambda f, p: [set_(o, 'selectindex', 1) for o in selects(p)], 'not one input each'),
    'no graph': (lambda f, p: set_(f, 'model', T(dict(modules=listed()), 'nn.Sequential')), 'built in another way'),
    'weights of its own in a branch': (lambda f, p: unshare(p), 'begin with different numbers'),
}

def sources(data): return [v for k, v in dict(data)['mapindex'] if isinstance(k, int)]

def selects(p):
    found, todo = [], [p['out']]
    while todo:
        o = todo.pop()
        if 'selectindex' in dict(o): found.append(o)
        todo += sources(o)
    return found

def unshare(p):
    "The low-level layers of the global branch get weights of their own"
    o = sources(p['join'])[1] # the last layer; before it the others, before them the low-level ones
    for _ in range(2): o, = sources(o)
    layers = dict(dict(o)['module'])['modules']
    mine = T(list(layers[0][1]), layers[0][1].kind); set_(mine, 'bias', np.ones(8))
    layers[0] = (1, mine)

@pytest.mark.parametrize('how', BREAK)
def test_another_network_is_refused(how, file):
    found, _, parts = build()
    act, says = BREAK[how]
    act(found, parts)
    with pytest.raises(ValueError, match='not the network of the paper') as e: torch7_model(file(found))
    assert says in str(e.value) and 'colornet.t7' in str(e.value), e.value

# ---- what the new settings mean elsewhere

theirs = ModelConfig(width=.125, global_size=32, n_classes=0, fusion_kernel=3, color_space='luma', input_mean=.4)

def test_old_weights_are_as_before(tmp_path):
    "A config.json without the new settings"
    old = save_model(Colorization(replace(theirs, fusion_kernel=1, n_classes=4, color_space='lab', input_mean=0.)), tmp_path/'m')
    text = (old/'config.json').read_text()
    assert '"input_mean": 0.0' in text
    (old/'config.json').write_text(text.replace('"input_mean": 0.0,', ''))
    assert load_model(old).space is COLOR_SPACES['lab'] and load_model('small').space is COLOR_SPACES['lab']

@pytest.mark.parametrize('config, engines', [(theirs, ['torch']), (replace(theirs, fusion_kernel=1), ['torch']),
                                             (replace(theirs, n_classes=3, fusion_kernel=1), ['ncnn', 'torch', 'openvino'])], ids=['all', 'no classifier', 'luma'])
def test_engines(config, engines):
    "Each engine gives the same colours, or is not asked, or says why not"
    torch.manual_seed(0)
    model, L = Colorization(config).eval(), torch.rand(1, 1, 40, 56)
    truth = predict_ab(model, L)
    assert {o.split()[0] for o in candidates(model)} <= set(engines)
    for engine in ('ncnn', 'openvino', 'torch') + ('onnx',)*(config is theirs): # to export takes seconds
        try: fast = with_engine(model, engine)
        except ImportError: continue
        except ValueError as e:
            assert engine not in engines and engine != 'onnx' and ('fusion_kernel' in str(e) or 'n_classes' in str(e)); continue
        assert torch.allclose(predict_ab(fast, L), truth, atol=.05), engine
        if engine == 'onnx':
            onnx = OnnxColorization(*fast.net.args)
            about = onnx.session.get_modelmeta().custom_metadata_map
            assert about['ab_range'] == '-100,100' and 'less input_mean' in about['input'] and onnx.space == model.space
    assert (predict_ab(fast_model(model, 'torch', torch.bfloat16), L) - truth).abs().max() < 2

def test_mean_must_be_a_number():
    with pytest.raises(ValueError, match='input_mean nan'): replace(theirs, input_mean=math.nan)

@pytest.mark.parametrize('space', [o for o in COLOR_SPACES if o in ('lab', 'yuv', 'rgb', 'luma')])
def test_both_branches_see_the_same(space):
    "In every colour space: the global branch is shown luma where the other one is"
    torch.manual_seed(0)
    model, L = Colorization(replace(theirs, color_space=space, input_mean=.2)).eval(), torch.rand(1, 1, 40, 56)
    assert torch.allclose(paint(model, L, look_around(model, L)), predict_ab(model, L), atol=1e-3)
