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

from Testing.bridge.reference_bridge import median, reference_ddic
from USToMRILib.bridge.diffusion_bridge import ddib, ddic, decode, encode, residual
from USToMRILib.bridge.imposed import PULLED_AT_ONCE, Imposed
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.bridge.similarity import SIMILARITIES
from USToMRILib.bridge.solvers import SOLVERS, ddim_step
from USToMRILib.errors import Cancelled, InputError
from USToMRILib.fetal.diffusion import DEFAULT_SOLVER, STEPS
from USToMRILib.progress import CancelToken, Progress

M1, S1 = np.array([0.6, -0.3]), np.array([[0.5, 0.3], [0.3, 0.4]])
M2, S2 = np.array([-0.5, 0.4]), np.array([[0.3, -0.2], [-0.2, 0.6]])


class GaussianEps:
    """The exact eps of N(mean, covariance) over images flattened to vectors."""

    def __init__(self, mean, covariance, schedule):
        self.mean = torch.as_tensor(mean, dtype=torch.float64)
        covariance = torch.as_tensor(covariance, dtype=torch.float64)
        self.variances, self.axes = torch.linalg.eigh(covariance)
        self.schedule = schedule

    def __call__(self, x, t):
        ab = self.schedule.at(int(t[0]))
        offset = (x.flatten(1) - ab**0.5 * self.mean) @ self.axes
        whitened = (offset / (ab * self.variances + 1 - ab)) @ self.axes.T
        return ((1 - ab) ** 0.5 * whitened).view_as(x)

    def flow(self, x, level, next_level):
        """Where the ODE carries vectors x [N, D] from one level to another."""
        here, there = self.schedule.at(level), self.schedule.at(next_level)
        variances = (there * self.variances + 1 - there) / (here * self.variances + 1 - here)
        offset = (x - here**0.5 * self.mean) @ self.axes * variances.sqrt()
        return there**0.5 * self.mean + offset @ self.axes.T


def gaussian_bridge(x):
    transport = linalg.sqrtm(S2) @ linalg.inv(linalg.sqrtm(S1))
    return M2 + (x - M1) @ transport.T


def gaussian_error(steps, schedule, solver="ddim"):
    points = np.random.default_rng(0).multivariate_normal(M1, S1, 500)
    x = torch.from_numpy(points).view(-1, 1, 1, 2)
    nets = GaussianEps(M1, S1, schedule), GaussianEps(M2, S2, schedule)
    y = ddib(x, *nets, steps=steps, solver=solver, schedule=schedule)
    return float(np.sqrt(np.mean((y.view(-1, 2).numpy() - gaussian_bridge(points)) ** 2)))


def linear():
    """The schedule of Ho et al. 2020."""
    return Schedule.from_betas(np.linspace(1e-4, 0.02, 1000))


@pytest.mark.parametrize(("steps", "rms"), [(50, 0.099), (1000, 0.0063)])
def test_gaussian_bridge_is_as_close_as_another_implementation_of_explicit_euler(steps, rms):
    assert rms / 2 < gaussian_error(steps, linear()) < rms


def test_gaussian_bridge_converges_at_first_order():
    errors = [gaussian_error(steps, Schedule.cosine()) for steps in (125, 250, 500)]
    for coarse, fine in zip(errors, errors[1:]):
        assert 1.7 < coarse / fine < 2.3


def test_the_default_steps_of_second_order_come_as_close_as_a_thousand_of_first():
    for schedule in (Schedule.cosine(), linear()):
        assert gaussian_error(STEPS[DEFAULT_SOLVER], schedule, DEFAULT_SOLVER) < 0.0063


@pytest.mark.parametrize(("solver", "order"), [("ddim", 1), ("dpm++2m", 2)])
@pytest.mark.parametrize("way", ["up", "down"])
def test_each_solver_converges_at_its_order(solver, order, way):
    # So many levels that rounding to them does not show.
    schedule = Schedule.cosine(200_000)
    net = GaussianEps(M1, S1, schedule)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(50, 2)))
    log_snr = np.log(schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:])) / 2
    errors = []
    for steps in (16, 32, 64):
        levels = np.searchsorted(-log_snr, np.linspace(-2, 2, steps + 1))
        levels = [int(level) for level in (levels if way == "up" else levels[::-1])]
        walk, y = SOLVERS[solver](net, schedule), x.view(-1, 1, 1, 2)
        for level, next_level in zip(levels, levels[1:]):
            y = walk.step(y, level, next_level)
        expected = net.flow(x, levels[0], levels[-1])
        errors.append(float((y.view(-1, 2) - expected).square().mean().sqrt()))
    for coarse, fine in zip(errors, errors[1:]):
        assert np.log2(coarse / fine) == pytest.approx(order, abs=0.25)


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


