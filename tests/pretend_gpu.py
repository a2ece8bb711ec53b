"""A GPU of paper: tensors that say `cuda:0` and lie in ordinary memory, so that what a GPU would refuse is refused here, too.

Within `PretendGPU` whatever is moved to `cuda:0`, or made there, is a `Card`. An operation on a `Card` and on a tensor of the CPU ends as it does on a GPU.
`waits` lists what would make the CPU wait for the GPU: numbers that are read back, copies that block, indices that are looked for."""
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten, DEVICE = torch.ops.aten, torch.device('cuda:0')
MOVES = aten._to_copy.default, aten.copy_.default
LOOKS = aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.is_nonzero.default, aten.equal.default

class Card(torch.Tensor):
    "A tensor on the pretended GPU"
    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
                                                   device=DEVICE, requires_grad=inner.requires_grad)
    def __init__(self, inner): self.inner = inner
    def __repr__(self): return f'Card({self.inner})'
    def __getitem__(self, key): return viewed(self, key)
    def __setitem__(self, key, value):
        view = viewed(self, key, write=value)
        if view is not None: view.copy_(value) if isinstance(value, torch.Tensor) else view.fill_(value)
    def contiguous(self, memory_format=torch.contiguous_format):
        return self if self.is_contiguous(memory_format=memory_format) else aten.clone.default(self, memory_format=memory_format)
    def copy_(self, other, non_blocking=False): return aten.copy_.default(self, other, non_blocking)
    def __invert__(self): return aten.bitwise_not.default(self)
    def tolist(self): return self.cpu().tolist()
    def __deepcopy__(self, memo): return type(self)(self.inner.clone()) if not isinstance(self, torch.nn.Parameter) else torch.nn.Parameter(Card(self.inner.detach().clone()), self.requires_grad)
    __torch_function__ = torch._C._disabled_torch_function_impl
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None): return PretendGPU.current.run(func, args, kwargs or {})

def viewed(x, key, write=None):
    "`x[key]` by operations that need no driver; with `write`, and where `x[key]` would be a copy, what is written instead"
    keys, d, indices = list(key) if isinstance(key, tuple) else [key], 0, []
    if Ellipsis in [o for o in keys if not isinstance(o, torch.Tensor)]:
        i = next(i for i, o in enumerate(keys) if o is Ellipsis)
        keys[i:i+1] = [slice(None)]*(x.ndim - sum(o is not None and o is not Ellipsis for o in keys))
    for o in keys:
        if o is None: x = aten.unsqueeze.default(x, d); d += 1; indices.append(None)
        elif isinstance(o, slice):
            start, stop, step = o.indices(x.shape[d])
            x = aten.slice.Tensor(x, d, start, stop, step); d += 1; indices.append(None)
        elif isinstance(o, int): x = aten.select.int(x, d, o)
        else: indices.append(o if isinstance(o, torch.Tensor) else torch.tensor(o)); d += 1
    if not any(o is not None for o in indices): return x
    if write is None: return aten.index.Tensor(x, indices)
    aten.index_put_.default(x, indices, write if isinstance(write, torch.Tensor) else torch.tensor(write, dtype=x.dtype))

class PretendGPU(TorchDispatchMode):
    current = None
    def __enter__(self):
        self.waits, PretendGPU.current, self.lazy_init = [], self, torch.cuda._lazy_init
        torch.cuda._lazy_init = lambda: None
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # a module that moves gets other tensors
        return super().__enter__()

    def __exit__(self, *why):
        torch.cuda._lazy_init = self.lazy_init
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        return super().__exit__(*why)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None): return self.run(func, args, kwargs or {})

    def run(self, func, args, kwargs):
        tensors = [o for o in tree_leaves((args, kwargs)) if isinstance(o, torch.Tensor)]
        on_card, plain = [o for o in tensors if isinstance(o, Card)], [o for o in tensors if not isinstance(o, Card)]
        wanted = kwargs.get('device')
        there = torch.device(wanted).type == 'cuda' if wanted is not None else bool(on_card)
        self.watch(func, args, kwargs, on_card, plain, there)
        if wanted is not None: kwargs = {**kwargs, 'device': torch.device('cpu')}
        owner = {id(o.inner): o for o in on_card}
        def bare(o): return o.inner if isinstance(o, Card) else o
        out = func(*tree_map(bare, args), **tree_map(bare, kwargs))
        if func is aten.copy_.default: return args[0]
        def dress(o):
            if not isinstance(o, torch.Tensor) or isinstance(o, Card): return o
            return owner.get(id(o)) if id(o) in owner else Card(o) if there else o
        return tree_map(dress, out)

    def watch(self, func, args, kwargs, on_card, plain, there):
        if func in MOVES:
            moved = len(on_card) == len(plain) == 1 if func is aten.copy_.default else bool(on_card) != there
            blocking = not (kwargs.get('non_blocking') or (len(args) > 2 and args[2]))
            if moved and blocking: self.waits.append(str(func))
            return
        if not on_card: return
        if func in LOOKS: self.waits.append(str(func))
        if func in (aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default):
            indices = [o for o in args[1] if o is not None]
            if any(o.dtype == torch.bool or not isinstance(o, Card) for o in indices): self.waits.append(str(func))
            plain = [o for o in plain if not any(o is i for i in indices)]
        if any(o.ndim for o in plain):
            raise RuntimeError(f'Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! ({func})')
