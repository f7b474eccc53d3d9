"""`edgewright target probe`: this machine as a target, measured here and now. Needs no hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.formats import counted, size, words
from edgewright.cli.output import DryRun, Json, say, say_done, show_facts, show_json

if TYPE_CHECKING:
    from edgewright.cli.probing.machine import Machine


def probe(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the profile there, as TOML.")] = None,
    name: Annotated[
        str, typer.Option("--id", help="The target's id; the file's or this machine's name if left out.")
    ] = "",
    seconds: Annotated[float, typer.Option(help="How long to measure.", min=0.5, max=600)] = 6.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure this machine and describe it as a target.

    What it is made of, which runtimes are installed, and what one core does in a second: float32 and int8
    multiplications by ONNX Runtime, and copying in memory. Of seven rounds the median counts. Needs no hub.
    """
    import platform
    import time

    from edgewright.cli.probing.machine import measure
    from edgewright.cli.probing.profile import describe

    _check_free(output)
    say(f"asking each runtime, then measuring for about {seconds:g} s; let nothing else run meanwhile")
    machine = measure(seconds, time.time)
    target_id = name or _id_of(output.stem if output else platform.node())
    text = describe(machine, target_id)
    if as_json:
        show_json(machine)
    else:
        _show(machine)
    if output is None:
        if not as_json:
            say("\n" + text.rstrip())
        return
    if not dry_run:
        _write(output, text)
    say_done(
        f"{output} describes this machine as target {target_id}", f"edgewright target add {output}", dry_run=dry_run
    )


def _show(machine: Machine) -> None:
    rates = machine.rates
    spread = f"; rounds differ by up to {rates.spread:.0%}" if rates.spread > 0.2 else ""
    show_facts(
        machine,
        [
            ("processor", lambda one: one.name),
            ("arch", lambda one: one.arch),
            ("hardware", lambda one: words(one.hardware_ids)),
            ("cores", lambda one: str(one.cores)),
            ("clock", lambda one: f"{one.clock_hz / 1e9:.2f} GHz" if one.clock_hz else ""),
            ("instructions", lambda one: words(one.isa, "none of those that we know")),
            ("memory", lambda one: size(one.ram_bytes)),
            ("runtimes", lambda one: words(f"{name} {version}" for name, version in sorted(one.runtimes.items()))),
            ("float32", lambda one: f"{one.rates.fp32_gflops:.3g} GFLOP/s on one core"),
            ("int8", lambda one: f"{one.rates.int8_gops:.3g} Gop/s on one core"),
            ("copying", lambda one: f"{one.rates.memory_gb_s:.3g} GB/s read and written"),
            ("measured", lambda one: f"here, {one.when}, {counted(rates.rounds, 'round')}, {rates.runtime}{spread}"),
        ],
        as_json=False,
    )


def _id_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "this-machine"


def _check_free(output: Path | None) -> None:
    """Before minutes go into measuring."""
    from edgewright.contract.errors import InvalidInput

    if output is not None and output.exists():
        raise InvalidInput(f"{output} is there already", field="output", hint="Name another file.")


def _write(output: Path, text: str) -> None:
    from edgewright.contract.errors import InvalidInput

    try:
        output.write_text(text)
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror or error}", field="output") from error
