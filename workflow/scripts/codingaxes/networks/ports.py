"""Build networks that timm has the parts of, but not the whole: Nomic's and BLIP2's vision towers.

Each has a builder with random weights, and the names that its published file uses. No code of the publishers
is run.
"""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from codingaxes.networks.cornet import CORnetRT
from codingaxes.networks.renaming import renamed


class _GatedMlp(nn.Module):
    """Compute down(up(x) * silu(gate(x)))."""

    def __init__(self, width, hidden):
        super().__init__()
        self.up, self.gate = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return self.down(self.up(x) * functional.silu(self.gate(x)))


class _Selector(nn.Module):
    """Let a learned query attend to all tokens, and add the result to the first token.

    Tokens (n, tokens, width) -> (n, width).
    """

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.latent = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=1e-6)
        self.mlp = _GatedMlp(width, hidden)

    def forward(self, tokens):
        n, _, width = tokens.shape
        query = self._split(self.query(self.latent.expand(n, -1, -1)))
        key, value = (self._split(part) for part in self.key_value(tokens).chunk(2, dim=-1))
        attended = functional.scaled_dot_product_attention(query, key, value)
        attended = self.out(attended.transpose(1, 2).reshape(n, width))
        return tokens[:, 0] + self.mlp(self.norm(attended))

    def _split(self, x):
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class NomicVision(nn.Module):
    """Compute Nomic Embed Vision v1.5: a ViT-B/16 with rotary positions and gated MLPs, and a selector.

    The embedding that Nomic publishes is the output of `selector`, divided by its length.

    Parameters
    ----------
    depth, width, heads : int
        12, 768 and 12 in the published network; hidden units are 8 / 3 of the width.
    img_size : int
        Pixels, a multiple of 16.

    Source
    ------
    Z. Nussbaum, B. Duderstadt and A. Mulyar, Nomic Embed Vision: Expanding the Latent Space (arXiv
    2406.18587, 2024); the published configuration.
    """

    def __init__(self, depth=12, width=768, heads=12, img_size=224):
        from timm.models.eva import Eva

        super().__init__()
        hidden = width * 8 // 3
        self.trunk = Eva(
            img_size=img_size,
            patch_size=16,
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            mlp_ratio=hidden / width,
            attn_type="rope",
            qkv_fused=True,
            swiglu_mlp=True,
            scale_mlp=True,
            use_rot_pos_emb=True,
            ref_feat_shape=(14, 14),
            global_pool="",
            num_classes=0,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_post_transformer_norm=False,
            use_fc_norm=False,
        )
        for block in self.trunk.blocks:
            block.mlp.norm.eps = 1e-5
        self.selector = _Selector(width, heads, hidden)

    def forward(self, images):
        """Turn normalised images (n, 3, h, w) into embeddings (n, width), of any length."""
        return self.selector(self.trunk.forward_features(images))


NOMIC = {
    r"embeddings\.cls_token": "trunk.cls_token",
    r"embeddings\.pos_embed": "trunk.pos_embed",
    r"embeddings\.proj\.(weight|bias)": r"trunk.patch_embed.proj.\1",
    r"layers\.(\d+)\.norm([12])\.(weight|bias)": r"trunk.blocks.\1.norm\2.\3",
    r"layers\.(\d+)\.attn\.Wqkv\.(weight|bias)": r"trunk.blocks.\1.attn.qkv.\2",
    r"layers\.(\d+)\.attn\.out_proj\.(weight|bias)": r"trunk.blocks.\1.attn.proj.\2",
    r"layers\.(\d+)\.mlp\.fc11\.(weight|bias)": r"trunk.blocks.\1.mlp.fc1_x.\2",
    r"layers\.(\d+)\.mlp\.fc12\.(weight|bias)": r"trunk.blocks.\1.mlp.fc1_g.\2",
    r"layers\.(\d+)\.mlp\.(norm|fc2)\.(weight|bias)": r"trunk.blocks.\1.mlp.\2.\3",
    r"selector\.attn\.latent": "selector.latent",
    r"selector\.attn\.Wq\.(weight|bias)": r"selector.query.\1",
    r"selector\.attn\.Wkv\.(weight|bias)": r"selector.key_value.\1",
    r"selector\.attn\.out_proj\.(weight|bias)": r"selector.out.\1",
    r"selector\.norm1\.(weight|bias)": r"selector.norm.\1",
    r"selector\.mlp\.fc11\.(weight|bias)": r"selector.mlp.up.\1",
    r"selector\.mlp\.fc12\.(weight|bias)": r"selector.mlp.gate.\1",
    r"selector\.mlp\.fc2\.(weight|bias)": r"selector.mlp.down.\1",
}


