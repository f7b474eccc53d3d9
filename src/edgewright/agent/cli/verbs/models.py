"""`edgewright-agent models`: the models here, their contracts, and the apps that use them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.agent.cli import folder
from edgewright.contract.errors import NotFound

if TYPE_CHECKING:
    from edgewright.agent.status import ModelFacts


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    about = "Without a deed: each model with its contract, its target, its size, and what apps here require of it."
    verb = verbs.add_parser("models", help="the models here, and what apps require of them", description=about)
    verb.set_defaults(act=show)
    folder.add_dir(verb)
    _add_manners(verb, False)
    deeds = verb.add_subparsers(metavar="DEED")
    about = "The requirement holds an install back until the app declares another, or is forgotten."
    deed = deeds.add_parser("forget", help="forget what an app required that is gone", description=about)
    deed.set_defaults(act=forget)
    deed.add_argument("app", help="the app's name")
    deed.add_argument("--model", default="", help="for this model alone")
    _add_common(deed)
    for name, what in (("load", "start a model's worker now"), ("unload", "end a model's worker until it is asked")):
        deed = deeds.add_parser(name, help=f"{what}; the agent must run")
        deed.set_defaults(act=move, deed=name)
        deed.add_argument("model", help="the model's name")
        _add_common(deed)
    deed = deeds.add_parser("priority", help="whose worker gives way where memory is short: the lower ones")
    deed.set_defaults(act=prefer)
    deed.add_argument("model", help="the model's name")
    deed.add_argument("number", type=int, help="the higher is served first; others have 0")
    _add_common(deed)


def show(chosen: argparse.Namespace) -> int:
    """Say which models are here."""
    from edgewright.agent.status import model_facts, model_names

    root = folder.existing(chosen)
    found = [model_facts(root, name) for name in model_names(root)]
    _tell(chosen, found, "\n".join(_text(one) for one in found) or "no models yet")
    return 0


def forget(chosen: argparse.Namespace) -> int:
    """Forget an app."""
    from edgewright.agent.disk import apps

    root = folder.existing(chosen)
    if chosen.dry_run:
        declared = apps.declarations(root, chosen.model)
        count = sum(one.app == chosen.app for one in declared)
        if not count:
            raise NotFound(f"no app '{chosen.app}' has declared anything here", field="app")
    else:
        count = apps.forget(root, chosen.app, chosen.model)
    words = "would be forgotten" if chosen.dry_run else "forgotten"
    _tell(chosen, {"app": chosen.app, "forgotten": count}, f"{count} requirements of {chosen.app} {words}")
    return 0


def move(chosen: argparse.Namespace) -> int:
    """Load or unload a model's worker."""
    from edgewright.agent.control import Load, Unload, ask
    from edgewright.agent.status import model_status

    root = folder.existing(chosen)
    model_status(root, chosen.model)
    if not chosen.dry_run:
        wish = Load(model=chosen.model) if chosen.deed == "load" else Unload(model=chosen.model)
        ask(root, wish, object)
    words = "started" if chosen.deed == "load" else "ended"
    words = f"would be {words}" if chosen.dry_run else f"is being {words}"
    _tell(chosen, {"model": chosen.model, "deed": chosen.deed}, f"the worker of {chosen.model} {words}")
    return 0


def prefer(chosen: argparse.Namespace) -> int:
    """Keep a model's priority in the settings; a running agent takes it with `reload`."""
    import msgspec

    from edgewright.agent.disk import settings
    from edgewright.agent.status import model_status

    root = folder.existing(chosen)
    model_status(root, chosen.model)
    kept = settings.load(root)
    changed = msgspec.structs.replace(kept, priorities={**kept.priorities, chosen.model: chosen.number})
    settings.check(changed)
    if not chosen.dry_run:
        settings.save(root, changed)
    then = "; `edgewright-agent reload` lets a running agent take it"
    words = f"would have priority {chosen.number}" if chosen.dry_run else f"has priority {chosen.number}{then}"
    _tell(chosen, {"priorities": changed.priorities}, f"{chosen.model} {words}")
    return 0


def _add_common(deed: argparse.ArgumentParser) -> None:
    """The verb's own options, once more: they may be said before the deed or behind it."""
    deed.add_argument("--dir", type=Path, default=argparse.SUPPRESS, help="the agent's folder, as above")
    _add_manners(deed, argparse.SUPPRESS)


def _add_manners(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--dry-run", action="store_true", default=default, help="say what would happen")
    parser.add_argument("--json", action="store_true", default=default, help="as JSON")


def _text(one: ModelFacts) -> str:
    from edgewright.agent.status import amount

    if not one.counter:
        lines = [f"{one.model}: nothing serves yet"]
    else:
        lines = [f"{one.model}: version {one.version}, release {one.counter}, contract {one.contract or 'none'}"]
        lines.append(f"  for {one.target} on {one.runtime}, {amount(one.size_bytes)}, priority {one.priority}")
        lines += [f"  in  {name}" for name in one.inputs] + [f"  out {name}" for name in one.outputs]
    for app in one.apps:
        lines.append(f"  app {app.app} (user {app.user}) requires {app.required or 'a contract of its own'}")
    return "\n".join(lines)


def _tell(chosen: argparse.Namespace, facts: object, text: str) -> None:
    import msgspec

    sys.stdout.write((msgspec.json.encode(facts).decode() if chosen.json else text) + "\n")
