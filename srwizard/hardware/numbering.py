"""By which numbers CUDA knows the GPUs of a machine."""

AS_NVIDIA_SMI = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Environment in which they are those of nvidia-smi and NVML; CUDA's own put the fastest first."""
