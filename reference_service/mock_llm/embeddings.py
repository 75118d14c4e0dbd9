"""Embeddings without a network, by two models: one from weights inside a wheel, one that needs none.

`wordllama-256` averages the 256-dimensional vectors of the tokens of a text and normalises. Weights and vocabulary are
the files inside the wheel `wordllama` (MIT); they are read as they are, since that package's own loader wants to
download. `hashed-ngrams-256` adds up signed hashes of words and of their letters in threes (feature hashing, Weinberger
et al. 2009): it sees the same words in two texts and no more. Names of other vendors' models are served by the first of
the two that there is, and the answer says by which.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

DIMENSIONS = 256
WORDLLAMA = "wordllama-256"
HASHED = "hashed-ngrams-256"
_ALIASES = re.compile(r"text-embedding-|voyage-|embed-")
_LONGEST_TOKENS = 8192
_LONGEST_WORD = 400
"""Characters; what is longer without a space is no word, and merged in parts: the work grows with the square."""
_SPACE = "▁"

Embed = Callable[[str], list[float]]


def model_for(name: str) -> str | None:
    """Which of the two serves this name; None: it is no known one."""
    if name == HASHED or (name == WORDLLAMA and _package() is not None):
        return name
    if _ALIASES.match(name):
        return WORDLLAMA if _package() is not None else HASHED
    return None


def embed(model: str, text: str) -> list[float]:
    """The unit vector of a text, by a model that `model_for` named."""
    return (_wordllama if model == WORDLLAMA else _hashed)(text)


def shortened(vector: Sequence[float], dimensions: int) -> list[float]:
    """The first so many dimensions, a unit vector again."""
    return _unit(vector[:dimensions])


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in vector))
    return [value / length for value in vector] if length else [0.0] * len(vector)


# --- Hashing ---------------------------------------------------------------------------------------------------------


def _hashed(text: str) -> list[float]:
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        marked = f"^{word}$"
        for part in (word, *(marked[start : start + 3] for start in range(len(marked) - 2))):
            digest = hashlib.blake2b(part.encode(errors="surrogatepass"), digest_size=4).digest()
            value = int.from_bytes(digest)
            vector[value % DIMENSIONS] += 1.0 if value & 0x8000_0000 else -1.0
    return _unit(vector)


# --- Weights from the wheel ------------------------------------------------------------------------------------------


@cache
def _package() -> Path | None:
    """Where the wheel's files are, without importing it."""
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder if (folder / "weights" / "l2_supercat_256.safetensors").is_file() else None


class _Vocabulary:
    """Byte-pair encoding with byte fallback, from the tokenizer file: a rank for each merge, an id for each piece."""

    def __init__(self, file: Path) -> None:
        model = json.loads(file.read_text(encoding="utf-8"))["model"]
        self._ids: Mapping[str, int] = model["vocab"]
        merges = [each.split(" ") if isinstance(each, str) else each for each in model["merges"]]
        self._ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}

    def ids(self, text: str) -> list[int]:
        """The tokens of a text. Merges do not cross the beginnings of words but where spaces follow each other."""
        found: list[int] = []
        for word in re.findall(rf"{_SPACE}+[^{_SPACE}]*", _SPACE + text.replace(" ", _SPACE)):
            for start in range(0, len(word), _LONGEST_WORD):
                found += self._of_word(word[start : start + _LONGEST_WORD])
        return found

    def _of_word(self, word: str) -> list[int]:
        parts = list(word)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, math.inf) for pair in pairwise(parts)]
            best = min(ranks)
            if best == math.inf:
                break
            place = ranks.index(best)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        found = []
        for part in parts:
            known = self._ids.get(part)
            found += (
                [known]
                if known is not None
                else [self._ids[f"<0x{byte:02X}>"] for byte in part.encode(errors="replace")]
            )
        return found


class _Weights:
    """A matrix of half-precision numbers in a safetensors file: 8 bytes of length, a JSON header, then the rows."""

    def __init__(self, file: Path) -> None:
        self._data = file.read_bytes()
        (length,) = struct.unpack_from("<Q", self._data)
        header = json.loads(self._data[8 : 8 + length])
        ((_, tensor),) = [(name, each) for name, each in header.items() if name != "__metadata__"]
        rows, columns = tensor["shape"]
        if tensor["dtype"] != "F16" or columns != DIMENSIONS:
            raise ValueError(f"found {tensor['dtype']} with {columns} columns, expected F16 with {DIMENSIONS}")
        self._start = 8 + length + tensor["data_offsets"][0]
        self.rows: int = rows
        self.row = lru_cache(maxsize=4096)(self._row)

    def _row(self, number: int) -> tuple[float, ...]:
        return struct.unpack_from(f"<{DIMENSIONS}e", self._data, self._start + number * DIMENSIONS * 2)


@cache
def _loaded() -> tuple[_Vocabulary, _Weights]:
    folder = _package()
    if folder is None:
        raise ModuleNotFoundError("found no wheel wordllama, expected its weights")
    return (
        _Vocabulary(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"),
        _Weights(folder / "weights" / "l2_supercat_256.safetensors"),
    )


def _wordllama(text: str) -> list[float]:
    vocabulary, weights = _loaded()
    rows = [weights.row(number) for number in vocabulary.ids(text)[:_LONGEST_TOKENS]]
    return _unit([sum(column) for column in zip(*rows, strict=True)])
