"""Three image classifiers for 28 x 28 grey images: a residual net, a depthwise-separable net, a vision transformer."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


def conv_bn(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out)]


class Residual(nn.Module):
    def __init__(self, inp: int, out: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(inp, out, 3, stride)
        self.conv2, self.bn2 = conv_bn(out, out, 3)
        same = inp == out and stride == 1
        self.downsample = None if same else nn.Sequential(*conv_bn(inp, out, 1, stride))

    def forward(self, x):
        skip = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + skip)


class FashionResNet(nn.Module):
    """3 x 3 stem, then residual blocks 24 -> 48 -> 96 channels at 28, 14 and 7 pixels."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(1, 24, 3)
        self.layer1 = Residual(24, 24, 1)
        self.layer2 = nn.Sequential(Residual(24, 48, 2), Residual(48, 48, 1))
        self.layer3 = nn.Sequential(Residual(48, 96, 2), Residual(96, 96, 1))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(96, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.pool(x), 1))


class Separable(nn.Module):
    def __init__(self, inp: int, out: int, stride: int):
        super().__init__()
        self.depthwise, self.bn1 = conv_bn(inp, inp, 3, stride, groups=inp)
        self.pointwise, self.bn2 = conv_bn(inp, out, 1)

    def forward(self, x):
        x = F.relu(self.bn1(self.depthwise(x)))
        return F.relu(self.bn2(self.pointwise(x)))


class FashionMobile(nn.Module):
    """MobileNet-v1 in small, with ReLU, not ReLU6."""

    PLAN = [(32, 64, 2), (64, 64, 1), (64, 128, 1), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 256, 1)]

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(1, 32, 3)
        self.blocks = nn.Sequential(*[Separable(*plan) for plan in self.PLAN])
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(256, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.pool(x), 1))


def fold_norms(model: FashionMobile) -> FashionMobile:
    """Folds every BatchNorm into the convolution before it (evaluation mode)."""
    model.conv1, model.bn1 = fuse_conv_bn_eval(model.conv1, model.bn1), nn.Identity()
    for block in model.blocks:
        block.depthwise, block.bn1 = fuse_conv_bn_eval(block.depthwise, block.bn1), nn.Identity()
        block.pointwise, block.bn2 = fuse_conv_bn_eval(block.pointwise, block.bn2), nn.Identity()
    return model


@torch.no_grad()
def spread_scales(model: FashionMobile, seed: int, large: float = 2.0, small: float = 2.0 ** -6) -> FashionMobile:
    """Makes the folded kernels' ranges as unequal as in MobileNets trained on large data sets, without changing the
    function: what a channel is multiplied by before the ReLU, its depthwise kernel is divided by. Every channel gets 1
    or `large`, one channel a layer gets `small`; powers of two, so nothing is rounded. The inverse of cross-layer
    equalization, which can undo it."""
    before = [model.conv1, *[block.pointwise for block in model.blocks[:-1]]]
    for i, (conv, block) in enumerate(zip(before, model.blocks)):
        draw = torch.Generator().manual_seed(seed + i)
        factor = large ** torch.randint(0, 2, (conv.out_channels,), generator=draw).float()
        factor[torch.randint(0, conv.out_channels, (1,), generator=draw)] = small
        conv.weight *= factor[:, None, None, None]
        conv.bias *= factor
        block.depthwise.weight /= factor[:, None, None, None]
    return model


class PlainLayerNorm(nn.LayerNorm):
    """LayerNorm that exports as its parts (mean, subtract, square, ...), as files of opset < 17 hold it."""

    def forward(self, x):
        if not torch.onnx.is_in_onnx_export():
            return super().forward(x)
        centred = x - x.mean(-1, keepdim=True)
        return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight + self.bias


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * (dim // self.heads) ** -0.5
        x = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, dim)
        return self.proj(x)


class Block(nn.Module):
    """Pre-norm transformer block with stochastic depth while training."""

    def __init__(self, dim: int, heads: int, hidden: int, drop_path: float):
        super().__init__()
        self.norm1, self.attn = PlainLayerNorm(dim), Attention(dim, heads)
        self.norm2, self.fc1, self.fc2 = PlainLayerNorm(dim), nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.drop_path = drop_path

    def keep(self, x):
        if not self.training or self.drop_path == 0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.drop_path
        return x * kept / (1 - self.drop_path)

    def forward(self, x):
        x = x + self.keep(self.attn(self.norm1(x)))
        return x + self.keep(self.fc2(F.gelu(self.fc1(self.norm2(x)))))


class FashionViT(nn.Module):
    """49 patches of 4 x 4 pixels, 6 blocks of width 128, mean of the tokens."""

    def __init__(self, dim: int = 128, depth: int = 6, heads: int = 4, hidden: int = 256, drop_path: float = 0.1):
        super().__init__()
        self.patch_embed = nn.Conv2d(1, dim, 4, 4)
        self.pos_embed = nn.Parameter(torch.randn(1, 49, dim) * 0.02)
        self.blocks = nn.Sequential(*[Block(dim, heads, hidden, drop_path * i / (depth - 1)) for i in range(depth)])
        self.norm, self.head = PlainLayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        return self.head(self.norm(self.blocks(x)).mean(1))


IMAGE_MODELS = {"fashion-resnet": FashionResNet, "fashion-mobile": FashionMobile, "fashion-vit": FashionViT}
