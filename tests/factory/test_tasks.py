"""Tasks and the words for them."""

import numpy as np
import pytest

from factory.tabletop.instructions import bind_meaning, draw_templates, object_name, write_instructions
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import take
from factory.tabletop.tasks import PUSH, PUSH_ROOM, PUT_NEXT_TO, another_task, sample_tasks
from octoscope.embedded.instructions import (
    FIRST_HELD_OUT,
    NOUNS,
    TEMPLATES,
    TEMPLATES_PER_FAMILY,
    read_instruction,
    word_list,
)
from octoscope.errors import ObservationError


@pytest.mark.parametrize("held_out", [False, True])
def test_instructions_are_read_back_as_the_task_they_were_made_from(held_out):
    rng = np.random.default_rng(0)
    scenes = sample_scenes(rng, 150)
    task = sample_tasks(rng, scenes)
    for row, instruction in enumerate(write_instructions(rng, scenes, task, held_out=held_out)):
        back = bind_meaning(read_instruction(instruction), take(scenes, slice(row, row + 1)))
        assert (back.family[0], back.target[0]) == (task.family[row], task.target[row])
        assert back.reference[0] != back.target[0]
        assert task.family[row] != PUT_NEXT_TO or back.reference[0] == task.reference[row]
        assert task.family[row] != PUSH or back.direction[0] == task.direction[row]


def test_training_never_draws_a_held_out_template():
    rng = np.random.default_rng(0)
    assert set(draw_templates(rng, 2000).tolist()) == set(range(FIRST_HELD_OUT))
    assert set(draw_templates(rng, 2000, held_out=True).tolist()) == set(range(FIRST_HELD_OUT, TEMPLATES_PER_FAMILY))
    assert all(len(templates) == TEMPLATES_PER_FAMILY for templates in TEMPLATES)
    assert len({template for templates in TEMPLATES for template in templates}) == 3 * TEMPLATES_PER_FAMILY


def test_held_out_templates_use_known_words_only():
    trained = {word for templates in TEMPLATES for template in templates[:FIRST_HELD_OUT] for word in template.split()}
    held_out = {word for templates in TEMPLATES for template in templates[FIRST_HELD_OUT:] for word in template.split()}
    assert held_out <= trained


def test_every_instruction_is_made_of_the_word_list_and_short():
    rng = np.random.default_rng(1)
    scenes = sample_scenes(rng, 300)
    for instruction in write_instructions(rng, scenes, sample_tasks(rng, scenes)):
        assert set(instruction.split()) <= set(word_list())
        assert len(instruction.split()) <= 11
    assert len({noun for nouns in NOUNS for noun in nouns}) == sum(map(len, NOUNS))


def test_unreadable_instructions_say_what_is_understood():
    with pytest.raises(ObservationError, match="pick up the red cube"):
        read_instruction("juggle the red cube")


def test_an_object_that_is_not_there_is_named_with_those_that_are():
    scenes = sample_scenes(np.random.default_rng(0), 1)
    there = {object_name(scenes, 0, index) for index in range(4)}
    missing = next(f"{c} {s}" for c in ("red", "green", "blue") for s in ("cube", "ball") if f"{c} {s}" not in there)
    with pytest.raises(ObservationError, match=object_name(scenes, 0, 0)):
        bind_meaning(read_instruction(f"pick up the {missing}"), scenes)


def test_pushes_have_room():
    rng = np.random.default_rng(0)
    scenes = sample_scenes(rng, 500)
    task = sample_tasks(rng, scenes, family=PUSH)
    outwards = scenes.position[np.arange(500), task.target, 0] * task.direction
    assert outwards.max() <= PUSH_ROOM


def test_another_task_is_about_another_object():
    rng = np.random.default_rng(0)
    scenes = sample_scenes(rng, 500)
    task = sample_tasks(rng, scenes, family=PUT_NEXT_TO)
    other = another_task(rng, scenes, task)
    assert (other.target != task.target).all()
    assert (other.target != task.reference).all()
    assert (other.target != other.reference).all()
