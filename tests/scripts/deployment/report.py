"""Checks that print what they find."""


def check(what, expected, found):
    if expected != found:
        raise SystemExit(f"{what}: expected {expected!r}, found {found!r}")
    print(f"  {what}: {found}", flush=True)
