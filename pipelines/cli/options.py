"""Options that verbs share, and how they become a spec and a site."""

import argparse

from pipelines.settings import Settings, settle
from pipelines.site import Site
from pipelines.spec import Spec
from resources.errors import InputError


def add_home(parser: argparse.ArgumentParser) -> None:
    """Where the verb works, and how it answers."""
    parser.add_argument("--home", metavar="DIR", help="where everything is kept (default: $TIDEMILL_HOME or .tidemill)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")


def add_profile(parser: argparse.ArgumentParser) -> None:
    """What the verb speaks of."""
    default = "the home's last one, then demo"
    parser.add_argument("--profile", help=f"smoke, demo, gpu, or a YAML file (default: {default})")
    parser.add_argument("--file", metavar="YAML", help="settings laid over the profile")
    parser.add_argument(
        "--set", metavar="PART.FIELD=VALUE", action="append", default=[], help="one setting over all others; repeatable"
    )


def site_of(options: argparse.Namespace) -> Site:
    """The site that the options name."""
    return Site.resolve(options.home, getattr(options, "workers", None))


def home_of(options: argparse.Namespace) -> Site:
    """The same, for verbs that only look: a folder that is no home yet has a misspelt name, most likely."""
    site = site_of(options)
    if not site.home.is_dir():
        raise InputError(f"there is no home at {site.home}; `tidemill run` makes one, --home DIR names another")
    return site


def settings_of(options: argparse.Namespace, site: Site) -> Settings:
    """The settings that the options name; without `--profile`, those of this home's last run."""
    return settle(options.profile, options.file, options.set, site.home)


def spec_of(options: argparse.Namespace, site: Site) -> Spec:
    """The spec that the options name."""
    return settings_of(options, site).load().spec
