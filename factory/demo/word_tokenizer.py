"""A tokenizer with a word list of its own, for policies that know few words."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors


def word_tokenizer(words: list[str]) -> Tokenizer:
    """Returns a tokenizer with one piece per known word, and T5's padding and end marks.

    >>> word_tokenizer(["push", "the"]).encode("push the").tokens
    ['\u2581push', '\u2581the', '</s>']
    """
    pieces = ["<pad>", "</s>", "<unk>", *(f"\u2581{word}" for word in words)]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer
