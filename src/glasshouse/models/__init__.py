"""Networks: backbones, necks and heads, one file each, and how they are put together."""
