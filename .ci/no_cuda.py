"""Empty CUDA libraries beside a CUDA build of PyTorch, so that it can be imported without gigabytes of NVIDIA's: `no_cuda.py SITE_PACKAGES`

PyTorch's own wheels for processors are on no package index; what is built for CUDA runs on a processor as well, if the linker finds its libraries."""
import re, subprocess, sys
from collections import defaultdict
from pathlib import Path

site = Path(sys.argv[1])
lib, system = site/'torch/lib', re.findall(r'^\s+(\S+\.so[\w.]*) ', subprocess.getoutput('/sbin/ldconfig -p'), re.M)

def elf(*options):
    "What readelf says of PyTorch's libraries, line by line"
    files = [str(o) for o in lib.glob('*.so*')]
    return subprocess.run(['readelf', '-W', *options, *files], capture_output=True, text=True, check=True).stdout.splitlines()

needed = {m[1] for o in elf('-d') if (m := re.search(r'NEEDED.*\[(.*)\]', o))} - {o.name for o in lib.iterdir()} - {*system}
owner, wanted, file = {}, defaultdict(set), ''
for o in elf('-V'):
    if m := re.search(r'File: (\S+)', o): file = m[1]
    elif m := re.search(r'Name: (\S+)\s+Flags', o): owner[m[1]] = file
for o in elf('--dyn-syms'):
    if m := re.search(r' UND ((?:cu|nccl|nv)\w+)(?:@(\S+))?', o): wanted[m[2] or ''].add(m[1])
for name in needed:
    versions = [v for v, f in owner.items() if f == name] or ['']  # what has no version may be in any that has none
    c, rules = lib/'empty.c', lib/'empty.map'
    c.write_text(''.join(f'void {s}(void) {{}}\n' for v in versions for s in sorted(wanted[v])))
    rules.write_text('\n'.join(f'{v} {{ {"; ".join(sorted(wanted[v]))}; }};' for v in versions if v and wanted[v]))
    script = [f'-Wl,--version-script={rules}'] if rules.stat().st_size else []
    subprocess.run(['gcc', '-shared', '-fPIC', '-w', '-o', lib/name, f'-Wl,-soname,{name}', *script, c], check=True)
for o in (c, rules): o.unlink()
meta, = site.glob('torch-*.dist-info/METADATA')  # pip shall not fetch them after all
meta.write_text(re.sub(r'^Requires-Dist: (nvidia|cuda|triton).*\n', '', meta.read_text(), flags=re.M))
