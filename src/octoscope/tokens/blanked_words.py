"""Datasets whose words Octo never read: in 12 of the 58 it was trained on they were blanked, because they say too little.

From Octo's own list of datasets (octo/data/oxe, July 2024), whose functions put "" in the instruction's place.
"""

from collections.abc import Collection

BLANKED = (
    "kuka",
    "berkeley_cable_routing",
    "roboturk",
    "nyu_door_opening_surprising_effectiveness",
    "viola",
    "toto",
    "stanford_hydra_dataset_converted_externally_to_rlds",
    "austin_buds_dataset_converted_externally_to_rlds",
    "nyu_franka_play_dataset_converted_externally_to_rlds",
    "austin_sailor_dataset_converted_externally_to_rlds",
    "austin_sirius_dataset_converted_externally_to_rlds",
    "utaustin_mutex",
)


def blanked_words_remark(dataset: str, trained_on: Collection[str]) -> str:
    """Returns one sentence where a policy was trained on a dataset without its words; "" elsewhere.

    Args:
      dataset: Name of the episode's dataset.
      trained_on: Datasets that the policy has statistics of. Octo's own pre-training knows all 25 or more of its mixture; a policy that
        was fine-tuned on one dataset alone read what its user gave it.

    >>> blanked_words_remark("kuka", ["kuka", "bridge_dataset"])[:57]
    "Octo was trained on 'kuka' with every instruction blanked"
    >>> blanked_words_remark("bridge_dataset", ["kuka", "bridge_dataset"]), blanked_words_remark("kuka", ["kuka"])
    ('', '')
    """
    if dataset not in BLANKED or dataset not in trained_on or len(trained_on) < 2:
        return ""
    return (
        f"Octo was trained on '{dataset}' with every instruction blanked: it never saw words there, so what it does with these is "
        "no habit of its training."
    )
