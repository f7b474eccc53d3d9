"""`edgewright-agent rollback`: back to what served before, without asking the hub."""

from __future__ import annotations

import argparse
import sys

from edgewright.agent.cli import folder
from edgewright.contract.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    about = (
        "Leaves the model that serves, now, for the one in the spare slot. The release that is left is remembered and "
        "not installed again unless somebody offers it anew; the hub hears of it when it can. The agent must run."
    )
    verb = verbs.add_parser("rollback", help="go back to the model that served before", description=about)
    verb.set_defaults(act=act)
    verb.add_argument("model", nargs="?", default="", help="which (may be left out where there is only one)")
    folder.add_dir(verb)
    verb.add_argument("--reason", default="", metavar="TEXT", help="why, for the hub's people")
    verb.add_argument("--dry-run", action="store_true", help="say what would happen")
    verb.add_argument("--json", action="store_true", help="as one JSON object")


def act(chosen: argparse.Namespace) -> int:
    """Roll a model back."""
    import msgspec

    from edgewright.agent.control import RollBack, ask
    from edgewright.agent.status import model_status

    root = folder.existing(chosen)
    model = chosen.model or _only_model(chosen)
    before = model_status(root, model)
    if not before.spare_counter:
        raise _nothing_there(model)
    facts = {"model": model, "from_counter": before.counter, "to_counter": before.spare_counter}
    if not chosen.dry_run:
        ask(root, RollBack(model=model, reason=chosen.reason[:500]), object)
    if chosen.json:
        sys.stdout.write(msgspec.json.encode({**facts, "is_dry_run": chosen.dry_run}).decode() + "\n")
    else:
        words = "would go" if chosen.dry_run else "goes"
        sys.stdout.write(f"{model} {words} back from release {before.counter} to release {before.spare_counter}\n")
    return 0


def _only_model(chosen: argparse.Namespace) -> str:
    from edgewright.agent.status import model_names

    names = model_names(chosen.dir)
    if len(names) != 1:
        found = f"there are {', '.join(names)}" if names else "there is none on this device"
        raise UsageError(f"say which model: {found}", field="model")
    return names[0]


def _nothing_there(model: str) -> Exception:
    from edgewright.contract.errors import Refused

    hint = "Release the version anew at the hub, or a newer one."
    return Refused(f"there is nothing in the spare slot of {model} to go back to", field="model", hint=hint)