@pytest.mark.parametrize(("solver", "steps"), [("ddim", 1000), ("dpm++2m", 24)])
def test_one_dimensional_bridge_is_the_monotone_map_between_the_distributions(solver, steps):
    schedule = Schedule.cosine()
    source = MixtureEps([0.4, 0.6], [-0.7, 0.5], [0.15, 0.25], schedule)
    target = MixtureEps([0.7, 0.3], [-0.3, 0.8], [0.3, 0.1], schedule)
    x = np.linspace(-1.0, 1.0, 41)
    images = torch.from_numpy(x).view(-1, 1, 1, 1)
    y = ddib(images, source, target, steps, solver, schedule).flatten().numpy()
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


def images(seed, count):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, 12, 12, generator=generator, dtype=torch.float64) * 0.4


# The gradient of a mean over 144 pixels instead of 16384 is larger by their ratio.
LR = 3.0 * 144 / 16384


def test_ddic_is_the_published_algorithm():
    schedule = Schedule.cosine(40)
    us_net, mri_net = pixel_nets(schedule)
    x0 = images(1, 1)
    levels = list(range(-1, 40))
    expected = reference_ddic(x0, us_net, mri_net, schedule.alpha_bar, levels, lr=3.0, kernel=3)
    found = ddic(x0, us_net, mri_net, steps=40, lr=3.0, median_kernel=3, schedule=schedule)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    plain = ddib(x0, us_net, mri_net, steps=40, schedule=schedule)
    assert (found - plain).abs().max() > 0.01


@pytest.mark.parametrize("solver", SOLVERS)
def test_ddic_without_gradient_step_is_ddib(solver):
    schedule = Schedule.cosine(40)
    nets = pixel_nets(schedule)
    x0 = torch.linspace(-1, 1, 144, dtype=torch.float64).view(1, 1, 12, 12)
    still = ddic(x0, *nets, steps=20, solver=solver, lr=0.0, schedule=schedule)
    torch.testing.assert_close(still, ddib(x0, *nets, 20, solver, schedule=schedule))


def correlations(x, y):
    return np.array([np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(x, y)])


@pytest.mark.parametrize("solver", SOLVERS)
def test_ddic_raises_the_correlation_and_gives_each_image_of_a_batch_its_own(solver):
    schedule = Schedule.cosine(40)
    nets = pixel_nets(schedule)
    options = {"steps": 20, "solver": solver, "schedule": schedule}
    batch = images(2, 3)
    together = ddic(batch, *nets, lr=LR, **options)
    plain = ddib(batch, *nets, **options)
    assert np.all(correlations(batch, together) > correlations(batch, plain))
    for image, translated in zip(batch, together):
        alone = ddic(image[None], *nets, lr=LR, **options)[0]
        torch.testing.assert_close(alone, translated, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("solver", "steps"), [("ddim", 50), ("dpm++2m", 16)])
def test_fewer_steps_make_the_published_picture(solver, steps):
    schedule = Schedule.cosine(200)
    nets = pixel_nets(schedule)
    x0 = images(3, 1)
    published = ddic(x0, *nets, steps=200, lr=LR, schedule=schedule)
    pull = (published - ddib(x0, *nets, steps=200, schedule=schedule)).norm()
    fewer = ddic(x0, *nets, steps, solver, lr=LR, schedule=schedule)
    moved = (fewer - ddib(x0, *nets, steps, solver, schedule=schedule)).norm()
    assert moved.item() == pytest.approx(pull.item(), rel=0.15)
    assert correlations(published, fewer)[0] > 0.99
    assert (fewer - published).norm() < 0.5 * pull


