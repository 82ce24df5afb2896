"""The metrics against answers known in closed form, or against another implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from USToMRILib import InputError
from USToMRILib.evaluation import cross_correlation, distribution, fidelity, information, perceptual
from USToMRILib.evaluation.metrics import METRICS, choose_metrics
from USToMRILib.evaluation.pairing import Pair


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_psnr_and_mae_of_a_constant_difference():
    reference = np.full((1, 9, 9), 100.0)
    assert fidelity.psnr(reference, reference + 25.5) == pytest.approx(20)
    assert fidelity.psnr(reference, reference) == fidelity.PSNR_LIMIT_DB
    assert fidelity.mean_absolute_error(reference, reference - 3) == pytest.approx(3)


@pytest.mark.parametrize("shape", [(1, 12, 15), (8, 9, 10)])
def test_ssim_of_constant_images_is_its_luminance_term(shape):
    a, b, c1 = 60.0, 90.0, (0.01 * 255) ** 2
    found = fidelity.ssim_map(np.full(shape, a), np.full(shape, b))
    assert found.shape == shape
    np.testing.assert_allclose(found, (2 * a * b + c1) / (a**2 + b**2 + c1), rtol=1e-6)


def test_ssim_says_when_an_image_is_too_thin():
    with pytest.raises(InputError, match="7 voxels"):
        fidelity.ssim_map(np.zeros((3, 20, 20)), np.zeros((3, 20, 20)))


@pytest.mark.parametrize("whole_grey_levels", [False, True])
def test_kraskov_finds_the_information_of_two_gaussians(random, whole_grey_levels):
    rho = 0.8
    x, noise = random.normal(size=(2, 6000))
    x, y = 128 + 20 * x, 128 + 20 * (rho * x + np.sqrt(1 - rho**2) * noise)
    if whole_grey_levels:
        x, y = np.rint(x), np.rint(y)
    assert information.kraskov(x, y) == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.03)


def test_histogram_information_of_two_values():
    x = np.tile([10.0, 10.0, 200.0, 200.0], 50)
    independent = np.tile([30.0, 150.0, 30.0, 150.0], 50)
    assert information.histogram(x, 255 - x) == pytest.approx(np.log(2))
    assert information.histogram(x, independent) == pytest.approx(0, abs=1e-12)
    assert information.normalised(x, 255 - x) == pytest.approx(2)
    assert information.normalised(x, independent) == pytest.approx(1)


def test_correlation_follows_a_line_and_its_local_form_either_sign(random):
    reference = random.uniform(0, 255, (1, 40, 50))
    everywhere = np.ones(reference.shape, bool)
    half = reference / 2 + 10
    half[..., 25:] = 200 - half[..., 25:]
    left = everywhere.copy()
    left[..., 20:] = False
    assert cross_correlation.normalised(reference[left], half[left]) == pytest.approx(1)
    assert cross_correlation.normalised(reference[left], -half[left]) == pytest.approx(-1)
    both = left | (np.indices(reference.shape)[2] > 30)
    assert cross_correlation.local(reference, half, both) == pytest.approx(1)
    noise = random.uniform(0, 255, reference.shape)
    assert cross_correlation.local(reference, noise, everywhere) < 0.1
    with pytest.raises(InputError, match="constant"):
        cross_correlation.normalised(reference.ravel(), np.ones(reference.size))
    assert cross_correlation.local(reference, np.ones(reference.shape), everywhere) == 0


@pytest.fixture
def alexnet(tmp_path):
    """A file like torchvision's, with random weights."""
    torch.manual_seed(0)
    features = perceptual.alexnet_features()
    state = {f"features.{key}": value for key, value in features.state_dict().items()}
    path = tmp_path / "alexnet.pth"
    torch.save({**state, "classifier.1.weight": torch.zeros(1)}, path)
    return path, features


def test_lpips_is_that_of_torchmetrics(alexnet, random, monkeypatch):
    from torchmetrics.functional.image import lpips as theirs

    path, features = alexnet
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda *_: features)
    reference, image = random.uniform(0, 255, (2, 2, 96, 80))
    oracle = theirs._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    colour = [
        torch.from_numpy(array).float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
        for array in (reference, image)
    ]
    net = perceptual.load_lpips(path)
    expected = float(oracle(*colour).mean())
    assert expected > 0
    assert net.distance(reference, image) == pytest.approx(expected, rel=1e-4)
    assert net.distance(reference, reference) == 0


