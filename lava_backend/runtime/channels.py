"""Lava's channels without helper threads: the same shared memory and the same order of messages, a fraction of the time.

Each of Lava's own ports runs a thread that waits for a semaphore and passes the news on to a queue, so that every message
wakes four threads. Here a port waits for the semaphores itself: ``req`` counts messages, ``ack`` free places.

This is enough for circuits in which each process waits for one channel at a time: no VarPorts, one runtime service.
"""
from __future__ import annotations

from multiprocessing import Semaphore
from typing import Any

import numpy as np
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort, Proto, PyPyChannel
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.runtime import Runtime


class _Places:
    """The places of a channel in shared memory, as Lava's port, the other base class, has been told of them."""

    _shm: Any
    _nbytes: int
    _shape: tuple[int, ...]
    _dtype: Any
    _size: int
    _idx: int
    _array: list[np.ndarray]

    def start(self) -> None:
        buffer, step = self._shm.buf, self._nbytes
        self._array = [np.ndarray(self._shape, self._dtype, buffer[step * i:step * (i + 1)]) for i in range(self._size)]


class DirectSendPort(_Places, CspSendPort):
    """Sends; blocks while the channel is full."""

    def probe(self) -> bool:
        free = self._ack.acquire(False)
        if free:
            self._ack.release()
        return free

    def send(self, data: np.ndarray) -> None:
        if data.shape != self._shape:
            raise AssertionError(f"{self._name}: data of shape {data.shape} for a channel of shape {self._shape}")
        self._ack.acquire()
        self._array[self._idx][:] = data
        self._idx = (self._idx + 1) % self._size
        self._req.release()


class DirectRecvPort(_Places, CspRecvPort):
    """Receives; blocks while the channel is empty."""

    def start(self) -> None:
        super().start()
        self._waiting = False       # a message has been counted that is not yet taken

    def probe(self) -> bool:
        """Whether there is a message. Where a selector asks (it sets ``observer``), the answer is waited for."""
        self._waiting = self._waiting or self._req.acquire(self.observer is not None)
        return self._waiting

    def peek(self) -> np.ndarray:
        self._waiting = self._waiting or self._req.acquire()
        return self._array[self._idx].copy()

    def recv(self) -> np.ndarray:
        result = self.peek()
        self._waiting = False
        self._idx = (self._idx + 1) % self._size
        self._ack.release()
        return result


class DirectChannel(PyPyChannel):
    """A channel of direct ports."""

    def __init__(self, message_infrastructure: MultiProcessing, src_name: str, dst_name: str, shape: tuple[int, ...], dtype: Any, size: int,
                 *watchdogs: object, **named: object):
        dtype = np.int32 if dtype == 4 else dtype       # Lava's own code for int32 in channels of its runtime
        nbytes = int(self.nbytes(shape, dtype))
        shm = message_infrastructure.smm.create_shared_memory(nbytes * size)
        proto, req, ack = Proto(shape=shape, dtype=dtype, nbytes=nbytes), Semaphore(0), Semaphore(size)
        self._src_port = DirectSendPort(src_name, shm, proto, size, req, ack, None, _Join())
        self._dst_port = DirectRecvPort(dst_name, shm, proto, size, req, ack, None, _Join())


class _Join:
    """Lava's watchdog around ``join`` of a port; here there is nothing to watch."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class DirectMessaging(MultiProcessing):
    """Lava's multi-processing with direct channels."""

    def channel_class(self, channel_type: ChannelType) -> type:
        return DirectChannel if channel_type == ChannelType.PyPy else super().channel_class(channel_type)


class DirectRuntime(Runtime):
    """Lava's runtime with direct channels."""

    def _build_message_infrastructure(self) -> None:
        self._messaging_infrastructure = DirectMessaging()
        self._messaging_infrastructure.start()


def start(process: AbstractProcess, run_config: RunConfig) -> DirectRuntime:
    """Compile a process with all that are connected to it, and start its runtime."""
    executable = process.compile(run_config)
    runtime = process._runtime = DirectRuntime(executable, ActorType.MultiProcessing)
    executable.assign_runtime_to_all_processes(runtime)
    runtime.initialize()
    return runtime
