"""Makes vectors.json and tokens.json: what the original model and tokenizer answer.

The model is computed here from the f32 weights by numpy alone, after Devlin et al. 2018
(https://arxiv.org/abs/1810.04805) and the configuration of sentence-transformers/all-MiniLM-L6-v2;
the tokens come from the `tokenizers` package.

    pip install numpy tokenizers safetensors
    python make.py DIRECTORY-WITH-model.safetensors-AND-tokenizer.json
"""

import base64
import json
import math
import pathlib
import sys

import numpy
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
WINDOW = 256

PROSE = (
    "The harbour master wrote down every ship that came in before the storm: its name, its cargo, "
    "the hour, and who had paid. Years later the ledger settled a quarrel that three courts had "
    "not been able to settle, because nobody had thought of asking the man who kept the lamp. "
)

TEXTS = [
    "",
    "hello world",
    "The user prefers dark mode and wants replies in German.",
    "Café naïve façade, Ångström, São Paulo; crème brûlée costs 4,50 €.",
    "東京都は日本の首都です。機械学習を勉強しています。",
    "서울은 대한민국의 수도이다",
    "fn main() { let xs: Vec<u32> = (0..10).map(|x| x * x).collect(); println!(\"{xs:?}\"); }",
    "SELECT id, created_at FROM knowledge WHERE category = 'general' ORDER BY updated_at DESC;",
    "Party at 8 🎉🎉 bring 🍕 and 👩\u200d👩\u200d👧 please!!!",
    "Что мы знаем о сроке годности записей в кэше?",
    "deploy key rotation every ninety days; last done by ops on 2026-10-03, ticket OPS-1187",
    PROSE * 6,
    PROSE,
]

TOKEN_TEXTS = TEXTS + [
    "   \t\n\r  ",
    "a\u0000b\ufffdc\u0007d",
    "e\u0301 e\u0301e\u0301 \u0301",
    "İstanbul IĞDIR ẞ Straße ΑΣΣΟΣ ǅ",
    "\u037e \u1fef \u212b \uf900",
    "x" * 100,
    "x" * 101,
    "unaffable embeddings tokenization antidisestablishmentarianism",
    "\u3000full\u2003width\u00a0spaces\u2028lines\u0085next\u000bvertical",
    "$100 + 5% = ~105 ^ `code` | <tag> \u00a7 \u00b6 \u00ab\u00bb \u2014 \u2026 \u3002",
    "ﬁne ｆｕｌｌ ² ½ ™",
    "\u200bzero\u200bwidth\ufeff soft\u00adhyphen",
    "\u0378 \ue000 \U000e0001 \U0010ffff \u06dd",
    "हिन्दी में लिखा हुआ पाठ",
    "สวัสดีชาวโลก",
    "שָׁלוֹם עולם",
    "السَّلامُ عليكم",
    "can't won't it's O'Neill's",
    "192.168.0.1:8080/path?query=1&other=two#fragment",
    "snake_case camelCase kebab-case SCREAMING_CASE",
    "##ing ##",
    "\U0001d15e \U0002f800 \U00020000 \U0002b825 \U0002ceb0",
    "ｶﾞ ガ が",
]


def erf(x):
    return numpy.vectorize(math.erf, otypes=[numpy.float64])(x)


def normalise(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    scaled = (x - mean) / numpy.sqrt(variance + 1e-12)
    return scaled * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def attention(x, weights, layer, heads=12):
    length, width = x.shape
    split = lambda y: y.reshape(length, heads, width // heads).transpose(1, 0, 2)
    query, key, value = (
        split(linear(x, weights, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(width // heads)
    scores = numpy.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    return (scores @ value).transpose(1, 0, 2).reshape(length, width)


def embed(tokens, weights):
    x = (
        weights["embeddings.word_embeddings.weight"][tokens]
        + weights["embeddings.position_embeddings.weight"][: len(tokens)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = normalise(x, weights, "embeddings.LayerNorm")
    for index in range(6):
        layer = f"encoder.layer.{index}"
        y = linear(attention(x, weights, layer), weights, f"{layer}.attention.output.dense")
        x = normalise(x + y, weights, f"{layer}.attention.output.LayerNorm")
        y = linear(x, weights, f"{layer}.intermediate.dense")
        y = 0.5 * y * (1 + erf(y / math.sqrt(2)))
        y = linear(y, weights, f"{layer}.output.dense")
        x = normalise(x + y, weights, f"{layer}.output.LayerNorm")
    pooled = x.mean(0)
    return pooled / numpy.linalg.norm(pooled)


def main():
    source = pathlib.Path(sys.argv[1])
    weights = {name: w.astype(numpy.float64) for name, w in load_file(source / "model.safetensors").items()}
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW)
    encode = lambda text: tokenizer.encode(text).ids
    vectors = []
    for text in TEXTS:
        scaled = numpy.round(embed(encode(text), weights) * 32767).astype("<i2")
        vectors.append({"text": text, "vector": base64.b64encode(scaled.tobytes()).decode()})
    tokens = [{"text": text, "tokens": encode(text)} for text in TOKEN_TEXTS]
    write("vectors.json", vectors)
    write("tokens.json", tokens)


def write(name, rows):
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
