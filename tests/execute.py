"Run chapters in kernels of this Python, as a reader does: `execute.py NOTEBOOK...`; cells that want a GPU or much time are left out"
import sys, nbformat
from nbclient import NotebookClient

for path in sys.argv[1:]:
    nb = nbformat.read(path, 4)
    nb.cells = [c for c in nb.cells if not any(c.source.startswith(f'#| {o}') for o in ('slow', 'cuda', 'eval'))]
    NotebookClient(nb, timeout=1800, kernel_name='python3').execute()
    print('ok', path, flush=True)
