"""`glasshouse demo`: a page in the browser that shows what networks find in a picture."""

from __future__ import annotations

import errno
import socket
from argparse import Namespace

MOST_MODELS = 2  # side by side
REFUSALS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EAFNOSUPPORT)  # of host or port


def show(options: Namespace) -> int:
    """Serve the page until Ctrl-C.

    Raises:
        ValueError: more than two networks, the port is taken, or the host is none of this machine.
    """
    from glasshouse.commands.predict import open_model
    from glasshouse.prediction.demo.server import LOOPBACK, DemoServer

    models = options.model or [None]
    if len(models) > MOST_MODELS:
        raise ValueError(f"--model: the page compares {MOST_MODELS} networks. Got {len(models)} instead.")
    if not 0 <= options.port <= 65535:
        raise ValueError(f"--port must be from 0 (any free one) to 65535. Got {options.port} instead.")
    predictors = [open_model(model) for model in models]
    try:
        server = DemoServer(options.host, options.port, predictors)
    except socket.gaierror as error:
        raise ValueError(f"--host {options.host} is no address of this machine: {error.strerror}.") from error
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise ValueError(
            f"{options.host}:{options.port} cannot be served: {error.strerror}. Take another --port "
            "or --host."
        ) from error
    with server:
        for predictor in predictors:
            print(f"model: {predictor.name}")
        if options.host not in LOOPBACK:
            print("Anybody who reaches this machine can use the page.")
        print(f"open {server.address} (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")
    return 0
