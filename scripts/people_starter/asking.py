"""What the model is asked in training beside the motion's name: where people are, and how they hold themselves.

Comes in: a layer's tokens, and what the drawing knows. Goes out: losses. Never becomes part of the model that is saved.
"""

import torch
from torch.nn import functional

import clips
from figures import JOINTS, REGIONS


class Regions(torch.nn.Module):
    """Asks a layer's tokens for the shares of head, torso, arms and legs in each cell of their patches."""

    def __init__(self, config):
        super().__init__()
        self.grid = (config.num_frames // config.tubelet_size, config.image_size // config.patch_size)
        self.cells = config.patch_size // clips.CELL
        self.tubelet = config.tubelet_size
        self.answer = torch.nn.Sequential(
            torch.nn.LayerNorm(config.hidden_size),
            torch.nn.Linear(config.hidden_size, len(REGIONS) * config.tubelet_size * self.cells**2),
        )

    def loss(self, tokens, kept, cells):
        """`kept` [clips, tokens] are the tokens' numbers; `cells` are [clips, regions, frames, rows, columns], from 0 to 1."""
        count, (times, side), own = len(cells), self.grid, self.cells
        wanted = cells.view(count, len(REGIONS), times, self.tubelet, side, own, side, own)
        wanted = wanted.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(count, times * side * side, -1)
        wanted = wanted.gather(1, kept[..., None].expand(-1, -1, wanted.shape[-1]))
        given = self.answer(tokens).float()
        return functional.binary_cross_entropy_with_logits(given, wanted, pos_weight=torch.tensor(3.0))


class Joints(torch.nn.Module):
    """Asks the last layer, a tubelet's tokens together, where hips, head, knees, ankles, elbows and hands are."""

    def __init__(self, config):
        super().__init__()
        self.slots, self.tubelet = config.num_frames // config.tubelet_size, config.tubelet_size
        self.tokens_a_slot = (config.image_size // config.patch_size) ** 2
        self.answer = torch.nn.Sequential(
            torch.nn.LayerNorm(config.hidden_size),
            torch.nn.Linear(config.hidden_size, config.tubelet_size * 2 * (2 * len(JOINTS))),
        )

    def loss(self, tokens, kept, joints):
        """`joints` are [clips, frames, places, 2]. Which of two hands is the left one cannot always be seen: either will do."""
        count = len(joints)
        slot = functional.one_hot(kept // self.tokens_a_slot, self.slots).to(tokens.dtype)
        pooled = slot.transpose(1, 2) @ tokens / slot.sum(1).clamp(min=1)[..., None]
        given = self.answer(pooled).float().view(count, self.slots, self.tubelet, -1, 2)
        wanted = joints.view(count, self.slots, self.tubelet, -1, 2)
        alone = functional.smooth_l1_loss(given[..., :2, :], wanted[..., :2, :], beta=0.2)
        # Knees and ankles go together, elbows and hands, too.
        limbs = lambda places: places[..., 2:, :].unflatten(-2, (2, 2, 2))  # noqa: E731
        straight = functional.smooth_l1_loss(limbs(given), limbs(wanted), beta=0.2, reduction="none")
        exchanged = functional.smooth_l1_loss(limbs(given), limbs(wanted).flip(-2), beta=0.2, reduction="none")
        either = torch.minimum(straight.mean((2, 4, 5, 6)), exchanged.mean((2, 4, 5, 6)))
        return 0.4 * alone + 0.6 * either.mean()