def test_lpips_takes_images_as_small_as_its_network_can(alexnet):
    net = perceptual.load_lpips(alexnet[0])
    least = np.zeros((1, 31, 40))
    assert net.distance(least, least + 9) >= 0
    with pytest.raises(InputError, match="at least 31 x 31"):
        net.distance(least[:, 1:], least[:, 1:])


def test_lpips_without_weights_says_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match="--lpips-weights"):
        choose_metrics(["lpips"], None, regions=False)
    (tmp_path / "other.pth").write_bytes(b"no weights")
    with pytest.raises(InputError, match="not torchvision's AlexNet"):
        perceptual.load_lpips(tmp_path / "other.pth")


def test_frechet_distance_is_that_of_torchmetrics_and_of_a_shift(random):
    from torchmetrics.image.fid import _compute_fid

    mix = random.normal(size=(6, 6))
    real, made = random.normal(size=(200, 6)) @ mix, random.normal(size=(150, 6)) * 2 + 1
    statistics = [
        torch.from_numpy(np.asarray(s))
        for f in (real, made)
        for s in (f.mean(axis=0), np.cov(f, rowvar=False))
    ]
    distance = distribution.frechet_from(real)
    assert distance(made) == pytest.approx(float(_compute_fid(*statistics)), rel=1e-6)
    assert distance(real + np.arange(6)) == pytest.approx(np.square(np.arange(6)).sum())
    # Fewer images than features, where a covariance matrix has no inverse.
    wide = random.normal(size=(5, 40))
    assert distribution.frechet_from(wide)(wide + 1) == pytest.approx(40)


def test_kernel_distance_is_that_of_torchmetrics(random):
    from torchmetrics.image.kid import poly_mmd

    real, made = random.normal(size=(30, 8)), random.normal(size=(30, 8)) + 0.5
    expected = float(poly_mmd(torch.from_numpy(real), torch.from_numpy(made)))
    assert distribution.kernel_from(real)(made) == pytest.approx(expected)


def test_offline_features_tell_tones_and_textures_apart(random):
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(random.uniform(0, 255, (12, 64, 64)), (0, 3, 3))
    extractor = distribution.offline_extractor()
    assert not extractor.inception
    assert "not Inception" in extractor.name
    first, second = extractor.features(smooth[:6]), extractor.features(smooth[6:])
    distance = distribution.frechet_from(first)
    rough = extractor.features(smooth[6:] + random.normal(0, 20, smooth[6:].shape))
    brighter = extractor.features(smooth[6:] + 60)
    assert distance(second) * 5 < min(distance(rough), distance(brighter))


class _MeanColour(torch.nn.Module):
    """Stands in for Inception: the mean of each colour."""

    def forward(self, images: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return images.float().mean((2, 3))


def test_inception_is_read_from_a_file(tmp_path):
    torch.jit.script(_MeanColour()).save(str(tmp_path / "inception.pt"))
    extractor = distribution.inception_extractor(tmp_path / "inception.pt")
    assert extractor.inception
    found = extractor.features(np.stack([np.full((8, 8), 7.4), np.full((8, 8), 250.0)]))
    np.testing.assert_array_equal(found, [[7, 7, 7], [250, 250, 250]])
    (tmp_path / "other.pt").write_bytes(b"no network")
    with pytest.raises(InputError, match="TorchScript"):
        distribution.inception_extractor(tmp_path / "other.pt")


def test_metrics_of_the_foreground_do_not_see_the_rest(head_slice, random):
    inside = np.zeros(head_slice.array.shape, bool)
    inside[:, 100:200, 80:240] = True
    reference = random.uniform(0, 255, inside.shape)
    image = (reference + random.normal(0, 10, inside.shape)).clip(0, 255)
    other = np.where(inside, image, 255 - image)
    for name, metric in METRICS.items():
        if metric.needs == "foreground" and name != "lncc":  # its windows reach over the edge
            values = [
                metric.measure(
                    Pair(head_slice.with_array(reference), head_slice.with_array(array), inside)
                )
                for array in (image, other)
            ]
            assert values[0] == values[1], name


def test_every_metric_prints_its_settings():
    assert all(metric.settings for metric in METRICS.values())


def test_a_metric_that_cannot_be_computed_is_refused_before_work_begins():
    with pytest.raises(InputError, match="choose from ssim, "):
        choose_metrics(["sim"], None, regions=False)
    with pytest.raises(InputError, match="--rois"):
        choose_metrics(["cnr"], None, regions=False)


def test_missing_packages_are_named_in_one_sentence(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install '\.\[evaluation\]'"):
        choose_metrics(["ssim"], None, regions=False)
