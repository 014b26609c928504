"""Pretraining and fine-tuning: they learn what they should, and the same each time."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from pipeline.config.images import FineTune
from pipeline.encoders.devices import device_of
from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.fine_tuning import FineTuned, fine_tune
from pipeline.encoders.pretraining import pretrain, rotated
from pipeline.errors import ConfigError
from pipeline.hml.objective import Objective
from pipeline.hml.training import TrainingError

from .toy import HIERARCHY, encoder, images

CPU = torch.device("cpu")
PIXELS, LABELS = images(300)
OURS = Objective(variant="paper", mode="margin")


def upright(count: int, seed: int) -> np.ndarray:
    """Bars on the left alone: turned, each is somewhere else."""
    pixels, labels = images(4 * count, seed)
    return pixels[labels[:, [HIERARCHY.index["left"]]].toarray()[:, 0]]


def pretrained(epochs: int = 3, **options: Any) -> ImageEncoder:
    values = {"epochs": epochs, "seed": 0, "device": CPU, "workers": 0, "augment": True}
    return pretrain(encoder(), upright(400, 0), **values | options)


def tuned(rows: np.ndarray | None = None, labels: Any = LABELS, **options: Any) -> FineTuned:
    given: dict[str, Any] = {"seed": 0, "device": CPU, "workers": 0, "augment": False}
    given |= options
    epochs = given.pop("epochs", 2)
    rates = {"learning_rate": given.pop("rate", 3e-3), "head_learning_rate": 1e-2}
    rates["head_learning_rate"] = given.pop("head_rate", 1e-2)
    start = given.pop("start", None) or encoder()
    objective = given.pop("objective", OURS)
    chosen = FineTune(epochs=epochs, batch_size=32, **rates)
    return fine_tune(
        start,
        PIXELS,
        np.arange(200) if rows is None else rows,
        labels,
        HIERARCHY,
        objective,
        chosen,
        **given,
    )


def test_a_pretrained_encoder_tells_rotations() -> None:
    learnt = pretrained()
    accuracy = []
    x, y = [], []
    for seed in (1, 2):
        pixels = torch.from_numpy(upright(60, seed)).permute(0, 3, 1, 2)
        turned, count = rotated(pixels)
        x.append(learnt.embed(turned.permute(0, 2, 3, 1).contiguous().numpy()))
        y.append(count.numpy())
    accuracy = LogisticRegression(max_iter=500).fit(x[0], y[0]).score(x[1], y[1])
    assert accuracy > 0.6


def test_pretraining_lowers_its_loss_with_and_without_classes() -> None:
    for classes in (None, upright(400, 0).mean((1, 2, 3)).argsort() % 2):
        losses: list[float] = []
        pretrained(classes=classes, on_epoch=lambda _, loss, to=losses: to.append(loss))
        assert len(losses) == 3
        assert losses[-1] < losses[0] - 0.1


def test_pretraining_again_gives_the_same_bytes_and_leaves_the_given_encoder_alone() -> None:
    given, before = encoder(), encoder().files()
    assert pretrained(1).files() == pretrained(1).files()
    assert pretrained(1, seed=1).files() != pretrained(1).files()
    assert pretrained(0).files() == given.files() == before


def test_pretraining_on_some_rows_looks_at_these_alone() -> None:
    pixels, rows = upright(400, 0), np.arange(0, 300, 3)
    values: dict[str, Any] = {"epochs": 1, "seed": 0, "device": CPU, "workers": 0, "augment": True}
    some = pretrain(encoder(), pixels, rows=rows, **values)
    assert some.files() == pretrain(encoder(), pixels[rows], **values).files()


def test_quarters_of_a_batch_are_turned() -> None:
    x = torch.arange(5 * 4, dtype=torch.uint8).reshape(5, 1, 2, 2)
    turned, count = rotated(x)
    assert count.tolist() == [0, 0, 1, 2, 3]
    assert turned[1, 0].tolist() == [[4, 5], [6, 7]]
    assert turned[2, 0].tolist() == [[9, 11], [8, 10]]
    assert turned[3, 0].tolist() == [[15, 14], [13, 12]]
    assert rotated(x[:2])[1].tolist() == [0, 1]


def test_fine_tuning_beats_the_frozen_encoder() -> None:
    def precision(ours: ImageEncoder) -> float:
        features, labels = ours.embed(PIXELS), LABELS.toarray()
        found = []
        for node in range(len(HIERARCHY)):
            model = LogisticRegression(max_iter=500).fit(features[:200], labels[:200, node])
            scores = model.decision_function(features[200:])
            found.append(average_precision_score(labels[200:, node], scores))
        return float(np.mean(found))

    start = encoder(features=4)  # too few to say much before they are learnt
    learnt = tuned(epochs=12, start=start)
    assert learnt.losses[-1] < learnt.losses[0]
    assert precision(learnt.encoder) > precision(start) + 0.05


def test_encoder_and_heads_move_by_their_own_rates() -> None:
    start = encoder()
    first = dict(start.network.named_parameters())

    def moved(result: FineTuned) -> float:
        after = result.encoder.network.named_parameters()
        return max(float((value - first[name]).detach().abs().max()) for name, value in after)

    slow, fast = tuned(start=start, rate=1e-7), tuned(start=start, rate=1e-3)
    assert 0 < moved(slow) < 1e-5 < 1e-3 < moved(fast)
    heads = [tuned(start=start, head_rate=rate).heads.weights[0] for rate in (1e-7, 1e-2)]
    assert float((heads[0] - heads[1]).detach().abs().max()) > 1e-2


def test_fine_tuning_again_gives_the_same_bytes() -> None:
    one, other = tuned(augment=True), tuned(augment=True, workers=1)
    assert one.encoder.files() == other.encoder.files()
    for mine, theirs in zip(one.heads.parameters(), other.heads.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert one.encoder.files() != tuned(augment=True, seed=1).encoder.files()


def test_images_that_are_not_learnt_from_are_not_looked_at() -> None:
    rows = np.arange(0, 200, 2)
    other = sparse.csr_array(LABELS.multiply((np.arange(300) % 2 == 0)[:, None]))
    assert tuned(rows).encoder.files() == tuned(rows, other).encoder.files()


def test_heads_start_at_the_shares_of_nodes() -> None:
    learnt = tuned(epochs=1, rate=1e-12, head_rate=1e-12)
    share = (LABELS[:200].sum(0) + 0.5) / 201
    bias = learnt.heads.biases[0].detach().sigmoid().numpy()
    np.testing.assert_allclose(bias, np.broadcast_to(share, bias.shape), rtol=1e-5)
    assert bias.shape == (5, 1, len(HIERARCHY))


def test_unknown_and_unscored_labels_enter_no_loss() -> None:
    top = HIERARCHY.index["top"]
    scored = np.ones(len(HIERARCHY), np.bool_)
    scored[top] = False
    assert tuned(scored=scored).losses != tuned().losses
    dense, hidden = LABELS[:200].toarray(), np.zeros((200, len(HIERARCHY)), np.bool_)
    hidden[:, top] = dense[:, HIERARCHY.index["lying"]] & ~dense[:, top]
    assert tuned(unknown=sparse.csr_array(hidden)).losses != tuned().losses


def test_a_loss_that_leaves_the_numbers_ends_the_training() -> None:
    start = encoder()
    with torch.no_grad():
        for parameter in start.parameters():
            parameter.fill_(float("inf"))
    with pytest.raises(TrainingError, match="finite loss of the encoder, found nan"):
        tuned(start=start)


@pytest.mark.usefixtures("as_users_call_it")
def test_what_cannot_be_learnt_is_refused() -> None:
    with pytest.raises(ValueError, match="oversampling"):
        tuned(objective=Objective(baseline="oversampling"))
    with pytest.raises(ValueError, match="labels must have shape"):
        tuned(labels=LABELS[:10])
    with pytest.raises(ValueError, match="classes must have shape"):
        pretrained(classes=np.zeros(3, np.int64))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert device_of("auto") == device_of("cpu") == CPU
    with pytest.raises(ConfigError, match="expected a CUDA device for device: cuda, found none"):
        device_of("cuda")
