"""One compile for episodes of different lengths and instructions."""

import dataclasses

import jax
import pytest

import octoscope as osc


@pytest.fixture
def compiled():
    """Grows by one entry with each program that is compiled, or taken from jax's folder of compiled ones."""
    events: list[str] = []

    def note(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield events
    jax.monitoring.unregister_event_duration_listener(note)


def test_lengths_and_words_do_not_compile_again(demo_model, demo_episode, compiled):
    # Without what other tests have had compiled for it.
    model = dataclasses.replace(demo_model)
    osc.attend(model, demo_episode, steps=[0, 1])
    assert compiled
    first = len(compiled)
    images = {camera: frames[:4] for camera, frames in demo_episode.images.items()}
    short = dataclasses.replace(demo_episode, images=images, actions=None, instruction="pick the red cube up")
    osc.attend(model, short)
    osc.attend(model, demo_episode, steps=[7], options=osc.WatchOptions(instruction="ball"))
    assert len(compiled) == first
