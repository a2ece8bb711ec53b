"The fast path cannot lie: whatever is not our network to the last layer keeps its plain form."
import copy, sys
import numpy as np, pytest, torch
from torch import nn
from letthere_color.choice import fast_model, with_engine
from letthere_color.colorization import Colorization, ModelConfig
from letthere_color.engines import FastColorization
from letthere_color.fast import lean_model
from letthere_color.inference import Colorizer
from letthere_color.low_level import LowLevel
from letthere_color.models import load_model

ncnn = pytest.mark.skipif(sys.platform == 'darwin', reason='there is no ncnn')

def build(cls=Colorization, **options):
    "A small network in eval mode whose batch norms do something"
    torch.manual_seed(0)
    model = cls(ModelConfig(**dict(width=.125, n_classes=3, global_size=64) | options)).eval()
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            for t in (m.weight.data, m.running_var): t.uniform_(.5, 1.5)
            for t in (m.bias.data, m.running_mean): t.uniform_(-.5, .5)
    return model

class OwnForward(Colorization):
    def forward(self, L, style=None):
        ab, scores = super().forward(L, style)
        return 1 - ab, scores

class OwnLowLevel(LowLevel):
    def forward(self, x): return super().forward(1 - x)

class Large(nn.Module):
    "Low-level features from one large kernel"
    def __init__(self): super().__init__(); self.conv = nn.Conv2d(1, 64, 9, 8, padding=4)
    def forward(self, x): return self.conv(x).tanh()

def exchanged(name, make):
    def change(model):
        parent, _, child = name.rpartition('.')
        old = model.get_submodule(name)
        setattr(model.get_submodule(parent), child, make(old).eval())
        return model
    return change

def having(name, **settings):
    def change(model):
        for k,v in settings.items(): setattr(model.get_submodule(name), k, v)
        return model
    return change

def hook(model): model.mid_level.register_forward_hook(lambda m, x, y: 2*y); return model
def pre_hook(model): model.fusion.register_forward_pre_hook(lambda m, x: (x[0], 2*x[1])); return model
def patched(model):
    plain = model.forward
    model.forward = lambda L, style=None: (1 - plain(L, style)[0], None)
    return model
def patched_part(model):
    plain = model.fusion.forward
    model.fusion.forward = lambda mid, glob: 2*plain(mid, glob)
    return model
def extra(model): model.mid_level.append(nn.Sequential(nn.Conv2d(32, 32, 1), nn.ReLU())); return model
def missing(model): del model.mid_level[0][2]; return model
def unet(model):
    from letthere_color.rivals import UNet
    return build(UNet, use_global=False, network='unet')

activations = ['low_level.0.2', 'low_level.5.2', 'mid_level.1.2', 'global_features.convs.3.2', 'global_features.hidden.0.2',
               'global_features.out.2', 'classifier.0.2', 'fusion.conv.2', 'colorization.0.2', 'colorization.5.2']
conv = 'mid_level.0.0'
CHANGES = dict({f'GELU in {o}': exchanged(o, lambda _: nn.GELU()) for o in activations}, **{
    'LeakyReLU': exchanged('low_level.1.2', lambda _: nn.LeakyReLU(.2)), 'tanh': exchanged('colorization.7', lambda _: nn.Tanh()),
    'subclass': lambda _: build(OwnForward), 'patched': patched, 'patched part': patched_part, 'hook': hook, 'pre-hook': pre_hook,
    'stride': having('mid_level.1.0', stride=(2,2)), 'padding': having('fusion.conv.0', padding=(1,1)),
    'dilation': having(conv, dilation=(2,2), padding=(2,2)), 'groups': exchanged(conv, lambda o: nn.Conv2d(64, 64, 3, padding=1, groups=2)),
    'kernel': exchanged(conv, lambda o: nn.Conv2d(64, 64, 5, padding=2)), 'padding mode': having(conv, padding_mode='reflect'),
    'bilinear': exchanged('colorization.1', lambda _: nn.Upsample(scale_factor=2, mode='bilinear')),
    'factor': exchanged('colorization.4', lambda _: nn.Upsample(scale_factor=3)),
    'statistics': exchanged('low_level.2.1', lambda o: nn.BatchNorm2d(o.num_features, track_running_stats=False)),
    'group norm': exchanged('low_level.2.1', lambda o: nn.GroupNorm(2, o.num_features)), 'extra layer': extra, 'missing layer': missing,
    'other low level': exchanged('low_level', lambda _: Large()), 'own low level': exchanged('low_level', lambda _: OwnLowLevel(.125)),
    'unet': unet})

