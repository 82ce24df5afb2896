"""The diffusion bridge against known answers.

With the exact score of a known distribution in place of a trained network the bridge has a closed
form: between two Gaussians it is the optimal transport map of each to the standard normal and back,
in one dimension the monotone map F2^-1(F1(x)).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg, ndimage, special

from USToMRILib.bridge import ddib, ddic, decode, encode
from USToMRILib.errors import Cancelled, InputError
from USToMRILib.progress import CancelToken, Progress
from USToMRILib.schedule import Schedule
from USToMRILib.solvers import ddim_step

M1, S1 = np.array([0.6, -0.3]), np.array([[0.5, 0.3], [0.3, 0.4]])
M2, S2 = np.array([-0.5, 0.4]), np.array([[0.3, -0.2], [-0.2, 0.6]])


class GaussianEps:
    """The exact eps of N(mean, covariance) over images flattened to vectors."""

    def __init__(self, mean, covariance, schedule):
        self.mean = torch.as_tensor(mean, dtype=torch.float64)
        self.covariance = torch.as_tensor(covariance, dtype=torch.float64)
        self.schedule = schedule

    def __call__(self, x, t):
        ab = self.schedule.at(int(t[0]))
        noisy = ab * self.covariance + (1 - ab) * torch.eye(len(self.mean), dtype=torch.float64)
        offset = x.flatten(1) - ab**0.5 * self.mean
        return ((1 - ab) ** 0.5 * torch.linalg.solve(noisy, offset.T).T).view_as(x)


def gaussian_bridge(x):
    transport = linalg.sqrtm(S2) @ linalg.inv(linalg.sqrtm(S1))
    return M2 + (x - M1) @ transport.T


def gaussian_error(steps, schedule):
    points = np.random.default_rng(0).multivariate_normal(M1, S1, 500)
    x = torch.from_numpy(points).view(-1, 1, 1, 2)
    nets = GaussianEps(M1, S1, schedule), GaussianEps(M2, S2, schedule)
    y = ddib(x, *nets, steps=steps, schedule=schedule)
    return float(np.sqrt(np.mean((y.view(-1, 2).numpy() - gaussian_bridge(points)) ** 2)))


@pytest.mark.parametrize(("steps", "rms"), [(50, 0.099), (1000, 0.0063)])
def test_gaussian_bridge_is_as_close_as_another_implementation_of_explicit_euler(steps, rms):
    assert rms / 2 < gaussian_error(steps, Schedule.linear()) < rms


def test_gaussian_bridge_converges_at_first_order():
    errors = [gaussian_error(steps, Schedule.cosine()) for steps in (125, 250, 500)]
    for coarse, fine in zip(errors, errors[1:]):
        assert 1.7 < coarse / fine < 2.3


class MixtureEps:
    """The exact eps of a one-dimensional mixture of Gaussians."""

    def __init__(self, weights, means, deviations, schedule):
        self.parameters = [
            torch.tensor(p, dtype=torch.float64) for p in (weights, means, deviations)
        ]
        self.schedule = schedule

    def __call__(self, x, t):
        weights, means, deviations = self.parameters
        ab = self.schedule.at(int(t[0]))
        with torch.enable_grad():
            point = x.detach().reshape(-1, 1).requires_grad_(True)
            variance = ab * deviations**2 + 1 - ab
            exponent = -((point - ab**0.5 * means) ** 2) / (2 * variance)
            log_density = torch.logsumexp(exponent + weights.log() - variance.log() / 2, 1)
            (score,) = torch.autograd.grad(log_density.sum(), point)
        return (-((1 - ab) ** 0.5) * score).view_as(x)

    def cdf(self, x):
        weights, means, deviations = (p.numpy() for p in self.parameters)
        return (weights * special.ndtr((x[:, None] - means) / deviations)).sum(1)


def test_one_dimensional_bridge_is_the_monotone_map_between_the_distributions():
    schedule = Schedule.cosine()
    source = MixtureEps([0.4, 0.6], [-0.7, 0.5], [0.15, 0.25], schedule)
    target = MixtureEps([0.7, 0.3], [-0.3, 0.8], [0.3, 0.1], schedule)
    x = np.linspace(-1.0, 1.0, 41)
    y = (
        ddib(torch.from_numpy(x).view(-1, 1, 1, 1), source, target, schedule=schedule)
        .flatten()
        .numpy()
    )
    assert (np.diff(y) > 0).all()
    # F2(y) = F1(x), compared as probabilities: quantiles are ill-conditioned between the modes.
    assert np.abs(target.cdf(y) - source.cdf(x)).max() < 0.02


def test_decoding_what_was_encoded_returns_the_image():
    schedule = Schedule.cosine()
    net = GaussianEps(M1, S1, schedule)
    x = torch.tensor([[0.3, 0.1], [0.9, -0.6]], dtype=torch.float64).view(-1, 1, 1, 2)
    assert (decode(encode(x, net, schedule), net, schedule) - x).abs().max() < 0.02


def test_a_step_follows_the_ddim_equation():
    schedule = Schedule.cosine()
    x, eps = torch.tensor([[[[0.4]]]]), torch.tensor([[[[-0.7]]]])
    seen = []

    def net(x, t):
        seen.append(t.tolist())
        return eps

    ab = schedule.alpha_bar
    up = ddim_step(x, net, schedule, -1, 0)
    # alpha-bar of level -1 is 1: the clean image is x itself, and eps is asked for at t = 0.
    assert up.item() == pytest.approx(ab[1] ** 0.5 * 0.4 + (1 - ab[1]) ** 0.5 * -0.7, abs=1e-6)
    down = ddim_step(x, net, schedule, 500, 499)
    clean = (0.4 - (1 - ab[501]) ** 0.5 * -0.7) / ab[501] ** 0.5
    assert down.item() == pytest.approx(
        ab[500] ** 0.5 * clean + (1 - ab[500]) ** 0.5 * -0.7, abs=1e-6
    )
    assert seen == [[0], [500]]


def pixel_nets(schedule, size=12):
    """Two smooth Gaussian image models with different contrast."""
    place = np.arange(size * size)
    rows, columns = place // size, place % size
    distance = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    smooth = 0.3 * np.exp(-distance / 4) + 0.02 * np.eye(size * size)
    rough = 0.5 * np.exp(-distance / 2) + 0.02 * np.eye(size * size)
    ramp = np.linspace(-0.5, 0.5, size * size)
    return GaussianEps(ramp, smooth, schedule), GaussianEps(-ramp, rough, schedule)


# The gradient of a mean over 144 pixels instead of 16384 is larger by their ratio.
LR = 3.0 * 144 / 16384


def reference_ddic(x0, us_net, mri_net, alpha_bar, lr, kernel):
    """The published algorithm at 1000 steps, one image, from its equations and numpy's median."""
    count = len(alpha_bar) - 1

    def step(x, net, a, b):
        eps = net(x, torch.tensor([max(a, 0)]))
        clean = (x - np.sqrt(1 - alpha_bar[a + 1]) * eps) / np.sqrt(alpha_bar[a + 1])
        return np.sqrt(alpha_bar[b + 1]) * clean + np.sqrt(1 - alpha_bar[b + 1]) * eps

    def median(image):
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(image[0, 0].detach().numpy(), kernel // 2, mode="reflect"), (kernel, kernel)
        )
        flat = windows.reshape(*windows.shape[:2], -1)
        chosen = np.argsort(flat, axis=-1)[..., kernel * kernel // 2]
        place = np.pad(
            np.arange(image.numel()).reshape(image.shape[2:]), kernel // 2, mode="reflect"
        )
        places = np.lib.stride_tricks.sliding_window_view(place, (kernel, kernel))
        picks = np.take_along_axis(places.reshape(flat.shape), chosen[..., None], -1)
        return image.flatten()[torch.from_numpy(picks[..., 0].copy())]

    x = x0
    for level in range(-1, count - 1):
        x = step(x, us_net, level, level + 1)
    y = x.clone()
    for level in range(count - 1, -1, -1):
        x = step(x, us_net, level, level - 1)
        y_t = y.clone().requires_grad_(True)
        correlation = torch.corrcoef(
            torch.stack(
                [median(x).flatten(), median(step(y_t, mri_net, level, level - 1)).flatten()]
            )
        )[0, 1]
        (-correlation).backward()
        y = step(y_t.detach() - lr * y_t.grad, mri_net, level, level - 1)
    return y


def test_ddic_is_the_published_algorithm():
    schedule = Schedule.cosine(40)
    us_net, mri_net = pixel_nets(schedule)
    generator = torch.Generator().manual_seed(1)
    x0 = torch.randn(1, 1, 12, 12, generator=generator, dtype=torch.float64) * 0.4
    expected = reference_ddic(x0, us_net, mri_net, schedule.alpha_bar, lr=3.0, kernel=3)
    found = ddic(x0, us_net, mri_net, steps=40, lr=3.0, median_kernel=3, schedule=schedule)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    plain = ddib(x0, us_net, mri_net, steps=40, schedule=schedule)
    assert (found - plain).abs().max() > 0.01


def test_ddic_without_gradient_step_is_ddib():
    schedule = Schedule.cosine(40)
    nets = pixel_nets(schedule)
    x0 = torch.linspace(-1, 1, 144, dtype=torch.float64).view(1, 1, 12, 12)
    still = ddic(x0, *nets, steps=40, lr=0.0, schedule=schedule)
    torch.testing.assert_close(still, ddib(x0, *nets, steps=40, schedule=schedule))


def test_ddic_raises_the_correlation_and_gives_each_image_of_a_batch_its_own():
    schedule = Schedule.cosine(40)
    nets = pixel_nets(schedule)
    generator = torch.Generator().manual_seed(2)
    batch = torch.randn(3, 1, 12, 12, generator=generator, dtype=torch.float64) * 0.4
    together = ddic(batch, *nets, steps=40, schedule=schedule, lr=LR)
    plain = ddib(batch, *nets, steps=40, schedule=schedule)

    def correlations(y):
        return [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(batch, y)]

    assert np.all(np.array(correlations(together)) > np.array(correlations(plain)))
    for image, translated in zip(batch, together):
        alone = ddic(image[None], *nets, steps=40, schedule=schedule, lr=LR)[0]
        torch.testing.assert_close(alone, translated, rtol=0, atol=1e-9)


def test_fewer_ddic_steps_move_the_image_as_far_in_total():
    schedule = Schedule.cosine(200)
    nets = pixel_nets(schedule)
    generator = torch.Generator().manual_seed(3)
    x0 = torch.randn(1, 1, 12, 12, generator=generator, dtype=torch.float64) * 0.4

    def pull(steps):
        moved = ddic(x0, *nets, steps=steps, schedule=schedule, lr=LR)
        return (moved - ddib(x0, *nets, steps=steps, schedule=schedule)).norm().item()

    assert pull(50) == pytest.approx(pull(200), rel=0.15)


@pytest.mark.parametrize("bridge", [ddib, ddic])
@pytest.mark.parametrize("arguments", [{"steps": 1}, {"steps": 1001}, {"solver": "magic"}])
def test_what_cannot_be_run_is_refused_before_any_work(bridge, arguments):
    def net(x, t):
        raise AssertionError("no work may be done")

    with pytest.raises(InputError, match="choose from"):
        bridge(torch.zeros(1, 1, 8, 8), net, net, **arguments)


def test_a_nan_on_the_way_stops_the_run_and_names_the_level():
    schedule = Schedule.cosine(10)

    def net(x, t):
        return x * (float("nan") if int(t[0]) >= 5 else 1.0)

    with pytest.raises(FloatingPointError, match="level 6"):
        ddib(torch.ones(1, 1, 8, 8), net, net, steps=10, schedule=schedule)


def test_a_cancel_is_obeyed_within_one_step():
    schedule, token = Schedule.cosine(20), CancelToken()
    nets = pixel_nets(schedule)
    events = []

    def listen(event):
        events.append(event)
        if event.phase == "decode" and event.step == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        ddic(
            torch.zeros(1, 1, 12, 12, dtype=torch.float64),
            *nets,
            steps=20,
            schedule=schedule,
            progress=Progress(listen, token),
        )
    assert [e.step for e in events if e.phase == "decode"] == [1, 2, 3]
    assert all(e.of == 20 for e in events)


def test_median_reference_of_this_file_is_scipys():
    image = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(4))
    from USToMRILib.median import median_filter

    expected = ndimage.median_filter(image[0, 0].numpy(), size=5, mode="mirror")
    np.testing.assert_array_equal(median_filter(image, 5)[0, 0].numpy(), expected)
