"""Another user of the card: `-m tests.gpu.holder BYTES_LEFT` holds all but so much."""

import sys
import time

import torch


def main() -> None:
    free, _total = torch.cuda.mem_get_info()
    held = torch.empty(max(0, free - int(sys.argv[1])), dtype=torch.uint8, device="cuda")
    held.fill_(1)
    torch.cuda.synchronize()
    print("held", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