L = torch.rand(2, 1, 72, 56, generator=torch.manual_seed(1))
PHOTO = np.random.default_rng(0).integers(0, 255, (72,56,3), dtype=np.uint8)

@torch.no_grad()
def answers(model):
    "Colours, scores and a coloured photo, as bytes; or why the model refuses to give them"
    try: return [o if o is None else o.numpy().tobytes() for o in model(L)] + [Colorizer(model, size=64)(PHOTO).tobytes()]
    except ValueError as e: return str(e)

def same(fast, plain): assert answers(fast) == answers(plain)

@pytest.mark.parametrize('change', CHANGES)
def test_what_is_not_ours_keeps_its_plain_form(change, tmp_path):
    from letthere_color.onnx_files import export_onnx
    model = CHANGES[change](build())
    same(fast_model(model), model)
    same(lean_model(model), model)
    pytest.importorskip('onnxscript')
    with pytest.raises(ValueError, match='differs'): export_onnx(model, tmp_path/'model.onnx')
    assert not list(tmp_path.iterdir())

@pytest.mark.parametrize('method', ['forward', 'encode_global'])
def test_a_method_patched_into_the_class_is_seen(method, monkeypatch):
    model, plain = build(), getattr(Colorization, method)
    def other(self, *args): return tuple(None if o is None else o/2 for o in plain(self, *args))
    monkeypatch.setattr(Colorization, method, other)
    assert fast_model(model) is model
    same(lean_model(model), model)

def test_a_model_that_still_learns_keeps_its_plain_form():
    model = build()
    model.low_level[0].train()
    same(fast_model(model), model)

@ncnn
@pytest.mark.parametrize('options', [{}, dict(use_global=False), dict(norm=False), dict(color_space='rgb')])
@torch.no_grad()
def test_ours_takes_the_fast_path(options, tmp_path):
    model = build(**options)
    fast, lean = with_engine(model, 'ncnn'), lean_model(model)
    assert isinstance(fast, FastColorization) and isinstance(lean.colorization[-2], nn.PixelShuffle)
    for m in (fast, lean):
        for a, b in zip(m(L), model(L)): assert (a is b is None) or torch.allclose(a, b, atol=1e-4)

@ncnn
def test_shipped_and_stored_models_take_the_fast_path(tmp_path, monkeypatch):
    monkeypatch.setenv('LETTHERE_ENGINE', 'ncnn')
    model = load_model('tiny')
    assert isinstance(fast_model(model), FastColorization)
    assert isinstance(fast_model(copy.deepcopy(model).requires_grad_(False)), FastColorization)
    model.save_pretrained(tmp_path, config=vars(model.config))
    assert isinstance(fast_model(Colorization.from_pretrained(str(tmp_path)).eval()), FastColorization)

def test_the_check_leaves_chance_alone():
    model = build()
    before = torch.get_rng_state()
    fast_model(model)
    assert torch.equal(before, torch.get_rng_state())

def test_the_rewriting_stays_on_the_device_of_the_model():
    lean = lean_model(build().to('meta'))
    assert {t.device.type for t in lean.state_dict().values()} == {'meta'}

@ncnn
def test_parts_are_exchanged_before():
    "The layers that FastColorization shows are copies: a change would do nothing"
    fast = fast_model(build(), 'ncnn')
    assert isinstance(fast, FastColorization)
    with pytest.raises(AttributeError, match='before fast_model'): fast.low_level = Large()
