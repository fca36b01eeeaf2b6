"""Parameters of the networks with EDSR's residual trunk."""

from srwizard.models.card import Parameter

NUM_FEATURES = Parameter(
    "num_features", 64, "int", "Channels of every block", "每块的通道数", minimum=1
)
RES_SCALE = Parameter(
    "res_scale",
    1.0,
    "float",
    "Factor on every residual; 0.1 keeps wide networks stable",
    "残差的缩放系数；较宽的网络取 0.1 更稳定",
    minimum=0,
    maximum=1,
)
ENCODER = (
    Parameter("num_features", 64, "int", "Channels of the encoder", "编码器的通道数", minimum=1),
    Parameter(
        "num_blocks", 16, "int", "Residual blocks of the encoder", "编码器的残差块数", minimum=1
    ),
)
"""Of a network that encodes the low-resolution field as EDSR-baseline does."""
