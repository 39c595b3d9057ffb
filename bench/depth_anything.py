"""Depth Anything V1 in PyTorch, for the programs here that compare with it. Written from the published
architecture; parameters have their published names; needs nothing but torch.
"""

import json
import struct

import torch
import torch.nn as nn
import torch.nn.functional as F

# embed dim, depth, heads, DPT features, DPT out channels
SIZES = {
    384: (12, 6, 64, (48, 96, 192, 384)),
    768: (12, 12, 128, (96, 192, 384, 768)),
    1024: (24, 16, 256, (256, 512, 1024, 1024)),
}
PATCH = 14
TABLE = 37


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, t, c = x.shape
        qkv = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        if x.is_cuda:
            y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        else:
            q = qkv[0] * (c // self.heads) ** -0.5
            y = (q @ qkv[1].transpose(-2, -1)).softmax(dim=-1) @ qkv[2]
        return self.proj(y.transpose(1, 2).reshape(b, t, c))


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)
        self.ls2 = LayerScale(dim)

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self, dim, depth, heads):
        super().__init__()
        self.taps = range(depth - 4, depth)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TABLE * TABLE, dim))
        self.patch_embed = PatchEmbed(dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def positions(self, rows, columns):
        if rows == TABLE and columns == TABLE:
            return self.pos_embed
        table = self.pos_embed[:, 1:].reshape(1, TABLE, TABLE, -1).permute(0, 3, 1, 2)
        scale = ((rows + 0.1) / TABLE, (columns + 0.1) / TABLE)
        table = F.interpolate(table, scale_factor=scale, mode="bicubic")
        return torch.cat((self.pos_embed[:, :1], table.flatten(2).transpose(1, 2)), dim=1)

    def forward(self, x):
        rows, columns = x.shape[2] // PATCH, x.shape[3] // PATCH
        tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), self.patch_embed(x)), dim=1)
        tokens = tokens + self.positions(rows, columns)
        features = []
        for i, block in enumerate(self.blocks):
            tokens = block(tokens)
            if i in self.taps:
                features.append(self.norm(tokens)[:, 1:])
        return features, rows, columns


class ResidualUnit(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv2(F.relu(self.conv1(F.relu(x)))) + x


def enlarge(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class Fusion(nn.Module):
    """The coarsest has no skip; the unit that its checkpoint has for one is never used."""

    def __init__(self, channels, skip):
        super().__init__()
        if skip:
            self.resConfUnit1 = ResidualUnit(channels)
        self.resConfUnit2 = ResidualUnit(channels)
        self.out_conv = nn.Conv2d(channels, channels, 1)

    def forward(self, path, skip, size):
        x = skip if path is None else path + self.resConfUnit1(skip)
        return self.out_conv(enlarge(self.resConfUnit2(x), size))


class Scratch(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        for i in range(4):
            self.add_module(
                "layer%d_rn" % (i + 1), nn.Conv2d(out[i], features, 3, padding=1, bias=False)
            )
            self.add_module("refinenet%d" % (i + 1), Fusion(features, skip=i < 3))
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1),
            nn.ReLU(True),
            nn.Conv2d(32, 1, 1),
            nn.ReLU(True),
        )


class Head(nn.Module):
    def __init__(self, dim, features, out):
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(dim, channels, 1) for channels in out)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(out[0], out[0], 4, 4),
                nn.ConvTranspose2d(out[1], out[1], 2, 2),
                nn.Identity(),
                nn.Conv2d(out[3], out[3], 3, 2, 1),
            ]
        )
        self.scratch = Scratch(features, out)

    def forward(self, features, rows, columns):
        maps = []
        for i, feature in enumerate(features):
            x = feature.transpose(1, 2).reshape(feature.shape[0], -1, rows, columns)
            x = self.resize_layers[i](self.projects[i](x))
            maps.append(getattr(self.scratch, "layer%d_rn" % (i + 1))(x))
        path = None
        for i in range(3, -1, -1):
            size = maps[i - 1].shape[2:] if i > 0 else [2 * n for n in maps[0].shape[2:]]
            path = getattr(self.scratch, "refinenet%d" % (i + 1))(path, maps[i], size)
        x = enlarge(self.scratch.output_conv1(path), (PATCH * rows, PATCH * columns))
        return self.scratch.output_conv2(x).squeeze(1)


class DepthAnything(nn.Module):
    def __init__(self, dim):
        super().__init__()
        depth, heads, features, out = SIZES[dim]
        self.pretrained = Encoder(dim, depth, heads)
        self.depth_head = Head(dim, features, out)

    def forward(self, image):
        return self.depth_head(*self.pretrained(image))


def normalised(maps):
    flat = maps.flatten(1)
    centred = flat - flat.median(dim=1, keepdim=True).values
    return centred / centred.abs().mean(dim=1, keepdim=True)


def scale_shift_invariant(prediction, target):
    return (normalised(prediction) - normalised(target)).abs().mean(dim=1).mean()


def safetensors(file):
    """The header of a file, and a function that reads one float32 tensor."""
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)

    def read(name):
        begin, end = header[name]["data_offsets"]
        file.seek(8 + length + begin)
        data = torch.frombuffer(bytearray(file.read(end - begin)), dtype=torch.float32)
        return data.reshape(header[name]["shape"])

    return header, read


def load(file):
    """The network of a file with its weights, and a function that reads the file's other tensors."""
    header, read = safetensors(file)
    model = DepthAnything(header["pretrained.cls_token"]["shape"][-1])
    with torch.no_grad():
        names = set(header) - {"input", "target"}
        for name, parameter in model.named_parameters():
            parameter.copy_(read(name))
            names.remove(name)
    if names:
        raise RuntimeError("weights that the network does not read: %s" % sorted(names))
    return model, read


def optimiser(model, **options):
    return torch.optim.AdamW(
        [
            {"params": model.pretrained.parameters(), "lr": 5e-6},
            {"params": model.depth_head.parameters(), "lr": 5e-5},
        ],
        weight_decay=0.01,
        **options,
    )
