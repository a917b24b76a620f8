"""Options that verbs share, and how they become a spec and a site."""

import argparse

from pipelines.settings import Settings, settle
from pipelines.site import Site
from pipelines.spec import Spec


def add_home(parser: argparse.ArgumentParser) -> None:
    """Where the verb works, and how it answers."""
    parser.add_argument("--home", metavar="DIR", help="where everything is kept (default: $TIDEMILL_HOME or .tidemill)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")


def add_profile(parser: argparse.ArgumentParser, default: str = "the home's last one, then demo") -> None:
    """What the verb speaks of."""
    parser.add_argument("--profile", help=f"smoke, demo, gpu, or a YAML file (default: {default})")
    parser.add_argument("--file", metavar="YAML", help="settings laid over the profile")
    parser.add_argument(
        "--set", metavar="PART.FIELD=VALUE", action="append", default=[], help="one setting over all others; repeatable"
    )


def site_of(options: argparse.Namespace) -> Site:
    """The site that the options name."""
    return Site.resolve(options.home, getattr(options, "workers", None))


def settings_of(options: argparse.Namespace, site: Site) -> Settings:
    """The settings that the options name; without `--profile`, those of this home's last run."""
    return settle(options.profile, options.file, options.set, site.home)


def spec_of(options: argparse.Namespace, site: Site) -> Spec:
    """The spec that the options name."""
    return settings_of(options, site).load().spec
