"""Class names that are most likely one name, spelt in two ways.

Two names are told apart by nothing but case, spaces, hyphens or underscores, or one is rare and a slip of the
keyboard away from the other. A slip changes at most one letter (two in words of eight and more; F. Damerau,
"A technique for computer detection and correction of spelling errors", CACM 1964: an insertion, an omission,
a substitution or a transposition of neighbours), seldom the first one (Yannakoudakis, Fawthrop, "The rules of
spelling errors", 1983), and no digit: `cat` and `car`, `class 1` and `class 2`, `typical` and `atypical`,
`infected` and `uninfected` are names in their own right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

MOST_CLASSES = 100  # with more of them, words lie close together by chance: only their spelling is compared
SHORTEST = 3  # letters of a word in which a slip can be told from another word
RARE_PICTURES, RARE_SHARE, TIMES = 2, 0.01, 5  # a slip is rare beside the name that was meant


def find_typos(pictures: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Class name -> (the more frequent name that was probably meant, what tells them apart).

    Args:
        pictures: how many pictures show each class.
    """
    ranked = sorted(pictures, key=lambda name: (-pictures[name], name))
    meant: dict[str, str] = {}
    typos: dict[str, tuple[str, str]] = {}
    for name in ranked:
        if len(fold(name)) >= SHORTEST and fold(name) in meant:
            typos[name] = (meant[fold(name)], "case, spaces or hyphens alone")
        meant.setdefault(fold(name), name)
    if len(ranked) <= MOST_CLASSES:
        for place, name in enumerate(ranked):
            slip = next((other for other in ranked[:place] if _is_slip(name, other, pictures)), None)
            if name not in typos and slip is not None:
                typos[name] = (slip, "a slip of the keyboard")
    return typos


def fold(name: str) -> str:
    """The name without case, spaces, hyphens and underscores; numbers stay apart."""
    return re.sub(r"(?<!\d) | (?!\d)", "", " ".join(split_words(name)))


def split_words(name: str) -> list[str]:
    """Words of a name, without case."""
    return [
        word for word in re.split(r"[\s_\-]+", unicodedata.normalize("NFKC", name).casefold().strip()) if word
    ]


def _is_slip(name: str, other: str, pictures: Mapping[str, int]) -> bool:
    few, many = pictures[name], pictures[other]
    if not 0 < few <= max(RARE_PICTURES, RARE_SHARE * many) or many < TIMES * few:
        return False
    words, others = split_words(name), split_words(other)
    pairs = [(word, meant) for word, meant in zip(words, others, strict=False) if word != meant]
    return len(words) == len(others) and bool(pairs) and all(is_misspelt(*pair) for pair in pairs)


def is_misspelt(word: str, meant: str) -> bool:
    """Whether one word can be a slip in writing the other; both without case.

    In a word of three letters only swapped neighbours and a doubled letter are slips.
    """
    shorter = min(len(word), len(meant))
    if shorter < SHORTEST or word[0] != meant[0]:
        return False
    if re.findall(r"\d+", word) != re.findall(r"\d+", meant):
        return False
    distance = count_edits(word, meant)
    if shorter == SHORTEST:
        doubled = len(word) != len(meant) and re.sub(r"(.)\1", r"\1", max(word, meant, key=len)) == min(
            word, meant, key=len
        )
        return distance == 1 and (doubled or sorted(word) == sorted(meant))
    contained = word in meant or meant in word
    return distance == 1 or (distance == 2 and shorter >= 8 and not contained)


def count_edits(word: str, other: str) -> int:
    """Insertions, omissions, substitutions and transpositions of neighbours between two words.

    The restricted Damerau-Levenshtein distance (optimal string alignment).
    """
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
