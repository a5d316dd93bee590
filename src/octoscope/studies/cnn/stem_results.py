"""What the convolutions in front of a policy see, as a folder of pictures and tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from octoscope.cnn.filters.feature_sheet import feature_maps_sheet
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.networks.policy_network import policy_network
from octoscope.cnn.stems.channel_removal import remove_channels
from octoscope.cnn.stems.channel_statistics import channel_statistics
from octoscope.cnn.stems.channel_table import channel_table, layer_table
from octoscope.cnn.stems.contrast_response import contrast_response
from octoscope.cnn.stems.encoder_facts import encoder_facts
from octoscope.cnn.stems.encoder_reading import encoder_readings
from octoscope.cnn.stems.encoder_sheet import encoder_comparison_chart, encoder_table
from octoscope.cnn.stems.encoder_variants import encode_frames, encoder_variants
from octoscope.cnn.stems.nested_fields import nested_fields_sheet
from octoscope.cnn.stems.patch_targets import field_pixels, patch_pixels, patch_targets
from octoscope.cnn.stems.stem_kernels import stem_kernels, stem_kernels_sheet
from octoscope.cnn.stems.translation import shift_response
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.image_resize import resize_image
from octoscope.policies.octo.octo_policy import OctoPolicy
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel, as_policy
from octoscope.render.view import save_view
from octoscope.views.channel_effects_sheet import write_channel_effects
from octoscope.views.contrast_picture import contrast_response_chart


def write_stem_pictures(
    policy: PolicyModel | HoldsPolicy,
    episodes: Sequence[Episode],
    folder: Path,
    *,
    camera: str | None = None,
    step: int = 0,
    places: int = 8,
    dead_below: float = 0.0,
    alike_above: float = 0.95,
    seed: int = 0,
    figure_format: str = "png",
) -> dict[str, float]:
    """Writes what the convolutions of one camera's encoder see, and returns the figures worth a line.

    Files: stem_kernels.png, stem_field.png, stem_maps_LAYER.png (every channel, strongest first, on the first episode's `step`),
    stem_layers.csv and stem_channels.csv (dead, duplicates; over all frames of all episodes); with `places` above 0 channel_effects.png
    and .csv, channel_effects_LAYER.png (maps by effect on the action), and contrast.png.

    Args:
      policy: An Octo: of other families no encoder is opened as a network yet.
      episodes: All count for statistics; the first is shown.
      folder: An existing one.
      camera: Name of the image tokenizer; the first by default.
      step: Of the first episode, whose frame is shown.
      places: Steps at which channels are removed, one each of the first episodes, a third of the way; 0 for no interventions. On two cores
        the embedded policy takes a minute for 8.
      dead_below: See `layer_table`.
      alike_above: See `layer_table`.
      seed: Of the noise.
      figure_format: Of the pictures: "png", "svg" or "pdf".

    Raises:
      SelectionError: If there is no such camera or step, or the policy is no Octo.
      EpisodeError: If no episode has the camera.
    """
    model = _octo(policy)
    network = policy_network(model, camera)
    camera = network.name.removeprefix(f"{model.name} ")
    seen = [_frames(model, camera, episode) for episode in episodes if camera in episode.images]
    if not seen:
        raise EpisodeError(f"None of the episodes has frames of the camera '{camera}'.")
    if not 0 <= step < len(seen[0]):
        raise SelectionError(f"`step` must be in 0..{len(seen[0]) - 1} for the first episode, got {step}.")
    shown = seen[0][step]
    save_view(stem_kernels_sheet(stem_kernels(model, camera)), folder / f"stem_kernels.{figure_format}")
    grid = network.layers[-1].size
    save_view(nested_fields_sheet(network, shown, (grid[0] // 2, grid[1] // 2)), folder / f"stem_field.{figure_format}")
    layers = [layer.name for layer in network.layers if layer.kind == "relu"] or [network.layers[-1].name]
    known = channel_statistics(network, (frame for frames in seen for frame in frames), layers)
    layer_table(known, dead_below=dead_below, alike_above=alike_above).write(folder, "stem_layers")
    channel_table(known, dead_below=dead_below, alike_above=alike_above).write(folder, "stem_channels")
    figures = {}
    for name, one in known.items():
        sheet = feature_maps_sheet(network, shown, name, most=None)
        save_view(sheet, folder / f"stem_maps_{name.replace('/', '-')}.{figure_format}")
        figures[f"{name} dead"] = float(len(one.dead(threshold=dead_below)))
        figures[f"{name} duplicates"] = float(len(one.duplicates(threshold=alike_above)))
        figures[f"{name} effective channels"] = one.effective
    chosen = [(episode, len(episode) // 3) for episode in episodes if camera in episode.images][:places]
    if not chosen:
        return figures
    effects = [remove_channels(model, chosen, one, camera=camera, seed=seed) for one in known.values()]
    write_channel_effects(folder, effects, figure_format=figure_format)
    for one in effects:
        sizes, order = one.mean_size("mean"), one.strongest("mean")
        notes = {number: f"action {sizes[number]:.2g}" for number in order}
        sheet = feature_maps_sheet(network, shown, one.layer.name, order, notes=notes, order="by effect on the action")
        save_view(sheet, folder / f"channel_effects_{one.layer.name.replace('/', '-')}.{figure_format}")
        figures[f"{one.layer.name} strongest channel"] = float(order[0])
        figures[f"{one.layer.name} strongest effect"] = float(sizes[order[0]])
        figures[f"{one.layer.name} random channel's effect"] = float(sizes.mean())
    figures["noise floor"] = effects[0].noise_floor
    try:
        contrast = contrast_response(model, chosen, seed=seed)
    except SelectionError:
        # An encoder without norms: there is nothing to hold.
        return figures
    save_view(contrast_response_chart(contrast), folder / f"contrast.{figure_format}")
    for place, factor in enumerate(contrast.factors):
        figures[f"contrast x {factor:g}"] = float(contrast.as_is[:, place].mean())
        figures[f"contrast x {factor:g}, first norm held"] = float(contrast.norm_held[:, place].mean())
        figures[f"contrast x {factor:g}, all norms held"] = float(contrast.all_held[:, place].mean())
    return figures


def write_encoder_comparison(
    policy: PolicyModel | HoldsPolicy,
    episodes: Sequence[Episode],
    folder: Path,
    *,
    camera: str | None = None,
    shifts: Sequence[int] = (1, 2, 4, 8, 12, 15, 16),
    every: int = 4,
    seed: int = 0,
    figure_format: str = "png",
) -> dict[str, float]:
    """Writes encoders.png and encoders.csv: the policy's own encoder beside untrained ones and raw pixels; returns the scores.

    Args:
      policy: An Octo: of other families no encoder is opened as a network yet.
      episodes: At least three with the camera; whole episodes are held out.
      folder: An existing one.
      camera: Name of the image tokenizer; the first by default.
      shifts: In pixels, up to the encoder's stride.
      every: Shifts are done on every so many frames.
      seed: Of the random weights.
      figure_format: Of the picture: "png", "svg" or "pdf".

    Raises:
      SelectionError: If there is no such camera.
      EpisodeError: If fewer than three episodes have the camera.
    """
    model = _octo(policy)
    network = policy_network(model, camera)
    camera = network.name.removeprefix(f"{model.name} ")
    held = [episode for episode in episodes if camera in episode.images]
    if len(held) < 3:
        raise EpisodeError(
            f"Reading needs episodes to hold out: at least 3 with the camera '{camera}', got {len(held)}. Give a dataset of more."
        )
    frames = np.concatenate([_frames(model, camera, episode) for episode in held])
    number = np.repeat(np.arange(len(held)), [len(episode.images[camera]) for episode in held])
    variants = encoder_variants(model, camera, seeds=(seed,))
    patch = layer_field(network, network.layers[-1].name).rows.stride
    tokens = {name: encode_frames(one, frames) for name, one in variants.items()}
    tokens |= {"pixels of the patch": patch_pixels(frames, patch=patch)}
    tokens |= {"pixels twice as wide": field_pixels(frames, patch=patch)}
    masks, objects = _masks(held, camera, (frames.shape[1], frames.shape[2]))
    readings = encoder_readings(
        tokens, patch_targets(frames, patch=patch, masks=masks, objects=objects), episodes=number
    )
    facts = [encoder_facts(one, name=name, repeats=10) for name, one in variants.items()]
    some = slice(None, None, every)
    responses = [
        shift_response(one, frames[some], episodes=number[some], shifts=shifts, name=name)
        for name, one in variants.items()
    ]
    note = f"{model.name} {camera}; {len(frames)} frames of {len(held)} episodes. {model.note}".strip()
    save_view(encoder_comparison_chart(facts, readings, responses, note=note), folder / f"encoders.{figure_format}")
    encoder_table(facts, readings, responses).write(folder, "encoders")
    return {
        f"{name}: {target}": reading.r2 for name, row in readings.readings.items() for target, reading in row.items()
    }


def _octo(policy: PolicyModel | HoldsPolicy) -> OctoModel:
    known = as_policy(policy)
    if not isinstance(known, OctoPolicy):
        raise SelectionError(
            f"The convolutions of an Octo are shown; {known.card.name} is of the family '{known.card.family}'. `octoscope cnn layers` and "
            "`octoscope cnn features` show those of every family."
        )
    return known.model


def _frames(model: OctoModel, camera: str, episode: Episode) -> np.ndarray:
    """Returns a camera's frames at the size that the encoder takes."""
    size = policy_network(model, camera).input_size
    return np.stack([resize_image(frame, size) for frame in episode.images[camera]])


def _masks(episodes: Sequence[Episode], camera: str, size: tuple[int, int]) -> tuple[np.ndarray | None, int]:
    """Returns the masks of all frames and how many objects there are; None where they are not known for all, or of another size."""
    name = f"mask_{camera}"
    masks = [np.asarray(episode.extras[name]) for episode in episodes if name in episode.extras]
    kinds = [np.asarray(episode.extras["object_color"]) for episode in episodes if "object_color" in episode.extras]
    if len(masks) < len(episodes) or len(kinds) < len(episodes) or any(each.shape[1:] != size for each in masks):
        return None, 0
    return np.concatenate(masks).astype(np.int64), int(kinds[0].shape[1])
