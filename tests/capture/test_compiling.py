"""One compile for episodes of different lengths and instructions."""

import dataclasses

import jax

import octoscope as osc


def test_lengths_and_words_do_not_compile_again(demo_episode):
    compiled: list[str] = []

    def note(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    model = osc.OctoModel.load_pretrained("drawn")
    jax.monitoring.register_event_duration_secs_listener(note)
    osc.attend(model, demo_episode, steps=[0, 1])
    assert compiled
    first = len(compiled)
    images = {camera: frames[:4] for camera, frames in demo_episode.images.items()}
    short = dataclasses.replace(demo_episode, images=images, actions=None, instruction="pick the red cube up")
    osc.attend(model, short)
    osc.attend(model, demo_episode, steps=[7], instruction="ball")
    assert len(compiled) == first
