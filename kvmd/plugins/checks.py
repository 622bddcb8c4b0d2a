"""What is asked of a plug-in before it is used: each function says what is wrong with one thing; None if nothing is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

from kvmd.contract.device import DriverOptions, Match
from kvmd.contract.driver import NAME, BaseDriver
from kvmd.contract.number import CONTRACT
from kvmd.contract.roles import ROLES, role_of
from kvmd.system.decoding import to_struct

MARK = "KVMD_CONTRACT"
"""What a plug-in's module calls the number that it was made for; one that has none was made for the first."""


def contract_problem(plugin: object) -> str | None:
    """Look for which contract a plug-in was made."""
    number = getattr(plugin, MARK, 1)
    if type(number) is not int or number < 1:
        return f"{MARK} = {number!r} is no contract's number: those are 1 to {CONTRACT}"
    if number > CONTRACT:
        return (
            f"it was made for contract {number}, and this kvmd has {CONTRACT}: "
            "upgrade kvmd-hal, or install an older version of the plug-in"
        )
    return None


def hook_problem(name: str, function: Callable[..., object], hooks: Mapping[str, Sequence[str]]) -> str | None:
    """Look at a function that is to answer a hook.

    :param name: the hook's, as the plug-in has it
    :param hooks: the arguments of every hook, by its name
    """
    if name not in hooks:
        return f"there is no hook {name}; there are: {', '.join(sorted(hooks))}"
    known = hooks[name]
    for argument in inspect.signature(function).parameters.values():
        is_asked = argument.default is argument.empty and argument.kind is argument.POSITIONAL_OR_KEYWORD
        if is_asked and argument.name not in known:
            return f"{name}() has no argument {argument.name}; there are: {', '.join(known) or 'none'}"
    return None


def kind_problem(kind: type, thing: object) -> str | None:
    """Look whether something is of the kind that a hook returns."""
    return None if isinstance(thing, kind) else f"{_named(thing)} is no {kind.__name__}"


def driver_problem(driver: object) -> str | None:
    """Look at what a plug-in names as one of its drivers."""
    if not (isinstance(driver, type) and issubclass(driver, BaseDriver) and role_of(driver)):
        return f"{_named(driver)} derives from none of {', '.join(role.driver.__name__ for role in ROLES)}"
    if missing := sorted(driver.__abstractmethods__):
        return f"{_named(driver)} lacks {', '.join(missing)}"
    return declaration_problem(driver)


def declaration_problem(driver: type[BaseDriver]) -> str | None:
    """Look at what a driver says of itself, all of which is read before it is made."""
    name, options, where = getattr(driver, "name", None), getattr(driver, "Options", None), _named(driver)
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        return f"{where}.name = {name!r}: a name has small letters, digits and underscores, and begins with a letter"
    if not (isinstance(options, type) and issubclass(options, DriverOptions)):
        return f"{where}.Options does not derive from DriverOptions"
    if problem := _options_problem(options):
        return f"{where}.Options cannot be made of no options: {problem}"
    if not (_is_list(driver.matches) and all(isinstance(match, Match) for match in driver.matches)):
        return f"{where}.matches is no list of Match"
    if not (_is_list(driver.wakes) and all(isinstance(name, str) for name in driver.wakes)):
        return f"{where}.wakes is no list of names"
    return None


def _options_problem(options: type[DriverOptions]) -> str | None:
    """Make options of nothing, as for a driver of which the settings say nothing."""
    try:
        to_struct({}, options)
    except Exception as error:  # whatever a stranger's types do
        return str(error)
    return None


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _named(thing: object) -> str:
    kind = thing if isinstance(thing, type) else type(thing)
    return f"{'' if kind is thing else 'an object of '}{kind.__module__}.{kind.__qualname__}"