def rename_nomic(name):
    """Give the name in `NomicVision` of a tensor of Nomic's file; its own name if it is none of them."""
    return renamed(name, NOMIC)


def adapt_nomic(state, body, row):
    """Reshape the projection of patches, a matrix (width, 3 * 16 * 16) in Nomic's file, for a convolution."""
    key = "trunk.patch_embed.proj.weight"
    if key in state and state[key].ndim == 2:
        state[key] = state[key].reshape(len(state[key]), 3, 16, 16)
    return state


def blip2_vision(depth=39, width=1408, heads=16, hidden=6144, img_size=224):
    """Build BLIP2's vision tower: the first 39 blocks of EVA-CLIP-g, and a LayerNorm of its own.

    The output is that of the LayerNorm, `norm`, (n, tokens, width).

    Parameters
    ----------
    depth, width, heads, hidden : int
        39, 1408, 16 and 6144 in the published network.
    img_size : int
        Pixels, a multiple of 14.

    Source
    ------
    J. Li, D. Li, S. Savarese and S. Hoi, BLIP-2 (ICML 2023); Q. Sun et al., EVA-CLIP (arXiv 2303.15389).
    """
    from timm.models.eva import Eva

    return Eva(
        img_size=img_size,
        patch_size=14,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        mlp_ratio=hidden / width,
        global_pool="",
        num_classes=0,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )


BLIP2 = {
    r"embeddings\.class_embedding": "cls_token",
    r"embeddings\.position_embedding": "pos_embed",
    r"embeddings\.patch_embedding\.(weight|bias)": r"patch_embed.proj.\1",
    r"encoder\.layers\.(\d+)\.layer_norm([12])\.(weight|bias)": r"blocks.\1.norm\2.\3",
    r"encoder\.layers\.(\d+)\.self_attn\.qkv\.(weight|bias)": r"blocks.\1.attn.qkv.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.projection\.(weight|bias)": r"blocks.\1.attn.proj.\2",
    r"encoder\.layers\.(\d+)\.mlp\.fc([12])\.(weight|bias)": r"blocks.\1.mlp.fc\2.\3",
    r"post_layernorm\.(weight|bias)": r"norm.\1",
}
# the rest of Blip2's files: between the vision tower and the text, and the text
NOT_VISION = (
    *("qformer.", "query_tokens", "language_model.", "language_projection.", "embeddings.", "itm_head."),
    *("vision_projection.", "text_projection.", "temp"),
)


def rename_blip2(name):
    """Give the name in `blip2_vision` of a tensor of Blip2's file; None if it belongs to the text."""
    if name.startswith(NOT_VISION):
        return None
    return renamed(name.removeprefix("vision_model."), BLIP2) if name.startswith("vision_model.") else name


def adapt_blip2(state, body, row):
    """Split the biases of queries and values, which are two tensors here and part of one in Blip2's file.

    Leave out that of keys, zero in the published files: it adds the same number to all scores of a query,
    which the softmax takes away again.
    """
    for name in [name for name in state if name.endswith(".attn.qkv.bias")]:
        stem = name.removesuffix("qkv.bias")
        state[f"{stem}q_bias"], _, state[f"{stem}v_bias"] = state.pop(name).chunk(3)
    return state


ADAPTERS = {"nomic_vision": NomicVision, "blip2_vision": blip2_vision, "cornet_rt": CORnetRT}
