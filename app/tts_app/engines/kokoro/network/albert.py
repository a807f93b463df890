"""The encoder of phonemes: an ALBERT, one layer that is applied again and again.

From "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations" (Lan et al., 2020). The
parts are named as in the checkpoints.
"""

from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 1e-12
_EMBEDDING = 128


class Albert(nn.Module):
    """Turns phonemes into features."""

    def __init__(self, tokens: int, size: int, inner: int, heads: int, layers: int, positions: int) -> None:
        super().__init__()
        self.embeddings = _Embeddings(tokens, positions)
        self.encoder = _Encoder(size, inner, heads, layers)

    def forward(self, tokens: Tensor, inside: Tensor) -> Tensor:
        """Return features of shape (batch, length, size).

        `tokens` and `inside` have shape (batch, length); `inside` is true up to the end of each sequence.
        """
        features: Tensor = self.encoder(self.embeddings(tokens), inside[:, None, None])
        return features


class _Embeddings(nn.Module):
    def __init__(self, tokens: int, positions: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(tokens, _EMBEDDING)
        self.position_embeddings = nn.Embedding(positions, _EMBEDDING)
        self.token_type_embeddings = nn.Embedding(2, _EMBEDDING)
        self.LayerNorm = nn.LayerNorm(_EMBEDDING, eps=_EPSILON)

    def forward(self, tokens: Tensor) -> Tensor:
        places = self.position_embeddings.weight[: tokens.shape[1]]
        return self.LayerNorm(self.word_embeddings(tokens) + places + self.token_type_embeddings.weight[0])


class _Encoder(nn.Module):
    def __init__(self, size: int, inner: int, heads: int, layers: int) -> None:
        super().__init__()
        self._layers = layers
        self.embedding_hidden_mapping_in = nn.Linear(_EMBEDDING, size)
        # One group of one layer: the names of a general ALBERT.
        self.albert_layer_groups = nn.ModuleList([_Group(size, inner, heads)])

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        x = self.embedding_hidden_mapping_in(x)
        for _ in range(self._layers):
            x = self.albert_layer_groups[0].albert_layers[0](x, inside)
        return x


class _Group(nn.Module):
    def __init__(self, size: int, inner: int, heads: int) -> None:
        super().__init__()
        self.albert_layers = nn.ModuleList([_Layer(size, inner, heads)])


class _Layer(nn.Module):
    def __init__(self, size: int, inner: int, heads: int) -> None:
        super().__init__()
        self.attention = _Attention(size, heads)
        self.ffn = nn.Linear(size, inner)
        self.ffn_output = nn.Linear(inner, size)
        self.full_layer_layer_norm = nn.LayerNorm(size, eps=_EPSILON)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        x = self.attention(x, inside)
        return self.full_layer_layer_norm(
            self.ffn_output(functional.gelu(self.ffn(x), approximate="tanh")) + x
        )


class _Attention(nn.Module):
    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.dense = nn.Linear(size, size)
        self.LayerNorm = nn.LayerNorm(size, eps=_EPSILON)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        query, key, value = (
            part(x).unflatten(-1, (self._heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=inside)
        return self.LayerNorm(self.dense(seen.transpose(1, 2).flatten(2)) + x)
