"""Text → numbers of word pieces, as BERT's lower-case tokenizer does it."""

import re
import unicodedata


def pieces(text: str, vocabulary: dict[str, int]) -> list[int]:
    """The longest known pieces of each word, from its left; ``##`` marks those that go on."""
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    found = []
    for word in re.findall(r"[^\W_]+|[^\w\s]|_", text):
        start, own = 0, []
        while start < len(word):
            mark = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary)
            end = next(ends, None)
            if end is None:
                own = [vocabulary["[UNK]"]]
                break
            own.append(vocabulary[mark + word[start:end]])
            start = end
        found += own
    return found


def sentence(text: str, vocabulary: dict[str, int], most: int) -> list[int]:
    """The numbers that BERT gets for a text: its start, at most so many pieces with the two marks, its end."""
    return [vocabulary["[CLS]"], *pieces(text, vocabulary)[: most - 2], vocabulary["[SEP]"]]
