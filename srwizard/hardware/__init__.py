"""The machine: devices, NVML, cgroups."""
