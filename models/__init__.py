"""The networks. `catalog` lists them without importing torch; `build` makes one."""
