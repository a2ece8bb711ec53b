import torch
from letthere_color.video_color import *
from letthere_color.video_color import F
from letthere_color.color import AB_MAX
from letthere_color.core import photo2tensor, rgb2lab, sample_photos
for im in ('coffee','chelsea','astronaut'):
  rgb = photo2tensor(sample_photos()[im].resize((150,100)))/255
  (kr, kb), ab = weights_of(1, 720), rgb2lab(rgb)[1:]
  luma = kr*rgb[0] + (1 - kr - kb)*rgb[1] + kb*rgb[2]
  truth = torch.stack([(rgb[2] - luma)/(2 - 2*kb), (rgb[0] - luma)/(2 - 2*kr)])
  for ny,na in ((33,45),(65,45),(33,89),(65,89),(129,45)):
    Y, a, b = torch.meshgrid(torch.linspace(0, 1, ny), *[torch.linspace(-AB_MAX, AB_MAX, na)]*2, indexing='ij')
    t=coded_chroma(Y, torch.stack([a, b]), (kr,kb), xyz2rgb(1))[None]
    off=(look_up(t,luma,ab)-truth).abs()*224
    print(im,ny,na,off.mean().item(),off.quantile(.99).item())
