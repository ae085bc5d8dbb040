"""PPO of TorchRL on Family: ``python -m kgwalk.agents.examples.torchrl_ppo``. Needs ``pip install 'kgwalk[torchrl]'``.

Candidates are scored by embeddings of their relations (``kgwalk.integrations.candidates``), so that what is learnt
about one family holds for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from torchrl.collectors import Collector
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from kgwalk.integrations.torchrl import make_actor_critic, make_torchrl_env


def hits(actor: Any, dataset: str, walks: int = 2000) -> float:
    """Share of sampled walks over the valid queries that end at their target."""
    env = make_torchrl_env(dataset, walks, split="valid")
    env.set_seed(1)
    with torch.no_grad():
        return float(env.rollout(100, actor)["next", "reward"].sum() / walks)


def train(dataset: str, steps: int, *, num_envs: int = 128, epochs: int = 4, seed: int = 0) -> Any:
    """The actor after about so many steps of the environment."""
    torch.manual_seed(seed)
    env = make_torchrl_env(dataset, num_envs)
    env.set_seed(seed)
    actor, critic = make_actor_critic(env)
    advantage = GAE(gamma=1.0, lmbda=0.95, value_network=critic, deactivate_vmap=True)
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.1, normalize_advantage=True, functional=False)
    optimizer = torch.optim.Adam(loss.parameters(), lr=3e-3)
    batch = num_envs * 24
    collector = Collector(
        env,
        actor,
        frames_per_batch=batch,
        total_frames=-(-steps // batch) * batch,
        auto_register_policy_transforms=False,
    )
    for done, data in enumerate(collector):
        loss.entropy_coeff.fill_(0.1 * max(0.0, 1 - 2 * done * batch / steps))
        for _ in range(epochs):
            with torch.no_grad():
                advantage(data)
            for part in data.reshape(-1)[torch.randperm(batch)].split(512):
                losses = loss(part)
                optimizer.zero_grad()
                sum(losses[key] for key in ("loss_objective", "loss_critic", "loss_entropy")).backward()
                torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
                optimizer.step()
        print(f"{(done + 1) * batch:>9,} steps, {hits_of(data):.3f} of walks hit", flush=True)
    collector.shutdown()
    return actor


def hits_of(data: Any) -> float:
    """Share of the walks in a batch that hit."""
    return float(data["next", "reward"].sum() / data["next", "done"].sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="KGWalk-Family")
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    actor = train(options.dataset, options.steps, seed=options.seed)
    print(f"{hits(actor, options.dataset):.3f} of sampled walks over valid hit")


if __name__ == "__main__":
    main()