def test_a_pull_of_many_published_steps_is_taken_in_parts():
    x, y = images(6, 2), images(7, 2)
    imposed = Imposed(lr=LR)
    parts = y
    for _ in range(3):
        parts = imposed.pull(x, parts, PULLED_AT_ONCE)
    torch.testing.assert_close(imposed.pull(x, y, 3 * PULLED_AT_ONCE), parts)
    y.requires_grad_(True)
    (gradient,) = torch.autograd.grad(imposed.similarities(imposed.filtered(x), y).sum(), y)
    torch.testing.assert_close(imposed.pull(x, y, 2.0), (y + 2.0 * LR * gradient).detach())


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("solver", ["ddim", "dpm++2m"])
def test_every_similarity_is_raised(similarity, solver):
    schedule = Schedule.cosine(40)
    nets = pixel_nets(schedule)
    x0 = images(4, 1)
    options = {"steps": 20, "solver": solver, "schedule": schedule}
    measure = SIMILARITIES[similarity]
    pulled = ddic(x0, *nets, lr=LR, similarity=similarity, median_kernel=1, **options)
    assert measure(x0, pulled) > measure(x0, ddib(x0, *nets, **options))


def test_the_residual_shows_where_an_image_left_the_bridge():
    schedule = Schedule.cosine(40)
    nets = pixel_nets(schedule)
    x0 = images(5, 1).clamp(-0.9, 0.9)
    y = ddib(x0, *nets, 40, "dpm++2m", schedule=schedule)
    changed = y.clone()
    changed[..., 8:11, 8:11] += 0.5
    way = {"steps": 40, "solver": "dpm++2m", "schedule": schedule}
    consistent, differs = (residual(x0, image, *nets, **way) for image in (y, changed))
    assert consistent.max() < 0.05
    assert differs[..., 8:11, 8:11].mean() > 5 * differs[..., :5, :5].mean() > 0


@pytest.mark.parametrize("bridge", [ddib, ddic])
@pytest.mark.parametrize(
    "arguments",
    [{"steps": 1}, {"steps": 1001}, {"steps": 1, "solver": "dpm++2m"}, {"solver": "magic"}],
)
def test_what_cannot_be_run_is_refused_before_any_work(bridge, arguments):
    def net(x, t):
        raise AssertionError("no work may be done")

    with pytest.raises(InputError, match="choose from"):
        bridge(torch.zeros(1, 1, 8, 8), net, net, **arguments)


@pytest.mark.parametrize("arguments", [{"similarity": "magic"}, {"median_kernel": 4}])
def test_what_cannot_be_imposed_is_refused_before_any_work(arguments):
    def net(x, t):
        raise AssertionError("no work may be done")

    with pytest.raises(InputError, match=r"choose from pearson|odd width"):
        ddic(torch.zeros(1, 1, 8, 8), net, net, **arguments)


def test_a_nan_on_the_way_stops_the_run_and_names_the_level():
    schedule = Schedule.cosine(10)

    def net(x, t):
        return x * (float("nan") if int(t[0]) >= 5 else 1.0)

    with pytest.raises(FloatingPointError, match="level 6"):
        ddib(torch.ones(1, 1, 8, 8), net, net, steps=10, schedule=schedule)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_nan_of_the_mri_network_stops_the_reverse_ode(solver):
    schedule = Schedule.cosine(20)
    us_net, mri_net = pixel_nets(schedule)

    def failing(x, t):
        return mri_net(x, t) * (float("nan") if int(t[0]) < 5 else 1.0)

    with pytest.raises(FloatingPointError, match=r"at level -?[0-4] of"):
        ddic(
            torch.zeros(1, 1, 12, 12, dtype=torch.float64),
            us_net,
            failing,
            steps=20,
            solver=solver,
            schedule=schedule,
        )


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_cancel_is_obeyed_within_one_step(solver):
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
            solver=solver,
            schedule=schedule,
            progress=Progress(listen, token),
        )
    assert [e.step for e in events if e.phase == "decode"] == [1, 2, 3]
    assert all(e.of == 20 for e in events)


def test_the_median_of_the_reference_is_scipys():
    image = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(4))
    expected = ndimage.median_filter(image[0, 0].numpy(), size=5, mode="mirror")
    np.testing.assert_array_equal(median(image, 5).view(9, 11), expected)
